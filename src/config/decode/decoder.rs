//! Reading values off the tree: each question that a node does not answer becomes a diagnostic, and reading
//! goes on.

use super::super::source::SourceFile;
use super::super::suggest::did_you_mean;
use super::super::yaml::{Key, Node, Scalar, ScalarValue, Yaml};
use super::codes;
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{Keyword, Number};
use std::ops::{Range, RangeInclusive};

/// The largest count that windows, executions and dates take: far beyond use, well inside 32 bits.
pub(in crate::config) const COUNT_LIMIT: u32 = 1_000_000_000;

/// Collects what is wrong with one file while its values are read. A `None` answer is reported already.
pub(in crate::config) struct Decoder<'a> {
    source: &'a SourceFile,
    diagnostics: Vec<Diagnostic>,
}

/// The fields of a map: those asked for are known, the others are reported at the end.
pub(in crate::config) struct Fields<'n> {
    /// What the map is, to follow "of": `an event filter`.
    description: String,
    span: Range<usize>,
    entries: &'n [(Key, Node)],
    known_keys: Vec<&'static str>,
    /// What decides which fields make sense is itself faulty, so nothing can be said of the others.
    ignores_unknown_fields: bool,
}

impl<'n> Fields<'n> {
    /// The value of `key`, which is known from now on.
    pub(in crate::config) fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known_keys.push(key);
        self.entries
            .iter()
            .find(|(found, _)| found.text == key)
            .map(|(_, node)| node)
    }

    /// Whether `key` is there; it is not known by being asked for.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(found, _)| found.text == key)
    }

    /// Says more exactly what the map is, now that more of it is read.
    pub(in crate::config) fn describe(&mut self, what: impl Into<String>) {
        self.description = what.into();
    }

    /// Stops [`Reader::finish`] from calling fields unknown that a mended fault would make known.
    pub(super) fn ignore_unknown_fields(&mut self) {
        self.ignores_unknown_fields = true;
    }

    /// The bytes to point at for something about `key`: its value, or the start of the map.
    fn span_of(&self, key: &str) -> Range<usize> {
        let found = self.entries.iter().find(|(found, _)| found.text == key);
        found.map_or_else(|| self.first_key_span(), |(_, node)| node.span.clone())
    }

    /// The first key: a missing field is shown there, not over the whole map.
    fn first_key_span(&self) -> Range<usize> {
        self.entries
            .first()
            .map_or_else(|| self.span.clone(), |(key, _)| key.span.clone())
    }
}

impl<'a> Decoder<'a> {
    /// Reads values of `source`.
    pub(in crate::config) fn new(source: &'a SourceFile) -> Self {
        Self {
            source,
            diagnostics: Vec::new(),
        }
    }

    /// All that was wrong.
    pub(in crate::config) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    pub(in crate::config) fn location(&self, span: &Range<usize>) -> Location {
        self.source.location(span.clone())
    }

