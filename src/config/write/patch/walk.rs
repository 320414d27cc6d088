//! The walk down a document beside the normal forms of what it says and what it should say.

use super::super::super::yaml::{Key, Node, Yaml};
use super::super::edit::Edit;
use super::super::live::SIDES;
use super::super::tree::Tree;
use super::super::unwritable::Unwritable;
use super::page::{Page, Slot};
use super::window::Levelled;
use serde_json::{Map, Value};
use std::ops::Range;

/// How small the edits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fineness {
    /// Fields of filters and values of lists.
    Fields,
    /// Whole filters.
    Filters,
    /// The side of the definition that differs.
    Sides,
    /// Both sides: one may hold the anchor of an alias in the other.
    BothSides,
}

/// The text gives no hold for an edit as fine as this.
#[derive(Debug)]
pub(super) struct Coarse;

impl From<Coarse> for Unwritable {
    fn from(_: Coarse) -> Self {
        Self::Refused {
            path: "document".to_owned(),
            reason: "the place of the change cannot be edited by itself".to_owned(),
        }
    }
}

impl From<Unwritable> for Coarse {
    fn from(_: Unwritable) -> Self {
        Self
    }
}

/// What a node says, what it should say, and how that is written.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    /// In normal form.
    pub(super) old: &'a Value,
    /// In normal form.
    pub(super) new: &'a Value,
    pub(super) tree: &'a Tree,
}

/// A walk and the edits that it has come upon.
pub(super) struct Walk<'p, 't> {
    pub(super) page: &'p Page<'t>,
    pub(super) fineness: Fineness,
    pub(super) edits: Vec<Edit>,
}

impl<'p, 't> Walk<'p, 't> {
    pub(super) fn new(page: &'p Page<'t>, fineness: Fineness) -> Self {
        Self {
            page,
            fineness,
            edits: Vec::new(),
        }
    }

    /// The edits of a document.
    pub(super) fn document(mut self, document: &Node, change: Change<'_>) -> Result<Vec<Edit>, Coarse> {
        let Yaml::Map(entries) = &document.value else {
            return Err(Coarse);
        };
        self.map(self.page.is_flow(document), entries, change)?;
        Ok(self.edits)
    }

    pub(super) fn value(&mut self, slot: Slot, node: &Node, change: Change<'_>) -> Result<(), Coarse> {
        let is_alias = node.span.start < slot.start;
        let flow = slot.flow || self.page.is_flow(node);
        match (&node.value, change.old, change.new, change.tree) {
            (Yaml::Map(entries), Value::Object(_), Value::Object(_), Tree::Map(_)) if !is_alias => {
                self.map(flow, entries, change)
            }
            (Yaml::List(items), Value::Array(old), Value::Array(new), Tree::List(trees))
                if !is_alias
                    && items.len() == old.len()
                    && trees.len() == new.len()
                    && !items.is_empty()
                    && !trees.is_empty() =>
            {
                self.list(flow, node, change)
            }
            _ => self.replace(slot, node, change.tree),
        }
    }

    fn map(&mut self, flow: bool, entries: &[(Key, Node)], change: Change<'_>) -> Result<(), Coarse> {
        let (Value::Object(old), Value::Object(new)) = (change.old, change.new) else {
            return Err(Coarse);
        };
        let column = entries
            .first()
            .map_or(0, |(key, _)| self.page.column(key.span.start));
        let mut gone = vec![false; entries.len()];
        for (index, (key, node)) in entries.iter().enumerate() {
            let slot = Slot {
                flow,
                start: self.page.after_colon(key).ok_or(Coarse)?,
                column,
                item: false,
            };
            let is_gone = self.field(slot, (key, node), (old, new, change.tree))?;
            if let Some(gone) = gone.get_mut(index) {
                *gone = is_gone;
            }
        }
        self.remove_fields(flow, entries, &gone)?;
        self.insert_fields(flow, entries, &gone, change)
    }

