//! The declarations of one workspace together, with what several rules ask of them computed once.

use super::super::declaration::Declaration;
use super::super::parallel;
use super::walk::Parts;
use crate::definition::references::{Outline, Referent};
use crate::definition::{Digests, Identities, print};
use crate::model::{Lifecycle, Reference, SegmentName};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet};

/// One workspace's declarations.
pub(super) struct Set<'a> {
    pub(super) members: Vec<Member<'a>>,
    /// The first member of each name.
    by_name: BTreeMap<&'a SegmentName, usize>,
    /// Members that refer to each other in a circle, or to themselves; each in the order of the files.
    pub(super) circles: Vec<BTreeSet<usize>>,
    in_circle: BTreeSet<usize>,
}

/// One declaration.
pub(super) struct Member<'a> {
    pub(super) index: usize,
    pub(super) declaration: &'a Declaration,
    pub(super) parts: Parts<'a>,
    pub(super) outline: Outline,
    /// `None` where it is not made of filters.
    pub(super) digests: Option<Digests>,
}

impl<'a> Set<'a> {
    pub(super) fn of(declarations: &[&'a Declaration]) -> Self {
        let numbered: Vec<_> = declarations.iter().copied().enumerate().collect();
        let members = parallel::map(&numbered, |(index, declaration)| Member::of(*index, declaration));
        let mut by_name = BTreeMap::new();
        for member in &members {
            by_name
                .entry(&member.declaration.segment.name)
                .or_insert(member.index);
        }
        let mut set = Self {
            members,
            by_name,
            circles: Vec::new(),
            in_circle: BTreeSet::new(),
        };
        set.circles = set.find_circles();
        set.in_circle = set.circles.iter().flatten().copied().collect();
        set
    }

    /// The declared names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.by_name.keys().map(|name| name.as_str())
    }

    /// The member of that name.
    pub(super) fn named(&self, name: &SegmentName) -> Option<&Member<'a>> {
        self.by_name.get(name).and_then(|index| self.members.get(*index))
    }

    /// The member that a reference means; references by id are for the plan to find.
    pub(super) fn referred(&self, reference: &Reference) -> Option<&Member<'a>> {
        match reference {
            Reference::Name(name) => self.named(name),
            Reference::Id { .. } => None,
        }
    }

    /// What a reference weighs; `undeclared` for those to other segments. A circle weighs nothing, so that it
    /// is reported once, as a circle.
    pub(super) fn referent<'s>(&'s self, reference: &Reference, undeclared: Referent<'s>) -> Referent<'s> {
        match self.referred(reference) {
            Some(member) if self.is_in_circle(member) => Referent::Unknown,
            Some(member) if member.digests.is_none() => Referent::Members,
            Some(member) => Referent::Filter(&member.outline),
            None => undeclared,
        }
    }

    pub(super) fn is_in_circle(&self, member: &Member<'_>) -> bool {
        self.in_circle.contains(&member.index)
    }

    /// Members that share a key with others, each group and the groups in the order of the files. What has no key shares
    /// none.
    pub(super) fn sharing<'s, K: Ord>(
        &'s self,
        key: impl Fn(&'s Member<'a>) -> Option<K>,
    ) -> Vec<Vec<&'s Member<'a>>> {
        let mut groups: BTreeMap<K, Vec<&Member<'a>>> = BTreeMap::new();
        for member in &self.members {
            if let Some(key) = key(member) {
                groups.entry(key).or_default().push(member);
            }
        }
        let mut shared: Vec<_> = groups.into_values().filter(|group| group.len() > 1).collect();
        shared.sort_by_key(|group| group.first().map(|member| member.index));
        shared
    }

    fn find_circles(&self) -> Vec<BTreeSet<usize>> {
        let mut graph = DiGraph::<(), ()>::new();
        for _ in &self.members {
            graph.add_node(());
        }
        for member in &self.members {
            for next in self.next(member) {
                graph.update_edge(NodeIndex::new(member.index), NodeIndex::new(next), ());
            }
        }
        let mut circles: Vec<BTreeSet<usize>> = kosaraju_scc(&graph)
            .into_iter()
            .filter(|nodes| match nodes.as_slice() {
                [only] => graph.contains_edge(*only, *only),
                _ => true,
            })
            .map(|nodes| nodes.into_iter().map(NodeIndex::index).collect())
            .collect();
        circles.sort_by_key(|circle| circle.first().copied());
        circles
    }

    /// The members that `member` refers to.
    pub(super) fn next(&self, member: &Member<'_>) -> impl Iterator<Item = usize> {
        let references = member.outline.references.keys();
        references
            .filter_map(|reference| self.referred(reference))
            .map(|next| next.index)
    }
}

impl<'a> Member<'a> {
    fn of(index: usize, declaration: &'a Declaration) -> Self {
        let payload = declaration.segment.contents.definition().map(print);
        Self {
            index,
            declaration,
            parts: Parts::of(declaration),
            outline: payload.as_ref().map(Outline::of).unwrap_or_default(),
            digests: payload.map(|payload| Digests::of(&payload, &Identities::default())),
        }
    }

    pub(super) fn name(&self) -> &'a SegmentName {
        &self.declaration.segment.name
    }

    pub(super) fn is_active(&self) -> bool {
        self.declaration.segment.lifecycle == Lifecycle::Active
    }
}
