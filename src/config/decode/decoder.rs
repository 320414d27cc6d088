//! Typed access to YAML nodes. A value that cannot be decoded becomes a diagnostic, and decoding continues.

mod fields;
mod keywords;

pub(in crate::config) use self::fields::Fields;
use super::super::source::SourceFile;
use super::super::yaml::{Node, Scalar, ScalarValue, Yaml};
use super::indentation::{self, Found, Subject};
use super::{codes, numbers};
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{Definition, Number, Origin, Reference, is_home_of_other};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

/// The largest count in time ranges, executions and dates: far above real values and well inside 32 bits.
pub(in crate::config) const COUNT_LIMIT: u32 = 1_000_000_000;

/// Collects the errors of one file. A method that returns `None` has already reported why.
pub(in crate::config) struct Decoder<'a> {
    source: &'a SourceFile,
    found: RefCell<Vec<Found>>,
    reference_origins: RefCell<BTreeMap<Reference, Origin>>,
    definition: RefCell<Option<Definition>>,
}

impl<'a> Decoder<'a> {
    pub(in crate::config) fn new(source: &'a SourceFile) -> Self {
        Self {
            source,
            found: RefCell::default(),
            reference_origins: RefCell::default(),
            definition: RefCell::default(),
        }
    }

    pub(super) fn origin(&self, node: &Node) -> Origin {
        let location = self.location(&node.span);
        Origin {
            file: location.file.to_string(),
            line: location.line,
            column: location.column,
        }
    }

    /// Of several equal references, the first counts.
    pub(super) fn add_reference(&self, reference: &Reference, node: &Node) {
        let origin = self.origin(node);
        let mut origins = self.reference_origins.borrow_mut();
        origins.entry(reference.clone()).or_insert(origin);
    }

    pub(super) fn keep_definition(&self, definition: Definition) {
        self.definition.replace(Some(definition));
    }

    pub(super) fn take_definition(&self) -> Option<Definition> {
        self.definition.take()
    }

    pub(super) fn take_reference_origins(&self) -> BTreeMap<Reference, Origin> {
        self.reference_origins.take()
    }

    pub(in crate::config) fn into_diagnostics(self) -> Vec<Diagnostic> {
        indentation::combine(self.found.into_inner())
    }

    pub(in crate::config) fn location(&self, span: &Range<usize>) -> Location {
        self.source.location(span.clone())
    }

    pub(in crate::config) fn report(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(Found {
            diagnostic,
            subject: Subject::Other,
        });
    }

