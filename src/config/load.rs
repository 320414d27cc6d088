//! Files to declarations: the whole of what a repository says, with every fault of every file.

use super::check::check;
use super::declaration::Declaration;
use super::decode::segment;
use super::discover::discover;
use super::parallel;
use super::source::{self, Source};
use super::workspace::Settings;
use super::yaml;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::model::Contents;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A declaration for a workspace that `segctl.yaml` does not know.
const UNKNOWN_WORKSPACE: &str = "SEG062";

/// What the segment files say.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The texts, by the names in places, for excerpts.
    pub sources: BTreeMap<Arc<str>, Arc<Source>>,
    /// What has no fault in form.
    pub declarations: Vec<Declaration>,
    /// Everything that is wrong, unsorted.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks every file that `settings` names, for every workspace.
///
/// `base` is the directory of `segctl.yaml`; `shown` is how the user would name a path.
#[must_use]
pub fn load(settings: &Settings, base: &Path, shown: &(dyn Fn(&Path) -> String + Sync)) -> Loaded {
    let (files, diagnostics) = discover(base, &settings.segments);
    let mut loaded = Loaded {
        diagnostics,
        ..Loaded::default()
    };
    loaded.read_all(&files, base, shown);
    loaded.check_workspaces(settings);
    loaded
}

impl Loaded {
    /// Whether anything forbids using the files.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|found| found.severity == Severity::Error)
    }

    fn read_all(&mut self, files: &[PathBuf], base: &Path, shown: &(dyn Fn(&Path) -> String + Sync)) {
        let read = parallel::map(files, |path| read_file((path, base), &shown(path)));
        for file in read {
            self.declarations.extend(file.declarations);
            self.diagnostics.extend(file.diagnostics);
            if let Some(source) = file.source {
                self.sources.insert(Arc::clone(&source.file), source);
            }
        }
    }

    /// The rules that look at more than one segment hold in each workspace; what several of them say is said once.
    fn check_workspaces(&mut self, settings: &Settings) {
        for declaration in &self.declarations {
            let unknown = declaration
                .workspaces
                .iter()
                .flatten()
                .filter(|name| !settings.workspaces.contains_key(*name));
            self.diagnostics
                .extend(unknown.map(|name| unknown_workspace(declaration, name, settings)));
        }
        // Most workspaces hold the same segments, and what holds for one set of them is found out once.
        let mut checked: BTreeSet<Vec<usize>> = BTreeSet::new();
        let mut said = BTreeSet::new();
        for workspace in settings.workspaces.keys() {
            let members = self
                .declarations
                .iter()
                .enumerate()
                .filter(|(_, declaration)| declaration.is_for(workspace));
            let (indexes, declared): (Vec<usize>, Vec<&Declaration>) = members.unzip();
            if !checked.insert(indexes) {
                continue;
            }
            for found in check(&declared) {
                let place = found
                    .labels
                    .first()
                    .map(|label| (label.place.file.clone(), label.place.span.start));
                if said.insert((found.code, place, found.message.clone())) {
                    self.diagnostics.push(found);
                }
            }
        }
    }
}

/// What one file says.
#[derive(Default)]
struct OneFile {
    source: Option<Arc<Source>>,
    declarations: Vec<Declaration>,
    diagnostics: Vec<Diagnostic>,
}

fn read_file((path, base): (&Path, &Path), shown: &str) -> OneFile {
    let source = match source::read(path, shown) {
        Ok(source) => Arc::new(source),
        Err(fault) => {
            return OneFile {
                diagnostics: vec![fault],
                ..OneFile::default()
            };
        }
    };
    let (documents, mut diagnostics) = yaml::parse(&source);
    if documents.is_empty() && diagnostics.is_empty() {
        diagnostics.push(nothing_declared(&source));
    }
    let mut declarations = Vec::new();
    for document in documents {
        let (mut declaration, faults) = segment(&source, document);
        let contents = declaration.as_mut().map(|read| &mut read.segment.contents);
        if let Some(list) = contents.and_then(Contents::list_path_mut) {
            *list = list_path(list, (path, base));
        }
        declarations.extend(declaration);
        diagnostics.extend(faults);
    }
    OneFile {
        source: Some(source),
        declarations,
        diagnostics,
    }
}

/// The path of a list from the folder of `segctl.yaml`; in a segment file it is from that file's own folder.
fn list_path(list: &str, (file, base): (&Path, &Path)) -> String {
    let folder = file.parent().unwrap_or(Path::new(""));
    let path = folder.strip_prefix(base).unwrap_or(folder).join(list);
    path.to_string_lossy().into_owned()
}

/// A file without a document is more likely an accident than a wish.
fn nothing_declared(source: &Source) -> Diagnostic {
    let place = Place::whole_file(Arc::clone(&source.file));
    Diagnostic::error(
        "SEG008",
        format!("`{}` declares no segment", source.file),
        place,
        "the file is empty",
    )
    .with_help("declare a segment in it, or delete the file")
}

fn unknown_workspace(declaration: &Declaration, name: &str, settings: &Settings) -> Diagnostic {
    let known: Vec<_> = settings
        .workspaces
        .keys()
        .map(|name| format!("`{name}`"))
        .collect();
    let place = declaration.place_of(&[super::Step::Field("workspaces")]);
    Diagnostic::error(
        UNKNOWN_WORKSPACE,
        format!("unknown workspace `{name}`"),
        place,
        "not in segctl.yaml",
    )
    .with_help(format!("the workspaces are {}", known.join(", ")))
}
