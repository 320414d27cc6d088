//! What came of each step: the record that every run leaves, also one that failed.

use crate::model::{Processed, SegmentId, SegmentName};

/// What came of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// One entry for each step, in the order of the plan.
    pub entries: Vec<Entry>,
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The step's number in the plan.
    pub number: usize,
    /// The declared name.
    pub segment: SegmentName,
    /// The word for the action.
    pub action: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// What can come of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The workspace is as the step wanted it.
    Applied {
        /// The segment's id.
        id: SegmentId,
        /// What is worth knowing about the way there, or about what the service made of it.
        notes: Vec<String>,
        /// What became of its list, where the service was told of one.
        list: Option<Reading>,
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
    TakenBack,
    /// The run ended before.
    NotAttempted,
}

/// What became of a list that the service was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It reads the list later, and nobody waited for what it says then, or it said nothing in time.
    NotKnown,
    /// It said so.
    Processed(Processed),
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// A step that this one depends on was not applied.
    DependsOn(SegmentName),
    /// The segment is not as the plan saw it.
    Drifted,
}

/// How many steps came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
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

impl Receipt {
    /// Counts the outcomes.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for entry in &self.entries {
            match entry.outcome {
                Outcome::Applied { .. } => tally.applied += 1,
                Outcome::Unchanged { .. } => tally.unchanged += 1,
                Outcome::Skipped(_) | Outcome::TakenBack => tally.skipped += 1,
                Outcome::Failed { .. } => tally.failed += 1,
                Outcome::Unknown { .. } => tally.unknown += 1,
                Outcome::NotAttempted => tally.not_attempted += 1,
            }
        }
        tally
    }

    /// Whether a step wrote something, or may have, by its outcome.
    pub(super) fn may_have_written(&self) -> bool {
        self.entries.iter().any(|entry| match entry.outcome {
            Outcome::Applied { .. } | Outcome::Unknown { .. } | Outcome::TakenBack => true,
            Outcome::Failed { .. }
            | Outcome::Skipped(_)
            | Outcome::Unchanged { .. }
            | Outcome::NotAttempted => false,
        })
    }

    /// Whether the workspace is as every step wanted it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.entries.iter().all(|entry| entry.outcome.is_done())
    }
}

impl Outcome {
    /// A step that was applied, and that told the service of no list.
    #[must_use]
    pub fn applied(id: SegmentId, notes: Vec<String>) -> Self {
        Self::Applied {
            id,
            notes,
            list: None,
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
            Self::TakenBack => "taken back",
            Self::NotAttempted => "not attempted",
        }
    }
}
