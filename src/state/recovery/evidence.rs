//! What the observed workspace proves about one unfinished write.

use crate::definition::{Digest, Identities, canonical, is_respelling};
use crate::model::{
    ApiBehavior, Lifecycle, ObservedSegment, ObservedWorkspace, Payload, RemoteKind, SegmentId, SegmentKind,
};
use crate::state::{IntendedWrite, Intent, State, StateEntry, UploadState};

/// What MoEngage has now, and how its API behaves.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    pub(super) observed: &'a ObservedWorkspace,
    pub(super) api_behavior: ApiBehavior,
}

impl<'a> Evidence<'a> {
    #[must_use]
    pub fn new(observed: &'a ObservedWorkspace, api_behavior: ApiBehavior) -> Self {
        Self {
            observed,
            api_behavior,
        }
    }
}

/// The new entry of the segment if the write took effect, unless a later write is recorded.
pub(super) fn recovered_entry(state: &State, evidence: Evidence<'_>, intent: &Intent) -> Option<StateEntry> {
    let entry = entry_if_applied(state, evidence, intent)?;
    let recorded = state.managed_entry(&entry.id);
    recorded
        .is_none_or(|recorded| recorded.applied_at <= intent.at)
        .then_some(entry)
}

fn entry_if_applied(state: &State, evidence: Evidence<'_>, intent: &Intent) -> Option<StateEntry> {
    use IntendedWrite::{Create, CreateCohort, CreateFileSegment, ProbeNameHolder, SetLifecycle, Update};

    let observed = evidence.observed;
    let mut segments = observed.segments.values();
    let written = |remote, definition, digest| {
        with_definition(stamped_entry(state, remote, intent), remote, definition, digest)
    };
    match &intent.write {
        Create { definition, digest } => {
            let remote = segments.find(|remote| remote.name == intent.segment)?;
            is_as_written(state, remote, definition, intent).then(|| written(remote, definition, digest))
        }
        ProbeNameHolder {
            definition, digest, ..
        } => {
            let remote = segments.find(|remote| remote.name == intent.segment)?;
            // It may be another segment: a respelling is not enough.
            has_definition(state, remote, definition).then(|| StateEntry {
                lifecycle_unknown: evidence.api_behavior.list_shows_archived,
                ..written(remote, definition, digest)
            })
        }
        Update {
            id,
            name,
            definition,
            digest,
        } => {
            let remote = observed.segments.get(id)?;
            // Another name comes from a later rename outside segctl, unless the update did not change the definition.
            let is_applied = is_as_written(state, remote, definition, intent)
                && (remote.name == *name || replaces_definition(state, intent, id));
            is_applied.then(|| written(remote, definition, digest))
        }
        CreateCohort { .. } | CreateFileSegment { .. } => {
            // The API does not return the cohort key, so the name identifies the segment.
            let remote = segments.find(|remote| matches_member_intent(remote, intent))?;
            Some(as_created(stamped_entry(state, remote, intent), intent))
        }
        SetLifecycle { id, lifecycle, .. } => {
            let remote = observed.segments.get(id)?;
            lifecycle_entry(state, evidence.api_behavior, intent, remote, *lifecycle)
        }
    }
}

fn lifecycle_entry(
    state: &State,
    api_behavior: ApiBehavior,
    intent: &Intent,
    remote: &ObservedSegment,
    lifecycle: Lifecycle,
) -> Option<StateEntry> {
    if intent.rearchive_if_unadopted {
        return None;
    }
    let entry = stamped_entry(state, remote, intent);
    if api_behavior.list_shows_archived {
        return Some(StateEntry {
            lifecycle_unknown: true,
            // It is unknown whether segctl adopted the segment.
            history_only: state.managed_entry(&remote.id).is_none(),
            ..entry
        });
    }
    (remote.lifecycle == lifecycle).then(|| with_lifecycle(entry, lifecycle, intent))
}

fn matches_member_intent(remote: &ObservedSegment, intent: &Intent) -> bool {
    remote.name == intent.segment && remote.kind != RemoteKind::Filter
}

