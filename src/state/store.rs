//! The state as objects of a storage.
//!
//! | object | contents |
//! |---|---|
//! | `state.json` | the state at the end of the last run, or at the first change of a run |
//! | `journal/<generation>-<number>.json` | the entries of one append since then |
//! | `lock.json` | which run may change the state |
//! | `cache.json` | the last fetched definitions |
//! | `lists/`, `callbacks/` | member lists by digest, upload results by id |
//! | `requests/` | the request log, see `request_log` |
//!
//! A step costs small objects, however large the state is: the end of a run compacts them into `state.json`. An interrupted
//! run leaves its journal to the next one.
//!
//! These rules keep the state complete:
//! - An append returns when its entries are durable, so an intent is on the disk before its request is sent.
//! - `state.json` contains its generation, and journal objects belong to one generation. They are numbered without gaps,
//!   and `state.json` contains whether object 1 exists. A missing object is damage, and so are entries of a later generation.
//! - An object of an older generation was compacted. Its deletion may fail, or be lost with the power.
//!
//! These rules keep two runs apart:
//! - Only the writer that read the latest `state.json` replaces it. The first append of a run does, so no late write of an
//!   earlier run changes the state, and no write of a run that lost its lock does.
//! - A run re-reads the lock after each append. If it still holds the lock, the next holder finds the entries. If not, the
//!   run sends no write, and at worst the next run verifies a write that was never sent.
//! - `lock.json` is never deleted, since a delete has no condition. A free lock has the contents `null`.
//! - Upload results and requests are written without the lock, under conditions of their own.

mod old_format;
#[cfg(test)]
mod tests;

