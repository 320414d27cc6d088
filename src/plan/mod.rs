//! The planner: a pure, synchronous, deterministic function of what is declared, what was observed, what the ledger
//! remembers and what the workspace allows.
//!
//! In order: `identity` finds which live segment each declared one is and which live ones are ours without a file;
//! `forms` levels what is live; `change` drafts the steps for each, with `drift` for who made each difference, `members`
//! for cohorts and `uploads` for file segments; `holdings` knows who has which name
//! and definition; `conflict` and `limits` find what the service would refuse; `graph` finds what has to come before
//! what and breaks circles with the steps of `passing`; `order` puts the steps in sequence; `guard` and `selection`
//! look at the result. No call is made, nothing is read, no clock is asked: the same values give the same plan, byte
//! for byte.
//!
//! # Frees and takes
//!
//! A name belongs to one segment, and so does a definition. A step that stores a definition under a name takes both; a
//! step that changes a segment gives up what it had before. Each taker waits for its giver. Where takers wait for each
//! other in a circle (a swap is the shortest), one of them gives up what it has in a passing step of its own: first a
//! temporary name, or the definition in one more group, which has the same members; last what the file says. Whether
//! a rename frees the old name is not documented: unless the workspace says so, a name that was given up is a conflict.

mod actions;
mod adoption;
mod cohorts;
pub mod compared_lists;
mod conflicts;
mod cycle_breaking;
mod dependencies;
mod drift;
pub mod estimate;
mod file_segments;
pub mod guards;
mod limits;
mod matching;
mod ordering;
mod remote_digests;
pub mod saved;
mod segment_key;
pub mod step;
mod target;
pub mod targeting;
mod uniqueness;

use crate::model::{
    Adoption, DeclaredSegment, Lifecycle, ObservedSegment, ObservedWorkspace, Policy, SegmentName,
};
use crate::state::State;
use actions::ProposedStep;
use compared_lists::ComparedLists;
use cycle_breaking::CycleBreaker;
use dependencies::DependencyGraph;
use guards::Overrides;
use jiff::Timestamp;
use limits::ReferenceLimits;
use remote_digests::RemoteDigests;
use std::collections::BTreeSet;
use step::{MatchReason, Plan, ResolvedReferences, SegmentRef, StateUpdate};
use targeting::{SelectedSteps, Selection};
use uniqueness::UniquenessIndex;

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The workspace's name in `segctl.yaml`.
    pub workspace: &'a str,
    /// Where the workspace is, for people: `MoEngage DC 01`, an address, or the sandbox's file.
    pub endpoint: &'a str,
    /// What the files say, free of errors.
    pub declared: &'a [DeclaredSegment],
    /// What is live.
    pub observed: &'a ObservedWorkspace,
    /// What was applied last.
    pub state: &'a State,
    /// The declared lists, held against what the ledger knows.
    pub compared_lists: &'a ComparedLists,
    /// What the workspace allows.
    pub policy: &'a Policy,
    /// What the person who asks allows.
    pub overrides: Overrides,
    /// Which segments the plan is about.
    pub selection: &'a Selection,
    /// When the plan is made.
    pub now: Timestamp,
}

