//! The third side of the comparison: what was last applied.
//!
//! A difference between file and workspace alone does not say who made it. With the definition that was last applied
//! between the two, it does: where the workspace still is what was applied, the file changed; where the file still
//! says what was applied, somebody changed the workspace.

use super::Situation;
use super::forms::Forms;
use super::identity::Matches;
use super::step::{Cause, Changed, Drift, Known, LifecycleDrift, Live, Warning};
use crate::definition::{Digest, FieldChange, diff, normal};
use crate::ledger::Entry;
use crate::model::{Lifecycle, LiveSegment, SegmentName};
use jiff::SignedDuration;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The documented time without a run after which the service archives a segment.
const AUTO_ARCHIVE: SignedDuration = SignedDuration::from_hours(60 * 24);

/// What was last applied to a segment, as far as the ledger knows.
pub(super) struct Base<'a> {
    entry: Option<&'a Entry>,
}

impl<'a> Base<'a> {
    pub(super) fn of(entry: Option<&'a Entry>) -> Self {
        Self { entry }
    }

    /// Who made a live name differ from the declared one.
    pub(super) fn cause_of_name(&self, live: &SegmentName, declared: &SegmentName) -> Option<Cause> {
        self.entry
            .and_then(|entry| cause(is_renamed(entry, live), entry.name != *declared))
    }

    /// Changes from `live` to `wanted`, each with who made it.
    pub(super) fn with_causes(
        &self,
        changes: Vec<FieldChange>,
        (live, wanted): (&Value, &Value),
        known: &Known,
    ) -> Vec<Changed> {
        let applied = self.entry.and_then(|entry| entry.definition.as_ref());
        let Some(applied) = applied.filter(|_| !changes.is_empty()) else {
            let without = |change| Changed { change, cause: None };
            return changes.into_iter().map(without).collect();
        };
        let form = &normal::exact(applied, &known.identities);
        let by_workspace = diff(form, live);
        let by_files = diff(form, wanted);
        let (in_workspace, in_files) = (places(&by_workspace), places(&by_files));
        let cause_of = |change: &FieldChange| {
            let place = place(change);
            // A field that both sides made the same way out of different filters is found at neither place: then
            // whoever changed anything at all is named.
            cause(in_workspace.contains(&place), in_files.contains(&place))
                .or_else(|| cause(!by_workspace.is_empty(), !by_files.is_empty()))
        };
        changes
            .into_iter()
            .map(|change| Changed {
                cause: cause_of(&change),
                change,
            })
            .collect()
    }
}

/// A place in a definition, whatever the filters on the way are called: a label may be the very thing that changed.
type Place<'a> = (Vec<&'a str>, &'a Option<String>);

fn place(change: &FieldChange) -> Place<'_> {
    let path = change.path.iter().map(|step| match step.split_once(']') {
        Some((number, _)) if step.starts_with('[') => number,
        _ => step.as_str(),
    });
    (path.collect(), &change.field)
}

fn places(changes: &[FieldChange]) -> BTreeSet<Place<'_>> {
    changes.iter().map(place).collect()
}

fn cause(in_workspace: bool, in_files: bool) -> Option<Cause> {
    match (in_workspace, in_files) {
        (true, true) => Some(Cause::Both),
        (true, false) => Some(Cause::Workspace),
        (false, true) => Some(Cause::Files),
        (false, false) => None,
    }
}

/// The digest of what was last applied, as it was at that time.
pub(super) fn applied_digest(entry: &Entry) -> Option<Digest> {
    entry.digest.as_deref().and_then(Digest::from_text)
}

/// What changed in the workspace since it was last applied, segment by segment, by name.
pub(super) fn find(situation: &Situation<'_>, matches: &Matches<'_>, forms: &Forms<'_>) -> Vec<Drift> {
    let entries = situation.ledger.entries();
    // What is gone is found by nothing any more: the file of its name would make it anew.
    let lost = matches.pairs.iter().filter(|pair| pair.live.is_none());
    let lost: BTreeMap<_, _> = lost
        .map(|pair| (&pair.segment.name, &pair.segment.origin))
        .collect();
    let mut found: Vec<Drift> = entries
        .map(|entry| (entry, situation.observed.segments.get(&entry.id)))
        // What was made anew is not missed.
        .filter(|(entry, live)| live.is_some() || !situation.ledger.is_superseded(entry))
        .map(|(entry, live)| Drift {
            origin: match live {
                Some(live) => matches.origin_of(live).cloned(),
                None => lost.get(&entry.name).copied().cloned(),
            },
            ..of(situation, (matches, forms), entry, live)
        })
        .filter(|drift| !drift.is_empty() && !is_at_rest(situation, drift))
        .collect();
    found.sort_by(|one, other| (&one.segment, &one.id).cmp(&(&other.segment, &other.id)));
    found
}

