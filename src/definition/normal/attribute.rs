//! The normal form of conditions on attributes.

use super::fields::{drop_nulls, fill, is_true, text};
use super::normal_children;
use serde_json::{Map, Value};

/// Where a condition stands.
pub(super) enum Place {
    /// As a filter of its own, with its filter type.
    Filter,
    /// In an event's attributes or an object, where a filter type says nothing.
    Child,
}

/// A condition's normal form.
pub(super) fn normal(fields: &Map<String, Value>, place: &Place) -> Value {
    let mut fields = drop_nulls(fields);
    fields.remove("category");
    if matches!(place, Place::Child) {
        fields.remove("filter_type");
    }
    match text(&fields, "data_type") {
        "object" | "array_object" => return normal_group_of_children(&Value::Object(fields)),
        "string" | "array_string" => fill(&mut fields, "case_sensitive", false),
        "datetime" => fill_datetime(&mut fields),
        _ => drop_when_false(&mut fields, "case_sensitive"),
    }
    fill(&mut fields, "negate", false);
    let exists = text(&fields, "operator") == "exists";
    if exists || text(&fields, "operator") == "today" {
        for key in ["value", "value1", "value_type"] {
            fields.remove(key);
        }
    }
    if exists || is_true(&fields, "negate") {
        fields.remove("array_filter_type");
    }
    level_dynamic(&mut fields);
    Value::Object(fields)
}

/// The group of an event's attributes or of an object.
pub(super) fn normal_group_of_children(group: &Value) -> Value {
    normal_children(group, &|child| match child {
        Value::Object(fields) => normal(fields, &Place::Child),
        other => other.clone(),
    })
}

fn drop_when_false(fields: &mut Map<String, Value>, key: &str) {
    if fields.get(key) == Some(&Value::Bool(false)) {
        fields.remove(key);
    }
}

fn fill_datetime(fields: &mut Map<String, Value>) {
    drop_when_false(fields, "case_sensitive");
    fill(fields, "extract_type", "default_option_date");
    let value_type = if is_true(fields, "is_dynamic_value") {
        "absolute"
    } else {
        match text(fields, "operator") {
            "inTheLast" => "relative_past",
            "inTheNext" => "relative_future",
            _ => "absolute",
        }
    };
    fill(fields, "value_type", value_type);
}

/// A comparison with another attribute: the template as a plain text, and the type that follows from the
/// attribute's own.
fn level_dynamic(fields: &mut Map<String, Value>) {
    if !is_true(fields, "is_dynamic_value") {
        drop_when_false(fields, "is_dynamic_value");
        return;
    }
    fields.remove("dynamic_attribute_type");
    if let Some(Value::Array(values)) = fields.get_mut("value")
        && values.len() == 1
        && let Some(template) = values.pop()
    {
        fields.insert("value".to_owned(), template);
    }
}
