//! Where time comes from. Tests and the simulator put a clock of their own in its place.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// What time it is, and waiting for a later one.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns at `moment`, at once when it is past.
    fn sleep_until(&self, moment: Timestamp) -> impl Future<Output = ()> + Send;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// Long waits are slept in parts, so that a clock that was set or a machine that was suspended is noticed.
const MAX_SLEEP: SignedDuration = SignedDuration::from_secs(30);

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the system clock is read; everything else is handed a timestamp"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, moment: Timestamp) {
        loop {
            let left = self.now().duration_until(moment);
            if left <= SignedDuration::ZERO {
                return;
            }
            let nap = Duration::try_from(left.min(MAX_SLEEP)).unwrap_or_default();
            tokio::time::sleep(nap).await;
        }
    }
}
