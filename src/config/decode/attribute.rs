//! Conditions on attributes, in the three places where they stand.

use super::super::yaml::{Node, Yaml};
use super::codes;
use super::datetime::datetime_test;
use super::reader::{Fields, Reader};
use crate::model::{
    ArrayMatching, ArrayStringTest, ArrayTextOperator, AttributeFilter, AttributeGroup, BoolTest, Condition,
    DataType, DoubleTest, GroupOperator, Keyword, Number, Operand, StringTest, TextListOperator, TextOperator,
};

/// Where a condition stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// A `user_attributes` filter, its type read already.
    UserFilter,
    /// Inside an object.
    InObject,
    /// One of an event's attributes: no comparison with user attributes, and the category is `default`.
    OfEvent,
}

/// The fields of a condition.
pub(super) fn attribute(reader: &mut Reader<'_>, mut fields: Fields<'_>, position: Position) -> Option<AttributeFilter> {
    if position == Position::OfEvent
        && let Some(node) = fields.take("filter_type")
        && !is_sub_filter_type(node)
    {
        // Payloads of other origin carry one of these two here, without a meaning.
        reader.unknown_word::<()>(node, "filter type", &["user_attributes", "event_attributes"]);
    }
    let name = reader.require(&mut fields, "name").and_then(|node| reader.filled_text(node));
    let category = fields.take("category").map(|node| reader.filled_text(node));
    let data_type = reader.require(&mut fields, "data_type").and_then(|node| reader.word::<DataType>(node))?;
    fields.describe(format!("a `{}` condition", data_type.as_str()));
    let condition = condition(reader, &mut fields, data_type, position);
    reader.finish(&fields);
    let category = match (category, position) {
        (Some(given), _) => Some(given?),
        (None, Position::OfEvent) => Some("default".to_owned()),
        (None, _) => None,
    };
    Some(AttributeFilter { name: name?, category, condition: condition? })
}

fn is_sub_filter_type(node: &Node) -> bool {
    matches!(&node.value, Yaml::Scalar(scalar) if matches!(scalar.text.as_str(), "user_attributes" | "event_attributes"))
}

/// `{filter_operator, filters}` of conditions.
pub(super) fn attribute_group(reader: &mut Reader<'_>, node: &Node, position: Position) -> Option<AttributeGroup> {
    let what = if position == Position::OfEvent { "a group of event attributes" } else { "an object" };
    let mut fields = reader.fields(node, what)?;
    let group = group_fields(reader, &mut fields, position);
    reader.finish(&fields);
    group
}

fn group_fields(reader: &mut Reader<'_>, fields: &mut Fields<'_>, position: Position) -> Option<AttributeGroup> {
    let operator = reader.require(fields, "filter_operator").and_then(|node| reader.word::<GroupOperator>(node));
    let filters = reader.require(fields, "filters").and_then(|node| {
        reader.list(node, |reader, node| {
            let fields = reader.fields(node, "a condition")?;
            attribute(reader, fields, position)
        })
    });
    Some(AttributeGroup { operator: operator?, filters: filters? })
}

fn condition(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    data_type: DataType,
    position: Position,
) -> Option<Condition> {
    let inner = if position == Position::OfEvent { Position::OfEvent } else { Position::InObject };
    match data_type {
        DataType::Object => return Some(Condition::Object(group_fields(reader, fields, inner)?)),
        DataType::ArrayObject => return Some(Condition::ArrayObject(group_fields(reader, fields, inner)?)),
        _ => {}
    }
    let negate = flag(reader, fields, "negate");
    if data_type == DataType::Geopoint {
        return geopoint(reader, fields, negate);
    }
    let case_sensitive = match data_type {
        DataType::String | DataType::ArrayString => flag(reader, fields, "case_sensitive"),
        _ => Some(false),
    };
    let operator = reader.require(fields, "operator");
    let dynamic = dynamic(reader, fields, data_type, position);
    let (Some(operator), Some(dynamic)) = (operator, dynamic) else {
        fields.lose_shape();
        return None;
    };
    let mut operands = Operands { reader, fields, dynamic };
    match data_type {
        DataType::String => {
            let test = string_test(&mut operands, operator);
            Some(Condition::String { negate: negate?, case_sensitive: case_sensitive?, test: test? })
        }
        DataType::Double => {
            let test = double_test(&mut operands, operator);
            Some(Condition::Double { negate: negate?, test: test? })
        }
        DataType::Bool => {
            let test = bool_test(&mut operands, operator);
            Some(Condition::Bool { negate: negate?, test: test? })
        }
        DataType::Datetime => {
            let test = datetime_test(&mut operands, operator);
            Some(Condition::Datetime { negate: negate?, test: test? })
        }
        DataType::ArrayString => {
            let test = array_string_test(&mut operands, operator);
            let exists = matches!(test, Some(ArrayStringTest::Exists));
            let matching = matching(reader, fields, negate, exists);
            Some(Condition::ArrayString {
                negate: negate?,
                case_sensitive: case_sensitive?,
                matching: matching?,
                test: test?,
            })
        }
        DataType::ArrayDouble => {
            let test = double_test(&mut operands, operator);
            let matching = matching(reader, fields, negate, matches!(test, Some(DoubleTest::Exists)));
            Some(Condition::ArrayDouble { negate: negate?, matching: matching?, test: test? })
        }
        // Read above.
        DataType::Geopoint | DataType::Object | DataType::ArrayObject => None,
    }
}

