//! Turns: whose call may be made now. A call is counted before it is sent, so that no window is ever broken.

use super::{Client, Stopped, WaitReason, Waiting};
use crate::api::clock::Clock;
use crate::api::error::{ApiError, CallError};
use crate::api::operation::Operation;
use crate::api::transport::Transport;
use crate::api::wire::Stored;
use crate::model::{CallRecord, EndpointClass, SegmentId};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// For how long a turn is good: time enough to read a segment and to take down what is about to be done to it, and
/// short beside the lease of the ledger's lock. A process that stood still for longer asks again, and finds out.
const TURN: SignedDuration = SignedDuration::from_secs(10);

/// A call that is counted and may be made now, for a moment.
#[derive(Debug)]
#[must_use = "it is counted: make the call, or give it back"]
pub struct Turn {
    class: EndpointClass,
    at: Timestamp,
}

/// Whether calls may be made now.
struct Admission {
    /// When they were counted, or what they have to wait for.
    answer: Result<Timestamp, Waiting>,
    /// What has to be taken down; last of it the calls themselves, where they may be made.
    records: Vec<CallRecord>,
}

impl Turn {
    /// For how long it has been held at `now`; `None` where it is over. A clock that was set back says nothing.
    pub(super) fn held_for(&self, now: Timestamp) -> Option<Duration> {
        let held = self.at.duration_until(now).abs();
        (held <= TURN).then_some(held.unsigned_abs())
    }

    /// What was counted.
    pub(super) fn taken(&self) -> (EndpointClass, Timestamp) {
        (self.class, self.at)
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Waits until a call may be made, and counts it.
    ///
    /// # Errors
    ///
    /// Somebody wanted the run to end while it waited.
    pub async fn turn(&self, operation: &Operation) -> Result<Turn, CallError> {
        let class = operation.class();
        let at = self.turns(operation, &[class]).await?;
        Ok(Turn { class, at })
    }

    /// Counts a call that may be made now; `None` where it would have to wait.
    pub async fn turn_at_once(&self, operation: &Operation) -> Option<Turn> {
        let class = operation.class();
        let at = self.admit_among_all(&[class]).await.ok()?;
        Some(Turn { class, at })
    }

    /// Waits until a segment may be read and then written, counts both, and reads it: what is there comes with the turn
    /// of the write, and the write never waits behind what it rests on.
    ///
    /// # Errors
    ///
    /// It cannot be read, or somebody wanted the run to end while it waited.
    pub async fn look(&self, write: &Operation, id: &SegmentId) -> Result<(Turn, Stored), CallError> {
        let class = write.class();
        let at = self.turns(write, &[EndpointClass::Get, class]).await?;
        let (read, turn) = (
            Turn {
                class: EndpointClass::Get,
                at,
            },
            Turn { class, at },
        );
        match self.get_in(Some(read), id).await {
            Ok(stored) => Ok((turn, stored)),
            Err(error) => {
                self.give_back(turn);
                Err(error)
            }
        }
    }

    /// Waits until a moment up to which a call like this one, which an earlier run made and never heard of, may arrive.
    ///
    /// # Errors
    ///
    /// Somebody wanted the run to end while it waited.
    pub async fn wait_for_strays(&self, operation: Operation, until: Timestamp) -> Result<(), CallError> {
        let waiting = Waiting {
            class: operation.class(),
            until,
            reason: WaitReason::Strays(operation.clone()),
        };
        let kind = ApiError::Stopped;
        self.wait(waiting)
            .await
            .map_err(|Stopped| CallError { operation, kind })
    }

    /// Gives a turn back in which no call was made. Other runs may have heard of it, and count it where it was.
    pub fn give_back(&self, turn: Turn) {
        let Turn { class, at } = turn;
        let mut shared = self.shared();
        shared.pacing.not_sent(class, at);
        if let Some(count) = shared.calls.get_mut(&class) {
            *count -= 1;
        }
        let (sent, at) = (at, at);
        shared.unlogged.push(CallRecord::Answered { class, sent, at });
    }

    /// Waits until a call of each class may be made, and counts them; the moment they were counted at.
    async fn turns(&self, operation: &Operation, classes: &[EndpointClass]) -> Result<Timestamp, CallError> {
        self.admission(classes).await.map_err(|Stopped| CallError {
            operation: operation.clone(),
            kind: ApiError::Stopped,
        })
    }

    async fn admission(&self, classes: &[EndpointClass]) -> Result<Timestamp, Stopped> {
        loop {
            let waiting = match self.admit_among_all(classes).await {
                Ok(sent) => return Ok(sent),
                Err(waiting) => waiting,
            };
            // Others that wait for the same moment may take the place first: it is asked for again.
            self.wait(waiting).await?;
        }
    }

    /// Admits calls by what is in the log, and takes them down there.
    async fn admit_among_all(&self, classes: &[EndpointClass]) -> Result<Timestamp, Waiting> {
        let mut admitted: Option<Admission> = None;
        if let Some(log) = &self.log {
            let respond = |others| {
                if let Some(void) = admitted.take() {
                    self.take_back(classes, void);
                }
                let admission = self.admit(classes, others);
                let records = admission.records.clone();
                admitted = Some(admission);
                records
            };
            log.exchange(Box::new(respond)).await;
        }
        let admitted = admitted.unwrap_or_else(|| self.admit(classes, Vec::new()));
        admitted.answer
    }

    /// Undoes an admission that did not come about.
    fn take_back(&self, classes: &[EndpointClass], void: Admission) {
        let Admission { answer, mut records } = void;
        let mut shared = self.shared();
        if let Ok(sent) = answer {
            for class in classes {
                shared.pacing.not_sent(*class, sent);
                if let Some(count) = shared.calls.get_mut(class) {
                    *count -= 1;
                }
                records.pop();
            }
        }
        records.append(&mut shared.unlogged);
        shared.unlogged = records;
    }

    /// Admits calls by what others took down, all of them or none, and says what to take down of it.
    fn admit(&self, classes: &[EndpointClass], others: Vec<CallRecord>) -> Admission {
        let now = self.clock.now();
        let mut shared = self.shared();
        shared.pacing.take_in(others, now);
        let mut records = std::mem::take(&mut shared.unlogged);
        let hold = |class: &EndpointClass| Some((shared.pacing.hold(*class, now)?, *class));
        let held = classes.iter().filter_map(hold).max_by_key(|(hold, _)| hold.until);
        let Some((hold, class)) = held else {
            for class in classes {
                shared.pacing.sent(*class, now);
                *shared.calls.entry(*class).or_default() += 1;
                records.push(CallRecord::Sent {
                    class: *class,
                    at: now,
                });
            }
            let answer = Ok(now);
            return Admission { answer, records };
        };
        let classes = shared.pacing.counted_with(class);
        let own_limit = |window| WaitReason::OwnLimit { window, classes };
        let reason = hold.window.map_or(WaitReason::ServiceLimit, own_limit);
        let until = hold.until;
        let answer = Err(Waiting { class, until, reason });
        Admission { answer, records }
    }
}
