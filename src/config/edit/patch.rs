//! A change of the workspace taken into a file that people keep: as few bytes as possible, and no comment lost.
//!
//! The document is walked beside the normal forms of what it says and of what it should say. Fields and filters that
//! are the same in normal form are left alone, however they are spelled. Every attempt is proven by reading the new
//! text; one that fails is followed by a coarser one, down to whole sides of the definition.
//!
//! An alias says what its anchor says. Where only one of the two changes, the alias is written out first.
//!
//! A comment beside a filter, or in the lines directly above it, is about that filter. It goes where the filter goes,
//! and goes with it. So does one about a field. Where a filter takes the place of another, the comment stays for the
//! reader of the difference to judge. What a coarse attempt loses is put back: beside what it is about or above it,
//! and for a group that was dissolved above the first of its filters. A text that cannot keep a comment so is refused.

mod alias_expansion;
mod align;
mod comments;
mod document_editor;
mod lists;
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

/// What a declaration should say from now on; what is `None` stays.
#[derive(Clone, Copy, Default)]
pub struct DeclarationUpdate<'a> {
    /// The name.
    pub name: Option<&'a SegmentName>,
    /// Whether it is in use.
    pub lifecycle: Option<Lifecycle>,
    /// The definition as the service answered it, and the names of the segments that it refers to.
    pub definition: Option<(&'a Payload, NameLookup<'a>)>,
    /// The new names of other segments: references by an old one are to say the new one.
    pub renames: Option<&'a BTreeMap<SegmentName, SegmentName>>,
}

/// The edits that make `declaration` say what is `wanted`, proven to be read back so.
///
/// # Errors
///
/// When a part of the definition cannot be written, see [`Unwritable`], or stands in the file in a way that no edit
/// of this declaration alone can change, such as behind an alias that other fields share.
pub fn patch(declaration: &Declaration, update: &DeclarationUpdate<'_>) -> Result<Patch, EditError> {
    let page = SourceText::new(&declaration.source.text, &declaration.document);
    let bounds = page.document_bounds(&declaration.document);
    let text = page.slice(bounds.clone());
    let mut draft = round_trip::read_declaration(text)?;
    if let Some(renames) = update.renames {
        draft = renames::apply_renames(draft, renames)?;
    }
    let goal = PatchTarget::new(&draft, update)?;
    if goal.before == goal.after {
        return Ok(Patch::between(bounds.start, text, &draft.source.text));
    }
    let mut failure = None;
    for attempt in attempts(&draft) {
        match attempt.verified_text(&draft, &goal) {
            Ok(new) => return Ok(Patch::between(bounds.start, text, &new)),
            Err(fault) => failure = Some(fault),
        }
    }
    Err(failure.unwrap_or_else(|| EditError::RoundTripMismatch {
        path: "document".to_owned(),
    }))
}

/// A way to a new text.
#[derive(Clone, Copy)]
struct Attempt {
    granularity: Granularity,
    expansion: AliasExpansion,
}

/// Which aliases are written out first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AliasExpansion {
    None,
    /// Those that would say something new.
    Affected,
    All,
}

/// From the finest on.
fn attempts(draft: &Declaration) -> impl Iterator<Item = Attempt> {
    let has_aliases = !yaml::comments_and_aliases(&draft.source.text).aliases.is_empty();
    let ways = [
        (Granularity::Fields, AliasExpansion::Affected),
        (Granularity::Fields, AliasExpansion::All),
        (Granularity::Filters, AliasExpansion::All),
        (Granularity::OneTopLevelGroup, AliasExpansion::None),
        (Granularity::BothTopLevelGroups, AliasExpansion::None),
    ];
    let ways = ways.into_iter().map(|(fineness, aliases)| Attempt {
        granularity: fineness,
        expansion: aliases,
    });
    ways.filter(move |way| {
        has_aliases || way.granularity != Granularity::Fields || way.expansion != AliasExpansion::All
    })
}

impl Attempt {
    /// The new text, proven.
    fn verified_text(self, draft: &Declaration, goal: &PatchTarget) -> Result<String, EditError> {
        let text = self.edited_text(draft, goal)?;
        let text = comments::preserve_comments((draft, &goal.before), (text, &goal.after))?;
        goal.verify(draft, &text)?;
        Ok(text)
    }

    fn edited_text(self, draft: &Declaration, goal: &PatchTarget) -> Result<String, EditError> {
        let mut read = draft.clone();
        if self.expansion == AliasExpansion::All {
            read = alias_expansion::expand_all(&read)?;
        }
        loop {
            let page = SourceText::new(&read.source.text, &read.document);
            let edits =
                DocumentEditor::new(&page, self.granularity).edit_document(&read.document, goal.change())?;
            let touched = match self.expansion {
                AliasExpansion::Affected => {
                    alias_expansion::affected_aliases((&page, &read.document), &edits)
                }
                AliasExpansion::None | AliasExpansion::All => Vec::new(),
            };
            if touched.is_empty() {
                return apply_patches(page.text, [&Patch::new(edits)]);
            }
            // Each round leaves fewer aliases.
            let written_out = alias_expansion::expand((&page, &read.document), &touched)?;
            read = written_out;
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
