//! Loads the configuration: every declaration, and every error of every file.

use super::declaration::Declaration;
use super::decode::{drop_trees, segment};
use super::discover::discover;
use super::file_index::{self, FileIndex, IndexedFile};
use super::lint::{self, lint};
use super::parallel;
use super::settings::ProjectSettings;
use super::source::{self, SourceFile};
use super::yaml;
use crate::diagnostic::{Diagnostic, Location, Severity};
use crate::model::{Digest, below_home, did_you_mean};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const UNKNOWN_WORKSPACE: &str = "SEG062";

#[derive(Debug, Default)]
pub struct LoadedConfig {
    /// The path of each segment file, also of an unreadable one, by its name in diagnostics.
    pub files: BTreeMap<Arc<str>, PathBuf>,
    pub sources: BTreeMap<Arc<str>, Arc<SourceFile>>,
    pub declarations: Vec<Declaration>,
    pub diagnostics: Vec<Diagnostic>,
    /// The index of these files, if it is not the one that was used.
    pub new_index: Option<String>,
}

/// As [`load_with_index`], without an index.
#[must_use]
pub fn load(
    settings: &ProjectSettings,
    settings_file: &Path,
    display_path: &(dyn Fn(&Path) -> String + Sync),
) -> LoadedConfig {
    load_with_index(settings, settings_file, display_path, None)
}

/// Reads and checks every file of `settings`, for every workspace; `settings_file` is the path of `segctl.yaml`.
#[must_use]
pub fn load_with_index(
    settings: &ProjectSettings,
    settings_file: &Path,
    display_path: &(dyn Fn(&Path) -> String + Sync),
    index: Option<&FileIndex>,
) -> LoadedConfig {
    let base = settings_file.parent().unwrap_or(Path::new(""));
    let (files, diagnostics) = discover(base, settings_file, &settings.segments, display_path);
    let mut loaded = LoadedConfig {
        diagnostics,
        ..LoadedConfig::default()
    };
    let mut lines = BTreeSet::new();
    let mut is_index_current = true;
    let read = |path: &PathBuf| {
        let name: Arc<str> = display_path(path).into();
        let file = read_file(path, base, &name, index);
        (name, file)
    };
    // Most files declare one segment.
    loaded.declarations.reserve(files.len());
    for ((name, file), path) in parallel::map(&files, read).into_iter().zip(&files) {
        loaded.files.insert(name, path.clone());
        is_index_current &= !matches!(file.index_line, Some(Cow::Owned(_)));
        lines.extend(file.index_line);
        loaded.declarations.extend(file.declarations);
        loaded.diagnostics.extend(file.diagnostics);
        if let Some(source) = file.source {
            loaded.sources.insert(Arc::clone(&source.file), source);
        }
    }
    if let Some(index) = index
        && (!is_index_current || index.len() != lines.len())
    {
        loaded.new_index = Some(FileIndex::text_of(&lines));
    }
    loaded.lint_workspaces(settings);
    loaded
}

impl LoadedConfig {
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|found| found.severity == Severity::Error)
    }

    /// Rules on several segments run per workspace. A diagnostic of several workspaces is reported once.
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
        // Most workspaces have the same segments, and each set of segments is checked once.
        let mut checked: BTreeSet<Vec<usize>> = BTreeSet::new();
        let mut reported = BTreeSet::new();
        for workspace in settings.workspaces.keys() {
            let (indexes, declared): (Vec<usize>, Vec<&Declaration>) = self
                .declarations
                .iter()
                .enumerate()
                .filter(|(_, declaration)| declaration.applies_to(workspace))
                .unzip();
            if !checked.insert(indexes) {
                continue;
            }
            for found in lint(&declared) {
                let location = found.labels.first().map(|label| &label.location);
                let start = location.map(|location| (Arc::clone(&location.file), location.span.start));
                if reported.insert((found.code, start, found.message.clone())) {
                    self.diagnostics.push(found);
                }
            }
        }
    }
}

