//! Operators and the values they take, by data type.

use super::super::yaml::{Node, Yaml};
use super::codes;
use super::decoder::{Decoder, Fields};
use crate::model::{
    ArrayStringTest, ArrayTextOperator, BoolTest, DoubleTest, Keyword, Number, Operand, StringTest,
    TextListOperator, TextOperator,
};

/// Reads the values of a condition, which are fixed or another attribute's.
pub(super) struct OperandDecoder<'r, 'a, 'f, 'n> {
    pub(super) reader: &'r mut Decoder<'a>,
    pub(super) fields: &'f mut Fields<'n>,
    pub(super) dynamic: bool,
}

impl<'n> OperandDecoder<'_, '_, '_, 'n> {
    pub(super) fn require(&mut self, key: &'static str) -> Option<&'n Node> {
        self.reader.require(self.fields, key)
    }

    /// `value` as one value.
    pub(super) fn single_operand<T>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'_>, &Node) -> Option<T>,
    ) -> Option<Operand<T>> {
        let node = self.require("value")?;
        if self.dynamic {
            return Some(Operand::Dynamic(dynamic_attribute(self.reader, node)?));
        }
        Some(Operand::Fixed(read(self.reader, node)?))
    }

    /// `value` as a list.
    pub(super) fn list_operand<T>(
        &mut self,
        read: impl FnMut(&mut Decoder<'_>, &Node) -> Option<T>,
    ) -> Option<Operand<Vec<T>>> {
        let node = self.require("value")?;
        if !self.dynamic {
            return Some(Operand::Fixed(self.reader.non_empty_list(node, read)?));
        }
        match &node.value {
            Yaml::List(items) => match items.as_slice() {
                [only] => Some(Operand::Dynamic(dynamic_attribute(self.reader, only)?)),
                _ => {
                    let message = "a comparison with another attribute has exactly one value";
                    self.reader.error(
                        codes::OUT_OF_RANGE,
                        &node.span,
                        message,
                        "expected one `{{MoeUserAttribute['…']}}`",
                    )
                }
            },
            _ => Some(Operand::Dynamic(dynamic_attribute(self.reader, node)?)),
        }
    }

    /// `value` and `value1` of `between`, which are never another attribute's.
    pub(super) fn between_operands<T>(
        &mut self,
        mut read: impl FnMut(&mut Decoder<'_>, &Node) -> Option<T>,
    ) -> Option<(T, T)> {
        if self.dynamic {
            let message = "`between` cannot compare with another attribute";
            return self
                .reader
                .misplaced_field(self.fields, "is_dynamic_value", message);
        }
        let first = self.require("value").and_then(|node| read(self.reader, node));
        let second = self.require("value1").and_then(|node| read(self.reader, node));
        Some((first?, second?))
    }

    /// A test without values.
    pub(super) fn without_operand<T>(&mut self, test: T) -> Option<T> {
        if self.dynamic {
            let message = "there is no value to compare with another attribute";
            return self
                .reader
                .misplaced_field(self.fields, "is_dynamic_value", message);
        }
        Some(test)
    }

    /// The operator's text, if the node is a scalar.
    pub(super) fn operator_text<'o>(&mut self, operator: &'o Node) -> Option<&'o str> {
        let scalar = self.reader.scalar(operator, "an operator");
        if scalar.is_none() {
            self.fields.ignore_unknown_fields();
        }
        scalar.map(|scalar| scalar.text.as_str())
    }

    /// Reports an operator that the data type does not have.
    pub(super) fn unknown_operator<T>(&mut self, operator: &Node, what: &str, words: &[&str]) -> Option<T> {
        self.fields.ignore_unknown_fields();
        self.reader.unknown_keyword(operator, what, words)
    }

    /// The words of an operator decide which fields make sense, so later messages name it.
    pub(super) fn describe(&mut self, data_type: &str, operator: &str) {
        self.fields.describe(format!(
            "a `{data_type}` condition with the operator `{operator}`"
        ));
    }
}

