//! What a workspace lets segctl do: `owns`, `adoption`, `guards`, `service`.

use super::super::decode::codes;
use super::super::decode::contents::address;
use super::super::decode::reader::{COUNT_LIMIT, Fields, Reader};
use super::super::yaml::{Node, Resolved, Yaml};
use super::{UNUSABLE_PLACE, optional};
use crate::model::{Behaviour, Guards, NamePattern, ObjectPlace, Policy, PublishPlace};

/// Takes the policy's fields out of a workspace; `None` when one has a fault. What `is_far` reads no folder of this machine.
pub(super) fn policy(reader: &mut Reader<'_>, fields: &mut Fields<'_>, is_far: bool) -> Option<Policy> {
    let defaults = Policy::default();
    let owns = match fields.take("owns") {
        Some(node) => reader.list(node, pattern),
        None => Some(defaults.owns),
    };
    let adoption = match fields.take("adoption") {
        Some(node) => reader.word(node),
        None => Some(defaults.adoption),
    };
    let guards = match fields.take("guards") {
        Some(node) => guards(reader, node),
        None => Some(defaults.guards),
    };
    let behaviour = match fields.take("service") {
        Some(node) => behaviour(reader, node),
        None => Some(defaults.behaviour),
    };
    let publish = fields.take("publish").map(|node| publish(reader, node, is_far));
    Some(Policy {
        owns: owns?,
        adoption: adoption?,
        guards: guards?,
        behaviour: behaviour?,
        publish: optional(publish)?,
    })
}

fn publish(reader: &mut Reader<'_>, node: &Node, is_far: bool) -> Option<PublishPlace> {
    let mut fields = reader.fields(node, "where lists are published")?;
    if let Some(node) = fields.take("bucket") {
        fields.describe("a bucket of lists");
        let place = bucket(reader, node);
        reader.finish(&fields);
        return place.map(PublishPlace::Objects);
    }
    let directory = reader
        .require(&mut fields, "directory")
        .and_then(|node| reader.filled_text(node));
    let url = if is_far {
        Some(
            reader
                .require(&mut fields, "url")
                .and_then(|node| address(reader, node)),
        )
    } else {
        fields.take("url").map(|node| address(reader, node))
    };
    reader.finish(&fields);
    Some(PublishPlace::Folder {
        directory: directory?,
        url: optional(url)?,
    })
}

/// What was written is not repeated: addresses of other programs may hold a key.
fn bucket(reader: &mut Reader<'_>, node: &Node) -> Option<ObjectPlace> {
    let text = reader.filled_text(node)?;
    match ObjectPlace::parse(&text) {
        Ok(place) => Some(place),
        Err(fault) => {
            let message = "the bucket's address cannot be used";
            reader.fault::<()>(UNUSABLE_PLACE, &node.span, message, fault);
            reader.help("an address is `s3://BUCKET/PREFIX`; credentials come from the environment");
            None
        }
    }
}

fn pattern(reader: &mut Reader<'_>, node: &Node) -> Option<NamePattern> {
    let text = reader.filled_text(node)?;
    match NamePattern::parse(&text) {
        Ok(pattern) => Some(pattern),
        Err(error) => reader.fault(codes::OUT_OF_RANGE, &node.span, error.to_string(), "no pattern"),
    }
}

fn guards(reader: &mut Reader<'_>, node: &Node) -> Option<Guards> {
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
        None => Some(defaults.above),
    };
    reader.finish(&fields);
    Some(Guards {
        archive: archive?,
        update: update?,
        above: above?,
    })
}

/// `30%`.
fn percent(reader: &mut Reader<'_>, node: &Node) -> Option<u32> {
    if let Yaml::Scalar(scalar) = &node.value
        && scalar.resolved != Resolved::Text
    {
        reader.wrong_type::<()>(node, "a share such as `30%`");
        if scalar.text.bytes().all(|byte| byte.is_ascii_digit()) {
            reader.help(format!("write `{}%`", scalar.text));
        }
        return None;
    }
    let text = reader.filled_text(node)?;
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
            reader.fault(codes::OUT_OF_RANGE, &node.span, message, "expected such as `30%`")
        }
    }
}

fn behaviour(reader: &mut Reader<'_>, node: &Node) -> Option<Behaviour> {
    let mut fields = reader.fields(node, "the service's behaviour")?;
    let defaults = Behaviour::default();
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
        None => Some(defaults.users_a_day),
    };
    reader.finish(&fields);
    Some(Behaviour {
        list_shows_archived: list_shows_archived?,
        rename_frees_names: rename_frees_names?,
        archived_definitions_conflict: archived_definitions_conflict?,
        active_limit: active_limit?,
        users_a_day: users_a_day?,
    })
}
