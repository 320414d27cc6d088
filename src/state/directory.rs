//! A state in a directory.
//!
//! segctl replaces `state.json` atomically and appends the entries of a run to `journal.jsonl`, so a step costs a few lines,
//! however large the state is. At its end a run compacts the journal into `state.json` and deletes it. An interrupted run
//! leaves the journal to the next one.
//!
//! `state.json` contains its generation, and whether a journal follows. The journal contains the generation that it follows.
//! segctl ignores a journal of an older generation, which was compacted, and an empty one of the next generation, which
//! belongs to a failed change. A missing journal is damage.
//!
//! `lists/` contains member lists under their digests. `callbacks/` contains upload results under their ids, since the
//! receiver writes them without the lock. `cache.json` and `requests.jsonl` may be lost without harm.

#[cfg(test)]
mod tests;

use super::file_format::{
    CACHE_VERSION, CALLBACK_VERSION, LOCK_VERSION, STATE_VERSION, StateFile, StateFileGeneration,
};
use super::filesystem::{FileSystem, LocalFileSystem};
use super::request_log::{RequestLogEnd, RequestLogFile};
use super::store::{
    CACHE_FILE, CALLBACKS_FOLDER, LISTS_FOLDER, LOCK_FILE, REQUEST_LOG_FILE, STATE_FILE, callback_file_name,
    keeps_existing_callback, list_file_name, parse_callback_file_name, parse_list_file_name,
};
use super::{Cache, JournalEntry, Lock, LockChange, State, StateStore, StoreError, StoreResult};
use super::{checksummed_json, journal};
use crate::model::{ListDigest, RequestRecord, UploadId, UploadResult};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::Mutex;

const JOURNAL_FILE: &str = "journal.jsonl";
const TEMPORARY_SUFFIX: &str = ".new";
/// Locked while a file is replaced, so that two processes never write the same temporary file.
const GUARD_FILE: &str = ".guard";
const OLD_FORMAT_FILES: [&str; 2] = ["ledger.json", "snapshot.json"];

#[derive(Debug)]
pub struct DirectoryStore<D = LocalFileSystem> {
    directory: PathBuf,
    filesystem: D,
    /// Whether the journal follows the state as this run left it.
    can_append: Mutex<bool>,
    /// The lock that this store put: it changes the state only while it holds the lock.
    held_lock: Mutex<Option<Lock>>,
    /// Where the request log ended after the last exchange: a run reads each line once.
    request_log_end: Mutex<Option<RequestLogEnd>>,
}

impl DirectoryStore {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self::with_filesystem(LocalFileSystem, directory)
    }
}

