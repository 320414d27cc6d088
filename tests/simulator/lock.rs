//! Who holds the ledger's lock, as the disk says, and somebody who takes it away.

use super::disk::{Platter, SimulatedDisk};
use super::executor::{Life, Timeline};
use super::record::Record;
use futures_util::FutureExt;
use segctl::ledger::{LockChange, DirectoryStore, StateStore};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The lock on a machine's disk.
#[derive(Clone)]
pub(crate) struct LockFile {
    platter: Arc<Mutex<Platter>>,
    /// When it was taken away last.
    taken_away: Arc<Mutex<Option<i64>>>,
}

impl LockFile {
    pub(crate) fn on(platter: &Arc<Mutex<Platter>>) -> Self {
        Self {
            platter: Arc::clone(platter),
            taken_away: Arc::default(),
        }
    }

    /// Whether a run may write at a moment: it holds the lock, or held it until this very moment.
    pub(crate) fn allows(&self, run: usize, now: i64) -> bool {
        let platter = self.platter.lock().unwrap();
        let mut files = platter.files();
        let file = files.find(|(path, _)| *path == Path::new("ledger/lock.json"));
        let lock = file.and_then(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
        let is_held = lock.is_some_and(|lock| lock["contents"]["run"] == format!("run {run}"));
        is_held || *self.taken_away.lock().unwrap() == Some(now)
    }

    /// Takes it away from whoever has it, as `segctl ledger unlock` does.
    pub(crate) fn take_away(&self, timeline: &Timeline, record: &Record) {
        let disk = SimulatedDisk {
            platter: Arc::clone(&self.platter),
            life: Life::until(None),
            record: record.clone(),
            who: "unlock".to_owned(),
        };
        let store = DirectoryStore::with_filesystem(disk, "ledger");
        // Somebody else may be at it, or the disk may fail: then nothing comes of it.
        let changed = store.change_lock(|_| LockChange::Remove).now_or_never();
        if matches!(changed, Some(Ok(Some(_)))) {
            record.note("world", 37, || "the lock is taken away".to_owned());
            *self.taken_away.lock().unwrap() = Some(timeline.now());
        }
    }
}
