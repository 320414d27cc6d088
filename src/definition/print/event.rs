//! Event and affinity filters as the API's JSON.

use super::Fields;
use super::attribute::{attribute_group, put_between, put_double_test};
use crate::model::{
    Affinity, AffinityAttribute, AffinityFilter, AffinityTest, AffinityTextOperator, AffinityType,
    Aggregation, AggregationTest, BaseWindow, EventFilter, Execution, ExecutionType, PeriodUnit, ValueType,
    Window, WindowType,
};
use jiff::civil::Date;
use serde_json::Value;

/// An `actions` filter.
pub(super) fn event(filter: &EventFilter) -> Value {
    let mut fields = Fields::default();
    fields.put("filter_type", "actions");
    fields.put("action_name", filter.action_name.as_str());
    fields.put_some("project_name", filter.project_name.as_deref());
    put_execution(&mut fields, filter.execution);
    fields.put("primary_time_range", event_window(&filter.window));
    fields.put("attributes", attribute_group(&filter.attributes));
    fields.put_some(
        "aggregation_attributes",
        filter.aggregation.as_ref().map(aggregation),
    );
    fields.finish()
}

/// A `psychographic_event` filter.
pub(super) fn affinity(filter: &AffinityFilter) -> Value {
    let mut fields = Fields::default();
    fields.put("filter_type", "psychographic_event");
    fields.put("action_name", filter.action_name.as_str());
    put_execution(&mut fields, filter.execution);
    put_affinity(&mut fields, filter.affinity);
    let mut preferred = Fields::default();
    preferred.put_word("filter_operator", filter.preferred_operator);
    preferred.put(
        "filters",
        filter
            .preferred
            .iter()
            .map(affinity_attribute)
            .collect::<Vec<_>>(),
    );
    fields.put("psychographic_attributes", preferred.finish());
    fields.put("attributes", attribute_group(&filter.attributes));
    fields.put("primary_time_range", affinity_window(&filter.window));
    fields.finish()
}

fn put_execution(fields: &mut Fields, execution: Execution) {
    let (kind, count) = match execution {
        Execution::Never => (ExecutionType::Exactly, Some(0)),
        Execution::AtLeast(count) => (ExecutionType::AtLeast, Some(count)),
        Execution::Exactly(count) => (ExecutionType::Exactly, Some(count)),
        Execution::AtMost(count) => (ExecutionType::AtMost, Some(count)),
        Execution::FirstTime => (ExecutionType::FirstTime, None),
        Execution::LastTime => (ExecutionType::LastTime, None),
    };
    fields.put("executed", execution != Execution::Never);
    let mut inner = Fields::default();
    inner.put_word("type", kind);
    inner.put_some("count", count);
    fields.put("execution", inner.finish());
}

fn event_window(window: &Window) -> Value {
    let mut fields = Fields::default();
    fields.put_word("type", window_type(window));
    match window {
        Window::InTheLast { count, unit }
        | Window::OnAgo { count, unit }
        | Window::BeforeAgo { count, unit } => {
            fields.put("value", *count);
            put_relative(&mut fields, Some(*unit));
        }
        Window::BetweenAgo {
            nearer,
            farther,
            unit,
        } => {
            fields.put("value", *nearer);
            fields.put("value1", *farther);
            put_relative(&mut fields, Some(*unit));
        }
        Window::BetweenDates { first, last, unit } => {
            fields.put("value", day_start(*first));
            fields.put("value1", day_end(*last));
            put_absolute(&mut fields, *unit);
        }
        Window::OnDate { date, unit }
        | Window::BeforeDate { date, unit }
        | Window::AfterDate { date, unit } => {
            fields.put("value", day_start(*date));
            put_absolute(&mut fields, *unit);
        }
    }
    fields.finish()
}

fn affinity_window(window: &Window) -> Value {
    let mut fields = Fields::default();
    fields.put_word("type", window_type(window));
    match window {
        Window::InTheLast { count, .. } | Window::OnAgo { count, .. } | Window::BeforeAgo { count, .. } => {
            fields.put("days", *count);
            put_relative(&mut fields, None);
        }
        Window::BetweenAgo { nearer, farther, .. } => {
            fields.put("days", *nearer);
            fields.put("days1", *farther);
            put_relative(&mut fields, None);
        }
        Window::BetweenDates { first, last, .. } => {
            fields.put("from", day_start(*first));
            fields.put("to", day_end(*last));
            put_absolute(&mut fields, None);
        }
        Window::OnDate { date, .. } | Window::BeforeDate { date, .. } | Window::AfterDate { date, .. } => {
            fields.put("from", day_start(*date));
            put_absolute(&mut fields, None);
        }
    }
    fields.finish()
}

