//! What changed between two definitions, field by field, at paths that a person can follow.
//!
//! Filters of a group are aligned first (longest common subsequence, then by what they are about), so that a
//! filter put in at the top is one change and not a change of all that follow.

use super::digest::canonical_json;
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
    pub fn rename(before: &SegmentName, after: &SegmentName) -> Self {
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
        let mut walk = DefinitionDiff {
            path: vec![side.to_owned()],
            changes: &mut changes,
        };
        match (before.get(side), after.get(side)) {
            (Some(before), Some(after)) => walk.compare_values(before, after),
            (before, after) => walk.push_whole_change(before, after),
        }
    }
    changes
}

/// The place the comparison has come to, and what it found.
struct DefinitionDiff<'a> {
    path: Vec<String>,
    changes: &'a mut Vec<FieldChange>,
}

impl DefinitionDiff<'_> {
    /// Two objects at one place: a group, a filter, or an inner object of a filter.
    fn compare_values(&mut self, before: &Value, after: &Value) {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => self.compare_fields(before, after),
            _ if before == after => {}
            _ => self.push_whole_change(Some(before), Some(after)),
        }
    }

    fn push_whole_change(&mut self, before: Option<&Value>, after: Option<&Value>) {
        if before != after {
            self.changes.push(FieldChange {
                path: self.path.clone(),
                field: None,
                before: before.cloned(),
                after: after.cloned(),
            });
        }
    }

    fn compare_fields(&mut self, before: &Map<String, Value>, after: &Map<String, Value>) {
        let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
        // Filters come last, so that what changed about a group is said before what changed inside it.
        keys.sort_by_key(|key| (key.as_str() == "filters", key.as_str()));
        keys.dedup();
        for key in keys {
            self.compare_field(key, before.get(key), after.get(key), operator_of(before, after));
        }
    }

    fn compare_field(&mut self, key: &str, before: Option<&Value>, after: Option<&Value>, operator: &str) {
        match (before, after) {
            (Some(Value::Array(before)), Some(Value::Array(after))) if key == "filters" => {
                self.within(operator, |walk| walk.compare_filters(before, after));
            }
            // The count of an execution is said at the filter: there is only one.
            (Some(Value::Object(before)), Some(Value::Object(after))) if key == "execution" => {
                self.compare_fields(before, after);
            }
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                self.within(key, |walk| walk.compare_fields(before, after));
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

    fn compare_filters(&mut self, before: &[Value], after: &[Value]) {
        let (mut old, mut new) = unmatched_filters(before, after);
        let mut pairs = Vec::new();
        // The closest kinship first: the same filter moved, one about the same thing, one of the same type.
        for kinship in [canonical_json, filter_label, filter_type_label] {
            pair_by(&mut old, &mut new, kinship, &mut pairs);
        }
        pairs.extend(old.into_iter().map(|old| (Some(old), None)));
        pairs.extend(new.into_iter().map(|new| (None, Some(new))));
        pairs.sort_by_key(|(old, new)| new.as_ref().or(old.as_ref()).map(|filter| filter.number));
        for (old, new) in pairs {
            self.compare_filter(old.as_ref(), new.as_ref());
        }
    }

    fn compare_filter(&mut self, old: Option<&NumberedFilter<'_>>, new: Option<&NumberedFilter<'_>>) {
        let Some(shown) = new.or(old) else { return };
        let step = format!("[{}] {}", shown.number, filter_label(shown.filter));
        self.within(&step, |walk| match (old, new) {
            (Some(old), Some(new)) if old.filter == new.filter => walk.push_move(old.number, new.number),
            (Some(old), Some(new)) => walk.compare_values(old.filter, new.filter),
            (old, new) => walk.push_whole_change(old.map(|old| old.filter), new.map(|new| new.filter)),
        });
    }

    fn push_move(&mut self, from: usize, to: usize) {
        self.changes.push(FieldChange {
            path: self.path.clone(),
            field: Some("position".to_owned()),
            before: Some(from.into()),
            after: Some(to.into()),
        });
    }
}

/// A filter with its 1-based place in its group.
struct NumberedFilter<'a> {
    number: usize,
    filter: &'a Value,
}

type FilterPair<'a> = (Option<NumberedFilter<'a>>, Option<NumberedFilter<'a>>);

/// The filters of each side that have no equal partner in the same order on the other side.
fn unmatched_filters<'a>(
    before: &'a [Value],
    after: &'a [Value],
) -> (Vec<NumberedFilter<'a>>, Vec<NumberedFilter<'a>>) {
    let texts = |filters: &[Value]| filters.iter().map(canonical_json).collect::<Vec<_>>();
    let mut old = number_filters(before);
    let mut new = number_filters(after);
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

fn number_filters(filters: &[Value]) -> Vec<NumberedFilter<'_>> {
    filters
        .iter()
        .enumerate()
        .map(|(index, filter)| NumberedFilter {
            number: index + 1,
            filter,
        })
        .collect()
}

fn pair_by<'a>(
    old: &mut Vec<NumberedFilter<'a>>,
    new: &mut Vec<NumberedFilter<'a>>,
    key: fn(&Value) -> String,
    pairs: &mut Vec<FilterPair<'a>>,
) {
    let mut left = Vec::new();
    for candidate in old.drain(..) {
        let kin = key(candidate.filter);
        match new.iter().position(|filter| key(filter.filter) == kin) {
            Some(index) => pairs.push((Some(candidate), Some(new.remove(index)))),
            None => left.push(candidate),
        }
    }
    *old = left;
}

/// What a filter is about, in a word: the event, the attribute, or the segment.
fn filter_label(filter: &Value) -> String {
    let text = |key| filter.get(key).and_then(Value::as_str);
    let segment = text("segment").map(|segment| segment.trim_start_matches("name:"));
    let about = text("action_name")
        .or_else(|| text("name"))
        .or_else(|| text("attribute_name"))
        .or(segment);
    about.map_or_else(|| filter_type_label(filter), str::to_owned)
}

fn filter_type_label(filter: &Value) -> String {
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
