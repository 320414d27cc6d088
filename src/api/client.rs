//! Sends API requests within the rate limits, decodes the answers, and retries failed reads.
//!
//! A write needs a [`Permit`] and is sent once. Waiting for a permit can take hours, so a caller verifies what the write
//! depends on after it has the permit. If MoEngage certainly did not process a write, the caller waits with
//! [`backoff`](Client::backoff), acquires a new permit and retries. A request that is dropped in flight still counts
//! toward the limits.

mod membership;
mod permit;
mod requests;
mod segment_writes;
#[cfg(test)]
mod tests;

pub use membership::{MemberBatcher, UploadParameters};
pub use permit::Permit;

use super::cancellation::CancelToken;
use super::clock::Clock;
use super::error::{self, ApiError, RequestError};
use super::operation::Operation;
use super::request_log::RequestLog;
use super::responses::{self, Listing, MalformedBody, RemoteSegment, RemoteSummary};
use super::retry::{RetryDecision, RetryPolicy, Retryability};
use super::server_clock::ServerClock;
use super::transport::{Request, Response, Transport};
use crate::model::{EndpointClass, RequestContentType, RequestRecord, SegmentId, SegmentName};
use crate::rate_limit::{AnsweredRequest, MAX_REQUEST_DURATION, RateLimiter, RateLimits, Window, later};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The API documents no timeout. It evaluates a definition, which may be of maximum size, before it answers.
const RESPONSE_TIMEOUT: Duration = MAX_REQUEST_DURATION.unsigned_abs();

/// Called before each wait.
type WaitObserver = Box<dyn Fn(&WaitNotice) + Send + Sync>;

/// A client for one workspace. Concurrent requests share the rate limits and the retry budget.
pub struct Client<T: Transport, C: Clock> {
    transport: T,
    clock: C,
    state: Mutex<ClientState>,
    on_wait: Option<WaitObserver>,
    cancel_token: CancelToken,
    request_log: Option<Box<dyn RequestLog>>,
    file_content_type: RequestContentType,
}

/// The run was cancelled while a request waited.
struct Cancelled;

/// State that concurrent requests change. It is never locked across an `await`.
struct ClientState {
    rate_limiter: RateLimiter,
    retry: RetryPolicy,
    request_counts: BTreeMap<EndpointClass, u64>,
    /// Answers that are not in the request log yet.
    unlogged_records: Vec<RequestRecord>,
    server_clock: ServerClock,
    credentials_rejection: Option<RequestError>,
}

