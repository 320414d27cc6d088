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

pub(super) fn attribute(mut fields: Fields<'_>, context: Context) -> Option<AttributeFilter> {
    // Some exported payloads contain one of these two in event attributes; it has no effect.
    let ignored = ["user_attributes", "event_attributes"];
    if context == Context::InEvent
        && let Some(node) = fields.take("filter_type")
        && !ignored.contains(&node.scalar_text())
    {
        fields
            .decoder
            .unknown_keyword::<()>(node, "filter type", &ignored);
    }
    let name = fields.required("name", Decoder::non_empty_text);
    let category = category(&mut fields, context);
    let data_type = fields.required_keyword::<DataType>("data_type")?;
    fields.describe(format!("a `{}` condition", data_type.as_str()));
    let condition = condition(&mut fields, data_type, context);
    fields.finish();
    Some(AttributeFilter {
        name: name?,
        category: category?,
        condition: condition?,
    })
}

fn category(fields: &mut Fields<'_>, context: Context) -> Option<Option<String>> {
    if context != Context::InEvent {
        return fields.optional("category", Decoder::non_empty_text);
    }
    const ONLY: &str = "default";
    match fields.take("category") {
        Some(node) if node.scalar_text() != ONLY => {
            fields
                .decoder
                .unknown_keyword(node, "category of an event attribute", &[ONLY])
        }
        _ => Some(Some(ONLY.to_owned())),
    }
}

pub(super) fn attribute_group(
    decoder: &Decoder<'_>,
    node: &Node,
    context: Context,
) -> Option<AttributeGroup> {
    let description = if context == Context::InEvent {
        "a group of event attributes"
    } else {
        "an object"
    };
    let mut fields = decoder.fields(node, description)?;
    let group = group_fields(&mut fields, context);
    fields.finish();
    group
}

fn group_fields(fields: &mut Fields<'_>, context: Context) -> Option<AttributeGroup> {
    let operator = fields.required_keyword("filter_operator");
    let condition = |decoder: &Decoder<'_>, node: &Node| {
        let fields = decoder.fields(node, "a condition")?;
        attribute(fields, context)
    };
    let filters = fields.required("filters", Decoder::list_of(condition));
    Some(AttributeGroup {
        operator: operator?,
        filters: filters?,
    })
}

fn condition(fields: &mut Fields<'_>, data_type: DataType, context: Context) -> Option<Condition> {
    let inner = match context {
        Context::InEvent => Context::InEvent,
        Context::InObject | Context::UserFilter => Context::InObject,
    };
    match data_type {
        DataType::Object => group_fields(fields, inner).map(Condition::Object),
        DataType::ArrayObject => group_fields(fields, inner).map(Condition::ArrayObject),
        DataType::Geopoint => geopoint(fields),
        DataType::String | DataType::Double | DataType::Bool | DataType::Datetime => {
            single_value(fields, data_type, context)
        }
        DataType::ArrayString => array_string(fields, context),
        DataType::ArrayDouble => array_double(fields, context),
    }
}

fn single_value(fields: &mut Fields<'_>, data_type: DataType, context: Context) -> Option<Condition> {
    let negate = fields.flag("negate");
    let case_sensitive = if data_type == DataType::String {
        fields.flag("case_sensitive")
    } else {
        Some(false)
    };
    let mut operands = operands(fields, data_type, context)?;
    // `test` comes first: its errors must be reported even if `negate` is invalid.
    match data_type {
        DataType::String => Some(Condition::String {
            test: string_test(&mut operands)?,
            negate: negate?,
            case_sensitive: case_sensitive?,
        }),
        DataType::Bool => Some(Condition::Bool {
            test: bool_test(&mut operands)?,
            negate: negate?,
        }),
        DataType::Datetime => Some(Condition::Datetime {
            test: datetime_test(&mut operands)?,
            negate: negate?,
        }),
        _ => Some(Condition::Double {
            test: double_test(&mut operands)?,
            negate: negate?,
        }),
    }
}

fn array_string(fields: &mut Fields<'_>, context: Context) -> Option<Condition> {
    let negate = fields.flag("negate");
    let case_sensitive = fields.flag("case_sensitive");
    let mut operands = operands(fields, DataType::ArrayString, context)?;
    let test = array_string_test(&mut operands);
    let exists = matches!(test, Some(ArrayStringTest::Exists));
    let matching = array_matching(fields, negate, exists);
    Some(Condition::ArrayString {
        negate: negate?,
        case_sensitive: case_sensitive?,
        matching: matching?,
        test: test?,
    })
}

fn array_double(fields: &mut Fields<'_>, context: Context) -> Option<Condition> {
    let negate = fields.flag("negate");
    let mut operands = operands(fields, DataType::ArrayDouble, context)?;
    let test = double_test(&mut operands);
    let exists = matches!(test, Some(DoubleTest::Exists));
    let matching = array_matching(fields, negate, exists);
    Some(Condition::ArrayDouble {
        negate: negate?,
        matching: matching?,
        test: test?,
    })
}

/// The operator and its values. Without both, the other fields cannot be checked.
fn operands<'r, 'n>(
    fields: &'r mut Fields<'n>,
    data_type: DataType,
    context: Context,
) -> Option<Operands<'r, 'n>> {
    let operator = fields.require_with_help("operator", || {
        format!("`operator` is one of {}", quoted(&operators(data_type)))
    });
    let dynamic = is_dynamic_value(fields, data_type, context);
    let (Some(operator), Some(dynamic)) = (operator, dynamic) else {
        fields.ignore_unknown_fields();
        return None;
    };
    Some(Operands {
        fields,
        operator,
        dynamic,
        list_operator: operators(data_type).contains(&"in").then_some("in"),
    })
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

fn geopoint(fields: &mut Fields<'_>) -> Option<Condition> {
    let negate = fields.flag("negate");
    let latitude = fields.required("value", Decoder::number);
    let longitude = fields.required("value1", Decoder::number);
    let radius = fields.required("radius", Decoder::number);
    Some(Condition::Geopoint {
        negate: negate?,
        latitude: latitude?,
        longitude: longitude?,
        radius: radius?,
    })
}

/// How many elements must match, by default any. It has no effect with `negate` and `exists`.
fn array_matching(
    fields: &mut Fields<'_>,
    negate: Option<bool>,
    exists: bool,
) -> Option<Option<ArrayMatching>> {
    const KEY: &str = "array_filter_type";
    if negate? {
        return match fields.take(KEY) {
            Some(_) => fields.misplaced_field(KEY, "`array_filter_type` has no effect with `negate: true`"),
            None => Some(None),
        };
    }
    let matching = fields.or(KEY, ArrayMatching::AnyOf, Decoder::keyword)?;
    // MoEngage accepts the field with `exists` and ignores it.
    Some((!exists).then_some(matching))
}

fn is_dynamic_value(fields: &mut Fields<'_>, data_type: DataType, context: Context) -> Option<bool> {
    if !fields.flag("is_dynamic_value")? {
        return Some(false);
    }
    if context == Context::InEvent {
        let message = "only user attributes can be compared with another attribute";
        return fields.misplaced_field("is_dynamic_value", message);
    }
    let expected = match data_type {
        DataType::ArrayString => DataType::String,
        DataType::ArrayDouble => DataType::Double,
        other => other,
    };
    fields.optional("dynamic_attribute_type", Decoder::one_of(&[expected]))?;
    Some(true)
}
