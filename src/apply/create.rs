use super::classify::{NextAction, Resolution};
use super::run_report::StepOutcome;
use super::{Applier, StepError, attempts_exhausted, classify, unverifiable};
use crate::api::{Clock, RemoteSegment, RequestError, Transport};
use crate::model::{Payload, SegmentName};
use crate::plan::step::{DesiredDefinition, Step};
use crate::state::StateStore;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    pub(super) async fn create(
        &self,
        step: &Step,
        desired: &DesiredDefinition,
    ) -> Result<StepOutcome, StepError> {
        let payload = match desired.resolved(&self.resolved_references()) {
            Ok(payload) => payload,
            Err(name) => return Ok(unresolved_reference(&name)),
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
            let next = classify::next_after_create(&error, &step.segment, lost.is_some());
            match (next, &lost) {
                (NextAction::Verify, _) => {}
                (NextAction::Unknown, Some(lost)) => return Ok(unverifiable(lost, &error)),
                _ => return Ok(self.failed_request_outcome(&error)),
            }
            // If the name is taken, this request may have been delivered twice and taken it.
            self.run_state().ambiguous_steps.insert(step.number);
            let should_retry = self.should_retry(attempt, &error).await;
            match self.verify_create(step, desired, (&payload, &error)).await {
                Err(StepError::Request(read)) => return Ok(unverifiable(&error, &read)),
                // The listing may lag, so a missing segment may still exist.
                Ok(None) if should_retry => lost = Some(error),
                Ok(None) => return Ok(attempts_exhausted(attempt, &error)),
                Ok(Some(outcome)) => return Ok(outcome),
                Err(other) => return Err(other),
            }
        }
    }

    /// `None`: the create may be sent again.
    async fn verify_create(
        &self,
        step: &Step,
        desired: &DesiredDefinition,
        (payload, error): (&Payload, &RequestError),
    ) -> Result<Option<StepOutcome>, StepError> {
        let found = match self.find_by_name(&step.segment).await {
            Ok(found) => found,
            Err(read) => return Ok(Some(unverifiable(error, &read))),
        };
        let has_definition = found
            .as_ref()
            .map(|found| self.has_sent_definition(step, desired, found));
        let resolution = classify::resolve_create(error, has_definition);
        let (note, found) = match (resolution, found) {
            (Resolution::HiddenNameHolder, _) => {
                return self.unarchive_name_holder(step, desired, payload).await.map(Some);
            }
            (Resolution::OtherNameHolder, Some(found)) => {
                return Ok(Some(segment_appeared_since_plan(step, &found)));
            }
            (Resolution::Applied, Some(found)) => (
                "the response was lost; the segment exists with the definition sent",
                found,
            ),
            (Resolution::AlreadyApplied, Some(found)) => (
                "the segment already exists with the definition sent: another run created it, or a request whose \
                 response was lost",
                found,
            ),
            _ => return Ok(None),
        };
        let notes = vec![note.to_owned()];
        self.finish_write(step, desired, found, notes).await.map(Some)
    }
}

fn segment_appeared_since_plan(step: &Step, found: &RemoteSegment) -> StepOutcome {
    StepOutcome::failed(format!(
        "a segment named `{}` (id {}) with another definition appeared since the plan; plan again",
        step.segment, found.id
    ))
}

/// The step that creates the referenced segment should have run before.
pub(super) fn unresolved_reference(name: &SegmentName) -> StepOutcome {
    StepOutcome::failed(format!(
        "the segment refers to `{name}`, which has no id yet; plan again"
    ))
}
