//! Updating a segment: its definition, its name, or both in one call.

use super::classify::{Effect, NextAction, Resolution};
use super::create::unresolved_reference;
use super::run_report::{SkipReason, StepOutcome};
use super::write::{LifecycleRequest, LifecycleTarget, UpdateRequest, WriteResult};
use super::{Applier, StepError, attempts_exhausted, classify, unverifiable};
use crate::api::{ApiError, Clock, FetchedSegment, RemoteSegment, RequestError, Transport};
use crate::model::{Lifecycle, Payload};
use crate::plan::step::{Step, Target, TemporaryChange, UpdateAction};
use crate::state::StateStore;

/// What happened to a step so far.
#[derive(Default)]
struct UpdateRun {
    /// An answer was lost, and nothing had come of that call when it was looked at.
    ambiguous_error: Option<RequestError>,
    /// The segment was archived and was taken out for this step.
    was_unarchived: bool,
    /// What was read since the last call.
    fetched: Option<FetchedSegment>,
}

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Updates, unless the segment is not as the plan saw it.
    pub(super) async fn update(&self, step: &Step, change: &UpdateAction) -> Result<StepOutcome, StepError> {
        let payload = match change.desired.resolved(&self.resolved_references()) {
            Ok(payload) => payload,
            Err(name) => {
                return Ok(StepOutcome::Failed {
                    message: unresolved_reference(&name),
                });
            }
        };
        let mut step_run = UpdateRun::default();
        let outcome = self
            .send_until_resolved(step, (change, &payload), &mut step_run)
            .await;
        let outcome = match (outcome, step_run.ambiguous_error.take()) {
            (Err(StepError::Request(error)), Some(lost)) => Ok(unverifiable(&lost, &error)),
            (Err(StepError::Request(error)), None) if step_run.was_unarchived => Ok(with_earlier_note(
                unarchived_note(&step_run),
                self.failed_request_outcome(&error),
            )),
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
        if let Some((_, known)) = before.filter(|_| is_untouched) {
            let restored = self.record_restored(step, (&change.target.id, known)).await;
            restored.map_err(StepError::StateBeforeWrite)?;
        }
        outcome
    }

    /// Sends the change until it is known what became of it.
    async fn send_until_resolved(
        &self,
        step: &Step,
        (change, payload): (&UpdateAction, &Payload),
        step_run: &mut UpdateRun,
    ) -> Result<StepOutcome, StepError> {
        let target = &change.target;
        let compare = |current: &RemoteSegment| self.update_effect(change, current);
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
                    let notes = unarchived_note(step_run).into_iter().collect();
                    return self.finish_write(step, &change.desired, stored, notes).await;
                }
                WriteResult::Mismatch(current, effect) => {
                    return self
                        .mismatch_outcome((step, change), (current, effect), step_run)
                        .await;
                }
                WriteResult::NotConfirmed(error) => error,
            };
            match classify::next_after_update(
                &error,
                &target.id,
                (!step_run.was_unarchived, step_run.ambiguous_error.is_some()),
            ) {
                NextAction::Verify => {
                    let may_go_on = self.should_retry(attempt, &error).await;
                    if let Some(outcome) = self.verify_update((step, change), &error, step_run).await? {
                        return Ok(outcome);
                    }
                    if !may_go_on {
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
                        _ => with_earlier_note(
                            unarchived_note(step_run),
                            self.rejected_outcome(change, &error),
                        ),
                    });
                }
            }
        }
    }

    /// Takes out a segment that cannot be changed while it is archived; false where the service says that it is none.
    async fn unarchive_for_update(
        &self,
        step: &Step,
        target: &Target,
        rearchive_if_unadopted: bool,
    ) -> Result<bool, StepError> {
        let to = LifecycleRequest {
            name: &target.remote_name,
            target: LifecycleTarget::ById(&target.id),
            lifecycle: Lifecycle::Active,
        };
        match self.send_lifecycle(step, &to, rearchive_if_unadopted).await? {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind, ApiError::Refused { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the service took a definition in passing and did not keep the group around it: it is not given up then, and
    /// two segments have the same one.
    fn is_group_dropped(&self, change: &UpdateAction, stored: &RemoteSegment) -> bool {
        let known = self.resolved_references();
        let is_other = |found: &Payload| {
            change.desired.is_equivalent_to(found, &known) && !change.desired.is_identical_to(found, &known)
        };
        wraps_definition(change)
            && stored.name == change.name
            && stored.payload().as_ref().is_some_and(is_other)
    }

    /// Gives a segment back what it had before a passing step that the service did not keep as it was sent.
    async fn roll_back_dropped_group(&self, step: &Step) -> Result<StepOutcome, StepError> {
        let before = self.run_state().before_update.remove(&step.number);
        let Some(before) = before else {
            return Ok(StepOutcome::Failed {
                message: format!("{GROUP_DROPPED}, {SWAP_WORKAROUND}"),
            });
        };
        Ok(match self.roll_back((step, None), before).await? {
            StepOutcome::RolledBack => StepOutcome::Failed {
                message: format!("{GROUP_DROPPED}, {SWAP_WORKAROUND}; it is as it was before"),
            },
            outcome => outcome,
        })
    }

    /// Looks what became of a call that may have done what it was to do; `None` where it may be made again.
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
        let effect = self.update_effect(change, &found);
        // What is as it was before shows nothing of a call that was lost.
        let is_untouched = error.is_ambiguous_write() && effect == Effect::NotApplied;
        if !is_untouched && self.is_group_dropped(change, &found) {
            return self.roll_back_dropped_group(step).await.map(Some);
        }
        let note = match classify::resolve_update(error, effect) {
            Resolution::Applied => "the answer was lost; the definition was found as sent",
            Resolution::AlreadyApplied => {
                "the service had nothing to change: the definition was found as sent"
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
                return Ok(Some(with_earlier_note(
                    unarchived_note(step_run),
                    self.rejected_outcome(change, error),
                )));
            }
            Resolution::HiddenNameHolder | Resolution::OtherNameHolder | Resolution::Unknown => {
                return Ok(Some(StepOutcome::Unknown {
                    message: format!("{error}; plan again"),
                }));
            }
        };
        let notes = unarchived_note(step_run)
            .into_iter()
            .chain([note.to_owned()])
            .collect();
        self.finish_write(step, &change.desired, found, notes)
            .await
            .map(Some)
    }

    /// The outcome where what is there is not what was to be overwritten.
    async fn mismatch_outcome(
        &self,
        (step, change): (&Step, &UpdateAction),
        (current, effect): (RemoteSegment, Effect),
        step_run: &UpdateRun,
    ) -> Result<StepOutcome, StepError> {
        match (effect, &step_run.ambiguous_error) {
            _ if self.is_group_dropped(change, &current) => self.roll_back_dropped_group(step).await,
            (Effect::Applied, Some(_)) => {
                let notes = vec!["the answer was lost; the definition was found as sent".to_owned()];
                self.finish_write(step, &change.desired, current, notes).await
            }
            (Effect::Applied, None) => {
                let (id, notes) = (
                    current.id.clone(),
                    unarchived_note(step_run).into_iter().collect(),
                );
                self.record_written(step, &current).await?;
                Ok(StepOutcome::Unchanged { id, notes })
            }
            (_, Some(lost)) => Ok(StepOutcome::Unknown {
                message: format!("{lost}; plan again"),
            }),
            (_, None) if step_run.was_unarchived => Ok(with_earlier_note(
                unarchived_note(step_run),
                StepOutcome::Failed {
                    message: "it was changed meanwhile; plan again".to_owned(),
                },
            )),
            (_, None) => {
                // The next plan has to start from what is there.
                self.record_fetched(current, Lifecycle::Active);
                Ok(StepOutcome::Skipped(SkipReason::Drifted))
            }
        }
    }

    /// What a refusal means for a change; of a definition in passing the way round is known.
    fn rejected_outcome(&self, change: &UpdateAction, error: &RequestError) -> StepOutcome {
        if !(wraps_definition(change) && matches!(error.kind, ApiError::DefinitionTaken { .. })) {
            return self.failed_request_outcome(error);
        }
        StepOutcome::Failed {
            message: format!(
                "{error}; the service takes a definition in one more group for the same definition, {SWAP_WORKAROUND}"
            ),
        }
    }

    /// What is there, between what the plan saw and what it wants.
    pub(super) fn update_effect(&self, change: &UpdateAction, current: &RemoteSegment) -> Effect {
        let is_wanted = current.payload().is_some_and(|found| {
            change
                .desired
                .is_identical_to(&found, &self.resolved_references())
        });
        classify::definition_effect(
            is_wanted && current.name == change.name,
            self.matches_plan(&change.target, current),
        )
    }
}

/// Whether a change stands for the definition that the segment gets in the end.
fn wraps_definition(change: &UpdateAction) -> bool {
    matches!(
        change.temporary_change,
        Some(TemporaryChange::Definition | TemporaryChange::Both)
    )
}

/// What is said where the form that a definition passes through does not last.
const GROUP_DROPPED: &str = "the service keeps a definition in one more group without that group";

/// What to do where definitions cannot pass each other.
const SWAP_WORKAROUND: &str = "so that definitions cannot be swapped in passing: change one of the segments to a third definition, \
                         apply, and then to its own";

/// What is said where a segment was archived without the plan knowing.
fn unarchived_note(step_run: &UpdateRun) -> Option<String> {
    let note = "it was archived and had to be taken out first";
    step_run.was_unarchived.then(|| note.to_owned())
}

/// A failure, after what was done before it.
fn with_earlier_note(note: Option<String>, outcome: StepOutcome) -> StepOutcome {
    match (note, outcome) {
        (Some(note), StepOutcome::Failed { message }) => StepOutcome::Failed {
            message: format!("{note}; then {message}"),
        },
        (Some(note), StepOutcome::NotAttempted) => StepOutcome::Failed {
            message: format!("{note}; then the run was stopped"),
        },
        (_, outcome) => outcome,
    }
}
