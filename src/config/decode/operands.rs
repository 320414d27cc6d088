//! Operators and their values, by data type.

use super::super::yaml::{Node, Yaml};
use super::codes;
use super::decoder::{Decoder, Fields};
use crate::model::{
    ArrayStringTest, ArrayTextOperator, BoolTest, DoubleTest, Keyword, Operand, StringTest, TextListOperator,
    TextOperator,
};

pub(super) struct Operands<'r, 'n> {
    pub(super) fields: &'r mut Fields<'n>,
    pub(super) operator: &'n Node,
    /// The value names another attribute.
    pub(super) dynamic: bool,
    /// The operator of the data type that takes a list, if there is one.
    pub(super) list_operator: Option<&'static str>,
}

impl<'n> Operands<'_, 'n> {
    pub(super) fn single_operand<T>(
        &mut self,
        decode: impl FnOnce(&'n Decoder<'n>, &'n Node) -> Option<T>,
    ) -> Option<Operand<T>> {
        let node = self.fields.require("value")?;
        if self.dynamic {
            return Some(Operand::Dynamic(dynamic_attribute(self.fields.decoder, node)?));
        }
        reject_list(self.fields.decoder, node, self.list_operator)?;
        Some(Operand::Fixed(decode(self.fields.decoder, node)?))
    }

    pub(super) fn list_operand<T>(
        &mut self,
        decode: impl FnMut(&'n Decoder<'n>, &'n Node) -> Option<T>,
    ) -> Option<Operand<Vec<T>>> {
        let node = self.fields.require("value")?;
        if !self.dynamic {
            return Some(Operand::Fixed(self.fields.decoder.non_empty_list(node, decode)?));
        }
        let attribute = match &node.value {
            Yaml::List(items) => match items.as_slice() {
                [only] => only,
                _ => {
                    let message = "a comparison with another attribute has exactly one value";
                    let label = "expected one `{{MoeUserAttribute['…']}}`";
                    let span = &node.span;
                    return self
                        .fields
                        .decoder
                        .error(codes::OUT_OF_RANGE, span, message, label);
                }
            },
            _ => node,
        };
        Some(Operand::Dynamic(dynamic_attribute(
            self.fields.decoder,
            attribute,
        )?))
    }

    /// A list, or one value without brackets.
    fn list_or_single_operand<T>(
        &mut self,
        mut decode: impl FnMut(&'n Decoder<'n>, &'n Node) -> Option<T>,
    ) -> Option<Operand<Vec<T>>> {
        match self.fields.require("value")? {
            node if matches!(node.value, Yaml::Scalar(_)) && !self.dynamic => {
                decode(self.fields.decoder, node).map(|value| Operand::Fixed(vec![value]))
            }
            _ => self.list_operand(decode),
        }
    }

    /// `value` and `value1` of `between`, which both name another attribute.
    pub(super) fn between_attributes(&mut self) -> Option<(String, String)> {
        let first = self.fields.required("value", dynamic_attribute);
        let second = self.fields.required("value1", dynamic_attribute);
        Some((first?, second?))
    }

    /// `value` and `value1` of `between`, which cannot name another attribute.
    pub(super) fn between_operands<T>(
        &mut self,
        mut decode: impl FnMut(&'n Decoder<'n>, &'n Node) -> Option<T>,
    ) -> Option<(T, T)> {
        if self.dynamic {
            return self.reject_dynamic("`between` cannot compare with another attribute");
        }
        let first = self.fields.required("value", &mut decode);
        let second = self.fields.required("value1", decode);
        Some((first?, second?))
    }

    pub(super) fn without_operand<T>(&mut self, test: T) -> Option<T> {
        if self.dynamic {
            return self.reject_dynamic("this operator has no value to compare with another attribute");
        }
        Some(test)
    }

    fn reject_dynamic<T>(&mut self, message: &str) -> Option<T> {
        let key = "is_dynamic_value";
        // Whether the other fields belong here depends on this one.
        self.fields.ignore_unknown_fields();
        self.fields.misplaced_field(key, message)
    }

    pub(super) fn operator_text(&mut self) -> Option<&'n str> {
        let scalar = self.fields.decoder.scalar(self.operator, "a string (operator)");
        if scalar.is_none() {
            self.fields.ignore_unknown_fields();
        }
        scalar.map(|scalar| scalar.text.as_str())
    }

    pub(super) fn invalid_operator<T>(&mut self, target: &str, words: &[&str]) -> Option<T> {
        self.fields.ignore_unknown_fields();
        let value = self.fields.peek("value");
        self.fields
            .decoder
            .invalid_operator(self.operator, target, words, value)
    }

    /// Names the operator in later messages, because it decides which fields are valid.
    pub(super) fn describe(&mut self, data_type: &str, operator: &str) {
        self.fields.describe(format!(
            "a `{data_type}` condition with the operator `{operator}`"
        ));
    }
}

/// Reports a list where the operator takes one value.
pub(super) fn reject_list(decoder: &Decoder<'_>, node: &Node, list_operator: Option<&str>) -> Option<()> {
    let Yaml::List(items) = &node.value else {
        return Some(());
    };
    let label = "this operator takes one value";
    decoder.error::<()>(
        codes::WRONG_TYPE,
        &node.span,
        "expected one value, found a list",
        label,
    );
    let one = match items.as_slice() {
        [only] => format!("write one value: `value: {}`", decoder.slice(&only.span)),
        _ => "write one value".to_owned(),
    };
    decoder.add_help(match list_operator {
        Some(operator) => format!("use `operator: {operator}` for a list, or {one}"),
        None => one,
    });
    None
}

fn dynamic_attribute(decoder: &Decoder<'_>, node: &Node) -> Option<String> {
    let text = decoder.text(node)?;
    let attribute = text
        .strip_prefix("{{MoeUserAttribute['")
        .and_then(|rest| rest.strip_suffix("']}}"))
        .filter(|name| !name.is_empty() && !name.contains('\''));
    if let Some(name) = attribute {
        return Some(name.to_owned());
    }
    let message = format!("`{text}` is not a reference to a user attribute");
    let label = "expected {{MoeUserAttribute['attribute']}}";
    decoder.error::<()>(codes::UNKNOWN_KEYWORD, &node.span, message, label);
    let name = text.trim_matches(|next: char| "{}[]'\" ".contains(next));
    let name = name.strip_prefix("MoeUserAttribute").unwrap_or(name);
    let name = name.trim_matches(|next: char| "{}[]'\" .".contains(next));
    if !name.is_empty() && !name.contains(['\'', '{', '}']) {
        decoder.add_help(format!("write \"{{{{MoeUserAttribute['{name}']}}}}\""));
    }
    None
}

pub(super) fn string_test(operands: &mut Operands<'_, '_>) -> Option<StringTest> {
    let word = operands.operator_text()?;
    operands.describe("string", word);
    if let Some(list) = TextListOperator::from_text(word) {
        return Some(StringTest::Any(list, operands.list_operand(Decoder::text)?));
    }
    if let Some(one) = TextOperator::from_text(word) {
        return Some(StringTest::One(one, operands.single_operand(Decoder::text)?));
    }
    if word == "exists" {
        return operands.without_operand(StringTest::Exists);
    }
    operands.invalid_operator("`string`", &string_operators())
}

pub(super) fn string_operators() -> Vec<&'static str> {
    let words = [
        keywords(TextListOperator::ALL),
        keywords(TextOperator::ALL),
        vec!["exists"],
    ];
    words.concat()
}

pub(super) fn array_string_test(operands: &mut Operands<'_, '_>) -> Option<ArrayStringTest> {
    let word = operands.operator_text()?;
    operands.describe("array_string", word);
    if let Some(list) = ArrayTextOperator::from_text(word) {
        // The API's documentation shows both forms, except for `in`.
        let values = match list {
            ArrayTextOperator::In => operands.list_operand(Decoder::text)?,
            _ => operands.list_or_single_operand(Decoder::text)?,
        };
        return Some(ArrayStringTest::Any(list, values));
    }
    match word {
        "is" => Some(ArrayStringTest::Is(operands.single_operand(Decoder::text)?)),
        "exists" => operands.without_operand(ArrayStringTest::Exists),
        _ => operands.invalid_operator("`array_string`", &array_string_operators()),
    }
}

pub(super) fn array_string_operators() -> Vec<&'static str> {
    [keywords(ArrayTextOperator::ALL), vec!["is", "exists"]].concat()
}

