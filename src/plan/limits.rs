//! The service's limits on references, over declared and live segments together: what it would answer with 412 or 413.
//!
//! Among declared segments alone the rules of `config` have found everything already; here live segments that nobody
//! declared come in, whose definitions only the workspace knows.

use super::actions::ProposedStep;
use super::matching::{Matching, declared_ref};
use super::step::{Conflict, ExceededLimit};
use crate::definition::encode;
use crate::definition::references::{
    DEPTH_LIMIT, EXPANDED_LENGTH_LIMIT, LimitCalculator, REFERENCE_LIMIT, ReferenceSummary, ReferencedSegment,
};
use crate::model::{
    DeclaredSegment, Lifecycle, ObservedSegment, ObservedWorkspace, Payload, Reference, RemoteKind,
    SegmentId, SegmentName,
};
use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

/// What every segment that can be referred to contributes; read from its definition when somebody asks.
pub(super) struct ReferenceLimits<'a> {
    declared: HashMap<&'a SegmentName, LazyOutline<&'a DeclaredSegment>>,
    remote: HashMap<&'a SegmentId, LazyOutline<&'a ObservedSegment>>,
    matches: &'a Matching<'a>,
}

/// A segment, and the outline of its definition once it was asked for.
struct LazyOutline<T> {
    segment: T,
    outline: OnceCell<ReferenceSummary>,
}

impl<T> From<T> for LazyOutline<T> {
    fn from(segment: T) -> Self {
        Self {
            segment,
            outline: OnceCell::new(),
        }
    }
}

impl LazyOutline<&DeclaredSegment> {
    fn referent(&self) -> ReferencedSegment<'_> {
        let Some(definition) = self.segment.contents.definition() else {
            return ReferencedSegment::FileOrCohort;
        };
        let outline = self
            .outline
            .get_or_init(|| ReferenceSummary::from_payload(&encode(definition)));
        ReferencedSegment::Filter(outline)
    }
}

impl LazyOutline<&ObservedSegment> {
    /// A filter segment whose definition was not read weighs at least as much as an empty one.
    fn outline(&self) -> &ReferenceSummary {
        let definition = self.segment.definition.as_ref();
        self.outline
            .get_or_init(|| definition.map(ReferenceSummary::from_payload).unwrap_or_default())
    }
}

impl<'a> ReferenceLimits<'a> {
    pub(super) fn of(matches: &'a Matching<'a>, observed: &'a ObservedWorkspace) -> Self {
        // What is put away keeps the definition that it has, whatever its file says.
        let active = matches
            .matches
            .iter()
            .filter(|pair| pair.declared.lifecycle == Lifecycle::Active);
        let declared = active.map(|pair| (&pair.declared.name, LazyOutline::from(pair.declared)));
        let live = observed
            .segments
            .values()
            .map(|live| (&live.id, LazyOutline::from(live)));
        Self {
            declared: declared.collect(),
            remote: live.collect(),
            matches,
        }
    }

