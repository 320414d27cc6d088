//! Which item of a list becomes which: equal ones stay, those about the same thing are changed in place.

use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::BTreeMap;
use std::ops::Range;

/// What becomes of the items of a list, in order. Between two items that stay there are never both removals and
/// insertions: an item that has to go makes room for one that has to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemEdit {
    /// The old item stays as it is.
    Keep(usize),
    /// The old item is about the same as the new one.
    Change(usize, usize),
    /// The new item stands where the old one stood.
    Replace(usize, usize),
    /// The old item goes.
    Remove(usize),
    /// The new item comes after what was before.
    Insert(usize),
}

/// The steps from `old` to `new`, items in normal form.
pub(super) fn align(old: &[Value], new: &[Value]) -> Vec<ItemEdit> {
    let mut steps = Vec::new();
    let (left, right) = (texts(old, Value::to_string), texts(new, Value::to_string));
    for (olds, news, is_equal) in diff_ranges(&left, &right) {
        if is_equal {
            steps.extend(olds.map(ItemEdit::Keep));
        } else {
            align_by_subject(old, new, (olds, news), &mut steps);
        }
    }
    steps
}

/// Pairs what is about the same thing, and then what is left in between.
fn align_by_subject(
    old: &[Value],
    new: &[Value],
    (olds, news): (Range<usize>, Range<usize>),
    steps: &mut Vec<ItemEdit>,
) {
    let left = texts(old.get(olds.clone()).unwrap_or_default(), subject_key);
    let right = texts(new.get(news.clone()).unwrap_or_default(), subject_key);
    for (inner_olds, inner_news, is_kin) in diff_ranges(&left, &right) {
        let mut inner_olds = inner_olds.map(|index| olds.start + index);
        let mut inner_news = inner_news.map(|index| news.start + index);
        loop {
            steps.push(match (inner_olds.next(), inner_news.next()) {
                (Some(old), Some(new)) if is_kin => ItemEdit::Change(old, new),
                (Some(old), Some(new)) => ItemEdit::Replace(old, new),
                (Some(old), None) => ItemEdit::Remove(old),
                (None, Some(new)) => ItemEdit::Insert(new),
                (None, None) => break,
            });
        }
    }
}

/// Items that stand elsewhere from now on, new index to old one: each item that has to go moves at most once.
pub(super) struct Moves(BTreeMap<usize, usize>);

impl Moves {
    /// First items that stay the same, then those that are about the same thing.
    pub(super) fn find(steps: &[ItemEdit], old: &[Value], new: &[Value]) -> Self {
        let leaving = steps.iter().filter_map(|step| match *step {
            ItemEdit::Remove(index) | ItemEdit::Replace(index, _) => Some(index),
            ItemEdit::Keep(_) | ItemEdit::Change(..) | ItemEdit::Insert(_) => None,
        });
        let mut leaving: Vec<usize> = leaving.collect();
        let mut moves = Self(BTreeMap::new());
        moves.match_items(steps, &mut leaving, |index, other| {
            old.get(index) == new.get(other)
        });
        let kin = |items: &[Value], index| items.get(index).map(subject_key);
        moves.match_items(steps, &mut leaving, |index, other| {
            kin(old, index) == kin(new, other)
        });
        moves
    }

    /// The old item that the new one at `other` was.
    pub(super) fn source_of(&self, other: usize) -> Option<usize> {
        self.0.get(&other).copied()
    }

    /// Whether the old item at `index` stands elsewhere from now on.
    pub(super) fn moves_away(&self, index: usize) -> bool {
        self.0.values().any(|from| *from == index)
    }

    fn match_items(
        &mut self,
        steps: &[ItemEdit],
        leaving: &mut Vec<usize>,
        is_pair: impl Fn(usize, usize) -> bool,
    ) {
        let coming = steps.iter().filter_map(|step| match *step {
            ItemEdit::Insert(other) | ItemEdit::Replace(_, other) => Some(other),
            ItemEdit::Keep(_) | ItemEdit::Change(..) | ItemEdit::Remove(_) => None,
        });
        for other in coming
            .filter(|other| !self.0.contains_key(other))
            .collect::<Vec<_>>()
        {
            if let Some(place) = leaving.iter().position(|index| is_pair(*index, other)) {
                self.0.insert(other, leaving.remove(place));
            }
        }
    }
}

fn texts(items: &[Value], text: impl Fn(&Value) -> String) -> Vec<String> {
    items.iter().map(text).collect()
}

/// The longest common subsequence as alternating parts; adjacent differences are one part.
fn diff_ranges(left: &[String], right: &[String]) -> Vec<(Range<usize>, Range<usize>, bool)> {
    let mut parts: Vec<(Range<usize>, Range<usize>, bool)> = Vec::new();
    for step in capture_diff_slices(Algorithm::Myers, left, right) {
        let is_equal = matches!(step, DiffOp::Equal { .. });
        match parts.last_mut() {
            Some((olds, news, false)) if !is_equal => {
                olds.end = step.old_range().end;
                news.end = step.new_range().end;
            }
            _ => parts.push((step.old_range(), step.new_range(), is_equal)),
        }
    }
    parts
}

/// What an item is about: its type and the event, attribute or segment. Plain values are about themselves.
pub(super) fn subject_key(item: &Value) -> String {
    let Value::Object(fields) = item else {
        return item.to_string();
    };
    let about = [
        "filter_type",
        "data_type",
        "action_name",
        "name",
        "attribute_name",
        "segment",
    ];
    let about = about.map(|key| fields.get(key).unwrap_or(&Value::Null).to_string());
    about.join(" ")
}

#[cfg(test)]
mod tests {
    use super::ItemEdit::{Change, Insert, Keep, Remove, Replace};
    use super::*;
    use serde_json::json;

    #[test]
    fn items_are_paired_by_subject() {
        let event =
            |name: &str, count: u32| json!({"filter_type": "actions", "action_name": name, "count": count});
        let (a, b, c) = (event("a", 1), event("b", 1), event("c", 1));
        let table = [
            (
                vec![a.clone(), b.clone()],
                vec![a.clone(), b.clone()],
                vec![Keep(0), Keep(1)],
            ),
            (
                vec![a.clone()],
                vec![c.clone(), a.clone()],
                vec![Insert(0), Keep(0)],
            ),
            (
                vec![a.clone(), b.clone()],
                vec![b.clone()],
                vec![Remove(0), Keep(1)],
            ),
            (
                vec![a.clone(), b.clone()],
                vec![event("a", 2), b.clone(), c.clone()],
                vec![Change(0, 0), Keep(1), Insert(2)],
            ),
            (
                vec![a.clone(), b.clone()],
                vec![c.clone(), event("b", 2)],
                vec![Replace(0, 0), Change(1, 1)],
            ),
            (vec![a, b], vec![c], vec![Replace(0, 0), Remove(1)]),
        ];
        for (old, new, wanted) in table {
            assert_eq!(align(&old, &new), wanted, "{old:?} {new:?}");
        }
    }
}
