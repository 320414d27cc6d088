//! The files that the service reads: whole lists, or what changes of them.

use super::super::Applier;
use super::FileUploadRun;
use crate::api::{Clock, Transport};
use crate::member_list::EmptyList;
use crate::member_list::compressed_list::{ListReader, ListWriter};
use crate::member_list::diff::{ValueChange, compare_lists};
use crate::member_list::source::ListSource;
use crate::model::{ListDigest, UserChange, UserListSource};
use crate::plan::step::UserListUpload;
use crate::publish::published_name;
use crate::state::member_lists::{RecordedMembers, RecordedMembersError};
use crate::state::{PublishedFile, StateStore, StoreError};
use std::io;
use std::path::Path;

/// Where a list is, or has to be put.
pub(super) enum UploadSource {
    /// Somebody publishes it.
    Url(String),
    /// What has to be published, as it is kept.
    Local {
        digest: ListDigest,
        full_list: Vec<u8>,
        /// What is added or removed, where that is less.
        delta: Option<Vec<u8>>,
    },
}

/// The file of one call.
pub(super) enum UploadFile<'l> {
    Url(&'l str),
    /// Its name, and the list that it has.
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

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Reads the declared list, and what it changes; or says why that is of no use.
    pub(super) async fn load_upload_source(
        &self,
        list_upload: &UserListUpload,
    ) -> Result<Result<UploadSource, String>, StoreError> {
        let path = match &list_upload.upload.users {
            UserListSource::Published { url, .. } => return Ok(Ok(UploadSource::Url(url.clone()))),
            UserListSource::Local(path) => self.options.config_directory.join(path),
        };
        let is_part = matches!(list_upload.change, Some(UserChange::Add | UserChange::Remove));
        let before = list_upload.recorded.as_ref().filter(|_| is_part);
        let before = before.and_then(|before| before.users.as_ref()?.summary());
        let kept = match RecordedMembers::load_list(self.store, before).await {
            Ok(kept) => kept,
            Err(RecordedMembersError::Store(error)) => return Err(error),
            Err(error) => return Ok(Err(format!("{error}; plan again"))),
        };
        let gathered = read_upload_source(list_upload, &path, before.map(|_| &kept));
        Ok(match gathered {
            Ok(Some(lists)) => Ok(lists),
            Ok(None) => Err("its list was changed since the plan was made; plan again".to_owned()),
            Err(error) => Err(format!("its list cannot be read: {error}")),
        })
    }

    /// The file that the service reads for the next call.
    pub(super) fn file_to_publish<'l>(
        &self,
        source: &'l UploadSource,
        step_run: &mut FileUploadRun<'_>,
    ) -> io::Result<UploadFile<'l>> {
        let (digest, whole, part) = match source {
            UploadSource::Url(url) => return Ok(UploadFile::Url(url)),
            UploadSource::Local {
                digest,
                full_list: whole,
                delta: part,
            } => (digest, whole, part),
        };
        let is_part = matches!(step_run.change, Some(UserChange::Add | UserChange::Remove));
        let part = part.as_ref().filter(|_| is_part);
        let digest = match part {
            Some(part) => compressed_list_digest(part)?,
            None => digest.clone(),
        };
        let name = published_name(&step_run.step.segment, &digest);
        let at = self.clock.now();
        let published = &mut step_run.upload_state.published_files;
        // A call before this one may read the same file, later than this one: then nobody can say when it was read.
        let is_shared = published
            .iter()
            .any(|other| other.name == name && !other.is_processed);
        published.retain(|published| published.name != name);
        published.push(PublishedFile {
            name: name.clone(),
            submitted_at: at,
            upload: step_run.upload_id.clone().filter(|_| !is_shared),
            is_processed: false,
        });
        Ok(UploadFile::ToPublish(name, part.unwrap_or(whole)))
    }

    /// Puts a file where the service reads it; its address.
    pub(super) async fn publish(&self, file: &UploadFile<'_>) -> io::Result<String> {
        match file {
            UploadFile::Url(url) => Ok((*url).to_owned()),
            UploadFile::ToPublish(name, list) => {
                let publisher = self.options.publisher.as_ref();
                let nowhere = || io::Error::other("segctl.yaml does not say where to, by `publish`");
                publisher
                    .ok_or_else(nowhere)?
                    .publish(name, &mut ListReader::of(*list))
                    .await
            }
        }
    }
}

/// Reads the declared list, and puts aside what it changes in the one that was `before`; `None` where it is not the list that
/// was planned with.
fn read_upload_source(
    list_upload: &UserListUpload,
    path: &Path,
    before: Option<&RecordedMembers>,
) -> io::Result<Option<UploadSource>> {
    let (mut whole, mut part) = (ListWriter::to(Vec::new()), ListWriter::to(Vec::new()));
    let sent = match list_upload.change {
        Some(UserChange::Remove) => ValueChange::Removed,
        _ => ValueChange::Added,
    };
    let each = |change: ValueChange, value: &[u8]| {
        if change != ValueChange::Removed {
            whole.push(value)?;
        }
        if change == sent {
            part.push(value)?;
        }
        Ok(())
    };
    let source = ListSource::File(path.to_owned());
    let identifier = &list_upload.upload.identifier;
    let found = match before {
        Some(before) => source.compare(identifier, &mut before.bounds()?, each)?,
        None => source.compare(identifier, &mut EmptyList, each)?,
    };
    let (whole, part) = (whole.finish()?, part.finish()?);
    let found = found.ok().map(|found| found.new);
    let found = found.filter(|found| list_upload.list.summary() == Some(found));
    Ok(found.map(|found| UploadSource::Local {
        digest: found.digest,
        full_list: whole,
        delta: before.map(|_| part),
    }))
}

fn compressed_list_digest(list: &[u8]) -> io::Result<ListDigest> {
    let compared = compare_lists(&mut ListReader::of(list), &mut EmptyList, |_, _| Ok(()))?;
    Ok(compared.new.digest)
}
