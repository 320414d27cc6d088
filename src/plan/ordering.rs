//! The order of the steps: deterministic, and within the limit of active segments.

use super::actions::{ProposedStep, StepIndex};
use super::active_slots::ActiveSlots;
use super::dependencies::DependencyGraph;
use super::step::Step;
use std::collections::{BTreeMap, BTreeSet};

/// Near the limit of active segments, archives come early. The steps of unbroken cycles, and those that wait for them, are
/// excluded.
pub(super) fn order(graph: DependencyGraph<'_>, slots: ActiveSlots) -> Vec<Step> {
    let sequence = TopologicalSort::new(&graph, slots).run();
    let number_of: BTreeMap<StepIndex, usize> = sequence.iter().copied().zip(1..).collect();
    let steps = sequence.iter().map(|index| {
        let ProposedStep {
            name,
            declared,
            adopts,
            action,
            ..
        } = index.of(&graph.steps).clone();
        // Every dependency comes earlier.
        let depends_on: BTreeSet<usize> = graph
            .dependencies_of(*index)
            .map(|dependency| number_of[&dependency])
            .collect();
        Step {
            number: number_of[index],
            segment: name.clone(),
            origin: declared.map(|segment| segment.origin.clone()),
            protect: declared.is_some_and(|segment| segment.protect),
            previous_names: declared.map_or_else(Vec::new, |segment| segment.previous_names.clone()),
            adopts,
            required_by: Vec::new(),
            frees_slot_for: None,
            depends_on: depends_on.into_iter().collect(),
            action,
        }
    });
    let mut steps: Vec<Step> = steps.collect();
    slots.assign(&mut steps);
    steps
}

struct TopologicalSort<'s, 'a> {
    graph: &'s DependencyGraph<'a>,
    sequence: Vec<StepIndex>,
    pending_dependencies: BTreeMap<StepIndex, usize>,
    /// With the rank and the position.
    ready: BTreeSet<(Rank, StepIndex, StepIndex)>,
    /// Whether the plan can reach the limit; otherwise archives need not come early.
    is_near_limit: bool,
    /// Steps that an archive waits for.
    precedes_archive: BTreeSet<StepIndex>,
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

impl<'s, 'a> TopologicalSort<'s, 'a> {
    fn new(graph: &'s DependencyGraph<'a>, slots: ActiveSlots) -> Self {
        let steps = graph.steps.iter();
        let added = steps.filter(|step| step.action.adds_active_segment()).count();
        let is_near_limit = slots.may_run_out(added);
        let indices = StepIndex::all(&graph.steps);
        Self {
            graph,
            sequence: Vec::with_capacity(graph.steps.len()),
            pending_dependencies: indices
                .map(|index| (index, graph.dependencies_of(index).count()))
                .collect(),
            ready: BTreeSet::new(),
            is_near_limit,
            precedes_archive: if is_near_limit {
                steps_before_archives(graph)
            } else {
                BTreeSet::new()
            },
        }
    }

    fn run(mut self) -> Vec<StepIndex> {
        let pending = self.pending_dependencies.iter();
        let first: Vec<StepIndex> = pending
            .filter(|(_, count)| **count == 0)
            .map(|(index, _)| *index)
            .collect();
        first.into_iter().for_each(|index| self.mark_ready(index));
        while let Some((_, _, next)) = self.ready.pop_first() {
            self.sequence.push(next);
            for dependent in self.graph.dependents_of(next) {
                let count = self.pending_dependencies.entry(dependent).or_default();
                *count -= 1;
                if *count == 0 {
                    self.mark_ready(dependent);
                }
            }
        }
        self.sequence
    }

    fn mark_ready(&mut self, index: StepIndex) {
        let action = &index.of(&self.graph.steps).action;
        let precedes_archive = self.precedes_archive.contains(&index);
        let rank = match (action.adds_active_segment(), precedes_archive) {
            _ if !self.is_near_limit => Rank::Neutral,
            _ if action.removes_active_segment() => Rank::Archives,
            (true, true) => Rank::AddsBeforeArchive,
            (true, false) => Rank::Adds,
            (false, true) => Rank::PrecedesArchive,
            (false, false) => Rank::Neutral,
        };
        // A temporary step has the position of its final one.
        self.ready.insert((rank, self.graph.position(index), index));
    }
}

fn steps_before_archives(graph: &DependencyGraph<'_>) -> BTreeSet<StepIndex> {
    let removes = |index: &StepIndex| index.of(&graph.steps).action.removes_active_segment();
    let mut open: Vec<StepIndex> = StepIndex::all(&graph.steps).filter(removes).collect();
    let mut found = BTreeSet::new();
    while let Some(index) = open.pop() {
        let dependencies = graph.dependencies_of(index);
        open.extend(dependencies.filter(|dependency| found.insert(*dependency)));
    }
    found
}
