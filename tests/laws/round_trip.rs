//! A definition that is encoded and decoded stays the same.

use super::generate::definition;
use proptest::prelude::*;
use segctl::config::source::SourceFile;
use segctl::config::{decode_segment, yaml};
use segctl::definition::encode;
use segctl::model::{Contents, Definition};
use serde_json::{Value, json};
use std::sync::Arc;

/// The document that declares a definition.
pub(crate) fn document(definition: &Definition) -> Value {
    let payload = encode(definition);
    let mut document = json!({"name": "A", "included_filters": mark_raw_filters(&payload.included_filters)});
    if let Some(excluded) = payload.excluded_filters {
        document["excluded_filters"] = mark_raw_filters(&excluded);
    }
    document
}

/// Wraps filters of unknown types in `raw`, as files require it.
fn mark_raw_filters(group: &Value) -> Value {
    let mut group = group.clone();
    for filter in group["filters"].as_array_mut().unwrap() {
        *filter = match filter["filter_type"].as_str() {
            Some("nested_filters") => mark_raw_filters(filter),
            Some("new") => json!({"raw": filter}),
            _ => filter.clone(),
        };
    }
    group
}

/// The declared contents, or the messages of all diagnostics.
pub(crate) fn decode(text: &str) -> Result<Contents, Vec<String>> {
    let source = Arc::new(SourceFile::new("a.yaml", text));
    let (documents, mut diagnostics) = yaml::parse(&source);
    let mut read = None;
    for document in documents {
        let (declaration, more) = decode_segment(&source, document);
        diagnostics.extend(more);
        read = declaration;
    }
    match read {
        Some(declaration) if diagnostics.is_empty() => Ok(declaration.segment.contents),
        _ => Err(diagnostics
            .into_iter()
            .map(|diagnostic| format!("{}: {}", diagnostic.code, diagnostic.message))
            .collect()),
    }
}

proptest! {
    #![proptest_config(crate::fixed_seeds::config(400))]

    #[test]
    fn a_definition_encoded_as_json_is_decoded_unchanged(definition in definition()) {
        prop_assert_eq!(decode(&document(&definition).to_string()), Ok(Contents::from(definition)));
    }

    #[test]
    fn a_definition_encoded_as_yaml_is_decoded_unchanged(definition in definition()) {
        let text = serde_yaml::to_string(&document(&definition)).unwrap();
        prop_assert_eq!(decode(&text), Ok(Contents::from(definition)), "{}", text);
    }
}
