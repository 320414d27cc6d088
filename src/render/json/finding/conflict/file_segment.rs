//! Conflicts over user lists.

use super::{FindingDocument, describe_remote, location};
use crate::model::{Identifier, Keyword};
use crate::plan::step::{DeclaredRef, FixedField, RemoteRef};
use crate::render::shell_commands::apply_excluding;
use jiff::Timestamp;

pub(super) fn fixed_at_upload(
    segment: &DeclaredRef,
    target: &RemoteRef,
    field: &FixedField,
) -> FindingDocument {
    let identifier = |identifier: &Identifier| {
        let (attribute, kind) = (&identifier.attribute, identifier.kind.as_str());
        format!("{{attribute: {attribute}, type: {kind}}}")
    };
    let (key, before, after) = match field {
        FixedField::Identifier {
            created_with,
            declared,
        } => ("identifier", identifier(created_with), identifier(declared)),
        FixedField::Expiry {
            created_with,
            declared,
        } => ("expires_in_days", created_with.to_string(), declared.to_string()),
    };
    let message = format!(
        "`{}` was created with `{key}: {before}` and is declared with `{key}: {after}`; the API cannot change it",
        segment.name
    );
    FindingDocument::between("fixed_at_upload", message, segment, target)
        .with_help(format!(
            "to keep it: set `{key}: {before}` at {}",
            location(segment)
        ))
        .with_help(format!(
            "to change it: declare a segment with a new name, and set `lifecycle: archived` for {} once nothing references \
             it",
            describe_remote(target)
        ))
}

pub(super) fn publish_not_configured(segment: &DeclaredRef) -> FindingDocument {
    let message = format!(
        "the member list of `{}` is a local file, and MoEngage reads lists from a URL",
        segment.name
    );
    FindingDocument::new("publish_not_configured", message)
        .with_segment(segment)
        .with_help("set where segctl publishes lists: `publish: {directory: FOLDER, url: https://…}` in the workspace in segctl.yaml")
        .with_help(format!(
            "if the list is published elsewhere: set `users: {{url: https://…, sha256: …}}` at {}",
            location(segment)
        ))
}

pub(super) fn daily_user_limit(
    segment: &DeclaredRef,
    (count, used, limit): (u64, u64, u64),
    available_at: Timestamp,
) -> FindingDocument {
    let message = format!(
        "`{}` would add {count} users; {used} are added in the last 24 hours and by this plan, and the daily limit is {limit}",
        segment.name
    );
    let help = if count > limit {
        "apply a part of the list first, and the whole list a day later".to_owned()
    } else {
        format!(
            "apply it in a later run, after {available_at:.0}; until then: `{}`",
            apply_excluding(&segment.name)
        )
    };
    FindingDocument::new("daily_user_limit", message)
        .with_segment(segment)
        .with_help(help)
        .with_help("if MoEngage raised your limit: set `api_behavior: {daily_user_limit: …}` in segctl.yaml")
}
