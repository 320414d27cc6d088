//! The calls of all runs on a ledger, as the client shares them.

use super::NoteSink;
use crate::api::{RecordExchange, RequestLog};
use crate::state::StateStore;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

/// The log in a ledger's store.
pub struct SharedCallLog<S> {
    store: S,
    on_note: Box<NoteSink>,
    cursor: Mutex<LogCursor>,
}

#[derive(Default)]
struct LogCursor {
    /// The number of the first call that was not read yet.
    next_unread: u64,
    /// Whether it was said already that the log cannot be kept.
    has_reported_failure: bool,
}

impl<S: StateStore> SharedCallLog<S> {
    /// A log of which nothing was read yet.
    pub fn new(store: S, on_note: Box<NoteSink>) -> Self {
        Self {
            store,
            on_note,
            cursor: Mutex::default(),
        }
    }
}

impl<S: StateStore> RequestLog for SharedCallLog<S> {
    fn exchange<'a>(&'a self, respond: RecordExchange<'a>) -> BoxFuture<'a, ()> {
        async move {
            // Calls of one run that are under way at once take turns here, so that each sees what the last one left.
            let mut cursor = self.cursor.lock().await;
            let exchanged = self
                .store
                .exchange_requests(&mut cursor.next_unread, respond)
                .await;
            match exchanged {
                Ok(()) => {}
                Err(error) if !cursor.has_reported_failure => {
                    cursor.has_reported_failure = true;
                    (self.on_note)(format!("other runs will not know of these calls: {error}"));
                }
                Err(_) => {}
            }
        }
        .boxed()
    }
}
