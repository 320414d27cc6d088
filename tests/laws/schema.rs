//! The schemas are what the decoder takes.

mod damage;

use super::generate::definition;
use super::round_trip::{decode, document};
use damage::{damage, damaged};
use jsonschema::Validator;
use proptest::prelude::*;
use segctl::config::schema;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

static SEGMENT: LazyLock<Validator> = LazyLock::new(|| validator(&schema::segment()));

fn validator(schema: &Value) -> Validator {
    jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

/// What else a document may say of its segment.
fn envelope() -> impl Strategy<Value = Value> {
    let fields = json!({
        "kind": "filter", "description": "# why", "owner": "014", "labels": ["no", ""], "lifecycle": "archived",
        "previous_names": ["A before"], "workspaces": ["production"],
    });
    let fields: Vec<_> = fields.as_object().unwrap().clone().into_iter().collect();
    prop::sample::subsequence(fields, 0..=3).prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agree_with_the_decoder(
        definition in definition(),
        envelope in envelope(),
        damage in prop::option::weighted(0.8, (any::<prop::sample::Index>(), damage())),
    ) {
        let mut document = document(&definition);
        for (key, value) in envelope.as_object().unwrap() {
            document[key] = value.clone();
        }
        if let Some((choice, damage)) = damage {
            document = damaged(&document, &choice, &damage);
        }
        let decoded = decode(&document.to_string());
        let faults: Vec<_> = SEGMENT.iter_errors(&document).map(|fault| fault.to_string()).collect();
        prop_assert_eq!(decoded.is_ok(), faults.is_empty(), "decoder: {:?}\nschema: {:?}\n{:#}", decoded.err(), faults, document);
    }
}

/// The one filter of a document.
fn with_filter(filter: Value) -> Value {
    json!({"name": "A", "included_filters": {"filter_operator": "and", "filters": [filter]}})
}

fn with_window(window: Value) -> Value {
    with_filter(
        json!({"filter_type": "actions", "action_name": "a", "executed": true, "primary_time_range": window}),
    )
}

fn with_base(base: Value) -> Value {
    let aggregation = json!({"attribute_name": "a", "aggregation_type": "sum", "operator": "is", "value": 1,
                             "comparator": "change", "base_time_range": base});
    let mut document = with_window(json!({"type": "inTheLast", "days": 3}));
    document["included_filters"]["filters"][0]["aggregation_attributes"] = json!({"filters": [aggregation]});
    document
}

fn with_condition(condition: &Value) -> Value {
    let mut filter = json!({"filter_type": "user_attributes", "name": "a"});
    for (key, value) in condition.as_object().unwrap() {
        filter[key] = value.clone();
    }
    with_filter(filter)
}

/// What random damage seldom hits, with the verdict that both have to give.
#[test]
fn agree_at_the_edges() {
    let other = "{{MoeUserAttribute['plan']}}";
    let date = |value: &str| json!({"data_type": "datetime", "operator": "on", "value": value});
    let cases = [
        (
            true,
            with_base(json!({"type": "between", "value": 7.0, "value1": 14})),
        ),
        (
            true,
            with_base(json!({"type": "between", "value": 7, "value1": 14.0})),
        ),
        (
            true,
            with_base(json!({"type": "between", "value": "2026-01-01", "value1": "2026-01-31"})),
        ),
        (
            false,
            with_base(json!({"type": "between", "value": 7.5, "value1": 14})),
        ),
        (
            false,
            with_base(json!({"type": "between", "value": 7, "value1": "2026-01-31"})),
        ),
        (false, with_base(json!({"type": "previousPeriod", "value": 7}))),
        (
            true,
            with_window(json!({"type": "on", "value": 0.0, "period_unit": "weeks"})),
        ),
        (
            true,
            with_window(json!({"type": "between", "days": 1, "days1": 2, "period_unit": "days"})),
        ),
        (
            false,
            with_window(json!({"type": "between", "days": 1, "days1": 2, "period_unit": "weeks"})),
        ),
        (false, with_window(json!({"type": "after", "days": 1}))),
        (false, with_window(json!({"type": "on", "from": "2026-01-01"}))),
        (false, with_window(json!({"type": "on", "days": 1, "value": 1}))),
        (true, with_window(json!({"type": "on", "value": "2028-02-29"}))),
        (
            false,
            with_window(json!({"type": "on", "value": "2026-02-29T00:00:00.000Z"})),
        ),
        (false, with_condition(&date("2016-12-31T23:59:60.000Z"))),
        (false, with_condition(&date("2026-01-31\n"))),
        (
            true,
            with_condition(
                &json!({"data_type": "datetime", "operator": "on", "value": "02-29",
                                      "extract_type": "date_month_of_the_year"}),
            ),
        ),
        (
            false,
            with_condition(
                &json!({"data_type": "datetime", "operator": "is", "value": "02-29",
                                       "extract_type": "date_month_of_the_year"}),
            ),
        ),
        (
            false,
            with_condition(&json!({"data_type": "datetime", "operator": "on", "value": 7,
                                       "extract_type": "day_of_the_week"})),
        ),
        (
            false,
            with_condition(
                &json!({"data_type": "datetime", "operator": "inTheLast", "value": other,
                                       "is_dynamic_value": true, "value_type": "relative_past"}),
            ),
        ),
        (
            true,
            with_condition(&json!({"data_type": "string", "operator": "is", "value": other})),
        ),
        (
            true,
            with_condition(&json!({"data_type": "string", "operator": "in", "value": [other],
                                      "is_dynamic_value": true})),
        ),
        (
            false,
            with_condition(&json!({"data_type": "string", "operator": "in", "value": ["x"],
                                       "dynamic_attribute_type": "string"})),
        ),
        (
            false,
            with_condition(&json!({"data_type": "array_string", "operator": "is", "value": "x"})),
        ),
        (
            false,
            with_condition(
                &json!({"data_type": "array_string", "operator": "exists", "negate": true,
                                       "array_filter_type": "any_of"}),
            ),
        ),
        (
            false,
            with_condition(
                &json!({"data_type": "geopoint", "operator": "is", "value": 1, "value1": 1,
                                       "radius": 1}),
            ),
        ),
        (
            false,
            with_condition(
                &json!({"data_type": "object", "filter_operator": "and", "filters": [],
                                       "negate": false}),
            ),
        ),
        (
            false,
            with_filter(json!({"raw": {"filter_type": "new"}, "filter_type": "actions"})),
        ),
        (
            false,
            with_filter(json!({"filter_type": "custom_segments", "id": "", "name": "A"})),
        ),
        (
            false,
            json!({"kind": "cohort", "name": "A", "included_filters": {"filter_operator": "and", "filters": []}}),
        ),
        (false, json!([])),
    ];
    for (valid, document) in cases {
        assert_eq!(
            decode(&document.to_string()).is_ok(),
            valid,
            "decoder: {document:#}"
        );
        assert_eq!(SEGMENT.is_valid(&document), valid, "schema: {document:#}");
    }
}

/// The examples as editors see them: YAML read by somebody else.
#[test]
fn examples_are_valid() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/segments")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for document in serde_yaml::from_multiple::<Value>(&text).unwrap() {
                let faults: Vec<_> = SEGMENT
                    .iter_errors(&document)
                    .map(|fault| fault.to_string())
                    .collect();
                assert!(faults.is_empty(), "{} {faults:?}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 30, "{seen} examples");
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/segctl.yaml");
    let settings: Value = serde_yaml::from_str(&fs::read_to_string(settings).unwrap()).unwrap();
    assert!(
        validator(&schema::workspace()).is_valid(&settings),
        "{settings:#}"
    );
}

#[test]
fn the_committed_schemas_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    for (file, kind, schema) in [
        ("segment.schema.json", "segment", schema::segment()),
        ("segctl.schema.json", "segctl", schema::workspace()),
    ] {
        let committed = fs::read_to_string(root.join(file)).unwrap();
        assert!(
            committed == schema::pretty(&schema),
            "schemas/{file} is stale: cargo run -- schema {kind} > schemas/{file}"
        );
    }
}