/// The attribute in `{{MoeUserAttribute['…']}}`.
fn dynamic_attribute(reader: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    let attribute = text
        .strip_prefix("{{MoeUserAttribute['")
        .and_then(|rest| rest.strip_suffix("']}}"));
    match attribute.filter(|name| !name.is_empty() && !name.contains('\'')) {
        Some(name) => Some(name.to_owned()),
        None => {
            let message = format!("`{text}` names no attribute to compare with");
            reader.error(
                codes::UNKNOWN_KEYWORD,
                &node.span,
                message,
                "expected {{MoeUserAttribute['attribute']}}",
            )
        }
    }
}

/// Tests of text.
pub(super) fn string_test(
    operands: &mut OperandDecoder<'_, '_, '_, '_>,
    operator: &Node,
) -> Option<StringTest> {
    let word = operands.operator_text(operator)?;
    operands.describe("string", word);
    if let Some(list) = TextListOperator::from_text(word) {
        return Some(StringTest::Any(list, operands.list_operand(text)?));
    }
    if let Some(one) = TextOperator::from_text(word) {
        return Some(StringTest::One(one, operands.single_operand(text)?));
    }
    if word == "exists" {
        return operands.without_operand(StringTest::Exists);
    }
    let words = keywords_and_exists(&[keywords_of(TextListOperator::ALL), keywords_of(TextOperator::ALL)]);
    operands.unknown_operator(operator, "operator on a `string`", &words)
}

/// Tests of lists of text.
pub(super) fn array_string_test(
    operands: &mut OperandDecoder<'_, '_, '_, '_>,
    operator: &Node,
) -> Option<ArrayStringTest> {
    let word = operands.operator_text(operator)?;
    operands.describe("array_string", word);
    if let Some(list) = ArrayTextOperator::from_text(word) {
        return Some(ArrayStringTest::Any(list, operands.list_operand(text)?));
    }
    match word {
        "is" => Some(ArrayStringTest::Is(operands.single_operand(text)?)),
        "exists" => operands.without_operand(ArrayStringTest::Exists),
        _ => {
            let words = keywords_and_exists(&[keywords_of(ArrayTextOperator::ALL), vec!["is"]]);
            operands.unknown_operator(operator, "operator on an `array_string`", &words)
        }
    }
}

/// Tests of numbers, on their own and as elements of a list.
pub(super) fn double_test(
    operands: &mut OperandDecoder<'_, '_, '_, '_>,
    operator: &Node,
) -> Option<DoubleTest> {
    let word = operands.operator_text(operator)?;
    operands.describe("double", word);
    let number = |reader: &mut Decoder<'_>, node: &Node| -> Option<Number> { reader.number(node) };
    match word {
        "in" => Some(DoubleTest::In(operands.list_operand(number)?)),
        "lessThan" => Some(DoubleTest::LessThan(operands.single_operand(number)?)),
        "greaterThan" => Some(DoubleTest::GreaterThan(operands.single_operand(number)?)),
        "between" => operands
            .between_operands(number)
            .map(|(low, high)| DoubleTest::Between(low, high)),
        "exists" => operands.without_operand(DoubleTest::Exists),
        _ => {
            let words = ["in", "lessThan", "greaterThan", "between", "exists"];
            operands.unknown_operator(operator, "operator on numbers", &words)
        }
    }
}

/// Tests of booleans.
pub(super) fn bool_test(operands: &mut OperandDecoder<'_, '_, '_, '_>, operator: &Node) -> Option<BoolTest> {
    let word = operands.operator_text(operator)?;
    operands.describe("bool", word);
    match word {
        "is" => Some(BoolTest::Is(
            operands.single_operand(|reader, node| reader.boolean(node))?,
        )),
        "exists" => operands.without_operand(BoolTest::Exists),
        _ => operands.unknown_operator(operator, "operator on a `bool`", &["is", "exists"]),
    }
}

fn keywords_of<K: Keyword>(words: &[K]) -> Vec<&'static str> {
    words.iter().map(|word| word.as_str()).collect()
}

fn keywords_and_exists(lists: &[Vec<&'static str>]) -> Vec<&'static str> {
    lists.iter().flatten().copied().chain(["exists"]).collect()
}

fn text(reader: &mut Decoder<'_>, node: &Node) -> Option<String> {
    reader.text(node)
}
