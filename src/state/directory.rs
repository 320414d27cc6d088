//! The ledger in a directory.
//!
//! `ledger.json` is replaced whole, and what a run takes down as it goes is added to `journal.jsonl`: a step then costs a
//! few lines, however large the ledger is. At its end a run takes the journal in and removes it; one that is cut off leaves
//! it to the next.
//!
//! `ledger.json` counts its generations, and says whether a journal follows; the journal names the generation that it
//! follows. One that follows an older generation was taken in, and one that follows the next generation and holds nothing
//! was made for a change that did not come about: both are passed over. One that should be there and is not is damage.
//!
//! Lists of members stand in a folder of their own, each under its digest, so that none is ever changed; and so does what the
//! service said of uploads, each under its id, since who hears that is not alone with the ledger.
//!
//! `lock.json` says who is alone. Beside them stands what may be lost without harm: what was seen last, and the calls of
//! all runs.

#[cfg(test)]
mod tests;

use super::file_format::{
    CACHE_VERSION, CALLBACK_VERSION, LOCK_VERSION, STATE_VERSION, StateFile, StateFileGeneration,
};
use super::filesystem::{FileSystem, LocalFileSystem};
use super::journal::Journal;
use super::request_log::RequestLogFile;
use super::store::{
    CACHE_FILE, CALLBACKS_FOLDER, LISTS_FOLDER, LOCK_FILE, REQUEST_LOG_FILE, STATE_FILE, callback_file_name,
    keeps_existing_callback, list_file_name, parse_callback_file_name, parse_list_file_name,
};
use super::{Cache, JournalEntry, Lock, LockChange, State, StateStore, StoreError};
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
/// What the name of a file ends with that is to replace another.
const TEMPORARY_SUFFIX: &str = ".new";
/// Held while a file is replaced: two runs at once write into one temporary file otherwise.
const GUARD_FILE: &str = ".guard";

/// A ledger in a directory.
#[derive(Debug)]
pub struct DirectoryStore<D = LocalFileSystem> {
    directory: PathBuf,
    filesystem: D,
    /// Whether the journal follows the ledger as this run left it, so that it can be added to.
    can_append: Mutex<bool>,
    /// The lock that was put: the ledger is changed only while it stands.
    held_lock: Mutex<Option<Lock>>,
}

impl DirectoryStore {
    /// A ledger in `directory`, which is made when the ledger is first written.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self::with_filesystem(LocalFileSystem, directory)
    }
}

