//! A ledger's promises, held against what it reads: what was taken down is there, and what was about to be is there
//! whole, as far as its lines go, or not at all.

use super::disk::SimulatedFileSystem;
use super::injected_bugs::Bug;
use super::recorder::Recorder;
use jiff::Timestamp;
use segctl::member_list::compressed_list::ListWriter;
use segctl::model::{ListDigest, RequestRecord, UploadId, UploadResult};
use segctl::state::{
    Cache, DirectoryStore, IntendedWrite, Intent, JournalEntry as Taken, Lock, LockChange, State, StateEntry,
    StateStore, StoreError,
};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What the disk may hold.
#[derive(Clone)]
pub(crate) struct PossibleStates(Arc<Mutex<PossibleStatesInner>>);

struct PossibleStatesInner {
    states: Vec<State>,
    /// Writes that have not ended.
    writes_in_progress: usize,
}

impl PossibleStates {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(PossibleStatesInner {
            states: vec![State::default()],
            writes_in_progress: 0,
        })))
    }

    /// Whether a write is taken down, whatever the disk holds of what it may hold.
    pub(crate) fn all_have_intent(&self, is_of_call: impl Fn(&Intent) -> bool) -> bool {
        self.all_satisfy(|ledger| ledger.intents().any(&is_of_call))
    }

    /// Whether a ledger says something, whatever the disk holds of what it may hold.
    pub(crate) fn all_satisfy(&self, is_said: impl Fn(&State) -> bool) -> bool {
        self.0.lock().unwrap().states.iter().all(is_said)
    }
}

/// A store whose promises are kept in mind.
pub(crate) struct CheckedStore {
    pub(crate) inner: DirectoryStore<SimulatedFileSystem>,
    pub(crate) possible_states: PossibleStates,
    pub(crate) recorder: Recorder,
    /// Called when calls of this run are lost to others, or theirs to this one.
    pub(crate) on_request_log_failure: Box<dyn Fn() + Send + Sync>,
    /// Whether this run's ledger is on the disk, so that it is only added to from then on.
    pub(crate) has_saved_state: AtomicBool,
}

/// A write that has not been answered yet: where it never is, the disk may hold it or not.
struct PendingWrite<'a> {
    possible_states: &'a PossibleStates,
    state: &'a State,
    records: &'a [Taken],
    is_done: bool,
}

impl Drop for PendingWrite<'_> {
    fn drop(&mut self) {
        let mut possible = self.possible_states.0.lock().unwrap();
        possible.writes_in_progress -= 1;
        if self.is_done {
            return;
        }
        let mut ledgers = vec![self.state.clone()];
        for mut known in possible.states.clone() {
            for change in self.records {
                known.apply_journal_entry(change.clone());
                ledgers.push(known.clone());
            }
        }
        ledgers.retain(|ledger| !possible.states.contains(ledger));
        possible.states.extend(ledgers);
    }
}

impl CheckedStore {
    fn require_not_corrupt<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Corrupt { .. }) = &result {
            let text = result.as_ref().err().map(ToString::to_string);
            self.recorder
                .report_violation("files are old or new, never torn", || text.unwrap_or_default());
        }
        result
    }
}

impl CheckedStore {
    /// What a run takes down as a bug would have it.
    fn inject_write_bug(&self, ledger: &State, records: &[Taken]) -> (State, Vec<Taken>) {
        let (mut ledger, mut records) = (ledger.clone(), records.to_vec());
        if self.recorder.has_bug(Bug::IntentsDropped) {
            records.retain(|record| !matches!(record, Taken::Intent(_)));
            let steps: Vec<_> = ledger.intents().map(|intent| intent.step.clone()).collect();
            steps
                .into_iter()
                .for_each(|step| ledger.apply_journal_entry(Taken::Resolved(step)));
        }
        if self.recorder.has_bug(Bug::StateBeforeResponse) {
            let early: Vec<StateEntry> = records
                .iter()
                .filter_map(|record| premature_entry(&ledger, record))
                .collect();
            for entry in early {
                ledger.record(entry.clone());
                records.push(Taken::StateEntry(entry));
            }
        }
        if self.recorder.has_bug(Bug::BatchesCountedBeforeSend) {
            records.iter_mut().for_each(count_batch_early);
        }
        if self.recorder.has_bug(Bug::UnmanagedTreatedAsManaged) {
            let ours = |entry: &StateEntry| StateEntry {
                history_only: false,
                ..entry.clone()
            };
            for record in &mut records {
                if let Taken::StateEntry(entry) = record {
                    *entry = ours(entry);
                }
            }
            let kept: Vec<StateEntry> = ledger.all_entries().map(ours).collect();
            kept.into_iter().for_each(|entry| ledger.record(entry));
        }
        (ledger, records)
    }
}

