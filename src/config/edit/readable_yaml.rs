//! Definitions, groups, filters and values as YAML for people to read, spelled as in segment files. Unlike the text of
//! files, it is not verified.

use super::emit::{self, Style};
use super::ordered_value::OrderedValue;
use super::shorthand::filter_shorthand;
use serde_json::{Map, Value};

const FILTER_TYPES: [&str; 4] = [
    "user_attributes",
    "actions",
    "psychographic_event",
    "custom_segments",
];

/// Parts of definitions are in canonical form. The fields of a map are on lines of their own.
#[must_use]
pub fn readable_yaml(value: &Value) -> String {
    let value = readable(value);
    let text = match &value {
        OrderedValue::Map(fields) if !fields.is_empty() => emit::document(&value),
        _ => emit::block(&value, Style { json: false }, 0),
    };
    text.unwrap_or_else(|_| emit::json(&value))
}

fn readable(value: &Value) -> OrderedValue {
    match value {
        Value::Object(fields) => match fields.get("filter_type").and_then(Value::as_str) {
            None | Some("nested_filters") => OrderedValue::map(readable_fields(fields)),
            Some(known) if FILTER_TYPES.contains(&known) => filter_shorthand(&Value::Null, value),
            Some(_) => OrderedValue::Map(vec![("raw".to_owned(), OrderedValue::from_json(value))]),
        },
        Value::Array(items) => OrderedValue::List(items.iter().map(readable).collect()),
        scalar => OrderedValue::from_json(scalar),
    }
}

fn readable_fields(fields: &Map<String, Value>) -> Vec<(String, OrderedValue)> {
    let fields = fields.iter();
    fields
        .map(|(key, value)| (key.clone(), readable(value)))
        .collect()
}
