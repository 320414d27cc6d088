//! Whether and when to retry a failed request. Pure: it receives the time and returns a time.
//!
//! A write is retried only if MoEngage certainly did not process it. After a 5xx, a timeout or a malformed answer to a
//! write, the error goes to the caller, which reads the segment before it writes again.

use super::error::{ApiError, RequestError};
use crate::rate_limit::later;
use jiff::{SignedDuration, Timestamp};

/// Attempts per request while the server fails: about half a minute.
const MAX_ATTEMPTS: u32 = 6;
/// Attempts per request while MoEngage limits the rate: some minutes, since the shortest documented window is a minute.
const MAX_RATE_LIMITED_ATTEMPTS: u32 = 10;
/// Retries per run, so that a run fails soon if MoEngage fails every request. Waits for a reported reset are not counted,
/// since they only slow the run down.
const RUN_RETRY_BUDGET: u32 = 200;
/// The first backoff while the server fails. It doubles with each attempt.
const INITIAL_BACKOFF: SignedDuration = SignedDuration::from_secs(1);
/// The first backoff after a rate limit response without a reset time.
const INITIAL_RATE_LIMITED_BACKOFF: SignedDuration = SignedDuration::from_secs(10);
/// The maximum backoff, and the length of the shortest documented window.
const MAX_BACKOFF: SignedDuration = SignedDuration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retryability {
    /// MoEngage did not process the request, and accepts no other before `reset`, if it reports one.
    RateLimited { reset: Option<Timestamp> },
    /// A retry is safe and may succeed.
    Retryable,
    /// A retry is safe and has another connection, which a wait does not improve.
    RetryableAtOnce,
    /// A retry is useless or unsafe.
    NotRetryable,
}

impl Retryability {
    #[must_use]
    pub fn of_error(error: &RequestError) -> Self {
        match &error.kind {
            ApiError::RateLimited { reset, .. } => Self::RateLimited { reset: *reset },
            ApiError::Unreachable { .. } | ApiError::PermitExpired => Self::Retryable,
            ApiError::ConnectionClosed { .. } if !error.operation.is_write() => Self::RetryableAtOnce,
            kind if kind.may_have_been_processed() && !error.operation.is_write() => Self::Retryable,
            _ => Self::NotRetryable,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    RetryAtOnce,
    /// Retry at this time or later.
    RetryAt(Timestamp),
    GiveUp,
}

/// Exponential backoff with full jitter, and one retry budget per run.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    retries_left: u32,
    rng_state: u64,
}

impl RetryPolicy {
    /// Equal seeds give equal waits.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            retries_left: RUN_RETRY_BUDGET,
            // The generator cannot leave zero, so the seed is mixed with an arbitrary odd constant.
            rng_state: seed ^ 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// Decides after attempt number `attempt`, from 1.
    pub fn decide(&mut self, attempt: u32, outcome: Retryability, now: Timestamp) -> RetryDecision {
        let (attempts, first) = match outcome {
            Retryability::RateLimited { .. } => (MAX_RATE_LIMITED_ATTEMPTS, INITIAL_RATE_LIMITED_BACKOFF),
            Retryability::Retryable | Retryability::RetryableAtOnce => (MAX_ATTEMPTS, INITIAL_BACKOFF),
            Retryability::NotRetryable => return RetryDecision::GiveUp,
        };
        if attempt >= attempts {
            return RetryDecision::GiveUp;
        }
        if let Retryability::RateLimited { reset: Some(reset) } = outcome {
            // All runs wait for the same reset. The jitter spreads them.
            return RetryDecision::RetryAt(later(reset.max(now), self.jitter(attempt, INITIAL_BACKOFF)));
        }
        let Some(budget) = self.retries_left.checked_sub(1) else {
            return RetryDecision::GiveUp;
        };
        self.retries_left = budget;
        if outcome == Retryability::RetryableAtOnce {
            return RetryDecision::RetryAtOnce;
        }
        RetryDecision::RetryAt(later(now, self.jitter(attempt, first)))
    }

