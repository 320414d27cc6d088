//! A disk that fails: what was not synced may be lost or torn when the machine does, and any operation may be refused.

use super::executor::ProcessLifetime;
use super::injected_bugs::Bug;
use super::random::Random;
use super::recorder::Recorder;
use segctl::state::FileSystem;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// An operation that is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskFault {
    /// How many operations go well before.
    pub(crate) after: usize,
    /// How many in a row do not.
    pub(crate) times: usize,
    /// Whether the disk is full; otherwise it does not work.
    pub(crate) is_full: bool,
}

/// The disk of a machine.
pub(crate) struct MachineDisk {
    random: Random,
    files: BTreeMap<usize, DiskFile>,
    /// How many files there ever were.
    created_files: usize,
    /// Names as they are.
    names: BTreeMap<PathBuf, usize>,
    /// Names as they were synced.
    synced_names: BTreeMap<PathBuf, usize>,
    /// The changes since, oldest first.
    unsynced_names: Vec<Vec<(PathBuf, Option<usize>)>>,
    /// Files that somebody is alone with, and who waits for them.
    lock_waiters: BTreeMap<PathBuf, Vec<Waker>>,
    faults: Vec<DiskFault>,
    operations: usize,
}

#[derive(Clone, Default)]
struct DiskFile {
    bytes: Vec<u8>,
    /// What outlasts a loss of power.
    synced: Vec<u8>,
    is_synced: bool,
}

impl MachineDisk {
    pub(crate) fn new(random: Random) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            random,
            files: BTreeMap::new(),
            created_files: 0,
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            lock_waiters: BTreeMap::new(),
            faults: Vec::new(),
            operations: 0,
        }))
    }

    /// Has operations fail from now on.
    pub(crate) fn set_faults(&mut self, faults: Vec<DiskFault>) {
        self.operations = 0;
        self.faults = faults;
    }

    /// Whether operations are to fail.
    pub(crate) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// All files with their bytes.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        let names = self.names.iter();
        names.map(|(path, file)| (path.as_path(), self.files[file].bytes.as_slice()))
    }

    /// Loses what was not synced, or some of it.
    pub(crate) fn lose_power(&mut self) {
        let unsynced = std::mem::take(&mut self.unsynced_names);
        // Disks mostly keep the order of changes, and nothing says that they have to.
        let in_order = self.random.percent(80);
        let reached = self.random.below(unsynced.len() + 1);
        for (place, changes) in unsynced.into_iter().enumerate() {
            let has_arrived = if in_order {
                place < reached
            } else {
                self.random.percent(50)
            };
            if has_arrived {
                for (path, file) in changes {
                    rename(&mut self.synced_names, path, file);
                }
            }
        }
        self.names = self.synced_names.clone();
        let files: Vec<usize> = self.files.keys().copied().collect();
        for file in files {
            self.lose_unsynced_bytes(file);
        }
    }

    fn lose_unsynced_bytes(&mut self, file: usize) {
        let DiskFile {
            bytes,
            synced,
            is_synced,
        } = self.files[&file].clone();
        if is_synced {
            return;
        }
        let bytes = match self.random.below(4) {
            0 => synced,
            1 => bytes,
            2 => self.partly_written(&bytes, &synced),
            _ => {
                // The length arrived before the bytes.
                let mut torn = self.partly_written(&bytes, &synced);
                torn.resize(bytes.len().max(torn.len()), 0);
                torn
            }
        };
        let settled = DiskFile {
            synced: bytes.clone(),
            bytes,
            is_synced: true,
        };
        self.files.insert(file, settled);
    }

    /// As much as arrived of bytes that follow what was there, or that replace it.
    fn partly_written(&mut self, bytes: &[u8], synced: &[u8]) -> Vec<u8> {
        let kept = if bytes.starts_with(synced) {
            synced.len()
        } else {
            0
        };
        let reached = kept + self.random.below(bytes.len() - kept + 1);
        bytes[..reached].to_vec()
    }

    /// Counts an operation, and says how it is refused if it is.
    fn begin_operation(&mut self) -> io::Result<()> {
        self.operations += 1;
        let operation = self.operations;
        let hit = |fault: &&DiskFault| (fault.after + 1..=fault.after + fault.times).contains(&operation);
        match self.faults.iter().find(hit) {
            None => Ok(()),
            Some(DiskFault { is_full: true, .. }) => Err(io::ErrorKind::StorageFull.into()),
            Some(_) => Err(io::Error::other("input/output error")),
        }
    }

    /// The file of a name, made where there is none.
    fn open_or_create(&mut self, path: &Path) -> usize {
        if let Some(file) = self.names.get(path) {
            return *file;
        }
        self.created_files += 1;
        let file = self.created_files;
        self.files.insert(file, DiskFile::default());
        self.change_names(vec![(path.to_path_buf(), Some(file))]);
        file
    }

    fn change_names(&mut self, changes: Vec<(PathBuf, Option<usize>)>) {
        for (path, file) in changes.clone() {
            rename(&mut self.names, path, file);
        }
        self.unsynced_names.push(changes);
    }

    /// Gives back the room of files that have no name any more.
    fn drop_unnamed_files(&mut self) {
        let named: BTreeSet<usize> = self.names.values().copied().collect();
        self.files.retain(|file, _| named.contains(file));
    }
}

fn rename(names: &mut BTreeMap<PathBuf, usize>, path: PathBuf, file: Option<usize>) {
    match file {
        Some(file) => names.insert(path, file),
        None => names.remove(&path),
    };
}

