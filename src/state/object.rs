//! The ledger in an object store.
//!
//! The objects are those of the directory, under one prefix. Each is replaced whole, on the condition that it is what was
//! read: who comes second finds out. Nothing can be added to an object, so that what a run takes down as it goes is one
//! small object for each time, `journal/<generation>/<number>.jsonl`, and the end of the run takes them in.
//!
//! Two runs never both go on:
//!
//! - `ledger.json` counts its generations and is replaced only by the one that read the last. The first thing that a run
//!   takes down replaces it, so that nothing an earlier run still sends changes what the ledger is.
//! - A journal's object is written, and then the lock is looked at. Where it still stands, the next holder reads after this
//!   and meets the object; where it does not, nothing rests on the object, and at worst the next run asks about a write
//!   that was not made.
//! - `lock.json` is never deleted, since that knows no condition: a free lock is one that names nobody.

mod bucket;
mod journal_objects;

use super::file_format::{CACHE_VERSION, CALLBACK_VERSION, LOCK_VERSION, STATE_VERSION, StateFile};
use super::request_log::RequestLogFile;
use super::store::{
    CACHE_FILE, CALLBACKS_FOLDER, LISTS_FOLDER, LOCK_FILE, REQUEST_LOG_FILE, STATE_FILE, callback_file_name,
    keeps_existing_callback, list_file_name, parse_callback_file_name, parse_list_file_name,
};
use super::{Cache, JournalEntry, Lock, LockChange, State, StateStore, StoreError};
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

/// How often a change is decided anew because somebody else came first. Each time somebody got on.
const CONFLICT_RETRIES: usize = 50;

/// After so many pieces the journal is taken in: a run that follows one that was cut off reads every one.
const JOURNAL_OBJECTS_LIMIT: u64 = 200;

/// A ledger in an object store.
#[derive(Debug)]
pub struct ObjectStateStore {
    bucket: StateBucket,
    position: Mutex<WritePosition>,
    /// The lock that was put: the ledger is changed only while it stands.
    held_lock: Mutex<Option<Lock>>,
}

#[derive(Debug, Default)]
struct WritePosition {
    /// The ledger's object as this run knows it.
    base: Option<BaseVersion>,
    /// The next piece of the journal, where the journal follows the ledger as this run left it.
    next_journal_object: Option<JournalObject>,
}

#[derive(Clone, Debug, Default)]
struct BaseVersion {
    generation: u64,
    object: Precondition,
}

