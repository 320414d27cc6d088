//! Members that a segment is taken to have without having been sent, because somebody said so.

use super::super::Applier;
use crate::api::{Clock, Transport};
use crate::ledger::{Entry, LedgerStore, Sent, StoreError, Uploaded};
use crate::members::Nobody;
use crate::members::compare::Change;
use crate::members::kept::KeptWriter;
use crate::members::source::Source;
use crate::model::{Cohort, Identifier, Listing, SegmentKind, UserList, Users};
use crate::plan::step::Assumed;
use std::io;

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Keeps the list that a segment is taken to have; false where it is not the one that was planned with any more.
    pub(in super::super) async fn keep_assumed(&self, assumed: &Assumed) -> Result<bool, StoreError> {
        let base = &self.settings.directory;
        let read = match assumed {
            Assumed::Members(cohort, listing) => {
                let source = Source::of(&cohort.members, base);
                read(&source, &Cohort::identifier(), listing).map(|bytes| Some((listing, bytes?)))
            }
            Assumed::Users(upload, UserList::Values(listing)) => match &upload.users {
                Users::Local(path) => {
                    let source = Source::File(base.join(path));
                    read(&source, &upload.identifier, listing).map(|bytes| Some((listing, bytes?)))
                }
                Users::Published { .. } => Ok(None),
            },
            // Nobody here knows its values.
            Assumed::Users(_, UserList::Published { .. }) => return Ok(true),
        };
        // The next plan says what is wrong with a list that cannot be read.
        let Ok(Some((listing, bytes))) = read else {
            return Ok(false);
        };
        self.store.save_list(&listing.digest, &bytes).await?;
        Ok(true)
    }
}

/// A list, compressed; `None` where it is not the one that was planned with.
fn read(source: &Source<'_>, identifier: &Identifier, listing: &Listing) -> io::Result<Option<Vec<u8>>> {
    let mut whole = KeptWriter::to(Vec::new());
    let each = |_: Change, value: &[u8]| whole.push(value);
    let found = source.clone().compare(identifier, &mut Nobody, each)?;
    let is_it = found.is_ok_and(|found| found.new == *listing);
    Ok(if is_it { Some(whole.finish()?) } else { None })
}

/// Takes down that a segment has a list.
pub(in super::super) fn assume(entry: &mut Entry, assumed: &Assumed) {
    match assumed {
        Assumed::Members(cohort, listing) => {
            entry.kind = SegmentKind::Cohort;
            entry.sent = Some(Box::new(Sent {
                key: cohort.key.clone(),
                surely: listing.clone(),
                possibly: None,
                under_way: None,
                unanswered_at: None,
            }));
        }
        Assumed::Users(upload, list) => {
            entry.kind = SegmentKind::File;
            entry.uploaded = Some(Box::new(Uploaded {
                users: Some(list.clone()),
                ..Uploaded::nothing(upload.identifier.clone(), upload.expires_in_days)
            }));
        }
    }
}
