//! What `ledger.json` holds, and the versions of the formats that every store writes.

use super::{AppliedPlan, Intent, JournalEntry, PublishedFile, State, StateEntry};
use serde::{Deserialize, Serialize};

/// The versions of the formats; what has another version is refused, never guessed at.
pub(super) const STATE_VERSION: u32 = 4;
pub(super) const LOCK_VERSION: u32 = 2;
pub(super) const CACHE_VERSION: u32 = 2;
pub(super) const CALLBACK_VERSION: u32 = 1;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateFile {
    /// Counted up whenever the file is replaced.
    pub(super) generation: u64,
    /// Whether a journal holds what was taken down after it was replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) has_journal: bool,
    segments: Vec<StateEntry>,
    #[serde(default)]
    applied_plans: Vec<AppliedPlan>,
    /// Writes of an earlier run that are not settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    intents: Vec<Intent>,
    /// Files that were published for segments that came to nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    orphaned_files: Vec<PublishedFile>,
}

/// As much of the contents as says which ones they are.
#[derive(Default, Deserialize)]
pub(super) struct StateFileGeneration {
    pub(super) generation: u64,
}

impl StateFile {
    pub(super) fn of(ledger: &State, (generation, has_journal): (u64, bool)) -> Self {
        Self {
            generation,
            has_journal,
            segments: ledger.all_entries().cloned().collect(),
            applied_plans: ledger.applied_plans().to_vec(),
            intents: ledger.intents().cloned().collect(),
            orphaned_files: ledger.orphaned_files().cloned().collect(),
        }
    }

    pub(super) fn into_state(self) -> State {
        let mut ledger = State::default();
        let segments = self.segments.into_iter().map(JournalEntry::StateEntry);
        let plans = self.applied_plans.into_iter().map(JournalEntry::AppliedPlan);
        let intents = self.intents.into_iter().map(JournalEntry::Intent);
        let published = self.orphaned_files.into_iter().map(JournalEntry::Published);
        for record in segments.chain(plans).chain(intents).chain(published) {
            ledger.apply_journal_entry(record);
        }
        ledger
    }
}
