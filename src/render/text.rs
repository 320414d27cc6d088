//! Plans and receipts as text for people.
//!
//! The marks `+ ~ - ^` stand at the start of their lines, so that a plan pasted into a `diff` block of a pull
//! request is coloured there. Colour repeats what the marks say and is never the only signal.

mod drift;
mod estimate;
mod freshness;
mod history;
mod plan_notes;
mod state;

pub use drift::drift;
pub use estimate::estimate;
pub use history::{history, restored, shared_name_note};
pub use state::state;

use super::json::{
    ChangeDocument, FindingDocument, MembersDocument, OutcomeCountsDocument, OutcomeDocument, PlanDocument,
    RunSummaryDocument, StepDocument, SummaryDocument,
};
use crate::model::escape_unprintable;
use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::fmt::Write as _;

/// Values longer than this are cut in the text of a change; JSON has them whole.
const MAX_VALUE_LENGTH: usize = 160;

/// The plan as text, with times as clocks of `zone` show them; its last line is the summary.
#[must_use]
pub fn plan(document: &PlanDocument, colour: bool, zone: &TimeZone) -> String {
    let mut text = String::new();
    for refusal in &document.guard_violations {
        finding(&mut text, "refused", refusal, paint(colour, AnsiColor::Red));
    }
    for conflict in &document.conflicts {
        finding(&mut text, "conflict", conflict, paint(colour, AnsiColor::Red));
    }
    for warning in &document.warnings {
        finding(&mut text, "warning", warning, paint(colour, AnsiColor::Yellow));
    }
    for step in &document.steps {
        self::step(&mut text, step, colour);
    }
    if !document.steps.is_empty() {
        text.push('\n');
    }
    let cost = document
        .estimate
        .as_ref()
        .map(|quota| self::estimate(quota, zone));
    let age = document.freshness.as_ref().and_then(freshness::freshness);
    for line in plan_notes::plan_notes(document)
        .into_iter()
        .chain(age)
        .chain(cost)
    {
        text.push_str(&line);
        text.push('\n');
    }
    let last = match (document.conflicts.len(), document.guard_violations.len()) {
        (0, 0) if document.steps.is_empty() => "No changes.".to_owned(),
        (0, 0) => plan_summary(document.summary),
        (0, 1) => "Refused: 1 guard.".to_owned(),
        (0, count) => format!("Refused: {count} guards."),
        (1, _) => "Cannot apply: 1 conflict.".to_owned(),
        (count, _) => format!("Cannot apply: {count} conflicts."),
    };
    text.push_str(&last);
    text.push('\n');
    text
}

/// What came of one step, as one line and its notes.
#[must_use]
pub fn outcome(outcome: &OutcomeDocument, colour: bool) -> String {
    let style = match outcome.outcome.as_str() {
        "applied" | "unchanged" => Style::new(),
        "skipped" | "not attempted" => paint(colour, AnsiColor::Yellow),
        _ => paint(colour, AnsiColor::Red),
    };
    let mut text = format!(
        "{} {} {}: {style}{}{style:#}\n",
        action_symbol(&outcome.action),
        outcome.action,
        quoted(&outcome.segment),
        outcome.outcome
    );
    for note in outcome.notes.iter().chain(&outcome.message) {
        let _ = writeln!(text, "    {}", escape_unprintable(note));
    }
    text
}

/// The last lines of a run.
#[must_use]
pub fn run_summary(end: &RunSummaryDocument) -> String {
    let tally = end.counts;
    let stopped: Vec<String> = end
        .stop_reasons
        .iter()
        .map(|why| escape_unprintable(why))
        .collect();
    if tally == OutcomeCountsDocument::default() {
        // Without steps there is nothing to count.
        return match stopped.as_slice() {
            [] => "Receipt: nothing to do.\n".to_owned(),
            why => format!("Receipt: nothing was attempted: {}.\n", why.join("; ")),
        };
    }
    let mut text = String::new();
    if !stopped.is_empty() {
        let _ = writeln!(text, "Stopped: {}", stopped.join("\n    "));
    }
    let mut parts = vec![format!("{} applied", tally.applied)];
    let others = [
        (tally.unchanged, "unchanged"),
        (tally.skipped, "skipped"),
        (tally.failed, "failed"),
        (tally.unknown, "unknown"),
        (tally.not_attempted, "not attempted"),
    ];
    parts.extend(
        others
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}")),
    );
    let _ = writeln!(text, "Receipt: {}.", parts.join(", "));
    text
}

fn plan_summary(summary: SummaryDocument) -> String {
    let SummaryDocument {
        create,
        update,
        archive,
        unarchive,
        adopt: _,
        archive_unmanaged: _,
    } = summary;
    format!("Plan: {create} to create, {update} to update, {archive} to archive, {unarchive} to unarchive.")
}

