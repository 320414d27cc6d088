//! The project of a command: `segctl.yaml` and the segment files.

use super::arguments::WorkspaceArguments;
use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::config::lint::{UNKNOWN_REFERENCE_CODE, is_shown_by_default};
use crate::config::settings::{
    ConnectionSettings, EndpointSetting, ProjectSettings, WorkspaceSettings, parse_settings,
};
use crate::config::source::{self, SourceFile};
use crate::config::{LoadedConfig, load};
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{DeclaredSegment, Keyword};
use crate::render::diagnostic::{diagnostics_text, sort};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

/// The code of a pattern in `segments` that matches no file.
const NO_FILE_MATCHED: &str = "SEG007";

const SETTINGS_FILE: &str = "segctl.yaml";

#[derive(Debug)]
pub(super) struct Project {
    working_directory: PathBuf,
    /// The directory of `segctl.yaml`. Paths in that file are relative to it.
    pub(super) directory: PathBuf,
    pub(super) settings: ProjectSettings,
    pub(super) loaded: LoadedConfig,
}

impl Project {
    /// Reads the settings and every segment file. Errors in segment files are in `loaded`.
    pub(super) fn open(config: Option<&Path>, output: Output) -> Result<Self, Failure> {
        let working_directory =
            env::current_dir().map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
        let path = match config {
            Some(path) => working_directory.join(path),
            None => find_settings_file(&working_directory)?,
        };
        let display = |path: &Path| display_path(path, &working_directory);
        let source = source::read(&path, &display(&path))
            .map_err(|error| invalid_settings(vec![error], None, output))?;
        let (settings, errors) = parse_settings(&source);
        let Some(settings) = settings else {
            return Err(invalid_settings(errors, Some(&source), output));
        };
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let loaded = load(&settings, &directory, &display);
        Ok(Self {
            working_directory,
            directory,
            settings,
            loaded,
        })
    }

    /// Fails if a segment file has errors; prints warnings.
    pub(super) fn require_valid(&self, output: Output) -> Result<(), Failure> {
        let diagnostics = self.default_diagnostics();
        let has_errors = self.loaded.has_errors();
        if !output.json || !has_errors {
            output.print_status(&self.render_diagnostics(&diagnostics, output.stderr_color()));
        }
        if has_errors {
            let message = "the segment files have errors";
            return Err(Failure {
                diagnostics,
                ..Failure::new(FailureKind::InvalidFiles, message)
            });
        }
        Ok(())
    }

    /// The errors, the warnings, and the notes that do not need `validate --notes`. A plan itself reports unknown
    /// references, because only it knows the remote segments.
    pub(super) fn default_diagnostics(&self) -> Vec<Diagnostic> {
        let mut diagnostics = self.loaded.diagnostics.clone();
        diagnostics.retain(|found| is_shown_by_default(found) && found.code != UNKNOWN_REFERENCE_CODE);
        sort(&mut diagnostics);
        diagnostics
    }

    /// As [`require_valid`](Self::require_valid), but the project may have no segment files, because the command writes
    /// them.
    pub(super) fn require_valid_or_empty(&self, output: Output) -> Result<(), Failure> {
        let diagnostics = self.loaded.diagnostics.iter();
        let mut errors = diagnostics.filter(|found| found.severity == Severity::Error);
        if errors.all(|error| error.code == NO_FILE_MATCHED) {
            return Ok(());
        }
        self.require_valid(output)
    }

    pub(super) fn display_path(&self, path: &Path) -> String {
        display_path(path, &self.working_directory)
    }

