//! The calls, each paced and decoded; reads are repeated where one fails.
//!
//! A write is sent once, and only by whoever has its [`Turn`]: waiting for one may take hours, so that what a write
//! rests on is looked at between the turn and the call. One that was certainly not processed is made again after a
//! [`pause`](Client::pause), from its turn on. A call that was let go of while it was under way still counts toward the
//! limits.

mod members;
mod request;
#[cfg(test)]
mod tests;
mod turn;

pub use members::{Batches, UserFile};
pub use turn::Turn;

use super::call_log::CallLog;
use super::clock::Clock;
use super::error::{self, ApiError, CallError};
use super::operation::Operation;
use super::pacing::{Answer, LONGEST_CALL, Pacing, RateLimits, Window};
use super::retry::{Decision, Outcome, RetryPolicy};
use super::service_clock::ServiceClock;
use super::stop::StopSignal;
use super::transport::{Request, Response, Transport};
use super::wire::{self, Listed, Mismatch, Stored};
use crate::model::{CallRecord, EndpointClass, Payload, SegmentId, SegmentName};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Within this the answer must be complete. The service documents no limit of its own; a definition at the
/// limit of size is evaluated by the service before it answers.
const DEADLINE: Duration = LONGEST_CALL.unsigned_abs();

/// Called whenever a call has to wait.
type Observer = Box<dyn Fn(&Waiting) + Send + Sync>;

/// Calls one workspace. Shared by reference; calls under way at once share the limits and the retry budget.
pub struct Client<T: Transport, C: Clock> {
    transport: T,
    clock: C,
    shared: Mutex<Shared>,
    on_wait: Option<Observer>,
    stop: StopSignal,
    log: Option<Box<dyn CallLog>>,
}

/// Somebody wanted the run to end while a call waited for its turn.
struct Stopped;

/// What concurrent calls change. Never locked across a wait.
struct Shared {
    pacing: Pacing,
    retry: RetryPolicy,
    calls: BTreeMap<EndpointClass, u64>,
    /// Answers that the log does not know yet.
    unlogged: Vec<CallRecord>,
    service_clock: ServiceClock,
}

/// A segment as it was read, and when it was asked for: what a write may rest on for a while.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The segment.
    pub stored: Stored,
    /// When it was asked for.
    pub at: Timestamp,
}

/// A call that is about to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which limits it counts toward.
    pub class: EndpointClass,
    /// Until when it waits at least.
    pub until: Timestamp,
    /// What for.
    pub reason: WaitReason,
}

