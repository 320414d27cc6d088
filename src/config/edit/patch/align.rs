//! Aligns two lists: equal items stay, items with the same subject change in place.

use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::BTreeMap;
use std::ops::Range;

/// The indices are those of old and new items. Between two items that stay there are never both removals and
/// insertions: a new item replaces a removed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemEdit {
    Keep(usize),
    Change(usize, usize),
    Replace(usize, usize),
    Remove(usize),
    Insert(usize),
}

/// The items are in canonical form.
pub(super) fn align(old: &[Value], new: &[Value]) -> Vec<ItemEdit> {
    let mut edits = Vec::new();
    let (left, right) = (texts(old, Value::to_string), texts(new, Value::to_string));
    for (olds, news, is_equal) in diff_ranges(&left, &right) {
        if is_equal {
            edits.extend(olds.map(ItemEdit::Keep));
        } else {
            align_by_subject(old, new, (olds, news), &mut edits);
        }
    }
    edits
}

/// Pairs the items with the same subject, then those in between.
fn align_by_subject(
    old: &[Value],
    new: &[Value],
    (olds, news): (Range<usize>, Range<usize>),
    edits: &mut Vec<ItemEdit>,
) {
    let left = texts(old.get(olds.clone()).unwrap_or_default(), subject_key);
    let right = texts(new.get(news.clone()).unwrap_or_default(), subject_key);
    for (inner_olds, inner_news, is_same_subject) in diff_ranges(&left, &right) {
        let mut inner_olds = inner_olds.map(|index| olds.start + index);
        let mut inner_news = inner_news.map(|index| news.start + index);
        loop {
            edits.push(match (inner_olds.next(), inner_news.next()) {
                (Some(old), Some(new)) if is_same_subject => ItemEdit::Change(old, new),
                (Some(old), Some(new)) => ItemEdit::Replace(old, new),
                (Some(old), None) => ItemEdit::Remove(old),
                (None, Some(new)) => ItemEdit::Insert(new),
                (None, None) => break,
            });
        }
    }
}

/// Moved items, new index to old: each removed item moves at most once.
pub(super) struct Moves(BTreeMap<usize, usize>);

impl Moves {
    /// Equal items first, then items with the same subject.
    pub(super) fn find(edits: &[ItemEdit], old: &[Value], new: &[Value]) -> Self {
        let removed = edits.iter().filter_map(|edit| match *edit {
            ItemEdit::Remove(index) | ItemEdit::Replace(index, _) => Some(index),
            ItemEdit::Keep(_) | ItemEdit::Change(..) | ItemEdit::Insert(_) => None,
        });
        let mut removed: Vec<usize> = removed.collect();
        let mut moves = Self(BTreeMap::new());
        moves.match_items(edits, &mut removed, |from, to| old.get(from) == new.get(to));
        let subject = |items: &[Value], index| items.get(index).map(subject_key);
        moves.match_items(edits, &mut removed, |from, to| {
            subject(old, from) == subject(new, to)
        });
        moves
    }

    pub(super) fn source_of(&self, other: usize) -> Option<usize> {
        self.0.get(&other).copied()
    }

    pub(super) fn moves_away(&self, index: usize) -> bool {
        self.0.values().any(|from| *from == index)
    }

    fn match_items(
        &mut self,
        edits: &[ItemEdit],
        removed: &mut Vec<usize>,
        is_pair: impl Fn(usize, usize) -> bool,
    ) {
        let inserted = edits.iter().filter_map(|edit| match *edit {
            ItemEdit::Insert(other) | ItemEdit::Replace(_, other) => Some(other),
            ItemEdit::Keep(_) | ItemEdit::Change(..) | ItemEdit::Remove(_) => None,
        });
        for other in inserted
            .filter(|other| !self.0.contains_key(other))
            .collect::<Vec<_>>()
        {
            if let Some(position) = removed.iter().position(|index| is_pair(*index, other)) {
                self.0.insert(other, removed.remove(position));
            }
        }
    }
}

fn texts(items: &[Value], text: impl Fn(&Value) -> String) -> Vec<String> {
    items.iter().map(text).collect()
}

/// The longest common subsequence as alternating ranges; adjacent differences are one range.
fn diff_ranges(left: &[String], right: &[String]) -> Vec<(Range<usize>, Range<usize>, bool)> {
    let mut parts: Vec<(Range<usize>, Range<usize>, bool)> = Vec::new();
    for edit in capture_diff_slices(Algorithm::Myers, left, right) {
        let is_equal = matches!(edit, DiffOp::Equal { .. });
        match parts.last_mut() {
            Some((olds, news, false)) if !is_equal => {
                olds.end = edit.old_range().end;
                news.end = edit.new_range().end;
            }
            _ => parts.push((edit.old_range(), edit.new_range(), is_equal)),
        }
    }
    parts
}

/// The type of a filter and its event, attribute or segment; for a plain value, the value.
pub(super) fn subject_key(item: &Value) -> String {
    let Value::Object(fields) = item else {
        return item.to_string();
    };
    let text = |key| fields.get(key).unwrap_or(&Value::Null).to_string();
    let kind = ["filter_type", "data_type"].map(text);
    let name = ["action_name", "name", "attribute_name", "segment"].map(text);
    format!("{} {}", kind.join(" "), name.join(" "))
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
        let (a2, b2) = (event("a", 2), event("b", 2));
        let table = [
            (vec![&a, &b], vec![&a, &b], vec![Keep(0), Keep(1)]),
            (vec![&a], vec![&c, &a], vec![Insert(0), Keep(0)]),
            (vec![&a, &b], vec![&b], vec![Remove(0), Keep(1)]),
            (
                vec![&a, &b],
                vec![&a2, &b, &c],
                vec![Change(0, 0), Keep(1), Insert(2)],
            ),
            (vec![&a, &b], vec![&c, &b2], vec![Replace(0, 0), Change(1, 1)]),
            (vec![&a, &b], vec![&c], vec![Replace(0, 0), Remove(1)]),
        ];
        let owned = |items: Vec<&Value>| items.into_iter().cloned().collect::<Vec<_>>();
        for (old, new, expected) in table {
            let (old, new) = (owned(old), owned(new));
            assert_eq!(align(&old, &new), expected, "{old:?} {new:?}");
        }
    }
}
