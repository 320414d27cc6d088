//! Affinity filters.

use super::attribute::event_attributes;
use super::datetime::{Form, window};
use super::event::execution;
use super::object::Object;
use serde_json::Value;

const AFFINITY: Form = Form {
    relative: ["days", "days1"],
    absolute: ["from", "to"],
    units: &["days"],
};

pub(super) fn affinity(object: &Object<'_>, depth: usize) -> Result<(), String> {
    let mut known = vec![
        "filter_type",
        "action_name",
        "executed",
        "execution",
        "operator_type",
        "psychographic_attributes",
        "attributes",
        "primary_time_range",
    ];
    object.text("action_name")?;
    if object
        .get("executed")
        .is_some_and(|executed| *executed != Value::Bool(true))
    {
        return Err(object.fault("executed", "must be true"));
    }
    execution(object, true)?;
    let percent = match object.word("operator_type", &["predominant", "minimum", "top", "bottom"])? {
        "predominant" => None,
        "minimum" => Some("percent_of_times"),
        _ => Some("percent_of_users"),
    };
    if let Some(key) = percent {
        known.push(key);
        if object.count(key, 1)? > 100 {
            return Err(object.fault(key, "must be at most 100"));
        }
    }
    object.only(&known)?;
    let group = object.inner("psychographic_attributes")?;
    group.only(&["filter_operator", "filters"])?;
    group.word("filter_operator", &["and", "or"])?;
    group.list_of("filters", "at least one attribute", Value::is_object)?;
    group.each("filters", |value, path| attribute(&Object::new(value, path)?))?;
    event_attributes(object, depth)?;
    window(&object.inner("primary_time_range")?, &AFFINITY)
}

fn attribute(object: &Object<'_>) -> Result<(), String> {
    let common = ["name", "data_type", "category", "negate", "operator"];
    let only = |more: &[&str]| {
        let known: Vec<&str> = common.iter().chain(more).copied().collect();
        object.only(&known)
    };
    object.text("name")?;
    object.optional_text("category")?;
    object.flag("negate")?;
    object.flag("case_sensitive")?;
    let kind = object.word("data_type", &["string", "double"])?;
    match (kind, object.text("operator")?) {
        (_, "exists") => only(&[]),
        ("string", "in") => {
            only(&["value", "case_sensitive"])?;
            object.list_of("value", "strings", Value::is_string)
        }
        ("string", "is" | "contains" | "startsWith" | "endsWith") => {
            only(&["value", "case_sensitive"])?;
            match object.require("value")? {
                Value::String(_) => Ok(()),
                _ => Err(object.fault("value", "must be a string")),
            }
        }
        ("double", "in") => {
            only(&["value"]).and_then(|()| object.list_of("value", "numbers", Value::is_number))
        }
        ("double", "is" | "lessThan" | "greaterThan") => {
            only(&["value"])?;
            object.number("value").map(|_| ())
        }
        ("double", "between") => {
            only(&["value", "value1"])?;
            object.range()
        }
        _ => Err(object.fault("operator", "unknown operator on an affinity attribute")),
    }
}
