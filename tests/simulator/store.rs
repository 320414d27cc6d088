//! A storage that checks what is read from it: finished writes are there, and interrupted ones are complete or absent.
//! It also derives the states that the disk may contain, and injects bugs into what a run reads and writes.

use super::disk::SimulatedFileSystem;
use super::injected_bugs::Bug;
use super::recorder::Recorder;
use super::stored_state::{StoredJournal, StoredState, decode, encode};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use segctl::member_list::compressed_list::ListWriter;
use segctl::model::UploadResult;
use segctl::state::{IntendedWrite, Intent, JournalEntry, State, StateEntry, StateStore, StoreError};
use segctl::storage::{
    ConditionalWrite, DirectoryStorage, Object, Precondition, Storage, StorageResult, Version,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

const STATE: &str = "state.json";
const LOCK: &str = "lock.json";
const JOURNAL: &str = "journal/";
const REQUESTS: &str = "requests";

/// What the disk may contain.
#[derive(Clone)]
pub(crate) struct PossibleStates(Arc<Mutex<PossibleContents>>);

struct PossibleContents {
    states: Vec<PossibleState>,
    /// The bytes of each object, or `None` for its absence. An object that was never written is absent.
    objects: BTreeMap<String, Vec<Option<Object>>>,
}

#[derive(Clone)]
struct PossibleState {
    generation: u64,
    state: State,
}

impl PossibleStates {
    pub(crate) fn new() -> Self {
        let empty = PossibleState {
            generation: 0,
            state: State::default(),
        };
        Self(Arc::new(Mutex::new(PossibleContents {
            states: vec![empty],
            objects: BTreeMap::new(),
        })))
    }

    /// Whether every possible state contains an intent for a request.
    pub(crate) fn all_have_intent(&self, is_for_request: impl Fn(&Intent) -> bool) -> bool {
        self.all_satisfy(|state| state.intents().any(&is_for_request))
    }

    /// Whether a condition holds in every possible state.
    pub(crate) fn all_satisfy(&self, condition: impl Fn(&State) -> bool) -> bool {
        let contents = self.0.lock().unwrap();
        contents.states.iter().all(|possible| condition(&possible.state))
    }

    /// Loads the state, and requires that it is a possible one.
    pub(crate) async fn require_loaded(&self, disk: &SimulatedFileSystem, recorder: &Recorder) {
        let store = StateStore::new(DirectoryStorage::with_filesystem(disk.clone(), "state"));
        match store.load().await {
            Ok(state) => {
                let possible = self.0.lock().unwrap();
                let mut states = possible.states.iter().map(|possible| &possible.state);
                recorder.require(
                    states.any(|possible| *possible == state),
                    "finished writes are in the state",
                    || format!("the state is {state:#?}"),
                );
            }
            Err(StoreError::Storage(_)) => {}
            Err(error) => recorder.report_violation("no file is corrupt", || error.to_string()),
        }
    }
}

impl PossibleContents {
    fn contents_of(&mut self, name: &str) -> &mut Vec<Option<Object>> {
        self.objects.entry(name.to_owned()).or_insert_with(|| vec![None])
    }

    fn write(&mut self, name: &str, bytes: &[u8], is_certain: bool) {
        let contents = self.contents_of(name);
        if is_certain {
            contents.clear();
        }
        contents.push(Some(Object::of_bytes(bytes.to_vec())));
        if name == STATE {
            let stored: StoredState = decode(bytes);
            if is_certain {
                self.states.clear();
            }
            self.states.push(PossibleState {
                generation: stored.generation,
                state: stored.into_state(),
            });
        } else if name.starts_with(JOURNAL) {
            let journal: StoredJournal = decode(bytes);
            let unchanged = self.states.clone();
            for possible in &mut self.states {
                if possible.generation == journal.position.generation {
                    let entries = journal.entries.iter().cloned();
                    entries.for_each(|entry| possible.state.apply_journal_entry(entry));
                }
            }
            if !is_certain {
                self.states.extend(unchanged);
            }
        }
    }
}

/// A write in progress. If it is interrupted, the disk may contain it or not.
struct PendingWrite<'a> {
    possible: &'a PossibleStates,
    name: &'a str,
    bytes: Vec<u8>,
    expected: Option<&'a Precondition>,
    is_finished: bool,
}

impl PendingWrite<'_> {
    fn finish(&mut self) {
        self.is_finished = true;
        self.possible
            .0
            .lock()
            .unwrap()
            .write(self.name, &self.bytes, true);
    }
}

impl Drop for PendingWrite<'_> {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let mut possible = self.possible.0.lock().unwrap();
        let is_met = |object: &Option<Object>| {
            self.expected
                .is_none_or(|expected| expected.is_met_by(object.as_ref()))
        };
        if possible.contents_of(self.name).iter().any(is_met) {
            possible.write(self.name, &self.bytes, false);
        }
    }
}

