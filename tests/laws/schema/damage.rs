//! Ways to break a document, or to leave it as good as it was.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// Values at the edges of what some field takes.
const EDGES: [&str; 34] = [
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "\"\"",
    "0",
    "1",
    "-1",
    "7.0",
    "0.5",
    "6",
    "7",
    "12",
    "13",
    "23",
    "24",
    "31",
    "32",
    "100",
    "101",
    "1000000000",
    "1000000001",
    "\"2026-01-31\"",
    "\"2026-02-30\"",
    "\"2026-01-31T00:00:00.000Z\"",
    "\"2026-01-31T23:59:59.999Z\"",
    "\"2026-01-31T24:00:00.000Z\"",
    "\"2026-01-31T10:30:60.000Z\"",
    "\"2026-01-31T10:30:00Z\"",
    "\"02-29\"",
    "\"02-30\"",
    "\"{{MoeUserAttribute['plan']}}\"",
    "[\"{{MoeUserAttribute['plan']}}\"]",
];

/// Words of the vocabulary, to stand where another is wanted.
const WORDS: [&str; 40] = [
    "and",
    "or",
    "string",
    "double",
    "bool",
    "datetime",
    "geopoint",
    "array_string",
    "array_double",
    "object",
    "in",
    "is",
    "contains",
    "startsWith",
    "exists",
    "lessThan",
    "between",
    "on",
    "before",
    "after",
    "inTheLast",
    "inTheNext",
    "today",
    "absolute",
    "relative_past",
    "relative_future",
    "default_option_date",
    "time_of_the_day",
    "date_month_of_the_year",
    "any_of",
    "atleast",
    "exactly",
    "firstTime",
    "hours",
    "days",
    "top",
    "minimum",
    "previousPeriod",
    "user_attributes",
    "event_attributes",
];

/// One way to break a document.
#[derive(Clone, Debug)]
pub(super) enum Damage {
    Delete,
    Misspell,
    Negate,
    /// Another value.
    Replace(Value),
    /// A field that nobody knows.
    Add,
    /// A field of elsewhere in the document, put beside this one.
    Graft(Index),
}

/// Any damage.
pub(super) fn damage() -> impl Strategy<Value = Damage> {
    let edge = select(&EDGES[..]).prop_map(|text| Damage::Replace(serde_json::from_str(text).unwrap()));
    let word = select(&WORDS[..]).prop_map(|word| Damage::Replace(json!(word)));
    prop_oneof![
        2 => Just(Damage::Delete),
        1 => Just(Damage::Misspell),
        1 => Just(Damage::Negate),
        1 => Just(Damage::Add),
        3 => edge,
        2 => word,
        3 => any::<Index>().prop_map(Damage::Graft),
    ]
}

/// The document damaged at one of its fields or items.
pub(super) fn damaged(document: &Value, choice: &Index, damage: &Damage) -> Value {
    let mut found = Vec::new();
    places(document, "", &mut found);
    let place = choice.get(&found);
    let (parent, key) = place.rsplit_once('/').unwrap();
    let mut damaged = document.clone();
    match damage {
        Damage::Delete => {
            if let Some(Value::Object(fields)) = damaged.pointer_mut(parent) {
                fields.remove(key);
            }
        }
        Damage::Graft(source) => {
            let source = source.get(&found);
            let value = document.pointer(source).unwrap().clone();
            let (_, key) = source.rsplit_once('/').unwrap();
            if let Some(Value::Object(fields)) = damaged.pointer_mut(parent) {
                fields.insert(key.to_owned(), value);
            }
        }
        _ => spoil(damaged.pointer_mut(place).unwrap(), damage),
    }
    damaged
}

fn spoil(value: &mut Value, damage: &Damage) {
    match (damage, &mut *value) {
        (Damage::Replace(other), _) => *value = other.clone(),
        (Damage::Add, Value::Object(fields)) => {
            fields.insert("unheard_of".to_owned(), json!(1));
        }
        (Damage::Misspell, Value::String(text)) => text.push('x'),
        (Damage::Negate, Value::Bool(flag)) => *flag = !*flag,
        _ => {}
    }
}

/// Every field and item in a document, as JSON pointers; what is in `raw` is free, so nothing breaks it.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = format!("{path}/{key}");
                found.push(path.clone());
                if key != "raw" {
                    places(value, &path, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}/{index}");
                found.push(path.clone());
                places(item, &path, found);
            }
        }
        _ => {}
    }
}
