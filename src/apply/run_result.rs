//! The status of a run, which its exit code reports.

use super::{AbortReason, RunResult};

/// Shows without the report whether everything was applied and whether nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    Complete,
    /// Steps were not applied, or their results are unknown.
    Partial,
    /// Nothing was written.
    CredentialsRejected,
    /// Nothing was written to MoEngage.
    StateWriteFailed,
    /// `has_written`: something was, or may have been, written.
    Cancelled {
        has_written: bool,
    },
}

impl RunResult {
    #[must_use]
    pub fn status(&self) -> RunStatus {
        let has_written = self.has_written;
        match self.abort_reason {
            Some(AbortReason::Cancelled) => RunStatus::Cancelled { has_written },
            Some(AbortReason::CredentialsRejected(_)) if !has_written => RunStatus::CredentialsRejected,
            Some(AbortReason::StateWriteFailed(_)) if !has_written => RunStatus::StateWriteFailed,
            None if self.report.is_complete() => RunStatus::Complete,
            Some(AbortReason::CredentialsRejected(_) | AbortReason::StateWriteFailed(_)) | None => {
                RunStatus::Partial
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::run_report::{RunReport, StepOutcome, StepReport};
    use crate::model::{SegmentId, SegmentName, ShownKinds};
    use crate::state::{State, StoreError};
    use std::collections::BTreeMap;

    #[test]
    fn a_run_that_wrote_never_reports_that_nothing_was_written() {
        let applied = || StepOutcome::applied(SegmentId::new("a"), Vec::new());
        let failed = || StepOutcome::failed("");
        let state_write_failed = || Some(AbortReason::StateWriteFailed(StoreError::LockLost { by: None }));
        let cancelled = |has_written| RunStatus::Cancelled { has_written };
        let table = [
            (vec![], None, false, RunStatus::Complete),
            (vec![applied()], None, true, RunStatus::Complete),
            (vec![applied(), failed()], None, true, RunStatus::Partial),
            (vec![failed()], None, false, RunStatus::Partial),
            (
                vec![failed()],
                state_write_failed(),
                false,
                RunStatus::StateWriteFailed,
            ),
            // The segment was unarchived, then MoEngage refused the update.
            (vec![failed()], state_write_failed(), true, RunStatus::Partial),
            (
                vec![StepOutcome::NotAttempted],
                Some(AbortReason::Cancelled),
                false,
                cancelled(false),
            ),
            (
                vec![applied(), StepOutcome::NotAttempted],
                Some(AbortReason::Cancelled),
                true,
                cancelled(true),
            ),
        ];
        for (outcomes, abort_reason, has_written, status) in table {
            let steps = outcomes.into_iter().map(|outcome| StepReport {
                number: 1,
                segment: SegmentName::new("A"),
                action: "create",
                is_temporary: false,
                outcome,
            });
            let result = RunResult {
                report: RunReport {
                    steps: steps.collect(),
                },
                abort_reason,
                has_written,
                fetched: BTreeMap::new(),
                shown_kinds: ShownKinds::default(),
                state: State::default(),
            };
            assert_eq!(result.status(), status, "{result:?}");
        }
    }
}
