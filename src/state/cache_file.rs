//! The cache of a workspace in its store.

use super::file_format::{CACHE_FILE, CACHE_VERSION};
use super::store_error::{StoreError, StoreResult};
use super::{Cache, State, StateStore, checksummed_json};
use crate::storage::Object;
use std::panic;
use std::thread::{self, JoinHandle};

/// Below this size, a thread costs more than it saves.
const MIN_BYTES_FOR_THREAD: usize = 64 * 1024;

impl StateStore {
    pub async fn load_cache(&self) -> StoreResult<Cache> {
        let decoding = DecodingCache::start(self.storage.get(CACHE_FILE).await?);
        decoding.finish().map_err(self.corrupt_error(CACHE_FILE))
    }

    pub async fn save_cache(&self, cache: &Cache) -> StoreResult {
        let bytes = checksummed_json::encode(CACHE_VERSION, cache).into_bytes();
        Ok(self.storage.put(CACHE_FILE, bytes).await?)
    }

    /// Reads the state and the cache. An offline plan spends most of its time on them, so each has a thread.
    pub async fn load_with_cache(&self) -> StoreResult<(State, StoreResult<Cache>)> {
        let decoding = self.storage.get(CACHE_FILE).await.map(DecodingCache::start);
        let state = self.load().await?;
        let cache = decoding.map_err(StoreError::from).and_then(|decoding| {
            let mut cache = decoding.finish().map_err(self.corrupt_error(CACHE_FILE))?;
            cache.share_definitions(&state);
            Ok(cache)
        });
        Ok((state, cache))
    }
}

enum DecodingCache {
    Finished(Result<Cache, String>),
    Running(JoinHandle<Result<Cache, String>>),
}

impl DecodingCache {
    fn start(object: Option<Object>) -> Self {
        let Some(object) = object else {
            return Self::Finished(Ok(Cache::default()));
        };
        let is_small = object.bytes.len() < MIN_BYTES_FOR_THREAD;
        let decode = move || checksummed_json::decode(&object.bytes, CACHE_VERSION);
        if is_small {
            Self::Finished(decode())
        } else {
            Self::Running(thread::spawn(decode))
        }
    }

    fn finish(self) -> Result<Cache, String> {
        match self {
            Self::Finished(cache) => cache,
            // A panic in the thread continues here, as without it.
            Self::Running(thread) => thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic)),
        }
    }
}
