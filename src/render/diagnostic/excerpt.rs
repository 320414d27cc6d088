//! The lines of a file around a diagnostic, in printable form.

use std::ops::Range;

use crate::diagnostic::{Label, Location};
use crate::model::is_unprintable;

/// Locations of one file that are further apart get separate excerpts.
const MAX_LINES_APART: u32 = 200;
/// In bytes; the renderer cuts again what the terminal cannot show.
const MAX_LINE_BYTES: usize = 400;
/// Bytes of a long line before the location.
const CONTEXT_BYTES: usize = 60;

/// Lines with marks; without marks, only the location is known.
pub(super) struct Excerpt<'a> {
    pub location: &'a Location,
    pub text: String,
    pub line: u32,
    pub marks: Vec<Mark<'a>>,
}

pub(super) struct Mark<'a> {
    pub span: Range<usize>,
    pub label: &'a str,
    pub primary: bool,
}

/// The excerpt with the first label is first.
pub(super) fn excerpts<'a, 't>(
    labels: &'a [Label],
    sources: &dyn Fn(&str) -> Option<&'t str>,
) -> Vec<Excerpt<'a>> {
    let mut groups: Vec<Vec<&Label>> = Vec::new();
    for label in labels {
        let is_near = |group: &&mut Vec<&Label>| {
            group
                .iter()
                .all(|other| belong_together(&other.location, &label.location))
        };
        match groups.iter_mut().find(is_near) {
            Some(group) => group.push(label),
            None => groups.push(vec![label]),
        }
    }
    let primary = labels.first();
    groups
        .iter()
        .filter_map(|group| {
            let first = &group.first()?.location;
            let mut excerpt = Excerpt {
                location: first,
                text: String::new(),
                line: first.line,
                marks: Vec::new(),
            };
            if let Some(text) = sources(&first.file).filter(|_| first.line > 0) {
                excerpt.fill(group, text, primary);
            }
            Some(excerpt)
        })
        .collect()
}

fn belong_together(left: &Location, right: &Location) -> bool {
    left.file == right.file
        && left.line.abs_diff(right.line) <= MAX_LINES_APART
        && (left.line == 0) == (right.line == 0)
}

impl<'a> Excerpt<'a> {
    /// Adds the lines from the first to the last label; none when the labels do not belong to `text`.
    fn fill(&mut self, group: &[&'a Label], text: &str, primary: Option<&'a Label>) {
        let start = |label: &&&Label| label.location.span.start;
        let (Some(top), Some(bottom)) = (group.iter().min_by_key(start), group.iter().max_by_key(start))
        else {
            return;
        };
        let (Some(before), Some(after)) = (
            text.get(..top.location.span.start),
            text.get(bottom.location.span.start..),
        ) else {
            return;
        };
        let mut at = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = text.len() - after.len() + after.find('\n').unwrap_or(after.len());
        self.line = top.location.line;
        for (index, line) in text.get(at..end).unwrap_or("").split('\n').enumerate() {
            if index > 0 {
                self.text.push('\n');
            }
            let starts_here =
                |label: &&&'a Label| (at..=at + line.len()).contains(&label.location.span.start);
            let labels: Vec<&'a Label> = group.iter().filter(starts_here).copied().collect();
            self.push_line(line, at, &labels, primary);
            at += line.len() + 1;
        }
    }

    /// `at` is the byte of the file at which the line starts; `labels` start in the line.
    fn push_line(&mut self, line: &str, at: usize, labels: &[&'a Label], primary: Option<&'a Label>) {
        let starts = labels.iter().map(|label| label.location.span.start - at);
        let kept = visible_range(line, starts.min().unwrap_or(0));
        if kept.start > 0 {
            self.text.push('…');
        }
        let base = self.text.len();
        let moved = |byte: usize| {
            let byte = line.floor_char_boundary(byte.clamp(kept.start, kept.end));
            base + visible_text(line.get(kept.start..byte).unwrap_or("")).len()
        };
        for &label in labels {
            let Label { location, message } = label;
            // A value of several lines is marked only in its first line.
            let end = location.span.end.min(at + line.len());
            self.marks.push(Mark {
                span: moved(location.span.start - at)..moved(end.saturating_sub(at)),
                label: message,
                primary: primary.is_some_and(|primary| std::ptr::eq(primary, label)),
            });
        }
        self.text
            .push_str(&visible_text(line.get(kept.clone()).unwrap_or("")));
        if kept.end < line.len() {
            self.text.push('…');
        }
    }
}

/// The part of `line` to keep; it contains byte `from`.
fn visible_range(line: &str, from: usize) -> Range<usize> {
    if line.len() <= MAX_LINE_BYTES {
        return 0..line.len();
    }
    let start = line.floor_char_boundary(from.saturating_sub(CONTEXT_BYTES));
    start..line.floor_char_boundary(start + MAX_LINE_BYTES)
}

/// One character for each character, so that marks stay aligned.
fn visible_text(line: &str) -> String {
    let mut before = None;
    let characters = line.chars().filter(|next| !matches!(next, '\r' | '\u{feff}'));
    let shown = characters.map(|next| {
        let is_hidden = is_unprintable(next, before);
        before = Some(next);
        match next {
            '\t' => next,
            '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(next)).unwrap_or('\u{fffd}'),
            _ if is_hidden => '\u{fffd}',
            _ => next,
        }
    });
    shown.collect()
}