impl<D: FileSystem> DirectoryStore<D> {
    /// A ledger in a directory of another disk than this machine's.
    pub fn with_filesystem(filesystem: D, directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            filesystem,
            can_append: Mutex::new(false),
            held_lock: Mutex::new(None),
        }
    }

    async fn read_bytes(&self, file: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.directory.join(file);
        self.filesystem.read(&path).await.map_err(io_error("read", &path))
    }

    async fn read_json<T: DeserializeOwned>(
        &self,
        file: &str,
        version: u32,
    ) -> Result<Option<T>, StoreError> {
        let bytes = self.read_bytes(file).await?;
        let contents = bytes.map(|bytes| checksummed_json::decode(&bytes, version));
        contents.transpose().map_err(self.corrupt_error(file))
    }

    fn corrupt_error(&self, file: &str) -> impl FnOnce(String) -> StoreError {
        let path = self.directory.join(file);
        |reason| StoreError::Corrupt { path, reason }
    }

    async fn write_json(
        &self,
        file: &str,
        version: u32,
        contents: &impl Serialize,
    ) -> Result<(), StoreError> {
        self.write_text(file, &checksummed_json::encode(version, contents))
            .await
    }

    async fn write_text(&self, file: &str, text: &str) -> Result<(), StoreError> {
        let _guard = self.acquire_guard(file).await?;
        self.replace_text(file, text).await
    }

    /// Waits until this one alone replaces files; `file` is the one it is about.
    async fn acquire_guard(&self, file: &str) -> Result<D::Guard, StoreError> {
        let made = self.filesystem.create_directories(&self.directory).await;
        made.map_err(io_error("write", &self.directory.join(file)))?;
        let guard = self.directory.join(GUARD_FILE);
        let alone = self.filesystem.lock_exclusively(&guard).await;
        alone.map_err(io_error("write", &guard))
    }

    async fn replace_text(&self, file: &str, text: &str) -> Result<(), StoreError> {
        let path = self.directory.join(file);
        let replaced = self.replace_atomically(&path, text.as_bytes()).await;
        replaced.map_err(io_error("write", &path))
    }

    /// Replaces a file so that a crash leaves the old one or the new one, never a part of either.
    async fn replace_atomically(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(TEMPORARY_SUFFIX);
        let temporary = PathBuf::from(temporary);
        self.filesystem.write(&temporary, bytes).await?;
        // Without this the rename may reach the disk before the bytes do.
        self.filesystem.sync(&temporary).await?;
        self.filesystem.rename(&temporary, path).await?;
        self.filesystem
            .sync_directory(path.parent().unwrap_or(&self.directory))
            .await
    }

    /// The ledger's file and the records that follow it.
    async fn read_file_and_journal(&self) -> Result<(StateFile, Vec<JournalEntry>), StoreError> {
        loop {
            let Some(contents) = self.read_json::<StateFile>(STATE_FILE, STATE_VERSION).await? else {
                // It is never written after its journal, so what a journal without it follows was lost.
                return Ok((StateFile::default(), Vec::new()));
            };
            let bytes = self.read_bytes(JOURNAL_FILE).await?;
            let journal = bytes.map(|bytes| journal::decode(&bytes)).transpose();
            let journal = journal.map_err(self.corrupt_error(JOURNAL_FILE))?;
            if let Some(Journal {
                base_generation: follows,
                records,
            }) = &journal
                && *follows == contents.generation
            {
                return Ok((contents, records.clone()));
            }
            if self.read_generation().await? != contents.generation {
                // Somebody replaced the ledger in between, and the journal that its file followed.
                continue;
            }
            return match journal {
                None if contents.has_journal => {
                    let reason = format!("it is gone, and `{STATE_FILE}` is not whole without it");
                    Err(self.corrupt_error(JOURNAL_FILE)(reason))
                }
                Some(Journal {
                    base_generation: follows,
                    records,
                }) if follows > contents.generation && !records.is_empty() => {
                    Err(self.corrupt_error(STATE_FILE)(format!(
                        "it is of generation {}, and `{JOURNAL_FILE}` follows generation {follows}, which is later",
                        contents.generation
                    )))
                }
                _ => Ok((contents, Vec::new())),
            };
        }
    }

    async fn read_generation(&self) -> Result<u64, StoreError> {
        let counted: Option<StateFileGeneration> = self.read_json(STATE_FILE, STATE_VERSION).await?;
        Ok(counted.unwrap_or_default().generation)
    }

    /// Replaces the ledger's file by its next generation, which a journal follows or not.
    async fn write_next_generation(&self, ledger: &State, with_journal: bool) -> Result<(), StoreError> {
        let journal = self.read_bytes(JOURNAL_FILE).await?;
        let has_journal = journal.is_some();
        let followed = journal.and_then(|bytes| journal::decode(&bytes).ok());
        let followed = followed.map_or(0, |journal| journal.base_generation);
        let generation = self.read_generation().await?.max(followed) + 1;
        let contents = StateFile::of(ledger, (generation, with_journal));
        let header = journal::encode_header(contents.generation);
        if with_journal && !has_journal {
            // There is one before the ledger says so.
            self.write_text(JOURNAL_FILE, &header).await?;
        }
        let text = checksummed_json::encode(STATE_VERSION, &contents);
        self.write_text(STATE_FILE, &text).await?;
        match (with_journal, has_journal) {
            (true, true) => self.write_text(JOURNAL_FILE, &header).await,
            (false, true) => self.remove(JOURNAL_FILE).await,
            (_, false) => Ok(()),
        }
    }

    /// Refuses where the lock that was put stands no more.
    async fn require_lock(&self) -> Result<(), StoreError> {
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

    /// Keeps a file in one of the folders.
    async fn save_file(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.directory.join(name);
        let kept = async {
            if let Some(folder) = path.parent() {
                self.filesystem.create_directories(folder).await?;
                self.filesystem.sync_directory(&self.directory).await?;
            }
            self.replace_atomically(&path, bytes).await
        };
        kept.await.map_err(io_error("write", &path))
    }

    /// Removes the files of a folder that are of no use, and those that a run left half.
    async fn delete_unneeded(
        &self,
        folder: &str,
        is_useless: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        self.require_lock().await?;
        let path = self.directory.join(folder);
        let names = self
            .filesystem
            .file_names(&path)
            .await
            .map_err(io_error("read", &path))?;
        for name in names {
            if name.ends_with(TEMPORARY_SUFFIX) || is_useless(&name) {
                // Whoever writes one holds the guard until it is whole: what is half then stays half.
                let _guard = self.acquire_guard(folder).await?;
                self.remove(&format!("{folder}/{name}")).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, file: &str) -> Result<(), StoreError> {
        let path = self.directory.join(file);
        self.filesystem
            .remove(&path)
            .await
            .map_err(io_error("remove", &path))
    }

    /// Adds to the end of a file that was begun, or begins it; on the disk when it is back.
    async fn append_or_create(&self, file: &str, (text, is_begun): (&str, bool)) -> Result<(), StoreError> {
        let path = self.directory.join(file);
        let added = self
            .append_or_create_bytes(&path, (text.as_bytes(), is_begun))
            .await;
        added.map_err(io_error("write", &path))
    }

    async fn append_or_create_bytes(&self, path: &Path, (bytes, is_begun): (&[u8], bool)) -> io::Result<()> {
        if is_begun {
            self.filesystem.append(path, bytes).await?;
            return self.filesystem.sync(path).await;
        }
        self.filesystem.write(path, bytes).await?;
        self.filesystem.sync(path).await?;
        self.filesystem.sync_directory(&self.directory).await
    }
}

impl<D: FileSystem> StateStore for DirectoryStore<D> {
    async fn load(&self) -> Result<State, StoreError> {
        let (contents, records) = self.read_file_and_journal().await?;
        let mut ledger = contents.into_state();
        for record in records {
            ledger.apply_journal_entry(record);
        }
        Ok(ledger)
    }

    async fn save(&self, ledger: &State) -> Result<(), StoreError> {
        self.require_lock().await?;
        let mut is_followed = self.can_append.lock().await;
        *is_followed = false;
        self.write_next_generation(ledger, false).await
    }

    async fn append(&self, ledger: &State, records: &[JournalEntry]) -> Result<(), StoreError> {
        // Whatever ends this early leaves nothing that can be added to: a line may be torn, and what was not added is
        // missing.
        let mut is_followed = self.can_append.lock().await;
        let can_be_added_to = std::mem::take(&mut *is_followed);
        self.require_lock().await?;
        if can_be_added_to {
            self.append_or_create(JOURNAL_FILE, (&journal::encode_lines(records), true))
                .await?;
        } else {
            self.write_next_generation(ledger, true).await?;
        }
        *is_followed = true;
        Ok(())
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> Result<Option<Lock>, StoreError> {
        let _guard = self.acquire_guard(LOCK_FILE).await?;
        let before: Option<Lock> = self.read_json(LOCK_FILE, LOCK_VERSION).await?;
        match change(before.as_ref()) {
            LockChange::Keep => {}
            LockChange::Remove => {
                self.remove(LOCK_FILE).await?;
                *self.held_lock.lock().await = None;
            }
            LockChange::Put(lock) => {
                self.replace_text(LOCK_FILE, &checksummed_json::encode(LOCK_VERSION, &lock))
                    .await?;
                *self.held_lock.lock().await = Some(lock);
            }
        }
        Ok(before)
    }

    async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        let name = list_file_name(digest);
        let _guard = self.acquire_guard(&name).await?;
        self.save_file(&name, bytes).await
    }

    async fn load_member_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_bytes(&list_file_name(digest)).await
    }

    async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        let is_useless =
            |name: &str| parse_list_file_name(name).is_some_and(|digest| !keep.contains(&digest));
        self.delete_unneeded(LISTS_FOLDER, is_useless).await
    }

    async fn save_callback(&self, upload: &UploadId, callback: &UploadResult) -> Result<(), StoreError> {
        let name = callback_file_name(upload);
        let _guard = self.acquire_guard(&name).await?;
        if keeps_existing_callback(self.read_json(&name, CALLBACK_VERSION).await?.as_ref(), callback) {
            return Ok(());
        }
        let text = checksummed_json::encode(CALLBACK_VERSION, callback);
        self.save_file(&name, text.as_bytes()).await
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<UploadResult>, StoreError> {
        self.read_json(&callback_file_name(upload), CALLBACK_VERSION)
            .await
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        let is_useless =
            |name: &str| parse_callback_file_name(name).is_some_and(|upload| !keep.contains(&upload));
        self.delete_unneeded(CALLBACKS_FOLDER, is_useless).await
    }

    async fn load_cache(&self) -> Result<Cache, StoreError> {
        let snapshot = self.read_json(CACHE_FILE, CACHE_VERSION).await?;
        Ok(snapshot.unwrap_or_default())
    }

    async fn save_cache(&self, snapshot: &Cache) -> Result<(), StoreError> {
        self.write_json(CACHE_FILE, CACHE_VERSION, snapshot).await
    }

    async fn load_requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        let bytes = self.read_bytes(REQUEST_LOG_FILE).await?;
        Ok(RequestLogFile::decode(bytes.as_deref()).records_from(0))
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        mut respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> Result<(), StoreError> {
        let _guard = self.acquire_guard(REQUEST_LOG_FILE).await?;
        let bytes = self.read_bytes(REQUEST_LOG_FILE).await?;
        let requests = RequestLogFile::decode(bytes.as_deref());
        let others = requests.records_from(std::mem::replace(next, requests.next_number()));
        let records = respond(others);
        let text = requests.encode_addition(&records);
        if !text.is_empty() {
            self.append_or_create(REQUEST_LOG_FILE, (&text, requests.has_header()))
                .await?;
        }
        *next += records.len() as u64;
        Ok(())
    }

    async fn prune_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        let _guard = self.acquire_guard(REQUEST_LOG_FILE).await?;
        let bytes = self.read_bytes(REQUEST_LOG_FILE).await?;
        match RequestLogFile::decode(bytes.as_deref()).without_records_before(before) {
            Some(text) => self.replace_text(REQUEST_LOG_FILE, &text).await,
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
