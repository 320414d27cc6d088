//! The repository that a command works in: `segctl.yaml` and what it names.

use super::arguments::WorkspaceArguments;
use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::config::lint::is_shown_by_default;
use crate::config::settings::{ProjectSettings, WorkspaceSettings, parse_settings};
use crate::config::source::{self, SourceFile};
use crate::config::{LoadedConfig, load};
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::DeclaredSegment;
use crate::render::diagnostic::{diagnostics_text, sort};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

/// The code for a pattern of `segments` that stands for no file.
const NO_FILE_MATCHED: &str = "SEG007";

/// The name of the settings file.
const SETTINGS_FILE: &str = "segctl.yaml";

/// A repository with valid settings.
#[derive(Debug)]
pub(super) struct Project {
    /// The working directory.
    working_directory: PathBuf,
    /// The directory of `segctl.yaml`, which the paths in it are relative to.
    pub(super) directory: PathBuf,
    /// What `segctl.yaml` says.
    pub(super) settings: ProjectSettings,
    /// What the segment files say.
    pub(super) loaded: LoadedConfig,
}

impl Project {
    /// Finds and reads the settings and every segment file.
    ///
    /// # Errors
    ///
    /// No settings file, or one with faults. Faults of segment files are in `loaded`.
    pub(super) fn open(config: Option<&Path>, output: Output) -> Result<Self, Failure> {
        let here = env::current_dir().map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
        let path = match config {
            Some(path) => here.join(path),
            None => find_settings_file(&here)?,
        };
        let shown = |path: &Path| display_path(path, &here);
        let source = source::read(&path, &shown(&path))
            .map_err(|fault| invalid_settings(vec![fault], None, output))?;
        let (settings, faults) = parse_settings(&source);
        let Some(settings) = settings else {
            return Err(invalid_settings(faults, Some(&source), output));
        };
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let loaded = load(&settings, &directory, &shown);
        Ok(Self {
            working_directory: here,
            directory,
            settings,
            loaded,
        })
    }

    /// Fails when a segment file has errors; warnings are written.
    ///
    /// # Errors
    ///
    /// Faults in segment files.
    pub(super) fn require_valid(&self, output: Output) -> Result<(), Failure> {
        let shown = self.default_diagnostics();
        if !output.json || !self.loaded.has_errors() {
            output.print_status(&self.render_diagnostics(&shown, output.stderr_colour()));
        }
        if self.loaded.has_errors() {
            return Err(Failure {
                diagnostics: shown,
                ..Failure::new(
                    FailureKind::InvalidFiles,
                    "the segment files have errors; nothing was planned",
                )
            });
        }
        Ok(())
    }

    /// The errors and warnings of the segment files, and the notes that nobody has to ask for.
    #[must_use]
    pub(super) fn default_diagnostics(&self) -> Vec<Diagnostic> {
        let found = self.loaded.diagnostics.iter();
        let mut faults: Vec<_> = found
            .filter(|found| is_shown_by_default(found))
            .cloned()
            .collect();
        sort(&mut faults);
        faults
    }

    /// As [`require_valid`](Self::require_valid), but a repository may have no segment file yet: the command writes them.
    ///
    /// # Errors
    ///
    /// Faults in segment files.
    pub(super) fn require_valid_or_empty(&self, output: Output) -> Result<(), Failure> {
        let errors = self.loaded.diagnostics.iter();
        let mut errors = errors.filter(|found| found.severity == Severity::Error);
        if errors.all(|found| found.code == NO_FILE_MATCHED) {
            return Ok(());
        }
        self.require_valid(output)
    }

    /// A path as the user would name it.
    pub(super) fn display_path(&self, path: &Path) -> String {
        display_path(path, &self.working_directory)
    }

