//! Lists: the items that stay are left alone, the others are edited, put in or taken out one by one.

use super::super::super::yaml::{Node, Yaml};
use super::super::edit::{Patch, apply};
use super::super::tree::Tree;
use super::align::{Moves, Step, align};
use super::page::Slot;
use super::walk::{Change, Coarse, Fineness, Walk};
use serde_json::Value;
use std::collections::BTreeSet;

impl Walk<'_, '_> {
    /// The items of a list that has some before and after.
    pub(super) fn list(&mut self, flow: bool, list: &Node, change: Change<'_>) -> Result<(), Coarse> {
        let (Yaml::List(items), Value::Array(old), Value::Array(new)) = (&list.value, change.old, change.new)
        else {
            return Err(Coarse);
        };
        if !are_local(list, items) {
            return Err(Coarse);
        }
        let steps = align(old, new);
        let list = List {
            flow,
            items,
            moves: Moves::of(&steps, old, new),
            change,
        };
        let mut last = None;
        let mut gone = BTreeSet::new();
        for step in &steps {
            match *step {
                Step::Keep(index) => last = Some(index),
                Step::Change(index, other) => {
                    let item = items.get(index).ok_or(Coarse)?;
                    self.item(self.item_slot(flow, item)?, item, list.between(index, other)?)?;
                    last = Some(index);
                }
                Step::Replace(index, other) => {
                    self.replace_item(&list, index, other)?;
                    last = Some(index);
                }
                Step::Remove(index) => {
                    gone.insert(index);
                }
                Step::Insert(other) => {
                    let anchor = items.get(last.unwrap_or(0)).ok_or(Coarse)?;
                    self.insert_item(&list, (anchor, last.is_none()), other)?;
                }
            }
        }
        self.remove_items(flow, items, &gone)
    }

    /// A filter or value that is about the same as before.
    fn item(&mut self, slot: Slot, node: &Node, change: Change<'_>) -> Result<(), Coarse> {
        let is_group =
            |value: &Value| value.get("filter_type").and_then(Value::as_str) == Some("nested_filters");
        let is_raw = super::has(node, "raw") || change.tree.get("raw").is_some();
        let is_whole = self.fineness >= Fineness::Filters && !(is_group(change.old) && is_group(change.new));
        if is_raw || is_whole {
            self.replace(slot, node, change.tree)
        } else {
            self.value(slot, node, change)
        }
    }

    fn item_slot(&self, flow: bool, item: &Node) -> Result<Slot, Coarse> {
        if flow {
            return Ok(Slot {
                flow,
                start: item.span.start,
                column: 0,
                item: true,
            });
        }
        let dash = self.page.dash(item).ok_or(Coarse)?;
        Ok(Slot {
            flow,
            start: dash + 1,
            column: self.page.column(dash),
            item: true,
        })
    }

    /// Puts an item in; one that moved keeps its words and comments.
    fn insert_item(
        &mut self,
        list: &List<'_>,
        (anchor, is_first): (&Node, bool),
        other: usize,
    ) -> Result<(), Coarse> {
        let text = match list.moves.from(other) {
            Some(from) => self.moved_text(list, from, other)?,
            None if list.flow => self.in_flow(list.tree(other)?, anchor.span.start)?,
            None => self.block_item(anchor, list.tree(other)?)?,
        };
        if list.flow {
            self.insert_in_flow(&anchor.span, is_first, &text);
            return Ok(());
        }
        self.insert_block_item(anchor, is_first, &text)
    }

    /// Puts an item where another one stood. The comments there stay, unless they went elsewhere with the other one,
    /// or the new one brings its own.
    fn replace_item(&mut self, list: &List<'_>, index: usize, other: usize) -> Result<(), Coarse> {
        let item = list.items.get(index).ok_or(Coarse)?;
        let from = list.moves.from(other);
        if from.is_none() && (list.flow || !list.moves.takes_away(index)) {
            return self.replace(self.item_slot(list.flow, item)?, item, list.tree(other)?);
        }
        let text = match from {
            Some(from) => self.moved_text(list, from, other)?,
            None => self.block_item(item, list.tree(other)?)?,
        };
        let into = if list.flow {
            item.span.clone()
        } else {
            self.item_lines(item)?
        };
        self.edit(into, text);
        Ok(())
    }

    /// The words of an item that moved, in which only what is new about it is changed.
    fn moved_text(&self, list: &List<'_>, from: usize, other: usize) -> Result<String, Coarse> {
        let item = list.items.get(from).ok_or(Coarse)?;
        let change = list.between(from, other)?;
        let range = if list.flow {
            item.span.clone()
        } else {
            let lines = self.item_lines(item)?;
            lines.start..self.page.line_end(lines.end)
        };
        let mut inner = Walk::new(self.page, self.fineness);
        if change.old != change.new {
            inner.item(self.item_slot(list.flow, item)?, item, change)?;
        }
        for edit in &mut inner.edits {
            let start = edit.range.start.checked_sub(range.start).ok_or(Coarse)?;
            edit.range = start..start + edit.range.len();
        }
        let text = apply(self.page.slice(range), [&Patch::new(inner.edits)])?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn remove_items(&mut self, flow: bool, items: &[Node], gone: &BTreeSet<usize>) -> Result<(), Coarse> {
        if flow {
            let spans: Vec<_> = items.iter().map(|item| item.span.clone()).collect();
            let gone: Vec<_> = (0..items.len()).map(|index| gone.contains(&index)).collect();
            return self.remove_in_flow(&spans, &gone);
        }
        for item in gone.iter().filter_map(|index| items.get(*index)) {
            let dash = self.page.dash(item).ok_or(Coarse)?;
            self.remove_lines(dash, item.span.end)?;
        }
        Ok(())
    }
}

/// A list that is edited.
struct List<'a> {
    flow: bool,
    items: &'a [Node],
    moves: Moves,
    change: Change<'a>,
}

impl<'a> List<'a> {
    /// What an old item says, and what a new one should say.
    fn between(&self, index: usize, other: usize) -> Result<Change<'a>, Coarse> {
        let item = |list: &'a Value, index| list.get(index).ok_or(Coarse);
        Ok(Change {
            old: item(self.change.old, index)?,
            new: item(self.change.new, other)?,
            tree: self.tree(other)?,
        })
    }

    fn tree(&self, other: usize) -> Result<&'a Tree, Coarse> {
        self.change.tree.items().get(other).ok_or(Coarse)
    }
}

/// Whether every item stands in the list itself: what an alias brought in has the bytes of its anchor, above.
fn are_local(list: &Node, items: &[Node]) -> bool {
    let mut end = list.span.start;
    items.iter().all(|item| {
        let is_local = item.span.start >= end;
        end = end.max(item.span.end);
        is_local
    })
}
