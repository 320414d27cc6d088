//! Guards against plans that change more than was probably intended.

use super::PlanInput;
use super::matching::Matching;
use super::step::{Action, DeclaredRef, GuardViolation, Step};
use super::target::possibly_in;
use crate::model::{Lifecycle, SegmentId, SegmentKind, SegmentName};
use std::collections::BTreeSet;

/// What the command line permits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub allow_empty: bool,
    pub allow_missing_segments: bool,
    /// Sends the whole list of a segment whose members are unknown.
    pub force_upload: bool,
    /// Records that such a segment has the members of its list.
    pub assume_members_in_sync: bool,
}

pub(super) fn find(input: &PlanInput<'_>, matching: &Matching<'_>, steps: &[Step]) -> Vec<GuardViolation> {
    let mut violations = percentage_violations(input, matching, steps);
    let protected = steps.iter().filter_map(|step| protected_violation(input, step));
    violations.extend(protected);
    violations.extend(empty_configuration(input, matching));
    violations.extend(missing_segments(input, steps));
    violations.extend(steps.iter().filter_map(|step| member_removals(input, step)));
    violations
}

/// Archives and updates as a percentage of the managed active segments.
fn percentage_violations(
    input: &PlanInput<'_>,
    matching: &Matching<'_>,
    steps: &[Step],
) -> Vec<GuardViolation> {
    let managed = matching.matched_remotes().chain(matching.orphans.iter().copied());
    let total = managed
        .filter(|remote| remote.lifecycle == Lifecycle::Active)
        .count();
    let guards = input.policy.guards;
    if total < guards.min_segments {
        return Vec::new();
    }
    let count_segments = |is_counted: fn(&Action) -> bool| {
        let actions = steps.iter().map(|step| &step.action);
        let targets = actions
            .filter(|action| is_counted(action))
            .filter_map(Action::target);
        targets.map(|target| &target.id).collect::<BTreeSet<_>>().len()
    };
    let archives = count_segments(|action| matches!(action, Action::Archive(_)));
    let updates = count_segments(|action| {
        matches!(
            action,
            Action::Update(_) | Action::SyncCohort(_) | Action::UploadUserList(_)
        )
    });
    let mut violations = Vec::new();
    if exceeds_percent(archives, total, guards.archive) {
        violations.push(GuardViolation::Archives {
            count: archives,
            total,
            max_percent: guards.archive,
        });
    }
    if exceeds_percent(updates, total, guards.update) {
        violations.push(GuardViolation::Updates {
            count: updates,
            total,
            max_percent: guards.update,
        });
    }
    violations
}

fn exceeds_percent(count: usize, total: usize, percent: u32) -> bool {
    count * 100 > total * percent as usize
}

/// A list that lost most of its members is more likely an export that broke off. The API does not return members, so the
/// removal cannot be undone.
fn member_removals(input: &PlanInput<'_>, step: &Step) -> Option<GuardViolation> {
    let lists = input.compared_lists;
    let (kind, total, removed) = match &step.action {
        Action::UploadUserList(_) => {
            let diff = lists.file_segments.get(&step.segment)?.diff.as_ref()?;
            (SegmentKind::File, diff.previous, diff.removed)
        }
        Action::SyncCohort(_) => {
            let diff = lists.cohorts.get(&step.segment)?.diff.as_ref()?;
            (SegmentKind::Cohort, diff.previous, diff.removed)
        }
        _ => return None,
    };
    let guards = input.policy.guards;
    let is_excessive = removed.saturating_mul(100) > total.saturating_mul(u64::from(guards.members));
    let is_guarded = total >= guards.min_members && is_excessive;
    let origin = step.origin.clone().filter(|_| is_guarded)?;
    Some(GuardViolation::MemberRemovals {
        segment: DeclaredRef {
            name: step.segment.clone(),
            origin,
        },
        kind,
        removed,
        total,
        max_percent: guards.members,
    })
}

/// The state decides only when the file was removed.
fn protected_violation(input: &PlanInput<'_>, step: &Step) -> Option<GuardViolation> {
    let Action::Archive(target) = &step.action else {
        return None;
    };
    let entry = input.state.managed_entry(&target.id);
    let is_protected = match &step.origin {
        Some(_) => step.protect,
        None => entry.is_some_and(|entry| entry.protect),
    };
    is_protected.then(|| GuardViolation::Protected {
        segment: step.segment.clone(),
        id: target.id.clone(),
        origin: step.origin.clone(),
    })
}

fn empty_configuration(input: &PlanInput<'_>, matching: &Matching<'_>) -> Option<GuardViolation> {
    let orphans = matching.orphans.iter();
    let managed = orphans
        .filter(|remote| possibly_in(remote, Lifecycle::Active, input))
        .count();
    (input.declared.is_empty() && managed > 0 && !input.overrides.allow_empty)
        .then_some(GuardViolation::EmptyConfiguration { managed })
}

/// A listing without many managed segments is more likely an error of MoEngage than an archive of them all. Only
/// segments that the plan would write because of it count.
fn missing_segments(input: &PlanInput<'_>, steps: &[Step]) -> Option<GuardViolation> {
    let entries = input.state.managed_entries();
    let active = entries.filter(|entry| entry.lifecycle == Lifecycle::Active);
    let (ids, names) = write_targets(input, steps);
    let (mut total, mut missing) = (0, 0);
    for entry in active {
        let remote = input.observed.segments.get(&entry.id);
        // The re-created segment counts instead.
        if remote.is_none() && input.state.is_superseded(entry) {
            continue;
        }
        // A segment that exists but is not listed is regarded as archived.
        if remote.is_some_and(|remote| remote.lifecycle == Lifecycle::Active) {
            total += 1;
        } else if ids.contains(&entry.id) || names.contains(&entry.name) {
            total += 1;
            missing += 1;
        }
    }
    let guards = input.policy.guards;
    let mut remotes = input.observed.segments.values();
    let is_empty = remotes.all(|remote| remote.lifecycle == Lifecycle::Archived);
    let is_short = total >= guards.min_segments && exceeds_percent(missing, total, guards.archive);
    ((is_empty || is_short) && missing > 1 && !input.overrides.allow_missing_segments).then_some(
        GuardViolation::MissingSegments {
            missing,
            total,
            max_percent: (!is_empty).then_some(guards.archive),
        },
    )
}

/// The remote segments that steps write, and the current and previous names of those that they create.
fn write_targets<'s>(
    input: &PlanInput<'s>,
    steps: &'s [Step],
) -> (BTreeSet<&'s SegmentId>, BTreeSet<&'s SegmentName>) {
    let ids = steps.iter().filter_map(|step| step.action.target());
    let creates = steps.iter().filter(|step| step.action.target().is_none());
    let created: BTreeSet<_> = creates.map(|step| &step.segment).collect();
    let declared = input.declared.iter();
    let previous = declared
        .filter(|segment| created.contains(&segment.name))
        .flat_map(|segment| &segment.previous_names);
    let names = previous.chain(created.iter().copied()).collect();
    (ids.map(|target| &target.id).collect(), names)
}
