//! The fields of a segment that depend on its kind.

use super::super::yaml::{Node, Yaml};
use super::codes;
use super::decoder::{COUNT_LIMIT, Decoder, Fields};
use super::filter::group;
use crate::model::{
    Cohort, CohortKey, Contents, DeclaredDefinition, Definition, FileSegment, Identifier, IdentifierType,
    MemberSource, SegmentKind, UserListSource,
};

pub(super) fn contents(fields: &mut Fields<'_>, kind: SegmentKind) -> Option<Contents> {
    match kind {
        SegmentKind::Filter => {
            let definition = definition(fields)?;
            let declared = DeclaredDefinition::of(&definition);
            fields.decoder.keep_definition(definition);
            Some(Contents::Filter(declared))
        }
        SegmentKind::File => {
            fields.describe("a file segment");
            file_segment(fields).map(Contents::File)
        }
        SegmentKind::Cohort => {
            fields.describe("a cohort segment");
            cohort(fields).map(Contents::Cohort)
        }
    }
}

fn definition(fields: &mut Fields<'_>) -> Option<Definition> {
    if !fields.has("included_filters") && (fields.has("filters") || fields.has("filter_operator")) {
        let key = if fields.has("filter_operator") {
            "filter_operator"
        } else {
            "filters"
        };
        fields.unknown_key_error(key, format!("unknown field `{key}` in a segment"));
        fields.decoder.add_help(
            "put `filter_operator` and `filters` below `included_filters:`, indented by two spaces",
        );
        fields.ignore_unknown_fields();
        return None;
    }
    let included = fields.required("included_filters", group);
    let excluded = fields.optional("excluded_filters", group);
    Some(Definition {
        included: included?,
        // An empty exclusion excludes no users: the same as none.
        excluded: excluded?.filter(|group| !group.filters.is_empty()),
    })
}

fn file_segment(fields: &mut Fields<'_>) -> Option<FileSegment> {
    let identifier = fields.required("identifier", identifier);
    let users = fields.required("users", users);
    let expires_in_days = fields.required("expires_in_days", Decoder::count_in(1..=COUNT_LIMIT));
    let callback_url = fields.optional("callback_url", http_url);
    let notify = fields.or_default("notify", Decoder::list_of(email_address));
    Some(FileSegment {
        identifier: identifier?,
        users: users?,
        expires_in_days: expires_in_days?,
        callback_url: callback_url?,
        notify: notify?,
    })
}

fn identifier(decoder: &Decoder<'_>, node: &Node) -> Option<Identifier> {
    let mut fields = decoder.fields(node, "an identifier")?;
    let attribute = fields.required("attribute", Decoder::non_empty_text);
    let kind = fields.required_keyword::<IdentifierType>("type");
    fields.finish();
    Some(Identifier {
        attribute: attribute?,
        kind: kind?,
    })
}

fn users(decoder: &Decoder<'_>, node: &Node) -> Option<UserListSource> {
    let mut fields = decoder.fields(node, "a user list")?;
    if !fields.has("url") && !fields.has("sha256") {
        return local_path(fields).map(UserListSource::Local);
    }
    if fields.take("path").is_some() {
        let message = "a user list has either `path`, or `url` and `sha256`; remove one of them";
        return fields.misplaced_field("path", message);
    }
    let url = fields.required("url", http_url);
    let sha256 = fields.required("sha256", sha256);
    fields.finish();
    Some(UserListSource::Published {
        url: url?,
        sha256: sha256?,
    })
}

fn cohort(fields: &mut Fields<'_>) -> Option<Cohort> {
    let partner = fields.required("partner", Decoder::non_empty_text);
    let cohort_id = fields.required("cohort_id", Decoder::non_empty_text);
    let members = fields.required("members", members);
    Some(Cohort {
        key: CohortKey {
            partner: partner?,
            cohort_id: cohort_id?,
        },
        members: members?,
    })
}

fn members(decoder: &Decoder<'_>, node: &Node) -> Option<MemberSource> {
    if matches!(node.value, Yaml::List(_)) {
        return decoder.non_empty_list(node, member).map(MemberSource::Inline);
    }
    let fields = decoder.fields(node, "a member list")?;
    local_path(fields).map(MemberSource::Local)
}

/// One member. Without quotes, a comma separates several members that were meant as items.
fn member(decoder: &Decoder<'_>, node: &Node) -> Option<String> {
    let text = decoder.non_empty_text(node)?;
    if matches!(&node.value, Yaml::Scalar(scalar) if scalar.plain) && text.contains(',') {
        let message = format!("the member `{text}` contains a comma");
        return decoder.error_with_help(
            codes::OUT_OF_RANGE,
            &node.span,
            message,
            "one item of the list",
            "write each member as an item of its own, or put it in quotes if the comma belongs to it",
        );
    }
    Some(text)
}

fn local_path(mut fields: Fields<'_>) -> Option<String> {
    let path = fields.required("path", Decoder::path);
    fields.finish();
    path
}

pub(in crate::config) fn http_url(decoder: &Decoder<'_>, node: &Node) -> Option<String> {
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

fn email_address(decoder: &Decoder<'_>, node: &Node) -> Option<String> {
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

fn sha256(decoder: &Decoder<'_>, node: &Node) -> Option<String> {
    let text = decoder.text(node)?;
    let is_digit = |digit: char| matches!(digit, '0'..='9' | 'a'..='f');
    if text.len() == 64 && text.chars().all(is_digit) {
        return Some(text);
    }
    let message = format!("`{text}` is not a SHA-256 digest");
    let label = "expected 64 digits of 0-9 and a-f";
    decoder.error_with_help(
        codes::OUT_OF_RANGE,
        &node.span,
        message,
        label,
        "run `sha256sum FILE` and copy its output",
    )
}

pub(super) fn kind(fields: &mut Fields<'_>) -> Option<SegmentKind> {
    let kind = fields.or("kind", SegmentKind::Filter, Decoder::keyword);
    if kind.is_none() {
        // The kind decides which fields are valid.
        fields.ignore_unknown_fields();
    }
    kind
}
