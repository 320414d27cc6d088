//! A disk that fails: a power loss loses or tears unsynced bytes and names, and any operation may fail.

use super::executor::ProcessLifetime;
use super::injected_bugs::Bug;
use super::random::Random;
use super::recorder::Recorder;
use segctl::storage::FileSystem;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::{fmt, io};

#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskFault {
    /// How many operations succeed before it.
    pub(crate) after: usize,
    /// How many operations fail in a row.
    pub(crate) times: usize,
    /// Whether the error is a full disk; otherwise it is an input/output error.
    pub(crate) is_full: bool,
}

pub(crate) struct MachineDisk {
    random: Random,
    files: BTreeMap<usize, DiskFile>,
    created_files: usize,
    names: BTreeMap<PathBuf, usize>,
    /// The names at the last sync.
    synced_names: BTreeMap<PathBuf, usize>,
    /// The changes of names since the last sync, oldest first.
    unsynced_names: Vec<Vec<(PathBuf, Option<usize>)>>,
    /// Locked files, with the tasks that wait for each lock.
    lock_waiters: BTreeMap<PathBuf, Vec<Waker>>,
    faults: Vec<DiskFault>,
    operations: usize,
}

#[derive(Clone, Default)]
struct DiskFile {
    bytes: Vec<u8>,
    /// The bytes that survive a power loss.
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

    pub(crate) fn set_faults(&mut self, faults: Vec<DiskFault>) {
        self.operations = 0;
        self.faults = faults;
    }

    pub(crate) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        let names = self.names.iter();
        names.map(|(path, file)| (path.as_path(), self.files[file].bytes.as_slice()))
    }

    /// Loses unsynced bytes and names, or some of them.
    pub(crate) fn lose_power(&mut self) {
        let unsynced = std::mem::take(&mut self.unsynced_names);
        // Most disks keep the order of changes, but nothing guarantees it.
        let in_order = self.random.percent(80);
        let reached = self.random.below(unsynced.len() + 1);
        for (index, changes) in unsynced.into_iter().enumerate() {
            let has_arrived = if in_order {
                index < reached
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
                // The file has its new length, but not its new bytes.
                let mut torn = self.partly_written(&bytes, &synced);
                torn.resize(bytes.len().max(torn.len()), 0);
                torn
            }
        };
        let synced_file = DiskFile {
            synced: bytes.clone(),
            bytes,
            is_synced: true,
        };
        self.files.insert(file, synced_file);
    }

    /// A prefix of the new bytes, which follow the synced ones or replace them.
    fn partly_written(&mut self, bytes: &[u8], synced: &[u8]) -> Vec<u8> {
        let start = if bytes.starts_with(synced) {
            synced.len()
        } else {
            0
        };
        let reached = start + self.random.below(bytes.len() - start + 1);
        bytes[..reached].to_vec()
    }

    /// Counts an operation, and fails it if a fault applies.
    fn begin_operation(&mut self) -> io::Result<()> {
        self.operations += 1;
        let operation = self.operations;
        let applies = |fault: &&DiskFault| (fault.after + 1..=fault.after + fault.times).contains(&operation);
        match self.faults.iter().find(applies) {
            None => Ok(()),
            Some(DiskFault { is_full: true, .. }) => Err(io::ErrorKind::StorageFull.into()),
            Some(_) => Err(io::Error::other("input/output error")),
        }
    }

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

/// The access of one process to a disk.
#[derive(Clone)]
pub(crate) struct SimulatedFileSystem {
    pub(crate) disk: Arc<Mutex<MachineDisk>>,
    pub(crate) lifetime: Arc<ProcessLifetime>,
    pub(crate) recorder: Recorder,
    pub(crate) actor: String,
}

impl SimulatedFileSystem {
    /// The process may crash before the operation, and the operation may fail.
    async fn begin_operation(&self, operation: &'static str, path: &Path) -> io::Result<()> {
        self.lifetime.crash_point().await;
        let started = self.disk.lock().unwrap().begin_operation();
        self.recorder.log_event(&self.actor, operation.len() as u64, || {
            let end = started.as_ref().err().map(|error| format!(": {error}"));
            format!("disk {operation} {}{}", path.display(), end.unwrap_or_default())
        });
        started
    }

