//! The third side of the comparison: what was last applied.
//!
//! A difference between file and workspace alone does not say who made it. With the definition that was last applied
//! between the two, it does: where the workspace still is what was applied, the file changed; where the file still
//! says what was applied, somebody changed the workspace.

use super::PlanInput;
use super::matching::Matching;
use super::remote_digests::RemoteDigests;
use super::step::{Cause, ChangeWithCause, Drift, LifecycleDrift, ResolvedReferences, SegmentRef, Warning};
use crate::definition::{Digest, FieldChange, canonical, diff};
use crate::model::{Lifecycle, ObservedSegment, SegmentName};
use crate::state::StateEntry;
use jiff::SignedDuration;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The documented time without a run after which the service archives a segment.
const AUTO_ARCHIVE_AFTER: SignedDuration = SignedDuration::from_hours(60 * 24);

/// What was last applied to a segment, as far as the ledger knows.
pub(super) struct LastApplied<'a> {
    entry: Option<&'a StateEntry>,
}

impl<'a> LastApplied<'a> {
    pub(super) fn of(entry: Option<&'a StateEntry>) -> Self {
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
        known: &ResolvedReferences,
    ) -> Vec<ChangeWithCause> {
        let applied = self.entry.and_then(|entry| entry.definition.as_ref());
        let Some(applied) = applied.filter(|_| !changes.is_empty()) else {
            let without = |change| ChangeWithCause { change, cause: None };
            return changes.into_iter().map(without).collect();
        };
        let form = &canonical::exact(applied, &known.identities);
        let by_workspace = diff(form, live);
        let by_files = diff(form, wanted);
        let (in_workspace, in_files) = (field_paths(&by_workspace), field_paths(&by_files));
        let cause_of = |change: &FieldChange| {
            let place = field_path(change);
            // A field that both sides made the same way out of different filters is found at neither place: then
            // whoever changed anything at all is named.
            cause(in_workspace.contains(&place), in_files.contains(&place))
                .or_else(|| cause(!by_workspace.is_empty(), !by_files.is_empty()))
        };
        changes
            .into_iter()
            .map(|change| ChangeWithCause {
                cause: cause_of(&change),
                change,
            })
            .collect()
    }
}

/// A place in a definition, whatever the filters on the way are called: a label may be the very thing that changed.
type FieldPath<'a> = (Vec<&'a str>, &'a Option<String>);

fn field_path(change: &FieldChange) -> FieldPath<'_> {
    let path = change.path.iter().map(|step| match step.split_once(']') {
        Some((number, _)) if step.starts_with('[') => number,
        _ => step.as_str(),
    });
    (path.collect(), &change.field)
}

fn field_paths(changes: &[FieldChange]) -> BTreeSet<FieldPath<'_>> {
    changes.iter().map(field_path).collect()
}

fn cause(in_workspace: bool, in_files: bool) -> Option<Cause> {
    match (in_workspace, in_files) {
        (true, true) => Some(Cause::Both),
        (true, false) => Some(Cause::Workspace),
        (false, true) => Some(Cause::Configuration),
        (false, false) => None,
    }
}

/// The digest of what was last applied, as it was at that time.
pub(super) fn applied_digest(entry: &StateEntry) -> Option<Digest> {
    entry.digest.as_deref().and_then(Digest::from_text)
}

/// What changed in the workspace since it was last applied, segment by segment, by name.
pub(super) fn find(
    situation: &PlanInput<'_>,
    matches: &Matching<'_>,
    forms: &RemoteDigests<'_>,
) -> Vec<Drift> {
    let entries = situation.state.managed_entries();
    // What is gone is found by nothing any more: the file of its name would make it anew.
    let lost = matches.matches.iter().filter(|pair| pair.remote.is_none());
    let lost: BTreeMap<_, _> = lost
        .map(|pair| (&pair.declared.name, &pair.declared.origin))
        .collect();
    let mut found: Vec<Drift> = entries
        .map(|entry| (entry, situation.observed.segments.get(&entry.id)))
        // What was made anew is not missed.
        .filter(|(entry, live)| live.is_some() || !situation.state.is_superseded(entry))
        .map(|(entry, live)| Drift {
            origin: match live {
                Some(live) => matches.origin_of(live).cloned(),
                None => lost.get(&entry.name).copied().cloned(),
            },
            ..drift_of(situation, (matches, forms), entry, live)
        })
        .filter(|drift| !drift.is_empty() && !is_archived_and_undeclared(situation, drift))
        .collect();
    found.sort_by(|one, other| (&one.segment, &one.id).cmp(&(&other.segment, &other.id)));
    found
}

