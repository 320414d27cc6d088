//! A script of faults: which calls go wrong, and how.

use super::call::Call;
use serde::{Deserialize, Serialize};

/// One kind of fault on some calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only calls with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls whose path starts so.
    #[serde(default)]
    pub path: Option<String>,
    /// How many matching calls are let through first.
    #[serde(default)]
    pub skip: usize,
    /// How many calls it happens to.
    #[serde(default = "once")]
    pub times: usize,
    /// What happens.
    pub fault: FaultKind,
}

fn once() -> usize {
    1
}

/// What can go wrong. "After" means that the call has its effect and only the answer suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum FaultKind {
    /// 429 as if a window were full, which it is again after so many seconds.
    RateLimited {
        /// Until `x-ratelimit-reset`.
        reset_in_seconds: i64,
    },
    /// 429 as if the active limit were reached.
    ActiveLimit,
    /// A status, before anything is done.
    StatusBefore(u16),
    /// A status, after everything is done.
    StatusAfter(u16),
    /// The connection ends before anything is done.
    ResetBefore,
    /// The connection ends after everything is done.
    ResetAfter,
    /// The answer takes so many milliseconds.
    Slow(u64),
    /// The connection ends in the middle of the answer.
    Truncated,
    /// The answer is no JSON.
    Garbage,
    /// The list is as it was so many writes ago.
    StaleList(usize),
    /// The call arrives twice; the answer is that of the second.
    Replayed,
}

/// The faults that are still to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Script(Vec<Fault>);

impl Script {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    /// What happens to this call, if anything.
    pub(super) fn next(&mut self, call: &Call) -> Option<FaultKind> {
        let fits = |fault: &&mut Fault| {
            fault.times > 0
                && fault.method.as_ref().is_none_or(|method| *method == call.method)
                && fault.path.as_ref().is_none_or(|path| call.path.starts_with(path))
        };
        for fault in self.0.iter_mut().filter(|fault| fault.times > 0) {
            if !fits(&fault) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times -= 1;
            return Some(fault.fault);
        }
        None
    }
}
