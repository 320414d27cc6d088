//! Which live segment a declared one is.
//!
//! By, in order: the declared name, the id that the ledger has for the name, a previous name. The name comes
//! first because the service guarantees it to be unique; a ledger may be old.

use super::step::{Conflict, Known, MatchReason};
use crate::definition::Identities;
use crate::ledger::Ledger;
use crate::model::{DeclaredSegment, LiveSegment, Observed, SegmentId, SegmentName};
use std::collections::{BTreeMap, BTreeSet};

/// Declared segments with the live ones they are.
pub(super) struct Matches<'a> {
    /// In the order declared.
    pub(super) pairs: Vec<(&'a DeclaredSegment, Option<(&'a LiveSegment, MatchReason)>)>,
    /// What references mean.
    pub(super) known: Known,
    /// Live segments that no declared one is.
    pub(super) undeclared: Vec<&'a LiveSegment>,
    /// Declared segments that claim one live segment together.
    pub(super) conflicts: Vec<Conflict>,
}

/// Matches every declared segment.
pub(super) fn match_all<'a>(
    declared: &'a [DeclaredSegment],
    observed: &'a Observed,
    ledger: &Ledger,
) -> Matches<'a> {
    let by_name: BTreeMap<&SegmentName, &LiveSegment> = observed
        .segments
        .values()
        .map(|live| (&live.name, live))
        .collect();
    let names: BTreeSet<&SegmentName> = declared.iter().map(|segment| &segment.name).collect();
    let find = |segment: &DeclaredSegment| {
        let named = by_name.get(&segment.name).map(|live| (*live, MatchReason::Name));
        named
            .or_else(|| by_ledger(segment, observed, ledger, &names))
            .or_else(|| by_previous(segment, &by_name, &names))
    };
    let pairs: Vec<_> = declared.iter().map(|segment| (segment, find(segment))).collect();
    let matched: BTreeSet<&SegmentId> = pairs
        .iter()
        .filter_map(|(_, found)| found.map(|(live, _)| &live.id))
        .collect();
    let undeclared: Vec<_> = observed
        .segments
        .values()
        .filter(|live| !matched.contains(&live.id))
        .collect();
    Matches {
        known: known(&pairs, &undeclared),
        conflicts: shared(&pairs),
        pairs,
        undeclared,
    }
}

fn by_ledger<'a>(
    segment: &DeclaredSegment,
    observed: &'a Observed,
    ledger: &Ledger,
    names: &BTreeSet<&SegmentName>,
) -> Option<(&'a LiveSegment, MatchReason)> {
    let entry = ledger.named(&segment.name)?;
    let live = observed.segments.get(&entry.id)?;
    // A live segment that has another declared segment's name is that one.
    (!names.contains(&live.name)).then_some((live, MatchReason::Ledger))
}

fn by_previous<'a>(
    segment: &DeclaredSegment,
    by_name: &BTreeMap<&SegmentName, &'a LiveSegment>,
    names: &BTreeSet<&SegmentName>,
) -> Option<(&'a LiveSegment, MatchReason)> {
    let free = segment.previous_names.iter().filter(|name| !names.contains(name));
    free.filter_map(|name| by_name.get(name))
        .next()
        .map(|live| (*live, MatchReason::PreviousName))
}

fn known(
    pairs: &[(&DeclaredSegment, Option<(&LiveSegment, MatchReason)>)],
    undeclared: &[&LiveSegment],
) -> Known {
    let mut ids = BTreeMap::new();
    let mut identities = Identities::default();
    for live in undeclared {
        ids.insert(live.name.clone(), live.id.clone());
        identities
            .undeclared_by_name
            .insert(live.name.clone(), live.id.clone());
    }
    for (segment, found) in pairs {
        // A declared name always means the declared segment, live already or not.
        identities.undeclared_by_name.remove(&segment.name);
        match found {
            Some((live, _)) => {
                ids.insert(segment.name.clone(), live.id.clone());
                identities
                    .declared_by_id
                    .insert(live.id.clone(), segment.name.clone());
            }
            None => {
                ids.remove(&segment.name);
            }
        }
    }
    Known { ids, identities }
}

fn shared(pairs: &[(&DeclaredSegment, Option<(&LiveSegment, MatchReason)>)]) -> Vec<Conflict> {
    let mut claims: BTreeMap<&SegmentId, Vec<&DeclaredSegment>> = BTreeMap::new();
    for (segment, found) in pairs {
        if let Some((live, _)) = found {
            claims.entry(&live.id).or_default().push(segment);
        }
    }
    claims
        .into_iter()
        .filter(|(_, segments)| segments.len() > 1)
        .map(|(target, segments)| Conflict::SharedTarget {
            segments: segments
                .iter()
                .map(|segment| (segment.name.clone(), segment.origin.clone()))
                .collect(),
            target: target.clone(),
        })
        .collect()
}