/// Segments that were put away and are listed, where lists are taken to hide such ones. Either this list shows them, or
/// somebody took them out again: no answer of the service tells which.
pub(super) fn archived_and_listed(situation: &Situation<'_>, matches: &Matches<'_>) -> Option<Warning> {
    if situation.policy.behaviour.list_shows_archived {
        return None;
    }
    let entries = situation.ledger.entries();
    let archived = entries.filter(|entry| entry.lifecycle == Lifecycle::Archived);
    let live = archived.filter_map(|entry| situation.observed.segments.get(&entry.id));
    let mut segments: Vec<_> = live
        .filter(|live| live.listed)
        .map(|live| Live {
            name: matches.declared_name_of(live).unwrap_or(&live.name).clone(),
            id: live.id.clone(),
        })
        .collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(Warning::ArchivedAndListed { segments })
}

/// What is put away and in no file is nobody's concern any more: no file could follow, and no apply takes it back.
fn is_at_rest(situation: &Situation<'_>, drift: &Drift) -> bool {
    let live = situation.observed.segments.get(&drift.id);
    let is_archived = live.is_some_and(|live| live.lifecycle == Lifecycle::Archived);
    drift.origin.is_none() && is_archived
}

fn of(
    situation: &Situation<'_>,
    (matches, forms): (&Matches<'_>, &Forms<'_>),
    entry: &Entry,
    live: Option<&LiveSegment>,
) -> Drift {
    let mut drift = Drift {
        segment: entry.name.clone(),
        id: entry.id.clone(),
        applied_at: entry.applied_at,
        origin: None,
        changes: Vec::new(),
        renamed: None,
        lifecycle: None,
    };
    let Some(live) = live else {
        drift.lifecycle = Some(LifecycleDrift::Gone);
        return drift;
    };
    // Put away under a previous name, a segment keeps that name.
    let keeps_name = live.lifecycle == Lifecycle::Archived && entry.former_names.contains(&live.name);
    if is_renamed(entry, &live.name) && !keeps_name {
        drift.renamed = Some(live.name.clone());
    }
    drift.lifecycle = match (entry.lifecycle, live.lifecycle) {
        (Lifecycle::Active, Lifecycle::Archived) => Some(archived(situation, entry)),
        (Lifecycle::Archived, Lifecycle::Active) => Some(LifecycleDrift::Unarchived),
        (Lifecycle::Active, Lifecycle::Active) | (Lifecycle::Archived, Lifecycle::Archived) => None,
    };
    let digest = forms.digests(live).map(|digests| digests.exact);
    if let Some(applied) = entry
        .definition
        .as_ref()
        .filter(|_| applied_digest(entry) != digest)
    {
        let applied = normal::exact(applied, &matches.known.identities);
        let found = forms.exact(live);
        let changes = found.map(|found| diff(&applied, &found)).unwrap_or_default();
        let spelled = |change: FieldChange| change.spelled(&matches.known.identities);
        drift.changes = changes.into_iter().map(spelled).collect();
    }
    drift
}

/// Whether the workspace gave a segment another name. A temporary one is our own doing.
fn is_renamed(entry: &Entry, live: &SegmentName) -> bool {
    *live != entry.name && *live != entry.name.temporary()
}

/// The service archives what nothing ran for 60 days, and says neither that it did nor when.
fn archived(situation: &Situation<'_>, entry: &Entry) -> LifecycleDrift {
    if entry.applied_at.duration_until(situation.now) >= AUTO_ARCHIVE {
        LifecycleDrift::AutoArchived
    } else {
        LifecycleDrift::Archived
    }
}
