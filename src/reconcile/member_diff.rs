//! The declared lists, held against what the ledger knows of the members that were sent.

use super::{LoadedWorkspace, NoteSink, ReconcileError};
use crate::api::MemberBatcher;
use crate::member_list::EmptyList;
use crate::member_list::check::ListFileErrors;
use crate::member_list::diff::ValueChange;
use crate::member_list::source::ListSource;
use crate::model::{
    Cohort, CohortKey, Contents, Identifier, Lifecycle, ObservedWorkspace, SegmentId, SegmentName,
    UserListSource,
};
use crate::plan::cohorts::{CohortListDiff, ComparedCohortList};
use crate::plan::file_segments::{ComparedUserList, UserListDiff};
use crate::state::member_lists::{RecordedMembers, RecordedMembersError};
use crate::state::{CohortState, State, StateEntry, StateStore};
use std::path::Path;
use std::{fmt, io};

/// Why a list cannot be planned with.
#[derive(Debug)]
pub enum MemberListError {
    /// It cannot be read.
    Unreadable(io::Error),
    /// The service would not take it, or would take it for something else.
    Invalid(Box<ListFileErrors>),
}

impl fmt::Display for MemberListError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(formatter, "its list cannot be read: {error}"),
            Self::Invalid(faults) => match faults.reported().next() {
                Some((0, fault)) => write!(formatter, "its list cannot be used: {fault}"),
                Some((line, fault)) => write!(formatter, "line {line} of its list cannot be used: {fault}"),
                None => formatter.write_str("its list cannot be used"),
            },
        }
    }
}

impl From<io::Error> for MemberListError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl LoadedWorkspace {
    /// Reads the lists of the declared segments, and what `store` keeps of those that were sent.
    ///
    /// # Errors
    ///
    /// A list cannot be used, or the ledger cannot be read.
    pub async fn load_member_lists<S: StateStore>(
        &mut self,
        (store, on_note): (&S, &NoteSink),
    ) -> Result<(), ReconcileError> {
        let declared = self.request.declared.iter();
        let active = declared.filter(|segment| segment.lifecycle == Lifecycle::Active);
        for segment in active {
            let name = &segment.name;
            let unusable = |error| ReconcileError::MemberList(name.clone(), error);
            match &segment.contents {
                Contents::Cohort(cohort) => {
                    let known = recorded_cohort_state((&self.state, &self.observed), &cohort.key);
                    let sent = known.as_ref().map(|(_, sent)| sent);
                    let kept =
                        warn_if_unavailable(RecordedMembers::load(store, sent).await, (name, on_note))?;
                    let known = known.zip(kept.as_ref());
                    let compared = compare_cohort((name, cohort), &self.request.directory, known);
                    self.member_lists
                        .cohorts
                        .insert(name.clone(), compared.map_err(unusable)?);
                }
                Contents::File(upload) => {
                    let UserListSource::Local(path) = &upload.users else {
                        continue;
                    };
                    let entries = self.state.all_entries();
                    let own = entries.filter(|entry| entry.name == *name && entry.upload_state.is_some());
                    let known = own.max_by_key(|entry| entry.applied_at);
                    let listing =
                        known.and_then(|entry| entry.upload_state.as_ref()?.users.as_ref()?.summary());
                    let kept = warn_if_unavailable(
                        RecordedMembers::load_list(store, listing).await,
                        (name, on_note),
                    )?;
                    let known = known.filter(|_| listing.is_some()).zip(kept.as_ref());
                    let path = self.request.directory.join(path);
                    let compared = compare_user_list(&path, &upload.identifier, known);
                    self.member_lists
                        .file_segments
                        .insert(name.clone(), compared.map_err(unusable)?);
                }
                Contents::Filter(_) => {}
            }
        }
        Ok(())
    }
}