/// The storage of a run, or of another process with the same state.
pub(crate) struct CheckedStorage {
    pub(crate) inner: DirectoryStorage<SimulatedFileSystem>,
    pub(crate) possible_states: PossibleStates,
    pub(crate) recorder: Recorder,
    /// `None` for a process that is no run. Bugs are injected into runs only.
    pub(crate) run: Option<RunAccess>,
}

pub(crate) struct RunAccess {
    /// Called when this run could not share its requests with other runs.
    pub(crate) on_request_log_failure: Box<dyn Fn() + Send + Sync>,
    /// The lock as this run last wrote it.
    pub(crate) own_lock: Mutex<Option<Object>>,
}

impl fmt::Debug for CheckedStorage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

impl CheckedStorage {
    fn has_bug(&self, bug: Bug) -> bool {
        self.run.is_some() && self.recorder.has_bug(bug)
    }

    fn begin<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: Option<&'a Precondition>,
    ) -> PendingWrite<'a> {
        PendingWrite {
            possible: &self.possible_states,
            name,
            bytes: self.inject_write_bug(name, bytes),
            expected,
            is_finished: false,
        }
    }

    fn note_failure<T>(&self, name: &str, result: StorageResult<T>) -> StorageResult<T> {
        if let (true, Err(_), Some(run)) = (name.starts_with(REQUESTS), &result, &self.run) {
            (run.on_request_log_failure)();
        }
        result
    }

    fn require_possible(&self, name: &str, object: Option<&Object>) {
        let mut possible = self.possible_states.0.lock().unwrap();
        let bytes = object.map(|object| &object.bytes);
        let mut contents = possible.contents_of(name).iter();
        self.recorder.require(
            contents.any(|possible| possible.as_ref().map(|object| &object.bytes) == bytes),
            "no file is corrupt",
            || {
                let text = bytes.map(|bytes| String::from_utf8_lossy(bytes));
                format!("`{name}` is neither of a finished nor of an interrupted write: {text:?}")
            },
        );
    }

    fn inject_write_bug(&self, name: &str, bytes: Vec<u8>) -> Vec<u8> {
        if name.starts_with("lists/") && self.has_bug(Bug::WrongListStored) {
            return ListWriter::to(Vec::new()).finish().unwrap_or_default();
        }
        let changes_state = [
            Bug::IntentsDropped,
            Bug::StateBeforeResponse,
            Bug::UnmanagedTreatedAsManaged,
        ];
        let changes_journal = [Bug::BatchesCountedBeforeSend, Bug::RevisionsDropped];
        if name == STATE && changes_state.into_iter().any(|bug| self.has_bug(bug)) {
            let mut stored: StoredState = decode(&bytes);
            self.change_state(&mut stored);
            return encode(stored);
        }
        let mut changes = changes_state.into_iter().chain(changes_journal);
        if name.starts_with(JOURNAL) && changes.any(|bug| self.has_bug(bug)) {
            let mut journal: StoredJournal = decode(&bytes);
            self.change_entries(&mut journal.entries);
            return encode(journal);
        }
        bytes
    }

    fn change_state(&self, stored: &mut StoredState) {
        if self.has_bug(Bug::IntentsDropped) {
            stored.intents.clear();
        }
        if self.has_bug(Bug::StateBeforeResponse) {
            for intent in &stored.intents {
                let entries = &stored.segments;
                let find = |id: &_| entries.iter().find(|entry| entry.id == *id).cloned();
                if let Some(early) = premature_entry(find, intent) {
                    stored.segments.push(early);
                }
            }
        }
        if self.has_bug(Bug::UnmanagedTreatedAsManaged) {
            let entries = stored.segments.iter_mut();
            entries.for_each(|entry| entry.history_only = false);
        }
    }

    fn change_entries(&self, entries: &mut Vec<JournalEntry>) {
        if self.has_bug(Bug::IntentsDropped) {
            entries.retain(|entry| !matches!(entry, JournalEntry::Intent(_)));
        }
        if self.has_bug(Bug::StateBeforeResponse) {
            let possible = self.possible_states.0.lock().unwrap();
            let find = |id: &_| possible.states.last()?.state.any_entry(id).cloned();
            let early: Vec<JournalEntry> = entries
                .iter()
                .filter_map(|entry| match entry {
                    JournalEntry::Intent(intent) => premature_entry(find, intent),
                    _ => None,
                })
                .map(JournalEntry::StateEntry)
                .collect();
            entries.extend(early);
        }
        for journal_entry in entries {
            let JournalEntry::StateEntry(entry) = journal_entry else {
                continue;
            };
            if self.has_bug(Bug::BatchesCountedBeforeSend)
                && let Some(cohort_state) = &mut entry.cohort_state
                && let Some(partial) = &mut cohort_state.partial
            {
                // All members of a partially sent list count as sent.
                partial.added = partial.list.count;
            }
            if self.has_bug(Bug::UnmanagedTreatedAsManaged) {
                entry.history_only = false;
            }
            if self.has_bug(Bug::RevisionsDropped) {
                entry.revisions.clear();
            }
        }
    }

    fn inject_read_bug(&self, name: &str, object: Object) -> Option<Object> {
        if name == LOCK && self.has_bug(Bug::LockLossIgnored) {
            let run = self.run.as_ref()?;
            return Some(run.own_lock.lock().unwrap().clone().unwrap_or(object));
        }
        if name.starts_with("callbacks/") && self.has_bug(Bug::UploadFailuresIgnored) {
            let result: UploadResult = decode(&object.bytes);
            return matches!(result, UploadResult::Processed(_)).then_some(object);
        }
        if !self.has_bug(Bug::PendingRequestsForgotten) {
            return Some(object);
        }
        let bytes = if name == STATE {
            let mut stored: StoredState = decode(&object.bytes);
            stored.segments.iter_mut().for_each(forget_ambiguous_requests);
            stored.intents.iter_mut().for_each(forget_ambiguous_creation);
            encode(stored)
        } else if name.starts_with(JOURNAL) {
            let mut journal: StoredJournal = decode(&object.bytes);
            for entry in &mut journal.entries {
                match entry {
                    JournalEntry::StateEntry(entry) => forget_ambiguous_requests(entry),
                    JournalEntry::Intent(intent) => forget_ambiguous_creation(intent),
                    _ => {}
                }
            }
            encode(journal)
        } else {
            return Some(object);
        };
        Some(Object::new(bytes, object.version()))
    }
}

