//! Conditions on attributes, in the three places where they stand.

use super::date::value_of;
use super::object::{
    Fields, any_of, boolean, by, count, described, filled_list, filled_text, list, number, only, part, text,
    words,
};
use crate::model::{
    ArrayMatching, ArrayTextOperator, DataType, DatetimeOperator, ExtractType, GroupOperator, Keyword,
    TextListOperator, TextOperator,
};
use serde_json::{Value, json};

/// Where a condition stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    UserFilter,
    InObject,
    OfEvent,
}

impl Position {
    /// The name of the schema's part for conditions there.
    pub(super) fn part(self) -> &'static str {
        match self {
            Self::UserFilter => "userAttribute",
            Self::InObject => "innerAttribute",
            Self::OfEvent => "eventAttribute",
        }
    }
}

/// Any condition at `position`. What each data type adds is the same everywhere, so it stands in parts of its own,
/// and fields that none of them knows are refused here.
pub(super) fn condition(position: Position) -> Value {
    let inner = if position == Position::OfEvent {
        Position::OfEvent
    } else {
        Position::InObject
    };
    let of_type = |kind: &DataType| match kind {
        DataType::Object | DataType::ArrayObject => {
            let operator = words::<GroupOperator>();
            Fields::default()
                .need("filter_operator", operator)
                .need("filters", list(&part(inner.part())))
                .open()
        }
        _ => part(part_of(*kind)),
    };
    let mut schema = by(
        "data_type",
        DataType::ALL.iter().map(|kind| (kind.as_str(), of_type(kind))),
    );
    let mut fields = Fields::default()
        .need(
            "name",
            described(filled_text(), "The attribute's name at the service."),
        )
        .need("data_type", words::<DataType>())
        .may(
            "category",
            described(
                filled_text(),
                "The dashboard's category of the attribute; sent when given.",
            ),
        );
    fields = match position {
        Position::UserFilter => fields.need("filter_type", only("user_attributes")),
        Position::InObject => fields,
        Position::OfEvent => fields.may(
            "filter_type",
            json!({"enum": ["user_attributes", "event_attributes"]}),
        ),
    };
    let Value::Object(fields) = fields.open() else {
        return schema;
    };
    for (key, value) in fields {
        schema[key] = value;
    }
    if position == Position::OfEvent {
        // Only user attributes can be compared with another attribute.
        schema["not"] =
            json!({"properties": {"is_dynamic_value": only_bool(true)}, "required": ["is_dynamic_value"]});
    }
    schema["unevaluatedProperties"] = false.into();
    schema
}

