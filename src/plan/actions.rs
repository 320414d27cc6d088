//! The steps of each segment, without their order.

use super::drift;
use super::matching::{Match, Matching, declared_ref, management_reasons};
use super::remote_digests::RemoteDigests;
use super::step::{
    Action, AssumedMembers, ChangeWithCause, Conflict, DesiredDefinition, MatchReason, ResolvedReferences,
    StateUpdate, Step, Unchanged, UpdateAction, Warning,
};
use super::target::{is_lifecycle_unknown, possibly_in, target};
use super::{PlanInput, cohorts, file_segments, sorted_segments, unreadable};
use crate::definition::{FieldChange, diff};
use crate::model::{
    Adoption, Contents, DeclaredSegment, Lifecycle, ObservedSegment, Origin, RemoteKind, SegmentKind,
    SegmentName, StoredDefinition,
};

/// A step without number and dependencies.
#[derive(Clone, Debug)]
pub(super) struct ProposedStep<'a> {
    /// The declared name; the remote name of an undeclared segment.
    pub(super) name: &'a SegmentName,
    pub(super) declared: Option<&'a DeclaredSegment>,
    pub(super) remote: Option<&'a ObservedSegment>,
    pub(super) adopts: bool,
    pub(super) action: Action,
}

impl ProposedStep<'_> {
    pub(super) fn origin(&self) -> Option<&Origin> {
        self.declared.map(|segment| &segment.origin)
    }

    /// Whether its segment has the name after the step and not before.
    pub(super) fn acquires_name(&self) -> bool {
        match &self.action {
            Action::Create(_) => true,
            Action::SyncCohort(_) | Action::UploadUserList(_) => self.action.target().is_none(),
            Action::Update(change) => change.renames(),
            Action::Archive(_) | Action::Unarchive(_) => false,
        }
    }
}

#[derive(Default)]
pub(super) struct ProposedActions<'a> {
    /// The steps of one segment are adjacent, an unarchive before an update.
    pub(super) steps: Vec<ProposedStep<'a>>,
    pub(super) unchanged: Vec<Unchanged>,
    pub(super) state_updates: Vec<StateUpdate>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) warnings: Vec<Warning>,
}

pub(super) fn propose_all<'a>(
    input: &PlanInput<'a>,
    matching: &Matching<'a>,
    remote_digests: &RemoteDigests<'_>,
) -> ProposedActions<'a> {
    let mut proposed = ProposedActions::default();
    let pairs = matching.matches.iter();
    for pair in pairs.filter(|pair| !matching.is_unresolved(pair.declared)) {
        match unreadable::declared_conflict(input, pair) {
            Some(conflict) => proposed.conflicts.push(conflict),
            None => propose_declared(input, (matching, remote_digests), pair, &mut proposed),
        }
    }
    let orphans = matching.orphans.iter().copied();
    let orphans = orphans.filter(|remote| possibly_in(remote, Lifecycle::Active, input));
    let (cohorts, others): (Vec<_>, Vec<_>) = orphans.partition(|remote| cohorts::is_cohort(remote, input));
    for remote in others {
        match unreadable::orphan_conflict(input, remote) {
            Some(conflict) => proposed.conflicts.push(conflict),
            None => propose_archive(input, (matching, remote_digests), remote, &mut proposed),
        }
    }
    proposed
        .warnings
        .extend(cohorts::cannot_archive_warning(&cohorts));
    proposed
}

/// Some of these segments may already be in the lifecycle that their step sets.
pub(super) fn lifecycle_unknown_warning(steps: &[Step], input: &PlanInput<'_>) -> Option<Warning> {
    let changed = steps.iter().filter_map(|step| match &step.action {
        Action::Archive(target) | Action::Unarchive(target) => Some((&step.segment, &target.id)),
        Action::Create(_) | Action::Update(_) | Action::SyncCohort(_) | Action::UploadUserList(_) => None,
    });
    let unknown = changed.filter(|(_, id)| is_lifecycle_unknown(id, input));
    sorted_segments(unknown).map(|segments| Warning::LifecycleUnknown { segments })
}

