//! What makes a segment's members: the fields that depend on its kind.

use super::object::{Fields, any_of, count, described, filled_list, filled_text, list, only, part, words};
use crate::model::{IdentifierType, Keyword, SegmentKind};
use serde_json::{Value, json};

/// Segments that the service makes of filters.
pub(super) fn filter(envelope: Fields) -> Value {
    envelope
        .may("kind", only(SegmentKind::Filter.as_str()))
        .need(
            "included_filters",
            described(part("group"), "Who is in the segment."),
        )
        .may(
            "excluded_filters",
            described(part("group"), "Who is left out of it."),
        )
        .done()
}

/// Segments of users in a list that is uploaded.
pub(super) fn file(envelope: Fields) -> Value {
    let attribute = described(
        filled_text(),
        "The attribute whose values the list has; each has to be one user's.",
    );
    let kind = described(words::<IdentifierType>(), "The attribute's type.");
    let identifier = Fields::default()
        .need("attribute", attribute)
        .need("type", kind)
        .done();
    let url = described(address(), "Where the service reads the list.");
    let digest = described(
        json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
        "The SHA-256 of its bytes: another one means another list.",
    );
    let published = Fields::default().need("url", url).need("sha256", digest).done();
    let users = any_of([local("One value a line, without a header."), published]);
    envelope
        .need("kind", only(SegmentKind::File.as_str()))
        .need(
            "identifier",
            described(identifier, "What the values of the list are."),
        )
        .need("users", described(users, "Who is in the segment."))
        .need(
            "expires_in_days",
            described(
                count(1),
                "Days after its creation at which the service archives the segment and drops its users.",
            ),
        )
        .may(
            "callback_url",
            described(address(), "Where the service tells what came of each upload."),
        )
        .may(
            "notify",
            described(
                list(&mail_address()),
                "E-mail addresses that the service tells it, too.",
            ),
        )
        .done()
}

/// Segments whose members are synchronised.
pub(super) fn cohort(envelope: Fields) -> Value {
    let members = any_of([
        filled_list(&filled_text()),
        local("One `uid` a line, without a header."),
    ]);
    envelope
        .need("kind", only(SegmentKind::Cohort.as_str()))
        .need(
            "partner",
            described(filled_text(), "Who synchronises the members; it never changes."),
        )
        .need(
            "cohort_id",
            described(
                filled_text(),
                "The partner's own id of the segment; it never changes.",
            ),
        )
        .need(
            "members",
            described(members, "The `uid` of each user in the segment."),
        )
        .done()
}

fn local(lines: &str) -> Value {
    let path = described(
        filled_text(),
        &format!("A file, by its path from the file that declares the segment. {lines}"),
    );
    Fields::default().need("path", path).done()
}

pub(super) fn address() -> Value {
    json!({"type": "string", "pattern": "^https?://[^/]"})
}

fn mail_address() -> Value {
    json!({"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"})
}