    /// Edits one field; whether it has to go.
    fn field(
        &mut self,
        slot: Slot,
        (key, node): (&Key, &Node),
        (old, new, tree): (&Map<String, Value>, &Map<String, Value>, &Tree),
    ) -> Result<bool, Coarse> {
        let name = key.text.as_str();
        let (before, after, written) = (old.get(name), new.get(name), tree.get(name));
        if name == "filter_operator" {
            self.operator(slot, node, (new, written))?;
            return Ok(false);
        }
        let is_side = SIDES.contains(&name);
        let is_forced = is_side && written.is_some() && self.fineness == Fineness::BothSides;
        if before == after && !is_forced {
            return Ok(false);
        }
        let Some(written) = written else {
            // A flag that is stated stays stated.
            return match after {
                Some(after @ Value::Bool(_)) => {
                    self.replace(slot, node, &Tree::Scalar(after.clone()))?;
                    Ok(false)
                }
                _ => Ok(before.is_some() || after.is_some()),
            };
        };
        let change = Change {
            old: before.unwrap_or(&Value::Null),
            new: after.unwrap_or(&Value::Null),
            tree: written,
        };
        if is_side && self.fineness >= Fineness::Sides {
            self.replace(slot, node, written)?;
        } else if name == "primary_time_range" {
            self.window(slot, node, change)?;
        } else {
            self.value(slot, node, change)?;
        }
        Ok(false)
    }

    /// With fewer than two filters an operator says nothing, so it is left as it is.
    fn operator(
        &mut self,
        slot: Slot,
        node: &Node,
        (new, written): (&Map<String, Value>, Option<&Tree>),
    ) -> Result<(), Coarse> {
        let filters = new.get("filters").and_then(Value::as_array).map_or(0, Vec::len);
        let stands = match &node.value {
            Yaml::Scalar(scalar) => Tree::text(&scalar.text),
            _ => return Err(Coarse),
        };
        match written {
            Some(written) if filters > 1 && *written != stands => self.replace(slot, node, written),
            _ => Ok(()),
        }
    }

    fn window(&mut self, slot: Slot, node: &Node, change: Change<'_>) -> Result<(), Coarse> {
        let levelled = match &node.value {
            Yaml::Map(entries) => Levelled::of(entries, change),
            _ => None,
        };
        match levelled {
            Some(levelled) => self.value(slot, node, levelled.change()),
            None => self.replace(slot, node, change.tree),
        }
    }

    fn remove_fields(&mut self, flow: bool, entries: &[(Key, Node)], gone: &[bool]) -> Result<(), Coarse> {
        if !gone.contains(&true) {
            return Ok(());
        }
        let spans = self.entry_spans(flow, entries)?;
        if flow {
            return self.remove_in_flow(&spans, gone);
        }
        for (span, _) in spans.iter().zip(gone).filter(|(_, gone)| **gone) {
            self.remove_lines(span.start, span.end)?;
        }
        Ok(())
    }

    /// Puts in the fields that are written and do not stand there.
    fn insert_fields(
        &mut self,
        flow: bool,
        entries: &[(Key, Node)],
        gone: &[bool],
        change: Change<'_>,
    ) -> Result<(), Coarse> {
        let fields = change.tree.fields();
        let stands = |name: &str| entries.iter().position(|(key, _)| key.text == name);
        let stays = |index: usize| gone.get(index) == Some(&false);
        for (place, (name, tree)) in fields.iter().enumerate() {
            // What the normal form leaves out is nobody's to change, such as a category.
            if stands(name).is_some() || change.new.get(name).is_none() {
                continue;
            }
            let before = fields.iter().take(place).rev();
            let anchor = before
                .filter_map(|(name, _)| stands(name))
                .find(|index| stays(*index))
                .or_else(|| (0..entries.len()).rev().find(|index| stays(*index)))
                .ok_or(Coarse)?;
            let spans = self.entry_spans(flow, entries)?;
            let (Some(span), Some((key, _))) = (spans.get(anchor), entries.get(anchor)) else {
                return Err(Coarse);
            };
            if flow {
                let text = self.field_in_flow(key, name, tree)?;
                self.insert_in_flow(span, false, &text);
            } else {
                let column = entries
                    .first()
                    .map_or(0, |(key, _)| self.page.column(key.span.start));
                self.insert_block_field(span.end, column, (name, tree))?;
            }
        }
        Ok(())
    }

    /// The bytes of fields, from the key to the end of the value.
    fn entry_spans(&self, flow: bool, entries: &[(Key, Node)]) -> Result<Vec<Range<usize>>, Coarse> {
        let spans = entries.iter().map(|(key, node)| {
            let slot = Slot {
                flow,
                start: self.page.after_colon(key)?,
                column: 0,
                item: false,
            };
            Some(key.span.start..self.page.value_span(slot, node)?.end)
        });
        spans.collect::<Option<_>>().ok_or(Coarse)
    }
}
