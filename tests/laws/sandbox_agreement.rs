//! The sandbox accepts what segctl sends for a file that it accepts. The two share no code.

use super::generate::definition;
use super::round_trip::document;
use super::schema::{mutated, mutation};
use jiff::Timestamp;
use proptest::prelude::*;
use segctl::config::lint::lint;
use segctl::config::source::SourceFile;
use segctl::config::{decode_segment, yaml};
use segctl::diagnostic::Severity;
use segctl::model::Payload;
use segctl::sandbox::{
    HttpRequest, HttpResponse, RateLimitMode, SandboxCredentials, SandboxSettings, Service,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// What segctl sends for `document`. `None` if it reports an error.
fn sent(document: &Value) -> Option<Payload> {
    let source = Arc::new(SourceFile::new("a.yaml", document.to_string()));
    let (documents, diagnostics) = yaml::parse(&source);
    let [tree]: [_; 1] = documents.try_into().ok()?;
    let (declaration, more) = decode_segment(&source, tree);
    let declaration = declaration?;
    let all = diagnostics.into_iter().chain(more).chain(lint(&[&declaration]));
    let mut errors = all.filter(|found| found.severity == Severity::Error);
    let definition = declaration.segment.contents.definition()?;
    errors.next().is_none().then(|| definition.payload().clone())
}

/// The answer of a new sandbox to the create request.
fn create(payload: &Payload) -> HttpResponse {
    let mut body = json!({"name": "A", "included_filters": payload.included_filters});
    if let Some(excluded) = &payload.excluded_filters {
        body["excluded_filters"] = excluded.clone();
    }
    let settings = SandboxSettings {
        rate_limits: RateLimitMode::Off,
        ..SandboxSettings::default()
    };
    let credentials = SandboxCredentials {
        workspace_id: "w".to_owned(),
        api_key: "key".to_owned(),
        db_name: "db".to_owned(),
    };
    let headers = [
        // `w:key` in base64.
        ("authorization", "Basic dzprZXk="),
        ("moe-appkey", "w"),
        ("content-type", "application/json"),
    ];
    let request = HttpRequest {
        method: "POST".to_owned(),
        path: "/v3/custom-segments".to_owned(),
        headers: headers
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        body: body.to_string().into_bytes(),
        ..HttpRequest::default()
    };
    Service::new(settings, credentials).handle(Timestamp::UNIX_EPOCH, &request)
}

/// Without the filters that a new sandbox cannot know: references, and filters of future types.
fn without_unknown_filters(document: &Value) -> Value {
    let mut document = document.clone();
    for key in ["included_filters", "excluded_filters"] {
        if let Some(group) = document.get_mut(key) {
            remove_unknown_filters(group);
        }
    }
    document
}

fn remove_unknown_filters(group: &mut Value) {
    let Some(filters) = group.get_mut("filters").and_then(Value::as_array_mut) else {
        return;
    };
    filters.retain(|filter| filter["filter_type"] != "custom_segments" && filter.get("raw").is_none());
    for filter in filters {
        if filter["filter_type"] == "nested_filters" {
            remove_unknown_filters(filter);
        }
    }
}

fn require_acceptance(document: &Value) -> Result<(), TestCaseError> {
    if let Some(payload) = sent(document) {
        let response = create(&payload);
        prop_assert_eq!(response.status, 201, "{}\n{:#}", response.body, document);
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::fixed_seeds::config(1000))]

    #[test]
    fn the_sandbox_accepts_what_segctl_sends(
        definition in definition(),
        mutation in prop::option::weighted(0.7, (any::<prop::sample::Index>(), mutation())),
    ) {
        let mut document = document(&definition);
        if let Some((choice, mutation)) = mutation {
            document = mutated(&document, &choice, &mutation);
        }
        require_acceptance(&without_unknown_filters(&document))?;
    }
}

