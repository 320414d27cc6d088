//! Random mutations of a document, which may leave it valid.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// Values at the limits of some field.
const BOUNDARY_VALUES: [&str; 34] = [
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

/// Keywords that replace other keywords.
const KEYWORDS: [&str; 40] = [
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

#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Delete,
    Misspell,
    Negate,
    Replace(Value),
    AddUnknownField,
    /// Copies a field from elsewhere in the document next to this one.
    CopyField(Index),
}

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    let value =
        select(&BOUNDARY_VALUES[..]).prop_map(|text| Mutation::Replace(serde_json::from_str(text).unwrap()));
    let keyword = select(&KEYWORDS[..]).prop_map(|keyword| Mutation::Replace(json!(keyword)));
    prop_oneof![
        2 => Just(Mutation::Delete),
        1 => Just(Mutation::Misspell),
        1 => Just(Mutation::Negate),
        1 => Just(Mutation::AddUnknownField),
        3 => value,
        2 => keyword,
        3 => any::<Index>().prop_map(Mutation::CopyField),
    ]
}

/// The document with a mutation at one of its fields or items.
pub(crate) fn mutated(document: &Value, choice: &Index, mutation: &Mutation) -> Value {
    let mut found = Vec::new();
    paths(document, "", &mut found);
    let path = choice.get(&found);
    let (parent, key) = path.rsplit_once('/').unwrap();
    let mut changed = document.clone();
    match mutation {
        Mutation::Delete => {
            if let Some(Value::Object(fields)) = changed.pointer_mut(parent) {
                fields.remove(key);
            }
        }
        Mutation::CopyField(source) => {
            let source = source.get(&found);
            let value = document.pointer(source).unwrap().clone();
            let (_, key) = source.rsplit_once('/').unwrap();
            if let Some(Value::Object(fields)) = changed.pointer_mut(parent) {
                fields.insert(key.to_owned(), value);
            }
        }
        _ => mutate_value(changed.pointer_mut(path).unwrap(), mutation),
    }
    changed
}

fn mutate_value(value: &mut Value, mutation: &Mutation) {
    match (mutation, &mut *value) {
        (Mutation::Replace(other), _) => *value = other.clone(),
        (Mutation::AddUnknownField, Value::Object(fields)) => {
            fields.insert("unknown_field".to_owned(), json!(1));
        }
        (Mutation::Misspell, Value::String(text)) => text.push('x'),
        (Mutation::Negate, Value::Bool(flag)) => *flag = !*flag,
        _ => {}
    }
}

/// JSON pointers of every field and item. `raw` may contain anything, so its fields are not included.
fn paths(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = format!("{path}/{key}");
                found.push(path.clone());
                if key != "raw" {
                    paths(value, &path, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}/{index}");
                found.push(path.clone());
                paths(item, &path, found);
            }
        }
        _ => {}
    }
}