#[derive(Default)]
struct LoadedFile<'i> {
    /// Borrowed from the index, or new; `None` for a file with errors, or without an index.
    index_line: Option<Cow<'i, str>>,
    source: Option<Arc<SourceFile>>,
    declarations: Vec<Declaration>,
    diagnostics: Vec<Diagnostic>,
}

fn read_file<'i>(
    path: &Path,
    base: &Path,
    display_name: &str,
    index: Option<&'i FileIndex>,
) -> LoadedFile<'i> {
    let source = match source::read(path, display_name) {
        Ok(source) => Arc::new(source),
        Err(error) => {
            return LoadedFile {
                diagnostics: vec![error],
                ..LoadedFile::default()
            };
        }
    };
    let digest = index.map(|_| Digest::new(Sha256::digest(source.text.as_bytes()).into()));
    let mut file = digest
        .and_then(|digest| indexed_file(&source, index?, &digest))
        .unwrap_or_else(|| decode_file(&source, digest));
    for declaration in &mut file.declarations {
        if let Some(list) = declaration.segment.contents.member_file_path_mut() {
            *list = resolve_list_path(list, path, base);
        }
    }
    LoadedFile {
        source: Some(source),
        ..file
    }
}

fn indexed_file<'i>(
    source: &Arc<SourceFile>,
    index: &'i FileIndex,
    digest: &Digest,
) -> Option<LoadedFile<'i>> {
    let (indexed, line) = index.find(digest)?;
    let (declarations, diagnostics) = indexed.into_parts(source)?;
    Some(LoadedFile {
        source: None,
        index_line: Some(Cow::Borrowed(line)),
        declarations,
        diagnostics,
    })
}

/// `digest` is that of the file, if an entry for the index is needed.
fn decode_file<'i>(source: &Arc<SourceFile>, digest: Option<Digest>) -> LoadedFile<'i> {
    let (documents, mut diagnostics) = yaml::parse_documents(source);
    if documents.is_empty() && diagnostics.is_empty() {
        let location = Location::whole_file(Arc::clone(&source.file));
        let message = format!("`{}` declares no segment", source.file);
        diagnostics.push(
            Diagnostic::error("SEG008", message, location, "the file is empty")
                .with_help("declare a segment in it, or delete the file"),
        );
    }
    let mut declarations = Vec::new();
    for document in documents {
        let (mut declaration, errors) = segment(source, document.root);
        if let Some(declaration) = &mut declaration {
            lint::findings(declaration);
            drop_trees(declaration, document.bytes);
        }
        declarations.extend(declaration);
        diagnostics.extend(errors);
    }
    let line_of = |digest| {
        let indexed = IndexedFile::of(source, &declarations, &diagnostics)?;
        Some(Cow::Owned(file_index::line_of(&digest, &indexed)))
    };
    LoadedFile {
        source: None,
        index_line: digest.and_then(line_of),
        declarations,
        diagnostics,
    }
}

/// Makes the path of a member list relative to the folder of `segctl.yaml` instead of the segment file.
fn resolve_list_path(list: &str, file: &Path, base: &Path) -> String {
    if below_home(list).is_some() {
        return list.to_owned();
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let path = folder.strip_prefix(base).unwrap_or(folder).join(list);
    let path = path.to_string_lossy().into_owned();
    // A folder of the project that is called `~`.
    if below_home(&path).is_some() {
        format!("./{path}")
    } else {
        path
    }
}

fn unknown_workspace_error(declaration: &Declaration, name: &str, settings: &ProjectSettings) -> Diagnostic {
    let known = settings.workspaces.keys().map(|name| format!("`{name}`"));
    let known = known.collect::<Vec<_>>().join(", ");
    let location = declaration.location_of(&[super::PathElement::Field("workspaces")]);
    let message = format!("unknown workspace `{name}`");
    let names = settings.workspaces.keys().map(String::as_str);
    let help = match did_you_mean(name, names) {
        Some(suggestion) => format!("did you mean `{suggestion}`?"),
        None => format!("the workspaces in segctl.yaml are {known}"),
    };
    Diagnostic::error(UNKNOWN_WORKSPACE, message, location, "not in segctl.yaml").with_help(help)
}
