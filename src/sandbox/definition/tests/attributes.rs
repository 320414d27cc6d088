//! Which conditions on attributes are taken, and which are refused.

use super::{and_group, assert_all_accepted, assert_all_rejected, event_filter, user_filter, with_field};
use serde_json::{Value, json};

#[test]
fn values_must_have_the_type_of_their_operator() {
    let of = |data_type: &str, operator: &str, value: Value| json!({"data_type": data_type, "operator": operator, "value": value});
    let bare = |data_type: &str, operator: &str| json!({"data_type": data_type, "operator": operator});
    let any = |fields| with_field(fields, "array_filter_type", json!("any_of"));
    let not = |fields| with_field(fields, "negate", json!(true));
    let good = [
        of("string", "startsWithInTheFollowing", json!(["a", "b"])),
        of("string", "endsWithInTheFollowing", json!(["a"])),
        of("string", "is", json!("")),
        bare("string", "exists"),
        of("double", "in", json!([1, 2.5])),
        of("double", "lessThan", json!(-1)),
        with_field(of("double", "between", json!(1)), "value1", json!(2)),
        bare("double", "exists"),
        of("bool", "is", json!(false)),
        not(bare("bool", "exists")),
        any(of("array_string", "contains", json!(["a"]))),
        any(of("array_string", "is", json!(""))),
        not(of("array_string", "in", json!(["a"]))),
        bare("array_string", "exists"),
        any(of("array_double", "greaterThan", json!(1))),
        any(with_field(
            of("array_double", "between", json!(1)),
            "value1",
            json!(2),
        )),
    ];
    assert_all_accepted(good.map(user_filter));
    let bad = [
        (of("string", "is", json!(["a"])), "value"),
        (of("string", "in", json!([])), "value"),
        (of("string", "in", json!([1])), "value"),
        (of("string", "startsWith", json!("a")), "operator"),
        (of("string", "exists", json!("a")), "value"),
        (bare("string", "is"), "value"),
        (json!({"data_type": "string", "value": "a"}), "operator"),
        (of("double", "in", json!(1)), "value"),
        (of("double", "is", json!(1)), "operator"),
        (of("double", "lessThan", json!("1")), "value"),
        (
            with_field(of("double", "between", json!(2)), "value1", json!(2)),
            "value1",
        ),
        (of("double", "between", json!(1)), "value1"),
        (
            with_field(of("double", "in", json!([1])), "case_sensitive", json!(true)),
            "case_sensitive",
        ),
        (of("bool", "is", json!("true")), "value"),
        (of("array_string", "in", json!(["a"])), "array_filter_type"),
        (
            any(not(of("array_string", "in", json!(["a"])))),
            "array_filter_type",
        ),
        (any(of("array_string", "contains", json!("a"))), "value"),
        (
            with_field(
                of("array_double", "in", json!([1])),
                "array_filter_type",
                json!("some"),
            ),
            "array_filter_type",
        ),
        (of("text", "is", json!("a")), "data_type"),
        (
            with_field(of("string", "is", json!("a")), "negate", json!("no")),
            "negate",
        ),
        (
            with_field(of("string", "is", json!("a")), "category", json!(7)),
            "category",
        ),
    ];
    assert_all_rejected(bad.map(|(fields, path)| (user_filter(fields), path)));
}

#[test]
fn dates_must_match_their_operator_and_extract_type() {
    let date = |fields: Value| user_filter(with_field(fields, "data_type", json!("datetime")));
    let extract = |part: &str, operator: &str, value: Value| {
        date(json!({"operator": operator, "extract_type": part, "value": value}))
    };
    assert_all_accepted([
        date(json!({"operator": "on", "value": "2028-02-29T00:00:00.000Z"})),
        date(json!({"operator": "on", "value_type": "relative_future", "value": 0})),
        date(json!({"operator": "before", "value_type": "relative_past", "value": 3})),
        date(json!({"operator": "inTheLast", "value": 3})),
        date(json!({"operator": "inTheNext", "value_type": "relative_future", "value": 3})),
        date(json!({"operator": "between", "value_type": "relative_past", "value": 3, "value1": 5})),
        date(
            json!({"operator": "between", "value": "2026-01-01T00:00:00.000Z", "value1": "2026-01-01T23:59:59.999Z"}),
        ),
        date(json!({"operator": "today"})),
        date(json!({"operator": "exists", "negate": true})),
        extract("time_of_the_day", "on", json!(23)),
        extract("day_of_the_week", "in", json!([0, 6])),
        extract("day_of_the_month", "on", json!(31)),
        extract("month_of_the_year", "is", json!(12)),
        // From the evening to the morning.
        date(json!({"operator": "between", "extract_type": "time_of_the_day", "value": 22, "value1": 3})),
    ]);
    assert_all_rejected([
        (
            date(json!({"operator": "on", "value": "2026-02-29T00:00:00.000Z"})),
            "value",
        ),
        (date(json!({"operator": "on", "value": "2026-01-01"})), "value"),
        (
            date(json!({"operator": "on", "value": "2026-01-01T000000.00000Z"})),
            "value",
        ),
        (
            date(json!({"operator": "on", "value": "2026-01-01T00:00:00,000Z"})),
            "value",
        ),
        (
            date(json!({"operator": "on", "value": "2026-01-01T25:00:00.000Z"})),
            "value",
        ),
        (date(json!({"operator": "on", "value": 3})), "value"),
        (date(json!({"operator": "inTheLast", "value": 0})), "value"),
        (
            date(json!({"operator": "inTheLast", "value_type": "absolute", "value": 3})),
            "value_type",
        ),
        (
            date(json!({"operator": "inTheNext", "value_type": "relative_past", "value": 3})),
            "value_type",
        ),
        (
            date(json!({"operator": "between", "value_type": "relative_past", "value": 5, "value1": 3})),
            "value1",
        ),
        (
            date(json!({"operator": "today", "value_type": "relative_past"})),
            "value_type",
        ),
        (
            date(json!({"operator": "in", "value_type": "relative_past", "value": [1]})),
            "value_type",
        ),
        (date(json!({"operator": "lessThan", "value": 1})), "operator"),
        (extract("time_of_the_day", "on", json!(24)), "value"),
        (extract("day_of_the_week", "in", json!([7])), "value"),
        (extract("day_of_the_month", "on", json!(0)), "value"),
        (extract("month_of_the_year", "is", json!(13)), "value"),
        (extract("date_month_of_the_year", "on", json!("13-01")), "value"),
        (
            extract("date_month_of_the_year", "in", json!(["01-01"])),
            "operator",
        ),
        (extract("year", "on", json!(1)), "extract_type"),
    ]);
}

