//! What has to come before what: a graph over drafts, and the circles in it broken.

use super::change::Draft;
use super::holdings::Holdings;
use super::identity::{Matches, declared};
use super::passing::{Breaker, Need};
use super::step::{Action, Conflict};
use crate::model::{LiveSegment, Observed, Reference, SegmentId, SegmentName};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Why one draft comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
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
pub(super) struct Graph<'a> {
    pub(super) drafts: Vec<Draft<'a>>,
    /// For each draft, the drafts that come before it.
    before: Vec<BTreeSet<(usize, Why)>>,
    /// For each draft, the drafts that come after it.
    after: Vec<BTreeSet<usize>>,
    /// How many drafts there were before circles were broken.
    declared: usize,
    /// The final draft of each passing one.
    final_of: Vec<usize>,
}

impl<'a> Graph<'a> {
    /// The graph of `drafts`, with circles.
    pub(super) fn of(
        drafts: Vec<Draft<'a>>,
        holdings: &Holdings<'_>,
        matches: &Matches<'_>,
        observed: &Observed,
    ) -> Self {
        let by_name = by_name(&drafts);
        let referring = referring(&drafts, matches, holdings);
        let before: Vec<BTreeSet<(usize, Why)>> = drafts
            .iter()
            .enumerate()
            .map(|(index, draft)| {
                let mut before = BTreeSet::new();
                before.extend(of_resources(index, draft, &drafts, holdings));
                let scene = (matches, observed, holdings);
                before.extend(of_references(draft, &drafts, scene, &by_name));
                before.extend(of_unarchive(index, draft, &drafts));
                if let (Action::Archive(_), Some(live)) = (&draft.action, draft.live) {
                    let last = referring.get(&live.id).into_iter().flatten();
                    before.extend(last.map(|other| (*other, Why::LastReference)));
                }
                before.retain(|(other, _)| *other != index);
                before
            })
            .collect();
        Self {
            after: after(&before),
            declared: drafts.len(),
            drafts,
            before,
            final_of: Vec::new(),
        }
    }

    /// The drafts that come before one.
    pub(super) fn before(&self, index: usize) -> BTreeSet<usize> {
        let before = self.before.get(index).into_iter().flatten();
        before.map(|(other, _)| *other).collect()
    }

    /// The place of a draft among those of all segments: a passing one stands where its final one does.
    pub(super) fn place(&self, index: usize) -> usize {
        let passing = index.checked_sub(self.declared);
        passing
            .and_then(|passing| self.final_of.get(passing))
            .copied()
            .unwrap_or(index)
    }