/// Segments that were put away and are listed, where lists are taken to hide such ones. Either this list shows them, or
/// somebody took them out again: no answer of the service tells which.
pub(super) fn archived_but_listed(situation: &PlanInput<'_>, matches: &Matching<'_>) -> Option<Warning> {
    if situation.policy.api_behavior.list_shows_archived {
        return None;
    }
    let entries = situation.state.managed_entries();
    let archived = entries.filter(|entry| entry.lifecycle == Lifecycle::Archived);
    let live = archived.filter_map(|entry| situation.observed.segments.get(&entry.id));
    let mut segments: Vec<_> = live
        .filter(|live| live.listed)
        .map(|live| SegmentRef {
            name: matches.declared_name_of(live).unwrap_or(&live.name).clone(),
            id: live.id.clone(),
        })
        .collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(Warning::ArchivedButListed { segments })
}

/// What is put away and in no file is nobody's concern any more: no file could follow, and no apply takes it back.
fn is_archived_and_undeclared(situation: &PlanInput<'_>, drift: &Drift) -> bool {
    let live = situation.observed.segments.get(&drift.id);
    let is_archived = live.is_some_and(|live| live.lifecycle == Lifecycle::Archived);
    drift.origin.is_none() && is_archived
}

fn drift_of(
    situation: &PlanInput<'_>,
    (matches, forms): (&Matching<'_>, &RemoteDigests<'_>),
    entry: &StateEntry,
    live: Option<&ObservedSegment>,
) -> Drift {
    let mut drift = Drift {
        segment: entry.name.clone(),
        id: entry.id.clone(),
        applied_at: entry.applied_at,
        origin: None,
        changes: Vec::new(),
        renamed_to: None,
        lifecycle: None,
    };
    let Some(live) = live else {
        drift.lifecycle = Some(LifecycleDrift::Missing);
        return drift;
    };
    // Put away under a previous name, a segment keeps that name.
    let keeps_name = live.lifecycle == Lifecycle::Archived && entry.previous_names.contains(&live.name);
    if is_renamed(entry, &live.name) && !keeps_name {
        drift.renamed_to = Some(live.name.clone());
    }
    drift.lifecycle = match (entry.lifecycle, live.lifecycle) {
        (Lifecycle::Active, Lifecycle::Archived) => Some(archived_drift(situation, entry)),
        (Lifecycle::Archived, Lifecycle::Active) => Some(LifecycleDrift::Unarchived),
        (Lifecycle::Active, Lifecycle::Active) | (Lifecycle::Archived, Lifecycle::Archived) => None,
    };
    let digest = forms.digests(live).map(|digests| digests.exact);
    if let Some(applied) = entry
        .definition
        .as_ref()
        .filter(|_| applied_digest(entry) != digest)
    {
        let applied = canonical::exact(applied, &matches.references.identities);
        let found = forms.canonical(live);
        let changes = found.map(|found| diff(&applied, &found)).unwrap_or_default();
        let spelled = |change: FieldChange| change.with_readable_references(&matches.references.identities);
        drift.changes = changes.into_iter().map(spelled).collect();
    }
    drift
}

/// Whether the workspace gave a segment another name. A temporary one is our own doing.
fn is_renamed(entry: &StateEntry, live: &SegmentName) -> bool {
    *live != entry.name && *live != entry.name.temporary()
}

/// The service archives what nothing ran for 60 days, and says neither that it did nor when.
fn archived_drift(situation: &PlanInput<'_>, entry: &StateEntry) -> LifecycleDrift {
    if entry.applied_at.duration_until(situation.now) >= AUTO_ARCHIVE_AFTER {
        LifecycleDrift::AutoArchived
    } else {
        LifecycleDrift::Archived
    }
}
