//! Compares the declared member lists with the members that the state records.

use super::{LoadedWorkspace, NoteSink, ReconcileError};
use crate::api::MemberBatcher;
use crate::member_list::EmptyList;
use crate::member_list::check::{CheckedList, ListFileErrors};
use crate::member_list::diff::{ListDiff, ValueChange};
use crate::member_list::source::ListSource;
use crate::model::{
    Cohort, CohortKey, Contents, Identifier, Lifecycle, MemberSource, ObservedWorkspace, SegmentId,
    SegmentName, UserListSource,
};
use crate::plan::compared_lists::{CohortListDiff, ComparedCohortList, ComparedUserList, UserListDiff};
use crate::state::member_lists::{RecordedMembers, RecordedMembersError};
use crate::state::{CohortState, State, StateEntry, StateStore};
use std::path::Path;
use std::{fmt, io};

#[derive(Debug)]
pub struct MemberListError {
    segment: SegmentName,
    /// As segctl.yaml's folder sees it. `None` if the members are in the segment file.
    file: Option<String>,
    problem: MemberListProblem,
}

#[derive(Debug)]
enum MemberListProblem {
    Unreadable(io::Error),
    Invalid(Box<ListFileErrors>),
}

impl fmt::Display for MemberListError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            segment,
            file,
            problem,
        } = self;
        match problem {
            // The error names the file.
            MemberListProblem::Unreadable(error) => {
                write!(formatter, "cannot read the member list of `{segment}`: {error}")
            }
            MemberListProblem::Invalid(errors) => {
                let file = file.as_deref().unwrap_or("the segment file");
                write!(formatter, "{file}, the member list of `{segment}`, is invalid")?;
                match errors.reported().next() {
                    Some((0, error)) => write!(formatter, ": {error}"),
                    Some((line, error)) => write!(formatter, " in line {line}: {error}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl From<io::Error> for MemberListProblem {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl LoadedWorkspace {
    /// Reads the lists of the active declared segments, and the recorded lists in `store`.
    pub async fn load_member_lists(
        &mut self,
        store: &StateStore,
        on_note: &NoteSink,
    ) -> Result<(), ReconcileError> {
        let declared = self.request.declared.iter();
        let active = declared.filter(|segment| segment.lifecycle == Lifecycle::Active);
        for segment in active {
            let name = &segment.name;
            let list_error = |file: Option<&String>, problem| {
                ReconcileError::MemberList(MemberListError {
                    segment: name.clone(),
                    file: file.cloned(),
                    problem,
                })
            };
            match &segment.contents {
                Contents::Cohort(cohort) => {
                    let file = match &cohort.members {
                        MemberSource::Local(path) => Some(path),
                        MemberSource::Inline(_) => None,
                    };
                    let recorded = recorded_cohort_state(&self.state, &self.observed, &cohort.key);
                    let state = recorded.as_ref().map(|(_, state)| state);
                    let members = RecordedMembers::load(store, state).await;
                    let members = warn_if_unavailable(members, name, on_note)?;
                    let recorded = recorded.zip(members.as_ref());
                    let compared = compare_cohort(name, cohort, &self.request.directory, recorded, on_note);
                    self.member_lists.cohorts.insert(
                        name.clone(),
                        compared.map_err(|problem| list_error(file, problem))?,
                    );
                }
                Contents::File(upload) => {
                    let UserListSource::Local(file) = &upload.users else {
                        continue;
                    };
                    let entries = self.state.all_entries();
                    let latest = entries
                        .filter(|entry| entry.name == *name && entry.upload_state.is_some())
                        .max_by_key(|entry| entry.applied_at);
                    let list =
                        latest.and_then(|entry| entry.upload_state.as_ref()?.users.as_ref()?.summary());
                    let members = RecordedMembers::load_list(store, list).await;
                    let members = warn_if_unavailable(members, name, on_note)?;
                    let recorded = latest.filter(|_| list.is_some()).zip(members.as_ref());
                    let path = self.request.directory.join(file);
                    let compared = compare_user_list(name, &path, &upload.identifier, recorded, on_note);
                    self.member_lists.file_segments.insert(
                        name.clone(),
                        compared.map_err(|problem| list_error(Some(file), problem))?,
                    );
                }
                Contents::Filter(_) => {}
            }
        }
        Ok(())
    }
}

fn warn_if_unavailable(
    members: Result<RecordedMembers, RecordedMembersError>,
    name: &SegmentName,
    on_note: &NoteSink,
) -> Result<Option<RecordedMembers>, ReconcileError> {
    match members {
        Ok(members) => Ok(Some(members)),
        Err(RecordedMembersError::Store(error)) => Err(error.into()),
        Err(error) => {
            on_note(format!("the members of `{name}` are unknown: {error}"));
            Ok(None)
        }
    }
}

fn compare_user_list(
    name: &SegmentName,
    path: &Path,
    identifier: &Identifier,
    recorded: Option<(&StateEntry, &RecordedMembers)>,
    on_note: &NoteSink,
) -> Result<ComparedUserList, MemberListProblem> {
    let source = ListSource::File(path.to_owned());
    let comparison = match recorded {
        Some((_, members)) => source.compare(identifier, &mut members.bounds()?, |_, _| Ok(())),
        None => source.compare(identifier, &mut EmptyList, |_, _| Ok(())),
    };
    let comparison = valid_comparison(comparison?, name, on_note)?;
    Ok(ComparedUserList {
        list: comparison.new,
        diff: recorded.map(|(entry, _)| UserListDiff {
            id: entry.id.clone(),
            previous: comparison.old.count,
            added: comparison.added,
            removed: comparison.removed,
        }),
    })
}

/// The difference to the recorded list. Notes tell which valid values are probably not meant.
fn valid_comparison(
    checked: CheckedList,
    name: &SegmentName,
    on_note: &NoteSink,
) -> Result<ListDiff, MemberListProblem> {
    let invalid = |errors| MemberListProblem::Invalid(Box::new(errors));
    let comparison = checked.comparison.map_err(invalid)?;
    for (suspicion, lines) in checked.suspicions.iter() {
        let (first, count) = (lines.first, lines.count);
        let lines = if count == 1 {
            "1 line".to_owned()
        } else {
            format!("{count} lines")
        };
        on_note(format!(
            "the member list of `{name}` has {lines} that MoEngage would probably not match; line {first} is {suspicion}"
        ));
    }
    Ok(comparison)
}

fn compare_cohort(
    name: &SegmentName,
    cohort: &Cohort,
    base: &Path,
    recorded: Option<((Option<SegmentId>, CohortState), &RecordedMembers)>,
    on_note: &NoteSink,
) -> Result<ComparedCohortList, MemberListProblem> {
    let counter = || RequestCounter::new(name, cohort);
    let (mut all, mut adds, mut removes) = (counter(), counter(), counter());
    let each = |change: ValueChange, value: &[u8]| {
        if change != ValueChange::Removed {
            all.count(value);
        }
        match change {
            ValueChange::Unchanged => {}
            ValueChange::Added => adds.count(value),
            ValueChange::Removed => removes.count(value),
        }
        Ok(())
    };
    let source = ListSource::of(&cohort.members, base);
    let comparison = match &recorded {
        Some((_, members)) => source.compare(&Cohort::identifier(), &mut members.bounds()?, each),
        None => source.compare(&Cohort::identifier(), &mut EmptyList, each),
    };
    let comparison = valid_comparison(comparison?, name, on_note)?;
    let requests = adds.finish() + removes.finish();
    Ok(ComparedCohortList {
        list: comparison.new,
        requests: all.finish(),
        diff: recorded.map(|((id, recorded), _)| CohortListDiff {
            id,
            recorded,
            previous: comparison.old.count,
            added: comparison.added,
            removed: comparison.removed,
            requests,
        }),
    })
}

/// The recorded members of a cohort and its segment id, which is `None` while its creation has an unknown result.
fn recorded_cohort_state(
    state: &State,
    observed: &ObservedWorkspace,
    key: &CohortKey,
) -> Option<(Option<SegmentId>, CohortState)> {
    let entries = state
        .all_entries()
        .filter_map(|entry| Some((entry, entry.cohort_state.as_deref()?)));
    // A re-created workspace has other segment ids.
    let latest = entries
        .filter(|(entry, cohort)| cohort.key == *key && observed.segments.contains_key(&entry.id))
        .max_by_key(|(entry, _)| entry.applied_at);
    match latest {
        Some((entry, cohort)) => Some((Some(entry.id.clone()), cohort.clone())),
        None => Some((None, state.pending_creation(key)?)),
    }
}

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
