//! Conditions on attributes: of a user, inside an object, and of an event.

use super::builders::{
    ObjectSchema, any_of, boolean, constant, count, described, discriminated_by, keyword_enum, list,
    non_empty_list, non_empty_text, number, schema_ref, text, with_hover_text,
};
use super::date::compared_value;
use crate::model::{
    ArrayMatching, ArrayTextOperator, DataType, DatetimeOperator, ExtractType, GroupOperator, Keyword,
    TextListOperator, TextOperator, ValueType,
};
use serde_json::{Value, json};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AttributeSchemaKind {
    User,
    Inner,
    Event,
}

impl AttributeSchemaKind {
    pub(super) fn def_name(self) -> &'static str {
        match self {
            Self::User => "userAttribute",
            Self::Inner => "innerAttribute",
            Self::Event => "eventAttribute",
        }
    }
}

/// The parts per data type are shared, so `unevaluatedProperties` rejects the fields that none of them allows.
pub(super) fn condition(position: AttributeSchemaKind) -> Value {
    let inner = if position == AttributeSchemaKind::Event {
        AttributeSchemaKind::Event
    } else {
        AttributeSchemaKind::Inner
    };
    let of_type = |kind: &DataType| match kind {
        DataType::Object | DataType::ArrayObject => {
            let operator = keyword_enum::<GroupOperator>();
            ObjectSchema::default()
                .with_required("filter_operator", operator)
                .with_required("filters", list(&schema_ref(inner.def_name())))
                .allowing_other_fields()
        }
        _ => schema_ref(condition_def_name(*kind)),
    };
    let mut schema = discriminated_by(
        "data_type",
        DataType::ALL.iter().map(|kind| (kind.as_str(), of_type(kind))),
    );
    let mut fields = ObjectSchema::default()
        .with_required("name", non_empty_text())
        .with_required("data_type", keyword_enum::<DataType>());
    fields = match position {
        AttributeSchemaKind::User => fields
            .with_optional("category", non_empty_text())
            .with_required("filter_type", constant("user_attributes")),
        AttributeSchemaKind::Inner => fields.with_optional("category", non_empty_text()),
        AttributeSchemaKind::Event => fields
            .with_optional("category", constant("default"))
            .with_optional(
                "filter_type",
                json!({"enum": ["user_attributes", "event_attributes"]}),
            ),
    };
    let Value::Object(fields) = fields.allowing_other_fields() else {
        return schema;
    };
    for (key, value) in fields {
        schema[key] = value;
    }
    if position == AttributeSchemaKind::Event {
        // Only user attributes can be compared with another attribute.
        schema["not"] = json!({"properties": {"is_dynamic_value": constant_bool(true)}, "required": ["is_dynamic_value"]});
    }
    schema["unevaluatedProperties"] = false.into();
    schema
}

pub(super) fn schema_defs() -> Vec<(&'static str, Value)> {
    let kinds = DataType::ALL
        .iter()
        .filter(|kind| !matches!(kind, DataType::Object | DataType::ArrayObject));
    let mut parts: Vec<_> = kinds
        .map(|kind| (condition_def_name(*kind), condition_of_type(*kind)))
        .collect();
    let template = json!({
        "type": "string",
        "pattern": r"^\{\{MoeUserAttribute\['[^']+'\]\}\}$",
        "description": "Another attribute of the same user: {{MoeUserAttribute['name']}}.",
    });
    parts.extend([
        ("negate", with_hover_text("negate", boolean())),
        ("caseSensitive", with_hover_text("case_sensitive", boolean())),
        ("otherAttribute", template),
    ]);
    parts
}

fn condition_def_name(kind: DataType) -> &'static str {
    match kind {
        DataType::String => "stringCondition",
        DataType::Double => "doubleCondition",
        DataType::Bool => "boolCondition",
        DataType::Datetime => "datetimeCondition",
        DataType::Geopoint => "geopointCondition",
        DataType::ArrayString => "arrayStringCondition",
        DataType::ArrayDouble => "arrayDoubleCondition",
        DataType::Object | DataType::ArrayObject => "objectCondition",
    }
}

