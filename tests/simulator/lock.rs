//! Who holds the ledger's lock, as the disk says, and somebody who takes it away.

use super::disk::{MachineDisk, SimulatedFileSystem};
use super::executor::{ProcessLifetime, Timeline};
use super::recorder::Recorder;
use futures_util::FutureExt;
use segctl::state::{DirectoryStore, LockChange, StateStore};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The lock on a machine's disk.
#[derive(Clone)]
pub(crate) struct LockFile {
    disk: Arc<Mutex<MachineDisk>>,
    /// When it was taken away last.
    force_unlocked_at: Arc<Mutex<Option<i64>>>,
}

impl LockFile {
    pub(crate) fn new(platter: &Arc<Mutex<MachineDisk>>) -> Self {
        Self {
            disk: Arc::clone(platter),
            force_unlocked_at: Arc::default(),
        }
    }

    /// Whether a run may write at a moment: it holds the lock, or held it until this very moment.
    pub(crate) fn allows_write(&self, run: usize, now: i64) -> bool {
        let platter = self.disk.lock().unwrap();
        let mut files = platter.files();
        let file = files.find(|(path, _)| *path == Path::new("ledger/lock.json"));
        let lock = file.and_then(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
        let is_held = lock.is_some_and(|lock| lock["contents"]["run"] == format!("run {run}"));
        is_held || *self.force_unlocked_at.lock().unwrap() == Some(now)
    }

    /// Takes it away from whoever has it, as `segctl ledger unlock` does.
    pub(crate) fn force_unlock(&self, timeline: &Timeline, record: &Recorder) {
        let disk = SimulatedFileSystem {
            disk: Arc::clone(&self.disk),
            lifetime: ProcessLifetime::crashing_at(None),
            recorder: record.clone(),
            actor: "unlock".to_owned(),
        };
        let store = DirectoryStore::with_filesystem(disk, "ledger");
        // Somebody else may be at it, or the disk may fail: then nothing comes of it.
        let changed = store.change_lock(|_| LockChange::Remove).now_or_never();
        if matches!(changed, Some(Ok(Some(_)))) {
            record.log_event("world", 37, || "the lock is taken away".to_owned());
            *self.force_unlocked_at.lock().unwrap() = Some(timeline.now());
        }
    }
}
