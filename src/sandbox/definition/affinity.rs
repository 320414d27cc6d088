//! Affinity filters.

use super::attribute::check_event_attributes;
use super::dates::{TimeRangeFields, check_time_range};
use super::event::execution_type;
use super::object_reader::ObjectReader;
use serde_json::Value;

const AFFINITY_FIELDS: TimeRangeFields = TimeRangeFields {
    relative: ["days", "days1"],
    absolute: ["from", "to"],
    units: &["days"],
    whole_days: false,
};

pub(super) fn check_affinity(object: &ObjectReader<'_>, depth: usize) -> Result<(), String> {
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
    execution_type(object, object.bool_or("executed", true)?)?;
    let percent = match object.keyword("operator_type", &["predominant", "minimum", "top", "bottom"])? {
        "predominant" => None,
        "minimum" => Some("percent_of_times"),
        _ => Some("percent_of_users"),
    };
    if let Some(key) = percent {
        known.push(key);
        if object.count(key, 1)? > 100 {
            return Err(object.field_error(key, "must be at most 100"));
        }
    }
    object.allow_only(&known)?;
    let group = object.child("psychographic_attributes")?;
    group.allow_only(&["filter_operator", "filters"])?;
    group.keyword("filter_operator", &["and", "or"])?;
    group.check_list("filters", "at least one attribute", Value::is_object)?;
    group.check_each("filters", |value, path| {
        check_affinity_attribute(&ObjectReader::new(value, path)?)
    })?;
    if object.get("attributes").is_some() {
        check_event_attributes(object, depth)?;
    }
    check_time_range(&object.child("primary_time_range")?, &AFFINITY_FIELDS)
}

fn check_affinity_attribute(object: &ObjectReader<'_>) -> Result<(), String> {
    let common = ["name", "data_type", "category", "negate", "operator"];
    let only = |more: &[&str]| {
        let known: Vec<&str> = common.iter().chain(more).copied().collect();
        object.allow_only(&known)
    };
    object.text("name")?;
    object.optional_text("category")?;
    object.optional_bool("negate")?;
    object.optional_bool("case_sensitive")?;
    let kind = object.keyword("data_type", &["string", "double"])?;
    match (kind, object.text("operator")?) {
        (_, "exists") => only(&["case_sensitive"]),
        ("string", "in") => {
            only(&["value", "case_sensitive"])?;
            object.check_list("value", "strings", Value::is_string)
        }
        ("string", "is" | "contains" | "startsWith" | "endsWith") => {
            only(&["value", "case_sensitive"])?;
            match object.require("value")? {
                Value::String(_) => Ok(()),
                _ => Err(object.field_error("value", "must be a string")),
            }
        }
        ("double", "in") => {
            only(&["value"]).and_then(|()| object.check_list("value", "numbers", Value::is_number))
        }
        ("double", "is" | "lessThan" | "greaterThan") => {
            only(&["value"])?;
            object.number("value").map(|_| ())
        }
        ("double", "between") => {
            only(&["value", "value1"])?;
            object.check_range()
        }
        _ => Err(object.field_error("operator", "unknown operator for an affinity attribute")),
    }
}
