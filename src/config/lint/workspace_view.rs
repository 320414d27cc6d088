//! The declarations of one workspace together, with what several rules ask of them computed once.

use super::super::declaration::Declaration;
use super::super::parallel;
use super::parts::DefinitionParts;
use crate::definition::references::{ReferenceSummary, ReferencedSegment};
use crate::definition::{Digests, Identities, encode};
use crate::model::{Lifecycle, Reference, SegmentName};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet};

/// One workspace's declarations.
pub(super) struct WorkspaceView<'a> {
    pub(super) segments: Vec<SegmentView<'a>>,
    /// The first member of each name.
    by_name: BTreeMap<&'a SegmentName, usize>,
    /// Members that refer to each other in a circle, or to themselves; each in the order of the files.
    pub(super) cycles: Vec<BTreeSet<usize>>,
    in_cycle: BTreeSet<usize>,
}

/// One declaration.
pub(super) struct SegmentView<'a> {
    pub(super) index: usize,
    pub(super) declaration: &'a Declaration,
    pub(super) parts: DefinitionParts<'a>,
    pub(super) outline: ReferenceSummary,
    /// `None` where it is not made of filters.
    pub(super) digests: Option<Digests>,
}

impl<'a> WorkspaceView<'a> {
    pub(super) fn of(declarations: &[&'a Declaration]) -> Self {
        let numbered: Vec<_> = declarations.iter().copied().enumerate().collect();
        let segments = parallel::map(&numbered, |(index, declaration)| {
            SegmentView::of(*index, declaration)
        });
        let mut by_name = BTreeMap::new();
        for member in &segments {
            by_name
                .entry(&member.declaration.segment.name)
                .or_insert(member.index);
        }
        let mut set = Self {
            segments,
            by_name,
            cycles: Vec::new(),
            in_cycle: BTreeSet::new(),
        };
        set.cycles = set.find_cycles();
        set.in_cycle = set.cycles.iter().flatten().copied().collect();
        set
    }

    /// The declared names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.by_name.keys().map(|name| name.as_str())
    }

    /// The member of that name.
    pub(super) fn segment_named(&self, name: &SegmentName) -> Option<&SegmentView<'a>> {
        self.by_name.get(name).and_then(|index| self.segments.get(*index))
    }

    /// The member that a reference means; references by id are for the plan to find.
    pub(super) fn referenced_segment(&self, reference: &Reference) -> Option<&SegmentView<'a>> {
        match reference {
            Reference::Name(name) => self.segment_named(name),
            Reference::Id { .. } => None,
        }
    }

    /// What a reference weighs; `undeclared` for those to other segments. A circle weighs nothing, so that it
    /// is reported once, as a circle.
    pub(super) fn referent<'s>(
        &'s self,
        reference: &Reference,
        undeclared: ReferencedSegment<'s>,
    ) -> ReferencedSegment<'s> {
        match self.referenced_segment(reference) {
            Some(member) if self.is_in_cycle(member) => ReferencedSegment::Unknown,
            Some(member) if member.digests.is_none() => ReferencedSegment::FileOrCohort,
            Some(member) => ReferencedSegment::Filter(&member.outline),
            None => undeclared,
        }
    }

    pub(super) fn is_in_cycle(&self, member: &SegmentView<'_>) -> bool {
        self.in_cycle.contains(&member.index)
    }

    /// Members that share a key with others, each group and the groups in the order of the files. What has no key shares
    /// none.
    pub(super) fn groups_with_same<'s, K: Ord>(
        &'s self,
        key: impl Fn(&'s SegmentView<'a>) -> Option<K>,
    ) -> Vec<Vec<&'s SegmentView<'a>>> {
        let mut groups: BTreeMap<K, Vec<&SegmentView<'a>>> = BTreeMap::new();
        for member in &self.segments {
            if let Some(key) = key(member) {
                groups.entry(key).or_default().push(member);
            }
        }
        let mut shared: Vec<_> = groups.into_values().filter(|group| group.len() > 1).collect();
        shared.sort_by_key(|group| group.first().map(|member| member.index));
        shared
    }

    fn find_cycles(&self) -> Vec<BTreeSet<usize>> {
        let mut graph = DiGraph::<(), ()>::new();
        for _ in &self.segments {
            graph.add_node(());
        }
        for member in &self.segments {
            for next in self.referenced_indexes(member) {
                graph.update_edge(NodeIndex::new(member.index), NodeIndex::new(next), ());
            }
        }
        let mut cycles: Vec<BTreeSet<usize>> = kosaraju_scc(&graph)
            .into_iter()
            .filter(|nodes| match nodes.as_slice() {
                [only] => graph.contains_edge(*only, *only),
                _ => true,
            })
            .map(|nodes| nodes.into_iter().map(NodeIndex::index).collect())
            .collect();
        cycles.sort_by_key(|circle| circle.first().copied());
        cycles
    }

    /// The members that `member` refers to.
    pub(super) fn referenced_indexes(&self, member: &SegmentView<'_>) -> impl Iterator<Item = usize> {
        let references = member.outline.references.keys();
        references
            .filter_map(|reference| self.referenced_segment(reference))
            .map(|next| next.index)
    }
}

impl<'a> SegmentView<'a> {
    fn of(index: usize, declaration: &'a Declaration) -> Self {
        let payload = declaration.segment.contents.definition().map(encode);
        Self {
            index,
            declaration,
            parts: DefinitionParts::of(declaration),
            outline: payload
                .as_ref()
                .map(ReferenceSummary::from_payload)
                .unwrap_or_default(),
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
