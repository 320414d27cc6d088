//! Archives and unarchives segments.

use super::classify::{NextAction, Resolution};
use super::run_report::{SkipReason, StepOutcome};
use super::write::{LifecycleRequest, LifecycleTarget};
use super::{Applier, StepError, attempts_exhausted, classify, unverifiable};
use crate::api::{Clock, RemoteSegment, RequestError, Transport};
use crate::model::{Keyword as _, Lifecycle, SegmentKind};
use crate::plan::step::{Step, Target};
use crate::state::StateStore;

const RETRIED_NOTE: &str = "the response was lost, so the request was sent again";
const ALREADY_IN_LIFECYCLE_NOTE: &str =
    "MoEngage refused the request because the segment was already in that state";

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    pub(super) async fn change_lifecycle(
        &self,
        step: &Step,
        target: &Target,
        desired: Lifecycle,
    ) -> Result<StepOutcome, StepError> {
        let request = LifecycleRequest {
            name: &target.remote_name,
            target: LifecycleTarget::ById(&target.id),
            lifecycle: desired,
        };
        let Some((mut result, current)) = self.recheck_and_send_lifecycle(step, target, &request).await?
        else {
            return Ok(StepOutcome::Skipped(SkipReason::Drifted));
        };
        let mut lost: Option<RequestError> = None;
        let mut attempt = 0;
        let note = loop {
            attempt += 1;
            let Err(error) = result else {
                break lost.map(|_| RETRIED_NOTE);
            };
            let resolution = match classify::next_after_lifecycle(&error, lost.is_some()) {
                NextAction::Retry => Resolution::Retry,
                NextAction::Verify => {
                    classify::resolve_lifecycle(self.is_in_lifecycle(&current, desired).await, lost.is_some())
                }
                NextAction::Unknown => Resolution::Unknown,
                NextAction::Fail | NextAction::UnarchiveFirst => Resolution::Rejected,
            };
            match (resolution, lost) {
                (Resolution::Retry, _) => lost = Some(error.clone()),
                (Resolution::Applied, _) => break Some(RETRIED_NOTE),
                (Resolution::AlreadyApplied, _) => break Some(ALREADY_IN_LIFECYCLE_NOTE),
                (Resolution::Unknown, Some(lost)) => return Ok(unverifiable(&lost, &error)),
                _ => return Ok(self.failed_request_outcome(&error)),
            }
            if !self.should_retry(attempt, &error).await {
                return Ok(attempts_exhausted(attempt, &error));
            }
            // The lost request may have changed the segment: a comparison with the plan would be misleading.
            result = match self.send_lifecycle(step, &request, false).await {
                Ok(result) => result,
                Err(StepError::Request(error)) => Err(error),
                Err(other) => return Err(other),
            };
        };
        let is_done_now = note != Some(ALREADY_IN_LIFECYCLE_NOTE);
        self.record_lifecycle(step, &current, (desired, is_done_now))
            .await?;
        let notes = note.into_iter().map(str::to_owned).collect();
        Ok(StepOutcome::applied(current.id, notes))
    }

    /// `None`: the segment is not as the plan read it, and nothing was sent.
    async fn recheck_and_send_lifecycle(
        &self,
        step: &Step,
        target: &Target,
        request: &LifecycleRequest<'_>,
    ) -> Result<Option<(Result<(), RequestError>, RemoteSegment)>, StepError> {
        let mut attempt = 1;
        loop {
            let operation = request.operation();
            let (permit, current) = if target.id.is_unlisted_cohort() {
                (self.client.acquire(&operation).await?, unlisted_cohort(target))
            } else {
                self.acquire_and_recheck(&operation, &target.id, None).await?
            };
            if !self.matches_plan(target, &current) {
                self.client.release(permit);
                // The next plan starts from this read.
                self.record_fetched(current, target.lifecycle);
                return Ok(None);
            }
            self.record_intent(step, request.intended_write(), false).await?;
            let Err(error) = self.send_lifecycle_once(step, permit, request).await else {
                return Ok(Some((Ok(()), current)));
            };
            if !self.client.backoff(attempt, &error).await {
                return Ok(Some((Err(error), current)));
            }
            attempt += 1;
        }
    }

    /// True if the listing cannot disprove it.
    async fn is_in_lifecycle(&self, segment: &RemoteSegment, desired: Lifecycle) -> bool {
        if self.options.api_behavior.list_shows_archived || !self.is_kind_listed(segment).await {
            return true;
        }
        // By id: the segment may have been renamed.
        let listed = self.client.list().await;
        listed.is_ok_and(|listed| listed.contains(&segment.id) == (desired == Lifecycle::Active))
    }
}

/// A cohort that no list shows cannot be read: it is as the state records it.
fn unlisted_cohort(target: &Target) -> RemoteSegment {
    RemoteSegment {
        id: target.id.clone(),
        name: target.remote_name.clone(),
        kind: SegmentKind::Cohort.as_str().to_owned(),
        source: None,
        created_time: None,
        updated_time: None,
        included_filters: None,
        excluded_filters: None,
    }
}
