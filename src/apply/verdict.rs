//! What a run comes to: what its exit code says of it.

use super::{Ended, Stop};

/// What a run comes to. Whoever reads it knows without the receipt whether everything was done, and whether nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The workspace is as every step wanted it.
    Complete,
    /// Steps were not applied, or it is not known whether they were.
    Partial,
    /// The service refused the credentials before anything was written.
    Credentials,
    /// The ledger could not be written, and nothing was written to the service.
    Ledger,
    /// Somebody wanted the run to stop before its last step.
    Stopped {
        /// Whether anything was, or may have been, written before.
        has_written: bool,
    },
}

impl Ended {
    /// What the run comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let has_written = self.has_written;
        match self.stop {
            Some(Stop::Asked) => Verdict::Stopped { has_written },
            Some(Stop::Credentials(_)) if !has_written => Verdict::Credentials,
            Some(Stop::Ledger(_)) if !has_written => Verdict::Ledger,
            None if self.receipt.is_complete() => Verdict::Complete,
            Some(Stop::Credentials(_) | Stop::Ledger(_)) | None => Verdict::Partial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::receipt::{Entry, Outcome, Receipt};
    use crate::ledger::{Ledger, StoreError};
    use crate::model::{SegmentId, SegmentName};
    use std::collections::BTreeMap;

    #[test]
    fn a_run_that_wrote_something_never_ends_as_if_it_had_not() {
        let applied = || Outcome::applied(SegmentId::new("a"), Vec::new());
        let failed = || Outcome::Failed {
            message: String::new(),
        };
        let ledger = || Some(Stop::Ledger(StoreError::LockLost { by: None }));
        let stopped = |has_written| Verdict::Stopped { has_written };
        let table = [
            (vec![], None, false, Verdict::Complete),
            (vec![applied()], None, true, Verdict::Complete),
            (vec![applied(), failed()], None, true, Verdict::Partial),
            (vec![failed()], None, false, Verdict::Partial),
            (vec![failed()], ledger(), false, Verdict::Ledger),
            // It was taken out, and then the service refused it.
            (vec![failed()], ledger(), true, Verdict::Partial),
            (
                vec![Outcome::NotAttempted],
                Some(Stop::Asked),
                false,
                stopped(false),
            ),
            (
                vec![applied(), Outcome::NotAttempted],
                Some(Stop::Asked),
                true,
                stopped(true),
            ),
        ];
        for (outcomes, stop, has_written, verdict) in table {
            let entries = outcomes.into_iter().map(|outcome| Entry {
                number: 1,
                segment: SegmentName::new("A"),
                action: "create",
                outcome,
            });
            let ended = Ended {
                receipt: Receipt {
                    entries: entries.collect(),
                },
                stop,
                has_written,
                seen: BTreeMap::new(),
                ledger: Ledger::default(),
            };
            assert_eq!(ended.verdict(), verdict, "{ended:?}");
        }
    }
}
