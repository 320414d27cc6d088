//! The schemas accept exactly what the decoder accepts.

mod boundaries;
mod mutations;

use super::generate::definition;
use super::round_trip::{decode, document};
use jsonschema::Validator;
pub(crate) use mutations::{mutated, mutation};
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

/// Optional fields of a document.
fn optional_fields() -> impl Strategy<Value = Value> {
    let fields = json!({
        "kind": "filter", "description": "# why", "owner": "014", "labels": ["no", ""], "lifecycle": "archived",
        "previous_names": ["A before"], "workspaces": ["production"],
    });
    let fields: Vec<_> = fields.as_object().unwrap().clone().into_iter().collect();
    prop::sample::subsequence(fields, 0..=3).prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

/// Cohorts and file segments.
fn member_segments() -> impl Strategy<Value = Value> {
    let digest = "0123456789abcdef".repeat(4);
    prop::sample::select(vec![
        json!({"name": "A", "kind": "file", "identifier": {"attribute": "email", "type": "string"},
               "users": {"path": "data/a.csv"}, "expires_in_days": 90}),
        json!({"name": "A", "kind": "file", "identifier": {"attribute": "id", "type": "double"},
               "users": {"url": "https://files.example.com/a.csv", "sha256": digest}, "expires_in_days": 1,
               "callback_url": "http://hooks.example.com", "notify": ["a@example.com", "b@example.com"]}),
        json!({"name": "A", "kind": "cohort", "partner": "acme", "cohort_id": "1", "members": ["u1", "u2"]}),
        json!({"name": "A", "kind": "cohort", "partner": "acme", "cohort_id": "1", "members": {"path": "a.txt"}}),
    ])
}

fn require_agreement(document: &Value) -> Result<(), TestCaseError> {
    let decoded = decode(&document.to_string());
    let errors: Vec<_> = SEGMENT
        .iter_errors(document)
        .map(|error| error.to_string())
        .collect();
    prop_assert_eq!(
        decoded.is_ok(),
        errors.is_empty(),
        "decoder: {:?}\nschema: {:?}\n{:#}",
        decoded.err(),
        errors,
        document
    );
    Ok(())
}

proptest! {
    #![proptest_config(crate::fixed_seeds::config(2000))]

    #[test]
    fn segment_schema_agrees_with_the_decoder(
        definition in definition(),
        envelope in optional_fields(),
        mutation in prop::option::weighted(0.8, (any::<prop::sample::Index>(), mutation())),
    ) {
        let mut document = document(&definition);
        for (key, value) in envelope.as_object().unwrap() {
            document[key] = value.clone();
        }
        if let Some((choice, mutation)) = mutation {
            document = mutated(&document, &choice, &mutation);
        }
        require_agreement(&document)?;
    }

    #[test]
    fn member_segment_schema_agrees_with_the_decoder(
        document in member_segments(),
        envelope in optional_fields(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), mutation()), 0..3),
    ) {
        let mut document = document;
        for (key, value) in envelope.as_object().unwrap() {
            if key != "kind" {
                document[key] = value.clone();
            }
        }
        for (choice, mutation) in mutations {
            document = mutated(&document, &choice, &mutation);
        }
        require_agreement(&document)?;
    }
}

