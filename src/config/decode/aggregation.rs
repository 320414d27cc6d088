//! Aggregations: conditions on the numeric values of an event attribute.

use super::super::yaml::{Node, ScalarValue, Yaml};
use super::attribute::flag;
use super::codes;
use super::date::DayBoundary;
use super::decoder::{Decoder, Fields};
use crate::model::{
    Aggregation, AggregationTest, AggregationType, BaseTimeRange, DataType, GroupOperator, PeriodComparison,
};
use jiff::civil::DateTime;

pub(super) fn aggregation(decoder: &mut Decoder<'_>, node: &Node) -> Option<Aggregation> {
    let mut fields = decoder.fields(node, "an aggregation group")?;
    let operator = decoder.optional(&mut fields, "filter_operator", Decoder::keyword::<GroupOperator>);
    let filters = decoder.require(&mut fields, "filters");
    decoder.finish(&fields);
    let node = filters?;
    let mut aggregations = decoder.list(node, single_aggregation)?;
    operator?;
    if aggregations.len() != 1 {
        let message = format!(
            "an event filter has exactly one aggregation, found {}",
            aggregations.len()
        );
        return decoder.error(codes::OUT_OF_RANGE, &node.span, message, "expected one");
    }
    aggregations.pop()
}

fn single_aggregation(decoder: &mut Decoder<'_>, node: &Node) -> Option<Aggregation> {
    let mut fields = decoder.fields(node, "an aggregation")?;
    let attribute_name = decoder.required(&mut fields, "attribute_name", Decoder::non_empty_text);
    decoder.optional(&mut fields, "data_type", |decoder, node| {
        decoder.keyword_among(node, &[DataType::Double])
    });
    let aggregation_type = decoder.required_keyword::<AggregationType>(&mut fields, "aggregation_type");
    let negate = flag(decoder, &mut fields, "negate");
    if flag(decoder, &mut fields, "is_dynamic_value") == Some(true) {
        let message = "only user attributes can be compared with another attribute";
        decoder.misplaced_field::<()>(&fields, "is_dynamic_value", message);
    }
    let test = aggregation_test(decoder, &mut fields);
    let comparison = comparison(decoder, &mut fields);
    decoder.finish(&fields);
    Some(Aggregation {
        attribute_name: attribute_name?,
        aggregation_type: aggregation_type?,
        negate: negate?,
        test: test?,
        comparison: comparison?,
    })
}

fn aggregation_test(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<AggregationTest> {
    let operator = decoder.require(fields, "operator");
    let word = operator.and_then(|node| decoder.scalar(node, "a string (operator)"));
    let (Some(operator), Some(word)) = (operator, word.map(|scalar| scalar.text.as_str())) else {
        fields.ignore_unknown_fields();
        return None;
    };
    let words = ["is", "between", "lessThan", "greaterThan"];
    if !words.contains(&word) {
        fields.ignore_unknown_fields();
        return decoder.invalid_operator(operator, "an aggregation", &words, fields.peek("value"));
    }
    fields.describe(format!("an aggregation with the operator `{word}`"));
    let value = decoder.required(fields, "value", Decoder::number);
    if word == "between" {
        let value1 = decoder.required(fields, "value1", Decoder::number);
        return Some(AggregationTest::Between(value?, value1?));
    }
    Some(match word {
        "lessThan" => AggregationTest::LessThan(value?),
        "greaterThan" => AggregationTest::GreaterThan(value?),
        _ => AggregationTest::Is(value?),
    })
}

/// `comparator` and `base_time_range` are valid only together.
fn comparison(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Option<PeriodComparison>> {
    match (fields.take("comparator"), fields.take("base_time_range")) {
        (None, None) => Some(None),
        (Some(_), None) => {
            decoder.require(fields, "base_time_range");
            None
        }
        (None, Some(_)) => {
            let message = "`base_time_range` requires a `comparator`";
            decoder.misplaced_field(fields, "base_time_range", message)
        }
        (Some(comparator), Some(base)) => {
            let comparator = decoder.keyword(comparator);
            let base_time_range = base_time_range(decoder, base);
            Some(Some(PeriodComparison {
                comparator: comparator?,
                base_time_range: base_time_range?,
            }))
        }
    }
}

fn base_time_range(decoder: &mut Decoder<'_>, node: &Node) -> Option<BaseTimeRange> {
    let mut fields = decoder.fields(node, "a base time range")?;
    let kind = decoder.require(&mut fields, "type")?;
    let time_range = match decoder.scalar(kind, "a string (time range type)")?.text.as_str() {
        "previousPeriod" => Some(BaseTimeRange::PreviousPeriod),
        "between" => base_time_range_between(decoder, &mut fields),
        _ => return decoder.unknown_keyword(kind, "base time range type", &["previousPeriod", "between"]),
    };
    decoder.finish(&fields);
    time_range
}

fn base_time_range_between(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<BaseTimeRange> {
    let first = decoder.required(fields, "value", |decoder, node| {
        base_moment(decoder, node, DayBoundary::Start)
    });
    let last = decoder.required(fields, "value1", |decoder, node| {
        base_moment(decoder, node, DayBoundary::End)
    });
    Some(BaseTimeRange::Dates {
        first: first?,
        last: last?,
    })
}

fn base_moment(decoder: &mut Decoder<'_>, node: &Node, boundary: DayBoundary) -> Option<DateTime> {
    if let Yaml::Scalar(scalar) = &node.value
        && matches!(scalar.resolved, ScalarValue::Integer(_) | ScalarValue::Float(_))
    {
        let message = "a `base_time_range` takes dates, not a number of days";
        decoder.error::<()>(codes::WRONG_TYPE, &node.span, message, "expected YYYY-MM-DD");
        decoder.add_help(
            "write two dates; for the period right before the time range of the filter, use {type: previousPeriod}",
        );
        return None;
    }
    decoder.moment(node, boundary)
}
