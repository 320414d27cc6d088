//! Shares the request log of a state between the clients of all runs.

use super::NoteSink;
use crate::api::{RecordExchange, RequestLog};
use crate::model::RequestRecord;
use crate::state::StateStore;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

const SHARED_LIMITS_NOTE: &str = "an answer shows that MoEngage counts list and create requests together, against its \
                                  documentation; this run and the next ones wait accordingly (recorded in the state)";

pub struct SharedRequestLog {
    store: StateStore,
    on_note: Box<NoteSink>,
    cursor: Mutex<LogCursor>,
}

#[derive(Default)]
struct LogCursor {
    next_unread: u64,
    has_reported_failure: bool,
}

impl SharedRequestLog {
    pub fn new(store: StateStore, on_note: Box<NoteSink>) -> Self {
        Self {
            store,
            on_note,
            cursor: Mutex::default(),
        }
    }
}

impl RequestLog for SharedRequestLog {
    fn exchange<'a>(&'a self, mut respond: RecordExchange<'a>) -> BoxFuture<'a, ()> {
        async move {
            // Serializes the parallel requests of one run, so that each sees the records of the previous one.
            let mut cursor = self.cursor.lock().await;
            let mut is_newly_shared = false;
            let respond = |others| {
                let records = respond(others);
                is_newly_shared = records.contains(&RequestRecord::ListAndCreateShared);
                records
            };
            let exchanged = self
                .store
                .exchange_requests(&mut cursor.next_unread, respond)
                .await;
            if is_newly_shared {
                (self.on_note)(SHARED_LIMITS_NOTE.to_owned());
            }
            if let Err(error) = exchanged
                && !cursor.has_reported_failure
            {
                cursor.has_reported_failure = true;
                (self.on_note)(format!(
                    "other runs cannot count the API requests of this run: {error}"
                ));
            }
        }
        .boxed()
    }
}
