//! Turns: whose call may be made now. A call is counted before it is sent, so that no window is ever broken.

use super::{Cancelled, Client, WaitNotice, WaitReason};
use crate::api::clock::Clock;
use crate::api::error::{ApiError, RequestError};
use crate::api::operation::Operation;
use crate::api::responses::RemoteSegment;
use crate::api::transport::Transport;
use crate::model::{EndpointClass, RequestRecord, SegmentId};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// For how long a turn is good: time enough to read a segment and to take down what is about to be done to it, and
/// short beside the lease of the ledger's lock. A process that stood still for longer asks again, and finds out.
const PERMIT_LIFETIME: SignedDuration = SignedDuration::from_secs(10);

/// A call that is counted and may be made now, for a moment.
#[derive(Debug)]
#[must_use = "it is counted: make the call, or give it back"]
pub struct Permit {
    class: EndpointClass,
    acquired_at: Timestamp,
}

/// Whether calls may be made now.
struct Admission {
    /// When they were counted, or what they have to wait for.
    result: Result<Timestamp, WaitNotice>,
    /// What has to be taken down; last of it the calls themselves, where they may be made.
    records: Vec<RequestRecord>,
}

impl Permit {
    /// For how long it has been held at `now`; `None` where it is over. A clock that was set back says nothing.
    pub(super) fn held_for(&self, now: Timestamp) -> Option<Duration> {
        let held = self.acquired_at.duration_until(now).abs();
        (held <= PERMIT_LIFETIME).then_some(held.unsigned_abs())
    }

