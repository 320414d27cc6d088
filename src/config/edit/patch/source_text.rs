//! The text around nodes: lines, columns, dashes, colons and aliases.

use super::super::super::yaml::{Key, Node, Yaml};
use super::super::emit::Style;
use super::map_entries;
use std::ops::Range;

pub(super) struct SourceText<'a> {
    pub(super) text: &'a str,
    pub(super) style: Style,
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

    /// The lines of a document, from its first value to its end marker.
    pub(super) fn document_bounds(&self, document: &Node) -> Range<usize> {
        let mut end = self.line_end(document.span.end);
        while end < self.text.len() && !self.is_document_marker(end) {
            end = self.line_end(end);
        }
        self.line_start(document.span.start)..end
    }

    fn is_document_marker(&self, at: usize) -> bool {
        let rest = self.text.get(at..).unwrap_or_default();
        let after = rest.strip_prefix("---").or_else(|| rest.strip_prefix("..."));
        after.is_some_and(|after| after.is_empty() || after.starts_with(char::is_whitespace))
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// A byte-order mark belongs to no line.
    pub(super) fn line_start(&self, at: usize) -> usize {
        let before = self.slice(0..at);
        match before.rfind('\n') {
            Some(newline) => newline + 1,
            None if before.starts_with('\u{feff}') => '\u{feff}'.len_utf8(),
            None => 0,
        }
    }

    /// The start of the next line, or the end of the text.
    pub(super) fn line_end(&self, at: usize) -> usize {
        let rest = self.slice(at..self.text.len());
        let newline = rest.find('\n');
        newline.map_or(self.text.len(), |newline| at + newline + 1)
    }

    /// The start of the comment lines directly above the line of `at`, or of that line. A comment with more indentation
    /// belongs to something inside the node above it.
    pub(super) fn leading_comments_start(&self, at: usize) -> usize {
        let column = self.column(at);
        let mut start = self.line_start(at);
        while start > 0 {
            let above = self.line_start(start - 1);
            if self.comment_column(above).is_none_or(|found| found > column) {
                break;
            }
            start = above;
        }
        start
    }

    /// The column of the comment, if the line at `start` has nothing else.
    pub(super) fn comment_column(&self, start: usize) -> Option<usize> {
        let line = self.slice(start..self.line_end(start));
        let comment = line.trim_start_matches(' ');
        comment.starts_with('#').then_some(line.len() - comment.len())
    }

    /// The line ending before `at`, or the last one before it: files may mix the two.
    pub(super) fn line_ending(&self, at: usize) -> &'static str {
        let line = self.slice(0..self.line_end(at.saturating_sub(1)));
        let end = line.rfind('\n').unwrap_or_default();
        if self.slice(0..end).ends_with('\r') {
            "\r\n"
        } else {
            "\n"
        }
    }

    pub(super) fn column(&self, at: usize) -> usize {
        self.slice(self.line_start(at)..at).chars().count()
    }

    pub(super) fn begins_line(&self, at: usize) -> bool {
        is_spaces(self.slice(self.line_start(at)..at))
    }

    pub(super) fn is_flow(&self, node: &Node) -> bool {
        let text = self.slice(node.span.clone());
        match &node.value {
            // For a block list without indentation, the parser reports the span of its first item, which may be flow.
            Yaml::List(items) => {
                let first = items.first().map(|item| item.span.start);
                text.starts_with('[') && first.is_none_or(|first| first > node.span.start)
            }
            Yaml::Map(_) => text.starts_with('{'),
            Yaml::Scalar(_) | Yaml::Invalid => false,
        }
    }

    /// The byte after the colon of a key.
    pub(super) fn after_colon(&self, key: &Key) -> Option<usize> {
        let rest = self.slice(key.span.end..self.text.len());
        let gap = rest.len() - rest.trim_start().len();
        let is_colon = rest.trim_start().starts_with(':');
        is_colon.then_some(key.span.end + gap + 1)
    }

    /// The dash is on the line of the item, or above it with only comments in between.
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

fn without_anchor(before: &str) -> &str {
    match before.rsplit_once('&') {
        Some((rest, anchor)) if !anchor.contains(char::is_whitespace) => rest.trim_end(),
        _ => before,
    }
}

/// Whether nothing but an anchor or a comment follows a dash.
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
