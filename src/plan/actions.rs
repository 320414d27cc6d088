//! The steps of each segment, without their order.

use super::context::PlanContext;
use super::drift;
use super::kinds::kind_mismatch;
use super::matching::{Match, management_reasons};
use super::proposed_finding::{DeclaredRef, ProposedFinding, ProposedFindings};
use super::step::{
    Action, AssumedMembers, ChangeWithCause, Code, DesiredDefinition, MatchReason, StateUpdate, Unchanged,
    UpdateAction,
};
use super::words::{import_help, stop_managing_help};
use super::{cohorts, file_segments, unreadable};
use crate::definition::{FieldChange, canonical, diff};
use crate::diagnostic::shell_commands;
use crate::model::{
    Adoption, Contents, DeclaredSegment, Lifecycle, ObservedSegment, RemoteKind, SegmentKind, SegmentName,
    StoredDefinition,
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

/// The position of a proposed step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StepIndex(usize);

impl StepIndex {
    pub(super) fn all(steps: &[ProposedStep<'_>]) -> impl Iterator<Item = Self> + use<> {
        (0..steps.len()).map(Self)
    }

    /// Of the step that is added next.
    pub(super) fn next(steps: &[ProposedStep<'_>]) -> Self {
        Self(steps.len())
    }

    pub(super) fn of<'s, 'a>(self, steps: &'s [ProposedStep<'a>]) -> &'s ProposedStep<'a> {
        &steps[self.0]
    }

    pub(super) fn replace<'a>(self, steps: &mut [ProposedStep<'a>], step: ProposedStep<'a>) {
        steps[self.0] = step;
    }

    pub(super) fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl ProposedStep<'_> {
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
    pub(super) findings: ProposedFindings,
}

pub(super) fn propose_all<'a>(context: PlanContext<'_, 'a>) -> ProposedActions<'a> {
    let matching = context.matching;
    let mut proposed = ProposedActions::default();
    proposed.findings.conflicts.clone_from(&matching.conflicts);
    let pairs = matching.matches.iter();
    for pair in pairs.filter(|pair| !matching.is_unresolved(pair.declared)) {
        match unreadable::declared_conflict(context, pair) {
            Some(conflict) => proposed.findings.conflicts.push(conflict),
            None => propose_declared(context, pair, &mut proposed),
        }
    }
    let orphans = matching.orphans.iter().copied();
    let orphans = orphans.filter(|remote| context.is_possibly(Lifecycle::Active, remote));
    let (cohorts, others): (Vec<_>, Vec<_>) = orphans.partition(|remote| cohorts::is_cohort(context, remote));
    for remote in others {
        match unreadable::orphan_conflict(context, remote) {
            Some(conflict) => proposed.findings.conflicts.push(conflict),
            None => propose_archive(context, remote, &mut proposed),
        }
    }
    proposed
        .findings
        .warnings
        .extend(cohorts::cannot_archive_warning(&cohorts));
    proposed
}

/// Archives a managed segment that is not declared. If only a pattern manages it, the step adopts it.
fn propose_archive<'a>(
    context: PlanContext<'_, 'a>,
    remote: &'a ObservedSegment,
    proposed: &mut ProposedActions<'a>,
) {
    let Some(reason) = management_reasons(remote, context.input).into_iter().next() else {
        return;
    };
    let adopts = reason.pattern().is_some();
    if adopts && context.input.policy.adoption == Adoption::Refuse {
        proposed
            .findings
            .conflicts
            .push(archive_refused(context, remote, &reason));
    }
    proposed.steps.push(ProposedStep {
        name: &remote.name,
        declared: None,
        remote: Some(remote),
        adopts,
        action: Action::Archive(context.target(remote, &reason)),
    });
}

/// `adoption: refuse` forbids the archive of a segment that only a pattern in `manages` matches.
fn archive_refused(
    context: PlanContext<'_, '_>,
    remote: &ObservedSegment,
    reason: &MatchReason,
) -> ProposedFinding {
    let target = context.matching.remote_ref(remote);
    let message = format!(
        "would archive {target}, which segctl did not create: it matches `{}` in `manages` and is not in the configuration; \
         this workspace refuses adoption",
        reason.pattern().unwrap_or_default()
    );
    let mut conflict = ProposedFinding::new(Code::ArchiveRefused, message)
        .held_by(&target)
        .help(format!(
            "{}, then add `id: {}` to the file",
            import_help(target.name),
            target.id
        ))
        .help(stop_managing_help(std::slice::from_ref(reason)))
        .help("archive it: set `adoption: allow` in segctl.yaml, or archive it in the dashboard")
        .help(STATE_LOST_HELP);
    conflict.subjects.push(target.name.clone());
    conflict.finding.segments.push(target.name.clone());
    conflict
}