/// Plans what makes the workspace what the files say.
///
/// A plan with conflicts or refusals must not be applied; its steps are there to be shown.
#[must_use]
pub fn plan(situation: &PlanInput<'_>) -> Plan {
    let matches = matching::match_all(situation);
    let forms = RemoteDigests::of(situation.observed, &matches.references);
    let changes = actions::propose_all(situation, &matches, &forms);
    let drafts = changes.steps;
    let holdings = UniquenessIndex::of(situation, &drafts, (&matches, &forms));
    let limits = ReferenceLimits::of(&matches, situation.observed);
    let (found, warnings) = conflicts::find(&drafts, &holdings, &matches, situation);
    let mut conflicts = matches.conflicts.clone();
    conflicts.extend(changes.conflicts);
    conflicts.extend(found);
    conflicts.extend(limits.find(&drafts));
    let mut breaker = CycleBreaker {
        uniqueness: &holdings,
        limits: &limits,
        references: &matches.references,
        observed: situation.observed,
        desired_digests: desired_digests(&drafts),
    };
    let mut graph = DependencyGraph::of(drafts, &holdings, &matches, situation.observed);
    let circles = graph.break_cycles(&mut breaker);
    let behaviour = situation.policy.api_behavior;
    let in_use = active_count(situation.observed);
    let steps = ordering::order(graph, in_use, behaviour.active_limit);
    conflicts.extend(circles);
    let SelectedSteps {
        mut steps,
        excluded: left_out,
        segments_in_scope: concerned,
    } = targeting::select(steps, situation);
    ordering::assign_freed_slots(&mut steps, in_use, behaviour.active_limit);
    // What is left out can neither do harm nor be done harm to.
    let concerns = |name: &SegmentName| concerned.as_ref().is_none_or(|names| names.contains(name));
    conflicts.retain(|conflict| conflict.segments().into_iter().any(concerns));
    conflicts.extend(ordering::active_limit_conflict(
        &steps,
        in_use,
        behaviour.active_limit,
    ));
    conflicts.extend(file_segments::daily_user_limit_conflicts(&steps, situation));
    let mut warnings: Vec<_> = changes.warnings.into_iter().chain(warnings).collect();
    warnings.extend(drift::archived_but_listed(situation, &matches));
    warnings.extend(actions::lifecycle_unknown_warning(&steps, situation));
    warnings.extend(cohorts::stale_members_warning(&steps));
    warnings.extend(file_segments::warnings(&steps, situation, &matches));
    warnings.retain(|warning| warning.segments().into_iter().any(concerns));
    if situation.policy.adoption == Adoption::Allow {
        warnings.extend(adoption::archive_unmanaged_warnings(&steps));
    }
    warnings.extend(adoption::likely_rename(&steps));
    let mut unmanaged: Vec<_> = matches.unmanaged.iter().map(|live| segment_ref(live)).collect();
    unmanaged.sort_unstable();
    Plan {
        workspace: situation.workspace.to_owned(),
        endpoint: situation.endpoint.to_owned(),
        guard_violations: guards::find(situation, &matches, &steps),
        steps,
        unchanged: changes.unchanged,
        state_updates: changes.state_updates,
        unmanaged,
        drift: drift::find(situation, &matches, &forms),
        conflicts,
        warnings,
        excluded: left_out,
        references: matches.references,
    }
}

/// Every declared and every owned segment that is live, as it is, and what references mean: what a ledger should know
/// that was lost.
#[must_use]
pub fn rebuild_state(situation: &PlanInput<'_>) -> (Vec<StateUpdate>, ResolvedReferences) {
    let matches = matching::match_all(situation);
    let declared = matches.matches.iter().filter_map(|pair| {
        let (live, reason) = pair.remote.as_ref()?;
        // What is not made of filters is not applied yet, so that nothing was lost.
        pair.declared.contents.definition()?;
        let told = (&pair.declared.name, pair.declared.protect);
        Some(state_update(live, told, reason.clone()))
    });
    let owned = matches.orphans.iter().filter_map(|live| {
        let reason = matching::management_reasons(live, situation).into_iter().next()?;
        Some(state_update(live, (&live.name, false), reason))
    });
    (declared.chain(owned).collect(), matches.references.clone())
}

fn state_update(
    live: &ObservedSegment,
    (name, protect): (&SegmentName, bool),
    matched_by: MatchReason,
) -> StateUpdate {
    StateUpdate {
        segment: name.clone(),
        id: live.id.clone(),
        lifecycle: live.lifecycle,
        protect,
        definition: live.definition.clone(),
        matched_by,
        adopts: true,
        assumed_members: None,
    }
}

fn desired_digests(drafts: &[ProposedStep<'_>]) -> BTreeSet<crate::definition::Digest> {
    let wanted = drafts.iter().filter_map(|draft| draft.action.desired());
    wanted.map(|wanted| wanted.digests.exact).collect()
}

fn active_count(observed: &ObservedWorkspace) -> usize {
    let segments = observed.segments.values();
    segments
        .filter(|live| live.lifecycle == Lifecycle::Active)
        .count()
}

fn segment_ref(live: &ObservedSegment) -> SegmentRef {
    SegmentRef {
        name: live.name.clone(),
        id: live.id.clone(),
    }
}

#[cfg(test)]
mod tests;
