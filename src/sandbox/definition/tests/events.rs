//! Which events, affinities and groups are taken, and which are refused.

use super::{all_refused, all_taken, event, filter, of, user, validate, with};
use serde_json::{Value, json};

#[test]
fn windows_of_events_have_two_forms() {
    let day = "2026-01-05T00:00:00.000Z";
    all_taken(
        [
            json!({"type": "inTheLast", "value": 3, "period_unit": "hours", "value_type": "relative_past"}),
            json!({"type": "on", "value": 0, "period_unit": "months"}),
            json!({"type": "before", "value": 2, "period_unit": "weeks"}),
            json!({"type": "between", "days": 3, "days1": 5, "value_type": "relative_past"}),
            json!({"type": "inTheLast", "days": 7, "period_unit": "days"}),
            json!({"type": "after", "value": day, "value_type": "absolute", "period_unit": "days"}),
        ]
        .map(event),
    );
    let bad = [
        (
            json!({"type": "inTheLast", "value": "7", "period_unit": "days"}),
            "value",
        ),
        (
            json!({"type": "inTheLast", "value": 1.5, "period_unit": "days"}),
            "value",
        ),
        (
            json!({"type": "inTheLast", "value": 7, "period_unit": "years"}),
            "period_unit",
        ),
        (
            json!({"type": "inTheLast", "days": 7, "period_unit": "weeks"}),
            "period_unit",
        ),
        (json!({"type": "inTheLast", "days": 7, "value": 7}), "value"),
        (
            json!({"type": "inTheLast", "value": 7, "value1": 9, "period_unit": "days"}),
            "value1",
        ),
        (json!({"type": "between", "days": 5, "days1": 3}), "days1"),
        (
            json!({"type": "inTheNext", "value": 7, "period_unit": "days"}),
            "type",
        ),
        (
            json!({"type": "on", "value": 1, "period_unit": "days", "value_type": "relative_future"}),
            "value_type",
        ),
        (
            json!({"type": "on", "value": "2026-01-05T10:00:00.000Z"}),
            "value",
        ),
        (json!({"type": "between", "value": day, "value1": day}), "value1"),
        (
            json!({"type": "between", "value": day, "value1": "2026-01-04T23:59:59.999Z"}),
            "value1",
        ),
        (json!({"type": "inTheLast", "from": day}), "from"),
    ];
    for (window, key) in bad {
        let refused = validate(&of(&[event(window.clone())]), None);
        let wanted = format!("included_filters.filters[0].primary_time_range.{key}: ");
        assert!(
            refused
                .as_ref()
                .is_err_and(|message| message.starts_with(&wanted)),
            "{window} gives {refused:?}"
        );
    }
}

#[test]
fn executions_say_how_often() {
    let event = filter("actions", json!({"action_name": "buy", "executed": true}));
    let how = |execution: Value| with(event.clone(), "execution", execution);
    let never = |execution: Value| with(how(execution), "executed", json!(false));
    all_taken([
        event.clone(),
        with(event.clone(), "executed", json!(false)),
        with(event.clone(), "project_name", json!("moe_portfolio")),
        how(json!({"type": "atmost", "count": 3})),
        how(json!({"type": "firstTime"})),
        never(json!({"type": "exactly", "count": 0})),
    ]);
    all_refused([
        (how(json!({"type": "atleast", "count": 0})), "execution.count"),
        (how(json!({"type": "atleast"})), "execution.count"),
        (how(json!({"type": "lastTime", "count": 1})), "execution.count"),
        (how(json!({"type": "often", "count": 1})), "execution.type"),
        (never(json!({"type": "atleast", "count": 1})), "execution"),
        (never(json!({"type": "exactly", "count": 1})), "execution"),
        (with(event.clone(), "action_name", json!("")), "action_name"),
        (with(event.clone(), "executed", Value::Null), "executed"),
        (with(event.clone(), "description", json!("x")), "description"),
        (filter("actions", json!({"executed": true})), "action_name"),
        (with(event, "attributes", json!([])), "attributes"),
    ]);
}

