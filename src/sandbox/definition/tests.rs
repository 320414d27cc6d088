mod attributes;
mod equivalent_forms;
mod events;

use super::{echo_definition, *};
use serde_json::json;

fn city_filter(operator: &str, value: Value) -> Value {
    json!({"filter_type": "user_attributes", "name": "city", "data_type": "string", "operator": operator, "value": value})
}

fn event_filter(window: Value) -> Value {
    json!({"filter_type": "actions", "action_name": "buy", "executed": true, "primary_time_range": window})
}

fn and_group(filters: &[Value]) -> Value {
    json!({"filter_operator": "and", "filters": filters})
}

fn with_field(mut filter: Value, key: &str, value: Value) -> Value {
    filter[key] = value;
    filter
}

/// A filter of type `kind` with `fields`.
fn typed_filter(kind: &str, fields: Value) -> Value {
    with_field(fields, "filter_type", json!(kind))
}

fn user_filter(fields: Value) -> Value {
    typed_filter("user_attributes", with_field(fields, "name", json!("n")))
}

fn assert_all_accepted(filters: impl IntoIterator<Item = Value>) {
    for filter in filters {
        assert_eq!(
            validate(&and_group(std::slice::from_ref(&filter)), None),
            Ok(()),
            "{filter}"
        );
    }
}

