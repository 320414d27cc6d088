//! The service's state in one file, which is written atomically and shared by several processes.
//!
//! Commands that run at the same time each embed a service on the same file. A lock file beside it contains the number
//! of the last save. A process whose own number differs re-reads the state before it answers.

use super::SandboxError;
use super::json;
use super::state::{FORMAT_VERSION, SandboxState};
use serde::Deserialize;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    lock: File,
    /// The number of the save that this process has read or written.
    loaded_save_number: u64,
}

pub(super) struct LockedDataFile<'a>(&'a mut DataFile);

impl DataFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(sibling_path(path, ".lock"))?;
        Ok(Self {
            path: path.to_path_buf(),
            lock,
            loaded_save_number: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the lock. Other processes hold it for one request and its save.
    pub(super) fn lock(&mut self) -> io::Result<LockedDataFile<'_>> {
        self.lock.lock()?;
        Ok(LockedDataFile(self))
    }
}

impl Drop for LockedDataFile<'_> {
    fn drop(&mut self) {
        // If this fails, the system unlocks the file when it is closed.
        self.0.lock.unlock().ok();
    }
}

impl LockedDataFile<'_> {
    /// `None` if there is no file yet.
    pub(super) fn load(&mut self) -> Result<Option<SandboxState>, SandboxError> {
        let number = self.last_save_number().map_err(|source| SandboxError::File {
            path: self.0.path.clone(),
            source,
        })?;
        let state = read_state(&self.0.path)?;
        self.0.loaded_save_number = number;
        Ok(state)
    }

    /// `None` unless another process saved the state since this one read it.
    pub(super) fn load_if_changed(&mut self) -> Result<Option<SandboxState>, SandboxError> {
        match self.last_save_number() {
            Ok(number) if number == self.0.loaded_save_number => Ok(None),
            _ => self.load(),
        }
    }

    /// Replaces the file atomically.
    pub(super) fn save(&mut self, state: &SandboxState) -> io::Result<()> {
        let temporary = sibling_path(&self.0.path, ".new");
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(state)?)?;
        // Without a sync, a crash could leave the new name with missing contents.
        file.sync_all()?;
        // The number is written first: after a crash between the two, other processes only re-read the old state.
        let number = self.last_save_number()?.wrapping_add(1);
        self.0.lock.rewind()?;
        self.0.lock.write_all(&number.to_le_bytes())?;
        fs::rename(&temporary, &self.0.path)?;
        self.0.loaded_save_number = number;
        Ok(())
    }

    fn last_save_number(&self) -> io::Result<u64> {
        let mut lock = &self.0.lock;
        lock.rewind()?;
        let mut bytes = Vec::new();
        lock.read_to_end(&mut bytes)?;
        Ok(bytes.try_into().map_or(0, u64::from_le_bytes))
    }
}

fn sibling_path(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(ending);
    path.with_file_name(name)
}

fn read_state(path: &Path) -> Result<Option<SandboxState>, SandboxError> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }

    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(SandboxError::File {
                path: path.to_path_buf(),
                source,
            });
        }
    };
    let corrupt = |reason: String| SandboxError::Corrupt {
        path: path.to_path_buf(),
        reason,
    };
    let unreadable = |error: serde_json::Error| corrupt(error.to_string());
    // The version is read first, because errors about fields of another version would be misleading.
    let Version { format_version } = json::from_data_file(&bytes).map_err(unreadable)?;
    if format_version != FORMAT_VERSION {
        return Err(corrupt(format!(
            "it has format version {format_version}, but this segctl supports {FORMAT_VERSION}"
        )));
    }
    json::from_data_file(&bytes).map(Some).map_err(unreadable)
}
