//! Making a write. Waiting for its turn may take hours, so that the order is always the same: the turn, then a look at
//! what is there, then the intent, which also makes sure of the ledger's lock, and then the call, at once. Where the
//! service certainly did not process it, all of that is done again.

use super::classify::Effect;
use super::run_report::StepOutcome;
use super::{Applier, StepError, unverifiable};
use crate::api::{Clock, FetchedSegment, Operation, Permit, RemoteSegment, RequestError, Transport};
use crate::model::{Lifecycle, Payload, SegmentId, SegmentName};
use crate::plan::step::{Step, Target};
use crate::state::member_lists::IN_FLIGHT_LIMIT;
use crate::state::{IntendedWrite, StateStore};
use jiff::{SignedDuration, Timestamp};

/// For how long something that was read stands for a look right before a write.
const MAX_FETCH_AGE: SignedDuration = SignedDuration::from_secs(2);

/// A segment that is to be overwritten.
pub(super) struct UpdateRequest<'a> {
    pub(super) id: &'a SegmentId,
    /// The name it is to have.
    pub(super) name: &'a SegmentName,
    pub(super) definition: &'a Payload,
    /// The exact digest of the definition.
    pub(super) digest: String,
    /// Whether it was archived, is not ours, and was taken out for this.
    pub(super) rearchive_if_unadopted: bool,
    /// What it means that this is there.
    pub(super) compare: &'a (dyn Fn(&RemoteSegment) -> Effect + Sync),
}

/// A segment that is to be put away or taken out.
pub(super) struct LifecycleRequest<'a> {
    pub(super) name: &'a SegmentName,
    pub(super) target: LifecycleTarget<'a>,
    pub(super) lifecycle: Lifecycle,
}

/// Which segment is put away or taken out.
#[derive(Clone, Copy)]
pub(super) enum LifecycleTarget<'a> {
    ById(&'a SegmentId),
    /// Whoever has the name; it is ours if it has this definition, of which the digest is given.
    ByName(&'a Payload, &'a str),
}

/// What came of a write.
pub(super) enum WriteResult {
    /// The service stored it.
    Confirmed(RemoteSegment),
    /// It did not say so.
    NotConfirmed(RequestError),
    /// Nothing was sent: what is there is not what was to be overwritten.
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

