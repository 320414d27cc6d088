use super::classify::{NextAction, Resolution};
use super::run_report::StepOutcome;
use super::step_error::StepResult;
use super::step_run::StepRun;
use super::write::{Write, Written};
use super::{Applier, classify};
use crate::api::{Clock, Operation, Permit, RemoteSegment, RequestError, Transport};
use crate::model::{Payload, SegmentName};
use crate::plan::step::{DesiredDefinition, Step};
use crate::state::IntendedWrite;

struct Create<'a, T: Transport, C: Clock> {
    applier: &'a Applier<'a, T, C>,
    name: &'a SegmentName,
    desired: &'a DesiredDefinition,
    payload: &'a Payload,
}

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    pub(super) async fn create(
        &self,
        run: &mut StepRun<'_>,
        desired: &DesiredDefinition,
    ) -> StepResult<StepOutcome> {
        let payload = match desired.resolved(&self.resolved_references()) {
            Ok(payload) => payload,
            Err(name) => return Ok(unresolved_reference(&name)),
        };
        let mut create = Create {
            applier: self,
            name: &run.step.segment,
            desired,
            payload: &payload,
        };
        match self.execute(run, &mut create).await? {
            Written::Confirmed(stored) => self.finish_write(run, desired, stored, Vec::new()).await,
            Written::NotConfirmed(error) => Ok(self.failed_request_outcome(&error)),
            Written::Mismatch(found, _) => Ok(segment_appeared_since_plan(run.step, &found)),
            Written::Ended(outcome) => Ok(outcome),
        }
    }
}

impl<T: Transport, C: Clock> Write for Create<'_, T, C> {
    type Answer = RemoteSegment;

    fn operation(&self) -> Operation {
        Operation::Create(self.name.clone())
    }

    async fn journal(&mut self, run: &mut StepRun<'_>, _current: Option<&RemoteSegment>) -> StepResult<()> {
        let write = IntendedWrite::Create {
            definition: self.payload.clone(),
            digest: self.desired.digests.exact.to_string(),
        };
        self.applier.record_intent(run.step, write, false).await
    }

    async fn send(&mut self, permit: Permit) -> Result<RemoteSegment, RequestError> {
        self.applier.client.create(permit, self.name, self.payload).await
    }

    fn next_action(&self, run: &StepRun<'_>, error: &RequestError) -> NextAction {
        classify::next_after_create(error, self.name, run.ambiguous_error.is_some())
    }

    async fn verify(
        &mut self,
        run: &mut StepRun<'_>,
        error: &RequestError,
    ) -> StepResult<Option<StepOutcome>> {
        let applier = self.applier;
        // If the name is taken, this request may have been delivered twice and taken it.
        run.may_have_written = true;
        let found = applier.find_by_name(self.name).await?;
        let has_definition = found
            .as_ref()
            .map(|found| applier.has_sent_definition(run, self.desired, found));
        let resolution = classify::resolve_create(error, has_definition);
        let (note, found) = match (resolution, found) {
            (Resolution::HiddenNameHolder, _) => {
                let outcome = applier.unarchive_name_holder(run, self.desired, self.payload);
                return outcome.await.map(Some);
            }
            (Resolution::OtherNameHolder, Some(found)) => {
                return Ok(Some(segment_appeared_since_plan(run.step, &found)));
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
            // The listing may lag, so a missing segment may still exist.
            _ => return Ok(None),
        };
        let outcome = applier.finish_write(run, self.desired, found, vec![note.to_owned()]);
        outcome.await.map(Some)
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
