//! The API's limits on references, over what MoEngage has when a step runs. Exceeding them is answered with 412 or 413.
//!
//! That is the declared definition of every segment that the plan writes, because a step waits for the segments that it
//! references. It is the remote definition of every other segment: undeclared ones, and declared ones with a conflict. A
//! selection does not change this: it includes the steps that a selected step waits for.
//!
//! The rules of `config` check declared segments alone.

use super::actions::ProposedStep;
use super::matching::{Matching, declared_ref};
use super::step::{Conflict, ExceededLimit, RemoteRef};
use crate::definition::references::{
    DEPTH_LIMIT, EXPANDED_LENGTH_LIMIT, LimitCalculator, REFERENCE_LIMIT, ReferencedSegment,
};
use crate::model::{
    DeclaredSegment, ObservedSegment, ObservedWorkspace, Payload, Reference, ReferenceSummary, RemoteKind,
    SegmentId, SegmentName, StoredDefinition,
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Every segment that can be referenced, with the summary of its references.
pub(super) struct ReferenceLimits<'a> {
    /// The segments that the plan writes, and all cohorts and file segments.
    written: HashMap<&'a SegmentName, &'a DeclaredSegment>,
    remote: HashMap<&'a SegmentId, &'a ObservedSegment>,
    matching: &'a Matching<'a>,
    /// Of a definition that was not read: the limits are then checked as far as possible.
    empty: ReferenceSummary,
}

fn declared_summary(segment: &DeclaredSegment) -> ReferencedSegment<'_> {
    match segment.contents.definition() {
        Some(definition) => ReferencedSegment::Filter(&definition.facts().references),
        None => ReferencedSegment::FileOrCohort,
    }
}

impl<'a> ReferenceLimits<'a> {
    pub(super) fn of(
        matching: &'a Matching<'a>,
        observed: &'a ObservedWorkspace,
        steps: &[ProposedStep<'_>],
    ) -> Self {
        let steps = steps.iter().filter(|step| step.action.desired().is_some());
        let names: HashSet<&SegmentName> = steps.map(|step| step.name).collect();
        let declared = matching.active().map(|pair| pair.declared);
        let written = declared
            .filter(|segment| segment.contents.definition().is_none() || names.contains(&segment.name));
        let remotes = observed.segments.values();
        Self {
            written: written.map(|segment| (&segment.name, segment)).collect(),
            remote: remotes.map(|remote| (&remote.id, remote)).collect(),
            matching,
            empty: ReferenceSummary::default(),
        }
    }

    pub(super) fn find(&self, steps: &[ProposedStep<'_>]) -> Vec<Conflict> {
        let resolve = |reference: &Reference| self.referenced(reference);
        let mut calculator = LimitCalculator::new(&resolve);
        let mut conflicts = Vec::new();
        for step in steps.iter().filter(|step| step.action.desired().is_some()) {
            let Some(segment) = step.declared else { continue };
            let declared = self.written.get(&segment.name);
            let Some(ReferencedSegment::Filter(summary)) = declared.map(|segment| declared_summary(segment))
            else {
                continue;
            };
            let exceeded = self
                .exceeded(summary, &mut calculator)
                .or_else(|| self.cycle(&segment.name, summary));
            conflicts.extend(exceeded.map(|limit| Conflict::ReferenceLimit {
                segment: declared_ref(segment),
                limit,
            }));
        }
        conflicts
    }

    /// Whether the definition is within the limits after the steps of the segments that it references.
    pub(super) fn allows(&self, payload: &Payload) -> bool {
        let resolve = |reference: &Reference| self.referenced(reference);
        let summary = ReferenceSummary::from_payload(payload);
        self.exceeded(&summary, &mut LimitCalculator::new(&resolve))
            .is_none()
    }

    /// Whether the definition is within the limits before these steps, too.
    pub(super) fn allows_before_and_after(&self, payload: &Payload) -> bool {
        let resolve = |reference: &Reference| self.referenced_remote(reference);
        let summary = ReferenceSummary::from_payload(payload);
        let exceeded = self.exceeded(&summary, &mut LimitCalculator::new(&resolve));
        exceeded.is_none() && self.allows(payload)
    }

    fn referenced(&self, reference: &Reference) -> ReferencedSegment<'_> {
        let name = self.declared_name(reference);
        match name.and_then(|name| self.written.get(name)) {
            Some(written) => declared_summary(written),
            None => self.referenced_remote(reference),
        }
    }

    /// With its definition before the first step.
    fn referenced_remote(&self, reference: &Reference) -> ReferencedSegment<'_> {
        let id = self.matching.references.id_of(reference);
        match id.and_then(|id| self.remote.get(id)) {
            Some(remote) if remote.kind == RemoteKind::Filter => {
                let facts = remote.definition.as_ref().map(StoredDefinition::facts);
                ReferencedSegment::Filter(facts.map_or(&self.empty, |facts| &facts.references))
            }
            Some(_) => ReferencedSegment::FileOrCohort,
            None => ReferencedSegment::Unknown,
        }
    }

