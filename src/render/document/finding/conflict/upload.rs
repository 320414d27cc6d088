//! Conflicts over lists of users in words.

use super::{FindingDocument, at, live_words};
use crate::model::{Identifier, Keyword};
use crate::plan::step::{Declared, FixedField, Holder};
use crate::render::command::apply_without;
use jiff::Timestamp;

pub(super) fn fixed(segment: &Declared, target: &Holder, field: &FixedField) -> FindingDocument {
    let identifier = |identifier: &Identifier| {
        let (attribute, kind) = (&identifier.attribute, identifier.kind.as_str());
        format!("{{attribute: {attribute}, type: {kind}}}")
    };
    let (what, before, now) = match field {
        FixedField::Identifier { before, now } => ("identifier", identifier(before), identifier(now)),
        FixedField::Expiry { before, now } => ("expires_in_days", before.to_string(), now.to_string()),
    };
    let message = format!(
        "`{}` was made with `{what}: {before}` and is declared with `{what}: {now}`, which the API never changes",
        segment.name
    );
    FindingDocument::new("fixed_at_upload", message)
        .of(segment)
        .with(target)
        .help(format!("to keep it: say `{what}: {before}` at {}", at(segment)))
        .help(format!(
            "to have another: declare it under a new name, and {} with `lifecycle: archived` until nothing refers to it",
            live_words(target)
        ))
}

pub(super) fn not_published(segment: &Declared) -> FindingDocument {
    let message = format!(
        "the list of `{}` is a file of this machine, and the service reads lists from addresses",
        segment.name
    );
    FindingDocument::new("not_published", message)
        .of(segment)
        .help("say where lists are put and read: `publish: {directory: FOLDER, url: https://…}` in the workspace in segctl.yaml")
        .help(format!(
            "if somebody else publishes it: say `users: {{url: https://…, sha256: …}}` at {}",
            at(segment)
        ))
}

pub(super) fn users_a_day(
    segment: &Declared,
    (count, taken, limit): (u64, u64, u64),
    fits_from: Timestamp,
) -> FindingDocument {
    let message = format!(
        "`{}` would add {count} users to {taken} of the last 24 hours and of this plan, and the service adds no more than {limit} \
         in a day",
        segment.name
    );
    let exclude = apply_without(&segment.name);
    let found = FindingDocument::new("users_a_day", message).of(segment);
    let found = if count > limit {
        found.help("apply with a part of the list first, and with all of it a day later")
    } else {
        found.help(format!(
            "leave it to a later run, from {fits_from:.0} on: `{exclude}`"
        ))
    };
    found.help("if MoEngage raised your limit: `service: {users_a_day: …}` in segctl.yaml")
}