/// A boolean that is false when left out.
pub(super) fn flag(reader: &mut Reader<'_>, fields: &mut Fields<'_>, key: &'static str) -> Option<bool> {
    fields.take(key).map_or(Some(false), |node| reader.boolean(node))
}

fn geopoint(reader: &mut Reader<'_>, fields: &mut Fields<'_>, negate: Option<bool>) -> Option<Condition> {
    let latitude = reader.require(fields, "value").and_then(|node| reader.number(node));
    let longitude = reader.require(fields, "value1").and_then(|node| reader.number(node));
    let radius = reader.require(fields, "radius").and_then(|node| reader.number(node));
    Some(Condition::Geopoint { negate: negate?, latitude: latitude?, longitude: longitude?, radius: radius? })
}

/// How many elements have to fit: said exactly when it means something.
fn matching(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    negate: Option<bool>,
    exists: bool,
) -> Option<Option<ArrayMatching>> {
    let given = fields.take("array_filter_type");
    if negate? {
        return match given {
            Some(_) => reader.misplaced(fields, "array_filter_type", "`array_filter_type` has no meaning under `negate`"),
            None => Some(None),
        };
    }
    match given {
        // The service takes it here and makes nothing of it.
        Some(node) if exists => reader.word::<ArrayMatching>(node).map(|_| None),
        Some(node) => reader.word(node).map(Some),
        None if exists => Some(None),
        None => {
            reader.require(fields, "array_filter_type");
            None
        }
    }
}

/// Whether the value is another attribute's. `None` when the question itself has a fault.
fn dynamic(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    data_type: DataType,
    position: Position,
) -> Option<bool> {
    let is_dynamic = flag(reader, fields, "is_dynamic_value")?;
    if !is_dynamic {
        return Some(false);
    }
    if position == Position::OfEvent {
        let message = "only user attributes can be compared with another attribute";
        return reader.misplaced(fields, "is_dynamic_value", message);
    }
    let wanted = match data_type {
        DataType::ArrayString => DataType::String,
        DataType::ArrayDouble => DataType::Double,
        other => other,
    };
    if let Some(node) = fields.take("dynamic_attribute_type") {
        reader.word_among(node, &[wanted])?;
    }
    Some(true)
}

/// Reads the values of a condition, which are fixed or another attribute's.
pub(super) struct Operands<'r, 'a, 'f, 'n> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) fields: &'f mut Fields<'n>,
    pub(super) dynamic: bool,
}