    /// Also for a reference by id.
    fn declared_name<'r>(&'r self, reference: &'r Reference) -> Option<&'r SegmentName> {
        match reference {
            Reference::Name(name) => Some(name),
            Reference::Id { id, .. } => self.matching.references.identities.declared_by_id.get(id),
        }
    }

    fn display_name(&self, reference: &Reference) -> SegmentName {
        let id = match reference {
            Reference::Id { id, .. } => id,
            Reference::Name(name) => return name.clone(),
        };
        let remote_name = || self.remote.get(id).map(|remote| &remote.name);
        let name = self.declared_name(reference).or_else(remote_name);
        name.cloned().unwrap_or_else(|| SegmentName::new(id.as_str()))
    }

    fn exceeded(
        &self,
        summary: &ReferenceSummary,
        calculator: &mut LimitCalculator<'_>,
    ) -> Option<ExceededLimit> {
        let references = summary.references.keys();
        let count = references
            .filter(|reference| !matches!(self.referenced(reference), ReferencedSegment::FileOrCohort))
            .count();
        let depth = calculator.depth(summary);
        let length = calculator.expanded_length(summary);
        if count > REFERENCE_LIMIT {
            Some(ExceededLimit::References {
                count,
                limit: REFERENCE_LIMIT,
            })
        } else if depth > DEPTH_LIMIT {
            let path = calculator.deepest_chain(summary);
            Some(ExceededLimit::Depth {
                depth,
                limit: DEPTH_LIMIT,
                path: path
                    .iter()
                    .map(|reference| self.display_name(reference))
                    .collect(),
            })
        } else if length > EXPANDED_LENGTH_LIMIT {
            Some(ExceededLimit::Length {
                length,
                limit: EXPANDED_LENGTH_LIMIT,
            })
        } else {
            None
        }
    }

    /// The segments on the path to a position that the plan does not write, in the order of the path.
    fn unwritten(&self, mut position: Option<usize>, open: &[(&Reference, Option<usize>)]) -> Vec<RemoteRef> {
        let mut found = Vec::new();
        while let Some((reference, previous)) = position.and_then(|position| open.get(position)) {
            let is_written = self
                .declared_name(reference)
                .is_some_and(|name| self.written.contains_key(name));
            let id = self.matching.references.id_of(reference).filter(|_| !is_written);
            let remote = id.and_then(|id| self.remote.get(id));
            found.extend(remote.map(|remote| self.matching.remote_ref(remote)));
            position = *previous;
        }
        found.reverse();
        found
    }

    /// The shortest path from a segment through its references back to itself.
    fn cycle(&self, segment: &SegmentName, summary: &ReferenceSummary) -> Option<ExceededLimit> {
        // A breadth-first search; each reference has the position of the one that led to it.
        let references = summary.references.keys();
        let mut open: Vec<(&Reference, Option<usize>)> =
            references.map(|reference| (reference, None)).collect();
        let mut seen: BTreeSet<&Reference> = summary.references.keys().collect();
        let mut next = 0;
        while let Some((reference, _)) = open.get(next) {
            if self.declared_name(reference) == Some(segment) {
                let mut path = Vec::new();
                let mut position = Some(next);
                while let Some((reference, previous)) = position.and_then(|position| open.get(position)) {
                    path.push(self.display_name(reference));
                    position = *previous;
                }
                path.push(segment.clone());
                path.reverse();
                let unwritten = self.unwritten(open.get(next).and_then(|(_, previous)| *previous), &open);
                return Some(ExceededLimit::Cycle { path, unwritten });
            }
            if let ReferencedSegment::Filter(referenced) = self.referenced(reference) {
                let references = referenced.references.keys();
                let unseen = references.filter(|reference| seen.insert(reference));
                open.extend(unseen.map(|reference| (reference, Some(next))));
            }
            next += 1;
        }
        None
    }
}
