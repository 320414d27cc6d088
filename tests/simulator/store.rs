//! A state store that checks what it loads: finished writes are in the state, and interrupted ones are complete or
//! absent, entry by entry.

use super::disk::SimulatedFileSystem;
use super::injected_bugs::Bug;
use super::recorder::Recorder;
use jiff::Timestamp;
use segctl::member_list::compressed_list::ListWriter;
use segctl::model::{ListDigest, RequestRecord, UploadId, UploadResult};
use segctl::state::{
    Cache, DirectoryStore, IntendedWrite, Intent, JournalEntry, Lock, LockChange, State, StateEntry,
    StateStore, StoreError,
};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// The states that the disk may contain.
#[derive(Clone)]
pub(crate) struct PossibleStates(Arc<Mutex<PossibleStatesInner>>);

struct PossibleStatesInner {
    states: Vec<State>,
    writes_in_progress: usize,
}

impl PossibleStates {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(PossibleStatesInner {
            states: vec![State::default()],
            writes_in_progress: 0,
        })))
    }

    /// Whether every possible state contains an intent for a request.
    pub(crate) fn all_have_intent(&self, is_for_request: impl Fn(&Intent) -> bool) -> bool {
        self.all_satisfy(|state| state.intents().any(&is_for_request))
    }

    /// Whether a condition holds in every possible state.
    pub(crate) fn all_satisfy(&self, condition: impl Fn(&State) -> bool) -> bool {
        self.0.lock().unwrap().states.iter().all(condition)
    }
}

pub(crate) struct CheckedStore {
    pub(crate) inner: DirectoryStore<SimulatedFileSystem>,
    pub(crate) possible_states: PossibleStates,
    pub(crate) recorder: Recorder,
    /// Called when this run could not share its requests with other runs.
    pub(crate) on_request_log_failure: Box<dyn Fn() + Send + Sync>,
    /// Whether this run has saved its state. Later writes append to it.
    pub(crate) has_saved_state: AtomicBool,
}

/// A write in progress. If it is interrupted, the disk may contain it or not.
struct PendingWrite<'a> {
    possible_states: &'a PossibleStates,
    state: &'a State,
    entries: &'a [JournalEntry],
    is_finished: bool,
}

impl Drop for PendingWrite<'_> {
    fn drop(&mut self) {
        let mut possible = self.possible_states.0.lock().unwrap();
        possible.writes_in_progress -= 1;
        if self.is_finished {
            return;
        }
        let mut states = vec![self.state.clone()];
        for mut state in possible.states.clone() {
            for entry in self.entries {
                state.apply_journal_entry(entry.clone());
                states.push(state.clone());
            }
        }
        states.retain(|state| !possible.states.contains(state));
        possible.states.extend(states);
    }
}

impl CheckedStore {
    fn require_not_corrupt<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Corrupt { .. }) = &result {
            let text = result.as_ref().err().map(ToString::to_string);
            self.recorder
                .report_violation("no file is corrupt", || text.unwrap_or_default());
        }
        result
    }
}

impl CheckedStore {
    fn inject_write_bug(&self, state: &State, entries: &[JournalEntry]) -> (State, Vec<JournalEntry>) {
        let (mut state, mut entries) = (state.clone(), entries.to_vec());
        if self.recorder.has_bug(Bug::IntentsDropped) {
            entries.retain(|entry| !matches!(entry, JournalEntry::Intent(_)));
            let steps: Vec<_> = state.intents().map(|intent| intent.step.clone()).collect();
            steps
                .into_iter()
                .for_each(|step| state.apply_journal_entry(JournalEntry::Resolved(step)));
        }
        if self.recorder.has_bug(Bug::StateBeforeResponse) {
            let early: Vec<StateEntry> = entries
                .iter()
                .filter_map(|entry| premature_entry(&state, entry))
                .collect();
            for entry in early {
                state.record(entry.clone());
                entries.push(JournalEntry::StateEntry(entry));
            }
        }
        if self.recorder.has_bug(Bug::BatchesCountedBeforeSend) {
            entries.iter_mut().for_each(count_batch_early);
        }
        if self.recorder.has_bug(Bug::UnmanagedTreatedAsManaged) {
            let managed = |entry: &StateEntry| StateEntry {
                history_only: false,
                ..entry.clone()
            };
            for journal_entry in &mut entries {
                if let JournalEntry::StateEntry(entry) = journal_entry {
                    *entry = managed(entry);
                }
            }
            let managed_entries: Vec<StateEntry> = state.all_entries().map(managed).collect();
            managed_entries.into_iter().for_each(|entry| state.record(entry));
        }
        (state, entries)
    }
}

/// The state without the times of ambiguous requests.
fn without_ambiguous_writes(state: &State) -> State {
    let mut changed = state.clone();
    for entry in state.all_entries() {
        let mut entry = entry.clone();
        entry
            .cohort_state
            .iter_mut()
            .for_each(|cohort_state| cohort_state.ambiguous_since = None);
        entry
            .upload_state
            .iter_mut()
            .for_each(|upload_state| upload_state.ambiguous_since = None);
        changed.record(entry);
    }
    for intent in state.intents() {
        let mut intent = intent.clone();
        if let IntendedWrite::CreateCohort { cohort_state } = &mut intent.write {
            cohort_state.ambiguous_since = None;
            changed.apply_journal_entry(JournalEntry::Intent(intent));
        }
    }
    changed
}

