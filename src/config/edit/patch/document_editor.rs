//! The walk down a document beside the normal forms of what it says and what it should say.

use super::super::super::yaml::{Key, Node, Yaml};
use super::super::edit_error::EditError;
use super::super::ordered_value::OrderedValue;
use super::super::remote_definition::TOP_LEVEL_GROUPS;
use super::super::text_edit::TextEdit;
use super::source_text::{SourceText, ValuePosition};
use super::time_range::TimeRangeChange;
use serde_json::{Map, Value};
use std::ops::Range;

/// How small the edits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Granularity {
    /// Fields of filters and values of lists.
    Fields,
    /// Whole filters.
    Filters,
    /// The side of the definition that differs.
    OneTopLevelGroup,
    /// Both sides: one may hold the anchor of an alias in the other.
    BothTopLevelGroups,
}

/// The text gives no hold for an edit as fine as this.
#[derive(Debug)]
pub(super) struct TooFineGrained;

impl From<TooFineGrained> for EditError {
    fn from(_: TooFineGrained) -> Self {
        Self::InvalidText {
            path: "document".to_owned(),
            reason: "the place of the change cannot be edited by itself".to_owned(),
        }
    }
}

impl From<EditError> for TooFineGrained {
    fn from(_: EditError) -> Self {
        Self
    }
}

/// What a node says, what it should say, and how that is written.
#[derive(Clone, Copy)]
pub(super) struct NodeChange<'a> {
    /// In normal form.
    pub(super) old: &'a Value,
    /// In normal form.
    pub(super) new: &'a Value,
    pub(super) output: &'a OrderedValue,
}

/// A walk and the edits that it has come upon.
pub(super) struct DocumentEditor<'p, 't> {
    pub(super) source: &'p SourceText<'t>,
    pub(super) granularity: Granularity,
    pub(super) edits: Vec<TextEdit>,
}

impl<'p, 't> DocumentEditor<'p, 't> {
    pub(super) fn new(page: &'p SourceText<'t>, fineness: Granularity) -> Self {
        Self {
            source: page,
            granularity: fineness,
            edits: Vec::new(),
        }
    }

    /// The edits of a document.
    pub(super) fn edit_document(
        mut self,
        document: &Node,
        change: NodeChange<'_>,
    ) -> Result<Vec<TextEdit>, TooFineGrained> {
        let Yaml::Map(entries) = &document.value else {
            return Err(TooFineGrained);
        };
        self.edit_map(self.source.is_flow(document), entries, change)?;
        Ok(self.edits)
    }

    pub(super) fn edit_value(
        &mut self,
        slot: ValuePosition,
        node: &Node,
        change: NodeChange<'_>,
    ) -> Result<(), TooFineGrained> {
        let is_alias = node.span.start < slot.start;
        let flow = slot.flow || self.source.is_flow(node);
        match (&node.value, change.old, change.new, change.output) {
            (Yaml::Map(entries), Value::Object(_), Value::Object(_), OrderedValue::Map(_)) if !is_alias => {
                self.edit_map(flow, entries, change)
            }
            (Yaml::List(items), Value::Array(old), Value::Array(new), OrderedValue::List(trees))
                if !is_alias
                    && items.len() == old.len()
                    && trees.len() == new.len()
                    && !items.is_empty()
                    && !trees.is_empty() =>
            {
                self.edit_list(flow, node, change)
            }
            _ => self.replace(slot, node, change.output),
        }
    }

    fn edit_map(
        &mut self,
        flow: bool,
        entries: &[(Key, Node)],
        change: NodeChange<'_>,
    ) -> Result<(), TooFineGrained> {
        let (Value::Object(old), Value::Object(new)) = (change.old, change.new) else {
            return Err(TooFineGrained);
        };
        let column = entries
            .first()
            .map_or(0, |(key, _)| self.source.column(key.span.start));
        let mut gone = vec![false; entries.len()];
        for (index, (key, node)) in entries.iter().enumerate() {
            let slot = ValuePosition {
                flow,
                start: self.source.after_colon(key).ok_or(TooFineGrained)?,
                column,
                item: false,
            };
            let is_gone = self.edit_field(slot, (key, node), (old, new, change.output))?;
            if let Some(gone) = gone.get_mut(index) {
                *gone = is_gone;
            }
        }
        self.remove_fields(flow, entries, &gone)?;
        self.insert_fields(flow, entries, &gone, change)
    }

