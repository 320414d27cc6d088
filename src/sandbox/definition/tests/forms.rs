//! One meaning in several forms, and what a definition is said to be.

use super::{
    echo, equality_key, event, expanded_length, has_nested_group, of, referenced_ids, text, validate, with,
};
use crate::sandbox::definition::{Echo, describe};
use serde_json::{Value, json};

const STYLES: [Echo; 4] = [
    Echo::AsSent,
    Echo::DefaultsFilled,
    Echo::DefaultsDropped,
    Echo::DashboardDays,
];

fn user(mut fields: Value) -> Value {
    fields["filter_type"] = json!("user_attributes");
    fields["name"] = json!("n");
    fields
}

fn nested(filters: &[Value]) -> Value {
    with(of(filters), "filter_type", json!("nested_filters"))
}

fn object(levels: usize, value: &str) -> Value {
    let mut inner = json!({"name": "x", "data_type": "string", "operator": "is", "value": value});
    for _ in 0..levels {
        inner = json!({"name": "o", "data_type": "object", "filter_operator": "or", "filters": [inner]});
    }
    user(inner)
}

/// One filter of every kind, with defaults partly said.
fn samples() -> Vec<Value> {
    let week = json!({"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "relative_past"});
    let sum = json!({"attribute_name": "price", "data_type": "double", "aggregation_type": "sum", "operator": "is", "value": 5,
                     "negate": false, "is_dynamic_value": false, "comparator": "change",
                     "base_time_range": {"type": "between", "value": 7, "value1": 14}});
    let brand = json!({"name": "brand", "data_type": "string", "category": "default", "operator": "in", "value": ["A"]});
    vec![
        text("in", json!(["a"])),
        user(json!({"data_type": "double", "operator": "in", "value": [1], "negate": false})),
        user(json!({"data_type": "bool", "operator": "is", "value": true, "is_dynamic_value": false})),
        user(
            json!({"data_type": "datetime", "operator": "inTheLast", "value": 3, "value_type": "relative_past"}),
        ),
        user(json!({"data_type": "datetime", "operator": "on", "value_type": "relative_past", "value": 0})),
        user(json!({"data_type": "datetime", "operator": "on", "value_type": "relative_future", "value": 0})),
        user(json!({"data_type": "datetime", "operator": "on", "value": "2026-01-05T00:00:00.000Z"})),
        user(json!({"data_type": "datetime", "operator": "today"})),
        user(
            json!({"data_type": "datetime", "operator": "inTheNext", "value": "{{MoeUserAttribute['o']}}",
                    "is_dynamic_value": true, "dynamic_attribute_type": "datetime"}),
        ),
        user(json!({"data_type": "geopoint", "value": 1, "value1": 2, "radius": 3})),
        user(
            json!({"data_type": "array_string", "operator": "in", "value": ["a"], "array_filter_type": "any_of"}),
        ),
        user(json!({"data_type": "array_string", "operator": "exists"})),
        object(3, "a"),
        event(week.clone()),
        event(json!({"type": "between", "value": 2, "value1": 3, "period_unit": "days"})),
        event(json!({"type": "on", "value": 1, "period_unit": "weeks"})),
        event(json!({"type": "after", "value": "2026-01-05T00:00:00.000Z", "period_unit": "days"})),
        with(event(week.clone()), "executed", json!(false)),
        with(
            event(week.clone()),
            "execution",
            json!({"type": "atleast", "count": 1}),
        ),
        with(
            event(week.clone()),
            "execution",
            json!({"type": "exactly", "count": 2}),
        ),
        with(
            event(week.clone()),
            "attributes",
            of(&[with(brand.clone(), "filter_type", json!("event_attributes"))]),
        ),
        with(event(week), "aggregation_attributes", of(&[sum])),
        json!({"filter_type": "psychographic_event", "action_name": "view", "operator_type": "top", "percent_of_users": 5,
               "psychographic_attributes": of(&[brand]), "primary_time_range": {"type": "inTheLast", "days": 3}}),
        json!({"filter_type": "custom_segments", "id": "0123456789abcdef01234567", "name": "A"}),
        nested(&[text("in", json!(["a"])), text("in", json!(["b"]))]),
    ]
}

#[test]
fn every_form_of_an_answer_is_taken_and_means_the_same() {
    for filter in samples() {
        let sent = of(std::slice::from_ref(&filter));
        assert_eq!(validate(&sent, None), Ok(()), "{filter}");
        for style in STYLES {
            let echoed = echo(&sent, style);
            assert_eq!(validate(&echoed, None), Ok(()), "{style:?}: {echoed}");
            for ordered in [true, false] {
                let (one, other) = (
                    equality_key(&echoed, None, ordered),
                    equality_key(&sent, None, ordered),
                );
                assert_eq!(one, other, "{style:?}: {echoed}");
            }
        }
    }
}

#[test]
fn samples_are_all_different() {
    let samples = samples();
    for (at, one) in samples.iter().enumerate() {
        for other in &samples[at + 1..] {
            let key = |filter: &Value| equality_key(&of(std::slice::from_ref(filter)), None, false);
            let says_default = |filter: &Value| filter["execution"] == json!({"type": "atleast", "count": 1});
            assert!(key(one) != key(other) || says_default(other), "{one} and {other}");
        }
    }
}

#[test]
fn answers_say_defaults_or_leave_them_out() {
    let week = json!({"type": "inTheLast", "value": 7, "period_unit": "days"});
    let filled = &echo(&of(&[event(week.clone())]), Echo::DefaultsFilled)["filters"][0];
    assert_eq!(filled["execution"], json!({"type": "atleast", "count": 1}));
    assert_eq!(
        filled["attributes"],
        json!({"filter_operator": "and", "filters": []})
    );
    assert_eq!(filled["primary_time_range"]["value_type"], json!("relative_past"));
    assert_eq!(
        echo(&of(std::slice::from_ref(filled)), Echo::DefaultsDropped),
        of(&[event(week.clone())])
    );
    let days = &echo(&of(&[event(week)]), Echo::DashboardDays)["filters"][0]["primary_time_range"];
    assert_eq!(*days, json!({"type": "inTheLast", "days": 7}));
}

#[test]
fn equal_meanings_share_a_key() {
    let segment = |name: &str| json!({"filter_type": "custom_segments", "id": "0123456789abcdef01234567", "name": name});
    let number = |value: Value| user(json!({"data_type": "double", "operator": "lessThan", "value": value}));
    let day = "2026-01-05T00:00:00.000Z";
    for (one, other) in [
        (segment("A"), segment("B")),
        (number(json!(3)), number(json!(3.0))),
        (
            event(json!({"type": "on", "value": day, "period_unit": "days"})),
            event(json!({"type": "on", "value": day, "value_type": "absolute"})),
        ),
        (
            with(text("is", json!("a")), "category", json!("Standard")),
            text("is", json!("a")),
        ),
        (
            with(text("is", json!("a")), "negate", json!(false)),
            text("is", json!("a")),
        ),
    ] {
        for ordered in [true, false] {
            let key = |filter: &Value| equality_key(&of(std::slice::from_ref(filter)), None, ordered);
            assert_eq!(key(&one), key(&other), "{one} and {other}");
        }
    }
}

#[test]
fn order_and_doubles_count_only_where_order_counts() {
    let [a, b] = ["a", "b"].map(|value| text("is", json!(value)));
    let child = |value: &str| json!({"name": "c", "data_type": "string", "operator": "is", "value": value});
    let under = |children: [Value; 2]| {
        user(json!({"data_type": "object", "filter_operator": "and", "filters": children}))
    };
    for (one, other) in [
        (vec![a.clone(), b.clone()], vec![b.clone(), a.clone()]),
        (vec![a.clone(), b.clone()], vec![a.clone(), b.clone(), a.clone()]),
        (
            vec![under([child("a"), child("b")])],
            vec![under([child("b"), child("a")])],
        ),
        (
            vec![nested(&[a.clone(), b.clone()])],
            vec![nested(&[b.clone(), a.clone()])],
        ),
    ] {
        let (one, other) = (of(&one), of(&other));
        assert_ne!(
            equality_key(&one, None, true),
            equality_key(&other, None, true),
            "{one} and {other}"
        );
        assert_eq!(
            equality_key(&one, None, false),
            equality_key(&other, None, false),
            "{one} and {other}"
        );
    }
    // Neither may hide a side, an operator, or the order of values in a list.
    let both = of(&[a.clone(), b.clone()]);
    let either = with(both.clone(), "filter_operator", json!("or"));
    assert_ne!(
        equality_key(&both, None, false),
        equality_key(&either, None, false)
    );
    assert_ne!(
        equality_key(&both, Some(&of(&[a])), false),
        equality_key(&both, None, false)
    );
}

/// As deep as JSON is read, each key takes one walk: with one more for each level this would not end.
#[test]
fn deep_objects_are_compared_in_one_walk() {
    let deep = |value| of(&[object(58, value)]);
    assert_eq!(validate(&deep("a"), None), Ok(()));
    for ordered in [true, false] {
        let key = equality_key(&deep("a"), None, ordered);
        assert!(key.len() < 10_000, "{} characters", key.len());
        assert_ne!(key, equality_key(&deep("b"), None, ordered));
    }
    assert!(validate(&of(&[object(70, "a")]), None).is_err());
}

#[test]
fn expanded_length_counts_characters() {
    let segment = |id: &str| json!({"filter_type": "custom_segments", "id": id});
    let leaf = of(&[text("is", json!("ä"))]);
    let stored = |id: &str| (id == "leaf").then(|| (leaf.clone(), None));
    let length = |filters: &[Value]| expanded_length(&of(filters), None, &stored);
    let characters = |value: &Value| value.to_string().chars().count();
    assert_eq!(length(&[]), characters(&of(&[])));
    let replaced = of(std::slice::from_ref(&leaf));
    assert_eq!(length(&[segment("leaf")]), characters(&replaced));
    let twice = of(&[leaf.clone(), nested(std::slice::from_ref(&leaf))]);
    assert_eq!(
        length(&[segment("leaf"), nested(&[segment("leaf")])]),
        characters(&twice)
    );
    // What is not known stays as it is written.
    assert_eq!(
        length(&[segment("moe_all_users")]),
        characters(&of(&[segment("moe_all_users")]))
    );
    let excluded = expanded_length(&of(&[]), Some(&of(&[segment("leaf")])), &stored);
    assert_eq!(excluded, characters(&of(&[])) + characters(&replaced));
}

#[test]
fn references_are_found_on_both_sides_and_in_groups() {
    let segment = |id: &str| json!({"filter_type": "custom_segments", "id": id});
    let included = of(&[
        nested(&[segment("b"), nested(&[segment("a")])]),
        segment("moe_all_users"),
    ]);
    let excluded = of(&[segment("c"), segment("a")]);
    let ids: Vec<String> = referenced_ids(&included, Some(&excluded)).into_iter().collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(has_nested_group(&excluded, Some(&included)));
    assert!(!has_nested_group(&excluded, None));
    // An object is no nested group.
    assert!(!has_nested_group(&of(&[object(3, "a")]), None));
}

#[test]
fn descriptions_can_be_read() {
    let city = with(text("in", json!(["Pune"])), "negate", json!(true));
    let bought = event(json!({"type": "between", "value": 3, "value1": 7, "period_unit": "days"}));
    for (included, excluded, wanted) in [
        (
            of(&[bought]),
            None,
            "Users where has executed buy between 3 and 7 days",
        ),
        (
            of(&[object(1, "a")]),
            Some(of(&[city])),
            "Users where n with (x is \"a\" (case insensitive)), except those where city not in [\"Pune\"] (case insensitive)",
        ),
    ] {
        assert_eq!(describe(&included, excluded.as_ref()), wanted);
    }
}
