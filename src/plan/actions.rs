//! What each segment needs: the steps for it alone, without their order.

use super::drift;
use super::matching::{Match, Matching, declared_ref, management_reasons};
use super::remote_digests::RemoteDigests;
use super::step::{
    Action, AssumedMembers, ChangeWithCause, Conflict, DesiredDefinition, MatchReason, ResolvedReferences,
    SegmentRef, StateUpdate, Step, Unchanged, UpdateAction, Warning,
};
use super::target::{is_lifecycle_unknown, possibly_in, target};
use super::{PlanInput, cohorts, file_segments};
use crate::definition::{Digest, FieldChange, canonical, diff, encode};
use crate::model::{
    Adoption, Contents, DeclaredSegment, Definition, Lifecycle, ObservedSegment, Origin, RemoteKind,
    SegmentKind, SegmentName,
};
use serde_json::Value;

/// A step without number and dependencies.
#[derive(Clone, Debug)]
pub(super) struct ProposedStep<'a> {
    /// The declared name, or the live one of a segment without a file.
    pub(super) name: &'a SegmentName,
    /// `None` when no file declares it.
    pub(super) declared: Option<&'a DeclaredSegment>,
    /// What is live of it.
    pub(super) remote: Option<&'a ObservedSegment>,
    pub(super) adopts: bool,
    pub(super) action: Action,
}

impl ProposedStep<'_> {
    pub(super) fn origin(&self) -> Option<&Origin> {
        self.declared.map(|segment| &segment.origin)
    }

    /// Whether its segment has the name after it and not before.
    pub(super) fn acquires_name(&self) -> bool {
        match &self.action {
            Action::Create(_) => true,
            Action::SyncCohort(_) | Action::UploadUserList(_) => self.action.target().is_none(),
            Action::Update(change) => change.renames(),
            Action::Archive(_) | Action::Unarchive(_) => false,
        }
    }
}

/// What is needed for all segments together.
#[derive(Default)]
pub(super) struct ProposedActions<'a> {
    /// A segment's drafts stand together, the unarchive before the update.
    pub(super) steps: Vec<ProposedStep<'a>>,
    pub(super) unchanged: Vec<Unchanged>,
    pub(super) state_updates: Vec<StateUpdate>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) warnings: Vec<Warning>,
}

/// Drafts the steps that make every declared segment what its file says, and that put away what is ours without one.
pub(super) fn propose_all<'a>(
    situation: &PlanInput<'a>,
    matches: &Matching<'a>,
    forms: &RemoteDigests<'_>,
) -> ProposedActions<'a> {
    let mut changes = ProposedActions::default();
    let resolved = matches
        .matches
        .iter()
        .filter(|pair| !matches.is_unresolved(pair.declared));
    for pair in resolved {
        propose_declared(situation, (matches, forms), pair, &mut changes);
    }
    let orphans = matches.orphans.iter().copied();
    let orphans = orphans.filter(|live| possibly_in(live, Lifecycle::Active, situation));
    let (cohorts, others): (Vec<_>, Vec<_>) = orphans.partition(|live| cohorts::is_cohort(live, situation));
    for live in others {
        propose_archive(situation, (matches, forms), live, &mut changes);
    }
    changes.warnings.extend(cohorts::cannot_archive_warning(&cohorts));
    changes
}

/// Segments that are put away or taken out although they may be so already.
pub(super) fn lifecycle_unknown_warning(steps: &[Step], situation: &PlanInput<'_>) -> Option<Warning> {
    let moved = steps.iter().filter_map(|step| match &step.action {
        Action::Archive(target) | Action::Unarchive(target) => Some((&step.segment, &target.id)),
        Action::Create(_) | Action::Update(_) | Action::SyncCohort(_) | Action::UploadUserList(_) => None,
    });
    let unknown = moved.filter(|(_, id)| is_lifecycle_unknown(id, situation));
    let mut segments: Vec<_> = unknown
        .map(|(name, id)| SegmentRef {
            name: name.clone(),
            id: id.clone(),
        })
        .collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(Warning::LifecycleUnknown { segments })
}

