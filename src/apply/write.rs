//! The write protocol. Waiting for a permit may take hours, so the order is fixed: segctl acquires the permit, re-reads
//! the segment, journals the intent, which also checks the state lock, and then sends the request at once. If MoEngage
//! certainly did not process the request, all of this is repeated.

use super::classify::Effect;
use super::run_report::StepOutcome;
use super::{Applier, StepError, unverifiable};
use crate::api::{Clock, FetchedSegment, Operation, Permit, RemoteSegment, RequestError, Transport};
use crate::model::{Lifecycle, Payload, SegmentId, SegmentName};
use crate::plan::step::{Step, Target};
use crate::state::member_lists::IN_FLIGHT_LIMIT;
use crate::state::{IntendedWrite, StateStore};
use jiff::{SignedDuration, Timestamp};

/// The age up to which an earlier read replaces the re-read before a write.
const MAX_FETCH_AGE: SignedDuration = SignedDuration::from_secs(2);

pub(super) struct UpdateRequest<'a> {
    pub(super) id: &'a SegmentId,
    /// The desired name.
    pub(super) name: &'a SegmentName,
    pub(super) definition: &'a Payload,
    /// The exact digest of the definition.
    pub(super) digest: String,
    /// Whether the segment is unmanaged and was unarchived for this update.
    pub(super) rearchive_if_unadopted: bool,
    /// The effect of the update that a read shows.
    pub(super) compare: &'a (dyn Fn(&RemoteSegment) -> Effect + Sync),
}

pub(super) struct LifecycleRequest<'a> {
    pub(super) name: &'a SegmentName,
    pub(super) target: LifecycleTarget<'a>,
    pub(super) lifecycle: Lifecycle,
}

#[derive(Clone, Copy)]
pub(super) enum LifecycleTarget<'a> {
    ById(&'a SegmentId),
    /// The holder of the name. It is managed if it has this definition, given with its digest.
    ByName(&'a Payload, &'a str),
}

pub(super) enum WriteResult {
    Confirmed(RemoteSegment),
    NotConfirmed(RequestError),
    /// Nothing was sent, because the segment is not as expected.
    Mismatch(RemoteSegment, Effect),
}

impl UpdateRequest<'_> {
    pub(super) fn intended_write(&self) -> IntendedWrite {
        IntendedWrite::Update {
            id: self.id.clone(),
            name: self.name.clone(),
            definition: self.definition.clone(),
            digest: self.digest.clone(),
        }
    }
}

