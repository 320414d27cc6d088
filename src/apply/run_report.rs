//! The outcome of each step. Every run has a report, even if it fails.

use crate::model::{SegmentId, SegmentName, UploadCounts};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// One report for each step, in plan order.
    pub steps: Vec<StepReport>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    pub number: usize,
    /// The declared name.
    pub segment: SegmentName,
    /// The action in text and JSON, e.g. `create`.
    pub action: &'static str,
    /// Whether a later step of the segment is the final one.
    pub is_temporary: bool,
    pub outcome: StepOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    Applied {
        id: SegmentId,
        notes: Vec<String>,
        /// Set if a user list was uploaded.
        list_outcome: Option<ListOutcome>,
    },
    /// The segment was already in the desired state, and nothing was written.
    Unchanged {
        id: SegmentId,
        notes: Vec<String>,
    },
    /// Nothing was written.
    Skipped(SkipReason),
    Failed {
        message: String,
    },
    /// MoEngage may or may not have applied the step.
    Unknown {
        message: String,
    },
    /// The temporary change was applied and rolled back, because its final step was not applied.
    RolledBack,
    NotAttempted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOutcome {
    /// MoEngage reads the list later: the run did not wait for the callback, or none arrived in time.
    Pending,
    Processed(UploadCounts),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    DependencyNotApplied(SegmentName),
    /// The segment is not as the plan read it.
    Drifted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// As in the summary of the plan, temporary changes are apart.
    pub applied: usize,
    pub temporary_changes: usize,
    pub unchanged: usize,
    /// Includes rolled-back steps.
    pub skipped: usize,
    pub failed: usize,
    pub unknown: usize,
    pub not_attempted: usize,
}

impl RunReport {
    #[must_use]
    pub fn counts(&self) -> OutcomeCounts {
        let mut counts = OutcomeCounts::default();
        for step in &self.steps {
            match step.outcome {
                StepOutcome::Applied { .. } | StepOutcome::Unchanged { .. } if step.is_temporary => {
                    counts.temporary_changes += 1;
                }
                // Its final step counts.
                StepOutcome::Skipped(_) | StepOutcome::NotAttempted if step.is_temporary => {}
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

    pub(super) fn may_have_written(&self) -> bool {
        self.steps.iter().any(|step| match step.outcome {
            StepOutcome::Applied { .. } | StepOutcome::Unknown { .. } | StepOutcome::RolledBack => true,
            StepOutcome::Failed { .. }
            | StepOutcome::Skipped(_)
            | StepOutcome::Unchanged { .. }
            | StepOutcome::NotAttempted => false,
        })
    }

    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.steps.iter().all(|step| step.outcome.is_done())
    }
}

impl StepOutcome {
    /// Applied, without a user list.
    #[must_use]
    pub fn applied(id: SegmentId, notes: Vec<String>) -> Self {
        Self::Applied {
            id,
            notes,
            list_outcome: None,
        }
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Failed { message }
    }

    pub(super) fn unknown(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Unknown { message }
    }

    /// Whether the segment is in the desired state.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Applied { .. } | Self::Unchanged { .. })
    }

    /// The outcome in JSON.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Unchanged { .. } => "unchanged",
            Self::Skipped(_) => "skipped",
            Self::Failed { .. } => "failed",
            Self::Unknown { .. } => "unknown",
            Self::RolledBack => "rolled_back",
            Self::NotAttempted => "not_attempted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_change_counts_apart_unless_something_went_wrong() {
        let applied = || StepOutcome::applied(SegmentId::new("a"), Vec::new());
        let skipped = || StepOutcome::Skipped(SkipReason::Drifted);
        let zero = OutcomeCounts::default();
        let table = [
            (
                [applied(), applied()],
                OutcomeCounts {
                    applied: 1,
                    temporary_changes: 1,
                    ..zero
                },
            ),
            (
                [StepOutcome::NotAttempted, StepOutcome::NotAttempted],
                OutcomeCounts {
                    not_attempted: 1,
                    ..zero
                },
            ),
            ([skipped(), skipped()], OutcomeCounts { skipped: 1, ..zero }),
            (
                [StepOutcome::failed("no"), skipped()],
                OutcomeCounts {
                    failed: 1,
                    skipped: 1,
                    ..zero
                },
            ),
            (
                [StepOutcome::RolledBack, StepOutcome::failed("no")],
                OutcomeCounts {
                    failed: 1,
                    skipped: 1,
                    ..zero
                },
            ),
            (
                [StepOutcome::unknown("?"), skipped()],
                OutcomeCounts {
                    unknown: 1,
                    skipped: 1,
                    ..zero
                },
            ),
        ];
        for (outcomes, expected) in table {
            let steps = outcomes.into_iter().zip([true, false]);
            let steps = steps.map(|(outcome, is_temporary)| StepReport {
                number: 1,
                segment: SegmentName::new("A"),
                action: "update",
                is_temporary,
                outcome,
            });
            let report = RunReport {
                steps: steps.collect(),
            };
            assert_eq!(report.counts(), expected, "{report:?}");
        }
    }
}
