//! What has to come before what: a graph over drafts, and the circles in it broken.

use super::actions::ProposedStep;
use super::cycle_breaking::{CycleBreaker, RequiredRelease};
use super::matching::{Matching, declared_ref};
use super::step::{Action, Conflict};
use super::uniqueness::UniquenessIndex;
use crate::model::{ObservedSegment, ObservedWorkspace, Reference, SegmentId, SegmentName};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Why one draft comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DependencyReason {
    /// It gives up the name that the other takes.
    Name,
    /// It gives up the definition that the other takes.
    Definition,
    /// It drops a reference to the segment that the other puts away.
    LastReference,
    /// The other refers to its segment.
    Reference,
    /// It takes out the segment that the other changes.
    SameSegment,
}

/// Drafts with what has to come before each.
pub(super) struct DependencyGraph<'a> {
    pub(super) steps: Vec<ProposedStep<'a>>,
    /// For each draft, the drafts that come before it.
    dependencies: Vec<BTreeSet<(usize, DependencyReason)>>,
    /// For each draft, the drafts that come after it.
    dependents: Vec<BTreeSet<usize>>,
    /// How many drafts there were before circles were broken.
    original_count: usize,
    /// The final draft of each passing one.
    final_step_of: Vec<usize>,
}

impl<'a> DependencyGraph<'a> {
    /// The graph of `drafts`, with circles.
    pub(super) fn of(
        drafts: Vec<ProposedStep<'a>>,
        holdings: &UniquenessIndex<'_>,
        matches: &Matching<'_>,
        observed: &ObservedWorkspace,
    ) -> Self {
        let by_name = steps_by_name(&drafts);
        let referring = steps_referring_to(&drafts, matches, holdings);
        let before: Vec<BTreeSet<(usize, DependencyReason)>> = drafts
            .iter()
            .enumerate()
            .map(|(index, draft)| {
                let mut before = BTreeSet::new();
                before.extend(resource_dependencies(index, draft, &drafts, holdings));
                let scene = (matches, observed, holdings);
                before.extend(reference_dependencies(draft, &drafts, scene, &by_name));
                before.extend(unarchive_dependency(index, draft, &drafts));
                if let (Action::Archive(_), Some(live)) = (&draft.action, draft.remote) {
                    let last = referring.get(&live.id).into_iter().flatten();
                    before.extend(last.map(|other| (*other, DependencyReason::LastReference)));
                }
                before.retain(|(other, _)| *other != index);
                before
            })
            .collect();
        Self {
            dependents: invert_dependencies(&before),
            original_count: drafts.len(),
            steps: drafts,
            dependencies: before,
            final_step_of: Vec::new(),
        }
    }

    /// The drafts that come before one.
    pub(super) fn dependencies_of(&self, index: usize) -> BTreeSet<usize> {
        let before = self.dependencies.get(index).into_iter().flatten();
        before.map(|(other, _)| *other).collect()
    }

    /// The place of a draft among those of all segments: a passing one stands where its final one does.
    pub(super) fn position(&self, index: usize) -> usize {
        let passing = index.checked_sub(self.original_count);
        passing
            .and_then(|passing| self.final_step_of.get(passing))
            .copied()
            .unwrap_or(index)
    }

