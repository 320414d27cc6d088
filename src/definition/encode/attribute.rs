//! Conditions on attributes as the JSON of the API.

use super::JsonObject;
use crate::model::{
    ArrayMatching, ArrayStringTest, AttributeFilter, AttributeGroup, BoolTest, Condition, DateComparison,
    DateValue, DatetimeTest, DoubleTest, Keyword, Moment, MomentRange, Number, Operand, StringTest,
    ValueType,
};
use serde_json::Value;

pub(super) fn user_attribute(filter: &AttributeFilter) -> Value {
    let mut fields = JsonObject::default();
    fields.put("filter_type", "user_attributes");
    put_attribute(&mut fields, filter);
    fields.into_value()
}

/// The attributes of an event or the filters of an object: the children have no filter type.
pub(super) fn attribute_group(group: &AttributeGroup) -> Value {
    let mut fields = JsonObject::default();
    put_group(&mut fields, group);
    fields.into_value()
}

fn put_group(fields: &mut JsonObject, group: &AttributeGroup) {
    let child = |filter| {
        let mut fields = JsonObject::default();
        put_attribute(&mut fields, filter);
        fields.into_value()
    };
    fields.put_keyword("filter_operator", group.operator);
    fields.put("filters", group.filters.iter().map(child).collect::<Vec<_>>());
}

fn put_attribute(fields: &mut JsonObject, filter: &AttributeFilter) {
    fields.put("name", filter.name.as_str());
    fields.put_keyword("data_type", filter.condition.data_type());
    fields.put_optional("category", filter.category.as_deref());
    let dynamic_type = filter.condition.dynamic_type();
    match &filter.condition {
        Condition::String {
            negate,
            case_sensitive,
            test,
        } => {
            fields.put("negate", *negate);
            fields.put("case_sensitive", *case_sensitive);
            put_string_test(fields, test, dynamic_type);
        }
        Condition::Double { negate, test } => {
            fields.put("negate", *negate);
            put_double_test(fields, test, dynamic_type);
        }
        Condition::Bool { negate, test } => {
            fields.put("negate", *negate);
            put_bool_test(fields, test, dynamic_type);
        }
        Condition::Datetime { negate, test } => {
            fields.put("negate", *negate);
            put_datetime_test(fields, test, dynamic_type);
        }
        Condition::Geopoint {
            negate,
            latitude,
            longitude,
            radius,
        } => {
            fields.put("negate", *negate);
            put_numbers(
                fields,
                [("value", latitude), ("value1", longitude), ("radius", radius)],
            );
        }
        Condition::ArrayString {
            negate,
            case_sensitive,
            matching,
            test,
        } => {
            fields.put("negate", *negate);
            fields.put("case_sensitive", *case_sensitive);
            put_matching(fields, *matching);
            put_array_string_test(fields, test, dynamic_type);
        }
        Condition::ArrayDouble {
            negate,
            matching,
            test,
        } => {
            fields.put("negate", *negate);
            put_matching(fields, *matching);
            put_double_test(fields, test, dynamic_type);
        }
        Condition::Object(group) | Condition::ArrayObject(group) => put_group(fields, group),
    }
}

