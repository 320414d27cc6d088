//! Creation of segment files, without overwriting existing files.

use super::failure::{Failure, FailureKind};
use super::project::Project;
use crate::config::edit::file_name;
use crate::model::SegmentName;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The end of the name of a template, which is not a segment file yet.
const TEMPLATE_SUFFIX: &str = ".template";

/// A directory for new files.
pub(super) struct NewFiles {
    directory: PathBuf,
    existing_names: BTreeSet<String>,
    created: Vec<PathBuf>,
}

impl NewFiles {
    pub(super) fn in_directory(directory: PathBuf) -> Result<Self, Failure> {
        fs::create_dir_all(&directory).map_err(|error| Failure::cannot_write(&directory, &error))?;
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(Self {
            existing_names: names.collect(),
            directory,
            created: Vec::new(),
        })
    }

    /// Writes a segment file under an unused name.
    pub(super) fn write(&mut self, name: &SegmentName, text: &str) -> Result<PathBuf, Failure> {
        self.create(file_name(name, &self.existing_names), text)
    }

    /// Writes a template, unless an identical one exists.
    pub(super) fn write_template(&mut self, name: &SegmentName, text: &str) -> Result<PathBuf, Failure> {
        let mut stems = BTreeSet::new();
        for file in &self.existing_names {
            if let Some(stem) = file.strip_suffix(TEMPLATE_SUFFIX) {
                let path = self.directory.join(file);
                if fs::read_to_string(&path).is_ok_and(|existing| existing == text) {
                    return Ok(path);
                }
                stems.insert(stem.to_owned());
            }
        }
        self.create(file_name(name, &stems) + TEMPLATE_SUFFIX, text)
    }

    /// Removes the files that were created, because a later one could not be.
    pub(super) fn discard(self, mut failure: Failure) -> Failure {
        for path in &self.created {
            if let Err(error) = fs::remove_file(path) {
                failure
                    .causes
                    .extend(Failure::cannot_write(path, &error).to_lines());
            }
        }
        failure.with_help("no file was written; run the command again when it can be written")
    }

    fn create(&mut self, file: String, text: &str) -> Result<PathBuf, Failure> {
        let path = self.directory.join(&file);
        create_new(&path, text).map_err(|error| Failure::cannot_write(&path, &error))?;
        self.existing_names.insert(file);
        self.created.push(path.clone());
        Ok(path)
    }
}

/// Writes a file that does not exist, even if another process creates it at the same moment. On an error there is no
/// part of a file.
pub(super) fn create_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes()).inspect_err(|_| {
        // The write error is the one to report.
        drop(fs::remove_file(path));
    })
}

/// The first directory of `segments` in segctl.yaml.
pub(super) fn default_directory(project: &Project) -> Result<PathBuf, Failure> {
    let mut patterns = project.settings.segments.iter();
    match patterns.find(|pattern| !pattern.contains(['*', '?', '[', '{'])) {
        Some(pattern) => Ok(project.directory.join(pattern)),
        None => {
            let message = "`segments` in segctl.yaml contains no directory for new files";
            Err(Failure::new(FailureKind::Usage, message)
                .with_help("use --output-dir DIR, or --output-file FILE"))
        }
    }
}
