//! The form in which stored definitions are returned. Their meaning stays the same.

use super::undocumented_form::{to_undocumented_form, undocumented_form};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EchoFormat {
    #[default]
    AsSent,
    /// With every default, and without `category`.
    DefaultsFilled,
    DefaultsDropped,
    /// Time ranges in days, in the form of the dashboard.
    DashboardDays,
    /// In forms that no documentation shows, with fields that the API does not accept.
    Undocumented,
}

pub(in crate::sandbox) fn echo_definition(group: &Value, format: EchoFormat) -> Value {
    match format {
        EchoFormat::AsSent => group.clone(),
        EchoFormat::DefaultsFilled => map_objects(group, &fill_defaults),
        EchoFormat::DefaultsDropped => map_objects(group, &drop_defaults),
        EchoFormat::DashboardDays => map_objects(group, &to_dashboard_days),
        EchoFormat::Undocumented => undocumented_form(map_objects(group, &to_undocumented_form)),
    }
}

fn map_objects(value: &Value, change: &dyn Fn(&mut Map<String, Value>)) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Map<String, Value> = fields
                .iter()
                .map(|(key, value)| (key.clone(), map_objects(value, change)))
                .collect();
            change(&mut fields);
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| map_objects(item, change)).collect()),
        _ => value.clone(),
    }
}

fn fill_defaults(fields: &mut Map<String, Value>) {
    fields.remove("category");
    let data_type = fields.get("data_type").cloned().unwrap_or_default();
    let data_type = data_type.as_str().unwrap_or_default();
    if !matches!(data_type, "" | "object" | "array_object") {
        fields.entry("negate").or_insert(json!(false));
    }
    if matches!(data_type, "string" | "array_string") {
        fields.entry("case_sensitive").or_insert(json!(false));
    }
    if data_type == "datetime" {
        fields
            .entry("extract_type")
            .or_insert(json!("default_option_date"));
        if let Some(default) = default_value_type(fields) {
            fields.entry("value_type").or_insert(json!(default));
        }
    }
    if fields.contains_key("action_name") {
        fill_event_defaults(fields);
    }
}

fn fill_event_defaults(fields: &mut Map<String, Value>) {
    let executed = fields.entry("executed").or_insert(json!(true)).clone();
    fields
        .entry("execution")
        .or_insert_with(|| default_execution(&executed));
    fields
        .entry("attributes")
        .or_insert(json!({"filter_operator": "and", "filters": []}));
    if let Some(Value::Object(range)) = fields.get_mut("primary_time_range") {
        let default = default_time_range_value_type(range);
        range.entry("value_type").or_insert(json!(default));
    }
}

fn default_execution(executed: &Value) -> Value {
    if *executed == json!(false) {
        json!({"type": "exactly", "count": 0})
    } else {
        json!({"type": "atleast", "count": 1})
    }
}

fn default_time_range_value_type(range: &Map<String, Value>) -> &'static str {
    let is_text = |key: &str| range.get(key).is_some_and(Value::is_string);
    if is_text("value") || is_text("from") {
        "absolute"
    } else {
        "relative_past"
    }
}

/// The default `value_type` of a condition on a date. `None` for operators without a value.
fn default_value_type(condition: &Map<String, Value>) -> Option<&'static str> {
    let is_dynamic = condition.get("is_dynamic_value") == Some(&json!(true));
    match condition.get("operator").and_then(Value::as_str)? {
        "exists" | "today" => None,
        "inTheLast" if !is_dynamic => Some("relative_past"),
        "inTheNext" if !is_dynamic => Some("relative_future"),
        _ => Some("absolute"),
    }
}

fn drop_defaults(fields: &mut Map<String, Value>) {
    fields.remove("category");
    let is_default = |key: &str, value: &Value| match key {
        "negate" | "case_sensitive" | "is_dynamic_value" => *value == json!(false),
        "extract_type" => *value == json!("default_option_date"),
        "attributes" => value.get("filters") == Some(&json!([])),
        _ => false,
    };
    fields.retain(|key, value| !is_default(key, value));
    if fields.get("data_type") == Some(&json!("datetime"))
        && default_value_type(fields).is_some_and(|default| fields.get("value_type") == Some(&json!(default)))
    {
        fields.remove("value_type");
    }
    if fields.contains_key("action_name") {
        drop_event_defaults(fields);
    }
}

fn drop_event_defaults(fields: &mut Map<String, Value>) {
    let executed = fields.get("executed").cloned().unwrap_or_default();
    if fields.get("execution") == Some(&default_execution(&executed)) {
        fields.remove("execution");
    }
    if let Some(Value::Object(range)) = fields.get_mut("primary_time_range")
        && range.get("value_type") == Some(&json!(default_time_range_value_type(range)))
    {
        range.remove("value_type");
    }
}

fn to_dashboard_days(fields: &mut Map<String, Value>) {
    let is_relative = fields.get("value").is_some_and(Value::is_u64);
    let in_days = match fields.get("period_unit") {
        Some(unit) => *unit == json!("days"),
        None => fields
            .get("type")
            .is_some_and(|kind| kind == "between" || kind == "before"),
    };
    if !in_days || !is_relative {
        return;
    }
    fields.remove("period_unit");
    for (from, to) in [("value", "days"), ("value1", "days1")] {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}