fn condition_of_type(kind: DataType) -> Value {
    let negated = || ObjectSchema::default().with_optional("negate", negate());
    match kind {
        DataType::Geopoint => negated()
            .with_required("value", described(number(), "Latitude in degrees."))
            .with_required("value1", described(number(), "Longitude in degrees."))
            .with_required("radius", number())
            .allowing_other_fields(),
        DataType::String => {
            let base = negated().with_optional("case_sensitive", case_sensitive());
            string(&OperatorSchemas { base, kind })
        }
        DataType::Bool => {
            let operators = OperatorSchemas {
                base: negated(),
                kind,
            };
            let is = operators.with_one_value("is", &boolean());
            let exists = operators.without_value("exists");
            discriminated_by("operator", [("is", is), ("exists", exists)])
        }
        DataType::Datetime => datetime(&OperatorSchemas {
            base: negated(),
            kind,
        }),
        DataType::ArrayString => {
            let base = ObjectSchema::default().with_optional("case_sensitive", case_sensitive());
            array_matching(&base, |base| array_string(&OperatorSchemas { base, kind }))
        }
        DataType::ArrayDouble => array_matching(&ObjectSchema::default(), |base| {
            double(&OperatorSchemas { base, kind })
        }),
        DataType::Double | DataType::Object | DataType::ArrayObject => double(&OperatorSchemas {
            base: negated(),
            kind,
        }),
    }
}

fn negate() -> Value {
    schema_ref("negate")
}

fn case_sensitive() -> Value {
    schema_ref("caseSensitive")
}

/// A negated condition has no `array_filter_type`.
fn array_matching(base: &ObjectSchema, of: impl Fn(ObjectSchema) -> Value) -> Value {
    let text = "Whether any or all elements of the list must match; default: `any_of`.";
    let matching = described(keyword_enum::<ArrayMatching>(), text);
    any_of([
        of(base.clone().with_required("negate", constant_bool(true))),
        of(base
            .clone()
            .with_optional("negate", constant_bool(false))
            .with_optional("array_filter_type", matching)),
    ])
}

fn constant_bool(value: bool) -> Value {
    json!({"const": value})
}

struct OperatorSchemas {
    base: ObjectSchema,
    kind: DataType,
}

impl OperatorSchemas {
    fn with_constant(&self, key: &str, value: &str, is_default: bool) -> Self {
        let base = self.base.clone();
        let base = if is_default {
            base.with_optional(key, constant(value))
        } else {
            base.with_required(key, constant(value))
        };
        Self {
            base,
            kind: self.kind,
        }
    }

    fn with_literal(&self, operator: &str) -> ObjectSchema {
        let base = self.base.clone();
        base.with_required("operator", constant(operator))
            .with_optional("is_dynamic_value", constant_bool(false))
    }

    fn with_template(&self, operator: &str, value: Value) -> ObjectSchema {
        let kind = match self.kind {
            DataType::ArrayString => DataType::String,
            DataType::ArrayDouble => DataType::Double,
            other => other,
        };
        let base = self.base.clone();
        base.with_required("operator", constant(operator))
            .with_required("is_dynamic_value", constant_bool(true))
            .with_optional("dynamic_attribute_type", constant(kind.as_str()))
            .with_required("value", value)
    }

    fn without_value(&self, operator: &str) -> Value {
        self.with_literal(operator).allowing_other_fields()
    }

    fn with_one_value(&self, operator: &str, value: &Value) -> Value {
        Self::literal_or_template(
            self.with_literal(operator).with_required("value", value.clone()),
            self.with_template(operator, template()),
        )
    }

    fn with_value_list(&self, operator: &str, value: &Value) -> Value {
        let templates = any_of([
            template(),
            json!({"type": "array", "items": template(), "minItems": 1, "maxItems": 1}),
        ]);
        Self::literal_or_template(
            self.with_literal(operator)
                .with_required("value", non_empty_list(value)),
            self.with_template(operator, templates),
        )
    }

    /// A list, or one value without brackets.
    fn with_values(&self, operator: &str, value: &Value) -> Value {
        let one = self.with_literal(operator).with_required("value", value.clone());
        any_of([one.allowing_other_fields(), self.with_value_list(operator, value)])
    }

    fn with_two_values(&self, operator: &str, value: &Value) -> Value {
        self.with_literal(operator)
            .with_required("value", value.clone())
            .with_required("value1", value.clone())
            .allowing_other_fields()
    }

    fn literal_or_template(literal: ObjectSchema, template: ObjectSchema) -> Value {
        any_of([literal.allowing_other_fields(), template.allowing_other_fields()])
    }
}

