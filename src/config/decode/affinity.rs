//! Affinity filters: users whose occurrences of an event lean to certain values.

use super::super::yaml::Node;
use super::attribute::flag;
use super::decoder::{Decoder, Fields};
use super::event::{attributes, execution};
use super::operands::{OperandDecoder, double_test};
use super::time_range::affinity_time_range;
use crate::model::{
    Affinity, AffinityAttribute, AffinityFilter, AffinityTest, AffinityTextOperator, AffinityType, DataType,
    GroupOperator, Keyword,
};

/// The fields of a `psychographic_event` filter, its type read already.
pub(super) fn affinity(reader: &mut Decoder<'_>, mut fields: Fields<'_>) -> Option<AffinityFilter> {
    fields.describe("a `psychographic_event` filter");
    let action_name = reader
        .require(&mut fields, "action_name")
        .and_then(|node| reader.non_empty_text(node));
    let executed = fields
        .take("executed")
        .map_or(Some(true), |node| reader.boolean(node));
    if executed == Some(false) {
        reader.misplaced_field::<()>(
            &fields,
            "executed",
            "an affinity is computed from occurrences, so `executed` is true",
        );
    }
    let execution = execution(reader, &mut fields, executed.map(|_| true));
    let mode = affinity_mode(reader, &mut fields);
    let preferred = reader
        .require(&mut fields, "psychographic_attributes")
        .and_then(|node| preferred_attributes(reader, node));
    let attributes = attributes(reader, &mut fields);
    let window = reader
        .require(&mut fields, "primary_time_range")
        .and_then(|node| affinity_time_range(reader, node));
    reader.finish(&fields);
    executed.filter(|executed| *executed)?;
    let (preferred_operator, preferred) = preferred?;
    Some(AffinityFilter {
        action_name: action_name?,
        execution: execution?,
        affinity: mode?,
        preferred,
        preferred_operator,
        attributes: attributes?,
        time_range: window?,
    })
}

fn affinity_mode(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Affinity> {
    let kind = reader
        .require(fields, "operator_type")
        .and_then(|node| reader.keyword::<AffinityType>(node));
    let Some(kind) = kind else {
        fields.ignore_unknown_fields();
        return None;
    };
    fields.describe(format!(
        "a `psychographic_event` filter of the type `{}`",
        kind.as_str()
    ));
    let mut percent = |key| {
        reader
            .require(fields, key)
            .and_then(|node| reader.count(node, 1..=100))
    };
    Some(match kind {
        AffinityType::Predominant => Affinity::Predominant,
        AffinityType::Minimum => Affinity::Minimum(percent("percent_of_times")?),
        AffinityType::Top => Affinity::Top(percent("percent_of_users")?),
        AffinityType::Bottom => Affinity::Bottom(percent("percent_of_users")?),
    })
}

fn preferred_attributes(
    reader: &mut Decoder<'_>,
    node: &Node,
) -> Option<(GroupOperator, Vec<AffinityAttribute>)> {
    let mut fields = reader.fields(node, "a group of affinity attributes")?;
    let operator = reader
        .require(&mut fields, "filter_operator")
        .and_then(|node| reader.keyword(node));
    let filters = reader
        .require(&mut fields, "filters")
        .and_then(|node| reader.non_empty_list(node, attribute));
    reader.finish(&fields);
    Some((operator?, filters?))
}

fn attribute(reader: &mut Decoder<'_>, node: &Node) -> Option<AffinityAttribute> {
    let mut fields = reader.fields(node, "an affinity attribute")?;
    let name = reader
        .require(&mut fields, "name")
        .and_then(|node| reader.non_empty_text(node));
    let category = fields.take("category").map(|node| reader.non_empty_text(node));
    let negate = flag(reader, &mut fields, "negate");
    let data_type = reader
        .require(&mut fields, "data_type")
        .and_then(|node| reader.keyword_among(node, &[DataType::String, DataType::Double]));
    let operator = reader.require(&mut fields, "operator");
    let (data_type, operator) = (data_type?, operator?);
    let test = match data_type {
        DataType::Double => double(reader, &mut fields, operator),
        _ => text(reader, &mut fields, operator),
    };
    reader.finish(&fields);
    let category = match category {
        Some(read) => Some(read?),
        None => None,
    };
    Some(AffinityAttribute {
        name: name?,
        category,
        negate: negate?,
        test: test?,
    })
}

fn text(reader: &mut Decoder<'_>, fields: &mut Fields<'_>, operator: &Node) -> Option<AffinityTest> {
    let Some(operator) = reader.keyword::<AffinityTextOperator>(operator) else {
        fields.ignore_unknown_fields();
        return None;
    };
    fields.describe(format!(
        "a text attribute with the operator `{}`",
        operator.as_str()
    ));
    if operator == AffinityTextOperator::Exists {
        return Some(AffinityTest::TextExists);
    }
    let case_sensitive = flag(reader, fields, "case_sensitive");
    let value = reader.require(fields, "value")?;
    if operator == AffinityTextOperator::In {
        let values = reader.non_empty_list(value, Decoder::text);
        return Some(AffinityTest::TextIn {
            values: values?,
            case_sensitive: case_sensitive?,
        });
    }
    let value = reader.text(value);
    Some(AffinityTest::Text {
        operator,
        value: value?,
        case_sensitive: case_sensitive?,
    })
}

fn double(reader: &mut Decoder<'_>, fields: &mut Fields<'_>, operator: &Node) -> Option<AffinityTest> {
    let mut operands = OperandDecoder {
        reader,
        fields,
        dynamic: false,
    };
    if operands.operator_text(operator)? == "is" {
        operands.describe("double", "is");
        let value = operands
            .require("value")
            .and_then(|node| operands.reader.number(node));
        return value.map(AffinityTest::DoubleIs);
    }
    double_test(&mut operands, operator).map(AffinityTest::Double)
}
