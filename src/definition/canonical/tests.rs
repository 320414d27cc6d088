use super::*;
use serde_json::json;

fn form(filter: &Value) -> Value {
    let payload = Payload {
        included_filters: json!({"filter_operator": "and", "filters": [filter]}),
        excluded_filters: None,
    };
    exact(&payload, &Identities::default())["included_filters"]["filters"][0].take()
}

fn attribute(fields: Value) -> Value {
    let mut filter = json!({"filter_type": "user_attributes", "name": "a"});
    merge(&mut filter, fields);
    filter
}

fn event(fields: Value) -> Value {
    let mut filter = json!({"filter_type": "actions", "action_name": "buy", "executed": true,
        "execution": {"type": "atleast", "count": 1},
        "primary_time_range": {"type": "inTheLast", "value": 3, "value_type": "relative_past", "period_unit": "days"},
        "attributes": {"filter_operator": "and", "filters": []}});
    merge(&mut filter, fields);
    filter
}

fn merge(filter: &mut Value, fields: Value) {
    if let (Value::Object(filter), Value::Object(fields)) = (filter, fields) {
        filter.extend(fields);
    }
}

#[test]
fn spellings_of_one_meaning_have_one_form() {
    let between = |first: &str, last: &str| {
        event(
            json!({"primary_time_range": {"type": "between", "value_type": "absolute", "value": first,
                                            "value1": last}}),
        )
    };
    let sum = |fields: Value| {
        let mut sum = json!({"attribute_name": "amount", "aggregation_type": "sum", "operator": "lessThan",
                             "value": 5});
        merge(&mut sum, fields);
        event(json!({"aggregation_attributes": {"filter_operator": "and", "filters": [sum]}}))
    };
    let tags = json!({"data_type": "array_string", "operator": "in", "value": ["x"]});
    let with = |fields: &Value, more: Value| {
        let mut filter = attribute(fields.clone());
        merge(&mut filter, more);
        filter
    };
    let geopoint = json!({"data_type": "geopoint", "value": 1.5, "value1": 2, "radius": 3});
    let object = json!({"data_type": "object", "filter_operator": "or", "filters": [
        {"name": "b", "data_type": "double", "operator": "in", "value": [1]},
        {"name": "c", "data_type": "bool", "operator": "is", "value": true}]});
    let string = json!({"data_type": "string", "operator": "in", "value": ["x"]});
    let reference = json!({"filter_type": "custom_segments", "id": "0123456789abcdef01234567"});
    let table = [
        vec![
            with(&tags, json!({})),
            with(
                &tags,
                json!({"array_filter_type": "any_of", "negate": false, "case_sensitive": false}),
            ),
            with(
                &tags,
                json!({"array_filter_type": null, "extract_type": "default_option_date"}),
            ),
            with(
                &tags,
                json!({"is_dynamic_value": false, "dynamic_attribute_type": "string"}),
            ),
        ],
        vec![
            attribute(json!({"data_type": "array_string", "operator": "contains", "value": "x"})),
            attribute(json!({"data_type": "array_string", "operator": "contains", "value": ["x"]})),
        ],
        vec![
            with(&string, json!({})),
            with(
                &string,
                json!({"value": "x", "array_filter_type": "any_of", "value_type": "absolute"}),
            ),
        ],
        vec![
            attribute(json!({"data_type": "string", "operator": "is", "value": "x"})),
            attribute(json!({"data_type": "string", "operator": "is", "value": ["x"]})),
        ],
        vec![
            attribute(json!({"data_type": "string", "operator": "startsWithInTheFollowing", "value": ["x"]})),
            attribute(json!({"data_type": "string", "operator": "startWithInTheFollowing", "value": ["x"]})),
        ],
        vec![
            with(&geopoint, json!({})),
            with(
                &geopoint,
                json!({"operator": "around", "case_sensitive": false, "radius": 3.0}),
            ),
            with(&geopoint, json!({"value": "1.5", "value1": "2.0", "radius": "3"})),
        ],
        vec![
            with(&object, json!({})),
            with(
                &object,
                json!({"negate": false, "case_sensitive": false, "is_dynamic_value": false}),
            ),
            with(
                &object,
                json!({"filter_operator": "OR", "value_type": "absolute"}),
            ),
        ],
        vec![
            attribute(json!({"data_type": "bool", "operator": "is", "value": true})),
            attribute(json!({"data_type": "bool", "operator": "is", "value": "true", "radius": null})),
        ],
        vec![
            attribute(
                json!({"data_type": "datetime", "operator": "on", "value": "2026-01-31T00:00:00.000Z"}),
            ),
            attribute(
                json!({"data_type": "datetime", "operator": true, "value": "2026-01-31",
                             "value_type": "absolute"}),
            ),
        ],
        vec![
            attribute(json!({"data_type": "datetime", "operator": "inTheLast", "value": 3})),
            attribute(
                json!({"data_type": "datetime", "operator": "inTheLast", "value": "3",
                             "value_type": "relative_past"}),
            ),
        ],
        vec![
            between("2026-01-01T00:00:00.000Z", "2026-01-31T23:59:59.999Z"),
            between("2026-01-01T00:00:00", "2026-01-31T23:59:59"),
            between("2026-01-01", "2026-01-31"),
            event(
                json!({"primary_time_range": {"type": "between", "value": "2026-01-01", "value1": "2026-01-31"}}),
            ),
        ],
        vec![
            event(json!({})),
            event(
                json!({"project_name": "", "attributes": {"filter_type": "nested_filters", "filters": []}}),
            ),
            event(
                json!({"attributes": {}, "aggregation_attributes": {"filter_operator": "and", "filters": []}}),
            ),
            event(json!({"execution": null, "attributes": null, "aggregation_attributes": {}})),
            event(
                json!({"primary_time_range": {"type": "inTheLast", "days": 3, "value": 3, "period_unit": "days"}}),
            ),
            event(json!({"primary_time_range": {"type": "inTheLast", "value": "3"}})),
        ],
        vec![
            event(json!({"executed": false, "execution": {"type": "exactly", "count": 0}})),
            event(json!({"executed": false, "execution": null})),
            event(json!({"executed": false})),
        ],
        vec![
            sum(json!({})),
            sum(json!({"value": "5", "is_dynamic_value": false, "dynamic_attribute_type": "double"})),
            sum(json!({"value": 5.0, "negate": false, "data_type": "double"})),
        ],
        vec![
            reference.clone(),
            json!({"filter_type": "custom_segments", "id": "0123456789ABCDEF01234567", "name": "a label"}),
        ],
    ];
    for spellings in table {
        let forms: Vec<Value> = spellings.iter().map(form).collect();
        for other in &forms {
            assert_eq!(*other, forms[0]);
        }
    }
}

