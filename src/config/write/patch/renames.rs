//! References to segments that have another name from now on.

use super::super::super::declaration::Declaration;
use super::super::super::yaml::{Key, Node, Yaml};
use super::super::edit::{Patch, apply};
use super::super::law;
use super::super::live::SIDES;
use super::super::tree::Tree;
use super::super::unwritable::Unwritable;
use super::goal::changed_bystander;
use super::page::{Page, Slot};
use super::walk::{Coarse, Fineness, Walk};
use super::{fields, has};
use crate::model::{Reference, SegmentName};
use std::collections::BTreeMap;

type Renames = BTreeMap<SegmentName, SegmentName>;

/// The declaration with the new names in the place of the old ones.
pub(super) fn taken_over(draft: Declaration, renames: &Renames) -> Result<Declaration, Unwritable> {
    let wanted = named(&draft, Some(renames));
    if wanted == named(&draft, None) {
        return Ok(draft);
    }
    let page = Page::new(&draft.source.text, &draft.document);
    let mut walk = Walk::new(&page, Fineness::Fields);
    for (key, side) in fields(&draft.document) {
        if SIDES.contains(&key.text.as_str()) && side.span.start > key.span.start {
            walk.rename_in(side, renames)?;
        }
    }
    // A filter that an alias repeats was come upon twice.
    let mut patch = Patch::new(walk.edits);
    patch.edits.dedup();
    let read = law::read(&apply(page.text, [&patch])?)?;
    let differs = |path: &str| Unwritable::Differs {
        path: path.to_owned(),
    };
    if named(&read, None) != wanted {
        return Err(differs("references"));
    }
    if read.segment.name != draft.segment.name {
        return Err(differs("name"));
    }
    match changed_bystander(&draft.document, &read.document) {
        Some(field) => Err(Unwritable::Shared {
            field: field.to_owned(),
        }),
        None => Ok(read),
    }
}

/// The names that a definition refers to, in order, by their new names.
fn named(declaration: &Declaration, renames: Option<&Renames>) -> Vec<SegmentName> {
    let references = declaration.segment.contents.references().into_iter();
    let names = references.filter_map(|reference| match reference {
        Reference::Name(name) => Some(renames.and_then(|renames| renames.get(name)).unwrap_or(name)),
        Reference::Id { .. } => None,
    });
    names.cloned().collect()
}

impl Walk<'_, '_> {
    /// Renames in the filters of a group, where it stands: an alias says what its anchor says.
    fn rename_in(&mut self, node: &Node, renames: &Renames) -> Result<(), Coarse> {
        match &node.value {
            Yaml::Map(entries) if is_reference(node) => self.rename(node, entries, renames),
            Yaml::Map(entries) if !has(node, "raw") => entries
                .iter()
                .filter(|(key, value)| value.span.start > key.span.start)
                .try_for_each(|(_, value)| self.rename_in(value, renames)),
            Yaml::List(items) => items
                .iter()
                .filter(|item| item.span.start >= node.span.start)
                .try_for_each(|item| self.rename_in(item, renames)),
            Yaml::Map(_) | Yaml::Scalar(_) | Yaml::Refused => Ok(()),
        }
    }

    fn rename(&mut self, filter: &Node, entries: &[(Key, Node)], renames: &Renames) -> Result<(), Coarse> {
        let Some((key, value)) = entries.iter().find(|(key, _)| key.text == "name") else {
            return Ok(());
        };
        let Yaml::Scalar(scalar) = &value.value else {
            return Ok(());
        };
        let Some(name) = renames.get(&SegmentName::new(scalar.text.as_str())) else {
            return Ok(());
        };
        let slot = Slot {
            flow: self.page.is_flow(filter),
            start: self.page.after_colon(key).ok_or(Coarse)?,
            column: self.page.column(key.span.start),
            item: false,
        };
        self.replace(slot, value, &Tree::text(name.as_str()))
    }
}

/// Whether it is a filter that means a segment by its name.
fn is_reference(node: &Node) -> bool {
    let is_type = |value: &Yaml| matches!(value, Yaml::Scalar(scalar) if scalar.text == "custom_segments");
    let mut entries = fields(node).iter();
    entries.any(|(key, node)| key.text == "filter_type" && is_type(&node.value)) && !has(node, "id")
}
