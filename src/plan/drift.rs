//! Drift: what changed in the workspace since the last apply.
//!
//! A difference between configuration and workspace does not show which side changed. The last applied definition does:
//! the side that differs from it changed.

use super::context::PlanContext;
use super::step::{Cause, ChangeWithCause, Drift, LifecycleDrift, ResolvedReferences};
use crate::definition::{Digest, FieldChange, canonical, diff};
use crate::model::{Lifecycle, ObservedSegment, SegmentName};
use crate::state::StateEntry;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// `None` if the state does not contain the segment.
pub(super) struct LastApplied<'a> {
    entry: Option<&'a StateEntry>,
}

impl<'a> LastApplied<'a> {
    pub(super) fn of(entry: Option<&'a StateEntry>) -> Self {
        Self { entry }
    }

    pub(super) fn cause_of_name(&self, remote: &SegmentName, declared: &SegmentName) -> Option<Cause> {
        self.entry
            .and_then(|entry| cause(is_renamed(entry, remote), entry.name != *declared))
    }

    pub(super) fn with_causes(
        &self,
        changes: Vec<FieldChange>,
        remote: &Value,
        desired: &Value,
        references: &ResolvedReferences,
    ) -> Vec<ChangeWithCause> {
        let applied = self.entry.and_then(|entry| entry.definition.as_ref());
        let Some(applied) = applied.filter(|_| !changes.is_empty()) else {
            let without_cause = |change| ChangeWithCause { change, cause: None };
            return changes.into_iter().map(without_cause).collect();
        };
        let applied = &canonical::exact(applied, &references.identities);
        let by_workspace = diff(applied, remote);
        let by_configuration = diff(applied, desired);
        let in_workspace = field_paths(&by_workspace);
        let in_configuration = field_paths(&by_configuration);
        let cause_of = |change: &FieldChange| {
            let path = field_path(change);
            // If both sides moved different filters to the same path, neither diff has it. Then any changed side counts.
            cause(in_workspace.contains(&path), in_configuration.contains(&path))
                .or_else(|| cause(!by_workspace.is_empty(), !by_configuration.is_empty()))
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

/// The position of a field in a definition, without the labels of the filters around it: a label may be what changed.
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

fn cause(in_workspace: bool, in_configuration: bool) -> Option<Cause> {
    match (in_workspace, in_configuration) {
        (true, true) => Some(Cause::Both),
        (true, false) => Some(Cause::Workspace),
        (false, true) => Some(Cause::Configuration),
        (false, false) => None,
    }
}

/// The digest at the time of the apply.
pub(super) fn applied_digest(entry: &StateEntry) -> Option<Digest> {
    entry.digest.as_deref().and_then(Digest::from_text)
}

/// Sorted by name.
pub(super) fn find(context: PlanContext<'_, '_>) -> Vec<Drift> {
    let PlanContext { input, matching, .. } = context;
    // A missing segment matches nothing; it is declared where its name is.
    let pairs = matching.matches.iter();
    let unmatched: BTreeMap<_, _> = pairs
        .filter(|pair| pair.remote.is_none())
        .map(|pair| (&pair.declared.name, &pair.declared.origin))
        .collect();
    let entries = input.state.managed_entries();
    let mut found: Vec<Drift> = entries
        .map(|entry| (entry, input.observed.segments.get(&entry.id)))
        // A re-created segment is not missing.
        .filter(|(entry, remote)| remote.is_some() || !input.state.is_superseded(entry))
        .map(|(entry, remote)| Drift {
            origin: match remote {
                Some(remote) => matching.origin_of(remote).cloned(),
                None => unmatched.get(&entry.name).copied().cloned(),
            },
            ..drift_of(context, entry, remote)
        })
        .filter(|drift| !drift.is_empty() && !is_archived_and_undeclared(context, drift))
        .collect();
    found.sort_by(|one, other| (&one.segment, &one.id).cmp(&(&other.segment, &other.id)));
    found
}

/// The drift of such a segment has no consequences: no file could contain it, and no apply reverts it.
fn is_archived_and_undeclared(context: PlanContext<'_, '_>, drift: &Drift) -> bool {
    let remote = context.input.observed.segments.get(&drift.id);
    let is_archived = remote.is_some_and(|remote| remote.lifecycle == Lifecycle::Archived);
    drift.origin.is_none() && is_archived
}

fn drift_of(context: PlanContext<'_, '_>, entry: &StateEntry, remote: Option<&ObservedSegment>) -> Drift {
    let remote_digests = context.remote_digests;
    let mut drift = Drift {
        segment: entry.name.clone(),
        id: entry.id.clone(),
        applied_at: entry.applied_at,
        origin: None,
        changes: Vec::new(),
        renamed_to: None,
        lifecycle: None,
    };
    let Some(remote) = remote else {
        drift.lifecycle = Some(LifecycleDrift::Missing);
        return drift;
    };
    // A segment that was archived under a previous name keeps that name.
    let keeps_name = remote.lifecycle == Lifecycle::Archived && entry.previous_names.contains(&remote.name);
    if is_renamed(entry, &remote.name) && !keeps_name {
        drift.renamed_to = Some(remote.name.clone());
    }
    drift.lifecycle = match (entry.lifecycle, remote.lifecycle) {
        (Lifecycle::Active, Lifecycle::Archived) => Some(archived_drift(entry, context.input.now)),
        (Lifecycle::Archived, Lifecycle::Active) => Some(LifecycleDrift::Unarchived),
        (Lifecycle::Active, Lifecycle::Active) | (Lifecycle::Archived, Lifecycle::Archived) => None,
    };
    let remote_digest = remote_digests.get(remote).map(|digests| digests.exact);
    if applied_digest(entry) != remote_digest
        && let (Some(applied), Some(remote)) = (&entry.definition, remote_digests.canonical(remote))
    {
        let identities = &context.matching.references.identities;
        let changes = diff(&canonical::exact(applied, identities), &remote).into_iter();
        let readable = |change: FieldChange| change.with_readable_references(identities);
        drift.changes = changes.map(readable).collect();
    }
    drift
}

/// A temporary name is not drift: segctl set it.
fn is_renamed(entry: &StateEntry, remote: &SegmentName) -> bool {
    *remote != entry.name && *remote != entry.name.temporary()
}

/// MoEngage reports neither that it archived a segment nor when.
fn archived_drift(entry: &StateEntry, now: Timestamp) -> LifecycleDrift {
    if entry.may_be_auto_archived(now) {
        LifecycleDrift::AutoArchived
    } else {
        LifecycleDrift::Archived
    }
}
