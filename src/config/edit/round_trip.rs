//! Verifies that written text is read back as the definition that it was written for.

use super::super::declaration::Declaration;
use super::super::decode;
use super::super::source::SourceFile;
use super::super::yaml;
use super::edit_error::EditError;
use super::emit;
use super::ordered_value::OrderedValue;
use crate::definition::{Identities, canonical, diff};
use crate::diagnostic::Severity;
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) fn read_declaration(text: &str) -> Result<Declaration, EditError> {
    let source = Arc::new(SourceFile::new("written", text));
    let (documents, mut diagnostics) = yaml::parse(&source);
    let mut read = Vec::new();
    for document in documents {
        let (declaration, others) = decode::segment(&source, document);
        diagnostics.extend(others);
        read.extend(declaration);
    }
    let invalid = |reason: String| EditError::InvalidText {
        path: "document".to_owned(),
        reason,
    };
    if let Some(error) = diagnostics.iter().find(|error| error.severity == Severity::Error) {
        return Err(invalid(format!("{} ({})", error.message, error.code)));
    }
    match (read.pop(), read.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(invalid("it must contain exactly one YAML document".to_owned())),
    }
}

pub(super) fn verify_definition(
    declaration: &Declaration,
    form: &Value,
    identities: &Identities,
) -> Result<(), EditError> {
    let actual = canonical_form(declaration, identities);
    if actual == *form {
        return Ok(());
    }
    let first = diff(form, &actual).into_iter().next();
    let path = first.map_or_else(|| "definition".to_owned(), |change| change.to_string());
    Err(EditError::mismatch(path))
}

/// Empty for a segment without filters.
pub(super) fn canonical_form(declaration: &Declaration, identities: &Identities) -> Value {
    let definition = declaration.segment.contents.definition();
    definition.map_or_else(
        || Value::Object(Map::new()),
        |definition| canonical::exact(definition, identities),
    )
}

/// The error is the reason.
pub(super) fn verify_filter(
    filter: &OrderedValue,
    form: &Value,
    identities: &Identities,
) -> Result<(), String> {
    // JSON, because it is fast and its quoting is unambiguous; the whole text is verified as YAML at the end.
    let text = format!(
        r#"{{"name": "A", "included_filters": {{"filter_operator": "and", "filters": [{}]}}}}"#,
        emit::json(filter)
    );
    let declaration = read_declaration(&text).map_err(|error| match error {
        EditError::InvalidText { reason, .. } => reason,
        other => other.to_string(),
    })?;
    let form = serde_json::json!({"included_filters": {"filter_operator": "and", "filters": [form]}});
    verify_definition(&declaration, &form, identities).map_err(|error| error.to_string())
}
