//! The wish to stop, told to whatever waits. A call that is under way is finished, and one that would have to wait for its
//! turn is given up: an hour's window must not keep a pipeline that somebody has cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Raises the wish; dropped unraised, it is never raised. Clones raise the same one.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Wish>);

/// Listens for the wish. Clones hear the same one, in the order in which they began to wait, so that a run can be
/// repeated exactly.
#[derive(Clone, Debug)]
pub struct StopSignal(Option<Arc<Wish>>);

#[derive(Debug, Default)]
struct Wish {
    is_raised: AtomicBool,
    raised: Notify,
}

impl Stopper {
    /// A wish that was not raised yet, and what listens for it.
    #[must_use]
    pub fn new() -> (Self, StopSignal) {
        let wish = Arc::new(Wish::default());
        (Self(Arc::clone(&wish)), StopSignal(Some(wish)))
    }

    /// Raises the wish, for good.
    pub fn stop(&self) {
        self.0.is_raised.store(true, Ordering::SeqCst);
        self.0.raised.notify_waiters();
    }
}

impl StopSignal {
    /// A signal that is never raised.
    #[must_use]
    pub fn never() -> Self {
        Self(None)
    }

    /// Whether the wish was raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        let wish = self.0.as_ref();
        wish.is_some_and(|wish| wish.is_raised.load(Ordering::SeqCst))
    }

    /// Returns when the wish is raised.
    pub async fn raised(&self) {
        let Some(wish) = &self.0 else {
            return std::future::pending().await;
        };
        // Made before the wish is looked at: what is raised in between is heard all the same.
        let raised = wish.raised.notified();
        if !self.is_raised() {
            raised.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream::FuturesUnordered;
    use futures_util::{FutureExt, StreamExt};

    #[tokio::test]
    async fn those_who_wait_hear_it_in_the_order_in_which_they_began() {
        let (stopper, signal) = Stopper::new();
        let wait = |number: usize| {
            let signal = signal.clone();
            async move {
                signal.raised().await;
                number
            }
        };
        let mut waiting: FuturesUnordered<_> = (0..32).map(wait).collect();
        assert!(waiting.next().now_or_never().is_none());
        assert!(!signal.is_raised());
        stopper.stop();
        let heard: Vec<usize> = waiting.collect().await;
        assert_eq!(heard, Vec::from_iter(0..32));
        assert!(signal.is_raised());
        signal.raised().await;
    }
}
