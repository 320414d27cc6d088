//! The write protocol: no write without a fresh read, a durable intent and a known end.
//!
//! Waiting for a permit may take hours, so the order is fixed: segctl acquires the permit, re-reads the segment, journals
//! the intent, which also checks the state lock, and then sends the request at once. If MoEngage certainly did not process
//! the request, all of this is repeated. If it may have, the kind of write decides what follows: a create or an update
//! is verified before it is sent again.
//!
//! Requests that were not processed and requests whose response was lost have separate budgets: the first wait for a rate
//! limit or a connection, the second for a fact.

use super::Applier;
use super::classify::{Effect, NextAction};
use super::run_report::StepOutcome;
use super::step_error::{StepError, StepResult};
use super::step_run::{MAX_ATTEMPTS, StepRun, attempts_exhausted, unverifiable};
use crate::api::{Clock, FetchedSegment, Operation, Permit, RemoteSegment, RequestError, Transport};
use crate::model::SegmentId;
use crate::state::member_lists::IN_FLIGHT_LIMIT;
use jiff::{SignedDuration, Timestamp};

/// The age up to which an earlier read replaces the re-read before a write.
const MAX_FETCH_AGE: SignedDuration = SignedDuration::from_secs(2);

/// The age up to which the recheck of a saved plan replaces the re-read before a write. A plan of some dozen steps is
/// then not read twice.
const MAX_RECHECK_AGE: SignedDuration = SignedDuration::from_secs(30);

/// One kind of write. What differs between kinds is here; the order is in [`Applier::execute`].
pub(super) trait Write {
    type Answer;

    fn operation(&self) -> Operation;

    /// The segment to re-read before the request, if there is one.
    fn segment_to_recheck(&self, _run: &StepRun<'_>) -> Option<&SegmentId> {
        None
    }

    /// What the re-read shows. The request is sent if there is no effect yet.
    fn effect(&self, _run: &StepRun<'_>, _current: &RemoteSegment) -> Effect {
        Effect::NotApplied
    }

    /// Makes the intent durable. `current`: the segment as re-read.
    async fn journal(&mut self, run: &mut StepRun<'_>, current: Option<&RemoteSegment>) -> StepResult<()>;

    /// Sends one request.
    async fn send(&mut self, permit: Permit) -> Result<Self::Answer, RequestError>;

    /// What follows a request that MoEngage refused, or may have processed.
    fn next_action(&self, _run: &StepRun<'_>, _error: &RequestError) -> NextAction {
        NextAction::Fail
    }

    /// Unarchives the segment. False if MoEngage refuses.
    async fn unarchive(&mut self, _run: &mut StepRun<'_>) -> StepResult<bool> {
        Ok(false)
    }

    /// The outcome that the workspace shows after the error; `None` if the request may be sent again.
    async fn verify(
        &mut self,
        _run: &mut StepRun<'_>,
        _error: &RequestError,
    ) -> StepResult<Option<StepOutcome>> {
        Ok(None)
    }
}

pub(super) enum Written<A> {
    Confirmed(A),
    /// MoEngage refused the request, or nothing is known about it and the write verifies nothing.
    NotConfirmed(RequestError),
    /// Nothing was sent, because the segment is not as expected.
    Mismatch(RemoteSegment, Effect),
    /// The step ends with this outcome.
    Ended(StepOutcome),
}

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    /// Performs one write: permit, re-read, journal, send; after an ambiguous answer, verify before any retry.
    pub(super) async fn execute<W: Write>(
        &self,
        run: &mut StepRun<'_>,
        write: &mut W,
    ) -> StepResult<Written<W::Answer>> {
        let (mut attempt, mut unprocessed) = (1, 1);
        loop {
            let (permit, current) = self.acquire_and_recheck(run, write).await?;
            if let Some(current) = &current
                && let effect @ (Effect::Applied | Effect::Conflicting) = write.effect(run, current)
            {
                self.client.release(permit);
                return Ok(Written::Mismatch(current.clone(), effect));
            }
            if let Err(error) = write.journal(run, current.as_ref()).await {
                self.client.release(permit);
                return Err(error);
            }
            let result = write.send(permit).await;
            run.record_answer(&result, self.client.server_time());
            let error = match result {
                Ok(answer) => return Ok(Written::Confirmed(answer)),
                Err(error) => error,
            };
            if self.client.backoff(unprocessed, &error).await {
                unprocessed += 1;
                continue;
            }
            let next = write.next_action(run, &error);
            match next {
                NextAction::Verify | NextAction::Retry => {
                    let should_retry = self.should_retry(attempt, &error).await;
                    if next == NextAction::Verify
                        && let Some(outcome) = self.verify(run, write, &error).await?
                    {
                        return Ok(Written::Ended(outcome));
                    }
                    run.ambiguous_error = Some(error.clone());
                    if !should_retry {
                        return Ok(Written::Ended(attempts_exhausted(attempt, &error)));
                    }
                }
                NextAction::UnarchiveFirst if write.unarchive(run).await? => {}
                NextAction::UnarchiveFirst | NextAction::Fail => return Ok(Written::NotConfirmed(error)),
                NextAction::Unknown => {
                    let lost = run.ambiguous_error.as_ref().unwrap_or(&error);
                    return Ok(Written::Ended(unverifiable(lost, &error)));
                }
            }
            (attempt, unprocessed) = (attempt + 1, 1);
        }
    }

