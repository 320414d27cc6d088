//! What is printed is read back as it was.

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

/// A group with the filters that the vocabulary does not know marked as raw, as files have to have them.
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

/// What a text declares, or the messages of everything that is wrong with it.
pub(crate) fn decode(text: &str) -> Result<Contents, Vec<String>> {
    let source = Arc::new(SourceFile::new("a.yaml", text));
    let (documents, mut faults) = yaml::parse(&source);
    let mut read = None;
    for document in documents {
        let (declaration, more) = decode_segment(&source, document);
        faults.extend(more);
        read = declaration;
    }
    match read {
        Some(declaration) if faults.is_empty() => Ok(declaration.segment.contents),
        _ => Err(faults
            .into_iter()
            .map(|fault| format!("{}: {}", fault.code, fault.message))
            .collect()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_definition_encoded_as_json_is_decoded_unchanged(definition in definition()) {
        prop_assert_eq!(decode(&document(&definition).to_string()), Ok(Contents::Filter(definition)));
    }

    #[test]
    fn a_definition_encoded_as_yaml_is_decoded_unchanged(definition in definition()) {
        let text = serde_yaml::to_string(&document(&definition)).unwrap();
        prop_assert_eq!(decode(&text), Ok(Contents::Filter(definition)), "{}", text);
    }
}