    pub(in crate::config) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Reports an error at `span` and answers nothing.
    pub(in crate::config) fn error<T>(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Option<T> {
        let place = self.location(span);
        self.report(Diagnostic::error(code, message, place, label));
        None
    }

    /// The last error reported gains advice.
    pub(in crate::config) fn add_help(&mut self, help: impl Into<String>) {
        if let Some(last) = self.diagnostics.pop() {
            self.diagnostics.push(last.with_help(help));
        }
    }

    /// A map's fields. `what` follows "of" in messages: `a segment`.
    pub(in crate::config) fn fields<'n>(&mut self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        match &node.value {
            Yaml::Map(entries) => Some(Fields {
                description: what.to_owned(),
                span: node.span.clone(),
                entries,
                known_keys: Vec::new(),
                ignores_unknown_fields: false,
            }),
            _ => self.wrong_type(node, &format!("the fields of {what}")),
        }
    }

    /// Reports the fields that nobody asked for.
    pub(in crate::config) fn finish(&mut self, fields: &Fields<'_>) {
        if fields.ignores_unknown_fields {
            return;
        }
        for (key, _) in fields
            .entries
            .iter()
            .filter(|(key, _)| !fields.known_keys.contains(&key.text.as_str()))
        {
            let message = format!("{} has no field `{}`", fields.description, key.text);
            let absent = fields
                .known_keys
                .iter()
                .copied()
                .filter(|known| !fields.has(known));
            let suggestion = did_you_mean(&key.text, absent);
            self.error::<()>(codes::UNKNOWN_FIELD, &key.span, message, "not known here");
            match suggestion {
                Some(meant) => self.add_help(format!("did you mean `{meant}`?")),
                None => self.add_help(format!("its fields are {}", quoted(&fields.known_keys))),
            }
        }
    }

    /// The value of a field that has to be there.
    pub(in crate::config) fn require<'n>(
        &mut self,
        fields: &mut Fields<'n>,
        key: &'static str,
    ) -> Option<&'n Node> {
        let node = fields.take(key);
        if node.is_none() {
            let message = format!("{} needs the field `{key}`", fields.description);
            self.error::<()>(
                codes::MISSING_FIELD,
                &fields.first_key_span(),
                message,
                format!("`{key}` is missing"),
            );
        }
        node
    }

    /// Reports that `key` cannot stand here, and why.
    pub(super) fn misplaced_field<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        message: impl Into<String>,
    ) -> Option<T> {
        self.error(codes::MISPLACED_FIELD, &fields.span_of(key), message, "")
    }

    pub(in crate::config) fn text(&mut self, node: &Node) -> Option<String> {
        let scalar = self.scalar(node, "text")?;
        if let Some(trap) = scalar.ambiguity() {
            let message = format!(
                "`{}` is read as {}, but text is wanted",
                scalar.text, trap.read_as
            );
            self.error::<()>(codes::AMBIGUOUS_SCALAR, &node.span, message, "write it in quotes");
            self.add_help(format!("write \"{}\"", scalar.text.escape_default()));
            return None;
        }
        if scalar.resolved != ScalarValue::Text {
            self.wrong_type::<()>(node, "text");
            self.add_help(format!(
                "if the text is meant, write it in quotes: \"{}\"",
                scalar.text
            ));
            return None;
        }
        Some(scalar.text.clone())
    }

    /// Text that says something: an attribute or event has no empty name.
    pub(in crate::config) fn non_empty_text(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if text.is_empty() {
            return self.error(
                codes::OUT_OF_RANGE,
                &node.span,
                "the text is empty",
                "needs at least one character",
            );
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
            "yes" | "y" | "on" | "true" => self.add_help("write true"),
            "no" | "n" | "off" | "false" => self.add_help("write false"),
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
            let message = format!("`{}` is no number that the service can hold exactly", scalar.text);
            self.error(
                codes::OUT_OF_RANGE,
                &node.span,
                message,
                "the service stores doubles",
            )
        })
    }

    /// A whole number in `range`.
    pub(in crate::config) fn count(&mut self, node: &Node, range: RangeInclusive<u32>) -> Option<u32> {
        let scalar = self.scalar(node, "a whole number")?;
        let value = match scalar.resolved {
            ScalarValue::Integer(value) => value,
            // 7.0 is a whole number, too; payloads that went through other programs have it so.
            #[expect(clippy::cast_possible_truncation, reason = "whole and small, by the guard")]
            ScalarValue::Float(value) if value.fract() == 0.0 && value.abs() <= f64::from(COUNT_LIMIT) => {
                value as i64
            }
            _ => return self.expected_number(node, scalar),
        };
        if let Some(count) = u32::try_from(value).ok().filter(|count| range.contains(count)) {
            return Some(count);
        }
        let message = match (*range.start(), *range.end()) {
            (low, COUNT_LIMIT) => format!("{value} is not {low} or more"),
            (low, high) => format!("{value} is not between {low} and {high}"),
        };
        self.error(codes::OUT_OF_RANGE, &node.span, message, "out of range")
    }

    /// A word of a closed set. Plain `on` is fine here, whatever YAML 1.1 made of it.
    pub(in crate::config) fn keyword<K: Keyword>(&mut self, node: &Node) -> Option<K> {
        self.keyword_among(node, K::ALL)
    }

    /// A word of a part of a closed set.
    pub(super) fn keyword_among<K: Keyword>(&mut self, node: &Node, allowed: &[K]) -> Option<K> {
        let scalar = self.scalar(node, &format!("one of the words of {}", K::DISPLAY_NAME))?;
        if let Some(word) = allowed.iter().copied().find(|word| word.as_str() == scalar.text) {
            return Some(word);
        }
        let words: Vec<&str> = allowed.iter().map(|word| word.as_str()).collect();
        self.unknown_keyword(node, K::DISPLAY_NAME, &words)
    }

    /// Reports a word that is none of `words`.
    pub(super) fn unknown_keyword<T>(&mut self, node: &Node, what: &str, words: &[&str]) -> Option<T> {
        let written = match &node.value {
            Yaml::Scalar(scalar) => scalar.text.as_str(),
            _ => "",
        };
        let message = format!("unknown {what} `{written}`");
        self.error::<()>(
            codes::UNKNOWN_KEYWORD,
            &node.span,
            message,
            format!("expected {}", quoted(words)),
        );
        if let Some(meant) = did_you_mean(written, words.iter().copied()) {
            self.add_help(format!("did you mean `{meant}`?"));
        }
        None
    }

    /// The items of a list, each read by `read`; all are read even when one is faulty.
    pub(in crate::config) fn list<T>(
        &mut self,
        node: &Node,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Yaml::List(items) = &node.value else {
            self.wrong_type::<()>(node, "a list");
            if matches!(node.value, Yaml::Scalar(_)) {
                self.add_help(format!("write it as a list: [{}]", self.source.slice(&node.span)));
            }
            return None;
        };
        let read: Vec<Option<T>> = items.iter().map(|item| read(self, item)).collect();
        read.into_iter().collect()
    }

    /// The items of a list that has at least one.
    pub(in crate::config) fn non_empty_list<T>(
        &mut self,
        node: &Node,
        read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.list(node, read)?;
        if items.is_empty() {
            return self.error(
                codes::OUT_OF_RANGE,
                &node.span,
                "the list is empty",
                "needs at least one value",
            );
        }
        Some(items)
    }

    /// The scalar that a node is.
    pub(super) fn scalar<'n>(&mut self, node: &'n Node, wanted: &str) -> Option<&'n Scalar> {
        match &node.value {
            Yaml::Scalar(scalar) => Some(scalar),
            _ => self.wrong_type(node, wanted),
        }
    }

    fn expected_number<T>(&mut self, node: &Node, scalar: &Scalar) -> Option<T> {
        self.wrong_type::<()>(node, "a number");
        if scalar.text.trim().parse::<f64>().is_ok() {
            self.add_help(format!("write it without quotes: {}", scalar.text.trim()));
        }
        None
    }

    pub(in crate::config) fn wrong_type<T>(&mut self, node: &Node, wanted: &str) -> Option<T> {
        let found = match &node.value {
            Yaml::Invalid => return None,
            Yaml::List(_) => "a list".to_owned(),
            Yaml::Map(_) => "a map".to_owned(),
            Yaml::Scalar(scalar) => match scalar.resolved {
                ScalarValue::Null => "nothing".to_owned(),
                ScalarValue::Bool(value) => format!("the boolean {value}"),
                ScalarValue::Integer(_) | ScalarValue::Float(_) => format!("the number {}", scalar.text),
                ScalarValue::Text => "text".to_owned(),
            },
        };
        let message = format!("expected {wanted}, found {found}");
        self.error(
            codes::WRONG_TYPE,
            &node.span,
            message,
            format!("expected {wanted}"),
        )
    }
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
