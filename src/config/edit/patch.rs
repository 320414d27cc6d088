//! Edits of an existing file: segctl changes as few bytes as possible and loses no comment.
//!
//! The editor walks the document together with the canonical forms of its current and its new content. Fields and
//! filters with equal canonical forms stay unchanged, whatever their spelling. segctl reads each new text back to
//! verify it. If that fails, segctl tries a coarser edit, up to whole top-level groups of the definition.
//!
//! Where only one of an anchored value and its alias changes, segctl first replaces the alias by the value.
//!
//! A comment beside or directly above a filter belongs to it, and moves or disappears with it; the same is true for a
//! field. When another filter replaces the filter, the comment stays, and the reader of the diff decides. A coarse edit
//! may lose comments; segctl restores them beside or above their owner. The comments of a dissolved group go above the
//! first of its filters. If a comment has no new position, the edit fails.

mod alias_expansion;
mod align;
mod comments;
mod document_editor;
mod lists;
mod node_change;
mod renames;
mod source_text;
mod splice;
mod target;
mod time_range;

use self::document_editor::{DocumentEditor, Granularity};
use self::source_text::SourceText;
use self::target::PatchTarget;
use super::super::declaration::Declaration;
use super::super::yaml::{self, Key, Node, Yaml};
use super::edit_error::EditError;
use super::remote_definition::NameLookup;
use super::round_trip;
use super::text_edit::{Patch, apply_patches};
use crate::model::{Lifecycle, Payload, SegmentName};
use std::collections::BTreeMap;

/// `None` leaves a part unchanged.
#[derive(Clone, Copy, Default)]
pub struct DeclarationUpdate<'a> {
    pub name: Option<&'a SegmentName>,
    pub lifecycle: Option<Lifecycle>,
    /// The definition as MoEngage returned it, and the names of referenced segments.
    pub definition: Option<(&'a Payload, NameLookup<'a>)>,
    /// Old to new names of other segments, for references.
    pub renames: Option<&'a BTreeMap<SegmentName, SegmentName>>,
}

/// Fails when a part of the definition cannot be written, or when an edit would change other fields, such as behind an
/// alias.
pub fn patch(declaration: &Declaration, update: &DeclarationUpdate<'_>) -> Result<Patch, EditError> {
    let source = SourceText::new(&declaration.source.text, &declaration.document);
    let bounds = source.document_bounds(&declaration.document);
    let text = source.slice(bounds.clone());
    let mut draft = round_trip::read_declaration(text)?;
    if let Some(renames) = update.renames {
        draft = renames::apply_renames(draft, renames)?;
    }
    let target = PatchTarget::new(&draft, update)?;
    if target.before == target.after {
        return Ok(Patch::between(bounds.start, text, &draft.source.text));
    }
    let mut last_error = None;
    for attempt in attempts(&draft) {
        match attempt.verified_text(&draft, &target) {
            Ok(new) => return Ok(Patch::between(bounds.start, text, &new)),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error.unwrap_or_else(|| EditError::mismatch("document")))
}

#[derive(Clone, Copy)]
struct Attempt {
    granularity: Granularity,
    expansion: AliasExpansion,
}

/// Which aliases segctl replaces by their values first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AliasExpansion {
    None,
    /// Those whose value would change.
    Affected,
    All,
}

/// From fine to coarse.
fn attempts(draft: &Declaration) -> impl Iterator<Item = Attempt> {
    let has_aliases = !yaml::comments_and_aliases(&draft.source.text).aliases.is_empty();
    let attempts = [
        (Granularity::Fields, AliasExpansion::Affected),
        (Granularity::Fields, AliasExpansion::All),
        (Granularity::Filters, AliasExpansion::All),
        (Granularity::OneTopLevelGroup, AliasExpansion::None),
        (Granularity::BothTopLevelGroups, AliasExpansion::None),
    ];
    let is_useful = move |attempt: &(Granularity, AliasExpansion)| {
        has_aliases || *attempt != (Granularity::Fields, AliasExpansion::All)
    };
    let attempts = attempts.into_iter().filter(is_useful);
    attempts.map(|(granularity, expansion)| Attempt {
        granularity,
        expansion,
    })
}

impl Attempt {
    fn verified_text(self, draft: &Declaration, target: &PatchTarget) -> Result<String, EditError> {
        let text = self.edited_text(draft, target)?;
        let text = comments::preserve_comments((draft, &target.before), (text, &target.after))?;
        target.verify(draft, &text)?;
        Ok(text)
    }

    fn edited_text(self, draft: &Declaration, target: &PatchTarget) -> Result<String, EditError> {
        let mut read = draft.clone();
        if self.expansion == AliasExpansion::All {
            read = alias_expansion::expand_all(&read)?;
        }
        loop {
            let source = SourceText::new(&read.source.text, &read.document);
            let edits = DocumentEditor::new(&source, self.granularity)
                .edit_document(&read.document, target.change())?;
            let touched = match self.expansion {
                AliasExpansion::Affected => {
                    alias_expansion::affected_aliases((&source, &read.document), &edits)
                }
                AliasExpansion::None | AliasExpansion::All => Vec::new(),
            };
            if touched.is_empty() {
                return apply_patches(source.text, [&Patch::new(edits)]);
            }
            // Each iteration leaves fewer aliases.
            read = alias_expansion::expand((&source, &read.document), &touched)?;
        }
    }
}

fn map_entries(node: &Node) -> &[(Key, Node)] {
    match &node.value {
        Yaml::Map(entries) => entries,
        _ => &[],
    }
}

fn has_field(document: &Node, field: &str) -> bool {
    map_entries(document).iter().any(|(key, _)| key.text == field)
}

#[cfg(test)]
mod tests;
