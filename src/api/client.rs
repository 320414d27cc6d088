//! The calls, each paced, decoded, and repeated where that is safe.
//!
//! A write comes back with an error that is [`ambiguous`](CallError::is_ambiguous_write) rather than being
//! sent twice. A call that was let go of while it was under way still counts toward the limits.

mod request;

#[cfg(test)]
mod tests;

use super::call_log::CallLog;
use super::clock::Clock;
use super::error::{self, ApiError, CallError};
use super::operation::Operation;
use super::pacing::{Answer, LONGEST_CALL, Pacing, RateLimits, Window};
use super::retry::{Decision, Outcome, RetryPolicy};
use super::service_clock::ServiceClock;
use super::stop::StopSignal;
use super::transport::{Method, Request, Response, Transport};
use super::wire::{self, Acknowledged, Listed, Mismatch, Stored};
use crate::model::{CallRecord, EndpointClass, Payload, SegmentId, SegmentName};
use jiff::Timestamp;
use request::{SEGMENTS, lifecycle_request, path_of, request, stored_as};
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

/// Whether a call may be made now.
struct Admission {
    /// When it was counted, or what it has to wait for.
    answer: Result<Timestamp, Waiting>,
    /// What has to be taken down; last of it the call itself, where it may be made.
    records: Vec<CallRecord>,
}

