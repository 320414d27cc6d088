//! What came of each step: the record that every run leaves, also one that failed.

use crate::model::{SegmentId, SegmentName, UploadCounts};

/// What came of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// One entry for each step, in the order of the plan.
    pub steps: Vec<StepReport>,
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The step's number in the plan.
    pub number: usize,
    /// The declared name.
    pub segment: SegmentName,
    /// The word for the action.
    pub action: &'static str,
    /// What came of it.
    pub outcome: StepOutcome,
}

/// What can come of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// The workspace is as the step wanted it.
    Applied {
        /// The segment's id.
        id: SegmentId,
        /// What is worth knowing about the way there, or about what the service made of it.
        notes: Vec<String>,
        /// What became of its list, where the service was told of one.
        list_outcome: Option<ListOutcome>,
    },
    /// The workspace was so already, and nothing was written.
    Unchanged {
        /// The segment's id.
        id: SegmentId,
        /// What is worth knowing.
        notes: Vec<String>,
    },
    /// Nothing was written.
    Skipped(SkipReason),
    /// The service refused: the segment is not as the step wanted it.
    Failed {
        /// Why, and what to do.
        message: String,
    },
    /// The service may or may not have done it.
    Unknown {
        /// What happened, and what to do.
        message: String,
    },
    /// It was applied in passing, what should have followed was not, and it was taken back.
    RolledBack,
    /// The run ended before.
    NotAttempted,
}

/// What became of a list that the service was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOutcome {
    /// It reads the list later, and nobody waited for what it says then, or it said nothing in time.
    Pending,
    /// It said so.
    Processed(UploadCounts),
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// A step that this one depends on was not applied.
    DependencyNotApplied(SegmentName),
    /// The segment is not as the plan saw it.
    Drifted,
}

/// How many steps came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
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

impl RunReport {
    /// Counts the outcomes.
    #[must_use]
    pub fn counts(&self) -> OutcomeCounts {
        let mut counts = OutcomeCounts::default();
        for entry in &self.steps {
            match entry.outcome {
                StepOutcome::Applied { .. } => counts.applied += 1,
                StepOutcome::Unchanged { .. } => counts.unchanged += 1,
                StepOutcome::Skipped(_) | StepOutcome::RolledBack => counts.skipped += 1,
                StepOutcome::Failed { .. } => counts.failed += 1,
                StepOutcome::Unknown { .. } => counts.unknown += 1,
                StepOutcome::NotAttempted => counts.not_attempted += 1,
            }
        }
        counts
    }

    /// Whether a step wrote something, or may have, by its outcome.
    pub(super) fn may_have_written(&self) -> bool {
        self.steps.iter().any(|entry| match entry.outcome {
            StepOutcome::Applied { .. } | StepOutcome::Unknown { .. } | StepOutcome::RolledBack => true,
            StepOutcome::Failed { .. }
            | StepOutcome::Skipped(_)
            | StepOutcome::Unchanged { .. }
            | StepOutcome::NotAttempted => false,
        })
    }

    /// Whether the workspace is as every step wanted it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.steps.iter().all(|entry| entry.outcome.is_done())
    }
}

impl StepOutcome {
    /// A step that was applied, and that told the service of no list.
    #[must_use]
    pub fn applied(id: SegmentId, notes: Vec<String>) -> Self {
        Self::Applied {
            id,
            notes,
            list_outcome: None,
        }
    }

    /// Whether the workspace is as the step wanted it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Applied { .. } | Self::Unchanged { .. })
    }

    /// The word for the outcome in text and JSON.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Unchanged { .. } => "unchanged",
            Self::Skipped(_) => "skipped",
            Self::Failed { .. } => "failed",
            Self::Unknown { .. } => "unknown",
            Self::RolledBack => "taken back",
            Self::NotAttempted => "not attempted",
        }
    }
}
