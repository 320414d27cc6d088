//! Which events, affinities and groups are taken, and which are refused.

use super::{
    and_group, assert_all_accepted, assert_all_rejected, event_filter, typed_filter, user_filter, validate,
    with_field,
};
use serde_json::{Value, json};

#[test]
fn event_time_ranges_accept_the_api_and_the_dashboard_form() {
    let day = "2026-01-05T00:00:00.000Z";
    assert_all_accepted(
        [
            json!({"type": "inTheLast", "value": 3, "period_unit": "hours", "value_type": "relative_past"}),
            json!({"type": "on", "value": 0, "period_unit": "months"}),
            json!({"type": "before", "value": 2, "period_unit": "weeks"}),
            json!({"type": "between", "days": 3, "days1": 5, "value_type": "relative_past"}),
            json!({"type": "inTheLast", "days": 7, "period_unit": "days"}),
            json!({"type": "after", "value": day, "value_type": "absolute", "period_unit": "days"}),
        ]
        .map(event_filter),
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
        let refused = validate(&and_group(&[event_filter(window.clone())]), None);
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
fn executions_are_validated() {
    let event = typed_filter("actions", json!({"action_name": "buy", "executed": true}));
    let how = |execution: Value| with_field(event.clone(), "execution", execution);
    let never = |execution: Value| with_field(how(execution), "executed", json!(false));
    assert_all_accepted([
        event.clone(),
        with_field(event.clone(), "executed", json!(false)),
        with_field(event.clone(), "project_name", json!("moe_portfolio")),
        how(json!({"type": "atmost", "count": 3})),
        how(json!({"type": "firstTime"})),
        never(json!({"type": "exactly", "count": 0})),
    ]);
    assert_all_rejected([
        (how(json!({"type": "atleast", "count": 0})), "execution.count"),
        (how(json!({"type": "atleast"})), "execution.count"),
        (how(json!({"type": "lastTime", "count": 1})), "execution.count"),
        (how(json!({"type": "often", "count": 1})), "execution.type"),
        (never(json!({"type": "atleast", "count": 1})), "execution"),
        (never(json!({"type": "exactly", "count": 1})), "execution"),
        (with_field(event.clone(), "action_name", json!("")), "action_name"),
        (with_field(event.clone(), "executed", Value::Null), "executed"),
        (
            with_field(event.clone(), "description", json!("x")),
            "description",
        ),
        (typed_filter("actions", json!({"executed": true})), "action_name"),
        (with_field(event, "attributes", json!([])), "attributes"),
    ]);
}

#[test]
fn filter_types_of_event_attributes_are_ignored() {
    let inner = json!({"name": "price", "data_type": "double", "operator": "greaterThan", "value": 5});
    for (key, value) in [
        ("filter_type", "event_attributes"),
        ("filter_type", "user_attributes"),
        ("category", "default"),
    ] {
        let inner = with_field(inner.clone(), key, json!(value));
        assert_all_accepted([with_field(
            event_filter(json!({"type": "inTheLast", "days": 1})),
            "attributes",
            and_group(&[inner]),
        )]);
    }
}

#[test]
fn aggregations_need_an_executed_event() {
    let one = json!({"attribute_name": "price", "data_type": "double", "aggregation_type": "sum", "operator": "greaterThan", "value": 5});
    let week = event_filter(json!({"type": "inTheLast", "days": 7}));
    let under = |event: &Value, one: &Value| {
        with_field(
            event.clone(),
            "aggregation_attributes",
            and_group(std::slice::from_ref(one)),
        )
    };
    let compared = |base: Value| {
        with_field(
            with_field(one.clone(), "comparator", json!("change")),
            "base_time_range",
            base,
        )
    };
    let dates = |first: &str, last: &str| json!({"type": "between", "value": first, "value1": last});
    assert_all_accepted([
        under(&week, &one),
        under(
            &week,
            &with_field(
                with_field(one.clone(), "operator", json!("between")),
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
    let before = event_filter(json!({"type": "before", "value": 7, "period_unit": "days"}));
    let first = with_field(week.clone(), "execution", json!({"type": "firstTime"}));
    let never = with_field(week.clone(), "executed", json!(false));
    let mut either = under(&week, &one);
    either["aggregation_attributes"]["filter_operator"] = json!("or");
    assert_all_rejected([
        (under(&never, &one), "aggregation_attributes.filters"),
        (under(&first, &one), "aggregation_attributes.filters"),
        (under(&before, &one), "aggregation_attributes.filters"),
        (
            with_field(
                week.clone(),
                "aggregation_attributes",
                and_group(&[one.clone(), one.clone()]),
            ),
            "aggregation_attributes.filters",
        ),
        (either, "aggregation_attributes.filter_operator"),
        (
            under(
                &week,
                &with_field(one.clone(), "aggregation_type", json!("count")),
            ),
            "aggregation_attributes.filters[0].aggregation_type",
        ),
        (
            under(&week, &with_field(one.clone(), "operator", json!("in"))),
            "aggregation_attributes.filters[0].operator",
        ),
        (
            under(&week, &with_field(one.clone(), "value1", json!(9))),
            "aggregation_attributes.filters[0].value1",
        ),
        (
            under(&week, &with_field(one.clone(), "comparator", json!("change"))),
            "aggregation_attributes.filters[0].comparator",
        ),
        (
            under(
                &week,
                &with_field(one.clone(), "base_time_range", json!({"type": "previousPeriod"})),
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
fn affinities_have_their_own_percentages_and_time_ranges() {
    let brand = json!({"name": "brand", "data_type": "string", "operator": "is", "value": "A"});
    let day = "2026-01-05T00:00:00.000Z";
    let affinity = typed_filter(
        "psychographic_event",
        json!({"action_name": "view", "executed": true, "operator_type": "predominant",
               "psychographic_attributes": and_group(std::slice::from_ref(&brand)),
               "primary_time_range": {"type": "inTheLast", "days": 30, "value_type": "relative_past"}}),
    );
    let how = |kind: &str| with_field(affinity.clone(), "operator_type", json!(kind));
    let when = |window: Value| with_field(affinity.clone(), "primary_time_range", window);
    let what = |fields: Value| with_field(affinity.clone(), "psychographic_attributes", and_group(&[fields]));
    assert_all_accepted([
        affinity.clone(),
        with_field(how("minimum"), "percent_of_times", json!(100)),
        with_field(how("top"), "percent_of_users", json!(1)),
        when(
            json!({"type": "between", "from": day, "to": "2026-01-05T23:59:59.999Z", "value_type": "absolute"}),
        ),
        when(json!({"type": "after", "from": day, "value_type": "absolute"})),
        when(json!({"type": "before", "days": 3})),
        what(json!({"name": "brand", "data_type": "string", "operator": "exists"})),
        what(json!({"name": "price", "data_type": "double", "operator": "between", "value": 1, "value1": 2})),
    ]);
    assert_all_rejected([
        (how("minimum"), "percent_of_times"),
        (
            with_field(how("minimum"), "percent_of_times", json!(0)),
            "percent_of_times",
        ),
        (
            with_field(how("bottom"), "percent_of_users", json!(101)),
            "percent_of_users",
        ),
        (
            with_field(how("top"), "percent_of_times", json!(5)),
            "percent_of_users",
        ),
        (
            with_field(affinity.clone(), "percent_of_users", json!(5)),
            "percent_of_users",
        ),
        (how("most"), "operator_type"),
        (with_field(affinity.clone(), "executed", json!(false)), "executed"),
        (
            with_field(affinity.clone(), "psychographic_attributes", and_group(&[])),
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
            what(with_field(brand, "value", json!(["A"]))),
            "psychographic_attributes.filters[0].value",
        ),
    ]);
}

#[test]
fn included_and_excluded_filters_must_be_groups() {
    let city = user_filter(json!({"data_type": "string", "operator": "is", "value": "Pune"}));
    let good = and_group(std::slice::from_ref(&city));
    let nested = typed_filter(
        "nested_filters",
        and_group(&[typed_filter("nested_filters", good.clone())]),
    );
    assert_all_accepted([nested]);
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
        (with_field(good.clone(), "name", json!("x")), ".name"),
        (
            and_group(&[city.clone(), json!({"filter_type": "custom_segments"})]),
            ".filters[1].id",
        ),
        (
            and_group(&[
                city,
                typed_filter("nested_filters", json!({"filter_operator": "or", "filters": [1]})),
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
