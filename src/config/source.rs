//! One file that somebody wrote: its text, and the way from byte spans to places.
//!
//! Spans are bytes of `text` as it is on disk, byte-order mark and carriage returns included, so that
//! excerpts and editors agree with them. Not for finding files: that is `discover`.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::Place;

/// The byte-order mark that some editors put before the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of one file under the name that the user knows it by.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name that diagnostics show.
    pub file: Arc<str>,
    /// The whole text, unchanged.
    pub text: String,
    /// Byte offset of the first character of each line; never empty.
    line_starts: Vec<usize>,
}

impl Source {
    /// Wraps `text`, to be shown as `file`.
    #[must_use]
    pub fn new(file: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        let text = text.into();
        // Column 1 is the first character that the reader sees.
        let first = if text.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len_utf8()
        } else {
            0
        };
        let mut line_starts = vec![first];
        line_starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        Self {
            file: file.into(),
            text,
            line_starts,
        }
    }

    /// The place of `span`, moved into the text and onto character boundaries where it is not.
    #[must_use]
    pub fn place(&self, span: Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.floor_char_boundary(span.end).max(start);
        let line = self.line_starts.partition_point(|&first| first <= start).max(1);
        let first = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(first..start).unwrap_or("");
        Place {
            file: Arc::clone(&self.file),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
            span: start..end,
        }
    }

    /// The text that `span` covers; empty when it is not a part of the text.
    #[must_use]
    pub fn slice(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = Source::new("a.yaml", "\u{feff}a: ü\r\nb: ü!\n");
        let at = |text: &str| {
            let start = source.text.find(text).unwrap_or(usize::MAX);
            let place = source.place(start..start + text.len());
            (place.line, place.column, source.slice(&place.span).to_owned())
        };
        assert_eq!(at("a"), (1, 1, "a".into()));
        assert_eq!(at("b"), (2, 1, "b".into()));
        assert_eq!(at("!"), (2, 5, "!".into()));
    }

    #[test]
    fn spans_outside_the_text_or_inside_a_character_are_moved() {
        let source = Source::new("a.yaml", "\u{feff}ü");
        for (span, kept) in [(0..0, 0..0), (4..5, 3..5), (9..12, 5..5)] {
            let place = source.place(span);
            assert_eq!((place.line, place.span), (1, kept));
        }
    }
}
