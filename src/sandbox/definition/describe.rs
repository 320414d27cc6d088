//! The description that the service makes of a definition.

use serde_json::Value;

/// A sentence about who is in the segment.
pub(in crate::sandbox) fn describe(included: &Value, excluded: Option<&Value>) -> String {
    let mut text = format!("Users where {}", describe_group(included));
    let leaves_out = |group: &&Value| {
        group
            .get("filters")
            .and_then(Value::as_array)
            .is_some_and(|all| !all.is_empty())
    };
    if let Some(excluded) = excluded.filter(leaves_out) {
        text.push_str(&format!(
            ", except those where {}",
            self::describe_group(excluded)
        ));
    }
    text
}

fn describe_group(group: &Value) -> String {
    let operator = group
        .get("filter_operator")
        .and_then(Value::as_str)
        .unwrap_or("and");
    let filters = group
        .get("filters")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    filters
        .iter()
        .map(describe_filter)
        .collect::<Vec<_>>()
        .join(&format!(" {operator} "))
}

fn describe_filter(filter: &Value) -> String {
    let text = |key: &str| filter.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("filter_type") {
        "nested_filters" => format!("({})", describe_group(filter)),
        "custom_segments" => format!(
            "in segment {}",
            if text("name").is_empty() {
                text("id")
            } else {
                text("name")
            }
        ),
        "actions" | "psychographic_event" => {
            let has = if filter.get("executed") == Some(&Value::Bool(false)) {
                "has not"
            } else {
                "has"
            };
            format!(
                "{has} executed {}{}",
                text("action_name"),
                describe_time_range(&filter["primary_time_range"])
            )
        }
        _ if matches!(text("data_type"), "object" | "array_object") => {
            format!("{} with ({})", text("name"), describe_group(filter))
        }
        _ => {
            let not = if filter.get("negate") == Some(&Value::Bool(true)) {
                "not "
            } else {
                ""
            };
            let insensitive = match filter.get("case_sensitive") {
                Some(Value::Bool(true)) => "",
                _ if text("data_type") == "string" => " (case insensitive)",
                _ => "",
            };
            let operator = match text("operator") {
                // Points on the globe have none.
                "" => "near",
                operator => operator,
            };
            format!(
                "{} {not}{operator}{}{insensitive}",
                text("name"),
                describe_values(filter, ["value", "value1"])
            )
        }
    }
}

fn describe_time_range(window: &Value) -> String {
    let Some(kind) = window.get("type").and_then(Value::as_str) else {
        return String::new();
    };
    let unit = if window.get("days").is_some() {
        Some("days")
    } else {
        window.get("period_unit").and_then(Value::as_str)
    };
    let ends =
        [["value", "value1"], ["days", "days1"], ["from", "to"]].map(|keys| describe_values(window, keys));
    let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    format!(" {kind}{}{unit}", ends.concat())
}

/// The values that are there, each after a space.
fn describe_values(of: &Value, keys: [&str; 2]) -> String {
    let [first, second] = keys.map(|key| of.get(key));
    match (first, second) {
        (Some(first), Some(second)) => format!(" {first} and {second}"),
        (Some(value), None) | (None, Some(value)) => format!(" {value}"),
        (None, None) => String::new(),
    }
}
