//! The store that a workspace's settings name.

use super::{Cache, DirectoryStore, JournalEntry, Lock, LockChange, State, StateStore, StoreError};
use crate::model::{ListDigest, RequestRecord, StateLocation, UploadId, UploadResult};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::Path;

#[cfg(feature = "object-store")]
use {super::ObjectStateStore, std::env, std::ffi::OsString};

/// A directory or an object store.
#[derive(Debug)]
pub enum ConfiguredStore {
    /// A directory.
    Directory(DirectoryStore),
    /// Objects in a bucket.
    #[cfg(feature = "object-store")]
    Objects(ObjectStateStore),
}

impl ConfiguredStore {
    /// The store at `place`; directories are relative to `base`.
    ///
    /// # Errors
    ///
    /// An object store in a segctl that was built without them, or one whose set-up in the environment is wrong.
    pub fn open(place: &StateLocation, base: &Path) -> Result<Self, StoreError> {
        match place {
            StateLocation::Directory(directory) => {
                Ok(Self::Directory(DirectoryStore::new(base.join(directory))))
            }
            #[cfg(feature = "object-store")]
            StateLocation::ObjectStore(place) => {
                let text = |value: OsString| value.into_string().ok();
                let variables = env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
                Ok(Self::Objects(ObjectStateStore::connect(place, variables)?))
            }
            #[cfg(not(feature = "object-store"))]
            StateLocation::ObjectStore(place) => Err(StoreError::Object {
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

impl StateStore for ConfiguredStore {
    async fn load(&self) -> Result<State, StoreError> {
        either!(self, store => store.load())
    }

    async fn save(&self, ledger: &State) -> Result<(), StoreError> {
        either!(self, store => store.save(ledger))
    }

    async fn append(&self, ledger: &State, records: &[JournalEntry]) -> Result<(), StoreError> {
        either!(self, store => store.append(ledger, records))
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> Result<Option<Lock>, StoreError> {
        either!(self, store => store.change_lock(change))
    }

    async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        either!(self, store => store.save_member_list(digest, bytes))
    }

    async fn load_member_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        either!(self, store => store.load_member_list(digest))
    }

    async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        either!(self, store => store.retain_member_lists(keep))
    }

    async fn save_callback(&self, upload: &UploadId, callback: &UploadResult) -> Result<(), StoreError> {
        either!(self, store => store.save_callback(upload, callback))
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<UploadResult>, StoreError> {
        either!(self, store => store.load_callback(upload))
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        either!(self, store => store.retain_callbacks(keep))
    }

    async fn load_cache(&self) -> Result<Cache, StoreError> {
        either!(self, store => store.load_cache())
    }

    async fn save_cache(&self, snapshot: &Cache) -> Result<(), StoreError> {
        either!(self, store => store.save_cache(snapshot))
    }

    async fn load_requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        either!(self, store => store.load_requests())
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> Result<(), StoreError> {
        either!(self, store => store.exchange_requests(next, respond))
    }

    async fn prune_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        either!(self, store => store.prune_requests(before))
    }
}
