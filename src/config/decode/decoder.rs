//! Typed access to YAML nodes. A value that cannot be decoded becomes a diagnostic, and decoding continues.

use super::super::source::SourceFile;
use super::super::vocabulary;
use super::super::yaml::{Key, Node, Scalar, ScalarValue, Yaml};
use super::field_names::FIELD_NAMES;
use super::indentation::{self, Found, PreviousField, Subject, UnknownField};
use super::{codes, examples, numbers};
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{Keyword, Number, Origin, Reference, did_you_mean};
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

/// The largest count in time ranges, executions and dates: far above real values and well inside 32 bits.
pub(in crate::config) const COUNT_LIMIT: u32 = 1_000_000_000;

/// Collects the errors of one file. A method that returns `None` has already reported why.
pub(in crate::config) struct Decoder<'a> {
    source: &'a SourceFile,
    found: Vec<Found>,
    reference_origins: BTreeMap<Reference, Origin>,
}

/// The fields of a mapping. [`Decoder::finish`] reports every field that was never requested.
pub(in crate::config) struct Fields<'n> {
    /// What the mapping is, with its article: `an event filter`.
    description: String,
    span: Range<usize>,
    entries: &'n [(Key, Node)],
    known_keys: Vec<&'static str>,
    /// Keys that are reported as misspellings of known keys.
    misspelled: Vec<&'n str>,
    /// Help for fields that belong elsewhere.
    hints: Vec<(&'static str, String)>,
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

    /// The value of `key`, without marking `key` as known.
    pub(super) fn peek(&self, key: &str) -> Option<&'n Node> {
        self.get(key)
    }

    pub(super) fn only_key(&self) -> Option<&'n str> {
        match self.entries {
            [(key, node)] if matches!(node.value, Yaml::Map(_) | Yaml::List(_)) => Some(&key.text),
            _ => None,
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(in crate::config) fn describe(&mut self, description: impl Into<String>) {
        self.description = description.into();
    }

    /// What to write instead of the field `key`, if it is present and unknown.
    pub(super) fn hint(&mut self, key: &'static str, help: impl FnOnce(&Node) -> String) {
        if let Some(node) = self.get(key) {
            self.hints.push((key, help(node)));
        }
    }

    /// The field that was probably meant to be `key`.
    fn misspelling_of(&self, key: &'static str) -> Option<Misspelling<'n>> {
        let unclaimed = |found: &&'n (Key, Node)| {
            let text = found.0.text.as_str();
            !self.known_keys.contains(&text) && !self.misspelled.contains(&text)
        };
        let is_typo = |found: &&'n (Key, Node)| {
            let text = found.0.text.as_str();
            !FIELD_NAMES.contains(&text) && did_you_mean(text, [key]).is_some()
        };
        let is_synonym = |found: &&'n (Key, Node)| vocabulary::field_for(&found.0.text, [key]).is_some();
        let mut entries = self.entries.iter().filter(unclaimed);
        let typo = entries.clone().find(is_typo);
        let found = typo.or_else(|| entries.find(is_synonym));
        found.map(|(written, node)| Misspelling {
            written,
            node: typo.is_some().then_some(node),
        })
    }

    pub(super) fn ignore_unknown_fields(&mut self) {
        self.ignores_unknown_fields = true;
    }

    fn first_key_span(&self) -> Range<usize> {
        let first = self.entries.first();
        first.map_or_else(|| self.span.clone(), |(key, _)| key.span.clone())
    }
}

struct Misspelling<'n> {
    written: &'n Key,
    /// The value, unless the field may have another shape.
    node: Option<&'n Node>,
}

impl<'a> Decoder<'a> {
    pub(in crate::config) fn new(source: &'a SourceFile) -> Self {
        Self {
            source,
            found: Vec::new(),
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
        indentation::combine(self.found)
    }

    pub(in crate::config) fn location(&self, span: &Range<usize>) -> Location {
        self.source.location(span.clone())
    }

    pub(in crate::config) fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(Found {
            diagnostic,
            subject: Subject::Other,
        });
    }

