//! Windows of time have forms: a file that counts in `days` keeps doing so.

use super::super::super::yaml::{Key, Node};
use super::super::ordered_value::OrderedValue;
use super::document_editor::NodeChange;
use serde_json::Value;

/// The names that a form gives to the two values.
type ValueKeys = [&'static str; 2];

const VALUE_KEYS: ValueKeys = ["value", "value1"];
const DAY_KEYS: ValueKeys = ["days", "days1"];
const DATE_KEYS: ValueKeys = ["from", "to"];

/// A change of a window with all three sides in the form of the file.
pub(super) struct TimeRangeChange {
    old: Value,
    new: Value,
    output: OrderedValue,
}

impl TimeRangeChange {
    /// Takes the form of a window's `entries`; `None` when that form cannot say what is new.
    pub(super) fn in_form_of_file(entries: &[(Key, Node)], change: NodeChange<'_>) -> Option<Self> {
        let form = keys_in_use(|key| entries.iter().any(|(found, _)| found.text == key));
        let mut tree = change.output.clone();
        if form == DAY_KEYS && keys_in_use(|key| tree.get(key).is_some()) == VALUE_KEYS {
            tree = to_days(&tree)?;
        }
        if keys_in_use(|key| tree.get(key).is_some()) != form {
            return None;
        }
        Some(Self {
            old: with_renamed_keys(change.old, form),
            new: with_renamed_keys(change.new, form),
            output: tree,
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
    [DAY_KEYS, DATE_KEYS]
        .into_iter()
        .find(|form| has(form[0]))
        .unwrap_or(VALUE_KEYS)
}

fn to_days(window: &OrderedValue) -> Option<OrderedValue> {
    let counts_days = window.get("period_unit") == Some(&OrderedValue::text("days"));
    let fields = window.fields().iter().filter(|(key, _)| key != "period_unit");
    counts_days
        .then(|| OrderedValue::map(fields.map(|(key, value)| (renamed_key(key, DAY_KEYS), value.clone()))))
}

/// A normal form with the values named as in `form`, which has no unit.
fn with_renamed_keys(window: &Value, form: ValueKeys) -> Value {
    match window {
        Value::Object(fields) if form != VALUE_KEYS => {
            let fields = fields.iter().filter(|(key, _)| *key != "period_unit");
            Value::Object(
                fields
                    .map(|(key, value)| (renamed_key(key, form), value.clone()))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

fn renamed_key(key: &str, form: ValueKeys) -> String {
    let renamed = VALUE_KEYS.iter().zip(form).find(|(value, _)| **value == key);
    renamed.map_or(key, |(_, name)| name).to_owned()
}