    fn id(&self) -> Option<&SegmentId> {
        match self.target {
            LifecycleTarget::ById(id) => Some(id),
            LifecycleTarget::ByName(..) => None,
        }
    }
}

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Makes a segment under the declared name.
    pub(super) async fn send_create(
        &self,
        step: &Step,
        (definition, digest): (&Payload, &str),
    ) -> Result<Result<RemoteSegment, RequestError>, StepError> {
        let operation = Operation::Create(step.segment.clone());
        let mut attempt = 1;
        loop {
            let turn = self.client.acquire(&operation).await?;
            let write = IntendedWrite::Create {
                definition: definition.clone(),
                digest: digest.to_owned(),
            };
            self.record_intent(step, write, false).await?;
            let sent = self.client.create(turn, &step.segment, definition).await;
            self.mark_sent(step, sent.as_ref().err());
            let error = match sent {
                Ok(stored) => return Ok(Ok(stored)),
                Err(error) => error,
            };
            if !self.client.backoff(attempt, &error).await {
                return Ok(Err(error));
            }
            attempt += 1;
        }
    }

    /// Overwrites a segment, as long as what is to be overwritten is there.
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
            match (update.compare)(&current) {
                Effect::NotApplied => {}
                verdict => {
                    self.client.release(permit);
                    return Ok(WriteResult::Mismatch(current, verdict));
                }
            }
            self.record_overwrite(step, &current, update).await?;
            let rename = (current.name != *update.name).then_some(update.name);
            let sent = self
                .client
                .update(permit, (update.id, rename), update.definition)
                .await;
            self.mark_sent(step, sent.as_ref().err());
            let error = match sent {
                Ok(stored) => return Ok(WriteResult::Confirmed(stored)),
                Err(error) => error,
            };
            if !self.client.backoff(attempt, &error).await {
                return Ok(WriteResult::NotConfirmed(error));
            }
            attempt += 1;
        }
    }

    /// Puts a segment away or takes one out, whatever it is.
    pub(super) async fn send_lifecycle(
        &self,
        step: &Step,
        to: &LifecycleRequest<'_>,
        rearchive_if_unadopted: bool,
    ) -> Result<Result<(), RequestError>, StepError> {
        let mut attempt = 1;
        loop {
            let turn = self.client.acquire(&to.operation()).await?;
            self.record_intent(step, to.intended_write(), rearchive_if_unadopted)
                .await?;
            let error = match self.send_lifecycle_once(step, turn, to).await {
                Ok(()) => return Ok(Ok(())),
                Err(error) => error,
            };
            if !self.client.backoff(attempt, &error).await {
                return Ok(Err(error));
            }
            attempt += 1;
        }
    }

    /// The turn of a call about a segment of which the service shows no members. It is looked at once, before the first such
    /// call of a step; none where it is not as the plan saw it.
    pub(super) async fn permit_after_recheck(
        &self,
        operation: &Operation,
        (target, is_rechecked): (Option<&Target>, &mut bool),
    ) -> Result<Option<Permit>, StepError> {
        let Some(target) = target.filter(|_| !*is_rechecked) else {
            return Ok(Some(self.client.acquire(operation).await?));
        };
        let (permit, current) = self.acquire_and_recheck(operation, &target.id, None).await?;
        *is_rechecked = self.matches_plan(target, &current);
        // What was put away was taken out by the step before.
        self.record_fetched(current, Lifecycle::Active);
        if *is_rechecked {
            return Ok(Some(permit));
        }
        self.client.release(permit);
        Ok(None)
    }

    /// Waits until no call of an earlier run can arrive any more, of which the last was sent at a moment.
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
            // A clock that was set back says nothing.
            Ok(until) if sent_at <= now && now < until => {
                self.client.wait_out_in_flight(operation, until).await
            }
            _ => Ok(()),
        }
    }

    /// How a step ends: where a call of it was lost, a later one that failed leaves open what became of that.
    pub(super) fn with_ambiguity_of(
        &self,
        result: Result<StepOutcome, StepError>,
        ambiguous_error: Option<&RequestError>,
    ) -> Result<StepOutcome, StepError> {
        match (result, ambiguous_error) {
            (Err(StepError::Request(error)), Some(lost)) => Ok(unverifiable(lost, &error)),
            (Err(StepError::Request(error)), None) => Ok(self.failed_request_outcome(&error)),
            (sent, _) => sent,
        }
    }

    /// Takes down that a call of a step did what it was to do, or may have.
    pub(super) fn mark_sent(&self, step: &Step, error: Option<&RequestError>) {
        let mut memory = self.run_state();
        match error {
            None => memory.written_steps.insert(step.number),
            Some(error) if error.is_ambiguous_write() => memory.ambiguous_steps.insert(step.number),
            Some(_) => false,
        };
    }

    /// Makes the call that puts a segment away or takes one out.
    pub(super) async fn send_lifecycle_once(
        &self,
        step: &Step,
        permit: Permit,
        to: &LifecycleRequest<'_>,
    ) -> Result<(), RequestError> {
        let sent = match to.lifecycle {
            Lifecycle::Archived => self.client.archive(permit, to.name, to.id()).await,
            Lifecycle::Active => self.client.unarchive(permit, to.name, to.id()).await,
        };
        self.mark_sent(step, sent.as_ref().err());
        sent
    }

    /// A segment right before it is written, with the turn of the write. What was read a moment ago will do where
    /// the write need not wait.
    pub(super) async fn acquire_and_recheck(
        &self,
        write: &Operation,
        id: &SegmentId,
        fetched: Option<FetchedSegment>,
    ) -> Result<(Permit, RemoteSegment), RequestError> {
        let now = self.clock.now();
        let is_fresh = |seen: &FetchedSegment, holds| seen.fetched_at.duration_until(now).abs() <= holds;
        let before = self.run_state().rechecked.remove(id);
        let before = before.filter(|before| is_fresh(before, super::MAX_RECHECK_AGE));
        let seen = fetched.filter(|seen| is_fresh(seen, MAX_FETCH_AGE)).or(before);
        if let Some(seen) = seen
            && let Some(turn) = self.client.try_acquire(write).await
        {
            return Ok((turn, seen.segment));
        }
        self.client.acquire_and_fetch(write, id).await
    }
}
