//! A plan as text.

use super::estimate::estimate;
use super::freshness::{freshness, nothing_found};
use super::plan_notes::plan_notes;
use super::{
    NOT_IN_CONFIGURATION, TextOptions, action_symbol, change, file_and_line, finding, lifecycle_drift, paint,
    quoted, temporary_changes, workspace_line,
};
use crate::diagnostic::phrases::{count_noun, join_limited, join_with_and, with_thousands_separators};
use crate::model::escape_unprintable;
use crate::plan::step::{Summary, TemporaryChange};
use crate::render::json::{MatchDocument, MembersDocument, PlanDocument, StepDocument};
use anstyle::AnsiColor;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// A reader of more adoptions needs the count, and a program the list.
const MAX_ADOPTIONS: usize = 20;

/// Times are in `zone`; the last line is the summary.
pub fn plan(document: &PlanDocument, options: TextOptions, zone: &TimeZone) -> String {
    let color = options.color;
    let mut text = workspace_line(&document.workspace, &document.endpoint);
    for violation in &document.guard_violations {
        finding(&mut text, "blocked", violation, paint(color, AnsiColor::Red));
    }
    for conflict in &document.conflicts {
        finding(&mut text, "conflict", conflict, paint(color, AnsiColor::Red));
    }
    for warning in &document.warnings {
        finding(&mut text, "warning", warning, paint(color, AnsiColor::Yellow));
    }
    for step in &document.steps {
        self::step(&mut text, step, &document.steps, options);
    }
    if !options.compact {
        adoptions(&mut text, &document.adopted);
    }
    if !document.steps.is_empty() || !options.compact && !document.adopted.is_empty() {
        text.push('\n');
    }
    let estimate = document.estimate.as_ref();
    let freshness = document.freshness.as_ref();
    // The last line of a plan without changes contains the same.
    let is_in_last_line = !document.is_blocked()
        && document.is_empty()
        && freshness.is_some_and(|freshness| freshness.managed.cached > 0 && !freshness.offline);
    let sources = freshness.filter(|_| !is_in_last_line).and_then(self::freshness);
    let lines = plan_notes(document)
        .into_iter()
        .chain(sources)
        .chain(estimate.map(|estimate| self::estimate(estimate, zone)));
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    let blocked = blocked(document);
    let last = match (blocked, document.is_empty()) {
        (Some(blocked), _) => format!("Cannot apply: {blocked}."),
        (None, true) => nothing_found("No changes", freshness),
        (None, false) if document.steps.is_empty() => {
            format!(
                "Plan: {} to adopt, no changes in MoEngage.",
                document.summary.adopt
            )
        }
        (None, false) => plan_summary(document.summary),
    };
    let _ = writeln!(text, "{last}");
    text
}

/// Everything that forbids an apply, counted: `1 conflict and 1 guard violation`.
pub fn blocked(document: &PlanDocument) -> Option<String> {
    let blocked = [
        (document.conflicts.len(), "conflict"),
        (document.guard_violations.len(), "guard violation"),
    ];
    let blocked = blocked.into_iter().filter(|(count, _)| *count > 0);
    let blocked: Vec<_> = blocked.map(|(count, noun)| count_noun(count, noun)).collect();
    (!blocked.is_empty()).then(|| join_with_and(&blocked))
}

fn plan_summary(summary: Summary) -> String {
    let counts = [
        (summary.create, "create"),
        (summary.update, "update"),
        (summary.archive, "archive"),
        (summary.unarchive, "unarchive"),
    ];
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, action)| format!("{count} to {action}"))
        .collect();
    let temporary = temporary_changes(summary.temporary_changes);
    let adopt = match summary.adopt {
        0 => String::new(),
        count => format!(", {count} to adopt"),
    };
    format!("Plan: {}{temporary}{adopt}.", counts.join(", "))
}

/// Existing segments that become managed without a step, one line for each.
fn adoptions(text: &mut String, adopted: &[MatchDocument]) {
    for adopted in adopted.iter().take(MAX_ADOPTIONS) {
        let id = adopted.id.as_deref().unwrap_or_default();
        let reason = adopted.match_reason.as_deref().unwrap_or_default();
        let [id, reason] = [id, reason].map(escape_unprintable);
        let _ = writeln!(text, "= adopt {} (id {id}, {reason})", quoted(&adopted.segment));
    }
    let more = adopted.len().saturating_sub(MAX_ADOPTIONS);
    if more > 0 {
        let _ = writeln!(text, "= and {more} more to adopt (--json lists all)");
    }
}

