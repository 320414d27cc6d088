//! Which old item of a list becomes which new one, and which filters the new definition still has.

use serde_json::Value;
use std::collections::BTreeMap;

/// For each new item the index of its old one: an equal item, one with the same subject, or one of the same type at
/// the same place. The items are in canonical form.
pub(super) fn match_items(old: &[Value], new: &[Value], counts: &FilterCounts) -> Vec<Option<usize>> {
    let mut matches = vec![None; new.len()];
    pair(&mut matches, old.len(), |to, from, _| new[to] == old[from]);
    pair(&mut matches, old.len(), |to, from, _| {
        subject(&new[to]) == subject(&old[from]) && !counts.is_elsewhere(&old[from])
    });
    pair(&mut matches, old.len(), |to, from, place| {
        place == from && item_type(&new[to]) == item_type(&old[from]) && !counts.persists(&old[from])
    });
    matches
}

/// Pairs what is not paired yet. The closure gets the new and the old index, and the old place of the new item.
fn pair(matches: &mut [Option<usize>], old_count: usize, is_pair: impl Fn(usize, usize, usize) -> bool) {
    let mut place = 0;
    for to in 0..matches.len() {
        if matches[to].is_none() {
            let mut free = (0..old_count).filter(|from| !matches.contains(&Some(*from)));
            matches[to] = free.find(|from| is_pair(to, *from, place));
        }
        // After an item without a pair, no place is known.
        place = matches[to].map_or(old_count, |from| from + 1);
    }
}

/// Filters have one; for plain values, it is null.
pub(super) fn item_type(item: &Value) -> [&Value; 2] {
    ["filter_type", "data_type"].map(|key| item.get(key).unwrap_or(&Value::Null))
}

/// The type of a filter and its event, attribute or segment; for a plain value, the value.
fn subject(item: &Value) -> String {
    let Value::Object(fields) = item else {
        return item.to_string();
    };
    let keys = [
        "filter_type",
        "data_type",
        "action_name",
        "name",
        "attribute_name",
        "segment",
    ];
    let fields = keys.map(|key| fields.get(key).unwrap_or(&Value::Null).to_string());
    fields.join(" ")
}

/// How many filters with each subject and with each text the old and the new definition have.
pub(super) struct FilterCounts {
    old: BTreeMap<String, usize>,
    new: BTreeMap<String, usize>,
}

impl FilterCounts {
    pub(super) fn new(old: &Value, new: &Value) -> Self {
        let [old, new] = [old, new].map(|form| {
            let mut counts = BTreeMap::new();
            for filter in filters_in(form) {
                for key in [subject(filter), filter.to_string()] {
                    *counts.entry(key).or_insert(0) += 1;
                }
            }
            counts
        });
        Self { old, new }
    }

    /// Whether the new definition has a filter that is probably `removed` or in it.
    pub(super) fn persists(&self, removed: &Value) -> bool {
        filters_in(removed).any(|filter| self.is_as_frequent(&subject(filter)))
    }

    fn is_elsewhere(&self, removed: &Value) -> bool {
        self.is_as_frequent(&removed.to_string())
    }

    fn is_as_frequent(&self, key: &str) -> bool {
        let count = self.new.get(key);
        count.is_some() && count >= self.old.get(key)
    }
}

/// The filters in a value, at any depth.
fn filters_in(value: &Value) -> impl Iterator<Item = &Value> {
    let mut open = vec![value];
    let values = std::iter::from_fn(move || {
        let value = open.pop()?;
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.values()),
            _ => {}
        }
        Some(value)
    });
    values.filter(|value| item_type(value) != [&Value::Null; 2])
}
