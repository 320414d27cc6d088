//! The state lock on the disk, and a user who removes it.

use super::disk::{MachineDisk, SimulatedFileSystem};
use super::executor::{ProcessLifetime, Timeline};
use super::recorder::Recorder;
use super::store::{CheckedStorage, PossibleStates};
use futures_util::FutureExt;
use segctl::state::{LockChange, StateStore};
use segctl::storage::DirectoryStorage;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub(crate) struct LockFile {
    disk: Arc<Mutex<MachineDisk>>,
    possible_states: PossibleStates,
    /// When a user last removed the lock.
    force_unlocked_at: Arc<Mutex<Option<i64>>>,
}

impl LockFile {
    pub(crate) fn new(disk: &Arc<Mutex<MachineDisk>>, possible_states: &PossibleStates) -> Self {
        Self {
            disk: Arc::clone(disk),
            possible_states: possible_states.clone(),
            force_unlocked_at: Arc::default(),
        }
    }

    /// Whether a run may write now: it holds the lock, or a user removed the lock at this moment.
    pub(crate) fn allows_write(&self, run: usize, now: i64) -> bool {
        let disk = self.disk.lock().unwrap();
        let mut files = disk.files();
        let file = files.find(|(path, _)| *path == Path::new("state/lock.json"));
        let lock = file.and_then(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
        let is_held = lock.is_some_and(|lock| lock["contents"]["run"] == format!("run {run}"));
        is_held || *self.force_unlocked_at.lock().unwrap() == Some(now)
    }

    /// Removes the lock, like `segctl state unlock`.
    pub(crate) fn force_unlock(&self, timeline: &Timeline, recorder: &Recorder) {
        let disk = SimulatedFileSystem {
            disk: Arc::clone(&self.disk),
            lifetime: ProcessLifetime::crashing_at(None),
            recorder: recorder.clone(),
            actor: "unlock".to_owned(),
        };
        let store = StateStore::new(CheckedStorage {
            inner: DirectoryStorage::with_filesystem(disk, "state"),
            possible_states: self.possible_states.clone(),
            recorder: recorder.clone(),
            run: None,
        });
        // This fails if another process is changing the lock, or if the disk fails.
        let changed = store.change_lock(|_| LockChange::Remove).now_or_never();
        if matches!(changed, Some(Ok(Some(_)))) {
            recorder.log_event("world", 37, || "a user removes the lock".to_owned());
            *self.force_unlocked_at.lock().unwrap() = Some(timeline.now());
        }
    }
}
