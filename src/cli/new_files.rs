//! New segment files: where they go, and that none takes the place of another.

use super::failure::{Failure, FailureKind};
use super::project::Project;
use crate::config::edit::file_name;
use crate::model::SegmentName;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What the name of a file ends with that is no segment file yet.
const TEMPLATE_SUFFIX: &str = ".stub";

/// A directory that new files go into.
pub(super) struct NewFiles {
    directory: PathBuf,
    /// The names of the files that are there.
    existing_names: BTreeSet<String>,
}

impl NewFiles {
    /// Takes `directory`, which is made where there is none.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub(super) fn in_directory(directory: PathBuf) -> Result<Self, Failure> {
        fs::create_dir_all(&directory).map_err(|error| write_failure(&directory, &error))?;
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let taken = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(Self {
            existing_names: taken.collect(),
            directory,
        })
    }

    /// Writes a file for the segment `name` under a name that no other file has.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub(super) fn write(&mut self, name: &SegmentName, text: &str) -> Result<PathBuf, Failure> {
        let file = file_name(name, &self.existing_names);
        let path = self.directory.join(&file);
        create_new(&path, text).map_err(|error| write_failure(&path, &error))?;
        self.existing_names.insert(file);
        Ok(path)
    }

    /// Writes a file that is no segment file yet, unless it is there already.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub(super) fn write_template(&mut self, name: &SegmentName, text: &str) -> Result<PathBuf, Failure> {
        let is_there = |file: &String| {
            let is_stub = file.ends_with(TEMPLATE_SUFFIX);
            is_stub && fs::read_to_string(self.directory.join(file)).is_ok_and(|found| found == text)
        };
        if let Some(file) = self.existing_names.iter().find(|file| is_there(file)) {
            return Ok(self.directory.join(file));
        }
        let stubs = self
            .existing_names
            .iter()
            .filter_map(|file| file.strip_suffix(TEMPLATE_SUFFIX));
        let stubs: BTreeSet<String> = stubs.map(str::to_owned).collect();
        let file = file_name(name, &stubs) + TEMPLATE_SUFFIX;
        let path = self.directory.join(&file);
        create_new(&path, text).map_err(|error| write_failure(&path, &error))?;
        self.existing_names.insert(file);
        Ok(path)
    }
}

/// Writes a file, never over one that is there or that came to be meanwhile.
///
/// # Errors
///
/// The file system refuses, or something is there.
pub(super) fn create_new(path: &Path, text: &str) -> io::Result<()> {
    fs::File::create_new(path).and_then(|mut new| new.write_all(text.as_bytes()))
}

/// Why a file cannot be written.
pub(super) fn write_failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        FailureKind::Error,
        format!("cannot write `{}`: {error}", path.display()),
    )
}

/// Where new files go when nobody says so: the first directory of `segments`.
///
/// # Errors
///
/// `segments` names none.
pub(super) fn default_directory(project: &Project) -> Result<PathBuf, Failure> {
    let mut patterns = project.settings.segments.iter();
    let plain = patterns.find(|pattern| !pattern.contains(['*', '?', '[', '{']));
    match plain {
        Some(pattern) => Ok(project.directory.join(pattern)),
        None => Err(Failure::new(
            FailureKind::Usage,
            "`segments` in segctl.yaml names no directory to write to",
        )
        .with_help("say where with --into")),
    }
}
