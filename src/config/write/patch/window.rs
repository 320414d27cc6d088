//! Windows of time have forms: a file that counts in `days` keeps doing so.

use super::super::super::yaml::{Key, Node};
use super::super::tree::Tree;
use super::walk::Change;
use serde_json::Value;

/// The names that a form gives to the two values.
type Form = [&'static str; 2];

const VALUES: Form = ["value", "value1"];
const DAYS: Form = ["days", "days1"];
const DATES: Form = ["from", "to"];

/// A change of a window with all three sides in the form of the file.
pub(super) struct Levelled {
    old: Value,
    new: Value,
    tree: Tree,
}

impl Levelled {
    /// Takes the form of a window's `entries`; `None` when that form cannot say what is new.
    pub(super) fn of(entries: &[(Key, Node)], change: Change<'_>) -> Option<Self> {
        let form = form_of(|key| entries.iter().any(|(found, _)| found.text == key));
        let mut tree = change.tree.clone();
        if form == DAYS && form_of(|key| tree.get(key).is_some()) == VALUES {
            tree = in_days(&tree)?;
        }
        if form_of(|key| tree.get(key).is_some()) != form {
            return None;
        }
        Some(Self {
            old: renamed(change.old, form),
            new: renamed(change.new, form),
            tree,
        })
    }

    pub(super) fn change(&self) -> Change<'_> {
        Change {
            old: &self.old,
            new: &self.new,
            tree: &self.tree,
        }
    }
}

fn form_of(has: impl Fn(&str) -> bool) -> Form {
    [DAYS, DATES]
        .into_iter()
        .find(|form| has(form[0]))
        .unwrap_or(VALUES)
}

fn in_days(window: &Tree) -> Option<Tree> {
    let counts_days = window.get("period_unit") == Some(&Tree::text("days"));
    let fields = window.fields().iter().filter(|(key, _)| key != "period_unit");
    counts_days.then(|| Tree::map(fields.map(|(key, value)| (name(key, DAYS), value.clone()))))
}

/// A normal form with the values named as in `form`, which has no unit.
fn renamed(window: &Value, form: Form) -> Value {
    match window {
        Value::Object(fields) if form != VALUES => {
            let fields = fields.iter().filter(|(key, _)| *key != "period_unit");
            Value::Object(
                fields
                    .map(|(key, value)| (name(key, form), value.clone()))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

fn name(key: &str, form: Form) -> String {
    let renamed = VALUES.iter().zip(form).find(|(value, _)| **value == key);
    renamed.map_or(key, |(_, name)| name).to_owned()
}
