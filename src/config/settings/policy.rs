//! What a workspace lets segctl do: `owns`, `adoption`, `guards`, `service`.

use super::super::decode::codes;
use super::super::decode::contents::http_url;
use super::super::decode::decoder::{COUNT_LIMIT, Decoder, Fields};
use super::super::yaml::{Node, ScalarValue, Yaml};
use super::{INVALID_STORAGE_URL, optional};
use crate::model::{ApiBehavior, Guards, NamePattern, ObjectStoreUrl, Policy, PublishLocation};

/// Takes the policy's fields out of a workspace; `None` when one has a fault. What `is_far` reads no folder of this machine.
pub(super) fn policy(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    uses_data_center: bool,
) -> Option<Policy> {
    let defaults = Policy::default();
    let owns = match fields.take("owns") {
        Some(node) => reader.list(node, name_pattern),
        None => Some(defaults.managed_patterns),
    };
    let adoption = match fields.take("adoption") {
        Some(node) => reader.keyword(node),
        None => Some(defaults.adoption),
    };
    let guards = match fields.take("guards") {
        Some(node) => guards(reader, node),
        None => Some(defaults.guards),
    };
    let behaviour = match fields.take("service") {
        Some(node) => api_behavior(reader, node),
        None => Some(defaults.api_behavior),
    };
    let publish = fields
        .take("publish")
        .map(|node| publish_location(reader, node, uses_data_center));
    Some(Policy {
        managed_patterns: owns?,
        adoption: adoption?,
        guards: guards?,
        api_behavior: behaviour?,
        publish: optional(publish)?,
    })
}

fn publish_location(
    reader: &mut Decoder<'_>,
    node: &Node,
    uses_data_center: bool,
) -> Option<PublishLocation> {
    let mut fields = reader.fields(node, "where lists are published")?;
    if let Some(node) = fields.take("bucket") {
        fields.describe("a bucket of lists");
        let place = bucket_url(reader, node);
        reader.finish(&fields);
        return place.map(PublishLocation::ObjectStore);
    }
    let directory = reader
        .require(&mut fields, "directory")
        .and_then(|node| reader.non_empty_text(node));
    let url = if uses_data_center {
        Some(
            reader
                .require(&mut fields, "url")
                .and_then(|node| http_url(reader, node)),
        )
    } else {
        fields.take("url").map(|node| http_url(reader, node))
    };
    reader.finish(&fields);
    Some(PublishLocation::Folder {
        directory: directory?,
        url: optional(url)?,
    })
}

/// What was written is not repeated: addresses of other programs may hold a key.
fn bucket_url(reader: &mut Decoder<'_>, node: &Node) -> Option<ObjectStoreUrl> {
    let text = reader.non_empty_text(node)?;
    match ObjectStoreUrl::parse(&text) {
        Ok(place) => Some(place),
        Err(fault) => {
            let message = "the bucket's address cannot be used";
            reader.error::<()>(INVALID_STORAGE_URL, &node.span, message, fault);
            reader.add_help("an address is `s3://BUCKET/PREFIX`; credentials come from the environment");
            None
        }
    }
}

fn name_pattern(reader: &mut Decoder<'_>, node: &Node) -> Option<NamePattern> {
    let text = reader.non_empty_text(node)?;
    match NamePattern::parse(&text) {
        Ok(pattern) => Some(pattern),
        Err(error) => reader.error(codes::OUT_OF_RANGE, &node.span, error.to_string(), "no pattern"),
    }
}

fn guards(reader: &mut Decoder<'_>, node: &Node) -> Option<Guards> {
    let mut fields = reader.fields(node, "the guards")?;
    let defaults = Guards::default();
    let archive = match fields.take("archive") {
        Some(node) => percent(reader, node),
        None => Some(defaults.archive),
    };
    let update = match fields.take("update") {
        Some(node) => percent(reader, node),
        None => Some(defaults.update),
    };
    let above = match fields.take("above") {
        Some(node) => reader.count(node, 0..=COUNT_LIMIT).map(|count| count as usize),
        None => Some(defaults.min_segments),
    };
    reader.finish(&fields);
    Some(Guards {
        archive: archive?,
        update: update?,
        min_segments: above?,
    })
}

/// `30%`.
fn percent(reader: &mut Decoder<'_>, node: &Node) -> Option<u32> {
    if let Yaml::Scalar(scalar) = &node.value
        && scalar.resolved != ScalarValue::Text
    {
        reader.wrong_type::<()>(node, "a share such as `30%`");
        if scalar.text.bytes().all(|byte| byte.is_ascii_digit()) {
            reader.add_help(format!("write `{}%`", scalar.text));
        }
        return None;
    }
    let text = reader.non_empty_text(node)?;
    let number = text
        .strip_suffix('%')
        .filter(|digits| (1..=3).contains(&digits.len()));
    let number = number.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match number
        .and_then(|digits| digits.parse().ok())
        .filter(|number| *number <= 100)
    {
        Some(number) => Some(number),
        None => {
            let message = format!("`{text}` is no share from 0% to 100%");
            reader.error(codes::OUT_OF_RANGE, &node.span, message, "expected such as `30%`")
        }
    }
}

fn api_behavior(reader: &mut Decoder<'_>, node: &Node) -> Option<ApiBehavior> {
    let mut fields = reader.fields(node, "the service's behaviour")?;
    let defaults = ApiBehavior::default();
    let mut switch = |key: &'static str, default: bool| match fields.take(key) {
        Some(node) => reader.boolean(node),
        None => Some(default),
    };
    let list_shows_archived = switch("list_shows_archived", defaults.list_shows_archived);
    let rename_frees_names = switch("rename_frees_names", defaults.rename_frees_names);
    let archived_definitions_conflict = switch(
        "archived_definitions_conflict",
        defaults.archived_definitions_conflict,
    );
    let active_limit = match fields.take("active_limit") {
        Some(node) => reader.count(node, 1..=COUNT_LIMIT).map(|count| count as usize),
        None => Some(defaults.active_limit),
    };
    let users_a_day = match fields.take("users_a_day") {
        Some(node) => reader.count(node, 1..=COUNT_LIMIT).map(u64::from),
        None => Some(defaults.daily_user_limit),
    };
    reader.finish(&fields);
    Some(ApiBehavior {
        list_shows_archived: list_shows_archived?,
        rename_frees_names: rename_frees_names?,
        archived_definitions_conflict: archived_definitions_conflict?,
        active_limit: active_limit?,
        daily_user_limit: users_a_day?,
    })
}
