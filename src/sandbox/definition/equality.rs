//! When two definitions are one: the same text after everything that says nothing is left out.

use serde_json::{Map, Value, json};

/// A text that two definitions share when the service takes them for one.
pub(in crate::sandbox) fn equality_key(
    included: &Value,
    excluded: Option<&Value>,
    order_sensitive: bool,
) -> String {
    let mut sides = vec![canonical_group(included, order_sensitive)];
    if let Some(excluded) = excluded.filter(|excluded| !is_empty_group(excluded)) {
        sides.push(canonical_group(excluded, order_sensitive));
    }
    Value::Array(sides).to_string()
}

fn is_empty_group(group: &Value) -> bool {
    group
        .get("filters")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty)
}

fn canonical_group(value: &Value, order_sensitive: bool) -> Value {
    let filters = value
        .get("filters")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut filters: Vec<Value> = filters
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

/// A filter without what says nothing.
pub(super) fn without_defaults(value: &Value, order_sensitive: bool) -> Value {
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
            let members = take_child_filters(&mut fields, order_sensitive);
            for (key, value) in &mut fields {
                *value = match (key.as_str(), &*value) {
                    ("attributes" | "psychographic_attributes", Value::Object(_)) => {
                        canonical_attribute_group(value, order_sensitive)
                    }
                    _ => without_defaults(value, order_sensitive),
                };
            }
            if let Some(members) = members {
                fields.insert("filters".to_owned(), members);
            }
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| without_defaults(item, order_sensitive))
                .collect(),
        ),
        // 3 and 3.0 are one number.
        Value::Number(number) => number
            .as_f64()
            .map_or_else(|| value.clone(), |number| json!(number)),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// Takes what makes an object a group out of it, so that nothing walks the members a second time: with one walk more
/// for each level, an object of a dozen levels would never be done.
fn take_child_filters(fields: &mut Map<String, Value>, order_sensitive: bool) -> Option<Value> {
    let filters = fields.remove("filters")?;
    let operator = fields.remove("filter_operator");
    let group = json!({"filter_operator": operator, "filters": filters});
    Some(canonical_attribute_group(&group, order_sensitive))
}

/// A group of attribute conditions: their filter types are ignored.
fn canonical_attribute_group(value: &Value, order_sensitive: bool) -> Value {
    let mut stripped = value.clone();
    if let Some(Value::Array(filters)) = stripped.get_mut("filters") {
        for filter in filters.iter_mut() {
            if let Value::Object(fields) = filter {
                fields.remove("filter_type");
            }
        }
    }
    canonical_group(&stripped, order_sensitive)
}

fn is_default_field(key: &str, value: &Value) -> bool {
    match (key, value) {
        (_, Value::Null) | ("category" | "dynamic_attribute_type", _) => true,
        ("negate" | "case_sensitive" | "is_dynamic_value", Value::Bool(false)) => true,
        ("extract_type", Value::String(text)) => text == "default_option_date",
        ("attributes" | "aggregation_attributes", group) => is_empty_group(group),
        _ => false,
    }
}

fn canonicalize_time_range(fields: &mut Map<String, Value>) {
    if !fields.get("type").is_some_and(|kind| {
        kind.as_str()
            .is_some_and(|kind| matches!(kind, "inTheLast" | "between" | "on" | "before" | "after"))
    }) {
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
    let Some(executed) = fields.get("executed").cloned() else {
        return;
    };
    let says_default = match (executed.as_bool(), fields.get("execution")) {
        (Some(false), _) => true,
        (Some(true), Some(execution)) => *execution == json!({"type": "atleast", "count": 1}),
        _ => false,
    };
    if says_default {
        fields.remove("execution");
    }
    if executed == json!(true) {
        fields.remove("executed");
    }
}

fn canonicalize_value_type(fields: &mut Map<String, Value>) {
    let implied = match fields.get("operator").and_then(Value::as_str) {
        Some("inTheLast") => "relative_past",
        Some("inTheNext") => "relative_future",
        Some("exists") => {
            fields.remove("array_filter_type");
            "absolute"
        }
        Some(_) => "absolute",
        None => return,
    };
    let implied = if fields.contains_key("is_dynamic_value") {
        "absolute"
    } else {
        implied
    };
    if fields
        .get("value_type")
        .is_some_and(|value_type| value_type == implied)
    {
        fields.remove("value_type");
    }
    if fields.contains_key("is_dynamic_value")
        && let Some(Value::Array(items)) = fields.get("value")
        && let [only] = items.as_slice()
    {
        let only = only.clone();
        fields.insert("value".to_owned(), only);
    }
}
