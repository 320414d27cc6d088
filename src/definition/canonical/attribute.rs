//! The canonical form of conditions on attributes.

use super::date::canonicalize_dates;
use super::fields::{is_true, remove_if, remove_if_false, set_default, text, without_nulls};
use super::operand::{canonicalize_bool_texts, canonicalize_number_texts, canonicalize_operand};
use super::{canonical_children, without_filter_type};
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
    canonicalize_operator(&mut fields);
    remove_inapplicable_defaults(&mut fields);
    match text(&fields, "data_type") {
        "object" | "array_object" => {
            remove_if_false(&mut fields, "negate");
            return canonical_children(&Value::Object(fields), &canonical_nested_condition);
        }
        "string" | "array_string" => set_default(&mut fields, "case_sensitive", false),
        "datetime" => set_datetime_defaults(&mut fields),
        _ => {}
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
    } else if text(&fields, "data_type").starts_with("array_") {
        set_default(&mut fields, "array_filter_type", "any_of");
    }
    canonicalize_value(&mut fields);
    Value::Object(fields)
}

pub(super) fn canonical_group_of_conditions(group: &Value) -> Value {
    without_filter_type(canonical_children(group, &canonical_nested_condition))
}

fn canonical_nested_condition(condition: &Value) -> Value {
    match condition {
        Value::Object(fields) => canonical_condition(fields, &ConditionRole::Nested),
        other => other.clone(),
    }
}

fn canonicalize_operator(fields: &mut Map<String, Value>) {
    let data_type = text(fields, "data_type");
    let operator = match (data_type, fields.get("operator")) {
        // Schemas of the reference have this YAML 1.1 boolean.
        ("datetime", Some(Value::Bool(true))) => "on",
        // One page of the reference omits the `s`.
        (_, Some(Value::String(operator))) if operator == "startWithInTheFollowing" => {
            "startsWithInTheFollowing"
        }
        // Geopoints have no operator.
        ("geopoint", Some(Value::String(operator))) if operator == "around" => {
            fields.remove("operator");
            return;
        }
        _ => return,
    };
    fields.insert("operator".to_owned(), operator.into());
}

/// Defaults of fields that have no meaning for the data type.
pub(super) fn remove_inapplicable_defaults(fields: &mut Map<String, Value>) {
    let data_type = text(fields, "data_type");
    let is_text = matches!(data_type, "string" | "array_string");
    let is_date = data_type == "datetime";
    let is_array = matches!(data_type, "array_string" | "array_double");
    if !is_text {
        remove_if_false(fields, "case_sensitive");
    }
    if !is_date {
        remove_if(fields, "extract_type", "default_option_date");
        remove_if(fields, "value_type", "absolute");
    }
    if !is_array {
        remove_if(fields, "array_filter_type", "any_of");
    }
    if !is_true(fields, "is_dynamic_value") {
        remove_if_false(fields, "is_dynamic_value");
    }
    // The type follows from the attribute.
    fields.remove("dynamic_attribute_type");
}

fn set_datetime_defaults(fields: &mut Map<String, Value>) {
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

fn canonicalize_value(fields: &mut Map<String, Value>) {
    if is_true(fields, "is_dynamic_value") {
        // The template becomes plain text.
        if let Some(Value::Array(values)) = fields.get_mut("value")
            && values.len() == 1
            && let Some(template) = values.pop()
        {
            fields.insert("value".to_owned(), template);
        }
        return;
    }
    canonicalize_operand(fields);
    match text(fields, "data_type") {
        "double" | "array_double" | "geopoint" => {
            canonicalize_number_texts(fields, &["value", "value1", "radius"]);
        }
        "bool" => canonicalize_bool_texts(fields),
        "datetime" if text(fields, "value_type") != "absolute" => {
            canonicalize_number_texts(fields, &["value", "value1"]);
        }
        "datetime" if text(fields, "extract_type") == "default_option_date" => canonicalize_dates(fields),
        _ => {}
    }
}
