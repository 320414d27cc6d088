//! A receipt as a document.

use super::FORMAT_VERSION;
use crate::apply::receipt::{Entry, Outcome, Receipt, SkipReason};
use serde::Serialize;

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptDocument {
    /// See the module's documentation.
    pub format_version: String,
    /// The segctl that ran the plan.
    pub segctl_version: String,
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// The outcomes, counted.
    pub tally: TallyDocument,
    /// What came of each step.
    pub steps: Vec<OutcomeDocument>,
    /// Why the run ended before its last step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// How many steps came to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TallyDocument {
    /// Done.
    pub applied: usize,
    /// So already.
    pub unchanged: usize,
    /// Not written.
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
}

impl ReceiptDocument {
    /// The document of `receipt`.
    #[must_use]
    pub fn new(workspace: &str, receipt: &Receipt, stopped: Option<String>) -> Self {
        let tally = receipt.tally();
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            segctl_version: env!("CARGO_PKG_VERSION").to_owned(),
            workspace: workspace.to_owned(),
            tally: TallyDocument {
                applied: tally.applied,
                unchanged: tally.unchanged,
                skipped: tally.skipped,
                failed: tally.failed,
                unknown: tally.unknown,
                not_attempted: tally.not_attempted,
            },
            steps: receipt.entries.iter().map(OutcomeDocument::new).collect(),
            stopped,
        }
    }
}

impl OutcomeDocument {
    /// The document of one outcome.
    #[must_use]
    pub fn new(entry: &Entry) -> Self {
        let (id, notes) = match &entry.outcome {
            Outcome::Applied { id, notes } | Outcome::Unchanged { id, notes } => {
                (Some(id.to_string()), notes.clone())
            }
            Outcome::Skipped(SkipReason::DependsOn(name)) => (None, vec![format!("it depends on `{name}`")]),
            Outcome::Skipped(SkipReason::Drifted) => (
                None,
                vec!["it is not as the plan saw it any more; plan again".to_owned()],
            ),
            Outcome::Failed { message } | Outcome::Unknown { message } => (None, vec![message.clone()]),
            Outcome::TakenBack => (
                None,
                vec!["what should have followed could not; the segment is what it was".to_owned()],
            ),
            Outcome::NotAttempted => (None, Vec::new()),
        };
        Self {
            number: entry.number,
            action: entry.action.to_owned(),
            segment: entry.segment.to_string(),
            outcome: entry.outcome.as_str().to_owned(),
            id,
            notes,
        }
    }
}
