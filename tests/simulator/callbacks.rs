//! What the service says of lists when it has come to them: calls to whoever listens. Some are lost, some come twice, late, or in
//! another order, and some lists it cannot read.

use super::disk::{MachineDisk, SimulatedFileSystem};
use super::executor::{ProcessLifetime, Timeline};
use super::recorder::Recorder;
use super::workspace::SimulatedWorkspace;
use futures_util::FutureExt;
use segctl::model::{UploadCounts, UploadId, UploadResult};
use segctl::state::{DirectoryStore, StateStore};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What the addresses begin with that runs tell the service.
pub(crate) const CALLBACK_BASE_URL: &str = "https://hooks.example.com/a-token-of-the-simulator";

/// How long a callback takes at most, in milliseconds.
const MAX_CALLBACK_DELAY: i64 = 7_200_000;

/// A receiver that cannot keep what it is told is told again after this.
const REDELIVERY_DELAY: i64 = 30_000;

/// Everything that runs asked to be told.
#[derive(Default)]
pub(crate) struct SimulatedCallbacks {
    expected: BTreeMap<UploadId, ExpectedCallback>,
    /// The uploads of writes, by the number of the change that each made.
    uploads_by_change: BTreeMap<usize, UploadId>,
    /// When the last callback is there.
    pub(crate) last_callback_at: i64,
    /// Whether lists are there that the service cannot read, and callbacks are lost.
    pub(crate) has_faults: bool,
}

/// A call about a list of which a run wants to hear.
struct ExpectedCallback {
    segment: String,
    file_url: String,
    /// Whether the service cannot read the list.
    is_unreadable: bool,
    /// When it was heard of first.
    received_at: Option<i64>,
}

/// The receiver's disk, which is the ledger's.
#[derive(Clone)]
pub(crate) struct SimulatedReceiver {
    pub(crate) disk: Arc<Mutex<MachineDisk>>,
    pub(crate) recorder: Recorder,
}

/// A callback on its way.
#[derive(Clone)]
struct CallbackDelivery {
    upload: UploadId,
    callback: UploadResult,
    workspace: Arc<Mutex<SimulatedWorkspace>>,
    timeline: Timeline,
    receiver: SimulatedReceiver,
}

/// The upload of which a call wants to hear.
pub(crate) fn upload_id_of(body: &Value) -> Option<UploadId> {
    let id = body["callback_url"].as_str()?.strip_prefix(CALLBACK_BASE_URL)?;
    UploadId::try_from(id.trim_start_matches('/').to_owned()).ok()
}

impl SimulatedCallbacks {
    /// Takes down that a call wants to hear of its list; whether the service cannot read it. It cannot for a call that is
    /// delivered twice, or can both times.
    pub(crate) fn expect_callback(
        &mut self,
        upload: &UploadId,
        (segment, file): (&str, &str),
        (fails, change): (bool, usize),
        record: &Recorder,
    ) -> bool {
        self.uploads_by_change.insert(change, upload.clone());
        let asked = self
            .expected
            .entry(upload.clone())
            .or_insert_with(|| ExpectedCallback {
                segment: segment.to_owned(),
                file_url: file.to_owned(),
                is_unreadable: fails,
                received_at: None,
            });
        // A call that arrives twice is one that wants to hear twice.
        record.require(
            asked.segment == segment && asked.file_url == file,
            "every call has a callback address of its own",
            || format!("{upload} is of {} and of {segment}", asked.segment),
        );
        asked.is_unreadable
    }

    /// Whether a list could not be read, or cannot be, of which nothing was heard by `moment`.
    pub(crate) fn has_unreported_failure(&self, uploads: &[UploadId], moment: i64) -> bool {
        let mut asked = uploads.iter().filter_map(|upload| self.expected.get(upload));
        asked.any(|asked| asked.is_unreadable && asked.received_at.is_none_or(|at| at >= moment))
    }

    /// Likewise, of a segment.
    pub(crate) fn segment_has_unreported_failure(&self, segment: &str, moment: i64) -> bool {
        let mut asked = self.expected.values().filter(|asked| asked.segment == segment);
        asked.any(|asked| asked.is_unreadable && asked.received_at.is_none_or(|at| at >= moment))
    }

    /// Whether a list of a segment could not be read.
    pub(crate) fn has_unreadable_list(&self, segment: &str) -> bool {
        self.expected
            .values()
            .any(|asked| asked.is_unreadable && asked.segment == segment)
    }

    /// Whether anything was heard of the calls that made these changes.
    pub(crate) fn has_received_callback(&self, changes: &[usize]) -> bool {
        let uploads = changes
            .iter()
            .filter_map(|change| self.uploads_by_change.get(change));
        let mut asked = uploads.filter_map(|upload| self.expected.get(upload));
        asked.any(|asked| asked.received_at.is_some())
    }
}

/// Tells whoever asked for it what came of a list.
pub(crate) fn send_callback(
    (workspace, timeline): (&Arc<Mutex<SimulatedWorkspace>>, &Timeline),
    (upload, said): (UploadId, &Value),
) {
    let callback = to_callback(said);
    let mut guarded = workspace.lock().unwrap();
    let Some(receiver) = guarded.receiver.clone() else {
        return;
    };
    // Of what could not be read something is heard in the end: otherwise nobody could ever know.
    let can_be_lost = guarded.callbacks.has_faults && matches!(callback, UploadResult::Processed(_));
    let times = match guarded.random.below(10) {
        0 | 1 if can_be_lost => 0,
        2 | 3 => 2,
        _ => 1,
    };
    for _ in 0..times {
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

fn to_callback(said: &Value) -> UploadResult {
    if said["status"] == 201 {
        return UploadResult::Processed(UploadCounts {
            values_found: said["values_found"].as_u64(),
            values_processed: said["values_processed"].as_u64(),
            user_count: said["user_count"].as_u64(),
        });
    }
    UploadResult::Failed {
        message: said["error_message"].as_str().unwrap_or_default().to_owned(),
    }
}

impl CallbackDelivery {
    /// The receiver keeps it, whoever is alone with the ledger; where it cannot, the service tries again.
    fn deliver(self) {
        let disk = SimulatedFileSystem {
            disk: Arc::clone(&self.receiver.disk),
            lifetime: ProcessLifetime::crashing_at(None),
            recorder: self.receiver.recorder.clone(),
            actor: "receiver".to_owned(),
        };
        let store = DirectoryStore::with_filesystem(disk, "ledger");
        let kept = store.save_callback(&self.upload, &self.callback).now_or_never();
        let is_kept = matches!(kept, Some(Ok(())));
        self.receiver
            .recorder
            .log_event("receiver", u64::from(is_kept), || {
                format!("hears of {}: {:?}; kept: {is_kept}", self.upload, self.callback)
            });
        let now = self.timeline.now();
        let mut guarded = self.workspace.lock().unwrap();
        if is_kept {
            if let Some(asked) = guarded.callbacks.expected.get_mut(&self.upload) {
                asked.received_at = asked.received_at.or(Some(now));
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
