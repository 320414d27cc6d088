//! Objects that are read whole and written on conditions.
//!
//! A write whose answer is lost may have taken effect, and its repetition is refused by what it wrote itself. Every
//! conditional write therefore carries a mark of its own beside the object's bytes: what is found after a refusal is either
//! this very write, or somebody else's.

use crate::ledger::StoreError;
use crate::model::ObjectPlace;
use crate::objects::fault;
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
const ATTEMPTS: usize = 3;

/// How many objects are read at once.
const SIDE_BY_SIDE: usize = 16;

/// The name of the mark. Letters alone: every store takes them.
const MARK: Attribute = Attribute::Metadata(Cow::Borrowed("segctlwrite"));

/// The objects of a ledger.
#[derive(Debug)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    place: ObjectPlace,
    /// What the marks of this one begin with.
    writer: String,
    writes: AtomicU64,
}

/// An object as it was read.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) bytes: Vec<u8>,
    pub(super) version: UpdateVersion,
    mark: Option<String>,
}

/// What an object has to be for a write to take effect.
#[derive(Clone, Debug, Default)]
pub(super) enum Expected {
    /// There is none.
    #[default]
    Absent,
    /// This version.
    Version(UpdateVersion),
}

/// What came of a conditional write.
#[derive(Debug)]
pub(super) enum Written {
    /// The object is as it was written, and has this version.
    Done(UpdateVersion),
    /// It is another than was expected: this one, unless it is gone.
    Refused(Option<Found>),
}

impl Expected {
    /// What was read, to be replaced.
    pub(super) fn of(found: Option<&Found>) -> Self {
        found.map_or(Self::Absent, |found| Self::Version(found.version.clone()))
    }

    fn is(&self, found: Option<&Found>) -> bool {
        match (self, found) {
            (Self::Absent, None) => true,
            (Self::Version(version), Some(found)) => *version == found.version,
            _ => false,
        }
    }

    fn mode(&self) -> PutMode {
        match self {
            Self::Absent => PutMode::Create,
            Self::Version(version) => PutMode::Update(version.clone()),
        }
    }
}

impl Bucket {
    pub(super) fn new(store: Arc<dyn ObjectStore>, place: ObjectPlace) -> Self {
        Self {
            store,
            place,
            // No two have the same: each is seeded by the system.
            writer: format!("{:016x}", RandomState::new().hash_one("writer")),
            writes: AtomicU64::new(0),
        }
    }

    /// The address of an object.
    pub(super) fn address(&self, name: &str) -> String {
        format!("{}/{name}", self.place)
    }

    fn path(&self, name: &str) -> Path {
        let prefix = self.place.prefix.split('/').filter(|part| !part.is_empty());
        Path::from_iter(prefix.chain(name.split('/')))
    }

    fn refused(&self, operation: &'static str, name: &str) -> impl Fn(Error) -> StoreError {
        let (object, service) = (self.address(name), self.place.service);
        move |error| StoreError::Object {
            operation,
            object: object.clone(),
            reason: fault::reason(service, &error),
        }
    }

    /// Reads an object; `None` where there is none.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Found>, StoreError> {
        self.read(name).await.map_err(self.refused("read", name))
    }

    async fn read(&self, name: &str) -> Result<Option<Found>, Error> {
        let result = match self.store.get(&self.path(name)).await {
            Err(error @ Error::NotFound { .. }) if !fault::is_bucket_missing(&error) => return Ok(None),
            result => result?,
        };
        let version = version(&result.meta);
        let mark = result.attributes.get(&MARK).map(|mark| mark.to_string());
        let bytes = GetResult::bytes(result).await?.to_vec();
        Ok(Some(Found { bytes, version, mark }))
    }

    /// Reads several objects, in their order.
    pub(super) async fn get_all(&self, names: &[String]) -> Result<Vec<Option<Found>>, StoreError> {
        // Collected first: a stream that made them as it went could not be sent to another thread.
        let reads: Vec<_> = names.iter().map(|name| self.get(name)).collect();
        let read = stream::iter(reads).buffered(SIDE_BY_SIDE);
        read.try_collect().await
    }

    /// Replaces an object, whatever it is.
    pub(super) async fn put(&self, name: &str, bytes: impl Into<PutPayload>) -> Result<(), StoreError> {
        let put = self.store.put(&self.path(name), bytes.into()).await;
        put.map(drop).map_err(self.refused("write", name))
    }

    /// Replaces an object where it is what is expected.
    pub(super) async fn put_if(
        &self,
        name: &str,
        text: &str,
        expected: &Expected,
    ) -> Result<Written, StoreError> {
        let mark = format!("{}-{}", self.writer, self.writes.fetch_add(1, Ordering::Relaxed));
        let refused = self.refused("write", name);
        let path = self.path(name);
        let mut attempt = 1;
        loop {
            let mut attributes = Attributes::new();
            attributes.insert(MARK, mark.clone().into());
            let options = PutOptions {
                mode: expected.mode(),
                attributes,
                ..PutOptions::default()
            };
            let put = self.store.put_opts(&path, text.to_owned().into(), options);
            let error = match put.await {
                Ok(done) => {
                    return Ok(Written::Done(UpdateVersion {
                        e_tag: done.e_tag,
                        version: done.version,
                    }));
                }
                Err(error) if is_final(&error) => return Err(refused(error)),
                Err(error) => error,
            };
            let found = self.get(name).await?;
            if let Some(found) = &found
                && found.mark.as_ref() == Some(&mark)
            {
                return Ok(Written::Done(found.version.clone()));
            }
            if !expected.is(found.as_ref()) {
                return Ok(Written::Refused(found));
            }
            // It did not take effect, though nothing is in its way.
            if attempt == ATTEMPTS {
                return Err(refused(error));
            }
            attempt += 1;
        }
    }

    /// Whether an object is what an earlier write of this one left there, one that was given up.
    pub(super) fn is_own(&self, found: &Found) -> bool {
        let mark = found.mark.as_ref().and_then(|mark| mark.split_once('-'));
        mark.is_some_and(|(writer, _)| writer == self.writer)
    }

    /// Whether the store keeps conditions, tried on an object that is there and must not change by this.
    pub(super) async fn require_conditions(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let never = UpdateVersion {
            e_tag: Some("\"never\"".to_owned()),
            version: Some("1".to_owned()),
        };
        let path = self.path(name);
        for mode in [PutMode::Create, PutMode::Update(never)] {
            let put = self.store.put_opts(&path, text.to_owned().into(), mode.into());
            match put.await {
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
                Err(error) => return Err(self.refused("write", name)(error)),
                Ok(_) => {
                    return Err(StoreError::Object {
                        operation: "write",
                        object: self.address(name),
                        reason: fault::NO_CONDITIONS.to_owned(),
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
        let listed = listed.map_err(self.refused("list", folder))?;
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
                        error = fault::reason(self.place.service, &error),
                        "an object was left"
                    );
                }
                std::future::ready(())
            })
            .await;
    }
}

/// Whether a write that failed took no effect, and would fail again.
fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } | Error::InvalidPath { .. }
    ) || fault::lacks_conditions(error)
        || fault::is_bucket_missing(error)
}

fn version(meta: &ObjectMeta) -> UpdateVersion {
    UpdateVersion {
        e_tag: meta.e_tag.clone(),
        version: meta.version.clone(),
    }
}
