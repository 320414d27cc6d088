//! Walks a document together with its current and its new canonical form.

use super::super::super::yaml::{Key, Node, Yaml};
use super::super::edit_error::EditError;
use super::super::ordered_value::OrderedValue;
use super::super::remote_definition::TOP_LEVEL_GROUPS;
use super::super::text_edit::TextEdit;
use super::node_change::NodeChange;
use super::source_text::{SourceText, ValuePosition};
use super::time_range::TimeRangeChange;
use serde_json::{Map, Value};
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Granularity {
    Fields,
    Filters,
    OneTopLevelGroup,
    /// One group may contain the anchor of an alias in the other.
    BothTopLevelGroups,
}

/// The text does not allow edits this fine.
#[derive(Debug)]
pub(super) struct TooFineGrained;

impl From<TooFineGrained> for EditError {
    fn from(_: TooFineGrained) -> Self {
        Self::InvalidText {
            path: "document".to_owned(),
            reason: "this part of the file cannot be edited separately".to_owned(),
        }
    }
}

impl From<EditError> for TooFineGrained {
    fn from(_: EditError) -> Self {
        Self
    }
}

pub(super) struct DocumentEditor<'p, 't> {
    pub(super) source: &'p SourceText<'t>,
    pub(super) granularity: Granularity,
    pub(super) edits: Vec<TextEdit>,
}

