//! The files that the service reads: whole lists, or what changes of them.

use super::super::Applier;
use super::Course;
use crate::api::{Clock, Transport};
use crate::ledger::{LedgerStore, Published, StoreError};
use crate::members::Nobody;
use crate::members::compare::{Change, compare};
use crate::members::kept::{KeptReader, KeptWriter};
use crate::members::source::Source;
use crate::model::{ListDigest, UserChange, Users};
use crate::observe::members::{KeptError, KeptMembers};
use crate::plan::step::Uploading;
use crate::publish::name_of;
use std::io;
use std::path::Path;

/// Where a list is, or has to be put.
pub(super) enum Lists {
    /// Somebody publishes it.
    There(String),
    /// What has to be published, as it is kept.
    Here {
        digest: ListDigest,
        whole: Vec<u8>,
        /// What is added or removed, where that is less.
        part: Option<Vec<u8>>,
    },
}

/// The file of one call.
pub(super) enum File<'l> {
    There(&'l str),
    /// Its name, and the list that it has.
    Here(ListDigest, &'l [u8]),
}

impl File<'_> {
    pub(super) fn name(&self) -> Option<&ListDigest> {
        match self {
            Self::There(_) => None,
            Self::Here(name, _) => Some(name),
        }
    }
}

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Reads the declared list, and what it changes; or says why that is of no use.
    pub(super) async fn gather(&self, uploading: &Uploading) -> Result<Result<Lists, String>, StoreError> {
        let path = match &uploading.upload.users {
            Users::Published { url, .. } => return Ok(Ok(Lists::There(url.clone()))),
            Users::Local(path) => self.settings.directory.join(path),
        };
        let is_part = matches!(uploading.change, Some(UserChange::Add | UserChange::Remove));
        let before = uploading.before.as_ref().filter(|_| is_part);
        let before = before.and_then(|before| before.users.as_ref()?.values());
        let kept = match KeptMembers::load_list(self.store, before).await {
            Ok(kept) => kept,
            Err(KeptError::Store(error)) => return Err(error),
            Err(error) => return Ok(Err(format!("{error}; plan again"))),
        };
        let gathered = gathered(uploading, &path, before.map(|_| &kept));
        Ok(match gathered {
            Ok(Some(lists)) => Ok(lists),
            Ok(None) => Err("its list was changed since the plan was made; plan again".to_owned()),
            Err(error) => Err(format!("its list cannot be read: {error}")),
        })
    }

    /// The file that the service reads for the next call.
    pub(super) fn file_to_publish<'l>(
        &self,
        lists: &'l Lists,
        course: &mut Course<'_>,
    ) -> io::Result<File<'l>> {
        let (digest, whole, part) = match lists {
            Lists::There(url) => return Ok(File::There(url)),
            Lists::Here { digest, whole, part } => (digest, whole, part),
        };
        let is_part = matches!(course.change, Some(UserChange::Add | UserChange::Remove));
        let part = part.as_ref().filter(|_| is_part);
        let digest = match part {
            Some(part) => digest_of(part)?,
            None => digest.clone(),
        };
        let name = name_of(&course.step.segment, &digest);
        let at = self.clock.now();
        let published = &mut course.known.published;
        // A call before this one may read the same file, later than this one: then nobody can say when it was read.
        let is_shared = published.iter().any(|other| other.name == name && !other.is_read);
        published.retain(|published| published.name != name);
        published.push(Published {
            name: name.clone(),
            at,
            upload: course.upload.clone().filter(|_| !is_shared),
            is_read: false,
        });
        Ok(File::Here(name, part.unwrap_or(whole)))
    }

    /// Puts a file where the service reads it; its address.
    pub(super) async fn publish(&self, file: &File<'_>) -> io::Result<String> {
        match file {
            File::There(url) => Ok((*url).to_owned()),
            File::Here(name, list) => {
                let publisher = self.settings.publisher.as_ref();
                let nowhere = || io::Error::other("segctl.yaml does not say where to, by `publish`");
                publisher
                    .ok_or_else(nowhere)?
                    .publish(name, &mut KeptReader::of(*list))
                    .await
            }
        }
    }
}

/// Reads the declared list, and puts aside what it changes in the one that was `before`; `None` where it is not the list that
/// was planned with.
fn gathered(uploading: &Uploading, path: &Path, before: Option<&KeptMembers>) -> io::Result<Option<Lists>> {
    let (mut whole, mut part) = (KeptWriter::to(Vec::new()), KeptWriter::to(Vec::new()));
    let sent = match uploading.change {
        Some(UserChange::Remove) => Change::Removed,
        _ => Change::Added,
    };
    let each = |change: Change, value: &[u8]| {
        if change != Change::Removed {
            whole.push(value)?;
        }
        if change == sent {
            part.push(value)?;
        }
        Ok(())
    };
    let source = Source::File(path.to_owned());
    let identifier = &uploading.upload.identifier;
    let found = match before {
        Some(before) => source.compare(identifier, &mut before.known()?, each)?,
        None => source.compare(identifier, &mut Nobody, each)?,
    };
    let (whole, part) = (whole.finish()?, part.finish()?);
    let found = found.ok().map(|found| found.new);
    let found = found.filter(|found| uploading.list.values() == Some(found));
    Ok(found.map(|found| Lists::Here {
        digest: found.digest,
        whole,
        part: before.map(|_| part),
    }))
}

fn digest_of(list: &[u8]) -> io::Result<ListDigest> {
    let compared = compare(&mut KeptReader::of(list), &mut Nobody, |_, _| Ok(()))?;
    Ok(compared.new.digest)
}
