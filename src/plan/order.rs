//! The order of steps: one way through the graph, the same every time, that never has more segments in use than fit.

use super::change::Draft;
use super::graph::Graph;
use super::step::{Conflict, Step};
use std::collections::{BTreeMap, BTreeSet};

/// The drafts as numbered steps, each after all that it depends on. `active` is how many segments are in use before the
/// first step, and `limit` how many may be; archives come early where it is near.
pub(super) fn order(graph: Graph<'_>, active: usize, limit: usize) -> Vec<Step> {
    let mut walk = Walk::new(&graph, active, limit);
    walk.run(&graph);
    let Walk {
        sequence, mut needs, ..
    } = walk;
    let number_of: BTreeMap<usize, usize> = sequence
        .iter()
        .enumerate()
        .map(|(place, index)| (*index, place + 1))
        .collect();
    let mut drafts: Vec<Option<Draft<'_>>> = graph.drafts.into_iter().map(Some).collect();
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
            pulled_in_for: Vec::new(),
            makes_room_for: None,
            depends_on: depends_on.into_iter().collect(),
            action: draft.action,
        })
    };
    let mut steps: Vec<Step> = sequence.into_iter().filter_map(step).collect();
    make_room(&mut steps, active, limit);
    steps
}

/// Has steps that put segments into use wait for archives, where there is not room enough without them.
///
/// Each that does not fit has an archive of its own that makes room for it: where that fails, the others fit. Who has which
/// follows from the steps that are there, so that a part of a plan has its own.
pub(super) fn make_room(steps: &mut [Step], active: usize, limit: usize) {
    let room_at_first = limit.saturating_sub(active);
    // A limit that was lowered, or that the dashboard does not keep: so many archives make room for nothing.
    let too_many = active.saturating_sub(limit);
    let mut added = 0;
    let mut archives: Vec<usize> = Vec::new();
    let mut pairs = Vec::new();
    let mut waits = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        if step.action.takes_out_of_use() {
            archives.push(place);
        }
        if step.action.puts_into_use() {
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
        step.makes_room_for = None;
    }
    for (archive, place) in pairs {
        let name = steps.get(place).map(|step| step.segment.clone());
        if let Some(step) = steps.get_mut(archive) {
            step.makes_room_for = name;
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
pub(super) fn beyond_limit(steps: &[Step], active: usize, limit: usize) -> Option<Conflict> {
    let mut active = active;
    let mut fullest = 0;
    for step in steps {
        if step.action.puts_into_use() {
            active += 1;
            fullest = fullest.max(active);
        }
        if step.action.takes_out_of_use() {
            active = active.saturating_sub(1);
        }
    }
    (fullest > limit).then_some(Conflict::ActiveLimit {
        count: fullest,
        limit,
    })
}

/// The way so far.
struct Walk {
    sequence: Vec<usize>,
    needs: BTreeMap<usize, BTreeSet<usize>>,
    followers: BTreeMap<usize, Vec<usize>>,
    waiting: Vec<usize>,
    ready: BTreeSet<(Rank, usize, usize)>,
    /// Whether the limit can be reached at all: otherwise archives have no reason to come early.
    is_near: bool,
    /// Drafts that an archive has to wait for.
    leads_to_archive: BTreeSet<usize>,
}

/// What comes first of the drafts that could come next. Near the limit, archives and what they wait for make room;
/// what takes room comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Archives,
    LeadsToArchive,
    Any,
    AddsForArchive,
    Adds,
}

impl Walk {
    fn new(graph: &Graph<'_>, active: usize, limit: usize) -> Self {
        let needs: BTreeMap<usize, BTreeSet<usize>> = (0..graph.drafts.len())
            .map(|index| (index, graph.before(index)))
            .collect();
        let mut followers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, before) in &needs {
            for need in before {
                followers.entry(*need).or_default().push(*index);
            }
        }
        let added = graph
            .drafts
            .iter()
            .filter(|draft| draft.action.puts_into_use())
            .count();
        let mut walk = Self {
            sequence: Vec::with_capacity(graph.drafts.len()),
            waiting: needs.values().map(BTreeSet::len).collect(),
            needs,
            followers,
            ready: BTreeSet::new(),
            is_near: added > 0 && active + added > limit,
            leads_to_archive: BTreeSet::new(),
        };
        if walk.is_near {
            walk.leads_to_archive = walk.before_archives(graph);
        }
        walk
    }

    fn before_archives(&self, graph: &Graph<'_>) -> BTreeSet<usize> {
        let drafts = graph.drafts.iter().enumerate();
        let mut open: Vec<usize> = drafts
            .filter(|(_, draft)| draft.action.takes_out_of_use())
            .map(|(index, _)| index)
            .collect();
        let mut found = BTreeSet::new();
        while let Some(index) = open.pop() {
            for need in self.needs.get(&index).into_iter().flatten() {
                if found.insert(*need) {
                    open.push(*need);
                }
            }
        }
        found
    }

    fn run(&mut self, graph: &Graph<'_>) {
        for index in 0..graph.drafts.len() {
            if self.waiting.get(index) == Some(&0) {
                self.make_ready(graph, index);
            }
        }
        while let Some((_, _, next)) = self.ready.pop_first() {
            self.sequence.push(next);
            for follower in self.followers.remove(&next).unwrap_or_default() {
                if let Some(count) = self.waiting.get_mut(follower) {
                    *count -= 1;
                    if *count == 0 {
                        self.make_ready(graph, follower);
                    }
                }
            }
        }
    }

    fn make_ready(&mut self, graph: &Graph<'_>, index: usize) {
        let Some(draft) = graph.drafts.get(index) else {
            return;
        };
        let leads = self.leads_to_archive.contains(&index);
        let rank = match (self.is_near, &draft.action) {
            (false, _) => Rank::Any,
            (true, action) if action.takes_out_of_use() => Rank::Archives,
            (true, action) if action.puts_into_use() => {
                if leads {
                    Rank::AddsForArchive
                } else {
                    Rank::Adds
                }
            }
            (true, _) if leads => Rank::LeadsToArchive,
            (true, _) => Rank::Any,
        };
        // Passing drafts stand behind all others; their place is that of their segment.
        self.ready.insert((rank, graph.place(index), index));
    }
}
