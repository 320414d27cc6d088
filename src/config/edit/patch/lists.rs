//! Edits of lists: unchanged items stay, others are edited, inserted or removed one by one.

use super::super::super::yaml::{Node, Yaml};
use super::super::ordered_value::OrderedValue;
use super::super::text_edit::{Patch, apply_patches};
use super::align::{ItemEdit, Moves, align};
use super::document_editor::{DocumentEditor, Granularity, TooFineGrained};
use super::node_change::NodeChange;
use super::source_text::ValuePosition;
use serde_json::Value;
use std::collections::BTreeSet;

impl DocumentEditor<'_, '_> {
    pub(super) fn edit_list(
        &mut self,
        flow: bool,
        list: &Node,
        change: NodeChange<'_>,
    ) -> Result<(), TooFineGrained> {
        let (Yaml::List(items), Value::Array(old), Value::Array(new)) = (&list.value, change.old, change.new)
        else {
            return Err(TooFineGrained);
        };
        if !has_no_alias_items(list, items) {
            return Err(TooFineGrained);
        }
        let edits = align(old, new);
        let list = EditedList {
            flow,
            items,
            moves: Moves::find(&edits, old, new),
            change,
        };
        let mut last = None;
        let mut removed = BTreeSet::new();
        for edit in &edits {
            match *edit {
                ItemEdit::Keep(index) => last = Some(index),
                ItemEdit::Change(index, other) => {
                    let item = items.get(index).ok_or(TooFineGrained)?;
                    let position = self.item_position(flow, item)?;
                    self.edit_item(position, item, list.item_change(index, other)?)?;
                    last = Some(index);
                }
                ItemEdit::Replace(index, other) => {
                    self.replace_item(&list, index, other)?;
                    last = Some(index);
                }
                ItemEdit::Remove(index) => {
                    removed.insert(index);
                }
                ItemEdit::Insert(other) => {
                    let anchor = items.get(last.unwrap_or(0)).ok_or(TooFineGrained)?;
                    self.insert_item(&list, (anchor, last.is_none()), other)?;
                }
            }
        }
        self.remove_items(flow, items, &removed)
    }

    fn edit_item(
        &mut self,
        position: ValuePosition,
        node: &Node,
        change: NodeChange<'_>,
    ) -> Result<(), TooFineGrained> {
        let is_group = |value: &Value| value.get("filter_type") == Some(&"nested_filters".into());
        let is_raw = super::has_field(node, "raw") || change.output.get("raw").is_some();
        let is_whole =
            self.granularity >= Granularity::Filters && !(is_group(change.old) && is_group(change.new));
        if is_raw || is_whole {
            self.replace(position, node, change.output)
        } else {
            self.edit_value(position, node, change)
        }
    }

    fn item_position(&self, flow: bool, item: &Node) -> Result<ValuePosition, TooFineGrained> {
        if flow {
            return Ok(ValuePosition {
                flow,
                start: item.span.start,
                column: 0,
                item: true,
            });
        }
        let dash = self.source.item_dash(item).ok_or(TooFineGrained)?;
        Ok(ValuePosition {
            flow,
            start: dash + 1,
            column: self.source.column(dash),
            item: true,
        })
    }

    /// A moved item keeps its text and comments.
    fn insert_item(
        &mut self,
        list: &EditedList<'_>,
        (anchor, is_first): (&Node, bool),
        other: usize,
    ) -> Result<(), TooFineGrained> {
        let text = match list.moves.source_of(other) {
            Some(from) => self.moved_item_text(list, from, other)?,
            None if list.flow => self.flow_value(list.output(other)?, anchor.span.start)?,
            None => self.block_item_text(anchor, list.output(other)?)?,
        };
        if !list.flow {
            return self.insert_block_item(anchor, is_first, &text);
        }
        self.insert_in_flow(&anchor.span, is_first, &text);
        Ok(())
    }

    /// The comments stay, unless they moved away with the old item or the new item has its own.
    fn replace_item(
        &mut self,
        list: &EditedList<'_>,
        index: usize,
        other: usize,
    ) -> Result<(), TooFineGrained> {
        let item = list.items.get(index).ok_or(TooFineGrained)?;
        let from = list.moves.source_of(other);
        if from.is_none() && (list.flow || !list.moves.moves_away(index)) {
            return self.replace(self.item_position(list.flow, item)?, item, list.output(other)?);
        }
        let text = match from {
            Some(from) => self.moved_item_text(list, from, other)?,
            None => self.block_item_text(item, list.output(other)?)?,
        };
        let into = if list.flow {
            item.span.clone()
        } else {
            self.item_span(item)?
        };
        self.push_edit(into, text);
        Ok(())
    }

    /// The text of a moved item, in which only the changed parts are edited.
    fn moved_item_text(
        &self,
        list: &EditedList<'_>,
        from: usize,
        other: usize,
    ) -> Result<String, TooFineGrained> {
        let item = list.items.get(from).ok_or(TooFineGrained)?;
        let change = list.item_change(from, other)?;
        let range = if list.flow {
            item.span.clone()
        } else {
            let lines = self.item_span(item)?;
            lines.start..self.source.line_end(lines.end)
        };
        let mut inner = DocumentEditor::new(self.source, self.granularity);
        if change.old != change.new {
            inner.edit_item(self.item_position(list.flow, item)?, item, change)?;
        }
        for edit in &mut inner.edits {
            let start = edit.range.start.checked_sub(range.start).ok_or(TooFineGrained)?;
            edit.range = start..start + edit.range.len();
        }
        let text = apply_patches(self.source.slice(range), [&Patch::new(inner.edits)])?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn remove_items(
        &mut self,
        flow: bool,
        items: &[Node],
        removed: &BTreeSet<usize>,
    ) -> Result<(), TooFineGrained> {
        if flow {
            let spans: Vec<_> = items.iter().map(|item| item.span.clone()).collect();
            let removed: Vec<_> = (0..items.len()).map(|index| removed.contains(&index)).collect();
            return self.remove_in_flow(&spans, &removed);
        }
        for item in removed.iter().filter_map(|index| items.get(*index)) {
            let dash = self.source.item_dash(item).ok_or(TooFineGrained)?;
            self.remove_lines(dash, item.span.end)?;
        }
        Ok(())
    }
}

struct EditedList<'a> {
    flow: bool,
    items: &'a [Node],
    moves: Moves,
    change: NodeChange<'a>,
}

impl<'a> EditedList<'a> {
    fn item_change(&self, index: usize, other: usize) -> Result<NodeChange<'a>, TooFineGrained> {
        let item = |list: &'a Value, index| list.get(index).ok_or(TooFineGrained);
        Ok(NodeChange {
            old: item(self.change.old, index)?,
            new: item(self.change.new, other)?,
            output: self.output(other)?,
        })
    }

    fn output(&self, other: usize) -> Result<&'a OrderedValue, TooFineGrained> {
        self.change.output.items().get(other).ok_or(TooFineGrained)
    }
}

/// The span of an item that an alias refers to is that of its anchor, above.
fn has_no_alias_items(list: &Node, items: &[Node]) -> bool {
    let mut end = list.span.start;
    items.iter().all(|item| {
        let is_local = item.span.start >= end;
        end = end.max(item.span.end);
        is_local
    })
}