fn forget_ambiguous_requests(entry: &mut StateEntry) {
    if let Some(cohort_state) = &mut entry.cohort_state {
        cohort_state.ambiguous_since = None;
    }
    if let Some(upload_state) = &mut entry.upload_state {
        upload_state.ambiguous_since = None;
    }
}

fn forget_ambiguous_creation(intent: &mut Intent) {
    if let IntendedWrite::CreateCohort { cohort_state } = &mut intent.write {
        cohort_state.ambiguous_since = None;
    }
}

/// The entry of an update that was only intended.
fn premature_entry(
    find: impl Fn(&segctl::model::SegmentId) -> Option<StateEntry>,
    intent: &Intent,
) -> Option<StateEntry> {
    let IntendedWrite::Update {
        id, name, definition, ..
    } = &intent.write
    else {
        return None;
    };
    Some(StateEntry {
        history_only: false,
        definition: Some(definition.clone().into()),
        ..find(id).unwrap_or_else(|| StateEntry::new(id.clone(), name.clone(), intent.at))
    })
}

impl Storage for CheckedStorage {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, StorageResult<Option<Object>>> {
        async move {
            let object = self.note_failure(name, self.inner.get(name).await)?;
            self.require_possible(name, object.as_ref());
            Ok(object.and_then(|object| self.inject_read_bug(name, object)))
        }
        .boxed()
    }

    fn put<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, StorageResult> {
        async move {
            let mut write = self.begin(name, bytes, None);
            self.inner.put(name, write.bytes.clone()).await?;
            write.finish();
            Ok(())
        }
        .boxed()
    }

    fn put_if<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: &'a Precondition,
    ) -> BoxFuture<'a, StorageResult<ConditionalWrite>> {
        async move {
            let mut write = self.begin(name, bytes, Some(expected));
            if name.starts_with(JOURNAL) && self.has_bug(Bug::JournalNotWritten) {
                write.finish();
                return Ok(ConditionalWrite::Done(Version::of_bytes(&write.bytes)));
            }
            let written = self.inner.put_if(name, write.bytes.clone(), expected).await;
            let written = self.note_failure(name, written)?;
            match &written {
                ConditionalWrite::Done(version) => {
                    if let (LOCK, Some(run)) = (name, &self.run) {
                        let lock = Object::new(write.bytes.clone(), version.clone());
                        *run.own_lock.lock().unwrap() = Some(lock);
                    }
                    write.finish();
                }
                ConditionalWrite::Conflict(_) => write.is_finished = true,
            }
            Ok(written)
        }
        .boxed()
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, StorageResult<Vec<String>>> {
        async move { self.note_failure(folder, self.inner.list(folder).await) }.boxed()
    }

    fn delete(&self, names: Vec<String>) -> BoxFuture<'_, StorageResult> {
        let mut possible = self.possible_states.0.lock().unwrap();
        // An interrupted delete has no effect, and a power loss may undo a finished one.
        names
            .iter()
            .for_each(|name| possible.contents_of(name).push(None));
        drop(possible);
        self.inner.delete(names)
    }

    fn location(&self, name: &str) -> String {
        self.inner.location(name)
    }
}
