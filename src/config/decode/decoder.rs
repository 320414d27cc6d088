//! Typed access to YAML nodes. A value that cannot be decoded becomes a diagnostic, and decoding continues.

use super::super::source::SourceFile;
use super::super::yaml::{Key, Node, Scalar, ScalarValue, Yaml};
use super::codes;
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{Keyword, Number, Origin, Reference, did_you_mean, is_home_of_other};
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

/// The largest count in time ranges, executions and dates: far above real values and well inside 32 bits.
pub(in crate::config) const COUNT_LIMIT: u32 = 1_000_000_000;

/// Collects the errors of one file. A method that returns `None` has already reported why.
pub(in crate::config) struct Decoder<'a> {
    source: &'a SourceFile,
    diagnostics: Vec<Diagnostic>,
    reference_origins: BTreeMap<Reference, Origin>,
}

/// The fields of a mapping. [`Decoder::finish`] reports every field that was never requested.
pub(in crate::config) struct Fields<'n> {
    /// What the mapping is, with its article: `an event filter`.
    description: String,
    span: Range<usize>,
    entries: &'n [(Key, Node)],
    known_keys: Vec<&'static str>,
    /// Set when the field that decides which other fields are valid is itself invalid.
    ignores_unknown_fields: bool,
}

impl<'n> Fields<'n> {
    /// The value of `key`; marks `key` as a known field.
    pub(in crate::config) fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        if !self.known_keys.contains(&key) {
            self.known_keys.push(key);
        }
        self.get(key)
    }

    fn get(&self, key: &str) -> Option<&'n Node> {
        let found = self.entries.iter().find(|(found, _)| found.text == key);
        found.map(|(_, node)| node)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(in crate::config) fn describe(&mut self, description: impl Into<String>) {
        self.description = description.into();
    }

    pub(super) fn ignore_unknown_fields(&mut self) {
        self.ignores_unknown_fields = true;
    }

    fn first_key_span(&self) -> Range<usize> {
        let first = self.entries.first();
        first.map_or_else(|| self.span.clone(), |(key, _)| key.span.clone())
    }
}

