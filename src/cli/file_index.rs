//! Where the file index is: in a folder below `segctl.yaml` that git ignores.

use crate::config::{FileIndex, LoadedConfig};
use std::path::Path;
use std::{fs, io};

const FOLDER: &str = ".segctl/.cache";
const FILE: &str = "files";

/// Fewer files are parsed in the time that an index takes.
const MIN_FILES: usize = 100;

/// Empty if it cannot be read.
pub(super) fn read(project: &Path) -> FileIndex {
    let text = fs::read_to_string(project.join(FOLDER).join(FILE));
    text.map(FileIndex::parse).unwrap_or_default()
}

/// A run continues without it.
pub(super) fn update(project: &Path, loaded: &mut LoadedConfig) {
    if let Some(index) = loaded.new_index.take()
        && loaded.files.len() >= MIN_FILES
    {
        drop(write(&project.join(FOLDER), &index));
    }
}

/// Not atomic: a line that is incomplete, or of two processes, has a wrong checksum.
fn write(folder: &Path, index: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(".gitignore"), "*\n")?;
    fs::write(folder.join(FILE), index)
}