    /// Tells of the errors that new files of these paths have, beside all others; whether there are any. Tells of files
    /// that no command will read, too.
    pub(super) fn report_new_file_errors(&self, files: &[PathBuf], output: Output) -> bool {
        let loaded = load(&self.settings, &self.directory, &|path| {
            display_path(path, &self.working_directory)
        });
        // One file may be named in several ways, as `./segments` is.
        let place = |path: &Path| fs::canonicalize(self.working_directory.join(path)).ok();
        let read = loaded
            .sources
            .keys()
            .map(|name| (place(Path::new(&**name)), name));
        let read: BTreeMap<Option<PathBuf>, &Arc<str>> = read.collect();
        let mut names: Vec<Arc<str>> = Vec::new();
        for file in files {
            match read.get(&place(file)) {
                Some(name) => names.push(Arc::clone(name)),
                None => output.print_status_line(&format!(
                    "note: `segments` in segctl.yaml does not name {}: no other command reads it there",
                    self.display_path(file)
                )),
            }
        }
        let mut found = loaded.diagnostics;
        found.retain(|found| {
            let mut labels = found.labels.iter();
            found.severity == Severity::Error && labels.any(|label| names.contains(&label.location.file))
        });
        sort(&mut found);
        let text_of = |file: &str| loaded.sources.get(file).map(|source| source.text.as_str());
        output.print_status(&diagnostics_text(&found, &text_of, output.stderr_colour()));
        !found.is_empty()
    }

    /// Diagnostics with excerpts.
    #[must_use]
    pub(super) fn render_diagnostics(&self, diagnostics: &[Diagnostic], colour: bool) -> String {
        let text_of = |file: &str| self.loaded.sources.get(file).map(|source| source.text.as_str());
        diagnostics_text(diagnostics, &text_of, colour)
    }

    /// The workspace that a command is about.
    ///
    /// # Errors
    ///
    /// An unknown name, or none where there is no default.
    pub(super) fn workspace(
        &self,
        arguments: &WorkspaceArguments,
    ) -> Result<(&str, &WorkspaceSettings), Failure> {
        let mut only = self.settings.workspaces.keys();
        let default = || match (only.next(), only.next()) {
            (Some(name), None) => Some(name),
            _ => None,
        };
        let chosen = arguments
            .workspace
            .as_ref()
            .or(self.settings.default_workspace.as_ref())
            .or_else(default);
        let Some(name) = chosen else {
            let message = "there is no default workspace: say which with --workspace";
            return Err(Failure::new(FailureKind::Usage, message).with_help(self.workspaces_help()));
        };
        self.named_workspace(name)
    }

    /// A workspace by its name.
    ///
    /// # Errors
    ///
    /// An unknown name.
    pub(super) fn named_workspace(&self, name: &str) -> Result<(&str, &WorkspaceSettings), Failure> {
        match self.settings.workspaces.get_key_value(name) {
            Some((name, workspace)) => Ok((name, workspace)),
            None => Err(
                Failure::new(FailureKind::Usage, format!("unknown workspace `{name}`"))
                    .with_help(self.workspaces_help()),
            ),
        }
    }

    fn workspaces_help(&self) -> String {
        let known: Vec<_> = self
            .settings
            .workspaces
            .keys()
            .map(|name| format!("`{name}`"))
            .collect();
        format!("the workspaces of segctl.yaml are {}", known.join(", "))
    }

    /// What is declared for a workspace.
    #[must_use]
    pub(super) fn declared_segments(&self, workspace: &str) -> Vec<DeclaredSegment> {
        let members = self
            .loaded
            .declarations
            .iter()
            .filter(|declaration| declaration.applies_to(workspace));
        members.map(|declaration| declaration.segment.clone()).collect()
    }
}

fn find_settings_file(here: &Path) -> Result<PathBuf, Failure> {
    let found = here
        .ancestors()
        .map(|directory| directory.join(SETTINGS_FILE))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::new(
            FailureKind::InvalidFiles,
            format!("there is no {SETTINGS_FILE} here or in a directory above"),
        )
        .with_help("go to the repository that has one, or name it with --config")
    })
}

/// A path as the user would name it: relative where it is below the working directory.
fn display_path(path: &Path, here: &Path) -> String {
    let relative = path.strip_prefix(here).unwrap_or(path);
    relative
        .components()
        .collect::<PathBuf>()
        .to_string_lossy()
        .replace('\\', "/")
}

fn invalid_settings(mut faults: Vec<Diagnostic>, source: Option<&SourceFile>, output: Output) -> Failure {
    sort(&mut faults);
    // A fault may stand beside a secret, so excerpts come from a text without any.
    let text = source.map(SourceFile::redacted_text);
    if !output.json {
        output.print_status(&diagnostics_text(
            &faults,
            &|_| text.as_deref(),
            output.stderr_colour(),
        ));
    }
    Failure {
        diagnostics: faults,
        ..Failure::new(FailureKind::InvalidFiles, "the settings cannot be used")
    }
}
