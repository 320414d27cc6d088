//! The graph of dependencies between proposed steps, and how its cycles are broken.

use super::actions::{ProposedStep, StepIndex};
use super::context::PlanContext;
use super::cycle_breaking::{CycleBreaker, RequiredRelease, SplitStep};
use super::cycles::cycles;
use super::proposed_finding::{DeclaredRef, ProposedFinding};
use super::step::{Action, Code, ResolvedReferences};
use super::uniqueness::UniquenessIndex;
use super::words::{names, quoted};
use crate::diagnostic::phrases::join_with_and;
use crate::model::{Reference, ReferenceSummary, SegmentId, SegmentName};
use petgraph::Direction;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Why a step waits for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DependencyReason {
    /// The other step frees the name.
    Name,
    /// The other step frees the definition.
    Definition,
    /// The other step removes a reference to the segment that this step archives.
    LastReference,
    /// The other step writes a reference to the segment that this step archives.
    WrittenReference,
    /// This step references the other step's segment.
    Reference,
    /// The other step unarchives the segment, or is its temporary step.
    SameSegment,
}

/// An edge leads from a step to one for which it waits.
pub(super) struct DependencyGraph<'a> {
    pub(super) steps: Vec<ProposedStep<'a>>,
    edges: DiGraphMap<StepIndex, BTreeSet<DependencyReason>>,
    /// The final step of each temporary one.
    final_steps: BTreeMap<StepIndex, StepIndex>,
}

impl<'a> DependencyGraph<'a> {
    /// May contain cycles.
    pub(super) fn of(
        context: PlanContext<'_, 'a>,
        steps: Vec<ProposedStep<'a>>,
        uniqueness: &UniquenessIndex<'_>,
    ) -> Self {
        let by_name = steps_by_name(&steps);
        let referring = steps_referring_to(context, &steps);
        let references = ReferenceSearch {
            context,
            steps: &steps,
            by_name: &by_name,
        };
        let mut edges = DiGraphMap::new();
        for index in StepIndex::all(&steps) {
            let step = index.of(&steps);
            edges.add_node(index);
            let mut dependencies = resource_dependencies(step, &steps, uniqueness);
            dependencies.extend(references.dependencies(step));
            dependencies.extend(unarchive_dependency(index, &steps));
            if let (Action::Archive(_), Some(remote)) = (&step.action, step.remote) {
                dependencies.extend(referring.get(&remote.id).into_iter().flatten());
            }
            dependencies.retain(|(other, _)| *other != index);
            for (other, reason) in dependencies {
                add_edge(&mut edges, index, other, reason);
            }
        }
        Self {
            steps,
            edges,
            final_steps: BTreeMap::new(),
        }
    }

    pub(super) fn dependencies_of(&self, index: StepIndex) -> impl Iterator<Item = StepIndex> {
        self.edges.neighbors(index)
    }

    pub(super) fn dependents_of(&self, index: StepIndex) -> impl Iterator<Item = StepIndex> {
        self.edges.neighbors_directed(index, Direction::Incoming)
    }

    /// A temporary step has the position of its final one.
    pub(super) fn position(&self, index: StepIndex) -> StepIndex {
        self.final_steps.get(&index).copied().unwrap_or(index)
    }

    /// With the conflicts of the cycles that cannot be broken.
    pub(super) fn without_cycles(
        mut self,
        mut breaker: CycleBreaker<'_, 'a>,
    ) -> (Self, Vec<ProposedFinding>) {
        let mut unbroken = Vec::new();
        let mut tried: BTreeSet<StepIndex> = BTreeSet::new();
        let mut open = self.cycles(StepIndex::all(&self.steps).collect());
        while let Some(cycle) = open.pop_first() {
            match self.break_cycle(&cycle, &mut tried, &mut breaker) {
                Some(added) => {
                    let members = cycle.into_iter().chain([added]);
                    open.extend(self.cycles(members.collect()));
                }
                None => unbroken.push(cycle),
            }
        }
        let conflicts = unbroken.iter().map(|cycle| self.cycle_conflict(cycle));
        let conflicts = conflicts.collect();
        (self, conflicts)
    }

    /// The cycles among `members`.
    fn cycles(&self, members: BTreeSet<StepIndex>) -> BTreeSet<Vec<StepIndex>> {
        let edges = members.iter().flat_map(|index| {
            let dependencies = self.dependencies_of(*index);
            dependencies.map(|other| (*index, other))
        });
        let inside = edges.filter(|(_, other)| members.contains(other));
        cycles(inside).into_iter().collect()
    }

