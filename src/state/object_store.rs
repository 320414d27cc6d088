//! A state in an object store.
//!
//! The objects are those of the directory store, under one prefix. Writes are conditional on the version that was read, so
//! the second of two writers fails. Every append writes one small object, `journal/<generation>/<number>.jsonl`, and the end
//! of the run compacts them.
//!
//! These rules keep two runs apart:
//! - `state.json` contains its generation, and only the writer that read the latest one replaces it. The first append of a
//!   run replaces it, so no late write of an earlier run changes the state.
//! - A run re-reads the lock after it wrote a journal object. If it still holds the lock, the next holder finds the object.
//!   If not, the run sends no write, and at worst the next run verifies a write that was never sent.
//! - `lock.json` is never deleted, since a delete cannot be conditional. A free lock has the contents `null`.

mod bucket;
mod journal_objects;

use super::file_format::{CACHE_VERSION, CALLBACK_VERSION, LOCK_VERSION, STATE_VERSION, StateFile};
use super::request_log::RequestLogFile;
use super::store::{
    CACHE_FILE, CALLBACKS_FOLDER, LISTS_FOLDER, LOCK_FILE, REQUEST_LOG_FILE, STATE_FILE, callback_file_name,
    keeps_existing_callback, list_file_name, parse_callback_file_name, parse_list_file_name,
};
use super::{Cache, JournalEntry, Lock, LockChange, State, StateStore, StoreError, StoreResult};
use super::{checksummed_json, journal};
use crate::model::{ListDigest, ObjectStoreUrl, RequestRecord, UploadId, UploadResult};
use crate::storage::connect;
use bucket::{ConditionalWrite, FetchedObject, Precondition, StateBucket};
use jiff::Timestamp;
use journal_objects::{JOURNAL_FOLDER, JournalObject};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::sync::Mutex;

/// How often a change is retried after a conflict. Each conflict means that another process made progress.
const CONFLICT_RETRIES: usize = 50;

/// A longer journal is compacted, since the run after an interrupted one reads every object.
const JOURNAL_OBJECTS_LIMIT: u64 = 200;

#[derive(Debug)]
pub struct ObjectStateStore {
    bucket: StateBucket,
    position: Mutex<WritePosition>,
    /// The lock that this store put: it changes the state only while it holds the lock.
    held_lock: Mutex<Option<Lock>>,
}

#[derive(Debug, Default)]
struct WritePosition {
    base: Option<BaseVersion>,
    /// `None` where the journal does not follow the state as this run left it.
    next_journal_object: Option<JournalObject>,
}

#[derive(Clone, Debug, Default)]
struct BaseVersion {
    generation: u64,
    object: Precondition,
}

