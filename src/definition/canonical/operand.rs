//! The values of conditions: as a list or alone, and in the type that the attribute has.

use super::fields::text;
use serde_json::{Map, Value};

/// Operators on lists get a list, and the others a single value. The documentation shows both forms for some.
pub(super) fn canonicalize_operand(fields: &mut Map<String, Value>) {
    let takes_list = match text(fields, "operator") {
        "" => return,
        "in" => true,
        "contains" | "startsWith" | "endsWith" => text(fields, "data_type") == "array_string",
        operator => operator.ends_with("InTheFollowing"),
    };
    match fields.get_mut("value") {
        Some(Value::Array(values)) if !takes_list && values.len() == 1 => {
            if let Some(only) = values.pop() {
                fields.insert("value".to_owned(), only);
            }
        }
        Some(value) if takes_list && !value.is_array() => *value = Value::Array(vec![value.take()]),
        _ => {}
    }
}

/// Text that can only mean a number, where nothing but a number is allowed.
pub(super) fn canonicalize_number_texts(fields: &mut Map<String, Value>, keys: &[&str]) {
    map_texts(fields, keys, |text| {
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'));
        let number: f64 = text.parse().ok().filter(|_| is_plain)?;
        Some(crate::model::Number::new(number)?.to_json())
    });
}

pub(super) fn canonicalize_bool_texts(fields: &mut Map<String, Value>) {
    map_texts(fields, &["value"], |text| text.parse().ok().map(Value::Bool));
}

fn map_texts(fields: &mut Map<String, Value>, keys: &[&str], read: impl Fn(&str) -> Option<Value>) {
    let replace = |value: &mut Value| {
        if let Some(read) = value.as_str().and_then(&read) {
            *value = read;
        }
    };
    for key in keys {
        match fields.get_mut(*key) {
            Some(Value::Array(values)) => values.iter_mut().for_each(replace),
            Some(value) => replace(value),
            None => {}
        }
    }
}
