//! Small steps on the fields of one JSON object.

use serde_json::{Map, Value};

/// The fields that are not null: an answer may state an absent field as null.
pub(super) fn without_nulls(fields: &Map<String, Value>) -> Map<String, Value> {
    fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// States a default where the field is absent.
pub(super) fn set_default(fields: &mut Map<String, Value>, key: &str, default: impl Into<Value>) {
    if !fields.contains_key(key) {
        fields.insert(key.to_owned(), default.into());
    }
}

/// Gives a field its other name, unless the other is there already.
pub(super) fn rename_field(fields: &mut Map<String, Value>, from: &str, to: &str) {
    if fields.contains_key(from)
        && !fields.contains_key(to)
        && let Some(value) = fields.remove(from)
    {
        fields.insert(to.to_owned(), value);
    }
}

/// Whether a field is the boolean `true`.
pub(super) fn is_true(fields: &Map<String, Value>, key: &str) -> bool {
    fields.get(key) == Some(&Value::Bool(true))
}

/// A field's text; empty when it is absent or no text.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Makes `3.0` and `3` one number everywhere in `value`.
pub(super) fn canonicalize_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(level) = number.as_f64().and_then(crate::model::Number::new) {
                *value = level.to_json();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(canonicalize_numbers),
        Value::Object(fields) => fields.values_mut().for_each(canonicalize_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
