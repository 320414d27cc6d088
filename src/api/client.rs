//! The calls, each paced and decoded; reads are repeated where one fails.
//!
//! A write is sent once, and only by whoever has its [`Turn`]: waiting for one may take hours, so that what a write
//! rests on is looked at between the turn and the call. One that was certainly not processed is made again after a
//! [`pause`](Client::pause), from its turn on. A call that was let go of while it was under way still counts toward the
//! limits.

mod membership;
mod permit;
mod requests;
#[cfg(test)]
mod tests;

pub use membership::{MemberBatcher, UploadParameters};
pub use permit::Permit;

use super::cancellation::CancelToken;
use super::clock::Clock;
use super::error::{self, ApiError, RequestError};
use super::operation::Operation;
use super::request_log::RequestLog;
use super::responses::{self, MalformedBody, RemoteSegment, RemoteSummary};
use super::retry::{RetryDecision, RetryPolicy, Retryability};
use super::server_clock::ServerClock;
use super::transport::{Request, Response, Transport};
use crate::model::{EndpointClass, Payload, RequestRecord, SegmentId, SegmentName};
use crate::rate_limit::{AnsweredRequest, MAX_REQUEST_DURATION, RateLimiter, RateLimits, Window};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Within this the answer must be complete. The service documents no limit of its own; a definition at the
/// limit of size is evaluated by the service before it answers.
const RESPONSE_TIMEOUT: Duration = MAX_REQUEST_DURATION.unsigned_abs();

/// Called whenever a call has to wait.
type WaitObserver = Box<dyn Fn(&WaitNotice) + Send + Sync>;

/// Calls one workspace. Shared by reference; calls under way at once share the limits and the retry budget.
pub struct Client<T: Transport, C: Clock> {
    transport: T,
    clock: C,
    state: Mutex<ClientState>,
    on_wait: Option<WaitObserver>,
    cancel_token: CancelToken,
    request_log: Option<Box<dyn RequestLog>>,
}

/// Somebody wanted the run to end while a call waited for its turn.
struct Cancelled;

/// What concurrent calls change. Never locked across a wait.
struct ClientState {
    rate_limiter: RateLimiter,
    retry: RetryPolicy,
    request_counts: BTreeMap<EndpointClass, u64>,
    /// Answers that the log does not know yet.
    unlogged_records: Vec<RequestRecord>,
    server_clock: ServerClock,
}

/// A segment as it was read, and when it was asked for: what a write may rest on for a while.
#[derive(Clone, Debug)]
pub struct FetchedSegment {
    /// The segment.
    pub segment: RemoteSegment,
    /// When it was asked for.
    pub fetched_at: Timestamp,
}

