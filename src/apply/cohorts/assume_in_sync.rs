//! `--assume-members-in-sync`: records declared members as sent without sending them.

use super::super::Applier;
use crate::api::{Clock, Transport};
use crate::member_list::EmptyList;
use crate::member_list::compressed_list::ListWriter;
use crate::member_list::diff::ValueChange;
use crate::member_list::source::ListSource;
use crate::model::{Cohort, Identifier, ListSummary, SegmentKind, UserListFingerprint, UserListSource};
use crate::plan::step::AssumedMembers;
use crate::state::{CohortState, StateEntry, StoreError, UploadState};
use std::io;

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    /// False if the list is not the planned one any more, or cannot be read: the next plan reports why.
    pub(in super::super) async fn save_assumed_list(
        &self,
        assumed: &AssumedMembers,
    ) -> Result<bool, StoreError> {
        let base = &self.options.config_directory;
        let (list, bytes) = match assumed {
            AssumedMembers::Members(cohort, list) => {
                let source = ListSource::of(&cohort.members, base);
                (list, read_planned_list(&source, &Cohort::identifier(), list))
            }
            AssumedMembers::Users(upload, UserListFingerprint::Values(list)) => match &upload.users {
                UserListSource::Local(path) => {
                    let source = ListSource::File(base.join(path));
                    (list, read_planned_list(&source, &upload.identifier, list))
                }
                UserListSource::Published { .. } => return Ok(false),
            },
            // A published list: segctl does not read its values.
            AssumedMembers::Users(_, UserListFingerprint::Published { .. }) => return Ok(true),
        };
        let Ok(Some(bytes)) = bytes else {
            return Ok(false);
        };
        self.store.save_member_list(&list.digest, &bytes).await?;
        Ok(true)
    }
}

/// The list, compressed; `None` if it is not the planned one any more.
fn read_planned_list(
    source: &ListSource<'_>,
    identifier: &Identifier,
    planned: &ListSummary,
) -> io::Result<Option<Vec<u8>>> {
    let mut list = ListWriter::to(Vec::new());
    let each = |_: ValueChange, value: &[u8]| list.push(value);
    let compared = source.clone().compare(identifier, &mut EmptyList, each)?;
    if compared.comparison.is_ok_and(|compared| compared.new == *planned) {
        list.finish().map(Some)
    } else {
        Ok(None)
    }
}

pub(in super::super) fn set_assumed_members(entry: &mut StateEntry, assumed: &AssumedMembers) {
    match assumed {
        AssumedMembers::Members(cohort, list) => {
            entry.kind = SegmentKind::Cohort;
            entry.cohort_state = Some(Box::new(CohortState {
                key: cohort.key.clone(),
                confirmed: list.clone(),
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
