//! The upload results that MoEngage reported since the last run.

use super::{NoteSink, Reconciler};
use crate::api::{Clock, Transport};
use crate::model::{SegmentName, UploadId, UploadResult};
use crate::state::{State, StateEntry, StateStore, StoreError};
use jiff::SignedDuration;

const RESULT_POLL_INTERVAL: SignedDuration = SignedDuration::from_secs(5);

impl<T: Transport, C: Clock> Reconciler<T, C> {
    /// Reads the state and applies new upload results; returns whether there were any.
    pub async fn load_state(&self) -> Result<(State, bool), StoreError> {
        let mut state = self.store.load().await?;
        let has_upload_results = apply_upload_results(&mut state, &self.store, &self.on_note).await;
        Ok((state, has_upload_results))
    }

    /// Waits for the results of all earlier uploads, until the timeout or a cancellation. The plan reports missing results.
    pub async fn wait_for_earlier_upload_results(&self, timeout: SignedDuration) -> Result<(), StoreError> {
        let state = self.store.load().await?;
        let now = self.clock.now();
        let until = now.saturating_add(timeout).unwrap_or(now);
        for entry in state.all_entries() {
            let pending = entry
                .upload_state
                .iter()
                .flat_map(|upload_state| &upload_state.pending);
            for upload in pending {
                // An unreadable result counts as missing.
                while !matches!(self.store.load_callback(upload).await, Ok(Some(_))) {
                    let client = &self.client;
                    if self.clock.now() >= until
                        || !client
                            .wait_for_callback(&entry.name, RESULT_POLL_INTERVAL, until)
                            .await
                    {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns whether there were any.
pub(super) async fn apply_upload_results(state: &mut State, store: &StateStore, on_note: &NoteSink) -> bool {
    let pending: Vec<UploadId> = state.pending_uploads().into_iter().cloned().collect();
    let mut has_upload_results = false;
    for upload in pending {
        match store.load_callback(&upload).await {
            Ok(Some(result)) => has_upload_results |= apply_upload_result(state, &upload, &result, on_note),
            Ok(None) => {}
            // An unreadable result counts as missing and does not stop the plan.
            Err(error) => on_note(format!("cannot read the result of upload {upload}: {error}")),
        }
    }
    has_upload_results
}

fn apply_upload_result(
    state: &mut State,
    upload: &UploadId,
    result: &UploadResult,
    on_note: &NoteSink,
) -> bool {
    let is_pending = |entry: &&StateEntry| {
        let upload_state = entry.upload_state.as_deref();
        upload_state.is_some_and(|upload_state| upload_state.pending.contains(upload))
    };
    let entries: Vec<StateEntry> = state.all_entries().filter(is_pending).cloned().collect();
    for mut entry in entries.iter().cloned() {
        let mut result = result.clone();
        if let Some(upload_state) = &mut entry.upload_state {
            result = upload_state.known_result(upload, result);
            upload_state.record_result(upload, result.clone());
        }
        on_note(upload_result_message(&entry.name, &result));
        state.record(entry);
    }
    !entries.is_empty()
}

fn upload_result_message(name: &SegmentName, result: &UploadResult) -> String {
    match result {
        UploadResult::Processed(counts) => {
            let loss = counts.loss(None).map(|loss| format!("; {loss}"));
            format!(
                "MoEngage processed the list of `{name}`: {counts}{}",
                loss.unwrap_or_default()
            )
        }
        UploadResult::Failed { message } => format!(
            "MoEngage could not read the list of `{name}`, whose users are unknown now: {message}; the next apply sends the \
             full list again"
        ),
    }
}
