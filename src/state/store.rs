//! Where a ledger is kept: the seam for directories, other stores and simulated ones.

use super::lock::{Lock, LockChange};
use super::{Cache, JournalEntry, State};
use crate::model::{ListDigest, RequestRecord, UploadId, UploadResult};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::{error, fmt, io};

/// What the parts of a ledger are called wherever it is kept.
pub(super) const STATE_FILE: &str = "ledger.json";
pub(super) const LOCK_FILE: &str = "lock.json";
pub(super) const CACHE_FILE: &str = "snapshot.json";
pub(super) const REQUEST_LOG_FILE: &str = "requests.jsonl";

/// Where lists of members are.
pub(super) const LISTS_FOLDER: &str = "lists";

/// What a list of members is called.
pub(super) fn list_file_name(digest: &ListDigest) -> String {
    format!("{LISTS_FOLDER}/{digest}{GZIP_EXTENSION}")
}

/// The digest of the list that is called so; `None` where it is no list.
pub(super) fn parse_list_file_name(name: &str) -> Option<ListDigest> {
    let digest = name.rsplit('/').next()?.strip_suffix(GZIP_EXTENSION)?;
    ListDigest::try_from(digest.to_owned()).ok()
}

const GZIP_EXTENSION: &str = ".gz";

/// Where it stands what the service said of uploads.
pub(super) const CALLBACKS_FOLDER: &str = "callbacks";

/// What it is called what the service said of an upload.
pub(super) fn callback_file_name(upload: &UploadId) -> String {
    format!("{CALLBACKS_FOLDER}/{upload}{JSON_EXTENSION}")
}

/// The upload of which it is called so what the service said; `None` where it is nothing of that kind.
pub(super) fn parse_callback_file_name(name: &str) -> Option<UploadId> {
    let id = name.rsplit('/').next()?.strip_suffix(JSON_EXTENSION)?;
    UploadId::try_from(id.to_owned()).ok()
}

const JSON_EXTENSION: &str = ".json";

/// Whether what is kept of an upload stays when something else comes: what failed has failed.
pub(super) fn keeps_existing_callback(kept: Option<&UploadResult>, callback: &UploadResult) -> bool {
    kept.is_some_and(|kept| kept == callback || matches!(kept, UploadResult::Failed { .. }))
}

/// Where a ledger is kept.
pub trait StateStore: Send + Sync {
    /// Reads the ledger; an empty one where none was written yet.
    fn load(&self) -> impl Future<Output = Result<State, StoreError>> + Send;

    /// Replaces the ledger, whole or not at all.
    fn save(&self, ledger: &State) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Adds what was just taken down in `ledger`; it outlasts a crash from then on. Only one who is alone may.
    fn append(
        &self,
        ledger: &State,
        records: &[JournalEntry],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Replaces the lock by what `change` makes of it, as one, and hands out what was there. One who put a lock can from
    /// then on change the ledger only while it stands; `change` may be asked more than once.
    fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> impl Future<Output = Result<Option<Lock>, StoreError>> + Send;

    /// Keeps a list of members, compressed, under its digest; it outlasts a crash from then on.
    fn save_member_list(
        &self,
        digest: &ListDigest,
        bytes: &[u8],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Reads a list that was kept; `None` where there is none of this digest.
    fn load_member_list(
        &self,
        digest: &ListDigest,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;

    /// Drops the lists that are not to be kept, as those that a run left which ended before it took down that it made them.
    /// Only one who is alone may.
    fn retain_member_lists(
        &self,
        keep: &BTreeSet<&ListDigest>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps what the service said of an upload; it outlasts a crash from then on. What is said twice is kept once, and what
    /// failed stays failed. Anybody may, whoever is alone with the ledger.
    fn save_callback(
        &self,
        upload: &UploadId,
        callback: &UploadResult,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Reads what the service said of an upload; `None` where it said nothing yet.
    fn load_callback(
        &self,
        upload: &UploadId,
    ) -> impl Future<Output = Result<Option<UploadResult>, StoreError>> + Send;

    /// Drops what the service said of uploads that nobody waits for. Only one who is alone may.
    fn retain_callbacks(
        &self,
        keep: &BTreeSet<&UploadId>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Reads what was seen last; nothing where nothing was kept. It may be lost without harm.
    fn load_cache(&self) -> impl Future<Output = Result<Cache, StoreError>> + Send;

    /// Replaces what was seen last.
    fn save_cache(&self, snapshot: &Cache) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Reads the calls of all runs; none where none were kept. They may be lost at the price of a wait.
    fn load_requests(&self) -> impl Future<Output = Result<Vec<RequestRecord>, StoreError>> + Send;

    /// Hands the calls that were taken down from number `next` on to `respond`, and adds what it answers, as one. `next` is
    /// moved past what was handed on, whatever comes of it, and past what was added.
    ///
    /// Where others come first, `respond` is asked again, with what they added: its earlier answer is void then.
    fn exchange_requests(
        &self,
        next: &mut u64,
        respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Drops the calls before a moment that counts toward no window any more, when there are many.
    fn prune_requests(&self, before: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Why a ledger could not be read or written.
#[derive(Debug)]
pub enum StoreError {
    /// The file system refused.
    Io {
        /// What was tried: `read`, `write`.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// The object store refused, or did not answer.
    Object {
        /// What was tried: `read`, `write`.
        operation: &'static str,
        /// On which object, as an address.
        object: String,
        /// Its answer, and what to do about it; in words that hold no secret.
        reason: String,
    },
    /// The file or object is not what segctl wrote.
    Corrupt {
        /// The file, or the address of the object.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The lock was taken away.
    LockLost {
        /// Who holds it now, if anybody does.
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
            Self::LockLost { by: None } => {
                formatter.write_str("the ledger's lock was taken away from this run")
            }
            Self::LockLost { by: Some(lock) } => {
                write!(
                    formatter,
                    "the ledger's lock was taken away from this run by {lock}"
                )
            }
            Self::Corrupt { path, reason } if path.ends_with(LOCK_FILE) => write!(
                formatter,
                "`{}` cannot be used: {reason}; remove it when nobody runs segctl on this ledger",
                path.display()
            ),
            Self::Corrupt { path, reason }
                if [CACHE_FILE, REQUEST_LOG_FILE]
                    .iter()
                    .any(|file| path.ends_with(file)) =>
            {
                write!(
                    formatter,
                    "`{}` cannot be used: {reason}; move it away: what is lost with it costs requests and time, not correctness",
                    path.display()
                )
            }
            Self::Corrupt { path, reason } => write!(
                formatter,
                "`{}` cannot be used: {reason}; restore the ledger from a backup, or move all of it away and run `segctl \
                 ledger rebuild`, which finds again what is live; what it keeps of definitions that were replaced is lost \
                 with it",
                path.display()
            ),
        }
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Object { .. } | Self::Corrupt { .. } | Self::LockLost { .. } => None,
        }
    }
}
