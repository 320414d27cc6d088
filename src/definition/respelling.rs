//! Whether a definition that MoEngage returned can be the one that segctl sent, in a form that segctl does not know.
//!
//! The canonical form removes the differences of notation that are known. This comparison accepts others: undocumented
//! fields, another order, single values as lists, and synonyms of operators. The filters, their groups and
//! their values have to be the same. It identifies the result of a write of segctl; it never compares a definition with
//! the configuration.

use super::documented::{is_canonical_field, is_documented_filter};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Both definitions are in exact canonical form.
#[must_use]
pub fn is_respelling(sent: &Value, returned: &Value) -> bool {
    match (sent, returned) {
        (Value::Object(sent), Value::Object(returned)) => has_same_fields(sent, returned),
        _ => sent == returned,
    }
}

fn has_same_fields(sent: &Map<String, Value>, returned: &Map<String, Value>) -> bool {
    let keys: BTreeSet<&String> = sent.keys().chain(returned.keys()).collect();
    keys.into_iter().filter(|key| is_canonical_field(key)).all(|key| {
        match (sent.get(key), returned.get(key)) {
            (Some(sent), Some(returned)) => is_same_field(key, sent, returned),
            (Some(only), None) | (None, Some(only)) => is_blank(only),
            (None, None) => true,
        }
    })
}

fn is_same_field(key: &str, sent: &Value, returned: &Value) -> bool {
    match (key, sent, returned) {
        ("filters", Value::Array(sent), Value::Array(returned)) => has_same_filters(sent, returned),
        ("operator", Value::String(sent), Value::String(returned)) => synonym(sent) == synonym(returned),
        (_, Value::Object(sent), Value::Object(returned)) => has_same_fields(sent, returned),
        _ => values(sent) == values(returned),
    }
}

/// In any order.
fn has_same_filters(sent: &[Value], returned: &[Value]) -> bool {
    let mut left: Vec<&Value> = returned.iter().map(innermost).collect();
    let is_found = |filter: &Value| {
        let position = left.iter().position(|other| is_same_filter(filter, other));
        position.map(|index| left.remove(index)).is_some()
    };
    sent.len() == returned.len() && sent.iter().map(innermost).all(is_found)
}

fn is_same_filter(sent: &Value, returned: &Value) -> bool {
    if is_documented_filter(sent) {
        is_respelling(sent, returned)
    } else {
        sent == returned
    }
}

/// Without nested groups of one filter.
fn innermost(filter: &Value) -> &Value {
    let is_nested = filter.get("filter_type").and_then(Value::as_str) == Some("nested_filters");
    match filter.get("filters").and_then(Value::as_array).map(Vec::as_slice) {
        Some([only]) if is_nested => innermost(only),
        _ => filter,
    }
}

/// With a list of one value, both have the same meaning.
fn synonym(operator: &str) -> &str {
    match operator.strip_suffix("InTheFollowing").unwrap_or(operator) {
        "is" => "in",
        other => other,
    }
}

/// A single value is a list of one. The order of values and repeated values have no meaning.
fn values(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(values) => values.iter().map(Value::to_string).collect(),
        other => BTreeSet::from([other.to_string()]),
    }
}

/// A value that selects nothing.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Identities, canonical};
    use crate::model::Payload;
    use serde_json::json;

    fn city(fields: &Value) -> Value {
        let mut filter = json!({"filter_type": "user_attributes", "name": "city", "data_type": "string",
                                "operator": "in", "value": ["Pune", "Delhi"]});
        if let (Value::Object(filter), Value::Object(fields)) = (&mut filter, fields) {
            filter.extend(fields.clone());
        }
        filter
    }

    fn spend(amount: i32) -> Value {
        json!({"filter_type": "user_attributes", "name": "spend", "data_type": "double", "operator": "greaterThan",
               "value": amount})
    }

    fn nested(filters: &Value) -> Value {
        json!({"filter_type": "nested_filters", "filter_operator": "and", "filters": filters})
    }

    fn form(operator: &str, filters: Value) -> Value {
        let payload = Payload {
            included_filters: json!({"filter_operator": operator, "filters": filters}),
            excluded_filters: None,
        };
        canonical::exact(&payload, &Identities::default())
    }

    #[test]
    fn other_words_are_a_respelling_and_other_filters_are_not() {
        let sent = form("or", json!([city(&json!({})), spend(5)]));
        let table = [
            (form("or", json!([city(&json!({})), spend(5)])), true),
            (
                form(
                    "or",
                    json!([spend(5), city(&json!({"value": ["Delhi", "Pune", "Pune"]}))]),
                ),
                true,
            ),
            (
                form(
                    "or",
                    json!([city(&json!({"schema": 2, "label": "City"})), spend(5)]),
                ),
                true,
            ),
            (
                form("or", json!([nested(&json!([city(&json!({}))])), spend(5)])),
                true,
            ),
            (
                form(
                    "or",
                    json!([city(&json!({"value1": "", "radius": false})), spend(5)]),
                ),
                true,
            ),
            (form("and", json!([city(&json!({})), spend(5)])), false),
            (form("or", json!([city(&json!({})), spend(6)])), false),
            (form("or", json!([city(&json!({}))])), false),
            (form("or", json!([city(&json!({})), spend(5), spend(6)])), false),
            (
                form("or", json!([nested(&json!([city(&json!({})), spend(5)]))])),
                false,
            ),
            (
                form("or", json!([city(&json!({"value": ["Pune"]})), spend(5)])),
                false,
            ),
            (
                form("or", json!([city(&json!({"negate": true})), spend(5)])),
                false,
            ),
            (
                form(
                    "or",
                    json!([city(&json!({"operator": "containsInTheFollowing"})), spend(5)]),
                ),
                false,
            ),
            (
                form(
                    "or",
                    json!([city(&json!({"extract_type": "day_of_the_week"})), spend(5)]),
                ),
                false,
            ),
        ];
        for (returned, expected) in table {
            assert_eq!(is_respelling(&sent, &returned), expected, "{returned}");
        }
        let is = form("and", json!([city(&json!({"operator": "is", "value": "Pune"}))]));
        let within = form("and", json!([city(&json!({"value": ["Pune"]}))]));
        assert!(is_respelling(&is, &within) && is_respelling(&within, &is));
        let new = |field: i32| form("and", json!([{"filter_type": "new", "field": field, "value": 1}]));
        assert!(is_respelling(&new(1), &new(1)) && !is_respelling(&new(1), &new(2)));
    }

    #[test]
    fn an_exclusion_that_comes_or_goes_is_no_respelling() {
        let mut with_exclusion = form("and", json!([spend(5)]));
        let without = with_exclusion.clone();
        with_exclusion["excluded_filters"] = json!({"filter_operator": "and", "filters": [spend(9)]});
        assert!(!is_respelling(&without, &with_exclusion));
        assert!(!is_respelling(&with_exclusion, &without));
    }
}
