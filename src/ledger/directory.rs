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

use super::contents::{CALLBACK_VERSION, Contents, Counted, LEDGER_VERSION, LOCK_VERSION, SNAPSHOT_VERSION};
use super::disk::{Disk, LocalDisk};
use super::journal::Journal;
use super::requests::Requests;
use super::store::{
    CALLBACKS, LEDGER, LISTS, LOCK_FILE, REQUESTS, SNAPSHOT, callback_name, list_digest, list_name, stays,
    upload_id,
};
use super::{Change, Ledger, LedgerStore, Lock, Record, Snapshot, StoreError};
use super::{document, journal};
use crate::model::{CallRecord, Callback, ListDigest, UploadId};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::Mutex;

const JOURNAL: &str = "journal.jsonl";
/// What the name of a file ends with that is to replace another.
const TEMPORARY: &str = ".new";
/// Held while a file is replaced: two runs at once write into one temporary file otherwise.
const GUARD: &str = ".guard";

/// A ledger in a directory.
#[derive(Debug)]
pub struct DirectoryStore<D = LocalDisk> {
    directory: PathBuf,
    disk: D,
    /// Whether the journal follows the ledger as this run left it, so that it can be added to.
    is_followed: Mutex<bool>,
    /// The lock that was put: the ledger is changed only while it stands.
    held: Mutex<Option<Lock>>,
}

impl DirectoryStore {
    /// A ledger in `directory`, which is made when the ledger is first written.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self::on(LocalDisk, directory)
    }
}

