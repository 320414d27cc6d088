//! What `ledger.json` holds, and the versions of the formats that every store writes.

use super::{AppliedPlan, Entry, Intent, Ledger, Published, Record};
use serde::{Deserialize, Serialize};

/// The versions of the formats; what has another version is refused, never guessed at.
pub(super) const LEDGER_VERSION: u32 = 4;
pub(super) const LOCK_VERSION: u32 = 2;
pub(super) const SNAPSHOT_VERSION: u32 = 2;
pub(super) const CALLBACK_VERSION: u32 = 1;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    /// Counted up whenever the file is replaced.
    pub(super) generation: u64,
    /// Whether a journal holds what was taken down after it was replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_followed: bool,
    segments: Vec<Entry>,
    #[serde(default)]
    applied_plans: Vec<AppliedPlan>,
    /// Writes of an earlier run that are not settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    intents: Vec<Intent>,
    /// Files that were published for segments that came to nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    published: Vec<Published>,
}

/// As much of the contents as says which ones they are.
#[derive(Default, Deserialize)]
pub(super) struct Counted {
    pub(super) generation: u64,
}

impl Contents {
    pub(super) fn of(ledger: &Ledger, (generation, is_followed): (u64, bool)) -> Self {
        Self {
            generation,
            is_followed,
            segments: ledger.all_kept().cloned().collect(),
            applied_plans: ledger.applied_plans().to_vec(),
            intents: ledger.intents().cloned().collect(),
            published: ledger.left_published().cloned().collect(),
        }
    }

    pub(super) fn ledger(self) -> Ledger {
        let mut ledger = Ledger::default();
        let segments = self.segments.into_iter().map(Record::Entry);
        let plans = self.applied_plans.into_iter().map(Record::Plan);
        let intents = self.intents.into_iter().map(Record::Intent);
        let published = self.published.into_iter().map(Record::Published);
        for record in segments.chain(plans).chain(intents).chain(published) {
            ledger.apply(record);
        }
        ledger
    }
}
