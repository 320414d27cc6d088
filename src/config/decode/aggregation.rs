//! Aggregations: conditions on the numeric values of an event attribute.

use super::super::yaml::{Node, ScalarValue, Yaml};
use super::codes;
use super::date::DayBoundary;
use super::decoder::{Decoder, Fields};
use crate::model::{
    Aggregation, AggregationTest, AggregationType, BaseTimeRange, DataType, GroupOperator, PeriodComparison,
};
use jiff::civil::DateTime;

pub(super) fn aggregation(decoder: &Decoder<'_>, node: &Node) -> Option<Aggregation> {
    let mut fields = decoder.fields(node, "an aggregation group")?;
    let operator = fields.optional("filter_operator", Decoder::keyword::<GroupOperator>);
    let filters = fields.require("filters");
    fields.finish();
    let node = filters?;
    let mut aggregations = decoder.list(node, single_aggregation)?;
    operator?;
    if aggregations.len() != 1 {
        let found = aggregations.len();
        let message = format!("an event filter has exactly one aggregation, found {found}");
        return decoder.error(codes::OUT_OF_RANGE, &node.span, message, "expected one");
    }
    aggregations.pop()
}

fn single_aggregation(decoder: &Decoder<'_>, node: &Node) -> Option<Aggregation> {
    let mut fields = decoder.fields(node, "an aggregation")?;
    let attribute_name = fields.required("attribute_name", Decoder::non_empty_text);
    fields.optional("data_type", Decoder::one_of(&[DataType::Double]));
    let aggregation_type = fields.required_keyword::<AggregationType>("aggregation_type");
    let negate = fields.flag("negate");
    if fields.flag("is_dynamic_value") == Some(true) {
        let message = "only user attributes can be compared with another attribute";
        fields.misplaced_field::<()>("is_dynamic_value", message);
    }
    let test = aggregation_test(&mut fields);
    let comparison = comparison(&mut fields);
    fields.finish();
    Some(Aggregation {
        attribute_name: attribute_name?,
        aggregation_type: aggregation_type?,
        negate: negate?,
        test: test?,
        comparison: comparison?,
    })
}

fn aggregation_test(fields: &mut Fields<'_>) -> Option<AggregationTest> {
    let operator = fields.require("operator");
    let word = operator.and_then(|node| fields.decoder.scalar(node, "a string (operator)"));
    let (Some(operator), Some(word)) = (operator, word.map(|scalar| scalar.text.as_str())) else {
        fields.ignore_unknown_fields();
        return None;
    };
    let words = ["is", "between", "lessThan", "greaterThan"];
    if !words.contains(&word) {
        fields.ignore_unknown_fields();
        let value = fields.peek("value");
        return fields
            .decoder
            .invalid_operator(operator, "an aggregation", &words, value);
    }
    fields.describe(format!("an aggregation with the operator `{word}`"));
    let value = fields.required("value", Decoder::number);
    if word == "between" {
        let value1 = fields.required("value1", Decoder::number);
        return Some(AggregationTest::Between(value?, value1?));
    }
    Some(match word {
        "lessThan" => AggregationTest::LessThan(value?),
        "greaterThan" => AggregationTest::GreaterThan(value?),
        _ => AggregationTest::Is(value?),
    })
}

/// `comparator` and `base_time_range` are valid only together.
fn comparison(fields: &mut Fields<'_>) -> Option<Option<PeriodComparison>> {
    match (fields.take("comparator"), fields.take("base_time_range")) {
        (None, None) => Some(None),
        (Some(_), None) => {
            fields.require("base_time_range");
            None
        }
        (None, Some(_)) => {
            let message = "`base_time_range` requires a `comparator`";
            fields.misplaced_field("base_time_range", message)
        }
        (Some(comparator), Some(base)) => {
            let comparator = fields.decoder.keyword(comparator);
            let base_time_range = base_time_range(fields.decoder, base);
            Some(Some(PeriodComparison {
                comparator: comparator?,
                base_time_range: base_time_range?,
            }))
        }
    }
}

fn base_time_range(decoder: &Decoder<'_>, node: &Node) -> Option<BaseTimeRange> {
    let mut fields = decoder.fields(node, "a base time range")?;
    let kind = fields.require("type")?;
    let time_range = match decoder.scalar(kind, "a string (time range type)")?.text.as_str() {
        "previousPeriod" => Some(BaseTimeRange::PreviousPeriod),
        "between" => base_time_range_between(&mut fields),
        _ => return decoder.unknown_keyword(kind, "base time range type", &["previousPeriod", "between"]),
    };
    fields.finish();
    time_range
}

fn base_time_range_between(fields: &mut Fields<'_>) -> Option<BaseTimeRange> {
    let first = fields.required("value", |decoder, node| {
        base_moment(decoder, node, DayBoundary::Start)
    });
    let last = fields.required("value1", |decoder, node| {
        base_moment(decoder, node, DayBoundary::End)
    });
    Some(BaseTimeRange::Dates {
        first: first?,
        last: last?,
    })
}

fn base_moment(decoder: &Decoder<'_>, node: &Node, boundary: DayBoundary) -> Option<DateTime> {
    if let Yaml::Scalar(scalar) = &node.value
        && matches!(scalar.resolved, ScalarValue::Integer(_) | ScalarValue::Float(_))
    {
        let message = "a `base_time_range` takes dates, not a number of days";
        return decoder.error_with_help(codes::WRONG_TYPE, &node.span, message, "expected YYYY-MM-DD", "write two dates; for the period right before the time range of the filter, use {type: previousPeriod}");
    }
    decoder.moment(node, boundary)
}
