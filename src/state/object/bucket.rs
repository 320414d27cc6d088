//! Objects that are read whole and written on conditions.
//!
//! A write whose answer is lost may have taken effect, and its repetition is refused by what it wrote itself. Every
//! conditional write therefore carries a mark of its own beside the object's bytes: what is found after a refusal is either
//! this very write, or somebody else's.

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

/// How often a write of which nobody knows whether it took effect is made again; the store's own client repeats what it
/// knows to have failed.
const WRITE_ATTEMPTS: usize = 3;

/// How many objects are read at once.
const CONCURRENT_READS: usize = 16;

/// The name of the mark. Letters alone: every store takes them.
const WRITE_ID: Attribute = Attribute::Metadata(Cow::Borrowed("segctlwrite"));

/// The objects of a ledger.
#[derive(Debug)]
pub(super) struct StateBucket {
    store: Arc<dyn ObjectStore>,
    location: ObjectStoreUrl,
    /// What the marks of this one begin with.
    writer_id: String,
    write_count: AtomicU64,
}

/// An object as it was read.
#[derive(Clone, Debug)]
pub(super) struct FetchedObject {
    pub(super) bytes: Vec<u8>,
    pub(super) version: UpdateVersion,
    write_id: Option<String>,
}

/// What an object has to be for a write to take effect.
#[derive(Clone, Debug, Default)]
pub(super) enum Precondition {
    /// There is none.
    #[default]
    Absent,
    /// This version.
    Version(UpdateVersion),
}

/// What came of a conditional write.
#[derive(Debug)]
pub(super) enum ConditionalWrite {
    /// The object is as it was written, and has this version.
    Done(UpdateVersion),
    /// It is another than was expected: this one, unless it is gone.
    Conflict(Option<FetchedObject>),
}

impl Precondition {
    /// What was read, to be replaced.
    pub(super) fn of(found: Option<&FetchedObject>) -> Self {
        found.map_or(Self::Absent, |found| Self::Version(found.version.clone()))
    }

    fn is_met_by(&self, found: Option<&FetchedObject>) -> bool {
        match (self, found) {
            (Self::Absent, None) => true,
            (Self::Version(version), Some(found)) => *version == found.version,
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
            // No two have the same: each is seeded by the system.
            writer_id: format!("{:016x}", RandomState::new().hash_one("writer")),
            write_count: AtomicU64::new(0),
        }
    }

    /// The address of an object.
    pub(super) fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.location)
    }

    fn path(&self, name: &str) -> Path {
        let prefix = self.location.prefix.split('/').filter(|part| !part.is_empty());
        Path::from_iter(prefix.chain(name.split('/')))
    }

    fn store_error(&self, operation: &'static str, name: &str) -> impl Fn(Error) -> StoreError {
        let (object, service) = (self.url(name), self.location.provider);
        move |error| StoreError::Object {
            operation,
            object: object.clone(),
            reason: error::describe_error(service, &error),
        }
    }

    /// Reads an object; `None` where there is none.
    pub(super) async fn get(&self, name: &str) -> Result<Option<FetchedObject>, StoreError> {
        self.read(name).await.map_err(self.store_error("read", name))
    }

    async fn read(&self, name: &str) -> Result<Option<FetchedObject>, Error> {
        let result = match self.store.get(&self.path(name)).await {
            Err(error @ Error::NotFound { .. }) if !error::is_bucket_missing(&error) => return Ok(None),
            result => result?,
        };
        let version = version(&result.meta);
        let write_id = result.attributes.get(&WRITE_ID).map(|mark| mark.to_string());
        let bytes = GetResult::bytes(result).await?.to_vec();
        Ok(Some(FetchedObject {
            bytes,
            version,
            write_id,
        }))
    }

    /// Reads several objects, in their order.
    pub(super) async fn get_all(&self, names: &[String]) -> Result<Vec<Option<FetchedObject>>, StoreError> {
        // Collected first: a stream that made them as it went could not be sent to another thread.
        let reads: Vec<_> = names.iter().map(|name| self.get(name)).collect();
        let read = stream::iter(reads).buffered(CONCURRENT_READS);
        read.try_collect().await
    }

    /// Replaces an object, whatever it is.
    pub(super) async fn put(&self, name: &str, bytes: impl Into<PutPayload>) -> Result<(), StoreError> {
        let put = self.store.put(&self.path(name), bytes.into()).await;
        put.map(drop).map_err(self.store_error("write", name))
    }

    /// Replaces an object where it is what is expected.
    pub(super) async fn put_if(
        &self,
        name: &str,
        text: &str,
        expected: &Precondition,
    ) -> Result<ConditionalWrite, StoreError> {
        let write_id = format!(
            "{}-{}",
            self.writer_id,
            self.write_count.fetch_add(1, Ordering::Relaxed)
        );
        let refused = self.store_error("write", name);
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
                Err(error) if is_permanent(&error) => return Err(refused(error)),
                Err(error) => error,
            };
            let found = self.get(name).await?;
            if let Some(found) = &found
                && found.write_id.as_ref() == Some(&write_id)
            {
                return Ok(ConditionalWrite::Done(found.version.clone()));
            }
            if !expected.is_met_by(found.as_ref()) {
                return Ok(ConditionalWrite::Conflict(found));
            }
            // It did not take effect, though nothing is in its way.
            if attempt == WRITE_ATTEMPTS {
                return Err(refused(error));
            }
            attempt += 1;
        }
    }

    /// Whether an object is what an earlier write of this one left there, one that was given up.
    pub(super) fn is_own_write(&self, found: &FetchedObject) -> bool {
        let mark = found.write_id.as_ref().and_then(|mark| mark.split_once('-'));
        mark.is_some_and(|(writer, _)| writer == self.writer_id)
    }

    /// Whether the store keeps conditions, tried on an object that is there and must not change by this.
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

    /// The names of the objects in a folder, in no order.
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

    /// Deletes objects, as far as that succeeds.
    pub(super) async fn delete_all(&self, names: Vec<String>) {
        let paths: Vec<_> = names.iter().map(|name| Ok(self.path(name))).collect();
        let deleted = self.store.delete_stream(stream::iter(paths).boxed());
        deleted
            .for_each(|deleted| {
                if let Err(error) = deleted {
                    tracing::debug!(
                        error = error::describe_error(self.location.provider, &error),
                        "an object was left"
                    );
                }
                std::future::ready(())
            })
            .await;
    }
}

/// Whether a write that failed took no effect, and would fail again.
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
