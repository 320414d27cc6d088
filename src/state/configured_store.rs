//! The store that `state:` in segctl.yaml configures.

use super::{Cache, DirectoryStore, JournalEntry, Lock, LockChange, State, StateStore, StoreResult};
use crate::model::{ListDigest, RequestRecord, StateLocation, UploadId, UploadResult};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::Path;

#[cfg(feature = "object-store")]
use {super::ObjectStateStore, std::env, std::ffi::OsString};

#[derive(Debug)]
pub enum ConfiguredStore {
    Directory(DirectoryStore),
    #[cfg(feature = "object-store")]
    Objects(ObjectStateStore),
}

impl ConfiguredStore {
    /// Directories are relative to `base`.
    pub fn open(location: &StateLocation, base: &Path) -> StoreResult<Self> {
        match location {
            StateLocation::Directory(directory) => {
                Ok(Self::Directory(DirectoryStore::new(base.join(directory))))
            }
            #[cfg(feature = "object-store")]
            StateLocation::ObjectStore(url) => {
                let text = |value: OsString| value.into_string().ok();
                let variables = env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
                Ok(Self::Objects(ObjectStateStore::connect(url, variables)?))
            }
            #[cfg(not(feature = "object-store"))]
            StateLocation::ObjectStore(url) => Err(super::StoreError::Object {
                operation: "open",
                object: url.to_string(),
                reason: "this segctl was built without object stores; build it with `--features object-store`, or \
                         set `state:` to a directory"
                    .to_owned(),
            }),
        }
    }
}

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
    async fn load(&self) -> StoreResult<State> {
        either!(self, store => store.load())
    }

    async fn save(&self, state: &State) -> StoreResult {
        either!(self, store => store.save(state))
    }

    async fn append(&self, state: &State, entries: &[JournalEntry]) -> StoreResult {
        either!(self, store => store.append(state, entries))
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> StoreResult<Option<Lock>> {
        either!(self, store => store.change_lock(change))
    }

    async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> StoreResult {
        either!(self, store => store.save_member_list(digest, bytes))
    }

    async fn load_member_list(&self, digest: &ListDigest) -> StoreResult<Option<Vec<u8>>> {
        either!(self, store => store.load_member_list(digest))
    }

    async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> StoreResult {
        either!(self, store => store.retain_member_lists(keep))
    }

    async fn save_callback(&self, upload: &UploadId, result: &UploadResult) -> StoreResult {
        either!(self, store => store.save_callback(upload, result))
    }

    async fn load_callback(&self, upload: &UploadId) -> StoreResult<Option<UploadResult>> {
        either!(self, store => store.load_callback(upload))
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> StoreResult {
        either!(self, store => store.retain_callbacks(keep))
    }

    async fn load_cache(&self) -> StoreResult<Cache> {
        either!(self, store => store.load_cache())
    }

    async fn save_cache(&self, cache: &Cache) -> StoreResult {
        either!(self, store => store.save_cache(cache))
    }

    async fn load_requests(&self) -> StoreResult<Vec<RequestRecord>> {
        either!(self, store => store.load_requests())
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> StoreResult {
        either!(self, store => store.exchange_requests(next, respond))
    }

    async fn prune_requests(&self, before: Timestamp) -> StoreResult {
        either!(self, store => store.prune_requests(before))
    }
}