/// The entry of a new cohort or file segment.
fn as_created(entry: StateEntry, intent: &Intent) -> StateEntry {
    let mut entry = entry;
    entry.set_lifecycle(Lifecycle::Active);
    match &intent.write {
        IntendedWrite::CreateCohort { cohort_state } => {
            entry.kind = SegmentKind::Cohort;
            entry.cohort_state = Some(cohort_state.clone());
        }
        IntendedWrite::CreateFileSegment {
            identifier,
            expires_in_days,
            ..
        } => {
            entry.kind = SegmentKind::File;
            entry.upload_state = Some(Box::new(UploadState {
                created_at: Some(intent.sent_at),
                ambiguous_since: Some(intent.sent_at),
                published_files: intent.published_file().into_iter().collect(),
                ..UploadState::new(identifier.clone(), *expires_in_days)
            }));
        }
        IntendedWrite::Create { .. }
        | IntendedWrite::Update { .. }
        | IntendedWrite::ProbeNameHolder { .. }
        | IntendedWrite::SetLifecycle { .. } => {}
    }
    entry
}

fn with_lifecycle(entry: StateEntry, lifecycle: Lifecycle, intent: &Intent) -> StateEntry {
    let mut entry = entry;
    entry.change_lifecycle(lifecycle);
    if let Some(upload_state) = &mut entry.upload_state {
        match lifecycle {
            Lifecycle::Archived => upload_state.archived_at = Some(intent.sent_at),
            Lifecycle::Active => upload_state.mark_unarchived(intent.sent_at),
        }
    }
    entry
}

fn replaces_definition(state: &State, intent: &Intent, id: &SegmentId) -> bool {
    let IntendedWrite::Update { definition, .. } = &intent.write else {
        return false;
    };
    let replaced = replaced_definition(state, intent, id);
    replaced.is_some_and(|replaced| digest(replaced) != digest(definition))
}

fn replaced_definition<'s>(state: &'s State, intent: &Intent, id: &SegmentId) -> Option<&'s Payload> {
    let latest = state.any_entry(id)?.revisions.last()?;
    (latest.run == intent.step.run).then_some(latest.definition.payload())
}

/// Whether the definition is that of the write, or another form of it.
fn is_as_written(state: &State, remote: &ObservedSegment, definition: &Payload, intent: &Intent) -> bool {
    has_definition(state, remote, definition) || is_respelled(state, remote, definition, intent)
}

fn has_definition(state: &State, remote: &ObservedSegment, definition: &Payload) -> bool {
    remote.kind == RemoteKind::Filter
        && remote
            .definition
            .as_ref()
            .is_some_and(|found| digest(state.as_written(&remote.id, found)) == digest(definition))
}

/// Whether the definition appeared since the write, in another form.
fn is_respelled(state: &State, remote: &ObservedSegment, definition: &Payload, intent: &Intent) -> bool {
    let form = |definition| canonical::exact(definition, &Identities::default());
    let is_replaced = |found| {
        let replaced = replaced_definition(state, intent, &remote.id);
        replaced.is_some_and(|replaced| digest(replaced) == digest(state.as_written(&remote.id, found)))
    };
    remote.kind == RemoteKind::Filter
        && remote
            .definition
            .as_ref()
            .is_some_and(|found| !is_replaced(found) && is_respelling(&form(definition), &form(found)))
}

fn digest(definition: &Payload) -> Digest {
    Digest::exact(definition, &Identities::default())
}

fn stamped_entry(state: &State, remote: &ObservedSegment, intent: &Intent) -> StateEntry {
    let mut entry = state.entry_after_write(&remote.id, &remote.name, intent.at, &intent.step.run);
    entry.protect = intent.protect;
    // A segment that is unarchived under another name gets the declared one by a later update, which may be missing.
    let is_unarchive = matches!(
        &intent.write,
        IntendedWrite::SetLifecycle {
            lifecycle: Lifecycle::Active,
            ..
        }
    );
    if !is_unarchive || remote.name == intent.segment {
        entry.rename(intent.segment.clone());
        if !intent.previous_names.is_empty() {
            entry.used_previous_names.clone_from(&intent.previous_names);
        }
    }
    entry
}

fn with_definition(
    mut entry: StateEntry,
    remote: &ObservedSegment,
    definition: &Payload,
    digest: &str,
) -> StateEntry {
    entry.set_lifecycle(Lifecycle::Active);
    entry.set_definition(definition.clone(), digest.to_owned());
    if let Some(returned) = &remote.definition {
        entry.set_returned_form(returned);
    }
    entry
}
