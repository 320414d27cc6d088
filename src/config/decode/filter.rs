//! Groups and the five filter types.

use super::super::yaml::{Node, ScalarValue, Yaml};
use super::affinity::affinity;
use super::attribute::{ConditionContext, attribute};
use super::decoder::{Decoder, Fields};
use super::event::event;
use crate::model::{Filter, FilterType, Group, GroupOperator, Reference, SegmentId, SegmentName};
use serde_json::{Map, Value};

/// `included_filters`, `excluded_filters` or what they hold nested.
pub(super) fn group(reader: &mut Decoder<'_>, node: &Node) -> Option<Group> {
    let mut fields = reader.fields(node, "a group of filters")?;
    let group = group_fields(reader, &mut fields);
    reader.finish(&fields);
    group
}

fn group_fields(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Group> {
    let operator = reader
        .require(fields, "filter_operator")
        .and_then(|node| reader.keyword::<GroupOperator>(node));
    let filters = reader
        .require(fields, "filters")
        .and_then(|node| reader.list(node, filter));
    Some(Group {
        operator: operator?,
        filters: filters?,
    })
}

fn filter(reader: &mut Decoder<'_>, node: &Node) -> Option<Filter> {
    let mut fields = reader.fields(node, "a filter")?;
    if let Some(raw) = fields.take("raw") {
        reader.finish(&fields);
        return match &raw.value {
            Yaml::Map(_) => Some(Filter::Raw(json(reader, raw)?)),
            _ => reader.wrong_type(raw, "the fields of a filter"),
        };
    }
    let kind = reader
        .require(&mut fields, "filter_type")
        .and_then(|node| reader.keyword::<FilterType>(node))?;
    match kind {
        FilterType::UserAttributes => {
            attribute(reader, fields, ConditionContext::UserFilter).map(Filter::Attribute)
        }
        FilterType::Actions => event(reader, fields).map(Filter::Event),
        FilterType::PsychographicEvent => affinity(reader, fields).map(Filter::Affinity),
        FilterType::CustomSegments => reference(reader, fields).map(Filter::Reference),
        FilterType::NestedFilters => {
            fields.describe("a `nested_filters` group");
            let group = group_fields(reader, &mut fields);
            reader.finish(&fields);
            group.map(Filter::Nested)
        }
    }
}

/// By name, or by id with the name as a label.
fn reference(reader: &mut Decoder<'_>, mut fields: Fields<'_>) -> Option<Reference> {
    fields.describe("a `custom_segments` filter");
    let id = fields.take("id").map(|node| reader.non_empty_text(node));
    let name = match id {
        Some(_) => fields.take("name"),
        None => Some(reader.require(&mut fields, "name")?),
    };
    let name = name.map(|node| reader.non_empty_text(node));
    reader.finish(&fields);
    match (id, name) {
        (Some(id), None) => Some(Reference::Id {
            id: SegmentId::new(id?),
            label: None,
        }),
        (Some(id), Some(label)) => Some(Reference::Id {
            id: SegmentId::new(id?),
            label: Some(label?),
        }),
        (None, Some(name)) => Some(Reference::Name(SegmentName::new(name?))),
        (None, None) => None,
    }
}

/// A node as JSON, for `raw` filters: nothing is checked but that JSON can hold it.
fn json(reader: &mut Decoder<'_>, node: &Node) -> Option<Value> {
    match &node.value {
        Yaml::Invalid => None,
        Yaml::List(_) => reader.list(node, json).map(Value::Array),
        Yaml::Map(entries) => {
            let fields: Vec<_> = entries
                .iter()
                .map(|(key, value)| Some((key.text.clone(), json(reader, value)?)))
                .collect();
            fields
                .into_iter()
                .collect::<Option<Map<_, _>>>()
                .map(Value::Object)
        }
        Yaml::Scalar(scalar) => Some(match scalar.resolved {
            ScalarValue::Null => Value::Null,
            ScalarValue::Bool(value) => value.into(),
            ScalarValue::Integer(value) => value.into(),
            ScalarValue::Float(_) => reader.number(node)?.to_json(),
            ScalarValue::Text => reader.text(node)?.into(),
        }),
    }
}
