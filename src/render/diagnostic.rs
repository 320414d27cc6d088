//! Diagnostics as text with excerpts, in the form that rustc made familiar, and as JSON.
//!
//! Files are strangers' text, and terminals obey control characters: none of either reaches the output as it
//! is. Excerpts are cut to the lines and the part of a line that matter, so cost does not grow with the file.

mod excerpt;

use std::collections::BTreeSet;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Padding, Renderer, Snippet};
use anstream::adapter::strip_str;
use serde_json::{Value, json};

use self::excerpt::Excerpt;
use crate::diagnostic::{Diagnostic, Label, Location, Severity};
use crate::model::escape_unprintable;

/// Bytes of one message that are shown; names in it can be as long as the file allows.
const MAX_MESSAGE_BYTES: usize = 1000;

/// Puts diagnostics in the order of files, lines and columns, in which people work through them.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by(|left, right| sort_key(left).cmp(&sort_key(right)));
}

fn sort_key(diagnostic: &Diagnostic) -> (&str, u32, u32, &str, &str) {
    let (file, line, column) = diagnostic.labels.first().map_or(("", 0, 0), |label| {
        (&*label.location.file, label.location.line, label.location.column)
    });
    (file, line, column, diagnostic.code, &diagnostic.message)
}

/// Diagnostics for people, in the order given, with `summary` as the last line; empty when there are none.
///
/// `sources` gives the text of a file by the name in its places; without it only the place is shown.
#[must_use]
pub fn diagnostics_text<'a>(
    diagnostics: &[Diagnostic],
    sources: &dyn Fn(&str) -> Option<&'a str>,
    colour: bool,
) -> String {
    let renderer = if colour {
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

/// How much is wrong in how many files: `2 errors, 1 warning in 3 files`.
#[must_use]
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
    let found = counts.join(", ");
    if files.is_empty() {
        return found;
    }
    format!("{found} in {}", count_noun(files.len(), "file"))
}

fn count_noun(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn diagnostic_text<'a>(
    renderer: &Renderer,
    diagnostic: &Diagnostic,
    sources: &dyn Fn(&str) -> Option<&'a str>,
) -> String {
    let Diagnostic {
        severity,
        code,
        message,
        labels,
        notes,
        help,
    } = diagnostic;
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = Group::with_title(level.primary_title(printable_excerpt(message)).id(*code));
    for (index, excerpt) in excerpt::excerpts(labels, sources).iter().enumerate() {
        if index > 0 {
            group = group.element(Padding);
        }
        group = with_excerpt(group, excerpt);
    }
    let notes = notes
        .iter()
        .map(|note| Level::NOTE.message(printable_excerpt(note)));
    let help = help
        .iter()
        .map(|help| Level::HELP.message(printable_excerpt(help)));
    let text = renderer.render(&[group.elements(notes).elements(help)]);
    // Places are given apart from excerpts, since a cut line would make for a wrong column; for excerpts
    // without a place the renderer writes this line.
    let superfluous = |line: &&str| strip_str(line).to_string().trim() == ":::";
    let lines: Vec<&str> = text.lines().filter(|line| !superfluous(line)).collect();
    lines.join("\n")
}

fn with_excerpt<'a>(group: Group<'a>, excerpt: &Excerpt<'_>) -> Group<'a> {
    let Location {
        file, line, column, ..
    } = excerpt.location;
    let mut origin = Origin::path(printable_excerpt(file));
    if *line > 0 {
        origin = origin.line(*line as usize).char_column(*column as usize);
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
        let words = (!mark.label.is_empty()).then(|| printable_excerpt(mark.label));
        kind.span(mark.span.clone()).label(words)
    });
    group.element(
        Snippet::source(excerpt.text.clone())
            .line_start(excerpt.line as usize)
            .annotations(marks),
    )
}

/// Text of bearable length with nothing in it that a terminal would obey or that would turn its direction.
fn printable_excerpt(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_MESSAGE_BYTES);
    let mut safe = escape_unprintable(text.get(..end).unwrap_or(text));
    if end < text.len() {
        safe.push('…');
    }
    safe
}

/// Diagnostics for programs, in the order given.
///
/// `line` and `column` are null where a whole file is meant.
#[must_use]
pub fn diagnostics_json(diagnostics: &[Diagnostic]) -> Value {
    diagnostics.iter().map(diagnostic_json).collect()
}

fn diagnostic_json(diagnostic: &Diagnostic) -> Value {
    let Diagnostic {
        severity,
        code,
        message,
        labels,
        notes,
        help,
    } = diagnostic;
    json!({
        "severity": severity.as_str(),
        "code": code,
        "message": message,
        "labels": labels.iter().map(label_json).collect::<Vec<_>>(),
        "notes": notes,
        "help": help,
    })
}

fn label_json(label: &Label) -> Value {
    let Label {
        location: place,
        message,
    } = label;
    let counted = |number: u32| (number > 0).then_some(number);
    json!({
        "file": &*place.file,
        "line": counted(place.line),
        "column": counted(place.column),
        "message": message,
    })
}

#[cfg(test)]
mod tests;
