//! Objects as files of a directory.
//!
//! Writers take turns: each holds the lock of a guard file while it compares and replaces a file. A file is replaced by the
//! rename of a complete temporary one. A crash leaves at most one temporary file for each name at the top of the
//! directory, and the next write replaces it.

use super::filesystem::{FileSystem, LocalFileSystem};
use super::{ConditionalWrite, Object, Precondition, Storage, StorageError, StorageResult, Version};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::Mutex;

const GUARD_FILE: &str = ".guard";
const TEMPORARY_SUFFIX: &str = ".new";

#[derive(Debug)]
pub struct DirectoryStorage<F = LocalFileSystem> {
    directory: PathBuf,
    filesystem: F,
    /// The folders whose names are certainly on the disk.
    synced_folders: Mutex<BTreeSet<PathBuf>>,
}

impl DirectoryStorage {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self::with_filesystem(LocalFileSystem, directory)
    }
}

impl<F: FileSystem> DirectoryStorage<F> {
    pub fn with_filesystem(filesystem: F, directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            filesystem,
            synced_folders: Mutex::default(),
        }
    }

    async fn read(&self, name: &str) -> StorageResult<Option<Object>> {
        let path = self.directory.join(name);
        let bytes = self.filesystem.read(&path).await;
        Ok(bytes.map_err(file_error("read", &path))?.map(Object::of_bytes))
    }

    /// Waits for the right to change files. An error names `name`.
    async fn acquire_guard(&self, name: &str) -> StorageResult<F::Guard> {
        let created = self.filesystem.create_directories(&self.directory).await;
        created.map_err(file_error("write", &self.directory.join(name)))?;
        let guard = self.directory.join(GUARD_FILE);
        let locked = self.filesystem.lock_exclusively(&guard).await;
        locked.map_err(file_error("write", &guard))
    }

    async fn replace(&self, name: &str, bytes: &[u8]) -> StorageResult {
        let path = self.directory.join(name);
        let replaced = self.replace_atomically(name, &path, bytes).await;
        replaced.map_err(file_error("write", &path))
    }

    async fn replace_atomically(&self, name: &str, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let top = name.split('/').next().unwrap_or(name);
        let temporary = self.directory.join(format!("{top}{TEMPORARY_SUFFIX}"));
        self.filesystem.write(&temporary, bytes).await?;
        // The bytes have to reach the disk before the rename does.
        self.filesystem.sync(&temporary).await?;
        let folder = path.parent().unwrap_or(&self.directory);
        self.create_folder(folder).await?;
        self.filesystem.rename(&temporary, path).await?;
        self.filesystem.sync_directory(folder).await
    }

    /// Another process may have created the folder and ended before it synced the name, so each process syncs it.
    async fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mut synced = self.synced_folders.lock().await;
        if folder != self.directory && !synced.contains(folder) {
            self.filesystem.create_directories(folder).await?;
            self.filesystem.sync_directory(&self.directory).await?;
            synced.insert(folder.to_owned());
        }
        Ok(())
    }
}

impl<F: FileSystem> Storage for DirectoryStorage<F> {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, StorageResult<Option<Object>>> {
        self.read(name).boxed()
    }

    fn put<'a>(&'a self, name: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, StorageResult> {
        async move {
            let _guard = self.acquire_guard(name).await?;
            self.replace(name, &bytes).await
        }
        .boxed()
    }

    fn put_if<'a>(
        &'a self,
        name: &'a str,
        bytes: Vec<u8>,
        expected: &'a Precondition,
    ) -> BoxFuture<'a, StorageResult<ConditionalWrite>> {
        async move {
            let _guard = self.acquire_guard(name).await?;
            let stored = self.read(name).await?;
            if !expected.is_met_by(stored.as_ref()) {
                return Ok(ConditionalWrite::Conflict(stored));
            }
            self.replace(name, &bytes).await?;
            Ok(ConditionalWrite::Done(Version::of_bytes(&bytes)))
        }
        .boxed()
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, StorageResult<Vec<String>>> {
        async move {
            let path = self.directory.join(folder);
            let names = self.filesystem.file_names(&path).await;
            let names = names.map_err(file_error("read", &path))?.into_iter();
            Ok(names.map(|name| format!("{folder}/{name}")).collect())
        }
        .boxed()
    }

    fn delete(&self, names: Vec<String>) -> BoxFuture<'_, StorageResult> {
        async move {
            for name in names {
                let _guard = self.acquire_guard(&name).await?;
                let path = self.directory.join(&name);
                let removed = self.filesystem.remove(&path).await;
                removed.map_err(file_error("remove", &path))?;
            }
            Ok(())
        }
        .boxed()
    }

    fn location(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}

fn file_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    move |source| StorageError::File {
        operation,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn a_write_with_a_failed_condition_returns_what_is_stored() {
        let directory = tempfile::tempdir().unwrap();
        let storage = DirectoryStorage::new(directory.path().join("deep/down"));
        let put_if = async |text: &str, expected: &Precondition| {
            let written = storage.put_if("folder/a", text.into(), expected).await;
            match written.unwrap() {
                ConditionalWrite::Done(version) => Ok(Precondition::Version(version)),
                ConditionalWrite::Conflict(object) => Err(object.map(|object| object.bytes.to_vec())),
            }
        };
        let first = put_if("one", &Precondition::Absent).await.unwrap();
        let conflict = put_if("two", &Precondition::Absent).await.unwrap_err();
        assert_eq!(conflict, Some(b"one".to_vec()));
        let second = put_if("two", &first).await.unwrap();
        let conflict = put_if("three", &first).await.unwrap_err();
        assert_eq!(conflict, Some(b"two".to_vec()));
        let read = storage.get("folder/a").await.unwrap();
        assert!(second.is_met_by(read.as_ref()) && !first.is_met_by(read.as_ref()));
        storage
            .delete(vec!["folder/a".to_owned(), "folder/b".to_owned()])
            .await
            .unwrap();
        assert_eq!(put_if("three", &second).await.unwrap_err(), None);
    }

    #[tokio::test]
    async fn a_folder_lists_its_objects_and_no_temporary_file() {
        let directory = tempfile::tempdir().unwrap();
        let storage = DirectoryStorage::new(directory.path());
        assert_eq!(storage.list("folder").await.unwrap(), [""; 0]);
        // A crash left it.
        fs::write(directory.path().join("folder.new"), "torn").unwrap();
        for name in ["folder/a", "folder/b", "c"] {
            storage.put(name, name.into()).await.unwrap();
        }
        let mut listed = storage.list("folder").await.unwrap();
        listed.sort();
        assert_eq!(listed, ["folder/a", "folder/b"]);
        assert!(!directory.path().join("folder.new").exists());
    }
}
