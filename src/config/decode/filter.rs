//! Filter groups and the five filter types.

use super::super::yaml::{Node, ScalarValue, Yaml};
use super::affinity::affinity;
use super::attribute::{Context, attribute};
use super::decoder::{Decoder, Fields};
use super::event::event;
use crate::model::{Filter, FilterType, Group, Keyword, Reference, SegmentId, SegmentName};
use serde_json::{Map, Value};

pub(super) fn group(decoder: &Decoder<'_>, node: &Node) -> Option<Group> {
    let mut fields = decoder.fields(node, "a filter group")?;
    let group = group_fields(&mut fields);
    fields.finish();
    group
}

fn group_fields(fields: &mut Fields<'_>) -> Option<Group> {
    if let Some(key) = operator_key(fields) {
        let message = format!("unknown field `{key}` in a filter group");
        fields.unknown_key_error(key, message);
        let operator = if matches!(key, "or" | "any" | "$or" | "should") {
            "or"
        } else {
            "and"
        };
        fields.decoder.add_help(format!(
            "write `filter_operator: {operator}`, and put the list below `filters:`"
        ));
        fields.ignore_unknown_fields();
        return None;
    }
    let operator = fields.required_keyword("filter_operator");
    let filters = fields.required("filters", Decoder::list_of(filter));
    Some(Group {
        operator: operator?,
        filters: filters?,
    })
}

/// The key of a group that is written as `and: […]`.
fn operator_key(fields: &Fields<'_>) -> Option<&'static str> {
    if fields.has("filter_operator") || fields.has("filters") {
        return None;
    }
    let keys = ["and", "or", "all", "any", "$and", "$or", "must", "should"];
    keys.into_iter().find(|key| fields.has(key))
}

fn filter(decoder: &Decoder<'_>, node: &Node) -> Option<Filter> {
    let mut fields = decoder.fields(node, "a filter")?;
    if let Some(key) = wrapper_key(&fields) {
        let message = format!("unknown field `{key}` in a filter");
        fields.unknown_key_error(key, message);
        decoder.add_help(match FilterType::from_text(key) {
            Some(_) => format!("write `- filter_type: {key}`, and put the other fields below it"),
            None => format!("remove `{key}:`, and write the fields of the filter directly after `- `"),
        });
        return None;
    }
    if let Some(raw) = fields.take("raw") {
        fields.finish();
        return match &raw.value {
            Yaml::Map(_) => Some(Filter::Raw(json(decoder, raw)?)),
            _ => decoder.wrong_type(raw, "a mapping (a filter)"),
        };
    }
    let before = decoder.error_count();
    let filter_type = fields.required_keyword::<FilterType>("filter_type");
    if decoder.is_missing(before)
        && let Some((looks_like, filter_type)) = probable_type(&fields)
    {
        decoder.replace_help(format!(
            "this looks like {looks_like}: add `filter_type: {}`",
            filter_type.as_str()
        ));
    }
    match filter_type? {
        FilterType::UserAttributes => attribute(fields, Context::UserFilter).map(Filter::Attribute),
        FilterType::Actions => event(fields).map(Filter::Event),
        FilterType::PsychographicEvent => affinity(fields).map(Filter::Affinity),
        FilterType::CustomSegments => reference(fields).map(Filter::Reference),
        FilterType::NestedFilters => {
            fields.describe("a `nested_filters` group");
            let group = group_fields(&mut fields);
            fields.finish();
            group.map(Filter::Nested)
        }
    }
}

/// The only key of a filter whose fields are one level too deep.
fn wrapper_key(fields: &Fields<'_>) -> Option<&'static str> {
    let keys = ["filter", "condition", "rule"];
    let types = FilterType::ALL.iter().map(|filter_type| filter_type.as_str());
    let key = fields.only_key()?;
    keys.into_iter().chain(types).find(|wrapper| *wrapper == key)
}

/// The type of a filter without `filter_type`, by its other fields.
fn probable_type(fields: &Fields<'_>) -> Option<(&'static str, FilterType)> {
    let has = |key| fields.has(key);
    if has("psychographic_attributes") || has("operator_type") {
        Some(("an affinity filter", FilterType::PsychographicEvent))
    } else if has("action_name") || has("executed") || has("primary_time_range") {
        Some(("an event filter", FilterType::Actions))
    } else if has("data_type") || has("operator") {
        Some(("a condition on a user attribute", FilterType::UserAttributes))
    } else if has("filters") || has("filter_operator") {
        Some(("a group", FilterType::NestedFilters))
    } else if has("id") || has("name") {
        Some(("a reference to a segment", FilterType::CustomSegments))
    } else {
        None
    }
}

fn reference(mut fields: Fields<'_>) -> Option<Reference> {
    fields.describe("a `custom_segments` filter");
    let decoder = fields.decoder;
    let (node, reference) = if let Some(node) = fields.take("id") {
        let id = decoder.non_empty_text(node).map(SegmentId::new);
        let label = fields.optional("name", Decoder::non_empty_text);
        (node, id.zip(label).map(|(id, label)| Reference::Id { id, label }))
    } else {
        let node = fields.require("name")?;
        let name = decoder.non_empty_text(node).map(SegmentName::new);
        (node, name.map(Reference::Name))
    };
    fields.finish();
    let reference = reference?;
    decoder.add_reference(&reference, node);
    Some(reference)
}

/// Converts a `raw` filter to JSON without checking its fields.
fn json(decoder: &Decoder<'_>, node: &Node) -> Option<Value> {
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
