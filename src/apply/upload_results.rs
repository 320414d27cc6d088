//! Hearing what becomes of lists. The service takes a call about a list at once, reads the list later, and then calls back at
//! an address that it was told with the call: whoever listens there keeps what it says beside the ledger.
//!
//! Each call has an address of its own, so that what is said of one is never taken for another's, however late or often it is
//! said. A step that waits holds nobody up but those that depend on it.

use super::run_report::{ListOutcome, StepOutcome};
use super::{Applier, StepError, error_chain};
use crate::api::{Clock, Transport};
use crate::model::{SegmentId, UploadCounts, UploadId, UploadResult};
use crate::plan::step::Step;
use crate::state::{JournalEntry, StateStore};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

/// The longest pause between two looks, in seconds: lists take minutes, and every look may be a request to a bucket.
const MAX_POLL_SECONDS: i64 = 10;

/// Where the service calls back, and whether a run waits for that.
#[derive(Clone, Debug)]
pub struct CallbackOptions {
    /// What the addresses begin with; the id of a call follows. It has a secret in it: whoever knows it can say what became of
    /// a list.
    pub base_url: SecretString,
    /// For how long a step waits at most; `None` where none does.
    pub timeout: Option<SignedDuration>,
    /// Drawn for this run: two that began in the same second on machines of one name tell their calls apart by it.
    pub nonce: [u8; 16],
}

/// A call that the service took and of whose list it has not said what became of it.
#[derive(Clone, Debug)]
pub(super) struct PendingUpload {
    /// The segment.
    pub(super) segment_id: SegmentId,
    pub(super) upload_id: UploadId,
    /// How many values it is to find.
    pub(super) values_sent: Option<u64>,
    /// How many users the segment is to have then.
    pub(super) expected_users: Option<u64>,
}

impl CallbackOptions {
    /// Where the service says what became of a call.
    pub(super) fn url_for(&self, upload: &UploadId) -> String {
        format!("{}/{upload}", self.base_url.expose_secret())
    }
}

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Names a call of a step; `None` where nobody would hear what becomes of it.
    pub(super) fn generate_upload_id(&self, step: &Step, attempt: u32) -> Option<UploadId> {
        let CallbackOptions { nonce, .. } = self.options.callbacks.as_ref()?;
        let call = format!("{nonce:?} {} {} {attempt}", self.options.run_id, step.number);
        let digest: [u8; 32] = Sha256::digest(call).into();
        let half = digest.first_chunk::<16>()?;
        Some(UploadId::from_bytes(*half))
    }

    /// What a step that was applied has to wait for.
    pub(super) fn take_pending_upload(&self, step: &Step) -> Option<PendingUpload> {
        self.run_state().pending_uploads.remove(&step.number)
    }

    /// Waits for what the service says of a list; how the step ends by that.
    pub(super) async fn wait_for_callback(
        &self,
        step: &Step,
        pending: &PendingUpload,
    ) -> Result<StepOutcome, StepError> {
        let callbacks = self.options.callbacks.as_ref();
        let wait = callbacks
            .and_then(|callbacks| callbacks.timeout)
            .unwrap_or_default();
        let now = self.clock.now();
        let until = now.saturating_add(wait).unwrap_or(now);
        let mut pause = 1;
        loop {
            // A store that does not answer now may when it is asked again: the call was taken, whatever comes of this.
            let failure = match self.store.load_callback(&pending.upload_id).await {
                Ok(Some(callback)) => return self.record_callback(pending, callback).await,
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if self.clock.now() >= until {
                let why = failure.map(|error| error_chain(&error));
                return Ok(result_unknown(
                    why.as_deref().unwrap_or("nobody called back in time"),
                ));
            }
            let sleep = (SignedDuration::from_secs(pause), until);
            if self.run_state().is_stopping || !self.client.wait_for_callback(&step.segment, sleep).await {
                return Ok(result_unknown("the run ended before"));
            }
            pause = (pause * 2).min(MAX_POLL_SECONDS);
        }
    }

    /// Takes down what the service said of a list.
    async fn record_callback(
        &self,
        pending: &PendingUpload,
        callback: UploadResult,
    ) -> Result<StepOutcome, StepError> {
        let results = self.with_earlier_callbacks(pending, &callback).await;
        let mut is_known = false;
        self.append_to_journal(|state| {
            let record = || {
                let mut entry = state.any_entry(&pending.segment_id).cloned()?;
                let uploaded = entry.upload_state.as_mut()?;
                for (upload, callback) in results {
                    uploaded.record_result(&upload, callback);
                }
                is_known = uploaded.users.is_some();
                Some(JournalEntry::StateEntry(entry))
            };
            record().into_iter().collect()
        })
        .await?;
        Ok(match callback {
            UploadResult::Processed(processed) if is_known => StepOutcome::Applied {
                id: pending.segment_id.clone(),
                notes: processing_notes(pending, processed),
                list_outcome: Some(ListOutcome::Processed(processed)),
            },
            UploadResult::Processed(_) => StepOutcome::Failed {
                message: "the service read the list, and could not read one that was sent before, which left nobody in the \
                          segment; the next run sends all of them again"
                    .to_owned(),
            },
            UploadResult::Failed { message } => StepOutcome::Failed {
                message: format!(
                    "the service took the list and could not read it: {message}; nobody is in the segment; the next run sends \
                     all of it again"
                ),
            },
        })
    }

    /// What was said of a call, behind what was said of those before it: they were done first.
    async fn with_earlier_callbacks(
        &self,
        pending: &PendingUpload,
        callback: &UploadResult,
    ) -> Vec<(UploadId, UploadResult)> {
        let earlier = {
            let state = self.state.lock().await;
            let entry = state.any_entry(&pending.segment_id);
            let uploaded = entry.and_then(|entry| entry.upload_state.as_deref());
            uploaded
                .map(|uploaded| uploaded.pending.clone())
                .unwrap_or_default()
        };
        let mut results = Vec::new();
        for upload in earlier.into_iter().filter(|upload| *upload != pending.upload_id) {
            // What cannot be read now is by the next run.
            if let Ok(Some(callback)) = self.store.load_callback(&upload).await {
                results.push((upload, callback));
            }
        }
        results.push((pending.upload_id.clone(), callback.clone()));
        results
    }
}

fn result_unknown(why: &str) -> StepOutcome {
    StepOutcome::Unknown {
        message: format!(
            "accepted, outcome not known: {why}; where `segctl callbacks serve` listens, the next plan knows what was said"
        ),
    }
}

/// What the service said, and that users were lost where they were.
fn processing_notes(pending: &PendingUpload, processed: UploadCounts) -> Vec<String> {
    let mut notes = vec![processed.to_string()];
    let is_less =
        |one: Option<u64>, other: Option<u64>| one.zip(other).is_some_and(|(one, other)| one < other);
    let is_lost = is_less(processed.values_found, pending.values_sent)
        || is_less(processed.values_processed, processed.values_found)
        || is_less(processed.user_count, pending.expected_users);
    if is_lost {
        let listed = pending.expected_users.or(pending.values_sent);
        let listed = listed.map_or_else(String::new, |listed| format!(" of the {listed} of its list"));
        notes.push(format!(
            "users were lost{listed}: values of nobody whom the workspace knows come to nothing; where values are of several \
             users each, 2,000 that are read together bring in 2,000 users at most"
        ));
    }
    notes
}