/// Archives a managed segment that is not declared. If only a pattern manages it, the step adopts it.
fn propose_archive<'a>(
    input: &PlanInput<'a>,
    (matching, remote_digests): (&Matching<'a>, &RemoteDigests<'_>),
    remote: &'a ObservedSegment,
    proposed: &mut ProposedActions<'a>,
) {
    let Some(reason) = management_reasons(remote, input).into_iter().next() else {
        return;
    };
    let pattern = reason.pattern().map(str::to_owned);
    let adopts = pattern.is_some();
    if let Some(pattern) = pattern.filter(|_| input.policy.adoption == Adoption::Refuse) {
        proposed.conflicts.push(Conflict::ArchiveRefused {
            target: matching.remote_ref(remote),
            pattern,
        });
    }
    proposed.steps.push(ProposedStep {
        name: &remote.name,
        declared: None,
        remote: Some(remote),
        adopts,
        action: Action::Archive(target(remote, &reason, remote_digests)),
    });
}

fn propose_declared<'a>(
    input: &PlanInput<'a>,
    (matching, remote_digests): (&Matching<'a>, &RemoteDigests<'_>),
    pair: &Match<'a>,
    proposed: &mut ProposedActions<'a>,
) {
    let actions = match actions(input, (matching, remote_digests), pair) {
        Ok(actions) => actions,
        Err(conflict) => return proposed.conflicts.push(*conflict),
    };
    let segment = pair.declared;
    let is_managed = |remote: &ObservedSegment| input.state.managed_entry(&remote.id).is_some();
    let adopted = pair.remote.as_ref().filter(|(remote, _)| !is_managed(remote));
    if let Some((remote, reason)) = adopted {
        if input.policy.adoption == Adoption::Refuse && *reason != MatchReason::Id {
            return proposed.conflicts.push(Conflict::AdoptionRefused {
                segment: declared_ref(segment),
                target: matching.remote_ref(remote),
            });
        }
        let warning = overwrite_warning(matching, segment, remote, &actions);
        proposed.warnings.extend(warning);
    }
    if actions.is_empty() {
        let remote = pair.remote.as_ref();
        proposed.unchanged.push(Unchanged {
            segment: segment.name.clone(),
            remote: remote.map(|(remote, reason)| (remote.id.clone(), reason.clone())),
        });
    }
    // A segment with assumed members can have a step too: its unarchive.
    if let Some(remote) = &pair.remote
        && (actions.is_empty() || assumed_members(input, segment, remote.0).is_some())
    {
        let update = state_update(input, segment, remote, remote_digests);
        proposed.state_updates.extend(update);
    }
    for (index, action) in actions.into_iter().enumerate() {
        proposed.steps.push(ProposedStep {
            name: &segment.name,
            declared: Some(segment),
            remote: pair.remote.as_ref().map(|(remote, _)| *remote),
            // Counted once for a segment.
            adopts: adopted.is_some() && index == 0,
            action,
        });
    }
}

/// The state entry of a segment without steps, unless the state already has it.
fn state_update(
    input: &PlanInput<'_>,
    segment: &DeclaredSegment,
    (remote, matched_by): &(&ObservedSegment, MatchReason),
    remote_digests: &RemoteDigests<'_>,
) -> Option<StateUpdate> {
    let entry = input.state.managed_entry(&remote.id);
    let is_known = entry.is_some_and(|entry| {
        let is_same = entry.name == segment.name
            && entry.lifecycle == remote.lifecycle
            && entry.protect == segment.protect
            && entry.used_previous_names == segment.previous_names;
        // A change that was made on both sides is recorded as applied.
        let digest = remote_digests.get(remote).map(|digests| digests.exact);
        is_same && (digest.is_none() || drift::applied_digest(entry) == digest)
    });
    let assumed = assumed_members(input, segment, remote);
    (!is_known || assumed.is_some()).then(|| StateUpdate {
        segment: segment.name.clone(),
        id: remote.id.clone(),
        lifecycle: remote.lifecycle,
        protect: segment.protect,
        previous_names: segment.previous_names.clone(),
        definition: remote_digests
            .definition(remote)
            .map(|definition| definition.payload().clone()),
        matched_by: matched_by.clone(),
        adopts: entry.is_none(),
        assumed_members: assumed,
    })
}

fn assumed_members(
    input: &PlanInput<'_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
) -> Option<AssumedMembers> {
    if segment.lifecycle == Lifecycle::Archived || !input.overrides.assume_members_in_sync {
        return None;
    }
    match &segment.contents {
        Contents::Filter(_) => None,
        Contents::Cohort(cohort) => cohorts::assumed_members(input, (segment, remote), cohort),
        Contents::File(upload) => file_segments::assumed_members(input, (segment, remote), upload),
    }
}

