//! The report of a run as a document.

use super::FORMAT_VERSION;
use crate::apply::run_report::{ListOutcome, RunReport, SkipReason, StepOutcome, StepReport};
use crate::model::{Freshness, UploadCounts};
use jiff::Timestamp;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReportDocument {
    pub format_version: String,
    pub segctl_version: String,
    #[serde(flatten)]
    pub summary: RunSummaryDocument,
    /// Empty when the run ended before there was a plan.
    pub steps: Vec<OutcomeDocument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunSummaryDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    pub run: String,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub exit_code: u8,
    pub counts: OutcomeCountsDocument,
    /// Of the plan; missing when the run ended before there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// Why the run ended before its last step: the error first, then its causes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_reasons: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutcomeCountsDocument {
    /// Without temporary changes, as in the summary of the plan.
    pub applied: usize,
    pub temporary_changes: usize,
    pub unchanged: usize,
    /// Includes rolled-back steps.
    pub skipped: usize,
    pub failed: usize,
    pub unknown: usize,
    pub not_attempted: usize,
    /// Existing segments that became managed, changed or not.
    pub adopted: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeDocument {
    pub number: usize,
    /// `create`, `update`, `archive` or `unarchive`.
    pub action: String,
    pub segment: String,
    /// `applied`, `unchanged`, `skipped`, `rolled_back`, `failed`, `unknown` or `not_attempted`.
    pub outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The result of the user list, when MoEngage accepted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_result: Option<UploadResultDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UploadResultDocument {
    /// `pending` or `processed`.
    pub outcome: &'static str,
    #[serde(flatten)]
    pub processed: UploadCounts,
}

impl RunReportDocument {
    pub fn new(report: &RunReport, summary: RunSummaryDocument) -> Self {
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            segctl_version: env!("CARGO_PKG_VERSION").to_owned(),
            summary,
            steps: report.steps.iter().map(OutcomeDocument::new).collect(),
        }
    }
}

impl OutcomeCountsDocument {
    /// Without adopted segments, which the report does not have.
    pub fn new(report: &RunReport) -> Self {
        let counts = report.counts();
        Self {
            applied: counts.applied,
            temporary_changes: counts.temporary_changes,
            unchanged: counts.unchanged,
            skipped: counts.skipped,
            failed: counts.failed,
            unknown: counts.unknown,
            not_attempted: counts.not_attempted,
            adopted: 0,
        }
    }
}

impl OutcomeDocument {
    pub fn new(report: &StepReport) -> Self {
        let (id, notes) = match &report.outcome {
            StepOutcome::Applied { id, notes, .. } | StepOutcome::Unchanged { id, notes } => {
                (Some(id.to_string()), notes.clone())
            }
            _ => (None, Vec::new()),
        };
        Self {
            number: report.number,
            action: report.action.to_owned(),
            segment: report.segment.to_string(),
            outcome: report.outcome.as_str().to_owned(),
            id,
            notes,
            upload_result: upload_result(&report.outcome),
            message: message(&report.outcome),
        }
    }
}

fn upload_result(outcome: &StepOutcome) -> Option<UploadResultDocument> {
    let StepOutcome::Applied { list_outcome, .. } = outcome else {
        return None;
    };
    let (outcome, processed) = match (*list_outcome)? {
        ListOutcome::Pending => ("pending", UploadCounts::default()),
        ListOutcome::Processed(processed) => ("processed", processed),
    };
    Some(UploadResultDocument { outcome, processed })
}

fn message(outcome: &StepOutcome) -> Option<String> {
    match outcome {
        StepOutcome::Applied { .. } | StepOutcome::Unchanged { .. } | StepOutcome::NotAttempted => None,
        StepOutcome::Skipped(SkipReason::DependencyNotApplied(name)) => {
            Some(format!("depends on `{name}`, which was not applied"))
        }
        StepOutcome::Skipped(SkipReason::Drifted) => {
            Some("the segment changed since the plan was created: create a new plan".to_owned())
        }
        StepOutcome::Failed { message } | StepOutcome::Unknown { message } => Some(message.clone()),
        StepOutcome::RolledBack => Some(
            "a later step failed; the temporary change was rolled back and the segment is as before the run"
                .to_owned(),
        ),
    }
}
