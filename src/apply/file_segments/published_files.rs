//! The files that MoEngage reads: full lists, or only their changes.

use super::super::{Applier, LIST_CHANGED};
use crate::api::{Clock, Transport};
use crate::member_list::EmptyList;
use crate::member_list::compressed_list::{ListReader, ListWriter};
use crate::member_list::diff::{ValueChange, compare_lists};
use crate::member_list::source::ListSource;
use crate::model::{ListDigest, UserChange, UserListSource};
use crate::plan::step::UserListUpload;
use crate::state::StoreError;
use crate::state::member_lists::{RecordedMembers, RecordedMembersError};
use std::io;
use std::path::Path;

pub(super) enum UploadSource {
    /// A list that is already published.
    Url(String),
    /// Compressed lists that segctl publishes.
    Local {
        digest: ListDigest,
        full_list: Vec<u8>,
        /// The values to add or to remove, if the request does not replace all users.
        delta: Option<Vec<u8>>,
    },
}

pub(super) enum UploadFile<'l> {
    Url(&'l str),
    ToPublish(ListDigest, &'l [u8]),
}

impl UploadFile<'_> {
    pub(super) fn name(&self) -> Option<&ListDigest> {
        match self {
            Self::Url(_) => None,
            Self::ToPublish(name, _) => Some(name),
        }
    }
}

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    /// The inner error is the message of a failed step.
    pub(super) async fn load_upload_source(
        &self,
        list_upload: &UserListUpload,
    ) -> Result<Result<UploadSource, String>, StoreError> {
        let path = match &list_upload.upload.users {
            UserListSource::Published { url, .. } => return Ok(Ok(UploadSource::Url(url.clone()))),
            UserListSource::Local(path) => self.options.config_directory.join(path),
        };
        let is_delta = matches!(list_upload.change, Some(UserChange::Add | UserChange::Remove));
        let recorded = list_upload.recorded.as_ref().filter(|_| is_delta);
        let before = recorded.and_then(|recorded| recorded.users.as_ref()?.summary());
        let members = match RecordedMembers::load_list(self.store, before).await {
            Ok(members) => members,
            Err(RecordedMembersError::Store(error)) => return Err(error),
            Err(error) => return Ok(Err(format!("{error}; plan again"))),
        };
        let source = read_upload_source(list_upload, &path, before.map(|_| &members));
        Ok(match source {
            Ok(Some(source)) => Ok(source),
            Ok(None) => Err(LIST_CHANGED.to_owned()),
            Err(error) => Err(format!("the member list cannot be read: {error}")),
        })
    }

    /// Returns the URL of the file.
    pub(super) async fn publish(&self, file: &UploadFile<'_>) -> io::Result<String> {
        match file {
            UploadFile::Url(url) => Ok((*url).to_owned()),
            UploadFile::ToPublish(name, list) => {
                let publisher = self.options.publisher.as_ref();
                let unset = || io::Error::other("`publish` is not set in segctl.yaml");
                let publisher = publisher.ok_or_else(unset)?;
                publisher.publish(name, &mut ListReader::of(*list)).await
            }
        }
    }
}

/// Collects the values that differ from `before`. `None` if the declared list is not the planned one any more.
fn read_upload_source(
    list_upload: &UserListUpload,
    path: &Path,
    before: Option<&RecordedMembers>,
) -> io::Result<Option<UploadSource>> {
    let (mut full_list, mut delta) = (ListWriter::to(Vec::new()), ListWriter::to(Vec::new()));
    let delta_change = match list_upload.change {
        Some(UserChange::Remove) => ValueChange::Removed,
        _ => ValueChange::Added,
    };
    let each = |change: ValueChange, value: &[u8]| {
        if change != ValueChange::Removed {
            full_list.push(value)?;
        }
        if change == delta_change {
            delta.push(value)?;
        }
        Ok(())
    };
    let source = ListSource::File(path.to_owned());
    let identifier = &list_upload.upload.identifier;
    let compared = match before {
        Some(before) => source.compare(identifier, &mut before.bounds()?, each)?,
        None => source.compare(identifier, &mut EmptyList, each)?,
    };
    let (full_list, delta) = (full_list.finish()?, delta.finish()?);
    let list = compared.comparison.ok().map(|compared| compared.new);
    let planned = list.filter(|list| list_upload.list.summary() == Some(list));
    Ok(planned.map(|list| UploadSource::Local {
        digest: list.digest,
        full_list,
        delta: before.map(|_| delta),
    }))
}

pub(super) fn compressed_list_digest(list: &[u8]) -> io::Result<ListDigest> {
    let compared = compare_lists(&mut ListReader::of(list), &mut EmptyList, |_, _| Ok(()))?;
    Ok(compared.new.digest)
}
