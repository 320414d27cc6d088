//! What the service would refuse, found before it is asked: definitions and names in use, references to nothing.

use super::change::Draft;
use super::identity::Matches;
use super::step::{Action, Conflict, Known, Warning};
use crate::definition::{Digest, Digests};
use crate::model::{DeclaredSegment, Lifecycle, LiveSegment, Observed, Reference, SegmentId};
use std::collections::{BTreeMap, BTreeSet};

/// The documented limit of active segments in a workspace, of all kinds together. It can be raised for a
/// workspace, so going over it is a warning.
const ACTIVE_LIMIT: usize = 1000;

/// Live definitions by digest, without those that the plan itself gives up.
pub(super) struct Definitions<'a> {
    exact: BTreeMap<Digest, &'a LiveSegment>,
    unordered: BTreeMap<Digest, &'a LiveSegment>,
}

impl<'a> Definitions<'a> {
    /// All definitions of active live segments that were read.
    pub(super) fn of(observed: &'a Observed, known: &Known) -> Self {
        let mut definitions = Self {
            exact: BTreeMap::new(),
            unordered: BTreeMap::new(),
        };
        for live in observed
            .segments
            .values()
            .filter(|live| live.lifecycle == Lifecycle::Active)
        {
            if let Some(payload) = &live.definition {
                let digests = Digests::of(payload, &known.identities);
                definitions.exact.insert(digests.exact, live);
                definitions.unordered.insert(digests.unordered, live);
            }
        }
        definitions
    }

    /// The live segment that has the very definition that `draft` wants to store, if it is another one.
    pub(super) fn holder(&self, draft: &Draft<'_>) -> Option<&'a LiveSegment> {
        let wanted = draft.action.wanted()?;
        self.exact
            .get(&wanted.digests.exact)
            .copied()
            .filter(|live| !is_target(&draft.action, &live.id))
    }

    fn likely_holder(&self, draft: &Draft<'_>) -> Option<&'a LiveSegment> {
        let wanted = draft.action.wanted()?;
        self.unordered
            .get(&wanted.digests.unordered)
            .copied()
            .filter(|live| !is_target(&draft.action, &live.id))
    }
}

fn is_target(action: &Action, id: &SegmentId) -> bool {
    action.target().is_some_and(|target| target.id == *id)
}

/// Everything that forbids the drafts, and everything worth a warning.
pub(super) fn find(
    drafts: &[Draft<'_>],
    matches: &Matches<'_>,
    observed: &Observed,
) -> (Vec<Conflict>, Vec<Warning>) {
    let definitions = Definitions::of(observed, &matches.known);
    let released = released(drafts);
    let mut conflicts = Vec::new();
    let mut warnings = Vec::new();
    for draft in drafts {
        match definitions.holder(draft) {
            Some(holder) if !released.contains(&holder.id) => {
                conflicts.push(definition_taken(draft.segment, holder))
            }
            Some(_) => {}
            None => warnings.extend(likely_duplicate(draft, &definitions)),
        }
        conflicts.extend(name_taken(draft, matches));
    }
    let active = matches
        .pairs
        .iter()
        .filter(|(segment, _)| segment.lifecycle == Lifecycle::Active);
    conflicts.extend(active.flat_map(|(segment, _)| unknown_references(segment, matches)));
    warnings.extend(active_limit(drafts, observed));
    (conflicts, warnings)
}

/// Live segments whose definitions the plan gives up.
pub(super) fn released(drafts: &[Draft<'_>]) -> BTreeSet<SegmentId> {
    let gives_up = |draft: &&Draft<'_>| match &draft.action {
        Action::Update { target, wanted, .. } => target.seen.as_ref() != Some(&wanted.digests.exact),
        Action::Archive(_) => true,
        Action::Create(_) | Action::Unarchive(_) => false,
    };
    drafts
        .iter()
        .filter(gives_up)
        .filter_map(|draft| draft.action.target())
        .map(|target| target.id.clone())
        .collect()
}

fn definition_taken(segment: &DeclaredSegment, holder: &LiveSegment) -> Conflict {
    Conflict::DefinitionTaken {
        segment: segment.name.clone(),
        origin: segment.origin.clone(),
        holder_name: holder.name.clone(),
        holder: holder.id.clone(),
    }
}

fn likely_duplicate(draft: &Draft<'_>, definitions: &Definitions<'_>) -> Option<Warning> {
    definitions
        .likely_holder(draft)
        .map(|holder| Warning::LikelyDuplicate {
            segment: draft.segment.name.clone(),
            holder_name: holder.name.clone(),
            holder: holder.id.clone(),
        })
}

/// A rename to a name that is in use; a name that the plan frees is in use as well until names are known to be
/// freed by renames, which is not documented.
fn name_taken(draft: &Draft<'_>, matches: &Matches<'_>) -> Option<Conflict> {
    let target = draft.action.target()?;
    let holder = matches
        .undeclared
        .iter()
        .find(|live| live.name == draft.segment.name)?;
    (target.live_name != draft.segment.name).then(|| Conflict::NameTaken {
        segment: draft.segment.name.clone(),
        origin: draft.segment.origin.clone(),
        holder: holder.id.clone(),
    })
}

fn unknown_references(segment: &DeclaredSegment, matches: &Matches<'_>) -> Vec<Conflict> {
    let created: BTreeSet<_> = matches
        .pairs
        .iter()
        .filter(|(declared, found)| found.is_some() || declared.lifecycle == Lifecycle::Active)
        .map(|(declared, _)| &declared.name)
        .collect();
    let unknown = |reference: &&Reference| match reference {
        Reference::Name(name) => !created.contains(name) && !matches.known.ids.contains_key(name),
        Reference::Id { .. } => false,
    };
    let names: BTreeSet<_> = segment
        .definition
        .references()
        .into_iter()
        .filter(unknown)
        .filter_map(|reference| match reference {
            Reference::Name(name) => Some(name.clone()),
            Reference::Id { .. } => None,
        })
        .collect();
    let conflict = |reference| Conflict::UnknownReference {
        segment: segment.name.clone(),
        origin: segment.origin.clone(),
        reference,
    };
    names.into_iter().map(conflict).collect()
}

fn active_limit(drafts: &[Draft<'_>], observed: &Observed) -> Option<Warning> {
    let active = observed
        .segments
        .values()
        .filter(|live| live.lifecycle == Lifecycle::Active)
        .count();
    let count = |wanted: fn(&Action) -> bool| drafts.iter().filter(|draft| wanted(&draft.action)).count();
    let more = count(|action| matches!(action, Action::Create(_) | Action::Unarchive(_)));
    let fewer = count(|action| matches!(action, Action::Archive(_)));
    let after = (active + more).saturating_sub(fewer);
    (more > 0 && after > ACTIVE_LIMIT).then_some(Warning::ActiveLimit {
        count: after,
        limit: ACTIVE_LIMIT,
    })
}
