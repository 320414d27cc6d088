//! What a cohort needs: the calls that make its members those of its list.
//!
//! Nobody can read who is in a cohort. Whoever plans has held the declared list against what the ledger knows, and what
//! came of it is handed in, so that the planner needs neither.

use super::compared_lists::{CohortListDiff, ComparedCohortList};
use super::matching::{Match, Matching, declared_ref};
use super::step::{Action, AssumedMembers, CohortSync, Conflict, SegmentRef, Step, Warning};
use super::target::{possibly_in, require_kind, target};
use super::{PlanInput, segment_ref};
use crate::model::{
    Cohort, DeclaredSegment, Lifecycle, ObservedSegment,
    SegmentKind,
};
use crate::state::StateEntry;

/// What is needed to make a cohort what its file says; nothing when it is so already.
pub(super) fn actions(
    situation: &PlanInput<'_>,
    (matches, forms): (&Matching<'_>, &super::remote_digests::RemoteDigests<'_>),
    (pair, cohort): (&Match<'_>, &Cohort),
) -> Result<Vec<Action>, Box<Conflict>> {
    let segment = pair.declared;
    let Some((live, reason)) = &pair.remote else {
        // Nothing to put away; making it only to put it away would use up a name.
        let make = (segment.lifecycle == Lifecycle::Active).then(|| create(situation, segment, cohort));
        return Ok(make.flatten().into_iter().collect());
    };
    // What a call was lost of that was to take it over is known, too.
    let entry = situation.state.any_entry(&live.id);
    let sent = entry.and_then(|entry| entry.cohort_state.as_deref());
    check_supported(matches, (segment, live), (cohort, entry))?;
    let target = target(live, reason, forms);
    if segment.lifecycle == Lifecycle::Archived {
        if live.lifecycle == Lifecycle::Archived {
            return Ok(Vec::new());
        }
        return Err(Box::new(Conflict::CannotArchive {
            segment: declared_ref(segment),
            target: matches.remote_ref(live),
        }));
    }
    let mut actions = Vec::new();
    if possibly_in(live, Lifecycle::Archived, situation) {
        actions.push(Action::Unarchive(target.clone()));
    }
    // Nobody read the lists where it is not about them.
    let Some(compared) = situation.compared_lists.cohorts.get(&segment.name) else {
        return Ok(actions);
    };
    let since = compared
        .diff
        .as_ref()
        .filter(|since| since.id.as_ref() == Some(&live.id));
    let sending = match since {
        // What was sent to its end before a run could take that down is as it should be.
        Some(since) if since.added + since.removed == 0 => return Ok(actions),
        Some(since) => sync_changes(since, compared, cohort),
        None if situation.overrides.force_upload => sync_all(compared, cohort),
        None if situation.overrides.assume_members_in_sync => return Ok(actions),
        None => {
            return Err(Box::new(Conflict::MembersUnknown {
                segment: declared_ref(segment),
                kind: SegmentKind::Cohort,
                target: matches.remote_ref(live),
            }));
        }
    };
    actions.push(Action::SyncCohort(CohortSync {
        target: Some(target),
        recorded: sent.cloned(),
        ..sending
    }));
    Ok(actions)
}

/// What the API cannot do.
fn check_supported(
    matches: &Matching<'_>,
    (segment, live): (&DeclaredSegment, &ObservedSegment),
    (cohort, entry): (&Cohort, Option<&StateEntry>),
) -> Result<(), Box<Conflict>> {
    require_kind(matches, (segment, live), (SegmentKind::Cohort, entry))?;
    let sent = entry.and_then(|entry| entry.cohort_state.as_deref());
    match sent.filter(|sent| sent.key != cohort.key) {
        Some(sent) => Err(Box::new(Conflict::CohortKeyChanged {
            segment: declared_ref(segment),
            target: matches.remote_ref(live),
            created_with: sent.key.clone(),
            declared: cohort.key.clone(),
        })),
        None => Ok(()),
    }
}

/// Whether a live segment is a cohort that was synchronised before.
pub(super) fn is_cohort(live: &ObservedSegment, situation: &PlanInput<'_>) -> bool {
    let entry = situation.state.managed_entry(&live.id);
    entry.is_some_and(|entry| entry.kind == SegmentKind::Cohort)
}

/// Cohorts that are ours and that no file declares.
pub(super) fn cannot_archive_warning(cohorts: &[&ObservedSegment]) -> Option<Warning> {
    let mut segments: Vec<SegmentRef> = cohorts.iter().map(|live| segment_ref(live)).collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(Warning::CannotArchive { segments })
}

/// Cohorts that get all members although nobody knows who is in them.
pub(super) fn stale_members_warning(steps: &[Step]) -> Option<Warning> {
    let sent = steps.iter().filter_map(|step| match &step.action {
        Action::SyncCohort(sending) if sending.base.is_none() => {
            Some((&step.segment, sending.target.as_ref()?))
        }
        _ => None,
    });
    let mut segments: Vec<SegmentRef> = sent
        .map(|(name, target)| SegmentRef {
            name: name.clone(),
            id: target.id.clone(),
        })
        .collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(Warning::StaleMembersPossible { segments })
}

/// Whom a cohort is taken to have of which nothing is known.
pub(super) fn assumed_members(
    situation: &PlanInput<'_>,
    (segment, live): (&DeclaredSegment, &ObservedSegment),
    cohort: &Cohort,
) -> Option<AssumedMembers> {
    let compared = situation.compared_lists.cohorts.get(&segment.name)?;
    let since = compared.diff.as_ref();
    let is_known = since.is_some_and(|since| since.id.as_ref() == Some(&live.id));
    (!is_known).then(|| AssumedMembers::Members(cohort.clone(), compared.list.clone()))
}

/// Makes a cohort; nothing where nobody read its list.
fn create(situation: &PlanInput<'_>, segment: &DeclaredSegment, cohort: &Cohort) -> Option<Action> {
    let compared = situation.compared_lists.cohorts.get(&segment.name)?;
    let begun = compared.diff.as_ref().filter(|since| since.id.is_none());
    Some(Action::SyncCohort(match begun {
        Some(begun) => sync_changes(begun, compared, cohort),
        None => sync_all(compared, cohort),
    }))
}

/// What makes those who are known to be members those of the list.
fn sync_changes(since: &CohortListDiff, compared: &ComparedCohortList, cohort: &Cohort) -> CohortSync {
    CohortSync {
        recorded: Some(since.recorded.clone()),
        base: Some(since.recorded.clone()),
        added: since.added,
        removed: since.removed,
        requests: since.requests,
        ..sync_all(compared, cohort)
    }
}

/// All members, sent to a segment of which nothing is known.
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
