//! The graph of dependencies between proposed steps, and how its cycles are broken.

use super::actions::ProposedStep;
use super::cycle_breaking::{CycleBreaker, RequiredRelease};
use super::matching::{Matching, declared_ref};
use super::step::{Action, Conflict, ResolvedReferences};
use super::uniqueness::UniquenessIndex;
use crate::definition::references::ReferenceSummary;
use crate::model::{ObservedWorkspace, Reference, SegmentId, SegmentName};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
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

pub(super) struct DependencyGraph<'a> {
    pub(super) steps: Vec<ProposedStep<'a>>,
    dependencies: Vec<BTreeSet<(usize, DependencyReason)>>,
    dependents: Vec<BTreeSet<usize>>,
    /// The number of steps without temporary ones.
    original_count: usize,
    /// The final step of each temporary one.
    final_step_of: Vec<usize>,
}

impl<'a> DependencyGraph<'a> {
    /// May contain cycles.
    pub(super) fn of(
        steps: Vec<ProposedStep<'a>>,
        uniqueness: &UniquenessIndex<'_>,
        matching: &Matching<'_>,
        observed: &ObservedWorkspace,
    ) -> Self {
        let by_name = steps_by_name(&steps);
        let referring = steps_referring_to(&steps, matching, uniqueness);
        let dependencies: Vec<BTreeSet<(usize, DependencyReason)>> = steps
            .iter()
            .enumerate()
            .map(|(index, step)| {
                let mut dependencies = BTreeSet::new();
                dependencies.extend(resource_dependencies(index, step, &steps, uniqueness));
                let workspace = (matching, observed, uniqueness);
                dependencies.extend(reference_dependencies(step, &steps, workspace, &by_name));
                dependencies.extend(unarchive_dependency(index, step, &steps));
                if let (Action::Archive(_), Some(remote)) = (&step.action, step.remote) {
                    dependencies.extend(referring.get(&remote.id).into_iter().flatten());
                }
                dependencies.retain(|(other, _)| *other != index);
                dependencies
            })
            .collect();
        Self {
            dependents: invert_dependencies(&dependencies),
            original_count: steps.len(),
            steps,
            dependencies,
            final_step_of: Vec::new(),
        }
    }

    pub(super) fn dependencies_of(&self, index: usize) -> BTreeSet<usize> {
        let dependencies = self.dependencies.get(index).into_iter().flatten();
        dependencies.map(|(other, _)| *other).collect()
    }

    /// A temporary step has the position of its final one.
    pub(super) fn position(&self, index: usize) -> usize {
        let temporary = index.checked_sub(self.original_count);
        temporary
            .and_then(|temporary| self.final_step_of.get(temporary))
            .copied()
            .unwrap_or(index)
    }

    /// Returns a conflict for each cycle that cannot be broken.
    pub(super) fn break_cycles(&mut self, breaker: &mut CycleBreaker<'_, '_>) -> Vec<Conflict> {
        let mut unbroken = Vec::new();
        let mut tried: BTreeSet<usize> = BTreeSet::new();
        let mut open = self.cycles(&(0..self.steps.len()).collect::<Vec<_>>());
        while let Some(cycle) = open.pop() {
            match self.break_cycle(&cycle, &mut tried, breaker) {
                Some(added) => {
                    let mut members = cycle;
                    members.push(added);
                    open.extend(self.cycles(&members));
                }
                None => unbroken.push(cycle),
            }
        }
        unbroken.iter().map(|cycle| self.cycle_conflict(cycle)).collect()
    }

    /// Splits the first step of a cycle that can be split; returns the index of the temporary step.
    fn break_cycle(
        &mut self,
        cycle: &[usize],
        tried: &mut BTreeSet<usize>,
        breaker: &mut CycleBreaker<'_, '_>,
    ) -> Option<usize> {
        let inside: BTreeSet<usize> = cycle.iter().copied().collect();
        for index in cycle.iter().copied() {
            if tried.contains(&index) || !self.waits_inside_cycle(index, &inside) {
                continue;
            }
            let step = self.steps.get(index)?;
            if step.action.temporary_change().is_some() {
                continue;
            }
            // Once per segment: a second split would free nothing more.
            tried.insert(index);
            let release = self.required_release(index, &inside);
            let unarchives = self.unarchives();
            let is_unarchived = |id: &SegmentId| unarchives.contains_key(id);
            if let Some((temporary, last, release)) = breaker.split(step, release, &is_unarchived) {
                let added = self.insert_temporary_step(index, (temporary, last), release);
                self.wait_for_unarchives(added, &unarchives, breaker.references);
                return Some(added);
            }
        }
        None
    }

