//! The source of time. Tests and the simulator replace it.

use jiff::{SignedDuration, Timestamp};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// The time since a fixed moment, by a clock that cannot be set. `now` is such a clock in most tests.
    fn elapsed(&self) -> SignedDuration {
        self.now().duration_since(Timestamp::UNIX_EPOCH)
    }

    /// Returns immediately if `moment` is past.
    fn sleep_until(&self, moment: Timestamp) -> impl Future<Output = ()> + Send;
}

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A long sleep is split, so that segctl notices a clock that was set and a machine that was suspended.
const MAX_SLEEP: SignedDuration = SignedDuration::from_secs(30);

/// The moment from which `elapsed` counts.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only place that reads the system clock; other code receives timestamps"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> SignedDuration {
        SignedDuration::try_from(START.elapsed()).unwrap_or(SignedDuration::MAX)
    }

    async fn sleep_until(&self, moment: Timestamp) {
        loop {
            let left = self.now().duration_until(moment);
            if left <= SignedDuration::ZERO {
                return;
            }
            let sleep = Duration::try_from(left.min(MAX_SLEEP)).unwrap_or_default();
            tokio::time::sleep(sleep).await;
        }
    }
}
