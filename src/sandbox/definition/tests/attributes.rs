//! Which conditions on attributes are accepted, and which are rejected.

use super::{and_group, assert_accepted, assert_rejected, event_filter, user_filter, with_field};
use serde_json::json;

#[test]
fn values_must_have_the_type_of_their_operator() {
    let base = user_filter(&json!({}));
    let good = json!([
        {"data_type": "string", "operator": "startsWithInTheFollowing", "value": ["a", "b"]},
        {"data_type": "string", "operator": "endsWithInTheFollowing", "value": ["a"]},
        {"data_type": "string", "operator": "is", "value": ""},
        {"data_type": "string", "operator": "exists"},
        {"data_type": "double", "operator": "in", "value": [1, 2.5]},
        {"data_type": "double", "operator": "lessThan", "value": -1},
        {"data_type": "double", "operator": "between", "value": 1, "value1": 2},
        {"data_type": "double", "operator": "exists"},
        {"data_type": "bool", "operator": "is", "value": false},
        {"data_type": "bool", "operator": "exists", "negate": true},
        {"data_type": "array_string", "operator": "contains", "value": ["a"], "array_filter_type": "any_of"},
        {"data_type": "array_string", "operator": "is", "value": "", "array_filter_type": "any_of"},
        {"data_type": "array_string", "operator": "in", "value": ["a"], "negate": true},
        {"data_type": "array_string", "operator": "in", "value": ["a"]},
        {"data_type": "array_string", "operator": "contains", "value": "a"},
        {"data_type": "array_string", "operator": "endsWith", "value": "", "negate": true},
        {"data_type": "array_double", "operator": "in", "value": [1]},
        {"data_type": "array_string", "operator": "exists"},
        {"data_type": "array_double", "operator": "greaterThan", "value": 1, "array_filter_type": "any_of"},
        {"data_type": "array_double", "operator": "between", "value": 1, "value1": 2, "array_filter_type": "any_of"},
    ]);
    assert_accepted(&base, &good);
    let bad = json!([
        ["value", {"data_type": "string", "operator": "is", "value": ["a"]}],
        ["value", {"data_type": "string", "operator": "in", "value": []}],
        ["value", {"data_type": "string", "operator": "in", "value": [1]}],
        ["operator", {"data_type": "string", "operator": "startsWith", "value": "a"}],
        ["value", {"data_type": "string", "operator": "exists", "value": "a"}],
        ["value", {"data_type": "string", "operator": "is"}],
        ["operator", {"data_type": "string", "value": "a"}],
        ["value", {"data_type": "double", "operator": "in", "value": 1}],
        ["operator", {"data_type": "double", "operator": "is", "value": 1}],
        ["value", {"data_type": "double", "operator": "lessThan", "value": "1"}],
        ["value1", {"data_type": "double", "operator": "between", "value": 2, "value1": 2}],
        ["value1", {"data_type": "double", "operator": "between", "value": 1}],
        ["case_sensitive", {"data_type": "double", "operator": "in", "value": [1], "case_sensitive": true}],
        ["value", {"data_type": "bool", "operator": "is", "value": "true"}],
        ["array_filter_type", {"data_type": "array_string", "operator": "in", "value": ["a"], "negate": true,
                               "array_filter_type": "any_of"}],
        ["value", {"data_type": "array_string", "operator": "in", "value": "a"}],
        ["value", {"data_type": "array_string", "operator": "contains", "value": 1}],
        ["value", {"data_type": "array_string", "operator": "is", "value": ["a"]}],
        ["array_filter_type", {"data_type": "array_double", "operator": "in", "value": [1], "array_filter_type": "some"}],
        ["data_type", {"data_type": "text", "operator": "is", "value": "a"}],
        ["negate", {"data_type": "string", "operator": "is", "value": "a", "negate": "no"}],
        ["category", {"data_type": "string", "operator": "is", "value": "a", "category": 7}],
    ]);
    assert_rejected(&base, &bad);
}

