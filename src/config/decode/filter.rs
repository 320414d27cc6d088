//! Filter groups and the five filter types.

use super::super::yaml::{Node, ScalarValue, Yaml};
use super::affinity::affinity;
use super::attribute::{Context, attribute};
use super::decoder::{Decoder, Fields};
use super::event::event;
use crate::model::{Filter, FilterType, Group, Reference, SegmentId, SegmentName};
use serde_json::{Map, Value};

pub(super) fn group(decoder: &mut Decoder<'_>, node: &Node) -> Option<Group> {
    let mut fields = decoder.fields(node, "a filter group")?;
    let group = group_fields(decoder, &mut fields);
    decoder.finish(&fields);
    group
}

fn group_fields(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Group> {
    let operator = decoder.required(fields, "filter_operator", Decoder::keyword);
    let filters = decoder.required(fields, "filters", |decoder, node| decoder.list(node, filter));
    Some(Group {
        operator: operator?,
        filters: filters?,
    })
}

fn filter(decoder: &mut Decoder<'_>, node: &Node) -> Option<Filter> {
    let mut fields = decoder.fields(node, "a filter")?;
    if let Some(raw) = fields.take("raw") {
        decoder.finish(&fields);
        return match &raw.value {
            Yaml::Map(_) => Some(Filter::Raw(json(decoder, raw)?)),
            _ => decoder.wrong_type(raw, "a mapping (a filter)"),
        };
    }
    match decoder.required(&mut fields, "filter_type", Decoder::keyword::<FilterType>)? {
        FilterType::UserAttributes => attribute(decoder, fields, Context::UserFilter).map(Filter::Attribute),
        FilterType::Actions => event(decoder, fields).map(Filter::Event),
        FilterType::PsychographicEvent => affinity(decoder, fields).map(Filter::Affinity),
        FilterType::CustomSegments => reference(decoder, fields).map(Filter::Reference),
        FilterType::NestedFilters => {
            fields.describe("a `nested_filters` group");
            let group = group_fields(decoder, &mut fields);
            decoder.finish(&fields);
            group.map(Filter::Nested)
        }
    }
}

fn reference(decoder: &mut Decoder<'_>, mut fields: Fields<'_>) -> Option<Reference> {
    fields.describe("a `custom_segments` filter");
    let Some(id_node) = fields.take("id") else {
        let node = decoder.require(&mut fields, "name")?;
        let name = decoder.non_empty_text(node);
        decoder.finish(&fields);
        let reference = Reference::Name(SegmentName::new(name?));
        decoder.add_reference(&reference, node);
        return Some(reference);
    };
    let id = decoder.non_empty_text(id_node);
    let label = decoder.optional(&mut fields, "name", Decoder::non_empty_text);
    decoder.finish(&fields);
    let reference = Reference::Id {
        id: SegmentId::new(id?),
        label: label?,
    };
    decoder.add_reference(&reference, id_node);
    Some(reference)
}

/// Converts a `raw` filter to JSON without checking its fields.
fn json(decoder: &mut Decoder<'_>, node: &Node) -> Option<Value> {
    match &node.value {
        Yaml::Invalid => None,
        Yaml::List(_) => decoder.list(node, json).map(Value::Array),
        Yaml::Map(entries) => {
            let fields = entries.iter();
            let fields = fields.map(|(key, value)| Some((key.text.clone(), json(decoder, value)?)));
            // First a `Vec`, so that every value reports its errors.
            let fields: Vec<_> = fields.collect();
            let fields: Option<Map<_, _>> = fields.into_iter().collect();
            fields.map(Value::Object)
        }
        Yaml::Scalar(scalar) => Some(match scalar.resolved {
            ScalarValue::Null => Value::Null,
            ScalarValue::Bool(value) => value.into(),
            ScalarValue::Integer(value) => value.into(),
            ScalarValue::Float(_) => decoder.number(node)?.to_json(),
            ScalarValue::Text => decoder.text(node)?.into(),
        }),
    }
}
