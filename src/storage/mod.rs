//! Named objects in a directory or in an object store. The state of a workspace consists of such objects.
//!
//! Five operations are all that `state` needs, and these rules are all that it relies on:
//! - A write is atomic: every reader finds the old object or the new one, also after a crash.
//! - A write is durable when it returns, so the request that follows it may rely on it.
//! - A conditional write takes effect only while the object is what its writer read. Of two writers, the second one fails.
//! - A write with an error may have taken effect, or takes effect later.
//! - A deleted object may exist again after a power loss.
//!
//! A name has at most one folder, such as `journal/7-1.json`.

#[cfg(feature = "object-store")]
mod bucket;
#[cfg(feature = "object-store")]
mod connect;
mod directory;
#[cfg(feature = "object-store")]
mod error;
mod filesystem;
#[cfg(feature = "object-store")]
mod object_store;

#[cfg(feature = "object-store")]
pub use bucket::Bucket;
pub use directory::DirectoryStorage;
pub use filesystem::{FileSystem, LocalFileSystem};
#[cfg(feature = "object-store")]
pub use object_store::ObjectStorage;

use crate::model::{StateLocation, hexadecimal};
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

#[cfg(feature = "object-store")]
use std::{env, ffi::OsString};

pub trait Storage: fmt::Debug + Send + Sync {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, StorageResult<Option<Object>>>;

    fn put<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, StorageResult>;

    fn put_if<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: &'a Precondition,
    ) -> BoxFuture<'a, StorageResult<ConditionalWrite>>;

    /// The names of the objects in a folder, with the folder.
    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, StorageResult<Vec<String>>>;

    /// Succeeds for objects that do not exist.
    fn delete(&self, names: Vec<String>) -> BoxFuture<'_, StorageResult>;

    /// The path or the URL of an object, for messages.
    fn location(&self, name: &str) -> String;
}

#[derive(Clone, Debug)]
pub struct Object {
    pub bytes: Arc<Vec<u8>>,
    version: Option<Version>,
}

/// Identifies the bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub tag: Option<String>,
    /// Google Cloud Storage compares numbers instead of tags.
    pub number: Option<String>,
}

/// What has to be stored for a write to take effect.
#[derive(Clone, Debug, Default)]
pub enum Precondition {
    #[default]
    Absent,
    Version(Version),
    /// For a storage without versions of its own. The digest of a large object takes longer than a comparison.
    Bytes(Arc<Vec<u8>>),
}

#[derive(Debug)]
#[must_use]
pub enum ConditionalWrite {
    Done(Version),
    /// The precondition failed: this object is stored instead, or none.
    Conflict(Option<Object>),
}

impl Object {
    #[must_use]
    pub fn new(bytes: Vec<u8>, version: Version) -> Self {
        Self {
            bytes: Arc::new(bytes),
            version: Some(version),
        }
    }

    /// An object of a storage without versions of its own.
    #[must_use]
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Arc::new(bytes),
            version: None,
        }
    }

    #[must_use]
    pub fn version(&self) -> Version {
        self.version
            .clone()
            .unwrap_or_else(|| Version::of_bytes(&self.bytes))
    }
}

impl Version {
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            tag: Some(hexadecimal(&Sha256::digest(bytes))),
            number: None,
        }
    }

    /// The version of no object, in a form that every object store accepts.
    #[must_use]
    pub fn of_no_object() -> Self {
        Self {
            tag: Some("\"never\"".to_owned()),
            number: Some("1".to_owned()),
        }
    }
}

impl Precondition {
    #[must_use]
    pub fn of(object: Option<&Object>) -> Self {
        match object {
            None => Self::Absent,
            Some(Object { bytes, version }) => match version {
                Some(version) => Self::Version(version.clone()),
                None => Self::Bytes(Arc::clone(bytes)),
            },
        }
    }

    #[must_use]
    pub fn is_met_by(&self, object: Option<&Object>) -> bool {
        match (self, object) {
            (Self::Absent, None) => true,
            (Self::Version(version), Some(object)) => *version == object.version(),
            (Self::Bytes(bytes), Some(object)) => *bytes == object.bytes,
            _ => false,
        }
    }
}

/// Opens the storage at a location. Directories are relative to `base`. Sends no request.
pub fn open(location: &StateLocation, base: &Path) -> StorageResult<Box<dyn Storage>> {
    match location {
        StateLocation::Directory(directory) => Ok(Box::new(DirectoryStorage::new(base.join(directory)))),
        #[cfg(feature = "object-store")]
        StateLocation::ObjectStore(url) => {
            let text = |value: OsString| value.into_string().ok();
            let variables = env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
            Ok(Box::new(ObjectStorage::connect(url, variables)?))
        }
        #[cfg(not(feature = "object-store"))]
        StateLocation::ObjectStore(url) => Err(StorageError::Object {
            operation: "open",
            object: url.to_string(),
            reason: "this segctl was built without object stores; build it with `--features object-store`, or set \
                     `state:` to a directory"
                .to_owned(),
        }),
    }
}

/// Without conditional writes two runs overwrite each other's locks.
pub const NO_CONDITIONAL_WRITES: &str = "the object store does not support conditional writes (If-Match, If-None-Match), \
                                        which the state lock needs; set `state:` to another store or to a directory";

pub type StorageResult<T = ()> = Result<T, StorageError>;

#[derive(Debug)]
pub enum StorageError {
    File {
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
}

impl fmt::Display for StorageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { operation, path, .. } => {
                write!(formatter, "cannot {operation} `{}`", path.display())
            }
            Self::Object {
                operation,
                object,
                reason,
            } => write!(formatter, "cannot {operation} `{object}`: {reason}"),
        }
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Object { .. } => None,
        }
    }
}
