//! References to segments that have another name from now on.

use super::super::super::declaration::Declaration;
use super::super::super::yaml::{Key, Node, Yaml};
use super::super::edit_error::EditError;
use super::super::ordered_value::OrderedValue;
use super::super::remote_definition::TOP_LEVEL_GROUPS;
use super::super::round_trip;
use super::super::text_edit::{Patch, apply_patches};
use super::document_editor::{DocumentEditor, Granularity, TooFineGrained};
use super::source_text::{SourceText, ValuePosition};
use super::target::changed_unrelated_field;
use super::{has_field, map_entries};
use crate::model::{Reference, SegmentName};
use std::collections::BTreeMap;

type Renames = BTreeMap<SegmentName, SegmentName>;

/// The declaration with the new names in the place of the old ones.
pub(super) fn apply_renames(draft: Declaration, renames: &Renames) -> Result<Declaration, EditError> {
    let wanted = referenced_names(&draft, Some(renames));
    if wanted == referenced_names(&draft, None) {
        return Ok(draft);
    }
    let page = SourceText::new(&draft.source.text, &draft.document);
    let mut walk = DocumentEditor::new(&page, Granularity::Fields);
    for (key, side) in map_entries(&draft.document) {
        if TOP_LEVEL_GROUPS.contains(&key.text.as_str()) && side.span.start > key.span.start {
            walk.rename_references(side, renames)?;
        }
    }
    // A filter that an alias repeats was come upon twice.
    let mut patch = Patch::new(walk.edits);
    patch.edits.dedup();
    let read = round_trip::read_declaration(&apply_patches(page.text, [&patch])?)?;
    let differs = |path: &str| EditError::RoundTripMismatch {
        path: path.to_owned(),
    };
    if referenced_names(&read, None) != wanted {
        return Err(differs("references"));
    }
    if read.segment.name != draft.segment.name {
        return Err(differs("name"));
    }
    match changed_unrelated_field(&draft.document, &read.document) {
        Some(field) => Err(EditError::SharedField {
            field: field.to_owned(),
        }),
        None => Ok(read),
    }
}

/// The names that a definition refers to, in order, by their new names.
fn referenced_names(declaration: &Declaration, renames: Option<&Renames>) -> Vec<SegmentName> {
    let references = declaration.segment.contents.references().into_iter();
    let names = references.filter_map(|reference| match reference {
        Reference::Name(name) => Some(renames.and_then(|renames| renames.get(name)).unwrap_or(name)),
        Reference::Id { .. } => None,
    });
    names.cloned().collect()
}

impl DocumentEditor<'_, '_> {
    /// Renames in the filters of a group, where it stands: an alias says what its anchor says.
    fn rename_references(&mut self, node: &Node, renames: &Renames) -> Result<(), TooFineGrained> {
        match &node.value {
            Yaml::Map(entries) if is_reference_by_name(node) => self.rename_reference(node, entries, renames),
            Yaml::Map(entries) if !has_field(node, "raw") => entries
                .iter()
                .filter(|(key, value)| value.span.start > key.span.start)
                .try_for_each(|(_, value)| self.rename_references(value, renames)),
            Yaml::List(items) => items
                .iter()
                .filter(|item| item.span.start >= node.span.start)
                .try_for_each(|item| self.rename_references(item, renames)),
            Yaml::Map(_) | Yaml::Scalar(_) | Yaml::Invalid => Ok(()),
        }
    }

    fn rename_reference(
        &mut self,
        filter: &Node,
        entries: &[(Key, Node)],
        renames: &Renames,
    ) -> Result<(), TooFineGrained> {
        let Some((key, value)) = entries.iter().find(|(key, _)| key.text == "name") else {
            return Ok(());
        };
        let Yaml::Scalar(scalar) = &value.value else {
            return Ok(());
        };
        let Some(name) = renames.get(&SegmentName::new(scalar.text.as_str())) else {
            return Ok(());
        };
        let slot = ValuePosition {
            flow: self.source.is_flow(filter),
            start: self.source.after_colon(key).ok_or(TooFineGrained)?,
            column: self.source.column(key.span.start),
            item: false,
        };
        self.replace(slot, value, &OrderedValue::text(name.as_str()))
    }
}

/// Whether it is a filter that means a segment by its name.
fn is_reference_by_name(node: &Node) -> bool {
    let is_type = |value: &Yaml| matches!(value, Yaml::Scalar(scalar) if scalar.text == "custom_segments");
    let mut entries = map_entries(node).iter();
    entries.any(|(key, node)| key.text == "filter_type" && is_type(&node.value)) && !has_field(node, "id")
}
