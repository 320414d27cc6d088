//! The service's limits on references, over declared and live segments together: what it would answer with 412 or 413.
//!
//! Among declared segments alone the rules of `config` have found everything already; here live segments that nobody
//! declared come in, whose definitions only the workspace knows.

use super::change::Draft;
use super::identity::{Matches, declared};
use super::step::{Conflict, ExceededLimit};
use crate::definition::print;
use crate::definition::references::{
    EXPANDED_LIMIT, LEVEL_LIMIT, Outline, REFERENCE_LIMIT, Referent, Weights,
};
use crate::model::{
    DeclaredSegment, Lifecycle, LiveKind, LiveSegment, Observed, Payload, Reference, SegmentId, SegmentName,
};
use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

/// What every segment that can be referred to contributes; read from its definition when somebody asks.
pub(super) struct Limits<'a> {
    declared: HashMap<&'a SegmentName, Lazy<&'a DeclaredSegment>>,
    live: HashMap<&'a SegmentId, Lazy<&'a LiveSegment>>,
    matches: &'a Matches<'a>,
}

/// A segment, and the outline of its definition once it was asked for.
struct Lazy<T> {
    segment: T,
    outline: OnceCell<Outline>,
}

impl<T> From<T> for Lazy<T> {
    fn from(segment: T) -> Self {
        Self {
            segment,
            outline: OnceCell::new(),
        }
    }
}

impl Lazy<&DeclaredSegment> {
    fn referent(&self) -> Referent<'_> {
        let Some(definition) = self.segment.contents.definition() else {
            return Referent::Members;
        };
        let outline = self.outline.get_or_init(|| Outline::of(&print(definition)));
        Referent::Filter(outline)
    }
}

impl Lazy<&LiveSegment> {
    /// A filter segment whose definition was not read weighs at least as much as an empty one.
    fn outline(&self) -> &Outline {
        let definition = self.segment.definition.as_ref();
        self.outline
            .get_or_init(|| definition.map(Outline::of).unwrap_or_default())
    }
}

impl<'a> Limits<'a> {
    pub(super) fn of(matches: &'a Matches<'a>, observed: &'a Observed) -> Self {
        // What is put away keeps the definition that it has, whatever its file says.
        let active = matches
            .pairs
            .iter()
            .filter(|pair| pair.segment.lifecycle == Lifecycle::Active);
        let declared = active.map(|pair| (&pair.segment.name, Lazy::from(pair.segment)));
        let live = observed
            .segments
            .values()
            .map(|live| (&live.id, Lazy::from(live)));
        Self {
            declared: declared.collect(),
            live: live.collect(),
            matches,
        }
    }

    /// Every draft whose definition the service would refuse for what it refers to.
    pub(super) fn find(&self, drafts: &[Draft<'_>]) -> Vec<Conflict> {
        let resolve = |reference: &Reference| self.referent(reference);
        let mut weights = Weights::new(&resolve);
        let mut conflicts = Vec::new();
        for draft in drafts.iter().filter(|draft| draft.action.wanted().is_some()) {
            let Some(segment) = draft.declared else { continue };
            let itself = self
                .declared
                .get(&segment.name)
                .map(Lazy::<&DeclaredSegment>::referent);
            let Some(Referent::Filter(outline)) = itself else {
                continue;
            };
            let exceeded = self
                .exceeded(outline, &mut weights)
                .or_else(|| self.circle(&segment.name, outline));
            conflicts.extend(exceeded.map(|limit| Conflict::Limit {
                segment: declared(segment),
                limit,
            }));
        }
        conflicts
    }

    /// Whether the service would take a definition, for what it refers to.
    pub(super) fn fit(&self, payload: &Payload) -> bool {
        let resolve = |reference: &Reference| self.referent(reference);
        self.exceeded(&Outline::of(payload), &mut Weights::new(&resolve))
            .is_none()
    }

    fn referent(&self, reference: &Reference) -> Referent<'_> {
        let declared = self
            .declared_name(reference)
            .and_then(|name| self.declared.get(name));
        if let Some(declared) = declared {
            return declared.referent();
        }
        let id = match reference {
            Reference::Id { id, .. } => Some(id),
            Reference::Name(name) => self.matches.known.ids.get(name),
        };
        match id.and_then(|id| self.live.get(id)) {
            Some(live) if live.segment.kind == LiveKind::Filter => Referent::Filter(live.outline()),
            Some(_) => Referent::Members,
            None => Referent::Unknown,
        }
    }

    /// The declared segment that a reference means, by name or by the id of its live segment.
    fn declared_name<'r>(&'r self, reference: &'r Reference) -> Option<&'r SegmentName> {
        match reference {
            Reference::Name(name) => Some(name),
            Reference::Id { id, .. } => self.matches.known.identities.declared_by_id.get(id),
        }
    }

    /// The name by which people know what a reference means.
    fn name(&self, reference: &Reference) -> SegmentName {
        let id = match reference {
            Reference::Id { id, .. } => id,
            Reference::Name(name) => return name.clone(),
        };
        let live = || self.live.get(id).map(|live| &live.segment.name);
        let name = self.declared_name(reference).or_else(live).cloned();
        name.unwrap_or_else(|| SegmentName::new(id.as_str()))
    }

    fn exceeded(&self, outline: &Outline, weights: &mut Weights<'_>) -> Option<ExceededLimit> {
        let counted = outline
            .references
            .keys()
            .filter(|to| !matches!(self.referent(to), Referent::Members))
            .count();
        let level = weights.level(outline);
        let length = weights.expanded_length(outline);
        if counted > REFERENCE_LIMIT {
            Some(ExceededLimit::References {
                count: counted,
                limit: REFERENCE_LIMIT,
            })
        } else if level > LEVEL_LIMIT {
            let way = weights.deepest_chain(outline);
            Some(ExceededLimit::Level {
                level,
                limit: LEVEL_LIMIT,
                way: way.iter().map(|reference| self.name(reference)).collect(),
            })
        } else if length > EXPANDED_LIMIT {
            Some(ExceededLimit::Length {
                length,
                limit: EXPANDED_LIMIT,
            })
        } else {
            None
        }
    }

    /// The shortest way from a segment's references back to the segment.
    fn circle(&self, segment: &SegmentName, outline: &Outline) -> Option<ExceededLimit> {
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
                    way.push(self.name(reference));
                    place = *before;
                }
                way.push(segment.clone());
                way.reverse();
                return Some(ExceededLimit::Circle { way });
            }
            if let Referent::Filter(referred) = self.referent(reference) {
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
