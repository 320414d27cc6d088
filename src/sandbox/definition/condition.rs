//! What conditions of all types share: common fields and dynamic values.

use super::object_reader::ObjectReader;
use serde_json::Value;

pub(super) const COMMON_FIELDS: [&str; 5] = ["filter_type", "name", "data_type", "category", "negate"];
const DYNAMIC_FIELDS: [&str; 2] = ["is_dynamic_value", "dynamic_attribute_type"];

/// Allows the fields of every condition and those in `more`.
pub(super) fn allow_condition_fields(object: &ObjectReader<'_>, more: &[&str]) -> Result<(), String> {
    let known: Vec<&str> = COMMON_FIELDS
        .iter()
        .chain(&DYNAMIC_FIELDS)
        .chain(&["operator"])
        .chain(more)
        .copied()
        .collect();
    object.allow_only(&known)
}

/// `{{MoeUserAttribute['other']}}`, alone or as the only item of a list.
pub(super) fn check_template(object: &ObjectReader<'_>, key: &str) -> Result<(), String> {
    let value = match object.require(key)? {
        Value::Array(items) if items.len() == 1 => items.first(),
        other => Some(other),
    };
    let name = value
        .and_then(Value::as_str)
        .and_then(|text| text.strip_prefix("{{MoeUserAttribute['"))
        .and_then(|text| text.strip_suffix("']}}"));
    match name {
        Some(name) if !name.is_empty() && !name.contains('\'') => Ok(()),
        _ => Err(object.field_error(key, "must be {{MoeUserAttribute['name']}}")),
    }
}