fn document_with(filter: &Value) -> Value {
    json!({"name": "A", "included_filters": {"filter_operator": "and", "filters": [filter]}})
}

fn with_fields(base: &Value, fields: &Value) -> Value {
    let mut filter = base.clone();
    for (key, value) in fields.as_object().unwrap() {
        filter[key] = value.clone();
    }
    filter
}

/// Each row is the fields that a file adds to `base`, and the fields that segctl then sends, `null` for none.
fn require_rows(base: &Value, rows: &Value) {
    for row in rows.as_array().unwrap() {
        let document = document_with(&with_fields(base, &row[0]));
        let payload = sent(&document).unwrap_or_else(|| panic!("rejected: {document:#}"));
        let filter = &payload.included_filters["filters"][0];
        for (key, value) in row[1].as_object().unwrap() {
            let found = filter.get(key).unwrap_or(&Value::Null);
            assert_eq!(found, value, "{key} of {filter:#}");
        }
        let response = create(&payload);
        assert_eq!(response.status, 201, "{}\n{filter:#}", response.body);
    }
}

/// Each row is fields that make `base` invalid.
fn require_errors(base: &Value, rows: &Value) {
    for fields in rows.as_array().unwrap() {
        let document = document_with(&with_fields(base, fields));
        assert_eq!(sent(&document), None, "{document:#}");
    }
}

#[test]
fn lists_of_an_attribute_match_any_element_by_default() {
    let base =
        json!({"filter_type": "user_attributes", "name": "tags", "category": "Tracked Custom Attribute"});
    let rows = json!([
        [{"data_type": "array_string", "operator": "in", "value": ["a"]},
         {"array_filter_type": "any_of", "value": ["a"], "negate": false, "case_sensitive": false}],
        [{"data_type": "array_string", "operator": "contains", "value": "a"}, {"value": ["a"]}],
        [{"data_type": "array_string", "operator": "startsWith", "value": ["a", "b"]}, {"value": ["a", "b"]}],
        [{"data_type": "array_string", "operator": "endsWith", "value": "a", "negate": true},
         {"value": ["a"], "array_filter_type": null, "negate": true}],
        [{"data_type": "array_string", "operator": "is", "value": "", "array_filter_type": "all_of"},
         {"value": "", "array_filter_type": "all_of"}],
        [{"data_type": "array_string", "operator": "exists", "array_filter_type": "any_of"},
         {"value": null, "array_filter_type": null}],
        [{"data_type": "array_double", "operator": "between", "value": 1, "value1": 2.5},
         {"value": 1, "value1": 2.5, "array_filter_type": "any_of"}],
        [{"data_type": "array_double", "operator": "in", "value": "{{MoeUserAttribute['n']}}", "is_dynamic_value": true},
         {"dynamic_attribute_type": "double", "array_filter_type": "any_of"}],
    ]);
    require_rows(&base, &rows);
    let errors = json!([
        {"data_type": "array_string", "operator": "in", "value": "a"},
        {"data_type": "array_string", "operator": "is", "value": ["a"]},
        {"data_type": "array_string", "operator": "contains", "value": [1]},
        {"data_type": "array_string", "operator": "in", "value": ["a"], "negate": true, "array_filter_type": "any_of"},
        {"data_type": "array_double", "operator": "is", "value": 1},
        {"data_type": "array_double", "operator": "in", "value": [1], "array_filter_type": "none_of"},
    ]);
    require_errors(&base, &errors);
}

