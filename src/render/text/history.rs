//! The stored revisions of one segment, and a restored revision, as text.

use super::drift::diff;
use super::{change, quoted, state};
use crate::diagnostic::phrases::count_noun;
use crate::model::escape_unprintable;
use crate::plan::step::SegmentRef;
use crate::render::json::{HistoryDocument, RestoredDocument, RevisionDocument};
use std::fmt::Write as _;

pub fn history(document: &HistoryDocument, color: bool) -> String {
    let segment = &document.segment;
    let mut text = state::entry_heading(segment);
    if !document.other_segments.is_empty() {
        let note = shared_name_note(&document.name, &document.other_segments);
        let _ = writeln!(text, "    {note}");
    }
    for revision in &document.revisions {
        self::revision(&mut text, &segment.name, revision, color);
    }
    let name = quoted(&segment.name);
    let _ = match (document.revisions.len(), document.dropped_revisions) {
        (0, 0) => writeln!(text, "No previous versions of {name}."),
        (stored, 0) => writeln!(
            text,
            "History of {name}: {}.",
            count_noun(stored, "previous version")
        ),
        (stored, dropped) => writeln!(
            text,
            "History of {name}: {}, {dropped} older dropped.",
            count_noun(stored, "previous version")
        ),
    };
    text
}

pub fn shared_name_note(name: &str, others: &[SegmentRef]) -> String {
    let others = others.iter().map(|other| {
        format!(
            "{}, id {}",
            quoted(other.name.as_str()),
            escape_unprintable(other.id.as_str())
        )
    });
    let others: Vec<_> = others.collect();
    format!(
        "other segments in the state have or had the name {}: {}",
        quoted(name),
        others.join("; ")
    )
}

pub fn restored(document: &RestoredDocument, color: bool) -> String {
    let mut text = String::new();
    change::changes(&mut text, &document.changes, color);
    if let Some(patch) = &document.patch {
        diff(&mut text, patch, color);
    }
    let (number, file) = (document.revision, escape_unprintable(&document.file));
    let name = quoted(&document.segment);
    let _ = if document.written {
        writeln!(
            text,
            "Restored: wrote version {number} of {name} to {file}. The workspace is unchanged: `segctl plan` shows what an \
             apply would change."
        )
    } else {
        writeln!(
            text,
            "Nothing to restore: {file} already matches version {number} of {name}."
        )
    };
    text
}

fn revision(text: &mut String, current_name: &str, revision: &RevisionDocument, color: bool) {
    let address = quoted(&format!("{current_name}@{}", revision.revision));
    let name = if revision.name == current_name {
        String::new()
    } else {
        format!(" under the name {},", quoted(&revision.name))
    };
    let run = escape_unprintable(&revision.run);
    let _ = writeln!(
        text,
        "{address}{name} replaced {:.0} by {run}",
        revision.replaced_at
    );
    change::changes(text, &revision.changes, color);
}
