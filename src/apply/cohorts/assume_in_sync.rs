//! Members that a segment is taken to have without having been sent, because somebody said so.

use super::super::Applier;
use crate::api::{Clock, Transport};
use crate::member_list::EmptyList;
use crate::member_list::compressed_list::ListWriter;
use crate::member_list::diff::ValueChange;
use crate::member_list::source::ListSource;
use crate::model::{Cohort, Identifier, ListSummary, SegmentKind, UserListFingerprint, UserListSource};
use crate::plan::step::AssumedMembers;
use crate::state::{CohortState, StateEntry, StateStore, StoreError, UploadState};
use std::io;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Keeps the list that a segment is taken to have; false where it is not the one that was planned with any more.
    pub(in super::super) async fn save_assumed_list(
        &self,
        assumed: &AssumedMembers,
    ) -> Result<bool, StoreError> {
        let base = &self.options.config_directory;
        let read = match assumed {
            AssumedMembers::Members(cohort, listing) => {
                let source = ListSource::of(&cohort.members, base);
                read_planned_list(&source, &Cohort::identifier(), listing)
                    .map(|bytes| Some((listing, bytes?)))
            }
            AssumedMembers::Users(upload, UserListFingerprint::Values(listing)) => match &upload.users {
                UserListSource::Local(path) => {
                    let source = ListSource::File(base.join(path));
                    read_planned_list(&source, &upload.identifier, listing)
                        .map(|bytes| Some((listing, bytes?)))
                }
                UserListSource::Published { .. } => Ok(None),
            },
            // Nobody here knows its values.
            AssumedMembers::Users(_, UserListFingerprint::Published { .. }) => return Ok(true),
        };
        // The next plan says what is wrong with a list that cannot be read.
        let Ok(Some((listing, bytes))) = read else {
            return Ok(false);
        };
        self.store.save_member_list(&listing.digest, &bytes).await?;
        Ok(true)
    }
}

/// A list, compressed; `None` where it is not the one that was planned with.
fn read_planned_list(
    source: &ListSource<'_>,
    identifier: &Identifier,
    listing: &ListSummary,
) -> io::Result<Option<Vec<u8>>> {
    let mut whole = ListWriter::to(Vec::new());
    let each = |_: ValueChange, value: &[u8]| whole.push(value);
    let found = source.clone().compare(identifier, &mut EmptyList, each)?;
    let is_planned_list = found.is_ok_and(|found| found.new == *listing);
    Ok(if is_planned_list {
        Some(whole.finish()?)
    } else {
        None
    })
}

/// Takes down that a segment has a list.
pub(in super::super) fn set_assumed_members(entry: &mut StateEntry, assumed: &AssumedMembers) {
    match assumed {
        AssumedMembers::Members(cohort, listing) => {
            entry.kind = SegmentKind::Cohort;
            entry.cohort_state = Some(Box::new(CohortState {
                key: cohort.key.clone(),
                confirmed: listing.clone(),
                upper_bound: None,
                partial: None,
                ambiguous_since: None,
            }));
        }
        AssumedMembers::Users(upload, list) => {
            entry.kind = SegmentKind::File;
            entry.upload_state = Some(Box::new(UploadState {
                users: Some(list.clone()),
                ..UploadState::new(upload.identifier.clone(), upload.expires_in_days)
            }));
        }
    }
}