impl<'a> Decoder<'a> {
    pub(in crate::config) fn new(source: &'a SourceFile) -> Self {
        Self {
            source,
            diagnostics: Vec::new(),
            reference_origins: BTreeMap::new(),
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
    pub(super) fn add_reference(&mut self, reference: &Reference, node: &Node) {
        let origin = self.origin(node);
        self.reference_origins.entry(reference.clone()).or_insert(origin);
    }

    pub(super) fn take_reference_origins(&mut self) -> BTreeMap<Reference, Origin> {
        std::mem::take(&mut self.reference_origins)
    }

    pub(in crate::config) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    pub(in crate::config) fn location(&self, span: &Range<usize>) -> Location {
        self.source.location(span.clone())
    }

    pub(in crate::config) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Reports an error and returns `None`.
    pub(in crate::config) fn error<T>(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Option<T> {
        let location = self.location(span);
        self.report(Diagnostic::error(code, message, location, label));
        None
    }

    pub(in crate::config) fn add_help(&mut self, help: impl Into<String>) {
        if let Some(last) = self.diagnostics.pop() {
            self.diagnostics.push(last.with_help(help));
        }
    }

    /// The fields of a mapping; `description` has its article: `a segment`.
    pub(in crate::config) fn fields<'n>(&mut self, node: &'n Node, description: &str) -> Option<Fields<'n>> {
        match &node.value {
            Yaml::Map(entries) => Some(Fields {
                description: description.to_owned(),
                span: node.span.clone(),
                entries,
                known_keys: Vec::new(),
                ignores_unknown_fields: false,
            }),
            _ => self.wrong_type(node, &format!("a mapping ({description})")),
        }
    }

    pub(in crate::config) fn finish(&mut self, fields: &Fields<'_>) {
        if fields.ignores_unknown_fields {
            return;
        }
        let known = fields.known_keys.as_slice();
        for (key, _) in fields.entries {
            if known.contains(&key.text.as_str()) {
                continue;
            }
            let message = format!("unknown field `{}` in {}", key.text, fields.description);
            self.error::<()>(codes::UNKNOWN_FIELD, &key.span, message, "unknown field");
            let absent = known.iter().copied().filter(|known| !fields.has(known));
            match did_you_mean(&key.text, absent) {
                Some(suggestion) => self.add_help(format!("did you mean `{suggestion}`?")),
                None => self.add_help(format!("valid fields are {}", quoted(known))),
            }
        }
    }

    /// The value of a field that must be present.
    pub(in crate::config) fn require<'n>(
        &mut self,
        fields: &mut Fields<'n>,
        key: &'static str,
    ) -> Option<&'n Node> {
        let node = fields.take(key);
        if node.is_none() {
            let message = format!("missing field `{key}` in {}", fields.description);
            let label = format!("add `{key}` to these fields");
            self.error::<()>(codes::MISSING_FIELD, &fields.first_key_span(), message, label);
        }
        node
    }

    pub(in crate::config) fn required<T>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        decode: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<T> {
        let node = self.require(fields, key)?;
        decode(self, node)
    }

    /// Decodes a field that may be absent: `Some(None)` if it is, `None` if its value is invalid.
    pub(in crate::config) fn optional<T>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        decode: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<Option<T>> {
        match fields.take(key) {
            Some(node) => decode(self, node).map(Some),
            None => Some(None),
        }
    }

    pub(in crate::config) fn or<T>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        default: T,
        decode: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<T> {
        match fields.take(key) {
            Some(node) => decode(self, node),
            None => Some(default),
        }
    }

    /// Reports a known field that is not valid beside the other fields.
    pub(super) fn misplaced_field<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        message: impl Into<String>,
    ) -> Option<T> {
        let node = fields.get(key);
        let span = node.map_or_else(|| fields.first_key_span(), |node| node.span.clone());
        self.error(codes::MISPLACED_FIELD, &span, message, "")
    }

    pub(in crate::config) fn text(&mut self, node: &Node) -> Option<String> {
        let scalar = self.scalar(node, "a string")?;
        if let Some(read_as) = scalar.ambiguity() {
            let message = match scalar.text.as_str() {
                "" => "empty value; expected a string".to_owned(),
                text => format!("`{text}` is read as {read_as}; expected a string"),
            };
            self.error::<()>(codes::AMBIGUOUS_SCALAR, &node.span, message, "put it in quotes");
            self.add_help(format!("write \"{}\"", scalar.text.escape_default()));
            return None;
        }
        if scalar.resolved != ScalarValue::Text {
            self.wrong_type::<()>(node, "a string");
            self.add_help(format!("for a string, use quotes: \"{}\"", scalar.text));
            return None;
        }
        Some(scalar.text.clone())
    }

    pub(in crate::config) fn non_empty_text(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if text.is_empty() {
            let label = "expected at least one character";
            return self.error(codes::OUT_OF_RANGE, &node.span, "the string is empty", label);
        }
        Some(text)
    }

    /// The path of a file or a directory, which may begin with `~/`.
    pub(in crate::config) fn path(&mut self, node: &Node) -> Option<String> {
        let text = self.non_empty_text(node)?;
        if is_home_of_other(&text) {
            let message = format!("`{text}` begins with the home directory of another user");
            self.error::<()>(
                codes::OUT_OF_RANGE,
                &node.span,
                message,
                "segctl expands only `~/`",
            );
            self.add_help(format!(
                "write the path out; for a file with that name: `./{text}`"
            ));
            return None;
        }
        Some(text)
    }

    pub(in crate::config) fn boolean(&mut self, node: &Node) -> Option<bool> {
        let scalar = self.scalar(node, "true or false")?;
        if let ScalarValue::Bool(value) = scalar.resolved {
            return Some(value);
        }
        self.wrong_type::<()>(node, "true or false");
        match scalar.text.to_ascii_lowercase().as_str() {
            "yes" | "y" | "on" | "true" => self.add_help("write `true`"),
            "no" | "n" | "off" | "false" => self.add_help("write `false`"),
            _ => {}
        }
        None
    }

    pub(in crate::config) fn number(&mut self, node: &Node) -> Option<Number> {
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

    pub(in crate::config) fn count(&mut self, node: &Node, range: RangeInclusive<u32>) -> Option<u32> {
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

    /// A keyword. Plain `on` is accepted here although YAML 1.1 reads it as a boolean.
    pub(in crate::config) fn keyword<K: Keyword>(&mut self, node: &Node) -> Option<K> {
        self.keyword_among(node, K::ALL)
    }

    pub(super) fn keyword_among<K: Keyword>(&mut self, node: &Node, allowed: &[K]) -> Option<K> {
        let scalar = self.scalar(node, &format!("a string ({})", K::DISPLAY_NAME))?;
        if let Some(word) = allowed.iter().copied().find(|word| word.as_str() == scalar.text) {
            return Some(word);
        }
        let words: Vec<&str> = allowed.iter().map(|word| word.as_str()).collect();
        self.unknown_keyword(node, K::DISPLAY_NAME, &words)
    }

    pub(super) fn unknown_keyword<T>(&mut self, node: &Node, what: &str, words: &[&str]) -> Option<T> {
        let message = format!("invalid {what} `{}`", node.scalar_text());
        self.keyword_error(node, message, words)
    }

    pub(super) fn invalid_operator<T>(&mut self, node: &Node, target: &str, words: &[&str]) -> Option<T> {
        let message = format!("operator `{}` is not valid for {target}", node.scalar_text());
        self.keyword_error(node, message, words)
    }

    fn keyword_error<T>(&mut self, node: &Node, message: String, words: &[&str]) -> Option<T> {
        let label = format!("expected {}", quoted(words));
        self.error::<()>(codes::UNKNOWN_KEYWORD, &node.span, message, label);
        if let Some(suggestion) = did_you_mean(node.scalar_text(), words.iter().copied()) {
            self.add_help(format!("did you mean `{suggestion}`?"));
        }
        None
    }

    /// Decodes every item, also after an invalid one.
    pub(in crate::config) fn list<T>(
        &mut self,
        node: &Node,
        mut decode: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Yaml::List(items) = &node.value else {
            self.wrong_type::<()>(node, "a list");
            if matches!(node.value, Yaml::Scalar(_)) {
                self.add_help(format!("write it as a list: [{}]", self.source.slice(&node.span)));
            }
            return None;
        };
        let decoded: Vec<Option<T>> = items.iter().map(|item| decode(self, item)).collect();
        decoded.into_iter().collect()
    }

    pub(in crate::config) fn non_empty_list<T>(
        &mut self,
        node: &Node,
        decode: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.list(node, decode)?;
        if items.is_empty() {
            let label = "expected at least one value";
            return self.error(codes::OUT_OF_RANGE, &node.span, "the list is empty", label);
        }
        Some(items)
    }

    pub(super) fn scalar<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n Scalar> {
        match &node.value {
            Yaml::Scalar(scalar) => Some(scalar),
            _ => self.wrong_type(node, expected),
        }
    }

    fn expected_number<T>(&mut self, node: &Node, scalar: &Scalar) -> Option<T> {
        self.wrong_type::<()>(node, "a number");
        if scalar.text.trim().parse::<f64>().is_ok() {
            self.add_help(format!("write it without quotes: {}", scalar.text.trim()));
        }
        None
    }

    pub(in crate::config) fn wrong_type<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
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

fn quoted(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
