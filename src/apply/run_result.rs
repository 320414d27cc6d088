//! What a run comes to: what its exit code says of it.

use super::{AbortReason, RunResult};

/// What a run comes to. Whoever reads it knows without the receipt whether everything was done, and whether nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// The workspace is as every step wanted it.
    Complete,
    /// Steps were not applied, or it is not known whether they were.
    Partial,
    /// The service refused the credentials before anything was written.
    CredentialsRejected,
    /// The ledger could not be written, and nothing was written to the service.
    StateWriteFailed,
    /// Somebody wanted the run to stop before its last step.
    Cancelled {
        /// Whether anything was, or may have been, written before.
        has_written: bool,
    },
}

impl RunResult {
    /// What the run comes to.
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
    use crate::model::{SegmentId, SegmentName};
    use crate::state::{State, StoreError};
    use std::collections::BTreeMap;

    #[test]
    fn a_run_that_wrote_never_reports_that_nothing_was_written() {
        let applied = || StepOutcome::applied(SegmentId::new("a"), Vec::new());
        let failed = || StepOutcome::Failed {
            message: String::new(),
        };
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
            // It was taken out, and then the service refused it.
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
        for (outcomes, stop, has_written, verdict) in table {
            let entries = outcomes.into_iter().map(|outcome| StepReport {
                number: 1,
                segment: SegmentName::new("A"),
                action: "create",
                outcome,
            });
            let ended = RunResult {
                report: RunReport {
                    steps: entries.collect(),
                },
                abort_reason: stop,
                has_written,
                fetched: BTreeMap::new(),
                state: State::default(),
            };
            assert_eq!(ended.status(), verdict, "{ended:?}");
        }
    }
}