    /// Prints the errors of new files, and a note for each file that `segments` does not include. Returns whether there
    /// are errors.
    pub(super) fn report_new_file_errors(&self, files: &[PathBuf], output: Output) -> bool {
        let loaded = load(&self.settings, &self.directory, &|path| self.display_path(path));
        // A file can have several paths, such as `segments/a.yaml` and `./segments/a.yaml`.
        let canonical = |path: &Path| fs::canonicalize(self.working_directory.join(path)).ok();
        let sources = loaded.sources.keys();
        let names_by_path = sources.map(|name| (canonical(Path::new(&**name)), name));
        let names_by_path: BTreeMap<Option<PathBuf>, &Arc<str>> = names_by_path.collect();
        let mut names: Vec<Arc<str>> = Vec::new();
        for file in files {
            match names_by_path.get(&canonical(file)) {
                Some(name) => names.push(Arc::clone(name)),
                None => output.print_note(format!(
                    "`segments` in segctl.yaml does not include {}, so segctl will not read it",
                    self.display_path(file)
                )),
            }
        }
        let mut errors = loaded.diagnostics;
        errors.retain(|found| {
            let mut labels = found.labels.iter();
            found.severity == Severity::Error && labels.any(|label| names.contains(&label.location.file))
        });
        sort(&mut errors);
        let text_of = |file: &str| loaded.sources.get(file).map(|source| source.text.as_str());
        output.print_status(&diagnostics_text(&errors, &text_of, output.stderr_color()));
        !errors.is_empty()
    }

    pub(super) fn render_diagnostics(&self, diagnostics: &[Diagnostic], color: bool) -> String {
        let text_of = |file: &str| self.loaded.sources.get(file).map(|source| source.text.as_str());
        diagnostics_text(diagnostics, &text_of, color)
    }

    /// The selected workspace, or else the default workspace, or else the only one.
    pub(super) fn workspace(
        &self,
        arguments: &WorkspaceArguments,
    ) -> Result<(&str, &WorkspaceSettings), Failure> {
        let mut names = self.settings.workspaces.keys();
        let only = || names.next().filter(|_| names.next().is_none());
        let selected = arguments.workspace.as_ref();
        let default = self.settings.default_workspace.as_ref();
        let Some(name) = selected.or(default).or_else(only) else {
            let message = "no default workspace is set; choose one with --workspace";
            return Err(Failure::new(FailureKind::Usage, message).with_help(self.workspaces_help()));
        };
        self.named_workspace(name)
    }

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
        let names = self.settings.workspaces.keys();
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        format!("workspaces in segctl.yaml: {}", names.join(", "))
    }

    pub(super) fn declared_segments(&self, workspace: &str) -> Vec<DeclaredSegment> {
        let declarations = self.loaded.declarations.iter();
        declarations
            .filter(|declaration| declaration.applies_to(workspace))
            .map(|declaration| declaration.segment.clone())
            .collect()
    }
}

/// The location of a workspace, for the first line of plans and for prompts.
pub(super) fn describe_endpoint(workspace: &WorkspaceSettings) -> String {
    match &workspace.connection {
        ConnectionSettings::Sandbox { file } => format!("sandbox {file}"),
        ConnectionSettings::MoEngage { endpoint, .. } => match endpoint {
            EndpointSetting::DataCenter(data_center) => format!("MoEngage DC {}", data_center.as_str()),
            EndpointSetting::Url(url) => url.to_string(),
        },
    }
}

fn find_settings_file(working_directory: &Path) -> Result<PathBuf, Failure> {
    let directories = working_directory.ancestors();
    let mut paths = directories.map(|directory| directory.join(SETTINGS_FILE));
    paths.find(|path| path.is_file()).ok_or_else(|| {
        let message = format!("no {SETTINGS_FILE} found in this or any parent directory");
        Failure::new(FailureKind::InvalidFiles, message)
            .with_help("change to the directory of your project, or use --config FILE")
    })
}

/// Relative to the working directory if the path is below it.
fn display_path(path: &Path, working_directory: &Path) -> String {
    let relative = path.strip_prefix(working_directory).unwrap_or(path);
    relative
        .components()
        .collect::<PathBuf>()
        .to_string_lossy()
        .replace('\\', "/")
}

fn invalid_settings(mut errors: Vec<Diagnostic>, source: Option<&SourceFile>, output: Output) -> Failure {
    sort(&mut errors);
    // An error can be next to a secret, so excerpts come from a redacted text.
    let text = source.map(SourceFile::redacted_text);
    if !output.json {
        let color = output.stderr_color();
        output.print_status(&diagnostics_text(&errors, &|_| text.as_deref(), color));
    }
    Failure {
        diagnostics: errors,
        ..Failure::new(FailureKind::InvalidFiles, "invalid segctl.yaml")
    }
}
