//! Definitions with the same meaning have equal digests; other definitions have other digests.

use super::generate::definition;
use proptest::prelude::*;
use segctl::definition::{Digests, Identities, canonical, diff, encode};
use segctl::model::{Filter, Group, Payload};
use serde_json::{Map, Value, json};

fn digests(payload: &Payload) -> Digests {
    Digests::of(payload, &Identities::default())
}

/// The payload with each object rewritten, innermost first.
pub(super) fn map_objects(
    payload: &Payload,
    change: &dyn Fn(Map<String, Value>) -> Map<String, Value>,
) -> Payload {
    fn walk(value: &Value, change: &dyn Fn(Map<String, Value>) -> Map<String, Value>) -> Value {
        match value {
            Value::Object(fields) => Value::Object(change(
                fields
                    .iter()
                    .map(|(key, value)| (key.clone(), walk(value, change)))
                    .collect(),
            )),
            Value::Array(items) => Value::Array(items.iter().map(|item| walk(item, change)).collect()),
            _ => value.clone(),
        }
    }
    Payload {
        included_filters: walk(&payload.included_filters, change),
        excluded_filters: payload.excluded_filters.as_ref().map(|group| walk(group, change)),
    }
}

/// Raw filters are compared unchanged.
pub(super) fn is_raw(fields: &Map<String, Value>) -> bool {
    fields.get("filter_type") == Some(&json!("new"))
}

pub(super) fn drop_defaults(mut fields: Map<String, Value>) -> Map<String, Value> {
    if !is_raw(&fields) {
        fields.retain(|key, value| {
            let is_default = match key.as_str() {
                "negate" | "case_sensitive" | "is_dynamic_value" => *value == json!(false),
                "extract_type" => *value == json!("default_option_date"),
                "attributes" => value["filters"] == json!([]),
                _ => false,
            };
            !is_default && key != "category"
        });
    }
    fields
}

pub(super) fn with_days_shorthand(mut fields: Map<String, Value>) -> Map<String, Value> {
    if fields.get("period_unit") == Some(&json!("days")) && fields.get("value").is_some_and(Value::is_number)
    {
        fields.remove("period_unit");
        for (value, days) in [("value", "days"), ("value1", "days1")] {
            if let Some(count) = fields.remove(value) {
                fields.insert(days.to_owned(), count);
            }
        }
    }
    fields
}

fn with_nulls(mut fields: Map<String, Value>) -> Map<String, Value> {
    if fields.contains_key("operator") {
        fields.insert("value9".to_owned(), Value::Null);
    }
    fields
}

/// JSON with the keys in the opposite order; as text, because a map sorts its keys.
pub(super) fn reversed(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .rev()
                .map(|(key, value)| format!("{}:{}", json!(key), reversed(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(",")),
        _ => value.to_string(),
    }
}

/// The group with its children reversed, the first one duplicated, and the last one in a nested group.
fn shuffled(group: &Group) -> Group {
    let mut filters: Vec<Filter> = group.filters.iter().rev().cloned().collect();
    if let Some(first) = filters.first().cloned() {
        filters.push(first);
    }
    if let Some(last) = filters.pop() {
        filters.push(Filter::Nested(Group {
            operator: group.operator,
            filters: vec![last],
        }));
    }
    let inner = |filter: &Filter| match filter {
        Filter::Nested(group) if group.filters.len() > 1 => Filter::Nested(shuffled(group)),
        other => other.clone(),
    };
    Group {
        operator: group.operator,
        filters: filters.iter().map(inner).collect(),
    }
}

/// The paths of all values whose change also changes the meaning.
pub(super) fn meaningful_leaves(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let is_meaningless = |key: &str, fields: &Map<String, Value>| match key {
        "category" | "dynamic_attribute_type" | "filter_operator" | "filter_type" | "data_type" => true,
        "name" => fields.get("filter_type") == Some(&json!("custom_segments")) && fields.contains_key("id"),
        "period_unit" => fields.get("value_type") == Some(&json!("absolute")),
        // Different notations, or keywords that exclude other fields.
        "value_type" | "type" | "operator" | "extract_type" | "is_dynamic_value" | "executed"
        | "operator_type" => true,
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter().filter(|(key, _)| !is_meaningless(key, fields)) {
                path.push(key.clone());
                meaningful_leaves(value, path, found);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                meaningful_leaves(item, path, found);
                path.pop();
            }
        }
        Value::Null => {}
        _ => found.push(path.clone()),
    }
}

pub(super) fn value_at<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(value, |value, step| match value {
        Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
        other => &mut other[step.as_str()],
    })
}

pub(super) fn changed(value: &Value) -> Value {
    match value {
        Value::Bool(value) => json!(!value),
        // Adding 1 would not change the largest numbers.
        Value::Number(number) => json!(if number.as_f64() == Some(7.0) { 8 } else { 7 }),
        Value::String(text) => json!(format!("{text}x")),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(crate::fixed_seeds::config(400))]

    #[test]
    fn notation_does_not_change_either_digest(definition in definition()) {
        let payload = encode(&definition);
        let expected = digests(&payload);
        for change in [drop_defaults, with_days_shorthand, with_nulls] {
            let rewritten = map_objects(&payload, &change);
            prop_assert_eq!(digests(&rewritten), expected, "{:?}", rewritten);
        }
        let text = reversed(&payload.included_filters);
        let reordered = Payload { included_filters: serde_json::from_str(&text).unwrap(), ..payload };
        prop_assert_eq!(digests(&reordered), expected);
    }

    #[test]
    fn order_and_duplicates_do_not_change_the_unordered_digest(definition in definition()) {
        let mut other = definition.clone();
        other.included = shuffled(&definition.included);
        other.excluded = definition.excluded.as_ref().map(shuffled);
        prop_assert_eq!(digests(&encode(&other)).unordered, digests(&encode(&definition)).unordered);
    }

    #[test]
    fn a_changed_value_changes_both_digests_and_appears_in_the_diff(definition in definition(), choice in any::<prop::sample::Index>()) {
        let payload = encode(&definition);
        let mut sides = json!({"included_filters": payload.included_filters, "excluded_filters": payload.excluded_filters});
        let mut found = Vec::new();
        meaningful_leaves(&sides, &mut Vec::new(), &mut found);
        prop_assume!(!found.is_empty());
        let path = choice.get(&found).clone();
        let leaf = value_at(&mut sides, &path);
        *leaf = changed(leaf);
        let other = Payload {
            included_filters: sides["included_filters"].take(),
            excluded_filters: payload.excluded_filters.as_ref().map(|_| sides["excluded_filters"].take()),
        };
        let (before, after) = (digests(&payload), digests(&other));
        prop_assert_ne!(&before.exact, &after.exact, "{:?}", path);
        prop_assert_ne!(&before.unordered, &after.unordered, "{:?}", path);
        let form = |payload: &Payload| canonical::exact(payload, &Identities::default());
        let changes = diff(&form(&payload), &form(&other));
        prop_assert!(!changes.is_empty());
        prop_assert!(changes.iter().all(|change| change.path[0] == path[0]), "{:?}", changes);
        prop_assert_eq!(diff(&form(&payload), &form(&payload)), []);
    }
}
