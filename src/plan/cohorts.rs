//! The steps of a cohort: the requests that sync its members with the declared list.
//!
//! The API does not return the members of a cohort. The caller compares the declared list with the state.

use super::compared_lists::{CohortListDiff, ComparedCohortList};
use super::context::PlanContext;
use super::kinds::require_kind;
use super::matching::Match;
use super::proposed_finding::{DeclaredRef, ProposedFinding, RemoteRef};
use super::sorted_segments;
use super::step::{Action, AssumedMembers, Code, CohortSync};
use super::words::{is, it, list_segments};
use crate::diagnostic::shell_commands;
use crate::diagnostic::yaml_scalar::yaml_scalar;
use crate::model::{Cohort, CohortKey, DeclaredSegment, Lifecycle, ObservedSegment, SegmentKind};
use crate::state::StateEntry;

/// Empty when the cohort already is as declared.
pub(super) fn actions(
    context: PlanContext<'_, '_>,
    pair: &Match<'_>,
    cohort: &Cohort,
) -> Result<Vec<Action>, Box<ProposedFinding>> {
    let input = context.input;
    let segment = pair.declared;
    let Some((remote, reason)) = &pair.remote else {
        // A create before an archive would use up a name.
        let is_active = segment.lifecycle == Lifecycle::Active;
        let create = is_active.then(|| create(context, segment, cohort)).flatten();
        return Ok(create.into_iter().collect());
    };
    // Also of an unmanaged cohort: the request that should have adopted it may have got no answer.
    let entry = input.state.any_entry(&remote.id);
    let cohort_state = entry.and_then(|entry| entry.cohort_state.as_deref());
    check_supported(context, segment, remote, cohort, entry)?;
    let target = context.target(remote, reason);
    if segment.lifecycle == Lifecycle::Archived {
        if remote.lifecycle == Lifecycle::Archived {
            return Ok(Vec::new());
        }
        let target = context.matching.remote_ref(remote);
        return Err(Box::new(cannot_archive(segment.into(), &target)));
    }
    let mut actions = Vec::new();
    if context.is_possibly(Lifecycle::Archived, remote) {
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
            let target = context.matching.remote_ref(remote);
            let help = "to send all members of the list: plan with `--force-upload`; other members stay in the cohort";
            return Err(Box::new(members_unknown(segment.into(), &target, help)));
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
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
    cohort: &Cohort,
    entry: Option<&StateEntry>,
) -> Result<(), Box<ProposedFinding>> {
    require_kind(context, segment, remote, SegmentKind::Cohort, entry)?;
    let cohort_state = entry.and_then(|entry| entry.cohort_state.as_deref());
    match cohort_state.filter(|cohort_state| cohort_state.key != cohort.key) {
        Some(cohort_state) => {
            let target = context.matching.remote_ref(remote);
            let conflict = key_changed(segment.into(), &target, &cohort_state.key, &cohort.key);
            Err(Box::new(conflict))
        }
        None => Ok(()),
    }
}

fn key_changed(
    segment: DeclaredRef<'_>,
    target: &RemoteRef<'_>,
    created_with: &CohortKey,
    declared: &CohortKey,
) -> ProposedFinding {
    let name = segment.name;
    let describe = |key: &CohortKey| format!("`{}` of `{}`", key.cohort_id, key.partner);
    let message = format!(
        "`{name}` was created as cohort {} and is declared as {}, which is another segment",
        describe(created_with),
        describe(declared)
    );
    ProposedFinding::new(Code::CohortKeyChanged, message)
        .about(segment)
        .held_by(target)
        .help(format!(
            "if it is the same segment: set `partner: {}` and `cohort_id: {}` at {}",
            yaml_scalar(&created_with.partner),
            yaml_scalar(&created_with.cohort_id),
            segment.file_and_line()
        ))
        .help(format!(
            "if another segment is meant: declare it under another name; to remove `{name}`, archive it in the dashboard"
        ))
}

fn cannot_archive(segment: DeclaredRef<'_>, target: &RemoteRef<'_>) -> ProposedFinding {
    let message = format!("cannot archive {target}: cohorts cannot be archived through the API");
    ProposedFinding::new(Code::CannotArchive, message)
        .about(segment)
        .held_by(target)
        .help("archive it in the dashboard; the next plan then has no conflict")
        .help(format!(
            "to keep it: remove `lifecycle: archived` from {}",
            segment.file_and_line()
        ))
}

/// Also of a file segment. `force_help` is about sending the whole list.
pub(super) fn members_unknown(
    segment: DeclaredRef<'_>,
    target: &RemoteRef<'_>,
    force_help: &str,
) -> ProposedFinding {
    let name = segment.name;
    let message = format!(
        "the members of `{name}` are unknown: {target} exists, but the state has no member list and the API does not return \
         one"
    );
    ProposedFinding::new(Code::MembersUnknown, message)
        .about(segment)
        .held_by(target)
        .help(force_help)
        .help("if its members already match the list: plan with `--assume-members-in-sync`")
        .help(format!(
            "if it is not the same segment: choose another name for `{name}` at {}",
            segment.file_and_line()
        ))
}

/// Whether the state contains the segment as a cohort.
pub(super) fn is_cohort(context: PlanContext<'_, '_>, remote: &ObservedSegment) -> bool {
    let entry = context.managed_entry(remote);
    entry.is_some_and(|entry| entry.kind == SegmentKind::Cohort)
}

pub(super) fn cannot_archive_warning(cohorts: &[&ObservedSegment]) -> Option<ProposedFinding> {
    let cohorts = cohorts.iter().map(|remote| (&remote.name, &remote.id));
    let segments = sorted_segments(cohorts)?;
    let it = it(&segments);
    let message = format!(
        "{} {} not in the configuration and {} active: cohorts cannot be archived through the API",
        list_segments(&segments),
        is(&segments),
        if segments.len() == 1 { "stays" } else { "stay" }
    );
    let commands: Vec<String> = segments
        .iter()
        .map(|remote| format!("`{}`", shell_commands::state_rm(&remote.name)))
        .collect();
    let warning = ProposedFinding::new(Code::CannotArchive, message)
        .about_remotes(&segments)
        .help(format!("archive {it} in the dashboard"))
        .help(format!("stop managing {it}: {}", commands.join(", ")));
    Some(warning)
}

/// The members that `--assume-members-in-sync` records; `None` when the state already has members.
pub(super) fn assumed_members(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
    cohort: &Cohort,
) -> Option<AssumedMembers> {
    let compared = context.input.compared_lists.cohorts.get(&segment.name)?;
    let is_known = compared
        .diff
        .as_ref()
        .is_some_and(|diff| diff.id.as_ref() == Some(&remote.id));
    (!is_known).then(|| AssumedMembers::Members(cohort.clone(), compared.list.clone()))
}

fn create(context: PlanContext<'_, '_>, segment: &DeclaredSegment, cohort: &Cohort) -> Option<Action> {
    let compared = context.input.compared_lists.cohorts.get(&segment.name)?;
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
