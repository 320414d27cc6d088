//! The order of steps: one way through the graph, the same every time, that never has more segments in use than fit.

use super::actions::ProposedStep;
use super::dependencies::DependencyGraph;
use super::step::{Conflict, Step};
use std::collections::{BTreeMap, BTreeSet};

/// The drafts as numbered steps, each after all that it depends on. `active` is how many segments are in use before the
/// first step, and `limit` how many may be; archives come early where it is near.
pub(super) fn order(graph: DependencyGraph<'_>, active: usize, limit: usize) -> Vec<Step> {
    let mut walk = TopologicalSort::new(&graph, active, limit);
    walk.run(&graph);
    let TopologicalSort {
        sequence,
        dependencies: mut needs,
        ..
    } = walk;
    let number_of: BTreeMap<usize, usize> = sequence
        .iter()
        .enumerate()
        .map(|(place, index)| (*index, place + 1))
        .collect();
    let mut drafts: Vec<Option<ProposedStep<'_>>> = graph.steps.into_iter().map(Some).collect();
    let step = |index: usize| {
        let draft = drafts.get_mut(index)?.take()?;
        let needs = needs.remove(&index).unwrap_or_default();
        let depends_on: BTreeSet<usize> = needs
            .iter()
            .filter_map(|need| number_of.get(need).copied())
            .collect();
        Some(Step {
            number: *number_of.get(&index)?,
            segment: draft.name.clone(),
            origin: draft.origin().cloned(),
            protect: draft.declared.is_some_and(|segment| segment.protect),
            adopts: draft.adopts,
            required_by: Vec::new(),
            frees_slot_for: None,
            depends_on: depends_on.into_iter().collect(),
            action: draft.action,
        })
    };
    let mut steps: Vec<Step> = sequence.into_iter().filter_map(step).collect();
    assign_freed_slots(&mut steps, active, limit);
    steps
}

/// Has steps that put segments into use wait for archives, where there is not room enough without them.
///
/// Each that does not fit has an archive of its own that makes room for it: where that fails, the others fit. Who has which
/// follows from the steps that are there, so that a part of a plan has its own.
pub(super) fn assign_freed_slots(steps: &mut [Step], active: usize, limit: usize) {
    let room_at_first = limit.saturating_sub(active);
    // A limit that was lowered, or that the dashboard does not keep: so many archives make room for nothing.
    let too_many = active.saturating_sub(limit);
    let mut added = 0;
    let mut archives: Vec<usize> = Vec::new();
    let mut pairs = Vec::new();
    let mut waits = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        if step.action.removes_active_segment() {
            archives.push(place);
        }
        if step.action.adds_active_segment() {
            let beyond = usize::checked_sub(added, room_at_first);
            let archive = beyond.and_then(|beyond| archives.get(too_many + beyond));
            if let Some(archive) = archive {
                pairs.push((*archive, place));
                waits.extend(archives.iter().take(too_many).map(|archive| (*archive, place)));
            }
            added += 1;
        }
    }
    for step in &mut *steps {
        step.frees_slot_for = None;
    }
    for (archive, place) in pairs {
        let name = steps.get(place).map(|step| step.segment.clone());
        if let Some(step) = steps.get_mut(archive) {
            step.frees_slot_for = name;
        }
        waits.push((archive, place));
    }
    for (archive, place) in waits {
        let number = steps.get(archive).map(|step| step.number);
        if let (Some(step), Some(number)) = (steps.get_mut(place), number)
            && let Err(before) = step.depends_on.binary_search(&number)
        {
            step.depends_on.insert(before, number);
        }
    }
}

/// A conflict when `steps`, in their order, have more than `limit` segments in use at some moment.
pub(super) fn active_limit_conflict(steps: &[Step], active: usize, limit: usize) -> Option<Conflict> {
    let mut active = active;
    let mut fullest = 0;
    for step in steps {
        if step.action.adds_active_segment() {
            active += 1;
            fullest = fullest.max(active);
        }
        if step.action.removes_active_segment() {
            active = active.saturating_sub(1);
        }
    }
    (fullest > limit).then_some(Conflict::ActiveLimit {
        count: fullest,
        limit,
    })
}

/// The way so far.
struct TopologicalSort {
    sequence: Vec<usize>,
    dependencies: BTreeMap<usize, BTreeSet<usize>>,
    dependents: BTreeMap<usize, Vec<usize>>,
    pending_dependencies: Vec<usize>,
    ready: BTreeSet<(Rank, usize, usize)>,
    /// Whether the limit can be reached at all: otherwise archives have no reason to come early.
    is_near_limit: bool,
    /// Drafts that an archive has to wait for.
    precedes_archive: BTreeSet<usize>,
}

/// What comes first of the drafts that could come next. Near the limit, archives and what they wait for make room;
/// what takes room comes last.
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
        let needs: BTreeMap<usize, BTreeSet<usize>> = (0..graph.steps.len())
            .map(|index| (index, graph.dependencies_of(index)))
            .collect();
        let mut followers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, before) in &needs {
            for need in before {
                followers.entry(*need).or_default().push(*index);
            }
        }
        let added = graph
            .steps
            .iter()
            .filter(|draft| draft.action.adds_active_segment())
            .count();
        let mut walk = Self {
            sequence: Vec::with_capacity(graph.steps.len()),
            pending_dependencies: needs.values().map(BTreeSet::len).collect(),
            dependencies: needs,
            dependents: followers,
            ready: BTreeSet::new(),
            is_near_limit: added > 0 && active + added > limit,
            precedes_archive: BTreeSet::new(),
        };
        if walk.is_near_limit {
            walk.precedes_archive = walk.steps_before_archives(graph);
        }
        walk
    }

    fn steps_before_archives(&self, graph: &DependencyGraph<'_>) -> BTreeSet<usize> {
        let drafts = graph.steps.iter().enumerate();
        let mut open: Vec<usize> = drafts
            .filter(|(_, draft)| draft.action.removes_active_segment())
            .map(|(index, _)| index)
            .collect();
        let mut found = BTreeSet::new();
        while let Some(index) = open.pop() {
            for need in self.dependencies.get(&index).into_iter().flatten() {
                if found.insert(*need) {
                    open.push(*need);
                }
            }
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
            for follower in self.dependents.remove(&next).unwrap_or_default() {
                if let Some(count) = self.pending_dependencies.get_mut(follower) {
                    *count -= 1;
                    if *count == 0 {
                        self.mark_ready(graph, follower);
                    }
                }
            }
        }
    }

    fn mark_ready(&mut self, graph: &DependencyGraph<'_>, index: usize) {
        let Some(draft) = graph.steps.get(index) else {
            return;
        };
        let leads = self.precedes_archive.contains(&index);
        let rank = match (self.is_near_limit, &draft.action) {
            (false, _) => Rank::Neutral,
            (true, action) if action.removes_active_segment() => Rank::Archives,
            (true, action) if action.adds_active_segment() => {
                if leads {
                    Rank::AddsBeforeArchive
                } else {
                    Rank::Adds
                }
            }
            (true, _) if leads => Rank::PrecedesArchive,
            (true, _) => Rank::Neutral,
        };
        // Passing drafts stand behind all others; their place is that of their segment.
        self.ready.insert((rank, graph.position(index), index));
    }
}
