//! Putting a segment away and taking it out again.

use super::classify::{NextAction, Resolution};
use super::run_report::{SkipReason, StepOutcome};
use super::write::{LifecycleRequest, LifecycleTarget};
use super::{Applier, StepError, attempts_exhausted, classify, unverifiable};
use crate::api::{Clock, RemoteSegment, RequestError, Transport};
use crate::model::Lifecycle;
use crate::plan::step::{Step, Target};
use crate::state::StateStore;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Archives, unless the segment is not as the plan saw it.
    pub(super) async fn archive(&self, step: &Step, target: &Target) -> Result<StepOutcome, StepError> {
        self.change_lifecycle(step, target, Lifecycle::Archived).await
    }

    /// Unarchives, unless the segment is not as the plan saw it.
    pub(super) async fn unarchive(&self, step: &Step, target: &Target) -> Result<StepOutcome, StepError> {
        self.change_lifecycle(step, target, Lifecycle::Active).await
    }

    async fn change_lifecycle(
        &self,
        step: &Step,
        target: &Target,
        desired: Lifecycle,
    ) -> Result<StepOutcome, StepError> {
        let to = LifecycleRequest {
            name: &target.remote_name,
            target: LifecycleTarget::ById(&target.id),
            lifecycle: desired,
        };
        let Some((mut answer, current)) = self.recheck_and_send_lifecycle(step, target, &to).await? else {
            return Ok(StepOutcome::Skipped(SkipReason::Drifted));
        };
        let mut lost: Option<RequestError> = None;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match answer {
                Ok(()) => {
                    return self
                        .finish_lifecycle_change(step, (&current, desired), lost.map(|_| RETRIED_NOTE))
                        .await;
                }
                Err(error) => error,
            };
            let resolution = match classify::next_after_lifecycle(&error, lost.is_some()) {
                NextAction::Retry => Resolution::Retry,
                NextAction::Verify => {
                    classify::resolve_lifecycle(self.is_in_lifecycle(target, desired).await, lost.is_some())
                }
                NextAction::Unknown => Resolution::Unknown,
                NextAction::Fail | NextAction::UnarchiveFirst => Resolution::Rejected,
            };
            match (resolution, lost) {
                (Resolution::Retry, _) => lost = Some(error.clone()),
                (Resolution::Applied, _) => {
                    return self
                        .finish_lifecycle_change(step, (&current, desired), Some(RETRIED_NOTE))
                        .await;
                }
                (Resolution::AlreadyApplied, _) => {
                    return self
                        .finish_lifecycle_change(step, (&current, desired), Some(ALREADY_IN_LIFECYCLE_NOTE))
                        .await;
                }
                (Resolution::Unknown, Some(lost)) => return Ok(unverifiable(&lost, &error)),
                _ => return Ok(self.failed_request_outcome(&error)),
            }
            if !self.should_retry(attempt, &error).await {
                return Ok(attempts_exhausted(attempt, &error));
            }
            // Whatever it is by now, it may be so because of the call that was lost.
            answer = match self.send_lifecycle(step, &to, false).await {
                Ok(answer) => answer,
                Err(StepError::Request(error)) => Err(error),
                Err(other) => return Err(other),
            };
        }
    }

    /// Makes the call as long as the segment is as the plan saw it; what came of it, and the segment.
    async fn recheck_and_send_lifecycle(
        &self,
        step: &Step,
        target: &Target,
        to: &LifecycleRequest<'_>,
    ) -> Result<Option<(Result<(), RequestError>, RemoteSegment)>, StepError> {
        let mut attempt = 1;
        loop {
            let (permit, current) = self
                .acquire_and_recheck(&to.operation(), &target.id, None)
                .await?;
            if !self.matches_plan(target, &current) {
                self.client.release(permit);
                // The next plan has to start from what is there.
                self.record_fetched(current, target.lifecycle);
                return Ok(None);
            }
            self.record_intent(step, to.intended_write(), false).await?;
            let error = match self.send_lifecycle_once(step, permit, to).await {
                Ok(()) => return Ok(Some((Ok(()), current))),
                Err(error) => error,
            };
            if !self.client.backoff(attempt, &error).await {
                return Ok(Some((Err(error), current)));
            }
            attempt += 1;
        }
    }

    /// Whether a segment is as it should be, as far as the list shows.
    async fn is_in_lifecycle(&self, target: &Target, desired: Lifecycle) -> bool {
        if self.options.api_behavior.list_shows_archived {
            return true;
        }
        // By its id: it may have been renamed meanwhile.
        let listed = self.client.list().await;
        listed.is_ok_and(|listed| {
            let is_listed = listed.iter().any(|listed| listed.id == target.id);
            is_listed == (desired == Lifecycle::Active)
        })
    }

    async fn finish_lifecycle_change(
        &self,
        step: &Step,
        (current, desired): (&RemoteSegment, Lifecycle),
        note: Option<&str>,
    ) -> Result<StepOutcome, StepError> {
        let is_done_now = note != Some(ALREADY_IN_LIFECYCLE_NOTE);
        self.record_lifecycle(step, current, (desired, is_done_now))
            .await?;
        let notes = note.into_iter().map(str::to_owned).collect();
        Ok(StepOutcome::applied(current.id.clone(), notes))
    }
}

const RETRIED_NOTE: &str = "the answer was lost, so the call was made again";
const ALREADY_IN_LIFECYCLE_NOTE: &str = "the service refused it, since it was so already";
