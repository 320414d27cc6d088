//! Files to declarations: the whole of what a repository says, with every fault of every file.

use super::declaration::Declaration;
use super::decode::segment;
use super::discover::discover;
use super::lint::lint;
use super::parallel;
use super::settings::ProjectSettings;
use super::source::{self, SourceFile};
use super::yaml;
use crate::diagnostic::{Diagnostic, Location, Severity};
use crate::model::Contents;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A declaration for a workspace that `segctl.yaml` does not know.
const UNKNOWN_WORKSPACE: &str = "SEG062";

/// What the segment files say.
#[derive(Debug, Default)]
pub struct LoadedConfig {
    /// The texts, by the names in places, for excerpts.
    pub sources: BTreeMap<Arc<str>, Arc<SourceFile>>,
    /// What has no fault in form.
    pub declarations: Vec<Declaration>,
    /// Everything that is wrong, unsorted.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks every file that `settings` names, for every workspace.
///
/// `base` is the directory of `segctl.yaml`; `shown` is how the user would name a path.
#[must_use]
pub fn load(
    settings: &ProjectSettings,
    base: &Path,
    display_path: &(dyn Fn(&Path) -> String + Sync),
) -> LoadedConfig {
    let (files, diagnostics) = discover(base, &settings.segments);
    let mut loaded = LoadedConfig {
        diagnostics,
        ..LoadedConfig::default()
    };
    loaded.read_files(&files, base, display_path);
    loaded.lint_workspaces(settings);
    loaded
}

impl LoadedConfig {
    /// Whether anything forbids using the files.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|found| found.severity == Severity::Error)
    }

    fn read_files(
        &mut self,
        files: &[PathBuf],
        base: &Path,
        display_path: &(dyn Fn(&Path) -> String + Sync),
    ) {
        let read = parallel::map(files, |path| read_file((path, base), &display_path(path)));
        for file in read {
            self.declarations.extend(file.declarations);
            self.diagnostics.extend(file.diagnostics);
            if let Some(source) = file.source {
                self.sources.insert(Arc::clone(&source.file), source);
            }
        }
    }

    /// The rules that look at more than one segment hold in each workspace; what several of them say is said once.
    fn lint_workspaces(&mut self, settings: &ProjectSettings) {
        for declaration in &self.declarations {
            let unknown = declaration
                .workspaces
                .iter()
                .flatten()
                .filter(|name| !settings.workspaces.contains_key(*name));
            self.diagnostics
                .extend(unknown.map(|name| unknown_workspace_error(declaration, name, settings)));
        }
        // Most workspaces hold the same segments, and what holds for one set of them is found out once.
        let mut checked: BTreeSet<Vec<usize>> = BTreeSet::new();
        let mut reported = BTreeSet::new();
        for workspace in settings.workspaces.keys() {
            let members = self
                .declarations
                .iter()
                .enumerate()
                .filter(|(_, declaration)| declaration.applies_to(workspace));
            let (indexes, declared): (Vec<usize>, Vec<&Declaration>) = members.unzip();
            if !checked.insert(indexes) {
                continue;
            }
            for found in lint(&declared) {
                let place = found
                    .labels
                    .first()
                    .map(|label| (label.location.file.clone(), label.location.span.start));
                if reported.insert((found.code, place, found.message.clone())) {
                    self.diagnostics.push(found);
                }
            }
        }
    }
}

/// What one file says.
#[derive(Default)]
struct LoadedFile {
    source: Option<Arc<SourceFile>>,
    declarations: Vec<Declaration>,
    diagnostics: Vec<Diagnostic>,
}

fn read_file((path, base): (&Path, &Path), display_name: &str) -> LoadedFile {
    let source = match source::read(path, display_name) {
        Ok(source) => Arc::new(source),
        Err(fault) => {
            return LoadedFile {
                diagnostics: vec![fault],
                ..LoadedFile::default()
            };
        }
    };
    let (documents, mut diagnostics) = yaml::parse(&source);
    if documents.is_empty() && diagnostics.is_empty() {
        diagnostics.push(empty_file_error(&source));
    }
    let mut declarations = Vec::new();
    for document in documents {
        let (mut declaration, faults) = segment(&source, document);
        let contents = declaration.as_mut().map(|read| &mut read.segment.contents);
        if let Some(list) = contents.and_then(Contents::member_file_path_mut) {
            *list = resolve_list_path(list, (path, base));
        }
        declarations.extend(declaration);
        diagnostics.extend(faults);
    }
    LoadedFile {
        source: Some(source),
        declarations,
        diagnostics,
    }
}

/// The path of a list from the folder of `segctl.yaml`; in a segment file it is from that file's own folder.
fn resolve_list_path(list: &str, (file, base): (&Path, &Path)) -> String {
    let folder = file.parent().unwrap_or(Path::new(""));
    let path = folder.strip_prefix(base).unwrap_or(folder).join(list);
    path.to_string_lossy().into_owned()
}

/// A file without a document is more likely an accident than a wish.
fn empty_file_error(source: &SourceFile) -> Diagnostic {
    let place = Location::whole_file(Arc::clone(&source.file));
    Diagnostic::error(
        "SEG008",
        format!("`{}` declares no segment", source.file),
        place,
        "the file is empty",
    )
    .with_help("declare a segment in it, or delete the file")
}

fn unknown_workspace_error(declaration: &Declaration, name: &str, settings: &ProjectSettings) -> Diagnostic {
    let known: Vec<_> = settings
        .workspaces
        .keys()
        .map(|name| format!("`{name}`"))
        .collect();
    let place = declaration.location_of(&[super::PathElement::Field("workspaces")]);
    Diagnostic::error(
        UNKNOWN_WORKSPACE,
        format!("unknown workspace `{name}`"),
        place,
        "not in segctl.yaml",
    )
    .with_help(format!("the workspaces are {}", known.join(", ")))
}
