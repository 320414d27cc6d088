//! What the service would refuse, found before it is asked: names and definitions in use, references to nothing.

use super::change::{Draft, may_be};
use super::holdings::Holdings;
use super::identity::{Matches, declared, owners};
use super::members::is_cohort;
use super::step::{Action, Conflict, Holder, Live, Warning};
use super::{Situation, by_both_names};
use crate::definition::Digest;
use crate::model::{DeclaredSegment, Lifecycle, LiveSegment, Observed, Reference, SegmentId, SegmentName};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Everything that forbids the drafts, and everything worth a warning.
pub(super) fn find(
    drafts: &[Draft<'_>],
    holdings: &Holdings<'_>,
    matches: &Matches<'_>,
    situation: &Situation<'_>,
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
    warnings.extend(names_in_other_case((drafts, holdings, matches), observed));
    let declared_names = matches
        .pairs
        .iter()
        .filter(|pair| pair.live.is_some() || pair.segment.lifecycle == Lifecycle::Active)
        .map(|pair| &pair.segment.name)
        .collect();
    let active = matches
        .pairs
        .iter()
        .filter(|pair| pair.segment.lifecycle == Lifecycle::Active);
    let orphans = matches.orphans.iter().map(|live| (&live.id, *live)).collect();
    for pair in active {
        conflicts.extend(unknown_references(pair.segment, &declared_names, matches));
        conflicts.extend(orphans_referenced(pair.segment, &orphans, (matches, situation)));
    }
    warnings.extend(still_referenced((drafts, holdings, matches)));
    (conflicts, warnings)
}

/// The drafts, who has what, and who is who.
type Scene<'s, 'a> = (&'s [Draft<'a>], &'s Holdings<'a>, &'s Matches<'a>);

fn name_taken(
    draft: &Draft<'_>,
    segment: &DeclaredSegment,
    (drafts, holdings, matches): Scene<'_, '_>,
) -> Option<Conflict> {
    let live = holdings.name_holder(draft)?;
    let segment = declared(segment);
    let holder = matches.holder(live);
    match holdings.gives_up_name(live, drafts) {
        Some(_) if holdings.renames_free() => None,
        Some(_) => Some(Conflict::NameReserved { segment, holder }),
        None => Some(Conflict::NameTaken { segment, holder }),
    }
}

