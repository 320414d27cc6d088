//! Callbacks: the service posts the result of each upload after it has read the list.
//! Some callbacks are lost, late, duplicated or out of order, and some lists cannot be read.

use super::disk::{MachineDisk, SimulatedFileSystem};
use super::executor::{ProcessLifetime, Timeline};
use super::recorder::Recorder;
use super::store::{CheckedStorage, PossibleStates};
use super::workspace::SimulatedWorkspace;
use futures_util::FutureExt;
use segctl::model::{UploadCounts, UploadId, UploadResult};
use segctl::state::StateStore;
use segctl::storage::DirectoryStorage;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The prefix of every callback address.
pub(crate) const CALLBACK_BASE_URL: &str = "https://hooks.example.com/a-token-of-the-simulator";

/// In milliseconds.
const MAX_CALLBACK_DELAY: i64 = 7_200_000;

/// The service sends a callback again after this time if the receiver could not save it.
const REDELIVERY_DELAY: i64 = 30_000;

#[derive(Default)]
pub(crate) struct SimulatedCallbacks {
    expected: BTreeMap<UploadId, ExpectedCallback>,
    /// The uploads of writes, by the number of the change that each made.
    uploads_by_change: BTreeMap<usize, UploadId>,
    /// When the last callback arrives.
    pub(crate) last_callback_at: i64,
    /// Whether some lists cannot be read and some callbacks are lost.
    pub(crate) has_faults: bool,
}

/// An upload whose request has a callback address.
struct ExpectedCallback {
    segment: String,
    file_url: String,
    /// Whether the service cannot read the list.
    is_unreadable: bool,
    /// When the first callback arrived.
    received_at: Option<i64>,
}

/// The receiver saves callbacks on the disk that holds the state.
#[derive(Clone)]
pub(crate) struct SimulatedReceiver {
    pub(crate) disk: Arc<Mutex<MachineDisk>>,
    pub(crate) possible_states: PossibleStates,
    pub(crate) recorder: Recorder,
}

#[derive(Clone)]
struct CallbackDelivery {
    upload: UploadId,
    callback: UploadResult,
    workspace: Arc<Mutex<SimulatedWorkspace>>,
    timeline: Timeline,
    receiver: SimulatedReceiver,
}

/// The upload id in the callback address of a request.
pub(crate) fn upload_id_of(body: &Value) -> Option<UploadId> {
    let id = body["callback_url"].as_str()?.strip_prefix(CALLBACK_BASE_URL)?;
    UploadId::try_from(id.trim_start_matches('/').to_owned()).ok()
}

impl SimulatedCallbacks {
    /// Records an upload with a callback address, and returns whether its list cannot be read.
    /// A request that is delivered twice gets the same result both times.
    pub(crate) fn expect_callback(
        &mut self,
        upload: &UploadId,
        (segment, file): (&str, &str),
        (fails, change): (bool, usize),
        recorder: &Recorder,
    ) -> bool {
        self.uploads_by_change.insert(change, upload.clone());
        let expected = self
            .expected
            .entry(upload.clone())
            .or_insert_with(|| ExpectedCallback {
                segment: segment.to_owned(),
                file_url: file.to_owned(),
                is_unreadable: fails,
                received_at: None,
            });
        recorder.require(
            expected.segment == segment && expected.file_url == file,
            "every upload has its own callback address",
            || format!("{upload} is for {} and for {segment}", expected.segment),
        );
        expected.is_unreadable
    }

    /// Whether one of these uploads is unreadable and no callback for it arrived before `moment`.
    pub(crate) fn has_unreported_failure(&self, uploads: &[UploadId], moment: i64) -> bool {
        let mut expected = uploads.iter().filter_map(|upload| self.expected.get(upload));
        expected.any(|expected| expected.is_unreadable && expected.received_at.is_none_or(|at| at >= moment))
    }

    /// Like `has_unreported_failure`, for all uploads of a segment.
    pub(crate) fn segment_has_unreported_failure(&self, segment: &str, moment: i64) -> bool {
        let mut expected = self
            .expected
            .values()
            .filter(|expected| expected.segment == segment);
        expected.any(|expected| expected.is_unreadable && expected.received_at.is_none_or(|at| at >= moment))
    }

