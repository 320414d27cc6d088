//! The changes of a segment. See the rules in the parent module.

mod list;
mod long_text;
mod look_alikes;
mod value;

use self::value::{value_change, whole};
use super::paint;
use crate::config::edit::readable_yaml;
use crate::model::escape_unprintable;
use crate::render::json::ChangeDocument;
use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Of the lines about a step.
const INDENT: usize = 4;
/// In characters: a longer change takes several lines.
const MAX_LINE_LENGTH: usize = 100;

struct ValueChange {
    /// Follows the name of the field: ` 30 -> 45`.
    summary: String,
    /// More lines below, each with its mark.
    lines: Vec<(char, String)>,
}

impl ValueChange {
    fn line(summary: String) -> Self {
        let lines = Vec::new();
        Self { summary, lines }
    }
}

/// A filter that moves from one group to another is one change.
pub(super) fn changes(text: &mut String, changes: &[ChangeDocument], color: bool) {
    let moves = moves(changes);
    for (index, change) in changes.iter().enumerate() {
        match moves.iter().find(|(from, to)| [*from, *to].contains(&index)) {
            Some((from, to)) if *to == index => moved(text, &changes[*from], change),
            Some(_) => {}
            None => self::change(text, change, color),
        }
    }
}

/// The definition of a segment that is created.
pub(super) fn definition(text: &mut String, changes: &[ChangeDocument], color: bool) {
    for change in changes {
        let key = change.path.last().cloned().unwrap_or_default();
        let field = Value::from(Map::from_iter([(key, change.after.clone().unwrap_or_default())]));
        for line in readable_yaml(&field).lines() {
            marked_line(text, '+', &escape_unprintable(line), INDENT, color);
        }
    }
}

/// ` (U+00E9 -> e + U+0301)`, if a reader cannot distinguish the texts.
pub(super) fn alike_code_points(before: &str, after: &str) -> Option<String> {
    let [before, after] = look_alikes::code_points(before, after)?;
    Some(format!(" ({before} -> {after})"))
}

fn change(text: &mut String, change: &ChangeDocument, color: bool) {
    let (before, after) = (change.before.as_ref(), change.after.as_ref());
    let is_whole_filter = change.field.is_none() && (before.is_none() || after.is_none());
    let ValueChange { mut summary, lines } = if is_whole_filter {
        whole(before, after)
    } else if change.field.as_deref() == Some("position") {
        position_change(before, after)
    } else {
        value_change(before, after)
    };
    summary.push_str(cause(change));
    let _ = writeln!(text, "{:INDENT$}{}{summary}", "", location(change));
    for (mark, line) in &lines {
        marked_line(text, *mark, line, INDENT + 2, color);
    }
}

fn moved(text: &mut String, from: &ChangeDocument, to: &ChangeDocument) {
    let (place, origin) = (location(to), location(from));
    let _ = writeln!(text, "{:INDENT$}{place}: moved from {origin}{}", "", cause(to));
    let filter = to.after.as_ref().map(readable_yaml).unwrap_or_default();
    for line in filter.lines() {
        marked_line(text, ' ', &escape_unprintable(line), INDENT + 2, false);
    }
}

/// The mark is in the first column, where a `diff` block colors the line.
fn marked_line(text: &mut String, mark: char, line: &str, indent: usize, color: bool) {
    let style = match mark {
        '+' => paint(color, AnsiColor::Green),
        '-' => paint(color, AnsiColor::Red),
        '~' => paint(color, AnsiColor::Yellow),
        _ => Style::new(),
    };
    let width = indent - 1;
    let _ = writeln!(text, "{style}{mark}{:width$}{line}{style:#}", "");
}

fn location(change: &ChangeDocument) -> String {
    let mut text = escape_unprintable(&change.path.join(" › "));
    if let Some(field) = &change.field {
        let _ = write!(text, ": {}", escape_unprintable(field));
    }
    text
}

fn cause(change: &ChangeDocument) -> &'static str {
    match change.cause.as_deref() {
        Some("remote") => " (drift)",
        Some("both") => " (drift, and changed in the configuration)",
        _ => "",
    }
}

/// The filter itself is unchanged.
fn position_change(before: Option<&Value>, after: Option<&Value>) -> ValueChange {
    let [before, after] = [before, after].map(|value| value.map(ToString::to_string).unwrap_or_default());
    ValueChange::line(format!(" {before} -> {after} (moved, otherwise unchanged)"))
}

/// The index of a removed filter, and of the same filter where it was added.
fn moves(changes: &[ChangeDocument]) -> Vec<(usize, usize)> {
    let mut moves: Vec<(usize, usize)> = Vec::new();
    for (to, added) in changes.iter().enumerate() {
        if !is_filter(added) || added.before.is_some() {
            continue;
        }
        let is_moved_here = |from: usize, removed: &ChangeDocument| {
            let is_same = removed.before.as_ref().map(without_categories)
                == added.after.as_ref().map(without_categories);
            is_filter(removed)
                && removed.after.is_none()
                && is_same
                && !moves.iter().any(|(other, _)| *other == from)
        };
        let mut removed = changes.iter().enumerate();
        let from = removed.find(|(from, removed)| is_moved_here(*from, removed));
        moves.extend(from.map(|(from, _)| (from, to)));
    }
    moves
}

/// Not one of the two top-level groups.
fn is_filter(change: &ChangeDocument) -> bool {
    change.field.is_none() && change.path.len() > 1
}

/// MoEngage does not return categories.
fn without_categories(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_categories).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| *key != "category");
            let fields = fields.map(|(key, value)| (key.clone(), without_categories(value)));
            Value::Object(fields.collect())
        }
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests;
