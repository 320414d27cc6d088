mod attributes;
mod equivalent_forms;
mod events;

use super::{echo_definition, *};
use serde_json::json;

fn city_filter(operator: &str, value: Value) -> Value {
    json!({"filter_type": "user_attributes", "name": "city", "data_type": "string", "operator": operator, "value": value})
}

fn event_filter(time_range: Value) -> Value {
    json!({"filter_type": "actions", "action_name": "buy", "executed": true, "execution": {"type": "atleast", "count": 1},
           "attributes": {"filter_operator": "and", "filters": []}, "primary_time_range": time_range})
}

fn segment_filter(id: &str) -> Value {
    json!({"filter_type": "custom_segments", "id": id})
}

fn and_group(filters: &[Value]) -> Value {
    json!({"filter_operator": "and", "filters": filters})
}

fn with_field(mut filter: Value, key: &str, value: Value) -> Value {
    filter[key] = value;
    filter
}

fn with_fields(filter: &Value, fields: &Value) -> Value {
    let fields = fields.as_object().unwrap().iter();
    fields.fold(filter.clone(), |filter, (key, value)| {
        with_field(filter, key, value.clone())
    })
}

fn user_filter(fields: &Value) -> Value {
    with_fields(&json!({"filter_type": "user_attributes", "name": "n"}), fields)
}

fn key_of(filter: &Value, order_sensitive: bool) -> String {
    equality_key(&and_group(std::slice::from_ref(filter)), None, order_sensitive)
}

fn validate_filter(filter: &Value) -> Result<(), String> {
    validate(&and_group(std::slice::from_ref(filter)), None)
}

/// Each case is an object of fields that are set in `base`.
fn assert_accepted(base: &Value, cases: &Value) {
    for fields in cases.as_array().unwrap() {
        let filter = with_fields(base, fields);
        assert_eq!(validate_filter(&filter), Ok(()), "{filter}");
    }
}

/// Each case is the path of the error below the filter, and an object of fields that are set in `base`.
fn assert_rejected(base: &Value, cases: &Value) {
    for case in cases.as_array().unwrap() {
        let filter = with_fields(base, &case[1]);
        let message = validate_filter(&filter).unwrap_err();
        let expected = format!("included_filters.filters[0].{}: ", case[0].as_str().unwrap());
        assert!(
            message.starts_with(&expected),
            "{filter} gives {message:?}, not {expected:?}"
        );
    }
}

