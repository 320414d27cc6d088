//! The project of a command: `segctl.yaml` and the segment files.

use super::arguments::WorkspaceArguments;
use super::failure::{Failure, FailureKind};
use super::file_index;
use super::home::home_directory;
use super::output::Output;
use crate::config::declaration::Declaration;
use crate::config::lint::{UNKNOWN_REFERENCE_CODE, is_shown_by_default};
use crate::config::settings::{
    ConnectionSettings, EndpointSetting, ProjectSettings, WorkspaceSettings, parse_settings,
};
use crate::config::source::{self, SourceFile};
use crate::config::{LoadedConfig, load, load_with_index};
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{Keyword, SegmentName, did_you_mean};
use crate::render::diagnostic::sort;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs, io};

/// The code of a pattern in `segments` that matches no file.
const NO_FILE_MATCHED: &str = "SEG007";

const SETTINGS_FILE: &str = "segctl.yaml";

#[derive(Debug)]
pub(super) struct Project {
    working_directory: PathBuf,
    settings_file: PathBuf,
    /// The text of segctl.yaml for excerpts, without secrets.
    redacted_settings: String,
    /// The directory of `segctl.yaml`. Paths in that file are relative to it.
    pub(super) directory: PathBuf,
    pub(super) settings: ProjectSettings,
    pub(super) loaded: LoadedConfig,
}

#[derive(Clone, Copy)]
pub(super) struct ProjectOptions<'a> {
    pub(super) config: Option<&'a Path>,
    /// Parse every segment file.
    pub(super) no_cache: bool,
}

/// The workspace of a command.
#[derive(Clone, Copy)]
pub(super) struct SelectedWorkspace<'a> {
    pub(super) project: &'a Project,
    pub(super) name: &'a str,
    pub(super) settings: &'a WorkspaceSettings,
}

#[derive(Default)]
pub(super) struct NewFileCheck {
    pub(super) has_errors: bool,
    /// The files that `segments` in segctl.yaml does not include.
    pub(super) ignored: BTreeSet<PathBuf>,
}