impl ObjectStateStore {
    /// A ledger at `place`, which is reached as these variables say; no request is made yet.
    ///
    /// # Errors
    ///
    /// The variables do not say enough, or contradict each other.
    pub fn connect(
        place: &ObjectStoreUrl,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        let store = connect(place, variables).map_err(|reason| StoreError::Object {
            operation: "open",
            object: place.to_string(),
            reason,
        })?;
        Ok(Self {
            bucket: StateBucket::new(store, place.clone()),
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

    fn decode<T: DeserializeOwned>(
        &self,
        (name, version): (&str, u32),
        found: &FetchedObject,
    ) -> Result<T, StoreError> {
        checksummed_json::decode(&found.bytes, version).map_err(self.corrupt_error(name))
    }

    /// Deletes the objects of a folder that are of no use.
    async fn delete_unneeded(
        &self,
        folder: &str,
        is_useless: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        self.require_lock().await?;
        let names = self.bucket.list(folder).await?;
        let useless = names.into_iter().filter(|name| is_useless(name));
        self.bucket.delete_all(useless.collect()).await;
        Ok(())
    }

    /// Somebody else changes an object all the time.
    fn too_many_conflicts(&self, name: &str) -> StoreError {
        StoreError::Object {
            operation: "write",
            object: self.bucket.url(name),
            reason: "other runs change it all the time; try again when fewer run at once".to_owned(),
        }
    }

    /// The ledger's object, and the records that follow it.
    async fn read_file_and_journal(&self) -> Result<(BaseVersion, StateFile, Vec<JournalEntry>), StoreError> {
        for _ in 0..CONFLICT_RETRIES {
            let found = self.bucket.get(STATE_FILE).await?;
            let Some(found) = found else {
                // It is never written after its journal, so what a journal without it follows was lost.
                return Ok((BaseVersion::default(), StateFile::default(), Vec::new()));
            };
            let contents: StateFile = self.decode((STATE_FILE, STATE_VERSION), &found)?;
            let pieces = journal_objects::parse_names(self.bucket.list(JOURNAL_FOLDER).await?);
            let followed = pieces
                .iter()
                .filter(|piece| piece.generation == contents.generation);
            let names: Vec<String> = followed.map(JournalObject::name).collect();
            let read = self.bucket.get_all(&names).await?;
            let again = self.bucket.get(STATE_FILE).await?;
            if again.is_none_or(|again| again.version != found.version) {
                // Somebody replaced the ledger in between, and took in the journal that followed.
                continue;
            }
            if let Some(later) = pieces.iter().find(|piece| piece.generation > contents.generation) {
                return Err(self.corrupt_error(STATE_FILE)(format!(
                    "it is of generation {}, and `{}` follows a later one",
                    contents.generation,
                    later.name()
                )));
            }
            let records = self.decode_journal(contents.generation, &names, read)?;
            let (generation, object) = (contents.generation, Precondition::of(Some(&found)));
            return Ok((BaseVersion { generation, object }, contents, records));
        }
        Err(self.too_many_conflicts(STATE_FILE))
    }

    /// The records of a journal, whose pieces are to be there from the first on.
    fn decode_journal(
        &self,
        generation: u64,
        names: &[String],
        read: Vec<Option<FetchedObject>>,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let mut records = Vec::new();
        for (number, (name, found)) in (1..).zip(names.iter().zip(read)) {
            let expected = JournalObject { generation, number }.name();
            let Some(found) = found.filter(|_| *name == expected) else {
                let reason = format!("it is gone, and `{STATE_FILE}` is not whole without it");
                return Err(self.corrupt_error(&expected)(reason));
            };
            let read = journal::decode(&found.bytes).map_err(self.corrupt_error(name))?;
            if read.base_generation != generation || !found.bytes.ends_with(b"\n") {
                let reason = "it is not what was written under this name".to_owned();
                return Err(self.corrupt_error(name)(reason));
            }
            records.extend(read.records);
        }
        Ok(records)
    }

    /// Replaces the ledger by its next generation, and hands out the pieces of the journal that it leaves behind.
    async fn write_next_generation(
        &self,
        state: &mut WritePosition,
        ledger: &State,
    ) -> Result<Vec<JournalObject>, StoreError> {
        self.require_lock().await?;
        if state.base.is_none() {
            state.base = Some(self.read_file_and_journal().await?.0);
        }
        // Kept where this fails: what somebody else wrote since is not overwritten by the next attempt either.
        let mut base = state.base.clone().unwrap_or_default();
        let behind = journal_objects::parse_names(self.bucket.list(JOURNAL_FOLDER).await?);
        let latest = behind.iter().map(|piece| piece.generation).max();
        for _ in 0..CONFLICT_RETRIES {
            let generation = base.generation.max(latest.unwrap_or_default()) + 1;
            let contents = StateFile::of(ledger, (generation, false));
            let text = checksummed_json::encode(STATE_VERSION, &contents);
            match self.bucket.put_if(STATE_FILE, &text, &base.object).await? {
                ConditionalWrite::Done(version) => {
                    let object = Precondition::Version(version);
                    state.base = Some(BaseVersion { generation, object });
                    return Ok(behind);
                }
                // A write that was given up arrived after all.
                ConditionalWrite::Conflict(Some(found)) if self.bucket.is_own_write(&found) => {
                    let contents: StateFile = self.decode((STATE_FILE, STATE_VERSION), &found)?;
                    let (generation, object) = (contents.generation, Precondition::of(Some(&found)));
                    base = BaseVersion { generation, object };
                }
                ConditionalWrite::Conflict(_) => return Err(self.conflict_error().await),
            }
        }
        Err(self.too_many_conflicts(STATE_FILE))
    }

    /// Somebody else changed the ledger.
    async fn conflict_error(&self) -> StoreError {
        match self.require_lock().await {
            Err(error) => error,
            Ok(()) => StoreError::LockLost { by: None },
        }
    }

    /// Refuses where the lock that was put stands no more.
    async fn require_lock(&self) -> Result<(), StoreError> {
        let held = self.held_lock.lock().await;
        let Some(held) = held.as_ref() else {
            return Ok(());
        };
        let found = self.bucket.get(LOCK_FILE).await?;
        match self.decode_lock(found.as_ref())? {
            Some(lock) if lock.is_same_claim(held) => Ok(()),
            other => Err(StoreError::LockLost {
                by: other.map(Box::new),
            }),
        }
    }

    /// Who holds the lock, if anybody does.
    fn decode_lock(&self, found: Option<&FetchedObject>) -> Result<Option<Lock>, StoreError> {
        let lock = found.map(|found| self.decode::<Option<Lock>>((LOCK_FILE, LOCK_VERSION), found));
        Ok(lock.transpose()?.flatten())
    }

    /// Makes the lock's object for the first time, free, and makes sure that nobody can overwrite it unseen.
    async fn create_lock(&self) -> Result<(), StoreError> {
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
    async fn load(&self) -> Result<State, StoreError> {
        let mut state = self.position.lock().await;
        let (base, contents, records) = self.read_file_and_journal().await?;
        *state = WritePosition {
            base: Some(base),
            next_journal_object: None,
        };
        drop(state);
        let mut ledger = contents.into_state();
        for record in records {
            ledger.apply_journal_entry(record);
        }
        Ok(ledger)
    }

    async fn save(&self, ledger: &State) -> Result<(), StoreError> {
        let mut state = self.position.lock().await;
        state.next_journal_object = None;
        let behind = self.write_next_generation(&mut state, ledger).await?;
        drop(state);
        let names = behind.iter().map(JournalObject::name).collect();
        self.bucket.delete_all(names).await;
        Ok(())
    }

    async fn append(&self, ledger: &State, records: &[JournalEntry]) -> Result<(), StoreError> {
        let mut state = self.position.lock().await;
        // Whatever ends this early leaves nothing that can be added to: nobody knows what arrived.
        let Some(piece) = state.next_journal_object.take() else {
            self.write_next_generation(&mut state, ledger).await?;
            state.next_journal_object = state
                .base
                .as_ref()
                .map(|base| JournalObject::first(base.generation));
            return Ok(());
        };
        let text = journal::encode_header(piece.generation) + &journal::encode_lines(records);
        let written = self
            .bucket
            .put_if(&piece.name(), &text, &Precondition::Absent)
            .await?;
        if let ConditionalWrite::Conflict(_) = written {
            return Err(self.conflict_error().await);
        }
        self.require_lock().await?;
        state.next_journal_object = Some(piece.next()).filter(|next| next.number <= JOURNAL_OBJECTS_LIMIT);
        Ok(())
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> Result<Option<Lock>, StoreError> {
        for _ in 0..CONFLICT_RETRIES {
            let found = self.bucket.get(LOCK_FILE).await?;
            let before = self.decode_lock(found.as_ref())?;
            let wanted = match change(before.as_ref()) {
                LockChange::Keep => return Ok(before),
                LockChange::Remove => None,
                LockChange::Put(lock) => Some(lock),
            };
            if found.is_none() {
                self.create_lock().await?;
                continue;
            }
            let text = checksummed_json::encode(LOCK_VERSION, &wanted);
            let expected = Precondition::of(found.as_ref());
            if let ConditionalWrite::Done(_) = self.bucket.put_if(LOCK_FILE, &text, &expected).await? {
                *self.held_lock.lock().await = wanted;
                return Ok(before);
            }
        }
        Err(self.too_many_conflicts(LOCK_FILE))
    }

    async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        // Whoever writes it writes the same.
        self.bucket.put(&list_file_name(digest), bytes.to_vec()).await
    }

    async fn load_member_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.bucket.get(&list_file_name(digest)).await?;
        Ok(found.map(|found| found.bytes))
    }

    async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        let is_useless =
            |name: &str| parse_list_file_name(name).is_some_and(|digest| !keep.contains(&digest));
        self.delete_unneeded(LISTS_FOLDER, is_useless).await
    }

    async fn save_callback(&self, upload: &UploadId, callback: &UploadResult) -> Result<(), StoreError> {
        let name = callback_file_name(upload);
        let text = checksummed_json::encode(CALLBACK_VERSION, callback);
        for _ in 0..CONFLICT_RETRIES {
            let found = self.bucket.get(&name).await?;
            let kept = found
                .as_ref()
                .map(|found| self.decode((&name, CALLBACK_VERSION), found));
            if keeps_existing_callback(kept.transpose()?.as_ref(), callback) {
                return Ok(());
            }
            let expected = Precondition::of(found.as_ref());
            if let ConditionalWrite::Done(_) = self.bucket.put_if(&name, &text, &expected).await? {
                return Ok(());
            }
        }
        Err(self.too_many_conflicts(&name))
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<UploadResult>, StoreError> {
        let name = callback_file_name(upload);
        let found = self.bucket.get(&name).await?;
        found
            .map(|found| self.decode((&name, CALLBACK_VERSION), &found))
            .transpose()
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        let is_useless =
            |name: &str| parse_callback_file_name(name).is_some_and(|upload| !keep.contains(&upload));
        self.delete_unneeded(CALLBACKS_FOLDER, is_useless).await
    }

    async fn load_cache(&self) -> Result<Cache, StoreError> {
        let found = self.bucket.get(CACHE_FILE).await?;
        let snapshot = found.map(|found| self.decode((CACHE_FILE, CACHE_VERSION), &found));
        Ok(snapshot.transpose()?.unwrap_or_default())
    }

    async fn save_cache(&self, snapshot: &Cache) -> Result<(), StoreError> {
        let text = checksummed_json::encode(CACHE_VERSION, snapshot);
        self.bucket.put(CACHE_FILE, text).await
    }

    async fn load_requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        let found = self.bucket.get(REQUEST_LOG_FILE).await?;
        Ok(RequestLogFile::decode(found.as_ref().map(|found| found.bytes.as_slice())).records_from(0))
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        mut respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> Result<(), StoreError> {
        for _ in 0..CONFLICT_RETRIES {
            let found = self.bucket.get(REQUEST_LOG_FILE).await?;
            let requests = RequestLogFile::decode(found.as_ref().map(|found| found.bytes.as_slice()));
            let others = requests.records_from(std::mem::replace(next, requests.next_number()));
            let records = respond(others);
            if records.is_empty() {
                return Ok(());
            }
            let begun = found.as_ref().filter(|_| requests.has_header());
            let begun = begun.map(|found| String::from_utf8_lossy(&found.bytes));
            let text = begun.unwrap_or_default().into_owned() + &requests.encode_addition(&records);
            let expected = Precondition::of(found.as_ref());
            if let ConditionalWrite::Done(_) = self.bucket.put_if(REQUEST_LOG_FILE, &text, &expected).await? {
                *next += records.len() as u64;
                return Ok(());
            }
        }
        Err(self.too_many_conflicts(REQUEST_LOG_FILE))
    }

    async fn prune_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        let Some(found) = self.bucket.get(REQUEST_LOG_FILE).await? else {
            return Ok(());
        };
        let kept = RequestLogFile::decode(Some(&found.bytes)).without_records_before(before);
        if let Some(text) = kept {
            // Where others came first, the next run has it to do.
            let expected = Precondition::of(Some(&found));
            self.bucket.put_if(REQUEST_LOG_FILE, &text, &expected).await?;
        }
        Ok(())
    }
}
