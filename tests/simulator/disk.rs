//! A disk that fails: what was not synced may be lost or torn when the machine does, and any operation may be refused.

use super::executor::Life;
use super::planted::Bug;
use super::random::Random;
use super::record::Record;
use segctl::ledger::FileSystem;
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
pub(crate) struct Platter {
    random: Random,
    files: BTreeMap<usize, File>,
    /// How many files there ever were.
    made: usize,
    /// Names as they are.
    names: BTreeMap<PathBuf, usize>,
    /// Names as they were synced.
    synced_names: BTreeMap<PathBuf, usize>,
    /// The changes since, oldest first.
    unsynced: Vec<Vec<(PathBuf, Option<usize>)>>,
    /// Files that somebody is alone with, and who waits for them.
    held: BTreeMap<PathBuf, Vec<Waker>>,
    faults: Vec<DiskFault>,
    operations: usize,
}

#[derive(Clone, Default)]
struct File {
    bytes: Vec<u8>,
    /// What outlasts a loss of power.
    synced: Vec<u8>,
    is_synced: bool,
}

impl Platter {
    pub(crate) fn new(random: Random) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            random,
            files: BTreeMap::new(),
            made: 0,
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            unsynced: Vec::new(),
            held: BTreeMap::new(),
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
        let unsynced = std::mem::take(&mut self.unsynced);
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
            self.settle_bytes(file);
        }
    }

    fn settle_bytes(&mut self, file: usize) {
        let File {
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
            2 => self.part_of(&bytes, &synced),
            _ => {
                // The length arrived before the bytes.
                let mut torn = self.part_of(&bytes, &synced);
                torn.resize(bytes.len().max(torn.len()), 0);
                torn
            }
        };
        let settled = File {
            synced: bytes.clone(),
            bytes,
            is_synced: true,
        };
        self.files.insert(file, settled);
    }

    /// As much as arrived of bytes that follow what was there, or that replace it.
    fn part_of(&mut self, bytes: &[u8], synced: &[u8]) -> Vec<u8> {
        let kept = if bytes.starts_with(synced) {
            synced.len()
        } else {
            0
        };
        let reached = kept + self.random.below(bytes.len() - kept + 1);
        bytes[..reached].to_vec()
    }

    /// Counts an operation, and says how it is refused if it is.
    fn begin(&mut self) -> io::Result<()> {
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
    fn open(&mut self, path: &Path) -> usize {
        if let Some(file) = self.names.get(path) {
            return *file;
        }
        self.made += 1;
        let file = self.made;
        self.files.insert(file, File::default());
        self.change_names(vec![(path.to_path_buf(), Some(file))]);
        file
    }

    fn change_names(&mut self, changes: Vec<(PathBuf, Option<usize>)>) {
        for (path, file) in changes.clone() {
            rename(&mut self.names, path, file);
        }
        self.unsynced.push(changes);
    }

    /// Gives back the room of files that have no name any more.
    fn collect(&mut self) {
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
pub(crate) struct SimulatedDisk {
    pub(crate) platter: Arc<Mutex<Platter>>,
    pub(crate) life: Arc<Life>,
    pub(crate) record: Record,
    pub(crate) who: String,
}

impl SimulatedDisk {
    /// The beginning of an operation: the process may end before it, and it may be refused.
    async fn begin(&self, word: &'static str, path: &Path) -> io::Result<()> {
        self.life.point().await;
        let begun = self.platter.lock().unwrap().begin();
        self.record.note(&self.who, word.len() as u64, || {
            let end = begun.as_ref().err().map(|error| format!(": {error}"));
            format!("disk {word} {}{}", path.display(), end.unwrap_or_default())
        });
        begun
    }

    /// Changes a file's bytes: all of them, or a part where the process ends or the disk fails in between.
    async fn change(&self, word: &'static str, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let begun = self.begin(word, path).await;
        let goes_on = self.life.goes_on();
        self.put(path, (word == APPEND, bytes), begun.is_ok() && goes_on);
        if !goes_on {
            std::future::pending::<()>().await;
        }
        begun
    }

    fn put(&self, path: &Path, (is_added, bytes): (bool, &[u8]), is_whole: bool) {
        let mut platter = self.platter.lock().unwrap();
        let mut reached = bytes.len();
        if is_added && self.record.has(Bug::AppendsCutShort) {
            reached /= 2;
        }
        if !is_whole {
            if platter.random.percent(50) {
                return;
            }
            reached = platter.random.below(bytes.len() + 1);
        }
        let file = platter.open(path);
        let file = platter.files.entry(file).or_default();
        if !is_added {
            file.bytes.clear();
        }
        file.bytes.extend_from_slice(&bytes[..reached]);
        file.is_synced = false;
    }
}

const APPEND: &str = "append to";

impl FileSystem for SimulatedDisk {
    type Guard = Guard;

    async fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        self.begin("read", path).await?;
        let platter = self.platter.lock().unwrap();
        let file = platter.names.get(path);
        Ok(file.map(|file| platter.files[file].bytes.clone()))
    }

    async fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.change("write", path, bytes).await
    }

    async fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.change(APPEND, path, bytes).await
    }

    async fn sync(&self, path: &Path) -> io::Result<()> {
        self.begin("sync", path).await?;
        if self.record.has(Bug::BytesNotSynced) {
            return Ok(());
        }
        let mut platter = self.platter.lock().unwrap();
        let Some(file) = platter.names.get(path).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let file = platter.files.entry(file).or_default();
        let File { bytes, synced, .. } = file;
        synced.clone_from(bytes);
        file.is_synced = true;
        Ok(())
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin("rename to", to).await?;
        let mut platter = self.platter.lock().unwrap();
        let Some(file) = platter.names.get(from).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        platter.change_names(vec![(from.to_path_buf(), None), (to.to_path_buf(), Some(file))]);
        Ok(())
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        self.begin("remove", path).await?;
        let mut platter = self.platter.lock().unwrap();
        if platter.names.contains_key(path) {
            platter.change_names(vec![(path.to_path_buf(), None)]);
        }
        Ok(())
    }

    async fn file_names(&self, path: &Path) -> io::Result<Vec<String>> {
        self.begin("list", path).await?;
        let platter = self.platter.lock().unwrap();
        let inside = platter.names.keys().filter(|name| name.parent() == Some(path));
        let names = inside.filter_map(|name| Some(name.file_name()?.to_str()?.to_owned()));
        Ok(names.collect())
    }

    async fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.begin("sync directory", path).await?;
        if self.record.has(Bug::NamesNotSynced) {
            return Ok(());
        }
        let mut platter = self.platter.lock().unwrap();
        platter.synced_names = platter.names.clone();
        platter.unsynced.clear();
        platter.collect();
        Ok(())
    }

    async fn create_directories(&self, path: &Path) -> io::Result<()> {
        self.begin("create directory", path).await
    }

    async fn lock_exclusively(&self, path: &Path) -> io::Result<Guard> {
        self.begin("hold", path).await?;
        Entry {
            platter: Arc::clone(&self.platter),
            path: path.to_path_buf(),
        }
        .await;
        Ok(Guard {
            platter: Arc::clone(&self.platter),
            path: path.to_path_buf(),
        })
    }
}

/// Being alone with a file; ends with the process at the latest.
pub(crate) struct Guard {
    platter: Arc<Mutex<Platter>>,
    path: PathBuf,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let waiting = self.platter.lock().unwrap().held.remove(&self.path);
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Waits until nobody else is alone with a file.
struct Entry {
    platter: Arc<Mutex<Platter>>,
    path: PathBuf,
}

impl Future for Entry {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut platter = self.platter.lock().unwrap();
        if let Some(waiting) = platter.held.get_mut(&self.path) {
            waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        platter.held.insert(self.path.clone(), Vec::new());
        Poll::Ready(())
    }
}
