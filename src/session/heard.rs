//! What the service said of uploads since the ledger was written.

use super::{Notes, Session};
use crate::api::{Clock, Transport};
use crate::ledger::{Entry, Ledger, LedgerStore, StoreError};
use crate::model::{Callback, UploadId};
use jiff::SignedDuration;

/// How often it is looked whether the service said something.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);

impl<T: Transport, C: Clock, S: LedgerStore> Session<T, C, S> {
    /// Reads the ledger, and what the service said since it was written; whether it said anything.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub async fn ledger(&self) -> Result<(Ledger, bool), StoreError> {
        load(&self.store, &self.on_note).await
    }

    /// Waits until it is known what became of every list that runs before sent, for so long at most. What is not known then
    /// is told of by the plan; somebody who wants the run to stop ends it earlier.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub async fn await_earlier(&self, longest: SignedDuration) -> Result<(), StoreError> {
        let ledger = self.store.load().await?;
        let now = self.clock.now();
        let until = now.saturating_add(longest).unwrap_or(now);
        for entry in ledger.all_kept() {
            let uploaded = entry.uploaded.as_deref();
            for upload in uploaded.into_iter().flat_map(|uploaded| &uploaded.awaited) {
                // A callback that cannot be read is one that did not come.
                while !matches!(self.store.load_callback(upload).await, Ok(Some(_))) {
                    let nap = (PAUSE, until);
                    if self.clock.now() >= until || !self.client.nap_for_callback(&entry.name, nap).await {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Reads a ledger, and takes in what the service said of uploads; whether it said anything.
pub(super) async fn load<S: LedgerStore>(store: &S, on_note: &Notes) -> Result<(Ledger, bool), StoreError> {
    let mut ledger = store.load().await?;
    let awaited: Vec<UploadId> = ledger.awaited().into_iter().cloned().collect();
    let mut has_heard = false;
    for upload in awaited {
        match store.load_callback(&upload).await {
            Ok(Some(callback)) => has_heard |= hear(&mut ledger, (&upload, &callback), on_note),
            Ok(None) => {}
            // What is not read is as if it had not come yet, and no reason to plan nothing.
            Err(error) => on_note(format!(
                "it is not known what the service said of a list: {error}"
            )),
        }
    }
    Ok((ledger, has_heard))
}

/// Takes in what the service said of one upload.
fn hear(ledger: &mut Ledger, (upload, callback): (&UploadId, &Callback), on_note: &Notes) -> bool {
    let waits = |entry: &&Entry| {
        let uploaded = entry.uploaded.as_deref();
        uploaded.is_some_and(|uploaded| uploaded.awaited.contains(upload))
    };
    let waiting: Vec<Entry> = ledger.all_kept().filter(waits).cloned().collect();
    for mut entry in waiting.iter().cloned() {
        if let Some(uploaded) = &mut entry.uploaded {
            uploaded.hear(upload, callback.clone());
        }
        on_note(said(&entry, callback));
        ledger.record(entry);
    }
    !waiting.is_empty()
}

fn said(entry: &Entry, callback: &Callback) -> String {
    match callback {
        Callback::Processed(processed) => {
            format!("the service read the list of `{}`: {processed}", entry.name)
        }
        Callback::Failed { message } => format!(
            "the service could not read the list of `{}`, and nobody is in it: {message}",
            entry.name
        ),
    }
}
