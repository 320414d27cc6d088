//! The wish to stop, told to whatever waits. A call that is under way is finished, and one that would have to wait for its
//! turn is given up: an hour's window must not keep a pipeline that somebody has cancelled.

use tokio::sync::watch;

/// Raises the wish; dropped unraised, it is never raised.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Listens for the wish. Clones hear the same one.
#[derive(Clone, Debug)]
pub struct StopSignal(Option<watch::Receiver<bool>>);

impl Stopper {
    /// A wish that was not raised yet, and what listens for it.
    #[must_use]
    pub fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), StopSignal(Some(receiver)))
    }

    /// Raises the wish, for good.
    pub fn stop(&self) {
        self.0.send_replace(true);
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
        self.0.as_ref().is_some_and(|receiver| *receiver.borrow())
    }

    /// Returns when the wish is raised.
    pub async fn raised(&self) {
        if let Some(receiver) = &self.0
            && receiver.clone().wait_for(|raised| *raised).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}
