//! The unordered canonical form: equal for definitions that differ only in the order of filters.

use serde_json::{Map, Value};

/// `exact` is in exact canonical form.
pub(super) fn sort_definition(exact: &mut Value) {
    if let Value::Object(groups) = exact {
        groups.values_mut().for_each(sort_group);
    }
}

fn sort_group(group: &mut Value) {
    let Value::Object(fields) = group else { return };
    for (key, value) in fields.iter_mut() {
        match value {
            Value::Array(filters) if key == "filters" => {
                filters.iter_mut().for_each(sort_filter);
                // The order only has to be deterministic.
                filters.sort_by_cached_key(json_text);
                filters.dedup();
            }
            Value::Object(_) => sort_group(value),
            _ => {}
        }
    }
    reset_redundant_operator(fields);
}

fn sort_filter(filter: &mut Value) {
    sort_group(filter);
    let is_nested = filter.get("filter_type").and_then(Value::as_str) == Some("nested_filters");
    let filters = filter.get_mut("filters").and_then(Value::as_array_mut);
    if is_nested && let Some([only]) = filters.map(Vec::as_mut_slice) {
        *filter = only.take();
    }
}

fn json_text(filter: &Value) -> String {
    serde_json::to_string(filter).expect("a JSON value serializes")
}

/// With fewer than two filters the operator has no meaning.
fn reset_redundant_operator(fields: &mut Map<String, Value>) {
    let filters = fields.get("filters").and_then(Value::as_array);
    let is_redundant = filters.is_some_and(|filters| filters.len() < 2);
    if is_redundant && let Some(operator) = fields.get_mut("filter_operator") {
        *operator = "and".into();
    }
}
