//! References to segments that get a new name.

use super::super::super::declaration::Declaration;
use super::super::super::yaml::{Key, Node, Yaml};
use super::super::edit_error::EditError;
use super::super::ordered_value::OrderedValue;
use super::super::remote_definition::TOP_LEVEL_GROUPS;
use super::super::round_trip;
use super::super::text_edit::{Patch, apply_patches};
use super::document_editor::{DocumentEditor, Granularity, TooFineGrained};
use super::source_text::{SourceText, ValuePosition};
use super::target::verify_unrelated_fields;
use super::{has_field, map_entries};
use crate::model::{Reference, SegmentName};
use std::collections::BTreeMap;

type Renames = BTreeMap<SegmentName, SegmentName>;

pub(super) fn apply_renames(draft: Declaration, renames: &Renames) -> Result<Declaration, EditError> {
    let expected = referenced_names(&draft, Some(renames));
    if expected == referenced_names(&draft, None) {
        return Ok(draft);
    }
    let source = SourceText::new(&draft.source.text, &draft.document);
    let mut editor = DocumentEditor::new(&source, Granularity::Fields);
    for (key, group) in map_entries(&draft.document) {
        if TOP_LEVEL_GROUPS.contains(&key.text.as_str()) && group.span.start > key.span.start {
            editor.rename_references(group, renames)?;
        }
    }
    // A filter that an alias repeats is edited twice.
    let mut patch = Patch::new(editor.edits);
    patch.edits.dedup();
    let renamed = round_trip::read_declaration(&apply_patches(source.text, [&patch])?)?;
    if referenced_names(&renamed, None) != expected {
        return Err(EditError::mismatch("references"));
    }
    if renamed.segment.name != draft.segment.name {
        return Err(EditError::mismatch("name"));
    }
    verify_unrelated_fields(&draft.document, &renamed.document)?;
    Ok(renamed)
}

/// The referenced names, in order, after `renames`.
fn referenced_names(declaration: &Declaration, renames: Option<&Renames>) -> Vec<SegmentName> {
    let references = declaration.segment.contents.references().into_iter();
    let names = references.filter_map(|reference| match reference {
        Reference::Name(name) => Some(renames.and_then(|renames| renames.get(name)).unwrap_or(name)),
        Reference::Id { .. } => None,
    });
    names.cloned().collect()
}

impl DocumentEditor<'_, '_> {
    /// Skips aliases: their anchors are edited.
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
        let position = ValuePosition {
            flow: self.source.is_flow(filter),
            start: self.source.after_colon(key).ok_or(TooFineGrained)?,
            column: self.source.column(key.span.start),
            item: false,
        };
        self.replace(position, value, &OrderedValue::text(name.as_str()))
    }
}

fn is_reference_by_name(node: &Node) -> bool {
    let is_type = |value: &Yaml| matches!(value, Yaml::Scalar(scalar) if scalar.text == "custom_segments");
    let mut entries = map_entries(node).iter();
    entries.any(|(key, node)| key.text == "filter_type" && is_type(&node.value)) && !has_field(node, "id")
}