    /// The text of `span` in the file.
    pub(in crate::config) fn slice(&self, span: &Range<usize>) -> &'a str {
        self.source.slice(span)
    }

    fn set_subject(&mut self, subject: Subject) {
        if let Some(last) = self.found.last_mut() {
            last.subject = subject;
        }
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
        if let Some(last) = self.found.last_mut() {
            last.diagnostic.help.push(help.into());
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
                misspelled: Vec::new(),
                hints: Vec::new(),
                ignores_unknown_fields: false,
            }),
            Yaml::Invalid => None,
            _ => {
                self.wrong_type::<()>(node, &format!("a mapping ({description})"));
                if let Some(help) = self.mapping_help(node, description) {
                    self.add_help(help);
                }
                self.mark_empty(node, false);
                None
            }
        }
    }

    fn mapping_help(&self, node: &Node, description: &str) -> Option<String> {
        let written = self.source.slice(&node.span);
        match &node.value {
            Yaml::List(_) if description.ends_with("group") => Some(
                "write `filter_operator: and` here, and put the list below `filters:` beside it".to_owned(),
            ),
            Yaml::List(_) if description == "a filter" => Some("remove one of the two `-`".to_owned()),
            Yaml::List(_) if description == "a segment" => {
                Some("remove the `-`, and put a line `---` between two segments".to_owned())
            }
            Yaml::Scalar(scalar) if scalar.plain => {
                if let Some((key, value)) = written.split_once(':').filter(|(key, _)| FIELD_NAMES.contains(key)) {
                    return Some(format!("put a space after `:`, as in `{key}: {}`", value.trim()));
                }
                if description == "a filter" && !written.is_empty() {
                    return Some(format!(
                        "to refer to a segment, write `{{filter_type: custom_segments, name: {written}}}`"
                    ));
                }
                examples::of_mapping(description).map(str::to_owned)
            }
            _ => examples::of_mapping(description).map(str::to_owned),
        }
    }

    /// Remembers an empty value: the fields that follow it may belong to it.
    fn mark_empty(&mut self, node: &Node, is_list: bool) {
        if matches!(&node.value, Yaml::Scalar(scalar) if scalar.plain && scalar.text.is_empty()) {
            let value = node.span.clone();
            self.set_subject(Subject::EmptyCollection { value, is_list });
        }
    }

    pub(in crate::config) fn finish(&mut self, fields: &Fields<'_>) {
        if fields.ignores_unknown_fields {
            return;
        }
        let mut previous: Option<&(Key, Node)> = None;
        let mut above: Option<&(Key, Node)> = None;
        for entry in fields.entries {
            let text = entry.0.text.as_str();
            if fields.known_keys.contains(&text) {
                previous = Some(entry);
            } else if !fields.misspelled.contains(&text) {
                self.unknown_field(fields, entry, above);
                let previous = previous.map(|(key, node)| PreviousField {
                    key: key.text.clone(),
                    value: node.span.clone(),
                });
                self.set_subject(Subject::UnknownField(UnknownField {
                    key: text.to_owned(),
                    location: self.location(&entry.0.span),
                    mapping: fields.span.clone(),
                    previous,
                }));
            }
            above = Some(entry);
        }
    }

    /// `above` is the entry before the unknown one.
    fn unknown_field(&mut self, fields: &Fields<'_>, (key, node): &(Key, Node), above: Option<&(Key, Node)>) {
        let known = fields.known_keys.as_slice();
        let message = format!("unknown field `{}` in {}", key.text, fields.description);
        self.error::<()>(codes::UNKNOWN_FIELD, &key.span, message, "unknown field");
        let absent = || known.iter().copied().filter(|known| !fields.has(known));
        let hint = fields.hints.iter().find(|(hinted, _)| *hinted == key.text);
        if let Some((_, help)) = hint {
            self.add_help(help.clone());
        } else if key.text.starts_with("//") || key.text.starts_with("/*") {
            self.add_help("remove the comment: JSON has none, and in YAML a comment starts with `#`");
        } else if let Some(help) = self.cut_value_help((key, node), above) {
            self.add_help(help);
        } else if let Some(suggestion) =
            did_you_mean(&key.text, absent()).or_else(|| vocabulary::field_for(&key.text, absent()))
        {
            self.add_help(format!("did you mean `{suggestion}`?"));
        } else {
            self.add_help(format!("valid fields are {}", quoted(known)));
        }
    }

    /// Inside braces, a comma ends a value: `{value: 1,000}` has the field `000`.
    fn cut_value_help(&self, (key, node): (&Key, &Node), above: Option<&(Key, Node)>) -> Option<String> {
        let is_empty = matches!(&node.value, Yaml::Scalar(scalar) if scalar.plain && scalar.text.is_empty());
        let (_, value) = above.filter(|_| is_empty)?;
        let between = self.source.slice(&(value.span.end..key.span.start));
        if !matches!(&value.value, Yaml::Scalar(_)) || between.trim() != "," {
            return None;
        }
        let whole = self.source.slice(&(value.span.start..key.span.end));
        Some(match numbers::without_separators(whole) {
            Some(number) => format!("write `{number}`, without the comma"),
            None => format!("to write a text with a comma, put it in quotes: \"{whole}\""),
        })
    }

    /// The value of a field that must be present.
    pub(in crate::config) fn require<'n>(
        &mut self,
        fields: &mut Fields<'n>,
        key: &'static str,
    ) -> Option<&'n Node> {
        let node = fields.take(key);
        if node.is_some() {
            return node;
        }
        if let Some(Misspelling { written, node }) = fields.misspelling_of(key) {
            fields.misspelled.push(&written.text);
            let message = format!("unknown field `{}` in {}", written.text, fields.description);
            self.error::<()>(codes::UNKNOWN_FIELD, &written.span, message, "unknown field");
            self.add_help(format!("did you mean `{key}`?"));
            return node;
        }
        let message = format!("missing field `{key}` in {}", fields.description);
        let label = format!("add `{key}` to these fields");
        self.error::<()>(codes::MISSING_FIELD, &fields.first_key_span(), message, label);
        let mapping = fields.span.clone();
        self.set_subject(Subject::MissingField { key, mapping });
        if let Some(example) = examples::of_field(key) {
            self.add_help(example);
        }
        None
    }

    /// A required keyword. If it is missing, the help lists the valid ones.
    pub(in crate::config) fn required_keyword<K: Keyword>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
    ) -> Option<K> {
        self.required_keyword_among(fields, key, K::ALL)
    }

    pub(super) fn required_keyword_among<K: Keyword>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        allowed: &[K],
    ) -> Option<K> {
        let before = self.found.len();
        let node = self.require(fields, key);
        if node.is_none() && self.is_missing(before) {
            let words: Vec<&str> = allowed.iter().map(|word| word.as_str()).collect();
            self.add_help(format!("`{key}` is one of {}", quoted(&words)));
        }
        self.keyword_among(node?, allowed)
    }

    /// Whether the only error since `before` is a missing field.
    pub(super) fn is_missing(&self, before: usize) -> bool {
        let new = self.found.get(before..).unwrap_or_default();
        matches!(new, [only] if matches!(only.subject, Subject::MissingField { .. }))
    }

    pub(super) fn error_count(&self) -> usize {
        self.found.len()
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

    /// Reports the field `key` as unknown, with a message of the caller.
    pub(super) fn unknown_key_error(&mut self, fields: &Fields<'_>, key: &str, message: String) {
        let entry = fields.entries.iter().find(|(found, _)| found.text == key);
        let span = entry.map_or_else(|| fields.first_key_span(), |(key, _)| key.span.clone());
        self.error::<()>(codes::UNKNOWN_FIELD, &span, message, "unknown field");
    }

    pub(super) fn replace_help(&mut self, help: String) {
        if let Some(last) = self.found.last_mut() {
            last.diagnostic.help = vec![help];
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
            let text = match self.comment_after(node) {
                Some(comment) if scalar.text.is_empty() => comment.escape_debug().to_string(),
                _ => scalar.text.escape_default().to_string(),
            };
            self.add_help(format!("write \"{text}\""));
            return None;
        }
        if scalar.resolved != ScalarValue::Text {
            self.wrong_type::<()>(node, "a string");
            self.add_help(format!("for a string, use quotes: \"{}\"", scalar.text));
            return None;
        }
        Some(scalar.text.clone())
    }

    /// The comment on the line of an empty value: `name: #1 fans`.
    fn comment_after(&self, node: &Node) -> Option<&'a str> {
        let rest = self.source.text.get(node.span.end..)?;
        let comment = rest.lines().next()?.trim_start_matches(':').trim();
        comment.starts_with('#').then_some(comment)
    }

    pub(in crate::config) fn non_empty_text(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if text.is_empty() {
            let label = "expected at least one character";
            return self.error(codes::OUT_OF_RANGE, &node.span, "the string is empty", label);
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
            "yes" | "y" | "on" | "true" | "t" | "1" => self.add_help("write `true`"),
            "no" | "n" | "off" | "false" | "f" | "0" => self.add_help("write `false`"),
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
        let span = self.keyword_span(node);
        let written = self.keyword_text(node, &span);
        let message = format!("invalid {what} `{written}`");
        let help = match (what, written) {
            ("period unit", "year" | "years" | "y") => Some("write the time in `months`".to_owned()),
            ("period unit", "minute" | "minutes" | "min" | "second" | "seconds") => {
                Some("the smallest unit is `hours`".to_owned())
            }
            _ => vocabulary::keyword_for(what, written, words).map(|word| format!("did you mean `{word}`?")),
        };
        self.keyword_error((node, &span), message, words, help)
    }

    /// `value` is the value of the operator, if it is present.
    pub(super) fn invalid_operator<T>(
        &mut self,
        node: &Node,
        target: &str,
        words: &[&str],
        value: Option<&Node>,
    ) -> Option<T> {
        let span = self.keyword_span(node);
        let written = self.keyword_text(node, &span);
        let message = format!("operator `{written}` is not valid for {target}");
        let value = value.filter(|value| matches!(value.value, Yaml::Scalar(_)));
        let value = value.map(|value| self.source.slice(&value.span));
        let is_respelled = words.iter().any(|word| word.eq_ignore_ascii_case(written));
        let help = vocabulary::operator_help(written, words, value).filter(|_| !is_respelled);
        self.keyword_error((node, &span), message, words, help)
    }

    /// The span of a keyword. YAML reads `>` as the start of a text on the next lines, and `&&` as an anchor, so the
    /// word may stand before an empty text.
    fn keyword_span(&self, node: &Node) -> Range<usize> {
        let before = self.source.slice(&(0..node.span.start)).trim_end();
        let start = before.rfind([' ', '\n', ',', '{']).map_or(0, |at| at + 1);
        let word = before.get(start..).unwrap_or("");
        let is_sign = !word.is_empty() && word.bytes().all(|byte| b">|&".contains(&byte));
        if is_sign && node.scalar_text().trim().is_empty() && node.span.is_empty() {
            start..before.len()
        } else {
            node.span.clone()
        }
    }

    /// The keyword as it is written.
    fn keyword_text<'n>(&self, node: &'n Node, span: &Range<usize>) -> &'n str
    where
        'a: 'n,
    {
        match node.scalar_text().trim() {
            "" => self.source.slice(span),
            text => text,
        }
    }

    fn keyword_error<T>(
        &mut self,
        (node, span): (&Node, &Range<usize>),
        message: String,
        words: &[&str],
        help: Option<String>,
    ) -> Option<T> {
        let label = format!("expected {}", quoted(words));
        self.error::<()>(codes::UNKNOWN_KEYWORD, span, message, label);
        let typo = || did_you_mean(node.scalar_text(), words.iter().copied());
        if let Some(help) = help.or_else(|| Some(format!("did you mean `{}`?", typo()?))) {
            self.add_help(help);
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
        let text = scalar.text.trim();
        if !scalar.plain && text.parse::<f64>().is_ok() {
            self.add_help(format!("write it without quotes: {text}"));
        } else if let Some(number) = numbers::number_in(text) {
            self.add_help(format!("write `{number}`"));
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

pub(super) fn quoted(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