    /// The steps that unarchive a segment and wait for nothing. A temporary definition may reference such a segment.
    fn unarchives(&self) -> HashMap<SegmentId, usize> {
        let steps = self.steps.iter().zip(&self.dependencies).enumerate();
        let unarchives = steps.filter_map(|(index, (step, dependencies))| {
            let is_unarchive = matches!(step.action, Action::Unarchive(_)) && dependencies.is_empty();
            is_unarchive.then_some((step.remote?.id.clone(), index))
        });
        unarchives.collect()
    }

    /// Lets a temporary step wait for the unarchives of the segments that it references.
    fn wait_for_unarchives(
        &mut self,
        temporary: usize,
        unarchives: &HashMap<SegmentId, usize>,
        references: &ResolvedReferences,
    ) {
        let Some(desired) = self.steps[temporary].action.desired() else {
            return;
        };
        for reference in ReferenceSummary::from_payload(desired.payload())
            .references
            .keys()
        {
            let id = references.id_of(reference);
            if let Some(unarchive) = id.and_then(|id| unarchives.get(id)) {
                self.dependencies[temporary].insert((*unarchive, DependencyReason::Reference));
                self.dependents[*unarchive].insert(temporary);
            }
        }
    }

    /// What the other steps of the cycle wait for.
    fn required_release(&self, index: usize, inside: &BTreeSet<usize>) -> RequiredRelease {
        let waits = |reason: DependencyReason| {
            let mut others = inside.iter().filter_map(|other| self.dependencies.get(*other));
            others.any(|dependencies| dependencies.contains(&(index, reason)))
        };
        let mut own = self.dependencies.get(index).into_iter().flatten();
        let desired_waits_for_cycle =
            own.any(|(other, reason)| *reason == DependencyReason::Reference && inside.contains(other));
        RequiredRelease {
            name: waits(DependencyReason::Name),
            // The desired definition removes the reference in any form.
            definition: waits(DependencyReason::Definition)
                || (waits(DependencyReason::LastReference) && !desired_waits_for_cycle),
            desired_waits_for_cycle,
        }
    }

    /// A temporary step helps only a step that waits for something inside the cycle.
    fn waits_inside_cycle(&self, index: usize, inside: &BTreeSet<usize>) -> bool {
        let dependencies = self.dependencies.get(index).into_iter().flatten();
        let mut inside = dependencies.filter(|(other, _)| inside.contains(other));
        inside.any(|(_, reason)| {
            matches!(
                reason,
                DependencyReason::Name | DependencyReason::Definition | DependencyReason::Reference
            )
        })
    }

    /// Inserts a temporary step before its final one. The steps that waited for what it frees wait for it now.
    fn insert_temporary_step(
        &mut self,
        index: usize,
        (temporary, last): (ProposedStep<'a>, ProposedStep<'a>),
        release: RequiredRelease,
    ) -> usize {
        let added = self.steps.len();
        let moves = |reason: DependencyReason| match reason {
            DependencyReason::Name => release.name,
            DependencyReason::Definition => release.definition,
            DependencyReason::LastReference => release.definition && !release.desired_waits_for_cycle,
            // The final step writes the reference, too.
            DependencyReason::Reference
            | DependencyReason::WrittenReference
            | DependencyReason::SameSegment => false,
        };
        let mut dependents = self.move_dependents(index, added, moves);
        let keeps = |reason: DependencyReason| match reason {
            DependencyReason::SameSegment => true,
            DependencyReason::Reference => release.definition && !release.desired_waits_for_cycle,
            DependencyReason::Name
            | DependencyReason::Definition
            | DependencyReason::LastReference
            | DependencyReason::WrittenReference => false,
        };
        dependents.insert(index);
        self.dependents.push(dependents);
        let mut inherited = BTreeSet::new();
        if let Some(dependencies) = self.dependencies.get_mut(index) {
            inherited.extend(dependencies.iter().copied().filter(|(_, reason)| keeps(*reason)));
            dependencies.insert((added, DependencyReason::SameSegment));
        }
        for (other, _) in &inherited {
            if let Some(dependents) = self.dependents.get_mut(*other) {
                dependents.insert(added);
            }
        }
        self.dependencies.push(inherited);
        if let Some(step) = self.steps.get_mut(index) {
            *step = last;
        }
        self.steps.push(temporary);
        self.final_step_of.push(index);
        added
    }