/// A disk as one process sees it.
#[derive(Clone)]
pub(crate) struct SimulatedFileSystem {
    pub(crate) disk: Arc<Mutex<MachineDisk>>,
    pub(crate) lifetime: Arc<ProcessLifetime>,
    pub(crate) recorder: Recorder,
    pub(crate) actor: String,
}

impl SimulatedFileSystem {
    /// The beginning of an operation: the process may end before it, and it may be refused.
    async fn begin_operation(&self, word: &'static str, path: &Path) -> io::Result<()> {
        self.lifetime.crash_point().await;
        let begun = self.disk.lock().unwrap().begin_operation();
        self.recorder.log_event(&self.actor, word.len() as u64, || {
            let end = begun.as_ref().err().map(|error| format!(": {error}"));
            format!("disk {word} {}{}", path.display(), end.unwrap_or_default())
        });
        begun
    }

    /// Changes a file's bytes: all of them, or a part where the process ends or the disk fails in between.
    async fn write_bytes(&self, word: &'static str, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let begun = self.begin_operation(word, path).await;
        let goes_on = self.lifetime.survives_crash_point();
        self.apply_write(path, (word == APPEND, bytes), begun.is_ok() && goes_on);
        if !goes_on {
            std::future::pending::<()>().await;
        }
        begun
    }

    fn apply_write(&self, path: &Path, (is_added, bytes): (bool, &[u8]), is_whole: bool) {
        let mut platter = self.disk.lock().unwrap();
        let mut reached = bytes.len();
        if is_added && self.recorder.has_bug(Bug::AppendTruncated) {
            reached /= 2;
        }
        if !is_whole {
            if platter.random.percent(50) {
                return;
            }
            reached = platter.random.below(bytes.len() + 1);
        }
        let file = platter.open_or_create(path);
        let file = platter.files.entry(file).or_default();
        if !is_added {
            file.bytes.clear();
        }
        file.bytes.extend_from_slice(&bytes[..reached]);
        file.is_synced = false;
    }
}

const APPEND: &str = "append to";

impl FileSystem for SimulatedFileSystem {
    type Guard = FileLockGuard;

    async fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        self.begin_operation("read", path).await?;
        let platter = self.disk.lock().unwrap();
        let file = platter.names.get(path);
        Ok(file.map(|file| platter.files[file].bytes.clone()))
    }

    async fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_bytes("write", path, bytes).await
    }

    async fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_bytes(APPEND, path, bytes).await
    }

    async fn sync(&self, path: &Path) -> io::Result<()> {
        self.begin_operation("sync", path).await?;
        if self.recorder.has_bug(Bug::BytesNotSynced) {
            return Ok(());
        }
        let mut platter = self.disk.lock().unwrap();
        let Some(file) = platter.names.get(path).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let file = platter.files.entry(file).or_default();
        let DiskFile { bytes, synced, .. } = file;
        synced.clone_from(bytes);
        file.is_synced = true;
        Ok(())
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin_operation("rename to", to).await?;
        let mut platter = self.disk.lock().unwrap();
        let Some(file) = platter.names.get(from).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        platter.change_names(vec![(from.to_path_buf(), None), (to.to_path_buf(), Some(file))]);
        Ok(())
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        self.begin_operation("remove", path).await?;
        let mut platter = self.disk.lock().unwrap();
        if platter.names.contains_key(path) {
            platter.change_names(vec![(path.to_path_buf(), None)]);
        }
        Ok(())
    }

    async fn file_names(&self, path: &Path) -> io::Result<Vec<String>> {
        self.begin_operation("list", path).await?;
        let platter = self.disk.lock().unwrap();
        let inside = platter.names.keys().filter(|name| name.parent() == Some(path));
        let names = inside.filter_map(|name| Some(name.file_name()?.to_str()?.to_owned()));
        Ok(names.collect())
    }

    async fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.begin_operation("sync directory", path).await?;
        if self.recorder.has_bug(Bug::DirectoryNotSynced) {
            return Ok(());
        }
        let mut platter = self.disk.lock().unwrap();
        platter.synced_names = platter.names.clone();
        platter.unsynced_names.clear();
        platter.drop_unnamed_files();
        Ok(())
    }

    async fn create_directories(&self, path: &Path) -> io::Result<()> {
        self.begin_operation("create directory", path).await
    }

    async fn lock_exclusively(&self, path: &Path) -> io::Result<FileLockGuard> {
        self.begin_operation("hold", path).await?;
        AcquireFileLock {
            disk: Arc::clone(&self.disk),
            path: path.to_path_buf(),
        }
        .await;
        Ok(FileLockGuard {
            disk: Arc::clone(&self.disk),
            path: path.to_path_buf(),
        })
    }
}

/// Being alone with a file; ends with the process at the latest.
pub(crate) struct FileLockGuard {
    disk: Arc<Mutex<MachineDisk>>,
    path: PathBuf,
}

impl Drop for FileLockGuard {
    fn drop(&mut self) {
        let waiting = self.disk.lock().unwrap().lock_waiters.remove(&self.path);
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Waits until nobody else is alone with a file.
struct AcquireFileLock {
    disk: Arc<Mutex<MachineDisk>>,
    path: PathBuf,
}

impl Future for AcquireFileLock {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut platter = self.disk.lock().unwrap();
        if let Some(waiting) = platter.lock_waiters.get_mut(&self.path) {
            waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        platter.lock_waiters.insert(self.path.clone(), Vec::new());
        Poll::Ready(())
    }
}