/// The parts that conditions are made of, by name.
pub(super) fn parts() -> Vec<(&'static str, Value)> {
    let kinds = DataType::ALL
        .iter()
        .filter(|kind| !matches!(kind, DataType::Object | DataType::ArrayObject));
    let mut parts: Vec<_> = kinds.map(|kind| (part_of(*kind), of_type(*kind))).collect();
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

fn part_of(kind: DataType) -> &'static str {
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

fn of_type(kind: DataType) -> Value {
    let negated = || Fields::default().may("negate", negate());
    match kind {
        DataType::Geopoint => negated()
            .need("value", described(number(), "Latitude in degrees."))
            .need("value1", described(number(), "Longitude in degrees."))
            .need("radius", described(number(), "Metres around the point."))
            .open(),
        DataType::String => {
            let base = negated().may("case_sensitive", case_sensitive());
            string(&Operators { base, kind })
        }
        DataType::Bool => {
            let operators = Operators {
                base: negated(),
                kind,
            };
            operators.choice([
                ("is", operators.one("is", &boolean())),
                ("exists", operators.none("exists")),
            ])
        }
        DataType::Datetime => datetime(&Operators {
            base: negated(),
            kind,
        }),
        DataType::ArrayString => {
            let base = Fields::default().may("case_sensitive", case_sensitive());
            matching(&base, |base| array_string(&Operators { base, kind }))
        }
        DataType::ArrayDouble => matching(&Fields::default(), |base| double(&Operators { base, kind })),
        DataType::Double | DataType::Object | DataType::ArrayObject => double(&Operators {
            base: negated(),
            kind,
        }),
    }
}

fn negate() -> Value {
    part("negate")
}

fn case_sensitive() -> Value {
    part("caseSensitive")
}

/// How many elements have to fit: said unless negated, where it has no meaning.
fn matching(base: &Fields, of: impl Fn(Fields) -> Value) -> Value {
    let words = described(
        words::<ArrayMatching>(),
        "Whether any or all elements of the list have to fit.",
    );
    let exists = base
        .clone()
        .may("negate", only_bool(false))
        .may("array_filter_type", words.clone());
    any_of([
        of(base.clone().need("negate", only_bool(true))),
        of(base
            .clone()
            .may("negate", only_bool(false))
            .need("array_filter_type", words)),
        exists
            .need("operator", only("exists"))
            .may("is_dynamic_value", only_bool(false))
            .open(),
    ])
}

fn only_bool(value: bool) -> Value {
    json!({"const": value})
}

/// The operators of one data type.
struct Operators {
    base: Fields,
    kind: DataType,
}

impl Operators {
    fn choice<const N: usize>(&self, operators: [(&'static str, Value); N]) -> Value {
        by("operator", operators)
    }

    fn fixed(&self, operator: &str) -> Fields {
        self.base
            .clone()
            .need("operator", only(operator))
            .may("is_dynamic_value", only_bool(false))
    }

    fn dynamic(&self, operator: &str, value: Value) -> Fields {
        let kind = match self.kind {
            DataType::ArrayString => DataType::String,
            DataType::ArrayDouble => DataType::Double,
            other => other,
        };
        self.base
            .clone()
            .need("operator", only(operator))
            .need("is_dynamic_value", only_bool(true))
            .may("dynamic_attribute_type", only(kind.as_str()))
            .need("value", value)
    }

    /// No value.
    fn none(&self, operator: &str) -> Value {
        self.fixed(operator).open()
    }

    /// One value, or another attribute's.
    fn one(&self, operator: &str, value: &Value) -> Value {
        Self::either(
            self.fixed(operator).need("value", value.clone()),
            self.dynamic(operator, template()),
        )
    }

    /// A list of values, or another attribute's.
    fn many(&self, operator: &str, value: &Value) -> Value {
        let templates = any_of([
            template(),
            json!({"type": "array", "items": template(), "minItems": 1, "maxItems": 1}),
        ]);
        Self::either(
            self.fixed(operator).need("value", filled_list(value)),
            self.dynamic(operator, templates),
        )
    }

    /// Two values.
    fn two(&self, operator: &str, value: &Value) -> Value {
        self.fixed(operator)
            .need("value", value.clone())
            .need("value1", value.clone())
            .open()
    }

    fn either(fixed: Fields, dynamic: Fields) -> Value {
        any_of([fixed.open(), dynamic.open()])
    }
}

fn template() -> Value {
    part("otherAttribute")
}

fn string(operators: &Operators) -> Value {
    let lists = TextListOperator::ALL
        .iter()
        .map(|word| (word.as_str(), operators.many(word.as_str(), &text())));
    let ones = TextOperator::ALL
        .iter()
        .map(|word| (word.as_str(), operators.one(word.as_str(), &text())));
    by(
        "operator",
        lists.chain(ones).chain([("exists", operators.none("exists"))]),
    )
}

fn array_string(operators: &Operators) -> Value {
    let lists = ArrayTextOperator::ALL
        .iter()
        .map(|word| (word.as_str(), operators.many(word.as_str(), &text())));
    by(
        "operator",
        lists.chain([
            ("is", operators.one("is", &text())),
            ("exists", operators.none("exists")),
        ]),
    )
}

fn double(operators: &Operators) -> Value {
    operators.choice([
        ("in", operators.many("in", &number())),
        ("lessThan", operators.one("lessThan", &number())),
        ("greaterThan", operators.one("greaterThan", &number())),
        (
            "between",
            described(
                operators.two("between", &number()),
                "From value to less than value1.",
            ),
        ),
        ("exists", operators.none("exists")),
    ])
}

fn datetime(operators: &Operators) -> Value {
    let of_extract = |extract: &ExtractType| {
        let extract = *extract;
        let word = only(extract.as_str());
        let with = if extract == ExtractType::Date {
            operators.base.clone().may("extract_type", word)
        } else {
            operators.base.clone().need("extract_type", word)
        };
        let operators = Operators {
            base: with,
            kind: operators.kind,
        };
        let allowed = DatetimeOperator::ALL
            .iter()
            .filter(|operator| extract.allows(**operator));
        by(
            "operator",
            allowed.map(|operator| (operator.as_str(), date_operator(&operators, *operator, extract))),
        )
    };
    any_of(ExtractType::ALL.iter().map(of_extract))
}

fn date_operator(operators: &Operators, operator: DatetimeOperator, extract: ExtractType) -> Value {
    let word = operator.as_str();
    let typed = |value_type: &str| {
        let base = if value_type == "absolute" {
            operators.base.clone().may("value_type", only(value_type))
        } else {
            operators.base.clone().need("value_type", only(value_type))
        };
        Operators {
            base,
            kind: operators.kind,
        }
    };
    let fixed = |value_type: &str, value: Value| typed(value_type).fixed(word).need("value", value);
    match operator {
        DatetimeOperator::On | DatetimeOperator::Is | DatetimeOperator::Before | DatetimeOperator::After => {
            any_of([
                typed("absolute").one(word, &value_of(extract)),
                fixed("relative_past", count(0)).open(),
                fixed("relative_future", count(0)).open(),
            ])
        }
        DatetimeOperator::Between => any_of([
            typed("absolute").two(word, &value_of(extract)),
            fixed("relative_past", count(0)).need("value1", count(0)).open(),
            fixed("relative_future", count(0)).need("value1", count(0)).open(),
        ]),
        DatetimeOperator::InTheLast => span(operators, word, "relative_past"),
        DatetimeOperator::InTheNext => span(operators, word, "relative_future"),
        DatetimeOperator::In => typed("absolute").many(word, &value_of(extract)),
        DatetimeOperator::Today | DatetimeOperator::Exists => operators.none(word),
    }
}

/// A number of days; the direction is locked, and absolute when compared with another attribute.
fn span(operators: &Operators, word: &str, locked: &str) -> Value {
    Operators::either(
        operators
            .fixed(word)
            .may("value_type", only(locked))
            .need("value", count(1)),
        operators
            .dynamic(word, template())
            .may("value_type", only("absolute")),
    )
}