    /// Every draft whose definition the service would refuse for what it refers to.
    pub(super) fn find(&self, drafts: &[ProposedStep<'_>]) -> Vec<Conflict> {
        let resolve = |reference: &Reference| self.referent(reference);
        let mut weights = LimitCalculator::new(&resolve);
        let mut conflicts = Vec::new();
        for draft in drafts.iter().filter(|draft| draft.action.desired().is_some()) {
            let Some(segment) = draft.declared else { continue };
            let itself = self
                .declared
                .get(&segment.name)
                .map(LazyOutline::<&DeclaredSegment>::referent);
            let Some(ReferencedSegment::Filter(outline)) = itself else {
                continue;
            };
            let exceeded = self
                .exceeded(outline, &mut weights)
                .or_else(|| self.cycle(&segment.name, outline));
            conflicts.extend(exceeded.map(|limit| Conflict::ReferenceLimit {
                segment: declared_ref(segment),
                limit,
            }));
        }
        conflicts
    }

    /// Whether the service would take a definition, for what it refers to.
    pub(super) fn allows(&self, payload: &Payload) -> bool {
        let resolve = |reference: &Reference| self.referent(reference);
        self.exceeded(
            &ReferenceSummary::from_payload(payload),
            &mut LimitCalculator::new(&resolve),
        )
        .is_none()
    }

    fn referent(&self, reference: &Reference) -> ReferencedSegment<'_> {
        let declared = self
            .declared_name(reference)
            .and_then(|name| self.declared.get(name));
        if let Some(declared) = declared {
            return declared.referent();
        }
        let id = match reference {
            Reference::Id { id, .. } => Some(id),
            Reference::Name(name) => self.matches.references.ids_by_name.get(name),
        };
        match id.and_then(|id| self.remote.get(id)) {
            Some(live) if live.segment.kind == RemoteKind::Filter => {
                ReferencedSegment::Filter(live.outline())
            }
            Some(_) => ReferencedSegment::FileOrCohort,
            None => ReferencedSegment::Unknown,
        }
    }

    /// The declared segment that a reference means, by name or by the id of its live segment.
    fn declared_name<'r>(&'r self, reference: &'r Reference) -> Option<&'r SegmentName> {
        match reference {
            Reference::Name(name) => Some(name),
            Reference::Id { id, .. } => self.matches.references.identities.declared_by_id.get(id),
        }
    }

    /// The name by which people know what a reference means.
    fn display_name(&self, reference: &Reference) -> SegmentName {
        let id = match reference {
            Reference::Id { id, .. } => id,
            Reference::Name(name) => return name.clone(),
        };
        let live = || self.remote.get(id).map(|live| &live.segment.name);
        let name = self.declared_name(reference).or_else(live).cloned();
        name.unwrap_or_else(|| SegmentName::new(id.as_str()))
    }

    fn exceeded(
        &self,
        outline: &ReferenceSummary,
        weights: &mut LimitCalculator<'_>,
    ) -> Option<ExceededLimit> {
        let counted = outline
            .references
            .keys()
            .filter(|to| !matches!(self.referent(to), ReferencedSegment::FileOrCohort))
            .count();
        let level = weights.depth(outline);
        let length = weights.expanded_length(outline);
        if counted > REFERENCE_LIMIT {
            Some(ExceededLimit::References {
                count: counted,
                limit: REFERENCE_LIMIT,
            })
        } else if level > DEPTH_LIMIT {
            let way = weights.deepest_chain(outline);
            Some(ExceededLimit::Depth {
                depth: level,
                limit: DEPTH_LIMIT,
                path: way.iter().map(|reference| self.display_name(reference)).collect(),
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

    /// The shortest way from a segment's references back to the segment.
    fn cycle(&self, segment: &SegmentName, outline: &ReferenceSummary) -> Option<ExceededLimit> {
        // Each with the place of the one that refers to it.
        let mut open: Vec<(&Reference, Option<usize>)> = outline
            .references
            .keys()
            .map(|reference| (reference, None))
            .collect();
        let mut seen: BTreeSet<&Reference> = outline.references.keys().collect();
        let mut next = 0;
        while let Some((reference, _)) = open.get(next) {
            if self.declared_name(reference) == Some(segment) {
                let mut way = Vec::new();
                let mut place = Some(next);
                while let Some((reference, before)) = place.and_then(|place| open.get(place)) {
                    way.push(self.display_name(reference));
                    place = *before;
                }
                way.push(segment.clone());
                way.reverse();
                return Some(ExceededLimit::Cycle { path: way });
            }
            if let ReferencedSegment::Filter(referred) = self.referent(reference) {
                let unseen = referred
                    .references
                    .keys()
                    .filter(|reference| seen.insert(reference));
                open.extend(unseen.map(|reference| (reference, Some(next))));
            }
            next += 1;
        }
        None
    }
}
