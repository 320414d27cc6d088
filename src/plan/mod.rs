//! The planner: a pure, synchronous function of configuration, observed workspace, state and policy. The same input gives
//! the same plan, byte for byte.
//!
//! [`planned`] has the stages in one piece; each takes what the one before gave:
//!
//! 1. `matching`: the remote segment of each declared one, and the managed remote segments that are not declared.
//!    `remote_digests`, the digests of the remote definitions, completes the `context` of all later stages.
//! 2. `actions`: the proposed steps of each segment, with `cohorts`, `file_segments`, `kinds`, `drift` and `unreadable`.
//! 3. `conflicts` and `limits`: what the API would reject, by `uniqueness`: which segment has which name and definition.
//! 4. `dependencies` and `cycle_breaking`: which step waits for which, and the temporary steps that break cycles.
//! 5. `ordering`: the sequence of the steps.
//! 6. `targeting`: the steps that `--target` and `--exclude` select, and `findings` about them.
//! 7. `guards`: violations of the plan as a whole.
//!
//! `rereads` selects the remote definitions that must be read, and must not be outdated. `saved` stores a plan in a file; `estimate` computes its duration.
//!
//! # Names and definitions are unique
//!
//! A step that needs a name or a definition waits for the step that frees it. In a cycle, such as a swap, a temporary step
//! frees them first: with a temporary name, or with the definition in one more group, which has the same members. The API
//! does not document whether a rename frees the old name, so a freed name is a conflict unless `api_behavior` allows it.

mod actions;
mod active_slots;
mod cohorts;
pub mod compared_lists;
mod conflicts;
mod context;
mod cycle_breaking;
mod cycles;
mod dependencies;
mod drift;
pub mod estimate;
mod file_segments;
mod findings;
pub mod guards;
mod kinds;
mod limits;
mod matching;
mod ordering;
mod proposed_finding;
mod remote_digests;
mod rename_cycles;
pub mod rereads;
pub mod saved;
mod segment_key;
pub mod step;
pub mod targeting;
mod uniqueness;
mod unreadable;
mod warnings;
mod words;

use crate::model::{
    DeclaredSegment, ObservedSegment, ObservedWorkspace, Policy, SegmentId, SegmentName, StoredDefinition,
};
use crate::state::State;
use actions::ProposedActions;
use active_slots::ActiveSlots;
use compared_lists::ComparedLists;
use context::PlanContext;
use cycle_breaking::CycleBreaker;
use dependencies::DependencyGraph;
use guards::Overrides;
use jiff::Timestamp;
use limits::ReferenceLimits;
use remote_digests::RemoteDigests;
use std::collections::BTreeSet;
use step::{MatchReason, Plan, ResolvedReferences, SegmentRef, StateUpdate};
use targeting::Selection;
use uniqueness::UniquenessIndex;

#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The workspace's name in `segctl.yaml`.
    pub workspace: &'a str,
    /// `MoEngage DC 01`, a URL, or the sandbox's file.
    pub endpoint: &'a str,
    /// Without errors.
    pub declared: &'a [DeclaredSegment],
    pub observed: &'a ObservedWorkspace,
    pub state: &'a State,
    pub compared_lists: &'a ComparedLists,
    pub policy: &'a Policy,
    pub overrides: Overrides,
    pub selection: &'a Selection,
    pub now: Timestamp,
}

#[derive(Debug)]
pub struct Planned {
    pub plan: Plan,
    /// The remote segments whose definitions decide the conflicts.
    pub ids_in_conflicts: BTreeSet<SegmentId>,
}

/// A plan with conflicts or guard violations must not be applied; its steps are for display.
#[must_use]
pub fn plan(input: &PlanInput<'_>) -> Plan {
    planned(input).plan
}

