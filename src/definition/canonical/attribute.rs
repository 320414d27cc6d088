//! The canonical form of conditions on attributes.

use super::canonical_children;
use super::fields::{is_true, remove_if_false, set_default, text, without_nulls};
use serde_json::{Map, Value};

pub(super) enum ConditionRole {
    /// A filter of its own, with a filter type.
    TopLevel,
    /// In an event or an object, where a filter type has no meaning.
    Nested,
}

pub(super) fn canonical_condition(fields: &Map<String, Value>, role: &ConditionRole) -> Value {
    let mut fields = without_nulls(fields);
    fields.remove("category");
    if matches!(role, ConditionRole::Nested) {
        fields.remove("filter_type");
    }
    match text(&fields, "data_type") {
        "object" | "array_object" => return canonical_group_of_conditions(&Value::Object(fields)),
        "string" | "array_string" => set_default(&mut fields, "case_sensitive", false),
        "datetime" => set_datetime_defaults(&mut fields),
        _ => remove_if_false(&mut fields, "case_sensitive"),
    }
    set_default(&mut fields, "negate", false);
    let exists = text(&fields, "operator") == "exists";
    if exists || text(&fields, "operator") == "today" {
        for key in ["value", "value1", "value_type"] {
            fields.remove(key);
        }
    }
    if exists || is_true(&fields, "negate") {
        fields.remove("array_filter_type");
    }
    canonicalize_dynamic_value(&mut fields);
    Value::Object(fields)
}

pub(super) fn canonical_group_of_conditions(group: &Value) -> Value {
    canonical_children(group, &|child| match child {
        Value::Object(fields) => canonical_condition(fields, &ConditionRole::Nested),
        other => other.clone(),
    })
}

fn set_datetime_defaults(fields: &mut Map<String, Value>) {
    remove_if_false(fields, "case_sensitive");
    set_default(fields, "extract_type", "default_option_date");
    let value_type = if is_true(fields, "is_dynamic_value") {
        "absolute"
    } else {
        match text(fields, "operator") {
            "inTheLast" => "relative_past",
            "inTheNext" => "relative_future",
            _ => "absolute",
        }
    };
    set_default(fields, "value_type", value_type);
}

/// The template becomes plain text; the type follows from the attribute.
fn canonicalize_dynamic_value(fields: &mut Map<String, Value>) {
    if !is_true(fields, "is_dynamic_value") {
        remove_if_false(fields, "is_dynamic_value");
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
