//! The outcome of each step, and the end of a run, as text.

use super::{action_symbol, paint, quoted, temporary_changes};
use crate::model::escape_unprintable;
use crate::render::json::{OutcomeDocument, RunSummaryDocument};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;

pub fn outcome(outcome: &OutcomeDocument, color: bool) -> String {
    let style = match outcome.outcome.as_str() {
        "applied" | "unchanged" => Style::new(),
        "skipped" | "not_attempted" => paint(color, AnsiColor::Yellow),
        _ => paint(color, AnsiColor::Red),
    };
    let mut text = format!(
        "{} {} {}: {style}{}{style:#}\n",
        action_symbol(&outcome.action),
        outcome.action,
        quoted(&outcome.segment),
        outcome.outcome.replace('_', " ")
    );
    for note in outcome.notes.iter().chain(&outcome.message) {
        let _ = writeln!(text, "    {}", escape_unprintable(note));
    }
    text
}

pub fn run_summary(summary: &RunSummaryDocument) -> String {
    let counts = summary.counts;
    let reasons = summary.stop_reasons.iter();
    let reasons: Vec<_> = reasons.map(|reason| escape_unprintable(reason)).collect();
    let done = counts.applied + counts.temporary_changes + counts.unchanged;
    let not_done = counts.skipped + counts.failed + counts.unknown;
    // Without a reason, the error is on standard error.
    let is_failed = !reasons.is_empty() || summary.exit_code != 0;
    if done + not_done == 0 && is_failed {
        let because = if reasons.is_empty() { "" } else { ": " };
        return format!(
            "Apply failed{because}{}. No changes were made.\n",
            reasons.join("; ")
        );
    }
    if done + not_done + counts.not_attempted + counts.adopted == 0 {
        return "No changes.\n".to_owned();
    }
    let stopped = match reasons.as_slice() {
        [] => String::new(),
        reasons => format!("Stopped: {}\n", reasons.join("\n    ")),
    };
    let is_complete = !is_failed && not_done + counts.not_attempted == 0;
    let end = if is_complete { "complete" } else { "incomplete" };
    let others = [
        (counts.unchanged, "unchanged"),
        (counts.skipped, "skipped"),
        (counts.failed, "failed"),
        (counts.unknown, "unknown"),
        (counts.not_attempted, "not attempted"),
        (counts.adopted, "adopted"),
    ];
    let others = others.iter().filter(|(count, _)| *count > 0);
    let others: String = others.map(|(count, word)| format!(", {count} {word}")).collect();
    let temporary = temporary_changes(counts.temporary_changes);
    format!(
        "{stopped}Apply {end}: {} applied{temporary}{others}.\n",
        counts.applied
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::json::OutcomeCountsDocument;
    use jiff::Timestamp;

    #[test]
    fn the_summary_counts_what_the_plan_counted() {
        let zero = OutcomeCountsDocument::default();
        let table = [
            (
                OutcomeCountsDocument {
                    applied: 2,
                    temporary_changes: 1,
                    ..zero
                },
                (0, ""),
                "Apply complete: 2 applied (1 temporary change).\n",
            ),
            (
                OutcomeCountsDocument {
                    applied: 2,
                    adopted: 3,
                    ..zero
                },
                (0, ""),
                "Apply complete: 2 applied, 3 adopted.\n",
            ),
            (
                OutcomeCountsDocument { adopted: 200, ..zero },
                (0, ""),
                "Apply complete: 0 applied, 200 adopted.\n",
            ),
            (
                OutcomeCountsDocument {
                    not_attempted: 1,
                    ..zero
                },
                (4, "the plan has 1 conflict and 1 guard violation"),
                "Apply failed: the plan has 1 conflict and 1 guard violation. No changes were made.\n",
            ),
        ];
        for (counts, (exit_code, reason), expected) in table {
            let summary = RunSummaryDocument {
                workspace: None,
                run: String::new(),
                started_at: Timestamp::UNIX_EPOCH,
                ended_at: Timestamp::UNIX_EPOCH,
                exit_code,
                counts,
                freshness: None,
                stop_reasons: Some(reason)
                    .filter(|reason| !reason.is_empty())
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
            };
            assert_eq!(run_summary(&summary), expected);
        }
    }
}
