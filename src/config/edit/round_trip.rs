//! The law of this module: what is written is read back as what it was written for.

use super::super::declaration::Declaration;
use super::super::decode;
use super::super::source::SourceFile;
use super::super::yaml;
use super::edit_error::EditError;
use super::emit;
use super::ordered_value::OrderedValue;
use crate::definition::{Identities, canonical, diff, encode};
use crate::diagnostic::{Diagnostic, Severity};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The one declaration of a text.
pub(super) fn read_declaration(text: &str) -> Result<Declaration, EditError> {
    let source = Arc::new(SourceFile::new("written", text));
    let (documents, mut faults) = yaml::parse(&source);
    let mut read = Vec::new();
    for document in documents {
        let (declaration, more) = decode::segment(&source, document);
        faults.extend(more);
        read.extend(declaration);
    }
    let refused = |reason: String| EditError::InvalidText {
        path: "document".to_owned(),
        reason,
    };
    if let Some(fault) = faults.iter().find(|fault| fault.severity == Severity::Error) {
        return Err(refused(rejection_reason(fault)));
    }
    match (read.pop(), read.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(refused("it holds no single document".to_owned())),
    }
}

/// Whether a declaration's definition has the normal form `form`.
pub(super) fn verify_definition(
    declaration: &Declaration,
    form: &Value,
    identities: &Identities,
) -> Result<(), EditError> {
    let found = canonical_form(declaration, identities);
    if found == *form {
        return Ok(());
    }
    let first = diff(form, &found).into_iter().next();
    let path = first.map_or_else(|| "definition".to_owned(), |change| change.to_string());
    Err(EditError::RoundTripMismatch { path })
}

/// The normal form of a declaration's definition; nothing where it is not made of filters.
pub(super) fn canonical_form(declaration: &Declaration, identities: &Identities) -> Value {
    let definition = declaration.segment.contents.definition();
    definition.map_or_else(
        || Value::Object(Map::new()),
        |definition| canonical::exact(&encode(definition), identities),
    )
}

/// Whether a filter as written has the normal form `form`; if not, why.
pub(super) fn verify_filter(
    filter: &OrderedValue,
    form: &Value,
    identities: &Identities,
) -> Result<(), String> {
    // JSON, since it is fast and its quoting is beyond doubt; the whole text is proven as YAML in the end.
    let text = format!(
        r#"{{"name": "A", "included_filters": {{"filter_operator": "and", "filters": [{}]}}}}"#,
        emit::json(filter)
    );
    let declaration = read_declaration(&text).map_err(|fault| match fault {
        EditError::InvalidText { reason, .. } => reason,
        other => other.to_string(),
    })?;
    let form = serde_json::json!({"included_filters": {"filter_operator": "and", "filters": [form]}});
    verify_definition(&declaration, &form, identities).map_err(|fault| fault.to_string())
}

fn rejection_reason(fault: &Diagnostic) -> String {
    format!("{} ({})", fault.message, fault.code)
}
