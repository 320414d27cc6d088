//! Rolls back temporary changes whose final steps were not applied, so that each segment keeps a valid name and its own
//! definition.

use super::classify::Effect;
use super::run_report::{StepOutcome, StepReport};
use super::write::{UpdateRequest, WriteResult};
use super::{AbortReason, Applier, StepError, StepEvent, error_chain};
use crate::api::{ApiError, Clock, RemoteSegment, Transport};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use crate::plan::step::{Action, Plan, Step, UpdateAction, exact_digest, request_form};
use crate::state::{self, StateStore};
use std::collections::BTreeSet;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    pub(super) async fn roll_back_temporary(
        &self,
        plan: &Plan,
        (reports, abort_reason): (&mut [StepReport], &mut Option<AbortReason>),
        on_event: &(dyn Fn(StepEvent<'_>) + Sync),
    ) {
        let unfinished = unfinished_temporary_steps(plan, reports);
        for step in plan.steps.iter().filter(|step| unfinished.contains(&step.number)) {
            let before = self.run_state().before_update.remove(&step.number);
            let Some(before) = before.filter(|_| abort_reason.is_none()) else {
                continue;
            };
            on_event(StepEvent::Started(step));
            let id = before.0.id.clone();
            let outcome = match self.roll_back((step, final_update(plan, step)), before).await {
                Ok(outcome) => outcome,
                Err(StepError::StateBeforeWrite(error)) => {
                    let reason = format!("it could not be rolled back: {}", error_chain(&error));
                    *abort_reason = Some(AbortReason::StateWriteFailed(error));
                    stays_temporary(id, &reason)
                }
                Err(error) => {
                    let (outcome, reason) = self.failed_step_outcome(error);
                    *abort_reason = reason;
                    outcome
                }
            };
            if let Some(report) = reports.get_mut(step.number - 1) {
                report.outcome = outcome;
                on_event(StepEvent::Finished(report));
            }
        }
    }

    /// Restores the former name and definition of a segment. If another segment has taken them, or the segment was edited,
    /// it keeps the temporary change, and the next run continues from there.
    pub(super) async fn roll_back(
        &self,
        (step, last): (&Step, Option<&UpdateAction>),
        (before, recorded): (RemoteSegment, Option<state::StateEntry>),
    ) -> Result<StepOutcome, StepError> {
        let stays = |reason: &str| Ok(stays_temporary(before.id.clone(), reason));
        // MoEngage may return fields that it does not accept, and omit fields that it requires.
        let former = self.written_definition(&before);
        let former = former.map(|former| request_form(&former));
        let (Action::Update(change), Some(definition)) = (&step.action, former) else {
            return stays("it has no former definition");
        };
        let compare = |current: &RemoteSegment| {
            if self.matches_temporary_change(change, current) {
                Effect::NotApplied
            } else {
                Effect::Conflicting
            }
        };
        let update = UpdateRequest {
            id: &before.id,
            name: &before.name,
            digest: exact_digest(&definition, &self.resolved_references()).to_string(),
            definition: &definition,
            rearchive_if_unadopted: false,
            compare: &compare,
        };
        match self.send_update(step, &update, None).await {
            Ok(WriteResult::Confirmed(stored)) => {
                self.record_fetched(stored, Lifecycle::Active);
                self.record_restored(step, (&before.id, recorded)).await?;
                Ok(StepOutcome::RolledBack)
            }
            Ok(WriteResult::Mismatch(..)) => stays("it was changed since"),
            Ok(WriteResult::NotConfirmed(error))
                if matches!(error.kind, ApiError::DefinitionTaken { .. }) =>
            {
                let found = (&before, &compare as &(dyn Fn(&RemoteSegment) -> Effect + Sync));
                match self
                    .apply_declared_definition((step, last), found, recorded)
                    .await?
                {
                    Some(outcome) => Ok(outcome),
                    None => stays(&format!("it could not be rolled back: {error}")),
                }
            }
            Ok(WriteResult::NotConfirmed(error)) if error.is_ambiguous_write() => {
                Ok(StepOutcome::unknown(error.to_string()))
            }
            Ok(WriteResult::NotConfirmed(error)) | Err(StepError::Request(error)) => {
                stays(&format!("it could not be rolled back: {error}"))
            }
            Err(other) => Err(other),
        }
    }

    /// Groups that MoEngage dropped make no difference.
    fn matches_temporary_change(&self, change: &UpdateAction, current: &RemoteSegment) -> bool {
        let references = self.resolved_references();
        let definition = self.written_definition(current);
        let is_equivalent =
            definition.is_some_and(|found| change.desired.is_equivalent_to(&found, &references));
        current.name == change.name && is_equivalent
    }

    /// Gives a segment its declared definition under its former name. This is possible if another segment has its former
    /// definition and no segment gets the name.
    async fn apply_declared_definition(
        &self,
        (step, last): (&Step, Option<&UpdateAction>),
        (before, compare): (&RemoteSegment, &(dyn Fn(&RemoteSegment) -> Effect + Sync)),
        recorded: Option<state::StateEntry>,
    ) -> Result<Option<StepOutcome>, StepError> {
        let resolve = |last: &UpdateAction| last.desired.resolved(&self.resolved_references()).ok();
        let Some((last, definition)) = last.and_then(|last| Some((last, resolve(last)?))) else {
            return Ok(None);
        };
        let update = UpdateRequest {
            id: &before.id,
            name: &before.name,
            digest: last.desired.digests.exact.to_string(),
            definition: &definition,
            rearchive_if_unadopted: false,
            compare,
        };
        let stored = match self.send_update(step, &update, None).await {
            Ok(WriteResult::Confirmed(stored)) => stored,
            Ok(WriteResult::NotConfirmed(error)) if error.is_ambiguous_write() => {
                return Ok(Some(StepOutcome::unknown(error.to_string())));
            }
            Ok(WriteResult::Mismatch(..) | WriteResult::NotConfirmed(_)) | Err(StepError::Request(_)) => {
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        self.record_fetched(stored.clone(), Lifecycle::Active);
        self.record_declared_definition(step, (before, recorded), (&last.desired, definition, &stored))
            .await?;
        let note = format!(
            "another segment has its former definition, so the temporary change could not be rolled back: the segment is \
             named `{}` as before and has its declared definition",
            before.name
        );
        Ok(Some(StepOutcome::applied(before.id.clone(), vec![note])))
    }
}

fn stays_temporary(id: SegmentId, reason: &str) -> StepOutcome {
    let note = format!("the segment keeps its temporary change: {reason}; run again to continue");
    StepOutcome::applied(id, vec![note])
}

/// Applied temporary changes of segments whose final steps were not applied.
fn unfinished_temporary_steps(plan: &Plan, reports: &[StepReport]) -> BTreeSet<usize> {
    let outcome_of = |step: &Step| {
        let report = reports.get(step.number.checked_sub(1)?);
        report.map(|report| &report.outcome)
    };
    // A final step with an unknown outcome may have been applied: a rollback could undo it.
    let is_unfinished = |step: &&Step| {
        matches!(
            outcome_of(step),
            Some(StepOutcome::Failed { .. } | StepOutcome::Skipped(_))
        )
    };
    let (temporary, last): (Vec<_>, Vec<_>) = plan
        .steps
        .iter()
        .partition(|step| step.action.temporary_change().is_some());
    let last = last.into_iter().filter(is_unfinished);
    let unfinished: BTreeSet<&SegmentName> = last.map(|step| &step.segment).collect();
    temporary
        .into_iter()
        .filter(|step| outcome_of(step).is_some_and(StepOutcome::is_done))
        .filter(|step| unfinished.contains(&step.segment))
        .map(|step| step.number)
        .collect()
}

/// The update that follows a temporary change.
fn final_update<'p>(plan: &'p Plan, temporary_step: &Step) -> Option<&'p UpdateAction> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::Update(change)
            if step.segment == temporary_step.segment && change.temporary_change.is_none() =>
        {
            Some(change)
        }
        _ => None,
    })
}