#[test]
fn other_meanings_and_unknown_parts_have_other_forms() {
    let tags = |fields: Value| {
        let mut filter = attribute(json!({"data_type": "array_string", "operator": "in", "value": ["x"]}));
        merge(&mut filter, fields);
        filter
    };
    let table = [
        [tags(json!({})), tags(json!({"array_filter_type": "all_of"}))],
        [tags(json!({})), tags(json!({"array_filter_type": "none_of"}))],
        [tags(json!({})), tags(json!({"recency": 5}))],
        [event(json!({})), event(json!({"project_name": "moe_portfolio"}))],
        [
            event(json!({})),
            event(json!({"attributes": {"filters": [], "recency": 5}})),
        ],
        [
            attribute(json!({"data_type": "geopoint", "value": 1, "value1": 2, "radius": 3})),
            attribute(
                json!({"data_type": "geopoint", "value": 1, "value1": 2, "radius": 3, "operator": "outside"}),
            ),
        ],
        [
            attribute(json!({"data_type": "string", "operator": "is", "value": "1"})),
            attribute(json!({"data_type": "string", "operator": "is", "value": 1})),
        ],
        [
            attribute(json!({"data_type": "double", "operator": "in", "value": ["1"]})),
            attribute(json!({"data_type": "double", "operator": "in", "value": ["one"]})),
        ],
        [
            attribute(json!({"data_type": "object", "filter_operator": "and", "filters": []})),
            attribute(
                json!({"data_type": "object", "filter_operator": "and", "filters": [], "negate": true}),
            ),
        ],
    ];
    for [one, other] in table {
        assert_ne!(form(&one), form(&other));
    }
}

#[test]
fn top_level_groups_have_no_filter_type_and_empty_exclusions_are_absent() {
    let group = json!({"filter_operator": "or", "filters": []});
    let plain = Payload {
        included_filters: group.clone(),
        excluded_filters: None,
    };
    let expected = exact(&plain, &Identities::default());
    let mut typed = group;
    merge(
        &mut typed,
        json!({"filter_type": "nested_filters", "other": null}),
    );
    for excluded in [
        Value::Null,
        json!([]),
        json!({}),
        json!({"filters": []}),
        json!({"filter_operator": "and", "filters": null}),
        json!({"filter_type": "nested_filters", "filter_operator": "and", "filters": []}),
    ] {
        let respelled = Payload {
            included_filters: typed.clone(),
            excluded_filters: Some(excluded),
        };
        assert_eq!(exact(&respelled, &Identities::default()), expected);
    }
}
