//! What the service would refuse, found before it is asked: names and definitions in use, references to nothing.

use super::actions::ProposedStep;
use super::target::possibly_in;
use super::cohorts::is_cohort;
use super::matching::{Matching, declared_ref, management_reasons};
use super::step::{Action, Conflict, RemoteRef, SegmentRef, Warning};
use super::uniqueness::UniquenessIndex;
use super::{PlanInput, segment_ref};
use crate::definition::Digest;
use crate::model::{
    DeclaredSegment, Lifecycle, ObservedSegment, ObservedWorkspace, Reference, SegmentId, SegmentName,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Everything that forbids the drafts, and everything worth a warning.
pub(super) fn find(
    drafts: &[ProposedStep<'_>],
    holdings: &UniquenessIndex<'_>,
    matches: &Matching<'_>,
    situation: &PlanInput<'_>,
) -> (Vec<Conflict>, Vec<Warning>) {
    let observed = situation.observed;
    let mut conflicts = Vec::new();
    let mut warnings = Vec::new();
    for draft in drafts {
        let Some(segment) = draft.declared else { continue };
        conflicts.extend(name_taken(draft, segment, (drafts, holdings, matches)));
        conflicts.extend(name_reserved(draft, segment, holdings, (matches, observed)));
        let taken = definition_taken(draft, segment, (drafts, holdings, matches));
        if taken.is_empty() {
            warnings.extend(likely_duplicate(draft, segment, (drafts, holdings, matches)));
        }
        conflicts.extend(taken);
    }
    conflicts.extend(definitions_shared(drafts));
    warnings.extend(names_differing_in_case((drafts, holdings, matches), observed));
    let declared_names = matches
        .matches
        .iter()
        .filter(|pair| pair.remote.is_some() || pair.declared.lifecycle == Lifecycle::Active)
        .map(|pair| &pair.declared.name)
        .collect();
    let active = matches
        .matches
        .iter()
        .filter(|pair| pair.declared.lifecycle == Lifecycle::Active);
    let orphans = matches.orphans.iter().map(|live| (&live.id, *live)).collect();
    for pair in active {
        conflicts.extend(unknown_references(pair.declared, &declared_names, matches));
        conflicts.extend(referenced_orphans(pair.declared, &orphans, (matches, situation)));
    }
    warnings.extend(still_referenced((drafts, holdings, matches)));
    (conflicts, warnings)
}

/// The drafts, who has what, and who is who.
type PlanContext<'s, 'a> = (&'s [ProposedStep<'a>], &'s UniquenessIndex<'a>, &'s Matching<'a>);

fn name_taken(
    draft: &ProposedStep<'_>,
    segment: &DeclaredSegment,
    (drafts, holdings, matches): PlanContext<'_, '_>,
) -> Option<Conflict> {
    let live = holdings.name_holder(draft)?;
    let segment = declared_ref(segment);
    let holder = matches.remote_ref(live);
    match holdings.step_releasing_name(live, drafts) {
        Some(_) if holdings.renames_free_names() => None,
        Some(_) => Some(Conflict::NameReserved { segment, holder }),
        None => Some(Conflict::NameTaken { segment, holder }),
    }
}

fn name_reserved(
    draft: &ProposedStep<'_>,
    segment: &DeclaredSegment,
    holdings: &UniquenessIndex<'_>,
    (matches, observed): (&Matching<'_>, &ObservedWorkspace),
) -> Option<Conflict> {
    let id = holdings.reserved_name_holder(draft)?;
    let holder = match observed.segments.get(id) {
        Some(live) => matches.remote_ref(live),
        None => RemoteRef {
            id: id.clone(),
            name: draft.name.clone(),
            lifecycle: Lifecycle::Archived,
            declared: None,
        },
    };
    Some(Conflict::NameReserved {
        segment: declared_ref(segment),
        holder,
    })
}

fn definition_taken(
    draft: &ProposedStep<'_>,
    segment: &DeclaredSegment,
    (drafts, holdings, matches): PlanContext<'_, '_>,
) -> Vec<Conflict> {
    let holders = holdings.exact_definition_holders(draft).into_iter();
    let kept = holders.filter(|live| holdings.step_releasing_definition(live, drafts).is_none());
    kept.map(|live| Conflict::DefinitionTaken {
        segment: declared_ref(segment),
        holder: matches.remote_ref(live),
        target: draft.remote.map(|own| own.id.clone()),
    })
    .collect()
}

/// Definitions that several drafts store. Where one of them has it already, the others clash with what is live.
fn definitions_shared(drafts: &[ProposedStep<'_>]) -> Vec<Conflict> {
    let mut places: HashMap<&Digest, usize> = HashMap::with_capacity(drafts.len());
    let mut alike: Vec<Vec<&ProposedStep<'_>>> = Vec::new();
    for draft in drafts {
        let Some(wanted) = draft.action.desired() else {
            continue;
        };
        let place = *places.entry(&wanted.digests.exact).or_insert(alike.len());
        match alike.get_mut(place) {
            Some(others) => others.push(draft),
            None => alike.push(vec![draft]),
        }
    }
    let has_it = |draft: &&ProposedStep<'_>| matches!(&draft.action, Action::Update(change) if !change.changes_definition());
    let shared = alike.into_iter().filter(|drafts| drafts.len() > 1);
    shared
        .filter(|drafts| !drafts.iter().any(has_it))
        .map(|drafts| Conflict::DefinitionShared {
            segments: drafts
                .iter()
                .filter_map(|draft| draft.declared)
                .map(declared_ref)
                .collect(),
        })
        .collect()
}

fn likely_duplicate(
    draft: &ProposedStep<'_>,
    segment: &DeclaredSegment,
    (drafts, holdings, matches): PlanContext<'_, '_>,
) -> Option<Warning> {
    let exact = holdings.exact_definition_holders(draft);
    let mut likely = holdings.equivalent_definition_holders(draft).into_iter();
    let live = likely.find(|live| {
        !exact.iter().any(|other| other.id == live.id)
            && holdings.step_releasing_equivalents(live, drafts).is_none()
    })?;
    Some(Warning::LikelyDuplicate {
        segment: declared_ref(segment),
        holder: matches.remote_ref(live),
    })
}

/// Live segments that have a wanted name in another case and keep it.
fn names_differing_in_case(
    (drafts, holdings, matches): PlanContext<'_, '_>,
    observed: &ObservedWorkspace,
) -> Vec<Warning> {
    let mut takers: BTreeMap<String, Vec<&ProposedStep<'_>>> = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| draft.acquires_name()) {
        let alike = takers.entry(draft.name.as_str().to_lowercase());
        alike.or_default().push(draft);
    }
    if takers.is_empty() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for live in observed.segments.values() {
        let alike = takers.get(&live.name.as_str().to_lowercase());
        for draft in alike.into_iter().flatten() {
            let is_own = draft.remote.is_some_and(|own| own.id == live.id);
            let is_other = !is_own && draft.name != &live.name;
            if is_other && holdings.step_releasing_name(live, drafts).is_none() {
                warnings.extend(draft.declared.map(|segment| Warning::NameDiffersInCase {
                    segment: declared_ref(segment),
                    holder: matches.remote_ref(live),
                }));
            }
        }
    }
    warnings
}

fn unknown_references(
    segment: &DeclaredSegment,
    declared_names: &BTreeSet<&SegmentName>,
    matches: &Matching<'_>,
) -> Vec<Conflict> {
    let unknown: BTreeSet<&SegmentName> = segment
        .contents
        .references()
        .into_iter()
        .filter_map(|reference| match reference {
            Reference::Name(name) => Some(name),
            Reference::Id { .. } => None,
        })
        .filter(|name| !declared_names.contains(name) && !matches.references.ids_by_name.contains_key(name))
        .collect();
    unknown
        .into_iter()
        .map(|reference| Conflict::UnknownReference {
            segment: declared_ref(segment),
            reference: reference.clone(),
        })
        .collect()
}

/// What no file declares any more and a file still refers to is more likely forgotten than meant to go.
fn referenced_orphans(
    segment: &DeclaredSegment,
    orphans: &BTreeMap<&SegmentId, &ObservedSegment>,
    (matches, situation): (&Matching<'_>, &PlanInput<'_>),
) -> Vec<Conflict> {
    let ids: BTreeSet<_> = segment
        .contents
        .references()
        .into_iter()
        .filter_map(|reference| match reference {
            Reference::Name(name) => matches.references.ids_by_name.get(name),
            Reference::Id { id, .. } => Some(id),
        })
        .collect();
    let orphans = ids.into_iter().filter_map(|id| orphans.get(id).copied());
    let active = orphans.filter(|live| possibly_in(live, Lifecycle::Active, situation));
    // A cohort stays where it is.
    let going = active.filter(|live| !is_cohort(live, situation));
    going
        .map(|live| Conflict::OrphanReferenced {
            segment: declared_ref(segment),
            target: matches.remote_ref(live),
            managed_by: management_reasons(live, situation),
        })
        .collect()
}

/// What is put away although segments refer to it that are nobody's business. Only those count whose definitions were
/// read for another reason: a warning is not worth a call.
fn still_referenced((drafts, holdings, matches): PlanContext<'_, '_>) -> Vec<Warning> {
    let archived = drafts
        .iter()
        .filter(|draft| matches!(draft.action, Action::Archive(_)))
        .filter_map(|draft| Some((&draft.remote?.id, draft)));
    let archived: BTreeMap<_, _> = archived.collect();
    if archived.is_empty() {
        return Vec::new();
    }
    let mut referring: BTreeMap<&SegmentId, Vec<SegmentRef>> = BTreeMap::new();
    let strangers = matches.unmanaged.iter();
    for stranger in strangers.filter(|stranger| stranger.lifecycle == Lifecycle::Active) {
        for id in holdings.referenced_segments(stranger) {
            if archived.contains_key(id) {
                referring.entry(id).or_default().push(segment_ref(stranger));
            }
        }
    }
    let warning = |(id, by)| {
        let draft = archived.get(id)?;
        Some(Warning::StillReferenced {
            segment: draft.name.clone(),
            target: matches.remote_ref(draft.remote?),
            referenced_by: by,
        })
    };
    referring.into_iter().filter_map(warning).collect()
}
