//! The classes of endpoints that have rate limits of their own, and the windows of a limit.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// In seconds.
pub(super) const MINUTE: u32 = 60;

/// Endpoints that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateLimitClass {
    List,
    Create,
    Get,
    Update,
    Lifecycle,
    File,
    Cohort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitWindow {
    pub calls: usize,
    pub seconds: u32,
}

impl RateLimitWindow {
    pub(super) const fn new(calls: usize, seconds: u32) -> Self {
        Self { calls, seconds }
    }

    pub(super) fn milliseconds(self) -> i64 {
        i64::from(self.seconds) * 1000
    }

    /// The times of `history` that are within this window at `now`, the oldest first.
    pub(super) fn request_times_within(self, history: &VecDeque<i64>, now: i64) -> impl Iterator<Item = i64> {
        let since = now.saturating_sub(self.milliseconds());
        let first = history.partition_point(|time| *time <= since);
        history.range(first..).copied()
    }

    /// The limit as the API writes it in its error: `50/1 mins`.
    pub(super) fn to_message(self) -> String {
        let Self { calls, seconds } = self;
        if seconds.is_multiple_of(MINUTE) {
            format!("{calls}/{} mins", seconds / MINUTE)
        } else {
            format!("{calls}/{:.2} mins", f64::from(seconds) / f64::from(MINUTE))
        }
    }
}
