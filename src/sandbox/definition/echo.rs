//! How stored definitions come back: the meaning is kept, the form need not be.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The forms in which definitions come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Echo {
    /// As they were sent.
    #[default]
    AsSent,
    /// With every default stated, and `category` gone.
    DefaultsFilled,
    /// With defaults left out.
    DefaultsDropped,
    /// Windows in days as the dashboard has them.
    DashboardDays,
}

/// `group` as it comes back.
pub(in crate::sandbox) fn echo(group: &Value, style: Echo) -> Value {
    match style {
        Echo::AsSent => group.clone(),
        Echo::DefaultsFilled => each_object(group, &fill),
        Echo::DefaultsDropped => each_object(group, &drop),
        Echo::DashboardDays => each_object(group, &in_days),
    }
}

fn each_object(value: &Value, change: &dyn Fn(&mut Map<String, Value>)) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Map<String, Value> = fields
                .iter()
                .map(|(key, value)| (key.clone(), each_object(value, change)))
                .collect();
            change(&mut fields);
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| each_object(item, change)).collect()),
        _ => value.clone(),
    }
}

fn fill(fields: &mut Map<String, Value>) {
    fields.remove("category");
    let kind = fields
        .get("data_type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let mut state = |key: &str, default: Value| {
        fields.entry(key.to_owned()).or_insert(default);
    };
    match kind.as_str() {
        "" | "object" | "array_object" => {}
        "string" | "array_string" => {
            state("negate", json!(false));
            state("case_sensitive", json!(false));
        }
        "datetime" => {
            state("negate", json!(false));
            state("extract_type", json!("default_option_date"));
        }
        _ => state("negate", json!(false)),
    }
    if fields.contains_key("executed") {
        fields
            .entry("attributes")
            .or_insert(json!({"filter_operator": "and", "filters": []}));
    }
}

fn drop(fields: &mut Map<String, Value>) {
    fields.remove("category");
    let is_default = |key: &str, value: &Value| match key {
        "negate" | "case_sensitive" | "is_dynamic_value" => *value == json!(false),
        "extract_type" => *value == json!("default_option_date"),
        "attributes" => value.get("filters") == Some(&json!([])),
        _ => false,
    };
    fields.retain(|key, value| !is_default(key, value));
}

fn in_days(fields: &mut Map<String, Value>) {
    let is_relative = fields.get("value").is_some_and(Value::is_u64);
    if fields.get("period_unit") != Some(&json!("days")) || !is_relative {
        return;
    }
    fields.remove("period_unit");
    for (from, to) in [("value", "days"), ("value1", "days1")] {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}