impl Project {
    /// Reads the settings and every segment file. Errors in segment files are in `loaded`.
    pub(super) fn open(options: ProjectOptions<'_>, output: Output) -> Result<Self, Failure> {
        let working_directory = working_directory(options.config)?;
        let path = match options.config {
            Some(path) => given_settings_file(&working_directory.join(path), path)?,
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
        let mut loaded = if options.no_cache {
            load(&settings, &path, &display)
        } else {
            let index = file_index::read(&directory);
            let mut loaded = load_with_index(&settings, &path, &display, Some(&index));
            file_index::update(&directory, &mut loaded);
            loaded
        };
        loaded.expand_home(home_directory().as_deref());
        Ok(Self {
            working_directory,
            settings_file: path,
            redacted_settings: source.redacted_text(),
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
            output.print_status(&self.render_diagnostics(&diagnostics, output));
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

    /// The path of an argument, which is relative to the working directory.
    pub(super) fn absolute_path(&self, path: &Path) -> PathBuf {
        self.working_directory.join(path)
    }

    pub(super) fn settings_file(&self) -> &Path {
        &self.settings_file
    }

    pub(super) fn display_path(&self, path: &Path) -> String {
        display_path(path, &self.working_directory)
    }

    /// Prints the errors of new files, and a note for each file that `segments` does not include.
    pub(super) fn report_new_file_errors<'f>(
        &self,
        files: impl IntoIterator<Item = &'f PathBuf>,
        output: Output,
    ) -> NewFileCheck {
        let loaded = load(&self.settings, &self.settings_file, &|path| {
            self.display_path(path)
        });
        // A file can have several paths, such as `segments/a.yaml` and `./segments/a.yaml`.
        let canonical = |path: &Path| fs::canonicalize(self.working_directory.join(path)).ok();
        let sources = loaded.sources.keys();
        let names_by_path = sources.map(|name| (canonical(Path::new(&**name)), name));
        let names_by_path: BTreeMap<Option<PathBuf>, &Arc<str>> = names_by_path.collect();
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut ignored = BTreeSet::new();
        for file in files {
            match names_by_path.get(&canonical(file)) {
                Some(name) => names.push(Arc::clone(name)),
                None => {
                    ignored.insert(file.clone());
                    output.print_note(format!(
                        "`segments` in segctl.yaml does not include {}, so segctl will not read it",
                        self.display_path(file)
                    ));
                }
            }
        }
        let mut errors = loaded.diagnostics;
        errors.retain(|found| {
            let mut labels = found.labels.iter();
            found.severity == Severity::Error && labels.any(|label| names.contains(&label.location.file))
        });
        sort(&mut errors);
        let text_of = |file: &str| loaded.sources.get(file).map(|source| source.text.as_str());
        output.print_status(&output.diagnostics_text(&errors, &text_of));
        NewFileCheck {
            has_errors: !errors.is_empty(),
            ignored,
        }
    }

    /// Errors in segctl.yaml that only this build of segctl has.
    pub(super) fn unsupported_settings(&self) -> impl Iterator<Item = &Diagnostic> {
        let workspaces = self.settings.workspaces.values();
        workspaces.flat_map(|workspace| &workspace.unsupported)
    }

    pub(super) fn render_diagnostics(&self, diagnostics: &[Diagnostic], output: Output) -> String {
        let settings = self.display_path(&self.settings_file);
        let text_of = |file: &str| match self.loaded.sources.get(file) {
            Some(source) => Some(source.text.as_str()),
            None if file == settings => Some(self.redacted_settings.as_str()),
            None => None,
        };
        output.diagnostics_text(diagnostics, &text_of)
    }

    /// The selected workspace, or else the default workspace, or else the only one.
    pub(super) fn workspace(&self, arguments: &WorkspaceArguments) -> Result<SelectedWorkspace<'_>, Failure> {
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

    pub(super) fn named_workspace(&self, name: &str) -> Result<SelectedWorkspace<'_>, Failure> {
        match self.settings.workspaces.get_key_value(name) {
            Some((name, settings)) => match settings.unsupported.first() {
                None => Ok(SelectedWorkspace {
                    project: self,
                    name,
                    settings,
                }),
                Some(found) => Err(unsupported_failure(found)),
            },
            None => {
                let failure = Failure::new(FailureKind::Usage, format!("unknown workspace `{name}`"));
                let names = self.settings.workspaces.keys().map(String::as_str);
                Err(match did_you_mean(name, names) {
                    Some(suggestion) => failure.with_help(format!("did you mean `{suggestion}`?")),
                    None => failure.with_help(self.workspaces_help()),
                })
            }
        }
    }

    fn workspaces_help(&self) -> String {
        let names = self.settings.workspaces.keys();
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        format!("workspaces in segctl.yaml: {}", names.join(", "))
    }
}

impl<'a> SelectedWorkspace<'a> {
    pub(super) fn declarations(self) -> impl Iterator<Item = &'a Declaration> {
        let declarations = self.project.loaded.declarations.iter();
        declarations.filter(move |declaration| declaration.applies_to(self.name))
    }

    pub(super) fn declaration(self, name: &SegmentName) -> Option<&'a Declaration> {
        self.declarations()
            .find(|declaration| declaration.segment.name == *name)
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

/// An absolute `--config` works without a current directory.
fn working_directory(config: Option<&Path>) -> Result<PathBuf, Failure> {
    match env::current_dir() {
        Ok(directory) => Ok(directory),
        Err(_) if config.is_some_and(Path::is_absolute) => Ok(PathBuf::new()),
        Err(error) => {
            let message = if error.kind() == io::ErrorKind::NotFound {
                "the current directory does not exist any more".to_owned()
            } else {
                format!("cannot find the current directory: {error}")
            };
            Err(Failure::new(FailureKind::Error, message)
                .with_help("change to the directory of your project, or use --config with an absolute path"))
        }
    }
}

/// The file that `--config` names. For a directory, it is segctl.yaml in it.
fn given_settings_file(path: &Path, given: &Path) -> Result<PathBuf, Failure> {
    let given_name = given.display();
    if path.is_dir() {
        let file = path.join(SETTINGS_FILE);
        if file.is_file() {
            return Ok(file);
        }
        let message = format!("no {SETTINGS_FILE} in the directory `{given_name}` of --config");
        return Err(missing_settings(message, other_settings_name(path)));
    }
    if !path.exists() {
        let message = format!("the file `{given_name}` of --config does not exist");
        let directory = path.parent().unwrap_or(path);
        let other = ["yaml", "yml"]
            .map(|extension| path.with_extension(extension))
            .into_iter()
            .find(|other| other != path && other.is_file());
        let failure = Failure::new(FailureKind::InvalidFiles, message);
        return Err(match other {
            Some(other) => failure.with_help(format!("did you mean --config {}?", other.display())),
            None if given.is_absolute() => failure.with_help("check the path"),
            None => failure.with_help(format!(
                "the path is relative to the current directory: segctl looked in {}",
                directory.display()
            )),
        });
    }
    Ok(path.to_path_buf())
}

fn find_settings_file(working_directory: &Path) -> Result<PathBuf, Failure> {
    let directories = working_directory.ancestors();
    let mut paths = directories.map(|directory| directory.join(SETTINGS_FILE));
    paths.find(|path| path.is_file()).ok_or_else(|| {
        let message = format!("no {SETTINGS_FILE} found in this or any parent directory");
        let other = working_directory.ancestors().find_map(other_settings_name);
        missing_settings(message, other)
    })
}

fn missing_settings(message: String, other: Option<PathBuf>) -> Failure {
    let failure = Failure::new(FailureKind::InvalidFiles, message);
    match other {
        Some(other) => failure.with_help(format!("rename {} to {SETTINGS_FILE}", other.display())),
        None => failure.with_help("change to the directory of your project, or use --config FILE"),
    }
}

/// A file in `directory` that is probably meant to be segctl.yaml.
fn other_settings_name(directory: &Path) -> Option<PathBuf> {
    let names = [
        "segctl.yml",
        ".segctl.yaml",
        ".segctl.yml",
        "segctl.json",
        "segctl.yaml.txt",
        "Segctl.yaml",
        "SEGCTL.yaml",
        "segctl.YAML",
    ];
    names
        .map(|name| directory.join(name))
        .into_iter()
        .find(|path| path.is_file())
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

fn unsupported_failure(found: &Diagnostic) -> Failure {
    let location = found.labels.first().map(|label| &label.location);
    let place = location.map(|at| format!("{}:{}:{}: ", at.file, at.line, at.column));
    Failure {
        help: found.help.clone(),
        diagnostics: vec![found.clone()],
        ..Failure::new(
            FailureKind::InvalidFiles,
            place.unwrap_or_default() + &found.message,
        )
    }
}

fn invalid_settings(mut errors: Vec<Diagnostic>, source: Option<&SourceFile>, output: Output) -> Failure {
    sort(&mut errors);
    // An error can be next to a secret, so excerpts come from a redacted text.
    let text = source.map(SourceFile::redacted_text);
    if !output.json {
        output.print_status(&output.diagnostics_text(&errors, &|_| text.as_deref()));
    }
    Failure {
        diagnostics: errors,
        ..Failure::new(FailureKind::InvalidFiles, "invalid segctl.yaml")
    }
}
