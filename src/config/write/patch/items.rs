//! Lists: the items that stay are left alone, the others are edited, put in or taken out one by one.

use super::super::super::yaml::{Node, Yaml};
use super::super::tree::Tree;
use super::align::{Step, align};
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
        let mut last = None;
        let mut gone = BTreeSet::new();
        for step in &steps {
            match *step {
                Step::Keep(index) => last = Some(index),
                Step::Change(index, other) => {
                    let item = items.get(index).ok_or(Coarse)?;
                    let (old, new) = (old.get(index).ok_or(Coarse)?, new.get(other).ok_or(Coarse)?);
                    let tree = change.tree.items().get(other).ok_or(Coarse)?;
                    self.item(self.item_slot(flow, item)?, item, Change { old, new, tree })?;
                    last = Some(index);
                }
                Step::Replace(index, other) => {
                    let item = items.get(index).ok_or(Coarse)?;
                    let tree = change.tree.items().get(other).ok_or(Coarse)?;
                    match moved(&steps, old, new.get(other)).and_then(|from| items.get(from)) {
                        Some(from) => self.replace_by_moved(flow, item, from)?,
                        None => self.replace(self.item_slot(flow, item)?, item, tree)?,
                    }
                    last = Some(index);
                }
                Step::Remove(index) => {
                    gone.insert(index);
                }
                Step::Insert(other) => {
                    let anchor = items.get(last.unwrap_or(0)).ok_or(Coarse)?;
                    let tree = change.tree.items().get(other).ok_or(Coarse)?;
                    let from = moved(&steps, old, new.get(other)).and_then(|from| items.get(from));
                    self.insert_item(flow, (anchor, last.is_none()), (tree, from))?;
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

    /// Puts an item in; one that only moved keeps its words and the comment beside it.
    fn insert_item(
        &mut self,
        flow: bool,
        (anchor, is_first): (&Node, bool),
        (tree, from): (&Tree, Option<&Node>),
    ) -> Result<(), Coarse> {
        if flow {
            let text = match from {
                Some(from) => self.page.slice(from.span.clone()).to_owned(),
                None => self.in_flow(tree, anchor.span.start)?,
            };
            self.insert_in_flow(&anchor.span, is_first, &text);
            return Ok(());
        }
        let lines = match from {
            Some(from) => self.page.slice(self.item_lines(from)?).to_owned(),
            None => self.block_item(anchor, tree)?,
        };
        self.insert_block_item(anchor, is_first, &lines)
    }

    fn replace_by_moved(&mut self, flow: bool, item: &Node, from: &Node) -> Result<(), Coarse> {
        let (into, from) = if flow {
            (item.span.clone(), from.span.clone())
        } else {
            (self.item_lines(item)?, self.item_lines(from)?)
        };
        self.edit(into, self.page.slice(from).to_owned());
        Ok(())
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

/// The old item that `wanted` was, if it has to leave its place.
fn moved(steps: &[Step], old: &[Value], wanted: Option<&Value>) -> Option<usize> {
    steps.iter().find_map(|step| match *step {
        Step::Remove(index) | Step::Replace(index, _) => (old.get(index) == wanted).then_some(index),
        _ => None,
    })
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