impl ObjectStateStore {
    /// Reads the setup from environment variables. Sends no request.
    pub fn connect(
        url: &ObjectStoreUrl,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> StoreResult<Self> {
        let store = connect(url, variables).map_err(|reason| StoreError::Object {
            operation: "open",
            object: url.to_string(),
            reason,
        })?;
        Ok(Self {
            bucket: StateBucket::new(store, url.clone()),
            position: Mutex::default(),
            held_lock: Mutex::new(None),
        })
    }

    fn corrupt_error(&self, name: &str) -> impl Fn(String) -> StoreError {
        let path = PathBuf::from(self.bucket.url(name));
        move |reason| StoreError::Corrupt {
            path: path.clone(),
            reason,
        }
    }

    async fn read_json<T: DeserializeOwned>(
        &self,
        name: &str,
        version: u32,
    ) -> StoreResult<(Option<FetchedObject>, Option<T>)> {
        let object = self.bucket.get(name).await?;
        let contents = object
            .as_ref()
            .map(|object| checksummed_json::decode(&object.bytes, version));
        let contents = contents.transpose().map_err(self.corrupt_error(name))?;
        Ok((object, contents))
    }

    async fn read_lock(&self) -> StoreResult<(Option<FetchedObject>, Option<Lock>)> {
        let (object, lock) = self.read_json::<Option<Lock>>(LOCK_FILE, LOCK_VERSION).await?;
        Ok((object, lock.flatten()))
    }

    async fn delete_unneeded(&self, folder: &str, is_unneeded: impl Fn(&str) -> bool) -> StoreResult {
        self.require_lock().await?;
        let mut names = self.bucket.list(folder).await?;
        names.retain(|name| is_unneeded(name));
        self.bucket.delete_all(names).await;
        Ok(())
    }

    fn too_many_conflicts(&self, name: &str) -> StoreError {
        StoreError::Object {
            operation: "write",
            object: self.bucket.url(name),
            reason: "other runs change it continuously; try again when fewer runs are active".to_owned(),
        }
    }

    async fn read_file_and_journal(&self) -> StoreResult<(BaseVersion, StateFile, Vec<JournalEntry>)> {
        for _ in 0..CONFLICT_RETRIES {
            let Some(object) = self.bucket.get(STATE_FILE).await? else {
                // `state.json` is written before its journal, so the state of a journal without it is lost.
                return Ok((BaseVersion::default(), StateFile::default(), Vec::new()));
            };
            let (base, file) = self.decode_state(&object)?;
            let journal = journal_objects::parse_names(self.bucket.list(JOURNAL_FOLDER).await?);
            let current = journal.iter().filter(|part| part.generation == base.generation);
            let names: Vec<String> = current.map(JournalObject::name).collect();
            let objects = self.bucket.get_all(&names).await?;
            let again = self.bucket.get(STATE_FILE).await?;
            if again.is_none_or(|again| again.version != object.version) {
                // Another process replaced the state meanwhile, and compacted the journal.
                continue;
            }
            if let Some(later) = journal.iter().find(|part| part.generation > base.generation) {
                return Err(self.corrupt_error(STATE_FILE)(format!(
                    "its generation is {}, and `{}` follows a later one",
                    base.generation,
                    later.name()
                )));
            }
            let entries = self.decode_journal(base.generation, &names, objects)?;
            return Ok((base, file, entries));
        }
        Err(self.too_many_conflicts(STATE_FILE))
    }

    fn decode_state(&self, object: &FetchedObject) -> StoreResult<(BaseVersion, StateFile)> {
        let file: Result<StateFile, _> = checksummed_json::decode(&object.bytes, STATE_VERSION);
        let file = file.map_err(self.corrupt_error(STATE_FILE))?;
        let base = BaseVersion {
            generation: file.generation,
            object: Precondition::of(Some(object)),
        };
        Ok((base, file))
    }

    /// The entries of a journal, whose objects have to exist from the first one on.
    fn decode_journal(
        &self,
        generation: u64,
        names: &[String],
        objects: Vec<Option<FetchedObject>>,
    ) -> StoreResult<Vec<JournalEntry>> {
        let mut entries = Vec::new();
        for (number, (name, object)) in (1..).zip(names.iter().zip(objects)) {
            let expected = JournalObject { generation, number }.name();
            let Some(object) = object.filter(|_| *name == expected) else {
                let reason = format!("it is missing, and `{STATE_FILE}` is incomplete without it");
                return Err(self.corrupt_error(&expected)(reason));
            };
            let journal = journal::decode(&object.bytes).map_err(self.corrupt_error(name))?;
            if journal.base_generation != generation || !object.bytes.ends_with(b"\n") {
                let reason = "it is not what segctl wrote under this name".to_owned();
                return Err(self.corrupt_error(name)(reason));
            }
            entries.extend(journal.entries);
        }
        Ok(entries)
    }

    /// Replaces the state by its next generation, and returns the obsolete journal objects.
    async fn write_next_generation(
        &self,
        position: &mut WritePosition,
        state: &State,
    ) -> StoreResult<Vec<JournalObject>> {
        self.require_lock().await?;
        if position.base.is_none() {
            position.base = Some(self.read_file_and_journal().await?.0);
        }
        // Unchanged on a conflict, so that the next attempt does not overwrite another process's state either.
        let mut base = position.base.clone().unwrap_or_default();
        let obsolete = journal_objects::parse_names(self.bucket.list(JOURNAL_FOLDER).await?);
        let latest = obsolete.iter().map(|part| part.generation).max();
        for _ in 0..CONFLICT_RETRIES {
            let generation = base.generation.max(latest.unwrap_or_default()) + 1;
            let file = StateFile::of(state, (generation, false));
            let text = checksummed_json::encode(STATE_VERSION, &file);
            match self.bucket.put_if(STATE_FILE, &text, &base.object).await? {
                ConditionalWrite::Done(version) => {
                    let object = Precondition::Version(version);
                    position.base = Some(BaseVersion { generation, object });
                    return Ok(obsolete);
                }
                // An abandoned write arrived late.
                ConditionalWrite::Conflict(Some(object)) if self.bucket.is_own_write(&object) => {
                    base = self.decode_state(&object)?.0;
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

    /// Creates a free lock, and verifies that the store supports conditional writes.
    async fn create_lock(&self) -> StoreResult {
        let free = checksummed_json::encode(LOCK_VERSION, &None::<Lock>);
        match self
            .bucket
            .put_if(LOCK_FILE, &free, &Precondition::Absent)
            .await?
        {
            ConditionalWrite::Done(_) => self.bucket.require_conditional_writes(LOCK_FILE, &free).await,
            ConditionalWrite::Conflict(_) => Ok(()),
        }
    }
}

impl StateStore for ObjectStateStore {
    async fn load(&self) -> StoreResult<State> {
        let mut position = self.position.lock().await;
        let (base, file, journal) = self.read_file_and_journal().await?;
        *position = WritePosition {
            base: Some(base),
            next_journal_object: None,
        };
        drop(position);
        Ok(file.into_state(journal))
    }

    async fn save(&self, state: &State) -> StoreResult {
        let mut position = self.position.lock().await;
        position.next_journal_object = None;
        let obsolete = self.write_next_generation(&mut position, state).await?;
        drop(position);
        let names = obsolete.iter().map(JournalObject::name).collect();
        self.bucket.delete_all(names).await;
        Ok(())
    }

    async fn append(&self, state: &State, entries: &[JournalEntry]) -> StoreResult {
        let mut position = self.position.lock().await;
        // After a failure it is unknown which object arrived, so the next append replaces the journal.
        let Some(object) = position.next_journal_object.take() else {
            self.write_next_generation(&mut position, state).await?;
            let base = position.base.as_ref();
            position.next_journal_object = base.map(|base| JournalObject::first(base.generation));
            return Ok(());
        };
        let text = journal::encode_header(object.generation) + &journal::encode_lines(entries);
        let written = self
            .bucket
            .put_if(&object.name(), &text, &Precondition::Absent)
            .await?;
        if let ConditionalWrite::Conflict(_) = written {
            return Err(self.conflict_error().await);
        }
        self.require_lock().await?;
        position.next_journal_object =
            Some(object.next()).filter(|next| next.number <= JOURNAL_OBJECTS_LIMIT);
        Ok(())
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> StoreResult<Option<Lock>> {
        for _ in 0..CONFLICT_RETRIES {
            let (object, before) = self.read_lock().await?;
            let after = match change(before.as_ref()) {
                LockChange::Keep => return Ok(before),
                LockChange::Remove => None,
                LockChange::Put(lock) => Some(lock),
            };
            if object.is_none() {
                self.create_lock().await?;
                continue;
            }
            let text = checksummed_json::encode(LOCK_VERSION, &after);
            let expected = Precondition::of(object.as_ref());
            if let ConditionalWrite::Done(_) = self.bucket.put_if(LOCK_FILE, &text, &expected).await? {
                *self.held_lock.lock().await = after;
                return Ok(before);
            }
        }
        Err(self.too_many_conflicts(LOCK_FILE))
    }

    async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> StoreResult {
        // The name contains the digest, so every writer writes the same bytes.
        self.bucket.put(&list_file_name(digest), bytes.to_vec()).await
    }

    async fn load_member_list(&self, digest: &ListDigest) -> StoreResult<Option<Vec<u8>>> {
        let object = self.bucket.get(&list_file_name(digest)).await?;
        Ok(object.map(|object| object.bytes))
    }

    async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> StoreResult {
        let is_unneeded =
            |name: &str| parse_list_file_name(name).is_some_and(|digest| !keep.contains(&digest));
        self.delete_unneeded(LISTS_FOLDER, is_unneeded).await
    }

    async fn save_callback(&self, upload: &UploadId, result: &UploadResult) -> StoreResult {
        let name = callback_file_name(upload);
        let text = checksummed_json::encode(CALLBACK_VERSION, result);
        for _ in 0..CONFLICT_RETRIES {
            let (object, existing) = self.read_json(&name, CALLBACK_VERSION).await?;
            if keeps_existing_callback(existing.as_ref(), result) {
                return Ok(());
            }
            let expected = Precondition::of(object.as_ref());
            if let ConditionalWrite::Done(_) = self.bucket.put_if(&name, &text, &expected).await? {
                return Ok(());
            }
        }
        Err(self.too_many_conflicts(&name))
    }

    async fn load_callback(&self, upload: &UploadId) -> StoreResult<Option<UploadResult>> {
        let name = callback_file_name(upload);
        Ok(self.read_json(&name, CALLBACK_VERSION).await?.1)
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> StoreResult {
        let is_unneeded =
            |name: &str| parse_callback_file_name(name).is_some_and(|upload| !keep.contains(&upload));
        self.delete_unneeded(CALLBACKS_FOLDER, is_unneeded).await
    }

    async fn load_cache(&self) -> StoreResult<Cache> {
        let (_, cache) = self.read_json(CACHE_FILE, CACHE_VERSION).await?;
        Ok(cache.unwrap_or_default())
    }

    async fn save_cache(&self, cache: &Cache) -> StoreResult {
        let text = checksummed_json::encode(CACHE_VERSION, cache);
        self.bucket.put(CACHE_FILE, text).await
    }

    async fn load_requests(&self) -> StoreResult<Vec<RequestRecord>> {
        let object = self.bucket.get(REQUEST_LOG_FILE).await?;
        let bytes = object.as_ref().map(|object| object.bytes.as_slice());
        Ok(RequestLogFile::decode(bytes).records_from(0))
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        mut respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> StoreResult {
        for _ in 0..CONFLICT_RETRIES {
            let object = self.bucket.get(REQUEST_LOG_FILE).await?;
            let bytes = object.as_ref().map(|object| object.bytes.as_slice());
            let requests = RequestLogFile::decode(bytes);
            let others = requests.records_from(std::mem::replace(next, requests.next_number()));
            let records = respond(others);
            if records.is_empty() {
                return Ok(());
            }
            let existing = bytes.filter(|_| requests.has_header()).unwrap_or_default();
            let text = String::from_utf8_lossy(existing).into_owned() + &requests.encode_addition(&records);
            let expected = Precondition::of(object.as_ref());
            if let ConditionalWrite::Done(_) = self.bucket.put_if(REQUEST_LOG_FILE, &text, &expected).await? {
                *next += records.len() as u64;
                return Ok(());
            }
        }
        Err(self.too_many_conflicts(REQUEST_LOG_FILE))
    }

    async fn prune_requests(&self, before: Timestamp) -> StoreResult {
        let Some(object) = self.bucket.get(REQUEST_LOG_FILE).await? else {
            return Ok(());
        };
        let pruned = RequestLogFile::decode(Some(&object.bytes)).without_records_before(before);
        if let Some(text) = pruned {
            // After a conflict the next run prunes the log.
            let expected = Precondition::of(Some(&object));
            self.bucket.put_if(REQUEST_LOG_FILE, &text, &expected).await?;
        }
        Ok(())
    }
}
