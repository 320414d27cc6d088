//! The fields of a mapping: known, missing, misspelled and unknown ones.

use super::super::super::vocabulary;
use super::super::super::yaml::{Key, Node, Yaml};
use super::super::field_names::FIELD_NAMES;
use super::super::indentation::{PreviousField, Subject, UnknownField};
use super::super::{codes, examples, numbers};
use super::{Decoder, quoted};
use crate::model::{Keyword, did_you_mean};
use std::ops::Range;

/// The fields of a mapping. [`Fields::finish`] reports every field that was never requested.
///
/// A method that decodes a field returns `None` after it has reported an error. Use `?` only after all fields are
/// decoded, so that each reports its own.
pub(in crate::config) struct Fields<'n> {
    pub(in crate::config) decoder: &'n Decoder<'n>,
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
    pub(in crate::config::decode) fn peek(&self, key: &str) -> Option<&'n Node> {
        self.get(key)
    }

    pub(in crate::config::decode) fn only_key(&self) -> Option<&'n str> {
        match self.entries {
            [(key, node)] if matches!(node.value, Yaml::Map(_) | Yaml::List(_)) => Some(&key.text),
            _ => None,
        }
    }

    pub(in crate::config::decode) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(in crate::config) fn describe(&mut self, description: impl Into<String>) {
        self.description = description.into();
    }

    /// What to write instead of the field `key`, if it is present and unknown.
    pub(in crate::config::decode) fn hint(&mut self, key: &'static str, help: impl FnOnce(&Node) -> String) {
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

    pub(in crate::config::decode) fn ignore_unknown_fields(&mut self) {
        self.ignores_unknown_fields = true;
    }

    fn first_key_span(&self) -> Range<usize> {
        let first = self.entries.first();
        first.map_or_else(|| self.span.clone(), |(key, _)| key.span.clone())
    }

    pub(in crate::config) fn finish(self) {
        if self.ignores_unknown_fields {
            return;
        }
        let mut previous: Option<&(Key, Node)> = None;
        let mut above: Option<&(Key, Node)> = None;
        for entry in self.entries {
            let text = entry.0.text.as_str();
            if self.known_keys.contains(&text) {
                previous = Some(entry);
            } else if !self.misspelled.contains(&text) {
                self.unknown_field(entry, above);
                let previous = previous.map(|(key, node)| PreviousField {
                    key: key.text.clone(),
                    value: node.span.clone(),
                });
                self.decoder.set_subject(Subject::UnknownField(UnknownField {
                    key: text.to_owned(),
                    location: self.decoder.location(&entry.0.span),
                    mapping: self.span.clone(),
                    previous,
                }));
            }
            above = Some(entry);
        }
    }

    /// `above` is the entry before the unknown one.
    fn unknown_field(&self, (key, node): &(Key, Node), above: Option<&(Key, Node)>) {
        let decoder = self.decoder;
        let known = self.known_keys.as_slice();
        let message = format!("unknown field `{}` in {}", key.text, self.description);
        decoder.error::<()>(codes::UNKNOWN_FIELD, &key.span, message, "unknown field");
        let absent = || known.iter().copied().filter(|known| !self.has(known));
        let hint = self.hints.iter().find(|(hinted, _)| *hinted == key.text);
        if let Some((_, help)) = hint {
            decoder.add_help(help.clone());
        } else if key.text.starts_with("//") || key.text.starts_with("/*") {
            decoder.add_help("remove the comment: JSON has none, and in YAML a comment starts with `#`");
        } else if let Some(help) = decoder.cut_value_help(key, node, above) {
            decoder.add_help(help);
        } else if let Some(suggestion) =
            did_you_mean(&key.text, absent()).or_else(|| vocabulary::field_for(&key.text, absent()))
        {
            decoder.add_help(format!("did you mean `{suggestion}`?"));
        } else {
            decoder.add_help(format!("valid fields are {}", quoted(known)));
        }
    }

    /// The value of a field that must be present.
    pub(in crate::config) fn require(&mut self, key: &'static str) -> Option<&'n Node> {
        let node = self.take(key);
        if node.is_some() {
            return node;
        }
        let decoder = self.decoder;
        if let Some(Misspelling { written, node }) = self.misspelling_of(key) {
            self.misspelled.push(&written.text);
            let message = format!("unknown field `{}` in {}", written.text, self.description);
            decoder.error::<()>(codes::UNKNOWN_FIELD, &written.span, message, "unknown field");
            decoder.add_help(format!("did you mean `{key}`?"));
            return node;
        }
        let message = format!("missing field `{key}` in {}", self.description);
        let label = format!("add `{key}` to these fields");
        decoder.error::<()>(codes::MISSING_FIELD, &self.first_key_span(), message, label);
        let mapping = self.span.clone();
        decoder.set_subject(Subject::MissingField { key, mapping });
        if let Some(example) = examples::of_field(key) {
            decoder.add_help(example);
        }
        None
    }

    pub(in crate::config) fn required<T>(
        &mut self,
        key: &'static str,
        decode: impl FnOnce(&'n Decoder<'n>, &'n Node) -> Option<T>,
    ) -> Option<T> {
        let node = self.require(key)?;
        decode(self.decoder, node)
    }

    /// `Some(None)` if the field is absent, `None` if its value is invalid.
    pub(in crate::config) fn optional<T>(
        &mut self,
        key: &'static str,
        decode: impl FnOnce(&'n Decoder<'n>, &'n Node) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.take(key) {
            Some(node) => decode(self.decoder, node).map(Some),
            None => Some(None),
        }
    }

    pub(in crate::config) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        decode: impl FnOnce(&'n Decoder<'n>, &'n Node) -> Option<T>,
    ) -> Option<T> {
        self.optional(key, decode).map(|value| value.unwrap_or(default))
    }

    pub(in crate::config) fn or_default<T: Default>(
        &mut self,
        key: &'static str,
        decode: impl FnOnce(&'n Decoder<'n>, &'n Node) -> Option<T>,
    ) -> Option<T> {
        self.optional(key, decode).map(Option::unwrap_or_default)
    }

    /// A boolean that is `false` by default.
    pub(in crate::config) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.or_default(key, Decoder::boolean)
    }

    /// A required keyword. If it is missing, the help lists the valid ones.
    pub(in crate::config) fn required_keyword<K: Keyword>(&mut self, key: &'static str) -> Option<K> {
        self.required_keyword_among(key, K::ALL)
    }

    pub(in crate::config::decode) fn required_keyword_among<K: Keyword>(
        &mut self,
        key: &'static str,
        allowed: &[K],
    ) -> Option<K> {
        let node = self.require_with_help(key, || {
            let words: Vec<&str> = allowed.iter().map(|word| word.as_str()).collect();
            format!("`{key}` is one of {}", quoted(&words))
        });
        self.decoder.keyword_among(node?, allowed)
    }

    /// `help` is added if the field is missing.
    pub(in crate::config::decode) fn require_with_help(
        &mut self,
        key: &'static str,
        help: impl FnOnce() -> String,
    ) -> Option<&'n Node> {
        let before = self.decoder.error_count();
        let node = self.require(key);
        if self.decoder.is_missing(before) {
            self.decoder.add_help(help());
        }
        node
    }

    /// Reports the field `key` as unknown, with a message of the caller.
    pub(in crate::config::decode) fn unknown_key_error(&self, key: &str, message: String) {
        let entry = self.entries.iter().find(|(found, _)| found.text == key);
        let span = entry.map_or_else(|| self.first_key_span(), |(key, _)| key.span.clone());
        self.decoder
            .error::<()>(codes::UNKNOWN_FIELD, &span, message, "unknown field");
    }

    /// Reports a known field that is not valid beside the other fields.
    pub(in crate::config::decode) fn misplaced_field<T>(
        &self,
        key: &str,
        message: impl Into<String>,
    ) -> Option<T> {
        let node = self.get(key);
        let span = node.map_or_else(|| self.first_key_span(), |node| node.span.clone());
        self.decoder.error(codes::MISPLACED_FIELD, &span, message, "")
    }
}

struct Misspelling<'n> {
    written: &'n Key,
    /// The value, unless the field may have another shape.
    node: Option<&'n Node>,
}

