//! Fields that depend on the kind of a segment.

use super::builders::{
    ObjectSchema, any_of, constant, count, described, keyword_enum, list, non_empty_list, non_empty_text,
    schema_ref,
};
use crate::model::{IdentifierType, Keyword, SegmentKind};
use serde_json::{Value, json};

pub(super) fn filter_segment(common_fields: ObjectSchema) -> Value {
    let included = described(schema_ref("group"), "Users who match are in the segment.");
    let excluded = described(schema_ref("group"), "Users who match are excluded.");
    common_fields
        .with_optional("kind", constant(SegmentKind::Filter.as_str()))
        .with_required("included_filters", included)
        .with_optional("excluded_filters", excluded)
        .closed()
}

pub(super) fn file_segment(common_fields: ObjectSchema) -> Value {
    let kind = described(keyword_enum::<IdentifierType>(), "Type of the attribute.");
    let identifier = ObjectSchema::default()
        .with_required("attribute", non_empty_text())
        .with_required("type", kind)
        .closed();
    let url = described(http_url(), "URL from which MoEngage reads the list.");
    let published = ObjectSchema::default()
        .with_required("url", url)
        .with_required("sha256", json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}))
        .closed();
    let users = any_of([local_file("One value per line, without a header."), published]);
    common_fields
        .with_required("kind", constant(SegmentKind::File.as_str()))
        .with_required("identifier", identifier)
        .with_required("users", users)
        .with_required("expires_in_days", count(1))
        .with_optional("callback_url", http_url())
        .with_optional("notify", list(&email_address()))
        .closed()
}

pub(super) fn cohort_segment(common_fields: ObjectSchema) -> Value {
    let members = any_of([
        non_empty_list(&non_empty_text()),
        local_file("One `uid` per line, without a header."),
    ]);
    common_fields
        .with_required("kind", constant(SegmentKind::Cohort.as_str()))
        .with_required("partner", non_empty_text())
        .with_required("cohort_id", non_empty_text())
        .with_required("members", members)
        .closed()
}

fn local_file(format: &str) -> Value {
    let path = described(
        non_empty_text(),
        &format!("Path of a file, relative to the file that declares the segment. {format}"),
    );
    ObjectSchema::default().with_required("path", path).closed()
}

pub(super) fn http_url() -> Value {
    let allowed = |more: &str| format!(r#"(?:[^\s\x00-\x1F\x7F"<>\\^`{{|}}%{more}]|%[0-9A-Fa-f]{{2}})"#);
    let pattern = format!("^https?://{}{}*$", allowed("/?#:@"), allowed(""));
    json!({"type": "string", "pattern": pattern})
}

fn email_address() -> Value {
    let word = r#"[^\s\x00-\x1F\x7F@.,;:<>()\[\]\\"]+"#;
    let end = r#"[^\s\x00-\x1F\x7F@.,;:<>()\[\]\\"_-]"#;
    let middle = r#"[^\s\x00-\x1F\x7F@.,;:<>()\[\]\\"_]"#;
    let label = format!("{end}(?:{middle}*{end})?");
    json!({"type": "string", "pattern": format!(r"^{word}(?:\.{word})*@{label}(?:\.{label})*$")})
}