#[test]
fn attributes_of_events_may_say_a_type_that_is_ignored() {
    let inner = json!({"name": "price", "data_type": "double", "operator": "greaterThan", "value": 5});
    for (key, value) in [
        ("filter_type", "event_attributes"),
        ("filter_type", "user_attributes"),
        ("category", "default"),
    ] {
        let inner = with(inner.clone(), key, json!(value));
        all_taken([with(
            event(json!({"type": "inTheLast", "days": 1})),
            "attributes",
            of(&[inner]),
        )]);
    }
}

#[test]
fn aggregations_need_an_event_that_was_executed() {
    let one = json!({"attribute_name": "price", "data_type": "double", "aggregation_type": "sum", "operator": "greaterThan", "value": 5});
    let week = event(json!({"type": "inTheLast", "days": 7}));
    let under = |event: &Value, one: &Value| {
        with(
            event.clone(),
            "aggregation_attributes",
            of(std::slice::from_ref(one)),
        )
    };
    let compared = |base: Value| {
        with(
            with(one.clone(), "comparator", json!("change")),
            "base_time_range",
            base,
        )
    };
    let dates = |first: &str, last: &str| json!({"type": "between", "value": first, "value1": last});
    all_taken([
        under(&week, &one),
        under(
            &week,
            &with(
                with(one.clone(), "operator", json!("between")),
                "value1",
                json!(9),
            ),
        ),
        under(&week, &compared(json!({"type": "previousPeriod"}))),
        under(
            &week,
            &compared(json!({"type": "between", "value": 7, "value1": 14})),
        ),
        under(
            &week,
            &compared(dates("2026-01-01T00:00:00.000Z", "2026-01-31T23:59:59.999Z")),
        ),
    ]);
    let before = event(json!({"type": "before", "value": 7, "period_unit": "days"}));
    let first = with(week.clone(), "execution", json!({"type": "firstTime"}));
    let never = with(week.clone(), "executed", json!(false));
    let mut either = under(&week, &one);
    either["aggregation_attributes"]["filter_operator"] = json!("or");
    all_refused([
        (under(&never, &one), "aggregation_attributes.filters"),
        (under(&first, &one), "aggregation_attributes.filters"),
        (under(&before, &one), "aggregation_attributes.filters"),
        (
            with(
                week.clone(),
                "aggregation_attributes",
                of(&[one.clone(), one.clone()]),
            ),
            "aggregation_attributes.filters",
        ),
        (either, "aggregation_attributes.filter_operator"),
        (
            under(&week, &with(one.clone(), "aggregation_type", json!("count"))),
            "aggregation_attributes.filters[0].aggregation_type",
        ),
        (
            under(&week, &with(one.clone(), "operator", json!("in"))),
            "aggregation_attributes.filters[0].operator",
        ),
        (
            under(&week, &with(one.clone(), "value1", json!(9))),
            "aggregation_attributes.filters[0].value1",
        ),
        (
            under(&week, &with(one.clone(), "comparator", json!("change"))),
            "aggregation_attributes.filters[0].comparator",
        ),
        (
            under(
                &week,
                &with(one.clone(), "base_time_range", json!({"type": "previousPeriod"})),
            ),
            "aggregation_attributes.filters[0].comparator",
        ),
        (
            under(
                &week,
                &compared(json!({"type": "between", "value": 14, "value1": 7})),
            ),
            "aggregation_attributes.filters[0].base_time_range.value1",
        ),
    ]);
}

