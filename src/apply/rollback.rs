//! Rolls back temporary changes whose final steps were not applied, so that each segment keeps a valid name and its own
//! definition.

use super::classify::Effect;
use super::run_report::{StepOutcome, StepReport};
use super::step_error::{StateError, StepError, StepResult, error_chain};
use super::step_run::{SegmentBefore, StepRun};
use super::update::{Comparison, Update};
use super::write::Written;
use super::{AbortReason, Applier, StepEvent};
use crate::api::{ApiError, Clock, RemoteSegment, Transport};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use crate::plan::step::{Action, Plan, Step, UpdateAction, request_form};
use std::collections::BTreeSet;

/// A temporary change that was applied.
pub(super) struct AppliedTemporaryChange {
    pub(super) before: SegmentBefore,
    /// A request without a response may still arrive.
    pub(super) may_still_arrive: bool,
}

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    pub(super) async fn roll_back_temporary(
        &self,
        plan: &Plan,
        reports: &mut [StepReport],
        abort_reason: &mut Option<AbortReason>,
        on_event: &(dyn Fn(StepEvent<'_>) + Sync),
    ) {
        let unfinished = unfinished_temporary_steps(plan, reports);
        for step in plan.steps.iter().filter(|step| unfinished.contains(&step.number)) {
            let applied = self.run_state().temporary_changes.remove(&step.number);
            let Some(applied) = applied.filter(|_| abort_reason.is_none()) else {
                continue;
            };
            on_event(StepEvent::Started(step));
            let mut run = StepRun::new(step);
            run.may_have_written = applied.may_still_arrive;
            let id = applied.before.segment.id.clone();
            let result = self
                .roll_back(&mut run, final_update(plan, step), applied.before)
                .await;
            self.run_state().has_written |= run.has_written || run.may_have_written;
            let outcome = match result {
                Err(StepError::State(StateError::BeforeWrite(error))) => {
                    let reason = format!("it could not be rolled back: {}", error_chain(&error));
                    *abort_reason = Some(AbortReason::StateWriteFailed(error));
                    stays_temporary(id, &reason)
                }
                result => match self.resolve_error(&run, result) {
                    Ok(outcome) => outcome,
                    Err(error) => {
                        let outcome = run.state_error_outcome(&error);
                        *abort_reason = Some(error.into_abort_reason());
                        outcome
                    }
                },
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
        run: &mut StepRun<'_>,
        last: Option<&UpdateAction>,
        before: SegmentBefore,
    ) -> StepResult<StepOutcome> {
        let SegmentBefore { segment, entry } = before;
        let stays = |reason: &str| Ok(stays_temporary(segment.id.clone(), reason));
        // MoEngage may return fields that it does not accept, and omit fields that it requires.
        let former = self.written_definition(&segment);
        let former = former.map(|former| request_form(&former));
        let (Action::Update(change), Some(definition)) = (&run.step.action, former) else {
            return stays("it has no former definition");
        };
        let compare = |_: &StepRun<'_>, current: &RemoteSegment| {
            if self.matches_temporary_change(change, current) {
                Effect::NotApplied
            } else {
                Effect::Conflicting
            }
        };
        let mut update = Update::new(self, &segment.id, &segment.name, &definition, &compare);
        let error = match self.execute(run, &mut update).await {
            Ok(Written::Confirmed(stored)) => {
                self.record_fetched(stored, Lifecycle::Active);
                self.record_restored(run, &segment.id, entry).await?;
                return Ok(StepOutcome::RolledBack);
            }
            Ok(Written::Mismatch(..)) => return stays("it was changed since"),
            Ok(Written::Ended(outcome)) => return Ok(outcome),
            Ok(Written::NotConfirmed(error)) | Err(StepError::Request(error)) => error,
            Err(other) => return Err(other),
        };
        if error.is_ambiguous_write() {
            return Ok(StepOutcome::unknown(error.to_string()));
        }
        if matches!(error.kind, ApiError::DefinitionTaken { .. })
            && let Some(last) = last
            && let Some(outcome) = self
                .apply_declared_definition(
                    run,
                    last,
                    SegmentBefore {
                        segment: segment.clone(),
                        entry,
                    },
                    &compare,
                )
                .await?
        {
            return Ok(outcome);
        }
        stays(&format!("it could not be rolled back: {error}"))
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
        run: &mut StepRun<'_>,
        last: &UpdateAction,
        before: SegmentBefore,
        compare: &Comparison<'_>,
    ) -> StepResult<Option<StepOutcome>> {
        let Ok(definition) = last.desired.resolved(&self.resolved_references()) else {
            return Ok(None);
        };
        let SegmentBefore { segment, .. } = &before;
        let mut update = Update {
            digest: last.desired.digests.exact.to_string(),
            ..Update::new(self, &segment.id, &segment.name, &definition, compare)
        };
        let stored = match self.execute(run, &mut update).await {
            Ok(Written::Confirmed(stored)) => stored,
            Ok(Written::NotConfirmed(error)) if error.is_ambiguous_write() => {
                return Ok(Some(StepOutcome::unknown(error.to_string())));
            }
            Ok(_) | Err(StepError::Request(_)) => return Ok(None),
            Err(other) => return Err(other),
        };
        let note = format!(
            "another segment has its former definition, so the temporary change could not be rolled back: the segment is \
             named `{}` as before and has its declared definition",
            before.segment.name
        );
        let outcome = StepOutcome::applied(before.segment.id.clone(), vec![note]);
        self.record_fetched(stored.clone(), Lifecycle::Active);
        self.record_declared_definition(run.step, before, &last.desired, definition, &stored)
            .await?;
        Ok(Some(outcome))
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
