//! The API's limits on references, over declared and remote segments together. Exceeding them is answered with 412 or 413.
//!
//! The rules of `config` check declared segments alone. Here, undeclared remote segments are included.

use super::actions::ProposedStep;
use super::matching::{Matching, declared_ref};
use super::step::{Conflict, ExceededLimit};
use crate::definition::encode;
use crate::definition::references::{
    DEPTH_LIMIT, EXPANDED_LENGTH_LIMIT, LimitCalculator, REFERENCE_LIMIT, ReferenceSummary, ReferencedSegment,
};
use crate::model::{
    DeclaredSegment, ObservedSegment, ObservedWorkspace, Payload, Reference, RemoteKind, SegmentId,
    SegmentName,
};
use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

/// Every segment that can be referenced, with the summary of its references.
pub(super) struct ReferenceLimits<'a> {
    declared: HashMap<&'a SegmentName, LazySummary<&'a DeclaredSegment>>,
    remote: HashMap<&'a SegmentId, LazySummary<&'a ObservedSegment>>,
    matching: &'a Matching<'a>,
}

/// The summary is computed when it is needed.
struct LazySummary<T> {
    segment: T,
    summary: OnceCell<ReferenceSummary>,
}

impl<T> From<T> for LazySummary<T> {
    fn from(segment: T) -> Self {
        Self {
            segment,
            summary: OnceCell::new(),
        }
    }
}

impl LazySummary<&DeclaredSegment> {
    fn referenced(&self) -> ReferencedSegment<'_> {
        let Some(definition) = self.segment.contents.definition() else {
            return ReferencedSegment::FileOrCohort;
        };
        let summary = self
            .summary
            .get_or_init(|| ReferenceSummary::from_payload(&encode(definition)));
        ReferencedSegment::Filter(summary)
    }
}

impl LazySummary<&ObservedSegment> {
    /// Empty for a definition that was not read: the limits are then checked as far as possible.
    fn summary(&self) -> &ReferenceSummary {
        let definition = self.segment.definition.as_ref();
        self.summary
            .get_or_init(|| definition.map(ReferenceSummary::from_payload).unwrap_or_default())
    }
}

impl<'a> ReferenceLimits<'a> {
    pub(super) fn of(matching: &'a Matching<'a>, observed: &'a ObservedWorkspace) -> Self {
        // An archived segment keeps its remote definition.
        let declared = matching.active().map(|pair| pair.declared);
        let remotes = observed.segments.values();
        Self {
            declared: declared.map(|segment| (&segment.name, segment.into())).collect(),
            remote: remotes.map(|remote| (&remote.id, remote.into())).collect(),
            matching,
        }
    }

    pub(super) fn find(&self, steps: &[ProposedStep<'_>]) -> Vec<Conflict> {
        let resolve = |reference: &Reference| self.referenced(reference);
        let mut calculator = LimitCalculator::new(&resolve);
        let mut conflicts = Vec::new();
        for step in steps.iter().filter(|step| step.action.desired().is_some()) {
            let Some(segment) = step.declared else { continue };
            let declared = self.declared.get(&segment.name);
            let Some(ReferencedSegment::Filter(summary)) = declared.map(LazySummary::referenced) else {
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

    /// Whether the definition is within the limits.
    pub(super) fn allows(&self, payload: &Payload) -> bool {
        let resolve = |reference: &Reference| self.referenced(reference);
        let summary = ReferenceSummary::from_payload(payload);
        self.exceeded(&summary, &mut LimitCalculator::new(&resolve))
            .is_none()
    }

    fn referenced(&self, reference: &Reference) -> ReferencedSegment<'_> {
        let name = self.declared_name(reference);
        if let Some(declared) = name.and_then(|name| self.declared.get(name)) {
            return declared.referenced();
        }
        let id = self.matching.references.id_of(reference);
        match id.and_then(|id| self.remote.get(id)) {
            Some(remote) if remote.segment.kind == RemoteKind::Filter => {
                ReferencedSegment::Filter(remote.summary())
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
        let remote_name = || self.remote.get(id).map(|remote| &remote.segment.name);
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
                return Some(ExceededLimit::Cycle { path });
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