#[test]
fn affinities_have_their_own_percentages_and_windows() {
    let brand = json!({"name": "brand", "data_type": "string", "operator": "is", "value": "A"});
    let day = "2026-01-05T00:00:00.000Z";
    let affinity = filter(
        "psychographic_event",
        json!({"action_name": "view", "executed": true, "operator_type": "predominant",
               "psychographic_attributes": of(std::slice::from_ref(&brand)),
               "primary_time_range": {"type": "inTheLast", "days": 30, "value_type": "relative_past"}}),
    );
    let how = |kind: &str| with(affinity.clone(), "operator_type", json!(kind));
    let when = |window: Value| with(affinity.clone(), "primary_time_range", window);
    let what = |fields: Value| with(affinity.clone(), "psychographic_attributes", of(&[fields]));
    all_taken([
        affinity.clone(),
        with(how("minimum"), "percent_of_times", json!(100)),
        with(how("top"), "percent_of_users", json!(1)),
        when(
            json!({"type": "between", "from": day, "to": "2026-01-05T23:59:59.999Z", "value_type": "absolute"}),
        ),
        when(json!({"type": "after", "from": day, "value_type": "absolute"})),
        when(json!({"type": "before", "days": 3})),
        what(json!({"name": "brand", "data_type": "string", "operator": "exists"})),
        what(json!({"name": "price", "data_type": "double", "operator": "between", "value": 1, "value1": 2})),
    ]);
    all_refused([
        (how("minimum"), "percent_of_times"),
        (
            with(how("minimum"), "percent_of_times", json!(0)),
            "percent_of_times",
        ),
        (
            with(how("bottom"), "percent_of_users", json!(101)),
            "percent_of_users",
        ),
        (with(how("top"), "percent_of_times", json!(5)), "percent_of_users"),
        (
            with(affinity.clone(), "percent_of_users", json!(5)),
            "percent_of_users",
        ),
        (how("most"), "operator_type"),
        (with(affinity.clone(), "executed", json!(false)), "executed"),
        (
            with(affinity.clone(), "psychographic_attributes", of(&[])),
            "psychographic_attributes.filters",
        ),
        (
            when(json!({"type": "inTheLast", "value": 3, "period_unit": "days"})),
            "primary_time_range.value",
        ),
        (
            when(json!({"type": "inTheLast", "days": 3, "period_unit": "weeks"})),
            "primary_time_range.period_unit",
        ),
        (
            when(json!({"type": "on", "days": day, "value_type": "absolute"})),
            "primary_time_range.days",
        ),
        (
            when(json!({"type": "between", "days": 5, "days1": 3})),
            "primary_time_range.days1",
        ),
        (
            when(json!({"type": "between", "from": day, "to": "2026-01-04T23:59:59.999Z"})),
            "primary_time_range.to",
        ),
        (
            what(json!({"name": "brand", "data_type": "bool", "operator": "is", "value": true})),
            "psychographic_attributes.filters[0].data_type",
        ),
        (
            what(with(brand, "value", json!(["A"]))),
            "psychographic_attributes.filters[0].value",
        ),
    ]);
}

#[test]
fn both_sides_are_groups() {
    let city = user(json!({"data_type": "string", "operator": "is", "value": "Pune"}));
    let good = of(std::slice::from_ref(&city));
    let nested = filter("nested_filters", of(&[filter("nested_filters", good.clone())]));
    all_taken([nested]);
    for excluded in [None, Some(Value::Null), Some(good.clone())] {
        assert_eq!(validate(&good, excluded.as_ref()), Ok(()), "{excluded:?}");
    }
    for (bad, path) in [
        (json!([]), ""),
        (json!({"filter_operator": "and"}), ".filters"),
        (json!({"filter_operator": "and", "filters": {}}), ".filters"),
        (json!({"filters": []}), ".filter_operator"),
        (
            json!({"filter_operator": "not", "filters": []}),
            ".filter_operator",
        ),
        (with(good.clone(), "name", json!("x")), ".name"),
        (
            of(&[city.clone(), json!({"filter_type": "custom_segments"})]),
            ".filters[1].id",
        ),
        (
            of(&[
                city,
                filter("nested_filters", json!({"filter_operator": "or", "filters": [1]})),
            ]),
            ".filters[1].filters[0]",
        ),
    ] {
        let refused = validate(&good, Some(&bad)).unwrap_err();
        assert!(
            refused.starts_with(&format!("excluded_filters{path}: ")),
            "{refused} for {bad}"
        );
    }
}
