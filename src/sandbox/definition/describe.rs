//! The description that the service generates from a definition.

use super::filters_of;
use serde_json::Value;

pub(in crate::sandbox) fn describe(included: &Value, excluded: Option<&Value>) -> String {
    let included = describe_group(included);
    match excluded.filter(|group| !filters_of(group).is_empty()) {
        Some(excluded) => format!(
            "Users where {included}, except those where {}",
            describe_group(excluded)
        ),
        None => format!("Users where {included}"),
    }
}

fn describe_group(group: &Value) -> String {
    let operator = group.get("filter_operator").and_then(Value::as_str);
    let filters: Vec<String> = filters_of(group).iter().map(describe_filter).collect();
    filters.join(&format!(" {} ", operator.unwrap_or("and")))
}

fn describe_filter(filter: &Value) -> String {
    let text = |key: &str| filter.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = text("name");
    match text("filter_type") {
        "nested_filters" => format!("({})", describe_group(filter)),
        "custom_segments" if name.is_empty() => format!("in segment {}", text("id")),
        "custom_segments" => format!("in segment {name}"),
        "actions" | "psychographic_event" => {
            let has = match filter.get("executed") {
                Some(Value::Bool(false)) => "has not",
                _ => "has",
            };
            let time_range = describe_time_range(&filter["primary_time_range"]);
            format!("{has} executed {}{time_range}", text("action_name"))
        }
        _ if matches!(text("data_type"), "object" | "array_object") => {
            format!("{name} with ({})", describe_group(filter))
        }
        _ => {
            let not = match filter.get("negate") {
                Some(Value::Bool(true)) => "not ",
                _ => "",
            };
            let insensitive = match filter.get("case_sensitive") {
                Some(Value::Bool(true)) => "",
                _ if text("data_type") == "string" => " (case insensitive)",
                _ => "",
            };
            let operator = match text("operator") {
                // Geopoints have no operator.
                "" => "near",
                operator => operator,
            };
            let values = describe_values(filter, ["value", "value1"]);
            format!("{name} {not}{operator}{values}{insensitive}")
        }
    }
}

fn describe_time_range(range: &Value) -> String {
    let Some(kind) = range.get("type").and_then(Value::as_str) else {
        return String::new();
    };
    let unit = match range.get("days") {
        Some(_) => Some("days"),
        None => range.get("period_unit").and_then(Value::as_str),
    };
    let ends =
        [["value", "value1"], ["days", "days1"], ["from", "to"]].map(|keys| describe_values(range, keys));
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    format!(" {kind}{}{unit}", ends.concat())
}

/// The values that exist, each after a space.
fn describe_values(of: &Value, keys: [&str; 2]) -> String {
    let [first, second] = keys.map(|key| of.get(key));
    match (first, second) {
        (Some(first), Some(second)) => format!(" {first} and {second}"),
        (Some(value), None) | (None, Some(value)) => format!(" {value}"),
        (None, None) => String::new(),
    }
}
