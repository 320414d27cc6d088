//! Taking back passing steps whose final ones did not follow: every segment keeps a valid name and its own definition.

use super::classify::Effect;
use super::run_report::{StepOutcome, StepReport};
use super::write::{UpdateRequest, WriteResult};
use super::{AbortReason, Applier, StepError, StepEvent, error_chain};
use crate::api::{ApiError, Clock, RemoteSegment, Transport};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use crate::plan::step::{Action, Plan, Step, UpdateAction, exact_digest};
use crate::state::{self, StateStore};
use std::collections::BTreeSet;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Takes back the passing steps whose final ones did not follow.
    pub(super) async fn roll_back_temporary(
        &self,
        plan: &Plan,
        (entries, stop): (&mut [StepReport], &mut Option<AbortReason>),
        on_event: &(dyn Fn(StepEvent<'_>) + Sync),
    ) {
        let left = unfinished_temporary_steps(plan, entries);
        for step in plan.steps.iter().filter(|step| left.contains(&step.number)) {
            let before = self.run_state().before_update.remove(&step.number);
            let Some(before) = before.filter(|_| stop.is_none()) else {
                continue;
            };
            on_event(StepEvent::Started(step));
            let id = before.0.id.clone();
            let outcome = match self.roll_back((step, final_update(plan, step)), before).await {
                Ok(outcome) => outcome,
                Err(StepError::StateBeforeWrite(error)) => {
                    let outcome =
                        stays_temporary(id, &format!("could not be taken back: {}", error_chain(&error)));
                    *stop = Some(AbortReason::StateWriteFailed(error));
                    outcome
                }
                Err(interruption) => {
                    let (outcome, reason) = self.failed_step_outcome(interruption);
                    *stop = reason;
                    outcome
                }
            };
            if let Some(entry) = entries.get_mut(step.number - 1) {
                entry.outcome = outcome;
                on_event(StepEvent::Finished(entry));
            }
        }
    }

    /// Takes back a passing step whose final one cannot follow, so that the segment has its own name and definition
    /// again. Others may have taken them by now, or somebody changed it; then it stays as it is, and the next run goes
    /// on from there.
    pub(super) async fn roll_back(
        &self,
        (step, last): (&Step, Option<&UpdateAction>),
        (before, known): (RemoteSegment, Option<state::StateEntry>),
    ) -> Result<StepOutcome, StepError> {
        let waits = |why: &str| stays_temporary(before.id.clone(), why);
        let (Action::Update(change), Some(definition)) = (&step.action, before.payload()) else {
            return Ok(waits("had no definition to go back to"));
        };
        // Groups that the service did not keep make no difference.
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
                self.record_restored(step, (&before.id, known)).await?;
                Ok(StepOutcome::RolledBack)
            }
            Ok(WriteResult::Mismatch(..)) => Ok(waits("was changed since")),
            Ok(WriteResult::NotConfirmed(error))
                if matches!(error.kind, ApiError::DefinitionTaken { .. }) =>
            {
                let found = (&before, &compare as &(dyn Fn(&RemoteSegment) -> Effect + Sync));
                match self.apply_declared_definition((step, last), found, known).await? {
                    Some(outcome) => Ok(outcome),
                    None => Ok(waits(&format!("could not be taken back: {error}"))),
                }
            }
            Ok(WriteResult::NotConfirmed(error)) if error.is_ambiguous_write() => Ok(StepOutcome::Unknown {
                message: error.to_string(),
            }),
            Ok(WriteResult::NotConfirmed(error)) | Err(StepError::Request(error)) => {
                Ok(waits(&format!("could not be taken back: {error}")))
            }
            Err(other) => Err(other),
        }
    }

    /// Whether a segment is as a passing step left it; groups that the service did not keep make no difference.
    fn matches_temporary_change(&self, change: &UpdateAction, current: &RemoteSegment) -> bool {
        let known = self.resolved_references();
        let definition = current.payload();
        let is_alike = definition.is_some_and(|found| change.desired.is_equivalent_to(&found, &known));
        current.name == change.name && is_alike
    }

    /// Gives a segment the definition of its file under the name that it had: the one way on where another segment got
    /// its former definition and nobody gets the name.
    async fn apply_declared_definition(
        &self,
        (step, last): (&Step, Option<&UpdateAction>),
        (before, compare): (&RemoteSegment, &(dyn Fn(&RemoteSegment) -> Effect + Sync)),
        known: Option<state::StateEntry>,
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
                let message = error.to_string();
                return Ok(Some(StepOutcome::Unknown { message }));
            }
            Ok(WriteResult::Mismatch(..) | WriteResult::NotConfirmed(_)) | Err(StepError::Request(_)) => {
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        self.record_fetched(stored, Lifecycle::Active);
        self.record_declared_definition(step, (before, known), (&last.desired, definition))
            .await?;
        let note = format!(
            "another segment has its former definition, so that it could not be taken back: it is `{}` as before, with the \
             definition of its file",
            before.name
        );
        Ok(Some(StepOutcome::applied(before.id.clone(), vec![note])))
    }
}

/// What came of a passing step that nothing follows and that stays as it is.
fn stays_temporary(id: SegmentId, why: &str) -> StepOutcome {
    let note = format!("it waits in passing and {why}; run again to go on from here");
    StepOutcome::applied(id, vec![note])
}

/// Passing steps that were applied and whose segments have a final step that was not.
fn unfinished_temporary_steps(plan: &Plan, entries: &[StepReport]) -> BTreeSet<usize> {
    let outcome_of = |step: &Step| {
        let entry = entries.get(step.number.checked_sub(1)?);
        entry.map(|entry| &entry.outcome)
    };
    let is_applied = |step: &Step| outcome_of(step).is_some_and(StepOutcome::is_done);
    // What became of a final step may be unknown: then taking back could undo it.
    let lacks_final_state = |step: &Step| {
        matches!(
            outcome_of(step),
            Some(StepOutcome::Failed { .. } | StepOutcome::Skipped(_))
        )
    };
    let finals = plan
        .steps
        .iter()
        .filter(|step| step.action.temporary_change().is_none() && lacks_final_state(step));
    let without: BTreeSet<&SegmentName> = finals.map(|step| &step.segment).collect();
    let temporary_steps = plan
        .steps
        .iter()
        .filter(|step| step.action.temporary_change().is_some() && is_applied(step));
    temporary_steps
        .filter(|step| without.contains(&step.segment))
        .map(|step| step.number)
        .collect()
}

/// What the file says of a segment that a passing step is for.
fn final_update<'p>(plan: &'p Plan, temporary_step: &Step) -> Option<&'p UpdateAction> {
    let own = plan
        .steps
        .iter()
        .filter(|step| step.segment == temporary_step.segment);
    own.filter_map(|step| match &step.action {
        Action::Update(change) if change.temporary_change.is_none() => Some(change),
        _ => None,
    })
    .next()
}
