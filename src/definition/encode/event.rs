//! Event and affinity filters as the API's JSON.

use super::JsonObject;
use super::attribute::{attribute_group, put_between_operands, put_double_test};
use crate::model::{
    Affinity, AffinityAttribute, AffinityFilter, AffinityTest, AffinityTextOperator, AffinityType,
    Aggregation, AggregationTest, BaseTimeRange, EventFilter, Execution, ExecutionType, PeriodUnit,
    TimeRange, TimeRangeType, ValueType,
};
use jiff::civil::Date;
use serde_json::Value;

/// An `actions` filter.
pub(super) fn event(filter: &EventFilter) -> Value {
    let mut fields = JsonObject::default();
    fields.put("filter_type", "actions");
    fields.put("action_name", filter.action_name.as_str());
    fields.put_optional("project_name", filter.project_name.as_deref());
    put_execution(&mut fields, filter.execution);
    fields.put("primary_time_range", event_time_range(&filter.time_range));
    fields.put("attributes", attribute_group(&filter.attributes));
    fields.put_optional(
        "aggregation_attributes",
        filter.aggregation.as_ref().map(aggregation),
    );
    fields.into_value()
}

/// A `psychographic_event` filter.
pub(super) fn affinity(filter: &AffinityFilter) -> Value {
    let mut fields = JsonObject::default();
    fields.put("filter_type", "psychographic_event");
    fields.put("action_name", filter.action_name.as_str());
    put_execution(&mut fields, filter.execution);
    put_affinity(&mut fields, filter.affinity);
    let mut preferred = JsonObject::default();
    preferred.put_keyword("filter_operator", filter.preferred_operator);
    preferred.put(
        "filters",
        filter
            .preferred
            .iter()
            .map(affinity_attribute)
            .collect::<Vec<_>>(),
    );
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

fn event_time_range(window: &TimeRange) -> Value {
    let mut fields = JsonObject::default();
    fields.put_keyword("type", time_range_type(window));
    match window {
        TimeRange::InTheLast { count, unit }
        | TimeRange::OnAgo { count, unit }
        | TimeRange::BeforeAgo { count, unit } => {
            fields.put("value", *count);
            put_relative(&mut fields, Some(*unit));
        }
        TimeRange::BetweenAgo {
            nearer,
            farther,
            unit,
        } => {
            fields.put("value", *nearer);
            fields.put("value1", *farther);
            put_relative(&mut fields, Some(*unit));
        }
        TimeRange::BetweenDates { first, last, unit } => {
            fields.put("value", day_start(*first));
            fields.put("value1", day_end(*last));
            put_absolute(&mut fields, *unit);
        }
        TimeRange::OnDate { date, unit }
        | TimeRange::BeforeDate { date, unit }
        | TimeRange::AfterDate { date, unit } => {
            fields.put("value", day_start(*date));
            put_absolute(&mut fields, *unit);
        }
    }
    fields.into_value()
}

fn affinity_time_range(window: &TimeRange) -> Value {
    let mut fields = JsonObject::default();
    fields.put_keyword("type", time_range_type(window));
    match window {
        TimeRange::InTheLast { count, .. }
        | TimeRange::OnAgo { count, .. }
        | TimeRange::BeforeAgo { count, .. } => {
            fields.put("days", *count);
            put_relative(&mut fields, None);
        }
        TimeRange::BetweenAgo { nearer, farther, .. } => {
            fields.put("days", *nearer);
            fields.put("days1", *farther);
            put_relative(&mut fields, None);
        }
        TimeRange::BetweenDates { first, last, .. } => {
            fields.put("from", day_start(*first));
            fields.put("to", day_end(*last));
            put_absolute(&mut fields, None);
        }
        TimeRange::OnDate { date, .. }
        | TimeRange::BeforeDate { date, .. }
        | TimeRange::AfterDate { date, .. } => {
            fields.put("from", day_start(*date));
            put_absolute(&mut fields, None);
        }
    }
    fields.into_value()
}

fn time_range_type(window: &TimeRange) -> TimeRangeType {
    match window {
        TimeRange::InTheLast { .. } => TimeRangeType::InTheLast,
        TimeRange::BetweenAgo { .. } | TimeRange::BetweenDates { .. } => TimeRangeType::Between,
        TimeRange::OnAgo { .. } | TimeRange::OnDate { .. } => TimeRangeType::On,
        TimeRange::BeforeAgo { .. } | TimeRange::BeforeDate { .. } => TimeRangeType::Before,
        TimeRange::AfterDate { .. } => TimeRangeType::After,
    }
}

fn put_relative(fields: &mut JsonObject, unit: Option<PeriodUnit>) {
    fields.put_keyword("value_type", ValueType::RelativePast);
    if let Some(unit) = unit {
        fields.put_keyword("period_unit", unit);
    }
}

fn put_absolute(fields: &mut JsonObject, unit: Option<PeriodUnit>) {
    fields.put_keyword("value_type", ValueType::Absolute);
    if let Some(unit) = unit {
        fields.put_keyword("period_unit", unit);
    }
}

/// A day as the first moment of it, in the one form that the API takes.
fn day_start(date: Date) -> String {
    format!("{date}T00:00:00.000Z")
}

/// A day as the last moment of it, in the one form that the API takes.
fn day_end(date: Date) -> String {
    format!("{date}T23:59:59.999Z")
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
        AffinityTest::TextExists => {
            fields.put("data_type", "string");
            fields.put_keyword("operator", AffinityTextOperator::Exists);
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
            fields.put("value", day_start(*first));
            fields.put("value1", day_end(*last));
        }
        BaseTimeRange::Ago { nearer, farther } => {
            fields.put("type", "between");
            fields.put("value", *nearer);
            fields.put("value1", *farther);
        }
    }
    fields.into_value()
}
