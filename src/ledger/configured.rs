//! The store that a workspace's settings name.

use super::{Change, DirectoryStore, Ledger, LedgerStore, Lock, Record, Snapshot, StoreError};
use crate::model::{CallRecord, Callback, LedgerPlace, ListDigest, UploadId};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::Path;

#[cfg(feature = "object-store")]
use {super::ObjectLedger, std::env, std::ffi::OsString};

/// A directory or an object store.
#[derive(Debug)]
pub enum ConfiguredStore {
    /// A directory.
    Directory(DirectoryStore),
    /// Objects in a bucket.
    #[cfg(feature = "object-store")]
    Objects(ObjectLedger),
}

impl ConfiguredStore {
    /// The store at `place`; directories are relative to `base`.
    ///
    /// # Errors
    ///
    /// An object store in a segctl that was built without them, or one whose set-up in the environment is wrong.
    pub fn open(place: &LedgerPlace, base: &Path) -> Result<Self, StoreError> {
        match place {
            LedgerPlace::Directory(directory) => {
                Ok(Self::Directory(DirectoryStore::new(base.join(directory))))
            }
            #[cfg(feature = "object-store")]
            LedgerPlace::Objects(place) => {
                let text = |value: OsString| value.into_string().ok();
                let variables = env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
                Ok(Self::Objects(ObjectLedger::connect(place, variables)?))
            }
            #[cfg(not(feature = "object-store"))]
            LedgerPlace::Objects(place) => Err(StoreError::Object {
                operation: "open",
                object: place.to_string(),
                reason: "this segctl was built without object stores: install one with `cargo install segctl --locked \
                         --features object-store`, or keep the ledger in a directory"
                    .to_owned(),
            }),
        }
    }
}

/// What the store says, whichever it is.
macro_rules! either {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Directory($store) => $call.await,
            #[cfg(feature = "object-store")]
            Self::Objects($store) => $call.await,
        }
    };
}

impl LedgerStore for ConfiguredStore {
    async fn load(&self) -> Result<Ledger, StoreError> {
        either!(self, store => store.load())
    }

    async fn save(&self, ledger: &Ledger) -> Result<(), StoreError> {
        either!(self, store => store.save(ledger))
    }

    async fn add(&self, ledger: &Ledger, records: &[Record]) -> Result<(), StoreError> {
        either!(self, store => store.add(ledger, records))
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> Change + Send,
    ) -> Result<Option<Lock>, StoreError> {
        either!(self, store => store.change_lock(change))
    }

    async fn save_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        either!(self, store => store.save_list(digest, bytes))
    }

    async fn load_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        either!(self, store => store.load_list(digest))
    }

    async fn drop_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        either!(self, store => store.drop_lists(keep))
    }

    async fn save_callback(&self, upload: &UploadId, callback: &Callback) -> Result<(), StoreError> {
        either!(self, store => store.save_callback(upload, callback))
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<Callback>, StoreError> {
        either!(self, store => store.load_callback(upload))
    }

    async fn drop_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        either!(self, store => store.drop_callbacks(keep))
    }

    async fn load_snapshot(&self) -> Result<Snapshot, StoreError> {
        either!(self, store => store.load_snapshot())
    }

    async fn save_snapshot(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        either!(self, store => store.save_snapshot(snapshot))
    }

    async fn requests(&self) -> Result<Vec<CallRecord>, StoreError> {
        either!(self, store => store.requests())
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        respond: impl FnMut(Vec<CallRecord>) -> Vec<CallRecord> + Send,
    ) -> Result<(), StoreError> {
        either!(self, store => store.exchange_requests(next, respond))
    }

    async fn forget_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        either!(self, store => store.forget_requests(before))
    }
}