#[test]
fn conditions_have_the_values_of_their_operator() {
    let base = json!({"filter_type": "user_attributes", "name": "a", "category": "Tracked Custom Attribute"});
    let rows = json!([
        [{"data_type": "string", "operator": "containsInTheFollowing", "value": ["a"]}, {"case_sensitive": false}],
        [{"data_type": "string", "operator": "contains", "value": " "}, {"value": " "}],
        [{"data_type": "string", "operator": "is", "value": "", "negate": true}, {"value": "", "negate": true}],
        [{"data_type": "double", "operator": "between", "value": -1, "value1": 1}, {"value": -1, "value1": 1}],
        [{"data_type": "bool", "operator": "is", "value": false}, {"value": false}],
        [{"data_type": "geopoint", "value": 18.5, "value1": 73.8, "radius": 100}, {"negate": false, "radius": 100}],
        [{"data_type": "datetime", "operator": "today", "value_type": "relative_past"}, {"value_type": null, "value": null}],
        [{"data_type": "datetime", "operator": "inTheLast", "value": 3}, {"value_type": "relative_past"}],
        [{"data_type": "datetime", "operator": "on", "value": "2026-01-05"},
         {"value": "2026-01-05T00:00:00.000Z", "value_type": "absolute"}],
        [{"data_type": "datetime", "operator": "in", "extract_type": "day_of_the_week", "value": [0, 6]}, {"value": [0, 6]}],
        [{"data_type": "datetime", "operator": "between", "extract_type": "date_month_of_the_year",
          "value": "12-20", "value1": "01-05"}, {"value1": "01-05"}],
        [{"data_type": "object", "filter_operator": "and", "filters": [
            {"name": "b", "data_type": "double", "operator": "exists"}]}, {"negate": null, "operator": null}],
    ]);
    require_rows(&base, &rows);
    let errors = json!([
        {"data_type": "string", "operator": "in", "value": "a"},
        {"data_type": "string", "operator": "startsWith", "value": "a"},
        {"data_type": "string", "operator": "exists", "value": "a"},
        {"data_type": "double", "operator": "between", "value": 2, "value1": 1},
        {"data_type": "double", "operator": "lessThan", "value": [1]},
        {"data_type": "bool", "operator": "is", "value": "true"},
        {"data_type": "geopoint", "value": 91, "value1": 0, "radius": 1},
        {"data_type": "datetime", "operator": "today", "value": 0},
        {"data_type": "datetime", "operator": "on", "extract_type": "time_of_the_day", "value": 24},
        {"data_type": "object", "filter_operator": "and", "filters": [
            {"filter_type": "user_attributes", "name": "b", "data_type": "double", "operator": "exists"}]},
        {"data_type": "object", "filter_operator": "and", "filters": [], "negate": true},
        {"data_type": "string", "operator": "is", "value": "a", "category": ""},
    ]);
    require_errors(&base, &errors);
}

