//! Conditions on attributes, in the three places where they stand.

use super::super::yaml::{Node, Yaml};
use super::datetime::datetime_test;
use super::decoder::{Decoder, Fields};
use super::operands::{OperandDecoder, array_string_test, bool_test, double_test, string_test};
use crate::model::{
    ArrayMatching, ArrayStringTest, AttributeFilter, AttributeGroup, Condition, DataType, DoubleTest,
    GroupOperator, Keyword,
};

/// Where a condition stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ConditionContext {
    /// A `user_attributes` filter, its type read already.
    UserFilter,
    /// Inside an object.
    InObject,
    /// One of an event's attributes: no comparison with user attributes, and the category is `default`.
    InEvent,
}

/// The fields of a condition.
pub(super) fn attribute(
    reader: &mut Decoder<'_>,
    mut fields: Fields<'_>,
    position: ConditionContext,
) -> Option<AttributeFilter> {
    if position == ConditionContext::InEvent
        && let Some(node) = fields.take("filter_type")
        && !is_ignored_filter_type(node)
    {
        // Payloads of other origin carry one of these two here, without a meaning.
        reader.unknown_keyword::<()>(node, "filter type", &["user_attributes", "event_attributes"]);
    }
    let name = reader
        .require(&mut fields, "name")
        .and_then(|node| reader.non_empty_text(node));
    let category = fields.take("category").map(|node| reader.non_empty_text(node));
    let data_type = reader
        .require(&mut fields, "data_type")
        .and_then(|node| reader.keyword::<DataType>(node))?;
    fields.describe(format!("a `{}` condition", data_type.as_str()));
    let condition = condition(reader, &mut fields, data_type, position);
    reader.finish(&fields);
    let category = match (category, position) {
        (Some(given), _) => Some(given?),
        (None, ConditionContext::InEvent) => Some("default".to_owned()),
        (None, _) => None,
    };
    Some(AttributeFilter {
        name: name?,
        category,
        condition: condition?,
    })
}

fn is_ignored_filter_type(node: &Node) -> bool {
    matches!(&node.value, Yaml::Scalar(scalar) if matches!(scalar.text.as_str(), "user_attributes" | "event_attributes"))
}

/// `{filter_operator, filters}` of conditions.
pub(super) fn attribute_group(
    reader: &mut Decoder<'_>,
    node: &Node,
    position: ConditionContext,
) -> Option<AttributeGroup> {
    let what = if position == ConditionContext::InEvent {
        "a group of event attributes"
    } else {
        "an object"
    };
    let mut fields = reader.fields(node, what)?;
    let group = group_fields(reader, &mut fields, position);
    reader.finish(&fields);
    group
}

fn group_fields(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    position: ConditionContext,
) -> Option<AttributeGroup> {
    let operator = reader
        .require(fields, "filter_operator")
        .and_then(|node| reader.keyword::<GroupOperator>(node));
    let filters = reader.require(fields, "filters").and_then(|node| {
        reader.list(node, |reader, node| {
            let fields = reader.fields(node, "a condition")?;
            attribute(reader, fields, position)
        })
    });
    Some(AttributeGroup {
        operator: operator?,
        filters: filters?,
    })
}

fn condition(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    data_type: DataType,
    position: ConditionContext,
) -> Option<Condition> {
    let inner = if position == ConditionContext::InEvent {
        ConditionContext::InEvent
    } else {
        ConditionContext::InObject
    };
    match data_type {
        DataType::Object => group_fields(reader, fields, inner).map(Condition::Object),
        DataType::ArrayObject => group_fields(reader, fields, inner).map(Condition::ArrayObject),
        DataType::Geopoint => geopoint(reader, fields),
        DataType::String | DataType::Double | DataType::Bool | DataType::Datetime => {
            single_value(reader, fields, data_type, position)
        }
        DataType::ArrayString => array_string(reader, fields, position),
        DataType::ArrayDouble => array_double(reader, fields, position),
    }
}

/// A condition on one value.
fn single_value(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    data_type: DataType,
    position: ConditionContext,
) -> Option<Condition> {
    let negate = flag(reader, fields, "negate");
    let case_sensitive = if data_type == DataType::String {
        flag(reader, fields, "case_sensitive")
    } else {
        Some(false)
    };
    let (operator, mut operands) = operand_decoder(reader, fields, data_type, position)?;
    match data_type {
        DataType::String => {
            let test = string_test(&mut operands, operator);
            Some(Condition::String {
                negate: negate?,
                case_sensitive: case_sensitive?,
                test: test?,
            })
        }
        DataType::Bool => {
            let test = bool_test(&mut operands, operator);
            Some(Condition::Bool {
                negate: negate?,
                test: test?,
            })
        }
        DataType::Datetime => {
            let test = datetime_test(&mut operands, operator);
            Some(Condition::Datetime {
                negate: negate?,
                test: test?,
            })
        }
        _ => {
            let test = double_test(&mut operands, operator);
            Some(Condition::Double {
                negate: negate?,
                test: test?,
            })
        }
    }
}

