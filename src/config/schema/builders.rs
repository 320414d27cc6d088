//! The bricks of the schemas: closed objects, words, numbers, lists.

use super::super::decode::decoder::COUNT_LIMIT;
use super::hover;
use crate::model::Keyword;
use serde_json::{Map, Value, json};

/// The fields of an object.
#[derive(Clone, Default)]
pub(super) struct ObjectSchema {
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl ObjectSchema {
    /// With a field that has to be there.
    pub(super) fn with_required(mut self, key: &str, schema: Value) -> Self {
        self.required.push(key.into());
        self.with_optional(key, schema)
    }

    /// With a field that may be there.
    pub(super) fn with_optional(mut self, key: &str, schema: Value) -> Self {
        self.properties
            .insert(key.to_owned(), with_hover_text(key, schema));
        self
    }

    /// The schema of objects that have at least these fields; which others there may be is said elsewhere.
    pub(super) fn allowing_other_fields(self) -> Value {
        json!({"properties": self.properties, "required": self.required})
    }

    /// The schema of objects that have these fields and no others.
    pub(super) fn closed(self) -> Value {
        json!({
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        })
    }
}

/// The schema with the words for its field, unless it has its own, refers to a part that has, or is one of the
/// cases of [`by`], which says them once for all cases.
fn with_hover_text(key: &str, schema: Value) -> Value {
    let is_case =
        schema.get("const").is_some() && matches!(key, "operator" | "operator_type" | "filter_type");
    let has_words = is_case || schema.get("description").is_some() || schema.get("$ref").is_some();
    match hover::hover_text(key) {
        Some(words) if !has_words => described(schema, words),
        _ => schema,
    }
}

/// Any of the schemas.
pub(super) fn any_of(schemas: impl IntoIterator<Item = Value>) -> Value {
    json!({"anyOf": schemas.into_iter().collect::<Vec<_>>()})
}

/// An object whose field `key` says which schema it has to fit: editors complete the fields of that one alone.
pub(super) fn discriminated_by(key: &str, cases: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let cases: Vec<_> = cases.into_iter().collect();
    let words: Vec<_> = cases.iter().map(|(word, _)| *word).collect();
    let rules: Vec<_> = cases
        .iter()
        .map(|(word, schema)| {
            json!({"if": {"properties": {key: {"const": word}}, "required": [key]}, "then": schema})
        })
        .collect();
    json!({"type": "object", "properties": {key: with_hover_text(key, json!({"enum": words}))}, "required": [key], "allOf": rules})
}

/// A schema with words for whoever points at it.
pub(super) fn described(schema: Value, description: &str) -> Value {
    let mut schema = schema;
    schema["description"] = description.into();
    schema
}

/// A reference to a part of the schema that has a name.
pub(super) fn schema_ref(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// Exactly this word.
pub(super) fn constant(word: &str) -> Value {
    json!({"const": word})
}

/// One of a closed set of words.
pub(super) fn keyword_enum<K: Keyword>() -> Value {
    json!({"enum": K::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>()})
}

pub(super) fn text() -> Value {
    json!({"type": "string"})
}

pub(super) fn non_empty_text() -> Value {
    json!({"type": "string", "minLength": 1})
}

pub(super) fn boolean() -> Value {
    json!({"type": "boolean"})
}

pub(super) fn number() -> Value {
    json!({"type": "number"})
}

/// A whole number from `least` to what the decoder takes at most.
pub(super) fn count(least: u32) -> Value {
    integer_between(least, COUNT_LIMIT)
}

pub(super) fn integer_between(least: u32, most: u32) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

pub(super) fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

pub(super) fn non_empty_list(items: &Value) -> Value {
    json!({"type": "array", "items": items, "minItems": 1})
}
