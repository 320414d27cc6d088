//! What is too much for one plan: accidents look like wishes, only larger.

use super::Situation;
use super::change::may_be;
use super::identity::Matches;
use super::step::{Action, Refusal, Step};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use std::collections::BTreeSet;

/// What the person who runs segctl said is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowances {
    /// That nothing is declared.
    pub empty: bool,
    /// That the list lacks segments that the ledger knows.
    pub short_list: bool,
    /// That the whole list is sent of a cohort or a file segment of whose members nothing is known.
    pub resend: bool,
    /// That a cohort or a file segment of whose members nothing is known has those of its list.
    pub assume_in_sync: bool,
}

/// Everything about the steps, the files and the list that nobody said is meant.
pub(super) fn find(situation: &Situation<'_>, matches: &Matches<'_>, steps: &[Step]) -> Vec<Refusal> {
    let mut refusals = shares(situation, matches, steps);
    refusals.extend(steps.iter().filter_map(|step| protected(situation, step)));
    refusals.extend(nothing_declared(situation, matches));
    refusals.extend(short_list(situation, steps));
    refusals
}

/// Archives and updates against the managed segments that are in use.
fn shares(situation: &Situation<'_>, matches: &Matches<'_>, steps: &[Step]) -> Vec<Refusal> {
    let declared = matches
        .pairs
        .iter()
        .filter_map(|pair| pair.live.as_ref().map(|(live, _)| *live));
    let managed = declared.chain(matches.orphans.iter().copied());
    let of = managed.filter(|live| live.lifecycle == Lifecycle::Active).count();
    let guards = situation.policy.guards;
    if of < guards.above {
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
    let updates = changed(|action| matches!(action, Action::Update(_) | Action::Send(_) | Action::Upload(_)));
    let mut refusals = Vec::new();
    if is_over(archives, of, guards.archive) {
        refusals.push(Refusal::Archives {
            count: archives,
            of,
            percent: guards.archive,
        });
    }
    if is_over(updates, of, guards.update) {
        refusals.push(Refusal::Updates {
            count: updates,
            of,
            percent: guards.update,
        });
    }
    refusals
}

fn is_over(count: usize, of: usize, percent: u32) -> bool {
    count * 100 > of * percent as usize
}

/// The file may be gone, so the ledger is asked, too; where there is a file, it decides.
fn protected(situation: &Situation<'_>, step: &Step) -> Option<Refusal> {
    let Action::Archive(target) = &step.action else {
        return None;
    };
    let remembered = situation
        .ledger
        .entry(&target.id)
        .is_some_and(|entry| entry.protect);
    let is_protected = match &step.origin {
        Some(_) => step.protect,
        None => remembered,
    };
    is_protected.then(|| Refusal::Protected {
        segment: step.segment.clone(),
        id: target.id.clone(),
        origin: step.origin.clone(),
    })
}

fn nothing_declared(situation: &Situation<'_>, matches: &Matches<'_>) -> Option<Refusal> {
    let orphans = matches.orphans.iter();
    let owned = orphans
        .filter(|live| may_be(live, Lifecycle::Active, situation))
        .count();
    let is_told = situation.allowances.empty;
    (situation.declared.is_empty() && owned > 0 && !is_told).then_some(Refusal::NothingDeclared { owned })
}

/// A list that lost segments is more likely a fault of the service than an archive of them all: it has no other way
/// to answer too little. Only those count on whose account something would be written: where the files say the same
/// as the list, there is nothing to be wrong about.
fn short_list(situation: &Situation<'_>, steps: &[Step]) -> Option<Refusal> {
    let entries = situation.ledger.entries();
    let active = entries.filter(|entry| entry.lifecycle == Lifecycle::Active);
    let (ids, names) = written(situation, steps);
    let (mut of, mut missing) = (0, 0);
    for entry in active {
        let live = situation.observed.segments.get(&entry.id);
        // Its place was taken by another, which counts.
        if live.is_none() && situation.ledger.is_superseded(entry) {
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
    let is_short = of >= guards.above && is_over(missing, of, guards.archive);
    ((is_empty || is_short) && missing > 1 && !situation.allowances.short_list).then_some(
        Refusal::ShortList {
            missing,
            of,
            percent: (!is_empty).then_some(guards.archive),
        },
    )
}

/// What steps write to: live segments, and names under which segments are made that had other names before.
fn written<'s>(
    situation: &Situation<'s>,
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