fn put_numbers(fields: &mut JsonObject, numbers: [(&'static str, &Number); 3]) {
    for (name, number) in numbers {
        fields.put(name, number.to_json());
    }
}

fn put_matching(fields: &mut JsonObject, matching: Option<ArrayMatching>) {
    fields.put_optional("array_filter_type", matching.map(Keyword::as_str));
}

fn put_string_test(fields: &mut JsonObject, test: &StringTest, dynamic_type: &'static str) {
    match test {
        StringTest::Any(operator, values) => {
            fields.put_keyword("operator", *operator);
            put_list(fields, values, dynamic_type, |text| Value::from(text.as_str()));
        }
        StringTest::One(operator, value) => {
            fields.put_keyword("operator", *operator);
            put_one(fields, value, dynamic_type, |text| Value::from(text.as_str()));
        }
        StringTest::Exists => fields.put("operator", "exists"),
    }
}

fn put_array_string_test(fields: &mut JsonObject, test: &ArrayStringTest, dynamic_type: &'static str) {
    match test {
        ArrayStringTest::Any(operator, values) => {
            fields.put_keyword("operator", *operator);
            put_list(fields, values, dynamic_type, |text| Value::from(text.as_str()));
        }
        ArrayStringTest::Is(value) => {
            fields.put("operator", "is");
            put_one(fields, value, dynamic_type, |text| Value::from(text.as_str()));
        }
        ArrayStringTest::Exists => fields.put("operator", "exists"),
    }
}

pub(super) fn put_double_test(fields: &mut JsonObject, test: &DoubleTest, dynamic_type: &'static str) {
    match test {
        DoubleTest::In(values) => {
            fields.put("operator", "in");
            put_list(fields, values, dynamic_type, |number| number.to_json());
        }
        DoubleTest::LessThan(value) => {
            fields.put("operator", "lessThan");
            put_one(fields, value, dynamic_type, |number| number.to_json());
        }
        DoubleTest::GreaterThan(value) => {
            fields.put("operator", "greaterThan");
            put_one(fields, value, dynamic_type, |number| number.to_json());
        }
        DoubleTest::Between(low, high) => put_between_operands(fields, *low, *high),
        DoubleTest::Exists => fields.put("operator", "exists"),
    }
}

pub(super) fn put_between_operands(fields: &mut JsonObject, low: Number, high: Number) {
    fields.put("operator", "between");
    fields.put("value", low.to_json());
    fields.put("value1", high.to_json());
}

fn put_bool_test(fields: &mut JsonObject, test: &BoolTest, dynamic_type: &'static str) {
    match test {
        BoolTest::Is(value) => {
            fields.put("operator", "is");
            put_one(fields, value, dynamic_type, |value| Value::from(*value));
        }
        BoolTest::Exists => fields.put("operator", "exists"),
    }
}

fn put_datetime_test(fields: &mut JsonObject, test: &DatetimeTest, dynamic_type: &'static str) {
    fields.put_keyword("operator", test.comparison.operator());
    fields.put_keyword("extract_type", test.extract);
    match &test.comparison {
        DateComparison::On(moment)
        | DateComparison::Is(moment)
        | DateComparison::Before(moment)
        | DateComparison::After(moment) => put_moment(fields, moment, dynamic_type),
        DateComparison::Between(moments) => put_moments(fields, moments, dynamic_type),
        DateComparison::InTheLast(count) => put_count(fields, count, ValueType::RelativePast, dynamic_type),
        DateComparison::InTheNext(count) => put_count(fields, count, ValueType::RelativeFuture, dynamic_type),
        DateComparison::In(values) => {
            fields.put_keyword("value_type", ValueType::Absolute);
            put_list(fields, values, dynamic_type, date_value);
        }
        DateComparison::Today | DateComparison::Exists => {}
    }
}

fn put_moment(fields: &mut JsonObject, moment: &Operand<Moment>, dynamic_type: &'static str) {
    let value_type = match moment {
        Operand::Dynamic(_) | Operand::Fixed(Moment::At(_)) => ValueType::Absolute,
        Operand::Fixed(Moment::Ago(_)) => ValueType::RelativePast,
        Operand::Fixed(Moment::FromNow(_)) => ValueType::RelativeFuture,
    };
    fields.put_keyword("value_type", value_type);
    put_one(fields, moment, dynamic_type, |moment| match moment {
        Moment::At(value) => date_value(value),
        Moment::Ago(count) | Moment::FromNow(count) => Value::from(*count),
    });
}

fn put_moments(fields: &mut JsonObject, moments: &MomentRange, dynamic_type: &'static str) {
    let (value_type, value, value1) = match moments {
        MomentRange::Attributes(first, last) => {
            fields.put_keyword("value_type", ValueType::Absolute);
            put_dynamic(fields, first, dynamic_type, false);
            fields.put("value1", template(last));
            return;
        }
        MomentRange::At(first, last) => (ValueType::Absolute, date_value(first), date_value(last)),
        MomentRange::Ago(nearer, farther) => (ValueType::RelativePast, (*nearer).into(), (*farther).into()),
        MomentRange::FromNow(nearer, farther) => {
            (ValueType::RelativeFuture, (*nearer).into(), (*farther).into())
        }
    };
    fields.put_keyword("value_type", value_type);
    fields.put("value", value);
    fields.put("value1", value1);
}

fn put_count(
    fields: &mut JsonObject,
    count: &Operand<u32>,
    direction: ValueType,
    dynamic_type: &'static str,
) {
    // A comparison with another attribute is always absolute, whatever the operator.
    let value_type = match count {
        Operand::Dynamic(_) => ValueType::Absolute,
        Operand::Fixed(_) => direction,
    };
    fields.put_keyword("value_type", value_type);
    put_one(fields, count, dynamic_type, |count| Value::from(*count));
}

fn date_value(value: &DateValue) -> Value {
    match value {
        // The literal Z is part of the format: MoEngage reads the wall time of the workspace.
        DateValue::At(moment) => Value::from(moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()),
        DateValue::Part(part) => Value::from(*part),
        DateValue::MonthDay { month, day } => Value::from(format!("{month:02}-{day:02}")),
    }
}

fn put_one<T>(
    fields: &mut JsonObject,
    operand: &Operand<T>,
    dynamic_type: &'static str,
    json: impl Fn(&T) -> Value,
) {
    match operand {
        Operand::Fixed(value) => fields.put("value", json(value)),
        Operand::Dynamic(attribute) => put_dynamic(fields, attribute, dynamic_type, false),
    }
}

fn put_list<T>(
    fields: &mut JsonObject,
    operand: &Operand<Vec<T>>,
    dynamic_type: &'static str,
    json: impl Fn(&T) -> Value,
) {
    match operand {
        Operand::Fixed(values) => fields.put("value", values.iter().map(json).collect::<Vec<_>>()),
        Operand::Dynamic(attribute) => put_dynamic(fields, attribute, dynamic_type, true),
    }
}

/// `as_list`: operators with a list of values have a list with the template as its only item.
fn put_dynamic(fields: &mut JsonObject, attribute: &str, dynamic_type: &'static str, as_list: bool) {
    let template = template(attribute);
    fields.put("is_dynamic_value", true);
    fields.put("dynamic_attribute_type", dynamic_type);
    let value = if as_list {
        Value::Array(vec![template])
    } else {
        template
    };
    fields.put("value", value);
}

fn template(attribute: &str) -> Value {
    Value::from(format!("{{{{MoeUserAttribute['{attribute}']}}}}"))
}