/// Why a call waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// One more call would break a window of `rate_limits`.
    OwnLimit {
        /// The window that lets calls through last.
        window: Window,
        /// The classes that are counted together in it, at least one.
        classes: Vec<EndpointClass>,
    },
    /// The service said that it lets nothing through.
    ServiceLimit,
    /// An attempt failed and is made again.
    Retry(CallError),
    /// A write failed in a way that leaves open whether it was done, which is found out.
    LostAnswer(CallError),
    /// A call that an earlier run made and never heard of may still arrive.
    Strays(Operation),
    /// The service says later what became of the list of a segment.
    Callback(SegmentName),
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Makes a client that has made no calls; `retry_seed` spreads the waits of concurrent runs.
    pub fn new(transport: T, clock: C, limits: RateLimits, retry_seed: u64) -> Self {
        let shared = Shared {
            pacing: Pacing::new(limits),
            retry: RetryPolicy::new(retry_seed),
            calls: BTreeMap::new(),
            unlogged: Vec::new(),
            service_clock: ServiceClock::default(),
        };
        Self {
            transport,
            clock,
            shared: Mutex::new(shared),
            on_wait: None,
            stop: StopSignal::never(),
            log: None,
        }
    }

    /// Gives up every wait once `signal` is raised; calls that need not wait are still made.
    #[must_use]
    pub fn stopped_by(mut self, signal: StopSignal) -> Self {
        self.stop = signal;
        self
    }

    /// Has `observer` told of every wait before it begins, so that a person can be told what is waited for.
    #[must_use]
    pub fn observed_by(mut self, observer: impl Fn(&Waiting) + Send + Sync + 'static) -> Self {
        self.on_wait = Some(Box::new(observer));
        self
    }

    /// Shares the limits with everybody who takes calls down in `log`.
    #[must_use]
    pub fn logged_in(mut self, log: impl CallLog + 'static) -> Self {
        self.log = Some(Box::new(log));
        self
    }

    /// Takes down the answers that the log does not know yet, and learns what others took down: no call follows that
    /// would do so.
    pub async fn keep_log(&self) {
        let Some(log) = &self.log else { return };
        let mut void = Vec::new();
        let respond = |others| {
            let mut shared = self.shared();
            shared.pacing.take_in(others, self.clock.now());
            void.append(&mut shared.unlogged);
            void.clone()
        };
        log.exchange(Box::new(respond)).await;
    }

    /// The windows and the calls that count toward them now; whether lists and creates are counted as one is in
    /// [`Pacing::is_pooled`].
    #[must_use]
    pub fn pacing(&self) -> Pacing {
        self.shared().pacing.clone()
    }

    /// What time it is by the service's clock, as far as its answers told: what it does by time, it does by that.
    #[must_use]
    pub fn service_time(&self) -> Timestamp {
        self.shared().service_clock.of_service(self.clock.now())
    }

    /// How many requests were sent so far, repetitions too.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<EndpointClass, u64> {
        self.shared().calls.clone()
    }

    /// Every segment that the service lists; whether archived ones are among them is not documented.
    ///
    /// # Errors
    ///
    /// When the call failed for good.
    pub async fn list(&self) -> Result<Vec<Listed>, CallError> {
        let request = request::list(None);
        self.call(Operation::List, request, wire::listed).await
    }

    /// The listed segments of exactly this name: none or one.
    ///
    /// # Errors
    ///
    /// When the call failed for good.
    pub async fn list_named(&self, name: &SegmentName) -> Result<Vec<Listed>, CallError> {
        let request = request::list(Some(name));
        // A service that reads the parameter more loosely must not make another segment ours.
        let exact = |body: &[u8]| {
            let mut listed = wire::listed(body)?;
            listed.retain(|segment| segment.name == *name);
            Ok(listed)
        };
        self.call(Operation::ListNamed(name.clone()), request, exact)
            .await
    }

    /// One segment with its definition.
    ///
    /// # Errors
    ///
    /// When the call failed for good, such as with [`ApiError::NotFound`].
    pub async fn get(&self, id: &SegmentId) -> Result<Stored, CallError> {
        self.get_in(None, id).await
    }

    /// One segment, read first in a turn that was waited for already.
    async fn get_in(&self, turn: Option<Turn>, id: &SegmentId) -> Result<Stored, CallError> {
        let operation = Operation::Get(id.clone());
        let request = request::get(&operation, id)?;
        let decode = |body: &[u8]| request::stored_as(id, body);
        self.read_in(turn, (operation, request), decode).await
    }

    /// Makes a filter segment; what the service stored comes back.
    ///
    /// # Errors
    ///
    /// It was not made, or its effect is unknown.
    pub async fn create(
        &self,
        turn: Turn,
        name: &SegmentName,
        definition: &Payload,
    ) -> Result<Stored, CallError> {
        let mut body = json!({"name": name.as_str(), "included_filters": definition.included_filters});
        if let Some(excluded) = &definition.excluded_filters {
            body["excluded_filters"] = excluded.clone();
        }
        let call = (Operation::Create(name.clone()), request::create(body));
        self.write(turn, call, wire::stored).await
    }

    /// Replaces a segment's definition, and its name when `name` is given; what the service stored comes back.
    ///
    /// What a left-out `excluded_filters` does to the stored one is not documented, so that it is always sent;
    /// an empty group stands for none, since null is no group by the documents.
    ///
    /// # Errors
    ///
    /// It was not made, or its effect is unknown.
    pub async fn update(
        &self,
        turn: Turn,
        (id, name): (&SegmentId, Option<&SegmentName>),
        definition: &Payload,
    ) -> Result<Stored, CallError> {
        let operation = Operation::Update(id.clone());
        let excluded = definition.excluded_filters.clone();
        let excluded = excluded.unwrap_or_else(|| json!({"filter_operator": "and", "filters": []}));
        let mut body = json!({"included_filters": definition.included_filters, "excluded_filters": excluded});
        if let Some(name) = name {
            body["name"] = Value::from(name.as_str());
        }
        let request = request::update(&operation, id, body)?;
        let decode = |body: &[u8]| request::stored_as(id, body);
        self.write(turn, (operation, request), decode).await
    }

    /// Puts a segment out of use. The id decides which, when it is given.
    ///
    /// # Errors
    ///
    /// It was not made, or its effect is unknown.
    pub async fn archive(
        &self,
        turn: Turn,
        name: &SegmentName,
        id: Option<&SegmentId>,
    ) -> Result<(), CallError> {
        let call = (Operation::Archive(name.clone()), request::archive(name, id));
        self.change_lifecycle(turn, call).await
    }

    /// Puts a segment back into use. The id decides which, when it is given.
    ///
    /// # Errors
    ///
    /// It was not made, or its effect is unknown.
    pub async fn unarchive(
        &self,
        turn: Turn,
        name: &SegmentName,
        id: Option<&SegmentId>,
    ) -> Result<(), CallError> {
        let call = (Operation::Unarchive(name.clone()), request::unarchive(name, id));
        self.change_lifecycle(turn, call).await
    }

    async fn change_lifecycle(
        &self,
        turn: Turn,
        (operation, request): (Operation, Request),
    ) -> Result<(), CallError> {
        let call = (operation.clone(), request);
        let done = self.write(turn, call, wire::acknowledged).await?;
        self.acknowledge(operation, done)
    }

    /// Makes a read until it is answered, or fails for good.
    async fn call<A: Send>(
        &self,
        operation: Operation,
        request: Request,
        decode: impl Fn(&[u8]) -> Result<A, Mismatch> + Send + Sync,
    ) -> Result<A, CallError> {
        self.read_in(None, (operation, request), decode).await
    }

    async fn read_in<A: Send>(
        &self,
        mut turn: Option<Turn>,
        (operation, request): (Operation, Request),
        decode: impl Fn(&[u8]) -> Result<A, Mismatch> + Send + Sync,
    ) -> Result<A, CallError> {
        let mut attempt = 1;
        loop {
            let own = match turn.take() {
                Some(own) => own,
                None => self.turn(&operation).await?,
            };
            let call = (&operation, request.clone());
            let error = match self.send((own, DEADLINE), call, &decode).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !self.pause(attempt, &error).await {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// Makes a write once, at once: what was looked at for it may be old in a moment, and so may be the lock.
    async fn write<A: Send>(
        &self,
        turn: Turn,
        (operation, request): (Operation, Request),
        decode: impl Fn(&[u8]) -> Result<A, Mismatch> + Send + Sync,
    ) -> Result<A, CallError> {
        let Some(held) = turn.held_for(self.clock.now()) else {
            self.give_back(turn);
            let kind = ApiError::TurnOver;
            return Err(CallError { operation, kind });
        };
        // Other runs count a call of which they hear nothing for as long as one can take.
        let deadline = DEADLINE.saturating_sub(held);
        self.send((turn, deadline), (&operation, request), &decode).await
    }

    /// Sends a call in its turn.
    async fn send<A: Send>(
        &self,
        (turn, deadline): (Turn, Duration),
        (operation, request): (&Operation, Request),
        decode: &(impl Fn(&[u8]) -> Result<A, Mismatch> + Send + Sync),
    ) -> Result<A, CallError> {
        let answer = self.transport.send(request, deadline).await;
        let answer = answer.map_err(error::silence);
        let reset = self.count_answer(turn, answer.as_ref().ok());
        let read = answer.and_then(|answer| self.read((operation, reset), &answer, decode));
        match &read {
            Ok(_) => tracing::debug!(%operation, "answered"),
            Err(kind) => tracing::debug!(%operation, %kind, "failed"),
        }
        let operation = operation.clone();
        read.map_err(|kind| CallError { operation, kind })
    }

    /// Waits as long as it takes until a call that failed for the time numbered `attempt`, from 1, may be made again;
    /// whether it may be.
    pub async fn pause(&self, attempt: u32, error: &CallError) -> bool {
        let reason = WaitReason::Retry(error.clone());
        self.pause_by((attempt, Outcome::of(error)), error, reason).await
    }

    /// Waits before it is looked what came of the write numbered `attempt`, from 1, whose answer was lost: a service that
    /// fails needs time, and so does a list that lags. Whether the write may be made again if nothing came of it.
    pub async fn pause_before_look(&self, attempt: u32, error: &CallError) -> bool {
        let reason = WaitReason::LostAnswer(error.clone());
        self.pause_by((attempt, Outcome::Repeatable), error, reason).await
    }

    async fn pause_by(
        &self,
        (attempt, outcome): (u32, Outcome),
        error: &CallError,
        reason: WaitReason,
    ) -> bool {
        let Decision::Wait(until) = self.decide((attempt, outcome), error) else {
            return false;
        };
        let class = error.operation.class();
        self.wait(Waiting { class, until, reason }).await.is_ok()
    }

    /// Counts an answer, or that there is none, and learns from it; when the service's window ends by our clock, if it
    /// said so.
    fn count_answer(&self, turn: Turn, answer: Option<&Response>) -> Option<Timestamp> {
        let (class, sent) = turn.taken();
        let now = self.clock.now();
        let mut shared = self.shared();
        shared.pacing.answered(class, sent, now);
        shared
            .unlogged
            .push(CallRecord::Answered { class, sent, at: now });
        let answer = answer?;
        if let Some(date) = answer.date {
            shared.service_clock.learn(date, (sent, now));
        }
        let reset = answer
            .headers
            .reset
            .and_then(|reset| Timestamp::from_second(reset).ok());
        let reset = reset.map(|reset| shared.service_clock.of_ours(reset));
        let reset = reset.and_then(|reset| shared.pacing.meant_reset(reset, now));
        let was_pooled = shared.pacing.is_pooled();
        shared.pacing.learn(&Answer {
            class,
            sent,
            answered: now,
            accepted: (200..300).contains(&answer.status),
            headers: answer.headers,
            reset,
        });
        if was_pooled && !shared.pacing.is_pooled() {
            shared.unlogged.push(CallRecord::Apart);
        }
        reset
    }

    fn read<A>(
        &self,
        (operation, reset): (&Operation, Option<Timestamp>),
        answer: &Response,
        decode: impl Fn(&[u8]) -> Result<A, Mismatch>,
    ) -> Result<A, ApiError> {
        let Response { status, body, .. } = answer;
        let text = || self.transport.redact(&String::from_utf8_lossy(body));
        if (200..300).contains(status) {
            return decode(body).map_err(|mismatch| error::garbage(mismatch, &text()));
        }
        Err(error::classify(operation, *status, &text(), reset))
    }

    fn decide(&self, (attempt, outcome): (u32, Outcome), error: &CallError) -> Decision {
        let now = self.clock.now();
        let mut shared = self.shared();
        let decision = shared.retry.after(attempt, outcome, now);
        // Other calls of the class would only be refused likewise.
        if let (Outcome::RateLimited { reset }, Decision::Wait(until)) = (outcome, decision) {
            let class = error.operation.class();
            shared.pacing.closed_until(class, reset.unwrap_or(until));
        }
        decision
    }

    async fn wait(&self, waiting: Waiting) -> Result<(), Stopped> {
        self.nap(&waiting, waiting.until).await
    }

    /// Waits until `moment`, as a part of a longer wait.
    async fn nap(&self, waiting: &Waiting, moment: Timestamp) -> Result<(), Stopped> {
        if self.stop.is_raised() {
            return Err(Stopped);
        }
        if let Some(observer) = &self.on_wait {
            observer(waiting);
        }
        tokio::select! {
            // In this order, so that a run can be repeated exactly.
            biased;
            () = self.stop.raised() => Err(Stopped),
            () = self.clock.sleep_until(moment) => Ok(()),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Every change is a single step, so that what a panicking thread left is whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
