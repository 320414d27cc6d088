//! Waits for upload results. MoEngage accepts an upload at once, reads the list later, and then sends a callback to a URL
//! from the request. The callback listener stores the result beside the state.
//!
//! Each request has its own callback URL, so a late or repeated callback never belongs to another request. A waiting step
//! blocks only the steps that depend on it.

use super::Applier;
use super::run_report::{ListOutcome, StepOutcome};
use super::step_error::{StateError, error_chain};
use crate::api::{Clock, Transport};
use crate::model::{SegmentId, UploadCounts, UploadId, UploadResult, UserChange};
use crate::plan::step::Step;
use crate::state::JournalEntry;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

/// The longest pause between two polls. Lists take minutes, and every poll may be a request to a bucket.
const MAX_POLL_SECONDS: i64 = 10;

#[derive(Clone, Debug)]
pub struct CallbackOptions {
    /// The prefix of callback URLs; the id of an upload follows. It is secret: with it anyone could report results.
    pub base_url: SecretString,
    /// How long a step waits for its callback; `None`: steps do not wait.
    pub timeout: Option<SignedDuration>,
    /// Random per run: distinguishes the uploads of runs that started in the same second on hosts of the same name.
    pub nonce: [u8; 16],
}

#[derive(Clone, Debug)]
pub(super) struct PendingUpload {
    pub(super) segment_id: SegmentId,
    pub(super) upload_id: UploadId,
    /// The number of values in the uploaded file.
    pub(super) values_sent: Option<u64>,
    /// `None`: the request created the segment.
    pub(super) change: Option<UserChange>,
}

impl CallbackOptions {
    pub(super) fn url_for(&self, upload: &UploadId) -> String {
        format!("{}/{upload}", self.base_url.expose_secret())
    }
}

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    /// `None` if no callbacks are configured.
    pub(super) fn generate_upload_id(&self, step: &Step, attempt: u32) -> Option<UploadId> {
        let CallbackOptions { nonce, .. } = self.options.callbacks.as_ref()?;
        let request = format!("{nonce:?} {} {} {attempt}", self.options.run_id, step.number);
        let digest: [u8; 32] = Sha256::digest(request).into();
        let half = digest.first_chunk::<16>()?;
        Some(UploadId::from_bytes(*half))
    }

    pub(super) async fn wait_for_callback(
        &self,
        step: &Step,
        pending: &PendingUpload,
    ) -> Result<StepOutcome, StateError> {
        let callbacks = self.options.callbacks.as_ref();
        let timeout = callbacks.and_then(|callbacks| callbacks.timeout);
        let now = self.clock.now();
        let until = timeout.and_then(|timeout| now.saturating_add(timeout).ok());
        let until = until.unwrap_or(now);
        let mut pause = 1;
        loop {
            // A store that fails now may respond to the next poll. The upload was accepted in any case.
            let failure = match self.store.load_callback(&pending.upload_id).await {
                Ok(Some(result)) => return self.record_callback(pending, result).await,
                Ok(None) => None,
                Err(error) => Some(error_chain(&error)),
            };
            if self.clock.now() >= until {
                let reason = failure.as_deref().unwrap_or("no callback arrived in time");
                return Ok(result_unknown(reason));
            }
            let sleep = SignedDuration::from_secs(pause);
            let waited = async || self.client.wait_for_callback(&step.segment, sleep, until).await;
            if self.run_state().is_stopping || !waited().await {
                return Ok(result_unknown("the run ended before a callback arrived"));
            }
            pause = (pause * 2).min(MAX_POLL_SECONDS);
        }
    }

    async fn record_callback(
        &self,
        pending: &PendingUpload,
        result: UploadResult,
    ) -> Result<StepOutcome, StateError> {
        let results = self.with_earlier_callbacks(pending, &result).await;
        let mut has_users = false;
        self.append_to_journal(|state| {
            let record = || {
                let mut entry = state.any_entry(&pending.segment_id).cloned()?;
                let upload_state = entry.upload_state.as_mut()?;
                for (upload, result) in results {
                    upload_state.record_result(&upload, result);
                }
                has_users = upload_state.users.is_some();
                Some(JournalEntry::StateEntry(entry))
            };
            record().into_iter().collect()
        })
        .await
        .map_err(StateError::AfterWrite)?;
        Ok(match result {
            UploadResult::Processed(counts) if has_users => {
                let counts = match pending.change {
                    Some(UserChange::Remove) => counts.without_user_count(),
                    Some(UserChange::Add | UserChange::Replace) | None => counts,
                };
                StepOutcome::Applied {
                    id: pending.segment_id.clone(),
                    notes: processing_notes(pending, counts),
                    list_outcome: Some(ListOutcome::Processed(counts)),
                }
            }
            UploadResult::Processed(_) => StepOutcome::failed(
                "MoEngage read the list but could not read an earlier one, so the users of the segment are unknown; the next \
                 run sends the full list again",
            ),
            UploadResult::Failed { message } => StepOutcome::failed(format!(
                "MoEngage accepted the list but could not read it: {message}; {}; the next run sends the full list again",
                match pending.change {
                    None => "the segment is empty",
                    Some(_) => "the users of the segment are unknown",
                }
            )),
        })
    }

    /// MoEngage processed earlier uploads of the segment first, so their results come first.
    async fn with_earlier_callbacks(
        &self,
        pending: &PendingUpload,
        result: &UploadResult,
    ) -> Vec<(UploadId, UploadResult)> {
        let earlier = {
            let state = self.state.lock().await;
            let entry = state.any_entry(&pending.segment_id);
            let upload_state = entry.and_then(|entry| entry.upload_state.as_deref());
            upload_state.map(|upload_state| upload_state.pending.clone())
        };
        let mut results = Vec::new();
        for upload in earlier.unwrap_or_default() {
            // The next run reads results that cannot be read now.
            if upload != pending.upload_id
                && let Ok(Some(result)) = self.store.load_callback(&upload).await
            {
                results.push((upload, result));
            }
        }
        results.push((pending.upload_id.clone(), result.clone()));
        results
    }
}

fn result_unknown(reason: &str) -> StepOutcome {
    StepOutcome::unknown(format!(
        "upload accepted; result pending: {reason}; if `segctl callbacks serve` receives the result, the next plan shows it"
    ))
}

fn processing_notes(pending: &PendingUpload, counts: UploadCounts) -> Vec<String> {
    let explained = counts
        .loss(pending.values_sent)
        .or_else(|| counts.unmatched_note());
    std::iter::once(counts.to_string()).chain(explained).collect()
}
