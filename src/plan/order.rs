//! The order of steps: a graph of what has to come before what, and one fixed way through it.

use super::change::Draft;
use super::conflict::Definitions;
use super::identity::Matches;
use super::step::{Action, Conflict, Step};
use crate::definition::references;
use crate::model::{Observed, Reference, SegmentId, SegmentName};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// The drafts as numbered steps, each after all that it depends on.
///
/// # Errors
///
/// Steps that wait for each other in a circle.
pub(super) fn order(
    drafts: Vec<Draft<'_>>,
    matches: &Matches<'_>,
    observed: &Observed,
) -> Result<Vec<Step>, Vec<Conflict>> {
    let needs = needs(&drafts, matches, observed);
    let cycles = cycles(&drafts, &needs);
    if !cycles.is_empty() {
        return Err(cycles);
    }
    let sequence = sequence(&drafts, &needs);
    let number_of: BTreeMap<usize, usize> = sequence
        .iter()
        .enumerate()
        .map(|(place, draft)| (*draft, place + 1))
        .collect();
    let mut drafts: Vec<Option<Draft<'_>>> = drafts.into_iter().map(Some).collect();
    let step = |index: usize| {
        let draft = drafts.get_mut(index)?.take()?;
        let depends_on = needs
            .get(index)
            .into_iter()
            .flatten()
            .filter_map(|need| number_of.get(need).copied());
        let depends_on: BTreeSet<usize> = depends_on.collect();
        Some(Step {
            number: *number_of.get(&index)?,
            segment: draft.segment.name.clone(),
            action: draft.action,
            depends_on: depends_on.into_iter().collect(),
            origin: draft.segment.origin.clone(),
        })
    };
    Ok(sequence.into_iter().filter_map(step).collect())
}

/// For each draft, the drafts that have to come before it.
fn needs(drafts: &[Draft<'_>], matches: &Matches<'_>, observed: &Observed) -> Vec<BTreeSet<usize>> {
    let mut needs = vec![BTreeSet::new(); drafts.len()];
    let by_name = by_name(drafts);
    let by_target = by_target(drafts);
    let definitions = Definitions::of(observed, &matches.known);
    for (index, draft) in drafts.iter().enumerate() {
        let Some(before) = needs.get_mut(index) else {
            continue;
        };
        before.extend(of_references(draft, matches, &by_name));
        before.extend(of_unarchive(index, draft, &by_target));
        if let Some(holder) = definitions.holder(draft) {
            // The definition is free only when its holder has given it up.
            before.extend(
                by_target
                    .get(&holder.id)
                    .into_iter()
                    .flatten()
                    .filter(|other| **other != index),
            );
        }
        if let Action::Archive(target) = &draft.action {
            before.extend(of_last_references(&target.id, index, drafts, observed));
        }
    }
    needs
}

fn by_name<'a>(drafts: &[Draft<'a>]) -> BTreeMap<&'a SegmentName, Vec<usize>> {
    let mut by_name: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        by_name.entry(&draft.segment.name).or_default().push(index);
    }
    by_name
}

fn by_target(drafts: &[Draft<'_>]) -> BTreeMap<SegmentId, Vec<usize>> {
    let mut by_target: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        if let Some(target) = draft.action.target() {
            by_target.entry(target.id.clone()).or_default().push(index);
        }
    }
    by_target
}

/// Referenced before referencing: the id has to be known, and members should be right from the first run on.
fn of_references(
    draft: &Draft<'_>,
    matches: &Matches<'_>,
    by_name: &BTreeMap<&SegmentName, Vec<usize>>,
) -> Vec<usize> {
    if draft.action.wanted().is_none() {
        return Vec::new();
    }
    let name_of = |reference: &Reference| match reference {
        Reference::Name(name) => Some(name.clone()),
        Reference::Id { id, .. } => matches.known.identities.declared_by_id.get(id).cloned(),
    };
    let names: BTreeSet<_> = draft
        .segment
        .definition
        .references()
        .into_iter()
        .filter_map(name_of)
        .collect();
    let steps = names
        .iter()
        .filter(|name| **name != draft.segment.name)
        .filter_map(|name| by_name.get(name));
    steps.flatten().copied().collect()
}

/// An archived segment refuses updates.
fn of_unarchive(index: usize, draft: &Draft<'_>, by_target: &BTreeMap<SegmentId, Vec<usize>>) -> Vec<usize> {
    match &draft.action {
        // The unarchive of a segment is drafted right before its update.
        Action::Update { target, .. } => by_target
            .get(&target.id)
            .into_iter()
            .flatten()
            .copied()
            .filter(|other| *other < index)
            .collect(),
        Action::Create(_) | Action::Archive(_) | Action::Unarchive(_) => Vec::new(),
    }
}

/// Every step on a segment that refers to `archived` today: after it the reference is gone, or its segment is.
fn of_last_references(
    archived: &SegmentId,
    index: usize,
    drafts: &[Draft<'_>],
    observed: &Observed,
) -> Vec<usize> {
    let refers = |(other, draft): &(usize, &Draft<'_>)| {
        let live = draft
            .action
            .target()
            .and_then(|target| observed.segments.get(&target.id));
        let refers = live
            .and_then(|live| live.definition.as_ref())
            .is_some_and(|payload| references::referenced_ids(payload).contains(archived));
        *other != index && refers && matches!(draft.action, Action::Update { .. } | Action::Archive(_))
    };
    drafts
        .iter()
        .enumerate()
        .filter(refers)
        .map(|(other, _)| other)
        .collect()
}

fn cycles(drafts: &[Draft<'_>], needs: &[BTreeSet<usize>]) -> Vec<Conflict> {
    let mut graph = DiGraph::<usize, ()>::new();
    let nodes: Vec<NodeIndex> = (0..drafts.len()).map(|index| graph.add_node(index)).collect();
    for (index, before) in needs.iter().enumerate() {
        for need in before {
            if let (Some(from), Some(to)) = (nodes.get(*need), nodes.get(index)) {
                graph.add_edge(*from, *to, ());
            }
        }
    }
    let of_circle = |circle: Vec<NodeIndex>| {
        let mut members: Vec<usize> = circle
            .iter()
            .filter_map(|node| graph.node_weight(*node).copied())
            .collect();
        members.sort_unstable();
        let segments = members.iter().filter_map(|index| drafts.get(*index));
        Conflict::Cycle {
            segments: segments
                .map(|draft| (draft.segment.name.clone(), draft.segment.origin.clone()))
                .collect(),
        }
    };
    tarjan_scc(&graph)
        .into_iter()
        .filter(|circle| circle.len() > 1)
        .map(of_circle)
        .collect()
}

/// One way through the graph, the same every time: of the steps that could come next, the first declared.
fn sequence(drafts: &[Draft<'_>], needs: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut waiting: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut followers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, before) in needs.iter().enumerate() {
        for need in before {
            followers.entry(*need).or_default().push(index);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..drafts.len())
        .filter(|index| waiting.get(*index) == Some(&0))
        .map(Reverse)
        .collect();
    let mut sequence = Vec::with_capacity(drafts.len());
    while let Some(Reverse(next)) = ready.pop() {
        sequence.push(next);
        for follower in followers.get(&next).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(*follower) {
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse(*follower));
                }
            }
        }
    }
    sequence
}
