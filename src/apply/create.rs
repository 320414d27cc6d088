//! Creating a segment.

use super::classify::{NextAction, Resolution};
use super::run_report::StepOutcome;
use super::{Applier, StepError, attempts_exhausted, classify, unverifiable};
use crate::api::{Clock, RemoteSegment, RequestError, Transport};
use crate::model::Payload;
use crate::plan::step::{DesiredDefinition, Step};
use crate::state::StateStore;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Creates, and where the answer is lost or the name is taken, finds out by whom.
    pub(super) async fn create(
        &self,
        step: &Step,
        desired: &DesiredDefinition,
    ) -> Result<StepOutcome, StepError> {
        let payload = match desired.resolved(&self.resolved_references()) {
            Ok(payload) => payload,
            Err(name) => {
                return Ok(StepOutcome::Failed {
                    message: unresolved_reference(&name),
                });
            }
        };
        let digest = desired.digests.exact.to_string();
        let mut lost = None::<RequestError>;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.send_create(step, (&payload, &digest)).await {
                Ok(Ok(stored)) => return self.finish_write(step, desired, stored, Vec::new()).await,
                Ok(Err(error)) | Err(StepError::Request(error)) => error,
                Err(other) => return Err(other),
            };
            match (
                classify::next_after_create(&error, &step.segment, lost.is_some()),
                &lost,
            ) {
                (NextAction::Verify, _) => {}
                (NextAction::Unknown, Some(lost)) => return Ok(unverifiable(lost, &error)),
                _ => return Ok(self.failed_request_outcome(&error)),
            }
            // A name that is taken may have been taken by this very call, delivered twice.
            self.run_state().ambiguous_steps.insert(step.number);
            lost = Some(error.clone());
            let may_go_on = self.should_retry(attempt, &error).await;
            match (self.verify_create(step, desired, (&payload, &error)).await, &lost) {
                // Lists may lag: that they show no segment is no proof that none was made.
                (Err(StepError::Request(other)), Some(lost)) => return Ok(unverifiable(lost, &other)),
                (Ok(None), _) if may_go_on => {}
                (Ok(None), _) => return Ok(attempts_exhausted(attempt, &error)),
                (Ok(Some(outcome)), _) => return Ok(outcome),
                (Err(interruption), _) => return Err(interruption),
            }
        }
    }

    /// The outcome after a create that was not answered with success; `None` when it may be tried again.
    async fn verify_create(
        &self,
        step: &Step,
        desired: &DesiredDefinition,
        (payload, error): (&Payload, &RequestError),
    ) -> Result<Option<StepOutcome>, StepError> {
        let found = match self.find_by_name(&step.segment).await {
            Ok(found) => found,
            Err(look_up) => return Ok(Some(unverifiable(error, &look_up))),
        };
        let is_wanted = |stored: &RemoteSegment| {
            let found = stored.payload();
            found.is_some_and(|found| desired.is_identical_to(&found, &self.resolved_references()))
        };
        let note = match (
            classify::resolve_create(error, found.as_ref().map(is_wanted)),
            &found,
        ) {
            (Resolution::HiddenNameHolder, _) => {
                return self.unarchive_name_holder(step, desired, payload).await.map(Some);
            }
            (Resolution::OtherNameHolder, Some(stored)) => {
                return Ok(Some(segment_appeared_since_plan(step, stored)));
            }
            (Resolution::Applied, _) => "the answer was lost; the segment was found with the definition sent",
            (Resolution::AlreadyApplied, _) => {
                "it was there already with the definition sent: another run made it, or one whose answer was lost"
            }
            _ => return Ok(None),
        };
        match found {
            Some(stored) => {
                let notes = vec![note.to_owned()];
                self.finish_write(step, desired, stored, notes).await.map(Some)
            }
            None => Ok(None),
        }
    }
}

/// A live segment has the name, and is not ours.
fn segment_appeared_since_plan(step: &Step, stored: &RemoteSegment) -> StepOutcome {
    StepOutcome::Failed {
        message: format!(
            "a segment named `{}` (id {}) with another definition appeared since the plan; plan again",
            step.segment, stored.id
        ),
    }
}

/// What to say when a reference has no id: the step that makes its segment should have come before.
pub(super) fn unresolved_reference(name: &crate::model::SegmentName) -> String {
    format!("it refers to `{name}`, which has no id yet; plan again")
}