impl<D: FileSystem> DirectoryStore<D> {
    pub fn with_filesystem(filesystem: D, directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            filesystem,
            can_append: Mutex::new(false),
            held_lock: Mutex::new(None),
            request_log_end: Mutex::new(None),
        }
    }

    async fn read_bytes(&self, file: &str) -> StoreResult<Option<Vec<u8>>> {
        let path = self.directory.join(file);
        self.filesystem.read(&path).await.map_err(io_error("read", &path))
    }

    async fn read_json<T: DeserializeOwned>(&self, file: &str, version: u32) -> StoreResult<Option<T>> {
        let bytes = self.read_bytes(file).await?;
        let contents = bytes.map(|bytes| checksummed_json::decode(&bytes, version));
        contents.transpose().map_err(self.corrupt_error(file))
    }

    fn corrupt_error(&self, file: &str) -> impl FnOnce(String) -> StoreError {
        let path = self.directory.join(file);
        |reason| StoreError::Corrupt { path, reason }
    }

    async fn write_json(&self, file: &str, version: u32, contents: &impl Serialize) -> StoreResult {
        self.write_text(file, &checksummed_json::encode(version, contents))
            .await
    }

    async fn write_text(&self, file: &str, text: &str) -> StoreResult {
        let _guard = self.acquire_guard(file).await?;
        self.replace(file, text.as_bytes()).await
    }

    /// Waits for the right to replace files. An error names `file`.
    async fn acquire_guard(&self, file: &str) -> StoreResult<D::Guard> {
        let created = self.filesystem.create_directories(&self.directory).await;
        created.map_err(io_error("write", &self.directory.join(file)))?;
        let guard = self.directory.join(GUARD_FILE);
        let locked = self.filesystem.lock_exclusively(&guard).await;
        locked.map_err(io_error("write", &guard))
    }

    async fn replace(&self, file: &str, bytes: &[u8]) -> StoreResult {
        let path = self.directory.join(file);
        let replaced = async {
            if let Some((folder, _)) = file.rsplit_once('/') {
                self.filesystem
                    .create_directories(&self.directory.join(folder))
                    .await?;
                self.filesystem.sync_directory(&self.directory).await?;
            }
            self.replace_atomically(&path, bytes).await
        };
        replaced.await.map_err(io_error("write", &path))
    }

    /// Replaces a file so that a crash leaves either the old or the new one.
    async fn replace_atomically(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(TEMPORARY_SUFFIX);
        let temporary = PathBuf::from(temporary);
        self.filesystem.write(&temporary, bytes).await?;
        // The bytes have to reach the disk before the rename does.
        self.filesystem.sync(&temporary).await?;
        self.filesystem.rename(&temporary, path).await?;
        self.filesystem
            .sync_directory(path.parent().unwrap_or(&self.directory))
            .await
    }

    async fn read_file_and_journal(&self) -> StoreResult<(StateFile, Vec<JournalEntry>)> {
        loop {
            let Some(file) = self.read_json::<StateFile>(STATE_FILE, STATE_VERSION).await? else {
                self.reject_old_format().await?;
                // `state.json` is written before its journal, so the state of a journal without it is lost.
                return Ok((StateFile::default(), Vec::new()));
            };
            let bytes = self.read_bytes(JOURNAL_FILE).await?;
            let journal = bytes.map(|bytes| journal::decode(&bytes)).transpose();
            let journal = match journal.map_err(self.corrupt_error(JOURNAL_FILE))? {
                Some(journal) if journal.base_generation == file.generation => {
                    return Ok((file, journal.entries));
                }
                // What replaced this state meanwhile is later.
                None if !file.has_journal => return Ok((file, Vec::new())),
                journal => journal,
            };
            if self.read_generation().await? != file.generation {
                // Another process replaced the state meanwhile, and the journal of the old one.
                continue;
            }
            return match journal {
                None if file.has_journal => {
                    let reason = format!("it is missing, and `{STATE_FILE}` is incomplete without it");
                    Err(self.corrupt_error(JOURNAL_FILE)(reason))
                }
                Some(journal) if journal.base_generation > file.generation && !journal.entries.is_empty() => {
                    let reason = format!(
                        "its generation is {}, and `{JOURNAL_FILE}` follows the later generation {}",
                        file.generation, journal.base_generation
                    );
                    Err(self.corrupt_error(STATE_FILE)(reason))
                }
                _ => Ok((file, Vec::new())),
            };
        }
    }

    async fn reject_old_format(&self) -> StoreResult {
        for file in OLD_FORMAT_FILES {
            if self.read_bytes(file).await?.is_some() {
                let directory = self.directory.clone();
                return Err(StoreError::OldFormat { directory, file });
            }
        }
        Ok(())
    }

    async fn read_generation(&self) -> StoreResult<u64> {
        let file: Option<StateFileGeneration> = self.read_json(STATE_FILE, STATE_VERSION).await?;
        Ok(file.unwrap_or_default().generation)
    }

    async fn write_next_generation(&self, state: &State, with_journal: bool) -> StoreResult {
        let journal = self.read_bytes(JOURNAL_FILE).await?;
        let has_journal = journal.is_some();
        let followed = journal.and_then(|bytes| journal::decode(&bytes).ok());
        let followed = followed.map_or(0, |journal| journal.base_generation);
        let generation = self.read_generation().await?.max(followed) + 1;
        let header = journal::encode_header(generation);
        if with_journal && !has_journal {
            // The journal has to exist before `state.json` refers to it.
            self.write_text(JOURNAL_FILE, &header).await?;
        }
        let file = StateFile::of(state, (generation, with_journal));
        self.write_json(STATE_FILE, STATE_VERSION, &file).await?;
        match (with_journal, has_journal) {
            (true, true) => self.write_text(JOURNAL_FILE, &header).await,
            (false, true) => self.remove(JOURNAL_FILE).await,
            (_, false) => Ok(()),
        }
    }

    /// Fails if this store put a lock and no longer holds it.
    async fn require_lock(&self) -> StoreResult {
        let held = self.held_lock.lock().await;
        let Some(held) = held.as_ref() else {
            return Ok(());
        };
        let lock: Option<Lock> = self.read_json(LOCK_FILE, LOCK_VERSION).await?;
        match lock {
            Some(lock) if lock.is_same_claim(held) => Ok(()),
            other => Err(StoreError::LockLost {
                by: other.map(Box::new),
            }),
        }
    }

    /// Deletes the unneeded files of a folder, and the incomplete files that a crash left.
    async fn delete_unneeded(&self, folder: &str, is_unneeded: impl Fn(&str) -> bool) -> StoreResult {
        self.require_lock().await?;
        let path = self.directory.join(folder);
        let names = self
            .filesystem
            .file_names(&path)
            .await
            .map_err(io_error("read", &path))?;
        for name in names {
            if name.ends_with(TEMPORARY_SUFFIX) || is_unneeded(&name) {
                // A writer holds the guard until its file is complete, so no write is in progress now.
                let _guard = self.acquire_guard(folder).await?;
                self.remove(&format!("{folder}/{name}")).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, file: &str) -> StoreResult {
        let path = self.directory.join(file);
        self.filesystem
            .remove(&path)
            .await
            .map_err(io_error("remove", &path))
    }

    /// The request log from a known end on, and that end; all of it where the log does not continue there.
    async fn read_request_log(
        &self,
        known: Option<&RequestLogEnd>,
    ) -> StoreResult<(Option<RequestLogEnd>, Vec<u8>)> {
        let path = self.directory.join(REQUEST_LOG_FILE);
        if let Some(end) = known {
            let parts = self.filesystem.read_parts(&path, end.parts()).await;
            let parts = parts.map_err(io_error("read", &path))?;
            if let Some(bytes) = parts.and_then(|(head, tail)| end.continuation(&head, tail)) {
                return Ok((Some(end.clone()), bytes));
            }
        }
        let bytes = self.read_bytes(REQUEST_LOG_FILE).await?;
        Ok((None, bytes.unwrap_or_default()))
    }

    /// Appends to a file, or replaces it where `is_started` is false. The text is durable when this returns.
    async fn append_or_create(&self, file: &str, (text, is_started): (&str, bool)) -> StoreResult {
        let path = self.directory.join(file);
        let written = async {
            if is_started {
                self.filesystem.append(&path, text.as_bytes()).await?;
                return self.filesystem.sync(&path).await;
            }
            self.filesystem.write(&path, text.as_bytes()).await?;
            self.filesystem.sync(&path).await?;
            self.filesystem.sync_directory(&self.directory).await
        };
        written.await.map_err(io_error("write", &path))
    }
}

impl<D: FileSystem> StateStore for DirectoryStore<D> {
    async fn load(&self) -> StoreResult<State> {
        let (file, journal) = self.read_file_and_journal().await?;
        Ok(file.into_state(journal))
    }

    async fn save(&self, state: &State) -> StoreResult {
        self.require_lock().await?;
        let mut can_append = self.can_append.lock().await;
        *can_append = false;
        self.write_next_generation(state, false).await
    }

    async fn append(&self, state: &State, entries: &[JournalEntry]) -> StoreResult {
        // After a failure the journal may end with an incomplete line or lack entries, so the next append replaces it.
        let mut can_append = self.can_append.lock().await;
        let could_append = std::mem::take(&mut *can_append);
        self.require_lock().await?;
        if could_append {
            self.append_or_create(JOURNAL_FILE, (&journal::encode_lines(entries), true))
                .await?;
        } else {
            self.write_next_generation(state, true).await?;
        }
        *can_append = true;
        Ok(())
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> StoreResult<Option<Lock>> {
        let _guard = self.acquire_guard(LOCK_FILE).await?;
        let before: Option<Lock> = self.read_json(LOCK_FILE, LOCK_VERSION).await?;
        match change(before.as_ref()) {
            LockChange::Keep => {}
            LockChange::Remove => {
                self.remove(LOCK_FILE).await?;
                *self.held_lock.lock().await = None;
            }
            LockChange::Put(lock) => {
                let text = checksummed_json::encode(LOCK_VERSION, &lock);
                self.replace(LOCK_FILE, text.as_bytes()).await?;
                *self.held_lock.lock().await = Some(lock);
            }
        }
        Ok(before)
    }

    async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> StoreResult {
        let name = list_file_name(digest);
        let _guard = self.acquire_guard(&name).await?;
        self.replace(&name, bytes).await
    }

    async fn load_member_list(&self, digest: &ListDigest) -> StoreResult<Option<Vec<u8>>> {
        self.read_bytes(&list_file_name(digest)).await
    }

    async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> StoreResult {
        let is_unneeded =
            |name: &str| parse_list_file_name(name).is_some_and(|digest| !keep.contains(&digest));
        self.delete_unneeded(LISTS_FOLDER, is_unneeded).await
    }

    async fn save_callback(&self, upload: &UploadId, result: &UploadResult) -> StoreResult {
        let name = callback_file_name(upload);
        let _guard = self.acquire_guard(&name).await?;
        if keeps_existing_callback(self.load_callback(upload).await?.as_ref(), result) {
            return Ok(());
        }
        let text = checksummed_json::encode(CALLBACK_VERSION, result);
        self.replace(&name, text.as_bytes()).await
    }

    async fn load_callback(&self, upload: &UploadId) -> StoreResult<Option<UploadResult>> {
        self.read_json(&callback_file_name(upload), CALLBACK_VERSION)
            .await
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> StoreResult {
        let is_unneeded =
            |name: &str| parse_callback_file_name(name).is_some_and(|upload| !keep.contains(&upload));
        self.delete_unneeded(CALLBACKS_FOLDER, is_unneeded).await
    }

    async fn load_cache(&self) -> StoreResult<Cache> {
        let cache = self.read_json(CACHE_FILE, CACHE_VERSION).await?;
        Ok(cache.unwrap_or_default())
    }

    async fn save_cache(&self, cache: &Cache) -> StoreResult {
        self.write_json(CACHE_FILE, CACHE_VERSION, cache).await
    }

    async fn load_requests(&self) -> StoreResult<Vec<RequestRecord>> {
        let bytes = self.read_bytes(REQUEST_LOG_FILE).await?;
        Ok(RequestLogFile::decode(bytes.as_deref()).records_from(0))
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        mut respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> StoreResult {
        let _guard = self.acquire_guard(REQUEST_LOG_FILE).await?;
        let mut end = self.request_log_end.lock().await;
        let known = end.take().filter(|end| end.number <= *next);
        let (head, bytes) = self.read_request_log(known.as_ref()).await?;
        let requests = match &head {
            Some(end) => RequestLogFile::following(end, &bytes),
            None => RequestLogFile::decode(Some(&bytes)),
        };
        let others = requests.records_from(std::mem::replace(next, requests.next_number()));
        let records = respond(others);
        let text = requests.encode_addition(&records);
        if !text.is_empty() {
            self.append_or_create(REQUEST_LOG_FILE, (&text, requests.has_header()))
                .await?;
        }
        *next += records.len() as u64;
        *end = requests.end_after(head.as_ref(), &text, *next);
        Ok(())
    }

    async fn prune_requests(&self, before: Timestamp) -> StoreResult {
        let _guard = self.acquire_guard(REQUEST_LOG_FILE).await?;
        let bytes = self.read_bytes(REQUEST_LOG_FILE).await?;
        match RequestLogFile::decode(bytes.as_deref()).without_records_before(before) {
            Some(text) => self.replace(REQUEST_LOG_FILE, text.as_bytes()).await,
            None => Ok(()),
        }
    }
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io {
        operation,
        path,
        source,
    }
}