#[must_use]
pub fn planned(input: &PlanInput<'_>) -> Planned {
    let matching = matching::match_all(input);
    let remote_digests = RemoteDigests::of(input.observed, input.state, &matching.references.identities);
    let context = PlanContext {
        input,
        matching: &matching,
        remote_digests: &remote_digests,
    };
    let ProposedActions {
        steps,
        unchanged,
        state_updates,
        mut findings,
    } = actions::propose_all(context);
    let uniqueness = UniquenessIndex::of(context, &steps);
    let limits = ReferenceLimits::of(context, &steps);
    conflicts::find(context, &steps, &uniqueness, &mut findings);
    findings.conflicts.extend(limits.find(&steps));
    let breaker = CycleBreaker::new(context, &steps, &uniqueness, &limits);
    let (graph, cycles) = DependencyGraph::of(context, steps, &uniqueness).without_cycles(breaker);
    findings.conflicts.extend(cycles);
    let slots = ActiveSlots::of(input);
    let mut selected = targeting::select(context, ordering::order(graph, slots), state_updates);
    slots.assign(&mut selected.steps);
    let findings = findings::select(context, findings, &selected, slots);
    Planned {
        plan: Plan {
            workspace: input.workspace.to_owned(),
            endpoint: input.endpoint.to_owned(),
            guard_violations: guards::find(context, &selected.steps),
            steps: selected.steps,
            unchanged,
            state_updates: selected.state_updates,
            unmanaged: matching.unmanaged_refs(),
            drift: drift::find(context),
            conflicts: findings.conflicts,
            warnings: findings.warnings,
            excluded: selected.excluded,
            references: matching.references.clone(),
        },
        ids_in_conflicts: findings.ids_in_conflicts,
    }
}

/// The entries of a state that was lost: every declared and every managed segment that exists, as it is.
#[must_use]
pub fn rebuild_state(input: &PlanInput<'_>) -> (Vec<StateUpdate>, ResolvedReferences) {
    let matching = matching::match_all(input);
    // Their entries in the state, if any, stay as they are.
    let is_readable = |remote: &ObservedSegment| !input.observed.unreadable.contains_key(&remote.id);
    let declared = matching.matches.iter().filter_map(|pair| {
        let (remote, reason) = pair.remote.as_ref().filter(|(remote, _)| is_readable(remote))?;
        // The members of cohorts and file segments cannot be read.
        pair.declared.contents.definition()?;
        // An undecided match stays undecided.
        let is_decided = !matching.is_unresolved(pair.declared);
        is_decided.then(|| state_update(input, remote, Some(pair.declared), reason.clone()))
    });
    let orphans = matching.orphans.iter().filter(|remote| is_readable(remote));
    let undeclared = orphans.filter_map(|remote| {
        let reason = matching::management_reasons(remote, input).into_iter().next()?;
        Some(state_update(input, remote, None, reason))
    });
    (declared.chain(undeclared).collect(), matching.references.clone())
}

fn state_update(
    input: &PlanInput<'_>,
    remote: &ObservedSegment,
    declared: Option<&DeclaredSegment>,
    matched_by: MatchReason,
) -> StateUpdate {
    StateUpdate {
        segment: declared.map_or(&remote.name, |segment| &segment.name).clone(),
        id: remote.id.clone(),
        lifecycle: remote.lifecycle,
        protect: declared.is_some_and(|segment| segment.protect),
        previous_names: declared.map_or_else(Vec::new, |segment| segment.previous_names.clone()),
        definition: written_definition(input.state, remote).map(|definition| definition.payload().clone()),
        matched_by,
        adopts: true,
        assumed_members: None,
    }
}

/// `None` if it was not read.
fn written_definition<'r>(state: &'r State, remote: &'r ObservedSegment) -> Option<&'r StoredDefinition> {
    let definition = remote.definition.as_ref()?;
    Some(state.as_written(&remote.id, definition))
}

fn segment_ref(remote: &ObservedSegment) -> SegmentRef {
    SegmentRef {
        name: remote.name.clone(),
        id: remote.id.clone(),
    }
}

/// Sorted, so that a warning is the same every time; `None` without segments.
fn sorted_segments<'s>(
    segments: impl Iterator<Item = (&'s SegmentName, &'s SegmentId)>,
) -> Option<Vec<SegmentRef>> {
    let segments = segments.map(|(name, id)| SegmentRef {
        name: name.clone(),
        id: id.clone(),
    });
    let mut segments: Vec<_> = segments.collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(segments)
}

#[cfg(test)]
mod tests;