    /// Splits the first step of a cycle that can be split; returns the index of the temporary step.
    fn break_cycle(
        &mut self,
        cycle: &[StepIndex],
        tried: &mut BTreeSet<StepIndex>,
        breaker: &mut CycleBreaker<'_, 'a>,
    ) -> Option<StepIndex> {
        for index in cycle.iter().copied() {
            let step = index.of(&self.steps);
            let is_temporary = step.action.temporary_change().is_some();
            if is_temporary || tried.contains(&index) || !self.waits_inside_cycle(index, cycle) {
                continue;
            }
            // Once per segment: a second split would free nothing more.
            tried.insert(index);
            let release = self.required_release(index, cycle);
            let unarchives = self.unarchives();
            let is_unarchived = |id: &SegmentId| unarchives.contains_key(id);
            if let Some(split) = breaker.split(step, release, &is_unarchived) {
                let added = self.insert_temporary_step(index, split);
                self.wait_for_unarchives(added, &unarchives, &breaker.context.matching.references);
                return Some(added);
            }
        }
        None
    }

    /// The steps that unarchive a segment and wait for nothing. A temporary definition may reference such a segment.
    fn unarchives(&self) -> HashMap<SegmentId, StepIndex> {
        let unarchives = StepIndex::all(&self.steps).filter_map(|index| {
            let step = index.of(&self.steps);
            let waits = self.dependencies_of(index).next().is_some();
            let is_unarchive = matches!(step.action, Action::Unarchive(_)) && !waits;
            is_unarchive.then_some((step.remote?.id.clone(), index))
        });
        unarchives.collect()
    }

    /// Lets a temporary step wait for the unarchives of the segments that it references.
    fn wait_for_unarchives(
        &mut self,
        temporary: StepIndex,
        unarchives: &HashMap<SegmentId, StepIndex>,
        references: &ResolvedReferences,
    ) {
        let Some(desired) = temporary.of(&self.steps).action.desired() else {
            return;
        };
        let summary = ReferenceSummary::from_payload(desired.payload());
        let ids = summary
            .references
            .keys()
            .filter_map(|reference| references.id_of(reference));
        for unarchive in ids.filter_map(|id| unarchives.get(id)) {
            add_edge(
                &mut self.edges,
                temporary,
                *unarchive,
                DependencyReason::Reference,
            );
        }
    }

    /// What the other steps of the cycle wait for.
    fn required_release(&self, index: StepIndex, cycle: &[StepIndex]) -> RequiredRelease {
        let has_edge = |from: StepIndex, to: StepIndex, reason: DependencyReason| {
            let reasons = self.edges.edge_weight(from, to);
            reasons.is_some_and(|reasons| reasons.contains(&reason))
        };
        let waits = |reason| cycle.iter().any(|other| has_edge(*other, index, reason));
        let mut others = cycle.iter();
        let desired_waits_for_cycle =
            others.any(|other| has_edge(index, *other, DependencyReason::Reference));
        RequiredRelease {
            name: waits(DependencyReason::Name),
            // The desired definition removes the reference in any form.
            definition: waits(DependencyReason::Definition)
                || (waits(DependencyReason::LastReference) && !desired_waits_for_cycle),
            desired_waits_for_cycle,
        }
    }

    /// A temporary step helps only a step that waits for something inside the cycle.
    fn waits_inside_cycle(&self, index: StepIndex, cycle: &[StepIndex]) -> bool {
        let edges = cycle
            .iter()
            .filter_map(|other| self.edges.edge_weight(index, *other));
        edges.flatten().any(|reason| {
            matches!(
                reason,
                DependencyReason::Name | DependencyReason::Definition | DependencyReason::Reference
            )
        })
    }

    /// Inserts a temporary step before its final one. The steps that waited for what it frees wait for it now.
    fn insert_temporary_step(&mut self, index: StepIndex, split: SplitStep<'a>) -> StepIndex {
        let added = StepIndex::next(&self.steps);
        let release = split.release;
        let keeps = |reason: DependencyReason| match reason {
            DependencyReason::SameSegment => true,
            DependencyReason::Reference => release.definition && !release.desired_waits_for_cycle,
            DependencyReason::Name
            | DependencyReason::Definition
            | DependencyReason::LastReference
            | DependencyReason::WrittenReference => false,
        };
        let own = self.edges.edges(index).flat_map(|(_, other, reasons)| {
            let kept = reasons.iter().filter(|reason| keeps(**reason));
            kept.map(move |reason| (other, *reason))
        });
        let inherited: Vec<_> = own.collect();
        self.edges.add_node(added);
        self.move_dependents(index, added, release);
        for (other, reason) in inherited {
            add_edge(&mut self.edges, added, other, reason);
        }
        add_edge(&mut self.edges, index, added, DependencyReason::SameSegment);
        index.replace(&mut self.steps, split.last);
        self.steps.push(split.temporary);
        self.final_steps.insert(added, index);
        added
    }

