//! Computes the members to add to a cohort and to remove from it, in one pass over its list.

use crate::member_list::compressed_list::{ListReader, ListWriter};
use crate::member_list::diff::{ValueChange, compare_lists};
use crate::member_list::source::ListSource;
use crate::member_list::{EmptyList, PreviousMembers as _};
use crate::model::{Cohort, ListDigest, ListSummary};
use crate::plan::step::CohortSync;
use crate::state::CohortState;
use crate::state::member_lists::RecordedMembers;
use std::io;
use std::path::Path;

/// The lists are compressed.
pub(super) struct MemberChanges {
    pub(super) added: Vec<u8>,
    pub(super) removed: Vec<u8>,
    /// The members before the first request.
    pub(super) state_before: CohortState,
    /// Lists that must be saved before the first request.
    pub(super) lists_to_save: Vec<(ListDigest, Vec<u8>)>,
}

impl MemberChanges {
    /// `None` if the declared list is not the planned one any more. Its path is relative to `base`.
    pub(super) fn compute(
        cohort_sync: &CohortSync,
        recorded: &RecordedMembers,
        base: &Path,
    ) -> io::Result<Option<Self>> {
        let list = || ListWriter::to(Vec::new());
        let (mut whole, mut added, mut removed) = (list(), list(), list());
        let each = |change: ValueChange, value: &[u8]| {
            if change != ValueChange::Removed {
                whole.push(value)?;
            }
            match change {
                ValueChange::Unchanged => Ok(()),
                ValueChange::Added => added.push(value),
                ValueChange::Removed => removed.push(value),
            }
        };
        let source = ListSource::of(&cohort_sync.cohort.members, base);
        let compared = source.compare(&Cohort::identifier(), &mut recorded.bounds()?, each)?;
        if compared
            .comparison
            .ok()
            .is_none_or(|compared| compared.new != cohort_sync.list)
        {
            return Ok(None);
        }
        let mut lists_to_save = vec![(cohort_sync.list.digest.clone(), whole.finish()?)];
        let state_before = match &cohort_sync.base {
            Some(state) if state.exact_list().is_some() => state.clone(),
            _ => state_as_separate_lists(cohort_sync, recorded, &mut lists_to_save)?,
        };
        Ok(Some(Self {
            added: added.finish()?,
            removed: removed.finish()?,
            state_before,
            lists_to_save,
        }))
    }
}

/// Saves the confirmed members and the upper bound of a partially sent cohort as lists of their own.
fn state_as_separate_lists(
    cohort_sync: &CohortSync,
    recorded: &RecordedMembers,
    lists_to_save: &mut Vec<(ListDigest, Vec<u8>)>,
) -> io::Result<CohortState> {
    let (mut confirmed, mut possible) = (ListWriter::to(Vec::new()), ListWriter::to(Vec::new()));
    let mut bounds = recorded.bounds()?;
    while let Some((value, is_confirmed)) = bounds.next_possible_member()? {
        possible.push(value)?;
        if is_confirmed {
            confirmed.push(value)?;
        }
    }
    let mut save = |bytes: Vec<u8>| {
        let mut reader = ListReader::of(bytes.as_slice());
        let list = compare_lists(&mut reader, &mut EmptyList, |_, _| Ok(()))?.new;
        if list != ListSummary::empty() {
            lists_to_save.push((list.digest.clone(), bytes));
        }
        io::Result::Ok(list)
    };
    let (confirmed, possible) = (save(confirmed.finish()?)?, save(possible.finish()?)?);
    Ok(CohortState {
        key: cohort_sync.cohort.key.clone(),
        upper_bound: (possible != confirmed).then_some(possible),
        confirmed,
        partial: None,
        ambiguous_since: None,
    })
}