pub(super) const DOUBLE_OPERATORS: [&str; 5] = ["in", "lessThan", "greaterThan", "between", "exists"];
pub(super) const BOOL_OPERATORS: [&str; 2] = ["is", "exists"];

/// Tests a number, or the elements of a list of numbers.
pub(super) fn double_test(operands: &mut Operands<'_, '_>) -> Option<DoubleTest> {
    let word = operands.operator_text()?;
    operands.describe("double", word);
    match word {
        "in" => Some(DoubleTest::In(operands.list_operand(Decoder::number)?)),
        "lessThan" => Some(DoubleTest::LessThan(operands.single_operand(Decoder::number)?)),
        "greaterThan" => Some(DoubleTest::GreaterThan(operands.single_operand(Decoder::number)?)),
        "between" => operands
            .between_operands(Decoder::number)
            .map(|(low, high)| DoubleTest::Between(low, high)),
        "exists" => operands.without_operand(DoubleTest::Exists),
        _ => operands.invalid_operator("numbers", &DOUBLE_OPERATORS),
    }
}

pub(super) fn bool_test(operands: &mut Operands<'_, '_>) -> Option<BoolTest> {
    let word = operands.operator_text()?;
    operands.describe("bool", word);
    match word {
        "is" => operands.single_operand(Decoder::boolean).map(BoolTest::Is),
        "exists" => operands.without_operand(BoolTest::Exists),
        _ => operands.invalid_operator("`bool`", &BOOL_OPERATORS),
    }
}

fn keywords<K: Keyword>(words: &[K]) -> Vec<&'static str> {
    words.iter().map(|word| word.as_str()).collect()
}
