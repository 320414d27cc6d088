//! Permits to send a request now. A request is counted before it is sent, so no window is ever exceeded.

use super::{Cancelled, Client, ClientState, WaitNotice, WaitReason};
use crate::api::clock::Clock;
use crate::api::error::{ApiError, RequestError};
use crate::api::operation::Operation;
use crate::api::responses::RemoteSegment;
use crate::api::transport::Transport;
use crate::model::{EndpointClass, RequestRecord, SegmentId};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Long enough to read a segment and to journal the write, and much shorter than the lease of the state lock. A process
/// that was suspended for longer has to acquire a new permit and to verify again.
const PERMIT_LIFETIME: SignedDuration = SignedDuration::from_secs(10);

/// A request that is already counted and may be sent now.
#[derive(Debug)]
#[must_use = "the request is already counted: send it, or release the permit"]
pub struct Permit {
    class: EndpointClass,
    acquired_at: Timestamp,
}

struct Admission {
    /// When the requests were counted, or what they have to wait for.
    result: Result<Timestamp, WaitNotice>,
    /// Records for the log. If the requests may be sent, they are the last records.
    records: Vec<RequestRecord>,
}

impl Permit {
    /// How long it has been held at `now`; `None` if it expired. The difference is absolute, as the clock may be set back.
    pub(super) fn held_for(&self, now: Timestamp) -> Option<Duration> {
        let held = self.acquired_at.duration_until(now).abs();
        (held <= PERMIT_LIFETIME).then_some(held.unsigned_abs())
    }

    pub(super) fn class_and_time(&self) -> (EndpointClass, Timestamp) {
        (self.class, self.acquired_at)
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Waits until a request may be sent, and counts it.
    pub async fn acquire(&self, operation: &Operation) -> Result<Permit, RequestError> {
        let class = operation.class();
        let acquired_at = self.acquire_all(operation, &[class]).await?;
        Ok(Permit { class, acquired_at })
    }

    /// Counts a request that may be sent now; `None` if it would have to wait.
    pub async fn try_acquire(&self, operation: &Operation) -> Option<Permit> {
        let class = operation.class();
        let acquired_at = self.admit_with_log(&[class]).await.ok()?;
        Some(Permit { class, acquired_at })
    }

    /// Waits until a segment may be read and then written, counts both requests, and reads the segment. The write never
    /// waits after the read that it depends on.
    pub async fn acquire_and_fetch(
        &self,
        write: &Operation,
        id: &SegmentId,
    ) -> Result<(Permit, RemoteSegment), RequestError> {
        let classes = [EndpointClass::Get, write.class()];
        let acquired_at = self.acquire_all(write, &classes).await?;
        let [read_permit, write_permit] = classes.map(|class| Permit { class, acquired_at });
        match self.get_with_permit(Some(read_permit), id).await {
            Ok(remote) => Ok((write_permit, remote)),
            Err(error) => {
                self.release(write_permit);
                Err(error)
            }
        }
    }

    /// Waits until an unanswered request of an interrupted run, equal to this one, can no longer arrive. `until` is by
    /// MoEngage's clock: this machine's clock may have been set since.
    pub async fn wait_out_in_flight(
        &self,
        operation: Operation,
        until: Timestamp,
    ) -> Result<(), RequestError> {
        let notice = WaitNotice {
            class: operation.class(),
            until: self.to_local_time(self.lock_state().server_clock, until),
            reason: WaitReason::InFlightRequests(operation.clone()),
        };
        let kind = ApiError::Cancelled;
        self.wait(notice)
            .await
            .map_err(|Cancelled| RequestError { operation, kind })
    }

    /// Releases a permit without sending a request. Other runs may have read its log record, so it counts as answered.
    pub fn release(&self, permit: Permit) {
        let (class, at) = permit.class_and_time();
        let mut state = self.lock_state();
        state.discard_sent(class, at);
        let record = RequestRecord::Answered { class, sent: at, at };
        state.unlogged_records.push(record);
    }

    /// Waits until a request of each class may be sent, and counts them. Returns the time at which they were counted.
    async fn acquire_all(
        &self,
        operation: &Operation,
        classes: &[EndpointClass],
    ) -> Result<Timestamp, RequestError> {
        loop {
            let notice = match self.admit_with_log(classes).await {
                Ok(counted_at) => return Ok(counted_at),
                Err(notice) => notice,
            };
            // Another task that waits for the same moment may be admitted first, so the loop checks again.
            self.wait(notice).await.map_err(|Cancelled| RequestError {
                operation: operation.clone(),
                kind: ApiError::Cancelled,
            })?;
        }
    }

    /// Admits requests after it has read the log, and writes them to the log.
    async fn admit_with_log(&self, classes: &[EndpointClass]) -> Result<Timestamp, WaitNotice> {
        let mut admission: Option<Admission> = None;
        if let Some(log) = &self.request_log {
            let respond = |others| {
                if let Some(void) = admission.take() {
                    self.undo_admission(classes, void);
                }
                let new = self.admit(classes, others);
                let records = new.records.clone();
                admission = Some(new);
                records
            };
            log.exchange(Box::new(respond)).await;
        }
        let admission = admission.unwrap_or_else(|| self.admit(classes, Vec::new()));
        admission.result
    }

    /// Undoes an admission whose records were not written to the log.
    fn undo_admission(&self, classes: &[EndpointClass], void: Admission) {
        let Admission { result, mut records } = void;
        let mut state = self.lock_state();
        if let Ok(counted_at) = result {
            for class in classes {
                state.discard_sent(*class, counted_at);
                records.pop();
            }
        }
        records.append(&mut state.unlogged_records);
        state.unlogged_records = records;
    }

    /// Merges the records of other runs, and then admits all of the requests or none of them.
    fn admit(&self, classes: &[EndpointClass], others: Vec<RequestRecord>) -> Admission {
        let now = self.clock.now();
        let mut state = self.lock_state();
        state.rate_limiter.merge_log(others, now);
        let mut records = std::mem::take(&mut state.unlogged_records);
        let throttle = |class: &EndpointClass| Some((state.rate_limiter.throttle(*class, now)?, *class));
        let throttled = classes.iter().filter_map(throttle);
        let Some((throttle, class)) = throttled.max_by_key(|(throttle, _)| throttle.until) else {
            for class in classes {
                state.rate_limiter.record_sent(*class, now);
                *state.request_counts.entry(*class).or_default() += 1;
                records.push(RequestRecord::Sent {
                    class: *class,
                    at: now,
                });
            }
            let result = Ok(now);
            return Admission { result, records };
        };
        let classes = state.rate_limiter.classes_sharing_windows(class);
        let configured = |window| WaitReason::ConfiguredLimit { window, classes };
        let reason = throttle.window.map_or(WaitReason::ServerLimit, configured);
        let until = throttle.until;
        let result = Err(WaitNotice { class, until, reason });
        Admission { result, records }
    }
}

impl ClientState {
    fn discard_sent(&mut self, class: EndpointClass, at: Timestamp) {
        self.rate_limiter.discard_sent(class, at);
        if let Some(count) = self.request_counts.get_mut(&class) {
            *count -= 1;
        }
    }
}
