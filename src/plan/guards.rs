//! What is too much for one plan: accidents look like wishes, only larger.

use super::PlanInput;
use super::target::possibly_in;
use super::matching::Matching;
use super::step::{Action, GuardViolation, Step};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use std::collections::BTreeSet;

/// What the person who runs segctl said is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// That nothing is declared.
    pub allow_empty: bool,
    /// That the list lacks segments that the ledger knows.
    pub allow_missing_segments: bool,
    /// That the whole list is sent of a cohort or a file segment of whose members nothing is known.
    pub force_upload: bool,
    /// That a cohort or a file segment of whose members nothing is known has those of its list.
    pub assume_members_in_sync: bool,
}

/// Everything about the steps, the files and the list that nobody said is meant.
pub(super) fn find(situation: &PlanInput<'_>, matches: &Matching<'_>, steps: &[Step]) -> Vec<GuardViolation> {
    let mut refusals = percentage_violations(situation, matches, steps);
    refusals.extend(
        steps
            .iter()
            .filter_map(|step| protected_violation(situation, step)),
    );
    refusals.extend(empty_configuration(situation, matches));
    refusals.extend(missing_segments(situation, steps));
    refusals
}

/// Archives and updates against the managed segments that are in use.
fn percentage_violations(
    situation: &PlanInput<'_>,
    matches: &Matching<'_>,
    steps: &[Step],
) -> Vec<GuardViolation> {
    let declared = matches
        .matches
        .iter()
        .filter_map(|pair| pair.remote.as_ref().map(|(live, _)| *live));
    let managed = declared.chain(matches.orphans.iter().copied());
    let of = managed.filter(|live| live.lifecycle == Lifecycle::Active).count();
    let guards = situation.policy.guards;
    if of < guards.min_segments {
        return Vec::new();
    }
    let changed = |is_meant: fn(&Action) -> bool| {
        let steps = steps.iter().filter(|step| is_meant(&step.action));
        let targets: BTreeSet<_> = steps
            .filter_map(|step| step.action.target())
            .map(|target| &target.id)
            .collect();
        targets.len()
    };
    let archives = changed(|action| matches!(action, Action::Archive(_)));
    let updates = changed(|action| {
        matches!(
            action,
            Action::Update(_) | Action::SyncCohort(_) | Action::UploadUserList(_)
        )
    });
    let mut refusals = Vec::new();
    if exceeds_percent(archives, of, guards.archive) {
        refusals.push(GuardViolation::Archives {
            count: archives,
            total: of,
            max_percent: guards.archive,
        });
    }
    if exceeds_percent(updates, of, guards.update) {
        refusals.push(GuardViolation::Updates {
            count: updates,
            total: of,
            max_percent: guards.update,
        });
    }
    refusals
}

fn exceeds_percent(count: usize, of: usize, percent: u32) -> bool {
    count * 100 > of * percent as usize
}

/// The file may be gone, so the ledger is asked, too; where there is a file, it decides.
fn protected_violation(situation: &PlanInput<'_>, step: &Step) -> Option<GuardViolation> {
    let Action::Archive(target) = &step.action else {
        return None;
    };
    let remembered = situation
        .state
        .managed_entry(&target.id)
        .is_some_and(|entry| entry.protect);
    let is_protected = match &step.origin {
        Some(_) => step.protect,
        None => remembered,
    };
    is_protected.then(|| GuardViolation::Protected {
        segment: step.segment.clone(),
        id: target.id.clone(),
        origin: step.origin.clone(),
    })
}

fn empty_configuration(situation: &PlanInput<'_>, matches: &Matching<'_>) -> Option<GuardViolation> {
    let orphans = matches.orphans.iter();
    let owned = orphans
        .filter(|live| possibly_in(live, Lifecycle::Active, situation))
        .count();
    let is_told = situation.overrides.allow_empty;
    (situation.declared.is_empty() && owned > 0 && !is_told)
        .then_some(GuardViolation::EmptyConfiguration { managed: owned })
}

/// A list that lost segments is more likely a fault of the service than an archive of them all: it has no other way
/// to answer too little. Only those count on whose account something would be written: where the files say the same
/// as the list, there is nothing to be wrong about.
fn missing_segments(situation: &PlanInput<'_>, steps: &[Step]) -> Option<GuardViolation> {
    let entries = situation.state.managed_entries();
    let active = entries.filter(|entry| entry.lifecycle == Lifecycle::Active);
    let (ids, names) = write_targets(situation, steps);
    let (mut of, mut missing) = (0, 0);
    for entry in active {
        let live = situation.observed.segments.get(&entry.id);
        // Its place was taken by another, which counts.
        if live.is_none() && situation.state.is_superseded(entry) {
            continue;
        }
        // What is not listed but can be read is taken for archived.
        if live.is_some_and(|live| live.lifecycle == Lifecycle::Active) {
            of += 1;
        } else if ids.contains(&entry.id) || names.contains(&entry.name) {
            of += 1;
            missing += 1;
        }
    }
    let guards = situation.policy.guards;
    let mut live = situation.observed.segments.values();
    let is_empty = live.all(|live| live.lifecycle == Lifecycle::Archived);
    let is_short = of >= guards.min_segments && exceeds_percent(missing, of, guards.archive);
    ((is_empty || is_short) && missing > 1 && !situation.overrides.allow_missing_segments).then_some(
        GuardViolation::MissingSegments {
            missing,
            total: of,
            max_percent: (!is_empty).then_some(guards.archive),
        },
    )
}

/// What steps write to: live segments, and names under which segments are made that had other names before.
fn write_targets<'s>(
    situation: &PlanInput<'s>,
    steps: &'s [Step],
) -> (BTreeSet<&'s SegmentId>, BTreeSet<&'s SegmentName>) {
    let ids = steps.iter().filter_map(|step| step.action.target());
    let creates = steps.iter().filter(|step| step.action.target().is_none());
    let made: BTreeSet<_> = creates.map(|step| &step.segment).collect();
    let declared = situation.declared.iter();
    let previous = declared
        .filter(|segment| made.contains(&segment.name))
        .flat_map(|segment| &segment.previous_names);
    let names = previous.chain(made.iter().copied()).collect();
    (ids.map(|target| &target.id).collect(), names)
}