#[test]
fn valid_filters_are_accepted() {
    let cities = json!([
        {},
        {"operator": "contains", "value": " "},
        {"value": ["{{MoeUserAttribute['home']}}"], "is_dynamic_value": true, "dynamic_attribute_type": "string"},
    ]);
    assert_accepted(&city_filter("in", json!(["Pune"])), &cities);
    let events = json!([
        {},
        {"primary_time_range": {"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "relative_past"}},
        {"primary_time_range":
            {"type": "between", "value": "2026-01-01T00:00:00.000Z", "value1": "2026-01-31T23:59:59.999Z", "value_type": "absolute"}},
        {"primary_time_range": {"type": "on", "value": 1, "period_unit": "weeks", "value_type": "relative_past"}},
    ]);
    assert_accepted(
        &event_filter(json!({"type": "inTheLast", "days": 7, "value_type": "relative_past"})),
        &events,
    );
    let others = json!([
        {"filter_type": "custom_segments", "id": "moe_all_users"},
        {"filter_type": "custom_segments", "id": "0123456789abcdef01234567", "name": "A"},
        {"filter_type": "user_attributes", "name": "home", "data_type": "geopoint", "value": 1.5, "value1": 2, "radius": 10},
        {"filter_type": "user_attributes", "name": "dob", "data_type": "datetime", "operator": "on",
         "extract_type": "date_month_of_the_year", "value": "02-29"},
    ]);
    assert_accepted(&json!({}), &others);
}

#[test]
fn invalid_filters_are_rejected_with_their_path() {
    let cities = json!([
        ["value", {"operator": "in"}],
        ["operator", {"operator": "equals"}],
        ["radius", {"radius": 1}],
    ]);
    assert_rejected(&city_filter("is", json!("Pune")), &cities);
    let events = json!([
        ["primary_time_range.value", {"primary_time_range": {"type": "inTheLast", "value": 0, "period_unit": "days", "value_type": "relative_past"}}],
        ["primary_time_range.period_unit", {"primary_time_range": {"type": "inTheLast", "value": 7, "value_type": "relative_past"}}],
        ["primary_time_range.value1",
         {"primary_time_range": {"type": "between", "value": 9, "value1": 3, "period_unit": "days", "value_type": "relative_past"}}],
        ["primary_time_range.value", {"primary_time_range": {"type": "on", "value": "2026-02-30T00:00:00.000Z", "value_type": "absolute"}}],
        ["primary_time_range.value_type",
         {"primary_time_range": {"type": "after", "value": 3, "period_unit": "days", "value_type": "relative_past"}}],
        ["executed", {"executed": "yes"}],
        ["primary_time_range.value_type",
         {"primary_time_range": {"type": "inTheLast", "value": 7, "period_unit": "days"}}],
    ]);
    assert_rejected(
        &event_filter(json!({"type": "inTheLast", "days": 1, "value_type": "relative_past"})),
        &events,
    );
    let others = json!([
        ["id", {"filter_type": "custom_segments", "id": "A"}],
        ["filter_type", {"filter_type": "sql"}],
    ]);
    assert_rejected(&json!({}), &others);
    let message = validate_filter(&json!([])).unwrap_err();
    assert!(message.starts_with("included_filters.filters[0]: "), "{message}");
}

#[test]
fn groups_are_accepted_to_a_depth_that_needs_little_stack() {
    for (levels, is_valid) in [(64, true), (100, true), (101, false)] {
        let mut group = and_group(&[]);
        for _ in 0..levels {
            group["filter_type"] = json!("nested_filters");
            group = and_group(&[group]);
        }
        assert_eq!(validate(&group, None).is_ok(), is_valid, "{levels}");
    }
}

#[test]
fn equivalent_forms_have_the_same_equality_key() {
    let week = event_filter(
        json!({"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "relative_past"}),
    );
    let city = city_filter("in", json!(["a"]));
    let one = and_group(&[week, city.clone()]);
    let key = |included: &Value, excluded: Option<&Value>| equality_key(included, excluded, true);
    for format in [
        EchoFormat::AsSent,
        EchoFormat::DefaultsFilled,
        EchoFormat::DefaultsDropped,
        EchoFormat::DashboardDays,
    ] {
        let echoed = echo_definition(&one, format);
        let is_request = format != EchoFormat::DefaultsDropped;
        assert_eq!(validate(&echoed, None).is_ok(), is_request, "{echoed}");
        assert_eq!(key(&echoed, None), key(&one, None), "{format:?}");
        let without_filters = and_group(&[]);
        assert_eq!(
            key(&echoed, Some(&without_filters)),
            key(&one, None),
            "{format:?}"
        );
    }
    let explicit = with_field(
        event_filter(json!({"type": "inTheLast", "days": 7, "value_type": "relative_past"})),
        "execution",
        json!({"type": "atleast", "count": 1}),
    );
    assert_eq!(key(&and_group(&[explicit, city]), None), key(&one, None));
}

#[test]
fn filter_order_matters_only_when_the_switch_is_on() {
    let (a, b) = (city_filter("in", json!(["a"])), city_filter("in", json!(["b"])));
    let key = |filters: [&Value; 2], order_sensitive| {
        equality_key(&and_group(&filters.map(Value::clone)), None, order_sensitive)
    };
    assert_ne!(key([&a, &b], true), key([&b, &a], true));
    assert_eq!(key([&a, &b], false), key([&b, &a], false));
    let wrapped = with_field(
        and_group(std::slice::from_ref(&b)),
        "filter_type",
        json!("nested_filters"),
    );
    assert_eq!(key([&a, &wrapped], false), key([&a, &b], false));
}

#[test]
fn definitions_with_different_meanings_have_different_keys() {
    let one = event_filter(
        json!({"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "relative_past"}),
    );
    let differences = json!([
        {"primary_time_range": {"type": "inTheLast", "value": 8, "period_unit": "days", "value_type": "relative_past"}},
        {"primary_time_range": {"type": "inTheLast", "value": 7, "period_unit": "weeks", "value_type": "relative_past"}},
        {"executed": false},
        {"execution": {"type": "atleast", "count": 2}},
        {"action_name": "sell"},
    ]);
    for fields in differences.as_array().unwrap() {
        let other = with_fields(&one, fields);
        assert_ne!(key_of(&other, true), key_of(&one, true), "{other}");
    }
}

#[test]
fn expansion_of_diamonds_and_cycles_terminates() {
    let to = |ids: &[&str]| and_group(&ids.iter().map(|id| segment_filter(id)).collect::<Vec<_>>());
    // Each level refers to the next one twice, so there are 2^40 paths.
    let diamond = |id: &str| {
        let level: usize = id.parse().ok()?;
        let next = (level + 1).to_string();
        let included = if level < 40 { to(&[&next, &next]) } else { to(&[]) };
        Some((included, None))
    };
    assert!(expanded_length(&to(&["0"]), None, &diamond) > 262_144);
    let cycle = |_: &str| Some((to(&["0"]), None));
    assert!(expanded_length(&to(&["0"]), None, &cycle) < 1000);
}