impl Decoder<'_> {
    /// The fields of a mapping; `description` has its article: `a segment`.
    pub(in crate::config) fn fields<'n>(&'n self, node: &'n Node, description: &str) -> Option<Fields<'n>> {
        match &node.value {
            Yaml::Map(entries) => Some(Fields {
                decoder: self,
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
                if let Some((key, value)) = written
                    .split_once(':')
                    .filter(|(key, _)| FIELD_NAMES.contains(key))
                {
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
    pub(super) fn mark_empty(&self, node: &Node, is_list: bool) {
        if matches!(&node.value, Yaml::Scalar(scalar) if scalar.plain && scalar.text.is_empty()) {
            let value = node.span.clone();
            self.set_subject(Subject::EmptyCollection { value, is_list });
        }
    }

    /// Inside braces, a comma ends a value: `{value: 1,000}` has the field `000`.
    fn cut_value_help(&self, key: &Key, node: &Node, above: Option<&(Key, Node)>) -> Option<String> {
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

    /// Whether the only error since `before` is a missing field.
    pub(in crate::config::decode) fn is_missing(&self, before: usize) -> bool {
        let found = self.found.borrow();
        let new = found.get(before..).unwrap_or_default();
        matches!(new, [only] if matches!(only.subject, Subject::MissingField { .. }))
    }
}