fn template() -> Value {
    schema_ref("otherAttribute")
}

fn string(operators: &OperatorSchemas) -> Value {
    let list = |operator| (operator, operators.with_value_list(operator, &text()));
    let one = |operator| (operator, operators.with_one_value(operator, &text()));
    let lists = TextListOperator::ALL
        .iter()
        .map(|operator| list(operator.as_str()));
    let ones = TextOperator::ALL.iter().map(|operator| one(operator.as_str()));
    let exists = ("exists", operators.without_value("exists"));
    discriminated_by("operator", lists.chain(ones).chain([exists]))
}

fn array_string(operators: &OperatorSchemas) -> Value {
    let of = |operator: &ArrayTextOperator| match operator {
        ArrayTextOperator::In => operators.with_value_list(operator.as_str(), &text()),
        _ => operators.with_values(operator.as_str(), &text()),
    };
    let lists = ArrayTextOperator::ALL
        .iter()
        .map(|operator| (operator.as_str(), of(operator)));
    let is = ("is", operators.with_one_value("is", &text()));
    let exists = ("exists", operators.without_value("exists"));
    discriminated_by("operator", lists.chain([is, exists]))
}

fn double(operators: &OperatorSchemas) -> Value {
    let one = |operator| (operator, operators.with_one_value(operator, &number()));
    let between = operators.with_two_values("between", &number());
    let between = described(between, "`value` is inclusive, `value1` is exclusive.");
    let operators = [
        ("in", operators.with_value_list("in", &number())),
        one("lessThan"),
        one("greaterThan"),
        ("between", between),
        ("exists", operators.without_value("exists")),
    ];
    discriminated_by("operator", operators)
}

fn datetime(operators: &OperatorSchemas) -> Value {
    let of_extract = |extract: &ExtractType| {
        let extract = *extract;
        let is_default = extract == ExtractType::Date;
        let operators = operators.with_constant("extract_type", extract.as_str(), is_default);
        let allowed = DatetimeOperator::ALL
            .iter()
            .filter(|operator| extract.allows(**operator));
        discriminated_by(
            "operator",
            allowed.map(|operator| (operator.as_str(), date_operator(&operators, *operator, extract))),
        )
    };
    any_of(ExtractType::ALL.iter().map(of_extract))
}

fn date_operator(operators: &OperatorSchemas, operator: DatetimeOperator, extract: ExtractType) -> Value {
    let keyword = operator.as_str();
    let typed = |value_type| operators.with_constant("value_type", value_type, value_type == "absolute");
    let days = |value_type| {
        typed(value_type)
            .with_literal(keyword)
            .with_required("value", count(0))
    };
    match operator {
        DatetimeOperator::On | DatetimeOperator::Is | DatetimeOperator::Before | DatetimeOperator::After => {
            any_of([
                typed("absolute").with_one_value(keyword, &compared_value(extract)),
                days("relative_past").allowing_other_fields(),
                days("relative_future").allowing_other_fields(),
            ])
        }
        DatetimeOperator::Between => any_of([
            typed("absolute").with_two_values(keyword, &compared_value(extract)),
            typed("absolute")
                .with_template(keyword, template())
                .with_required("value1", template())
                .allowing_other_fields(),
            typed("relative_past").with_two_values(keyword, &count(0)),
            typed("relative_future").with_two_values(keyword, &count(0)),
        ]),
        DatetimeOperator::InTheLast => day_count(operators, keyword, "relative_past"),
        DatetimeOperator::InTheNext => day_count(operators, keyword, "relative_future"),
        DatetimeOperator::In => typed("absolute").with_value_list(keyword, &compared_value(extract)),
        DatetimeOperator::Today => operators
            .with_literal(keyword)
            .with_optional("value_type", keyword_enum::<ValueType>())
            .allowing_other_fields(),
        DatetimeOperator::Exists => operators.without_value(keyword),
    }
}

/// The operator fixes the direction; a comparison with another attribute is always absolute.
fn day_count(operators: &OperatorSchemas, keyword: &str, direction: &str) -> Value {
    OperatorSchemas::literal_or_template(
        operators
            .with_literal(keyword)
            .with_optional("value_type", constant(direction))
            .with_required("value", count(1)),
        operators
            .with_template(keyword, template())
            .with_optional("value_type", constant("absolute")),
    )
}
