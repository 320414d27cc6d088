//! The service's state in one file, replaced whole.

use super::SandboxError;
use super::state::State;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Reads the state; `None` where there is no file yet.
pub(super) fn load(path: &Path) -> Result<Option<State>, SandboxError> {
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
    let state: State = serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    if state.format_version != 1 {
        return Err(corrupt(format!(
            "it has format version {}, and this segctl knows 1",
            state.format_version
        )));
    }
    Ok(Some(state))
}

/// Replaces the state, whole or not at all.
pub(super) fn save(path: &Path, state: &State) -> io::Result<()> {
    let temporary = path.with_extension("json.new");
    let mut file = File::create(&temporary)?;
    file.write_all(&serde_json::to_vec_pretty(state)?)?;
    // A crash must not leave a file whose name arrived before its bytes.
    file.sync_all()?;
    fs::rename(&temporary, path)
}