    /// The steps that waited for what a temporary step frees wait for it now.
    fn move_dependents(&mut self, from: StepIndex, to: StepIndex, release: RequiredRelease) {
        let moves = |reason: &DependencyReason| match reason {
            DependencyReason::Name => release.name,
            DependencyReason::Definition => release.definition,
            DependencyReason::LastReference => release.definition && !release.desired_waits_for_cycle,
            // The final step writes the reference, too.
            DependencyReason::Reference
            | DependencyReason::WrittenReference
            | DependencyReason::SameSegment => false,
        };
        let dependents: Vec<StepIndex> = self.dependents_of(from).collect();
        for dependent in dependents {
            let reasons = self.edges.remove_edge(dependent, from).unwrap_or_default();
            let (moved, kept): (BTreeSet<_>, BTreeSet<_>) = reasons.into_iter().partition(moves);
            for (other, reasons) in [(to, moved), (from, kept)] {
                if !reasons.is_empty() {
                    self.edges.add_edge(dependent, other, reasons);
                }
            }
        }
    }

    /// The steps of the cycle wait for each other, and no temporary step breaks it.
    fn cycle_conflict(&self, cycle: &[StepIndex]) -> ProposedFinding {
        let declared = cycle.iter().filter_map(|index| index.of(&self.steps).declared);
        let mut segments: Vec<DeclaredRef<'_>> = declared.map(DeclaredRef::from).collect();
        segments.dedup();
        let waiting = self.waiting_for(cycle).into_iter();
        let waiting: BTreeSet<&SegmentName> = waiting
            .map(|index| index.of(&self.steps).name)
            .filter(|name| !segments.iter().any(|segment| segment.name == *name))
            .collect();
        let wait = match waiting.len() {
            0 => String::new(),
            _ => {
                let waiting: Vec<_> = waiting.iter().map(|name| quoted(name)).collect();
                format!("; the changes of {} wait for it", join_with_and(&waiting))
            }
        };
        let message = format!(
            "{} form a cycle that cannot be resolved automatically{wait}",
            names(segments.iter().copied())
        );
        let mut conflict = ProposedFinding::new(Code::Cycle, message)
            .about_all(segments)
            .help("give one of them a temporary name and definition, apply, then set the final ones and apply again")
            .help("leave one of them as it is in MoEngage, and declare its new version under another name");
        // The steps that wait are not in the plan either.
        conflict.subjects.extend(waiting.into_iter().cloned());
        conflict
    }

    /// The steps that wait for a step of the cycle, directly or indirectly. Like the cycle, they are not in the plan.
    fn waiting_for(&self, cycle: &[StepIndex]) -> BTreeSet<StepIndex> {
        let mut found = BTreeSet::new();
        let mut open = cycle.to_vec();
        while let Some(index) = open.pop() {
            open.extend(
                self.dependents_of(index)
                    .filter(|dependent| found.insert(*dependent)),
            );
        }
        found
    }
}

fn add_edge(
    edges: &mut DiGraphMap<StepIndex, BTreeSet<DependencyReason>>,
    from: StepIndex,
    to: StepIndex,
    reason: DependencyReason,
) {
    match edges.edge_weight_mut(from, to) {
        Some(reasons) => {
            reasons.insert(reason);
        }
        None => {
            edges.add_edge(from, to, BTreeSet::from([reason]));
        }
    }
}

fn steps_by_name<'a>(steps: &[ProposedStep<'a>]) -> HashMap<&'a SegmentName, Vec<StepIndex>> {
    let mut by_name: HashMap<_, Vec<StepIndex>> = HashMap::new();
    for index in StepIndex::all(steps) {
        let step = index.of(steps);
        // References by name mean declared names.
        if step.declared.is_some() {
            by_name.entry(step.name).or_default().push(index);
        }
    }
    by_name
}

/// A name or a definition is available after the step that frees it.
fn resource_dependencies(
    step: &ProposedStep<'_>,
    steps: &[ProposedStep<'_>],
    uniqueness: &UniquenessIndex<'_>,
) -> Vec<(StepIndex, DependencyReason)> {
    let holder = uniqueness.name_holder(step);
    let name_release = holder.and_then(|remote| uniqueness.step_releasing_name(remote, steps));
    let mut dependencies = Vec::from_iter(name_release.map(|other| (other, DependencyReason::Name)));
    // Equivalent definitions too: the API does not document which of them it considers equal.
    for remote in uniqueness.equivalent_definition_holders(step) {
        let release = uniqueness
            .step_releasing_equivalents(remote, steps)
            .or_else(|| uniqueness.step_releasing_definition(remote, steps));
        dependencies.extend(release.map(|other| (other, DependencyReason::Definition)));
    }
    dependencies
}

struct ReferenceSearch<'s, 'a> {
    context: PlanContext<'s, 'a>,
    steps: &'s [ProposedStep<'a>],
    by_name: &'s HashMap<&'a SegmentName, Vec<StepIndex>>,
}