    /// Breaks every circle with passing drafts; those that none can break are conflicts.
    pub(super) fn break_cycles(&mut self, breaker: &mut CycleBreaker<'_, '_>) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        let mut refused: BTreeSet<usize> = BTreeSet::new();
        let mut open = self.cycles(&(0..self.steps.len()).collect::<Vec<_>>());
        while let Some(circle) = open.pop() {
            match self.break_cycle(&circle, &mut refused, breaker) {
                Some(added) => {
                    let mut members = circle;
                    members.push(added);
                    open.extend(self.cycles(&members));
                }
                None => conflicts.push(self.cycle_conflict(&circle)),
            }
        }
        conflicts
    }

    /// Splits the first draft of a circle that can pass; the number of the draft that this adds.
    fn break_cycle(
        &mut self,
        circle: &[usize],
        refused: &mut BTreeSet<usize>,
        breaker: &mut CycleBreaker<'_, '_>,
    ) -> Option<usize> {
        let inside: BTreeSet<usize> = circle.iter().copied().collect();
        for index in circle.iter().copied() {
            let need = self.required_release(index, &inside);
            if refused.contains(&index) || !self.waits_inside_cycle(index, &inside) {
                continue;
            }
            let draft = self.steps.get(index)?;
            if draft.action.temporary_change().is_some() {
                continue;
            }
            if let Some((first, last, need)) = breaker.split(draft, need) {
                // Once is enough for a segment: what it gives up is given up.
                refused.insert(index);
                return Some(self.insert_temporary_step(index, (first, last), need));
            }
            refused.insert(index);
        }
        None
    }

    /// What others in the circle wait for one to give up.
    fn required_release(&self, index: usize, inside: &BTreeSet<usize>) -> RequiredRelease {
        let waits = |why: DependencyReason| {
            let followers = inside.iter().filter_map(|other| self.dependencies.get(*other));
            followers.into_iter().any(|before| before.contains(&(index, why)))
        };
        let own = self.dependencies.get(index);
        let wanted_waits = own
            .into_iter()
            .flatten()
            .any(|(other, why)| *why == DependencyReason::Reference && inside.contains(other));
        RequiredRelease {
            name: waits(DependencyReason::Name),
            // A reference that holds up an archive is dropped by storing the wanted definition in any form.
            definition: waits(DependencyReason::Definition)
                || (waits(DependencyReason::LastReference) && !wanted_waits),
            desired_waits_for_cycle: wanted_waits,
        }
    }

    /// Whether one waits for a name or a definition inside the circle: otherwise passing would not help it.
    fn waits_inside_cycle(&self, index: usize, inside: &BTreeSet<usize>) -> bool {
        let before = self.dependencies.get(index).into_iter().flatten();
        let mut taken = before.filter(|(other, _)| inside.contains(other));
        taken.any(|(_, why)| {
            matches!(
                why,
                DependencyReason::Name | DependencyReason::Definition | DependencyReason::Reference
            )
        })
    }

    /// Puts a passing draft before its final one. Those who waited for what it gives up wait for it from now on.
    fn insert_temporary_step(
        &mut self,
        index: usize,
        (first, last): (ProposedStep<'a>, ProposedStep<'a>),
        need: RequiredRelease,
    ) -> usize {
        let added = self.steps.len();
        let moves = |why: DependencyReason| match why {
            DependencyReason::Name => need.name,
            DependencyReason::Definition => need.definition,
            DependencyReason::LastReference => need.definition && !need.desired_waits_for_cycle,
            DependencyReason::Reference | DependencyReason::SameSegment => false,
        };
        let mut followers = self.move_dependents(index, added, moves);
        let keeps = |why: DependencyReason| match why {
            DependencyReason::SameSegment => true,
            DependencyReason::Reference => need.definition && !need.desired_waits_for_cycle,
            DependencyReason::Name | DependencyReason::Definition | DependencyReason::LastReference => false,
        };
        let own = self.dependencies.get_mut(index);
        followers.insert(index);
        self.dependents.push(followers);
        let inherited = own
            .as_ref()
            .map(|before| before.iter().copied().filter(|(_, why)| keeps(*why)).collect());
        if let Some(before) = own {
            before.insert((added, DependencyReason::SameSegment));
        }
        let inherited: BTreeSet<(usize, DependencyReason)> = inherited.unwrap_or_default();
        for (other, _) in &inherited {
            if let Some(after) = self.dependents.get_mut(*other) {
                after.insert(added);
            }
        }
        self.dependencies.push(inherited);
        if let Some(draft) = self.steps.get_mut(index) {
            *draft = last;
        }
        self.steps.push(first);
        self.final_step_of.push(index);
        added
    }

    /// Has those who wait for a draft for a reason that moves wait for another; who they are.
    fn move_dependents(
        &mut self,
        from: usize,
        to: usize,
        moves: impl Fn(DependencyReason) -> bool,
    ) -> BTreeSet<usize> {
        let mut moved = BTreeSet::new();
        for follower in self.dependents.get(from).cloned().unwrap_or_default() {
            let Some(before) = self.dependencies.get_mut(follower) else {
                continue;
            };
            let edges = before.iter().copied();
            let edges: Vec<_> = edges
                .filter(|(other, why)| *other == from && moves(*why))
                .collect();
            for (other, why) in edges {
                before.remove(&(other, why));
                before.insert((to, why));
                moved.insert(follower);
            }
        }
        moved
    }

    /// Circles among `members`, the members of each in the order of the drafts.
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
        let circles = tarjan_scc(&graph).into_iter().filter(|circle| circle.len() > 1);
        circles
            .map(|circle| {
                let members = circle.iter().filter_map(|node| graph.node_weight(*node).copied());
                let mut members: Vec<usize> = members.collect();
                members.sort_unstable();
                members
            })
            .collect()
    }

    fn cycle_conflict(&self, circle: &[usize]) -> Conflict {
        let segments = circle.iter().filter_map(|index| self.steps.get(*index)?.declared);
        let mut segments: Vec<_> = segments.map(declared_ref).collect();
        segments.dedup();
        Conflict::Cycle { segments }
    }
}

/// The graph the other way round.
fn invert_dependencies(before: &[BTreeSet<(usize, DependencyReason)>]) -> Vec<BTreeSet<usize>> {
    let mut after = vec![BTreeSet::new(); before.len()];
    for (index, before) in before.iter().enumerate() {
        for (other, _) in before {
            if let Some(followers) = after.get_mut(*other) {
                followers.insert(index);
            }
        }
    }
    after
}

fn steps_by_name<'a>(drafts: &[ProposedStep<'a>]) -> HashMap<&'a SegmentName, Vec<usize>> {
    let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        // The live name of a segment without a file is not what files mean by that name.
        if draft.declared.is_some() {
            by_name.entry(draft.name).or_default().push(index);
        }
    }
    by_name
}