/// What is ours and has no file is put away. What only a pattern makes ours was made by somebody else: this is the first
/// contact with it.
fn propose_archive<'a>(
    situation: &PlanInput<'a>,
    (matches, forms): (&Matching<'a>, &RemoteDigests<'_>),
    live: &'a ObservedSegment,
    changes: &mut ProposedActions<'a>,
) {
    let Some(reason) = management_reasons(live, situation).into_iter().next() else {
        return;
    };
    let pattern = reason.pattern().map(str::to_owned);
    let adopts = pattern.is_some();
    if let Some(pattern) = pattern.filter(|_| situation.policy.adoption == Adoption::Refuse) {
        changes.conflicts.push(Conflict::ArchiveRefused {
            target: matches.remote_ref(live),
            pattern,
        });
    }
    changes.steps.push(ProposedStep {
        name: &live.name,
        declared: None,
        remote: Some(live),
        adopts,
        action: Action::Archive(target(live, &reason, forms)),
    });
}

fn propose_declared<'a>(
    situation: &PlanInput<'a>,
    (matches, forms): (&Matching<'a>, &RemoteDigests<'_>),
    pair: &Match<'a>,
    changes: &mut ProposedActions<'a>,
) {
    let actions = match actions(situation, (matches, forms), pair) {
        Ok(actions) => actions,
        Err(conflict) => return changes.conflicts.push(*conflict),
    };
    let segment = pair.declared;
    let is_met = |live: &ObservedSegment| situation.state.managed_entry(&live.id).is_some();
    let new = pair.remote.as_ref().filter(|(live, _)| !is_met(live));
    if let Some((live, reason)) = new {
        let is_told = *reason == MatchReason::Id;
        if situation.policy.adoption == Adoption::Refuse && !is_told {
            return changes.conflicts.push(Conflict::AdoptionRefused {
                segment: declared_ref(segment),
                target: matches.remote_ref(live),
            });
        }
        changes
            .warnings
            .extend(overwrite_warning(matches, segment, live, &actions));
    }
    if actions.is_empty() {
        changes.unchanged.push(Unchanged {
            segment: segment.name.clone(),
            remote: pair
                .remote
                .as_ref()
                .map(|(live, reason)| (live.id.clone(), reason.clone())),
        });
        let live = pair.remote.as_ref();
        changes
            .state_updates
            .extend(live.and_then(|live| state_update(situation, segment, live, forms)));
    } else if let Some(live) = pair.remote.as_ref()
        && assumed_members(situation, segment, live.0).is_some()
    {
        // It has to be taken out besides.
        changes
            .state_updates
            .extend(state_update(situation, segment, live, forms));
    }
    for (index, action) in actions.into_iter().enumerate() {
        changes.steps.push(ProposedStep {
            name: &segment.name,
            declared: Some(segment),
            remote: pair.remote.as_ref().map(|(live, _)| *live),
            // Counted once for a segment, however many steps it takes.
            adopts: new.is_some() && index == 0,
            action,
        });
    }
}

/// What the ledger should learn of a segment that needs no write, if it does not know it yet.
fn state_update(
    situation: &PlanInput<'_>,
    segment: &DeclaredSegment,
    (live, matched_by): &(&ObservedSegment, MatchReason),
    forms: &RemoteDigests<'_>,
) -> Option<StateUpdate> {
    let entry = situation.state.managed_entry(&live.id);
    let is_known = entry.is_some_and(|entry| {
        let is_same = entry.name == segment.name
            && entry.lifecycle == live.lifecycle
            && entry.protect == segment.protect;
        // What was changed the same way in the file and in the workspace is what is applied from now on.
        let digest = forms.digests(live).map(|digests| digests.exact);
        is_same && (digest.is_none() || drift::applied_digest(entry) == digest)
    });
    let assumed = assumed_members(situation, segment, live);
    (!is_known || assumed.is_some()).then(|| StateUpdate {
        segment: segment.name.clone(),
        id: live.id.clone(),
        lifecycle: live.lifecycle,
        protect: segment.protect,
        definition: live.definition.clone(),
        matched_by: matched_by.clone(),
        adopts: entry.is_none(),
        assumed_members: assumed,
    })
}

/// Whom a segment without filters is taken to have.
fn assumed_members(
    situation: &PlanInput<'_>,
    segment: &DeclaredSegment,
    live: &ObservedSegment,
) -> Option<AssumedMembers> {
    if segment.lifecycle == Lifecycle::Archived || !situation.overrides.assume_members_in_sync {
        return None;
    }
    match &segment.contents {
        Contents::Filter(_) => None,
        Contents::Cohort(cohort) => cohorts::assumed_members(situation, (segment, live), cohort),
        Contents::File(upload) => file_segments::assumed_members(situation, (segment, live), upload),
    }
}