/// What concurrent calls change. Never locked across a wait.
struct Shared {
    pacing: Pacing,
    retry: RetryPolicy,
    calls: BTreeMap<EndpointClass, u64>,
    /// Answers that the log does not know yet.
    unlogged: Vec<CallRecord>,
    service_clock: ServiceClock,
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
        let request = request(Method::Get, SEGMENTS, None);
        self.call(Operation::List, request, wire::listed).await
    }

    /// The listed segments of exactly this name: none or one.
    ///
    /// # Errors
    ///
    /// When the call failed for good.
    pub async fn list_named(&self, name: &SegmentName) -> Result<Vec<Listed>, CallError> {
        let mut request = request(Method::Get, SEGMENTS, None);
        request.query.push(("name".to_owned(), name.as_str().to_owned()));
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
        let operation = Operation::Get(id.clone());
        let path = path_of(&operation, id)?;
        let request = request(Method::Get, &path, None);
        self.call(operation, request, |body| stored_as(id, body)).await
    }

    /// Makes a filter segment; what the service stored comes back.
    ///
    /// # Errors
    ///
    /// When the call failed for good, or its effect is unknown.
    pub async fn create(&self, name: &SegmentName, definition: &Payload) -> Result<Stored, CallError> {
        let mut body = json!({"name": name.as_str(), "included_filters": definition.included_filters});
        if let Some(excluded) = &definition.excluded_filters {
            body["excluded_filters"] = excluded.clone();
        }
        let request = request(Method::Post, SEGMENTS, Some(body));
        self.call(Operation::Create(name.clone()), request, wire::stored)
            .await
    }

    /// Replaces a segment's definition, and its name when `name` is given; what the service stored comes back.
    ///
    /// What a left-out `excluded_filters` does to the stored one is not documented, so that it is always sent;
    /// an empty group stands for none, since null is no group by the documents.
    ///
    /// # Errors
    ///
    /// When the call failed for good, or its effect is unknown.
    pub async fn update(
        &self,
        id: &SegmentId,
        name: Option<&SegmentName>,
        definition: &Payload,
    ) -> Result<Stored, CallError> {
        let operation = Operation::Update(id.clone());
        let path = path_of(&operation, id)?;
        let excluded = definition.excluded_filters.clone();
        let excluded = excluded.unwrap_or_else(|| json!({"filter_operator": "and", "filters": []}));
        let mut body = json!({"included_filters": definition.included_filters, "excluded_filters": excluded});
        if let Some(name) = name {
            body["name"] = Value::from(name.as_str());
        }
        let request = request(Method::Patch, &path, Some(body));
        self.call(operation, request, |body| stored_as(id, body)).await
    }

    /// Puts a segment out of use. The id decides which, when it is given.
    ///
    /// # Errors
    ///
    /// When the call failed for good, or its effect is unknown.
    pub async fn archive(&self, name: &SegmentName, id: Option<&SegmentId>) -> Result<(), CallError> {
        let request = lifecycle_request("/v2/custom-segments/archive", name, id);
        self.change_lifecycle(Operation::Archive(name.clone()), request)
            .await
    }

    /// Puts a segment back into use. The id decides which, when it is given.
    ///
    /// # Errors
    ///
    /// When the call failed for good, or its effect is unknown.
    pub async fn unarchive(&self, name: &SegmentName, id: Option<&SegmentId>) -> Result<(), CallError> {
        let request = lifecycle_request("/v2/custom-segments/unarchive", name, id);
        self.change_lifecycle(Operation::Unarchive(name.clone()), request)
            .await
    }

    async fn change_lifecycle(&self, operation: Operation, request: Request) -> Result<(), CallError> {
        let answer = self.call(operation.clone(), request, wire::acknowledged).await?;
        let Acknowledged { success, message } = answer;
        if success {
            return Ok(());
        }
        let message = error::printable(&self.transport.redact(&message));
        let kind = ApiError::Refused { status: 200, message };
        Err(CallError { operation, kind })
    }

    async fn call<A: Send>(
        &self,
        operation: Operation,
        request: Request,
        decode: impl Fn(&[u8]) -> Result<A, Mismatch> + Send + Sync,
    ) -> Result<A, CallError> {
        let mut attempt = 1;
        loop {
            let class = operation.class();
            let Ok(sent) = self.admission(class).await else {
                let kind = ApiError::Stopped;
                return Err(CallError { operation, kind });
            };
            let answer = self.transport.send(request.clone(), DEADLINE).await;
            let answer = answer.map_err(error::silence);
            let reset = self.count_answer(class, sent, answer.as_ref().ok());
            let kind = match answer.and_then(|answer| self.read((&operation, reset), &answer, &decode)) {
                Ok(answer) => {
                    tracing::debug!(%operation, attempt, "answered");
                    return Ok(answer);
                }
                Err(kind) => kind,
            };
            tracing::debug!(%operation, attempt, %kind, "failed");
            let error = CallError {
                operation: operation.clone(),
                kind,
            };
            let Decision::Wait(until) = self.decide(attempt, &error) else {
                return Err(error);
            };
            let reason = WaitReason::Retry(error.clone());
            if self.wait(Waiting { class, until, reason }).await.is_err() {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// Waits until a call of `class` may be made, and counts it; the moment it was counted at.
    async fn admission(&self, class: EndpointClass) -> Result<Timestamp, Stopped> {
        loop {
            let waiting = match self.admit_among_all(class).await {
                Ok(sent) => return Ok(sent),
                Err(waiting) => waiting,
            };
            // Others that wait for the same moment may take the place first: it is asked for again.
            self.wait(waiting).await?;
        }
    }

    /// Admits a call by what is in the log, and takes it down there.
    async fn admit_among_all(&self, class: EndpointClass) -> Result<Timestamp, Waiting> {
        let mut admitted: Option<Admission> = None;
        if let Some(log) = &self.log {
            let respond = |others| {
                if let Some(void) = admitted.take() {
                    self.take_back(class, void);
                }
                let admission = self.admit(class, others);
                let records = admission.records.clone();
                admitted = Some(admission);
                records
            };
            log.exchange(Box::new(respond)).await;
        }
        let admitted = admitted.unwrap_or_else(|| self.admit(class, Vec::new()));
        admitted.answer
    }

    /// Undoes an admission that did not come about.
    fn take_back(&self, class: EndpointClass, void: Admission) {
        let Admission { answer, mut records } = void;
        let mut shared = self.shared();
        if let Ok(sent) = answer {
            shared.pacing.not_sent(class, sent);
            if let Some(count) = shared.calls.get_mut(&class) {
                *count -= 1;
            }
            records.pop();
        }
        records.append(&mut shared.unlogged);
        shared.unlogged = records;
    }

    /// Admits a call by what others took down, and says what to take down of it.
    fn admit(&self, class: EndpointClass, others: Vec<CallRecord>) -> Admission {
        let now = self.clock.now();
        let mut shared = self.shared();
        shared.pacing.take_in(others, now);
        let mut records = std::mem::take(&mut shared.unlogged);
        let Some(hold) = shared.pacing.hold(class, now) else {
            shared.pacing.sent(class, now);
            *shared.calls.entry(class).or_default() += 1;
            records.push(CallRecord::Sent { class, at: now });
            let answer = Ok(now);
            return Admission { answer, records };
        };
        let classes = shared.pacing.counted_with(class);
        let answer = Err(Waiting {
            class,
            until: hold.until,
            reason: hold
                .window
                .map_or(WaitReason::ServiceLimit, |window| WaitReason::OwnLimit {
                    window,
                    classes,
                }),
        });
        Admission { answer, records }
    }

    /// Counts an answer, or that there is none, and learns from it; when the service's window ends by our clock, if it
    /// said so.
    fn count_answer(
        &self,
        class: EndpointClass,
        sent: Timestamp,
        answer: Option<&Response>,
    ) -> Option<Timestamp> {
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

    fn decide(&self, attempt: u32, error: &CallError) -> Decision {
        let now = self.clock.now();
        let outcome = Outcome::of(error);
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
        if self.stop.is_raised() {
            return Err(Stopped);
        }
        if let Some(observer) = &self.on_wait {
            observer(&waiting);
        }
        tokio::select! {
            // In this order, so that a run can be repeated exactly.
            biased;
            () = self.stop.raised() => Err(Stopped),
            () = self.clock.sleep_until(waiting.until) => Ok(()),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Every change is a single step, so that what a panicking thread left is whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