/// Each is refused, with the path below `filters[0]`.
fn assert_all_rejected(filters: impl IntoIterator<Item = (Value, &'static str)>) {
    for (filter, path) in filters {
        let refused = validate(&and_group(std::slice::from_ref(&filter)), None);
        let wanted = format!("included_filters.filters[0].{path}: ");
        let fits = refused
            .as_ref()
            .is_err_and(|message| message.starts_with(&wanted));
        assert!(fits, "{filter} gives {refused:?}, not {wanted:?}");
    }
}

#[test]
fn valid_filters_are_accepted() {
    let good = [
        city_filter("in", json!(["Pune"])),
        city_filter("contains", json!(" ")),
        with_field(
            city_filter("in", json!(["{{MoeUserAttribute['home']}}"])),
            "is_dynamic_value",
            json!(true),
        ),
        event_filter(json!({"type": "inTheLast", "value": 7, "period_unit": "days"})),
        event_filter(json!({"type": "inTheLast", "days": 7})),
        event_filter(
            json!({"type": "between", "value": "2026-01-01T00:00:00.000Z", "value1": "2026-01-31T23:59:59.999Z"}),
        ),
        event_filter(
            json!({"type": "on", "value": 1, "period_unit": "weeks", "value_type": "relative_past"}),
        ),
        json!({"filter_type": "custom_segments", "id": "moe_all_users"}),
        json!({"filter_type": "custom_segments", "id": "0123456789abcdef01234567", "name": "A"}),
        json!({"filter_type": "user_attributes", "name": "home", "data_type": "geopoint", "value": 1.5, "value1": 2, "radius": 10}),
        json!({"filter_type": "user_attributes", "name": "dob", "data_type": "datetime", "operator": "on",
               "extract_type": "date_month_of_the_year", "value": "02-29"}),
    ];
    for mut filter in good {
        if filter.get("is_dynamic_value").is_some() {
            filter["dynamic_attribute_type"] = json!("string");
        }
        assert_eq!(validate(&and_group(&[filter.clone()]), None), Ok(()), "{filter}");
    }
}

#[test]
fn invalid_filters_are_rejected_with_their_path() {
    let bad = [
        (city_filter("in", json!("Pune")), "filters[0].value"),
        (city_filter("equals", json!("Pune")), "filters[0].operator"),
        (
            with_field(city_filter("is", json!("a")), "radius", json!(1)),
            "filters[0].radius",
        ),
        (
            event_filter(json!({"type": "inTheLast", "value": 0, "period_unit": "days"})),
            "primary_time_range.value",
        ),
        (
            event_filter(json!({"type": "inTheLast", "value": 7})),
            "primary_time_range.period_unit",
        ),
        (
            event_filter(json!({"type": "between", "value": 9, "value1": 3, "period_unit": "days"})),
            "primary_time_range.value1",
        ),
        (
            event_filter(json!({"type": "on", "value": "2026-02-30T00:00:00.000Z"})),
            "primary_time_range.value",
        ),
        (
            event_filter(json!({"type": "after", "value": 3, "period_unit": "days"})),
            "primary_time_range.value_type",
        ),
        (
            with_field(
                event_filter(json!({"type": "inTheLast", "days": 1})),
                "executed",
                json!("yes"),
            ),
            "filters[0].executed",
        ),
        (
            json!({"filter_type": "custom_segments", "id": "A"}),
            "filters[0].id",
        ),
        (json!({"filter_type": "sql"}), "filters[0].filter_type"),
        (json!([]), "filters[0]"),
    ];
    for (filter, path) in bad {
        let refused = validate(&and_group(std::slice::from_ref(&filter)), None).unwrap_err();
        assert!(
            refused.starts_with("included_filters.filters[0]") && refused.contains(path),
            "{refused} for {filter}"
        );
    }
}

#[test]
fn deeply_nested_groups_are_rejected_without_stack_overflow() {
    let mut group = and_group(&[]);
    for _ in 0..100 {
        group["filter_type"] = json!("nested_filters");
        group = and_group(&[group]);
    }
    assert!(validate(&group, None).is_err());
}

#[test]
fn equivalent_forms_have_the_same_equality_key() {
    let one = and_group(&[
        event_filter(json!({"type": "inTheLast", "value": 7, "period_unit": "days"})),
        city_filter("in", json!(["a"])),
    ]);
    for style in [
        EchoFormat::AsSent,
        EchoFormat::DefaultsFilled,
        EchoFormat::DefaultsDropped,
        EchoFormat::DashboardDays,
    ] {
        let echoed = echo_definition(&one, style);
        assert_eq!(validate(&echoed, None), Ok(()), "{echoed}");
        assert_eq!(
            equality_key(&echoed, None, true),
            equality_key(&one, None, true),
            "{style:?}"
        );
        assert_eq!(
            equality_key(&echoed, Some(&and_group(&[])), true),
            equality_key(&one, None, true),
            "{style:?}"
        );
    }
    let spelled = with_field(
        event_filter(json!({"type": "inTheLast", "days": 7, "value_type": "relative_past"})),
        "execution",
        json!({"type": "atleast", "count": 1}),
    );
    assert_eq!(
        equality_key(
            &and_group(&[spelled, city_filter("in", json!(["a"]))]),
            None,
            true
        ),
        equality_key(&one, None, true)
    );
}

#[test]
fn filter_order_matters_only_when_the_switch_is_on() {
    let (a, b) = (city_filter("in", json!(["a"])), city_filter("in", json!(["b"])));
    let (one, other) = (
        and_group(&[a.clone(), b.clone()]),
        and_group(&[b.clone(), a.clone()]),
    );
    assert_ne!(equality_key(&one, None, true), equality_key(&other, None, true));
    assert_eq!(equality_key(&one, None, false), equality_key(&other, None, false));
    let wrapped = with_field(and_group(&[b]), "filter_type", json!("nested_filters"));
    assert_eq!(
        equality_key(&and_group(&[a, wrapped]), None, false),
        equality_key(&one, None, false)
    );
}

#[test]
fn definitions_with_different_meanings_have_different_keys() {
    let one = event_filter(json!({"type": "inTheLast", "value": 7, "period_unit": "days"}));
    let others = [
        event_filter(json!({"type": "inTheLast", "value": 8, "period_unit": "days"})),
        event_filter(json!({"type": "inTheLast", "value": 7, "period_unit": "weeks"})),
        with_field(one.clone(), "executed", json!(false)),
        with_field(one.clone(), "execution", json!({"type": "atleast", "count": 2})),
        with_field(one.clone(), "action_name", json!("sell")),
    ];
    for other in others {
        assert_ne!(
            equality_key(&and_group(std::slice::from_ref(&other)), None, true),
            equality_key(&and_group(std::slice::from_ref(&one)), None, true),
            "{other}"
        );
    }
}

#[test]
fn expansion_of_diamonds_and_cycles_terminates() {
    let to = |ids: &[&str]| {
        let filters: Vec<_> = ids
            .iter()
            .map(|id| json!({"filter_type": "custom_segments", "id": id}))
            .collect();
        and_group(&filters)
    };
    // Each level refers to the next one twice: 2^40 ways through.
    let diamond = |id: &str| {
        let level: usize = id.parse().ok()?;
        Some((
            if level < 40 {
                to(&[&format!("{}", level + 1), &format!("{}", level + 1)])
            } else {
                and_group(&[])
            },
            None,
        ))
    };
    assert!(expanded_length(&to(&["0"]), None, &diamond) > 262_144);
    let circle = |_: &str| Some((to(&["0"]), None));
    assert!(expanded_length(&to(&["0"]), None, &circle) < 1000);
}
