//! Conditions on attributes: nine data types, each with exactly its operators and value shapes.
//!
//! The same conditions stand in `user_attributes` filters, in the `attributes` of an event and inside objects.

use super::datetime::DatetimeTest;
use super::filter::GroupOperator;
use super::keyword::keywords;
use super::number::Number;

keywords! {
    /// The API's data types of an attribute.
    pub enum DataType("data type") {
        /// Text.
        String = "string",
        /// Any number.
        Double = "double",
        /// True or false.
        Bool = "bool",
        /// A date with a time.
        Datetime = "datetime",
        /// A point on the globe.
        Geopoint = "geopoint",
        /// A list of texts.
        ArrayString = "array_string",
        /// A list of numbers.
        ArrayDouble = "array_double",
        /// A structure of attributes.
        Object = "object",
        /// A list of structures; conditions inside hold for one and the same element.
        ArrayObject = "array_object",
    }
}

keywords! {
    /// Operators on text that take a list: they hold when any value of the list fits.
    pub enum TextListOperator("operator") {
        /// Equal to one of the values.
        In = "in",
        /// Contains one of the values.
        Contains = "containsInTheFollowing",
        /// Starts with one of the values.
        StartsWith = "startsWithInTheFollowing",
        /// Ends with one of the values.
        EndsWith = "endsWithInTheFollowing",
    }
}

keywords! {
    /// Operators on text that take one value.
    pub enum TextOperator("operator") {
        /// Contains the value; with one space it is the dashboard's "contains spaces".
        Contains = "contains",
        /// Equal to the value; with an empty text it is the dashboard's "is empty".
        Is = "is",
    }
}

keywords! {
    /// Operators on lists of text that take a list.
    pub enum ArrayTextOperator("operator") {
        /// Equal to one of the values.
        In = "in",
        /// Contains one of the values.
        Contains = "contains",
        /// Starts with one of the values.
        StartsWith = "startsWith",
        /// Ends with one of the values.
        EndsWith = "endsWith",
    }
}

keywords! {
    /// How many elements of a stored list have to fit. Meaningless under negation and for `exists`.
    pub enum ArrayMatching("array filter type") {
        /// At least one element fits.
        AnyOf = "any_of",
        /// Every element fits.
        AllOf = "all_of",
    }
}

/// A condition on one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeFilter {
    /// The attribute's name at the service.
    pub name: String,
    /// The dashboard's category of the attribute. The API asks for it and its own answers lack it, so it is
    /// sent when given; on an event's attributes it is always `default`.
    pub category: Option<String>,
    /// What has to hold.
    pub condition: Condition,
}

/// Conditions joined by one operator: an event's `attributes`, an object's inner filters.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeGroup {
    /// How the conditions combine.
    pub operator: GroupOperator,
    /// The conditions, in the order written.
    pub filters: Vec<AttributeFilter>,
}

impl AttributeGroup {
    /// The group that asks for nothing: what an event without conditions carries.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            operator: GroupOperator::And,
            filters: Vec::new(),
        }
    }
}

/// What has to hold for an attribute, by data type. `negate` is plain NOT: users without the attribute match then.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `string`
    String {
        /// NOT.
        negate: bool,
        /// Whether upper and lower case differ.
        case_sensitive: bool,
        /// The test.
        test: StringTest,
    },
    /// `double`
    Double {
        /// NOT.
        negate: bool,
        /// The test.
        test: DoubleTest,
    },
    /// `bool`
    Bool {
        /// NOT.
        negate: bool,
        /// The test.
        test: BoolTest,
    },
    /// `datetime`
    Datetime {
        /// NOT.
        negate: bool,
        /// The test.
        test: DatetimeTest,
    },
    /// `geopoint`: within `radius` metres of the point.
    Geopoint {
        /// NOT.
        negate: bool,
        /// Degrees, -90 to 90.
        latitude: Number,
        /// Degrees, -180 to 180.
        longitude: Number,
        /// Metres, more than 0.
        radius: Number,
    },
    /// `array_string`
    ArrayString {
        /// NOT.
        negate: bool,
        /// Whether upper and lower case differ.
        case_sensitive: bool,
        /// How many elements have to fit; `None` exactly when negated or for `exists`.
        matching: Option<ArrayMatching>,
        /// The test.
        test: ArrayStringTest,
    },
    /// `array_double`
    ArrayDouble {
        /// NOT.
        negate: bool,
        /// How many elements have to fit; `None` exactly when negated or for `exists`.
        matching: Option<ArrayMatching>,
        /// The test on an element.
        test: DoubleTest,
    },
    /// `object`
    Object(AttributeGroup),
    /// `array_object`
    ArrayObject(AttributeGroup),
}

impl Condition {
    /// The data type that the condition is for.
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
}

impl Condition {
    /// What the API calls the type of another attribute that this condition can be compared with: the element
    /// type for lists.
    #[must_use]
    pub fn dynamic_type(&self) -> &'static str {
        match self.data_type() {
            DataType::Double | DataType::ArrayDouble => "double",
            DataType::Bool => "bool",
            DataType::Datetime => "datetime",
            // The last three cannot be compared with other attributes at all.
            DataType::String
            | DataType::ArrayString
            | DataType::Geopoint
            | DataType::Object
            | DataType::ArrayObject => "string",
        }
    }
}

/// A value that stands in the filter, or the user's own value of another attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand<T> {
    /// The value itself.
    Fixed(T),
    /// `{{MoeUserAttribute['…']}}`: the name of an attribute of the same type. User attributes only.
    Dynamic(String),
}

/// Tests of a `string`.
#[derive(Clone, Debug, PartialEq)]
pub enum StringTest {
    /// Any value of the list fits.
    Any(TextListOperator, Operand<Vec<String>>),
    /// The value fits.
    One(TextOperator, Operand<String>),
    /// The attribute is set, be it empty.
    Exists,
}

/// Tests of a `double`, or of an element of an `array_double`.
#[derive(Clone, Debug, PartialEq)]
pub enum DoubleTest {
    /// Equal to one of the values.
    In(Operand<Vec<Number>>),
    /// Strictly less.
    LessThan(Operand<Number>),
    /// Strictly greater.
    GreaterThan(Operand<Number>),
    /// At least the first and less than the second.
    Between(Number, Number),
    /// The attribute is set.
    Exists,
}

/// Tests of a `bool`.
#[derive(Clone, Debug, PartialEq)]
pub enum BoolTest {
    /// Equal.
    Is(Operand<bool>),
    /// The attribute is set.
    Exists,
}

/// Tests of an `array_string`.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrayStringTest {
    /// Elements compared with a list of values.
    Any(ArrayTextOperator, Operand<Vec<String>>),
    /// Elements equal to the value; with an empty text, "is empty".
    Is(Operand<String>),
    /// The attribute is set, be it an empty list.
    Exists,
}