    /// Returns the steps that wait for `to` now.
    fn move_dependents(
        &mut self,
        from: usize,
        to: usize,
        moves: impl Fn(DependencyReason) -> bool,
    ) -> BTreeSet<usize> {
        let mut moved = BTreeSet::new();
        for dependent in self.dependents.get(from).cloned().unwrap_or_default() {
            let Some(dependencies) = self.dependencies.get_mut(dependent) else {
                continue;
            };
            let edges = dependencies.extract_if(.., |(other, reason)| *other == from && moves(*reason));
            let reasons: Vec<_> = edges.map(|(_, reason)| reason).collect();
            for reason in reasons {
                dependencies.insert((to, reason));
                moved.insert(dependent);
            }
        }
        moved
    }

    /// The cycles among `members`, each in the order of the steps.
    fn cycles(&self, members: &[usize]) -> Vec<Vec<usize>> {
        let mut graph = DiGraph::<usize, ()>::new();
        let nodes: BTreeMap<usize, NodeIndex> = members
            .iter()
            .map(|index| (*index, graph.add_node(*index)))
            .collect();
        for (index, node) in &nodes {
            for (other, _) in self.dependencies.get(*index).into_iter().flatten() {
                if let Some(from) = nodes.get(other) {
                    graph.add_edge(*from, *node, ());
                }
            }
        }
        let components = tarjan_scc(&graph).into_iter();
        components
            .filter(|component| component.len() > 1)
            .map(|cycle| {
                let members = cycle.iter().filter_map(|node| graph.node_weight(*node).copied());
                let mut members: Vec<usize> = members.collect();
                members.sort_unstable();
                members
            })
            .collect()
    }

    fn cycle_conflict(&self, cycle: &[usize]) -> Conflict {
        let segments = cycle.iter().filter_map(|index| self.steps.get(*index)?.declared);
        let mut segments: Vec<_> = segments.map(declared_ref).collect();
        segments.dedup();
        let waiting = self.waiting_for(cycle).into_iter();
        let waiting: BTreeSet<&SegmentName> = waiting
            .filter_map(|index| Some(self.steps.get(index)?.name))
            .collect();
        Conflict::Cycle {
            waiting: waiting
                .into_iter()
                .filter(|name| !segments.iter().any(|segment| segment.name == **name))
                .cloned()
                .collect(),
            segments,
        }
    }

    /// The steps that wait for a step of the cycle, directly or indirectly. Like the cycle, they are not in the plan.
    fn waiting_for(&self, cycle: &[usize]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = cycle.to_vec();
        while let Some(index) = open.pop() {
            let dependents = self.dependents.get(index).into_iter().flatten();
            open.extend(dependents.filter(|dependent| found.insert(**dependent)));
        }
        found
    }
}

fn invert_dependencies(dependencies: &[BTreeSet<(usize, DependencyReason)>]) -> Vec<BTreeSet<usize>> {
    let mut inverted = vec![BTreeSet::new(); dependencies.len()];
    for (index, dependencies) in dependencies.iter().enumerate() {
        for (other, _) in dependencies {
            if let Some(dependents) = inverted.get_mut(*other) {
                dependents.insert(index);
            }
        }
    }
    inverted
}

fn steps_by_name<'a>(steps: &[ProposedStep<'a>]) -> HashMap<&'a SegmentName, Vec<usize>> {
    let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        // References by name mean declared names.
        if step.declared.is_some() {
            by_name.entry(step.name).or_default().push(index);
        }
    }
    by_name
}