impl<'p, 't> DocumentEditor<'p, 't> {
    pub(super) fn new(source: &'p SourceText<'t>, granularity: Granularity) -> Self {
        let edits = Vec::new();
        Self {
            source,
            granularity,
            edits,
        }
    }

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
        position: ValuePosition,
        node: &Node,
        change: NodeChange<'_>,
    ) -> Result<(), TooFineGrained> {
        let is_alias = node.span.start < position.start;
        let flow = position.flow || self.source.is_flow(node);
        match (&node.value, change.old, change.new, change.output) {
            (Yaml::Map(entries), Value::Object(_), Value::Object(_), OrderedValue::Map(_)) if !is_alias => {
                self.edit_map(flow, entries, change)
            }
            (Yaml::List(items), Value::Array(old), Value::Array(new), OrderedValue::List(outputs))
                if !is_alias
                    && !items.is_empty()
                    && !outputs.is_empty()
                    && (items.len(), outputs.len()) == (old.len(), new.len()) =>
            {
                self.edit_list(flow, node, change)
            }
            _ => self.replace(position, node, change.output),
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
        let mut removed = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let position = ValuePosition {
                flow,
                start: self.source.after_colon(key).ok_or(TooFineGrained)?,
                column,
                item: false,
            };
            removed.push(self.edit_field(position, (key, node), (old, new, change.output))?);
        }
        self.remove_fields(flow, entries, &removed)?;
        self.insert_fields(flow, entries, &removed, change)
    }

    /// Returns whether the field must be removed.
    fn edit_field(
        &mut self,
        position: ValuePosition,
        (key, node): (&Key, &Node),
        (old, new, output): (&Map<String, Value>, &Map<String, Value>, &OrderedValue),
    ) -> Result<bool, TooFineGrained> {
        let name = key.text.as_str();
        let (before, after, output) = (old.get(name), new.get(name), output.get(name));
        if name == "filter_operator" {
            self.edit_operator(position, node, (new, output))?;
            return Ok(false);
        }
        let is_top_level = TOP_LEVEL_GROUPS.contains(&name);
        let is_forced =
            is_top_level && output.is_some() && self.granularity == Granularity::BothTopLevelGroups;
        if before == after && !is_forced {
            return Ok(false);
        }
        let Some(output) = output else {
            // An explicit flag stays explicit.
            return match after {
                Some(after @ Value::Bool(_)) => {
                    self.replace(position, node, &OrderedValue::Scalar(after.clone()))?;
                    Ok(false)
                }
                _ => Ok(before.is_some() || after.is_some()),
            };
        };
        let change = NodeChange {
            old: before.unwrap_or(&Value::Null),
            new: after.unwrap_or(&Value::Null),
            output,
        };
        if is_top_level && self.granularity >= Granularity::OneTopLevelGroup {
            self.replace(position, node, output)?;
        } else if name == "primary_time_range" {
            self.edit_time_range(position, node, change)?;
        } else {
            self.edit_value(position, node, change)?;
        }
        Ok(false)
    }

    /// With fewer than two filters the operator has no meaning, so it stays unchanged.
    fn edit_operator(
        &mut self,
        position: ValuePosition,
        node: &Node,
        (new, output): (&Map<String, Value>, Option<&OrderedValue>),
    ) -> Result<(), TooFineGrained> {
        let filters = new.get("filters").and_then(Value::as_array).map_or(0, Vec::len);
        let current = match &node.value {
            Yaml::Scalar(scalar) => OrderedValue::text(&scalar.text),
            _ => return Err(TooFineGrained),
        };
        match output {
            Some(output) if filters > 1 && *output != current => self.replace(position, node, output),
            _ => Ok(()),
        }
    }

    fn edit_time_range(
        &mut self,
        position: ValuePosition,
        node: &Node,
        change: NodeChange<'_>,
    ) -> Result<(), TooFineGrained> {
        let converted = match &node.value {
            Yaml::Map(entries) => TimeRangeChange::with_keys_of_file(entries, change),
            _ => None,
        };
        match converted {
            Some(converted) => self.edit_value(position, node, converted.as_node_change()),
            None => self.replace(position, node, change.output),
        }
    }

    fn remove_fields(
        &mut self,
        flow: bool,
        entries: &[(Key, Node)],
        removed: &[bool],
    ) -> Result<(), TooFineGrained> {
        if !removed.contains(&true) {
            return Ok(());
        }
        let spans = self.entry_spans(flow, entries)?;
        if flow {
            return self.remove_in_flow(&spans, removed);
        }
        for (span, _) in spans.iter().zip(removed).filter(|(_, removed)| **removed) {
            self.remove_lines(span.start, span.end)?;
        }
        Ok(())
    }

    fn insert_fields(
        &mut self,
        flow: bool,
        entries: &[(Key, Node)],
        removed: &[bool],
        change: NodeChange<'_>,
    ) -> Result<(), TooFineGrained> {
        let fields = change.output.fields();
        let index_of = |name: &str| entries.iter().position(|(key, _)| key.text == name);
        let stays = |index: usize| removed.get(index) == Some(&false);
        for (rank, (name, output)) in fields.iter().enumerate() {
            // segctl never adds what the canonical form omits, such as a category.
            if index_of(name).is_some() || change.new.get(name).is_none() {
                continue;
            }
            let before = fields.iter().take(rank).rev();
            let anchor = before
                .filter_map(|(name, _)| index_of(name))
                .find(|index| stays(*index))
                .or_else(|| (0..entries.len()).rev().find(|index| stays(*index)))
                .ok_or(TooFineGrained)?;
            let spans = self.entry_spans(flow, entries)?;
            let (Some(span), Some((key, _))) = (spans.get(anchor), entries.get(anchor)) else {
                return Err(TooFineGrained);
            };
            if flow {
                let text = self.flow_field(key, name, output)?;
                self.insert_in_flow(span, false, &text);
            } else {
                let column = entries
                    .first()
                    .map_or(0, |(key, _)| self.source.column(key.span.start));
                self.insert_block_field(span.end, column, (name, output))?;
            }
        }
        Ok(())
    }

    /// From the key to the end of the value.
    fn entry_spans(&self, flow: bool, entries: &[(Key, Node)]) -> Result<Vec<Range<usize>>, TooFineGrained> {
        let spans = entries.iter().map(|(key, node)| {
            let position = ValuePosition {
                flow,
                start: self.source.after_colon(key)?,
                column: 0,
                item: false,
            };
            Some(key.span.start..self.source.value_span(position, node)?.end)
        });
        spans.collect::<Option<_>>().ok_or(TooFineGrained)
    }
}
