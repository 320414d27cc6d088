//! Edits of a text: a byte range and the text that replaces it.

use super::edit_error::EditError;
use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEdit {
    /// Empty for an insertion.
    pub range: Range<usize>,
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Bytes of the file as it was read.
    pub edits: Vec<TextEdit>,
}

impl Patch {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The smallest edit from `before`, which begins at byte `start` of the file, to `after`.
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

    /// Sorts the edits; at the same byte, an insertion comes before a replacement.
    pub(super) fn new(mut edits: Vec<TextEdit>) -> Self {
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        Self { edits }
    }
}

/// Fails when edits overlap, which those of different declarations never do, or are outside the text.
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
        let (Some(unchanged), Some(_)) = (text.get(done..range.start), text.get(range.clone())) else {
            return Err(overlap);
        };
        result.push_str(unchanged);
        result.push_str(new);
        done = range.end;
    }
    result.push_str(text.get(done..).unwrap_or_default());
    Ok(result)
}
