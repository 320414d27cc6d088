//! Whether a failed call is made again, and when. Pure: it is told the time and answers with a time.
//!
//! The rule that everything else rests on: a write is repeated only when it certainly was not processed. A
//! 5xx, a timeout or an unreadable answer to a write goes back to the caller, which reads before it writes.

use super::error::{ApiError, RequestError};
use crate::rate_limit::later;
use jiff::{SignedDuration, Timestamp};

/// Attempts of one call at a service that fails: about half a minute.
const MAX_ATTEMPTS: u32 = 6;
/// Attempts of one call at a service that limits: some minutes, since the shortest documented window is one.
const MAX_RATE_LIMITED_ATTEMPTS: u32 = 10;
/// Repetitions in a whole run. A service that fails every call should fail the run while somebody watches;
/// one that limits with a stated reset makes it slow instead, so those waits are free.
const RUN_RETRY_BUDGET: u32 = 200;
/// The first backoff at a service that fails, doubled with each attempt.
const INITIAL_BACKOFF: SignedDuration = SignedDuration::from_secs(1);
/// The first backoff at a service that limits and does not say until when.
const INITIAL_RATE_LIMITED_BACKOFF: SignedDuration = SignedDuration::from_secs(10);
/// No backoff is longer, and the shortest documented window is no longer either.
const MAX_BACKOFF: SignedDuration = SignedDuration::from_secs(60);

/// What came of an attempt, as far as repeating it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retryability {
    /// Not processed: the service lets nothing through before `reset`, when it says so.
    RateLimited {
        /// End of the service's window.
        reset: Option<Timestamp>,
    },
    /// Repeating it is safe and may help.
    Retryable,
    /// Repeating it is useless or dangerous.
    NotRetryable,
}

impl Retryability {
    /// What `error` means for repeating its call.
    #[must_use]
    pub fn of_error(error: &RequestError) -> Self {
        match &error.kind {
            ApiError::RateLimited { reset, .. } => Self::RateLimited { reset: *reset },
            ApiError::Unreachable { .. } | ApiError::PermitExpired => Self::Retryable,
            kind if kind.may_have_been_processed() && !error.operation.is_write() => Self::Retryable,
            _ => Self::NotRetryable,
        }
    }
}

/// What to do after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Make the call again, not before this moment.
    RetryAt(Timestamp),
    /// Hand the error to the caller.
    GiveUp,
}

/// Exponential backoff with full jitter, and one budget for the whole run.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    retries_left: u32,
    rng_state: u64,
}

impl RetryPolicy {
    /// Starts with the whole budget; equal seeds give equal waits.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            retries_left: RUN_RETRY_BUDGET,
            // The generator cannot leave zero; the constant is an arbitrary odd pattern of bits.
            rng_state: seed ^ 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// What to do after the attempt numbered `attempt`, from 1, came to `outcome` at `now`.
    pub fn decide(&mut self, attempt: u32, outcome: Retryability, now: Timestamp) -> RetryDecision {
        let (attempts, first) = match outcome {
            Retryability::RateLimited { .. } => (MAX_RATE_LIMITED_ATTEMPTS, INITIAL_RATE_LIMITED_BACKOFF),
            Retryability::Retryable => (MAX_ATTEMPTS, INITIAL_BACKOFF),
            Retryability::NotRetryable => return RetryDecision::GiveUp,
        };
        if attempt >= attempts {
            return RetryDecision::GiveUp;
        }
        if let Retryability::RateLimited { reset: Some(reset) } = outcome {
            // Every run that met this limit waits for the same moment: the jitter keeps them from meeting again.
            return RetryDecision::RetryAt(later(reset.max(now), self.jitter(attempt, INITIAL_BACKOFF)));
        }
        let Some(budget) = self.retries_left.checked_sub(1) else {
            return RetryDecision::GiveUp;
        };
        self.retries_left = budget;
        RetryDecision::RetryAt(later(now, self.jitter(attempt, first)))
    }

    /// Any time from zero to the backoff of this attempt.
    fn jitter(&mut self, attempt: u32, first: SignedDuration) -> SignedDuration {
        let doubled = 2_i32.saturating_pow(attempt.saturating_sub(1));
        let backoff = first.saturating_mul(doubled).min(MAX_BACKOFF);
        let milliseconds = u64::try_from(backoff.as_millis()).unwrap_or(0);
        let chosen = self.next_random() % (milliseconds + 1);
        SignedDuration::from_millis(i64::try_from(chosen).unwrap_or(0))
    }