/// A name or a definition is available after the step that frees it.
fn resource_dependencies(
    index: usize,
    step: &ProposedStep<'_>,
    steps: &[ProposedStep<'_>],
    uniqueness: &UniquenessIndex<'_>,
) -> Vec<(usize, DependencyReason)> {
    let holder = uniqueness.name_holder(step);
    let name_release = holder.and_then(|remote| uniqueness.step_releasing_name(remote, steps));
    let mut dependencies = Vec::from_iter(name_release.map(|other| (other, DependencyReason::Name)));
    // Equivalent definitions too: the API does not document which of them it considers equal.
    for remote in uniqueness.equivalent_definition_holders(step) {
        let release = uniqueness
            .step_releasing_equivalents(remote, steps)
            .or_else(|| uniqueness.step_releasing_definition(remote, steps));
        let release = release.filter(|other| *other != index);
        dependencies.extend(release.map(|other| (other, DependencyReason::Definition)));
    }
    dependencies
}

/// Referenced segments come first: their ids must be known, the API checks its limits at every write, and the members
/// are then correct from the start.
fn reference_dependencies(
    step: &ProposedStep<'_>,
    steps: &[ProposedStep<'_>],
    workspace: (&Matching<'_>, &ObservedWorkspace, &UniquenessIndex<'_>),
    by_name: &HashMap<&SegmentName, Vec<usize>>,
) -> Vec<(usize, DependencyReason)> {
    let action = |index: usize| steps.get(index).map(|step| &step.action);
    let writes = |index: &usize| action(*index).is_some_and(|action| action.desired().is_some());
    let is_written = |name: &SegmentName| by_name.get(name).is_some_and(|steps| steps.iter().any(writes));
    let names = referenced_names(step, workspace, is_written);
    let referenced = names.iter().filter_map(|name| by_name.get(name)).flatten();
    referenced
        .filter(|index| !matches!(action(**index), Some(Action::Archive(_))))
        .map(|index| (*index, DependencyReason::Reference))
        .collect()
}

/// The declared names that a step's definition references, also through remote segments that the plan does not change.
/// Such a segment may reference the step's segment until another step removes that reference.
fn referenced_names(
    step: &ProposedStep<'_>,
    (matching, observed, uniqueness): (&Matching<'_>, &ObservedWorkspace, &UniquenessIndex<'_>),
    is_written: impl Fn(&SegmentName) -> bool,
) -> BTreeSet<SegmentName> {
    let Some(segment) = step.declared.filter(|_| step.action.desired().is_some()) else {
        return BTreeSet::new();
    };
    let mut names = BTreeSet::new();
    let mut seen: BTreeSet<SegmentId> = BTreeSet::new();
    let mut open: Vec<SegmentId> = Vec::new();
    for reference in segment.contents.references() {
        match reference {
            Reference::Id { id, .. } => open.push(id.clone()),
            Reference::Name(name) => {
                names.insert(name.clone());
                open.extend(matching.references.ids_by_name.get(name).cloned());
            }
        }
    }
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let name = matching.references.identities.declared_by_id.get(&id);
        names.extend(name.cloned());
        // A written segment waits for its own references; the others keep their current definition.
        if !name.is_some_and(&is_written)
            && let Some(remote) = observed.segments.get(&id)
        {
            open.extend(uniqueness.referenced_segments(remote).iter().cloned());
        }
    }
    names.remove(step.name);
    names
}

/// An unarchive is proposed right before the update of its segment.
fn unarchive_dependency(
    index: usize,
    step: &ProposedStep<'_>,
    steps: &[ProposedStep<'_>],
) -> Option<(usize, DependencyReason)> {
    let previous = index.checked_sub(1)?;
    let other = steps.get(previous)?;
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
    steps: &[ProposedStep<'_>],
    matching: &Matching<'_>,
    uniqueness: &UniquenessIndex<'_>,
) -> HashMap<SegmentId, BTreeSet<(usize, DependencyReason)>> {
    let mut referring: HashMap<SegmentId, BTreeSet<(usize, DependencyReason)>> = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        let declared = step.declared.filter(|_| step.action.desired().is_some());
        let desired = declared.map(|segment| segment.contents.references());
        let written: BTreeSet<&SegmentId> = desired
            .into_iter()
            .flatten()
            .filter_map(|reference| matching.references.id_of(reference))
            .collect();
        if matches!(step.action, Action::Update(_) | Action::Archive(_)) {
            let current = step.remote.map(|remote| uniqueness.referenced_segments(remote));
            for id in current.into_iter().flatten().filter(|id| !written.contains(id)) {
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
