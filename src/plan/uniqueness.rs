//! Which segment has which name and definition before the first step, and which step frees them.
//!
//! Every segment occupies its name, archived or not. An active segment occupies its definition. An archived one does so if
//! the plan unarchives it, or if archived definitions block others in this workspace.

use super::actions::{ProposedStep, StepIndex};
use super::context::PlanContext;
use super::remote_digests::RemoteDigests;
use super::segment_key::SegmentKey;
use super::step::Action;
use crate::definition::{Digest, Digests};
use crate::model::{Lifecycle, ObservedSegment, SegmentId, SegmentName};
use std::collections::HashMap;

pub(super) struct UniquenessIndex<'a> {
    remote_digests: &'a RemoteDigests<'a>,
    holders_by_name: &'a HashMap<&'a SegmentName, &'a ObservedSegment>,
    /// Former names in the state, unless a rename frees the old name.
    reserved_names: HashMap<&'a SegmentName, &'a SegmentId>,
    /// By the unordered digest; segments with the same exact digest are among them.
    holders_by_definition: HashMap<&'a Digest, Vec<&'a ObservedSegment>>,
    steps_by_segment: HashMap<SegmentKey, Vec<StepIndex>>,
    renames_free_names: bool,
    archives_free_definitions: bool,
}

impl<'a> UniquenessIndex<'a> {
    pub(super) fn of(context: PlanContext<'a, 'a>, steps: &[ProposedStep<'a>]) -> Self {
        let PlanContext {
            input,
            matching,
            remote_digests,
        } = context;
        let api_behavior = input.policy.api_behavior;
        let mut uniqueness = Self {
            holders_by_name: &matching.remote_by_name,
            reserved_names: HashMap::new(),
            holders_by_definition: HashMap::with_capacity(input.observed.segments.len()),
            steps_by_segment: HashMap::with_capacity(steps.len()),
            remote_digests,
            renames_free_names: api_behavior.rename_frees_names,
            archives_free_definitions: !api_behavior.archived_definitions_conflict,
        };
        for index in StepIndex::all(steps) {
            if let Some(remote) = index.of(steps).remote {
                let steps = uniqueness.steps_by_segment.entry(SegmentKey::of(remote));
                steps.or_default().push(index);
            }
        }
        if !api_behavior.rename_frees_names {
            let entries = input.state.managed_entries();
            // MoEngage never deletes segments, so a missing one and its names belong to another workspace.
            let existing = entries.filter(|entry| input.observed.segments.contains_key(&entry.id));
            let former =
                existing.flat_map(|entry| entry.previous_names.iter().map(move |name| (name, &entry.id)));
            uniqueness.reserved_names.extend(former);
        }
        for remote in input.observed.segments.values() {
            uniqueness.add_definition(remote, steps);
        }
        uniqueness
    }

    fn add_definition(&mut self, remote: &'a ObservedSegment, steps: &[ProposedStep<'a>]) {
        let Some(digests) = self.remote_digests.get(remote) else {
            return;
        };
        // If the plan archives a segment that seems to be archived, the segment may be active.
        let changes_lifecycle = || {
            let mut steps = self.steps_on(remote).map(|index| index.of(steps));
            steps.any(|step| matches!(step.action, Action::Unarchive(_) | Action::Archive(_)))
        };
        if remote.lifecycle == Lifecycle::Active || !self.archives_free_definitions || changes_lifecycle() {
            let holders = self.holders_by_definition.entry(&digests.unordered);
            holders.or_default().push(remote);
        }
    }

    pub(super) fn steps_on(&self, remote: &ObservedSegment) -> impl Iterator<Item = StepIndex> {
        let steps = self.steps_by_segment.get(&SegmentKey::of(remote));
        steps.into_iter().flatten().copied()
    }

