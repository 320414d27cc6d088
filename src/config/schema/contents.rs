//! What makes a segment's members: the fields that depend on its kind.

use super::builders::{
    ObjectSchema, any_of, constant, count, described, keyword_enum, list, non_empty_list, non_empty_text,
    schema_ref,
};
use crate::model::{IdentifierType, Keyword, SegmentKind};
use serde_json::{Value, json};

/// Segments that the service makes of filters.
pub(super) fn filter_segment(envelope: ObjectSchema) -> Value {
    envelope
        .with_optional("kind", constant(SegmentKind::Filter.as_str()))
        .with_required(
            "included_filters",
            described(schema_ref("group"), "Who is in the segment."),
        )
        .with_optional(
            "excluded_filters",
            described(schema_ref("group"), "Who is left out of it."),
        )
        .closed()
}

/// Segments of users in a list that is uploaded.
pub(super) fn file_segment(envelope: ObjectSchema) -> Value {
    let attribute = described(
        non_empty_text(),
        "The attribute whose values the list has; each has to be one user's.",
    );
    let kind = described(keyword_enum::<IdentifierType>(), "The attribute's type.");
    let identifier = ObjectSchema::default()
        .with_required("attribute", attribute)
        .with_required("type", kind)
        .closed();
    let url = described(http_url(), "Where the service reads the list.");
    let digest = described(
        json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
        "The SHA-256 of its bytes: another one means another list.",
    );
    let published = ObjectSchema::default()
        .with_required("url", url)
        .with_required("sha256", digest)
        .closed();
    let users = any_of([local_file("One value a line, without a header."), published]);
    envelope
        .with_required("kind", constant(SegmentKind::File.as_str()))
        .with_required(
            "identifier",
            described(identifier, "What the values of the list are."),
        )
        .with_required("users", described(users, "Who is in the segment."))
        .with_required(
            "expires_in_days",
            described(
                count(1),
                "Days after its creation at which the service archives the segment and drops its users.",
            ),
        )
        .with_optional(
            "callback_url",
            described(http_url(), "Where the service tells what came of each upload."),
        )
        .with_optional(
            "notify",
            described(
                list(&email_address()),
                "E-mail addresses that the service tells it, too.",
            ),
        )
        .closed()
}

/// Segments whose members are synchronised.
pub(super) fn cohort_segment(envelope: ObjectSchema) -> Value {
    let members = any_of([
        non_empty_list(&non_empty_text()),
        local_file("One `uid` a line, without a header."),
    ]);
    envelope
        .with_required("kind", constant(SegmentKind::Cohort.as_str()))
        .with_required(
            "partner",
            described(
                non_empty_text(),
                "Who synchronises the members; it never changes.",
            ),
        )
        .with_required(
            "cohort_id",
            described(
                non_empty_text(),
                "The partner's own id of the segment; it never changes.",
            ),
        )
        .with_required(
            "members",
            described(members, "The `uid` of each user in the segment."),
        )
        .closed()
}

fn local_file(lines: &str) -> Value {
    let path = described(
        non_empty_text(),
        &format!("A file, by its path from the file that declares the segment. {lines}"),
    );
    ObjectSchema::default().with_required("path", path).closed()
}

pub(super) fn http_url() -> Value {
    json!({"type": "string", "pattern": "^https?://[^/]"})
}

fn email_address() -> Value {
    json!({"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"})
}