#[test]
fn dates_must_match_their_operator_and_extract_type() {
    let date = user_filter(&json!({"data_type": "datetime"}));
    let good = json!([
        {"operator": "on", "value": "2028-02-29T00:00:00.000Z"},
        {"operator": "on", "value_type": "relative_future", "value": 0},
        {"operator": "before", "value_type": "relative_past", "value": 3},
        {"operator": "inTheLast", "value": 3},
        {"operator": "inTheNext", "value_type": "relative_future", "value": 3},
        {"operator": "between", "value_type": "relative_past", "value": 3, "value1": 5},
        {"operator": "between", "value": "2026-01-01T00:00:00.000Z", "value1": "2026-01-01T23:59:59.999Z"},
        {"operator": "today"},
        {"operator": "today", "value_type": "relative_past"},
        {"operator": "exists", "negate": true},
        {"operator": "on", "extract_type": "time_of_the_day", "value": 23},
        {"operator": "in", "extract_type": "day_of_the_week", "value": [0, 6]},
        {"operator": "on", "extract_type": "day_of_the_month", "value": 31},
        {"operator": "is", "extract_type": "month_of_the_year", "value": 12},
        // From evening to morning.
        {"operator": "between", "extract_type": "time_of_the_day", "value": 22, "value1": 3},
    ]);
    assert_accepted(&date, &good);
    let bad = json!([
        ["value", {"operator": "on", "value": "2026-02-29T00:00:00.000Z"}],
        ["value", {"operator": "on", "value": "2026-01-01"}],
        ["value", {"operator": "on", "value": "2026-01-01T000000.00000Z"}],
        ["value", {"operator": "on", "value": "2026-01-01T00:00:00,000Z"}],
        ["value", {"operator": "on", "value": "2026-01-01T25:00:00.000Z"}],
        ["value", {"operator": "on", "value": 3}],
        ["value", {"operator": "inTheLast", "value": 0}],
        ["value_type", {"operator": "inTheLast", "value_type": "absolute", "value": 3}],
        ["value_type", {"operator": "inTheNext", "value_type": "relative_past", "value": 3}],
        ["value1", {"operator": "between", "value_type": "relative_past", "value": 5, "value1": 3}],
        ["value_type", {"operator": "today", "value_type": "now"}],
        ["value", {"operator": "today", "value": 0}],
        ["value_type", {"operator": "exists", "value_type": "absolute"}],
        ["value_type", {"operator": "in", "value_type": "relative_past", "value": [1]}],
        ["operator", {"operator": "lessThan", "value": 1}],
        ["value", {"operator": "on", "extract_type": "time_of_the_day", "value": 24}],
        ["value", {"operator": "in", "extract_type": "day_of_the_week", "value": [7]}],
        ["value", {"operator": "on", "extract_type": "day_of_the_month", "value": 0}],
        ["value", {"operator": "is", "extract_type": "month_of_the_year", "value": 13}],
        ["value", {"operator": "on", "extract_type": "date_month_of_the_year", "value": "13-01"}],
        ["operator", {"operator": "in", "extract_type": "date_month_of_the_year", "value": ["01-01"]}],
        ["extract_type", {"operator": "on", "extract_type": "year", "value": 1}],
    ]);
    assert_rejected(&date, &bad);
}

