//! The fields of a segment that depend on its kind.

use super::super::yaml::{Node, Yaml};
use super::codes;
use super::decoder::{COUNT_LIMIT, Decoder, Fields};
use super::filter::group;
use crate::model::{
    Cohort, CohortKey, Contents, DeclaredDefinition, Definition, FileSegment, Identifier, IdentifierType,
    MemberSource, SegmentKind, UserListSource,
};

pub(super) fn contents(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    kind: SegmentKind,
) -> Option<Contents> {
    match kind {
        SegmentKind::Filter => {
            let definition = definition(decoder, fields)?;
            let declared = DeclaredDefinition::of(&definition);
            decoder.definition = Some(definition);
            Some(Contents::Filter(declared))
        }
        SegmentKind::File => {
            fields.describe("a file segment");
            file_segment(decoder, fields).map(Contents::File)
        }
        SegmentKind::Cohort => {
            fields.describe("a cohort segment");
            cohort(decoder, fields).map(Contents::Cohort)
        }
    }
}

fn definition(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Definition> {
    if !fields.has("included_filters") && (fields.has("filters") || fields.has("filter_operator")) {
        let key = if fields.has("filter_operator") {
            "filter_operator"
        } else {
            "filters"
        };
        decoder.unknown_key_error(fields, key, format!("unknown field `{key}` in a segment"));
        decoder.add_help(
            "put `filter_operator` and `filters` below `included_filters:`, indented by two spaces",
        );
        fields.ignore_unknown_fields();
        return None;
    }
    let included = decoder.required(fields, "included_filters", group);
    let excluded = decoder.optional(fields, "excluded_filters", group);
    Some(Definition {
        included: included?,
        // An empty exclusion excludes no users: the same as none.
        excluded: excluded?.filter(|group| !group.filters.is_empty()),
    })
}

fn file_segment(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<FileSegment> {
    let identifier = decoder.required(fields, "identifier", identifier);
    let users = decoder.required(fields, "users", users);
    let expires_in_days = decoder.required(fields, "expires_in_days", |decoder, node| {
        decoder.count(node, 1..=COUNT_LIMIT)
    });
    let callback_url = decoder.optional(fields, "callback_url", http_url);
    let notify = decoder.or(fields, "notify", Vec::new(), |decoder, node| {
        decoder.list(node, email_address)
    });
    Some(FileSegment {
        identifier: identifier?,
        users: users?,
        expires_in_days: expires_in_days?,
        callback_url: callback_url?,
        notify: notify?,
    })
}

fn identifier(decoder: &mut Decoder<'_>, node: &Node) -> Option<Identifier> {
    let mut fields = decoder.fields(node, "an identifier")?;
    let attribute = decoder.required(&mut fields, "attribute", Decoder::non_empty_text);
    let kind = decoder.required_keyword::<IdentifierType>(&mut fields, "type");
    decoder.finish(&fields);
    Some(Identifier {
        attribute: attribute?,
        kind: kind?,
    })
}

fn users(decoder: &mut Decoder<'_>, node: &Node) -> Option<UserListSource> {
    let mut fields = decoder.fields(node, "a user list")?;
    if !fields.has("url") && !fields.has("sha256") {
        return local_path(decoder, fields).map(UserListSource::Local);
    }
    if fields.take("path").is_some() {
        let message = "a user list has either `path`, or `url` and `sha256`; remove one of them";
        return decoder.misplaced_field(&fields, "path", message);
    }
    let url = decoder.required(&mut fields, "url", http_url);
    let sha256 = decoder.required(&mut fields, "sha256", sha256);
    decoder.finish(&fields);
    Some(UserListSource::Published {
        url: url?,
        sha256: sha256?,
    })
}

fn cohort(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Cohort> {
    let partner = decoder.required(fields, "partner", Decoder::non_empty_text);
    let cohort_id = decoder.required(fields, "cohort_id", Decoder::non_empty_text);
    let members = decoder.required(fields, "members", members);
    Some(Cohort {
        key: CohortKey {
            partner: partner?,
            cohort_id: cohort_id?,
        },
        members: members?,
    })
}

fn members(decoder: &mut Decoder<'_>, node: &Node) -> Option<MemberSource> {
    if matches!(node.value, Yaml::List(_)) {
        return decoder.non_empty_list(node, member).map(MemberSource::Inline);
    }
    let fields = decoder.fields(node, "a member list")?;
    local_path(decoder, fields).map(MemberSource::Local)
}

/// One member. Without quotes, a comma separates several members that were meant as items.
fn member(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = decoder.non_empty_text(node)?;
    if matches!(&node.value, Yaml::Scalar(scalar) if scalar.plain) && text.contains(',') {
        let message = format!("the member `{text}` contains a comma");
        decoder.error::<()>(codes::OUT_OF_RANGE, &node.span, message, "one item of the list");
        decoder.add_help(
            "write each member as an item of its own, or put it in quotes if the comma belongs to it",
        );
        return None;
    }
    Some(text)
}

fn local_path(decoder: &mut Decoder<'_>, mut fields: Fields<'_>) -> Option<String> {
    let path = decoder.required(&mut fields, "path", Decoder::path);
    decoder.finish(&fields);
    path
}

pub(in crate::config) fn http_url(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = decoder.text(node)?;
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    if rest.is_some_and(is_host_and_path) {
        return Some(text);
    }
    // What is between `//` and `@` may be a password.
    let message = if text.contains('@') {
        "not a valid URL".to_owned()
    } else {
        format!("`{text}` is not a valid URL")
    };
    let label = "expected https:// or http:// and a host";
    decoder.error(codes::OUT_OF_RANGE, &node.span, message, label)
}

/// A host, then anything that a URI may contain.
pub(in crate::config) fn is_host_and_path(rest: &str) -> bool {
    let is_allowed = |c: char| {
        !c.is_whitespace()
            && !c.is_control()
            && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    };
    let is_encoded = |after: &str| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    !rest.is_empty()
        && !rest.starts_with(['/', '?', '#', ':', '@'])
        && rest.chars().all(is_allowed)
        && rest.split('%').skip(1).all(is_encoded)
}

fn is_address_part(part: &str) -> bool {
    const SPECIAL: [char; 12] = ['@', ',', ';', ':', '<', '>', '(', ')', '[', ']', '\\', '"'];
    !part.is_empty()
        && !part.contains(SPECIAL)
        && !part.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn email_address(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = decoder.text(node)?;
    let is_label = |label: &str| {
        is_address_part(label) && !label.contains('_') && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_valid = text
        .split_once('@')
        .is_some_and(|(user, host)| user.split('.').all(is_address_part) && host.split('.').all(is_label));
    if is_valid {
        return Some(text);
    }
    let message = format!("`{text}` is not a valid email address");
    decoder.error(codes::OUT_OF_RANGE, &node.span, message, "expected USER@HOST")
}

fn sha256(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = decoder.text(node)?;
    let is_digit = |digit: char| matches!(digit, '0'..='9' | 'a'..='f');
    if text.len() == 64 && text.chars().all(is_digit) {
        return Some(text);
    }
    let message = format!("`{text}` is not a SHA-256 digest");
    let label = "expected 64 digits of 0-9 and a-f";
    decoder.error::<()>(codes::OUT_OF_RANGE, &node.span, message, label);
    decoder.add_help("run `sha256sum FILE` and copy its output");
    None
}

pub(super) fn kind(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<SegmentKind> {
    let kind = decoder.or(fields, "kind", SegmentKind::Filter, Decoder::keyword);
    if kind.is_none() {
        // The kind decides which fields are valid.
        fields.ignore_unknown_fields();
    }
    kind
}