#[test]
fn events_have_time_ranges_in_units_days_and_dates() {
    let base = json!({"filter_type": "actions", "action_name": "buy", "executed": true,
                      "primary_time_range": {"type": "inTheLast", "days": 3}});
    let filled = json!({"execution": {"type": "atleast", "count": 1},
                        "attributes": {"filter_operator": "and", "filters": []}});
    let never = json!({"executed": false, "execution": {"type": "exactly", "count": 0}});
    let price = json!({"name": "price", "data_type": "double", "operator": "exists"});
    let mut rows = vec![
        json!([{}, filled]),
        json!([{"executed": false}, never]),
        json!([{"attributes": {"filter_operator": "or", "filters": [price]}},
               {"attributes": {"filter_operator": "or", "filters": [
                    with_fields(&price, &json!({"category": "default", "negate": false}))]}}]),
    ];
    for (file, expected) in [
        (
            json!({"type": "inTheLast", "value": 2, "period_unit": "weeks"}),
            json!({"type": "inTheLast", "value": 2, "period_unit": "weeks", "value_type": "relative_past"}),
        ),
        (
            json!({"type": "between", "value": 3, "value1": 9, "value_type": "relative_past"}),
            json!({"type": "between", "value": 3, "value1": 9, "value_type": "relative_past"}),
        ),
        (
            json!({"type": "between", "days": 3, "days1": 9}),
            json!({"type": "between", "value": 3, "value1": 9, "value_type": "relative_past"}),
        ),
        (
            json!({"type": "before", "value": 4, "period_unit": "days"}),
            json!({"type": "before", "value": 4, "value_type": "relative_past"}),
        ),
        (
            json!({"type": "on", "value": 0, "period_unit": "months"}),
            json!({"type": "on", "value": 0, "period_unit": "months", "value_type": "relative_past"}),
        ),
        (
            json!({"type": "on", "value": "2026-01-05", "period_unit": "days"}),
            json!({"type": "on", "value": "2026-01-05T00:00:00.000Z", "period_unit": "days", "value_type": "absolute"}),
        ),
        (
            json!({"type": "between", "value": "2026-01-05", "value1": "2026-01-05"}),
            json!({"type": "between", "value": "2026-01-05T00:00:00.000Z", "value1": "2026-01-05T23:59:59.999Z",
                   "value_type": "absolute"}),
        ),
    ] {
        rows.push(json!([{"primary_time_range": file}, {"primary_time_range": expected}]));
    }
    require_rows(&base, &json!(rows));
    let category = with_fields(&price, &json!({"category": "Tracked Custom Attribute"}));
    let dynamic = with_fields(&price, &json!({"is_dynamic_value": true}));
    let mut errors = vec![
        json!({"execution": {"type": "atleast", "count": 0}}),
        json!({"execution": {"type": "firstTime", "count": 1}}),
        json!({"executed": false, "execution": {"type": "atleast", "count": 1}}),
        json!({"attributes": {"filter_operator": "and", "filters": [category]}}),
        json!({"attributes": {"filter_operator": "and", "filters": [dynamic]}}),
    ];
    for range in [
        json!({"type": "inTheLast", "value": 3}),
        json!({"type": "inTheLast", "value": 0, "period_unit": "days"}),
        json!({"type": "on", "value": 1, "value_type": "relative_past"}),
        json!({"type": "between", "value": 9, "value1": 3}),
        json!({"type": "after", "value": 3}),
        json!({"type": "on", "value": "2026-01-05T10:00:00.000Z"}),
        json!({"type": "between", "value": "2026-01-06", "value1": "2026-01-05"}),
        json!({"type": "on", "from": "2026-01-05"}),
    ] {
        errors.push(json!({"primary_time_range": range}));
    }
    require_errors(&base, &json!(errors));
}

#[test]
fn aggregations_are_compared_with_dates_or_the_period_before() {
    let base = json!({"filter_type": "actions", "action_name": "buy", "executed": true,
                      "primary_time_range": {"type": "inTheLast", "value": 7, "period_unit": "days"}});
    let sum =
        json!({"attribute_name": "amount", "aggregation_type": "sum", "operator": "greaterThan", "value": 5});
    let group = |operator: &str, fields: &Value| {
        let filters = [with_fields(&sum, fields)];
        json!({"aggregation_attributes": {"filter_operator": operator, "filters": filters}})
    };
    let compared = |range: Value| group("and", &json!({"comparator": "change", "base_time_range": range}));
    let rows = json!([
        [group("or", &json!({})), {}],
        [
            group(
                "and",
                &json!({"operator": "between", "value": 1, "value1": 2, "negate": true})
            ),
            {}
        ],
        [compared(json!({"type": "previousPeriod"})), {}],
        [
            compared(json!({"type": "between", "value": "2026-01-05", "value1": "2026-01-06T10:30:00Z"})),
            {}
        ],
    ]);
    require_rows(&base, &rows);
    let errors = json!([
        compared(json!({"type": "between", "value": 3, "value1": 9})),
        compared(json!({"type": "between", "value": "2026-01-06", "value1": "2026-01-05"})),
        group("xor", &json!({})),
        group("and", &json!({"comparator": "change"})),
        group("and", &json!({"base_time_range": {"type": "previousPeriod"}})),
        group("and", &json!({"is_dynamic_value": true})),
        with_fields(&group("and", &json!({})), &json!({"executed": false})),
        with_fields(
            &group("and", &json!({})),
            &json!({"execution": {"type": "lastTime"}})
        ),
        with_fields(
            &group("and", &json!({})),
            &json!({"primary_time_range": {"type": "before", "value": 3}})
        ),
    ]);
    require_errors(&base, &errors);
}