/// Editors read the examples with another YAML parser.
#[test]
fn examples_match_the_schemas() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/segments")];
    let mut checked = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let extension = path.extension().and_then(|extension| extension.to_str());
            if matches!(extension, Some("csv" | "txt")) {
                // A list of members.
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for document in serde_yaml::from_multiple::<Value>(&text).unwrap() {
                let errors: Vec<_> = SEGMENT
                    .iter_errors(&document)
                    .map(|error| error.to_string())
                    .collect();
                assert!(errors.is_empty(), "{} {errors:?}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked >= 30, "{checked} examples");
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/segctl.yaml");
    let settings: Value = serde_yaml::from_str(&fs::read_to_string(settings).unwrap()).unwrap();
    assert!(validator(&schema::settings()).is_valid(&settings), "{settings:#}");
}

#[test]
fn committed_schemas_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    for (file, kind, schema) in [
        ("segment.schema.json", "segment", schema::segment()),
        ("segctl.schema.json", "segctl", schema::settings()),
    ] {
        let committed = fs::read_to_string(root.join(file)).unwrap();
        assert!(
            committed == schema::pretty(&schema),
            "schemas/{file} is stale: cargo run -- schema {kind} > schemas/{file}"
        );
    }
}

#[test]
fn settings_schema_agrees_with_the_decoder() {
    use segctl::config::settings::parse_settings;
    use segctl::config::source::SourceFile;
    let workspace =
        json!({"data_center": "01", "workspace_id": "${ID}", "api_key": {"command": ["pass", "key"]}});
    let with = |key: &str, value: Value| {
        let mut workspace = workspace.clone();
        workspace[key] = value;
        json!({"segments": "a", "workspaces": {"p": workspace}})
    };
    let documents = [
        json!({"segments": ["a", "b"], "default_workspace": "p", "workspaces": {"p": workspace}}),
        json!({"segments": "a", "workspaces": {"p": {"sandbox": "f", "state": "l", "time_zone": "UTC"}}}),
        json!({"segments": [], "workspaces": {"p": workspace}}),
        json!({"segments": "a", "workspaces": {}}),
        json!({"segments": "a", "workspaces": {"a b": workspace}}),
        json!({"segments": "a"}),
        json!({"workspaces": {"p": workspace}}),
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
        with("db_name", json!(" literal")),
        with("db_name", json!("literal\n")),
        with("db_name", json!("a:b")),
        with("workspace_id", json!("a:b")),
        with("rate_limits", json!({"get": ["10/s"]})),
        with("rate_limits", json!({"gets": ["10/s"]})),
        with("api_behavior", json!({"list_shows": "filter_and_file"})),
        with("api_behavior", json!({"list_shows": "file"})),
        with("api_behavior", json!({"file_request_content_type": "text/csv"})),
        with("api_behavior", json!({"file_request_content_type": "text/html"})),
        with("api_behavior", json!({"list_shows_archived": true})),
        with("api_behavior", json!({"list_shows_archived": "yes"})),
        with("sandbox", json!("f")),
        with(
            "publish",
            json!({"directory": "web", "url": "https://files.example.com"}),
        ),
        with("publish", json!({"directory": "web", "url": "files.example.com"})),
        with(
            "publish",
            json!({"directory": "web", "url": "https://files.example.com/?a=b"}),
        ),
        with("publish", json!({"directory": "web"})),
        with("publish", json!({"url": "https://files.example.com"})),
        with("publish", json!("web")),
        with("publish", json!({"bucket": "s3://files/prod"})),
        with("publish", json!({"bucket": "az://files/"})),
        with("publish", json!({"bucket": "s3://files/../prod"})),
        with("publish", json!({"bucket": "https://files"})),
        with("publish", json!({"bucket": "s3://files", "directory": "web"})),
        with(
            "callbacks",
            json!({"url": "https://hooks.example/a", "token": "${T}", "listen": "[::]:8080"}),
        ),
        with(
            "callbacks",
            json!({"url": "http://localhost:80", "token": {"command": ["pass"]}}),
        ),
        with(
            "callbacks",
            json!({"url": "http://localhost.example", "token": "${T}"}),
        ),
        with("callbacks", json!({"url": "https:///a", "token": "${T}"})),
        with(
            "callbacks",
            json!({"url": "https://hooks.example/#a", "token": "${T}"}),
        ),
        with(
            "callbacks",
            json!({"url": "https://hooks example", "token": "${T}"}),
        ),
        with(
            "callbacks",
            json!({"url": "https://hooks.example", "token": "hunter2"}),
        ),
        with(
            "callbacks",
            json!({"url": "https://hooks.example", "token": "${T}", "listen": "8080"}),
        ),
        with("callbacks", json!({"url": "https://hooks.example"})),
        with("callbacks", json!({"token": "${T}"})),
        json!({"segments": "a", "workspaces": {"p": {"sandbox": "f", "publish": {"directory": "web"}}}}),
        json!({"segments": "a", "workspaces": {"p": {"sandbox": "f", "publish": {"directory": ""}}}}),
    ];
    let validator = validator(&schema::settings());
    for document in documents {
        let (read, errors) = parse_settings(&SourceFile::new("segctl.yaml", document.to_string()));
        assert_eq!(
            read.is_some(),
            validator.is_valid(&document),
            "{document} {errors:?}"
        );
    }
}
