//! What a ledger keeps of one segment as text, and what came of a definition that was written back.

use super::drift::diff;
use super::{change, quoted, state};
use crate::model::escape_unprintable;
use crate::render::json::{HistoryDocument, RestoredDocument, RevisionDocument, SegmentRefDocument};
use std::fmt::Write as _;

/// The definitions that were replaced, oldest first; the last line counts them.
#[must_use]
pub fn history(document: &HistoryDocument) -> String {
    let segment = &document.segment;
    let mut text = state::entry_heading(segment);
    if !document.other_segments.is_empty() {
        let _ = writeln!(
            text,
            "    {}",
            shared_name_note(&document.name, &document.other_segments)
        );
    }
    for replaced in &document.revisions {
        self::revision(&mut text, &segment.name, replaced);
    }
    let dropped = match document.dropped_revisions {
        0 => String::new(),
        1 => ", 1 older one dropped".to_owned(),
        count => format!(", {count} older ones dropped"),
    };
    let kept = match document.revisions.len() {
        0 => "no definition was replaced".to_owned(),
        1 => "1 replaced definition kept".to_owned(),
        count => format!("{count} replaced definitions kept"),
    };
    let _ = writeln!(text, "History of {}: {kept}{dropped}.", quoted(&segment.name));
    text
}

/// That a name was not that of one segment alone, in a sentence.
#[must_use]
pub fn shared_name_note(name: &str, others: &[SegmentRefDocument]) -> String {
    let others = others
        .iter()
        .map(|other| format!("{}, id {}", quoted(&other.name), escape_unprintable(&other.id)));
    let others: Vec<_> = others.collect();
    format!(
        "the ledger knows other segments that have or had the name {}: {}",
        quoted(name),
        others.join("; ")
    )
}

/// What was written where.
#[must_use]
pub fn restored(document: &RestoredDocument, colour: bool) -> String {
    let mut text = String::new();
    if let Some(document) = &document.patch {
        diff(&mut text, document, colour);
    }
    let (number, file) = (document.revision, escape_unprintable(&document.file));
    let name = quoted(&document.segment);
    if document.written {
        let _ = writeln!(
            text,
            "Restored: definition {number} of {name} is in {file}. The workspace is as it was: `segctl plan` shows what an \
             apply would change."
        );
    } else {
        let _ = writeln!(
            text,
            "Nothing to restore: {file} says definition {number} of {name} already."
        );
    }
    text
}

fn revision(text: &mut String, name: &str, replaced: &RevisionDocument) {
    let address = quoted(&format!("{name}@{}", replaced.number));
    let then = if replaced.name == name {
        String::new()
    } else {
        format!(" under the name {},", quoted(&replaced.name))
    };
    let _ = writeln!(
        text,
        "{address}{then} replaced {:.0} by {}",
        replaced.replaced_at,
        escape_unprintable(&replaced.run)
    );
    for changed in &replaced.changes {
        let _ = writeln!(text, "    {}", change(changed));
    }
}
