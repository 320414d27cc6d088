//! Conditions on attributes.

use super::datetime;
use super::object::Object;
use super::{DEPTH_LIMIT, object};
use serde_json::Value;

const COMMON: [&str; 5] = ["filter_type", "name", "data_type", "category", "negate"];
const DYNAMIC: [&str; 2] = ["is_dynamic_value", "dynamic_attribute_type"];

/// Whether a condition may be compared with another attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    User,
    Event,
}

pub(super) fn user_attribute(object: &Object<'_>, depth: usize) -> Result<(), String> {
    condition(object, Of::User, depth)
}

/// The attributes of an event: a group of conditions, whose filter types are taken and ignored.
pub(super) fn event_attributes(object: &Object<'_>, depth: usize) -> Result<(), String> {
    let Some(value) = object.get("attributes") else {
        return Ok(());
    };
    let group = object::Object::new(value, &format!("{}.attributes", object.path()))?;
    group.only(&["filter_operator", "filters"])?;
    children(&group, Of::Event, depth)
}

fn children(group: &Object<'_>, of: Of, depth: usize) -> Result<(), String> {
    if depth > DEPTH_LIMIT {
        return Err(format!("{}: too many objects inside each other", group.path()));
    }
    group.word("filter_operator", &["and", "or"])?;
    group.each("filters", |value, path| {
        condition(&Object::new(value, path)?, of, depth + 1)
    })
}

fn condition(object: &Object<'_>, of: Of, depth: usize) -> Result<(), String> {
    object.text("name")?;
    object.optional_text("category")?;
    object.flag("negate")?;
    let kind = object.text("data_type")?;
    match kind {
        "object" | "array_object" => {
            object.only(&[
                "filter_type",
                "name",
                "data_type",
                "category",
                "filter_operator",
                "filters",
            ])?;
            return children(object, of, depth);
        }
        "geopoint" => return geopoint(object),
        "string" | "double" | "bool" | "datetime" | "array_string" | "array_double" => {}
        _ => return Err(object.fault("data_type", "unknown data type")),
    }
    let dynamic = dynamic(object, of, kind)?;
    match kind {
        "string" => string(object, dynamic),
        "double" => double(object, dynamic, &[]),
        "bool" => boolean(object, dynamic),
        "datetime" => datetime::datetime(object, dynamic),
        "array_string" => array_string(object, dynamic),
        _ => {
            array_filter_type(object)?;
            double(object, dynamic, &["array_filter_type"])
        }
    }
}

fn dynamic(object: &Object<'_>, of: Of, kind: &str) -> Result<bool, String> {
    let types = ["string", "double", "bool", "datetime"];
    if object.get("dynamic_attribute_type").is_some() {
        object.word("dynamic_attribute_type", &types)?;
    }
    if !object.flag("is_dynamic_value")? {
        return Ok(false);
    }
    if of == Of::Event {
        return Err(object.fault("is_dynamic_value", "only for user attributes"));
    }
    let wanted = kind.trim_start_matches("array_");
    if object.word("dynamic_attribute_type", &types)? != wanted {
        return Err(object.fault("dynamic_attribute_type", "must be the type of the attribute"));
    }
    match object.text("operator")? {
        "exists" | "today" => Err(object.fault("is_dynamic_value", "not with an operator without a value")),
        _ => Ok(true),
    }
}

/// The fields that a condition of one type and operator has.
pub(super) fn only(object: &Object<'_>, more: &[&str]) -> Result<(), String> {
    let known: Vec<&str> = COMMON
        .iter()
        .chain(&DYNAMIC)
        .chain(&["operator"])
        .chain(more)
        .copied()
        .collect();
    object.only(&known)
}

/// `{{MoeUserAttribute['other']}}`, alone or as the only item of a list.
pub(super) fn template(object: &Object<'_>) -> Result<(), String> {
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
        _ => Err(object.fault("value", "must be {{MoeUserAttribute['name']}}")),
    }
}

