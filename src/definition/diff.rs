//! What changed between two definitions, field by field, at paths that a person can follow.
//!
//! Filters of a group are aligned first (longest common subsequence, then by what they are about), so that a
//! filter put in at the top is one change and not a change of all that follow.

use super::digest::canonical;
use crate::model::SegmentName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::fmt;

/// One field, or one whole filter, that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldChange {
    /// The way to it: `included_filters`, the operator of each group, and filters as `[2] purchase`.
    pub path: Vec<String>,
    /// The field's name; `None` when the whole filter at `path` came or went.
    pub field: Option<String>,
    /// The value before; `None` when it was not there.
    pub before: Option<Value>,
    /// The value after; `None` when it is not there any more.
    pub after: Option<Value>,
}

impl FieldChange {
    /// Another name.
    #[must_use]
    pub fn of_name(before: &SegmentName, after: &SegmentName) -> Self {
        Self {
            path: vec!["name".to_owned()],
            field: None,
            before: Some(before.as_str().into()),
            after: Some(after.as_str().into()),
        }
    }
}

impl fmt::Display for FieldChange {
    /// `included_filters › and › [2] purchase: count 1 -> 3`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path.join(" › "))?;
        if let Some(field) = &self.field {
            write!(formatter, ": {field}")?;
        }
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(formatter, " {before} -> {after}"),
            (Some(before), None) => write!(formatter, " {before} -> (none)"),
            (None, Some(after)) => write!(formatter, " (none) -> {after}"),
            (None, None) => Ok(()),
        }
    }
}

/// The changes that lead from `before` to `after`, both in exact normal form, in the order of the definition.
#[must_use]
pub fn diff(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    for side in ["included_filters", "excluded_filters"] {
        let mut walk = Walk {
            path: vec![side.to_owned()],
            changes: &mut changes,
        };
        match (before.get(side), after.get(side)) {
            (Some(before), Some(after)) => walk.value(before, after),
            (before, after) => walk.whole(before, after),
        }
    }
    changes
}

/// The place the comparison has come to, and what it found.
struct Walk<'a> {
    path: Vec<String>,
    changes: &'a mut Vec<FieldChange>,
}

impl Walk<'_> {
    /// Two objects at one place: a group, a filter, or an inner object of a filter.
    fn value(&mut self, before: &Value, after: &Value) {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => self.fields(before, after),
            _ if before == after => {}
            _ => self.whole(Some(before), Some(after)),
        }
    }

    fn whole(&mut self, before: Option<&Value>, after: Option<&Value>) {
        if before != after {
            self.changes.push(FieldChange {
                path: self.path.clone(),
                field: None,
                before: before.cloned(),
                after: after.cloned(),
            });
        }
    }

    fn fields(&mut self, before: &Map<String, Value>, after: &Map<String, Value>) {
        let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
        // Filters come last, so that what changed about a group is said before what changed inside it.
        keys.sort_by_key(|key| (key.as_str() == "filters", key.as_str()));
        keys.dedup();
        for key in keys {
            self.field(key, before.get(key), after.get(key), operator_of(before, after));
        }
    }

    fn field(&mut self, key: &str, before: Option<&Value>, after: Option<&Value>, operator: &str) {
        match (before, after) {
            (Some(Value::Array(before)), Some(Value::Array(after))) if key == "filters" => {
                self.within(operator, |walk| walk.filters(before, after));
            }
            // The count of an execution is said at the filter: there is only one.
            (Some(Value::Object(before)), Some(Value::Object(after))) if key == "execution" => {
                self.fields(before, after);
            }
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                self.within(key, |walk| walk.fields(before, after));
            }
            _ if before == after => {}
            _ => self.changes.push(FieldChange {
                path: self.path.clone(),
                field: Some(key.to_owned()),
                before: before.cloned(),
                after: after.cloned(),
            }),
        }
    }

    fn within(&mut self, step: &str, compare: impl FnOnce(&mut Self)) {
        self.path.push(step.to_owned());
        compare(self);
        self.path.pop();
    }

    fn filters(&mut self, before: &[Value], after: &[Value]) {
        let (mut old, mut new) = unaligned(before, after);
        let mut pairs = Vec::new();
        // The closest kinship first: the same filter moved, one about the same thing, one of the same type.
        for kinship in [canonical, label, filter_type] {
            pair_off(&mut old, &mut new, kinship, &mut pairs);
        }
        pairs.extend(old.into_iter().map(|old| (Some(old), None)));
        pairs.extend(new.into_iter().map(|new| (None, Some(new))));
        pairs.sort_by_key(|(old, new)| new.as_ref().or(old.as_ref()).map(|filter| filter.number));
        for (old, new) in pairs {
            self.filter(old.as_ref(), new.as_ref());
        }
    }

    fn filter(&mut self, old: Option<&Numbered<'_>>, new: Option<&Numbered<'_>>) {
        let Some(shown) = new.or(old) else { return };
        let step = format!("[{}] {}", shown.number, label(shown.filter));
        self.within(&step, |walk| match (old, new) {
            (Some(old), Some(new)) if old.filter == new.filter => walk.moved(old.number, new.number),
            (Some(old), Some(new)) => walk.value(old.filter, new.filter),
            (old, new) => walk.whole(old.map(|old| old.filter), new.map(|new| new.filter)),
        });
    }

    fn moved(&mut self, from: usize, to: usize) {
        self.changes.push(FieldChange {
            path: self.path.clone(),
            field: Some("position".to_owned()),
            before: Some(from.into()),
            after: Some(to.into()),
        });
    }
}