fn name_reserved(
    draft: &Draft<'_>,
    segment: &DeclaredSegment,
    holdings: &Holdings<'_>,
    (matches, observed): (&Matches<'_>, &Observed),
) -> Option<Conflict> {
    let id = holdings.name_reserver(draft)?;
    let holder = match observed.segments.get(id) {
        Some(live) => matches.holder(live),
        None => Holder {
            id: id.clone(),
            name: draft.name.clone(),
            lifecycle: Lifecycle::Archived,
            declared: None,
        },
    };
    Some(Conflict::NameReserved {
        segment: declared(segment),
        holder,
    })
}

fn definition_taken(
    draft: &Draft<'_>,
    segment: &DeclaredSegment,
    (drafts, holdings, matches): Scene<'_, '_>,
) -> Vec<Conflict> {
    let holders = holdings.definition_holders(draft).into_iter();
    let kept = holders.filter(|live| holdings.frees_definition(live, drafts).is_none());
    kept.map(|live| Conflict::DefinitionTaken {
        segment: declared(segment),
        holder: matches.holder(live),
        target: draft.live.map(|own| own.id.clone()),
    })
    .collect()
}

/// Definitions that several drafts store. Where one of them has it already, the others clash with what is live.
fn definitions_shared(drafts: &[Draft<'_>]) -> Vec<Conflict> {
    let mut places: HashMap<&Digest, usize> = HashMap::with_capacity(drafts.len());
    let mut alike: Vec<Vec<&Draft<'_>>> = Vec::new();
    for draft in drafts {
        let Some(wanted) = draft.action.wanted() else {
            continue;
        };
        let place = *places.entry(&wanted.digests.exact).or_insert(alike.len());
        match alike.get_mut(place) {
            Some(others) => others.push(draft),
            None => alike.push(vec![draft]),
        }
    }
    let has_it = |draft: &&Draft<'_>| matches!(&draft.action, Action::Update(change) if !change.redefines());
    let shared = alike.into_iter().filter(|drafts| drafts.len() > 1);
    shared
        .filter(|drafts| !drafts.iter().any(has_it))
        .map(|drafts| Conflict::DefinitionShared {
            segments: drafts
                .iter()
                .filter_map(|draft| draft.declared)
                .map(declared)
                .collect(),
        })
        .collect()
}

fn likely_duplicate(
    draft: &Draft<'_>,
    segment: &DeclaredSegment,
    (drafts, holdings, matches): Scene<'_, '_>,
) -> Option<Warning> {
    let exact = holdings.definition_holders(draft);
    let mut likely = holdings.likely_holders(draft).into_iter();
    let live = likely.find(|live| {
        !exact.iter().any(|other| other.id == live.id) && holdings.frees_any_form(live, drafts).is_none()
    })?;
    Some(Warning::LikelyDuplicate {
        segment: declared(segment),
        holder: matches.holder(live),
    })
}

/// Live segments that have a wanted name in another case and keep it.
fn names_in_other_case((drafts, holdings, matches): Scene<'_, '_>, observed: &Observed) -> Vec<Warning> {
    let mut takers: BTreeMap<String, Vec<&Draft<'_>>> = BTreeMap::new();
    for draft in drafts.iter().filter(|draft| draft.takes_name()) {
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
            let is_own = draft.live.is_some_and(|own| own.id == live.id);
            let is_other = !is_own && draft.name != &live.name;
            if is_other && holdings.gives_up_name(live, drafts).is_none() {
                warnings.extend(draft.declared.map(|segment| Warning::NameInOtherCase {
                    segment: declared(segment),
                    holder: matches.holder(live),
                }));
            }
        }
    }
    warnings
}

fn unknown_references(
    segment: &DeclaredSegment,
    declared_names: &BTreeSet<&SegmentName>,
    matches: &Matches<'_>,
) -> Vec<Conflict> {
    let unknown: BTreeSet<&SegmentName> = segment
        .contents
        .references()
        .into_iter()
        .filter_map(|reference| match reference {
            Reference::Name(name) => Some(name),
            Reference::Id { .. } => None,
        })
        .filter(|name| !declared_names.contains(name) && !matches.known.ids.contains_key(name))
        .collect();
    unknown
        .into_iter()
        .map(|reference| Conflict::UnknownReference {
            segment: declared(segment),
            reference: reference.clone(),
        })
        .collect()
}

/// What no file declares any more and a file still refers to is more likely forgotten than meant to go.
fn orphans_referenced(
    segment: &DeclaredSegment,
    orphans: &BTreeMap<&SegmentId, &LiveSegment>,
    (matches, situation): (&Matches<'_>, &Situation<'_>),
) -> Vec<Conflict> {
    let ids: BTreeSet<_> = segment
        .contents
        .references()
        .into_iter()
        .filter_map(|reference| match reference {
            Reference::Name(name) => matches.known.ids.get(name),
            Reference::Id { id, .. } => Some(id),
        })
        .collect();
    let orphans = ids.into_iter().filter_map(|id| orphans.get(id).copied());
    let active = orphans.filter(|live| may_be(live, Lifecycle::Active, situation));
    // A cohort stays where it is.
    let going = active.filter(|live| !is_cohort(live, situation));
    going
        .map(|live| Conflict::OrphanReferenced {
            segment: declared(segment),
            target: matches.holder(live),
            owned_by: owners(live, situation),
        })
        .collect()
}

/// What is put away although segments refer to it that are nobody's business. Only those count whose definitions were
/// read for another reason: a warning is not worth a call.
fn still_referenced((drafts, holdings, matches): Scene<'_, '_>) -> Vec<Warning> {
    let archived = drafts
        .iter()
        .filter(|draft| matches!(draft.action, Action::Archive(_)))
        .filter_map(|draft| Some((&draft.live?.id, draft)));
    let archived: BTreeMap<_, _> = archived.collect();
    if archived.is_empty() {
        return Vec::new();
    }
    let mut referring: BTreeMap<&SegmentId, Vec<Live>> = BTreeMap::new();
    let strangers = matches.unmanaged.iter();
    for stranger in strangers.filter(|stranger| stranger.lifecycle == Lifecycle::Active) {
        for id in holdings.refers_to(stranger) {
            if archived.contains_key(id) {
                referring.entry(id).or_default().push(by_both_names(stranger));
            }
        }
    }
    let warning = |(id, by)| {
        let draft = archived.get(id)?;
        Some(Warning::StillReferenced {
            segment: draft.name.clone(),
            target: matches.holder(draft.live?),
            by,
        })
    };
    referring.into_iter().filter_map(warning).collect()
}
