//! Archives and unarchives segments. Both are idempotent, so a request whose response was lost is sent again.

use super::classify::{Effect, NextAction, Resolution};
use super::run_report::{SkipReason, StepOutcome};
use super::step_error::StepResult;
use super::step_run::{StepRun, unverifiable};
use super::write::{Write, Written};
use super::{Applier, classify};
use crate::api::{Clock, Operation, Permit, RemoteSegment, RequestError, Transport};
use crate::model::{Keyword as _, Lifecycle, Payload, SegmentId, SegmentKind, SegmentName};
use crate::plan::step::Target;
use crate::state::IntendedWrite;

const RETRIED_NOTE: &str = "the response was lost, so the request was sent again";
const ALREADY_IN_LIFECYCLE_NOTE: &str =
    "MoEngage refused the request because the segment was already in that state";

pub(super) struct LifecycleChange<'a, T: Transport, C: Clock> {
    pub(super) applier: &'a Applier<'a, T, C>,
    pub(super) name: &'a SegmentName,
    pub(super) target: LifecycleTarget<'a>,
    pub(super) lifecycle: Lifecycle,
    /// Whether the segment is unmanaged and was archived: it is archived again unless segctl adopts it.
    pub(super) rearchive_if_unadopted: bool,
    /// The segment of a step, which has to be as the plan read it. `None`: the caller knows what an error means.
    pub(super) planned: Option<&'a Target>,
    /// As re-read before the first request.
    pub(super) current: Option<RemoteSegment>,
}

#[derive(Clone, Copy)]
pub(super) enum LifecycleTarget<'a> {
    ById(&'a SegmentId),
    /// The holder of the name. It is managed if it has this definition, given with its digest.
    ByName(&'a Payload, &'a str),
}

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    pub(super) async fn change_lifecycle(
        &self,
        run: &mut StepRun<'_>,
        target: &Target,
        lifecycle: Lifecycle,
    ) -> StepResult<StepOutcome> {
        let mut change = LifecycleChange {
            planned: Some(target),
            ..LifecycleChange::new(
                self,
                &target.remote_name,
                LifecycleTarget::ById(&target.id),
                lifecycle,
            )
        };
        match self.execute(run, &mut change).await? {
            Written::Confirmed(()) => {
                let note = run.ambiguous_error.as_ref().map(|_| RETRIED_NOTE);
                change.finish(run, target, note).await
            }
            Written::Mismatch(current, _) => {
                // The next plan starts from this read.
                self.record_fetched(current, target.lifecycle);
                Ok(StepOutcome::Skipped(SkipReason::Drifted))
            }
            Written::NotConfirmed(error) => Ok(self.failed_request_outcome(&error)),
            Written::Ended(outcome) => Ok(outcome),
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

impl<T: Transport, C: Clock> Write for LifecycleChange<'_, T, C> {
    type Answer = ();

    fn operation(&self) -> Operation {
        match self.lifecycle {
            Lifecycle::Archived => Operation::Archive(self.name.clone()),
            Lifecycle::Active => Operation::Unarchive(self.name.clone()),
        }
    }

    /// A lost request may have changed the segment: a comparison with the plan would be misleading.
    fn segment_to_recheck(&self, run: &StepRun<'_>) -> Option<&SegmentId> {
        let id = &self.planned?.id;
        (run.ambiguous_error.is_none() && !id.is_unlisted_cohort()).then_some(id)
    }

    fn effect(&self, _run: &StepRun<'_>, current: &RemoteSegment) -> Effect {
        self.applier.compare_with_plan(self.planned, current)
    }

    async fn journal(&mut self, run: &mut StepRun<'_>, current: Option<&RemoteSegment>) -> StepResult<()> {
        self.current = current.cloned().or(self.current.take());
        let name = self.name.clone();
        let write = match self.target {
            LifecycleTarget::ById(id) => IntendedWrite::SetLifecycle {
                id: id.clone(),
                name,
                lifecycle: self.lifecycle,
            },
            LifecycleTarget::ByName(definition, digest) => IntendedWrite::ProbeNameHolder {
                name,
                definition: definition.clone(),
                digest: digest.to_owned(),
            },
        };
        self.applier
            .record_intent(run.step, write, self.rearchive_if_unadopted)
            .await
    }

    async fn send(&mut self, permit: Permit) -> Result<(), RequestError> {
        let id = match self.target {
            LifecycleTarget::ById(id) => Some(id).filter(|id| !id.is_unlisted_cohort()),
            LifecycleTarget::ByName(..) => None,
        };
        match self.lifecycle {
            Lifecycle::Archived => self.applier.client.archive(permit, self.name, id).await,
            Lifecycle::Active => self.applier.client.unarchive(permit, self.name, id).await,
        }
    }

    fn next_action(&self, run: &StepRun<'_>, error: &RequestError) -> NextAction {
        if self.planned.is_none() {
            return NextAction::Fail;
        }
        classify::next_after_lifecycle(error, run.ambiguous_error.is_some())
    }

    /// Of a refusal: a list that may lag proves less than a second request.
    async fn verify(
        &mut self,
        run: &mut StepRun<'_>,
        error: &RequestError,
    ) -> StepResult<Option<StepOutcome>> {
        let target = self.planned.expect("other changes are not verified");
        let current = self.current_or_unlisted(target);
        let is_done = self.applier.is_in_lifecycle(&current, self.lifecycle).await;
        let lost = run.ambiguous_error.as_ref();
        let note = match (classify::resolve_lifecycle(is_done, lost.is_some()), lost) {
            (Resolution::Applied, _) => RETRIED_NOTE,
            (Resolution::AlreadyApplied, _) => ALREADY_IN_LIFECYCLE_NOTE,
            (Resolution::Unknown, Some(lost)) => return Ok(Some(unverifiable(lost, error))),
            _ => return Ok(Some(self.applier.failed_request_outcome(error))),
        };
        self.finish(run, target, Some(note)).await.map(Some)
    }
}

impl<'a, T: Transport, C: Clock> LifecycleChange<'a, T, C> {
    pub(super) fn new(
        applier: &'a Applier<'a, T, C>,
        name: &'a SegmentName,
        target: LifecycleTarget<'a>,
        lifecycle: Lifecycle,
    ) -> Self {
        Self {
            applier,
            name,
            target,
            lifecycle,
            rearchive_if_unadopted: false,
            planned: None,
            current: None,
        }
    }

    async fn finish(
        &self,
        run: &StepRun<'_>,
        target: &Target,
        note: Option<&str>,
    ) -> StepResult<StepOutcome> {
        let current = self.current_or_unlisted(target);
        let is_done_now = note != Some(ALREADY_IN_LIFECYCLE_NOTE);
        self.applier
            .record_lifecycle(run.step, &current, self.lifecycle, is_done_now)
            .await?;
        let notes = note.into_iter().map(str::to_owned).collect();
        Ok(StepOutcome::applied(current.id, notes))
    }

    /// A cohort that no list shows cannot be read: it is as the state records it.
    fn current_or_unlisted(&self, target: &Target) -> RemoteSegment {
        let unlisted = || RemoteSegment {
            id: target.id.clone(),
            name: target.remote_name.clone(),
            kind: SegmentKind::Cohort.as_str().to_owned(),
            source: None,
            created_time: None,
            updated_time: None,
            included_filters: None,
            excluded_filters: None,
        };
        self.current.clone().unwrap_or_else(unlisted)
    }
}
