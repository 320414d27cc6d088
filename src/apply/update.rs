use super::classify::{Effect, NextAction, Resolution};
use super::create::unresolved_reference;
use super::run_report::{SkipReason, StepOutcome};
use super::write::{LifecycleRequest, LifecycleTarget, UpdateRequest, WriteResult};
use super::{Applier, StepError, attempts_exhausted, classify, unverifiable};
use crate::api::{ApiError, Clock, FetchedSegment, RemoteSegment, RequestError, Transport};
use crate::model::{Lifecycle, Payload};
use crate::plan::step::{Step, Target, TemporaryChange, UpdateAction};
use crate::state::StateStore;

#[derive(Default)]
struct UpdateRun {
    /// A response was lost, and the request had no effect when segctl verified it.
    ambiguous_error: Option<RequestError>,
    /// This step unarchived the segment.
    was_unarchived: bool,
    /// The segment, read after the last request.
    fetched: Option<FetchedSegment>,
}

impl UpdateRun {
    fn note(&self) -> Option<String> {
        let note = "the segment was archived and had to be unarchived first";
        self.was_unarchived.then(|| note.to_owned())
    }

    /// Adds what the step did before a failure.
    fn with_note(&self, outcome: StepOutcome) -> StepOutcome {
        match (self.note(), outcome) {
            (Some(note), StepOutcome::Failed { message }) => {
                StepOutcome::failed(format!("{note}; then {message}"))
            }
            (Some(note), StepOutcome::NotAttempted) => {
                StepOutcome::failed(format!("{note}; then the run was stopped"))
            }
            (_, outcome) => outcome,
        }
    }
}

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    pub(super) async fn update(&self, step: &Step, change: &UpdateAction) -> Result<StepOutcome, StepError> {
        let payload = match change.desired.resolved(&self.resolved_references()) {
            Ok(payload) => payload,
            Err(name) => return Ok(unresolved_reference(&name)),
        };
        let mut step_run = UpdateRun::default();
        let outcome = self
            .send_until_resolved(step, (change, &payload), &mut step_run)
            .await;
        let outcome = match (outcome, step_run.ambiguous_error.take()) {
            (Err(StepError::Request(error)), Some(lost)) => Ok(unverifiable(&lost, &error)),
            (Err(StepError::Request(error)), None) if step_run.was_unarchived => {
                Ok(step_run.with_note(self.failed_request_outcome(&error)))
            }
            (outcome, _) => outcome,
        };
        let is_untouched = match &outcome {
            Ok(outcome) => matches!(
                outcome,
                StepOutcome::Failed { .. } | StepOutcome::NotAttempted | StepOutcome::Skipped(_)
            ),
            Err(StepError::Request(error)) => !error.is_ambiguous_write(),
            Err(_) => false,
        };
        let before = self.run_state().before_update.get(&step.number).cloned();
        if let Some((_, recorded)) = before.filter(|_| is_untouched) {
            let restored = self.record_restored(step, (&change.target.id, recorded)).await;
            restored.map_err(StepError::StateBeforeWrite)?;
        }
        outcome
    }

    /// Repeats the update until its result is known.
    async fn send_until_resolved(
        &self,
        step: &Step,
        (change, payload): (&UpdateAction, &Payload),
        step_run: &mut UpdateRun,
    ) -> Result<StepOutcome, StepError> {
        let target = &change.target;
        let compare = |current: &RemoteSegment| self.update_effect((step, change), current);
        let is_managed = self.state.lock().await.managed_entry(&target.id).is_some();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let update = UpdateRequest {
                id: &target.id,
                name: &change.name,
                definition: payload,
                digest: change.desired.digests.exact.to_string(),
                rearchive_if_unadopted: step_run.was_unarchived && !is_managed,
                compare: &compare,
            };
            let error = match self.send_update(step, &update, step_run.fetched.take()).await? {
                WriteResult::Confirmed(stored) if self.is_group_dropped(change, &stored) => {
                    return self.roll_back_dropped_group(step).await;
                }
                WriteResult::Confirmed(stored) => {
                    let notes = step_run.note().into_iter().collect();
                    return self.finish_write(step, &change.desired, stored, notes).await;
                }
                WriteResult::Mismatch(current, effect) => {
                    return self
                        .mismatch_outcome((step, change), (current, effect), step_run)
                        .await;
                }
                WriteResult::NotConfirmed(error) => error,
            };
            let progress = (!step_run.was_unarchived, step_run.ambiguous_error.is_some());
            match classify::next_after_update(&error, &target.id, progress) {
                NextAction::Verify => {
                    let should_retry = self.should_retry(attempt, &error).await;
                    if let Some(outcome) = self.verify_update((step, change), &error, step_run).await? {
                        return Ok(outcome);
                    }
                    if !should_retry {
                        return Ok(attempts_exhausted(attempt, &error));
                    }
                }
                NextAction::UnarchiveFirst => {
                    step_run.was_unarchived = self.unarchive_for_update(step, target, !is_managed).await?;
                    if !step_run.was_unarchived {
                        return Ok(self.rejected_outcome(change, &error));
                    }
                }
                NextAction::Retry | NextAction::Fail | NextAction::Unknown => {
                    return Ok(match &step_run.ambiguous_error {
                        Some(lost) if !error.may_reflect_segment_state() => unverifiable(lost, &error),
                        _ => step_run.with_note(self.rejected_outcome(change, &error)),
                    });
                }
            }
        }
    }

    /// An archived segment cannot be updated. False if MoEngage refuses, because the segment is not archived.
    async fn unarchive_for_update(
        &self,
        step: &Step,
        target: &Target,
        rearchive_if_unadopted: bool,
    ) -> Result<bool, StepError> {
        let request = LifecycleRequest {
            name: &target.remote_name,
            target: LifecycleTarget::ById(&target.id),
            lifecycle: Lifecycle::Active,
        };
        match self
            .send_lifecycle(step, &request, rearchive_if_unadopted)
            .await?
        {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind, ApiError::Refused { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether MoEngage stored a temporary definition without the extra group. Then its definition is still taken, and two
    /// segments have the same one.
    fn is_group_dropped(&self, change: &UpdateAction, stored: &RemoteSegment) -> bool {
        let references = self.resolved_references();
        let is_unwrapped = |found: &Payload| {
            change.desired.is_equivalent_to(found, &references)
                && !change.desired.is_identical_to(found, &references)
        };
        wraps_definition(change)
            && stored.name == change.name
            && stored.payload().as_ref().is_some_and(is_unwrapped)
    }

    async fn roll_back_dropped_group(&self, step: &Step) -> Result<StepOutcome, StepError> {
        let message =
            format!("MoEngage dropped the extra group of the temporary definition; {SWAP_WORKAROUND}");
        let before = self.run_state().before_update.remove(&step.number);
        let Some(before) = before else {
            return Ok(StepOutcome::failed(message));
        };
        Ok(match self.roll_back((step, None), before).await? {
            StepOutcome::RolledBack => {
                StepOutcome::failed(format!("{message}; the former definition was restored"))
            }
            outcome => outcome,
        })
    }

    /// `None`: the update may be sent again.
    async fn verify_update(
        &self,
        (step, change): (&Step, &UpdateAction),
        error: &RequestError,
        step_run: &mut UpdateRun,
    ) -> Result<Option<StepOutcome>, StepError> {
        let at = self.clock.now();
        let found = match self.client.get(&change.target.id).await {
            Ok(found) => found,
            Err(read) => return Ok(Some(unverifiable(error, &read))),
        };
        let effect = match self.update_effect((step, change), &found) {
            // The refusal means that nothing would change; the definition may be returned in another form.
            Effect::NotApplied if !error.is_ambiguous_write() && self.is_respelled(change, &found) => {
                Effect::Applied
            }
            effect => effect,
        };
        // An unchanged segment proves nothing about a lost request.
        let is_untouched = error.is_ambiguous_write() && effect == Effect::NotApplied;
        if !is_untouched && self.is_group_dropped(change, &found) {
            return self.roll_back_dropped_group(step).await.map(Some);
        }
        let note = match classify::resolve_update(error, effect) {
            Resolution::Applied => RESPONSE_LOST_NOTE,
            Resolution::AlreadyApplied => {
                "MoEngage had nothing to change: the segment already has the definition sent"
            }
            Resolution::Retry => {
                step_run.ambiguous_error = Some(error.clone());
                step_run.fetched = Some(FetchedSegment {
                    segment: found,
                    fetched_at: at,
                });
                return Ok(None);
            }
            Resolution::Rejected => {
                return Ok(Some(step_run.with_note(self.rejected_outcome(change, error))));
            }
            Resolution::HiddenNameHolder | Resolution::OtherNameHolder | Resolution::Unknown => {
                return Ok(Some(StepOutcome::unknown(format!("{error}; plan again"))));
            }
        };
        let notes = step_run.note().into_iter().chain([note.to_owned()]).collect();
        self.finish_write(step, &change.desired, found, notes)
            .await
            .map(Some)
    }

    /// The segment is not as it was before the update.
    async fn mismatch_outcome(
        &self,
        (step, change): (&Step, &UpdateAction),
        (current, effect): (RemoteSegment, Effect),
        step_run: &UpdateRun,
    ) -> Result<StepOutcome, StepError> {
        match (effect, &step_run.ambiguous_error) {
            _ if self.is_group_dropped(change, &current) => self.roll_back_dropped_group(step).await,
            (Effect::Applied, Some(_)) => {
                let notes = vec![RESPONSE_LOST_NOTE.to_owned()];
                self.finish_write(step, &change.desired, current, notes).await
            }
            (Effect::Applied, None) => {
                self.record_written(step, &current).await?;
                Ok(StepOutcome::Unchanged {
                    id: current.id,
                    notes: step_run.note().into_iter().collect(),
                })
            }
            (_, Some(lost)) => Ok(StepOutcome::unknown(format!("{lost}; plan again"))),
            (_, None) if step_run.was_unarchived => Ok(step_run.with_note(StepOutcome::failed(
                "the segment changed during the run; plan again",
            ))),
            (_, None) => {
                // The next plan starts from this read.
                self.record_fetched(current, Lifecycle::Active);
                Ok(StepOutcome::Skipped(SkipReason::Drifted))
            }
        }
    }

    fn rejected_outcome(&self, change: &UpdateAction, error: &RequestError) -> StepOutcome {
        if !(wraps_definition(change) && matches!(error.kind, ApiError::DefinitionTaken { .. })) {
            return self.failed_request_outcome(error);
        }
        StepOutcome::failed(format!(
            "{error}; MoEngage treats a definition in an extra group as the same definition; {SWAP_WORKAROUND}"
        ))
    }

    fn is_respelled(&self, change: &UpdateAction, current: &RemoteSegment) -> bool {
        let is_respelled = |found| {
            change
                .desired
                .is_respelled_as(&found, &self.resolved_references())
        };
        current.name == change.name && current.payload().is_some_and(is_respelled)
    }

    fn update_effect(&self, (step, change): (&Step, &UpdateAction), current: &RemoteSegment) -> Effect {
        let is_unchanged = self.matches_plan(&change.target, current);
        // The former definition may be a respelling of the desired one, too.
        let is_desired = if is_unchanged {
            self.has_definition(&change.desired, current)
        } else {
            self.has_sent_definition(step, &change.desired, current)
        };
        classify::definition_effect(current.name == change.name && is_desired, is_unchanged)
    }
}

/// Whether an update stores the temporary form of a definition, with an extra group around it.
fn wraps_definition(change: &UpdateAction) -> bool {
    matches!(
        change.temporary_change,
        Some(TemporaryChange::Definition | TemporaryChange::Both)
    )
}

const RESPONSE_LOST_NOTE: &str = "the response was lost; the segment has the definition sent";

const SWAP_WORKAROUND: &str = "to swap these definitions, change one of the segments to a third definition, apply, and then \
     change it to its own";
