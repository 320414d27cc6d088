//! Which events, affinities and groups are accepted, and which are rejected.

use super::{
    and_group, assert_accepted, assert_rejected, event_filter, user_filter, validate, with_field, with_fields,
};
use serde_json::{Value, json};

const DAY: &str = "2026-01-05T00:00:00.000Z";

#[test]
fn event_time_ranges_accept_the_api_and_the_dashboard_form() {
    let good = json!([
        {"type": "inTheLast", "value": 3, "period_unit": "hours", "value_type": "relative_past"},
        {"type": "on", "value": 0, "period_unit": "months", "value_type": "relative_past"},
        {"type": "before", "value": 2, "period_unit": "weeks", "value_type": "relative_past"},
        {"type": "before", "value": 2, "value_type": "relative_past"},
        {"type": "between", "value": 3, "value1": 9, "value_type": "relative_past"},
        {"type": "between", "days": 3, "days1": 5, "value_type": "relative_past"},
        {"type": "inTheLast", "days": 7, "period_unit": "days", "value_type": "relative_past"},
        {"type": "after", "value": DAY, "value_type": "absolute", "period_unit": "days"},
    ]);
    for range in good.as_array().unwrap() {
        assert_accepted(&event_filter(range.clone()), &json!([{}]));
    }
    let bad = json!([
        ["value_type", {"type": "on", "value": DAY}],
        ["value_type", {"type": "inTheLast", "days": 7}],
        ["period_unit", {"type": "inTheLast", "value": 7, "value_type": "relative_past"}],
        ["period_unit", {"type": "on", "value": 1, "value_type": "relative_past"}],
        ["value", {"type": "inTheLast", "value": "7", "period_unit": "days", "value_type": "relative_past"}],
        ["value", {"type": "inTheLast", "value": 1.5, "period_unit": "days", "value_type": "relative_past"}],
        ["period_unit", {"type": "inTheLast", "value": 7, "period_unit": "years", "value_type": "relative_past"}],
        ["period_unit", {"type": "inTheLast", "days": 7, "period_unit": "weeks", "value_type": "relative_past"}],
        ["value", {"type": "inTheLast", "days": 7, "value": 7, "value_type": "relative_past"}],
        ["value1", {"type": "inTheLast", "value": 7, "value1": 9, "period_unit": "days", "value_type": "relative_past"}],
        ["days1", {"type": "between", "days": 5, "days1": 3, "value_type": "relative_past"}],
        ["type", {"type": "inTheNext", "value": 7, "period_unit": "days", "value_type": "relative_past"}],
        ["value_type", {"type": "on", "value": 1, "period_unit": "days", "value_type": "relative_future"}],
        ["value", {"type": "on", "value": "2026-01-05T10:00:00.000Z", "value_type": "absolute"}],
        ["value1", {"type": "between", "value": DAY, "value1": DAY, "value_type": "absolute"}],
        ["value1", {"type": "between", "value": DAY, "value1": "2026-01-04T23:59:59.999Z", "value_type": "absolute"}],
        ["from", {"type": "inTheLast", "from": DAY, "value_type": "absolute"}],
    ]);
    for case in bad.as_array().unwrap() {
        let path = format!("primary_time_range.{}", case[0].as_str().unwrap());
        assert_rejected(&event_filter(case[1].clone()), &json!([[path, {}]]));
    }
}

#[test]
fn executions_are_validated() {
    let base = json!({"filter_type": "actions"});
    let event = json!({"action_name": "buy", "executed": true, "execution": {"type": "atleast", "count": 2},
                       "attributes": and_group(&[])});
    let event = with_fields(&base, &event);
    let good = json!([
        {},
        {"project_name": "moe_portfolio"},
        {"execution": {"type": "atmost", "count": 3}},
        {"execution": {"type": "firstTime"}},
        {"execution": {"type": "exactly", "count": 0}, "executed": false},
    ]);
    assert_accepted(&event, &good);
    let bad = json!([
        ["execution", {"execution": null}],
        ["execution", {"executed": false}],
        ["attributes", {"attributes": null}],
        ["execution.count", {"execution": {"type": "atleast", "count": 0}}],
        ["execution.count", {"execution": {"type": "atleast"}}],
        ["execution.count", {"execution": {"type": "lastTime", "count": 1}}],
        ["execution.type", {"execution": {"type": "often", "count": 1}}],
        ["execution", {"execution": {"type": "atleast", "count": 1}, "executed": false}],
        ["execution", {"execution": {"type": "exactly", "count": 1}, "executed": false}],
        ["action_name", {"action_name": ""}],
        ["executed", {"executed": null}],
        ["description", {"description": "x"}],
        ["attributes", {"attributes": []}],
    ]);
    assert_rejected(&event, &bad);
    assert_rejected(&base, &json!([["action_name", {"executed": true}]]));
    for field in ["executed", "execution", "attributes"] {
        let mut incomplete = event.clone();
        incomplete.as_object_mut().unwrap().remove(field);
        assert_rejected(&incomplete, &json!([[field, {}]]));
    }
}