#[test]
fn dynamic_values_accept_only_the_template_form() {
    let template = "{{MoeUserAttribute['other']}}";
    let dynamic = |data_type: &str, operator: &str, element: &str| {
        json!({"data_type": data_type, "operator": operator, "value": template,
               "is_dynamic_value": true, "dynamic_attribute_type": element})
    };
    let any = |fields| with_field(fields, "array_filter_type", json!("all_of"));
    assert_all_accepted(
        [
            dynamic("string", "in", "string"),
            dynamic("double", "lessThan", "double"),
            dynamic("bool", "is", "bool"),
            with_field(
                dynamic("datetime", "inTheLast", "datetime"),
                "value_type",
                json!("absolute"),
            ),
            any(dynamic("array_string", "startsWith", "string")),
            any(dynamic("array_double", "in", "double")),
        ]
        .map(user_filter),
    );
    let both = format!("{template}{template}");
    let mut exists = dynamic("string", "exists", "string");
    exists.as_object_mut().unwrap().remove("value");
    let bad = [
        (
            with_field(dynamic("double", "between", "double"), "value1", json!(template)),
            "is_dynamic_value",
        ),
        (dynamic("string", "in", "double"), "dynamic_attribute_type"),
        (
            any(dynamic("array_string", "in", "array_string")),
            "dynamic_attribute_type",
        ),
        (
            with_field(
                dynamic("datetime", "on", "datetime"),
                "value_type",
                json!("relative_past"),
            ),
            "value_type",
        ),
        (
            with_field(dynamic("string", "is", "string"), "value", json!("other")),
            "value",
        ),
        (
            with_field(
                dynamic("string", "is", "string"),
                "value",
                json!("{{MoeUserAttribute['']}}"),
            ),
            "value",
        ),
        (
            with_field(dynamic("string", "is", "string"), "value", json!(both)),
            "value",
        ),
        (exists, "is_dynamic_value"),
        (
            json!({"data_type": "string", "operator": "is", "value": "a", "dynamic_attribute_type": 5}),
            "dynamic_attribute_type",
        ),
    ];
    assert_all_rejected(bad.map(|(fields, path)| (user_filter(fields), path)));
    let inner = with_field(dynamic("string", "is", "string"), "name", json!("a"));
    let of_event = with_field(
        event_filter(json!({"type": "inTheLast", "days": 1})),
        "attributes",
        and_group(&[inner]),
    );
    assert_all_rejected([(of_event, "attributes.filters[0].is_dynamic_value")]);
}

#[test]
fn geopoints_and_objects_have_no_operator() {
    let place =
        json!({"data_type": "geopoint", "value": -33.9, "value1": 151.2, "radius": 500, "negate": true});
    let object =
        |child: Value| json!({"data_type": "array_object", "filter_operator": "or", "filters": [child]});
    let child = json!({"name": "c", "data_type": "double", "operator": "in", "value": [1]});
    let deeper = with_field(object(child.clone()), "name", json!("o"));
    assert_all_accepted([place.clone(), object(child.clone()), object(deeper)].map(user_filter));
    let bad = [
        (with_field(place.clone(), "operator", json!("is")), "operator"),
        (with_field(place.clone(), "value", json!(91)), "value"),
        (with_field(place.clone(), "value1", json!(-181)), "value1"),
        (with_field(place, "radius", json!(0)), "radius"),
        (with_field(object(child.clone()), "negate", json!(true)), "negate"),
        (
            with_field(object(child.clone()), "operator", json!("exists")),
            "operator",
        ),
        (
            with_field(object(child.clone()), "filter_operator", json!("xor")),
            "filter_operator",
        ),
        (object(with_field(child, "value", json!(1))), "filters[0].value"),
        (object(json!({"data_type": "double"})), "filters[0].name"),
    ];
    assert_all_rejected(bad.map(|(fields, path)| (user_filter(fields), path)));
}
