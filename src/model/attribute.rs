//! Conditions on attributes: nine data types, each with exactly its operators and value shapes.
//!
//! `user_attributes` filters, the `attributes` of an event and the filters of an object share them.

use super::datetime::DatetimeTest;
use super::group_operator::GroupOperator;
use super::keyword::keywords;
use super::number::Number;
use super::operand::Operand;

keywords! {
    pub enum DataType("data type") {
        String = "string",
        Double = "double",
        Bool = "bool",
        Datetime = "datetime",
        Geopoint = "geopoint",
        ArrayString = "array_string",
        ArrayDouble = "array_double",
        Object = "object",
        /// A list of objects. All conditions inside must hold for the same element.
        ArrayObject = "array_object",
    }
}

keywords! {
    /// Operators on text that take a list. They hold when any value of the list matches.
    pub enum TextListOperator("operator") {
        In = "in",
        Contains = "containsInTheFollowing",
        StartsWith = "startsWithInTheFollowing",
        EndsWith = "endsWithInTheFollowing",
    }
}

keywords! {
    pub enum TextOperator("operator") {
        /// With one space, this is the dashboard's "contains spaces".
        Contains = "contains",
        /// With an empty text, this is the dashboard's "is empty".
        Is = "is",
    }
}

keywords! {
    pub enum ArrayTextOperator("operator") {
        In = "in",
        Contains = "contains",
        StartsWith = "startsWith",
        EndsWith = "endsWith",
    }
}

keywords! {
    /// How many elements of the attribute must match; MoEngage documents no default, and segctl sends `any_of`. It has no
    /// meaning under negation and for `exists`.
    pub enum ArrayMatching("array filter type") {
        AnyOf = "any_of",
        AllOf = "all_of",
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct AttributeFilter {
    pub name: String,
    /// The dashboard's category of the attribute. The API documents it as required, but its own answers omit it.
    /// On an event's attributes it is always `default`.
    pub category: Option<String>,
    pub condition: Condition,
}

/// Conditions joined by one operator: an event's `attributes`, or the filters inside an object.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeGroup {
    pub operator: GroupOperator,
    pub filters: Vec<AttributeFilter>,
}

impl AttributeGroup {
    /// What an event without conditions has.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            operator: GroupOperator::And,
            filters: Vec::new(),
        }
    }
}

/// `negate` is a plain NOT: users without the attribute match a negated condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    String {
        negate: bool,
        case_sensitive: bool,
        test: StringTest,
    },
    Double {
        negate: bool,
        test: DoubleTest,
    },
    Bool {
        negate: bool,
        test: BoolTest,
    },
    Datetime {
        negate: bool,
        test: DatetimeTest,
    },
    /// Within `radius` meters of the point.
    Geopoint {
        negate: bool,
        /// -90 to 90 degrees.
        latitude: Number,
        /// -180 to 180 degrees.
        longitude: Number,
        /// In meters, more than 0.
        radius: Number,
    },
    ArrayString {
        negate: bool,
        case_sensitive: bool,
        /// `None` exactly when negated or for `exists`.
        matching: Option<ArrayMatching>,
        test: ArrayStringTest,
    },
    ArrayDouble {
        negate: bool,
        /// `None` exactly when negated or for `exists`.
        matching: Option<ArrayMatching>,
        test: DoubleTest,
    },
    Object(AttributeGroup),
    ArrayObject(AttributeGroup),
}

impl Condition {
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::String { .. } => DataType::String,
            Self::Double { .. } => DataType::Double,
            Self::Bool { .. } => DataType::Bool,
            Self::Datetime { .. } => DataType::Datetime,
            Self::Geopoint { .. } => DataType::Geopoint,
            Self::ArrayString { .. } => DataType::ArrayString,
            Self::ArrayDouble { .. } => DataType::ArrayDouble,
            Self::Object(_) => DataType::Object,
            Self::ArrayObject(_) => DataType::ArrayObject,
        }
    }

    /// The API's type of another attribute that this condition can be compared with. For lists it is the element type.
    #[must_use]
    pub fn dynamic_type(&self) -> &'static str {
        match self.data_type() {
            DataType::Double | DataType::ArrayDouble => "double",
            DataType::Bool => "bool",
            DataType::Datetime => "datetime",
            // The API does not compare the last three with other attributes.
            DataType::String
            | DataType::ArrayString
            | DataType::Geopoint
            | DataType::Object
            | DataType::ArrayObject => "string",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum StringTest {
    Any(TextListOperator, Operand<Vec<String>>),
    One(TextOperator, Operand<String>),
    /// The attribute is set, even to an empty text.
    Exists,
}

#[derive(Clone, Debug, PartialEq)]
pub enum DoubleTest {
    In(Operand<Vec<Number>>),
    LessThan(Operand<Number>),
    GreaterThan(Operand<Number>),
    /// At least the first and less than the second.
    Between(Number, Number),
    Exists,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BoolTest {
    Is(Operand<bool>),
    Exists,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ArrayStringTest {
    Any(ArrayTextOperator, Operand<Vec<String>>),
    Is(Operand<String>),
    /// The attribute is set, even to an empty list.
    Exists,
}
