//! Equality of definitions: two are equal if they have the same text without defaults and redundant fields.

use super::filters_of;
use serde_json::{Map, Value, json};

/// Two definitions are equal if their keys are.
pub(in crate::sandbox) fn equality_key(
    included: &Value,
    excluded: Option<&Value>,
    order_sensitive: bool,
) -> String {
    let mut sides = vec![canonical_group(included, order_sensitive)];
    if let Some(excluded) = excluded.filter(|group| !filters_of(group).is_empty()) {
        sides.push(canonical_group(excluded, order_sensitive));
    }
    Value::Array(sides).to_string()
}

fn canonical_group(value: &Value, order_sensitive: bool) -> Value {
    let mut filters: Vec<Value> = filters_of(value)
        .iter()
        .map(|filter| canonical_filter(filter, order_sensitive))
        .collect();
    if !order_sensitive {
        filters.sort_by_cached_key(Value::to_string);
        filters.dedup();
    }
    let operator = if filters.len() < 2 {
        json!("and")
    } else {
        value.get("filter_operator").cloned().unwrap_or_default()
    };
    json!([operator, filters])
}

fn canonical_filter(filter: &Value, order_sensitive: bool) -> Value {
    match filter.get("filter_type").and_then(Value::as_str) {
        Some("nested_filters") => {
            let nested = canonical_group(filter, order_sensitive);
            match nested.get(1).and_then(Value::as_array).map(Vec::as_slice) {
                Some([only]) if !order_sensitive => only.clone(),
                _ => json!({"nested": nested}),
            }
        }
        Some("custom_segments") => json!({"segment": filter.get("id")}),
        _ => without_defaults(filter, order_sensitive),
    }
}

fn without_defaults(value: &Value, order_sensitive: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Map<String, Value> = fields
                .iter()
                .filter(|(key, value)| !is_default_field(key, value))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            canonicalize_time_range(&mut fields);
            canonicalize_execution(&mut fields);
            canonicalize_value_type(&mut fields);
            canonicalize_array_value(&mut fields);
            let children = take_child_filters(&mut fields, order_sensitive);
            for (key, value) in &mut fields {
                *value = match (key.as_str(), &*value) {
                    ("attributes" | "psychographic_attributes", Value::Object(_)) => {
                        canonical_attribute_group(value, order_sensitive)
                    }
                    _ => without_defaults(value, order_sensitive),
                };
            }
            if let Some(children) = children {
                fields.insert("filters".to_owned(), children);
            }
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| without_defaults(item, order_sensitive))
                .collect(),
        ),
        // 3 and 3.0 are the same number.
        Value::Number(number) => number
            .as_f64()
            .map_or_else(|| value.clone(), |number| json!(number)),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// Removes the filters of an object, so that they are walked only once. A second walk at each level would take
/// exponential time.
fn take_child_filters(fields: &mut Map<String, Value>, order_sensitive: bool) -> Option<Value> {
    let filters = fields.remove("filters")?;
    let operator = fields.remove("filter_operator");
    let group = json!({"filter_operator": operator, "filters": filters});
    Some(canonical_attribute_group(&group, order_sensitive))
}

/// A group of attribute conditions, whose filter types are ignored.
fn canonical_attribute_group(value: &Value, order_sensitive: bool) -> Value {
    let mut stripped = value.clone();
    if let Some(Value::Array(filters)) = stripped.get_mut("filters") {
        for fields in filters.iter_mut().filter_map(Value::as_object_mut) {
            fields.remove("filter_type");
        }
    }
    canonical_group(&stripped, order_sensitive)
}

fn is_default_field(key: &str, value: &Value) -> bool {
    match (key, value) {
        (_, Value::Null) | ("category" | "dynamic_attribute_type", _) => true,
        ("negate" | "case_sensitive" | "is_dynamic_value", Value::Bool(false)) => true,
        ("extract_type", Value::String(text)) => text == "default_option_date",
        ("array_filter_type", Value::String(text)) => text == "any_of",
        ("attributes" | "aggregation_attributes", group) => filters_of(group).is_empty(),
        _ => false,
    }
}

fn canonicalize_time_range(fields: &mut Map<String, Value>) {
    let kind = fields.get("type").and_then(Value::as_str);
    if !matches!(kind, Some("inTheLast" | "between" | "on" | "before" | "after")) {
        return;
    }
    for (from, to) in [
        ("days", "value"),
        ("days1", "value1"),
        ("from", "value"),
        ("to", "value1"),
    ] {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
    let is_absolute = fields.get("value").is_some_and(Value::is_string);
    fields.remove("value_type");
    if is_absolute || fields.get("period_unit").is_some_and(|unit| unit == "days") {
        fields.remove("period_unit");
    }
}

fn canonicalize_execution(fields: &mut Map<String, Value>) {
    if !fields.contains_key("action_name") {
        return;
    }
    let executed = fields.get("executed").cloned().unwrap_or(json!(true));
    let is_default = match (executed.as_bool(), fields.get("execution")) {
        (Some(false), _) => true,
        (Some(true), Some(execution)) => *execution == json!({"type": "atleast", "count": 1}),
        _ => false,
    };
    if is_default {
        fields.remove("execution");
    }
    if executed == json!(true) {
        fields.remove("executed");
    }
}

/// One text and a list of it are the same.
fn canonicalize_array_value(fields: &mut Map<String, Value>) {
    let is_text_list = fields.get("data_type").is_some_and(|kind| kind == "array_string");
    let operator = fields.get("operator").and_then(Value::as_str);
    if is_text_list
        && matches!(operator, Some("contains" | "startsWith" | "endsWith"))
        && let Some(value) = fields.get_mut("value")
        && value.is_string()
    {
        *value = json!([value]);
    }
}

fn canonicalize_value_type(fields: &mut Map<String, Value>) {
    let is_dynamic = fields.contains_key("is_dynamic_value");
    let Some(operator) = fields.get("operator").and_then(Value::as_str) else {
        return;
    };
    let default = match operator {
        "inTheLast" if !is_dynamic => "relative_past",
        "inTheNext" if !is_dynamic => "relative_future",
        _ => "absolute",
    };
    let is_today = operator == "today";
    if operator == "exists" {
        fields.remove("array_filter_type");
    }
    if is_today || fields.get("value_type").and_then(Value::as_str) == Some(default) {
        fields.remove("value_type");
    }
    if is_dynamic
        && let Some(Value::Array(items)) = fields.get("value")
        && let [only] = items.as_slice()
    {
        let only = only.clone();
        fields.insert("value".to_owned(), only);
    }
}