    /// The text of `span` in the file.
    pub(in crate::config) fn slice(&self, span: &Range<usize>) -> &'a str {
        self.source.slice(span)
    }

    fn set_subject(&self, subject: Subject) {
        if let Some(last) = self.found.borrow_mut().last_mut() {
            last.subject = subject;
        }
    }

    /// Reports an error and returns `None`.
    pub(in crate::config) fn error<T>(
        &self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Option<T> {
        let location = self.location(span);
        self.report(Diagnostic::error(code, message, location, label));
        None
    }

    pub(in crate::config) fn error_with_help<T>(
        &self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.error::<()>(code, span, message, label);
        self.add_help(help);
        None
    }

    pub(in crate::config) fn add_help(&self, help: impl Into<String>) {
        if let Some(last) = self.found.borrow_mut().last_mut() {
            last.diagnostic.help.push(help.into());
        }
    }

    pub(super) fn error_count(&self) -> usize {
        self.found.borrow().len()
    }

    pub(super) fn replace_help(&self, help: String) {
        if let Some(last) = self.found.borrow_mut().last_mut() {
            last.diagnostic.help = vec![help];
        }
    }

    pub(in crate::config) fn text(&self, node: &Node) -> Option<String> {
        let scalar = self.scalar(node, "a string")?;
        if let Some(read_as) = scalar.ambiguity() {
            let message = match scalar.text.as_str() {
                "" => "empty value; expected a string".to_owned(),
                text => format!("`{text}` is read as {read_as}; expected a string"),
            };
            self.error::<()>(codes::AMBIGUOUS_SCALAR, &node.span, message, "put it in quotes");
            let text = match self.comment_after(node) {
                Some(comment) if scalar.text.is_empty() => comment.escape_debug().to_string(),
                _ => scalar.text.escape_default().to_string(),
            };
            self.add_help(format!("write \"{text}\""));
            return None;
        }
        if scalar.resolved != ScalarValue::Text {
            return self.wrong_type_with_help(
                node,
                "a string",
                format!("for a string, use quotes: \"{}\"", scalar.text),
            );
        }
        Some(scalar.text.clone())
    }

    /// The comment on the line of an empty value: `name: #1 fans`.
    fn comment_after(&self, node: &Node) -> Option<&'a str> {
        let rest = self.source.text.get(node.span.end..)?;
        let comment = rest.lines().next()?.trim_start_matches(':').trim();
        comment.starts_with('#').then_some(comment)
    }

    pub(in crate::config) fn non_empty_text(&self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if text.is_empty() {
            let label = "expected at least one character";
            return self.error(codes::OUT_OF_RANGE, &node.span, "the string is empty", label);
        }
        Some(text)
    }

    /// The path of a file or a directory, which may begin with `~/`.
    pub(in crate::config) fn path(&self, node: &Node) -> Option<String> {
        let text = self.non_empty_text(node)?;
        if is_home_of_other(&text) {
            let message = format!("`{text}` begins with the home directory of another user");
            return self.error_with_help(
                codes::OUT_OF_RANGE,
                &node.span,
                message,
                "segctl expands only `~/`",
                format!("write the path out; for a file with that name: `./{text}`"),
            );
        }
        Some(text)
    }

    pub(in crate::config) fn boolean(&self, node: &Node) -> Option<bool> {
        let scalar = self.scalar(node, "true or false")?;
        if let ScalarValue::Bool(value) = scalar.resolved {
            return Some(value);
        }
        self.wrong_type::<()>(node, "true or false");
        match scalar.text.to_ascii_lowercase().as_str() {
            "yes" | "y" | "on" | "true" | "t" | "1" => self.add_help("write `true`"),
            "no" | "n" | "off" | "false" | "f" | "0" => self.add_help("write `false`"),
            _ => {}
        }
        None
    }

    pub(in crate::config) fn number(&self, node: &Node) -> Option<Number> {
        let scalar = self.scalar(node, "a number")?;
        let number = match scalar.resolved {
            ScalarValue::Integer(value) => Number::from_integer(value.into()),
            ScalarValue::Float(value) => Number::new(value),
            ScalarValue::Null | ScalarValue::Bool(_) | ScalarValue::Text => {
                return self.expected_number(node, scalar);
            }
        };
        number.or_else(|| {
            let message = format!("MoEngage cannot store the number `{}` exactly", scalar.text);
            let label = "not an exact 64-bit floating-point number";
            self.error(codes::OUT_OF_RANGE, &node.span, message, label)
        })
    }

    pub(in crate::config) fn count(&self, node: &Node, range: RangeInclusive<u32>) -> Option<u32> {
        let scalar = self.scalar(node, "a whole number")?;
        let value = match scalar.resolved {
            ScalarValue::Integer(value) => value,
            // Some programs rewrite the whole number 7 as 7.0.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the guard admits only whole numbers up to COUNT_LIMIT"
            )]
            ScalarValue::Float(value) if value.fract() == 0.0 && value.abs() <= f64::from(COUNT_LIMIT) => {
                value as i64
            }
            _ => return self.expected_number(node, scalar),
        };
        if let Some(count) = u32::try_from(value).ok().filter(|count| range.contains(count)) {
            return Some(count);
        }
        let message = match (*range.start(), *range.end()) {
            (low, COUNT_LIMIT) => format!("must be at least {low}, found {value}"),
            (low, high) => format!("must be between {low} and {high}, found {value}"),
        };
        self.error(codes::OUT_OF_RANGE, &node.span, message, "out of range")
    }

    /// Decodes a list, as an argument of [`Fields::required`] and its siblings.
    pub(in crate::config) fn list_of<T>(
        decode: impl FnMut(&'a Self, &'a Node) -> Option<T>,
    ) -> impl FnOnce(&'a Self, &'a Node) -> Option<Vec<T>> {
        |decoder, node| decoder.list(node, decode)
    }

    pub(in crate::config) fn non_empty_list_of<T>(
        decode: impl FnMut(&'a Self, &'a Node) -> Option<T>,
    ) -> impl FnOnce(&'a Self, &'a Node) -> Option<Vec<T>> {
        |decoder, node| decoder.non_empty_list(node, decode)
    }

    pub(in crate::config) fn count_in(
        range: RangeInclusive<u32>,
    ) -> impl Fn(&'a Self, &'a Node) -> Option<u32> {
        move |decoder, node| decoder.count(node, range.clone())
    }

    /// Decodes every item, also after an invalid one.
    pub(in crate::config) fn list<T>(
        &'a self,
        node: &'a Node,
        mut decode: impl FnMut(&'a Self, &'a Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Yaml::List(items) = &node.value else {
            self.wrong_type::<()>(node, "a list");
            let written = self.source.slice(&node.span);
            match &node.value {
                Yaml::Scalar(_) if written.is_empty() => self.mark_empty(node, true),
                Yaml::Scalar(_) => self.add_help(format!("write it as a list: [{written}]")),
                Yaml::Map(_) if written.starts_with('{') => {
                    self.add_help("put it in brackets: `[{…}]`");
                }
                Yaml::Map(entries) => {
                    if let Some((key, _)) = entries.first() {
                        self.add_help(format!("start each item with `- `: `- {}: …`", key.text));
                    }
                }
                Yaml::List(_) | Yaml::Invalid => {}
            }
            return None;
        };
        let decoded: Vec<Option<T>> = items.iter().map(|item| decode(self, item)).collect();
        decoded.into_iter().collect()
    }

    pub(in crate::config) fn non_empty_list<T>(
        &'a self,
        node: &'a Node,
        decode: impl FnMut(&'a Self, &'a Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.list(node, decode)?;
        if items.is_empty() {
            let label = "expected at least one value";
            return self.error(codes::OUT_OF_RANGE, &node.span, "the list is empty", label);
        }
        Some(items)
    }

    pub(super) fn scalar<'n>(&self, node: &'n Node, expected: &str) -> Option<&'n Scalar> {
        match &node.value {
            Yaml::Scalar(scalar) => Some(scalar),
            _ => self.wrong_type(node, expected),
        }
    }

    fn expected_number<T>(&self, node: &Node, scalar: &Scalar) -> Option<T> {
        self.wrong_type::<()>(node, "a number");
        let text = scalar.text.trim();
        if !scalar.plain && text.parse::<f64>().is_ok() {
            self.add_help(format!("write it without quotes: {text}"));
        } else if let Some(number) = numbers::number_in(text) {
            self.add_help(format!("write `{number}`"));
        }
        None
    }

    pub(in crate::config) fn wrong_type_with_help<T>(
        &self,
        node: &Node,
        expected: &str,
        help: impl Into<String>,
    ) -> Option<T> {
        self.wrong_type::<()>(node, expected);
        self.add_help(help);
        None
    }

    pub(in crate::config) fn wrong_type<T>(&self, node: &Node, expected: &str) -> Option<T> {
        let found = match &node.value {
            Yaml::Invalid => return None,
            Yaml::List(_) => "a list".to_owned(),
            Yaml::Map(_) => "a mapping".to_owned(),
            Yaml::Scalar(scalar) => match scalar.resolved {
                ScalarValue::Null => "null".to_owned(),
                ScalarValue::Bool(value) => format!("the boolean {value}"),
                ScalarValue::Integer(_) | ScalarValue::Float(_) => format!("the number {}", scalar.text),
                ScalarValue::Text => "a string".to_owned(),
            },
        };
        let label = format!("expected {expected}");
        let message = format!("{label}, found {found}");
        self.error(codes::WRONG_TYPE, &node.span, message, label)
    }
}

impl Node {
    pub(super) fn scalar_text(&self) -> &str {
        match &self.value {
            Yaml::Scalar(scalar) => &scalar.text,
            _ => "",
        }
    }
}

pub(super) fn quoted(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
