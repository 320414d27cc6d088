//! The contents of `state.json`, and the names and format versions of objects.

use super::{AppliedPlan, Intent, JournalEntry, PublishedFile, State, StateEntry};
use crate::model::UploadId;
use serde::{Deserialize, Serialize};

pub(super) const LOCK_FILE: &str = "lock.json";
pub(super) const CACHE_FILE: &str = "cache.json";
pub(super) const CALLBACKS_FOLDER: &str = "callbacks";
pub(super) const JSON_EXTENSION: &str = ".json";

pub(super) const STATE_VERSION: u32 = 1;
pub(super) const LOCK_VERSION: u32 = 1;
pub(super) const CACHE_VERSION: u32 = 2;
pub(super) const CALLBACK_VERSION: u32 = 1;
pub(super) const JOURNAL_VERSION: u32 = 1;
pub(super) const REQUESTS_VERSION: u32 = 1;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateFile {
    /// Grows by one whenever the file is replaced.
    pub(super) generation: u64,
    /// Whether journal object 1 of this generation exists.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) has_journal: bool,
    segments: Vec<StateEntry>,
    #[serde(default)]
    applied_plans: Vec<AppliedPlan>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    intents: Vec<Intent>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    orphaned_files: Vec<PublishedFile>,
}

impl StateFile {
    pub(super) fn of(state: &State, generation: u64, has_journal: bool) -> Self {
        Self {
            generation,
            has_journal,
            segments: state.all_entries().cloned().collect(),
            applied_plans: state.applied_plans().to_vec(),
            intents: state.intents().cloned().collect(),
            orphaned_files: state.orphaned_files().cloned().collect(),
        }
    }

    pub(super) fn into_state(self, journal: Vec<JournalEntry>) -> State {
        let mut state = State::default();
        let segments = self.segments.into_iter().map(JournalEntry::StateEntry);
        let plans = self.applied_plans.into_iter().map(JournalEntry::AppliedPlan);
        let intents = self.intents.into_iter().map(JournalEntry::Intent);
        let files = self.orphaned_files.into_iter().map(JournalEntry::Published);
        let entries = segments.chain(plans).chain(intents).chain(files).chain(journal);
        entries.for_each(|entry| state.apply_journal_entry(entry));
        state
    }
}

pub(super) fn callback_name(upload: &UploadId) -> String {
    format!("{CALLBACKS_FOLDER}/{upload}{JSON_EXTENSION}")
}

/// The upload whose result an object holds, by its name, path or URL.
pub(super) fn parse_callback_name(location: &str) -> Option<UploadId> {
    let id = location.rsplit('/').next()?.strip_suffix(JSON_EXTENSION)?;
    UploadId::try_from(id.to_owned()).ok()
}