    /// Breaks every circle with passing drafts; those that none can break are conflicts.
    pub(super) fn break_circles(&mut self, breaker: &mut Breaker<'_, '_>) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        let mut refused: BTreeSet<usize> = BTreeSet::new();
        let mut open = self.circles(&(0..self.drafts.len()).collect::<Vec<_>>());
        while let Some(circle) = open.pop() {
            match self.break_one(&circle, &mut refused, breaker) {
                Some(added) => {
                    let mut members = circle;
                    members.push(added);
                    open.extend(self.circles(&members));
                }
                None => conflicts.push(self.conflict(&circle)),
            }
        }
        conflicts
    }

    /// Splits the first draft of a circle that can pass; the number of the draft that this adds.
    fn break_one(
        &mut self,
        circle: &[usize],
        refused: &mut BTreeSet<usize>,
        breaker: &mut Breaker<'_, '_>,
    ) -> Option<usize> {
        let inside: BTreeSet<usize> = circle.iter().copied().collect();
        for index in circle.iter().copied() {
            let need = self.need(index, &inside);
            if refused.contains(&index) || !self.takes_inside(index, &inside) {
                continue;
            }
            let draft = self.drafts.get(index)?;
            if draft.action.passing().is_some() {
                continue;
            }
            if let Some((first, last, need)) = breaker.split(draft, need) {
                // Once is enough for a segment: what it gives up is given up.
                refused.insert(index);
                return Some(self.put_before(index, (first, last), need));
            }
            refused.insert(index);
        }
        None
    }

    /// What others in the circle wait for one to give up.
    fn need(&self, index: usize, inside: &BTreeSet<usize>) -> Need {
        let waits = |why: Why| {
            let followers = inside.iter().filter_map(|other| self.before.get(*other));
            followers.into_iter().any(|before| before.contains(&(index, why)))
        };
        let own = self.before.get(index);
        let wanted_waits = own
            .into_iter()
            .flatten()
            .any(|(other, why)| *why == Why::Reference && inside.contains(other));
        Need {
            name: waits(Why::Name),
            // A reference that holds up an archive is dropped by storing the wanted definition in any form.
            definition: waits(Why::Definition) || (waits(Why::LastReference) && !wanted_waits),
            wanted_waits,
        }
    }

    /// Whether one waits for a name or a definition inside the circle: otherwise passing would not help it.
    fn takes_inside(&self, index: usize, inside: &BTreeSet<usize>) -> bool {
        let before = self.before.get(index).into_iter().flatten();
        let mut taken = before.filter(|(other, _)| inside.contains(other));
        taken.any(|(_, why)| matches!(why, Why::Name | Why::Definition | Why::Reference))
    }

    /// Puts a passing draft before its final one. Those who waited for what it gives up wait for it from now on.
    fn put_before(&mut self, index: usize, (first, last): (Draft<'a>, Draft<'a>), need: Need) -> usize {
        let added = self.drafts.len();
        let moves = |why: Why| match why {
            Why::Name => need.name,
            Why::Definition => need.definition,
            Why::LastReference => need.definition && !need.wanted_waits,
            Why::Reference | Why::SameSegment => false,
        };
        let mut followers = self.move_followers(index, added, moves);
        let keeps = |why: Why| match why {
            Why::SameSegment => true,
            Why::Reference => need.definition && !need.wanted_waits,
            Why::Name | Why::Definition | Why::LastReference => false,
        };
        let own = self.before.get_mut(index);
        followers.insert(index);
        self.after.push(followers);
        let inherited = own
            .as_ref()
            .map(|before| before.iter().copied().filter(|(_, why)| keeps(*why)).collect());
        if let Some(before) = own {
            before.insert((added, Why::SameSegment));
        }
        let inherited: BTreeSet<(usize, Why)> = inherited.unwrap_or_default();
        for (other, _) in &inherited {
            if let Some(after) = self.after.get_mut(*other) {
                after.insert(added);
            }
        }
        self.before.push(inherited);
        if let Some(draft) = self.drafts.get_mut(index) {
            *draft = last;
        }
        self.drafts.push(first);
        self.final_of.push(index);
        added
    }

    /// Has those who wait for a draft for a reason that moves wait for another; who they are.
    fn move_followers(&mut self, from: usize, to: usize, moves: impl Fn(Why) -> bool) -> BTreeSet<usize> {
        let mut moved = BTreeSet::new();
        for follower in self.after.get(from).cloned().unwrap_or_default() {
            let Some(before) = self.before.get_mut(follower) else {
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
    fn circles(&self, members: &[usize]) -> Vec<Vec<usize>> {
        let mut graph = DiGraph::<usize, ()>::new();
        let nodes: BTreeMap<usize, NodeIndex> = members
            .iter()
            .map(|index| (*index, graph.add_node(*index)))
            .collect();
        for (index, node) in &nodes {
            for (other, _) in self.before.get(*index).into_iter().flatten() {
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

    fn conflict(&self, circle: &[usize]) -> Conflict {
        let segments = circle
            .iter()
            .filter_map(|index| self.drafts.get(*index)?.declared);
        let mut segments: Vec<_> = segments.map(declared).collect();
        segments.dedup();
        Conflict::Cycle { segments }
    }
}

/// The graph the other way round.
fn after(before: &[BTreeSet<(usize, Why)>]) -> Vec<BTreeSet<usize>> {
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

fn by_name<'a>(drafts: &[Draft<'a>]) -> HashMap<&'a SegmentName, Vec<usize>> {
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
fn of_resources(
    index: usize,
    draft: &Draft<'_>,
    drafts: &[Draft<'_>],
    holdings: &Holdings<'_>,
) -> Vec<(usize, Why)> {
    let name = holdings.name_holder(draft);
    let name = name.and_then(|live| holdings.gives_up_name(live, drafts));
    let mut before: Vec<_> = name.map(|other| (other, Why::Name)).into_iter().collect();
    // In every form: whether the service tells forms apart is not documented.
    for live in holdings.likely_holders(draft) {
        let free = |live: &LiveSegment| {
            holdings
                .frees_any_form(live, drafts)
                .or_else(|| holdings.frees_definition(live, drafts))
        };
        before.extend(
            free(live)
                .filter(|other| *other != index)
                .map(|other| (other, Why::Definition)),
        );
    }
    before
}

/// Referenced before referencing: the id has to be known, the limits hold for what is stored at that moment, and
/// members should be right from the first run on.
fn of_references(
    draft: &Draft<'_>,
    drafts: &[Draft<'_>],
    scene: (&Matches<'_>, &Observed, &Holdings<'_>),
    by_name: &HashMap<&SegmentName, Vec<usize>>,
) -> Vec<(usize, Why)> {
    let stores = |index: &usize| {
        drafts
            .get(*index)
            .is_some_and(|draft| draft.action.wanted().is_some())
    };
    let is_stored = |name: &SegmentName| by_name.get(name).is_some_and(|drafts| drafts.iter().any(stores));
    let names = referenced_names(draft, scene, is_stored);
    let steps = names.iter().filter_map(|name| by_name.get(name)).flatten();
    steps
        .filter(|index| {
            let action = drafts.get(**index).map(|draft| &draft.action);
            !matches!(action, Some(Action::Archive(_)))
        })
        .map(|index| (*index, Why::Reference))
        .collect()
}

/// The declared names that a draft's definition refers to, also through live segments that the plan leaves as they are:
/// those may refer back to it until the declared one drops that reference.
fn referenced_names(
    draft: &Draft<'_>,
    (matches, observed, holdings): (&Matches<'_>, &Observed, &Holdings<'_>),
    is_stored: impl Fn(&SegmentName) -> bool,
) -> BTreeSet<SegmentName> {
    let Some(segment) = draft.declared.filter(|_| draft.action.wanted().is_some()) else {
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
                open.extend(matches.known.ids.get(name).cloned());
            }
        }
    }
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let name = matches.known.identities.declared_by_id.get(&id);
        names.extend(name.cloned());
        // What is stored as its file says waits for what that refers to; everything else keeps what it has.
        if !name.is_some_and(&is_stored) {
            let live = observed.segments.get(&id);
            open.extend(
                live.into_iter()
                    .flat_map(|live| holdings.refers_to(live))
                    .cloned(),
            );
        }
    }
    names.remove(draft.name);
    names
}

/// An archived segment refuses updates, and its unarchive is drafted right before its update.
fn of_unarchive(index: usize, draft: &Draft<'_>, drafts: &[Draft<'_>]) -> Option<(usize, Why)> {
    let before = index.checked_sub(1)?;
    let other = drafts.get(before)?;
    let is_same = matches!(
        draft.action,
        Action::Update(_) | Action::Send(_) | Action::Upload(_)
    ) && matches!(other.action, Action::Unarchive(_))
        && other.live.map(|live| &live.id) == draft.live.map(|live| &live.id);
    is_same.then_some((before, Why::SameSegment))
}

/// For each live segment, the drafts after which nothing that the plan changes refers to it, or refers to it for
/// good: a service that refuses references to archived segments has to be asked before.
fn referring(
    drafts: &[Draft<'_>],
    matches: &Matches<'_>,
    holdings: &Holdings<'_>,
) -> HashMap<SegmentId, Vec<usize>> {
    let mut referring: HashMap<SegmentId, Vec<usize>> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        if matches!(draft.action, Action::Update(_) | Action::Archive(_)) {
            for id in draft.live.into_iter().flat_map(|live| holdings.refers_to(live)) {
                referring.entry(id.clone()).or_default().push(index);
            }
        }
        let declared = draft.declared.filter(|_| draft.action.wanted().is_some());
        for reference in declared
            .map(|segment| segment.contents.references())
            .unwrap_or_default()
        {
            let id = match reference {
                Reference::Name(name) => matches.known.ids.get(name),
                Reference::Id { id, .. } => Some(id),
            };
            if let Some(id) = id {
                referring.entry(id.clone()).or_default().push(index);
            }
        }
    }
    referring
}