impl<D: Disk> DirectoryStore<D> {
    /// A ledger in a directory of another disk than this machine's.
    pub fn on(disk: D, directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            disk,
            is_followed: Mutex::new(false),
            held: Mutex::new(None),
        }
    }

    async fn bytes(&self, file: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.directory.join(file);
        self.disk.read(&path).await.map_err(io_error("read", &path))
    }

    async fn read<T: DeserializeOwned>(&self, file: &str, version: u32) -> Result<Option<T>, StoreError> {
        let bytes = self.bytes(file).await?;
        let contents = bytes.map(|bytes| document::decode(&bytes, version));
        contents.transpose().map_err(self.corrupt(file))
    }

    fn corrupt(&self, file: &str) -> impl FnOnce(String) -> StoreError {
        let path = self.directory.join(file);
        |reason| StoreError::Corrupt { path, reason }
    }

    async fn write(&self, file: &str, version: u32, contents: &impl Serialize) -> Result<(), StoreError> {
        self.write_bytes(file, &document::encode(version, contents)).await
    }

    async fn write_bytes(&self, file: &str, text: &str) -> Result<(), StoreError> {
        let _guard = self.guard(file).await?;
        self.replace(file, text).await
    }

    /// Waits until this one alone replaces files; `file` is the one it is about.
    async fn guard(&self, file: &str) -> Result<D::Guard, StoreError> {
        let made = self.disk.create_directories(&self.directory).await;
        made.map_err(io_error("write", &self.directory.join(file)))?;
        let guard = self.directory.join(GUARD);
        let alone = self.disk.exclusive(&guard).await;
        alone.map_err(io_error("write", &guard))
    }

    async fn replace(&self, file: &str, text: &str) -> Result<(), StoreError> {
        let path = self.directory.join(file);
        let replaced = self.replace_bytes(&path, text.as_bytes()).await;
        replaced.map_err(io_error("write", &path))
    }

    /// Replaces a file so that a crash leaves the old one or the new one, never a part of either.
    async fn replace_bytes(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(TEMPORARY);
        let temporary = PathBuf::from(temporary);
        self.disk.write(&temporary, bytes).await?;
        // Without this the rename may reach the disk before the bytes do.
        self.disk.sync(&temporary).await?;
        self.disk.rename(&temporary, path).await?;
        self.disk
            .sync_directory(path.parent().unwrap_or(&self.directory))
            .await
    }

    /// The ledger's file and the records that follow it.
    async fn contents(&self) -> Result<(Contents, Vec<Record>), StoreError> {
        loop {
            let Some(contents) = self.read::<Contents>(LEDGER, LEDGER_VERSION).await? else {
                // It is never written after its journal, so what a journal without it follows was lost.
                return Ok((Contents::default(), Vec::new()));
            };
            let bytes = self.bytes(JOURNAL).await?;
            let journal = bytes.map(|bytes| journal::decode(&bytes)).transpose();
            let journal = journal.map_err(self.corrupt(JOURNAL))?;
            if let Some(Journal { follows, records }) = &journal
                && *follows == contents.generation
            {
                return Ok((contents, records.clone()));
            }
            if self.generation().await? != contents.generation {
                // Somebody replaced the ledger in between, and the journal that its file followed.
                continue;
            }
            return match journal {
                None if contents.is_followed => {
                    let reason = format!("it is gone, and `{LEDGER}` is not whole without it");
                    Err(self.corrupt(JOURNAL)(reason))
                }
                Some(Journal { follows, records })
                    if follows > contents.generation && !records.is_empty() =>
                {
                    Err(self.corrupt(LEDGER)(format!(
                        "it is of generation {}, and `{JOURNAL}` follows generation {follows}, which is later",
                        contents.generation
                    )))
                }
                _ => Ok((contents, Vec::new())),
            };
        }
    }

    async fn generation(&self) -> Result<u64, StoreError> {
        let counted: Option<Counted> = self.read(LEDGER, LEDGER_VERSION).await?;
        Ok(counted.unwrap_or_default().generation)
    }

    /// Replaces the ledger's file by its next generation, which a journal follows or not.
    async fn next_generation(&self, ledger: &Ledger, is_followed: bool) -> Result<(), StoreError> {
        let journal = self.bytes(JOURNAL).await?;
        let has_journal = journal.is_some();
        let followed = journal.and_then(|bytes| journal::decode(&bytes).ok());
        let followed = followed.map_or(0, |journal| journal.follows);
        let generation = self.generation().await?.max(followed) + 1;
        let contents = Contents::of(ledger, (generation, is_followed));
        let header = journal::header(contents.generation);
        if is_followed && !has_journal {
            // There is one before the ledger says so.
            self.write_bytes(JOURNAL, &header).await?;
        }
        let text = document::encode(LEDGER_VERSION, &contents);
        self.write_bytes(LEDGER, &text).await?;
        match (is_followed, has_journal) {
            (true, true) => self.write_bytes(JOURNAL, &header).await,
            (false, true) => self.remove(JOURNAL).await,
            (_, false) => Ok(()),
        }
    }

    /// Refuses where the lock that was put stands no more.
    async fn require_lock(&self) -> Result<(), StoreError> {
        let held = self.held.lock().await;
        let Some(held) = held.as_ref() else {
            return Ok(());
        };
        let lock: Option<Lock> = self.read(LOCK_FILE, LOCK_VERSION).await?;
        match lock {
            Some(lock) if lock.is_claim_of(held) => Ok(()),
            other => Err(StoreError::LockLost {
                by: other.map(Box::new),
            }),
        }
    }

    /// Keeps a file in one of the folders.
    async fn keep_beside(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.directory.join(name);
        let kept = async {
            if let Some(folder) = path.parent() {
                self.disk.create_directories(folder).await?;
                self.disk.sync_directory(&self.directory).await?;
            }
            self.replace_bytes(&path, bytes).await
        };
        kept.await.map_err(io_error("write", &path))
    }

    /// Removes the files of a folder that are of no use, and those that a run left half.
    async fn drop_beside(&self, folder: &str, is_useless: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        self.require_lock().await?;
        let path = self.directory.join(folder);
        let names = self.disk.names(&path).await.map_err(io_error("read", &path))?;
        for name in names {
            if name.ends_with(TEMPORARY) || is_useless(&name) {
                // Whoever writes one holds the guard until it is whole: what is half then stays half.
                let _guard = self.guard(folder).await?;
                self.remove(&format!("{folder}/{name}")).await?;
            }
        }
        Ok(())
    }

    async fn remove(&self, file: &str) -> Result<(), StoreError> {
        let path = self.directory.join(file);
        self.disk.remove(&path).await.map_err(io_error("remove", &path))
    }

    /// Adds to the end of a file that was begun, or begins it; on the disk when it is back.
    async fn add_to(&self, file: &str, (text, is_begun): (&str, bool)) -> Result<(), StoreError> {
        let path = self.directory.join(file);
        let added = self.add_bytes(&path, (text.as_bytes(), is_begun)).await;
        added.map_err(io_error("write", &path))
    }

    async fn add_bytes(&self, path: &Path, (bytes, is_begun): (&[u8], bool)) -> io::Result<()> {
        if is_begun {
            self.disk.append(path, bytes).await?;
            return self.disk.sync(path).await;
        }
        self.disk.write(path, bytes).await?;
        self.disk.sync(path).await?;
        self.disk.sync_directory(&self.directory).await
    }
}

