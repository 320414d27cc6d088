//! Event and affinity filters as the JSON of the API.

use super::JsonObject;
use super::attribute::{attribute_group, put_between_operands, put_double_test};
use crate::model::{
    Affinity, AffinityAttribute, AffinityFilter, AffinityTest, AffinityTextOperator, AffinityType,
    Aggregation, AggregationTest, BaseTimeRange, EventFilter, Execution, ExecutionType, Keyword, PeriodUnit,
    TimeRange, TimeRangeType, ValueType,
};
use jiff::civil::DateTime;
use serde_json::Value;

pub(super) fn event(filter: &EventFilter) -> Value {
    let mut fields = JsonObject::default();
    fields.put("filter_type", "actions");
    fields.put("action_name", filter.action_name.as_str());
    fields.put_optional("project_name", filter.project_name.as_deref());
    put_execution(&mut fields, filter.execution);
    fields.put("primary_time_range", event_time_range(&filter.time_range));
    fields.put("attributes", attribute_group(&filter.attributes));
    let aggregation = filter.aggregation.as_ref().map(aggregation);
    fields.put_optional("aggregation_attributes", aggregation);
    fields.into_value()
}

pub(super) fn affinity(filter: &AffinityFilter) -> Value {
    let mut fields = JsonObject::default();
    fields.put("filter_type", "psychographic_event");
    fields.put("action_name", filter.action_name.as_str());
    put_execution(&mut fields, filter.execution);
    put_affinity(&mut fields, filter.affinity);
    let attributes: Vec<_> = filter.preferred.iter().map(affinity_attribute).collect();
    let mut preferred = JsonObject::default();
    preferred.put_keyword("filter_operator", filter.preferred_operator);
    preferred.put("filters", attributes);
    fields.put("psychographic_attributes", preferred.into_value());
    fields.put("attributes", attribute_group(&filter.attributes));
    fields.put("primary_time_range", affinity_time_range(&filter.time_range));
    fields.into_value()
}

fn put_execution(fields: &mut JsonObject, execution: Execution) {
    let (kind, count) = match execution {
        Execution::Never => (ExecutionType::Exactly, Some(0)),
        Execution::AtLeast(count) => (ExecutionType::AtLeast, Some(count)),
        Execution::Exactly(count) => (ExecutionType::Exactly, Some(count)),
        Execution::AtMost(count) => (ExecutionType::AtMost, Some(count)),
        Execution::FirstTime => (ExecutionType::FirstTime, None),
        Execution::LastTime => (ExecutionType::LastTime, None),
    };
    fields.put("executed", execution != Execution::Never);
    let mut inner = JsonObject::default();
    inner.put_keyword("type", kind);
    inner.put_optional("count", count);
    fields.put("execution", inner.into_value());
}

fn event_time_range(range: &TimeRange) -> Value {
    let unit = match range {
        TimeRange::InTheLast { unit, .. } | TimeRange::OnAgo { unit, .. } => Some(*unit),
        // The API documents these in days, without a unit.
        TimeRange::BeforeAgo { unit, .. } | TimeRange::BetweenAgo { unit, .. } => {
            Some(*unit).filter(|unit| *unit != PeriodUnit::Days)
        }
        TimeRange::BetweenDates { unit, .. }
        | TimeRange::OnDate { unit, .. }
        | TimeRange::BeforeDate { unit, .. }
        | TimeRange::AfterDate { unit, .. } => *unit,
    };
    let mut fields = time_range(range, ["value", "value1"], ["value", "value1"]);
    fields.put_optional("period_unit", unit.map(Keyword::as_str));
    fields.into_value()
}

fn affinity_time_range(range: &TimeRange) -> Value {
    time_range(range, ["days", "days1"], ["from", "to"]).into_value()
}

/// `counts` and `dates` are the keys of the values of relative and absolute ranges.
fn time_range(range: &TimeRange, counts: [&str; 2], dates: [&str; 2]) -> JsonObject {
    let (value, value1): (Value, Option<Value>) = match range {
        TimeRange::InTheLast { count, .. }
        | TimeRange::OnAgo { count, .. }
        | TimeRange::BeforeAgo { count, .. } => ((*count).into(), None),
        TimeRange::BetweenAgo { nearer, farther, .. } => ((*nearer).into(), Some((*farther).into())),
        TimeRange::BetweenDates { first, last, .. } => {
            (date_time(*first).into(), Some(date_time(*last).into()))
        }
        TimeRange::OnDate { date, .. }
        | TimeRange::BeforeDate { date, .. }
        | TimeRange::AfterDate { date, .. } => (date_time(*date).into(), None),
    };
    let (value_type, keys) = if value.is_number() {
        (ValueType::RelativePast, counts)
    } else {
        (ValueType::Absolute, dates)
    };
    let mut fields = JsonObject::default();
    fields.put_keyword("type", time_range_type(range));
    fields.put_keyword("value_type", value_type);
    fields.put(keys[0], value);
    fields.put_optional(keys[1], value1);
    fields
}

