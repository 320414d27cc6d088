//! The declarations of one workspace, with what several rules need, computed once.

use super::super::declaration::Declaration;
use super::parts::DefinitionParts;
use crate::definition::references::ReferencedSegment;
use crate::model::{Digests, Lifecycle, Reference, ReferenceSummary, SegmentName, StoredDefinition};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

static NO_REFERENCES: ReferenceSummary = ReferenceSummary {
    references: BTreeMap::new(),
    has_nested_group: false,
    length: 0,
};

pub(super) struct WorkspaceView<'a> {
    pub(super) segments: Vec<SegmentView<'a>>,
    by_name: BTreeMap<&'a SegmentName, usize>,
    /// Segments that refer to each other in a cycle, or to themselves.
    pub(super) cycles: Vec<BTreeSet<usize>>,
    in_cycle: BTreeSet<usize>,
}

pub(super) struct SegmentView<'a> {
    pub(super) index: usize,
    pub(super) declaration: &'a Declaration,
    parts: OnceCell<DefinitionParts<'a>>,
    pub(super) outline: &'a ReferenceSummary,
    /// Only filter segments have digests.
    pub(super) digests: Option<&'a Digests>,
}

impl<'a> WorkspaceView<'a> {
    pub(super) fn of(declarations: &[&'a Declaration]) -> Self {
        let numbered = declarations.iter().enumerate();
        let segments: Vec<_> = numbered
            .map(|(index, declaration)| SegmentView::of(index, declaration))
            .collect();
        let mut by_name = BTreeMap::new();
        for segment in &segments {
            by_name.entry(segment.name()).or_insert(segment.index);
        }
        let mut view = Self {
            segments,
            by_name,
            cycles: Vec::new(),
            in_cycle: BTreeSet::new(),
        };
        view.cycles = view.find_cycles();
        view.in_cycle = view.cycles.iter().flatten().copied().collect();
        view
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.by_name.keys().map(|name| name.as_str())
    }

    pub(super) fn segment_named(&self, name: &SegmentName) -> Option<&SegmentView<'a>> {
        self.by_name.get(name).and_then(|index| self.segments.get(*index))
    }

    /// The declared segment of a reference by name; the plan resolves references by id.
    pub(super) fn referenced_segment(&self, reference: &Reference) -> Option<&SegmentView<'a>> {
        match reference {
            Reference::Name(name) => self.segment_named(name),
            Reference::Id { .. } => None,
        }
    }

    /// What a reference counts as; `undeclared` if its segment is not declared. Segments in a cycle count as
    /// unknown, because SEG076 reports them.
    pub(super) fn referent<'s>(
        &'s self,
        reference: &Reference,
        undeclared: ReferencedSegment<'s>,
    ) -> ReferencedSegment<'s> {
        match self.referenced_segment(reference) {
            Some(segment) if self.is_in_cycle(segment) => ReferencedSegment::Unknown,
            Some(segment) if segment.digests.is_none() => ReferencedSegment::FileOrCohort,
            Some(segment) => ReferencedSegment::Filter(segment.outline),
            None => undeclared,
        }
    }

    pub(super) fn is_in_cycle(&self, segment: &SegmentView<'_>) -> bool {
        self.in_cycle.contains(&segment.index)
    }

    /// Groups of two or more segments with the same key, in file order.
    pub(super) fn groups_with_same<'s, K: Ord>(
        &'s self,
        key: impl Fn(&'s SegmentView<'a>) -> Option<K>,
    ) -> Vec<Vec<&'s SegmentView<'a>>> {
        let mut groups: BTreeMap<K, Vec<&SegmentView<'a>>> = BTreeMap::new();
        for segment in &self.segments {
            if let Some(key) = key(segment) {
                groups.entry(key).or_default().push(segment);
            }
        }
        let mut shared: Vec<_> = groups.into_values().filter(|group| group.len() > 1).collect();
        shared.sort_by_key(|group| group.first().map(|segment| segment.index));
        shared
    }

    fn find_cycles(&self) -> Vec<BTreeSet<usize>> {
        let mut graph = DiGraph::<(), ()>::new();
        for _ in &self.segments {
            graph.add_node(());
        }
        for segment in &self.segments {
            for next in self.referenced_indexes(segment) {
                graph.update_edge(NodeIndex::new(segment.index), NodeIndex::new(next), ());
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
        cycles.sort_by_key(|cycle| cycle.first().copied());
        cycles
    }

    pub(super) fn referenced_indexes(&self, segment: &SegmentView<'_>) -> impl Iterator<Item = usize> {
        let references = segment.outline.references.keys();
        references.filter_map(|reference| Some(self.referenced_segment(reference)?.index))
    }
}

impl<'a> SegmentView<'a> {
    fn of(index: usize, declaration: &'a Declaration) -> Self {
        let definition = declaration.segment.contents.definition();
        let facts = definition.map(StoredDefinition::facts);
        Self {
            index,
            declaration,
            parts: OnceCell::new(),
            outline: facts.map_or(&NO_REFERENCES, |facts| &facts.references),
            digests: facts.map(|facts| &facts.digests),
        }
    }

    /// For messages: the file may have to be decoded again.
    pub(super) fn parts(&self) -> &DefinitionParts<'a> {
        self.parts.get_or_init(|| DefinitionParts::of(self.declaration))
    }

    pub(super) fn name(&self) -> &'a SegmentName {
        &self.declaration.segment.name
    }

    pub(super) fn refers_to(&self, is_meant: impl Fn(&Reference) -> bool) -> bool {
        self.outline.references.keys().any(is_meant)
    }

    pub(super) fn is_active(&self) -> bool {
        self.declaration.segment.lifecycle == Lifecycle::Active
    }
}
