//! Conflicts over lists of users in words.

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
    let (what, before, now) = match field {
        FixedField::Identifier {
            created_with: before,
            declared: now,
        } => ("identifier", identifier(before), identifier(now)),
        FixedField::Expiry {
            created_with: before,
            declared: now,
        } => ("expires_in_days", before.to_string(), now.to_string()),
    };
    let message = format!(
        "`{}` was made with `{what}: {before}` and is declared with `{what}: {now}`, which the API never changes",
        segment.name
    );
    FindingDocument::new("fixed_at_upload", message)
        .with_segment(segment)
        .with_remote(target)
        .with_help(format!("to keep it: say `{what}: {before}` at {}", location(segment)))
        .with_help(format!(
            "to have another: declare it under a new name, and {} with `lifecycle: archived` until nothing refers to it",
            describe_remote(target)
        ))
}

pub(super) fn not_published(segment: &DeclaredRef) -> FindingDocument {
    let message = format!(
        "the list of `{}` is a file of this machine, and the service reads lists from addresses",
        segment.name
    );
    FindingDocument::new("not_published", message)
        .with_segment(segment)
        .with_help("say where lists are put and read: `publish: {directory: FOLDER, url: https://…}` in the workspace in segctl.yaml")
        .with_help(format!(
            "if somebody else publishes it: say `users: {{url: https://…, sha256: …}}` at {}",
            location(segment)
        ))
}

pub(super) fn daily_user_limit(
    segment: &DeclaredRef,
    (count, taken, limit): (u64, u64, u64),
    fits_from: Timestamp,
) -> FindingDocument {
    let message = format!(
        "`{}` would add {count} users to {taken} of the last 24 hours and of this plan, and the service adds no more than {limit} \
         in a day",
        segment.name
    );
    let exclude = apply_excluding(&segment.name);
    let found = FindingDocument::new("users_a_day", message).with_segment(segment);
    let found = if count > limit {
        found.with_help("apply with a part of the list first, and with all of it a day later")
    } else {
        found.with_help(format!(
            "leave it to a later run, from {fits_from:.0} on: `{exclude}`"
        ))
    };
    found.with_help("if MoEngage raised your limit: `service: {users_a_day: …}` in segctl.yaml")
}
