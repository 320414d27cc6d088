//! Aggregations: conditions on the numbers of an event's attribute.

use super::super::yaml::{Node, Scalar, ScalarValue, Yaml};
use super::attribute::flag;
use super::codes;
use super::date::DayBoundary;
use super::decoder::{COUNT_LIMIT, Decoder, Fields};
use crate::model::{
    Aggregation, AggregationTest, AggregationType, BaseTimeRange, DataType, GroupOperator, PeriodComparison,
};

/// The group that holds the one aggregation of an event filter.
pub(super) fn aggregation(reader: &mut Decoder<'_>, node: &Node) -> Option<Aggregation> {
    let mut fields = reader.fields(node, "an aggregation group")?;
    let operator = fields
        .take("filter_operator")
        .map(|node| reader.keyword::<GroupOperator>(node));
    let filters = reader.require(&mut fields, "filters");
    reader.finish(&fields);
    let node = filters?;
    let mut read = reader.list(node, single_aggregation)?;
    operator.unwrap_or(Some(GroupOperator::And))?;
    if read.len() != 1 {
        let message = format!("an event filter has one aggregation, not {}", read.len());
        return reader.error(codes::OUT_OF_RANGE, &node.span, message, "expected one");
    }
    read.pop()
}

fn single_aggregation(reader: &mut Decoder<'_>, node: &Node) -> Option<Aggregation> {
    let mut fields = reader.fields(node, "an aggregation")?;
    let attribute_name = reader
        .require(&mut fields, "attribute_name")
        .and_then(|node| reader.non_empty_text(node));
    if let Some(node) = fields.take("data_type") {
        reader.keyword_among(node, &[DataType::Double]);
    }
    let aggregation_type = reader
        .require(&mut fields, "aggregation_type")
        .and_then(|node| reader.keyword::<AggregationType>(node));
    let negate = flag(reader, &mut fields, "negate");
    if flag(reader, &mut fields, "is_dynamic_value") == Some(true) {
        let message = "only user attributes can be compared with another attribute";
        reader.misplaced_field::<()>(&fields, "is_dynamic_value", message);
    }
    let test = aggregation_test(reader, &mut fields);
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

fn aggregation_test(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<AggregationTest> {
    let operator = reader.require(fields, "operator");
    let word = operator.and_then(|node| reader.scalar(node, "an operator"));
    let (Some(operator), Some(word)) = (operator, word.map(|scalar| scalar.text.as_str())) else {
        fields.ignore_unknown_fields();
        return None;
    };
    let words = ["is", "between", "lessThan", "greaterThan"];
    if !words.contains(&word) {
        fields.ignore_unknown_fields();
        return reader.unknown_keyword(operator, "operator on an aggregate", &words);
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
fn comparison(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Option<PeriodComparison>> {
    match (fields.take("comparator"), fields.take("base_time_range")) {
        (None, None) => Some(None),
        (Some(_), None) => {
            reader.require(fields, "base_time_range");
            None
        }
        (None, Some(_)) => reader.misplaced_field(
            fields,
            "base_time_range",
            "`base_time_range` needs a `comparator`",
        ),
        (Some(comparator), Some(base)) => {
            let comparator = reader.keyword(comparator);
            let base = base_time_range(reader, base);
            Some(Some(PeriodComparison {
                comparator: comparator?,
                base_time_range: base?,
            }))
        }
    }
}

fn base_time_range(reader: &mut Decoder<'_>, node: &Node) -> Option<BaseTimeRange> {
    let mut fields = reader.fields(node, "a base window")?;
    let kind = reader.require(&mut fields, "type")?;
    let window = match reader.scalar(kind, "a window type")?.text.as_str() {
        "previousPeriod" => Some(BaseTimeRange::PreviousPeriod),
        "between" => base_time_range_between(reader, &mut fields),
        _ => return reader.unknown_keyword(kind, "type of a base window", &["previousPeriod", "between"]),
    };
    reader.finish(&fields);
    window
}

fn base_time_range_between(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<BaseTimeRange> {
    let value = reader.require(fields, "value");
    let value1 = reader.require(fields, "value1");
    let (value, value1) = (value?, value1?);
    // 7.0 is a count, too, as everywhere.
    let is_number =
        |scalar: &Scalar| matches!(scalar.resolved, ScalarValue::Integer(_) | ScalarValue::Float(_));
    if matches!(&value.value, Yaml::Scalar(scalar) if is_number(scalar)) {
        let nearer = reader.count(value, 0..=COUNT_LIMIT);
        let farther = reader.count(value1, 0..=COUNT_LIMIT);
        return Some(BaseTimeRange::Ago {
            nearer: nearer?,
            farther: farther?,
        });
    }
    let first = reader.day(value, DayBoundary::Start);
    let last = reader.day(value1, DayBoundary::End);
    Some(BaseTimeRange::Dates {
        first: first?,
        last: last?,
    })
}
