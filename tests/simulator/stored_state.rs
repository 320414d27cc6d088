//! The objects of a state as JSON, read and written without the code that is tested.

use segctl::state::{AppliedPlan, Intent, JournalEntry, PublishedFile, State, StateEntry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    format_version: u32,
    checksum: String,
    contents: T,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredState {
    pub(crate) generation: u64,
    #[serde(default)]
    has_journal: bool,
    pub(crate) segments: Vec<StateEntry>,
    #[serde(default)]
    applied_plans: Vec<AppliedPlan>,
    #[serde(default)]
    pub(crate) intents: Vec<Intent>,
    #[serde(default)]
    orphaned_files: Vec<PublishedFile>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredJournal {
    pub(crate) position: StoredPosition,
    pub(crate) entries: Vec<JournalEntry>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StoredPosition {
    pub(crate) generation: u64,
    number: u64,
}

impl StoredState {
    pub(crate) fn into_state(self) -> State {
        let mut state = State::default();
        let segments = self.segments.into_iter().map(JournalEntry::StateEntry);
        let plans = self.applied_plans.into_iter().map(JournalEntry::AppliedPlan);
        let intents = self.intents.into_iter().map(JournalEntry::Intent);
        let files = self.orphaned_files.into_iter().map(JournalEntry::Published);
        let entries = segments.chain(plans).chain(intents).chain(files);
        entries.for_each(|entry| state.apply_journal_entry(entry));
        state
    }
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> T {
    serde_json::from_slice::<Envelope<T>>(bytes).unwrap().contents
}

pub(crate) fn encode<T: Serialize>(contents: T) -> Vec<u8> {
    let digest = Sha256::digest(serde_json::to_string(&contents).unwrap());
    let envelope = Envelope {
        format_version: 1,
        checksum: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        contents,
    };
    serde_json::to_vec(&envelope).unwrap()
}
