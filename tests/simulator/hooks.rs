//! What the service says of lists when it has come to them: calls to whoever listens. Some are lost, some come twice, late, or in
//! another order, and some lists it cannot read.

use super::disk::{Platter, SimulatedDisk};
use super::executor::{Life, Timeline};
use super::record::Record;
use super::workspace::Workspace;
use futures_util::FutureExt;
use segctl::ledger::{DirectoryStore, StateStore};
use segctl::model::{UploadResult, UploadCounts, UploadId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What the addresses begin with that runs tell the service.
pub(crate) const ADDRESS: &str = "https://hooks.example.com/a-token-of-the-simulator";

/// How long a callback takes at most, in milliseconds.
const LATEST: i64 = 7_200_000;

/// A receiver that cannot keep what it is told is told again after this.
const AGAIN: i64 = 30_000;

/// Everything that runs asked to be told.
#[derive(Default)]
pub(crate) struct Hooks {
    asked: BTreeMap<UploadId, Asked>,
    /// The uploads of writes, by the number of the change that each made.
    by_change: BTreeMap<usize, UploadId>,
    /// When the last callback is there.
    pub(crate) ends_at: i64,
    /// Whether lists are there that the service cannot read, and callbacks are lost.
    pub(crate) is_troubled: bool,
}

/// A call about a list of which a run wants to hear.
struct Asked {
    segment: String,
    file: String,
    /// Whether the service cannot read the list.
    fails: bool,
    /// When it was heard of first.
    heard_at: Option<i64>,
}

/// The receiver's disk, which is the ledger's.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) platter: Arc<Mutex<Platter>>,
    pub(crate) record: Record,
}

/// A callback on its way.
#[derive(Clone)]
struct Delivery {
    upload: UploadId,
    callback: UploadResult,
    workspace: Arc<Mutex<Workspace>>,
    timeline: Timeline,
    receiver: Receiver,
}

/// The upload of which a call wants to hear.
pub(crate) fn upload_of(body: &Value) -> Option<UploadId> {
    let id = body["callback_url"].as_str()?.strip_prefix(ADDRESS)?;
    UploadId::try_from(id.trim_start_matches('/').to_owned()).ok()
}

impl Hooks {
    /// Takes down that a call wants to hear of its list; whether the service cannot read it. It cannot for a call that is
    /// delivered twice, or can both times.
    pub(crate) fn ask(
        &mut self,
        upload: &UploadId,
        (segment, file): (&str, &str),
        (fails, change): (bool, usize),
        record: &Record,
    ) -> bool {
        self.by_change.insert(change, upload.clone());
        let asked = self.asked.entry(upload.clone()).or_insert_with(|| Asked {
            segment: segment.to_owned(),
            file: file.to_owned(),
            fails,
            heard_at: None,
        });
        // A call that arrives twice is one that wants to hear twice.
        record.require(
            asked.segment == segment && asked.file == file,
            "every call has a callback address of its own",
            || format!("{upload} is of {} and of {segment}", asked.segment),
        );
        asked.fails
    }

    /// Whether a list could not be read, or cannot be, of which nothing was heard by `moment`.
    pub(crate) fn is_unheard(&self, uploads: &[UploadId], moment: i64) -> bool {
        let mut asked = uploads.iter().filter_map(|upload| self.asked.get(upload));
        asked.any(|asked| asked.fails && asked.heard_at.is_none_or(|at| at >= moment))
    }

    /// Likewise, of a segment.
    pub(crate) fn is_in_doubt(&self, segment: &str, moment: i64) -> bool {
        let mut asked = self.asked.values().filter(|asked| asked.segment == segment);
        asked.any(|asked| asked.fails && asked.heard_at.is_none_or(|at| at >= moment))
    }

    /// Whether a list of a segment could not be read.
    pub(crate) fn has_failed(&self, segment: &str) -> bool {
        self.asked
            .values()
            .any(|asked| asked.fails && asked.segment == segment)
    }

    /// Whether anything was heard of the calls that made these changes.
    pub(crate) fn was_heard(&self, changes: &[usize]) -> bool {
        let uploads = changes.iter().filter_map(|change| self.by_change.get(change));
        let mut asked = uploads.filter_map(|upload| self.asked.get(upload));
        asked.any(|asked| asked.heard_at.is_some())
    }
}

/// Tells whoever asked for it what came of a list.
pub(crate) fn call_back(
    (workspace, timeline): (&Arc<Mutex<Workspace>>, &Timeline),
    (upload, said): (UploadId, &Value),
) {
    let callback = callback_of(said);
    let mut guarded = workspace.lock().unwrap();
    let Some(receiver) = guarded.receiver.clone() else {
        return;
    };
    // Of what could not be read something is heard in the end: otherwise nobody could ever know.
    let can_be_lost = guarded.hooks.is_troubled && matches!(callback, UploadResult::Processed(_));
    let times = match guarded.random.below(10) {
        0 | 1 if can_be_lost => 0,
        2 | 3 => 2,
        _ => 1,
    };
    for _ in 0..times {
        let longest = [1_000, 60_000, LATEST][guarded.random.below(3)];
        let moment = timeline.now() + guarded.random.between(1, longest);
        guarded.hooks.ends_at = guarded.hooks.ends_at.max(moment);
        let delivery = Delivery {
            upload: upload.clone(),
            callback: callback.clone(),
            workspace: Arc::clone(workspace),
            timeline: timeline.clone(),
            receiver: receiver.clone(),
        };
        timeline.at(moment, move || delivery.arrive());
    }
}

fn callback_of(said: &Value) -> UploadResult {
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

impl Delivery {
    /// The receiver keeps it, whoever is alone with the ledger; where it cannot, the service tries again.
    fn arrive(self) {
        let disk = SimulatedDisk {
            platter: Arc::clone(&self.receiver.platter),
            life: Life::until(None),
            record: self.receiver.record.clone(),
            who: "receiver".to_owned(),
        };
        let store = DirectoryStore::with_filesystem(disk, "ledger");
        let kept = store.save_callback(&self.upload, &self.callback).now_or_never();
        let is_kept = matches!(kept, Some(Ok(())));
        self.receiver.record.note("receiver", u64::from(is_kept), || {
            format!("hears of {}: {:?}; kept: {is_kept}", self.upload, self.callback)
        });
        let now = self.timeline.now();
        let mut guarded = self.workspace.lock().unwrap();
        if is_kept {
            if let Some(asked) = guarded.hooks.asked.get_mut(&self.upload) {
                asked.heard_at = asked.heard_at.or(Some(now));
            }
            return;
        }
        let moment = now + AGAIN;
        guarded.hooks.ends_at = guarded.hooks.ends_at.max(moment);
        drop(guarded);
        let timeline = self.timeline.clone();
        timeline.at(moment, move || self.arrive());
    }
}