/// A write may rely on the segment for a short time after `fetched_at`.
#[derive(Clone, Debug)]
pub struct FetchedSegment {
    pub segment: RemoteSegment,
    pub fetched_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitNotice {
    pub class: EndpointClass,
    /// The wait ends at this time or later.
    pub until: Timestamp,
    pub reason: WaitReason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// One more request would exceed a window of `rate_limits`.
    ConfiguredLimit {
        /// The full window that frees up last.
        window: Window,
        /// The classes that share the window; at least one.
        classes: Vec<EndpointClass>,
    },
    /// MoEngage reported that its limit is exhausted.
    ServerLimit,
    /// segctl retries a failed attempt.
    Retry(RequestError),
    /// segctl verifies the effect of a write that may have succeeded.
    AmbiguousWrite(RequestError),
    /// A request of an interrupted run may still arrive.
    InFlightRequests(Operation),
    /// MoEngage reports the result of an upload later.
    Callback(SegmentName),
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// `retry_seed` spreads the waits of concurrent runs.
    pub fn new(transport: T, clock: C, limits: RateLimits, retry_seed: u64) -> Self {
        let state = ClientState {
            rate_limiter: RateLimiter::new(limits),
            retry: RetryPolicy::new(retry_seed),
            request_counts: BTreeMap::new(),
            unlogged_records: Vec::new(),
            server_clock: ServerClock::new(clock.now(), clock.elapsed()),
            credentials_rejection: None,
        };
        Self {
            transport,
            clock,
            state: Mutex::new(state),
            on_wait: None,
            cancel_token: CancelToken::never(),
            request_log: None,
            file_content_type: RequestContentType::Json,
        }
    }

    /// The Content-Type of the requests that create or change a file segment is not documented without doubt.
    #[must_use]
    pub fn with_file_content_type(mut self, content_type: RequestContentType) -> Self {
        self.file_content_type = content_type;
        self
    }

    /// The rejection of the credentials, if there was one: MoEngage would reject every other request too.
    #[must_use]
    pub fn credentials_rejection(&self) -> Option<RequestError> {
        self.lock_state().credentials_rejection.clone()
    }

    /// Once `token` is cancelled, every wait is given up. Requests that need not wait are still sent.
    #[must_use]
    pub fn with_cancellation(mut self, token: CancelToken) -> Self {
        self.cancel_token = token;
        self
    }

    /// Calls `observer` before each wait.
    #[must_use]
    pub fn with_wait_observer(mut self, observer: impl Fn(&WaitNotice) + Send + Sync + 'static) -> Self {
        self.on_wait = Some(Box::new(observer));
        self
    }

    /// Shares the rate limits with all runs that use `log`.
    #[must_use]
    pub fn with_request_log(mut self, log: impl RequestLog + 'static) -> Self {
        self.request_log = Some(Box::new(log));
        self
    }

    /// Writes the last answers to the log and reads the records of other runs. Only needed if no request follows.
    pub async fn flush_request_log(&self) {
        let Some(log) = &self.request_log else { return };
        let mut pending = Vec::new();
        let respond = |others| {
            let mut state = self.lock_state();
            state.rate_limiter.merge_log(others, self.clock.now());
            pending.append(&mut state.unlogged_records);
            pending.clone()
        };
        log.exchange(Box::new(respond)).await;
    }

    /// A copy of the rate limiter with the requests counted so far.
    #[must_use]
    pub fn rate_limiter(&self) -> RateLimiter {
        self.lock_state().rate_limiter.clone()
    }

    /// How many requests of `class` need not wait now, as far as the log and the answers show.
    #[must_use]
    pub fn requests_left(&self, class: EndpointClass) -> usize {
        self.lock_state().rate_limiter.left(class, self.clock.now())
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel_token.is_cancelled()
    }

    /// The current time by MoEngage's clock, as far as its answers show. Its time-dependent rules use this clock.
    #[must_use]
    pub fn server_time(&self) -> Timestamp {
        self.lock_state().server_clock.time(self.clock.elapsed())
    }

    /// When this machine's clock will show the time at which MoEngage's clock shows `moment`.
    fn to_local_time(&self, server_clock: ServerClock, moment: Timestamp) -> Timestamp {
        let left = server_clock.time(self.clock.elapsed()).duration_until(moment);
        later(self.clock.now(), left)
    }

    /// Requests sent so far, including retries.
    #[must_use]
    pub fn request_counts(&self) -> BTreeMap<EndpointClass, u64> {
        self.lock_state().request_counts.clone()
    }

    /// Whether the list contains archived segments is not documented.
    pub async fn list(&self) -> Result<Listing, RequestError> {
        let request = requests::list(None);
        self.send_read(None, Operation::List, request, responses::decode_list)
            .await
    }

    /// The listed segments of exactly this name: none or one.
    pub async fn list_named(&self, name: &SegmentName) -> Result<Vec<RemoteSummary>, RequestError> {
        let (operation, request) = (Operation::ListNamed(name.clone()), requests::list(Some(name)));
        // If MoEngage matches names less strictly, segctl must not manage another segment.
        let decode = |body: &[u8]| {
            let mut listed = responses::decode_list(body)?.segments;
            listed.retain(|segment| segment.name == *name);
            Ok(listed)
        };
        self.send_read(None, operation, request, decode).await
    }

    pub async fn get(&self, id: &SegmentId) -> Result<RemoteSegment, RequestError> {
        self.get_with_permit(None, id).await
    }

    /// Reads a segment if no rate limit delays the request; `None` if one does. A failed request is repeated once.
    pub async fn get_without_waiting(&self, id: &SegmentId) -> Result<Option<RemoteSegment>, RequestError> {
        let operation = Operation::Get(id.clone());
        let request = requests::get(&operation, id)?;
        let decode = |body: &[u8]| requests::decode_segment_with_id(id, body);
        for attempt in 1.. {
            let Some(permit) = self.try_acquire(&operation).await else {
                break;
            };
            let sent = self.send(permit, RESPONSE_TIMEOUT, &operation, request.clone(), &decode);
            let error = match sent.await {
                Ok(segment) => return Ok(Some(segment)),
                Err(error) => error,
            };
            let outcome = Retryability::of_error(&error);
            if matches!(outcome, Retryability::RateLimited { .. }) {
                // Blocks the class until the reset.
                self.decide(attempt, outcome, &error);
                break;
            }
            if attempt > 1 || !self.backoff(attempt, &error).await {
                return Err(error);
            }
        }
        Ok(None)
    }

    /// The first attempt uses `permit`, if there is one.
    async fn get_with_permit(
        &self,
        permit: Option<Permit>,
        id: &SegmentId,
    ) -> Result<RemoteSegment, RequestError> {
        let operation = Operation::Get(id.clone());
        let request = requests::get(&operation, id)?;
        let decode = |body: &[u8]| requests::decode_segment_with_id(id, body);
        self.send_read(permit, operation, request, decode).await
    }

    /// The first attempt uses `permit`, if there is one.
    async fn send_read<A: Send>(
        &self,
        mut permit: Option<Permit>,
        operation: Operation,
        request: Request,
        decode: impl Fn(&[u8]) -> Result<A, MalformedBody> + Send + Sync,
    ) -> Result<A, RequestError> {
        let mut attempt = 1;
        loop {
            let permit = match permit.take() {
                Some(permit) => permit,
                None => self.acquire(&operation).await?,
            };
            let sent = self.send(permit, RESPONSE_TIMEOUT, &operation, request.clone(), &decode);
            let error = match sent.await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !self.backoff(attempt, &error).await {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// Sends a write once and without waiting, because the data that the caller verified, and its lock, become stale.
    async fn send_write<A: Send>(
        &self,
        permit: Permit,
        operation: Operation,
        request: Request,
        decode: impl Fn(&[u8]) -> Result<A, MalformedBody> + Send + Sync,
    ) -> Result<A, RequestError> {
        let Some(held) = permit.held_for(self.clock.now()) else {
            self.release(permit);
            let kind = ApiError::PermitExpired;
            return Err(RequestError { operation, kind });
        };
        // Other runs count an unanswered request as in flight for at most this long after the permit was acquired.
        let deadline = RESPONSE_TIMEOUT.saturating_sub(held);
        self.send(permit, deadline, &operation, request, &decode).await
    }

    async fn send<A: Send>(
        &self,
        permit: Permit,
        deadline: Duration,
        operation: &Operation,
        request: Request,
        decode: &(impl Fn(&[u8]) -> Result<A, MalformedBody> + Send + Sync),
    ) -> Result<A, RequestError> {
        let address = self.transport.address(&request.path);
        let response = self.transport.send(request, deadline).await;
        let reset = self.record_response(permit, response.as_ref().ok());
        let decoded = match response {
            Ok(response) => self.decode_response(operation, &address, reset, &response, decode),
            Err(error) => Err(error::from_transport_error(error)),
        };
        match &decoded {
            Ok(_) => tracing::debug!(%operation, "request answered"),
            Err(kind) => tracing::debug!(%operation, %kind, "request failed"),
        }
        let operation = operation.clone();
        let error = match decoded {
            Ok(answer) => return Ok(answer),
            Err(kind) => RequestError { operation, kind },
        };
        if matches!(error.kind, ApiError::InvalidCredentials { .. }) {
            self.lock_state().credentials_rejection = Some(error.clone());
        }
        Err(error)
    }

    /// Waits before the retry of the failed attempt number `attempt` (from 1). Returns false if the caller must not retry.
    pub async fn backoff(&self, attempt: u32, error: &RequestError) -> bool {
        let reason = WaitReason::Retry(error.clone());
        self.backoff_for(attempt, Retryability::of_error(error), error, reason)
            .await
    }

    /// Waits before the caller verifies the effect of the unanswered write number `attempt` (from 1). A failing server
    /// needs time to recover, and lists lag. Returns false if the caller must not retry a write that had no effect.
    pub async fn wait_before_verify(&self, attempt: u32, error: &RequestError) -> bool {
        let reason = WaitReason::AmbiguousWrite(error.clone());
        self.backoff_for(attempt, Retryability::Retryable, error, reason)
            .await
    }

    async fn backoff_for(
        &self,
        attempt: u32,
        outcome: Retryability,
        error: &RequestError,
        reason: WaitReason,
    ) -> bool {
        let until = match self.decide(attempt, outcome, error) {
            RetryDecision::GiveUp => return false,
            RetryDecision::RetryAtOnce => return true,
            RetryDecision::RetryAt(until) => until,
        };
        let class = error.operation.class();
        self.wait(WaitNotice { class, until, reason }).await.is_ok()
    }

    /// Counts a response, or a missing one, and updates the rate limiter. Returns the end of MoEngage's window by the local
    /// clock, if the response reports it.
    fn record_response(&self, permit: Permit, response: Option<&Response>) -> Option<Timestamp> {
        let (class, sent) = permit.class_and_time();
        let now = self.clock.now();
        let mut state = self.lock_state();
        state.rate_limiter.record_answered(class, sent, now);
        let record = RequestRecord::Answered { class, sent, at: now };
        state.unlogged_records.push(record);
        let response = response?;
        if let Some(date) = response.date {
            let latency = sent.duration_until(now);
            state.server_clock.update(date, self.clock.elapsed(), latency);
        }
        let reset = response.headers.reset.and_then(|reset| {
            let reset = Timestamp::from_second(reset).ok()?;
            let reset = self.to_local_time(state.server_clock, reset);
            state.rate_limiter.plausible_reset(reset, now)
        });
        let shown = state.rate_limiter.observe_answer(&AnsweredRequest {
            class,
            sent,
            answered: now,
            accepted: (200..300).contains(&response.status),
            rate_limited: error::is_rate_limit(response.status, &response.body),
            headers: response.headers,
            reset,
        });
        state.unlogged_records.extend(shown);
        reset
    }

    fn decode_response<A>(
        &self,
        operation: &Operation,
        address: &str,
        reset: Option<Timestamp>,
        response: &Response,
        decode: impl Fn(&[u8]) -> Result<A, MalformedBody>,
    ) -> Result<A, ApiError> {
        let Response { status, body, .. } = response;
        let text = || self.transport.redact(&String::from_utf8_lossy(body));
        if (200..300).contains(status) {
            return decode(body).map_err(|mismatch| error::malformed_response(operation, mismatch, &text()));
        }
        let location = response.location.as_deref();
        let response = error::ErrorResponse {
            status: *status,
            body: &text(),
            reset,
            address,
            location: location.map(|location| self.transport.redact(location)),
        };
        Err(error::from_response(operation, &response))
    }

    fn decide(&self, attempt: u32, outcome: Retryability, error: &RequestError) -> RetryDecision {
        let now = self.clock.now();
        let mut state = self.lock_state();
        let decision = state.retry.decide(attempt, outcome, now);
        // MoEngage would reject other requests of the class as well.
        if let (Retryability::RateLimited { reset }, RetryDecision::RetryAt(until)) = (outcome, decision) {
            let class = error.operation.class();
            state.rate_limiter.block_until(class, reset.unwrap_or(until));
        }
        decision
    }

    async fn wait(&self, notice: WaitNotice) -> Result<(), Cancelled> {
        self.wait_until(&notice, notice.until).await
    }

    /// Waits until `moment`, which may be part of a longer wait.
    async fn wait_until(&self, notice: &WaitNotice, moment: Timestamp) -> Result<(), Cancelled> {
        if self.cancel_token.is_cancelled() {
            return Err(Cancelled);
        }
        if let Some(observer) = &self.on_wait {
            observer(notice);
        }
        tokio::select! {
            // In this order, so that runs are repeatable.
            biased;
            () = self.cancel_token.cancelled() => Err(Cancelled),
            () = self.clock.sleep_until(moment) => Ok(()),
        }
    }

    fn lock_state(&self) -> MutexGuard<'_, ClientState> {
        // Every change is a single step, so the state is consistent even if a thread panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
