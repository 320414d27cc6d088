//! Keywords and operators: what is valid, and what to write for a word of another tool.

use super::super::super::vocabulary;
use super::super::super::yaml::{Node, Yaml};
use super::super::codes;
use super::{Decoder, quoted};
use crate::model::{Keyword, did_you_mean};
use std::ops::Range;

impl<'a> Decoder<'a> {
    /// A keyword. Plain `on` is accepted here although YAML 1.1 reads it as a boolean.
    pub(in crate::config) fn keyword<K: Keyword>(&self, node: &Node) -> Option<K> {
        self.keyword_among(node, K::ALL)
    }

    pub(in crate::config::decode) fn keyword_among<K: Keyword>(
        &self,
        node: &Node,
        allowed: &[K],
    ) -> Option<K> {
        let scalar = self.scalar(node, &format!("a string ({})", K::DISPLAY_NAME))?;
        if let Some(word) = allowed.iter().copied().find(|word| word.as_str() == scalar.text) {
            return Some(word);
        }
        let words: Vec<&str> = allowed.iter().map(|word| word.as_str()).collect();
        self.unknown_keyword(node, K::DISPLAY_NAME, &words)
    }

    pub(in crate::config::decode) fn one_of<K: Keyword>(
        allowed: &[K],
    ) -> impl FnOnce(&'a Self, &'a Node) -> Option<K> {
        |decoder, node| decoder.keyword_among(node, allowed)
    }

    pub(in crate::config::decode) fn unknown_keyword<T>(
        &self,
        node: &Node,
        what: &str,
        words: &[&str],
    ) -> Option<T> {
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
        self.keyword_error(node, &span, message, words, help)
    }

    /// `value` is the value of the operator, if it is present.
    pub(in crate::config::decode) fn invalid_operator<T>(
        &self,
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
        self.keyword_error(node, &span, message, words, help)
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
        &self,
        node: &Node,
        span: &Range<usize>,
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
}