/// A call that is about to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitNotice {
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
    ConfiguredLimit {
        /// The window that lets calls through last.
        window: Window,
        /// The classes that are counted together in it, at least one.
        classes: Vec<EndpointClass>,
    },
    /// The service said that it lets nothing through.
    ServerLimit,
    /// An attempt failed and is made again.
    Retry(RequestError),
    /// A write failed in a way that leaves open whether it was done, which is found out.
    AmbiguousWrite(RequestError),
    /// A call that an earlier run made and never heard of may still arrive.
    InFlightRequests(Operation),
    /// The service says later what became of the list of a segment.
    Callback(SegmentName),
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Makes a client that has made no calls; `retry_seed` spreads the waits of concurrent runs.
    pub fn new(transport: T, clock: C, limits: RateLimits, retry_seed: u64) -> Self {
        let shared = ClientState {
            rate_limiter: RateLimiter::new(limits),
            retry: RetryPolicy::new(retry_seed),
            request_counts: BTreeMap::new(),
            unlogged_records: Vec::new(),
            server_clock: ServerClock::default(),
        };
        Self {
            transport,
            clock,
            state: Mutex::new(shared),
            on_wait: None,
            cancel_token: CancelToken::never(),
            request_log: None,
        }
    }

    /// Gives up every wait once `signal` is raised; calls that need not wait are still made.
    #[must_use]
    pub fn with_cancellation(mut self, signal: CancelToken) -> Self {
        self.cancel_token = signal;
        self
    }

    /// Has `observer` told of every wait before it begins, so that a person can be told what is waited for.
    #[must_use]
    pub fn with_wait_observer(mut self, observer: impl Fn(&WaitNotice) + Send + Sync + 'static) -> Self {
        self.on_wait = Some(Box::new(observer));
        self
    }

    /// Shares the limits with everybody who takes calls down in `log`.
    #[must_use]
    pub fn with_request_log(mut self, log: impl RequestLog + 'static) -> Self {
        self.request_log = Some(Box::new(log));
        self
    }

    /// Takes down the answers that the log does not know yet, and learns what others took down: no call follows that
    /// would do so.
    pub async fn flush_request_log(&self) {
        let Some(log) = &self.request_log else { return };
        let mut void = Vec::new();
        let respond = |others| {
            let mut shared = self.lock_state();
            shared.rate_limiter.merge_log(others, self.clock.now());
            void.append(&mut shared.unlogged_records);
            void.clone()
        };
        log.exchange(Box::new(respond)).await;
    }

    /// The windows and the calls that count toward them now; whether lists and creates are counted as one is in
    /// [`Pacing::is_pooled`].
    #[must_use]
    pub fn rate_limiter(&self) -> RateLimiter {
        self.lock_state().rate_limiter.clone()
    }

    /// What time it is by the service's clock, as far as its answers told: what it does by time, it does by that.
    #[must_use]
    pub fn server_time(&self) -> Timestamp {
        self.lock_state().server_clock.to_server_time(self.clock.now())
    }

    /// How many requests were sent so far, repetitions too.
    #[must_use]
    pub fn request_counts(&self) -> BTreeMap<EndpointClass, u64> {
        self.lock_state().request_counts.clone()
    }

    /// Every segment that the service lists; whether archived ones are among them is not documented.
    ///
    /// # Errors
    ///
    /// When the call failed for good.
    pub async fn list(&self) -> Result<Vec<RemoteSummary>, RequestError> {
        let request = requests::list(None);
        self.send_read(Operation::List, request, responses::decode_list)
            .await
    }

    /// The listed segments of exactly this name: none or one.
    ///
    /// # Errors
    ///
    /// When the call failed for good.
    pub async fn list_named(&self, name: &SegmentName) -> Result<Vec<RemoteSummary>, RequestError> {
        let request = requests::list(Some(name));
        // A service that reads the parameter more loosely must not make another segment ours.
        let exact = |body: &[u8]| {
            let mut listed = responses::decode_list(body)?;
            listed.retain(|segment| segment.name == *name);
            Ok(listed)
        };
        self.send_read(Operation::ListNamed(name.clone()), request, exact)
            .await
    }

    /// One segment with its definition.
    ///
    /// # Errors
    ///
    /// When the call failed for good, such as with [`ApiError::NotFound`].
    pub async fn get(&self, id: &SegmentId) -> Result<RemoteSegment, RequestError> {
        self.get_with_permit(None, id).await
    }

    /// One segment, read first in a turn that was waited for already.
    async fn get_with_permit(
        &self,
        turn: Option<Permit>,
        id: &SegmentId,
    ) -> Result<RemoteSegment, RequestError> {
        let operation = Operation::Get(id.clone());
        let request = requests::get(&operation, id)?;
        let decode = |body: &[u8]| requests::decode_segment_with_id(id, body);
        self.send_read_with_permit(turn, (operation, request), decode)
            .await
    }

    /// Makes a filter segment; what the service stored comes back.
    ///
    /// # Errors
    ///
    /// It was not made, or its effect is unknown.
    pub async fn create(
        &self,
        turn: Permit,
        name: &SegmentName,
        definition: &Payload,
    ) -> Result<RemoteSegment, RequestError> {
        let mut body = json!({"name": name.as_str(), "included_filters": definition.included_filters});
        if let Some(excluded) = &definition.excluded_filters {
            body["excluded_filters"] = excluded.clone();
        }
        let call = (Operation::Create(name.clone()), requests::create(body));
        self.send_write(turn, call, responses::decode_segment).await
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
        turn: Permit,
        (id, name): (&SegmentId, Option<&SegmentName>),
        definition: &Payload,
    ) -> Result<RemoteSegment, RequestError> {
        let operation = Operation::Update(id.clone());
        let excluded = definition.excluded_filters.clone();
        let excluded = excluded.unwrap_or_else(|| json!({"filter_operator": "and", "filters": []}));
        let mut body = json!({"included_filters": definition.included_filters, "excluded_filters": excluded});
        if let Some(name) = name {
            body["name"] = Value::from(name.as_str());
        }
        let request = requests::update(&operation, id, body)?;
        let decode = |body: &[u8]| requests::decode_segment_with_id(id, body);
        self.send_write(turn, (operation, request), decode).await
    }

    /// Puts a segment out of use. The id decides which, when it is given.
    ///
    /// # Errors
    ///
    /// It was not made, or its effect is unknown.
    pub async fn archive(
        &self,
        turn: Permit,
        name: &SegmentName,
        id: Option<&SegmentId>,
    ) -> Result<(), RequestError> {
        let call = (Operation::Archive(name.clone()), requests::archive(name, id));
        self.change_lifecycle(turn, call).await
    }

    /// Puts a segment back into use. The id decides which, when it is given.
    ///
    /// # Errors
    ///
    /// It was not made, or its effect is unknown.
    pub async fn unarchive(
        &self,
        turn: Permit,
        name: &SegmentName,
        id: Option<&SegmentId>,
    ) -> Result<(), RequestError> {
        let call = (Operation::Unarchive(name.clone()), requests::unarchive(name, id));
        self.change_lifecycle(turn, call).await
    }

    async fn change_lifecycle(
        &self,
        turn: Permit,
        (operation, request): (Operation, Request),
    ) -> Result<(), RequestError> {
        let call = (operation.clone(), request);
        let done = self
            .send_write(turn, call, responses::decode_acknowledgement)
            .await?;
        self.check_acknowledgement(operation, done)
    }

    /// Makes a read until it is answered, or fails for good.
    async fn send_read<A: Send>(
        &self,
        operation: Operation,
        request: Request,
        decode: impl Fn(&[u8]) -> Result<A, MalformedBody> + Send + Sync,
    ) -> Result<A, RequestError> {
        self.send_read_with_permit(None, (operation, request), decode)
            .await
    }

    async fn send_read_with_permit<A: Send>(
        &self,
        mut turn: Option<Permit>,
        (operation, request): (Operation, Request),
        decode: impl Fn(&[u8]) -> Result<A, MalformedBody> + Send + Sync,
    ) -> Result<A, RequestError> {
        let mut attempt = 1;
        loop {
            let own = match turn.take() {
                Some(own) => own,
                None => self.acquire(&operation).await?,
            };
            let call = (&operation, request.clone());
            let error = match self.send((own, RESPONSE_TIMEOUT), call, &decode).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !self.backoff(attempt, &error).await {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// Makes a write once, at once: what was looked at for it may be old in a moment, and so may be the lock.
    async fn send_write<A: Send>(
        &self,
        turn: Permit,
        (operation, request): (Operation, Request),
        decode: impl Fn(&[u8]) -> Result<A, MalformedBody> + Send + Sync,
    ) -> Result<A, RequestError> {
        let Some(held) = turn.held_for(self.clock.now()) else {
            self.release(turn);
            let kind = ApiError::PermitExpired;
            return Err(RequestError { operation, kind });
        };
        // Other runs count a call of which they hear nothing for as long as one can take.
        let deadline = RESPONSE_TIMEOUT.saturating_sub(held);
        self.send((turn, deadline), (&operation, request), &decode).await
    }

    /// Sends a call in its turn.
    async fn send<A: Send>(
        &self,
        (turn, deadline): (Permit, Duration),
        (operation, request): (&Operation, Request),
        decode: &(impl Fn(&[u8]) -> Result<A, MalformedBody> + Send + Sync),
    ) -> Result<A, RequestError> {
        let answer = self.transport.send(request, deadline).await;
        let answer = answer.map_err(error::classify_transport_error);
        let reset = self.record_response(turn, answer.as_ref().ok());
        let read = answer.and_then(|answer| self.decode_response((operation, reset), &answer, decode));
        match &read {
            Ok(_) => tracing::debug!(%operation, "answered"),
            Err(kind) => tracing::debug!(%operation, %kind, "failed"),
        }
        let operation = operation.clone();
        read.map_err(|kind| RequestError { operation, kind })
    }

    /// Waits as long as it takes until a call that failed for the time numbered `attempt`, from 1, may be made again;
    /// whether it may be.
    pub async fn backoff(&self, attempt: u32, error: &RequestError) -> bool {
        let reason = WaitReason::Retry(error.clone());
        self.backoff_for((attempt, Retryability::of_error(error)), error, reason)
            .await
    }

    /// Waits before it is looked what came of the write numbered `attempt`, from 1, whose answer was lost: a service that
    /// fails needs time, and so does a list that lags. Whether the write may be made again if nothing came of it.
    pub async fn wait_before_verify(&self, attempt: u32, error: &RequestError) -> bool {
        let reason = WaitReason::AmbiguousWrite(error.clone());
        self.backoff_for((attempt, Retryability::Retryable), error, reason)
            .await
    }

    async fn backoff_for(
        &self,
        (attempt, outcome): (u32, Retryability),
        error: &RequestError,
        reason: WaitReason,
    ) -> bool {
        let RetryDecision::RetryAt(until) = self.decide((attempt, outcome), error) else {
            return false;
        };
        let class = error.operation.class();
        self.wait(WaitNotice { class, until, reason }).await.is_ok()
    }

    /// Counts an answer, or that there is none, and learns from it; when the service's window ends by our clock, if it
    /// said so.
    fn record_response(&self, turn: Permit, answer: Option<&Response>) -> Option<Timestamp> {
        let (class, sent) = turn.class_and_time();
        let now = self.clock.now();
        let mut shared = self.lock_state();
        shared.rate_limiter.record_answered(class, sent, now);
        shared
            .unlogged_records
            .push(RequestRecord::Answered { class, sent, at: now });
        let answer = answer?;
        if let Some(date) = answer.date {
            shared.server_clock.update(date, (sent, now));
        }
        let reset = answer
            .headers
            .reset
            .and_then(|reset| Timestamp::from_second(reset).ok());
        let reset = reset.map(|reset| shared.server_clock.to_local_time(reset));
        let reset = reset.and_then(|reset| shared.rate_limiter.plausible_reset(reset, now));
        let was_pooled = shared.rate_limiter.list_and_create_share_windows();
        shared.rate_limiter.observe_answer(&AnsweredRequest {
            class,
            sent,
            answered: now,
            accepted: (200..300).contains(&answer.status),
            headers: answer.headers,
            reset,
        });
        if was_pooled && !shared.rate_limiter.list_and_create_share_windows() {
            shared.unlogged_records.push(RequestRecord::ListAndCreateSeparate);
        }
        reset
    }

    fn decode_response<A>(
        &self,
        (operation, reset): (&Operation, Option<Timestamp>),
        answer: &Response,
        decode: impl Fn(&[u8]) -> Result<A, MalformedBody>,
    ) -> Result<A, ApiError> {
        let Response { status, body, .. } = answer;
        let text = || self.transport.redact(&String::from_utf8_lossy(body));
        if (200..300).contains(status) {
            return decode(body).map_err(|mismatch| error::malformed_response(mismatch, &text()));
        }
        Err(error::classify(operation, *status, &text(), reset))
    }

    fn decide(&self, (attempt, outcome): (u32, Retryability), error: &RequestError) -> RetryDecision {
        let now = self.clock.now();
        let mut shared = self.lock_state();
        let decision = shared.retry.decide(attempt, outcome, now);
        // Other calls of the class would only be refused likewise.
        if let (Retryability::RateLimited { reset }, RetryDecision::RetryAt(until)) = (outcome, decision) {
            let class = error.operation.class();
            shared.rate_limiter.block_until(class, reset.unwrap_or(until));
        }
        decision
    }

    async fn wait(&self, waiting: WaitNotice) -> Result<(), Cancelled> {
        self.wait_until(&waiting, waiting.until).await
    }

    /// Waits until `moment`, as a part of a longer wait.
    async fn wait_until(&self, waiting: &WaitNotice, moment: Timestamp) -> Result<(), Cancelled> {
        if self.cancel_token.is_cancelled() {
            return Err(Cancelled);
        }
        if let Some(observer) = &self.on_wait {
            observer(waiting);
        }
        tokio::select! {
            // In this order, so that a run can be repeated exactly.
            biased;
            () = self.cancel_token.cancelled() => Err(Cancelled),
            () = self.clock.sleep_until(moment) => Ok(()),
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, ClientState> {
        // Every change is a single step, so that what a panicking thread left is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