/// A filter with its 1-based place in its group.
struct Numbered<'a> {
    number: usize,
    filter: &'a Value,
}

type Pair<'a> = (Option<Numbered<'a>>, Option<Numbered<'a>>);

/// The filters of each side that have no equal partner in the same order on the other side.
fn unaligned<'a>(before: &'a [Value], after: &'a [Value]) -> (Vec<Numbered<'a>>, Vec<Numbered<'a>>) {
    let texts = |filters: &[Value]| filters.iter().map(canonical).collect::<Vec<_>>();
    let mut old = numbered(before);
    let mut new = numbered(after);
    for step in capture_diff_slices(Algorithm::Myers, &texts(before), &texts(after)) {
        if let DiffOp::Equal {
            old_index,
            new_index,
            len,
        } = step
        {
            old.retain(|filter| !(old_index + 1..=old_index + len).contains(&filter.number));
            new.retain(|filter| !(new_index + 1..=new_index + len).contains(&filter.number));
        }
    }
    (old, new)
}

fn numbered(filters: &[Value]) -> Vec<Numbered<'_>> {
    filters
        .iter()
        .enumerate()
        .map(|(index, filter)| Numbered {
            number: index + 1,
            filter,
        })
        .collect()
}

fn pair_off<'a>(
    old: &mut Vec<Numbered<'a>>,
    new: &mut Vec<Numbered<'a>>,
    kinship: fn(&Value) -> String,
    pairs: &mut Vec<Pair<'a>>,
) {
    let mut left = Vec::new();
    for candidate in old.drain(..) {
        let kin = kinship(candidate.filter);
        match new.iter().position(|filter| kinship(filter.filter) == kin) {
            Some(index) => pairs.push((Some(candidate), Some(new.remove(index)))),
            None => left.push(candidate),
        }
    }
    *old = left;
}

/// What a filter is about, in a word: the event, the attribute, or the segment.
fn label(filter: &Value) -> String {
    let text = |key| filter.get(key).and_then(Value::as_str);
    let segment = text("segment").map(|segment| segment.trim_start_matches("name:"));
    let about = text("action_name")
        .or_else(|| text("name"))
        .or_else(|| text("attribute_name"))
        .or(segment);
    about.map_or_else(|| filter_type(filter), str::to_owned)
}

fn filter_type(filter: &Value) -> String {
    match filter.get("filter_type").and_then(Value::as_str) {
        Some("nested_filters") => "group".to_owned(),
        Some(other) => other.to_owned(),
        None => "filter".to_owned(),
    }
}

fn operator_of<'a>(before: &'a Map<String, Value>, after: &'a Map<String, Value>) -> &'a str {
    let operator = |fields: &'a Map<String, Value>| fields.get("filter_operator").and_then(Value::as_str);
    operator(after).or_else(|| operator(before)).unwrap_or("filters")
}

#[cfg(test)]
mod tests;
