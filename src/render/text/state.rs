//! The state as text.

use super::quoted;
use crate::diagnostic::phrases::count_noun;
use crate::model::escape_unprintable;
use crate::render::json::{StateDocument, StateEntryDocument};
use std::fmt::Write as _;

/// Distinguishes two digests; JSON has them whole.
const SHORT_DIGEST_LENGTH: usize = 12;

pub fn state(document: &StateDocument) -> String {
    let mut text = String::new();
    for entry in &document.segments {
        text.push_str(&entry_heading(entry));
        if entry.revisions > 0 {
            let _ = writeln!(text, "    {}", count_noun(entry.revisions, "previous version"));
        }
    }
    let missing = document.segments.iter();
    let missing = missing.filter(|entry| entry.lifecycle == "missing").count();
    let and_missing = match missing {
        0 => String::new(),
        count => format!(", {count} missing"),
    };
    let _ = writeln!(
        text,
        "State of {}: {}{and_missing}.",
        escape_unprintable(&document.workspace),
        count_noun(document.segments.len() - missing, "segment")
    );
    text
}

pub(super) fn entry_heading(entry: &StateEntryDocument) -> String {
    let (name, lifecycle, kind) = (quoted(&entry.name), &entry.lifecycle, &entry.kind);
    let [id, run] = [&entry.id, &entry.run].map(|text| escape_unprintable(text));
    let applied_at = entry.applied_at;
    if lifecycle == "history_only" {
        return format!(
            "{name} unmanaged, id {id}, only history is stored, recorded {applied_at:.0} by {run}\n"
        );
    }
    let protected = if entry.protect { ", protected" } else { "" };
    let digest = entry.digest.as_deref().map_or_else(String::new, |digest| {
        format!(", digest {}", digest.get(..SHORT_DIGEST_LENGTH).unwrap_or(digest))
    });
    let mut text =
        format!("{name} {lifecycle}{protected}, {kind}, id {id}{digest}, applied {applied_at:.0} by {run}\n");
    if !entry.previous_names.is_empty() {
        let names: Vec<_> = entry.previous_names.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(text, "    previous names: {}", names.join(", "));
    }
    text
}
