//! The service's state in one file, replaced whole, shared by the processes that serve it.
//!
//! Commands that run at the same time each embed a service on the same file. Beside it lies a lock file, which also
//! holds the number of the last save: who sees another number than its own reads the state again before it answers.

use super::SandboxError;
use super::state::{FORMAT_VERSION, SandboxState};
use serde::Deserialize;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The file of one service.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    lock: File,
    /// The number of the save that is in memory.
    loaded_save_number: u64,
}

/// The file, for as long as nobody else may use it.
pub(super) struct LockedDataFile<'a>(&'a mut DataFile);

impl DataFile {
    /// Opens or makes the lock file beside `path`.
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

    /// Waits until nobody else uses the file: others hold it for no longer than one save takes.
    pub(super) fn lock(&mut self) -> io::Result<LockedDataFile<'_>> {
        self.lock.lock()?;
        Ok(LockedDataFile(self))
    }
}

impl Drop for LockedDataFile<'_> {
    fn drop(&mut self) {
        // The system unlocks the file at the latest when it is closed.
        self.0.lock.unlock().ok();
    }
}

impl LockedDataFile<'_> {
    /// The state as it was saved last; `None` where there is no file yet.
    pub(super) fn load(&mut self) -> Result<Option<SandboxState>, SandboxError> {
        let number = self.last_save_number().map_err(|source| SandboxError::File {
            path: self.0.path.clone(),
            source,
        })?;
        let state = read_state(&self.0.path)?;
        self.0.loaded_save_number = number;
        Ok(state)
    }

    /// The state, if somebody else saved it since it was last read.
    pub(super) fn load_if_changed(&mut self) -> Result<Option<SandboxState>, SandboxError> {
        match self.last_save_number() {
            Ok(number) if number == self.0.loaded_save_number => Ok(None),
            _ => self.load(),
        }
    }

    /// Replaces the state, whole or not at all.
    pub(super) fn save(&mut self, state: &SandboxState) -> io::Result<()> {
        let temporary = sibling_path(&self.0.path, ".new");
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(state)?)?;
        // A crash must not leave a file whose name arrived before its bytes.
        file.sync_all()?;
        // The number goes first: after a crash between the two, others read the old state once more in vain.
        let number = self.last_save_number()?.wrapping_add(1);
        self.0.lock.rewind()?;
        self.0.lock.write_all(&number.to_le_bytes())?;
        fs::rename(&temporary, &self.0.path)?;
        self.0.loaded_save_number = number;
        Ok(())
    }

    /// The number of the last save; 0 where there was none.
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
    /// What files of all versions have.
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
    // The version comes first: the fields of another one would only confuse.
    let Version { format_version } = serde_json::from_slice(&bytes).map_err(unreadable)?;
    if format_version != FORMAT_VERSION {
        return Err(corrupt(format!(
            "it has format version {format_version}, and this segctl knows {FORMAT_VERSION}"
        )));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(unreadable)
}