    /// The segment that has the name which a step acquires.
    pub(super) fn name_holder(&self, step: &ProposedStep<'_>) -> Option<&'a ObservedSegment> {
        let holder = self.holders_by_name.get(step.name).copied();
        holder.filter(|holder| step.acquires_name() && !is_target(step, &holder.id))
    }

    /// The segment that had the name which a step acquires.
    pub(super) fn reserved_name_holder(&self, step: &ProposedStep<'_>) -> Option<&'a SegmentId> {
        let id = self.reserved_names.get(step.name).copied();
        id.filter(|id| step.acquires_name() && !is_target(step, id))
    }

    pub(super) fn exact_definition_holders(&self, step: &ProposedStep<'_>) -> Vec<&'a ObservedSegment> {
        let Some(desired) = step.action.desired() else {
            return Vec::new();
        };
        let mut holders = self.equivalent_definition_holders(step);
        holders.retain(|remote| self.has_definition(remote, &desired.digests));
        holders
    }

    /// The other segments with the same filters in any order.
    pub(super) fn equivalent_definition_holders(&self, step: &ProposedStep<'_>) -> Vec<&'a ObservedSegment> {
        let desired = step.action.desired();
        let holders = desired.and_then(|desired| self.holders_by_definition.get(&desired.digests.unordered));
        let target = step.remote.map(SegmentKey::of);
        let holders = holders.into_iter().flatten().copied();
        holders
            .filter(|remote| target != Some(SegmentKey::of(remote)))
            .collect()
    }

    pub(super) fn is_definition_held(&self, definition: &Digests) -> bool {
        let holders = self.holders_by_definition.get(&definition.unordered);
        let mut holders = holders.into_iter().flatten();
        holders.any(|remote| self.has_definition(remote, definition))
    }

    fn has_definition(&self, remote: &ObservedSegment, definition: &Digests) -> bool {
        let digests = self.remote_digests.get(remote);
        digests.is_some_and(|digests| digests.exact == definition.exact)
    }

    /// Also if the name is reserved.
    pub(super) fn is_name_held(&self, name: &SegmentName) -> bool {
        self.holders_by_name.contains_key(name) || self.reserved_names.contains_key(name)
    }

    /// The step after which the segment has another name. Whether other segments can then use the name is
    /// [`Self::renames_free_names`].
    pub(super) fn step_releasing_name(
        &self,
        remote: &ObservedSegment,
        steps: &[ProposedStep<'_>],
    ) -> Option<StepIndex> {
        let renames =
            |index: &StepIndex| matches!(&index.of(steps).action, Action::Update(update) if update.renames());
        self.steps_on(remote).find(renames)
    }

    pub(super) fn renames_free_names(&self) -> bool {
        self.renames_free_names
    }

    pub(super) fn step_releasing_definition(
        &self,
        remote: &ObservedSegment,
        steps: &[ProposedStep<'_>],
    ) -> Option<StepIndex> {
        self.step_releasing(remote, steps, |digests| &digests.exact)
    }

    /// The step after which neither the definition nor an equivalent one is in use.
    pub(super) fn step_releasing_equivalents(
        &self,
        remote: &ObservedSegment,
        steps: &[ProposedStep<'_>],
    ) -> Option<StepIndex> {
        self.step_releasing(remote, steps, |digests| &digests.unordered)
    }

    fn step_releasing(
        &self,
        remote: &ObservedSegment,
        steps: &[ProposedStep<'_>],
        digest: fn(&Digests) -> &Digest,
    ) -> Option<StepIndex> {
        let current = self.remote_digests.get(remote).map(digest);
        self.steps_on(remote).find(|index| match &index.of(steps).action {
            Action::Update(update) => current != Some(digest(&update.desired.digests)),
            Action::Archive(_) => self.archives_free_definitions,
            _ => false,
        })
    }
}

fn is_target(step: &ProposedStep<'_>, id: &SegmentId) -> bool {
    step.remote.is_some_and(|remote| remote.id == *id)
}
