//! What the service said of uploads since the ledger was written.

use super::{NoteSink, Reconciler};
use crate::api::{Clock, Transport};
use crate::model::{UploadId, UploadResult};
use crate::state::{State, StateEntry, StateStore, StoreError};
use jiff::SignedDuration;

/// How often it is looked whether the service said something.
const RESULT_POLL_INTERVAL: SignedDuration = SignedDuration::from_secs(5);

impl<T: Transport, C: Clock, S: StateStore> Reconciler<T, C, S> {
    /// Reads the ledger, and what the service said since it was written; whether it said anything.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub async fn load_state(&self) -> Result<(State, bool), StoreError> {
        load_state_with_upload_results(&self.store, &self.on_note).await
    }

    /// Waits until it is known what became of every list that runs before sent, for so long at most. What is not known then
    /// is told of by the plan; somebody who wants the run to stop ends it earlier.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub async fn wait_for_earlier_upload_results(&self, longest: SignedDuration) -> Result<(), StoreError> {
        let ledger = self.store.load().await?;
        let now = self.clock.now();
        let until = now.saturating_add(longest).unwrap_or(now);
        for entry in ledger.all_entries() {
            let uploaded = entry.upload_state.as_deref();
            for upload in uploaded.into_iter().flat_map(|uploaded| &uploaded.pending) {
                // A callback that cannot be read is one that did not come.
                while !matches!(self.store.load_callback(upload).await, Ok(Some(_))) {
                    let wait = (RESULT_POLL_INTERVAL, until);
                    if self.clock.now() >= until || !self.client.wait_for_callback(&entry.name, wait).await {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Reads a ledger, and takes in what the service said of uploads; whether it said anything.
pub(super) async fn load_state_with_upload_results<S: StateStore>(
    store: &S,
    on_note: &NoteSink,
) -> Result<(State, bool), StoreError> {
    let mut ledger = store.load().await?;
    let awaited: Vec<UploadId> = ledger.pending_uploads().into_iter().cloned().collect();
    let mut has_upload_results = false;
    for upload in awaited {
        match store.load_callback(&upload).await {
            Ok(Some(callback)) => {
                has_upload_results |= apply_upload_result(&mut ledger, (&upload, &callback), on_note)
            }
            Ok(None) => {}
            // What is not read is as if it had not come yet, and no reason to plan nothing.
            Err(error) => on_note(format!(
                "it is not known what the service said of a list: {error}"
            )),
        }
    }
    Ok((ledger, has_upload_results))
}

/// Takes in what the service said of one upload.
fn apply_upload_result(
    ledger: &mut State,
    (upload, callback): (&UploadId, &UploadResult),
    on_note: &NoteSink,
) -> bool {
    let waits = |entry: &&StateEntry| {
        let uploaded = entry.upload_state.as_deref();
        uploaded.is_some_and(|uploaded| uploaded.pending.contains(upload))
    };
    let waiting: Vec<StateEntry> = ledger.all_entries().filter(waits).cloned().collect();
    for mut entry in waiting.iter().cloned() {
        if let Some(uploaded) = &mut entry.upload_state {
            uploaded.record_result(upload, callback.clone());
        }
        on_note(upload_result_message(&entry, callback));
        ledger.record(entry);
    }
    !waiting.is_empty()
}

fn upload_result_message(entry: &StateEntry, callback: &UploadResult) -> String {
    match callback {
        UploadResult::Processed(processed) => {
            format!("the service read the list of `{}`: {processed}", entry.name)
        }
        UploadResult::Failed { message } => format!(
            "the service could not read the list of `{}`, and nobody is in it: {message}",
            entry.name
        ),
    }
}