/// Counts all members of a partially sent list as sent.
fn count_batch_early(journal_entry: &mut JournalEntry) {
    if let JournalEntry::StateEntry(entry) = journal_entry
        && let Some(cohort_state) = &mut entry.cohort_state
        && let Some(partial) = &mut cohort_state.partial
    {
        partial.added = partial.list.count;
    }
}

/// The entry of an update that was only intended.
fn premature_entry(state: &State, journal_entry: &JournalEntry) -> Option<StateEntry> {
    let JournalEntry::Intent(intent) = journal_entry else {
        return None;
    };
    let IntendedWrite::Update {
        id, name, definition, ..
    } = &intent.write
    else {
        return None;
    };
    Some(StateEntry {
        history_only: false,
        definition: Some(definition.clone().into()),
        ..state
            .any_entry(id)
            .cloned()
            .unwrap_or_else(|| StateEntry::new(id.clone(), name.clone(), intent.at))
    })
}

impl StateStore for CheckedStore {
    async fn load(&self) -> Result<State, StoreError> {
        let state = self.require_not_corrupt(self.inner.load().await)?;
        let possible = self.possible_states.0.lock().unwrap();
        let is_possible = possible.writes_in_progress > 0 || possible.states.contains(&state);
        self.recorder
            .require(is_possible, "finished writes are in the state", || {
                format!("the state is {state:#?}\nand could be {:#?}", possible.states)
            });
        drop(possible);
        if self.recorder.has_bug(Bug::PendingRequestsForgotten) {
            return Ok(without_ambiguous_writes(&state));
        }
        Ok(state)
    }

    async fn save(&self, state: &State) -> Result<(), StoreError> {
        let (state, _) = self.inject_write_bug(state, &[]);
        self.write_and_track(&state, &[], true).await
    }

    async fn append(&self, state: &State, entries: &[JournalEntry]) -> Result<(), StoreError> {
        let (state, entries) = self.inject_write_bug(state, entries);
        match self.write_and_track(&state, &entries, false).await {
            Err(StoreError::LockLost { .. }) if self.recorder.has_bug(Bug::LockLossIgnored) => Ok(()),
            added => added,
        }
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> Result<Option<Lock>, StoreError> {
        self.require_not_corrupt(self.inner.change_lock(change).await)
    }

    async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        if self.recorder.has_bug(Bug::WrongListStored) {
            let empty_list = ListWriter::to(Vec::new()).finish().unwrap_or_default();
            return self.inner.save_member_list(digest, &empty_list).await;
        }
        self.inner.save_member_list(digest, bytes).await
    }

    async fn load_member_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        self.require_not_corrupt(self.inner.load_member_list(digest).await)
    }

    async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        self.inner.retain_member_lists(keep).await
    }

    async fn save_callback(&self, upload: &UploadId, callback: &UploadResult) -> Result<(), StoreError> {
        self.inner.save_callback(upload, callback).await
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<UploadResult>, StoreError> {
        let result = self.require_not_corrupt(self.inner.load_callback(upload).await)?;
        let is_missed = self.recorder.has_bug(Bug::UploadFailuresIgnored);
        Ok(result.filter(|result| !is_missed || matches!(result, UploadResult::Processed(_))))
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        self.inner.retain_callbacks(keep).await
    }

    async fn load_cache(&self) -> Result<Cache, StoreError> {
        self.require_not_corrupt(self.inner.load_cache().await)
    }

    async fn save_cache(&self, cache: &Cache) -> Result<(), StoreError> {
        self.inner.save_cache(cache).await
    }

    async fn load_requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        self.inner.load_requests().await
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> Result<(), StoreError> {
        let exchanged = self.inner.exchange_requests(next, respond).await;
        if exchanged.is_err() {
            (self.on_request_log_failure)();
        }
        exchanged
    }

    async fn prune_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        self.inner.prune_requests(before).await
    }
}

impl CheckedStore {
    fn inject_history_bug(&self, entries: &[JournalEntry]) -> Vec<JournalEntry> {
        let mut entries = entries.to_vec();
        if self.recorder.has_bug(Bug::RevisionsDropped) {
            for journal_entry in &mut entries {
                if let JournalEntry::StateEntry(entry) = journal_entry {
                    entry.revisions.clear();
                }
            }
        }
        entries
    }

    async fn write_and_track(
        &self,
        state: &State,
        entries: &[JournalEntry],
        is_whole: bool,
    ) -> Result<(), StoreError> {
        let appends = !is_whole && self.has_saved_state.swap(false, Ordering::Relaxed);
        self.possible_states.0.lock().unwrap().writes_in_progress += 1;
        let mut write = PendingWrite {
            possible_states: &self.possible_states,
            state,
            entries: if appends { entries } else { &[] },
            is_finished: false,
        };
        if is_whole {
            self.inner.save(state).await?;
        } else if !(appends && self.recorder.has_bug(Bug::JournalNotWritten)) {
            self.inner
                .append(state, &self.inject_history_bug(entries))
                .await?;
        }
        write.is_finished = true;
        self.has_saved_state.store(true, Ordering::Relaxed);
        let mut possible = self.possible_states.0.lock().unwrap();
        match possible.states.as_mut_slice() {
            [state] if appends => entries
                .iter()
                .for_each(|entry| state.apply_journal_entry(entry.clone())),
            _ => possible.states = vec![state.clone()],
        }
        drop(possible);
        Ok(())
    }
}
