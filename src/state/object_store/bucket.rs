//! Conditional writes of objects.
//!
//! A write without an answer may have taken effect, and its own result then rejects a retry. Every conditional write
//! therefore stores a unique id beside the object's bytes. After a conflict the id shows whether the stored object is
//! this write or that of another process.

use crate::model::ObjectStoreUrl;
use crate::state::StoreError;
use crate::storage::error;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, UpdateVersion,
};
use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Attempts at a write with an unknown result. The client of the store itself retries known failures.
const WRITE_ATTEMPTS: usize = 3;

const CONCURRENT_READS: usize = 16;

/// Letters only, which every store accepts in names.
const WRITE_ID: Attribute = Attribute::Metadata(Cow::Borrowed("segctlwrite"));

#[derive(Debug)]
pub(super) struct StateBucket {
    store: Arc<dyn ObjectStore>,
    location: ObjectStoreUrl,
    writer_id: String,
    write_count: AtomicU64,
}

#[derive(Clone, Debug)]
pub(super) struct FetchedObject {
    pub(super) bytes: Vec<u8>,
    pub(super) version: UpdateVersion,
    write_id: Option<String>,
}

/// What has to be stored for a write to take effect.
#[derive(Clone, Debug, Default)]
pub(super) enum Precondition {
    #[default]
    Absent,
    Version(UpdateVersion),
}

#[derive(Debug)]
pub(super) enum ConditionalWrite {
    Done(UpdateVersion),
    /// The precondition failed: this object is stored instead, or none.
    Conflict(Option<FetchedObject>),
}

impl Precondition {
    pub(super) fn of(object: Option<&FetchedObject>) -> Self {
        object.map_or(Self::Absent, |object| Self::Version(object.version.clone()))
    }

    fn is_met_by(&self, object: Option<&FetchedObject>) -> bool {
        match (self, object) {
            (Self::Absent, None) => true,
            (Self::Version(version), Some(object)) => *version == object.version,
            _ => false,
        }
    }

    fn put_mode(&self) -> PutMode {
        match self {
            Self::Absent => PutMode::Create,
            Self::Version(version) => PutMode::Update(version.clone()),
        }
    }
}

impl StateBucket {
    pub(super) fn new(store: Arc<dyn ObjectStore>, location: ObjectStoreUrl) -> Self {
        Self {
            store,
            location,
            // Unique, since the system seeds each hasher.
            writer_id: format!("{:016x}", RandomState::new().hash_one("writer")),
            write_count: AtomicU64::new(0),
        }
    }

