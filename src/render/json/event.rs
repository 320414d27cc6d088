//! What goes on during an apply, for programs: one line of JSON for each thing that happens, as it happens.
//!
//! | type | when |
//! |---|---|
//! | `version` | first |
//! | `planned_change` | for each step of the plan, in the order of the plan |
//! | `diagnostic` | for everything that is wrong or likely not meant: in the files, the plan, or the run |
//! | `apply_start` | when a step begins; never for a step that is not come to |
//! | `apply_complete` | when the workspace is as a step wanted it |
//! | `apply_errored` | when a step ends otherwise |
//! | `change_summary` | last, also after an error or a stop |
//!
//! Each step ends once, with one exception: a step in passing that is taken back begins and ends once more. What was said
//! last of a number is so. A run that ends before its first step, or that is left at
//! once, says nothing more of its steps; `change_summary` counts them all the same.

use super::FORMAT_VERSION;
use super::diagnostic::DiagnosticDocument;
use super::plan::StepDocument;
use super::run_report::{OutcomeDocument, RunSummaryDocument};
use crate::apply::run_report::StepReport;
use crate::plan::step::Step;
use jiff::Timestamp;
use serde::Serialize;

/// What a reader can rely on, said in each stream.
const STABILITY: &str = "within a major format version, types of events and fields are only added: pass over those that you do not \
                         know, and refuse another major version";

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventDocument<'a> {
    /// When it happened, by this machine's clock.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: RunEvent<'a>,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEvent<'a> {
    /// A run begins.
    Version(VersionDocument<'a>),
    /// A step is planned.
    PlannedChange(&'a StepDocument),
    /// Something is wrong, or likely not meant.
    Diagnostic(DiagnosticDocument),
    /// A step begins.
    ApplyStart(StepStartDocument),
    /// A step ended, and the workspace is as it wanted it.
    ApplyComplete(OutcomeDocument),
    /// A step ended otherwise.
    ApplyErrored(OutcomeDocument),
    /// The run ended.
    ChangeSummary(&'a RunSummaryDocument),
}

/// What the lines after this one are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionDocument<'a> {
    /// See the module's documentation.
    pub format_version: &'static str,
    /// The segctl that runs.
    pub segctl_version: &'static str,
    /// What a reader can rely on.
    pub stability: &'static str,
    /// What the ledger calls the run.
    pub run: &'a str,
}

/// A step that begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepStartDocument {
    /// The step's number in the plan.
    pub number: usize,
    /// `create`, `update`, `archive` or `unarchive`.
    pub action: String,
    /// The declared name.
    pub segment: String,
    /// The live segment's id, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl<'a> RunEvent<'a> {
    /// The run that the ledger calls `run` begins.
    #[must_use]
    pub fn version(run: &'a str) -> Self {
        Self::Version(VersionDocument {
            format_version: FORMAT_VERSION,
            segctl_version: env!("CARGO_PKG_VERSION"),
            stability: STABILITY,
            run,
        })
    }

    /// `step` begins.
    #[must_use]
    pub fn started(step: &Step) -> Self {
        Self::ApplyStart(StepStartDocument {
            number: step.number,
            action: step.action.as_str().to_owned(),
            segment: step.segment.to_string(),
            id: step.action.target().map(|target| target.id.to_string()),
        })
    }

    /// A step ended.
    #[must_use]
    pub fn finished(entry: &StepReport) -> Self {
        let outcome = OutcomeDocument::new(entry);
        if entry.outcome.is_done() {
            Self::ApplyComplete(outcome)
        } else {
            Self::ApplyErrored(outcome)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::run_report::{SkipReason, StepOutcome};
    use crate::diagnostic::{Diagnostic, Location};
    use crate::model::{SegmentId, SegmentName};
    use crate::render::json::{FindingDocument, FindingKind};
    use serde_json::{Value, json};
    use std::sync::Arc;

    /// An event as whoever reads it gets it.
    fn serialized(event: RunEvent<'_>) -> Value {
        let at = Timestamp::UNIX_EPOCH;
        let line = serde_json::to_string(&EventDocument { at, event }).unwrap();
        assert!(!line.contains('\n'), "{line}");
        let mut value: Value = serde_json::from_str(&line).unwrap();
        let at = value.as_object_mut().unwrap().remove("at");
        assert_eq!(at, Some(json!("1970-01-01T00:00:00Z")));
        value
    }

    #[test]
    fn only_applied_and_unchanged_steps_emit_apply_complete() {
        let id = SegmentId::new("a1");
        let message = "two\nlines".to_owned();
        let notes = vec!["found by name".to_owned()];
        let table = [
            (
                StepOutcome::applied(id.clone(), notes),
                json!({"type": "apply_complete", "outcome": "applied", "id": "a1", "notes": ["found by name"]}),
            ),
            (
                StepOutcome::Unchanged {
                    id,
                    notes: Vec::new(),
                },
                json!({"type": "apply_complete", "outcome": "unchanged", "id": "a1"}),
            ),
            (
                StepOutcome::Skipped(SkipReason::DependencyNotApplied(SegmentName::new("B"))),
                json!({"type": "apply_errored", "outcome": "skipped", "message": "it depends on `B`"}),
            ),
            (
                StepOutcome::Failed {
                    message: message.clone(),
                },
                json!({"type": "apply_errored", "outcome": "failed", "message": "two\nlines"}),
            ),
            (
                StepOutcome::Unknown { message },
                json!({"type": "apply_errored", "outcome": "unknown", "message": "two\nlines"}),
            ),
            (
                StepOutcome::NotAttempted,
                json!({"type": "apply_errored", "outcome": "not attempted"}),
            ),
        ];
        for (outcome, mut wanted) in table {
            let entry = StepReport {
                number: 2,
                segment: SegmentName::new("A"),
                action: "update",
                outcome,
            };
            for (key, value) in [
                ("number", json!(2)),
                ("action", json!("update")),
                ("segment", json!("A")),
            ] {
                wanted[key] = value;
            }
            assert_eq!(serialized(RunEvent::finished(&entry)), wanted);
        }
    }

    #[test]
    fn all_diagnostics_have_the_same_shape() {
        let whole = Location::whole_file(Arc::from("a.yaml"));
        let fault = Diagnostic::warning("SEG007", "no file", whole, "here").with_help("mend it");
        let finding = FindingDocument {
            code: "name_taken".to_owned(),
            segments: vec!["A".to_owned()],
            origins: Vec::new(),
            remote_ids: vec!["b2".to_owned()],
            message: "taken".to_owned(),
            help: Vec::new(),
            changes: Vec::new(),
        };
        let found = |kind| DiagnosticDocument::of_finding(&finding, kind);
        let as_found = |severity: &str, about: &str| {
            json!({"type": "diagnostic", "severity": severity, "about": about, "code": "name_taken", "message": "taken",
                   "segments": ["A"], "holders": ["b2"]})
        };
        let table = [
            (
                DiagnosticDocument::of_files(&fault),
                json!({"type": "diagnostic", "severity": "warning", "about": "files", "code": "SEG007", "message": "no file",
                       "labels": [{"file": "a.yaml", "line": null, "column": null, "message": "here"}], "help": ["mend it"]}),
            ),
            (found(FindingKind::Conflict), as_found("error", "conflict")),
            (found(FindingKind::Guard), as_found("error", "guard")),
            (found(FindingKind::Warning), as_found("warning", "plan")),
            (
                DiagnosticDocument::of_run("stale", "old", (&["A was renamed".to_owned()], &[])),
                json!({"type": "diagnostic", "severity": "error", "about": "run", "code": "stale", "message": "old",
                       "notes": ["A was renamed"]}),
            ),
        ];
        for (diagnostic, wanted) in table {
            assert_eq!(serialized(RunEvent::Diagnostic(diagnostic)), wanted);
        }
    }
}
