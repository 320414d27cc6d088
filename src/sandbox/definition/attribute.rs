//! Conditions on attributes.

use super::condition::{COMMON_FIELDS, allow_condition_fields, check_template};
use super::object_reader::ObjectReader;
use super::{DEPTH_LIMIT, dates};
use serde_json::Value;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AttributeOwner {
    /// A filter of its own.
    User,
    /// An object attribute of the user. Its conditions have no filter type.
    UserObject,
    /// Its conditions cannot be compared with another attribute, and their category is `default`. Other tools send a
    /// filter type with them, which has no effect.
    Event,
}

/// The attributes of an event: a group of conditions.
pub(super) fn check_event_attributes(object: &ObjectReader<'_>, depth: usize) -> Result<(), String> {
    let group = object.child("attributes")?;
    group.allow_only(&["filter_operator", "filters"])?;
    check_children(&group, AttributeOwner::Event, depth)
}

fn check_children(group: &ObjectReader<'_>, owner: AttributeOwner, depth: usize) -> Result<(), String> {
    if depth > DEPTH_LIMIT {
        return Err(format!("{}: objects are nested too deeply", group.path()));
    }
    group.keyword("filter_operator", &["and", "or"])?;
    group.check_each("filters", |value, path| {
        check_condition(&ObjectReader::new(value, path)?, owner, depth + 1)
    })
}

pub(super) fn check_condition(
    object: &ObjectReader<'_>,
    owner: AttributeOwner,
    depth: usize,
) -> Result<(), String> {
    object.text("name")?;
    check_role(object, owner)?;
    object.optional_bool("negate")?;
    let kind = object.text("data_type")?;
    match kind {
        "object" | "array_object" => {
            let inner = match owner {
                AttributeOwner::User | AttributeOwner::UserObject => AttributeOwner::UserObject,
                AttributeOwner::Event => AttributeOwner::Event,
            };
            object.allow_only(&[
                "filter_type",
                "name",
                "data_type",
                "category",
                "filter_operator",
                "filters",
            ])?;
            return check_children(object, inner, depth);
        }
        "geopoint" => return check_geopoint(object),
        "string" | "double" | "bool" | "datetime" | "array_string" | "array_double" => {}
        _ => return Err(object.field_error("data_type", "unknown data type")),
    }
    let dynamic = is_dynamic(object, owner, kind)?;
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

/// The fields that depend on where the condition is: `filter_type` and `category`.
fn check_role(object: &ObjectReader<'_>, owner: AttributeOwner) -> Result<(), String> {
    object.optional_text("category")?;
    match owner {
        AttributeOwner::User => {}
        AttributeOwner::UserObject if object.get("filter_type").is_some() => {
            return Err(object.field_error("filter_type", "not allowed inside an object"));
        }
        AttributeOwner::UserObject => {}
        AttributeOwner::Event => {
            if object.get("filter_type").is_some() {
                object.keyword("filter_type", &["user_attributes", "event_attributes"])?;
            }
            if object.get("category").is_some() {
                object.keyword("category", &["default"])?;
            }
        }
    }
    Ok(())
}

fn is_dynamic(object: &ObjectReader<'_>, owner: AttributeOwner, kind: &str) -> Result<bool, String> {
    let types = ["string", "double", "bool", "datetime"];
    if object.get("dynamic_attribute_type").is_some() {
        object.keyword("dynamic_attribute_type", &types)?;
    }
    if !object.optional_bool("is_dynamic_value")? {
        return Ok(false);
    }
    if owner == AttributeOwner::Event {
        return Err(object.field_error("is_dynamic_value", "allowed only for user attributes"));
    }
    let value_type = kind.trim_start_matches("array_");
    if object.keyword("dynamic_attribute_type", &types)? != value_type {
        return Err(object.field_error("dynamic_attribute_type", "must be the type of the attribute"));
    }
    match object.text("operator")? {
        "exists" | "today" => Err(object.field_error(
            "is_dynamic_value",
            "not allowed with an operator that has no value",
        )),
        _ => Ok(true),
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
            check_template(object, "value")
        }
        _ if lists.contains(&operator) => object.check_list("value", "strings", Value::is_string),
        "contains" | "is" => check_scalar(object, "a string", Value::is_string),
        _ => Err(object.field_error("operator", "unknown operator for a string")),
    }
}

fn check_scalar(object: &ObjectReader<'_>, what: &str, is_valid: fn(&Value) -> bool) -> Result<(), String> {
    if is_valid(object.require("value")?) {
        Ok(())
    } else {
        Err(object.field_error("value", &format!("must be {what}")))
    }
}

/// Numbers and lists of numbers, which also allow the fields in `more`.
fn check_double(object: &ObjectReader<'_>, dynamic: bool, more: &[&str]) -> Result<(), String> {
    let with = |keys: &[&'static str]| -> Result<(), String> {
        let known: Vec<&str> = keys.iter().chain(more).copied().collect();
        allow_condition_fields(object, &known)
    };
    match object.text("operator")? {
        "exists" => with(&[]),
        "between" => {
            with(&["value", "value1"])?;
            if dynamic {
                return Err(object.field_error("is_dynamic_value", "not allowed with between"));
            }
            object.check_range()
        }
        "in" | "lessThan" | "greaterThan" if dynamic => {
            with(&["value"]).and_then(|()| check_template(object, "value"))
        }
        "in" => with(&["value"]).and_then(|()| object.check_list("value", "numbers", Value::is_number)),
        "lessThan" | "greaterThan" => {
            with(&["value"]).and_then(|()| check_scalar(object, "a number", Value::is_number))
        }
        _ => Err(object.field_error("operator", "unknown operator for a number")),
    }
}

fn check_boolean(object: &ObjectReader<'_>, dynamic: bool) -> Result<(), String> {
    match object.text("operator")? {
        "exists" => allow_condition_fields(object, &[]),
        "is" if dynamic => {
            allow_condition_fields(object, &["value"]).and_then(|()| check_template(object, "value"))
        }
        "is" => allow_condition_fields(object, &["value"])
            .and_then(|()| check_scalar(object, "a boolean", Value::is_boolean)),
        _ => Err(object.field_error("operator", "unknown operator for a boolean")),
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
            return Err(object.field_error(key, &format!("must be from -{limit} to {limit}")));
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
                "in" | "contains" | "startsWith" | "endsWith" | "is" if dynamic => {
                    check_template(object, "value")
                }
                // The documentation shows both one string and a list.
                "contains" | "startsWith" | "endsWith" if object.require("value")?.is_string() => Ok(()),
                "in" | "contains" | "startsWith" | "endsWith" => {
                    object.check_list("value", "strings", Value::is_string)
                }
                "is" => check_scalar(object, "a string", Value::is_string),
                _ => Err(object.field_error("operator", "unknown operator for a list of strings")),
            }
        }
    }
}

/// Optional, and not allowed with `negate`.
fn check_array_filter_type(object: &ObjectReader<'_>) -> Result<(), String> {
    match (object.optional_bool("negate")?, object.get("array_filter_type")) {
        (true, Some(_)) => Err(object.field_error("array_filter_type", "not allowed with negate")),
        (_, None) => Ok(()),
        (false, Some(_)) => object
            .keyword("array_filter_type", &["any_of", "all_of"])
            .map(|_| ()),
    }
}