/// `adoption: refuse` forbids changes of an unmanaged segment.
fn adoption_refused(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
) -> ProposedFinding {
    let message = format!(
        "`{}` already exists (id {}) and is not managed; this workspace refuses adoption",
        segment.name, remote.id
    );
    ProposedFinding::new(Code::AdoptionRefused, message)
        .about(segment)
        .held_by(&context.matching.remote_ref(remote))
        .help(format!(
            "to adopt this segment: add `id: {}` at {}",
            remote.id,
            DeclaredRef::from(segment).file_and_line()
        ))
        .help("to adopt all existing segments: set `adoption: allow` in segctl.yaml")
        .help(STATE_LOST_HELP)
}

const STATE_LOST_HELP: &str = "if the state was lost: `segctl state rebuild`";

fn propose_declared<'a>(context: PlanContext<'_, 'a>, pair: &Match<'a>, proposed: &mut ProposedActions<'a>) {
    let actions = match actions(context, pair) {
        Ok(actions) => actions,
        Err(conflict) => return proposed.findings.conflicts.push(*conflict),
    };
    let segment = pair.declared;
    let is_managed = |remote: &ObservedSegment| context.managed_entry(remote).is_some();
    let adopted = pair.remote.as_ref().filter(|(remote, _)| !is_managed(remote));
    if let Some((remote, reason)) = adopted {
        if context.input.policy.adoption == Adoption::Refuse && *reason != MatchReason::Id {
            let conflict = adoption_refused(context, segment, remote);
            return proposed.findings.conflicts.push(conflict);
        }
        let warning = overwrite_warning(segment, remote, &actions);
        proposed.findings.warnings.extend(warning);
    }
    if actions.is_empty() {
        let remote = pair.remote.as_ref();
        proposed.unchanged.push(Unchanged {
            segment: segment.name.clone(),
            remote: remote.map(|(remote, reason)| (remote.id.clone(), reason.clone())),
        });
    }
    // A segment with assumed members can have a step too: its unarchive.
    if let Some((remote, matched_by)) = &pair.remote {
        let assumed = assumed_members(context, segment, remote);
        if actions.is_empty() || assumed.is_some() {
            let update = state_update(context, segment, remote, matched_by, assumed);
            proposed.state_updates.extend(update);
        }
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
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
    matched_by: &MatchReason,
    assumed: Option<AssumedMembers>,
) -> Option<StateUpdate> {
    let entry = context.managed_entry(remote);
    let is_known = entry.is_some_and(|entry| {
        let is_same = entry.name == segment.name
            && entry.lifecycle == remote.lifecycle
            && entry.protect == segment.protect
            && entry.used_previous_names == segment.previous_names;
        // A change that was made on both sides is recorded as applied.
        let digest = context.remote_digests.get(remote).map(|digests| digests.exact);
        is_same && (digest.is_none() || drift::applied_digest(entry) == digest)
    });
    (!is_known || assumed.is_some()).then(|| StateUpdate {
        segment: segment.name.clone(),
        id: remote.id.clone(),
        lifecycle: remote.lifecycle,
        protect: segment.protect,
        previous_names: segment.previous_names.clone(),
        definition: context
            .remote_digests
            .definition(remote)
            .map(|definition| definition.payload().clone()),
        matched_by: matched_by.clone(),
        adopts: entry.is_none(),
        assumed_members: assumed,
    })
}

fn assumed_members(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
) -> Option<AssumedMembers> {
    if segment.lifecycle == Lifecycle::Archived || !context.input.overrides.assume_members_in_sync {
        return None;
    }
    match &segment.contents {
        Contents::Filter(_) => None,
        Contents::Cohort(cohort) => cohorts::assumed_members(context, segment, remote, cohort),
        Contents::File(upload) => file_segments::assumed_members(context, segment, remote, upload),
    }
}

