//! Guards against plans that change more than was probably intended.

use super::PlanInput;
use super::context::PlanContext;
use super::step::{Action, Code, Finding, Step};
use crate::diagnostic::phrases::with_thousands_separators;
use crate::model::{Lifecycle, SegmentId, SegmentName};
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

pub(super) fn find(context: PlanContext<'_, '_>, steps: &[Step]) -> Vec<Finding> {
    let mut violations = percentage_violations(context, steps);
    violations.extend(steps.iter().filter_map(|step| protected(context, step)));
    violations.extend(empty_configuration(context));
    violations.extend(missing_segments(context.input, steps));
    violations.extend(steps.iter().filter_map(|step| member_removals(context, step)));
    violations
}

/// Archives and updates as a percentage of the managed segments that are active, or that the steps change.
fn percentage_violations(context: PlanContext<'_, '_>, steps: &[Step]) -> Vec<Finding> {
    let matching = context.matching;
    let managed = matching.matched_remotes().chain(matching.orphans.iter().copied());
    let active = managed.filter(|remote| remote.lifecycle == Lifecycle::Active);
    let active: BTreeSet<&SegmentId> = active.map(|remote| &remote.id).collect();
    let guards = context.input.policy.guards;
    if active.len() < guards.min_segments {
        return Vec::new();
    }
    let targets_of = |is_counted: fn(&Action) -> bool| -> BTreeSet<&SegmentId> {
        let actions = steps.iter().map(|step| &step.action);
        let targets = actions.filter(|action| is_counted(action));
        targets
            .filter_map(Action::target)
            .map(|target| &target.id)
            .collect()
    };
    let archives = targets_of(|action| matches!(action, Action::Archive(_)));
    let updates = targets_of(|action| {
        matches!(
            action,
            Action::Update(_) | Action::SyncCohort(_) | Action::UploadUserList(_)
        )
    });
    let excess = |code, action, targets: &BTreeSet<&SegmentId>, max_percent| {
        // An update may unarchive its segment first.
        let total = active.union(targets).count();
        too_many(code, action, targets.len(), total, max_percent)
    };
    let violations = [
        excess(Code::GuardArchive, "archive", &archives, guards.archive),
        excess(Code::GuardUpdate, "update", &updates, guards.update),
    ];
    violations.into_iter().flatten().collect()
}

fn too_many(code: Code, action: &str, count: usize, total: usize, max_percent: u32) -> Option<Finding> {
    let percent = (count * 100).div_ceil(total.max(1));
    let message = format!(
        "would {action} {count} of {total} managed segments ({percent}%); the limit is {max_percent}%"
    );
    let violation = Finding {
        help: vec![
            format!("review the list; to proceed: `--max-{action}s {percent}%`"),
            format!("to change the limit: `guards: {{{action}: …%}}` in segctl.yaml"),
        ],
        ..Finding::new(code, message)
    };
    exceeds_percent(count, total, max_percent).then_some(violation)
}

fn exceeds_percent(count: usize, total: usize, percent: u32) -> bool {
    count * 100 > total * percent as usize
}

/// A list that lost most of its members is more likely an export that broke off. The API does not return members, so the
/// removal cannot be undone.
fn member_removals(context: PlanContext<'_, '_>, step: &Step) -> Option<Finding> {
    let lists = context.input.compared_lists;
    // How many members the segment may have now, and how many the step removes.
    let (noun, total, removed) = match &step.action {
        Action::UploadUserList(_) => {
            let diff = lists.file_segments.get(&step.segment)?.diff.as_ref()?;
            ("users", diff.previous, diff.removed)
        }
        Action::SyncCohort(_) => {
            let diff = lists.cohorts.get(&step.segment)?.diff.as_ref()?;
            ("members", diff.previous, diff.removed)
        }
        _ => return None,
    };
    let guards = context.input.policy.guards;
    let limit = guards.members;
    let is_excessive = removed.saturating_mul(100) > total.saturating_mul(u64::from(limit));
    let is_guarded = total >= guards.min_members && is_excessive;
    let origin = step.origin.clone().filter(|_| is_guarded)?;
    let percent = removed.saturating_mul(100).div_ceil(total.max(1));
    let message = format!(
        "would remove {} of {} {noun} of `{}` ({percent}%); the limit is {limit}%",
        with_thousands_separators(removed),
        with_thousands_separators(total),
        step.segment
    );
    Some(Finding {
        segments: vec![step.segment.clone()],
        origins: vec![origin],
        help: vec![
            "check that its member list is complete: MoEngage cannot return removed members".to_owned(),
            format!("to proceed: `--max-member-removals {percent}%`"),
            "to change the limit: `guards: {members: …%}` in segctl.yaml".to_owned(),
        ],
        ..Finding::new(Code::GuardMembers, message)
    })
}

/// The state decides only when the file was removed.
fn protected(context: PlanContext<'_, '_>, step: &Step) -> Option<Finding> {
    let Action::Archive(target) = &step.action else {
        return None;
    };
    let (is_protected, help) = match &step.origin {
        Some(_) => (step.protect, "to archive it: remove `protect: true` first"),
        None => (
            context
                .input
                .state
                .managed_entry(&target.id)
                .is_some_and(|entry| entry.protect),
            "restore its file; to archive it: set `protect: false` there and apply, then remove the file",
        ),
    };
    let message = format!(
        "would archive `{}` (id {}), which is protected",
        step.segment, target.id
    );
    is_protected.then(|| Finding {
        segments: vec![step.segment.clone()],
        origins: Vec::from_iter(step.origin.clone()),
        help: vec![help.to_owned()],
        ..Finding::new(Code::Protected, message)
    })
}

fn empty_configuration(context: PlanContext<'_, '_>) -> Option<Finding> {
    let orphans = context.matching.orphans.iter();
    let managed = orphans
        .filter(|remote| context.is_possibly(Lifecycle::Active, remote))
        .count();
    let input = context.input;
    let segments = if managed == 1 { "segment" } else { "segments" };
    let message = format!(
        "the configuration declares no segments for this workspace; would archive {managed} managed {segments}"
    );
    (input.declared.is_empty() && managed > 0 && !input.overrides.allow_empty).then(|| Finding {
        help: vec![
            "check that `segments` in segctl.yaml is correct".to_owned(),
            "to archive all managed segments: `--allow-empty`".to_owned(),
        ],
        ..Finding::new(Code::EmptyConfiguration, message)
    })
}

/// A listing without many managed segments is more likely an error of MoEngage than an archive of them all. Only
/// segments that the plan would write because of it count.
fn missing_segments(input: &PlanInput<'_>, steps: &[Step]) -> Option<Finding> {
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
    if !(is_empty || is_short) || missing <= 1 || input.overrides.allow_missing_segments {
        return None;
    }
    let mut help = vec![
        "check that this is the right workspace and that its dashboard shows the segments".to_owned(),
        "if they were archived: `--allow-missing-segments`".to_owned(),
    ];
    let message = if is_empty {
        format!(
            "MoEngage lists no active segments; the state and the configuration have {missing} active segments"
        )
    } else {
        help.push("to change the limit: `guards: {archive: …%}` in segctl.yaml".to_owned());
        format!(
            "MoEngage does not list {missing} of {total} segments that are active in the state; the limit is {}%",
            guards.archive
        )
    };
    Some(Finding {
        help,
        ..Finding::new(Code::MissingSegments, message)
    })
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
