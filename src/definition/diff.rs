//! The changes between two definitions, field by field.
//!
//! The filters of a group are aligned first (longest common subsequence, then by subject), so that a filter inserted at
//! the top is one change.

use super::digest::canonical_json;
use crate::model::SegmentName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use similar::{DiffOp, TextDiff};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldChange {
    /// `included_filters`, the operator of each group, and filters as `[2] purchase`.
    pub path: Vec<String>,
    /// `None` when the whole filter at `path` was added or removed.
    pub field: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl FieldChange {
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

/// Both definitions are in exact canonical form; the changes are in the order of the definition.
#[must_use]
pub fn diff(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    for key in ["included_filters", "excluded_filters"] {
        let mut comparison = DefinitionDiff {
            path: vec![key.to_owned()],
            changes: &mut changes,
        };
        match (before.get(key), after.get(key)) {
            (Some(before), Some(after)) => comparison.compare_values(before, after),
            (before, after) => comparison.push_whole_change(before, after),
        }
    }
    changes
}

struct DefinitionDiff<'a> {
    path: Vec<String>,
    changes: &'a mut Vec<FieldChange>,
}

impl DefinitionDiff<'_> {
    fn compare_values(&mut self, before: &Value, after: &Value) {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => self.compare_fields(before, after),
            _ if before == after => {}
            _ => self.push_whole_change(Some(before), Some(after)),
        }
    }

    fn push_whole_change(&mut self, before: Option<&Value>, after: Option<&Value>) {
        if before != after {
            self.push(None, before.cloned(), after.cloned());
        }
    }

    fn push(&mut self, field: Option<&str>, before: Option<Value>, after: Option<Value>) {
        self.changes.push(FieldChange {
            path: self.path.clone(),
            field: field.map(str::to_owned),
            before,
            after,
        });
    }

    fn compare_fields(&mut self, before: &Map<String, Value>, after: &Map<String, Value>) {
        let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
        // Filters come last: a change of the group is shown before the changes inside it.
        keys.sort_by_key(|key| (key.as_str() == "filters", key.as_str()));
        keys.dedup();
        for key in keys {
            self.compare_field(key, before.get(key), after.get(key), operator_of(before, after));
        }
    }

    fn compare_field(&mut self, key: &str, before: Option<&Value>, after: Option<&Value>, operator: &str) {
        match (before, after) {
            (Some(Value::Array(before)), Some(Value::Array(after))) if key == "filters" => {
                self.within(operator, |comparison| comparison.compare_filters(before, after));
            }
            // A filter has one execution, so its fields are shown as fields of the filter.
            (Some(Value::Object(before)), Some(Value::Object(after))) if key == "execution" => {
                self.compare_fields(before, after);
            }
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                self.within(key, |comparison| comparison.compare_fields(before, after));
            }
            _ if before == after => {}
            _ => self.push(Some(key), before.cloned(), after.cloned()),
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
        // First the same filter at another position, then the same subject, then a similar filter.
        for is_pair in [is_same, has_same_subject, is_similar] {
            pair_by(&mut old, &mut new, is_pair, &mut pairs);
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
        self.within(&step, |comparison| match (old, new) {
            (Some(old), Some(new)) if old.filter == new.filter => {
                comparison.push(Some("position"), Some(old.number.into()), Some(new.number.into()));
            }
            (Some(old), Some(new)) => comparison.compare_values(old.filter, new.filter),
            (old, new) => comparison.push_whole_change(old.map(|old| old.filter), new.map(|new| new.filter)),
        });
    }
}

/// A filter with its 1-based position in its group.
struct NumberedFilter<'a> {
    number: usize,
    filter: &'a Value,
}

type FilterPair<'a> = (Option<NumberedFilter<'a>>, Option<NumberedFilter<'a>>);

/// The filters without an equal filter in the same order on the other side.
fn unmatched_filters<'a>(
    before: &'a [Value],
    after: &'a [Value],
) -> (Vec<NumberedFilter<'a>>, Vec<NumberedFilter<'a>>) {
    let texts = [before, after].map(|filters| filters.iter().map(canonical_json).collect::<Vec<_>>());
    let [old_lines, new_lines] = texts.each_ref().map(|texts| texts.iter().map(String::as_str));
    let diff = TextDiff::from_slices(&Vec::from_iter(old_lines), &Vec::from_iter(new_lines));
    let mut old = number_filters(before);
    let mut new = number_filters(after);
    for step in diff.ops() {
        if matches!(step, DiffOp::Equal { .. }) {
            old.retain(|filter| !step.old_range().contains(&(filter.number - 1)));
            new.retain(|filter| !step.new_range().contains(&(filter.number - 1)));
        }
    }
    (old, new)
}

fn number_filters(filters: &[Value]) -> Vec<NumberedFilter<'_>> {
    let numbered = (1..)
        .zip(filters)
        .map(|(number, filter)| NumberedFilter { number, filter });
    numbered.collect()
}

/// Of several candidates, the one with the most equal fields.
fn pair_by<'a>(
    old: &mut Vec<NumberedFilter<'a>>,
    new: &mut Vec<NumberedFilter<'a>>,
    is_pair: fn(&Value, &Value) -> bool,
    pairs: &mut Vec<FilterPair<'a>>,
) {
    let mut left = Vec::new();
    for candidate in old.drain(..) {
        let found = new.iter().enumerate().rev();
        let found = found.filter(|(_, other)| is_pair(candidate.filter, other.filter));
        let best = found.max_by_key(|(_, other)| equal_fields(candidate.filter, other.filter).0);
        match best.map(|(index, _)| index) {
            Some(index) => pairs.push((Some(candidate), Some(new.remove(index)))),
            None => left.push(candidate),
        }
    }
    *old = left;
}

fn is_same(one: &Value, other: &Value) -> bool {
    one == other
}

fn has_same_subject(one: &Value, other: &Value) -> bool {
    filter_type_label(one) == filter_type_label(other) && filter_label(one) == filter_label(other)
}

/// Whether the changed fields say more than the two whole filters.
fn is_similar(one: &Value, other: &Value) -> bool {
    let (equal, all) = equal_fields(one, other);
    filter_type_label(one) == filter_type_label(other) && equal * 2 >= all
}

/// How many fields of the two filters are equal, and how many there are.
fn equal_fields(one: &Value, other: &Value) -> (usize, usize) {
    let (Value::Object(one), Value::Object(other)) = (one, other) else {
        return (0, 0);
    };
    let equal = one
        .iter()
        .filter(|(key, value)| other.get(*key) == Some(value))
        .count();
    let only_other = other.keys().filter(|key| !one.contains_key(*key)).count();
    (equal, one.len() + only_other)
}

fn filter_label(filter: &Value) -> String {
    let text = |key| filter.get(key).and_then(Value::as_str);
    let segment = text("segment").map(|segment| segment.trim_start_matches("name:"));
    let label = text("action_name")
        .or_else(|| text("name"))
        .or_else(|| text("attribute_name"))
        .or(segment);
    label.map_or_else(|| filter_type_label(filter), str::to_owned)
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