fn overwrite_warning(
    matching: &Matching<'_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
    actions: &[Action],
) -> Option<Warning> {
    let update = actions.iter().find_map(|action| match action {
        Action::Update(update) => Some(update),
        _ => None,
    })?;
    let changes = update.changes.iter();
    Some(Warning::OverwritesManualChanges {
        segment: declared_ref(segment),
        target: matching.remote_ref(remote),
        changes: changes.map(|changed| changed.change.clone()).collect(),
    })
}

/// Empty when the segment already is as declared.
fn actions(
    input: &PlanInput<'_>,
    (matching, remote_digests): (&Matching<'_>, &RemoteDigests<'_>),
    pair: &Match<'_>,
) -> Result<Vec<Action>, Box<Conflict>> {
    let segment = pair.declared;
    let definition = match &segment.contents {
        Contents::Filter(definition) => &definition.encoded,
        Contents::Cohort(cohort) => {
            return cohorts::actions(input, (matching, remote_digests), (pair, cohort));
        }
        Contents::File(upload) => {
            return file_segments::actions(input, (matching, remote_digests), (pair, upload));
        }
    };
    if let Some((remote, _)) = &pair.remote
        && let RemoteKind::Other(kind) = &remote.kind
    {
        // Not even archived: an archived file segment loses its users.
        return Err(Box::new(Conflict::KindMismatch {
            segment: declared_ref(segment),
            declared_kind: SegmentKind::Filter,
            holder: matching.remote_ref(remote),
            kind: kind.clone(),
        }));
    }
    match (segment.lifecycle, &pair.remote) {
        // A create before an archive would use up a name and a definition.
        (Lifecycle::Archived, None) => Ok(Vec::new()),
        (Lifecycle::Archived, Some((remote, reason))) => {
            let is_active = possibly_in(remote, Lifecycle::Active, input);
            let archive = is_active.then(|| Action::Archive(target(remote, reason, remote_digests)));
            Ok(archive.into_iter().collect())
        }
        (Lifecycle::Active, None) => {
            let desired = DesiredDefinition::of_declared(definition, &matching.references.identities);
            Ok(vec![Action::Create(desired)])
        }
        (Lifecycle::Active, Some((remote, reason))) => {
            let references = (&matching.references, remote_digests);
            let declared = (segment, definition);
            Ok(actions_for_active(input, references, declared, (remote, reason)))
        }
    }
}

fn actions_for_active(
    input: &PlanInput<'_>,
    (references, remote_digests): (&ResolvedReferences, &RemoteDigests<'_>),
    (segment, definition): (&DeclaredSegment, &StoredDefinition),
    (remote, reason): (&ObservedSegment, &MatchReason),
) -> Vec<Action> {
    let target = target(remote, reason, remote_digests);
    let mut actions = Vec::new();
    if possibly_in(remote, Lifecycle::Archived, input) {
        // The API rejects updates of archived segments.
        actions.push(Action::Unarchive(target.clone()));
    }
    let digest = definition.exact_digest(&references.identities);
    let is_same = remote_digests
        .get(remote)
        .is_some_and(|digests| digests.exact == digest);
    if !is_same || remote.name != segment.name {
        let desired = DesiredDefinition::of_declared(definition, &references.identities);
        let changes = changes_with_causes(input, (references, remote_digests), (segment, remote), &desired);
        actions.push(Action::Update(UpdateAction {
            target,
            name: segment.name.clone(),
            desired,
            changes,
            temporary_change: None,
        }));
    }
    actions
}

/// Every field in which the remote segment differs from the declared one.
fn changes_with_causes(
    input: &PlanInput<'_>,
    (references, remote_digests): (&ResolvedReferences, &RemoteDigests<'_>),
    (segment, remote): (&DeclaredSegment, &ObservedSegment),
    desired: &DesiredDefinition,
) -> Vec<ChangeWithCause> {
    let last_applied = drift::LastApplied::of(input.state.managed_entry(&remote.id));
    let payload = desired.payload();
    let desired = &desired.canonical(references);
    let current = &remote_digests.canonical(remote).unwrap_or_default();
    let mut changes = Vec::new();
    if remote.name != segment.name {
        changes.push(ChangeWithCause {
            change: FieldChange::rename(&remote.name, &segment.name),
            cause: last_applied.cause_of_name(&remote.name, &segment.name),
        });
    }
    let fields = last_applied.with_causes(diff(current, desired), (current, desired), references);
    changes.extend(fields.into_iter().map(|changed| {
        ChangeWithCause {
            change: changed
                .change
                .with_categories(payload)
                .with_readable_references(&references.identities),
            ..changed
        }
    }));
    changes
}