    /// Writes all bytes, or a part of them if the process crashes or the disk fails.
    async fn write_bytes(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let started = self.begin_operation("write", path).await;
        let survives = self.lifetime.survives_crash_point();
        self.apply_write(path, bytes, started.is_ok() && survives);
        if !survives {
            std::future::pending::<()>().await;
        }
        started
    }

    fn apply_write(&self, path: &Path, bytes: &[u8], is_complete: bool) {
        let mut disk = self.disk.lock().unwrap();
        let mut reached = bytes.len();
        if self.recorder.has_bug(Bug::WriteTruncated) {
            reached /= 2;
        }
        if !is_complete {
            if disk.random.percent(50) {
                return;
            }
            reached = disk.random.below(bytes.len() + 1);
        }
        let file = disk.open_or_create(path);
        let file = disk.files.entry(file).or_default();
        file.bytes = bytes[..reached].to_vec();
        file.is_synced = false;
    }
}

impl fmt::Debug for SimulatedFileSystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.actor)
    }
}

impl FileSystem for SimulatedFileSystem {
    type Guard = FileLockGuard;

    async fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        self.begin_operation("read", path).await?;
        let disk = self.disk.lock().unwrap();
        let file = disk.names.get(path);
        Ok(file.map(|file| disk.files[file].bytes.clone()))
    }

    async fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_bytes(path, bytes).await
    }

    async fn sync(&self, path: &Path) -> io::Result<()> {
        self.begin_operation("sync", path).await?;
        if self.recorder.has_bug(Bug::BytesNotSynced) {
            return Ok(());
        }
        let mut disk = self.disk.lock().unwrap();
        let Some(file) = disk.names.get(path).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let file = disk.files.entry(file).or_default();
        let DiskFile { bytes, synced, .. } = file;
        synced.clone_from(bytes);
        file.is_synced = true;
        Ok(())
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin_operation("rename to", to).await?;
        let mut disk = self.disk.lock().unwrap();
        let Some(file) = disk.names.get(from).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        disk.change_names(vec![(from.to_path_buf(), None), (to.to_path_buf(), Some(file))]);
        Ok(())
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        self.begin_operation("remove", path).await?;
        let mut disk = self.disk.lock().unwrap();
        if disk.names.contains_key(path) {
            disk.change_names(vec![(path.to_path_buf(), None)]);
        }
        Ok(())
    }

    async fn file_names(&self, path: &Path) -> io::Result<Vec<String>> {
        self.begin_operation("list", path).await?;
        let disk = self.disk.lock().unwrap();
        let inside = disk.names.keys().filter(|name| name.parent() == Some(path));
        let names = inside.filter_map(|name| Some(name.file_name()?.to_str()?.to_owned()));
        Ok(names.collect())
    }

    async fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.begin_operation("sync directory", path).await?;
        if self.recorder.has_bug(Bug::DirectoryNotSynced) {
            return Ok(());
        }
        let mut disk = self.disk.lock().unwrap();
        disk.synced_names = disk.names.clone();
        disk.unsynced_names.clear();
        disk.drop_unnamed_files();
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

/// An exclusive lock on a file. It ends with the process at the latest.
pub(crate) struct FileLockGuard {
    disk: Arc<Mutex<MachineDisk>>,
    path: PathBuf,
}

impl Drop for FileLockGuard {
    fn drop(&mut self) {
        let waiters = self.disk.lock().unwrap().lock_waiters.remove(&self.path);
        waiters.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Waits until the file is not locked.
struct AcquireFileLock {
    disk: Arc<Mutex<MachineDisk>>,
    path: PathBuf,
}

impl Future for AcquireFileLock {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut disk = self.disk.lock().unwrap();
        if let Some(waiters) = disk.lock_waiters.get_mut(&self.path) {
            waiters.push(context.waker().clone());
            return Poll::Pending;
        }
        disk.lock_waiters.insert(self.path.clone(), Vec::new());
        Poll::Ready(())
    }
}
