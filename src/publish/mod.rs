//! Lists of users, put where the service reads them.
//!
//! The service takes no list with a call: it takes an address and reads there later, for as long as it likes. So a list is
//! a file of its own, under a name that says what is in it, until it is taken away again.

#[cfg(feature = "object-store")]
mod bucket;
mod folder;

#[cfg(feature = "object-store")]
pub use bucket::BucketPublisher;
pub use folder::FolderPublisher;

use crate::member_list::SortedValues;
use crate::model::{ListDigest, SegmentName};
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use std::{fmt, io};

/// A place where the service reads lists.
pub trait Publisher: fmt::Debug + Send + Sync {
    /// Puts a list there, one value a line; the address that the service is told.
    ///
    /// # Errors
    ///
    /// The place refuses, or the list cannot be read.
    fn publish<'a>(
        &'a self,
        name: &'a ListDigest,
        list: &'a mut (dyn SortedValues + Send),
    ) -> BoxFuture<'a, io::Result<String>>;

    /// Takes a list away; nothing where there is none.
    ///
    /// # Errors
    ///
    /// The place refuses.
    fn unpublish<'a>(&'a self, name: &'a ListDigest) -> BoxFuture<'a, io::Result<()>>;
}

/// Names the file of a segment's list: two segments with one list have a file each, so that one can go.
#[must_use]
pub fn published_name(segment: &SegmentName, list: &ListDigest) -> ListDigest {
    ListDigest::from_bytes(Sha256::digest(format!("{list} {segment}")).into())
}

fn file_name(name: &ListDigest) -> String {
    format!("{name}.csv")
}