fn array_string(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    position: ConditionContext,
) -> Option<Condition> {
    let negate = flag(reader, fields, "negate");
    let case_sensitive = flag(reader, fields, "case_sensitive");
    let (operator, mut operands) = operand_decoder(reader, fields, DataType::ArrayString, position)?;
    let test = array_string_test(&mut operands, operator);
    let exists = matches!(test, Some(ArrayStringTest::Exists));
    let matching = array_matching(reader, fields, negate, exists);
    Some(Condition::ArrayString {
        negate: negate?,
        case_sensitive: case_sensitive?,
        matching: matching?,
        test: test?,
    })
}

fn array_double(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    position: ConditionContext,
) -> Option<Condition> {
    let negate = flag(reader, fields, "negate");
    let (operator, mut operands) = operand_decoder(reader, fields, DataType::ArrayDouble, position)?;
    let test = double_test(&mut operands, operator);
    let matching = array_matching(reader, fields, negate, matches!(test, Some(DoubleTest::Exists)));
    Some(Condition::ArrayDouble {
        negate: negate?,
        matching: matching?,
        test: test?,
    })
}

/// The operator, and what reads its values; without either, nothing can be said of the other fields.
fn operand_decoder<'r, 'a, 'f, 'n>(
    reader: &'r mut Decoder<'a>,
    fields: &'f mut Fields<'n>,
    data_type: DataType,
    position: ConditionContext,
) -> Option<(&'n Node, OperandDecoder<'r, 'a, 'f, 'n>)> {
    let operator = reader.require(fields, "operator");
    let dynamic = is_dynamic_value(reader, fields, data_type, position);
    let (Some(operator), Some(dynamic)) = (operator, dynamic) else {
        fields.ignore_unknown_fields();
        return None;
    };
    Some((
        operator,
        OperandDecoder {
            reader,
            fields,
            dynamic,
        },
    ))
}

/// A boolean that is false when left out.
pub(super) fn flag(reader: &mut Decoder<'_>, fields: &mut Fields<'_>, key: &'static str) -> Option<bool> {
    fields.take(key).map_or(Some(false), |node| reader.boolean(node))
}

fn geopoint(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Condition> {
    let negate = flag(reader, fields, "negate");
    let latitude = reader
        .require(fields, "value")
        .and_then(|node| reader.number(node));
    let longitude = reader
        .require(fields, "value1")
        .and_then(|node| reader.number(node));
    let radius = reader
        .require(fields, "radius")
        .and_then(|node| reader.number(node));
    Some(Condition::Geopoint {
        negate: negate?,
        latitude: latitude?,
        longitude: longitude?,
        radius: radius?,
    })
}

/// How many elements have to fit: said exactly when it means something.
fn array_matching(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    negate: Option<bool>,
    exists: bool,
) -> Option<Option<ArrayMatching>> {
    let given = fields.take("array_filter_type");
    if negate? {
        return match given {
            Some(_) => reader.misplaced_field(
                fields,
                "array_filter_type",
                "`array_filter_type` has no meaning under `negate`",
            ),
            None => Some(None),
        };
    }
    match given {
        // The service takes it here and makes nothing of it.
        Some(node) if exists => reader.keyword::<ArrayMatching>(node).map(|_| None),
        Some(node) => reader.keyword(node).map(Some),
        None if exists => Some(None),
        None => {
            reader.require(fields, "array_filter_type");
            None
        }
    }
}

/// Whether the value is another attribute's. `None` when the question itself has a fault.
fn is_dynamic_value(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    data_type: DataType,
    position: ConditionContext,
) -> Option<bool> {
    let is_dynamic = flag(reader, fields, "is_dynamic_value")?;
    if !is_dynamic {
        return Some(false);
    }
    if position == ConditionContext::InEvent {
        let message = "only user attributes can be compared with another attribute";
        return reader.misplaced_field(fields, "is_dynamic_value", message);
    }
    let wanted = match data_type {
        DataType::ArrayString => DataType::String,
        DataType::ArrayDouble => DataType::Double,
        other => other,
    };
    if let Some(node) = fields.take("dynamic_attribute_type") {
        reader.keyword_among(node, &[wanted])?;
    }
    Some(true)
}