/// What is lost from the workspace when a segment that somebody else made becomes what its file says.
fn overwrite_warning(
    matches: &Matching<'_>,
    segment: &DeclaredSegment,
    live: &ObservedSegment,
    actions: &[Action],
) -> Option<Warning> {
    let update = actions.iter().find_map(|action| match action {
        Action::Update(change) => Some(change),
        Action::Create(_)
        | Action::Archive(_)
        | Action::Unarchive(_)
        | Action::SyncCohort(_)
        | Action::UploadUserList(_) => None,
    });
    update.map(|change| Warning::OverwritesManualChanges {
        segment: declared_ref(segment),
        target: matches.remote_ref(live),
        changes: change
            .changes
            .iter()
            .map(|changed| changed.change.clone())
            .collect(),
    })
}

/// What is needed to make a segment what its file says; nothing when it is so already.
fn actions(
    situation: &PlanInput<'_>,
    (matches, forms): (&Matching<'_>, &RemoteDigests<'_>),
    pair: &Match<'_>,
) -> Result<Vec<Action>, Box<Conflict>> {
    let segment = pair.declared;
    let definition = match &segment.contents {
        Contents::Filter(definition) => definition,
        Contents::Cohort(cohort) => {
            return cohorts::actions(situation, (matches, forms), (pair, cohort));
        }
        Contents::File(upload) => {
            return file_segments::actions(situation, (matches, forms), (pair, upload));
        }
    };
    if let Some((live, _)) = &pair.remote
        && let RemoteKind::Other(kind) = &live.kind
    {
        // Put away, an upload loses its members for good: not even that is done to it.
        return Err(Box::new(Conflict::KindMismatch {
            segment: declared_ref(segment),
            declared_kind: SegmentKind::Filter,
            holder: matches.remote_ref(live),
            kind: kind.clone(),
        }));
    }
    match (segment.lifecycle, &pair.remote) {
        // Nothing to put away; making it only to put it away would use up a name and a definition.
        (Lifecycle::Archived, None) => Ok(Vec::new()),
        (Lifecycle::Archived, Some((live, reason))) => {
            let is_done = !possibly_in(live, Lifecycle::Active, situation);
            let archive = (!is_done).then(|| Action::Archive(target(live, reason, forms)));
            Ok(archive.into_iter().collect())
        }
        (Lifecycle::Active, None) => {
            let wanted = DesiredDefinition::new(encode(definition), &matches.references.identities);
            Ok(vec![Action::Create(wanted)])
        }
        (Lifecycle::Active, Some((live, reason))) => {
            let known = (&matches.references, forms);
            Ok(actions_for_active(
                situation,
                known,
                (segment, definition),
                (live, reason),
            ))
        }
    }
}

fn actions_for_active(
    situation: &PlanInput<'_>,
    (known, forms): (&ResolvedReferences, &RemoteDigests<'_>),
    (segment, definition): (&DeclaredSegment, &Definition),
    (live, reason): (&ObservedSegment, &MatchReason),
) -> Vec<Action> {
    let target = target(live, reason, forms);
    let mut actions = Vec::new();
    if possibly_in(live, Lifecycle::Archived, situation) {
        // An archived segment cannot be updated, so this comes first.
        actions.push(Action::Unarchive(target.clone()));
    }
    let payload = encode(definition);
    let form = canonical::exact(&payload, &known.identities);
    let digest = Digest::of_canonical(&form);
    let is_same = forms.digests(live).is_some_and(|found| found.exact == digest);
    if !is_same || live.name != segment.name {
        actions.push(Action::Update(UpdateAction {
            target,
            name: segment.name.clone(),
            desired: DesiredDefinition::from_canonical(payload, &form),
            changes: changes_with_causes(situation, (known, forms), (segment, live), &form),
            temporary_change: None,
        }));
    }
    actions
}

/// Every field in which the live segment differs from its file, each with who made the difference.
fn changes_with_causes(
    situation: &PlanInput<'_>,
    (known, forms): (&ResolvedReferences, &RemoteDigests<'_>),
    (segment, live): (&DeclaredSegment, &ObservedSegment),
    wanted: &Value,
) -> Vec<ChangeWithCause> {
    let base = drift::LastApplied::of(situation.state.managed_entry(&live.id));
    let found = &forms.canonical(live).unwrap_or_default();
    let mut changes = Vec::new();
    if live.name != segment.name {
        changes.push(ChangeWithCause {
            change: FieldChange::rename(&live.name, &segment.name),
            cause: base.cause_of_name(&live.name, &segment.name),
        });
    }
    let fields = diff(found, wanted);
    let fields = base.with_causes(fields, (found, wanted), known).into_iter();
    changes.extend(fields.map(|changed| ChangeWithCause {
        change: changed.change.with_readable_references(&known.identities),
        ..changed
    }));
    changes
}
