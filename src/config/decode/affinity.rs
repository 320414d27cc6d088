//! Affinity filters: users whose occurrences of an event mostly have certain attribute values.

use super::super::yaml::Node;
use super::decoder::{Decoder, Fields};
use super::event::{attributes, execution};
use super::operands::{Operands, double_test, reject_list};
use super::time_range::affinity_time_range;
use crate::model::{
    Affinity, AffinityAttribute, AffinityFilter, AffinityTest, AffinityTextOperator, AffinityType, DataType,
    GroupOperator, Keyword,
};

/// Decodes a `psychographic_event` filter; `filter_type` is already decoded.
pub(super) fn affinity(mut fields: Fields<'_>) -> Option<AffinityFilter> {
    fields.describe("a `psychographic_event` filter");
    let action_name = fields.required("action_name", Decoder::non_empty_text);
    let executed = fields.or("executed", true, Decoder::boolean);
    let execution = execution(&mut fields, executed);
    let affinity = affinity_type(&mut fields);
    let preferred = fields.required("psychographic_attributes", preferred_attributes);
    let attributes = attributes(&mut fields);
    let time_range = fields.required("primary_time_range", affinity_time_range);
    fields.finish();
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

fn affinity_type(fields: &mut Fields<'_>) -> Option<Affinity> {
    let kind = fields.required_keyword::<AffinityType>("operator_type");
    let Some(kind) = kind else {
        fields.ignore_unknown_fields();
        return None;
    };
    fields.describe(format!(
        "a `psychographic_event` filter of the type `{}`",
        kind.as_str()
    ));
    let mut percent = |key| fields.required(key, Decoder::count_in(1..=100));
    Some(match kind {
        AffinityType::Predominant => Affinity::Predominant,
        AffinityType::Minimum => Affinity::Minimum(percent("percent_of_times")?),
        AffinityType::Top => Affinity::Top(percent("percent_of_users")?),
        AffinityType::Bottom => Affinity::Bottom(percent("percent_of_users")?),
    })
}

fn preferred_attributes(
    decoder: &Decoder<'_>,
    node: &Node,
) -> Option<(GroupOperator, Vec<AffinityAttribute>)> {
    let mut fields = decoder.fields(node, "a group of affinity attributes")?;
    let operator = fields.required_keyword("filter_operator");
    let filters = fields.required("filters", Decoder::non_empty_list_of(attribute));
    fields.finish();
    Some((operator?, filters?))
}

fn attribute(decoder: &Decoder<'_>, node: &Node) -> Option<AffinityAttribute> {
    let mut fields = decoder.fields(node, "an affinity attribute")?;
    let name = fields.required("name", Decoder::non_empty_text);
    let category = fields.optional("category", Decoder::non_empty_text);
    let negate = fields.flag("negate");
    let data_types = [DataType::String, DataType::Double];
    let data_type = fields.required_keyword_among("data_type", &data_types);
    let operator = fields.require("operator");
    let (data_type, operator) = (data_type?, operator?);
    let test = match data_type {
        DataType::Double => double(&mut fields, operator),
        _ => text(&mut fields, operator),
    };
    fields.finish();
    Some(AffinityAttribute {
        name: name?,
        category: category?,
        negate: negate?,
        test: test?,
    })
}

fn text(fields: &mut Fields<'_>, operator: &Node) -> Option<AffinityTest> {
    let decoder = fields.decoder;
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
    let case_sensitive = fields.flag("case_sensitive");
    if operator == AffinityTextOperator::Exists {
        return Some(AffinityTest::TextExists {
            case_sensitive: case_sensitive?,
        });
    }
    if operator == AffinityTextOperator::In {
        let values = fields.required("value", Decoder::non_empty_list_of(Decoder::text));
        return Some(AffinityTest::TextIn {
            values: values?,
            case_sensitive: case_sensitive?,
        });
    }
    let value = fields.required("value", |decoder, node| {
        reject_list(decoder, node, Some("in"))?;
        decoder.text(node)
    });
    Some(AffinityTest::Text {
        operator,
        value: value?,
        case_sensitive: case_sensitive?,
    })
}

fn double<'n>(fields: &mut Fields<'n>, operator: &'n Node) -> Option<AffinityTest> {
    let mut operands = Operands {
        fields,
        operator,
        dynamic: false,
        list_operator: Some("in"),
    };
    if operands.operator_text()? == "is" {
        operands.describe("double", "is");
        let value = fields.required("value", Decoder::number);
        return value.map(AffinityTest::DoubleIs);
    }
    double_test(&mut operands).map(AffinityTest::Double)
}