fn step(text: &mut String, step: &StepDocument, steps: &[StepDocument], options: TextOptions) {
    let color = options.color;
    let style = match step.action.as_str() {
        "create" | "unarchive" => paint(color, AnsiColor::Green),
        "archive" => paint(color, AnsiColor::Red),
        _ => paint(color, AnsiColor::Yellow),
    };
    // Without a location, the reason for the match is that the segment is not in the configuration.
    let location = match (&step.origin, &step.match_reason) {
        (Some(origin), _) => file_and_line(origin),
        (None, Some(reason)) => escape_unprintable(reason),
        (None, None) => NOT_IN_CONFIGURATION.to_owned(),
    };
    let (symbol, action, name) = (action_symbol(&step.action), &step.action, quoted(&step.segment));
    let _ = write!(text, "{style}{symbol} {action}{style:#} {name} ({location})");
    if options.compact {
        let suffix = step.temporary_change.map_or("", |_| ", temporary change");
        let _ = writeln!(text, "{suffix}");
        return;
    }
    text.push('\n');
    if let Some(id) = &step.id {
        let _ = write!(text, "    id: {}", escape_unprintable(id));
        if let (Some(_), Some(reason)) = (&step.origin, &step.match_reason) {
            let _ = write!(text, " ({})", escape_unprintable(reason));
        }
        text.push('\n');
    }
    for line in step_notes(step, steps) {
        let _ = writeln!(text, "    {line}");
    }
    if step.action == "create" {
        change::definition(text, &step.changes, color);
    } else {
        change::changes(text, &step.changes, color);
    }
}

fn step_notes(step: &StepDocument, steps: &[StepDocument]) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(missing) = &step.replaces_missing {
        notes.push(format!(
            "replaces a missing segment: id {}, applied {:.0}, does not exist in MoEngage any more",
            escape_unprintable(&missing.id),
            missing.applied_at
        ));
    }
    notes.extend(
        step.lifecycle_drift
            .map(|drift| lifecycle_drift(drift).to_owned()),
    );
    if step.adopts {
        notes.push(match step.origin {
            Some(_) => "adopts an existing segment".to_owned(),
            None => "not created by segctl; the state keeps its definition".to_owned(),
        });
    }
    let freed_for = step.frees_slot_for.as_ref();
    notes.extend(freed_for.map(|name| format!("frees a slot for {}", quoted(name))));
    // The segment that needs the slot may be the only one that requires the step.
    let required_by = step.required_by.iter().filter(|name| freed_for != Some(*name));
    let required_by = join_limited(required_by.map(|name| quoted(name)));
    if !required_by.is_empty() {
        notes.push(format!("required by {required_by}"));
    }
    notes.extend(temporary_change(step, steps));
    if let Some(members) = &step.members {
        notes.extend(self::members(members));
    }
    notes
}

/// Which step of a temporary change it is, and which one is final.
fn temporary_change(step: &StepDocument, steps: &[StepDocument]) -> Option<String> {
    let freed = match step.temporary_change? {
        TemporaryChange::Name => "name",
        TemporaryChange::Definition => "definition",
        TemporaryChange::Both => "name and definition",
    };
    let updates: Vec<&StepDocument> = steps
        .iter()
        .filter(|other| other.id == step.id && other.action == step.action)
        .collect();
    let position = updates.iter().position(|other| other.number == step.number);
    let last = updates.last().filter(|last| last.temporary_change.is_none());
    Some(match (position, last) {
        (Some(position), Some(last)) => format!(
            "temporary change {} of {}: frees its {freed} for another segment; step {} sets the final {freed}",
            position + 1,
            updates.len(),
            last.number
        ),
        _ => format!("temporary change: frees its {freed} for another segment"),
    })
}

fn members(members: &MembersDocument) -> Vec<String> {
    let is_sync = members.operation == "sync";
    let noun = if is_sync { "members" } else { "users" };
    let changes = [(members.added, "added"), (members.removed, "removed")];
    let known: Vec<String> = changes
        .iter()
        .filter_map(|(count, word)| Some(format!("{} {word}", with_thousands_separators((*count)?))))
        .collect();
    let changes = match known.as_slice() {
        [] => "all of the list".to_owned(),
        known => known.join(", "),
    };
    let total = members
        .total
        .map(|total| format!(" ({} total)", with_thousands_separators(total)));
    let requests = if is_sync {
        count_noun(members.requests, "request")
    } else {
        // The API's name of the operation has dashes.
        format!("by {}", members.operation.replace('_', "-"))
    };
    let mut lines = vec![format!(
        "{noun}: {changes}{}, {requests}",
        total.unwrap_or_default()
    )];
    if let Some(error) = &members.previous_error {
        lines.push(format!(
            "the users of the segment are unknown: MoEngage could not read the previous list: {}",
            escape_unprintable(error)
        ));
    }
    if members.resumes {
        lines.push(format!(
            "the result of an earlier request is unknown: the {noun} it may have changed are sent again"
        ));
    }
    lines
}