#[test]
fn event_attributes_have_the_default_category_and_any_filter_type() {
    let price = json!({"name": "price", "data_type": "double", "operator": "greaterThan", "value": 5});
    let event = event_filter(json!({"type": "inTheLast", "days": 1, "value_type": "relative_past"}));
    for (key, value) in [
        ("filter_type", "event_attributes"),
        ("filter_type", "user_attributes"),
        ("category", "default"),
    ] {
        let attributes = and_group(&[with_field(price.clone(), key, json!(value))]);
        assert_accepted(&event, &json!([{"attributes": attributes}]));
    }
    for (key, value) in [
        ("filter_type", "actions"),
        ("category", "Tracked"),
        ("category", ""),
    ] {
        let attributes = and_group(&[with_field(price.clone(), key, json!(value))]);
        assert_rejected(
            &event,
            &json!([[format!("attributes.filters[0].{key}"), {"attributes": attributes}]]),
        );
    }
}

#[test]
fn aggregations_need_an_executed_event() {
    let sum = json!({"attribute_name": "price", "data_type": "double", "aggregation_type": "sum", "operator": "greaterThan", "value": 5});
    let week = event_filter(json!({"type": "inTheLast", "days": 7, "value_type": "relative_past"}));
    let with_aggregation = |fields: &Value| {
        let group = and_group(&[with_fields(&sum, fields)]);
        with_field(week.clone(), "aggregation_attributes", group)
    };
    let good = json!([
        {},
        {"operator": "between", "value1": 9},
        {"comparator": "change", "base_time_range": {"type": "previousPeriod"}},
        {"comparator": "percentageChange", "base_time_range":
            {"type": "between", "value": "2026-01-01T10:30:00Z", "value1": "2026-01-01T10:31:00+00:00"}},
        {"comparator": "change", "base_time_range":
            {"type": "between", "value": "2026-01-01T00:00:00.000Z", "value1": "2026-01-31T23:59:59.999Z"}},
    ]);
    for fields in good.as_array().unwrap() {
        assert_accepted(&with_aggregation(fields), &json!([{}]));
    }
    let mut either = with_field(
        and_group(std::slice::from_ref(&sum)),
        "filter_operator",
        json!("or"),
    );
    assert_accepted(&week, &json!([{"aggregation_attributes": either}]));
    either["filter_operator"] = json!("xor");
    let bad_events = json!([
        ["filters", {"executed": false, "execution": {"type": "exactly", "count": 0}}],
        ["filters", {"execution": {"type": "firstTime"}}],
        ["filters", {"primary_time_range": {"type": "before", "value": 7, "period_unit": "days", "value_type": "relative_past"}}],
        ["filters", {"aggregation_attributes": and_group(&[sum.clone(), sum.clone()])}],
        ["filter_operator", {"aggregation_attributes": either}],
    ]);
    for case in bad_events.as_array().unwrap() {
        let path = format!("aggregation_attributes.{}", case[0].as_str().unwrap());
        assert_rejected(&with_aggregation(&json!({})), &json!([[path, case[1]]]));
    }
    let bad = json!([
        ["aggregation_type", {"aggregation_type": "count"}],
        ["operator", {"operator": "in"}],
        ["value1", {"value1": 9}],
        ["comparator", {"comparator": "change"}],
        ["comparator", {"base_time_range": {"type": "previousPeriod"}}],
        ["base_time_range.value1",
         {"comparator": "change", "base_time_range":
            {"type": "between", "value": "2026-01-02T00:00:00.000Z", "value1": "2026-01-01T00:00:00.000Z"}}],
        ["base_time_range.value", {"comparator": "change", "base_time_range": {"type": "between", "value": 7, "value1": 14}}],
        ["base_time_range.value",
         {"comparator": "change", "base_time_range": {"type": "between", "value": "2026-01-01", "value1": "2026-01-02"}}],
    ]);
    for case in bad.as_array().unwrap() {
        let path = format!("aggregation_attributes.filters[0].{}", case[0].as_str().unwrap());
        assert_rejected(&with_aggregation(&case[1]), &json!([[path, {}]]));
    }
}