/// A ledger that does not say which calls may still arrive.
fn without_ambiguous_writes(ledger: &State) -> State {
    let mut forgetful = ledger.clone();
    for entry in ledger.all_entries() {
        let mut entry = entry.clone();
        entry
            .cohort_state
            .iter_mut()
            .for_each(|sent| sent.ambiguous_since = None);
        entry
            .upload_state
            .iter_mut()
            .for_each(|uploaded| uploaded.ambiguous_since = None);
        forgetful.record(entry);
    }
    for intent in ledger.intents() {
        let mut intent = intent.clone();
        if let IntendedWrite::CreateCohort { cohort_state: sent } = &mut intent.write {
            sent.ambiguous_since = None;
            forgetful.apply_journal_entry(Taken::Intent(intent));
        }
    }
    forgetful
}

/// Says of a list that is being sent that all whom it adds were.
fn count_batch_early(record: &mut Taken) {
    if let Taken::StateEntry(entry) = record
        && let Some(sent) = &mut entry.cohort_state
        && let Some(under_way) = &mut sent.partial
    {
        under_way.added = under_way.list.count;
    }
}

/// The entry of an update that was only announced.
fn premature_entry(ledger: &State, record: &Taken) -> Option<StateEntry> {
    let Taken::Intent(intent) = record else {
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
        definition: Some(definition.clone()),
        ..ledger
            .any_entry(id)
            .cloned()
            .unwrap_or_else(|| StateEntry::new(id.clone(), name.clone(), intent.at))
    })
}

impl StateStore for CheckedStore {
    async fn load(&self) -> Result<State, StoreError> {
        let ledger = self.require_not_corrupt(self.inner.load().await)?;
        let possible = self.possible_states.0.lock().unwrap();
        let is_possible = possible.writes_in_progress > 0 || possible.states.contains(&ledger);
        self.recorder
            .require(is_possible, "what was taken down is remembered", || {
                format!("the ledger is {ledger:#?}\nand could be {:#?}", possible.states)
            });
        drop(possible);
        if self.recorder.has_bug(Bug::PendingRequestsForgotten) {
            return Ok(without_ambiguous_writes(&ledger));
        }
        Ok(ledger)
    }

    async fn save(&self, ledger: &State) -> Result<(), StoreError> {
        let (ledger, _) = self.inject_write_bug(ledger, &[]);
        self.write_and_track(&ledger, &[], true).await
    }

    async fn append(&self, ledger: &State, records: &[Taken]) -> Result<(), StoreError> {
        let (ledger, records) = self.inject_write_bug(ledger, records);
        match self.write_and_track(&ledger, &records, false).await {
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
            let nobody = ListWriter::to(Vec::new()).finish().unwrap_or_default();
            return self.inner.save_member_list(digest, &nobody).await;
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
        let said = self.require_not_corrupt(self.inner.load_callback(upload).await)?;
        let is_missed = self.recorder.has_bug(Bug::UploadFailuresIgnored);
        Ok(said.filter(|said| !is_missed || matches!(said, UploadResult::Processed(_))))
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        self.inner.retain_callbacks(keep).await
    }

    async fn load_cache(&self) -> Result<Cache, StoreError> {
        self.require_not_corrupt(self.inner.load_cache().await)
    }

    async fn save_cache(&self, snapshot: &Cache) -> Result<(), StoreError> {
        self.inner.save_cache(snapshot).await
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
    fn inject_history_bug(&self, records: &[Taken]) -> Vec<Taken> {
        let mut records = records.to_vec();
        if self.recorder.has_bug(Bug::RevisionsDropped) {
            for record in &mut records {
                if let Taken::StateEntry(entry) = record {
                    entry.revisions.clear();
                }
            }
        }
        records
    }

    async fn write_and_track(
        &self,
        ledger: &State,
        records: &[Taken],
        is_whole: bool,
    ) -> Result<(), StoreError> {
        let is_added = !is_whole && self.has_saved_state.swap(false, Ordering::Relaxed);
        self.possible_states.0.lock().unwrap().writes_in_progress += 1;
        let mut under_way = PendingWrite {
            possible_states: &self.possible_states,
            state: ledger,
            records: if is_added { records } else { &[] },
            is_done: false,
        };
        if is_whole {
            self.inner.save(ledger).await?;
        } else if !(is_added && self.recorder.has_bug(Bug::JournalNotWritten)) {
            self.inner
                .append(ledger, &self.inject_history_bug(records))
                .await?;
        }
        under_way.is_done = true;
        self.has_saved_state.store(true, Ordering::Relaxed);
        let mut possible = self.possible_states.0.lock().unwrap();
        match possible.states.as_mut_slice() {
            [known] if is_added => records
                .iter()
                .for_each(|change| known.apply_journal_entry(change.clone())),
            _ => possible.states = vec![ledger.clone()],
        }
        drop(possible);
        Ok(())
    }
}