/// The changes are overwritten in the workspace; the state keeps the definition.
fn overwrite_warning(
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
    actions: &[Action],
) -> Option<ProposedFinding> {
    let update = actions.iter().find_map(|action| match action {
        Action::Update(update) => Some(update),
        _ => None,
    })?;
    let name = &segment.name;
    let exists = if remote.name == *name {
        format!("`{name}` already exists (id {})", remote.id)
    } else {
        format!("`{name}` already exists as `{}` (id {})", remote.name, remote.id)
    };
    let message = format!("{exists} and is not managed; apply will overwrite it");
    let mut warning = ProposedFinding::new(Code::OverwritesManualChanges, message)
        .about(segment)
        .help(format!(
            "the state keeps the overwritten definition: after the apply, show it with `{}`",
            shell_commands::state_history(name.as_str())
        ))
        .help(format!(
            "to keep the existing definition: remove `{name}` from {}, and write a file for it with `{}`",
            DeclaredRef::from(segment).file_and_line(),
            shell_commands::import(&remote.name)
        ));
    warning.finding.remote_ids.push(remote.id.clone());
    let changes = update.changes.iter();
    warning.finding.changes = changes.map(|changed| changed.change.clone()).collect();
    Some(warning)
}

/// Empty when the segment already is as declared.
fn actions(context: PlanContext<'_, '_>, pair: &Match<'_>) -> Result<Vec<Action>, Box<ProposedFinding>> {
    let segment = pair.declared;
    let definition = match &segment.contents {
        Contents::Cohort(cohort) => return cohorts::actions(context, pair, cohort),
        Contents::File(upload) => return file_segments::actions(context, pair, upload),
        Contents::Filter(definition) => &definition.encoded,
    };
    if let Some((remote, _)) = &pair.remote
        && let RemoteKind::Other(kind) = &remote.kind
    {
        // Not even archived: an archived file segment loses its users.
        let holder = context.matching.remote_ref(remote);
        return Err(Box::new(kind_mismatch(
            segment.into(),
            SegmentKind::Filter,
            &holder,
            kind,
        )));
    }
    Ok(match (segment.lifecycle, &pair.remote) {
        // A create before an archive would use up a name and a definition.
        (Lifecycle::Archived, None) => Vec::new(),
        (Lifecycle::Archived, Some((remote, reason))) => {
            let is_active = context.is_possibly(Lifecycle::Active, remote);
            let archive = is_active.then(|| Action::Archive(context.target(remote, reason)));
            archive.into_iter().collect()
        }
        (Lifecycle::Active, None) => {
            let identities = &context.matching.references.identities;
            vec![Action::Create(DesiredDefinition::of(definition, identities))]
        }
        (Lifecycle::Active, Some((remote, reason))) => {
            actions_for_active(context, segment, definition, remote, reason)
        }
    })
}

fn actions_for_active(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    definition: &StoredDefinition,
    remote: &ObservedSegment,
    reason: &MatchReason,
) -> Vec<Action> {
    let target = context.target(remote, reason);
    let mut actions = Vec::new();
    if context.is_possibly(Lifecycle::Archived, remote) {
        // The API rejects updates of archived segments.
        actions.push(Action::Unarchive(target.clone()));
    }
    let identities = &context.matching.references.identities;
    let is_same = target.digest == Some(definition.exact_digest(identities));
    if !is_same || remote.name != segment.name {
        actions.push(Action::Update(UpdateAction {
            target,
            name: segment.name.clone(),
            changes: changes_with_causes(context, segment, definition, remote),
            desired: DesiredDefinition::of(definition, identities),
            temporary_change: None,
        }));
    }
    actions
}

/// Every field in which the remote segment differs from the declared one.
fn changes_with_causes(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    definition: &StoredDefinition,
    remote: &ObservedSegment,
) -> Vec<ChangeWithCause> {
    let references = &context.matching.references;
    let last_applied = drift::LastApplied::of(context.managed_entry(remote));
    let current = &context.remote_digests.canonical(remote).unwrap_or_default();
    let mut changes = Vec::new();
    if remote.name != segment.name {
        changes.push(ChangeWithCause {
            change: FieldChange::rename(&remote.name, &segment.name),
            cause: last_applied.cause_of_name(&remote.name, &segment.name),
        });
    }
    let desired = &canonical::exact(definition, &references.identities);
    let fields = last_applied.with_causes(diff(current, desired), current, desired, references);
    changes.extend(fields.into_iter().map(|changed| {
        ChangeWithCause {
            change: changed
                .change
                .with_categories(definition.payload())
                .with_readable_references(&references.identities),
            ..changed
        }
    }));
    changes
}
