mod attributes;
mod events;
mod forms;

use super::*;
use serde_json::json;

fn text(operator: &str, value: Value) -> Value {
    json!({"filter_type": "user_attributes", "name": "city", "data_type": "string", "operator": operator, "value": value})
}

fn event(window: Value) -> Value {
    json!({"filter_type": "actions", "action_name": "buy", "executed": true, "primary_time_range": window})
}

fn of(filters: &[Value]) -> Value {
    json!({"filter_operator": "and", "filters": filters})
}

fn with(mut filter: Value, key: &str, value: Value) -> Value {
    filter[key] = value;
    filter
}

/// A filter of type `kind` with `fields`.
fn filter(kind: &str, fields: Value) -> Value {
    with(fields, "filter_type", json!(kind))
}

fn user(fields: Value) -> Value {
    filter("user_attributes", with(fields, "name", json!("n")))
}

fn all_taken(filters: impl IntoIterator<Item = Value>) {
    for filter in filters {
        assert_eq!(
            validate(&of(std::slice::from_ref(&filter)), None),
            Ok(()),
            "{filter}"
        );
    }
}

/// Each is refused, with the path below `filters[0]`.
fn all_refused(filters: impl IntoIterator<Item = (Value, &'static str)>) {
    for (filter, path) in filters {
        let refused = validate(&of(std::slice::from_ref(&filter)), None);
        let wanted = format!("included_filters.filters[0].{path}: ");
        let fits = refused
            .as_ref()
            .is_err_and(|message| message.starts_with(&wanted));
        assert!(fits, "{filter} gives {refused:?}, not {wanted:?}");
    }
}

#[test]
fn good_filters_are_taken() {
    let good = [
        text("in", json!(["Pune"])),
        text("contains", json!(" ")),
        with(
            text("in", json!(["{{MoeUserAttribute['home']}}"])),
            "is_dynamic_value",
            json!(true),
        ),
        event(json!({"type": "inTheLast", "value": 7, "period_unit": "days"})),
        event(json!({"type": "inTheLast", "days": 7})),
        event(
            json!({"type": "between", "value": "2026-01-01T00:00:00.000Z", "value1": "2026-01-31T23:59:59.999Z"}),
        ),
        event(json!({"type": "on", "value": 1, "period_unit": "weeks", "value_type": "relative_past"})),
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
        assert_eq!(validate(&of(&[filter.clone()]), None), Ok(()), "{filter}");
    }
}

#[test]
fn bad_filters_are_refused_with_the_path() {
    let bad = [
        (text("in", json!("Pune")), "filters[0].value"),
        (text("equals", json!("Pune")), "filters[0].operator"),
        (
            with(text("is", json!("a")), "radius", json!(1)),
            "filters[0].radius",
        ),
        (
            event(json!({"type": "inTheLast", "value": 0, "period_unit": "days"})),
            "primary_time_range.value",
        ),
        (
            event(json!({"type": "inTheLast", "value": 7})),
            "primary_time_range.period_unit",
        ),
        (
            event(json!({"type": "between", "value": 9, "value1": 3, "period_unit": "days"})),
            "primary_time_range.value1",
        ),
        (
            event(json!({"type": "on", "value": "2026-02-30T00:00:00.000Z"})),
            "primary_time_range.value",
        ),
        (
            event(json!({"type": "after", "value": 3, "period_unit": "days"})),
            "primary_time_range.value_type",
        ),
        (
            with(
                event(json!({"type": "inTheLast", "days": 1})),
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
        let refused = validate(&of(std::slice::from_ref(&filter)), None).unwrap_err();
        assert!(
            refused.starts_with("included_filters.filters[0]") && refused.contains(path),
            "{refused} for {filter}"
        );
    }
}

#[test]
fn deep_groups_are_refused_and_nothing_overflows() {
    let mut group = of(&[]);
    for _ in 0..100 {
        group["filter_type"] = json!("nested_filters");
        group = of(&[group]);
    }
    assert!(validate(&group, None).is_err());
}

#[test]
fn spelling_does_not_make_a_definition_another() {
    let one = of(&[
        event(json!({"type": "inTheLast", "value": 7, "period_unit": "days"})),
        text("in", json!(["a"])),
    ]);
    for style in [
        Echo::AsSent,
        Echo::DefaultsFilled,
        Echo::DefaultsDropped,
        Echo::DashboardDays,
    ] {
        let echoed = echo(&one, style);
        assert_eq!(validate(&echoed, None), Ok(()), "{echoed}");
        assert_eq!(
            equality_key(&echoed, None, true),
            equality_key(&one, None, true),
            "{style:?}"
        );
        assert_eq!(
            equality_key(&echoed, Some(&of(&[])), true),
            equality_key(&one, None, true),
            "{style:?}"
        );
    }
    let spelled = with(
        event(json!({"type": "inTheLast", "days": 7, "value_type": "relative_past"})),
        "execution",
        json!({"type": "atleast", "count": 1}),
    );
    assert_eq!(
        equality_key(&of(&[spelled, text("in", json!(["a"]))]), None, true),
        equality_key(&one, None, true)
    );
}

#[test]
fn order_counts_only_when_the_switch_says_so() {
    let (a, b) = (text("in", json!(["a"])), text("in", json!(["b"])));
    let (one, other) = (of(&[a.clone(), b.clone()]), of(&[b.clone(), a.clone()]));
    assert_ne!(equality_key(&one, None, true), equality_key(&other, None, true));
    assert_eq!(equality_key(&one, None, false), equality_key(&other, None, false));
    let wrapped = with(of(&[b]), "filter_type", json!("nested_filters"));
    assert_eq!(
        equality_key(&of(&[a, wrapped]), None, false),
        equality_key(&one, None, false)
    );
}

#[test]
fn a_change_of_meaning_makes_another_definition() {
    let one = event(json!({"type": "inTheLast", "value": 7, "period_unit": "days"}));
    let others = [
        event(json!({"type": "inTheLast", "value": 8, "period_unit": "days"})),
        event(json!({"type": "inTheLast", "value": 7, "period_unit": "weeks"})),
        with(one.clone(), "executed", json!(false)),
        with(one.clone(), "execution", json!({"type": "atleast", "count": 2})),
        with(one.clone(), "action_name", json!("sell")),
    ];
    for other in others {
        assert_ne!(
            equality_key(&of(std::slice::from_ref(&other)), None, true),
            equality_key(&of(std::slice::from_ref(&one)), None, true),
            "{other}"
        );
    }
}

#[test]
fn expansion_of_diamonds_and_circles_ends() {
    let to = |ids: &[&str]| {
        let filters: Vec<_> = ids
            .iter()
            .map(|id| json!({"filter_type": "custom_segments", "id": id}))
            .collect();
        of(&filters)
    };
    // Each level refers to the next one twice: 2^40 ways through.
    let diamond = |id: &str| {
        let level: usize = id.parse().ok()?;
        Some((
            if level < 40 {
                to(&[&format!("{}", level + 1), &format!("{}", level + 1)])
            } else {
                of(&[])
            },
            None,
        ))
    };
    assert!(expanded_length(&to(&["0"]), None, &diamond) > 262_144);
    let circle = |_: &str| Some((to(&["0"]), None));
    assert!(expanded_length(&to(&["0"]), None, &circle) < 1000);
}
