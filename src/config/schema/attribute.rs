//! Conditions on attributes, in the three places where they stand.

use super::builders::{
    ObjectSchema, any_of, boolean, constant, count, described, discriminated_by, keyword_enum, list,
    non_empty_list, non_empty_text, number, schema_ref, text,
};
use super::date::compared_value;
use crate::model::{
    ArrayMatching, ArrayTextOperator, DataType, DatetimeOperator, ExtractType, GroupOperator, Keyword,
    TextListOperator, TextOperator,
};
use serde_json::{Value, json};

/// Where a condition stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AttributeSchemaKind {
    UserAttribute,
    InnerAttribute,
    EventAttribute,
}

impl AttributeSchemaKind {
    /// The name of the schema's part for conditions there.
    pub(super) fn def_name(self) -> &'static str {
        match self {
            Self::UserAttribute => "userAttribute",
            Self::InnerAttribute => "innerAttribute",
            Self::EventAttribute => "eventAttribute",
        }
    }
}

/// Any condition at `position`. What each data type adds is the same everywhere, so it stands in parts of its own,
/// and fields that none of them knows are refused here.
pub(super) fn condition(position: AttributeSchemaKind) -> Value {
    let inner = if position == AttributeSchemaKind::EventAttribute {
        AttributeSchemaKind::EventAttribute
    } else {
        AttributeSchemaKind::InnerAttribute
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
        .with_required(
            "name",
            described(non_empty_text(), "The attribute's name at the service."),
        )
        .with_required("data_type", keyword_enum::<DataType>())
        .with_optional(
            "category",
            described(
                non_empty_text(),
                "The dashboard's category of the attribute; sent when given.",
            ),
        );
    fields = match position {
        AttributeSchemaKind::UserAttribute => {
            fields.with_required("filter_type", constant("user_attributes"))
        }
        AttributeSchemaKind::InnerAttribute => fields,
        AttributeSchemaKind::EventAttribute => fields.with_optional(
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
    if position == AttributeSchemaKind::EventAttribute {
        // Only user attributes can be compared with another attribute.
        schema["not"] = json!({"properties": {"is_dynamic_value": constant_bool(true)}, "required": ["is_dynamic_value"]});
    }
    schema["unevaluatedProperties"] = false.into();
    schema
}

/// The parts that conditions are made of, by name.
pub(super) fn schema_defs() -> Vec<(&'static str, Value)> {
    let kinds = DataType::ALL
        .iter()
        .filter(|kind| !matches!(kind, DataType::Object | DataType::ArrayObject));
    let mut parts: Vec<_> = kinds
        .map(|kind| (condition_def_name(*kind), condition_of_type(*kind)))
        .collect();
    let negate = described(
        boolean(),
        "NOT. Users without the attribute match a negated condition.",
    );
    let case_sensitive = described(
        boolean(),
        "Whether upper and lower case differ; they do not by default.",
    );
    let template = json!({"type": "string", "pattern": r"^\{\{MoeUserAttribute\['[^']+'\]\}\}$"});
    let template = described(
        template,
        "The user's own value of another attribute: {{MoeUserAttribute['name']}}.",
    );
    parts.extend([
        ("negate", negate),
        ("caseSensitive", case_sensitive),
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
            .with_required("radius", described(number(), "Metres around the point."))
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
            operators.one_of([
                ("is", operators.with_one_value("is", &boolean())),
                ("exists", operators.without_value("exists")),
            ])
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

/// How many elements have to fit: said unless negated, where it has no meaning.
fn array_matching(base: &ObjectSchema, of: impl Fn(ObjectSchema) -> Value) -> Value {
    let words = described(
        keyword_enum::<ArrayMatching>(),
        "Whether any or all elements of the list have to fit.",
    );
    let exists = base
        .clone()
        .with_optional("negate", constant_bool(false))
        .with_optional("array_filter_type", words.clone());
    any_of([
        of(base.clone().with_required("negate", constant_bool(true))),
        of(base
            .clone()
            .with_optional("negate", constant_bool(false))
            .with_required("array_filter_type", words)),
        exists
            .with_required("operator", constant("exists"))
            .with_optional("is_dynamic_value", constant_bool(false))
            .allowing_other_fields(),
    ])
}

fn constant_bool(value: bool) -> Value {
    json!({"const": value})
}

/// The operators of one data type.
struct OperatorSchemas {
    base: ObjectSchema,
    kind: DataType,
}

impl OperatorSchemas {
    fn one_of<const N: usize>(&self, operators: [(&'static str, Value); N]) -> Value {
        discriminated_by("operator", operators)
    }

    fn with_literal(&self, operator: &str) -> ObjectSchema {
        self.base
            .clone()
            .with_required("operator", constant(operator))
            .with_optional("is_dynamic_value", constant_bool(false))
    }

    fn with_template(&self, operator: &str, value: Value) -> ObjectSchema {
        let kind = match self.kind {
            DataType::ArrayString => DataType::String,
            DataType::ArrayDouble => DataType::Double,
            other => other,
        };
        self.base
            .clone()
            .with_required("operator", constant(operator))
            .with_required("is_dynamic_value", constant_bool(true))
            .with_optional("dynamic_attribute_type", constant(kind.as_str()))
            .with_required("value", value)
    }

    /// No value.
    fn without_value(&self, operator: &str) -> Value {
        self.with_literal(operator).allowing_other_fields()
    }

    /// One value, or another attribute's.
    fn with_one_value(&self, operator: &str, value: &Value) -> Value {
        Self::literal_or_template(
            self.with_literal(operator).with_required("value", value.clone()),
            self.with_template(operator, template()),
        )
    }

    /// A list of values, or another attribute's.
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

    /// Two values.
    fn with_two_values(&self, operator: &str, value: &Value) -> Value {
        self.with_literal(operator)
            .with_required("value", value.clone())
            .with_required("value1", value.clone())
            .allowing_other_fields()
    }

    fn literal_or_template(fixed: ObjectSchema, dynamic: ObjectSchema) -> Value {
        any_of([fixed.allowing_other_fields(), dynamic.allowing_other_fields()])
    }
}

fn template() -> Value {
    schema_ref("otherAttribute")
}

fn string(operators: &OperatorSchemas) -> Value {
    let lists = TextListOperator::ALL
        .iter()
        .map(|word| (word.as_str(), operators.with_value_list(word.as_str(), &text())));
    let ones = TextOperator::ALL
        .iter()
        .map(|word| (word.as_str(), operators.with_one_value(word.as_str(), &text())));
    discriminated_by(
        "operator",
        lists
            .chain(ones)
            .chain([("exists", operators.without_value("exists"))]),
    )
}

fn array_string(operators: &OperatorSchemas) -> Value {
    let lists = ArrayTextOperator::ALL
        .iter()
        .map(|word| (word.as_str(), operators.with_value_list(word.as_str(), &text())));
    discriminated_by(
        "operator",
        lists.chain([
            ("is", operators.with_one_value("is", &text())),
            ("exists", operators.without_value("exists")),
        ]),
    )
}

fn double(operators: &OperatorSchemas) -> Value {
    operators.one_of([
        ("in", operators.with_value_list("in", &number())),
        ("lessThan", operators.with_one_value("lessThan", &number())),
        ("greaterThan", operators.with_one_value("greaterThan", &number())),
        (
            "between",
            described(
                operators.with_two_values("between", &number()),
                "From value to less than value1.",
            ),
        ),
        ("exists", operators.without_value("exists")),
    ])
}

fn datetime(operators: &OperatorSchemas) -> Value {
    let of_extract = |extract: &ExtractType| {
        let extract = *extract;
        let word = constant(extract.as_str());
        let with = if extract == ExtractType::Date {
            operators.base.clone().with_optional("extract_type", word)
        } else {
            operators.base.clone().with_required("extract_type", word)
        };
        let operators = OperatorSchemas {
            base: with,
            kind: operators.kind,
        };
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
    let word = operator.as_str();
    let typed = |value_type: &str| {
        let base = if value_type == "absolute" {
            operators
                .base
                .clone()
                .with_optional("value_type", constant(value_type))
        } else {
            operators
                .base
                .clone()
                .with_required("value_type", constant(value_type))
        };
        OperatorSchemas {
            base,
            kind: operators.kind,
        }
    };
    let fixed =
        |value_type: &str, value: Value| typed(value_type).with_literal(word).with_required("value", value);
    match operator {
        DatetimeOperator::On | DatetimeOperator::Is | DatetimeOperator::Before | DatetimeOperator::After => {
            any_of([
                typed("absolute").with_one_value(word, &compared_value(extract)),
                fixed("relative_past", count(0)).allowing_other_fields(),
                fixed("relative_future", count(0)).allowing_other_fields(),
            ])
        }
        DatetimeOperator::Between => any_of([
            typed("absolute").with_two_values(word, &compared_value(extract)),
            fixed("relative_past", count(0))
                .with_required("value1", count(0))
                .allowing_other_fields(),
            fixed("relative_future", count(0))
                .with_required("value1", count(0))
                .allowing_other_fields(),
        ]),
        DatetimeOperator::InTheLast => day_count(operators, word, "relative_past"),
        DatetimeOperator::InTheNext => day_count(operators, word, "relative_future"),
        DatetimeOperator::In => typed("absolute").with_value_list(word, &compared_value(extract)),
        DatetimeOperator::Today | DatetimeOperator::Exists => operators.without_value(word),
    }
}

/// A number of days; the direction is locked, and absolute when compared with another attribute.
fn day_count(operators: &OperatorSchemas, word: &str, locked: &str) -> Value {
    OperatorSchemas::literal_or_template(
        operators
            .with_literal(word)
            .with_optional("value_type", constant(locked))
            .with_required("value", count(1)),
        operators
            .with_template(word, template())
            .with_optional("value_type", constant("absolute")),
    )
}
