//! The planner: a pure, synchronous function of configuration, observed workspace, state and policy. The same input gives
//! the same plan, byte for byte.
//!
//! The stages in order:
//!
//! 1. `matching`: the remote segment of each declared one, and the managed remote segments that are not declared.
//! 2. `remote_digests`: the digests of the remote definitions.
//! 3. `actions`: the steps of each segment, with `cohorts`, `file_segments`, `target`, `drift` and `unreadable`.
//! 4. `uniqueness`: which segment has which name and definition.
//! 5. `conflicts` and `limits`: what the API would reject.
//! 6. `dependencies` and `cycle_breaking`: which step waits for which, and the temporary steps that break cycles.
//! 7. `ordering`: the sequence of the steps.
//! 8. `targeting`: `--target` and `--exclude`.
//! 9. `guards` and `adoption`: violations and warnings about the plan as a whole.
//!
//! `rereads` selects the remote definitions that must be read, and must not be outdated. `saved` stores a plan in a file; `estimate` computes its duration.
//!
//! # Names and definitions are unique
//!
//! A step that needs a name or a definition waits for the step that frees it. In a cycle, such as a swap, a temporary step
//! frees them first: with a temporary name, or with the definition in one more group, which has the same members. The API
//! does not document whether a rename frees the old name, so a freed name is a conflict unless `api_behavior` allows it.

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
mod rename_cycles;
pub mod rereads;
pub mod saved;
mod segment_key;
pub mod step;
mod target;
pub mod targeting;
mod uniqueness;
mod unreadable;

use crate::model::{
    Adoption, DeclaredSegment, Lifecycle, ObservedSegment, ObservedWorkspace, Policy, SegmentId, SegmentName,
    StoredDefinition,
};
use crate::state::State;
use compared_lists::ComparedLists;
use cycle_breaking::CycleBreaker;
use dependencies::DependencyGraph;
use guards::Overrides;
use jiff::Timestamp;
use limits::ReferenceLimits;
use remote_digests::RemoteDigests;
use step::{MatchReason, Plan, ResolvedReferences, SegmentRef, StateUpdate};
use targeting::{SelectedSteps, Selection};
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

/// A plan with conflicts or guard violations must not be applied; its steps are for display.
#[must_use]
pub fn plan(input: &PlanInput<'_>) -> Plan {
    let matching = matching::match_all(input);
    let remote_digests = RemoteDigests::of((input.observed, input.state), &matching.references);
    let actions = actions::propose_all(input, &matching, &remote_digests);
    let proposed = actions.steps;
    let uniqueness = UniquenessIndex::of(input, &proposed, (&matching, &remote_digests));
    let limits = ReferenceLimits::of(&matching, input.observed, &proposed);
    let (taken, duplicates) = conflicts::find(&proposed, &uniqueness, &matching, input);
    let mut conflicts = matching.conflicts.clone();
    conflicts.extend(actions.conflicts);
    conflicts.extend(taken);
    conflicts.extend(limits.find(&proposed));
    let desired = proposed.iter().filter_map(|step| step.action.desired());
    let mut breaker = CycleBreaker {
        uniqueness: &uniqueness,
        remote_digests: &remote_digests,
        limits: &limits,
        references: &matching.references,
        observed: input.observed,
        desired_digests: desired.map(|desired| desired.digests.exact).collect(),
    };
    let mut graph = DependencyGraph::of(proposed, &uniqueness, &matching, input.observed);
    conflicts.extend(graph.break_cycles(&mut breaker));
    let active_limit = input.policy.api_behavior.active_limit;
    let remotes = input.observed.segments.values();
    let active = remotes
        .filter(|remote| remote.lifecycle == Lifecycle::Active)
        .count()
        // The list shows them, so they count, too.
        + input.observed.unreadable_rows.len();
    let steps = ordering::order(graph, active, active_limit);
    let SelectedSteps {
        mut steps,
        mut excluded,
        segments_in_scope,
    } = targeting::select(steps, input, &matching);
    let state_updates =
        targeting::select_state_updates(actions.state_updates, input.selection, &mut excluded);
    ordering::assign_freed_slots(&mut steps, active, active_limit);
    // Excluded segments neither cause conflicts nor have any.
    let is_in_scope = |name: &SegmentName| {
        segments_in_scope
            .as_ref()
            .is_none_or(|names| names.contains(name))
    };
    conflicts.retain(|conflict| conflict.segments().into_iter().any(is_in_scope));
    conflicts.extend(ordering::active_limit_conflict(&steps, active, active_limit));
    conflicts.extend(file_segments::daily_user_limit_conflicts(&steps, input));
    let mut warnings = actions.warnings;
    warnings.extend(duplicates);
    warnings.extend(drift::archived_but_listed(input, &matching));
    warnings.extend(actions::lifecycle_unknown_warning(&steps, input));
    warnings.extend(conflicts::references_unknown(&steps, &matching));
    warnings.extend(cohorts::stale_members_warning(&steps));
    warnings.extend(file_segments::warnings(&steps, input, &matching));
    // With `--target`, only declared segments are in scope.
    let imported_not_applied = adoption::imported_not_applied(input.observed, &matching.unmanaged)
        .filter(|_| segments_in_scope.is_none());
    warnings.retain(|warning| warning.segments().into_iter().any(is_in_scope));
    if input.policy.adoption == Adoption::Allow {
        warnings.extend(adoption::archive_unmanaged_warnings(&steps));
    }
    warnings.extend(adoption::likely_rename(&steps));
    warnings.extend(unreadable::warnings(input, &matching));
    warnings.extend(imported_not_applied);
    let mut unmanaged: Vec<_> = matching
        .unmanaged
        .iter()
        .map(|remote| segment_ref(remote))
        .collect();
    unmanaged.sort_unstable();
    Plan {
        workspace: input.workspace.to_owned(),
        endpoint: input.endpoint.to_owned(),
        guard_violations: guards::find(input, &matching, &steps),
        steps,
        unchanged: actions.unchanged,
        state_updates,
        unmanaged,
        drift: drift::find(input, &matching, &remote_digests),
        conflicts,
        warnings,
        excluded,
        references: matching.references,
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