/// What is kept; nothing where it is of no use, which is told of.
fn warn_if_unavailable(
    kept: Result<RecordedMembers, RecordedMembersError>,
    (name, on_note): (&SegmentName, &NoteSink),
) -> Result<Option<RecordedMembers>, ReconcileError> {
    match kept {
        Ok(kept) => Ok(Some(kept)),
        Err(RecordedMembersError::Store(error)) => Err(error.into()),
        Err(error) => {
            on_note(format!("nobody knows who is in `{name}`: {error}"));
            Ok(None)
        }
    }
}

/// Holds the list of a file segment against the one that was uploaded last.
fn compare_user_list(
    path: &Path,
    identifier: &Identifier,
    known: Option<(&StateEntry, &RecordedMembers)>,
) -> Result<ComparedUserList, MemberListError> {
    let source = ListSource::File(path.to_owned());
    let comparison = match known {
        Some((_, kept)) => source.compare(identifier, &mut kept.bounds()?, |_, _| Ok(())),
        None => source.compare(identifier, &mut EmptyList, |_, _| Ok(())),
    };
    let comparison = comparison?.map_err(|faults| MemberListError::Invalid(Box::new(faults)))?;
    Ok(ComparedUserList {
        list: comparison.new,
        diff: known.map(|(entry, _)| UserListDiff {
            id: entry.id.clone(),
            added: comparison.added,
            removed: comparison.removed,
        }),
    })
}

fn compare_cohort(
    (name, cohort): (&SegmentName, &Cohort),
    base: &Path,
    known: Option<((Option<SegmentId>, CohortState), &RecordedMembers)>,
) -> Result<ComparedCohortList, MemberListError> {
    let none = || RequestCounter::new(name, cohort);
    let (mut whole, mut adds, mut removes) = (none(), none(), none());
    let each = |change: ValueChange, value: &[u8]| {
        if change != ValueChange::Removed {
            whole.count(value);
        }
        match change {
            ValueChange::Unchanged => {}
            ValueChange::Added => adds.count(value),
            ValueChange::Removed => removes.count(value),
        }
        Ok(())
    };
    let source = ListSource::of(&cohort.members, base);
    let comparison = match &known {
        Some((_, kept)) => source.compare(&Cohort::identifier(), &mut kept.bounds()?, each),
        None => source.compare(&Cohort::identifier(), &mut EmptyList, each),
    };
    let comparison = comparison?.map_err(|faults| MemberListError::Invalid(Box::new(faults)))?;
    let calls = adds.finish() + removes.finish();
    Ok(ComparedCohortList {
        list: comparison.new,
        requests: whole.finish(),
        diff: known.map(|((id, sent), _)| CohortListDiff {
            id,
            recorded: sent,
            added: comparison.added,
            removed: comparison.removed,
            requests: calls,
        }),
    })
}

/// What the ledger knows of a cohort's members, and of which segment; `None` in place of one that a run was about to make.
fn recorded_cohort_state(
    (ledger, observed): (&State, &ObservedWorkspace),
    key: &CohortKey,
) -> Option<(Option<SegmentId>, CohortState)> {
    let entries = ledger
        .all_entries()
        .filter_map(|entry| Some((entry, entry.cohort_state.as_deref()?)));
    // A workspace that was made anew has the cohort anew, too.
    let own = entries.filter(|(entry, sent)| sent.key == *key && observed.segments.contains_key(&entry.id));
    let last = own.max_by_key(|(entry, _)| entry.applied_at);
    let begun = || Some((None, ledger.pending_creation(key)?));
    last.map(|(entry, sent)| (Some(entry.id.clone()), sent.clone()))
        .or_else(begun)
}

/// How many calls it takes to send members.
struct RequestCounter {
    batches: MemberBatcher,
    full_batches: usize,
}

impl RequestCounter {
    fn new(name: &SegmentName, cohort: &Cohort) -> Self {
        Self {
            batches: MemberBatcher::new(name, &cohort.key),
            full_batches: 0,
        }
    }

    fn count(&mut self, value: &[u8]) {
        let value = String::from_utf8_lossy(value).into_owned();
        self.full_batches += usize::from(self.batches.push(value).is_some());
    }

    fn finish(mut self) -> usize {
        self.full_batches + usize::from(self.batches.finish().is_some())
    }
}
