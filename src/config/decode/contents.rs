//! What makes a segment's members: the fields that depend on its kind.

use super::super::yaml::{Node, Yaml};
use super::codes;
use super::decoder::{COUNT_LIMIT, Decoder, Fields};
use super::filter::group;
use crate::model::{
    Cohort, CohortKey, Contents, Definition, FileSegment, Identifier, IdentifierType, MemberSource,
    SegmentKind, UserListSource,
};

/// Reads the fields that segments of this kind have.
pub(super) fn contents(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    kind: SegmentKind,
) -> Option<Contents> {
    match kind {
        SegmentKind::Filter => definition(reader, fields).map(Contents::Filter),
        SegmentKind::File => {
            fields.describe("a file segment");
            upload(reader, fields).map(Contents::File)
        }
        SegmentKind::Cohort => {
            fields.describe("a cohort segment");
            cohort(reader, fields).map(Contents::Cohort)
        }
    }
}

fn definition(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Definition> {
    let included = reader
        .require(fields, "included_filters")
        .and_then(|node| group(reader, node));
    let excluded = fields.take("excluded_filters").map(|node| group(reader, node));
    let excluded = match excluded {
        // An empty exclusion leaves nobody out: the same as none.
        Some(read) => Some(read?).filter(|group| !group.filters.is_empty()),
        None => None,
    };
    Some(Definition {
        included: included?,
        excluded,
    })
}

fn upload(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<FileSegment> {
    let identifier = reader
        .require(fields, "identifier")
        .and_then(|node| identifier(reader, node));
    let users = reader
        .require(fields, "users")
        .and_then(|node| users(reader, node));
    let expires_in_days = reader
        .require(fields, "expires_in_days")
        .and_then(|node| reader.count(node, 1..=COUNT_LIMIT));
    let callback_url = fields.take("callback_url").map(|node| http_url(reader, node));
    let notify = match fields.take("notify") {
        Some(node) => reader.list(node, email_address),
        None => Some(Vec::new()),
    };
    let callback_url = match callback_url {
        Some(read) => Some(read?),
        None => None,
    };
    Some(FileSegment {
        identifier: identifier?,
        users: users?,
        expires_in_days: expires_in_days?,
        callback_url,
        notify: notify?,
    })
}

fn identifier(reader: &mut Decoder<'_>, node: &Node) -> Option<Identifier> {
    let mut fields = reader.fields(node, "an identifier")?;
    let attribute = reader
        .require(&mut fields, "attribute")
        .and_then(|node| reader.non_empty_text(node));
    let kind = reader
        .require(&mut fields, "type")
        .and_then(|node| reader.keyword::<IdentifierType>(node));
    reader.finish(&fields);
    Some(Identifier {
        attribute: attribute?,
        kind: kind?,
    })
}

fn users(reader: &mut Decoder<'_>, node: &Node) -> Option<UserListSource> {
    let mut fields = reader.fields(node, "a list of users")?;
    if !fields.has("url") && !fields.has("sha256") {
        return local_path(reader, fields).map(UserListSource::Local);
    }
    if fields.take("path").is_some() {
        let message =
            "a list of users is a file, by `path`, or published, by `url` and `sha256`, and not both";
        return reader.misplaced_field(&fields, "path", message);
    }
    let url = reader
        .require(&mut fields, "url")
        .and_then(|node| http_url(reader, node));
    let sha256 = reader
        .require(&mut fields, "sha256")
        .and_then(|node| sha256(reader, node));
    reader.finish(&fields);
    Some(UserListSource::Published {
        url: url?,
        sha256: sha256?,
    })
}

fn cohort(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Cohort> {
    let partner = reader
        .require(fields, "partner")
        .and_then(|node| reader.non_empty_text(node));
    let cohort_id = reader
        .require(fields, "cohort_id")
        .and_then(|node| reader.non_empty_text(node));
    let members = reader
        .require(fields, "members")
        .and_then(|node| members(reader, node));
    Some(Cohort {
        key: CohortKey {
            partner: partner?,
            cohort_id: cohort_id?,
        },
        members: members?,
    })
}

fn members(reader: &mut Decoder<'_>, node: &Node) -> Option<MemberSource> {
    if matches!(node.value, Yaml::List(_)) {
        return reader
            .non_empty_list(node, Decoder::non_empty_text)
            .map(MemberSource::Inline);
    }
    let fields = reader.fields(node, "a list of members")?;
    local_path(reader, fields).map(MemberSource::Local)
}

/// The only field is the path of a file.
fn local_path(reader: &mut Decoder<'_>, mut fields: Fields<'_>) -> Option<String> {
    let path = reader
        .require(&mut fields, "path")
        .and_then(|node| reader.non_empty_text(node));
    reader.finish(&fields);
    path
}

/// An address that the service can call.
pub(in crate::config) fn http_url(reader: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    if rest.is_some_and(|rest| rest.starts_with(|first| first != '/')) {
        return Some(text);
    }
    let message = format!("`{text}` is no web address");
    reader.error(
        codes::OUT_OF_RANGE,
        &node.span,
        message,
        "begins with https:// or http://, and a host",
    )
}

fn email_address(reader: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    let is_sound = text.split_once('@').is_some_and(|(user, host)| {
        let is_part = |part: &str| !part.is_empty() && !part.contains(['@', ' ']);
        is_part(user) && is_part(host)
    });
    if is_sound {
        return Some(text);
    }
    let message = format!("`{text}` is no e-mail address");
    reader.error(
        codes::OUT_OF_RANGE,
        &node.span,
        message,
        "is of the form USER@HOST",
    )
}

fn sha256(reader: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    let is_digit = |digit: char| matches!(digit, '0'..='9' | 'a'..='f');
    if text.len() == 64 && text.chars().all(is_digit) {
        return Some(text);
    }
    let message = format!("`{text}` is no SHA-256");
    reader.error::<()>(
        codes::OUT_OF_RANGE,
        &node.span,
        message,
        "has 64 digits of 0-9 and a-f",
    );
    reader.add_help("`sha256sum FILE` prints it");
    None
}

/// The kind that a document says, or the usual one.
pub(super) fn kind(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<SegmentKind> {
    let Some(node) = fields.take("kind") else {
        return Some(SegmentKind::Filter);
    };
    let kind = reader.keyword(node);
    if kind.is_none() {
        // Which fields there are depends on it.
        fields.ignore_unknown_fields();
    }
    kind
}
