//! The unordered canonical form: equal for definitions that differ only in the order of filters.

use serde_json::{Map, Value};

pub(super) fn unordered_definition(exact: &Value) -> Value {
    let Value::Object(groups) = exact else {
        return exact.clone();
    };
    let groups = groups
        .iter()
        .map(|(key, group)| (key.clone(), unordered_group(group)));
    Value::Object(groups.collect())
}

fn unordered_group(group: &Value) -> Value {
    let Value::Object(fields) = group else {
        return group.clone();
    };
    let fields = fields
        .iter()
        .map(|(key, value)| (key.clone(), unordered_field(key, value)))
        .collect();
    Value::Object(reset_redundant_operator(fields))
}

fn unordered_field(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("filters", Value::Array(filters)) => {
            let mut filters: Vec<Value> = filters.iter().map(unordered_filter).collect();
            // The order only has to be deterministic.
            filters.sort_by_cached_key(Value::to_string);
            filters.dedup();
            Value::Array(filters)
        }
        (_, Value::Object(_)) => unordered_group(value),
        _ => value.clone(),
    }
}

fn unordered_filter(filter: &Value) -> Value {
    let form = unordered_group(filter);
    let is_nested = form.get("filter_type").and_then(Value::as_str) == Some("nested_filters");
    match form.get("filters").and_then(Value::as_array).map(Vec::as_slice) {
        Some([only]) if is_nested => only.clone(),
        _ => form,
    }
}

/// With fewer than two filters the operator has no meaning.
fn reset_redundant_operator(mut fields: Map<String, Value>) -> Map<String, Value> {
    let filters = fields.get("filters").and_then(Value::as_array);
    let is_redundant = filters.is_some_and(|filters| filters.len() < 2);
    if is_redundant && let Some(operator) = fields.get_mut("filter_operator") {
        *operator = "and".into();
    }
    fields
}
