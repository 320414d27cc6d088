//! One meaning in several forms, and what a definition is said to be.

use super::{
    and_group, city_filter, echo_definition, equality_key, event_filter, expanded_length, has_nested_group,
    referenced_ids, validate, with_field,
};
use crate::sandbox::definition::{EchoFormat, describe};
use serde_json::{Value, json};

const ECHO_FORMATS: [EchoFormat; 4] = [
    EchoFormat::AsSent,
    EchoFormat::DefaultsFilled,
    EchoFormat::DefaultsDropped,
    EchoFormat::DashboardDays,
];

fn user_filter(mut fields: Value) -> Value {
    fields["filter_type"] = json!("user_attributes");
    fields["name"] = json!("n");
    fields
}

fn nested_group(filters: &[Value]) -> Value {
    with_field(and_group(filters), "filter_type", json!("nested_filters"))
}

fn nested_object_filter(levels: usize, value: &str) -> Value {
    let mut inner = json!({"name": "x", "data_type": "string", "operator": "is", "value": value});
    for _ in 0..levels {
        inner = json!({"name": "o", "data_type": "object", "filter_operator": "or", "filters": [inner]});
    }
    user_filter(inner)
}

/// One filter of every kind, with defaults partly said.
fn sample_filters() -> Vec<Value> {
    let week = json!({"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "relative_past"});
    let sum = json!({"attribute_name": "price", "data_type": "double", "aggregation_type": "sum", "operator": "is", "value": 5,
                     "negate": false, "is_dynamic_value": false, "comparator": "change",
                     "base_time_range": {"type": "between", "value": 7, "value1": 14}});
    let brand = json!({"name": "brand", "data_type": "string", "category": "default", "operator": "in", "value": ["A"]});
    vec![
        city_filter("in", json!(["a"])),
        user_filter(json!({"data_type": "double", "operator": "in", "value": [1], "negate": false})),
        user_filter(json!({"data_type": "bool", "operator": "is", "value": true, "is_dynamic_value": false})),
        user_filter(
            json!({"data_type": "datetime", "operator": "inTheLast", "value": 3, "value_type": "relative_past"}),
        ),
        user_filter(
            json!({"data_type": "datetime", "operator": "on", "value_type": "relative_past", "value": 0}),
        ),
        user_filter(
            json!({"data_type": "datetime", "operator": "on", "value_type": "relative_future", "value": 0}),
        ),
        user_filter(json!({"data_type": "datetime", "operator": "on", "value": "2026-01-05T00:00:00.000Z"})),
        user_filter(json!({"data_type": "datetime", "operator": "today"})),
        user_filter(
            json!({"data_type": "datetime", "operator": "inTheNext", "value": "{{MoeUserAttribute['o']}}",
                    "is_dynamic_value": true, "dynamic_attribute_type": "datetime"}),
        ),
        user_filter(json!({"data_type": "geopoint", "value": 1, "value1": 2, "radius": 3})),
        user_filter(
            json!({"data_type": "array_string", "operator": "in", "value": ["a"], "array_filter_type": "any_of"}),
        ),
        user_filter(json!({"data_type": "array_string", "operator": "exists"})),
        nested_object_filter(3, "a"),
        event_filter(week.clone()),
        event_filter(json!({"type": "between", "value": 2, "value1": 3, "period_unit": "days"})),
        event_filter(json!({"type": "on", "value": 1, "period_unit": "weeks"})),
        event_filter(json!({"type": "after", "value": "2026-01-05T00:00:00.000Z", "period_unit": "days"})),
        with_field(event_filter(week.clone()), "executed", json!(false)),
        with_field(
            event_filter(week.clone()),
            "execution",
            json!({"type": "atleast", "count": 1}),
        ),
        with_field(
            event_filter(week.clone()),
            "execution",
            json!({"type": "exactly", "count": 2}),
        ),
        with_field(
            event_filter(week.clone()),
            "attributes",
            and_group(&[with_field(
                brand.clone(),
                "filter_type",
                json!("event_attributes"),
            )]),
        ),
        with_field(event_filter(week), "aggregation_attributes", and_group(&[sum])),
        json!({"filter_type": "psychographic_event", "action_name": "view", "operator_type": "top", "percent_of_users": 5,
               "psychographic_attributes": and_group(&[brand]), "primary_time_range": {"type": "inTheLast", "days": 3}}),
        json!({"filter_type": "custom_segments", "id": "0123456789abcdef01234567", "name": "A"}),
        nested_group(&[city_filter("in", json!(["a"])), city_filter("in", json!(["b"]))]),
    ]
}

#[test]
fn every_echo_format_is_accepted_and_has_the_same_equality_key() {
    for filter in sample_filters() {
        let sent = and_group(std::slice::from_ref(&filter));
        assert_eq!(validate(&sent, None), Ok(()), "{filter}");
        for style in ECHO_FORMATS {
            let echoed = echo_definition(&sent, style);
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
fn sample_filters_are_all_different() {
    let samples = sample_filters();
    for (at, one) in samples.iter().enumerate() {
        for other in &samples[at + 1..] {
            let key = |filter: &Value| equality_key(&and_group(std::slice::from_ref(filter)), None, false);
            let says_default = |filter: &Value| filter["execution"] == json!({"type": "atleast", "count": 1});
            assert!(key(one) != key(other) || says_default(other), "{one} and {other}");
        }
    }
}

#[test]
fn echo_formats_fill_or_drop_defaults() {
    let week = json!({"type": "inTheLast", "value": 7, "period_unit": "days"});
    let filled = &echo_definition(
        &and_group(&[event_filter(week.clone())]),
        EchoFormat::DefaultsFilled,
    )["filters"][0];
    assert_eq!(filled["execution"], json!({"type": "atleast", "count": 1}));
    assert_eq!(
        filled["attributes"],
        json!({"filter_operator": "and", "filters": []})
    );
    assert_eq!(filled["primary_time_range"]["value_type"], json!("relative_past"));
    assert_eq!(
        echo_definition(
            &and_group(std::slice::from_ref(filled)),
            EchoFormat::DefaultsDropped
        ),
        and_group(&[event_filter(week.clone())])
    );
    let days = &echo_definition(&and_group(&[event_filter(week)]), EchoFormat::DashboardDays)["filters"][0]["primary_time_range"];
    assert_eq!(*days, json!({"type": "inTheLast", "days": 7}));
}

#[test]
fn definitions_with_equal_meaning_share_an_equality_key() {
    let segment = |name: &str| json!({"filter_type": "custom_segments", "id": "0123456789abcdef01234567", "name": name});
    let number =
        |value: Value| user_filter(json!({"data_type": "double", "operator": "lessThan", "value": value}));
    let day = "2026-01-05T00:00:00.000Z";
    for (one, other) in [
        (segment("A"), segment("B")),
        (number(json!(3)), number(json!(3.0))),
        (
            event_filter(json!({"type": "on", "value": day, "period_unit": "days"})),
            event_filter(json!({"type": "on", "value": day, "value_type": "absolute"})),
        ),
        (
            with_field(city_filter("is", json!("a")), "category", json!("Standard")),
            city_filter("is", json!("a")),
        ),
        (
            with_field(city_filter("is", json!("a")), "negate", json!(false)),
            city_filter("is", json!("a")),
        ),
    ] {
        for ordered in [true, false] {
            let key = |filter: &Value| equality_key(&and_group(std::slice::from_ref(filter)), None, ordered);
            assert_eq!(key(&one), key(&other), "{one} and {other}");
        }
    }
}

#[test]
fn order_and_duplicates_matter_only_when_order_sensitive() {
    let [a, b] = ["a", "b"].map(|value| city_filter("is", json!(value)));
    let child = |value: &str| json!({"name": "c", "data_type": "string", "operator": "is", "value": value});
    let under = |children: [Value; 2]| {
        user_filter(json!({"data_type": "object", "filter_operator": "and", "filters": children}))
    };
    for (one, other) in [
        (vec![a.clone(), b.clone()], vec![b.clone(), a.clone()]),
        (vec![a.clone(), b.clone()], vec![a.clone(), b.clone(), a.clone()]),
        (
            vec![under([child("a"), child("b")])],
            vec![under([child("b"), child("a")])],
        ),
        (
            vec![nested_group(&[a.clone(), b.clone()])],
            vec![nested_group(&[b.clone(), a.clone()])],
        ),
    ] {
        let (one, other) = (and_group(&one), and_group(&other));
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
    let both = and_group(&[a.clone(), b.clone()]);
    let either = with_field(both.clone(), "filter_operator", json!("or"));
    assert_ne!(
        equality_key(&both, None, false),
        equality_key(&either, None, false)
    );
    assert_ne!(
        equality_key(&both, Some(&and_group(&[a])), false),
        equality_key(&both, None, false)
    );
}

/// As deep as JSON is read, each key takes one walk: with one more for each level this would not end.
#[test]
fn equality_keys_of_deep_objects_take_linear_time() {
    let deep = |value| and_group(&[nested_object_filter(58, value)]);
    assert_eq!(validate(&deep("a"), None), Ok(()));
    for ordered in [true, false] {
        let key = equality_key(&deep("a"), None, ordered);
        assert!(key.len() < 10_000, "{} characters", key.len());
        assert_ne!(key, equality_key(&deep("b"), None, ordered));
    }
    assert!(validate(&and_group(&[nested_object_filter(70, "a")]), None).is_err());
}

#[test]
fn expanded_length_counts_characters() {
    let segment = |id: &str| json!({"filter_type": "custom_segments", "id": id});
    let leaf = and_group(&[city_filter("is", json!("ä"))]);
    let stored = |id: &str| (id == "leaf").then(|| (leaf.clone(), None));
    let length = |filters: &[Value]| expanded_length(&and_group(filters), None, &stored);
    let characters = |value: &Value| value.to_string().chars().count();
    assert_eq!(length(&[]), characters(&and_group(&[])));
    let replaced = and_group(std::slice::from_ref(&leaf));
    assert_eq!(length(&[segment("leaf")]), characters(&replaced));
    let twice = and_group(&[leaf.clone(), nested_group(std::slice::from_ref(&leaf))]);
    assert_eq!(
        length(&[segment("leaf"), nested_group(&[segment("leaf")])]),
        characters(&twice)
    );
    // What is not known stays as it is written.
    assert_eq!(
        length(&[segment("moe_all_users")]),
        characters(&and_group(&[segment("moe_all_users")]))
    );
    let excluded = expanded_length(&and_group(&[]), Some(&and_group(&[segment("leaf")])), &stored);
    assert_eq!(excluded, characters(&and_group(&[])) + characters(&replaced));
}

#[test]
fn references_are_found_in_included_and_excluded_filters_and_in_nested_groups() {
    let segment = |id: &str| json!({"filter_type": "custom_segments", "id": id});
    let included = and_group(&[
        nested_group(&[segment("b"), nested_group(&[segment("a")])]),
        segment("moe_all_users"),
    ]);
    let excluded = and_group(&[segment("c"), segment("a")]);
    let ids: Vec<String> = referenced_ids(&included, Some(&excluded)).into_iter().collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(has_nested_group(&excluded, Some(&included)));
    assert!(!has_nested_group(&excluded, None));
    // An object is no nested group.
    assert!(!has_nested_group(
        &and_group(&[nested_object_filter(3, "a")]),
        None
    ));
}

#[test]
fn descriptions_are_readable() {
    let city = with_field(city_filter("in", json!(["Pune"])), "negate", json!(true));
    let bought = event_filter(json!({"type": "between", "value": 3, "value1": 7, "period_unit": "days"}));
    for (included, excluded, wanted) in [
        (
            and_group(&[bought]),
            None,
            "Users where has executed buy between 3 and 7 days",
        ),
        (
            and_group(&[nested_object_filter(1, "a")]),
            Some(and_group(&[city])),
            "Users where n with (x is \"a\" (case insensitive)), except those where city not in [\"Pune\"] (case insensitive)",
        ),
    ] {
        assert_eq!(describe(&included, excluded.as_ref()), wanted);
    }
}
