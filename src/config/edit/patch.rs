//! Edits of an existing file: segctl splices the smallest changed scalar, entry or list item.
//!
//! The editor walks the document together with the canonical forms of its current and of its new content. What has equal
//! canonical forms keeps its text, whatever its spelling. A value with another form is replaced. An entry of a mapping
//! or an item of a list is a *piece* of text: whole lines in block style, a span in flow style. Where entries or items
//! come, go or move, the editor writes the collection from its old pieces in the new order, and from new pieces.
//!
//! A comment belongs to the piece that it is above, beside or in: it moves with it, and disappears with it. Lines
//! between two pieces, such as a heading with a blank line below it, stay where they are.
//!
//! segctl reads each new text back, and compares it with the wanted definition and with the other fields. If they
//! differ, the editor replaces whole groups of the definition.
//!
//! The editor loses no comment, and it writes out no alias. It edits an anchored value where its anchor is, and only if
//! all of its aliases are to change, too. It refuses an edit that loses a comment, an anchor or an alias, for example
//! the comment of a filter that goes into another group. The error has the diff, so that a person can apply it.

mod editor;
mod matching;
mod pieces;
mod source_text;
mod target;

use self::editor::Editor;
use self::source_text::SourceText;
use self::target::PatchTarget;
use super::super::declaration::Declaration;
use super::super::yaml::{Key, Node, Yaml};
use super::edit_error::EditError;
use super::remote_definition::NameLookup;
use super::round_trip;
use super::text_edit::{Patch, apply_patches};
use crate::model::{Lifecycle, Payload, SegmentName};
use similar::TextDiff;
use std::collections::BTreeMap;
use std::ops::Range;

/// `None` leaves a part unchanged.
#[derive(Clone, Copy, Default)]
pub struct DeclarationUpdate<'a> {
    pub name: Option<&'a SegmentName>,
    pub lifecycle: Option<Lifecycle>,
    /// The definition as MoEngage returned it, and the names of referenced segments.
    pub definition: Option<(&'a Payload, NameLookup<'a>)>,
    /// Old to new names of other segments, for references. With `definition`, its lookup gives the new names.
    pub renames: Option<&'a BTreeMap<SegmentName, SegmentName>>,
}

/// Fails when a part of the definition cannot be written, and when the edit would lose text or change other fields.
pub fn patch(declaration: &Declaration, update: &DeclarationUpdate<'_>) -> Result<Patch, EditError> {
    let source = SourceText::new(&declaration.source.text, &declaration.document);
    let bounds = source.document_bounds(&declaration.document);
    let text = source.slice(bounds.clone());
    let draft = round_trip::read_declaration(text)?;
    let target = PatchTarget::new(&draft, update)?;
    if target.before == target.after {
        return Ok(Patch::default());
    }
    let mut refusal = None;
    let mut failure = None;
    for whole_groups in [false, true] {
        let source = SourceText::new(text, &draft.document);
        let mut editor = Editor::new(&source, target.change(), whole_groups);
        let Ok(edits) = editor.edit_document(&draft.document) else {
            continue;
        };
        let new = apply_patches(text, [&Patch::new(edits)])?;
        match (target.verify(&draft, &new), editor.lost.first()) {
            (Ok(()), None) => return Ok(Patch::between(bounds.start, text, &new)),
            (Ok(()), Some(lost)) => {
                let lost = bounds.start + lost.start..bounds.start + lost.end;
                refusal.get_or_insert_with(|| lost_text_error(declaration, lost, &bounds, &new));
            }
            (Err(error), _) => _ = failure.get_or_insert(error),
        }
    }
    let failure = refusal.or(failure);
    Err(failure.unwrap_or_else(|| EditError::mismatch("document")))
}

fn lost_text_error(
    declaration: &Declaration,
    lost: Range<usize>,
    document: &Range<usize>,
    new: &str,
) -> EditError {
    let (file, text) = declaration.file_name_and_text();
    let part = |range: Range<usize>| text.get(range).unwrap_or_default();
    let after = [part(0..document.start), new, part(document.end..text.len())].concat();
    let diff = TextDiff::from_lines(text, &after);
    EditError::LostText {
        text: part(lost.clone()).trim_end().to_owned(),
        line: part(0..lost.start).matches('\n').count() + 1,
        diff: diff
            .unified_diff()
            .context_radius(1)
            .header(file, file)
            .to_string(),
    }
}

fn map_entries(node: &Node) -> &[(Key, Node)] {
    match &node.value {
        Yaml::Map(entries) => entries,
        _ => &[],
    }
}

fn has_field(node: &Node, field: &str) -> bool {
    map_entries(node).iter().any(|(key, _)| key.text == field)
}

#[cfg(test)]
mod tests;