    /// Full jitter: a random time from zero to the backoff of this attempt.
    fn jitter(&mut self, attempt: u32, first: SignedDuration) -> SignedDuration {
        let doubled = 2_i32.saturating_pow(attempt.saturating_sub(1));
        let backoff = first.saturating_mul(doubled).min(MAX_BACKOFF);
        let milliseconds = u64::try_from(backoff.as_millis()).unwrap_or(0);
        let chosen = self.next_random() % (milliseconds + 1);
        SignedDuration::from_millis(i64::try_from(chosen).unwrap_or(0))
    }

    /// xorshift64*: good enough for backoff, and the same on every machine.
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
    use crate::api::{Operation, SetupProblem};
    use crate::model::{SegmentId, SegmentName};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn milliseconds_until_retry(decision: RetryDecision) -> Option<i64> {
        match decision {
            RetryDecision::RetryAtOnce => Some(NOW.as_millisecond()),
            RetryDecision::RetryAt(until) => Some(until.as_millisecond()),
            RetryDecision::GiveUp => None,
        }
    }

    /// Each error, and whether a read and a write are retried after it.
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
        let malformed = ApiError::MalformedResponse {
            expected: message(),
            received: message(),
        };
        let untrusted = ApiError::Misconfigured {
            problem: SetupProblem::Certificate,
            message: message(),
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
            (ApiError::ConnectionClosed { message: message() }, true, false),
            (untrusted, false, false),
            (server, true, false),
            (malformed, true, false),
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
            for (attempt, max) in [(1, 1_000), (2, 2_000), (3, 4_000), (5, 16_000)] {
                let decision = policy.decide(attempt, Retryability::Retryable, NOW);
                let wait = milliseconds_until_retry(decision).unwrap();
                assert!((0..=max).contains(&wait), "{attempt}: {wait}");
            }
            let decision = policy.decide(9, Retryability::RateLimited { reset: None }, NOW);
            let wait = milliseconds_until_retry(decision).unwrap();
            assert!((0..=60_000).contains(&wait), "{wait}");
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
    fn retries_at_once_use_the_attempts_and_the_retry_budget() {
        let mut policy = RetryPolicy::new(7);
        let mut decide = |attempt| policy.decide(attempt, Retryability::RetryableAtOnce, NOW);
        assert_eq!(decide(MAX_ATTEMPTS), RetryDecision::GiveUp);
        for _ in 0..RUN_RETRY_BUDGET {
            assert_eq!(decide(1), RetryDecision::RetryAtOnce);
        }
        assert_eq!(decide(1), RetryDecision::GiveUp);
    }

    #[test]
    fn waiting_for_a_reported_reset_uses_no_retry_budget() {
        let reset = Timestamp::from_second(3_000).unwrap();
        let outcome = Retryability::RateLimited { reset: Some(reset) };
        let mut policy = RetryPolicy::new(7);
        for _ in 0..2 * RUN_RETRY_BUDGET {
            let wait = milliseconds_until_retry(policy.decide(1, outcome, NOW)).unwrap();
            assert!((3_000_000..=3_001_000).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn attempts_and_the_retry_budget_of_a_run_are_limited() {
        let mut policy = RetryPolicy::new(0);
        let mut decide = |attempt, outcome| policy.decide(attempt, outcome, NOW);
        let limited = Retryability::RateLimited { reset: None };
        for (attempt, outcome) in [
            (MAX_ATTEMPTS, Retryability::Retryable),
            (MAX_RATE_LIMITED_ATTEMPTS, limited),
            (1, Retryability::NotRetryable),
        ] {
            assert_eq!(decide(attempt, outcome), RetryDecision::GiveUp);
        }
        for _ in 0..RUN_RETRY_BUDGET {
            assert_ne!(decide(1, Retryability::Retryable), RetryDecision::GiveUp);
        }
        assert_eq!(decide(1, Retryability::Retryable), RetryDecision::GiveUp);
    }
}
