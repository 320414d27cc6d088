//! Edits of a text: which bytes become what.

use super::edit_error::EditError;
use std::ops::Range;

/// One place of a text that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEdit {
    /// The bytes that go; empty where something is only put in.
    pub range: Range<usize>,
    /// What comes in their place.
    pub text: String,
}

/// The edits that bring one declaration up to date, in the order of the file; none when it is up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Bytes are those of the declaration's file as it was read.
    pub edits: Vec<TextEdit>,
}

impl Patch {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The edit that makes `before`, which begins at byte `start` of the file, into `after`; none where they are equal.
    pub(super) fn between(start: usize, before: &str, after: &str) -> Self {
        if before == after {
            return Self::default();
        }
        let same = |(left, right): &(char, char)| left == right;
        let length = |pairs: usize, (character, _): (char, char)| pairs + character.len_utf8();
        let head = before.chars().zip(after.chars()).take_while(same).fold(0, length);
        let (old, new) = (
            before.get(head..).unwrap_or_default(),
            after.get(head..).unwrap_or_default(),
        );
        let tail = old.chars().rev().zip(new.chars().rev());
        let tail = tail.take_while(same).fold(0, length);
        let range = start + head..start + before.len() - tail;
        let text = new.get(..new.len() - tail).unwrap_or_default().to_owned();
        Self {
            edits: vec![TextEdit { range, text }],
        }
    }

    /// Puts edits in the order of the file; those that begin together keep theirs, and what is put in comes first.
    pub(super) fn new(mut edits: Vec<TextEdit>) -> Self {
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        Self { edits }
    }
}

/// `text` with the patches of its declarations, in any order.
///
/// # Errors
///
/// When two edits touch each other, which those of different declarations never do, or lie outside of the text.
pub fn apply_patches<'p>(
    text: &str,
    patches: impl IntoIterator<Item = &'p Patch>,
) -> Result<String, EditError> {
    let edits = patches.into_iter().flat_map(|patch| patch.edits.iter().cloned());
    let sorted = Patch::new(edits.collect()).edits;
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for TextEdit { range, text: new } in &sorted {
        let overlap = EditError::OverlappingEdits { offset: range.start };
        if range.start < done {
            return Err(overlap);
        }
        let (Some(kept), Some(_)) = (text.get(done..range.start), text.get(range.clone())) else {
            return Err(overlap);
        };
        result.push_str(kept);
        result.push_str(new);
        done = range.end;
    }
    result.push_str(text.get(done..).unwrap_or_default());
    Ok(result)
}