#[test]
fn affinities_have_any_moment_and_may_never_be_executed() {
    let attribute = |fields: Value| {
        let base = json!({"name": "brand", "data_type": "string"});
        json!({"psychographic_attributes": {"filter_operator": "or", "filters": [with_fields(&base, &fields)]}})
    };
    let base = json!({"filter_type": "psychographic_event", "action_name": "view", "operator_type": "predominant",
                      "primary_time_range": {"type": "inTheLast", "days": 30}});
    let base = with_fields(&base, &attribute(json!({"operator": "is", "value": "A"})));
    let range = |fields: Value| json!({"primary_time_range": fields});
    let rows = json!([
        [{}, {"executed": true, "execution": {"type": "atleast", "count": 1}}],
        [{"executed": false}, {"executed": false, "execution": {"type": "exactly", "count": 0}}],
        [{"operator_type": "minimum", "percent_of_times": 100}, {"percent_of_times": 100}],
        [{"operator_type": "bottom", "percent_of_users": 1}, {"percent_of_users": 1}],
        [attribute(json!({"operator": "exists", "case_sensitive": false})), {}],
        [attribute(json!({"operator": "exists"})), {}],
        [attribute(json!({"operator": "in", "value": ["A", "B"], "case_sensitive": true})), {}],
        [attribute(json!({"data_type": "double", "operator": "between", "value": 1, "value1": 2})), {}],
        [range(json!({"type": "on", "days": 0})), range(json!({"type": "on", "days": 0, "value_type": "relative_past"}))],
        [range(json!({"type": "between", "from": "2026-01-05", "to": "2026-01-05"})),
         range(json!({"type": "between", "from": "2026-01-05T00:00:00.000Z", "to": "2026-01-05T23:59:59.999Z",
                      "value_type": "absolute"}))],
        [range(json!({"type": "between", "from": "2026-01-05T10:30:00Z", "to": "2026-01-05T10:30:00.123456Z"})),
         range(json!({"type": "between", "from": "2026-01-05T10:30:00.000Z", "to": "2026-01-05T10:30:00.123456Z",
                      "value_type": "absolute"}))],
    ]);
    require_rows(&base, &rows);
    let errors = json!([
        {"operator_type": "top"},
        {"operator_type": "top", "percent_of_users": 0},
        {"operator_type": "minimum", "percent_of_users": 5},
        {"executed": false, "execution": {"type": "atleast", "count": 1}},
        {"project_name": "moe_portfolio"},
        attribute(json!({"operator": "contains", "value": ["A"]})),
        attribute(json!({"data_type": "bool", "operator": "is", "value": true})),
        range(json!({"type": "inTheLast", "value": 3, "period_unit": "days"})),
        range(json!({"type": "between", "days": 9, "days1": 3})),
        range(json!({"type": "between", "from": "2026-01-05T10:30:00Z", "to": "2026-01-05T10:30:00Z"})),
        range(json!({"type": "on", "from": "2026-01-05T10:30:00+05:30"})),
    ]);
    require_errors(&base, &errors);
}

#[test]
fn groups_may_be_nested_deeply() {
    for levels in [1, 64, 90] {
        let mut filter = json!({"filter_type": "user_attributes", "name": "city", "data_type": "string",
                                "operator": "in", "value": ["Pune"]});
        for _ in 0..levels {
            filter = json!({"filter_type": "nested_filters", "filter_operator": "or", "filters": [filter]});
        }
        let payload = sent(&document_with(&filter)).unwrap();
        assert_eq!(create(&payload).status, 201, "{levels}");
    }
}