fn window_type(window: &Window) -> WindowType {
    match window {
        Window::InTheLast { .. } => WindowType::InTheLast,
        Window::BetweenAgo { .. } | Window::BetweenDates { .. } => WindowType::Between,
        Window::OnAgo { .. } | Window::OnDate { .. } => WindowType::On,
        Window::BeforeAgo { .. } | Window::BeforeDate { .. } => WindowType::Before,
        Window::AfterDate { .. } => WindowType::After,
    }
}

fn put_relative(fields: &mut Fields, unit: Option<PeriodUnit>) {
    fields.put_word("value_type", ValueType::RelativePast);
    if let Some(unit) = unit {
        fields.put_word("period_unit", unit);
    }
}

fn put_absolute(fields: &mut Fields, unit: Option<PeriodUnit>) {
    fields.put_word("value_type", ValueType::Absolute);
    if let Some(unit) = unit {
        fields.put_word("period_unit", unit);
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

fn put_affinity(fields: &mut Fields, affinity: Affinity) {
    match affinity {
        Affinity::Predominant => fields.put_word("operator_type", AffinityType::Predominant),
        Affinity::Minimum(percent) => {
            fields.put_word("operator_type", AffinityType::Minimum);
            fields.put("percent_of_times", percent);
        }
        Affinity::Top(percent) => {
            fields.put_word("operator_type", AffinityType::Top);
            fields.put("percent_of_users", percent);
        }
        Affinity::Bottom(percent) => {
            fields.put_word("operator_type", AffinityType::Bottom);
            fields.put("percent_of_users", percent);
        }
    }
}

fn affinity_attribute(attribute: &AffinityAttribute) -> Value {
    let mut fields = Fields::default();
    fields.put("name", attribute.name.as_str());
    fields.put_some("category", attribute.category.as_deref());
    fields.put("negate", attribute.negate);
    match &attribute.test {
        AffinityTest::Text {
            operator,
            value,
            case_sensitive,
        } => {
            fields.put("data_type", "string");
            fields.put_word("operator", *operator);
            fields.put("value", value.as_str());
            fields.put("case_sensitive", *case_sensitive);
        }
        AffinityTest::TextIn {
            values,
            case_sensitive,
        } => {
            fields.put("data_type", "string");
            fields.put_word("operator", AffinityTextOperator::In);
            fields.put("value", values.as_slice());
            fields.put("case_sensitive", *case_sensitive);
        }
        AffinityTest::TextExists => {
            fields.put("data_type", "string");
            fields.put_word("operator", AffinityTextOperator::Exists);
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
    fields.finish()
}

fn aggregation(aggregation: &Aggregation) -> Value {
    let mut fields = Fields::default();
    fields.put("attribute_name", aggregation.attribute_name.as_str());
    fields.put("data_type", "double");
    fields.put_word("aggregation_type", aggregation.aggregation_type);
    fields.put("negate", aggregation.negate);
    fields.put("is_dynamic_value", false);
    match aggregation.test {
        AggregationTest::Is(number) => put_threshold(&mut fields, "is", number.to_json()),
        AggregationTest::LessThan(number) => put_threshold(&mut fields, "lessThan", number.to_json()),
        AggregationTest::GreaterThan(number) => put_threshold(&mut fields, "greaterThan", number.to_json()),
        AggregationTest::Between(low, high) => put_between(&mut fields, low, high),
    }
    if let Some(comparison) = &aggregation.comparison {
        fields.put_word("comparator", comparison.comparator);
        fields.put("base_time_range", base_window(&comparison.base));
    }
    let mut group = Fields::default();
    group.put("filter_operator", "and");
    group.put("filters", vec![fields.finish()]);
    group.finish()
}

fn put_threshold(fields: &mut Fields, operator: &str, value: Value) {
    fields.put("operator", operator);
    fields.put("value", value);
}

fn base_window(base: &BaseWindow) -> Value {
    let mut fields = Fields::default();
    match base {
        BaseWindow::PreviousPeriod => fields.put("type", "previousPeriod"),
        BaseWindow::Dates { first, last } => {
            fields.put("type", "between");
            fields.put("value", day_start(*first));
            fields.put("value1", day_end(*last));
        }
        BaseWindow::Ago { nearer, farther } => {
            fields.put("type", "between");
            fields.put("value", *nearer);
            fields.put("value1", *farther);
        }
    }
    fields.finish()
}
