//! The steps of a cohort: the requests that sync its members with the declared list.
//!
//! The API does not return the members of a cohort. The caller compares the declared list with the state.

use super::compared_lists::{CohortListDiff, ComparedCohortList};
use super::matching::{Match, Matching, declared_ref};
use super::remote_digests::RemoteDigests;
use super::step::{Action, AssumedMembers, CohortSync, Conflict, Step, Warning};
use super::target::{possibly_in, require_kind, target};
use super::{PlanInput, sorted_segments};
use crate::model::{Cohort, DeclaredSegment, Lifecycle, ObservedSegment, SegmentKind};
use crate::state::StateEntry;

/// Empty when the cohort already is as declared.
pub(super) fn actions(
    input: &PlanInput<'_>,
    (matching, remote_digests): (&Matching<'_>, &RemoteDigests<'_>),
    (pair, cohort): (&Match<'_>, &Cohort),
) -> Result<Vec<Action>, Box<Conflict>> {
    let segment = pair.declared;
    let Some((remote, reason)) = &pair.remote else {
        // A create before an archive would use up a name.
        let is_active = segment.lifecycle == Lifecycle::Active;
        let create = is_active.then(|| create(input, segment, cohort)).flatten();
        return Ok(create.into_iter().collect());
    };
    // Also of an unmanaged cohort: the request that should have adopted it may have got no answer.
    let entry = input.state.any_entry(&remote.id);
    let cohort_state = entry.and_then(|entry| entry.cohort_state.as_deref());
    check_supported(matching, (segment, remote), (cohort, entry))?;
    let target = target(remote, reason, remote_digests);
    if segment.lifecycle == Lifecycle::Archived {
        if remote.lifecycle == Lifecycle::Archived {
            return Ok(Vec::new());
        }
        return Err(Box::new(Conflict::CannotArchive {
            segment: declared_ref(segment),
            target: matching.remote_ref(remote),
        }));
    }
    let mut actions = Vec::new();
    if possibly_in(remote, Lifecycle::Archived, input) {
        actions.push(Action::Unarchive(target.clone()));
    }
    // The caller compares no lists for commands that do not need them.
    let Some(compared) = input.compared_lists.cohorts.get(&segment.name) else {
        return Ok(actions);
    };
    let diff = compared.diff.as_ref();
    let sync = match diff.filter(|diff| diff.id.as_ref() == Some(&remote.id)) {
        Some(diff) if diff.added + diff.removed == 0 => return Ok(actions),
        Some(diff) => sync_changes(diff, compared, cohort),
        None if input.overrides.force_upload => sync_all(compared, cohort),
        None if input.overrides.assume_members_in_sync => return Ok(actions),
        None => {
            return Err(Box::new(Conflict::MembersUnknown {
                segment: declared_ref(segment),
                kind: SegmentKind::Cohort,
                target: matching.remote_ref(remote),
            }));
        }
    };
    actions.push(Action::SyncCohort(CohortSync {
        target: Some(target),
        recorded: cohort_state.cloned(),
        ..sync
    }));
    Ok(actions)
}

/// Whether the API supports the change.
fn check_supported(
    matching: &Matching<'_>,
    (segment, remote): (&DeclaredSegment, &ObservedSegment),
    (cohort, entry): (&Cohort, Option<&StateEntry>),
) -> Result<(), Box<Conflict>> {
    require_kind(matching, (segment, remote), (SegmentKind::Cohort, entry))?;
    let cohort_state = entry.and_then(|entry| entry.cohort_state.as_deref());
    match cohort_state.filter(|cohort_state| cohort_state.key != cohort.key) {
        Some(cohort_state) => Err(Box::new(Conflict::CohortKeyChanged {
            segment: declared_ref(segment),
            target: matching.remote_ref(remote),
            created_with: cohort_state.key.clone(),
            declared: cohort.key.clone(),
        })),
        None => Ok(()),
    }
}

/// Whether the state contains the segment as a cohort.
pub(super) fn is_cohort(remote: &ObservedSegment, input: &PlanInput<'_>) -> bool {
    let entry = input.state.managed_entry(&remote.id);
    entry.is_some_and(|entry| entry.kind == SegmentKind::Cohort)
}

pub(super) fn cannot_archive_warning(cohorts: &[&ObservedSegment]) -> Option<Warning> {
    let cohorts = cohorts.iter().map(|remote| (&remote.name, &remote.id));
    sorted_segments(cohorts).map(|segments| Warning::CannotArchive { segments })
}

/// Existing cohorts whose members are unknown: a sync cannot remove the members that are not in the list.
pub(super) fn stale_members_warning(steps: &[Step]) -> Option<Warning> {
    let synced = steps.iter().filter_map(|step| match &step.action {
        Action::SyncCohort(sync) if sync.base.is_none() => Some((&step.segment, &sync.target.as_ref()?.id)),
        _ => None,
    });
    sorted_segments(synced).map(|segments| Warning::StaleMembersPossible { segments })
}

/// The members that `--assume-members-in-sync` records; `None` when the state already has members.
pub(super) fn assumed_members(
    input: &PlanInput<'_>,
    (segment, remote): (&DeclaredSegment, &ObservedSegment),
    cohort: &Cohort,
) -> Option<AssumedMembers> {
    let compared = input.compared_lists.cohorts.get(&segment.name)?;
    let is_known = compared
        .diff
        .as_ref()
        .is_some_and(|diff| diff.id.as_ref() == Some(&remote.id));
    (!is_known).then(|| AssumedMembers::Members(cohort.clone(), compared.list.clone()))
}

fn create(input: &PlanInput<'_>, segment: &DeclaredSegment, cohort: &Cohort) -> Option<Action> {
    let compared = input.compared_lists.cohorts.get(&segment.name)?;
    let interrupted = compared.diff.as_ref().filter(|diff| diff.id.is_none());
    Some(Action::SyncCohort(match interrupted {
        Some(diff) => sync_changes(diff, compared, cohort),
        None => sync_all(compared, cohort),
    }))
}

fn sync_changes(diff: &CohortListDiff, compared: &ComparedCohortList, cohort: &Cohort) -> CohortSync {
    CohortSync {
        recorded: Some(diff.recorded.clone()),
        base: Some(diff.recorded.clone()),
        added: diff.added,
        removed: diff.removed,
        requests: diff.requests,
        ..sync_all(compared, cohort)
    }
}

/// Sends all members of the list.
fn sync_all(compared: &ComparedCohortList, cohort: &Cohort) -> CohortSync {
    CohortSync {
        target: None,
        cohort: cohort.clone(),
        list: compared.list.clone(),
        recorded: None,
        base: None,
        added: compared.list.count,
        removed: 0,
        requests: compared.requests,
    }
}