fn string(object: &Object<'_>, dynamic: bool) -> Result<(), String> {
    object.flag("case_sensitive")?;
    let lists = [
        "in",
        "containsInTheFollowing",
        "startsWithInTheFollowing",
        "endsWithInTheFollowing",
    ];
    let operator = object.text("operator")?;
    if operator == "exists" {
        return only(object, &["case_sensitive"]);
    }
    only(object, &["case_sensitive", "value"])?;
    match operator {
        _ if dynamic && (lists.contains(&operator) || matches!(operator, "contains" | "is")) => {
            template(object)
        }
        _ if lists.contains(&operator) => object.list_of("value", "strings", Value::is_string),
        "contains" | "is" => scalar(object, "a string", Value::is_string),
        _ => Err(object.fault("operator", "unknown operator on a string")),
    }
}

fn scalar(object: &Object<'_>, what: &str, fits: fn(&Value) -> bool) -> Result<(), String> {
    if fits(object.require("value")?) {
        Ok(())
    } else {
        Err(object.fault("value", &format!("must be {what}")))
    }
}

/// Numbers: on their own, and as the elements of a list with one field `more`.
pub(super) fn double(object: &Object<'_>, dynamic: bool, more: &[&str]) -> Result<(), String> {
    let with = |keys: &[&'static str]| -> Result<(), String> {
        let known: Vec<&str> = keys.iter().chain(more).copied().collect();
        only(object, &known)
    };
    match object.text("operator")? {
        "exists" => with(&[]),
        "between" => {
            with(&["value", "value1"])?;
            if dynamic {
                return Err(object.fault("is_dynamic_value", "not with between"));
            }
            object.range()
        }
        "in" | "lessThan" | "greaterThan" if dynamic => with(&["value"]).and_then(|()| template(object)),
        "in" => with(&["value"]).and_then(|()| object.list_of("value", "numbers", Value::is_number)),
        "lessThan" | "greaterThan" => {
            with(&["value"]).and_then(|()| scalar(object, "a number", Value::is_number))
        }
        _ => Err(object.fault("operator", "unknown operator on a number")),
    }
}

fn boolean(object: &Object<'_>, dynamic: bool) -> Result<(), String> {
    match object.text("operator")? {
        "exists" => only(object, &[]),
        "is" if dynamic => only(object, &["value"]).and_then(|()| template(object)),
        "is" => only(object, &["value"]).and_then(|()| scalar(object, "a boolean", Value::is_boolean)),
        _ => Err(object.fault("operator", "unknown operator on a boolean")),
    }
}

fn geopoint(object: &Object<'_>) -> Result<(), String> {
    let known: Vec<&str> = COMMON
        .iter()
        .chain(&["value", "value1", "radius"])
        .copied()
        .collect();
    object.only(&known)?;
    for (key, limit) in [("value", 90.0), ("value1", 180.0)] {
        if object.number(key)?.abs() > limit {
            return Err(object.fault(key, "not on the globe"));
        }
    }
    if object.number("radius")? > 0.0 {
        Ok(())
    } else {
        Err(object.fault("radius", "must be more than 0"))
    }
}

fn array_string(object: &Object<'_>, dynamic: bool) -> Result<(), String> {
    object.flag("case_sensitive")?;
    array_filter_type(object)?;
    match object.text("operator")? {
        "exists" => only(object, &["case_sensitive", "array_filter_type"]),
        operator => {
            only(object, &["case_sensitive", "array_filter_type", "value"])?;
            match operator {
                "in" | "contains" | "startsWith" | "endsWith" | "is" if dynamic => template(object),
                "in" | "contains" | "startsWith" | "endsWith" => {
                    object.list_of("value", "strings", Value::is_string)
                }
                "is" => scalar(object, "a string", Value::is_string),
                _ => Err(object.fault("operator", "unknown operator on a list of strings")),
            }
        }
    }
}

/// Said unless negated, where it has no meaning.
fn array_filter_type(object: &Object<'_>) -> Result<(), String> {
    let exists = object.text("operator")? == "exists";
    match (object.flag("negate")?, object.get("array_filter_type")) {
        (true, Some(_)) => Err(object.fault("array_filter_type", "not with negate")),
        (true, None) => Ok(()),
        (false, None) if exists => Ok(()),
        (false, _) => object
            .word("array_filter_type", &["any_of", "all_of"])
            .map(|_| ()),
    }
}