    pub(super) fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.location)
    }

    fn path(&self, name: &str) -> Path {
        let prefix = self.location.prefix.split('/').filter(|part| !part.is_empty());
        Path::from_iter(prefix.chain(name.split('/')))
    }

    fn store_error(&self, operation: &'static str, name: &str) -> impl Fn(Error) -> StoreError {
        let (object, provider) = (self.url(name), self.location.provider);
        move |error| StoreError::Object {
            operation,
            object: object.clone(),
            reason: error::describe_error(provider, &error),
        }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<FetchedObject>, StoreError> {
        self.read(name).await.map_err(self.store_error("read", name))
    }

    async fn read(&self, name: &str) -> Result<Option<FetchedObject>, Error> {
        let result = match self.store.get(&self.path(name)).await {
            Err(error @ Error::NotFound { .. }) if !error::is_bucket_missing(&error) => return Ok(None),
            result => result?,
        };
        let version = version(&result.meta);
        let write_id = result.attributes.get(&WRITE_ID).map(|id| id.to_string());
        let bytes = GetResult::bytes(result).await?.to_vec();
        Ok(Some(FetchedObject {
            bytes,
            version,
            write_id,
        }))
    }

    /// Reads several objects in parallel; the result has the order of `names`.
    pub(super) async fn get_all(&self, names: &[String]) -> Result<Vec<Option<FetchedObject>>, StoreError> {
        // Collected first, since a lazy stream of these futures is not `Send`.
        let reads: Vec<_> = names.iter().map(|name| self.get(name)).collect();
        let objects = stream::iter(reads).buffered(CONCURRENT_READS);
        objects.try_collect().await
    }

    pub(super) async fn put(&self, name: &str, bytes: impl Into<PutPayload>) -> Result<(), StoreError> {
        let put = self.store.put(&self.path(name), bytes.into()).await;
        put.map(drop).map_err(self.store_error("write", name))
    }

    pub(super) async fn put_if(
        &self,
        name: &str,
        text: &str,
        expected: &Precondition,
    ) -> Result<ConditionalWrite, StoreError> {
        let number = self.write_count.fetch_add(1, Ordering::Relaxed);
        let write_id = format!("{}-{number}", self.writer_id);
        let write_error = self.store_error("write", name);
        let path = self.path(name);
        let mut attempt = 1;
        loop {
            let mut attributes = Attributes::new();
            attributes.insert(WRITE_ID, write_id.clone().into());
            let options = PutOptions {
                mode: expected.put_mode(),
                attributes,
                ..PutOptions::default()
            };
            let put = self.store.put_opts(&path, text.to_owned().into(), options);
            let error = match put.await {
                Ok(done) => {
                    return Ok(ConditionalWrite::Done(UpdateVersion {
                        e_tag: done.e_tag,
                        version: done.version,
                    }));
                }
                Err(error) if is_permanent(&error) => return Err(write_error(error)),
                Err(error) => error,
            };
            let object = self.get(name).await?;
            if let Some(object) = &object
                && object.write_id.as_ref() == Some(&write_id)
            {
                return Ok(ConditionalWrite::Done(object.version.clone()));
            }
            if !expected.is_met_by(object.as_ref()) {
                return Ok(ConditionalWrite::Conflict(object));
            }
            // The write did not take effect, although its precondition is met.
            if attempt == WRITE_ATTEMPTS {
                return Err(write_error(error));
            }
            attempt += 1;
        }
    }

    /// Whether an earlier, abandoned write of this process left the object.
    pub(super) fn is_own_write(&self, object: &FetchedObject) -> bool {
        let id = object.write_id.as_ref().and_then(|id| id.split_once('-'));
        id.is_some_and(|(writer, _)| writer == self.writer_id)
    }

    /// Fails if the store ignores preconditions. It tries writes with failing preconditions on an existing object.
    pub(super) async fn require_conditional_writes(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let never = UpdateVersion {
            e_tag: Some("\"never\"".to_owned()),
            version: Some("1".to_owned()),
        };
        let path = self.path(name);
        for mode in [PutMode::Create, PutMode::Update(never)] {
            let put = self.store.put_opts(&path, text.to_owned().into(), mode.into());
            match put.await {
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
                Err(error) => return Err(self.store_error("write", name)(error)),
                Ok(_) => {
                    return Err(StoreError::Object {
                        operation: "write",
                        object: self.url(name),
                        reason: error::NO_CONDITIONAL_WRITES.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let prefix = self.path(folder);
        let listed: Result<Vec<ObjectMeta>, Error> = self.store.list(Some(&prefix)).try_collect().await;
        let listed = listed.map_err(self.store_error("list", folder))?;
        let name = |meta: ObjectMeta| {
            let parts: Vec<_> = meta.location.prefix_match(&prefix)?.collect();
            let parts = parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>();
            Some(format!("{folder}/{}", parts.join("/")))
        };
        Ok(listed.into_iter().filter_map(name).collect())
    }

    pub(super) async fn delete_all(&self, names: Vec<String>) {
        let paths: Vec<_> = names.iter().map(|name| Ok(self.path(name))).collect();
        let deleted = self.store.delete_stream(stream::iter(paths).boxed());
        deleted
            .for_each(|deleted| {
                if let Err(error) = deleted {
                    tracing::debug!(
                        error = error::describe_error(self.location.provider, &error),
                        "an obsolete object was not deleted"
                    );
                }
                std::future::ready(())
            })
            .await;
    }
}

/// Whether a failed write had no effect, and a retry would fail again.
fn is_permanent(error: &Error) -> bool {
    matches!(
        error,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } | Error::InvalidPath { .. }
    ) || error::lacks_conditional_writes(error)
        || error::is_bucket_missing(error)
}

fn version(meta: &ObjectMeta) -> UpdateVersion {
    UpdateVersion {
        e_tag: meta.e_tag.clone(),
        version: meta.version.clone(),
    }
}
