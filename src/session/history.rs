//! The calls of all runs on a ledger, as the client shares them.

use super::Notes;
use crate::api::{CallLog, Respond};
use crate::ledger::LedgerStore;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

/// The log in a ledger's store.
pub struct SharedCalls<S> {
    store: S,
    on_note: Box<Notes>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the first call that was not read yet.
    next: u64,
    /// Whether it was said already that the log cannot be kept.
    is_told: bool,
}

impl<S: LedgerStore> SharedCalls<S> {
    /// A log of which nothing was read yet.
    pub fn new(store: S, on_note: Box<Notes>) -> Self {
        Self {
            store,
            on_note,
            state: Mutex::default(),
        }
    }
}

impl<S: LedgerStore> CallLog for SharedCalls<S> {
    fn exchange<'a>(&'a self, respond: Respond<'a>) -> BoxFuture<'a, ()> {
        async move {
            // Calls of one run that are under way at once take turns here, so that each sees what the last one left.
            let mut state = self.state.lock().await;
            let exchanged = self.store.exchange_requests(&mut state.next, respond).await;
            match exchanged {
                Ok(()) => {}
                Err(error) if !state.is_told => {
                    state.is_told = true;
                    (self.on_note)(format!("other runs will not know of these calls: {error}"));
                }
                Err(_) => {}
            }
        }
        .boxed()
    }
}
