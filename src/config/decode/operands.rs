//! Operators and the values they take, by data type.

use super::super::yaml::{Node, Yaml};
use super::codes;
use super::reader::{Fields, Reader};
use crate::model::{
    ArrayStringTest, ArrayTextOperator, BoolTest, DoubleTest, Keyword, Number, Operand, StringTest,
    TextListOperator, TextOperator,
};

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
    pub(super) fn one<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'_>, &Node) -> Option<T>,
    ) -> Option<Operand<T>> {
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
                    self.reader.fault(
                        codes::OUT_OF_RANGE,
                        &node.span,
                        message,
                        "expected one `{{MoeUserAttribute['…']}}`",
                    )
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
        self.fields.describe(format!(
            "a `{data_type}` condition with the operator `{operator}`"
        ));
    }
}

/// The attribute in `{{MoeUserAttribute['…']}}`.
fn template(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    let attribute = text
        .strip_prefix("{{MoeUserAttribute['")
        .and_then(|rest| rest.strip_suffix("']}}"));
    match attribute.filter(|name| !name.is_empty() && !name.contains('\'')) {
        Some(name) => Some(name.to_owned()),
        None => {
            let message = format!("`{text}` names no attribute to compare with");
            reader.fault(
                codes::UNKNOWN_WORD,
                &node.span,
                message,
                "expected {{MoeUserAttribute['attribute']}}",
            )
        }
    }
}

/// Tests of text.
pub(super) fn string_test(operands: &mut Operands<'_, '_, '_, '_>, operator: &Node) -> Option<StringTest> {
    let word = operands.operator(operator)?;
    operands.describe("string", word);
    if let Some(list) = TextListOperator::from_text(word) {
        return Some(StringTest::Any(list, operands.many(text)?));
    }
    if let Some(one) = TextOperator::from_text(word) {
        return Some(StringTest::One(one, operands.one(text)?));
    }
    if word == "exists" {
        return operands.none(StringTest::Exists);
    }
    let words = words_and_exists(&[words_of(TextListOperator::ALL), words_of(TextOperator::ALL)]);
    operands.unknown_operator(operator, "operator on a `string`", &words)
}

/// Tests of lists of text.
pub(super) fn array_string_test(
    operands: &mut Operands<'_, '_, '_, '_>,
    operator: &Node,
) -> Option<ArrayStringTest> {
    let word = operands.operator(operator)?;
    operands.describe("array_string", word);
    if let Some(list) = ArrayTextOperator::from_text(word) {
        return Some(ArrayStringTest::Any(list, operands.many(text)?));
    }
    match word {
        "is" => Some(ArrayStringTest::Is(operands.one(text)?)),
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
        "between" => operands
            .pair(number)
            .map(|(low, high)| DoubleTest::Between(low, high)),
        "exists" => operands.none(DoubleTest::Exists),
        _ => {
            let words = ["in", "lessThan", "greaterThan", "between", "exists"];
            operands.unknown_operator(operator, "operator on numbers", &words)
        }
    }
}

/// Tests of booleans.
pub(super) fn bool_test(operands: &mut Operands<'_, '_, '_, '_>, operator: &Node) -> Option<BoolTest> {
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

fn text(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    reader.text(node)
}
