//! Building blocks of the schemas: objects, keywords, numbers, lists.

use super::super::decode::decoder::COUNT_LIMIT;
use super::hover;
use crate::model::Keyword;
use serde_json::{Map, Value, json};

#[derive(Clone, Default)]
pub(super) struct ObjectSchema {
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl ObjectSchema {
    pub(super) fn with_required(mut self, key: &str, schema: Value) -> Self {
        self.required.push(key.into());
        self.with_optional(key, schema)
    }

    pub(super) fn with_optional(mut self, key: &str, schema: Value) -> Self {
        self.properties
            .insert(key.to_owned(), with_hover_text(key, schema));
        self
    }

    /// For parts of a schema: another part decides which other fields are allowed.
    pub(super) fn allowing_other_fields(self) -> Value {
        json!({"properties": self.properties, "required": self.required})
    }

    pub(super) fn closed(self) -> Value {
        json!({
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        })
    }
}

/// Adds the description of the field, unless the schema has its own or refers to a part that has one. The cases of
/// [`discriminated_by`] have none either: it describes their key once.
pub(super) fn with_hover_text(key: &str, schema: Value) -> Value {
    let is_case =
        schema.get("const").is_some() && matches!(key, "operator" | "operator_type" | "filter_type");
    let is_described = is_case || schema.get("description").is_some() || schema.get("$ref").is_some();
    match hover::hover_text(key) {
        Some(text) if !is_described => described(schema, text),
        _ => schema,
    }
}

pub(super) fn any_of(schemas: impl IntoIterator<Item = Value>) -> Value {
    json!({"anyOf": schemas.into_iter().collect::<Vec<_>>()})
}

/// An object whose field `key` selects its schema, so that editors complete the fields of that schema only.
pub(super) fn discriminated_by(key: &str, cases: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let cases: Vec<_> = cases.into_iter().collect();
    let keywords: Vec<_> = cases.iter().map(|(keyword, _)| *keyword).collect();
    let rules: Vec<_> = cases
        .iter()
        .map(|(keyword, schema)| {
            json!({"if": {"properties": {key: {"const": keyword}}, "required": [key]}, "then": schema})
        })
        .collect();
    json!({"type": "object", "properties": {key: with_hover_text(key, json!({"enum": keywords}))}, "required": [key], "allOf": rules})
}

pub(super) fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = description.into();
    schema
}

pub(super) fn schema_ref(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

pub(super) fn constant(keyword: &str) -> Value {
    json!({"const": keyword})
}

pub(super) fn keyword_enum<K: Keyword>() -> Value {
    json!({"enum": K::ALL.iter().map(|keyword| keyword.as_str()).collect::<Vec<_>>()})
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

/// Up to the limit of the decoder.
pub(super) fn count(minimum: u32) -> Value {
    integer_between(minimum, COUNT_LIMIT)
}

pub(super) fn integer_between(minimum: u32, maximum: u32) -> Value {
    json!({"type": "integer", "minimum": minimum, "maximum": maximum})
}

pub(super) fn list(items: &Value) -> Value {
    json!({"type": "array", "items": items})
}

pub(super) fn non_empty_list(items: &Value) -> Value {
    json!({"type": "array", "items": items, "minItems": 1})
}
