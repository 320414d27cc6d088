//! The unordered normal form: what two definitions share that differ at most in the order of and/or children.

use serde_json::{Map, Value};

pub(super) fn of_definition(exact: &Value) -> Value {
    let Value::Object(sides) = exact else {
        return exact.clone();
    };
    Value::Object(
        sides
            .iter()
            .map(|(side, group)| (side.clone(), of_group(group)))
            .collect(),
    )
}

/// A group whose children are all in unordered form, sorted and freed of doubles.
fn of_group(group: &Value) -> Value {
    let Value::Object(fields) = group else {
        return group.clone();
    };
    let fields = fields
        .iter()
        .map(|(key, value)| (key.clone(), of_field(key, value)))
        .collect();
    Value::Object(level_operator(fields))
}

fn of_field(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("filters", Value::Array(filters)) => {
            let mut filters: Vec<Value> = filters.iter().map(of_filter).collect();
            // Any order will do, as long as it is the same every time.
            filters.sort_by_cached_key(Value::to_string);
            filters.dedup();
            Value::Array(filters)
        }
        (_, Value::Object(_)) => of_group(value),
        _ => value.clone(),
    }
}

fn of_filter(filter: &Value) -> Value {
    let form = of_group(filter);
    let is_nested = form.get("filter_type").and_then(Value::as_str) == Some("nested_filters");
    match form.get("filters").and_then(Value::as_array).map(Vec::as_slice) {
        Some([only]) if is_nested => only.clone(),
        _ => form,
    }
}

/// With fewer than two filters left the operator says nothing.
fn level_operator(mut fields: Map<String, Value>) -> Map<String, Value> {
    let few = fields
        .get("filters")
        .and_then(Value::as_array)
        .is_some_and(|filters| filters.len() < 2);
    if few && let Some(operator) = fields.get_mut("filter_operator") {
        *operator = "and".into();
    }
    fields
}
