//! The order of the steps: deterministic, and within the limit of active segments.

use super::actions::ProposedStep;
use super::dependencies::DependencyGraph;
use super::step::{Conflict, Step};
use std::collections::{BTreeMap, BTreeSet};

/// `active` segments exist before the first step; at most `limit` may exist. Near the limit, archives come early.
pub(super) fn order(graph: DependencyGraph<'_>, active: usize, limit: usize) -> Vec<Step> {
    let mut sort = TopologicalSort::new(&graph, active, limit);
    sort.run(&graph);
    let TopologicalSort {
        sequence,
        dependencies,
        ..
    } = sort;
    let numbers = sequence.iter().enumerate();
    let number_of: BTreeMap<usize, usize> = numbers.map(|(position, index)| (*index, position + 1)).collect();
    let mut proposed: Vec<Option<ProposedStep<'_>>> = graph.steps.into_iter().map(Some).collect();
    let step = |index: usize| {
        let proposed = proposed.get_mut(index)?.take()?;
        let dependencies = dependencies.get(&index).into_iter().flatten();
        let depends_on: BTreeSet<usize> = dependencies
            .filter_map(|dependency| number_of.get(dependency).copied())
            .collect();
        Some(Step {
            number: *number_of.get(&index)?,
            segment: proposed.name.clone(),
            origin: proposed.origin().cloned(),
            protect: proposed.declared.is_some_and(|segment| segment.protect),
            previous_names: proposed
                .declared
                .map_or_else(Vec::new, |segment| segment.previous_names.clone()),
            adopts: proposed.adopts,
            required_by: Vec::new(),
            frees_slot_for: None,
            depends_on: depends_on.into_iter().collect(),
            action: proposed.action,
        })
    };
    let mut steps: Vec<Step> = sequence.into_iter().filter_map(step).collect();
    assign_freed_slots(&mut steps, active, limit);
    steps
}

/// Lets each step that exceeds the limit wait for an archive of its own: if one archive fails, the other steps still fit.
/// The pairs follow from the selected steps, so a part of a plan has its own pairs.
pub(super) fn assign_freed_slots(steps: &mut [Step], active: usize, limit: usize) {
    let free_slots = limit.saturating_sub(active);
    // The first archives free no slot if the limit was lowered, or if the dashboard does not enforce it.
    let excess = active.saturating_sub(limit);
    let mut added = 0;
    let mut archives: Vec<usize> = Vec::new();
    let mut pairs = Vec::new();
    let mut waits = Vec::new();
    for (position, step) in steps.iter().enumerate() {
        if step.action.removes_active_segment() {
            archives.push(position);
        }
        if step.action.adds_active_segment() {
            let needed = usize::checked_sub(added, free_slots);
            if let Some(archive) = needed.and_then(|needed| archives.get(excess + needed)) {
                pairs.push((*archive, position));
                waits.extend(archives.iter().take(excess).map(|archive| (*archive, position)));
            }
            added += 1;
        }
    }
    for step in &mut *steps {
        step.frees_slot_for = None;
    }
    for (archive, position) in pairs {
        let name = steps.get(position).map(|step| step.segment.clone());
        if let Some(step) = steps.get_mut(archive) {
            step.frees_slot_for = name;
        }
        waits.push((archive, position));
    }
    for (archive, position) in waits {
        let number = steps.get(archive).map(|step| step.number);
        if let (Some(step), Some(number)) = (steps.get_mut(position), number)
            && let Err(index) = step.depends_on.binary_search(&number)
        {
            step.depends_on.insert(index, number);
        }
    }
}

pub(super) fn active_limit_conflict(steps: &[Step], mut active: usize, limit: usize) -> Option<Conflict> {
    let mut maximum = 0;
    for step in steps {
        if step.action.adds_active_segment() {
            active += 1;
            maximum = maximum.max(active);
        }
        if step.action.removes_active_segment() {
            active = active.saturating_sub(1);
        }
    }
    (maximum > limit).then_some(Conflict::ActiveLimit {
        count: maximum,
        limit,
    })
}

struct TopologicalSort {
    sequence: Vec<usize>,
    dependencies: BTreeMap<usize, BTreeSet<usize>>,
    dependents: BTreeMap<usize, Vec<usize>>,
    pending_dependencies: Vec<usize>,
    ready: BTreeSet<(Rank, usize, usize)>,
    /// Whether the plan can reach the limit; otherwise archives need not come early.
    is_near_limit: bool,
    /// Steps that an archive waits for.
    precedes_archive: BTreeSet<usize>,
}

/// The priority among the steps that could be next. Near the limit, steps that free slots come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Archives,
    PrecedesArchive,
    Neutral,
    AddsBeforeArchive,
    Adds,
}

impl TopologicalSort {
    fn new(graph: &DependencyGraph<'_>, active: usize, limit: usize) -> Self {
        let dependencies: BTreeMap<usize, BTreeSet<usize>> = (0..graph.steps.len())
            .map(|index| (index, graph.dependencies_of(index)))
            .collect();
        let mut dependents: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, dependencies) in &dependencies {
            for dependency in dependencies {
                dependents.entry(*dependency).or_default().push(*index);
            }
        }
        let steps = graph.steps.iter();
        let added = steps.filter(|step| step.action.adds_active_segment()).count();
        let mut sort = Self {
            sequence: Vec::with_capacity(graph.steps.len()),
            pending_dependencies: dependencies.values().map(BTreeSet::len).collect(),
            dependencies,
            dependents,
            ready: BTreeSet::new(),
            is_near_limit: added > 0 && active + added > limit,
            precedes_archive: BTreeSet::new(),
        };
        if sort.is_near_limit {
            sort.precedes_archive = sort.steps_before_archives(graph);
        }
        sort
    }

    fn steps_before_archives(&self, graph: &DependencyGraph<'_>) -> BTreeSet<usize> {
        let steps = graph.steps.iter().enumerate();
        let mut open: Vec<usize> = steps
            .filter(|(_, step)| step.action.removes_active_segment())
            .map(|(index, _)| index)
            .collect();
        let mut found = BTreeSet::new();
        while let Some(index) = open.pop() {
            let dependencies = self.dependencies.get(&index).into_iter().flatten();
            open.extend(dependencies.filter(|dependency| found.insert(**dependency)));
        }
        found
    }

    fn run(&mut self, graph: &DependencyGraph<'_>) {
        for index in 0..graph.steps.len() {
            if self.pending_dependencies.get(index) == Some(&0) {
                self.mark_ready(graph, index);
            }
        }
        while let Some((_, _, next)) = self.ready.pop_first() {
            self.sequence.push(next);
            for dependent in self.dependents.remove(&next).unwrap_or_default() {
                if let Some(count) = self.pending_dependencies.get_mut(dependent) {
                    *count -= 1;
                    if *count == 0 {
                        self.mark_ready(graph, dependent);
                    }
                }
            }
        }
    }

    fn mark_ready(&mut self, graph: &DependencyGraph<'_>, index: usize) {
        let Some(step) = graph.steps.get(index) else {
            return;
        };
        let precedes_archive = self.precedes_archive.contains(&index);
        let rank = match (step.action.adds_active_segment(), precedes_archive) {
            _ if !self.is_near_limit => Rank::Neutral,
            _ if step.action.removes_active_segment() => Rank::Archives,
            (true, true) => Rank::AddsBeforeArchive,
            (true, false) => Rank::Adds,
            (false, true) => Rank::PrecedesArchive,
            (false, false) => Rank::Neutral,
        };
        // A temporary step has the position of its final one.
        self.ready.insert((rank, graph.position(index), index));
    }
}