#[test]
fn affinities_have_their_own_percentages_and_time_ranges() {
    let brand = json!({"name": "brand", "data_type": "string", "operator": "is", "value": "A"});
    let affinity = json!({
        "filter_type": "psychographic_event", "action_name": "view", "executed": true,
        "execution": {"type": "atleast", "count": 1}, "operator_type": "predominant",
        "psychographic_attributes": and_group(std::slice::from_ref(&brand)),
        "primary_time_range": {"type": "inTheLast", "days": 30, "value_type": "relative_past"}});
    let good = json!([
        {},
        {"operator_type": "minimum", "percent_of_times": 100},
        {"operator_type": "top", "percent_of_users": 1},
        {"primary_time_range":
            {"type": "between", "from": DAY, "to": "2026-01-05T23:59:59.999Z", "value_type": "absolute"}},
        {"primary_time_range": {"type": "after", "from": DAY, "value_type": "absolute"}},
        {"primary_time_range": {"type": "before", "days": 3, "value_type": "relative_past"}},
        {"executed": false, "execution": {"type": "exactly", "count": 0}},
        {"attributes": and_group(&[])},
        {"primary_time_range":
            {"type": "between", "from": "2026-01-05T10:30:00Z", "to": "2026-01-05T10:30:00.5Z", "value_type": "absolute"}},
        {"primary_time_range": {"type": "on", "from": "2026-01-05T10:30:00+05:30", "value_type": "absolute"}},
        {"primary_time_range": {"type": "before", "from": "2026-01-05T10:30", "value_type": "absolute"}},
    ]);
    assert_accepted(&affinity, &good);
    let bad = json!([
        ["percent_of_times", {"operator_type": "minimum"}],
        ["percent_of_times", {"operator_type": "minimum", "percent_of_times": 0}],
        ["percent_of_users", {"operator_type": "bottom", "percent_of_users": 101}],
        ["percent_of_users", {"operator_type": "top", "percent_of_times": 5}],
        ["percent_of_users", {"percent_of_users": 5}],
        ["operator_type", {"operator_type": "most"}],
        ["executed", {"executed": "no"}],
        ["execution", {"executed": false}],
        ["execution", {"execution": null}],
        ["project_name", {"project_name": "moe_portfolio"}],
        ["primary_time_range.value_type", {"primary_time_range": {"type": "inTheLast", "days": 3}}],
        ["primary_time_range.from", {"primary_time_range": {"type": "on", "from": "2026-01-05", "value_type": "absolute"}}],
        ["primary_time_range.from",
         {"primary_time_range": {"type": "on", "from": "2026-02-30T00:00:00Z", "value_type": "absolute"}}],
        ["psychographic_attributes.filters", {"psychographic_attributes": and_group(&[])}],
        ["primary_time_range.value", {"primary_time_range": {"type": "inTheLast", "value": 3, "period_unit": "days", "value_type": "relative_past"}}],
        ["primary_time_range.period_unit",
         {"primary_time_range": {"type": "inTheLast", "days": 3, "period_unit": "weeks", "value_type": "relative_past"}}],
        ["primary_time_range.days", {"primary_time_range": {"type": "on", "days": DAY, "value_type": "absolute"}}],
        ["primary_time_range.days1", {"primary_time_range": {"type": "between", "days": 5, "days1": 3, "value_type": "relative_past"}}],
        ["primary_time_range.to",
         {"primary_time_range": {"type": "between", "from": DAY, "to": "2026-01-04T23:59:59.999Z", "value_type": "absolute"}}],
    ]);
    assert_rejected(&affinity, &bad);
    let with_attribute = |attribute: &Value| {
        with_field(
            affinity.clone(),
            "psychographic_attributes",
            and_group(std::slice::from_ref(attribute)),
        )
    };
    let good_attributes = json!([
        {"name": "brand", "data_type": "string", "operator": "exists"},
        {"name": "brand", "data_type": "string", "operator": "exists", "case_sensitive": false},
        {"name": "price", "data_type": "double", "operator": "between", "value": 1, "value1": 2},
    ]);
    for attribute in good_attributes.as_array().unwrap() {
        assert_accepted(&with_attribute(attribute), &json!([{}]));
    }
    let bad_attributes = json!([
        ["data_type", {"name": "brand", "data_type": "bool", "operator": "is", "value": true}],
        ["value", with_field(brand, "value", json!(["A"]))],
    ]);
    for case in bad_attributes.as_array().unwrap() {
        let path = format!(
            "psychographic_attributes.filters[0].{}",
            case[0].as_str().unwrap()
        );
        assert_rejected(&with_attribute(&case[1]), &json!([[path, {}]]));
    }
}

#[test]
fn included_and_excluded_filters_must_be_groups() {
    let city = user_filter(&json!({"data_type": "string", "operator": "is", "value": "Pune"}));
    let good = and_group(std::slice::from_ref(&city));
    let nested = with_field(good.clone(), "filter_type", json!("nested_filters"));
    let nested = with_field(and_group(&[nested]), "filter_type", json!("nested_filters"));
    assert_accepted(&nested, &json!([{}]));
    for excluded in [None, Some(good.clone())] {
        assert_eq!(validate(&good, excluded.as_ref()), Ok(()), "{excluded:?}");
    }
    let bad_nested = json!({"filter_type": "nested_filters", "filter_operator": "or", "filters": [1]});
    for (path, bad) in [
        ("", json!([])),
        ("", Value::Null),
        (".filters", json!({"filter_operator": "and"})),
        (".filters", json!({"filter_operator": "and", "filters": {}})),
        (".filter_operator", json!({"filters": []})),
        (
            ".filter_operator",
            json!({"filter_operator": "not", "filters": []}),
        ),
        (".name", with_field(good.clone(), "name", json!("x"))),
        (
            ".filters[1].id",
            and_group(&[city.clone(), json!({"filter_type": "custom_segments"})]),
        ),
        (".filters[1].filters[0]", and_group(&[city, bad_nested])),
    ] {
        let message = validate(&good, Some(&bad)).unwrap_err();
        let expected = format!("excluded_filters{path}: ");
        assert!(message.starts_with(&expected), "{message} for {bad}");
    }
}