impl ReferenceSearch<'_, '_> {
    /// Referenced segments come first: their ids must be known, the API checks its limits at every write, and the members
    /// are then correct from the start.
    fn dependencies(&self, step: &ProposedStep<'_>) -> Vec<(StepIndex, DependencyReason)> {
        let names = self.referenced_names(step);
        let referenced = names.iter().filter_map(|name| self.by_name.get(name)).flatten();
        referenced
            .filter(|index| !matches!(index.of(self.steps).action, Action::Archive(_)))
            .map(|index| (*index, DependencyReason::Reference))
            .collect()
    }

    /// The declared names that a step's definition references, also through remote segments that the plan does not change.
    /// Such a segment may reference the step's segment until another step removes that reference.
    fn referenced_names(&self, step: &ProposedStep<'_>) -> BTreeSet<SegmentName> {
        let Some(segment) = step.declared.filter(|_| step.action.desired().is_some()) else {
            return BTreeSet::new();
        };
        let references = &self.context.matching.references;
        let mut names = BTreeSet::new();
        let mut seen: BTreeSet<SegmentId> = BTreeSet::new();
        let mut open: Vec<SegmentId> = Vec::new();
        for reference in segment.contents.references() {
            match reference {
                Reference::Id { id, .. } => open.push(id.clone()),
                Reference::Name(name) => {
                    names.insert(name.clone());
                    open.extend(references.ids_by_name.get(name).cloned());
                }
            }
        }
        while let Some(id) = open.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            let name = references.identities.declared_by_id.get(&id);
            names.extend(name.cloned());
            // A written segment waits for its own references; the others keep their current definition.
            if !name.is_some_and(|name| self.is_written(name))
                && let Some(remote) = self.context.input.observed.segments.get(&id)
            {
                open.extend(
                    self.context
                        .remote_digests
                        .referenced_segments(remote)
                        .iter()
                        .cloned(),
                );
            }
        }
        names.remove(step.name);
        names
    }

    fn is_written(&self, name: &SegmentName) -> bool {
        let mut steps = self.by_name.get(name).into_iter().flatten();
        steps.any(|index| index.of(self.steps).action.desired().is_some())
    }
}

/// An unarchive is proposed right before the update of its segment.
fn unarchive_dependency(
    index: StepIndex,
    steps: &[ProposedStep<'_>],
) -> Option<(StepIndex, DependencyReason)> {
    let previous = index.previous()?;
    let (step, other) = (index.of(steps), previous.of(steps));
    let is_same = matches!(
        step.action,
        Action::Update(_) | Action::SyncCohort(_) | Action::UploadUserList(_)
    ) && matches!(other.action, Action::Unarchive(_))
        && other.remote.map(|remote| &remote.id) == step.remote.map(|remote| &remote.id);
    is_same.then_some((previous, DependencyReason::SameSegment))
}

/// For each remote segment, why its archive waits for other steps. The API may reject references to archived segments, so
/// an archive waits for both: steps that remove a reference, and steps that write one.
fn steps_referring_to(
    context: PlanContext<'_, '_>,
    steps: &[ProposedStep<'_>],
) -> HashMap<SegmentId, BTreeSet<(StepIndex, DependencyReason)>> {
    let mut referring: HashMap<SegmentId, BTreeSet<(StepIndex, DependencyReason)>> = HashMap::new();
    for index in StepIndex::all(steps) {
        let step = index.of(steps);
        let declared = step.declared.filter(|_| step.action.desired().is_some());
        let desired = declared.map(|segment| segment.contents.references());
        let written: BTreeSet<&SegmentId> = desired
            .into_iter()
            .flatten()
            .filter_map(|reference| context.matching.references.id_of(reference))
            .collect();
        if matches!(step.action, Action::Update(_) | Action::Archive(_)) {
            let remote = step.remote.into_iter();
            let current = remote.flat_map(|remote| context.remote_digests.referenced_segments(remote));
            for id in current.filter(|id| !written.contains(id)) {
                let edge = (index, DependencyReason::LastReference);
                referring.entry(id.clone()).or_default().insert(edge);
            }
        }
        for id in written {
            let edge = (index, DependencyReason::WrittenReference);
            referring.entry(id.clone()).or_default().insert(edge);
        }
    }
    referring
}
