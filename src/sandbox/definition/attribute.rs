//! Conditions on attributes.

use super::dates;
use super::object_reader::ObjectReader;
use super::{DEPTH_LIMIT, object_reader};
use serde_json::Value;

const COMMON_FIELDS: [&str; 5] = ["filter_type", "name", "data_type", "category", "negate"];
const DYNAMIC_FIELDS: [&str; 2] = ["is_dynamic_value", "dynamic_attribute_type"];

/// Whether a condition may be compared with another attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AttributeOwner {
    User,
    Event,
}

pub(super) fn check_user_attribute(object: &ObjectReader<'_>, depth: usize) -> Result<(), String> {
    check_condition(object, AttributeOwner::User, depth)
}

/// The attributes of an event: a group of conditions, whose filter types are taken and ignored.
pub(super) fn check_event_attributes(object: &ObjectReader<'_>, depth: usize) -> Result<(), String> {
    let Some(value) = object.get("attributes") else {
        return Ok(());
    };
    let group = object_reader::ObjectReader::new(value, &format!("{}.attributes", object.path()))?;
    group.allow_only(&["filter_operator", "filters"])?;
    check_children(&group, AttributeOwner::Event, depth)
}

fn check_children(group: &ObjectReader<'_>, of: AttributeOwner, depth: usize) -> Result<(), String> {
    if depth > DEPTH_LIMIT {
        return Err(format!("{}: too many objects inside each other", group.path()));
    }
    group.keyword("filter_operator", &["and", "or"])?;
    group.check_each("filters", |value, path| {
        check_condition(&ObjectReader::new(value, path)?, of, depth + 1)
    })
}

fn check_condition(object: &ObjectReader<'_>, of: AttributeOwner, depth: usize) -> Result<(), String> {
    object.text("name")?;
    object.optional_text("category")?;
    object.optional_bool("negate")?;
    let kind = object.text("data_type")?;
    match kind {
        "object" | "array_object" => {
            object.allow_only(&[
                "filter_type",
                "name",
                "data_type",
                "category",
                "filter_operator",
                "filters",
            ])?;
            return check_children(object, of, depth);
        }
        "geopoint" => return check_geopoint(object),
        "string" | "double" | "bool" | "datetime" | "array_string" | "array_double" => {}
        _ => return Err(object.field_error("data_type", "unknown data type")),
    }
    let dynamic = is_dynamic(object, of, kind)?;
    match kind {
        "string" => check_string(object, dynamic),
        "double" => check_double(object, dynamic, &[]),
        "bool" => check_boolean(object, dynamic),
        "datetime" => dates::check_datetime(object, dynamic),
        "array_string" => check_array_string(object, dynamic),
        _ => {
            check_array_filter_type(object)?;
            check_double(object, dynamic, &["array_filter_type"])
        }
    }
}

fn is_dynamic(object: &ObjectReader<'_>, of: AttributeOwner, kind: &str) -> Result<bool, String> {
    let types = ["string", "double", "bool", "datetime"];
    if object.get("dynamic_attribute_type").is_some() {
        object.keyword("dynamic_attribute_type", &types)?;
    }
    if !object.optional_bool("is_dynamic_value")? {
        return Ok(false);
    }
    if of == AttributeOwner::Event {
        return Err(object.field_error("is_dynamic_value", "only for user attributes"));
    }
    let wanted = kind.trim_start_matches("array_");
    if object.keyword("dynamic_attribute_type", &types)? != wanted {
        return Err(object.field_error("dynamic_attribute_type", "must be the type of the attribute"));
    }
    match object.text("operator")? {
        "exists" | "today" => {
            Err(object.field_error("is_dynamic_value", "not with an operator without a value"))
        }
        _ => Ok(true),
    }
}

/// The fields that a condition of one type and operator has.
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
pub(super) fn check_template(object: &ObjectReader<'_>) -> Result<(), String> {
    let value = match object.require("value")? {
        Value::Array(items) if items.len() == 1 => items.first(),
        other => Some(other),
    };
    let name = value
        .and_then(Value::as_str)
        .and_then(|text| text.strip_prefix("{{MoeUserAttribute['"))
        .and_then(|text| text.strip_suffix("']}}"));
    match name {
        Some(name) if !name.is_empty() && !name.contains('\'') => Ok(()),
        _ => Err(object.field_error("value", "must be {{MoeUserAttribute['name']}}")),
    }
}

