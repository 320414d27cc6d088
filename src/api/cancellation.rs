//! The wish to stop, told to whatever waits. A call that is under way is finished, and one that would have to wait for its
//! turn is given up: an hour's window must not keep a pipeline that somebody has cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Raises the wish; dropped unraised, it is never raised. Clones raise the same one.
#[derive(Clone, Debug)]
pub struct CancelHandle(Arc<CancelState>);

/// Listens for the wish. Clones hear the same one, in the order in which they began to wait, so that a run can be
/// repeated exactly.
#[derive(Clone, Debug)]
pub struct CancelToken(Option<Arc<CancelState>>);

#[derive(Debug, Default)]
struct CancelState {
    is_cancelled: AtomicBool,
    notify: Notify,
}

impl CancelHandle {
    /// A wish that was not raised yet, and what listens for it.
    #[must_use]
    pub fn new() -> (Self, CancelToken) {
        let wish = Arc::new(CancelState::default());
        (Self(Arc::clone(&wish)), CancelToken(Some(wish)))
    }

    /// Raises the wish, for good.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        self.0.notify.notify_waiters();
    }
}

impl CancelToken {
    /// A signal that is never raised.
    #[must_use]
    pub fn never() -> Self {
        Self(None)
    }

    /// Whether the wish was raised.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let wish = self.0.as_ref();
        wish.is_some_and(|wish| wish.is_cancelled.load(Ordering::SeqCst))
    }

    /// Returns when the wish is raised.
    pub async fn cancelled(&self) {
        let Some(wish) = &self.0 else {
            return std::future::pending().await;
        };
        // Made before the wish is looked at: what is raised in between is heard all the same.
        let raised = wish.notify.notified();
        if !self.is_cancelled() {
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
    async fn waiters_are_woken_in_the_order_in_which_they_started_waiting() {
        let (stopper, signal) = CancelHandle::new();
        let wait = |number: usize| {
            let signal = signal.clone();
            async move {
                signal.cancelled().await;
                number
            }
        };
        let mut waiting: FuturesUnordered<_> = (0..32).map(wait).collect();
        assert!(waiting.next().now_or_never().is_none());
        assert!(!signal.is_cancelled());
        stopper.cancel();
        let heard: Vec<usize> = waiting.collect().await;
        assert_eq!(heard, Vec::from_iter(0..32));
        assert!(signal.is_cancelled());
        signal.cancelled().await;
    }
}
