//! Time ranges have several forms: a file that counts in `days` keeps doing so.

use super::super::super::yaml::{Key, Node};
use super::super::ordered_value::OrderedValue;
use super::node_change::NodeChange;
use serde_json::Value;

type ValueKeys = [&'static str; 2];

const VALUE_KEYS: ValueKeys = ["value", "value1"];
const DAY_KEYS: ValueKeys = ["days", "days1"];
const DATE_KEYS: ValueKeys = ["from", "to"];

pub(super) struct TimeRangeChange {
    old: Value,
    new: Value,
    output: OrderedValue,
}

impl TimeRangeChange {
    /// `None` when the keys of the file cannot express the new range.
    pub(super) fn with_keys_of_file(entries: &[(Key, Node)], change: NodeChange<'_>) -> Option<Self> {
        let keys = keys_in_use(|key| entries.iter().any(|(found, _)| found.text == key));
        let mut output = change.output.clone();
        if keys == DAY_KEYS && keys_in_use(|key| output.get(key).is_some()) == VALUE_KEYS {
            output = to_days(&output)?;
        }
        if keys_in_use(|key| output.get(key).is_some()) != keys {
            return None;
        }
        Some(Self {
            old: with_renamed_keys(change.old, keys),
            new: with_renamed_keys(change.new, keys),
            output,
        })
    }

    pub(super) fn as_node_change(&self) -> NodeChange<'_> {
        NodeChange {
            old: &self.old,
            new: &self.new,
            output: &self.output,
        }
    }
}

fn keys_in_use(has: impl Fn(&str) -> bool) -> ValueKeys {
    let keys = [DAY_KEYS, DATE_KEYS].into_iter().find(|keys| has(keys[0]));
    keys.unwrap_or(VALUE_KEYS)
}

fn to_days(range: &OrderedValue) -> Option<OrderedValue> {
    if range.get("period_unit") != Some(&OrderedValue::text("days")) {
        return None;
    }
    let fields = range.fields().iter().filter(|(key, _)| key != "period_unit");
    Some(OrderedValue::map(
        fields.map(|(key, value)| (renamed_key(key, DAY_KEYS), value.clone())),
    ))
}

/// The other forms have no unit.
fn with_renamed_keys(range: &Value, keys: ValueKeys) -> Value {
    match range {
        Value::Object(fields) if keys != VALUE_KEYS => {
            let fields = fields.iter().filter(|(key, _)| *key != "period_unit");
            let fields = fields.map(|(key, value)| (renamed_key(key, keys), value.clone()));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn renamed_key(key: &str, keys: ValueKeys) -> String {
    let renamed = VALUE_KEYS.iter().zip(keys).find(|(value, _)| **value == key);
    renamed.map_or(key, |(_, name)| name).to_owned()
}