    /// What was counted.
    pub(super) fn class_and_time(&self) -> (EndpointClass, Timestamp) {
        (self.class, self.acquired_at)
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Waits until a call may be made, and counts it.
    ///
    /// # Errors
    ///
    /// Somebody wanted the run to end while it waited.
    pub async fn acquire(&self, operation: &Operation) -> Result<Permit, RequestError> {
        let class = operation.class();
        let at = self.acquire_all(operation, &[class]).await?;
        Ok(Permit {
            class,
            acquired_at: at,
        })
    }

    /// Counts a call that may be made now; `None` where it would have to wait.
    pub async fn try_acquire(&self, operation: &Operation) -> Option<Permit> {
        let class = operation.class();
        let at = self.admit_with_log(&[class]).await.ok()?;
        Some(Permit {
            class,
            acquired_at: at,
        })
    }

    /// Waits until a segment may be read and then written, counts both, and reads it: what is there comes with the turn
    /// of the write, and the write never waits behind what it rests on.
    ///
    /// # Errors
    ///
    /// It cannot be read, or somebody wanted the run to end while it waited.
    pub async fn acquire_and_fetch(
        &self,
        write: &Operation,
        id: &SegmentId,
    ) -> Result<(Permit, RemoteSegment), RequestError> {
        let class = write.class();
        let at = self.acquire_all(write, &[EndpointClass::Get, class]).await?;
        let (read, turn) = (
            Permit {
                class: EndpointClass::Get,
                acquired_at: at,
            },
            Permit {
                class,
                acquired_at: at,
            },
        );
        match self.get_with_permit(Some(read), id).await {
            Ok(stored) => Ok((turn, stored)),
            Err(error) => {
                self.release(turn);
                Err(error)
            }
        }
    }

    /// Waits until a moment up to which a call like this one, which an earlier run made and never heard of, may arrive.
    ///
    /// # Errors
    ///
    /// Somebody wanted the run to end while it waited.
    pub async fn wait_out_in_flight(
        &self,
        operation: Operation,
        until: Timestamp,
    ) -> Result<(), RequestError> {
        let waiting = WaitNotice {
            class: operation.class(),
            until,
            reason: WaitReason::InFlightRequests(operation.clone()),
        };
        let kind = ApiError::Cancelled;
        self.wait(waiting)
            .await
            .map_err(|Cancelled| RequestError { operation, kind })
    }

    /// Gives a turn back in which no call was made. Other runs may have heard of it, and count it where it was.
    pub fn release(&self, turn: Permit) {
        let Permit {
            class,
            acquired_at: at,
        } = turn;
        let mut shared = self.lock_state();
        shared.rate_limiter.discard_sent(class, at);
        if let Some(count) = shared.request_counts.get_mut(&class) {
            *count -= 1;
        }
        let (sent, at) = (at, at);
        shared
            .unlogged_records
            .push(RequestRecord::Answered { class, sent, at });
    }

    /// Waits until a call of each class may be made, and counts them; the moment they were counted at.
    async fn acquire_all(
        &self,
        operation: &Operation,
        classes: &[EndpointClass],
    ) -> Result<Timestamp, RequestError> {
        self.wait_for_admission(classes)
            .await
            .map_err(|Cancelled| RequestError {
                operation: operation.clone(),
                kind: ApiError::Cancelled,
            })
    }

    async fn wait_for_admission(&self, classes: &[EndpointClass]) -> Result<Timestamp, Cancelled> {
        loop {
            let waiting = match self.admit_with_log(classes).await {
                Ok(sent) => return Ok(sent),
                Err(waiting) => waiting,
            };
            // Others that wait for the same moment may take the place first: it is asked for again.
            self.wait(waiting).await?;
        }
    }

    /// Admits calls by what is in the log, and takes them down there.
    async fn admit_with_log(&self, classes: &[EndpointClass]) -> Result<Timestamp, WaitNotice> {
        let mut admitted: Option<Admission> = None;
        if let Some(log) = &self.request_log {
            let respond = |others| {
                if let Some(void) = admitted.take() {
                    self.undo_admission(classes, void);
                }
                let admission = self.admit(classes, others);
                let records = admission.records.clone();
                admitted = Some(admission);
                records
            };
            log.exchange(Box::new(respond)).await;
        }
        let admitted = admitted.unwrap_or_else(|| self.admit(classes, Vec::new()));
        admitted.result
    }

    /// Undoes an admission that did not come about.
    fn undo_admission(&self, classes: &[EndpointClass], void: Admission) {
        let Admission {
            result: answer,
            mut records,
        } = void;
        let mut shared = self.lock_state();
        if let Ok(sent) = answer {
            for class in classes {
                shared.rate_limiter.discard_sent(*class, sent);
                if let Some(count) = shared.request_counts.get_mut(class) {
                    *count -= 1;
                }
                records.pop();
            }
        }
        records.append(&mut shared.unlogged_records);
        shared.unlogged_records = records;
    }

    /// Admits calls by what others took down, all of them or none, and says what to take down of it.
    fn admit(&self, classes: &[EndpointClass], others: Vec<RequestRecord>) -> Admission {
        let now = self.clock.now();
        let mut shared = self.lock_state();
        shared.rate_limiter.merge_log(others, now);
        let mut records = std::mem::take(&mut shared.unlogged_records);
        let hold = |class: &EndpointClass| Some((shared.rate_limiter.throttle(*class, now)?, *class));
        let held = classes.iter().filter_map(hold).max_by_key(|(hold, _)| hold.until);
        let Some((hold, class)) = held else {
            for class in classes {
                shared.rate_limiter.record_sent(*class, now);
                *shared.request_counts.entry(*class).or_default() += 1;
                records.push(RequestRecord::Sent {
                    class: *class,
                    at: now,
                });
            }
            let answer = Ok(now);
            return Admission {
                result: answer,
                records,
            };
        };
        let classes = shared.rate_limiter.classes_sharing_windows(class);
        let own_limit = |window| WaitReason::ConfiguredLimit { window, classes };
        let reason = hold.window.map_or(WaitReason::ServerLimit, own_limit);
        let until = hold.until;
        let answer = Err(WaitNotice { class, until, reason });
        Admission {
            result: answer,
            records,
        }
    }
}
