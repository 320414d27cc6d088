//! Cancellation of a run. A request in flight is finished, and a request that waits is given up: a cancelled pipeline
//! must not wait for an hour's window.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Cancels the run. A handle that is dropped unused never cancels it. Clones cancel the same run.
#[derive(Clone, Debug)]
pub struct CancelHandle(Arc<CancelState>);

/// Clones observe the same cancellation and wake in the order in which they began to wait, so that runs are repeatable.
#[derive(Clone, Debug)]
pub struct CancelToken(Option<Arc<CancelState>>);

#[derive(Debug, Default)]
struct CancelState {
    is_cancelled: AtomicBool,
    notify: Notify,
}

impl CancelHandle {
    #[must_use]
    pub fn new() -> (Self, CancelToken) {
        let state = Arc::new(CancelState::default());
        (Self(Arc::clone(&state)), CancelToken(Some(state)))
    }

    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::SeqCst);
        self.0.notify.notify_waiters();
    }
}

impl CancelToken {
    /// A token that is never cancelled.
    #[must_use]
    pub fn never() -> Self {
        Self(None)
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let state = self.0.as_ref();
        state.is_some_and(|state| state.is_cancelled.load(Ordering::SeqCst))
    }

    pub async fn cancelled(&self) {
        let Some(state) = &self.0 else {
            return std::future::pending().await;
        };
        // Created before the check, so that a cancellation between the two wakes this task.
        let notified = state.notify.notified();
        if !self.is_cancelled() {
            notified.await;
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
        let (handle, token) = CancelHandle::new();
        let wait = |number: usize| {
            let token = token.clone();
            async move {
                token.cancelled().await;
                number
            }
        };
        let mut waiting: FuturesUnordered<_> = (0..32).map(wait).collect();
        assert!(waiting.next().now_or_never().is_none());
        assert!(!token.is_cancelled());
        handle.cancel();
        let woken: Vec<usize> = waiting.collect().await;
        assert_eq!(woken, Vec::from_iter(0..32));
        assert!(token.is_cancelled());
        token.cancelled().await;
    }
}
