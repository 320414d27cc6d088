//! Publishes user lists for MoEngage to download.
//!
//! A request contains the URL of a list, not the list itself, and MoEngage downloads it later. segctl therefore publishes
//! each list as a file of its own and deletes it after MoEngage has processed it.

#[cfg(feature = "object-store")]
mod bucket;
mod folder;
mod permissions;

#[cfg(feature = "object-store")]
pub use bucket::BucketPublisher;
pub use folder::FolderPublisher;
pub use permissions::closed_folders;

use crate::member_list::SortedValues;
use crate::model::{ListDigest, SegmentName};
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use std::{fmt, io};

pub trait Publisher: fmt::Debug + Send + Sync {
    /// Publishes a list, one value a line, and returns its URL.
    fn publish<'a>(
        &'a self,
        name: &'a ListDigest,
        list: &'a mut (dyn SortedValues + Send),
    ) -> BoxFuture<'a, io::Result<String>>;

    /// Deletes a published list; succeeds if there is none.
    fn unpublish<'a>(&'a self, name: &'a ListDigest) -> BoxFuture<'a, io::Result<()>>;
}

/// Names the file of a segment's list. Segments with equal lists have separate files, so each can be deleted.
#[must_use]
pub fn published_name(segment: &SegmentName, list: &ListDigest) -> ListDigest {
    ListDigest::from_bytes(Sha256::digest(format!("{list} {segment}")).into())
}

fn file_name(name: &ListDigest) -> String {
    format!("{name}.csv")
}
