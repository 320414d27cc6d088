//! Files that the command line names. A path stands for the file of the configuration that it leads to, however it is
//! written; a directory stands for the files in it.

use super::failure::{Failure, FailureKind};
use super::project::Project;
use crate::config::declaration::Declaration;
use crate::diagnostic::Diagnostic;
use crate::model::{NamePattern, SegmentName};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of the configuration, by their real paths.
pub(super) struct GivenFiles<'p> {
    project: &'p Project,
    paths: &'p [PathBuf],
    given: Vec<PathBuf>,
    /// Why some of the paths do not lead to a file of the configuration.
    unknown: Vec<String>,
    /// The segment files of the project, by their names in diagnostics.
    segment_files: BTreeMap<&'p str, PathBuf>,
    segments: Vec<GivenSegment<'p>>,
    /// The given lists, and those that segments of given files use.
    lists: BTreeSet<PathBuf>,
}

/// A segment that is declared in a given file, or that uses a given list.
struct GivenSegment<'p> {
    declaration: &'p Declaration,
    file: PathBuf,
    list: Option<PathBuf>,
}

impl<'p> GivenFiles<'p> {
    pub(super) fn find(project: &'p Project, paths: &'p [PathBuf]) -> Self {
        let files = project.loaded.files.iter();
        let segment_files: BTreeMap<&str, PathBuf> = files
            .map(|(name, path)| (&**name, real_path(&project.absolute_path(path))))
            .collect();
        let given: Vec<PathBuf> = paths
            .iter()
            .map(|path| real_path(&project.absolute_path(path)))
            .collect();
        let declarations = project.loaded.declarations.iter();
        let segments: Vec<GivenSegment<'_>> = declarations
            .filter_map(|declaration| {
                let file = segment_files.get(declaration.file_name_and_text().0)?.clone();
                let list = declaration.segment.contents.member_file_path();
                Some(GivenSegment {
                    declaration,
                    file,
                    list: list.map(|list| real_path(&project.directory.join(list))),
                })
            })
            .collect();
        let mut files = Self {
            project,
            paths,
            given,
            unknown: Vec::new(),
            segment_files,
            segments,
            lists: BTreeSet::new(),
        };
        files.unknown = files.unknown_paths();
        files.segments.retain(|segment| {
            let mut paths = std::iter::once(&segment.file).chain(&segment.list);
            paths.any(|path| is_below_any(path, &files.given))
        });
        files.lists = files
            .segments
            .iter()
            .filter_map(|segment| segment.list.clone())
            .collect();
        files
    }

    /// Refuses paths that do not lead to a file of the configuration.
    pub(super) fn require_known(&self) -> Result<(), Failure> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(FailureKind::Usage, self.unknown.join("; "))
            .with_help(
                "the configuration consists of segctl.yaml, the files of `segments` in it, and the member lists of segments",
            );
        Err(if self.project.loaded.has_errors() {
            failure.with_help("a segment file with errors may use the file: run `segctl validate`")
        } else {
            failure
        })
    }

    fn unknown_paths(&self) -> Vec<String> {
        let labels = self.project.loaded.diagnostics.iter();
        let labels = labels.flat_map(|found| &found.labels);
        let mut known: BTreeSet<PathBuf> = labels
            .map(|label| self.file_of_label(&label.location.file))
            .collect();
        known.extend(self.segment_files.values().cloned());
        known.extend(self.segments.iter().filter_map(|segment| segment.list.clone()));
        known.insert(real_path(self.project.settings_file()));
        let paths = self.paths.iter().zip(&self.given);
        let unknown = paths.filter(|(_, given)| !known.iter().any(|known| known.starts_with(given)));
        let problems = unknown.map(|(path, real)| {
            let path = path.display();
            match real.exists() {
                true => format!("`{path}` is not part of the configuration"),
                false => format!("`{path}` does not exist"),
            }
        });
        problems.collect()
    }

    /// Whether one of its labels is in a given file. An error in a pattern of `segments` is one of segctl.yaml.
    pub(super) fn has_label_of(&self, found: &Diagnostic) -> bool {
        let patterns = &self.project.settings.segments;
        found.labels.iter().any(|label| {
            let file = &label.location.file;
            if patterns.iter().any(|pattern| **pattern == **file) {
                return self.contains_settings() || self.contains(&self.file_of_label(file));
            }
            self.contains(&self.file_of_label(file))
        })
    }

    fn file_of_label(&self, name: &Arc<str>) -> PathBuf {
        match self.segment_files.get(&**name) {
            Some(path) => path.clone(),
            None => real_path(&self.project.absolute_path(Path::new(&**name))),
        }
    }

    /// Whether `list` is given, or a segment of a given file uses it.
    pub(super) fn uses_list(&self, list: &Path) -> bool {
        self.lists.contains(&real_path(list))
    }

    pub(super) fn contains_list(&self, list: &Path) -> bool {
        self.contains(&real_path(list))
    }

    pub(super) fn contains_settings(&self) -> bool {
        self.contains(&real_path(self.project.settings_file()))
    }

    fn contains(&self, path: &Path) -> bool {
        is_below_any(path, &self.given)
    }

    pub(super) fn segment_count(&self) -> usize {
        self.segments.len()
    }

    pub(super) fn segment_file_count(&self) -> usize {
        let files = self.segment_files.values();
        files.filter(|file| self.contains(file)).count()
    }

    pub(super) fn list_count(&self) -> usize {
        self.lists.iter().filter(|list| self.contains(list)).count()
    }

    /// Patterns of the names that the files declare for `workspace`. Fails if a file declares no segment, or if all
    /// segments are for other workspaces: without a target, a plan is about all segments.
    pub(super) fn targets(&self, workspace: &str) -> Result<Vec<NamePattern>, Failure> {
        self.require_known().map_err(|failure| {
            failure.with_help("select the segments of a deleted file with --target NAME")
        })?;
        for (path, given) in self.paths.iter().zip(&self.given) {
            let is_declared = |segment: &GivenSegment<'_>| {
                let mut files = std::iter::once(&segment.file).chain(&segment.list);
                files.any(|file| file.starts_with(given))
            };
            if !self.segments.iter().any(is_declared) {
                let message = format!("`{}` declares no segment", path.display());
                return Err(Failure::new(FailureKind::Usage, message)
                    .with_help("--target-file takes segment files and member lists; --target takes names"));
            }
        }
        let segments = self.segments.iter().map(|segment| segment.declaration);
        let names: BTreeSet<&SegmentName> = segments
            .filter(|declaration| declaration.applies_to(workspace))
            .map(|declaration| &declaration.segment.name)
            .collect();
        if names.is_empty() {
            let paths: Vec<String> = self
                .paths
                .iter()
                .map(|path| format!("`{}`", path.display()))
                .collect();
            let message = format!(
                "no segment of {} is for workspace `{workspace}`",
                paths.join(", ")
            );
            return Err(Failure::new(FailureKind::Usage, message)
                .with_help("check `workspaces` in the files, or choose another workspace with --workspace"));
        }
        let patterns = names.into_iter().map(|name| NamePattern::parse(name.as_str()));
        patterns
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::from_error(FailureKind::Error, &error))
    }
}

fn is_below_any(path: &Path, given: &[PathBuf]) -> bool {
    given.iter().any(|given| path.starts_with(given))
}

/// The path without links, `.` and `..`. For a file that does not exist, only its directory is resolved.
fn real_path(path: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(directory)), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}