    pub(crate) fn has_unreadable_list(&self, segment: &str) -> bool {
        self.expected
            .values()
            .any(|expected| expected.is_unreadable && expected.segment == segment)
    }

    /// Whether a callback arrived for one of the uploads that made these changes.
    pub(crate) fn has_received_callback(&self, changes: &[usize]) -> bool {
        let uploads = changes
            .iter()
            .filter_map(|change| self.uploads_by_change.get(change));
        let mut expected = uploads.filter_map(|upload| self.expected.get(upload));
        expected.any(|expected| expected.received_at.is_some())
    }
}

/// Schedules the callback of an upload, if its request asked for one.
pub(crate) fn send_callback(
    (workspace, timeline): (&Arc<Mutex<SimulatedWorkspace>>, &Timeline),
    (upload, result): (UploadId, &Value),
) {
    let callback = to_callback(result);
    let mut guarded = workspace.lock().unwrap();
    let Some(receiver) = guarded.receiver.clone() else {
        return;
    };
    // A failure callback always arrives in the end: nothing else reports the failure.
    let can_be_lost = guarded.callbacks.has_faults && matches!(callback, UploadResult::Processed(_));
    let count = match guarded.random.below(10) {
        0 | 1 if can_be_lost => 0,
        2 | 3 => 2,
        _ => 1,
    };
    for _ in 0..count {
        let longest = [1_000, 60_000, MAX_CALLBACK_DELAY][guarded.random.below(3)];
        let moment = timeline.now() + guarded.random.between(1, longest);
        guarded.callbacks.last_callback_at = guarded.callbacks.last_callback_at.max(moment);
        let delivery = CallbackDelivery {
            upload: upload.clone(),
            callback: callback.clone(),
            workspace: Arc::clone(workspace),
            timeline: timeline.clone(),
            receiver: receiver.clone(),
        };
        timeline.schedule(moment, move || delivery.deliver());
    }
}

fn to_callback(result: &Value) -> UploadResult {
    if result["status"] == 201 {
        return UploadResult::Processed(UploadCounts {
            values_found: result["values_found"].as_u64(),
            values_processed: result["values_processed"].as_u64(),
            user_count: result["user_count"].as_u64(),
        });
    }
    UploadResult::Failed {
        message: result["error_message"].as_str().unwrap_or_default().to_owned(),
    }
}

impl CallbackDelivery {
    /// The receiver saves the callback without the state lock. If it cannot, the service sends the callback again.
    fn deliver(self) {
        let disk = SimulatedFileSystem {
            disk: Arc::clone(&self.receiver.disk),
            lifetime: ProcessLifetime::crashing_at(None),
            recorder: self.receiver.recorder.clone(),
            actor: "receiver".to_owned(),
        };
        let store = StateStore::new(CheckedStorage {
            inner: DirectoryStorage::with_filesystem(disk, "state"),
            possible_states: self.receiver.possible_states.clone(),
            recorder: self.receiver.recorder.clone(),
            run: None,
        });
        let saved = store.save_callback(&self.upload, &self.callback).now_or_never();
        let is_saved = matches!(saved, Some(Ok(())));
        self.receiver
            .recorder
            .log_event("receiver", u64::from(is_saved), || {
                format!(
                    "callback for {}: {:?}; saved: {is_saved}",
                    self.upload, self.callback
                )
            });
        let now = self.timeline.now();
        let mut guarded = self.workspace.lock().unwrap();
        if is_saved {
            if let Some(expected) = guarded.callbacks.expected.get_mut(&self.upload) {
                expected.received_at = expected.received_at.or(Some(now));
            }
            return;
        }
        let moment = now + REDELIVERY_DELAY;
        guarded.callbacks.last_callback_at = guarded.callbacks.last_callback_at.max(moment);
        drop(guarded);
        let timeline = self.timeline.clone();
        timeline.schedule(moment, move || self.deliver());
    }
}