#[test]
fn settings_agree_with_their_decoder() {
    use segctl::config::source::Source;
    use segctl::config::workspace::settings;
    let service =
        json!({"data_center": "01", "workspace_id": "${ID}", "api_key": {"command": ["pass", "key"]}});
    let with = |key: &str, value: Value| {
        let mut service = service.clone();
        service[key] = value;
        json!({"segments": "a", "workspaces": {"p": service}})
    };
    let documents = [
        json!({"segments": ["a", "b"], "default_workspace": "p", "workspaces": {"p": service}}),
        json!({"segments": "a", "workspaces": {"p": {"sandbox": "f", "ledger": "l", "time_zone": "UTC"}}}),
        json!({"segments": [], "workspaces": {"p": service}}),
        json!({"segments": "a", "workspaces": {}}),
        json!({"segments": "a", "workspaces": {"a b": service}}),
        json!({"segments": "a"}),
        json!({"workspaces": {"p": service}}),
        json!({"segments": "a", "workspaces": {"p": {"sandbox": ""}}}),
        json!({"segments": "a", "workspaces": {"p": {"sandbox": "f", "api_key": "${K}"}}}),
        with("data_center", json!("7")),
        with("endpoint", json!("https://example.com")),
        with("workspace_id", json!("literal")),
        with("workspace_id", json!("a${B}")),
        with("api_key", json!("literal")),
        with("api_key", json!("${1}")),
        with("api_key", json!({"command": []})),
        with("db_name", json!("literal")),
        with("rate_limits", json!({"get": ["10/s"]})),
        with("rate_limits", json!({"gets": ["10/s"]})),
        with("service", json!({"list_shows_archived": true})),
        with("service", json!({"list_shows_archived": "yes"})),
        with("sandbox", json!("f")),
    ];
    let validator = validator(&schema::workspace());
    for document in documents {
        let (read, faults) = settings(&Source::new("segctl.yaml", document.to_string()));
        assert_eq!(
            read.is_some(),
            validator.is_valid(&document),
            "{document} {faults:?}"
        );
    }
}
