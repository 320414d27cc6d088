//! Drift as text.

use super::{
    NOT_IN_CONFIGURATION, TextOptions, change, file_and_line, finding, freshness, lifecycle_drift, paint,
    quoted, workspace_line,
};
use crate::diagnostic::phrases::count_noun;
use crate::model::escape_unprintable;
use crate::render::json::{DriftDocument, DriftReport, PatchDocument};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;

/// The last line counts the segments. Unless the files are updated already, a line names the command that updates them.
pub fn drift(report: &DriftReport, is_written: bool, options: TextOptions) -> String {
    let color = options.color;
    let mut text = workspace_line(&report.workspace, &report.endpoint);
    for unreadable in &report.unreadable {
        finding(&mut text, "error", unreadable, paint(color, AnsiColor::Red));
    }
    for warning in report.warnings.iter().chain(&report.expiring) {
        finding(&mut text, "warning", warning, paint(color, AnsiColor::Yellow));
    }
    for drift in &report.drift {
        drifted_segment(&mut text, drift, options);
        let reason = report.unwritable.get(&drift.id).filter(|_| !options.compact);
        if let Some(reason) = reason {
            text.push_str("    cannot be written automatically: ");
            let lines: Vec<_> = reason.lines().map(escape_unprintable).collect();
            let _ = writeln!(text, "{}", lines.join("\n    "));
        }
    }
    for drift in &report.already_in_configuration {
        drifted_segment(&mut text, drift, options);
        if !options.compact {
            text.push_str("    already in the configuration\n");
        }
    }
    for patch in report.patches.iter().filter(|_| !options.compact) {
        diff(&mut text, patch, color);
    }
    if !report.patches.is_empty() && !is_written {
        text.push_str(
            "`segctl drift --update-files` updates the files; `segctl apply` reverts the workspace.\n",
        );
    }
    if !(report.drift.is_empty() && report.already_in_configuration.is_empty()) {
        text.push('\n');
    }
    let is_in_last_line = report.drift.is_empty() && report.already_in_configuration.is_empty();
    let freshness = report.freshness.as_ref();
    if let Some(line) = freshness
        .filter(|_| !is_in_last_line)
        .and_then(freshness::freshness)
    {
        let _ = writeln!(text, "{line}");
    }
    let last = match (report.drift.len(), report.already_in_configuration.len()) {
        (0, 0) if report.no_state => "No state for this workspace; run `segctl apply` first.".to_owned(),
        (0, 0) if !report.unreadable.is_empty() => {
            let unreadable = count_noun(report.unreadable.len(), "segment");
            format!("No drift in the segments that can be read; the drift of {unreadable} is unknown.")
        }
        (0, 0) => freshness::nothing_found("No drift", freshness),
        (0, _) => "No drift beyond changes already in the configuration.".to_owned(),
        (count, _) => format!("Drift: {}.", count_noun(count, "segment")),
    };
    let _ = writeln!(text, "{last}");
    text
}

pub(super) fn diff(text: &mut String, patch: &PatchDocument, color: bool) {
    for line in patch.diff.lines().map(escape_unprintable) {
        let style = match line.chars().next() {
            Some('+') => paint(color, AnsiColor::Green),
            Some('-') => paint(color, AnsiColor::Red),
            _ => Style::new(),
        };
        let _ = writeln!(text, "{style}{line}{style:#}");
    }
}

fn drifted_segment(text: &mut String, drift: &DriftDocument, options: TextOptions) {
    let style = paint(options.color, AnsiColor::Yellow);
    let location = match &drift.origin {
        Some(origin) => file_and_line(origin),
        None => NOT_IN_CONFIGURATION.to_owned(),
    };
    let (name, id) = (quoted(&drift.segment), escape_unprintable(&drift.id));
    let mut notes: Vec<String> = Vec::new();
    notes.extend(
        drift
            .lifecycle
            .map(|lifecycle| lifecycle_drift(lifecycle).to_owned()),
    );
    notes.extend(
        drift
            .renamed_to
            .as_ref()
            .map(|name| renamed(&drift.segment, name)),
    );
    let _ = write!(text, "{style}! {name}{style:#} ({location}), id {id}");
    if options.compact {
        let changes = drift.changes.len();
        notes.extend((changes > 0).then(|| count_noun(changes, "change")));
        let _ = writeln!(text, ": {}", notes.join(", "));
        return;
    }
    text.push('\n');
    for note in notes {
        let _ = writeln!(text, "    {note}");
    }
    change::changes(text, &drift.changes, options.color);
}

fn renamed(before: &str, after: &str) -> String {
    let points = change::alike_code_points(before, after);
    format!("renamed to {}{}", quoted(after), points.unwrap_or_default())
}
