//! The text around nodes: lines, columns, dashes, colons and aliases.

use super::super::super::yaml::{Key, Node, Yaml};
use super::super::emit::Style;
use super::map_entries;
use std::ops::Range;

/// A text that is edited.
pub(super) struct SourceText<'a> {
    pub(super) text: &'a str,
    pub(super) style: Style,
}

/// Where a value stands in its list or map.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValuePosition {
    /// Inside braces or brackets.
    pub(super) flow: bool,
    /// Behind the colon or dash that it belongs to.
    pub(super) start: usize,
    /// The column of the list or map that it is in.
    pub(super) column: usize,
    /// It is an item of a list.
    pub(super) item: bool,
}

impl<'a> SourceText<'a> {
    pub(super) fn new(text: &'a str, document: &Node) -> Self {
        let first_key = map_entries(document).first().map_or(0, |(key, _)| key.span.start);
        let starts_with = |at: usize, what: &str| text.get(at..).is_some_and(|rest| rest.starts_with(what));
        let json = starts_with(document.span.start, "{") && starts_with(first_key, "\"");
        Self {
            text,
            style: Style { json },
        }
    }

    /// The bytes of the lines of a document, from its first value to the mark that ends it.
    pub(super) fn document_bounds(&self, document: &Node) -> Range<usize> {
        let mut end = self.line_end(document.span.end);
        while end < self.text.len() && !self.is_document_marker(end) {
            end = self.line_end(end);
        }
        self.line_start(document.span.start)..end
    }

    /// Whether a line that begins at `at` ends a document.
    fn is_document_marker(&self, at: usize) -> bool {
        let rest = self.text.get(at..).unwrap_or_default();
        let after = rest.strip_prefix("---").or_else(|| rest.strip_prefix("..."));
        after.is_some_and(|after| after.is_empty() || after.starts_with(char::is_whitespace))
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// The first byte of the line that `at` is on; a byte-order mark belongs to no line.
    pub(super) fn line_start(&self, at: usize) -> usize {
        let before = self.slice(0..at);
        match before.rfind('\n') {
            Some(newline) => newline + 1,
            None if before.starts_with('\u{feff}') => '\u{feff}'.len_utf8(),
            None => 0,
        }
    }

    /// The first byte of the line after that of `at`, or the end of the text.
    pub(super) fn line_end(&self, at: usize) -> usize {
        let rest = self.slice(at..self.text.len());
        rest.find('\n')
            .map_or(self.text.len(), |newline| at + newline + 1)
    }

    /// Where the comment lines directly above the line of `at` begin, or that line where there are none. A comment that
    /// stands further in is about something inside of what is above it.
    pub(super) fn leading_comments_start(&self, at: usize) -> usize {
        let column = self.column(at);
        let mut start = self.line_start(at);
        while start > 0 {
            let above = self.line_start(start - 1);
            let line = self.slice(above..start);
            let comment = line.trim_start_matches(' ');
            if !comment.starts_with('#') || line.len() - comment.len() > column {
                break;
            }
            start = above;
        }
        start
    }

    /// What ends the line before `at`, or the last one that has an end: files may mix the two.
    pub(super) fn line_ending(&self, at: usize) -> &'static str {
        let line = self.slice(0..self.line_end(at.saturating_sub(1)));
        let end = line.rfind('\n').unwrap_or_default();
        if self.slice(0..end).ends_with('\r') {
            "\r\n"
        } else {
            "\n"
        }
    }

    /// Characters between the start of the line and `at`.
    pub(super) fn column(&self, at: usize) -> usize {
        self.slice(self.line_start(at)..at).chars().count()
    }

    /// Whether nothing but indentation stands before `at`.
    pub(super) fn begins_line(&self, at: usize) -> bool {
        self.slice(self.line_start(at)..at)
            .bytes()
            .all(|byte| byte == b' ')
    }

    /// Whether a list or map stands in brackets or braces.
    pub(super) fn is_flow(&self, node: &Node) -> bool {
        let text = self.slice(node.span.clone());
        match &node.value {
            // The parser lets a block list that is not indented begin with its first item, which may be in brackets.
            Yaml::List(items) => {
                let first = items.first().map(|item| item.span.start);
                text.starts_with('[') && first.is_none_or(|first| first > node.span.start)
            }
            Yaml::Map(_) => text.starts_with('{'),
            Yaml::Scalar(_) | Yaml::Invalid => false,
        }
    }

    /// What stands behind the colon of a key.
    pub(super) fn after_colon(&self, key: &Key) -> Option<usize> {
        let rest = self.slice(key.span.end..self.text.len());
        let gap = rest.len() - rest.trim_start().len();
        rest.trim_start()
            .starts_with(':')
            .then_some(key.span.end + gap + 1)
    }

    /// The bytes of a value; of one that an alias brought in, those of the alias.
    pub(super) fn value_span(&self, slot: ValuePosition, node: &Node) -> Option<Range<usize>> {
        if node.span.start >= slot.start {
            return Some(self.first_dash(node).unwrap_or(node.span.start)..node.span.end);
        }
        let rest = self.slice(slot.start..self.text.len());
        let start = slot.start + (rest.len() - rest.trim_start().len());
        let alias = self.slice(start..self.text.len());
        let ends = |character: char| character.is_whitespace() || matches!(character, ',' | ']' | '}');
        let length = alias.find(ends).unwrap_or(alias.len());
        alias.starts_with('*').then(|| start..start + length)
    }

    /// Where a block list begins, whatever the parser takes for its beginning.
    fn first_dash(&self, node: &Node) -> Option<usize> {
        match &node.value {
            Yaml::List(items) if !self.is_flow(node) => self.item_dash(items.first()?),
            _ => None,
        }
    }

    /// The dash of an item of a block list: on its own line or, with nothing but comments in between, above.
    pub(super) fn item_dash(&self, item: &Node) -> Option<usize> {
        let mut start = self.line_start(item.span.start);
        let before = without_anchor(self.slice(start..item.span.start).trim_end());
        if let Some(indentation) = before.strip_suffix('-') {
            return is_spaces(indentation).then_some(start + indentation.len());
        }
        if !is_spaces(before) {
            return None;
        }
        while start > 0 {
            let end = start;
            start = self.line_start(start - 1);
            let line = self.slice(start..end).trim_end();
            let content = line.trim_start();
            let indentation = line.len() - content.len();
            match content.strip_prefix('-') {
                Some(rest) if is_empty_item(rest.trim_start()) => {
                    return Some(start + indentation);
                }
                None if content.is_empty() || content.starts_with('#') => {}
                _ => return None,
            }
        }
        None
    }
}

/// What stands before an item, less the name that aliases know the item by.
fn without_anchor(before: &str) -> &str {
    match before.rsplit_once('&') {
        Some((rest, anchor)) if !anchor.contains(char::is_whitespace) => rest.trim_end(),
        _ => before,
    }
}

/// Whether what stands behind a dash is no item yet: nothing, an anchor, a comment.
fn is_empty_item(rest: &str) -> bool {
    let rest = match rest.strip_prefix('&') {
        Some(anchor) => anchor
            .trim_start_matches(|next: char| !next.is_whitespace())
            .trim_start(),
        None => rest,
    };
    rest.is_empty() || rest.starts_with('#')
}

fn is_spaces(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ')
}
