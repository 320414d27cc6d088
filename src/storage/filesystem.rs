//! The file operations of a directory with objects.
//!
//! A write is durable after a sync of its file, and a new name after a sync of its directory. Crash safety depends on the
//! order of these operations: the simulator loses unsynced data and ends the process between any two of them.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::future::Future;
use std::path::Path;
use std::{fmt, io};

pub trait FileSystem: fmt::Debug + Send + Sync {
    /// Dropping it unlocks the file.
    type Guard: Send;

    /// `None` if the file does not exist.
    fn read(&self, path: &Path) -> impl Future<Output = io::Result<Option<Vec<u8>>>> + Send;

    /// Creates a file, or replaces its contents.
    fn write(&self, path: &Path, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// The bytes of the file are durable when this returns.
    fn sync(&self, path: &Path) -> impl Future<Output = io::Result<()>> + Send;

    /// Replaces `to` if it exists.
    fn rename(&self, from: &Path, to: &Path) -> impl Future<Output = io::Result<()>> + Send;

    /// Succeeds if the file does not exist.
    fn remove(&self, path: &Path) -> impl Future<Output = io::Result<()>> + Send;

    /// Empty if the directory does not exist.
    fn file_names(&self, path: &Path) -> impl Future<Output = io::Result<Vec<String>>> + Send;

    /// The names in the directory are durable when this returns.
    fn sync_directory(&self, path: &Path) -> impl Future<Output = io::Result<()>> + Send;

    fn create_directories(&self, path: &Path) -> impl Future<Output = io::Result<()>> + Send;

    /// Creates the file if it does not exist, and waits until no other holder has it locked. The lock ends with the guard
    /// or the process.
    fn lock_exclusively(&self, path: &Path) -> impl Future<Output = io::Result<Self::Guard>> + Send;
}

/// The file system of this machine. Its operations block: the files are small, and the next step of a run needs them.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFileSystem;

impl FileSystem for LocalFileSystem {
    type Guard = File;

    async fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }

    async fn sync(&self, path: &Path) -> io::Result<()> {
        // Some systems sync only files that are open for writing.
        OpenOptions::new().append(true).open(path)?.sync_all()
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    async fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn file_names(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.map(name).collect()
    }

    async fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    async fn create_directories(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    async fn lock_exclusively(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        loop {
            // Polled, since another future of this process may hold the lock.
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL_INTERVAL).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

const LOCK_POLL_INTERVAL: std::time::Duration = std::time::Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn files_are_read_written_renamed_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("deep/down");
        let (one, other) = (inner.join("one"), inner.join("other"));
        let disk = LocalFileSystem;
        disk.create_directories(&inner).await.unwrap();
        assert_eq!(disk.read(&one).await.unwrap(), None);
        disk.write(&one, b"a").await.unwrap();
        disk.write(&one, b"ab").await.unwrap();
        disk.sync(&one).await.unwrap();
        disk.rename(&one, &other).await.unwrap();
        disk.sync_directory(&inner).await.unwrap();
        assert_eq!(disk.file_names(&inner).await.unwrap(), ["other"]);
        assert!(disk.file_names(&one).await.unwrap().is_empty());
        assert_eq!(disk.read(&other).await.unwrap(), Some(b"ab".to_vec()));
        disk.write(&other, b"c").await.unwrap();
        assert_eq!(disk.read(&other).await.unwrap(), Some(b"c".to_vec()));
        disk.remove(&other).await.unwrap();
        disk.remove(&other).await.unwrap();
        assert!(disk.sync(&other).await.is_err() && disk.read(&inner).await.is_err());
    }

    #[tokio::test]
    async fn the_file_lock_is_exclusive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("guard");
        let first = LocalFileSystem.lock_exclusively(&path).await.unwrap();
        assert!(LocalFileSystem.lock_exclusively(&path).now_or_never().is_none());
        drop(first);
        assert!(LocalFileSystem.lock_exclusively(&path).now_or_never().is_some());
    }
}