    /// Edits one field; whether it has to go.
    fn edit_field(
        &mut self,
        slot: ValuePosition,
        (key, node): (&Key, &Node),
        (old, new, tree): (&Map<String, Value>, &Map<String, Value>, &OrderedValue),
    ) -> Result<bool, TooFineGrained> {
        let name = key.text.as_str();
        let (before, after, written) = (old.get(name), new.get(name), tree.get(name));
        if name == "filter_operator" {
            self.edit_operator(slot, node, (new, written))?;
            return Ok(false);
        }
        let is_side = TOP_LEVEL_GROUPS.contains(&name);
        let is_forced = is_side && written.is_some() && self.granularity == Granularity::BothTopLevelGroups;
        if before == after && !is_forced {
            return Ok(false);
        }
        let Some(written) = written else {
            // A flag that is stated stays stated.
            return match after {
                Some(after @ Value::Bool(_)) => {
                    self.replace(slot, node, &OrderedValue::Scalar(after.clone()))?;
                    Ok(false)
                }
                _ => Ok(before.is_some() || after.is_some()),
            };
        };
        let change = NodeChange {
            old: before.unwrap_or(&Value::Null),
            new: after.unwrap_or(&Value::Null),
            output: written,
        };
        if is_side && self.granularity >= Granularity::OneTopLevelGroup {
            self.replace(slot, node, written)?;
        } else if name == "primary_time_range" {
            self.edit_time_range(slot, node, change)?;
        } else {
            self.edit_value(slot, node, change)?;
        }
        Ok(false)
    }

    /// With fewer than two filters an operator says nothing, so it is left as it is.
    fn edit_operator(
        &mut self,
        slot: ValuePosition,
        node: &Node,
        (new, written): (&Map<String, Value>, Option<&OrderedValue>),
    ) -> Result<(), TooFineGrained> {
        let filters = new.get("filters").and_then(Value::as_array).map_or(0, Vec::len);
        let stands = match &node.value {
            Yaml::Scalar(scalar) => OrderedValue::text(&scalar.text),
            _ => return Err(TooFineGrained),
        };
        match written {
            Some(written) if filters > 1 && *written != stands => self.replace(slot, node, written),
            _ => Ok(()),
        }
    }

    fn edit_time_range(
        &mut self,
        slot: ValuePosition,
        node: &Node,
        change: NodeChange<'_>,
    ) -> Result<(), TooFineGrained> {
        let levelled = match &node.value {
            Yaml::Map(entries) => TimeRangeChange::in_form_of_file(entries, change),
            _ => None,
        };
        match levelled {
            Some(levelled) => self.edit_value(slot, node, levelled.as_node_change()),
            None => self.replace(slot, node, change.output),
        }
    }

    fn remove_fields(
        &mut self,
        flow: bool,
        entries: &[(Key, Node)],
        gone: &[bool],
    ) -> Result<(), TooFineGrained> {
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
        change: NodeChange<'_>,
    ) -> Result<(), TooFineGrained> {
        let fields = change.output.fields();
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
                .ok_or(TooFineGrained)?;
            let spans = self.entry_spans(flow, entries)?;
            let (Some(span), Some((key, _))) = (spans.get(anchor), entries.get(anchor)) else {
                return Err(TooFineGrained);
            };
            if flow {
                let text = self.flow_field(key, name, tree)?;
                self.insert_in_flow(span, false, &text);
            } else {
                let column = entries
                    .first()
                    .map_or(0, |(key, _)| self.source.column(key.span.start));
                self.insert_block_field(span.end, column, (name, tree))?;
            }
        }
        Ok(())
    }

    /// The bytes of fields, from the key to the end of the value.
    fn entry_spans(&self, flow: bool, entries: &[(Key, Node)]) -> Result<Vec<Range<usize>>, TooFineGrained> {
        let spans = entries.iter().map(|(key, node)| {
            let slot = ValuePosition {
                flow,
                start: self.source.after_colon(key)?,
                column: 0,
                item: false,
            };
            Some(key.span.start..self.source.value_span(slot, node)?.end)
        });
        spans.collect::<Option<_>>().ok_or(TooFineGrained)
    }
}