    /// A failed read leaves the result of the write unknown.
    async fn verify<W: Write>(
        &self,
        run: &mut StepRun<'_>,
        write: &mut W,
        error: &RequestError,
    ) -> StepResult<Option<StepOutcome>> {
        match write.verify(run, error).await {
            Err(StepError::Request(read)) => Ok(Some(unverifiable(error, &read))),
            verified => verified,
        }
    }

    /// Returns the permit of a write and the segment right before it. A recent read is used if the permit is available
    /// without a wait.
    async fn acquire_and_recheck<W: Write>(
        &self,
        run: &mut StepRun<'_>,
        write: &W,
    ) -> Result<(Permit, Option<RemoteSegment>), RequestError> {
        let operation = write.operation();
        let Some(id) = write.segment_to_recheck(run) else {
            return Ok((self.client.acquire(&operation).await?, None));
        };
        let now = self.clock.now();
        let is_fresh = |read: &FetchedSegment, max_age| read.fetched_at.duration_until(now).abs() <= max_age;
        let rechecked = self.run_state().rechecked.remove(id);
        let rechecked = rechecked.filter(|read| is_fresh(read, MAX_RECHECK_AGE));
        let fetched = run.fetched.take().filter(|read| is_fresh(read, MAX_FETCH_AGE));
        if let Some(recent) = fetched.or(rechecked)
            && let Some(permit) = self.client.try_acquire(&operation).await
        {
            return Ok((permit, Some(recent.segment)));
        }
        let (permit, current) = self.client.acquire_and_fetch(&operation, id).await?;
        Ok((permit, Some(current)))
    }

    /// Waits before the result of an unanswered write is verified. True if the write may be sent again if it had no
    /// effect. A response that leaves the result open is verified at once.
    async fn should_retry(&self, attempt: u32, error: &RequestError) -> bool {
        let is_ambiguous = error.is_ambiguous_write();
        attempt < MAX_ATTEMPTS && (!is_ambiguous || self.client.wait_before_verify(attempt, error).await)
    }

    /// Waits until no request of an earlier run, sent at `sent_at` by MoEngage's clock at the latest, can arrive any more.
    pub(super) async fn wait_out_in_flight(
        &self,
        operation: Operation,
        sent_at: Option<Timestamp>,
    ) -> Result<(), RequestError> {
        let Some(sent_at) = sent_at else {
            return Ok(());
        };
        let now = self.client.server_time();
        match sent_at.checked_add(IN_FLIGHT_LIMIT) {
            // If the clock was set back, `sent_at` proves nothing.
            Ok(until) if sent_at <= now && now < until => {
                self.client.wait_out_in_flight(operation, until).await
            }
            _ => Ok(()),
        }
    }
}