fn time_range_type(range: &TimeRange) -> TimeRangeType {
    match range {
        TimeRange::InTheLast { .. } => TimeRangeType::InTheLast,
        TimeRange::BetweenAgo { .. } | TimeRange::BetweenDates { .. } => TimeRangeType::Between,
        TimeRange::OnAgo { .. } | TimeRange::OnDate { .. } => TimeRangeType::On,
        TimeRange::BeforeAgo { .. } | TimeRange::BeforeDate { .. } => TimeRangeType::Before,
        TimeRange::AfterDate { .. } => TimeRangeType::After,
    }
}

/// With milliseconds, as the API prints it, or with all digits of a finer time.
fn date_time(moment: DateTime) -> String {
    let is_finer = moment.subsec_nanosecond() % 1_000_000 != 0;
    let format = if is_finer {
        "%Y-%m-%dT%H:%M:%S%.fZ"
    } else {
        "%Y-%m-%dT%H:%M:%S%.3fZ"
    };
    moment.strftime(format).to_string()
}

fn put_affinity(fields: &mut JsonObject, affinity: Affinity) {
    match affinity {
        Affinity::Predominant => fields.put_keyword("operator_type", AffinityType::Predominant),
        Affinity::Minimum(percent) => {
            fields.put_keyword("operator_type", AffinityType::Minimum);
            fields.put("percent_of_times", percent);
        }
        Affinity::Top(percent) => {
            fields.put_keyword("operator_type", AffinityType::Top);
            fields.put("percent_of_users", percent);
        }
        Affinity::Bottom(percent) => {
            fields.put_keyword("operator_type", AffinityType::Bottom);
            fields.put("percent_of_users", percent);
        }
    }
}

fn affinity_attribute(attribute: &AffinityAttribute) -> Value {
    let mut fields = JsonObject::default();
    fields.put("name", attribute.name.as_str());
    fields.put_optional("category", attribute.category.as_deref());
    fields.put("negate", attribute.negate);
    match &attribute.test {
        AffinityTest::Text {
            operator,
            value,
            case_sensitive,
        } => {
            fields.put("data_type", "string");
            fields.put_keyword("operator", *operator);
            fields.put("value", value.as_str());
            fields.put("case_sensitive", *case_sensitive);
        }
        AffinityTest::TextIn {
            values,
            case_sensitive,
        } => {
            fields.put("data_type", "string");
            fields.put_keyword("operator", AffinityTextOperator::In);
            fields.put("value", values.as_slice());
            fields.put("case_sensitive", *case_sensitive);
        }
        AffinityTest::TextExists { case_sensitive } => {
            fields.put("data_type", "string");
            fields.put_keyword("operator", AffinityTextOperator::Exists);
            fields.put("case_sensitive", *case_sensitive);
        }
        AffinityTest::DoubleIs(number) => {
            fields.put("data_type", "double");
            fields.put("operator", "is");
            fields.put("value", number.to_json());
        }
        AffinityTest::Double(test) => {
            fields.put("data_type", "double");
            put_double_test(&mut fields, test, "double");
        }
    }
    fields.into_value()
}

fn aggregation(aggregation: &Aggregation) -> Value {
    let mut fields = JsonObject::default();
    fields.put("attribute_name", aggregation.attribute_name.as_str());
    fields.put("data_type", "double");
    fields.put_keyword("aggregation_type", aggregation.aggregation_type);
    fields.put("negate", aggregation.negate);
    fields.put("is_dynamic_value", false);
    match aggregation.test {
        AggregationTest::Is(number) => put_threshold(&mut fields, "is", number.to_json()),
        AggregationTest::LessThan(number) => put_threshold(&mut fields, "lessThan", number.to_json()),
        AggregationTest::GreaterThan(number) => put_threshold(&mut fields, "greaterThan", number.to_json()),
        AggregationTest::Between(low, high) => put_between_operands(&mut fields, low, high),
    }
    if let Some(comparison) = &aggregation.comparison {
        fields.put_keyword("comparator", comparison.comparator);
        fields.put("base_time_range", base_time_range(&comparison.base_time_range));
    }
    let mut group = JsonObject::default();
    group.put("filter_operator", "and");
    group.put("filters", vec![fields.into_value()]);
    group.into_value()
}

fn put_threshold(fields: &mut JsonObject, operator: &str, value: Value) {
    fields.put("operator", operator);
    fields.put("value", value);
}

fn base_time_range(base: &BaseTimeRange) -> Value {
    let mut fields = JsonObject::default();
    match base {
        BaseTimeRange::PreviousPeriod => fields.put("type", "previousPeriod"),
        BaseTimeRange::Dates { first, last } => {
            fields.put("type", "between");
            fields.put("value", date_time(*first));
            fields.put("value1", date_time(*last));
        }
    }
    fields.into_value()
}
