//! Equal definitions in several forms, and the descriptions of definitions.

use super::{
    and_group, city_filter, echo_definition, equality_key, event_filter, expanded_length, has_nested_group,
    key_of, referenced_ids, segment_filter, user_filter, validate, validate_filter, with_field, with_fields,
};
use crate::sandbox::definition::{EchoFormat, describe};
use serde_json::{Value, json};

const ECHO_FORMATS: [EchoFormat; 4] = [
    EchoFormat::AsSent,
    EchoFormat::DefaultsFilled,
    EchoFormat::DefaultsDropped,
    EchoFormat::DashboardDays,
];

fn nested_group(filters: &[Value]) -> Value {
    with_field(and_group(filters), "filter_type", json!("nested_filters"))
}

fn nested_object_filter(levels: usize, value: &str) -> Value {
    let mut inner = json!({"name": "x", "data_type": "string", "operator": "is", "value": value});
    for _ in 0..levels {
        inner = json!({"name": "o", "data_type": "object", "filter_operator": "or", "filters": [inner]});
    }
    user_filter(&with_field(inner, "name", json!("n")))
}

fn sample_filters() -> Vec<Value> {
    let users = json!([
        {"data_type": "double", "operator": "in", "value": [1], "negate": false},
        {"data_type": "bool", "operator": "is", "value": true, "is_dynamic_value": false},
        {"data_type": "datetime", "operator": "inTheLast", "value": 3, "value_type": "relative_past"},
        {"data_type": "datetime", "operator": "on", "value_type": "relative_past", "value": 0},
        {"data_type": "datetime", "operator": "on", "value_type": "relative_future", "value": 0},
        {"data_type": "datetime", "operator": "on", "value": "2026-01-05T00:00:00.000Z"},
        {"data_type": "datetime", "operator": "today"},
        {"data_type": "datetime", "operator": "inTheNext", "value": "{{MoeUserAttribute['o']}}",
         "is_dynamic_value": true, "dynamic_attribute_type": "datetime"},
        {"data_type": "geopoint", "value": 1, "value1": 2, "radius": 3},
        {"data_type": "array_string", "operator": "in", "value": ["a"], "array_filter_type": "any_of"},
        {"data_type": "array_string", "operator": "exists"},
    ]);
    let sum = json!({"attribute_name": "price", "data_type": "double", "aggregation_type": "sum", "operator": "is", "value": 5,
                     "negate": false, "is_dynamic_value": false, "comparator": "change",
                     "base_time_range": {"type": "between", "value": "2026-01-05T00:00:00.000Z", "value1": "2026-01-06T00:00:00.000Z"}});
    let brand = json!({"name": "brand", "data_type": "string", "category": "default", "operator": "in", "value": ["A"]});
    let event_brand = with_field(brand.clone(), "filter_type", json!("event_attributes"));
    let events = json!([
        {},
        {"primary_time_range": {"type": "between", "value": 2, "value1": 3, "period_unit": "days", "value_type": "relative_past"}},
        {"primary_time_range": {"type": "on", "value": 1, "period_unit": "weeks", "value_type": "relative_past"}},
        {"primary_time_range": {"type": "after", "value": "2026-01-05T00:00:00.000Z", "period_unit": "days", "value_type": "absolute"}},
        {"executed": false, "execution": {"type": "exactly", "count": 0}},
        {"execution": {"type": "atleast", "count": 1}},
        {"execution": {"type": "exactly", "count": 2}},
        {"attributes": and_group(&[event_brand])},
        {"aggregation_attributes": and_group(&[sum])},
    ]);
    let week = json!({"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "relative_past"});
    let event = event_filter(week);
    let users = users.as_array().unwrap().iter().map(user_filter);
    let events = events.as_array().unwrap().iter();
    let others = [
        city_filter("in", json!(["a"])),
        nested_object_filter(3, "a"),
        json!({"filter_type": "psychographic_event", "action_name": "view", "execution": {"type": "atleast", "count": 2}, "operator_type": "top", "percent_of_users": 5,
               "psychographic_attributes": and_group(&[brand]), "primary_time_range": {"type": "inTheLast", "days": 3, "value_type": "relative_past"}}),
        with_field(segment_filter("0123456789abcdef01234567"), "name", json!("A")),
        nested_group(&[city_filter("in", json!(["a"])), city_filter("in", json!(["b"]))]),
    ];
    let events = events.map(|fields| with_fields(&event, fields));
    users.chain(events).chain(others).collect()
}

#[test]
fn every_echo_format_has_the_same_equality_key() {
    for filter in sample_filters() {
        let sent = and_group(std::slice::from_ref(&filter));
        assert_eq!(validate(&sent, None), Ok(()), "{filter}");
        for format in ECHO_FORMATS {
            let echoed = echo_definition(&sent, format);
            // A definition without its defaults is a response only.
            let is_valid = format == EchoFormat::DefaultsDropped || validate(&echoed, None).is_ok();
            assert!(is_valid, "{format:?}: {echoed}");
            for ordered in [true, false] {
                let key = equality_key(&echoed, None, ordered);
                assert_eq!(key, equality_key(&sent, None, ordered), "{format:?}: {echoed}");
            }
        }
    }
}

#[test]
fn the_undocumented_form_has_other_words_and_unknown_fields() {
    let sent = and_group(&[
        user_filter(&json!({"data_type": "string", "operator": "is", "value": "a"})),
        user_filter(&json!({"data_type": "geopoint", "value": 1, "value1": 2, "radius": 3})),
        event_filter(
            json!({"type": "before", "value": "2026-01-05T00:00:00.000Z", "value_type": "absolute"}),
        ),
    ]);
    let echoed = echo_definition(&sent, EchoFormat::Undocumented);
    assert_eq!(echoed["filter_type"], json!("nested_filters"));
    let filters = &echoed["filters"];
    assert_eq!(
        [&filters[0]["operator"], &filters[0]["value"]],
        [&json!("in"), &json!(["a"])]
    );
    assert_eq!(filters[0]["schema_version"], json!(2));
    assert_eq!(filters[1]["operator"], json!("around"));
    assert_eq!(filters[2]["project_name"], json!(""));
    assert_eq!(
        filters[2]["primary_time_range"]["value"],
        json!("2026-01-05T00:00:00Z")
    );
}

#[test]
fn sample_filters_are_all_different() {
    let samples = sample_filters();
    for (at, one) in samples.iter().enumerate() {
        for other in &samples[at + 1..] {
            let has_default = other["execution"] == json!({"type": "atleast", "count": 1});
            assert!(
                key_of(one, false) != key_of(other, false) || has_default,
                "{one} and {other}"
            );
        }
    }
}

#[test]
fn echo_formats_fill_or_drop_defaults() {
    let sent = and_group(&[json!({
        "filter_type": "actions", "action_name": "buy", "executed": true,
        "primary_time_range": {"type": "inTheLast", "value": 7, "period_unit": "days"}})]);
    let filled = echo_definition(&sent, EchoFormat::DefaultsFilled);
    let filter = &filled["filters"][0];
    assert_eq!(filter["execution"], json!({"type": "atleast", "count": 1}));
    assert_eq!(filter["attributes"], and_group(&[]));
    assert_eq!(filter["primary_time_range"]["value_type"], json!("relative_past"));
    assert_eq!(echo_definition(&filled, EchoFormat::DefaultsDropped), sent);
    let days = &echo_definition(&sent, EchoFormat::DashboardDays)["filters"][0]["primary_time_range"];
    assert_eq!(*days, json!({"type": "inTheLast", "days": 7}));
}

#[test]
fn definitions_with_equal_meaning_share_an_equality_key() {
    let segment = segment_filter("0123456789abcdef01234567");
    let number = user_filter(&json!({"data_type": "double", "operator": "lessThan"}));
    let day =
        event_filter(json!({"type": "on", "value": "2026-01-05T00:00:00.000Z", "value_type": "absolute"}));
    let in_days = json!({"type": "on", "value": "2026-01-05T00:00:00.000Z", "period_unit": "days", "value_type": "absolute"});
    let absolute = json!({"type": "on", "value": "2026-01-05T00:00:00.000Z", "value_type": "absolute"});
    let list = user_filter(&json!({"data_type": "array_string", "operator": "contains", "value": ["a"]}));
    let today = user_filter(&json!({"data_type": "datetime", "operator": "today"}));
    let three_to_nine = |fields: Value| {
        with_fields(
            &json!({"type": "between", "value": 3, "value1": 9, "value_type": "relative_past"}),
            &fields,
        )
    };
    for (filter, key, one, other) in [
        (&list, "value", json!("a"), json!(["a"])),
        (&list, "array_filter_type", json!("any_of"), Value::Null),
        (&today, "value_type", json!("relative_past"), json!("absolute")),
        (
            &day,
            "primary_time_range",
            three_to_nine(json!({})),
            three_to_nine(json!({"period_unit": "days"})),
        ),
        (&segment, "name", json!("A"), json!("B")),
        (&number, "value", json!(3), json!(3.0)),
        (&day, "primary_time_range", in_days, absolute),
    ] {
        for ordered in [true, false] {
            let [one, other] = [&one, &other].map(|value| with_field(filter.clone(), key, value.clone()));
            assert_eq!(
                key_of(&one, ordered),
                key_of(&other, ordered),
                "{one} and {other}"
            );
        }
    }
    let city = city_filter("is", json!("a"));
    for (key, value) in [("category", json!("Standard")), ("negate", json!(false))] {
        let other = with_field(city.clone(), key, value);
        for ordered in [true, false] {
            assert_eq!(
                key_of(&other, ordered),
                key_of(&city, ordered),
                "{other} and {city}"
            );
        }
    }
}

#[test]
fn order_and_duplicates_matter_only_when_order_sensitive() {
    let [a, b] = ["a", "b"].map(|value| city_filter("is", json!(value)));
    let [ab, ba] = [[&a, &b], [&b, &a]].map(|filters| filters.map(Value::clone).to_vec());
    let aba = vec![a.clone(), b.clone(), a.clone()];
    let child = |value: &str| json!({"name": "c", "data_type": "string", "operator": "is", "value": value});
    let object = |values: [&str; 2]| {
        let children = values.map(child);
        user_filter(&json!({"data_type": "object", "filter_operator": "and", "filters": children}))
    };
    for (one, other) in [
        (ab.clone(), ba.clone()),
        (ab.clone(), aba),
        (vec![object(["a", "b"])], vec![object(["b", "a"])]),
        (vec![nested_group(&ab)], vec![nested_group(&ba)]),
    ] {
        let (one, other) = (and_group(&one), and_group(&other));
        let [strict, loose] =
            [true, false].map(|ordered| [&one, &other].map(|group| equality_key(group, None, ordered)));
        assert_ne!(strict[0], strict[1], "{one} and {other}");
        assert_eq!(loose[0], loose[1], "{one} and {other}");
    }
    // Different operators and excluded filters still make different definitions.
    let both = and_group(&ab);
    let either = with_field(both.clone(), "filter_operator", json!("or"));
    let key = equality_key(&both, None, false);
    assert_ne!(key, equality_key(&either, None, false));
    assert_ne!(key, equality_key(&both, Some(&and_group(&[a])), false));
}

/// The depth is near the parser's limit. With two walks at each level this test would not end.
#[test]
fn equality_keys_of_deep_objects_take_linear_time() {
    let deep = |value| nested_object_filter(58, value);
    assert_eq!(validate_filter(&deep("a")), Ok(()));
    for ordered in [true, false] {
        let key = key_of(&deep("a"), ordered);
        assert!(key.len() < 10_000, "{} characters", key.len());
        assert_ne!(key, key_of(&deep("b"), ordered));
    }
    assert!(validate_filter(&nested_object_filter(110, "a")).is_err());
}

#[test]
fn expanded_length_counts_characters() {
    let leaf = and_group(&[city_filter("is", json!("ä"))]);
    let stored = |id: &str| (id == "leaf").then(|| (leaf.clone(), None));
    let length = |filters: &[Value]| expanded_length(&and_group(filters), None, &stored);
    let characters = |filters: &[Value]| and_group(filters).to_string().chars().count();
    let reference = segment_filter("leaf");
    assert_eq!(length(&[]), characters(&[]));
    let expanded = characters(std::slice::from_ref(&leaf));
    assert_eq!(length(std::slice::from_ref(&reference)), expanded);
    assert_eq!(
        length(&[reference.clone(), nested_group(std::slice::from_ref(&reference))]),
        characters(&[leaf.clone(), nested_group(std::slice::from_ref(&leaf))])
    );
    // Unknown references stay unchanged.
    let unknown = [segment_filter("moe_all_users")];
    assert_eq!(length(&unknown), characters(&unknown));
    let excluded = expanded_length(&and_group(&[]), Some(&and_group(&[reference])), &stored);
    assert_eq!(excluded, characters(&[]) + expanded);
}

#[test]
fn references_are_found_in_included_and_excluded_filters_and_in_nested_groups() {
    let [a, b, c] = ["a", "b", "c"].map(segment_filter);
    let nested = nested_group(&[b, nested_group(std::slice::from_ref(&a))]);
    let included = and_group(&[nested, segment_filter("moe_all_users")]);
    let excluded = and_group(&[c, a]);
    let ids: Vec<String> = referenced_ids(&included, Some(&excluded)).into_iter().collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(has_nested_group(&excluded, Some(&included)));
    assert!(!has_nested_group(&excluded, None));
    // An object is not a nested group.
    let object = and_group(&[nested_object_filter(3, "a")]);
    assert!(!has_nested_group(&object, None));
}

#[test]
fn descriptions_are_readable() {
    let city = with_field(city_filter("in", json!(["Pune"])), "negate", json!(true));
    let bought = event_filter(
        json!({"type": "between", "value": 3, "value1": 7, "period_unit": "days", "value_type": "relative_past"}),
    );
    let bought = and_group(&[bought]);
    assert_eq!(
        describe(&bought, None),
        "Users where has executed buy between 3 and 7 days"
    );
    let object = and_group(&[nested_object_filter(1, "a")]);
    assert_eq!(
        describe(&object, Some(&and_group(&[city]))),
        "Users where n with (x is \"a\" (case insensitive)), except those where city not in [\"Pune\"] (case insensitive)"
    );
}
