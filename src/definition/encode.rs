//! Definitions as the JSON of the API, with every default explicit.
//!
//! References by name stay names; segctl replaces them by ids before it sends the definition.

mod attribute;
mod event;

use crate::model::{Definition, Filter, Group, Keyword, Payload, Reference};
use serde_json::{Map, Value};

#[must_use]
pub fn encode(definition: &Definition) -> Payload {
    Payload {
        included_filters: group(&definition.included),
        excluded_filters: definition.excluded.as_ref().map(group),
    }
}

fn group(group: &Group) -> Value {
    let mut fields = JsonObject::default();
    fields.put_group(group);
    fields.into_value()
}

fn filter(filter: &Filter) -> Value {
    match filter {
        Filter::Attribute(filter) => attribute::user_attribute(filter),
        Filter::Event(filter) => event::event(filter),
        Filter::Affinity(filter) => event::affinity(filter),
        Filter::Reference(reference) => self::reference(reference),
        Filter::Nested(group) => {
            let mut fields = JsonObject::default();
            fields.put("filter_type", "nested_filters");
            fields.put_group(group);
            fields.into_value()
        }
        Filter::Raw(value) => value.clone(),
    }
}

fn reference(reference: &Reference) -> Value {
    let mut fields = JsonObject::default();
    fields.put("filter_type", "custom_segments");
    match reference {
        Reference::Name(name) => fields.put("name", name.as_str()),
        Reference::Id { id, label } => {
            fields.put("id", id.as_str());
            fields.put_optional("name", label.as_deref());
        }
    }
    fields.into_value()
}

#[derive(Default)]
struct JsonObject(Map<String, Value>);

impl JsonObject {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn put_keyword(&mut self, key: &str, keyword: impl Keyword) {
        self.put(key, keyword.as_str());
    }

    fn put_optional(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn put_group(&mut self, group: &Group) {
        self.put_keyword("filter_operator", group.operator);
        self.put("filters", group.filters.iter().map(filter).collect::<Vec<_>>());
    }

    fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}