    /// Xorshift with a multiplied output: far better than backoff needs, and the same on every machine.
    fn next_random(&mut self) -> u64 {
        if self.rng_state == 0 {
            self.rng_state = 1;
        }
        self.rng_state ^= self.rng_state >> 12;
        self.rng_state ^= self.rng_state << 25;
        self.rng_state ^= self.rng_state >> 27;
        self.rng_state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Operation;
    use crate::model::{SegmentId, SegmentName};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn milliseconds_until_retry(decision: RetryDecision) -> Option<i64> {
        match decision {
            RetryDecision::RetryAt(until) => Some(until.as_millisecond()),
            RetryDecision::GiveUp => None,
        }
    }

    /// Each kind of failure, and whether a read and a write are repeated after it.
    fn error_kinds() -> Vec<(ApiError, bool, bool)> {
        let message = || "m".to_owned();
        let limited = ApiError::RateLimited {
            message: message(),
            reset: None,
        };
        let server = ApiError::Server {
            status: 500,
            message: message(),
        };
        let garbage = ApiError::MalformedResponse {
            expected: message(),
            received: message(),
        };
        let full = ApiError::ActiveLimit {
            actual_count: None,
            limit: None,
        };
        vec![
            (ApiError::Unreachable { message: message() }, true, true),
            (ApiError::PermitExpired, true, true),
            (limited, true, true),
            (ApiError::NoResponse { message: message() }, true, false),
            (server, true, false),
            (garbage, true, false),
            (full, false, false),
            (ApiError::NameTaken { message: message() }, false, false),
            (ApiError::NotFound { message: message() }, false, false),
        ]
    }

    #[test]
    fn writes_are_retried_only_if_certainly_not_processed() {
        let name = || SegmentName::new("A");
        let operations = [
            Operation::List,
            Operation::ListNamed(name()),
            Operation::Get(SegmentId::new("a")),
            Operation::Create(name()),
            Operation::Update(SegmentId::new("a")),
            Operation::Archive(name()),
            Operation::Unarchive(name()),
        ];
        for operation in operations {
            for (kind, read, write) in error_kinds() {
                let expected = if operation.is_write() { write } else { read };
                let operation = operation.clone();
                let error = RequestError { operation, kind };
                assert_eq!(
                    Retryability::of_error(&error) != Retryability::NotRetryable,
                    expected,
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn backoff_doubles_under_full_jitter_up_to_the_cap() {
        for seed in 0..200 {
            let mut policy = RetryPolicy::new(seed);
            for (attempt, most) in [(1, 1_000), (2, 2_000), (3, 4_000), (5, 16_000)] {
                let waited =
                    milliseconds_until_retry(policy.decide(attempt, Retryability::Retryable, NOW)).unwrap();
                assert!((0..=most).contains(&waited), "{attempt}: {waited}");
            }
            let waited =
                milliseconds_until_retry(policy.decide(9, Retryability::RateLimited { reset: None }, NOW))
                    .unwrap();
            assert!((0..=60_000).contains(&waited), "{waited}");
        }
        let waits = (0..50).filter_map(|seed| {
            milliseconds_until_retry(RetryPolicy::new(seed).decide(4, Retryability::Retryable, NOW))
        });
        let waits: std::collections::BTreeSet<i64> = waits.collect();
        assert!(waits.len() > 40, "seeds spread the waits: {waits:?}");
        assert!(
            waits.first() < Some(&2_000) && waits.last() > Some(&6_000),
            "{waits:?}"
        );
    }

    #[test]
    fn waiting_for_a_reported_reset_uses_no_retry_budget() {
        let reset = Timestamp::from_second(3_000).unwrap();
        let outcome = Retryability::RateLimited { reset: Some(reset) };
        let mut policy = RetryPolicy::new(7);
        for _ in 0..2 * RUN_RETRY_BUDGET {
            let waited = milliseconds_until_retry(policy.decide(1, outcome, NOW)).unwrap();
            assert!((3_000_000..=3_001_000).contains(&waited), "{waited}");
        }
    }

    #[test]
    fn attempts_and_the_retry_budget_of_a_run_are_limited() {
        let mut policy = RetryPolicy::new(0);
        assert_eq!(
            policy.decide(MAX_ATTEMPTS, Retryability::Retryable, NOW),
            RetryDecision::GiveUp
        );
        let limited = Retryability::RateLimited { reset: None };
        assert_eq!(
            policy.decide(MAX_RATE_LIMITED_ATTEMPTS, limited, NOW),
            RetryDecision::GiveUp
        );
        assert_eq!(
            policy.decide(1, Retryability::NotRetryable, NOW),
            RetryDecision::GiveUp
        );
        for _ in 0..RUN_RETRY_BUDGET {
            assert_ne!(
                policy.decide(1, Retryability::Retryable, NOW),
                RetryDecision::GiveUp
            );
        }
        assert_eq!(
            policy.decide(1, Retryability::Retryable, NOW),
            RetryDecision::GiveUp
        );
    }
}
