//! What has to be sent to a cohort, put together in one pass over its list.

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

/// Members that are ready to be sent; their lists are compressed.
pub(super) struct MemberChanges {
    pub(super) added: Vec<u8>,
    pub(super) removed: Vec<u8>,
    /// Who is in the cohort before the first call.
    pub(super) state_before: CohortState,
    /// Lists that the ledger has to keep from before the first call on.
    pub(super) lists_to_save: Vec<(ListDigest, Vec<u8>)>,
}

impl MemberChanges {
    /// Puts together what makes of the members that are `kept` those of the declared list, whose path is from `base`; `None`
    /// where it is not the list that was planned with.
    pub(super) fn compute(
        cohort_sync: &CohortSync,
        stored: &RecordedMembers,
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
        let found = source.compare(&Cohort::identifier(), &mut stored.bounds()?, each)?;
        if found.ok().is_none_or(|found| found.new != cohort_sync.list) {
            return Ok(None);
        }
        let mut lists_to_save = vec![(cohort_sync.list.digest.clone(), whole.finish()?)];
        let before = match &cohort_sync.base {
            Some(sent) if sent.exact_list().is_some() => sent.clone(),
            _ => state_as_separate_lists(cohort_sync, stored, &mut lists_to_save)?,
        };
        Ok(Some(Self {
            added: added.finish()?,
            removed: removed.finish()?,
            state_before: before,
            lists_to_save,
        }))
    }
}

/// Who is in a cohort where that takes more than one list to say, as lists of its own.
fn state_as_separate_lists(
    cohort_sync: &CohortSync,
    stored: &RecordedMembers,
    lists_to_save: &mut Vec<(ListDigest, Vec<u8>)>,
) -> io::Result<CohortState> {
    let (mut surely, mut possibly) = (ListWriter::to(Vec::new()), ListWriter::to(Vec::new()));
    let mut known = stored.bounds()?;
    while let Some((value, is_sure)) = known.next_possible_member()? {
        possibly.push(value)?;
        if is_sure {
            surely.push(value)?;
        }
    }
    let mut save = |bytes: Vec<u8>| {
        let listing = compare_lists(&mut ListReader::of(bytes.as_slice()), &mut EmptyList, |_, _| {
            Ok(())
        })?
        .new;
        if listing != ListSummary::empty() {
            lists_to_save.push((listing.digest.clone(), bytes));
        }
        io::Result::Ok(listing)
    };
    let (surely, possibly) = (save(surely.finish()?)?, save(possibly.finish()?)?);
    Ok(CohortState {
        key: cohort_sync.cohort.key.clone(),
        upper_bound: (possibly != surely).then_some(possibly),
        confirmed: surely,
        partial: None,
        ambiguous_since: None,
    })
}
