//! Conditions on attributes: of users, inside objects and of events.

use super::super::yaml::Node;
use super::datetime::datetime_test;
use super::decoder::{Decoder, Fields, quoted};
use super::operands::{
    BOOL_OPERATORS, DOUBLE_OPERATORS, Operands, array_string_operators, array_string_test, bool_test,
    double_test, string_operators, string_test,
};
use crate::model::{
    ArrayMatching, ArrayStringTest, AttributeFilter, AttributeGroup, Condition, DataType, DatetimeOperator,
    DoubleTest, Keyword,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// A `user_attributes` filter; `filter_type` is already decoded.
    UserFilter,
    InObject,
    /// An event attribute. It cannot be compared with user attributes, and its category is `default`.
    InEvent,
}

pub(super) fn attribute(
    decoder: &mut Decoder<'_>,
    mut fields: Fields<'_>,
    context: Context,
) -> Option<AttributeFilter> {
    // Some exported payloads contain one of these two in event attributes; it has no effect.
    let ignored = ["user_attributes", "event_attributes"];
    if context == Context::InEvent
        && let Some(node) = fields.take("filter_type")
        && !ignored.contains(&node.scalar_text())
    {
        decoder.unknown_keyword::<()>(node, "filter type", &ignored);
    }
    let name = decoder.required(&mut fields, "name", Decoder::non_empty_text);
    let category = category(decoder, &mut fields, context);
    let data_type = decoder.required_keyword::<DataType>(&mut fields, "data_type")?;
    fields.describe(format!("a `{}` condition", data_type.as_str()));
    let condition = condition(decoder, &mut fields, data_type, context);
    decoder.finish(&fields);
    Some(AttributeFilter {
        name: name?,
        category: category?,
        condition: condition?,
    })
}

fn category(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, context: Context) -> Option<Option<String>> {
    if context != Context::InEvent {
        return decoder.optional(fields, "category", Decoder::non_empty_text);
    }
    const ONLY: &str = "default";
    match fields.take("category") {
        Some(node) if node.scalar_text() != ONLY => {
            decoder.unknown_keyword(node, "category of an event attribute", &[ONLY])
        }
        _ => Some(Some(ONLY.to_owned())),
    }
}

pub(super) fn attribute_group(
    decoder: &mut Decoder<'_>,
    node: &Node,
    context: Context,
) -> Option<AttributeGroup> {
    let description = if context == Context::InEvent {
        "a group of event attributes"
    } else {
        "an object"
    };
    let mut fields = decoder.fields(node, description)?;
    let group = group_fields(decoder, &mut fields, context);
    decoder.finish(&fields);
    group
}

fn group_fields(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    context: Context,
) -> Option<AttributeGroup> {
    let operator = decoder.required_keyword(fields, "filter_operator");
    let filters = decoder.required(fields, "filters", |decoder, node| {
        decoder.list(node, |decoder, node| {
            let fields = decoder.fields(node, "a condition")?;
            attribute(decoder, fields, context)
        })
    });
    Some(AttributeGroup {
        operator: operator?,
        filters: filters?,
    })
}

fn condition(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    data_type: DataType,
    context: Context,
) -> Option<Condition> {
    let inner = match context {
        Context::InEvent => Context::InEvent,
        Context::InObject | Context::UserFilter => Context::InObject,
    };
    match data_type {
        DataType::Object => group_fields(decoder, fields, inner).map(Condition::Object),
        DataType::ArrayObject => group_fields(decoder, fields, inner).map(Condition::ArrayObject),
        DataType::Geopoint => geopoint(decoder, fields),
        DataType::String | DataType::Double | DataType::Bool | DataType::Datetime => {
            single_value(decoder, fields, data_type, context)
        }
        DataType::ArrayString => array_string(decoder, fields, context),
        DataType::ArrayDouble => array_double(decoder, fields, context),
    }
}

fn single_value(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    data_type: DataType,
    context: Context,
) -> Option<Condition> {
    let negate = flag(decoder, fields, "negate");
    let case_sensitive = if data_type == DataType::String {
        flag(decoder, fields, "case_sensitive")
    } else {
        Some(false)
    };
    let (operator, mut operands) = operands(decoder, fields, data_type, context)?;
    // `test` comes first: its errors must be reported even if `negate` is invalid.
    match data_type {
        DataType::String => Some(Condition::String {
            test: string_test(&mut operands, operator)?,
            negate: negate?,
            case_sensitive: case_sensitive?,
        }),
        DataType::Bool => Some(Condition::Bool {
            test: bool_test(&mut operands, operator)?,
            negate: negate?,
        }),
        DataType::Datetime => Some(Condition::Datetime {
            test: datetime_test(&mut operands, operator)?,
            negate: negate?,
        }),
        _ => Some(Condition::Double {
            test: double_test(&mut operands, operator)?,
            negate: negate?,
        }),
    }
}

