//! Operations on the fields of a JSON object.

use serde_json::{Map, Value};

/// A response may contain null for an absent field.
pub(super) fn without_nulls(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = fields.clone();
    fields.retain(|_, value| !value.is_null());
    fields
}

pub(super) fn set_default(fields: &mut Map<String, Value>, key: &str, default: impl Into<Value>) {
    if !fields.contains_key(key) {
        fields.insert(key.to_owned(), default.into());
    }
}

/// Does nothing if the new name has another value.
pub(super) fn rename_field(fields: &mut Map<String, Value>, from: &str, to: &str) {
    let is_free = fields.get(to).is_none_or(|value| fields.get(from) == Some(value));
    if is_free && let Some(value) = fields.remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

pub(super) fn remove_if_false(fields: &mut Map<String, Value>, key: &str) {
    if fields.get(key) == Some(&Value::Bool(false)) {
        fields.remove(key);
    }
}

pub(super) fn remove_if(fields: &mut Map<String, Value>, key: &str, default: &str) {
    if fields.get(key).and_then(Value::as_str) == Some(default) {
        fields.remove(key);
    }
}

pub(super) fn is_true(fields: &Map<String, Value>, key: &str) -> bool {
    fields.get(key) == Some(&Value::Bool(true))
}

/// Empty when the field is absent or not text.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Makes `3.0` and `3` equal everywhere in `value`.
pub(super) fn canonicalize_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(number) = number.as_f64().and_then(crate::model::Number::new) {
                *value = number.to_json();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(canonicalize_numbers),
        Value::Object(fields) => fields.values_mut().for_each(canonicalize_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
