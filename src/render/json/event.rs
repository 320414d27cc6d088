//! The events of an apply, for programs: one line of JSON for each, written when it happens.
//!
//! | type | when |
//! |---|---|
//! | `version` | first |
//! | `planned_change` | for each step, in the order of the plan |
//! | `diagnostic` | for each error and warning in the configuration, the plan or the run |
//! | `apply_start` | when a step begins; never for a step that is not attempted |
//! | `apply_complete` | when a step is applied or unchanged |
//! | `apply_errored` | when a step ends otherwise |
//! | `change_summary` | last, also after an error or a stop |
//!
//! Each step ends once, except that a temporary change which is rolled back begins and ends again: the last event of a
//! number counts. A run that ends before its first step, or that is killed, emits no events for the remaining steps;
//! `change_summary` counts them anyway.

use super::FORMAT_VERSION;
use super::diagnostic::DiagnosticDocument;
use super::plan::StepDocument;
use super::run_report::{OutcomeDocument, RunSummaryDocument};
use crate::apply::run_report::StepReport;
use crate::plan::step::Step;
use jiff::Timestamp;
use serde::Serialize;

const STABILITY: &str = "minor format versions only add event types and fields: ignore unknown ones; reject another major version";

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventDocument<'a> {
    /// By the local clock.
    pub at: Timestamp,
    #[serde(flatten)]
    pub event: RunEvent<'a>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEvent<'a> {
    Version(VersionDocument<'a>),
    PlannedChange(&'a StepDocument),
    Diagnostic(DiagnosticDocument),
    ApplyStart(StepStartDocument),
    ApplyComplete(OutcomeDocument),
    ApplyErrored(OutcomeDocument),
    ChangeSummary(&'a RunSummaryDocument),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionDocument<'a> {
    pub format_version: &'static str,
    pub segctl_version: &'static str,
    pub stability: &'static str,
    /// The run's id in the state.
    pub run: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepStartDocument {
    pub number: usize,
    /// `create`, `update`, `archive` or `unarchive`.
    pub action: String,
    pub segment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl<'a> RunEvent<'a> {
    pub fn version(run: &'a str) -> Self {
        Self::Version(VersionDocument {
            format_version: FORMAT_VERSION,
            segctl_version: env!("CARGO_PKG_VERSION"),
            stability: STABILITY,
            run,
        })
    }

    pub fn started(step: &Step) -> Self {
        Self::ApplyStart(StepStartDocument {
            number: step.number,
            action: step.action.as_str().to_owned(),
            segment: step.segment.to_string(),
            id: step.action.target().map(|target| target.id.to_string()),
        })
    }

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
    use crate::plan::step::{Code, Finding};
    use crate::render::json::FindingKind;
    use serde_json::{Value, json};
    use std::sync::Arc;

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
        let notes = vec!["matched by name".to_owned()];
        let table = [
            (
                StepOutcome::applied(id.clone(), notes),
                json!({"type": "apply_complete", "outcome": "applied", "id": "a1", "notes": ["matched by name"]}),
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
                json!({"type": "apply_errored", "outcome": "skipped", "message": "depends on `B`, which was not applied"}),
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
                json!({"type": "apply_errored", "outcome": "not_attempted"}),
            ),
        ];
        for (outcome, mut expected) in table {
            let entry = StepReport {
                number: 2,
                segment: SegmentName::new("A"),
                action: "update",
                is_temporary: false,
                outcome,
            };
            expected["number"] = json!(2);
            expected["action"] = json!("update");
            expected["segment"] = json!("A");
            assert_eq!(serialized(RunEvent::finished(&entry)), expected);
        }
    }

    #[test]
    fn all_diagnostics_have_the_same_form() {
        let whole = Location::whole_file(Arc::from("a.yaml"));
        let diagnostic = Diagnostic::warning("SEG007", "no file", whole, "here").with_help("fix it");
        let finding = Finding {
            segments: vec![SegmentName::new("A")],
            remote_ids: vec![SegmentId::new("b2")],
            ..Finding::new(Code::NameTaken, "taken".to_owned())
        };
        let document = |kind| DiagnosticDocument::of_finding(&finding, kind);
        let expected = |severity: &str, source: &str| {
            json!({"type": "diagnostic", "severity": severity, "source": source, "code": "name_taken", "message": "taken",
                   "segments": ["A"], "remote_ids": ["b2"]})
        };
        let table = [
            (
                DiagnosticDocument::of_configuration(&diagnostic),
                json!({"type": "diagnostic", "severity": "warning", "source": "configuration", "code": "SEG007", "message": "no file",
                       "labels": [{"file": "a.yaml", "line": null, "column": null, "message": "here"}], "help": ["fix it"]}),
            ),
            (document(FindingKind::Conflict), expected("error", "conflict")),
            (document(FindingKind::Guard), expected("error", "guard")),
            (document(FindingKind::Warning), expected("warning", "plan")),
            (
                DiagnosticDocument::of_run("stale", "old", &["A was renamed".to_owned()], &[]),
                json!({"type": "diagnostic", "severity": "error", "source": "run", "code": "stale", "message": "old",
                       "notes": ["A was renamed"]}),
            ),
        ];
        for (diagnostic, expected) in table {
            assert_eq!(serialized(RunEvent::Diagnostic(diagnostic)), expected);
        }
    }
}
