//! The service's own reading of definitions: what it takes, when two are one, how long one becomes.
//!
//! Written from the API's documentation over plain JSON, apart from everything that the client does with
//! definitions, so that a misreading on one side shows as a disagreement.

mod affinity;
mod attribute;
mod dates;
mod describe;
mod echo;
mod equality;
mod event;
mod object_reader;
mod references;
mod single_groups;

pub(super) use describe::describe;
pub use echo::EchoFormat;
pub(super) use echo::echo_definition;
pub(super) use equality::equality_key;
pub(super) use references::{expanded_length, has_nested_group, referenced_ids};
pub(super) use single_groups::unwrap_single_groups;

use object_reader::ObjectReader;
use serde_json::Value;

/// Groups inside each other that are read; the service names no number, and nobody comes near it.
const DEPTH_LIMIT: usize = 64;

/// Refuses what the API's documentation does not allow; the message names the path of the first fault.
pub(super) fn validate(included: &Value, excluded: Option<&Value>) -> Result<(), String> {
    check_group(included, "included_filters", 0)?;
    match excluded {
        Some(Value::Null) | None => Ok(()),
        Some(excluded) => check_group(excluded, "excluded_filters", 0),
    }
}

fn check_group(value: &Value, path: &str, depth: usize) -> Result<(), String> {
    let object = ObjectReader::new(value, path)?;
    object.allow_only(&["filter_operator", "filters"])?;
    check_group_fields(&object, depth)
}

fn check_group_fields(object: &ObjectReader<'_>, depth: usize) -> Result<(), String> {
    if depth > DEPTH_LIMIT {
        return Err(format!("{}: too many groups inside each other", object.path()));
    }
    object.keyword("filter_operator", &["and", "or"])?;
    object.check_each("filters", |value, path| check_filter(value, path, depth))
}

fn check_filter(value: &Value, path: &str, depth: usize) -> Result<(), String> {
    let object = ObjectReader::new(value, path)?;
    match object.text("filter_type")? {
        "user_attributes" => attribute::check_user_attribute(&object, depth),
        "actions" => event::check_event(&object, depth),
        "psychographic_event" => affinity::check_affinity(&object, depth),
        "custom_segments" => check_reference(&object),
        "nested_filters" => {
            object.allow_only(&["filter_type", "filter_operator", "filters"])?;
            check_group_fields(&object, depth + 1)
        }
        other => Err(object.field_error("filter_type", &format!("unknown filter type {other:?}"))),
    }
}

fn check_reference(object: &ObjectReader<'_>) -> Result<(), String> {
    object.allow_only(&["filter_type", "id", "name"])?;
    let id = object.text("id")?;
    let is_id = id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id && id != "moe_all_users" {
        return Err(object.field_error("id", "not an object id"));
    }
    match object.get("name") {
        Some(Value::String(_)) | None => Ok(()),
        Some(_) => Err(object.field_error("name", "must be a string")),
    }
}

#[cfg(test)]
mod tests;
