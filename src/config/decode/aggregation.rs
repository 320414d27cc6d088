//! Aggregations: conditions on the numbers of an event's attribute.

use super::super::yaml::{Node, Resolved, Scalar, Yaml};
use super::attribute::flag;
use super::codes;
use super::date::Edge;
use super::reader::{COUNT_LIMIT, Fields, Reader};
use crate::model::{
    Aggregation, AggregationTest, AggregationType, BaseWindow, Comparison, DataType, GroupOperator,
};

/// The group that holds the one aggregation of an event filter.
pub(super) fn aggregation(reader: &mut Reader<'_>, node: &Node) -> Option<Aggregation> {
    let mut fields = reader.fields(node, "an aggregation group")?;
    let operator = fields
        .take("filter_operator")
        .map(|node| reader.word::<GroupOperator>(node));
    let filters = reader.require(&mut fields, "filters");
    reader.finish(&fields);
    let node = filters?;
    let mut read = reader.list(node, one)?;
    operator.unwrap_or(Some(GroupOperator::And))?;
    if read.len() != 1 {
        let message = format!("an event filter has one aggregation, not {}", read.len());
        return reader.fault(codes::OUT_OF_RANGE, &node.span, message, "expected one");
    }
    read.pop()
}

fn one(reader: &mut Reader<'_>, node: &Node) -> Option<Aggregation> {
    let mut fields = reader.fields(node, "an aggregation")?;
    let attribute_name = reader
        .require(&mut fields, "attribute_name")
        .and_then(|node| reader.filled_text(node));
    if let Some(node) = fields.take("data_type") {
        reader.word_among(node, &[DataType::Double]);
    }
    let aggregation_type = reader
        .require(&mut fields, "aggregation_type")
        .and_then(|node| reader.word::<AggregationType>(node));
    let negate = flag(reader, &mut fields, "negate");
    if flag(reader, &mut fields, "is_dynamic_value") == Some(true) {
        let message = "only user attributes can be compared with another attribute";
        reader.misplaced::<()>(&fields, "is_dynamic_value", message);
    }
    let test = test(reader, &mut fields);
    let comparison = comparison(reader, &mut fields);
    reader.finish(&fields);
    Some(Aggregation {
        attribute_name: attribute_name?,
        aggregation_type: aggregation_type?,
        negate: negate?,
        test: test?,
        comparison: comparison?,
    })
}

fn test(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<AggregationTest> {
    let operator = reader.require(fields, "operator");
    let word = operator.and_then(|node| reader.scalar(node, "an operator"));
    let (Some(operator), Some(word)) = (operator, word.map(|scalar| scalar.text.as_str())) else {
        fields.lose_shape();
        return None;
    };
    let words = ["is", "between", "lessThan", "greaterThan"];
    if !words.contains(&word) {
        fields.lose_shape();
        return reader.unknown_word(operator, "operator on an aggregate", &words);
    }
    fields.describe(format!("an aggregation with the operator `{word}`"));
    let value = reader
        .require(fields, "value")
        .and_then(|node| reader.number(node));
    if word == "between" {
        let value1 = reader
            .require(fields, "value1")
            .and_then(|node| reader.number(node));
        return Some(AggregationTest::Between(value?, value1?));
    }
    Some(match word {
        "lessThan" => AggregationTest::LessThan(value?),
        "greaterThan" => AggregationTest::GreaterThan(value?),
        _ => AggregationTest::Is(value?),
    })
}

/// A comparator and its base window come together or not at all.
fn comparison(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Option<Comparison>> {
    match (fields.take("comparator"), fields.take("base_time_range")) {
        (None, None) => Some(None),
        (Some(_), None) => {
            reader.require(fields, "base_time_range");
            None
        }
        (None, Some(_)) => reader.misplaced(
            fields,
            "base_time_range",
            "`base_time_range` needs a `comparator`",
        ),
        (Some(comparator), Some(base)) => {
            let comparator = reader.word(comparator);
            let base = base_window(reader, base);
            Some(Some(Comparison {
                comparator: comparator?,
                base: base?,
            }))
        }
    }
}

fn base_window(reader: &mut Reader<'_>, node: &Node) -> Option<BaseWindow> {
    let mut fields = reader.fields(node, "a base window")?;
    let kind = reader.require(&mut fields, "type")?;
    let window = match reader.scalar(kind, "a window type")?.text.as_str() {
        "previousPeriod" => Some(BaseWindow::PreviousPeriod),
        "between" => between(reader, &mut fields),
        _ => return reader.unknown_word(kind, "type of a base window", &["previousPeriod", "between"]),
    };
    reader.finish(&fields);
    window
}

fn between(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<BaseWindow> {
    let value = reader.require(fields, "value");
    let value1 = reader.require(fields, "value1");
    let (value, value1) = (value?, value1?);
    // 7.0 is a count, too, as everywhere.
    let is_number = |scalar: &Scalar| matches!(scalar.resolved, Resolved::Integer(_) | Resolved::Float(_));
    if matches!(&value.value, Yaml::Scalar(scalar) if is_number(scalar)) {
        let nearer = reader.count(value, 0..=COUNT_LIMIT);
        let farther = reader.count(value1, 0..=COUNT_LIMIT);
        return Some(BaseWindow::Ago {
            nearer: nearer?,
            farther: farther?,
        });
    }
    let first = reader.day(value, Edge::Start);
    let last = reader.day(value1, Edge::End);
    Some(BaseWindow::Dates {
        first: first?,
        last: last?,
    })
}