fn check_string(object: &ObjectReader<'_>, dynamic: bool) -> Result<(), String> {
    object.optional_bool("case_sensitive")?;
    let lists = [
        "in",
        "containsInTheFollowing",
        "startsWithInTheFollowing",
        "endsWithInTheFollowing",
    ];
    let operator = object.text("operator")?;
    if operator == "exists" {
        return allow_condition_fields(object, &["case_sensitive"]);
    }
    allow_condition_fields(object, &["case_sensitive", "value"])?;
    match operator {
        _ if dynamic && (lists.contains(&operator) || matches!(operator, "contains" | "is")) => {
            check_template(object)
        }
        _ if lists.contains(&operator) => object.check_list("value", "strings", Value::is_string),
        "contains" | "is" => check_scalar(object, "a string", Value::is_string),
        _ => Err(object.field_error("operator", "unknown operator on a string")),
    }
}

fn check_scalar(object: &ObjectReader<'_>, what: &str, fits: fn(&Value) -> bool) -> Result<(), String> {
    if fits(object.require("value")?) {
        Ok(())
    } else {
        Err(object.field_error("value", &format!("must be {what}")))
    }
}

/// Numbers: on their own, and as the elements of a list with one field `more`.
pub(super) fn check_double(object: &ObjectReader<'_>, dynamic: bool, more: &[&str]) -> Result<(), String> {
    let with = |keys: &[&'static str]| -> Result<(), String> {
        let known: Vec<&str> = keys.iter().chain(more).copied().collect();
        allow_condition_fields(object, &known)
    };
    match object.text("operator")? {
        "exists" => with(&[]),
        "between" => {
            with(&["value", "value1"])?;
            if dynamic {
                return Err(object.field_error("is_dynamic_value", "not with between"));
            }
            object.check_range()
        }
        "in" | "lessThan" | "greaterThan" if dynamic => {
            with(&["value"]).and_then(|()| check_template(object))
        }
        "in" => with(&["value"]).and_then(|()| object.check_list("value", "numbers", Value::is_number)),
        "lessThan" | "greaterThan" => {
            with(&["value"]).and_then(|()| check_scalar(object, "a number", Value::is_number))
        }
        _ => Err(object.field_error("operator", "unknown operator on a number")),
    }
}

fn check_boolean(object: &ObjectReader<'_>, dynamic: bool) -> Result<(), String> {
    match object.text("operator")? {
        "exists" => allow_condition_fields(object, &[]),
        "is" if dynamic => allow_condition_fields(object, &["value"]).and_then(|()| check_template(object)),
        "is" => allow_condition_fields(object, &["value"])
            .and_then(|()| check_scalar(object, "a boolean", Value::is_boolean)),
        _ => Err(object.field_error("operator", "unknown operator on a boolean")),
    }
}

fn check_geopoint(object: &ObjectReader<'_>) -> Result<(), String> {
    let known: Vec<&str> = COMMON_FIELDS
        .iter()
        .chain(&["value", "value1", "radius"])
        .copied()
        .collect();
    object.allow_only(&known)?;
    for (key, limit) in [("value", 90.0), ("value1", 180.0)] {
        if object.number(key)?.abs() > limit {
            return Err(object.field_error(key, "not on the globe"));
        }
    }
    if object.number("radius")? > 0.0 {
        Ok(())
    } else {
        Err(object.field_error("radius", "must be more than 0"))
    }
}

fn check_array_string(object: &ObjectReader<'_>, dynamic: bool) -> Result<(), String> {
    object.optional_bool("case_sensitive")?;
    check_array_filter_type(object)?;
    match object.text("operator")? {
        "exists" => allow_condition_fields(object, &["case_sensitive", "array_filter_type"]),
        operator => {
            allow_condition_fields(object, &["case_sensitive", "array_filter_type", "value"])?;
            match operator {
                "in" | "contains" | "startsWith" | "endsWith" | "is" if dynamic => check_template(object),
                "in" | "contains" | "startsWith" | "endsWith" => {
                    object.check_list("value", "strings", Value::is_string)
                }
                "is" => check_scalar(object, "a string", Value::is_string),
                _ => Err(object.field_error("operator", "unknown operator on a list of strings")),
            }
        }
    }
}

/// Said unless negated, where it has no meaning.
fn check_array_filter_type(object: &ObjectReader<'_>) -> Result<(), String> {
    let exists = object.text("operator")? == "exists";
    match (object.optional_bool("negate")?, object.get("array_filter_type")) {
        (true, Some(_)) => Err(object.field_error("array_filter_type", "not with negate")),
        (true, None) => Ok(()),
        (false, None) if exists => Ok(()),
        (false, _) => object
            .keyword("array_filter_type", &["any_of", "all_of"])
            .map(|_| ()),
    }
}
