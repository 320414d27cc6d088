//! The ledger as text.

use super::quoted;
use crate::model::escape_unprintable;
use crate::render::json::{StateDocument, StateEntryDocument};
use std::fmt::Write as _;

/// Enough of a digest to tell two apart; JSON has it whole.
const SHORT_DIGEST_LENGTH: usize = 12;

/// What is remembered, one segment a line; its last line counts them.
#[must_use]
pub fn state(document: &StateDocument) -> String {
    let mut text = String::new();
    for entry in &document.segments {
        text.push_str(&entry_heading(entry));
        if entry.revisions > 0 {
            let noun = if entry.revisions == 1 {
                "definition"
            } else {
                "definitions"
            };
            let _ = writeln!(text, "    {} replaced {noun} kept", entry.revisions);
        }
    }
    let gone = document
        .segments
        .iter()
        .filter(|entry| entry.lifecycle == "gone")
        .count();
    let count = document.segments.len() - gone;
    let noun = if count == 1 { "segment" } else { "segments" };
    let beside = match gone {
        0 => String::new(),
        1 => ", and 1 that is gone".to_owned(),
        gone => format!(", and {gone} that are gone"),
    };
    let _ = writeln!(
        text,
        "Ledger of {}: {count} {noun}{beside}.",
        escape_unprintable(&document.workspace)
    );
    text
}

/// What is known of a segment now, and the names it had.
pub(super) fn entry_heading(entry: &StateEntryDocument) -> String {
    let protected = if entry.protect { ", protected" } else { "" };
    if entry.lifecycle == "kept" {
        return format!(
            "{} not ours, id {}, kept {:.0} by {}, which may not have written it\n",
            quoted(&entry.name),
            escape_unprintable(&entry.id),
            entry.applied_at,
            escape_unprintable(&entry.run)
        );
    }
    let digest = entry.digest.as_deref().map_or_else(String::new, |digest| {
        format!(", digest {}", digest.get(..SHORT_DIGEST_LENGTH).unwrap_or(digest))
    });
    let mut text = format!(
        "{} {}{protected}, {}, id {}{digest}, applied {:.0} by {}\n",
        quoted(&entry.name),
        entry.lifecycle,
        entry.kind,
        escape_unprintable(&entry.id),
        entry.applied_at,
        escape_unprintable(&entry.run)
    );
    if !entry.previous_names.is_empty() {
        let names: Vec<_> = entry.previous_names.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(text, "    formerly {}", names.join(", "));
    }
    text
}