fn array_string(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, context: Context) -> Option<Condition> {
    let negate = flag(decoder, fields, "negate");
    let case_sensitive = flag(decoder, fields, "case_sensitive");
    let (operator, mut operands) = operands(decoder, fields, DataType::ArrayString, context)?;
    let test = array_string_test(&mut operands, operator);
    let exists = matches!(test, Some(ArrayStringTest::Exists));
    let matching = array_matching(decoder, fields, negate, exists);
    Some(Condition::ArrayString {
        negate: negate?,
        case_sensitive: case_sensitive?,
        matching: matching?,
        test: test?,
    })
}

fn array_double(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, context: Context) -> Option<Condition> {
    let negate = flag(decoder, fields, "negate");
    let (operator, mut operands) = operands(decoder, fields, DataType::ArrayDouble, context)?;
    let test = double_test(&mut operands, operator);
    let exists = matches!(test, Some(DoubleTest::Exists));
    let matching = array_matching(decoder, fields, negate, exists);
    Some(Condition::ArrayDouble {
        negate: negate?,
        matching: matching?,
        test: test?,
    })
}

/// The operator and the decoder of its values. Without both, the other fields cannot be checked.
fn operands<'r, 'a, 'n>(
    decoder: &'r mut Decoder<'a>,
    fields: &'r mut Fields<'n>,
    data_type: DataType,
    context: Context,
) -> Option<(&'n Node, Operands<'r, 'a, 'n>)> {
    let before = decoder.error_count();
    let operator = decoder.require(fields, "operator");
    if decoder.is_missing(before) {
        decoder.add_help(format!("`operator` is one of {}", quoted(&operators(data_type))));
    }
    let dynamic = is_dynamic_value(decoder, fields, data_type, context);
    let (Some(operator), Some(dynamic)) = (operator, dynamic) else {
        fields.ignore_unknown_fields();
        return None;
    };
    let operands = Operands {
        decoder,
        fields,
        dynamic,
        list_operator: operators(data_type).contains(&"in").then_some("in"),
    };
    Some((operator, operands))
}

fn operators(data_type: DataType) -> Vec<&'static str> {
    match data_type {
        DataType::String => string_operators(),
        DataType::ArrayString => array_string_operators(),
        DataType::Double | DataType::ArrayDouble => DOUBLE_OPERATORS.to_vec(),
        DataType::Bool => BOOL_OPERATORS.to_vec(),
        DataType::Datetime => DatetimeOperator::ALL
            .iter()
            .map(|operator| operator.as_str())
            .collect(),
        DataType::Geopoint | DataType::Object | DataType::ArrayObject => Vec::new(),
    }
}

pub(super) fn flag(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>, key: &'static str) -> Option<bool> {
    decoder.or(fields, key, false, Decoder::boolean)
}

fn geopoint(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<Condition> {
    let negate = flag(decoder, fields, "negate");
    let latitude = decoder.required(fields, "value", Decoder::number);
    let longitude = decoder.required(fields, "value1", Decoder::number);
    let radius = decoder.required(fields, "radius", Decoder::number);
    Some(Condition::Geopoint {
        negate: negate?,
        latitude: latitude?,
        longitude: longitude?,
        radius: radius?,
    })
}

/// How many elements must match, by default any. It has no effect with `negate` and `exists`.
fn array_matching(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    negate: Option<bool>,
    exists: bool,
) -> Option<Option<ArrayMatching>> {
    let given = fields.take("array_filter_type");
    if negate? {
        return match given {
            Some(_) => {
                let message = "`array_filter_type` has no effect with `negate: true`";
                decoder.misplaced_field(fields, "array_filter_type", message)
            }
            None => Some(None),
        };
    }
    match given {
        // MoEngage accepts the field here and ignores it.
        Some(node) if exists => decoder.keyword::<ArrayMatching>(node).map(|_| None),
        Some(node) => decoder.keyword(node).map(Some),
        None if exists => Some(None),
        None => Some(Some(ArrayMatching::AnyOf)),
    }
}

fn is_dynamic_value(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    data_type: DataType,
    context: Context,
) -> Option<bool> {
    if !flag(decoder, fields, "is_dynamic_value")? {
        return Some(false);
    }
    if context == Context::InEvent {
        let message = "only user attributes can be compared with another attribute";
        return decoder.misplaced_field(fields, "is_dynamic_value", message);
    }
    let expected = match data_type {
        DataType::ArrayString => DataType::String,
        DataType::ArrayDouble => DataType::Double,
        other => other,
    };
    if let Some(node) = fields.take("dynamic_attribute_type") {
        decoder.keyword_among(node, &[expected])?;
    }
    Some(true)
}