impl<'n> Operands<'_, '_, '_, 'n> {
    pub(super) fn require(&mut self, key: &'static str) -> Option<&'n Node> {
        self.reader.require(self.fields, key)
    }

    /// `value` as one value.
    pub(super) fn one<T>(&mut self, read: impl FnOnce(&mut Reader<'_>, &Node) -> Option<T>) -> Option<Operand<T>> {
        let node = self.require("value")?;
        if self.dynamic {
            return Some(Operand::Dynamic(template(self.reader, node)?));
        }
        Some(Operand::Fixed(read(self.reader, node)?))
    }

    /// `value` as a list.
    pub(super) fn many<T>(
        &mut self,
        read: impl FnMut(&mut Reader<'_>, &Node) -> Option<T>,
    ) -> Option<Operand<Vec<T>>> {
        let node = self.require("value")?;
        if !self.dynamic {
            return Some(Operand::Fixed(self.reader.filled_list(node, read)?));
        }
        match &node.value {
            Yaml::List(items) => match items.as_slice() {
                [only] => Some(Operand::Dynamic(template(self.reader, only)?)),
                _ => {
                    let message = "a comparison with another attribute has exactly one value";
                    self.reader.fault(codes::OUT_OF_RANGE, &node.span, message, "expected one `{{MoeUserAttribute['…']}}`")
                }
            },
            _ => Some(Operand::Dynamic(template(self.reader, node)?)),
        }
    }

    /// `value` and `value1` of `between`, which are never another attribute's.
    pub(super) fn pair<T>(
        &mut self,
        mut read: impl FnMut(&mut Reader<'_>, &Node) -> Option<T>,
    ) -> Option<(T, T)> {
        if self.dynamic {
            let message = "`between` cannot compare with another attribute";
            return self.reader.misplaced(self.fields, "is_dynamic_value", message);
        }
        let first = self.require("value").and_then(|node| read(self.reader, node));
        let second = self.require("value1").and_then(|node| read(self.reader, node));
        Some((first?, second?))
    }

    /// A test without values.
    pub(super) fn none<T>(&mut self, test: T) -> Option<T> {
        if self.dynamic {
            let message = "there is no value to compare with another attribute";
            return self.reader.misplaced(self.fields, "is_dynamic_value", message);
        }
        Some(test)
    }

    /// The operator's text, if the node is a scalar.
    pub(super) fn operator<'o>(&mut self, operator: &'o Node) -> Option<&'o str> {
        let scalar = self.reader.scalar(operator, "an operator");
        if scalar.is_none() {
            self.fields.lose_shape();
        }
        scalar.map(|scalar| scalar.text.as_str())
    }

    /// Reports an operator that the data type does not have.
    pub(super) fn unknown_operator<T>(&mut self, operator: &Node, what: &str, words: &[&str]) -> Option<T> {
        self.fields.lose_shape();
        self.reader.unknown_word(operator, what, words)
    }

    /// The words of an operator decide which fields make sense, so later messages name it.
    pub(super) fn describe(&mut self, data_type: &str, operator: &str) {
        self.fields.describe(format!("a `{data_type}` condition with the operator `{operator}`"));
    }
}

/// The attribute in `{{MoeUserAttribute['…']}}`.
fn template(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    let attribute = text.strip_prefix("{{MoeUserAttribute['").and_then(|rest| rest.strip_suffix("']}}"));
    match attribute.filter(|name| !name.is_empty() && !name.contains('\'')) {
        Some(name) => Some(name.to_owned()),
        None => {
            let message = format!("`{text}` names no attribute to compare with");
            reader.fault(codes::UNKNOWN_WORD, &node.span, message, "expected {{MoeUserAttribute['attribute']}}")
        }
    }
}

fn string_test(operands: &mut Operands<'_, '_, '_, '_>, operator: &Node) -> Option<StringTest> {
    let word = operands.operator(operator)?;
    operands.describe("string", word);
    if let Some(list) = TextListOperator::from_text(word) {
        return Some(StringTest::Any(list, operands.many(Reader::text)?));
    }
    if let Some(one) = TextOperator::from_text(word) {
        return Some(StringTest::One(one, operands.one(Reader::text)?));
    }
    if word == "exists" {
        return operands.none(StringTest::Exists);
    }
    let words = words_and_exists(&[words_of(TextListOperator::ALL), words_of(TextOperator::ALL)]);
    operands.unknown_operator(operator, "operator on a `string`", &words)
}

fn array_string_test(operands: &mut Operands<'_, '_, '_, '_>, operator: &Node) -> Option<ArrayStringTest> {
    let word = operands.operator(operator)?;
    operands.describe("array_string", word);
    if let Some(list) = ArrayTextOperator::from_text(word) {
        return Some(ArrayStringTest::Any(list, operands.many(Reader::text)?));
    }
    match word {
        "is" => Some(ArrayStringTest::Is(operands.one(Reader::text)?)),
        "exists" => operands.none(ArrayStringTest::Exists),
        _ => {
            let words = words_and_exists(&[words_of(ArrayTextOperator::ALL), vec!["is"]]);
            operands.unknown_operator(operator, "operator on an `array_string`", &words)
        }
    }
}

/// Tests of numbers, on their own and as elements of a list.
pub(super) fn double_test(operands: &mut Operands<'_, '_, '_, '_>, operator: &Node) -> Option<DoubleTest> {
    let word = operands.operator(operator)?;
    operands.describe("double", word);
    let number = |reader: &mut Reader<'_>, node: &Node| -> Option<Number> { reader.number(node) };
    match word {
        "in" => Some(DoubleTest::In(operands.many(number)?)),
        "lessThan" => Some(DoubleTest::LessThan(operands.one(number)?)),
        "greaterThan" => Some(DoubleTest::GreaterThan(operands.one(number)?)),
        "between" => operands.pair(number).map(|(low, high)| DoubleTest::Between(low, high)),
        "exists" => operands.none(DoubleTest::Exists),
        _ => {
            let words = ["in", "lessThan", "greaterThan", "between", "exists"];
            operands.unknown_operator(operator, "operator on numbers", &words)
        }
    }
}

fn bool_test(operands: &mut Operands<'_, '_, '_, '_>, operator: &Node) -> Option<BoolTest> {
    let word = operands.operator(operator)?;
    operands.describe("bool", word);
    match word {
        "is" => Some(BoolTest::Is(operands.one(|reader, node| reader.boolean(node))?)),
        "exists" => operands.none(BoolTest::Exists),
        _ => operands.unknown_operator(operator, "operator on a `bool`", &["is", "exists"]),
    }
}

fn words_of<K: Keyword>(words: &[K]) -> Vec<&'static str> {
    words.iter().map(|word| word.as_str()).collect()
}

fn words_and_exists(lists: &[Vec<&'static str>]) -> Vec<&'static str> {
    lists.iter().flatten().copied().chain(["exists"]).collect()
}