use super::file_format::{
    CALLBACK_VERSION, CALLBACKS_FOLDER, JOURNAL_VERSION, LOCK_FILE, LOCK_VERSION, STATE_VERSION, StateFile,
    callback_name, parse_callback_name,
};
use super::journal::{JOURNAL_FOLDER, JournalObject, JournalPosition, parse_names};
use super::store_error::{StoreError, StoreResult};
use super::{JournalEntry, Lock, LockChange, State, checksummed_json};
use crate::model::{ListDigest, StateLocation, UploadId, UploadResult};
use crate::storage::{
    self, ConditionalWrite, DirectoryStorage, NO_CONDITIONAL_WRITES, Object, Precondition, Storage,
    StorageError, Version,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

const STATE_FILE: &str = "state.json";
const LISTS_FOLDER: &str = "lists";
const GZIP_EXTENSION: &str = ".gz";

/// How often a change is retried after a conflict. Each conflict means that another process made progress.
pub(super) const CONFLICT_RETRIES: usize = 50;

const CONCURRENT_READS: usize = 16;

/// A longer journal is compacted, since the run after an interrupted one reads every object.
const JOURNAL_OBJECTS_LIMIT: u64 = 200;

/// The limit of a large state is half of its entries: a compaction writes all of them, so a fixed limit would make a
/// run of many steps quadratic.
const ENTRIES_PER_JOURNAL_OBJECT: u64 = 2;

#[derive(Debug)]
pub struct StateStore {
    pub(super) storage: Box<dyn Storage>,
    position: Mutex<WritePosition>,
    /// The lock that this store put: it changes the state only while it holds the lock.
    held_lock: Mutex<Option<Lock>>,
    /// The number of the first record in the last known object of the request log.
    pub(super) last_request_part: Mutex<Option<u64>>,
}

#[derive(Debug, Default)]
struct WritePosition {
    base: Option<BaseVersion>,
    /// The states that this store tried to write: an abandoned write may take effect late.
    attempts: BTreeSet<Version>,
    /// `None` where the journal does not follow the state as this run left it.
    next: Option<JournalPosition>,
    /// The number of the last journal object before a compaction.
    last_number: u64,
}

#[derive(Clone, Debug, Default)]
struct BaseVersion {
    generation: u64,
    object: Precondition,
}

impl StateStore {
    pub fn new(storage: impl Storage + 'static) -> Self {
        Self::from(Box::new(storage) as Box<dyn Storage>)
    }

    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self::new(DirectoryStorage::new(directory))
    }

    /// Opens the store that `state:` in segctl.yaml configures. Directories are relative to `base`.
    pub fn open(location: &StateLocation, base: &Path) -> StoreResult<Self> {
        Ok(Self::from(storage::open(location, base)?))
    }

    /// Reads the state; an empty one before the first write.
    pub async fn load(&self) -> StoreResult<State> {
        let mut position = self.position.lock().await;
        let (base, file, journal) = self.read_state().await?;
        if matches!(base.object, Precondition::Absent) {
            self.reject_old_format().await?;
        }
        position.base = Some(base);
        position.next = None;
        drop(position);
        Ok(file.into_state(journal))
    }

    pub async fn save(&self, state: &State) -> StoreResult {
        let mut position = self.position.lock().await;
        position.next = None;
        self.write_next_generation(&mut position, state, false).await
    }

    /// Adds `entries`, which `state` contains already. They are durable when this returns. Needs the lock.
    pub async fn append(&self, state: &State, entries: &[JournalEntry]) -> StoreResult {
        let mut position = self.position.lock().await;
        // After a failure it is unknown which object arrived, so the next append replaces the journal.
        let written = match position.next.take() {
            Some(next) => {
                let (name, bytes) = (next.name(), encode_journal_object(next, entries));
                let written = self.storage.put_if(&name, bytes, &Precondition::Absent).await?;
                if let ConditionalWrite::Conflict(_) = written {
                    return Err(self.conflict_error().await);
                }
                next
            }
            None => {
                self.write_next_generation(&mut position, state, true).await?;
                let base = position.base.as_ref();
                JournalPosition::first(base.map_or(0, |base| base.generation))
            }
        };
        self.require_lock().await?;
        position.next = (written.number < position.last_number).then(|| written.next());
        Ok(())
    }

    async fn read_state(&self) -> StoreResult<(BaseVersion, StateFile, Vec<JournalEntry>)> {
        for _ in 0..CONFLICT_RETRIES {
            let Some(object) = self.storage.get(STATE_FILE).await? else {
                // `state.json` is written before its journal, so the state of a journal without it is lost.
                return Ok((BaseVersion::default(), StateFile::default(), Vec::new()));
            };
            let journal = parse_names(&self.storage.list(JOURNAL_FOLDER).await?);
            let objects = self.read_all(journal.iter().map(|part| part.name())).await?;
            let (base, file) = self.decode_state(object)?;
            // A state without a journal is complete, whatever happened after it was read.
            let has_journal =
                file.has_journal || journal.iter().any(|part| part.generation >= base.generation);
            if has_journal {
                let again = self.storage.get(STATE_FILE).await?;
                if !base.object.is_met_by(again.as_ref()) {
                    // Another process replaced the state meanwhile, and compacted the journal.
                    continue;
                }
            }
            let is_later = |part: &&JournalPosition| part.generation > base.generation && part.number > 1;
            if let Some(later) = journal.iter().find(is_later) {
                let (generation, later) = (base.generation, later.name());
                let reason = format!("its generation is {generation}, and `{later}` follows a later one");
                return Err(self.corrupt_error(STATE_FILE)(reason));
            }
            let parts = journal.iter().zip(objects);
            let parts = parts.filter(|(part, _)| part.generation == base.generation);
            let entries = self.decode_journal(&file, parts)?;
            return Ok((base, file, entries));
        }
        Err(self.too_many_conflicts(STATE_FILE))
    }

    /// Reads several objects in parallel; the result has the order of `names`.
    pub(super) async fn read_all(
        &self,
        names: impl Iterator<Item = String>,
    ) -> StoreResult<Vec<Option<Object>>> {
        let reads = names.map(|name| async move { self.storage.get(&name).await });
        // Collected first, since a lazy stream of these futures is not `Send`.
        let reads: Vec<_> = reads.collect();
        let objects = stream::iter(reads).buffered(CONCURRENT_READS);
        Ok(objects.try_collect().await?)
    }

    fn decode_state(&self, object: Object) -> StoreResult<(BaseVersion, StateFile)> {
        let stored = Precondition::of(Some(&object));
        let file: StateFile = self.decode(STATE_FILE, object, STATE_VERSION)?;
        let base = BaseVersion {
            generation: file.generation,
            object: stored,
        };
        Ok((base, file))
    }

    /// The entries of a journal, whose objects have to exist from the first one on.
    fn decode_journal<'a>(
        &self,
        file: &StateFile,
        parts: impl Iterator<Item = (&'a JournalPosition, Option<Object>)>,
    ) -> StoreResult<Vec<JournalEntry>> {
        let mut entries = Vec::new();
        let mut expected = JournalPosition::first(file.generation);
        let missing = |position: JournalPosition| {
            let reason = format!("it is missing, and `{STATE_FILE}` is incomplete without it");
            self.corrupt_error(&position.name())(reason)
        };
        for (position, object) in parts {
            let object = object.filter(|_| *position == expected);
            let object = object.ok_or_else(|| missing(expected))?;
            let name = position.name();
            let journal: JournalObject<'_> = self.decode(&name, object, JOURNAL_VERSION)?;
            if journal.position != expected {
                let reason = "it is not what segctl wrote under this name".to_owned();
                return Err(self.corrupt_error(&name)(reason));
            }
            entries.extend(journal.entries.into_owned());
            expected = expected.next();
        }
        if file.has_journal && expected.number == 1 {
            return Err(missing(expected));
        }
        Ok(entries)
    }

    /// Replaces the state by its next generation, and deletes the obsolete journal.
    async fn write_next_generation(
        &self,
        position: &mut WritePosition,
        state: &State,
        has_journal: bool,
    ) -> StoreResult {
        self.require_lock().await?;
        if position.base.is_none() {
            position.base = Some(self.read_state().await?.0);
        }
        // Unchanged on a conflict, so that the next attempt does not overwrite another process's state either.
        let mut base = position.base.clone().unwrap_or_default();
        let obsolete = parse_names(&self.storage.list(JOURNAL_FOLDER).await?);
        let latest = obsolete.last().map_or(0, |part| part.generation);
        for _ in 0..CONFLICT_RETRIES {
            let generation = base.generation.max(latest) + 1;
            if has_journal {
                // Every writer of this object writes the same bytes.
                let first = JournalPosition::first(generation);
                let bytes = encode_journal_object(first, &[]);
                self.storage.put(&first.name(), bytes).await?;
            }
            let file = StateFile::of(state, generation, has_journal);
            let bytes = checksummed_json::encode(STATE_VERSION, &file).into_bytes();
            position.attempts.insert(Version::of_bytes(&bytes));
            match self.storage.put_if(STATE_FILE, bytes, &base.object).await? {
                ConditionalWrite::Done(version) => {
                    let object = Precondition::Version(version);
                    let entries = state.all_entries().count() as u64;
                    *position = WritePosition {
                        base: Some(BaseVersion { generation, object }),
                        last_number: JOURNAL_OBJECTS_LIMIT.max(entries / ENTRIES_PER_JOURNAL_OBJECT),
                        ..WritePosition::default()
                    };
                    let names = obsolete.iter().map(|part| part.name()).collect();
                    if let Err(error) = self.storage.delete(names).await {
                        tracing::debug!(%error, "an obsolete object was not deleted");
                    }
                    return Ok(());
                }
                ConditionalWrite::Conflict(Some(object))
                    if position.attempts.contains(&Version::of_bytes(&object.bytes)) =>
                {
                    base = self.decode_state(object)?.0;
                }
                ConditionalWrite::Conflict(_) => return Err(self.conflict_error().await),
            }
        }
        Err(self.too_many_conflicts(STATE_FILE))
    }

    async fn conflict_error(&self) -> StoreError {
        match self.require_lock().await {
            Err(error) => error,
            Ok(()) => StoreError::LockLost { by: None },
        }
    }

    /// Fails if this store put a lock and no longer holds it.
    async fn require_lock(&self) -> StoreResult {
        let held = self.held_lock.lock().await;
        let Some(held) = held.as_ref() else {
            return Ok(());
        };
        match self.read_lock().await?.1 {
            Some(lock) if lock.is_same_claim(held) => Ok(()),
            other => Err(StoreError::LockLost {
                by: other.map(Box::new),
            }),
        }
    }

    async fn read_lock(&self) -> StoreResult<(Precondition, Option<Lock>)> {
        let (stored, lock) = self.read_json::<Option<Lock>>(LOCK_FILE, LOCK_VERSION).await?;
        Ok((stored, lock.flatten()))
    }

    /// Creates a free lock, and verifies that the storage supports conditional writes.
    async fn create_lock(&self) -> StoreResult {
        let free = || checksummed_json::encode(LOCK_VERSION, &None::<Lock>).into_bytes();
        let absent = Precondition::Absent;
        if let ConditionalWrite::Conflict(_) = self.storage.put_if(LOCK_FILE, free(), &absent).await? {
            return Ok(());
        }
        for failing in [absent, Precondition::Version(Version::of_no_object())] {
            if let ConditionalWrite::Done(_) = self.storage.put_if(LOCK_FILE, free(), &failing).await? {
                return Err(self.write_error(LOCK_FILE, NO_CONDITIONAL_WRITES));
            }
        }
        Ok(())
    }

    /// Applies `change` to the lock atomically, and returns the lock before. The store may call `change` more than once.
    /// After a store has put a lock, it changes the state only while it holds that lock.
    pub async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> StoreResult<Option<Lock>> {
        for _ in 0..CONFLICT_RETRIES {
            let (stored, before) = self.read_lock().await?;
            let after = match change(before.as_ref()) {
                LockChange::Keep => return Ok(before),
                LockChange::Remove => None,
                LockChange::Put(lock) => Some(lock),
            };
            if matches!(stored, Precondition::Absent) {
                self.create_lock().await?;
                continue;
            }
            let bytes = checksummed_json::encode(LOCK_VERSION, &after).into_bytes();
            if let ConditionalWrite::Done(_) = self.storage.put_if(LOCK_FILE, bytes, &stored).await? {
                *self.held_lock.lock().await = after;
                return Ok(before);
            }
        }
        Err(self.too_many_conflicts(LOCK_FILE))
    }

    /// Stores a compressed member list under its digest. It is durable when this returns.
    pub async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> StoreResult {
        // The name contains the digest, so every writer writes the same bytes.
        Ok(self.storage.put(&list_name(digest), bytes.to_vec()).await?)
    }

    pub async fn load_member_list(&self, digest: &ListDigest) -> StoreResult<Option<Vec<u8>>> {
        let object = self.storage.get(&list_name(digest)).await?;
        Ok(object.map(|object| Arc::unwrap_or_clone(object.bytes)))
    }

    /// Deletes all other member lists, such as those of a run that crashed before it recorded them. Needs the lock.
    pub async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> StoreResult {
        let is_unneeded = |name: &str| parse_list_name(name).is_some_and(|digest| !keep.contains(&digest));
        self.delete_unneeded(LISTS_FOLDER, is_unneeded).await
    }

    /// Stores the result of an upload. It is durable when this returns. A stored failure is final. Does not need the lock.
    pub async fn save_callback(&self, upload: &UploadId, result: &UploadResult) -> StoreResult {
        let name = callback_name(upload);
        for _ in 0..CONFLICT_RETRIES {
            let (stored, existing) = self.read_json(&name, CALLBACK_VERSION).await?;
            if existing.is_some_and(|existing| {
                existing == *result || matches!(existing, UploadResult::Failed { .. })
            }) {
                return Ok(());
            }
            let bytes = checksummed_json::encode(CALLBACK_VERSION, result).into_bytes();
            if let ConditionalWrite::Done(_) = self.storage.put_if(&name, bytes, &stored).await? {
                return Ok(());
            }
        }
        Err(self.too_many_conflicts(&name))
    }

    pub async fn load_callback(&self, upload: &UploadId) -> StoreResult<Option<UploadResult>> {
        Ok(self.read_json(&callback_name(upload), CALLBACK_VERSION).await?.1)
    }

    /// Deletes the results of all other uploads. Needs the lock.
    pub async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> StoreResult {
        let is_unneeded =
            |name: &str| parse_callback_name(name).is_some_and(|upload| !keep.contains(&upload));
        self.delete_unneeded(CALLBACKS_FOLDER, is_unneeded).await
    }

    async fn delete_unneeded(&self, folder: &str, is_unneeded: impl Fn(&str) -> bool) -> StoreResult {
        self.require_lock().await?;
        let mut names = self.storage.list(folder).await?;
        names.retain(|name| is_unneeded(name));
        Ok(self.storage.delete(names).await?)
    }

    pub(super) async fn read_json<T: DeserializeOwned>(
        &self,
        name: &str,
        version: u32,
    ) -> StoreResult<(Precondition, Option<T>)> {
        let object = self.storage.get(name).await?;
        let stored = Precondition::of(object.as_ref());
        let contents = object.map(|object| self.decode(name, object, version));
        Ok((stored, contents.transpose()?))
    }

    fn decode<T: DeserializeOwned>(&self, name: &str, object: Object, version: u32) -> StoreResult<T> {
        checksummed_json::decode(&object.bytes, version).map_err(self.corrupt_error(name))
    }

    pub(super) fn corrupt_error(&self, name: &str) -> impl FnOnce(String) -> StoreError {
        let location = self.storage.location(name);
        |reason| StoreError::Corrupt { location, reason }
    }

    pub(super) fn too_many_conflicts(&self, name: &str) -> StoreError {
        let reason = "other runs change it continuously; try again when fewer runs are active";
        self.write_error(name, reason)
    }

    fn write_error(&self, name: &str, reason: &str) -> StoreError {
        StoreError::Storage(StorageError::Object {
            operation: "write",
            object: self.storage.location(name),
            reason: reason.to_owned(),
        })
    }
}

impl From<Box<dyn Storage>> for StateStore {
    fn from(storage: Box<dyn Storage>) -> Self {
        Self {
            storage,
            position: Mutex::default(),
            held_lock: Mutex::new(None),
            last_request_part: Mutex::default(),
        }
    }
}

fn encode_journal_object(position: JournalPosition, entries: &[JournalEntry]) -> Vec<u8> {
    let entries = Cow::Borrowed(entries);
    checksummed_json::encode(JOURNAL_VERSION, &JournalObject { position, entries }).into_bytes()
}

fn list_name(digest: &ListDigest) -> String {
    format!("{LISTS_FOLDER}/{digest}{GZIP_EXTENSION}")
}

fn parse_list_name(name: &str) -> Option<ListDigest> {
    let digest = name.rsplit('/').next()?.strip_suffix(GZIP_EXTENSION)?;
    ListDigest::try_from(digest.to_owned()).ok()
}
