//! A receipt as a document.

use super::FORMAT_VERSION;
use crate::apply::run_report::{ListOutcome, RunReport, SkipReason, StepOutcome, StepReport};
use crate::model::UploadCounts;
use jiff::Timestamp;
use serde::Serialize;

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReportDocument {
    /// See the module's documentation.
    pub format_version: String,
    /// The segctl that ran the plan.
    pub segctl_version: String,
    /// The run and how it ended.
    #[serde(flatten)]
    pub summary: RunSummaryDocument,
    /// What came of each step; none when the run ended before there was a plan.
    pub steps: Vec<OutcomeDocument>,
}

/// A run and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunSummaryDocument {
    /// The workspace's name in `segctl.yaml`; missing when the run ended before it was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// What the ledger calls the run.
    pub run: String,
    /// When it began, by this machine's clock.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What the process exits with.
    pub exit_code: u8,
    /// The outcomes, counted.
    pub counts: OutcomeCountsDocument,
    /// Why the run ended before its last step: first what is the matter, then what it comes from, each on its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_reasons: Vec<String>,
}

/// How many steps came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutcomeCountsDocument {
    /// Done.
    pub applied: usize,
    /// So already.
    pub unchanged: usize,
    /// Not written, or taken back.
    pub skipped: usize,
    /// Refused.
    pub failed: usize,
    /// Not known.
    pub unknown: usize,
    /// Not come to.
    pub not_attempted: usize,
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeDocument {
    /// The step's number in the plan.
    pub number: usize,
    /// `create`, `update`, `archive` or `unarchive`.
    pub action: String,
    /// The declared name.
    pub segment: String,
    /// `applied`, `unchanged`, `skipped`, `taken back`, `failed`, `unknown` or `not attempted`.
    pub outcome: String,
    /// The segment's id, when it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is worth knowing about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What became of its list, where the service was told of one and took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_result: Option<UploadResultDocument>,
    /// Why it was not applied, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What became of a list that the service took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UploadResultDocument {
    /// `not known` or `processed`.
    pub outcome: &'static str,
    /// What the service said of it.
    #[serde(flatten)]
    pub processed: UploadCounts,
}

impl RunReportDocument {
    /// The document of `receipt`, of a run that ended so.
    #[must_use]
    pub fn new(receipt: &RunReport, end: RunSummaryDocument) -> Self {
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            segctl_version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: end,
            steps: receipt.steps.iter().map(OutcomeDocument::new).collect(),
        }
    }
}

impl OutcomeCountsDocument {
    /// The outcomes of `receipt`, counted.
    #[must_use]
    pub fn new(receipt: &RunReport) -> Self {
        let tally = receipt.counts();
        Self {
            applied: tally.applied,
            unchanged: tally.unchanged,
            skipped: tally.skipped,
            failed: tally.failed,
            unknown: tally.unknown,
            not_attempted: tally.not_attempted,
        }
    }
}

impl OutcomeDocument {
    /// The document of one outcome.
    #[must_use]
    pub fn new(entry: &StepReport) -> Self {
        let (id, notes) = match &entry.outcome {
            StepOutcome::Applied { id, notes, .. } | StepOutcome::Unchanged { id, notes } => {
                (Some(id.to_string()), notes.clone())
            }
            _ => (None, Vec::new()),
        };
        Self {
            number: entry.number,
            action: entry.action.to_owned(),
            segment: entry.segment.to_string(),
            outcome: entry.outcome.as_str().to_owned(),
            id,
            notes,
            upload_result: upload_result(&entry.outcome),
            message: message(&entry.outcome),
        }
    }
}

/// What became of a list.
fn upload_result(outcome: &StepOutcome) -> Option<UploadResultDocument> {
    let StepOutcome::Applied {
        list_outcome: list, ..
    } = outcome
    else {
        return None;
    };
    Some(match (*list)? {
        ListOutcome::Pending => UploadResultDocument {
            outcome: "not known",
            processed: UploadCounts::default(),
        },
        ListOutcome::Processed(processed) => UploadResultDocument {
            outcome: "processed",
            processed,
        },
    })
}

/// Why a step was not applied.
fn message(outcome: &StepOutcome) -> Option<String> {
    match outcome {
        StepOutcome::Applied { .. } | StepOutcome::Unchanged { .. } | StepOutcome::NotAttempted => None,
        StepOutcome::Skipped(SkipReason::DependencyNotApplied(name)) => {
            Some(format!("it depends on `{name}`"))
        }
        StepOutcome::Skipped(SkipReason::Drifted) => {
            Some("it is not as the plan saw it any more; plan again".to_owned())
        }
        StepOutcome::Failed { message } | StepOutcome::Unknown { message } => Some(message.clone()),
        StepOutcome::RolledBack => {
            Some("what should have followed could not; the segment is what it was".to_owned())
        }
    }
}
