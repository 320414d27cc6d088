//! The schemas are what the decoder takes.

use super::generate::definition;
use super::round_trip::{decode, document};
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

/// Ways to break a document, or to leave it as good as it was.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Delete,
    Add,
    Retype,
    Misspell,
    Oversize,
    Negate,
}

/// Every object and leaf in a document, as JSON pointers.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter().filter(|(key, _)| *key != "raw") {
                let path = format!("{path}/{key}");
                found.push(path.clone());
                places(value, &path, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}/{index}");
                found.push(path.clone());
                places(item, &path, found);
            }
        }
        _ => {}
    }
}

fn damaged(document: &Value, place: &str, damage: Damage) -> Value {
    let mut document = document.clone();
    let (parent, key) = place.rsplit_once('/').unwrap();
    if let Damage::Delete = damage {
        if let Some(Value::Object(fields)) = document.pointer_mut(parent) {
            fields.remove(key);
        }
        return document;
    }
    let Some(value) = document.pointer_mut(place) else {
        return document;
    };
    match (damage, &mut *value) {
        (Damage::Add, Value::Object(fields)) => {
            fields.insert("unheard_of".to_owned(), json!(1));
        }
        (Damage::Retype, Value::String(_)) => *value = json!(["text"]),
        (Damage::Retype, Value::Number(_)) => *value = json!("text"),
        (Damage::Retype, Value::Bool(_)) => *value = json!({}),
        (Damage::Retype, _) => *value = json!(true),
        (Damage::Misspell, Value::String(text)) => text.push('x'),
        (Damage::Oversize, Value::Number(_)) => *value = json!(3_000_000_000_u32),
        (Damage::Negate, Value::Bool(flag)) => *flag = !*flag,
        (Damage::Negate, Value::Number(_)) => *value = json!(-1),
        _ => {}
    }
    document
}

fn damage() -> impl Strategy<Value = Damage> {
    prop::sample::select(vec![
        Damage::Delete,
        Damage::Add,
        Damage::Retype,
        Damage::Misspell,
        Damage::Oversize,
        Damage::Negate,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agree_with_the_decoder(
        definition in definition(),
        damage in prop::option::of((any::<prop::sample::Index>(), damage())),
    ) {
        let mut document = document(&definition);
        if let Some((choice, damage)) = damage {
            let mut found = Vec::new();
            places(&document, "", &mut found);
            document = damaged(&document, choice.get::<String>(&found), damage);
        }
        let decoded = decode(&document.to_string());
        let faults: Vec<_> = SEGMENT.iter_errors(&document).map(|fault| fault.to_string()).collect();
        prop_assert_eq!(decoded.is_ok(), faults.is_empty(), "decoder: {:?}\nschema: {:?}\n{:#}", decoded.err(), faults, document);
    }
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