/// A name or definition is free only when its holder has given it up.
fn resource_dependencies(
    index: usize,
    draft: &ProposedStep<'_>,
    drafts: &[ProposedStep<'_>],
    holdings: &UniquenessIndex<'_>,
) -> Vec<(usize, DependencyReason)> {
    let name = holdings.name_holder(draft);
    let name = name.and_then(|live| holdings.step_releasing_name(live, drafts));
    let mut before: Vec<_> = name
        .map(|other| (other, DependencyReason::Name))
        .into_iter()
        .collect();
    // In every form: whether the service tells forms apart is not documented.
    for live in holdings.equivalent_definition_holders(draft) {
        let free = |live: &ObservedSegment| {
            holdings
                .step_releasing_equivalents(live, drafts)
                .or_else(|| holdings.step_releasing_definition(live, drafts))
        };
        before.extend(
            free(live)
                .filter(|other| *other != index)
                .map(|other| (other, DependencyReason::Definition)),
        );
    }
    before
}

/// Referenced before referencing: the id has to be known, the limits hold for what is stored at that moment, and
/// members should be right from the first run on.
fn reference_dependencies(
    draft: &ProposedStep<'_>,
    drafts: &[ProposedStep<'_>],
    scene: (&Matching<'_>, &ObservedWorkspace, &UniquenessIndex<'_>),
    by_name: &HashMap<&SegmentName, Vec<usize>>,
) -> Vec<(usize, DependencyReason)> {
    let stores = |index: &usize| {
        drafts
            .get(*index)
            .is_some_and(|draft| draft.action.desired().is_some())
    };
    let is_stored = |name: &SegmentName| by_name.get(name).is_some_and(|drafts| drafts.iter().any(stores));
    let names = referenced_names(draft, scene, is_stored);
    let steps = names.iter().filter_map(|name| by_name.get(name)).flatten();
    steps
        .filter(|index| {
            let action = drafts.get(**index).map(|draft| &draft.action);
            !matches!(action, Some(Action::Archive(_)))
        })
        .map(|index| (*index, DependencyReason::Reference))
        .collect()
}

/// The declared names that a draft's definition refers to, also through live segments that the plan leaves as they are:
/// those may refer back to it until the declared one drops that reference.
fn referenced_names(
    draft: &ProposedStep<'_>,
    (matches, observed, holdings): (&Matching<'_>, &ObservedWorkspace, &UniquenessIndex<'_>),
    is_stored: impl Fn(&SegmentName) -> bool,
) -> BTreeSet<SegmentName> {
    let Some(segment) = draft.declared.filter(|_| draft.action.desired().is_some()) else {
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
                open.extend(matches.references.ids_by_name.get(name).cloned());
            }
        }
    }
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let name = matches.references.identities.declared_by_id.get(&id);
        names.extend(name.cloned());
        // What is stored as its file says waits for what that refers to; everything else keeps what it has.
        if !name.is_some_and(&is_stored) {
            let live = observed.segments.get(&id);
            open.extend(
                live.into_iter()
                    .flat_map(|live| holdings.referenced_segments(live))
                    .cloned(),
            );
        }
    }
    names.remove(draft.name);
    names
}

/// An archived segment refuses updates, and its unarchive is drafted right before its update.
fn unarchive_dependency(
    index: usize,
    draft: &ProposedStep<'_>,
    drafts: &[ProposedStep<'_>],
) -> Option<(usize, DependencyReason)> {
    let before = index.checked_sub(1)?;
    let other = drafts.get(before)?;
    let is_same = matches!(
        draft.action,
        Action::Update(_) | Action::SyncCohort(_) | Action::UploadUserList(_)
    ) && matches!(other.action, Action::Unarchive(_))
        && other.remote.map(|live| &live.id) == draft.remote.map(|live| &live.id);
    is_same.then_some((before, DependencyReason::SameSegment))
}

/// For each live segment, the drafts after which nothing that the plan changes refers to it, or refers to it for
/// good: a service that refuses references to archived segments has to be asked before.
fn steps_referring_to(
    drafts: &[ProposedStep<'_>],
    matches: &Matching<'_>,
    holdings: &UniquenessIndex<'_>,
) -> HashMap<SegmentId, Vec<usize>> {
    let mut referring: HashMap<SegmentId, Vec<usize>> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        if matches!(draft.action, Action::Update(_) | Action::Archive(_)) {
            for id in draft
                .remote
                .into_iter()
                .flat_map(|live| holdings.referenced_segments(live))
            {
                referring.entry(id.clone()).or_default().push(index);
            }
        }
        let declared = draft.declared.filter(|_| draft.action.desired().is_some());
        for reference in declared
            .map(|segment| segment.contents.references())
            .unwrap_or_default()
        {
            let id = match reference {
                Reference::Name(name) => matches.references.ids_by_name.get(name),
                Reference::Id { id, .. } => Some(id),
            };
            if let Some(id) = id {
                referring.entry(id.clone()).or_default().push(index);
            }
        }
    }
    referring
}
