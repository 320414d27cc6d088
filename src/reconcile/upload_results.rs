//! The upload results that MoEngage reported since the last run.

use super::{NoteSink, Reconciler};
use crate::api::{Clock, Transport};
use crate::model::{SegmentName, UploadId, UploadResult};
use crate::state::{State, StateEntry, StateStore, StoreError};
use jiff::SignedDuration;

const RESULT_POLL_INTERVAL: SignedDuration = SignedDuration::from_secs(5);

impl<T: Transport, C: Clock> Reconciler<T, C> {
    /// Reads the state and applies new upload results; returns whether they changed it.
    pub async fn load_state(&self) -> Result<(State, bool), StoreError> {
        let mut state = self.store.load().await?;
        let is_changed = apply_upload_results(&mut state, &self.store, &self.on_note).await;
        Ok((state, is_changed))
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

/// Returns whether the state changed.
///
/// A result that cannot be read does not stop the plan. It may be a failure, which empties the segment, so its users are
/// unknown.
pub(super) async fn apply_upload_results(state: &mut State, store: &StateStore, on_note: &NoteSink) -> bool {
    let pending: Vec<UploadId> = state.pending_uploads().into_iter().cloned().collect();
    let mut is_changed = false;
    for upload in pending {
        let result = match store.load_callback(&upload).await {
            Ok(None) => continue,
            Ok(Some(result)) => Some(result),
            Err(error) => {
                on_note(format!("cannot read the result of upload {upload}: {error}"));
                None
            }
        };
        let is_pending = |entry: &&StateEntry| {
            let upload_state = entry.upload_state.as_deref();
            upload_state.is_some_and(|upload_state| upload_state.pending.contains(&upload))
        };
        let entries: Vec<StateEntry> = state.all_entries().filter(is_pending).cloned().collect();
        is_changed |= !entries.is_empty();
        for mut entry in entries {
            apply_upload_result(&mut entry, &upload, result.clone(), on_note);
            state.record(entry);
        }
    }
    is_changed
}

fn apply_upload_result(
    entry: &mut StateEntry,
    upload: &UploadId,
    result: Option<UploadResult>,
    on_note: &NoteSink,
) {
    let Some(upload_state) = &mut entry.upload_state else {
        return;
    };
    let Some(result) = result else {
        upload_state.users = None;
        return;
    };
    let result = upload_state.known_result(upload, result);
    on_note(upload_result_message(&entry.name, &result));
    upload_state.record_result(upload, result);
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
