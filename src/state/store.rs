//! Where a state is stored: implemented by directories, object stores and simulated stores.

use super::lock::{Lock, LockChange};
use super::{Cache, JournalEntry, State};
use crate::model::{ListDigest, RequestRecord, UploadId, UploadResult};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::{error, fmt, io};

pub(super) const STATE_FILE: &str = "state.json";
pub(super) const LOCK_FILE: &str = "lock.json";
pub(super) const CACHE_FILE: &str = "cache.json";
pub(super) const REQUEST_LOG_FILE: &str = "requests.jsonl";
pub(super) const LISTS_FOLDER: &str = "lists";
pub(super) const CALLBACKS_FOLDER: &str = "callbacks";
const GZIP_EXTENSION: &str = ".gz";
const JSON_EXTENSION: &str = ".json";

pub(super) fn list_file_name(digest: &ListDigest) -> String {
    format!("{LISTS_FOLDER}/{digest}{GZIP_EXTENSION}")
}

pub(super) fn parse_list_file_name(name: &str) -> Option<ListDigest> {
    let digest = name.rsplit('/').next()?.strip_suffix(GZIP_EXTENSION)?;
    ListDigest::try_from(digest.to_owned()).ok()
}

pub(super) fn callback_file_name(upload: &UploadId) -> String {
    format!("{CALLBACKS_FOLDER}/{upload}{JSON_EXTENSION}")
}

pub(super) fn parse_callback_file_name(name: &str) -> Option<UploadId> {
    let id = name.rsplit('/').next()?.strip_suffix(JSON_EXTENSION)?;
    UploadId::try_from(id.to_owned()).ok()
}

/// Whether a stored result stays when another one arrives: a failure is final.
pub(super) fn keeps_existing_callback(existing: Option<&UploadResult>, new: &UploadResult) -> bool {
    existing.is_some_and(|existing| existing == new || matches!(existing, UploadResult::Failed { .. }))
}

pub trait StateStore: Send + Sync {
    /// Reads the state; an empty one before the first write.
    fn load(&self) -> impl Future<Output = StoreResult<State>> + Send;

    fn save(&self, state: &State) -> impl Future<Output = StoreResult> + Send;

    /// Adds `entries`, which `state` contains already. They are durable when this returns. Needs the lock.
    fn append(&self, state: &State, entries: &[JournalEntry]) -> impl Future<Output = StoreResult> + Send;

    /// Applies `change` to the lock atomically, and returns the lock before. The store may call `change` more than once.
    /// After a store has put a lock, it changes the state only while it holds that lock.
    fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> impl Future<Output = StoreResult<Option<Lock>>> + Send;

    /// Stores a compressed member list under its digest. It is durable when this returns.
    fn save_member_list(&self, digest: &ListDigest, bytes: &[u8])
    -> impl Future<Output = StoreResult> + Send;

    fn load_member_list(
        &self,
        digest: &ListDigest,
    ) -> impl Future<Output = StoreResult<Option<Vec<u8>>>> + Send;

    /// Deletes all other member lists, such as those of a run that crashed before it recorded them. Needs the lock.
    fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> impl Future<Output = StoreResult> + Send;

    /// Stores the result of an upload. It is durable when this returns. A stored failure is never replaced. Does not need
    /// the lock.
    fn save_callback(
        &self,
        upload: &UploadId,
        result: &UploadResult,
    ) -> impl Future<Output = StoreResult> + Send;

    fn load_callback(
        &self,
        upload: &UploadId,
    ) -> impl Future<Output = StoreResult<Option<UploadResult>>> + Send;

    /// Deletes the results of all other uploads. Needs the lock.
    fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> impl Future<Output = StoreResult> + Send;

    fn load_cache(&self) -> impl Future<Output = StoreResult<Cache>> + Send;

    fn save_cache(&self, cache: &Cache) -> impl Future<Output = StoreResult> + Send;

    /// Reads the requests of all runs. A lost log costs only waiting time.
    fn load_requests(&self) -> impl Future<Output = StoreResult<Vec<RequestRecord>>> + Send;

    /// Passes the requests from number `next` on to `respond`, and appends its answer, in one atomic step. `next` moves
    /// past the requests that were passed on, even on an error, and past the appended ones.
    ///
    /// After a conflict with another run, the store calls `respond` again with the new requests and drops its earlier answer.
    fn exchange_requests(
        &self,
        next: &mut u64,
        respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> impl Future<Output = StoreResult> + Send;

    /// Deletes the requests before a moment, which count toward no window any more, if there are many.
    fn prune_requests(&self, before: Timestamp) -> impl Future<Output = StoreResult> + Send;
}

pub type StoreResult<T = ()> = Result<T, StoreError>;

#[derive(Debug)]
pub enum StoreError {
    Io {
        operation: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    Object {
        operation: &'static str,
        object: String,
        /// The cause and how to fix it, without secrets.
        reason: String,
    },
    /// The file or object is not what segctl wrote.
    Corrupt {
        /// The path of the file or the URL of the object.
        path: PathBuf,
        reason: String,
    },
    /// The directory holds a state in the format of an unreleased segctl.
    OldFormat {
        directory: PathBuf,
        file: &'static str,
    },
    LockLost {
        by: Option<Box<Lock>>,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { operation, path, .. } => {
                write!(formatter, "cannot {operation} `{}`", path.display())
            }
            Self::Object {
                operation,
                object,
                reason,
            } => write!(formatter, "cannot {operation} `{object}`: {reason}"),
            Self::LockLost { by: None } => formatter
                .write_str("this run lost the state lock: another process removed it; run the command again"),
            Self::LockLost { by: Some(lock) } => write!(
                formatter,
                "this run lost the state lock, which is now held by {lock}; wait for that run, then run the command again"
            ),
            Self::OldFormat { directory, file } => write!(
                formatter,
                "the directory `{}` holds the state of a segctl before 0.1 (`{file}`), which this version does not read; to \
                 start over, move it away and run `segctl state rebuild`",
                directory.display()
            ),
            Self::Corrupt { path, reason } => {
                let fix = if path.ends_with(LOCK_FILE) {
                    "delete it when no other segctl run uses this state"
                } else if path.ends_with(CACHE_FILE) || path.ends_with(REQUEST_LOG_FILE) {
                    "move it away: losing it costs requests and time, not correctness"
                } else {
                    "restore the state from a backup, or move all its files away and run `segctl state rebuild`, which \
                     records the existing segments again, without their replaced definitions"
                };
                write!(formatter, "`{}` cannot be used: {reason}; {fix}", path.display())
            }
        }
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
