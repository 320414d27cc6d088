//! Objects in an object store.
//!
//! A write without an answer may have taken effect, and its own result then rejects a retry. Every conditional write
//! therefore stores a unique id beside the object's bytes. After a conflict the id shows whether the stored object is
//! this write or that of another process.

use super::error::{is_bucket_missing, lacks_conditional_writes};
use super::{Bucket, ConditionalWrite, Object, Precondition, Storage, StorageError, StorageResult, Version};
use crate::model::ObjectStoreUrl;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::{
    Attribute, Attributes, Error, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    UpdateVersion,
};
use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

/// Attempts at a write with an unknown result. The client of the store itself retries known failures.
const WRITE_ATTEMPTS: usize = 3;

/// Letters only, which every store accepts in names.
const WRITE_ID: Attribute = Attribute::Metadata(Cow::Borrowed("segctlwrite"));

#[derive(Debug)]
pub struct ObjectStorage {
    bucket: Bucket,
    writer_id: String,
    write_count: AtomicU64,
}

impl ObjectStorage {
    /// Reads the setup from environment variables. Sends no request.
    pub fn connect(
        url: &ObjectStoreUrl,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> StorageResult<Self> {
        let bucket = Bucket::connect(url, variables).map_err(|reason| StorageError::Object {
            operation: "open",
            object: url.to_string(),
            reason,
        })?;
        Ok(Self {
            bucket,
            // Unique, since the system seeds each hasher.
            writer_id: format!("{:016x}", RandomState::new().hash_one("writer")),
            write_count: AtomicU64::new(0),
        })
    }

    fn error(&self, operation: &'static str, name: &str) -> impl Fn(Error) -> StorageError {
        let object = self.location(name);
        move |error| StorageError::Object {
            operation,
            object: object.clone(),
            reason: self.bucket.describe(&error),
        }
    }

    /// Reads an object and the id of the write that stored it.
    async fn read(&self, name: &str) -> Result<Option<(Object, Option<String>)>, Error> {
        let result = match self.bucket.store.get(&self.bucket.path(name)).await {
            Err(error @ Error::NotFound { .. }) if !is_bucket_missing(&error) => return Ok(None),
            result => result?,
        };
        let version = version(result.meta.e_tag.clone(), result.meta.version.clone());
        let write_id = result.attributes.get(&WRITE_ID).map(|id| id.to_string());
        let bytes = GetResult::bytes(result).await?.to_vec();
        Ok(Some((Object::new(bytes, version), write_id)))
    }

    async fn write_if(
        &self,
        name: &str,
        bytes: Vec<u8>,
        expected: &Precondition,
    ) -> StorageResult<ConditionalWrite> {
        let number = self.write_count.fetch_add(1, Ordering::Relaxed);
        let write_id = format!("{}-{number}", self.writer_id);
        let path = self.bucket.path(name);
        let mut attempt = 1;
        loop {
            let mut attributes = Attributes::new();
            attributes.insert(WRITE_ID, write_id.clone().into());
            let options = PutOptions {
                mode: put_mode(expected),
                attributes,
                ..PutOptions::default()
            };
            let put = self.bucket.store.put_opts(&path, bytes.clone().into(), options);
            let error = match put.await {
                Ok(done) => return Ok(ConditionalWrite::Done(version(done.e_tag, done.version))),
                Err(error) if is_permanent(&error) => return Err(self.error("write", name)(error)),
                Err(error) => error,
            };
            let stored = self.read(name).await.map_err(self.error("read", name))?;
            let object = match stored {
                Some((object, Some(id))) if id == write_id => {
                    return Ok(ConditionalWrite::Done(object.version()));
                }
                stored => stored.map(|(object, _)| object),
            };
            if !expected.is_met_by(object.as_ref()) {
                return Ok(ConditionalWrite::Conflict(object));
            }
            // The write did not take effect, although its precondition is met.
            if attempt == WRITE_ATTEMPTS {
                return Err(self.error("write", name)(error));
            }
            attempt += 1;
        }
    }
}

impl Storage for ObjectStorage {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, StorageResult<Option<Object>>> {
        async move {
            let read = self.read(name).await.map_err(self.error("read", name))?;
            Ok(read.map(|(object, _)| object))
        }
        .boxed()
    }

    fn put<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, StorageResult> {
        async move {
            let path = self.bucket.path(name);
            let put = self.bucket.store.put(&path, bytes.into()).await;
            put.map(drop).map_err(self.error("write", name))
        }
        .boxed()
    }

    fn put_if<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: &'a Precondition,
    ) -> BoxFuture<'a, StorageResult<ConditionalWrite>> {
        self.write_if(name, bytes, expected).boxed()
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, StorageResult<Vec<String>>> {
        async move {
            let prefix = self.bucket.path(folder);
            let listed: Result<Vec<ObjectMeta>, Error> =
                self.bucket.store.list(Some(&prefix)).try_collect().await;
            let names = listed.map_err(self.error("list", folder))?.into_iter();
            let names = names.filter_map(|meta| Some(format!("{folder}/{}", meta.location.filename()?)));
            Ok(names.collect())
        }
        .boxed()
    }

    fn delete(&self, names: Vec<String>) -> BoxFuture<'_, StorageResult> {
        async move {
            let paths: Vec<_> = names.iter().map(|name| Ok(self.bucket.path(name))).collect();
            let deleted = self.bucket.store.delete_stream(stream::iter(paths).boxed());
            // The first error does not keep the other objects.
            let deleted: Vec<_> = deleted.collect().await;
            for (name, deleted) in names.iter().zip(deleted) {
                match deleted {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(self.error("delete", name)(error)),
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn location(&self, name: &str) -> String {
        format!("{}/{name}", self.bucket.url)
    }
}

fn version(tag: Option<String>, number: Option<String>) -> Version {
    Version { tag, number }
}

fn put_mode(expected: &Precondition) -> PutMode {
    let version = match expected {
        Precondition::Absent => return PutMode::Create,
        Precondition::Version(version) => version.clone(),
        // Every object of an object store has a version, so no object has these bytes.
        Precondition::Bytes(_) => Version::of_no_object(),
    };
    PutMode::Update(UpdateVersion {
        e_tag: version.tag,
        version: version.number,
    })
}

/// Whether a failed write had no effect, and a retry would fail again.
fn is_permanent(error: &Error) -> bool {
    matches!(
        error,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } | Error::InvalidPath { .. }
    ) || lacks_conditional_writes(error)
        || is_bucket_missing(error)
}
