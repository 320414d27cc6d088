//! Diagnostics as text with excerpts, in the style of rustc, and as JSON.
//!
//! Files are untrusted and terminals interpret control characters, so no control character reaches the output.
//! Excerpts contain only the relevant part of a file, so the cost does not grow with the file.

mod counts;
mod excerpt;

use std::collections::BTreeSet;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Padding, Renderer, Snippet};
use anstream::adapter::strip_str;
use serde_json::{Value, json};

use self::excerpt::Excerpt;
use super::json::LabelDocument;
use crate::diagnostic::phrases::count_noun;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::escape_unprintable;

/// In bytes; a message can contain a name as long as the file.
const MAX_MESSAGE_BYTES: usize = 1000;

pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|left, right| sort_key(left).cmp(&sort_key(right)));
}

fn sort_key(diagnostic: &Diagnostic) -> (&str, u32, u32, &str, &str) {
    let (file, line, column) = diagnostic.labels.first().map_or(("", 0, 0), |label| {
        (&*label.location.file, label.location.line, label.location.column)
    });
    (file, line, column, diagnostic.code, &diagnostic.message)
}

/// In the given order, with [`summary`] as the last line; empty without diagnostics.
///
/// `sources` returns the text of a file by its name; without it, only the location is shown.
pub fn diagnostics_text<'a>(
    diagnostics: &[Diagnostic],
    sources: &dyn Fn(&str) -> Option<&'a str>,
    color: bool,
) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&diagnostic_text(&renderer, diagnostic, sources));
        text.push_str("\n\n");
    }
    if !diagnostics.is_empty() {
        text.push_str(&summary(diagnostics));
        text.push('\n');
    }
    text
}

/// As [`diagnostics_text`], with at most `limit` diagnostics in full; 0 means all. The others are counted by code and by
/// file. Errors are shown before warnings and notes.
pub fn limited_diagnostics_text<'a>(
    diagnostics: &[Diagnostic],
    sources: &dyn Fn(&str) -> Option<&'a str>,
    color: bool,
    limit: usize,
) -> String {
    if limit == 0 || diagnostics.len() <= limit {
        return diagnostics_text(diagnostics, sources, color);
    }
    let mut by_severity: Vec<usize> = (0..diagnostics.len()).collect();
    by_severity.sort_by_key(|index| diagnostics.get(*index).map(|diagnostic| diagnostic.severity));
    let shown: BTreeSet<usize> = by_severity.into_iter().take(limit).collect();
    let (shown, rest): (Vec<_>, Vec<_>) = diagnostics
        .iter()
        .enumerate()
        .partition(|(index, _)| shown.contains(index));
    let shown: Vec<Diagnostic> = shown
        .into_iter()
        .map(|(_, diagnostic)| diagnostic.clone())
        .collect();
    let rest: Vec<&Diagnostic> = rest.into_iter().map(|(_, diagnostic)| diagnostic).collect();
    let mut text = diagnostics_text(&shown, sources, color);
    // The last line counts all of them.
    text.truncate(text.len() - summary(&shown).len() - 1);
    text.push_str(&counts::not_shown(&rest));
    text.push_str(&summary(diagnostics));
    text.push('\n');
    text
}

/// As in `2 errors, 1 warning in 3 files`.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let counts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .filter_map(|severity| {
            let matching = |diagnostic: &&Diagnostic| diagnostic.severity == severity;
            let count = diagnostics.iter().filter(matching).count();
            (count > 0).then(|| count_noun(count, severity.as_str()))
        })
        .collect();
    let files: BTreeSet<&str> = diagnostics
        .iter()
        .filter_map(|diagnostic| diagnostic.labels.first())
        .map(|label| &*label.location.file)
        .collect();
    if counts.is_empty() {
        return "no errors".to_owned();
    }
    let counts = counts.join(", ");
    if files.is_empty() {
        return counts;
    }
    format!("{counts} in {}", count_noun(files.len(), "file"))
}

fn diagnostic_text<'a>(
    renderer: &Renderer,
    diagnostic: &Diagnostic,
    sources: &dyn Fn(&str) -> Option<&'a str>,
) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(printable_excerpt(&diagnostic.message));
    let mut group = Group::with_title(title.id(diagnostic.code));
    for (index, excerpt) in excerpt::excerpts(&diagnostic.labels, sources).iter().enumerate() {
        if index > 0 {
            group = group.element(Padding);
        }
        group = with_excerpt(group, excerpt);
    }
    let notes = diagnostic.notes.iter();
    let notes = notes.map(|note| Level::NOTE.message(printable_excerpt(note)));
    let help = diagnostic.help.iter();
    let help = help.map(|help| Level::HELP.message(printable_excerpt(help)));
    let text = renderer.render(&[group.elements(notes).elements(help)]);
    // Locations are separate elements, since a column in a cut line would be wrong. The renderer writes this line for
    // each excerpt without a location.
    let is_empty_location = |line: &str| strip_str(line).to_string().trim() == ":::";
    let lines: Vec<&str> = text.lines().filter(|line| !is_empty_location(line)).collect();
    lines.join("\n")
}

fn with_excerpt<'a>(group: Group<'a>, excerpt: &Excerpt<'_>) -> Group<'a> {
    let location = excerpt.location;
    let mut origin = Origin::path(printable_excerpt(&location.file));
    if location.line > 0 {
        origin = origin
            .line(location.line as usize)
            .char_column(location.column as usize);
    }
    let group = group.element(origin);
    if excerpt.marks.is_empty() {
        return group;
    }
    let marks = excerpt.marks.iter().map(|mark| {
        let kind = if mark.primary {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let label = (!mark.label.is_empty()).then(|| printable_excerpt(mark.label));
        kind.span(mark.span.clone()).label(label)
    });
    group.element(
        Snippet::source(excerpt.text.clone())
            .line_start(excerpt.line as usize)
            .annotations(marks),
    )
}

/// Text of limited length without control characters or characters that change its direction.
fn printable_excerpt(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_MESSAGE_BYTES);
    let mut printable = escape_unprintable(text.get(..end).unwrap_or(text));
    if end < text.len() {
        printable.push('…');
    }
    printable
}

/// In the given order. `line` and `column` are null for a whole file.
pub fn diagnostics_json(diagnostics: &[Diagnostic]) -> Value {
    diagnostics.iter().map(diagnostic_json).collect()
}

fn diagnostic_json(diagnostic: &Diagnostic) -> Value {
    json!({
        "severity": diagnostic.severity.as_str(),
        "code": diagnostic.code,
        "message": diagnostic.message,
        "labels": diagnostic.labels.iter().map(LabelDocument::of).collect::<Vec<_>>(),
        "notes": diagnostic.notes,
        "help": diagnostic.help,
    })
}

#[cfg(test)]
mod tests;