impl LifecycleRequest<'_> {
    pub(super) fn operation(&self) -> Operation {
        match self.lifecycle {
            Lifecycle::Archived => Operation::Archive(self.name.clone()),
            Lifecycle::Active => Operation::Unarchive(self.name.clone()),
        }
    }

    pub(super) fn intended_write(&self) -> IntendedWrite {
        let name = self.name.clone();
        match self.target {
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
        }
    }
}

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    pub(super) async fn send_create(
        &self,
        step: &Step,
        (definition, digest): (&Payload, &str),
    ) -> Result<Result<RemoteSegment, RequestError>, StepError> {
        let operation = Operation::Create(step.segment.clone());
        let mut attempt = 1;
        loop {
            let permit = self.client.acquire(&operation).await?;
            let write = IntendedWrite::Create {
                definition: definition.clone(),
                digest: digest.to_owned(),
            };
            self.record_intent(step, write, false).await?;
            let result = self.client.create(permit, &step.segment, definition).await;
            self.mark_sent(step, &result);
            match result {
                Err(error) if self.client.backoff(attempt, &error).await => attempt += 1,
                result => return Ok(result),
            }
        }
    }

    /// Overwrites a segment if `update.compare` finds it as it was before the update.
    pub(super) async fn send_update(
        &self,
        step: &Step,
        update: &UpdateRequest<'_>,
        mut fetched: Option<FetchedSegment>,
    ) -> Result<WriteResult, StepError> {
        let operation = Operation::Update(update.id.clone());
        let mut attempt = 1;
        loop {
            let (permit, current) = self
                .acquire_and_recheck(&operation, update.id, fetched.take())
                .await?;
            let effect = (update.compare)(&current);
            if effect != Effect::NotApplied {
                self.client.release(permit);
                return Ok(WriteResult::Mismatch(current, effect));
            }
            self.record_overwrite(step, &current, update).await?;
            let rename = (current.name != *update.name).then_some(update.name);
            let result = self
                .client
                .update(permit, (update.id, rename), update.definition)
                .await;
            self.mark_sent(step, &result);
            match result {
                Ok(stored) => return Ok(WriteResult::Confirmed(stored)),
                Err(error) if self.client.backoff(attempt, &error).await => attempt += 1,
                Err(error) => return Ok(WriteResult::NotConfirmed(error)),
            }
        }
    }

    /// Sends the request without a comparison of the segment with the plan.
    pub(super) async fn send_lifecycle(
        &self,
        step: &Step,
        request: &LifecycleRequest<'_>,
        rearchive_if_unadopted: bool,
    ) -> Result<Result<(), RequestError>, StepError> {
        let mut attempt = 1;
        loop {
            let permit = self.client.acquire(&request.operation()).await?;
            self.record_intent(step, request.intended_write(), rearchive_if_unadopted)
                .await?;
            match self.send_lifecycle_once(step, permit, request).await {
                Err(error) if self.client.backoff(attempt, &error).await => attempt += 1,
                result => return Ok(result),
            }
        }
    }

    /// Acquires a permit to send members or users. segctl re-reads the segment once, before the first request of a step.
    /// `None`: the segment is not as the plan read it.
    pub(super) async fn permit_after_recheck(
        &self,
        operation: &Operation,
        (target, is_rechecked): (Option<&Target>, &mut bool),
    ) -> Result<Option<Permit>, StepError> {
        // A cohort that no list shows cannot be read.
        let is_readable = |target: &&Target| !target.id.is_unlisted_cohort();
        let Some(target) = target.filter(is_readable).filter(|_| !*is_rechecked) else {
            return Ok(Some(self.client.acquire(operation).await?));
        };
        let (permit, current) = self.acquire_and_recheck(operation, &target.id, None).await?;
        *is_rechecked = self.matches_plan(target, &current);
        // The step before unarchived an archived segment.
        self.record_fetched(current, Lifecycle::Active);
        if *is_rechecked {
            return Ok(Some(permit));
        }
        self.client.release(permit);
        Ok(None)
    }

    /// Waits until no request of an earlier run, sent at `sent_at` at the latest, can arrive any more.
    pub(super) async fn wait_out_in_flight(
        &self,
        operation: Operation,
        sent_at: Option<Timestamp>,
    ) -> Result<(), RequestError> {
        let Some(sent_at) = sent_at else {
            return Ok(());
        };
        let now = self.clock.now();
        match sent_at.checked_add(IN_FLIGHT_LIMIT) {
            // If the clock was set back, `sent_at` proves nothing.
            Ok(until) if sent_at <= now && now < until => {
                self.client.wait_out_in_flight(operation, until).await
            }
            _ => Ok(()),
        }
    }

    /// If a response was lost before a request failed, the outcome of the step is unknown.
    pub(super) fn with_ambiguity_of(
        &self,
        result: Result<StepOutcome, StepError>,
        ambiguous_error: Option<&RequestError>,
    ) -> Result<StepOutcome, StepError> {
        match (result, ambiguous_error) {
            (Err(StepError::Request(error)), Some(lost)) => Ok(unverifiable(lost, &error)),
            (Err(StepError::Request(error)), None) => Ok(self.failed_request_outcome(&error)),
            (result, _) => result,
        }
    }

    pub(super) fn mark_sent<V>(&self, step: &Step, result: &Result<V, RequestError>) {
        let mut run_state = self.run_state();
        match result {
            Ok(_) => run_state.written_steps.insert(step.number),
            Err(error) if error.is_ambiguous_write() => run_state.ambiguous_steps.insert(step.number),
            Err(_) => false,
        };
    }

    pub(super) async fn send_lifecycle_once(
        &self,
        step: &Step,
        permit: Permit,
        request: &LifecycleRequest<'_>,
    ) -> Result<(), RequestError> {
        let id = match request.target {
            LifecycleTarget::ById(id) => Some(id).filter(|id| !id.is_unlisted_cohort()),
            LifecycleTarget::ByName(..) => None,
        };
        let result = match request.lifecycle {
            Lifecycle::Archived => self.client.archive(permit, request.name, id).await,
            Lifecycle::Active => self.client.unarchive(permit, request.name, id).await,
        };
        self.mark_sent(step, &result);
        result
    }

    /// Returns the permit of a write and the segment right before it. A recent read is used if the permit is available
    /// without a wait.
    pub(super) async fn acquire_and_recheck(
        &self,
        write: &Operation,
        id: &SegmentId,
        fetched: Option<FetchedSegment>,
    ) -> Result<(Permit, RemoteSegment), RequestError> {
        let now = self.clock.now();
        let is_fresh = |read: &FetchedSegment, max_age| read.fetched_at.duration_until(now).abs() <= max_age;
        let rechecked = self.run_state().rechecked.remove(id);
        let rechecked = rechecked.filter(|read| is_fresh(read, super::MAX_RECHECK_AGE));
        let recent = fetched.filter(|read| is_fresh(read, MAX_FETCH_AGE)).or(rechecked);
        if let Some(recent) = recent
            && let Some(permit) = self.client.try_acquire(write).await
        {
            return Ok((permit, recent.segment));
        }
        self.client.acquire_and_fetch(write, id).await
    }
}
