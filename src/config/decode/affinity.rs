//! Affinity filters: users whose occurrences of an event mostly have certain attribute values.

use super::super::yaml::Node;
use super::attribute::flag;
use super::decoder::{Decoder, Fields};
use super::event::{attributes, execution};
use super::operands::{Operands, double_test, reject_list};
use super::time_range::affinity_time_range;
use crate::model::{
    Affinity, AffinityAttribute, AffinityFilter, AffinityTest, AffinityTextOperator, AffinityType, DataType,
    GroupOperator, Keyword,
};

/// Decodes a `psychographic_event` filter; `filter_type` is already decoded.
pub(super) fn affinity(decoder: &mut Decoder<'_>, mut fields: Fields<'_>) -> Option<AffinityFilter> {
    fields.describe("a `psychographic_event` filter");
    let action_name = decoder.required(&mut fields, "action_name", Decoder::non_empty_text);
    let executed = decoder.or(&mut fields, "executed", true, Decoder::boolean);
    let execution = execution(decoder, &mut fields, executed);
    let affinity = affinity_type(decoder, &mut fields);
    let preferred = decoder.required(&mut fields, "psychographic_attributes", preferred_attributes);
    let attributes = attributes(decoder, &mut fields);
    let time_range = decoder.required(&mut fields, "primary_time_range", affinity_time_range);
    decoder.finish(&fields);
    let (preferred_operator, preferred) = preferred?;
    Some(AffinityFilter {
        action_name: action_name?,
        execution: execution?,
        affinity: affinity?,
        preferred,
        preferred_operator,
        attributes: attributes?,
        time_range: time_range?,
    })
}

fn affinity_type(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Affinity> {
    let kind = decoder.required_keyword::<AffinityType>(fields, "operator_type");
    let Some(kind) = kind else {
        fields.ignore_unknown_fields();
        return None;
    };
    fields.describe(format!(
        "a `psychographic_event` filter of the type `{}`",
        kind.as_str()
    ));
    let mut percent = |key| decoder.required(fields, key, |decoder, node| decoder.count(node, 1..=100));
    Some(match kind {
        AffinityType::Predominant => Affinity::Predominant,
        AffinityType::Minimum => Affinity::Minimum(percent("percent_of_times")?),
        AffinityType::Top => Affinity::Top(percent("percent_of_users")?),
        AffinityType::Bottom => Affinity::Bottom(percent("percent_of_users")?),
    })
}

fn preferred_attributes(
    decoder: &mut Decoder<'_>,
    node: &Node,
) -> Option<(GroupOperator, Vec<AffinityAttribute>)> {
    let mut fields = decoder.fields(node, "a group of affinity attributes")?;
    let operator = decoder.required_keyword(&mut fields, "filter_operator");
    let filters = decoder.required(&mut fields, "filters", |decoder, node| {
        decoder.non_empty_list(node, attribute)
    });
    decoder.finish(&fields);
    Some((operator?, filters?))
}

fn attribute(decoder: &mut Decoder<'_>, node: &Node) -> Option<AffinityAttribute> {
    let mut fields = decoder.fields(node, "an affinity attribute")?;
    let name = decoder.required(&mut fields, "name", Decoder::non_empty_text);
    let category = decoder.optional(&mut fields, "category", Decoder::non_empty_text);
    let negate = flag(decoder, &mut fields, "negate");
    let data_types = [DataType::String, DataType::Double];
    let data_type = decoder.required_keyword_among(&mut fields, "data_type", &data_types);
    let operator = decoder.require(&mut fields, "operator");
    let (data_type, operator) = (data_type?, operator?);
    let test = match data_type {
        DataType::Double => double(decoder, &mut fields, operator),
        _ => text(decoder, &mut fields, operator),
    };
    decoder.finish(&fields);
    Some(AffinityAttribute {
        name: name?,
        category: category?,
        negate: negate?,
        test: test?,
    })
}

fn text(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, operator: &Node) -> Option<AffinityTest> {
    let word = decoder.scalar(operator, "a string (operator)")?.text.as_str();
    let Some(operator) = AffinityTextOperator::from_text(word) else {
        fields.ignore_unknown_fields();
        let words: Vec<&str> = AffinityTextOperator::ALL
            .iter()
            .map(|word| word.as_str())
            .collect();
        return decoder.invalid_operator(
            operator,
            "a `string` affinity attribute",
            &words,
            fields.peek("value"),
        );
    };
    fields.describe(format!(
        "a text attribute with the operator `{}`",
        operator.as_str()
    ));
    let case_sensitive = flag(decoder, fields, "case_sensitive");
    if operator == AffinityTextOperator::Exists {
        return Some(AffinityTest::TextExists {
            case_sensitive: case_sensitive?,
        });
    }
    let value = decoder.require(fields, "value")?;
    if operator == AffinityTextOperator::In {
        let values = decoder.non_empty_list(value, Decoder::text);
        return Some(AffinityTest::TextIn {
            values: values?,
            case_sensitive: case_sensitive?,
        });
    }
    reject_list(decoder, value, Some("in"))?;
    Some(AffinityTest::Text {
        operator,
        value: decoder.text(value)?,
        case_sensitive: case_sensitive?,
    })
}

fn double(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, operator: &Node) -> Option<AffinityTest> {
    let mut operands = Operands {
        decoder,
        fields,
        dynamic: false,
        list_operator: Some("in"),
    };
    if operands.operator_text(operator)? == "is" {
        operands.describe("double", "is");
        let value = decoder.required(fields, "value", Decoder::number);
        return value.map(AffinityTest::DoubleIs);
    }
    double_test(&mut operands, operator).map(AffinityTest::Double)
}