impl<D: Disk> LedgerStore for DirectoryStore<D> {
    async fn load(&self) -> Result<Ledger, StoreError> {
        let (contents, records) = self.contents().await?;
        let mut ledger = contents.ledger();
        for record in records {
            ledger.apply(record);
        }
        Ok(ledger)
    }

    async fn save(&self, ledger: &Ledger) -> Result<(), StoreError> {
        self.require_lock().await?;
        let mut is_followed = self.is_followed.lock().await;
        *is_followed = false;
        self.next_generation(ledger, false).await
    }

    async fn add(&self, ledger: &Ledger, records: &[Record]) -> Result<(), StoreError> {
        // Whatever ends this early leaves nothing that can be added to: a line may be torn, and what was not added is
        // missing.
        let mut is_followed = self.is_followed.lock().await;
        let can_be_added_to = std::mem::take(&mut *is_followed);
        self.require_lock().await?;
        if can_be_added_to {
            self.add_to(JOURNAL, (&journal::lines(records), true)).await?;
        } else {
            self.next_generation(ledger, true).await?;
        }
        *is_followed = true;
        Ok(())
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> Change + Send,
    ) -> Result<Option<Lock>, StoreError> {
        let _guard = self.guard(LOCK_FILE).await?;
        let before: Option<Lock> = self.read(LOCK_FILE, LOCK_VERSION).await?;
        match change(before.as_ref()) {
            Change::Keep => {}
            Change::Remove => {
                self.remove(LOCK_FILE).await?;
                *self.held.lock().await = None;
            }
            Change::Put(lock) => {
                self.replace(LOCK_FILE, &document::encode(LOCK_VERSION, &lock))
                    .await?;
                *self.held.lock().await = Some(lock);
            }
        }
        Ok(before)
    }

    async fn save_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        let name = list_name(digest);
        let _guard = self.guard(&name).await?;
        self.keep_beside(&name, bytes).await
    }

    async fn load_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        self.bytes(&list_name(digest)).await
    }

    async fn drop_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        let is_useless = |name: &str| list_digest(name).is_some_and(|digest| !keep.contains(&digest));
        self.drop_beside(LISTS, is_useless).await
    }

    async fn save_callback(&self, upload: &UploadId, callback: &Callback) -> Result<(), StoreError> {
        let name = callback_name(upload);
        let _guard = self.guard(&name).await?;
        if stays(self.read(&name, CALLBACK_VERSION).await?.as_ref(), callback) {
            return Ok(());
        }
        let text = document::encode(CALLBACK_VERSION, callback);
        self.keep_beside(&name, text.as_bytes()).await
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<Callback>, StoreError> {
        self.read(&callback_name(upload), CALLBACK_VERSION).await
    }

    async fn drop_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        let is_useless = |name: &str| upload_id(name).is_some_and(|upload| !keep.contains(&upload));
        self.drop_beside(CALLBACKS, is_useless).await
    }

    async fn load_snapshot(&self) -> Result<Snapshot, StoreError> {
        let snapshot = self.read(SNAPSHOT, SNAPSHOT_VERSION).await?;
        Ok(snapshot.unwrap_or_default())
    }

    async fn save_snapshot(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.write(SNAPSHOT, SNAPSHOT_VERSION, snapshot).await
    }

    async fn requests(&self) -> Result<Vec<CallRecord>, StoreError> {
        let bytes = self.bytes(REQUESTS).await?;
        Ok(Requests::decode(bytes.as_deref()).since(0))
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        mut respond: impl FnMut(Vec<CallRecord>) -> Vec<CallRecord> + Send,
    ) -> Result<(), StoreError> {
        let _guard = self.guard(REQUESTS).await?;
        let bytes = self.bytes(REQUESTS).await?;
        let requests = Requests::decode(bytes.as_deref());
        let others = requests.since(std::mem::replace(next, requests.end()));
        let records = respond(others);
        let text = requests.addition(&records);
        if !text.is_empty() {
            self.add_to(REQUESTS, (&text, requests.is_begun())).await?;
        }
        *next += records.len() as u64;
        Ok(())
    }

    async fn forget_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        let _guard = self.guard(REQUESTS).await?;
        let bytes = self.bytes(REQUESTS).await?;
        match Requests::decode(bytes.as_deref()).without_before(before) {
            Some(text) => self.replace(REQUESTS, &text).await,
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
