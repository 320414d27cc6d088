//! Definitions in the service: validation, equality, references and the form in which they are returned.
//!
//! It is written from the API's documentation over plain JSON and shares no code with the client, so that a
//! misreading on one side shows as a difference.

mod affinity;
mod attribute;
mod condition;
mod dates;
mod describe;
mod echo;
mod equality;
mod event;
mod object_reader;
mod references;
mod single_groups;
mod undocumented_form;

pub(super) use describe::describe;
pub use echo::EchoFormat;
pub(super) use echo::echo_definition;
pub(super) use equality::equality_key;
pub(super) use references::{DefinitionJson, expanded_length, has_nested_group, referenced_ids};
pub(super) use single_groups::unwrap_single_groups;

use super::object_id::is_object_id;
use attribute::AttributeOwner;
use object_reader::ObjectReader;
use serde_json::Value;

/// The maximum depth of groups and objects inside each other. MoEngage documents no limit; with this one every check
/// can recurse.
const DEPTH_LIMIT: usize = 100;

/// Rejects what the API's documentation does not allow. The message starts with the path of the first error.
pub(super) fn validate(included: &Value, excluded: Option<&Value>) -> Result<(), String> {
    check_group(included, "included_filters", 0)?;
    match excluded {
        None => Ok(()),
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
        return Err(format!("{}: groups are nested too deeply", object.path()));
    }
    object.keyword("filter_operator", &["and", "or"])?;
    object.check_each("filters", |value, path| check_filter(value, path, depth))
}

fn check_filter(value: &Value, path: &str, depth: usize) -> Result<(), String> {
    let object = ObjectReader::new(value, path)?;
    match object.text("filter_type")? {
        "user_attributes" => attribute::check_condition(&object, AttributeOwner::User, depth),
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
    if !is_object_id(id) && id != "moe_all_users" {
        return Err(object.field_error("id", "not an object id"));
    }
    match object.get("name") {
        Some(Value::String(_)) | None => Ok(()),
        Some(_) => Err(object.field_error("name", "must be a string")),
    }
}

fn filters_of(group: &Value) -> &[Value] {
    let filters = group.get("filters").and_then(Value::as_array);
    filters.map(Vec::as_slice).unwrap_or_default()
}

fn is_nested_group(filter: &Value) -> bool {
    filter.get("filter_type").and_then(Value::as_str) == Some("nested_filters")
}

#[cfg(test)]
mod tests;
