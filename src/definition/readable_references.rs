//! Changes with references as segment files spell them: `name: Buyers` or `id: 5e6c`.
//!
//! The canonical form has `segment: "name:Buyers"` or `segment: "id:5e6c"`.

use super::canonical::Identities;
use super::diff::FieldChange;
use crate::model::{SegmentId, SegmentName};
use serde_json::{Map, Value, json};

impl FieldChange {
    /// A reference stays an id if `identities` has no name for it.
    #[must_use]
    pub fn with_readable_references(self, identities: &Identities) -> Self {
        let formatter = ReferenceFormatter(identities);
        let path = self.path.iter().map(|step| formatter.path_part(step)).collect();
        if self.field.as_deref() != Some("segment") {
            let readable = |value: Option<Value>| value.map(|value| formatter.value(value));
            return Self {
                path,
                before: readable(self.before),
                after: readable(self.after),
                ..self
            };
        }
        let pair = |value: &Option<Value>| {
            let text = value.as_ref().and_then(Value::as_str);
            text.map(|text| formatter.reference(text))
        };
        let (before, after) = (pair(&self.before), pair(&self.after));
        let keys: Vec<_> = before.iter().chain(&after).map(|(key, _)| *key).collect();
        let shared = keys.first().filter(|first| keys.iter().all(|key| key == *first));
        let value = |pair: Option<(&str, String)>| {
            pair.map(|(key, text)| match shared {
                Some(_) => Value::from(text),
                // One name and one id: each with its key.
                None => json!({key: text}),
            })
        };
        Self {
            path,
            field: Some((*shared.unwrap_or(&"segment")).to_owned()),
            before: value(before),
            after: value(after),
        }
    }
}

struct ReferenceFormatter<'a>(&'a Identities);

impl ReferenceFormatter<'_> {
    fn reference(&self, text: &str) -> (&'static str, String) {
        if let Some(name) = text.strip_prefix("name:") {
            return ("name", name.to_owned());
        }
        let id = text.strip_prefix("id:").unwrap_or(text);
        match self.name_of(&SegmentId::new(id)) {
            Some(name) => ("name", name.to_string()),
            None => ("id", id.to_owned()),
        }
    }

    fn name_of(&self, id: &SegmentId) -> Option<&SegmentName> {
        let undeclared = || {
            let mut known = self.0.undeclared_by_name.iter();
            known.find(|(_, known)| *known == id).map(|(name, _)| name)
        };
        self.0.declared_by_id.get(id).or_else(undeclared)
    }

    /// A filter may be labeled with the id of the segment that it refers to.
    fn path_part(&self, step: &str) -> String {
        match step.split_once("] id:") {
            Some((number, id)) if step.starts_with('[') => match self.name_of(&SegmentId::new(id)) {
                Some(name) => format!("{number}] {name}"),
                None => step.to_owned(),
            },
            _ => step.to_owned(),
        }
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => {
                let is_reference =
                    fields.get("filter_type").and_then(Value::as_str) == Some("custom_segments");
                let fields = fields.into_iter().map(|(key, value)| match value.as_str() {
                    Some(text) if is_reference && key == "segment" => {
                        let (key, text) = self.reference(text);
                        (key.to_owned(), text.into())
                    }
                    _ => (key, self.value(value)),
                });
                Value::Object(fields.collect::<Map<_, _>>())
            }
            plain => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(field: Option<&str>, before: Value, after: Value) -> FieldChange {
        FieldChange {
            path: vec!["included_filters".to_owned(), "[1] id:a1".to_owned()],
            field: field.map(str::to_owned),
            before: Some(before).filter(|value| !value.is_null()),
            after: Some(after).filter(|value| !value.is_null()),
        }
    }

    #[test]
    fn references_are_shown_by_name_when_the_name_is_known() {
        let identities = Identities {
            declared_by_id: [(SegmentId::new("a1"), SegmentName::new("Buyers"))].into(),
            undeclared_by_name: [(SegmentName::new("Unmanaged"), SegmentId::new("b1"))].into(),
        };
        let filter = |segment: &str| json!({"filter_type": "custom_segments", "segment": segment});
        let named = |name: &str| json!({"filter_type": "custom_segments", "name": name});
        let by_id = json!({"filter_type": "custom_segments", "id": "c1"});
        let group = |filter: Value| json!({"filter_type": "nested_filters", "filters": [filter]});
        let table = [
            (
                change(Some("segment"), json!("name:A"), json!("id:b1")),
                change(Some("name"), json!("A"), json!("Unmanaged")),
            ),
            (
                change(Some("segment"), json!("id:c1"), json!("id:d1")),
                change(Some("id"), json!("c1"), json!("d1")),
            ),
            (
                change(Some("segment"), json!("id:c1"), json!("name:A")),
                change(Some("segment"), json!({"id": "c1"}), json!({"name": "A"})),
            ),
            (
                change(None, filter("id:b1"), Value::Null),
                change(None, named("Unmanaged"), Value::Null),
            ),
            (
                change(None, Value::Null, group(filter("id:c1"))),
                change(None, Value::Null, group(by_id)),
            ),
            // A value that only looks like a reference stays unchanged.
            (
                change(Some("value"), json!("id:b1"), json!(["name:A"])),
                change(Some("value"), json!("id:b1"), json!(["name:A"])),
            ),
        ];
        for (change, mut expected) in table {
            "[1] Buyers".clone_into(&mut expected.path[1]);
            assert_eq!(change.with_readable_references(&identities), expected);
        }
    }
}