#[test]
fn dynamic_values_accept_only_the_template_form() {
    let template = "{{MoeUserAttribute['other']}}";
    let dynamic = user_filter(&json!({"is_dynamic_value": true, "value": template}));
    let good = json!([
        {"data_type": "string", "operator": "in", "dynamic_attribute_type": "string"},
        {"data_type": "double", "operator": "lessThan", "dynamic_attribute_type": "double"},
        {"data_type": "bool", "operator": "is", "dynamic_attribute_type": "bool"},
        {"data_type": "datetime", "operator": "inTheLast", "dynamic_attribute_type": "datetime",
         "value_type": "absolute"},
        {"data_type": "datetime", "operator": "between", "dynamic_attribute_type": "datetime", "value1": template},
        {"data_type": "array_string", "operator": "startsWith", "dynamic_attribute_type": "string",
         "array_filter_type": "all_of"},
        {"data_type": "array_double", "operator": "in", "dynamic_attribute_type": "double",
         "array_filter_type": "all_of"},
    ]);
    assert_accepted(&dynamic, &good);
    let both = format!("{template}{template}");
    let bad = json!([
        ["is_dynamic_value", {"data_type": "double", "operator": "between", "dynamic_attribute_type": "double",
                              "value1": template}],
        ["dynamic_attribute_type", {"data_type": "string", "operator": "in", "dynamic_attribute_type": "double"}],
        ["dynamic_attribute_type", {"data_type": "array_string", "operator": "in", "array_filter_type": "all_of",
                                    "dynamic_attribute_type": "array_string"}],
        ["is_dynamic_value", {"data_type": "array_double", "operator": "between", "dynamic_attribute_type": "double",
                              "value1": template}],
        ["value1", {"data_type": "datetime", "operator": "between", "dynamic_attribute_type": "datetime",
                    "value1": "2026-01-05T00:00:00.000Z"}],
        ["value_type", {"data_type": "datetime", "operator": "on", "dynamic_attribute_type": "datetime",
                        "value_type": "relative_past"}],
    ]);
    assert_rejected(&dynamic, &bad);
    let string = with_field(dynamic, "data_type", json!("string"));
    let string = with_field(string, "dynamic_attribute_type", json!("string"));
    let bad_templates = json!([
        ["value", {"operator": "is", "value": "other"}],
        ["value", {"operator": "is", "value": "{{MoeUserAttribute['']}}"}],
        ["value", {"operator": "is", "value": both}],
    ]);
    assert_rejected(&string, &bad_templates);
    let bad = json!([
        ["is_dynamic_value", {"data_type": "string", "operator": "exists", "is_dynamic_value": true,
                              "dynamic_attribute_type": "string"}],
        ["dynamic_attribute_type", {"data_type": "string", "operator": "is", "value": "a", "dynamic_attribute_type": 5}],
    ]);
    assert_rejected(&user_filter(&json!({})), &bad);
    let attributes = and_group(&[with_field(string, "operator", json!("is"))]);
    let bad = json!([["attributes.filters[0].is_dynamic_value", {"attributes": attributes}]]);
    assert_rejected(
        &event_filter(json!({"type": "inTheLast", "days": 1, "value_type": "relative_past"})),
        &bad,
    );
}

#[test]
fn geopoints_and_objects_have_no_operator() {
    let place = user_filter(
        &json!({"data_type": "geopoint", "value": -33.9, "value1": 151.2, "radius": 500, "negate": true}),
    );
    let child = json!({"name": "c", "data_type": "double", "operator": "in", "value": [1]});
    let object = json!({"data_type": "array_object", "filter_operator": "or", "filters": [child]});
    let deeper = with_field(object.clone(), "name", json!("o"));
    let object = user_filter(&object);
    assert_accepted(&place, &json!([{}]));
    assert_accepted(&object, &json!([{}, {"filters": [deeper]}]));
    let bad_places = json!([
        ["operator", {"operator": "is"}],
        ["value", {"value": 91}],
        ["value1", {"value1": -181}],
        ["radius", {"radius": 0}],
    ]);
    assert_rejected(&place, &bad_places);
    let bad_objects = json!([
        ["negate", {"negate": true}],
        ["operator", {"operator": "exists"}],
        ["filter_operator", {"filter_operator": "xor"}],
        ["filters[0].value", {"filters": [with_field(child.clone(), "value", json!(1))]}],
        ["filters[0].name", {"filters": [{"data_type": "double"}]}],
        ["filters[0].filter_type", {"filters": [with_field(child, "filter_type", json!("user_attributes"))]}],
    ]);
    assert_rejected(&object, &bad_objects);
}
