//! Drift as text.

use super::{change, finding, freshness, paint, quoted};
use crate::model::escape_unprintable;
use crate::render::json::{DriftDocument, DriftReport, PatchDocument};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;

/// What changed in the workspace; its last line counts the segments. How to take it into the files is told where it
/// `is_written` not anyway.
#[must_use]
pub fn drift(report: &DriftReport, is_written: bool, colour: bool) -> String {
    let mut text = String::new();
    for expiring in &report.expiring {
        finding(&mut text, "warning", expiring, paint(colour, AnsiColor::Yellow));
    }
    for drift in &report.drift {
        drifted_segment(&mut text, drift, colour);
        if let Some(why) = report.unwritable.get(&drift.id) {
            let _ = writeln!(text, "    not for `--write`: {}", escape_unprintable(why));
        }
    }
    for drift in &report.already_in_files {
        drifted_segment(&mut text, drift, colour);
        text.push_str("    in the files already\n");
    }
    for patch in &report.patches {
        self::diff(&mut text, patch, colour);
    }
    if !report.patches.is_empty() && !is_written {
        text.push_str("`segctl drift --write` takes this into the files; `segctl apply` takes it back out of the workspace.\n");
    }
    if !(report.drift.is_empty() && report.already_in_files.is_empty()) {
        text.push('\n');
    }
    if let Some(seen) = report.freshness.as_ref().and_then(freshness::freshness) {
        let _ = writeln!(text, "{seen}");
    }
    let last = match (report.drift.len(), report.already_in_files.len()) {
        (0, 0) if report.no_state => {
            "Nothing was applied from here yet, so that it cannot be told what changed since.".to_owned()
        }
        (0, 0) => "No drift.".to_owned(),
        (0, _) => "No drift but what is in the files already.".to_owned(),
        (1, _) => "Drift: 1 segment.".to_owned(),
        (count, _) => format!("Drift: {count} segments."),
    };
    text.push_str(&last);
    text.push('\n');
    text
}

/// What would change, or did, in a file.
pub(super) fn diff(text: &mut String, patch: &PatchDocument, colour: bool) {
    for line in patch.diff.lines().map(escape_unprintable) {
        let style = match line.chars().next() {
            Some('+') => paint(colour, AnsiColor::Green),
            Some('-') => paint(colour, AnsiColor::Red),
            _ => Style::new(),
        };
        let _ = writeln!(text, "{style}{line}{style:#}");
    }
}

fn drifted_segment(text: &mut String, drift: &DriftDocument, colour: bool) {
    let style = paint(colour, AnsiColor::Yellow);
    let place = match &drift.origin {
        Some(origin) => format!("{}:{}", origin.file, origin.line),
        None => "no file declares it".to_owned(),
    };
    let _ = writeln!(
        text,
        "{style}! {}{style:#} ({}), id {}",
        quoted(&drift.segment),
        escape_unprintable(&place),
        escape_unprintable(&drift.id)
    );
    if let Some(lifecycle) = &drift.lifecycle {
        let _ = writeln!(text, "    {lifecycle}");
    }
    if let Some(name) = &drift.renamed_to {
        let _ = writeln!(text, "    renamed to {}", quoted(name));
    }
    for changed in &drift.changes {
        let _ = writeln!(text, "    {}", change(changed));
    }
}