fn step(text: &mut String, step: &StepDocument, colour: bool) {
    let style = match step.action.as_str() {
        "create" | "unarchive" => paint(colour, AnsiColor::Green),
        "archive" => paint(colour, AnsiColor::Red),
        _ => paint(colour, AnsiColor::Yellow),
    };
    let origin = match &step.origin {
        Some(origin) => format!("{}:{}", origin.file, origin.line),
        None => "no file declares it".to_owned(),
    };
    let _ = writeln!(
        text,
        "{style}{} {}{style:#} {} ({})",
        action_symbol(&step.action),
        step.action,
        quoted(&step.segment),
        escape_unprintable(&origin)
    );
    if let (Some(id), Some(reason)) = (&step.id, &step.matched_by) {
        let _ = writeln!(
            text,
            "    live: {} ({})",
            escape_unprintable(id),
            escape_unprintable(reason)
        );
    }
    if let Some(gone) = &step.replaces_missing {
        let _ = writeln!(
            text,
            "    was there before: id {}, applied {:.0}; the service does not know that id any more",
            escape_unprintable(&gone.id),
            gone.applied_at
        );
    }
    if let Some(drift) = &step.lifecycle_drift {
        let _ = writeln!(text, "    {drift}");
    }
    if step.adopts {
        text.push_str(match step.origin {
            Some(_) => "    adopts it: segctl did not make it\n",
            None => "    first contact: segctl did not make it; the ledger keeps what it was\n",
        });
    }
    // Whoever waits for the room may be all that pulls it in.
    let room = step.frees_slot_for.as_ref();
    if let Some(name) = room {
        let _ = writeln!(text, "    makes room for {}", quoted(name));
    }
    let pulling: Vec<&String> = step
        .required_by
        .iter()
        .filter(|name| room != Some(*name))
        .collect();
    if let [first, more @ ..] = pulling.as_slice() {
        let (depend, names) = match more {
            [] => ("depends", quoted(first)),
            _ => ("depend", plan_notes::quoted_list(&pulling)),
        };
        let _ = writeln!(text, "    pulled in: {names} {depend} on it");
    }
    if let Some(passing) = &step.temporary_change {
        let _ = writeln!(
            text,
            "    in passing: gives up its {passing} for another segment; a later step is final"
        );
    }
    if let Some(members) = &step.members {
        self::members(text, members);
    }
    for change in &step.changes {
        let _ = writeln!(text, "    {}", self::change(change));
    }
}

/// Who comes and who goes.
fn members(text: &mut String, members: &MembersDocument) {
    let changes = [(members.added, '+'), (members.removed, '-')];
    let known = changes
        .iter()
        .filter_map(|(count, mark)| Some((count.as_ref()?, mark)));
    let known: Vec<String> = known
        .map(|(count, mark)| format!("{mark}{}", with_thousands_separators(*count)))
        .collect();
    let changes = match known.as_slice() {
        [] => "those of its list".to_owned(),
        known => known.join(" "),
    };
    let all = members
        .total
        .map(|listed| format!(", {} in all", with_thousands_separators(listed)));
    let calls = match (members.operation.as_str(), members.requests) {
        ("sync", 1) => "in 1 call".to_owned(),
        ("sync", calls) => format!("in {calls} calls"),
        (by, _) => format!("by {by}"),
    };
    let what = if members.operation == "sync" {
        "members"
    } else {
        "users"
    };
    let _ = writeln!(text, "    {what}: {changes}{}, {calls}", all.unwrap_or_default());
    if let Some(failed) = &members.previous_error {
        let _ = writeln!(
            text,
            "    the service could not read the list before, and nobody is in it: {}",
            escape_unprintable(failed)
        );
    }
    if members.resumes {
        text.push_str("    nobody knows what came of an earlier call: those of whom that leaves it open are sent again\n");
    }
}

/// A number with a comma for every thousand.
fn with_thousands_separators(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn finding(text: &mut String, kind: &str, finding: &FindingDocument, style: Style) {
    let _ = writeln!(
        text,
        "{style}{kind}{style:#}: {}",
        escape_unprintable(&finding.message)
    );
    for origin in &finding.origins {
        let _ = writeln!(
            text,
            "  --> {}:{}:{}",
            escape_unprintable(&origin.file),
            origin.line,
            origin.column
        );
    }
    for change in &finding.changes {
        let _ = writeln!(text, "    {}", self::change(change));
    }
    for help in &finding.help {
        let _ = writeln!(text, "  = help: {}", escape_unprintable(help));
    }
    text.push('\n');
}

fn change(change: &ChangeDocument) -> String {
    let mut text = escape_unprintable(&change.path.join(" › "));
    if let Some(field) = &change.field {
        let _ = write!(text, ": {}", escape_unprintable(field));
    }
    let _ = write!(
        text,
        " {} -> {}",
        value_text(change.before.as_ref()),
        value_text(change.after.as_ref())
    );
    match change.cause.as_deref() {
        Some("workspace") => text.push_str(" (changed in the workspace)"),
        Some("both") => text.push_str(" (changed in the file and in the workspace)"),
        _ => {}
    }
    text
}

fn value_text(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "(none)".to_owned();
    };
    let text = escape_unprintable(&value.to_string());
    match text.char_indices().nth(MAX_VALUE_LENGTH) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}

fn action_symbol(action: &str) -> char {
    match action {
        "create" => '+',
        "archive" => '-',
        "unarchive" => '^',
        _ => '~',
    }
}

/// A name in quotes, as names may hold spaces.
fn quoted(name: &str) -> String {
    format!("\"{}\"", escape_unprintable(name))
}

fn paint(colour: bool, with: AnsiColor) -> Style {
    if colour { with.on_default() } else { Style::new() }
}
