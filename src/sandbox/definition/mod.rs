//! The service's own reading of definitions: what it takes, when two are one, how long one becomes.
//!
//! Written from the API's documentation over plain JSON, apart from everything that the client does with
//! definitions, so that a misreading on one side shows as a disagreement.

mod affinity;
mod attribute;
mod datetime;
mod describe;
mod echo;
mod equality;
mod event;
mod object;
mod references;
mod unwrap;

pub(super) use describe::describe;
pub use echo::Echo;
pub(super) use echo::echo;
pub(super) use equality::equality_key;
pub(super) use references::{expanded_length, has_nested_group, referenced_ids};
pub(super) use unwrap::unwrapped;

use object::Object;
use serde_json::Value;

/// Groups inside each other that are read; the service names no number, and nobody comes near it.
const DEPTH_LIMIT: usize = 64;

/// Refuses what the API's documentation does not allow; the message names the path of the first fault.
pub(super) fn validate(included: &Value, excluded: Option<&Value>) -> Result<(), String> {
    group(included, "included_filters", 0)?;
    match excluded {
        Some(Value::Null) | None => Ok(()),
        Some(excluded) => group(excluded, "excluded_filters", 0),
    }
}

fn group(value: &Value, path: &str, depth: usize) -> Result<(), String> {
    let object = Object::new(value, path)?;
    object.only(&["filter_operator", "filters"])?;
    group_fields(&object, depth)
}

fn group_fields(object: &Object<'_>, depth: usize) -> Result<(), String> {
    if depth > DEPTH_LIMIT {
        return Err(format!("{}: too many groups inside each other", object.path()));
    }
    object.word("filter_operator", &["and", "or"])?;
    object.each("filters", |value, path| filter(value, path, depth))
}

fn filter(value: &Value, path: &str, depth: usize) -> Result<(), String> {
    let object = Object::new(value, path)?;
    match object.text("filter_type")? {
        "user_attributes" => attribute::user_attribute(&object, depth),
        "actions" => event::event(&object, depth),
        "psychographic_event" => affinity::affinity(&object, depth),
        "custom_segments" => reference(&object),
        "nested_filters" => {
            object.only(&["filter_type", "filter_operator", "filters"])?;
            group_fields(&object, depth + 1)
        }
        other => Err(object.fault("filter_type", &format!("unknown filter type {other:?}"))),
    }
}

fn reference(object: &Object<'_>) -> Result<(), String> {
    object.only(&["filter_type", "id", "name"])?;
    let id = object.text("id")?;
    let is_id = id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id && id != "moe_all_users" {
        return Err(object.fault("id", "not an object id"));
    }
    match object.get("name") {
        Some(Value::String(_)) | None => Ok(()),
        Some(_) => Err(object.fault("name", "must be a string")),
    }
}

#[cfg(test)]
mod tests;
