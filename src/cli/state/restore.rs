//! `segctl state restore`: writes a previous version of a segment to its file. The workspace does not change.

use super::super::arguments::RestoreArguments;
use super::super::edits::{DeclarationPatch, FileEdits};
use super::super::failure::{Failure, FailureKind};
use super::super::new_files::{self, NewFiles, default_directory};
use super::super::output::Output;
use super::super::project::{Project, SelectedWorkspace};
use super::lookup::{OfflineState, StateMatch, print_shared_name_note};
use crate::config::declaration::Declaration;
use crate::config::edit::{DeclarationUpdate, NewFile, patch, segment_file_text};
use crate::definition::{FieldChange, Identities, canonical, diff};
use crate::diagnostic::shell_commands;
use crate::model::{Lifecycle, SegmentId, SegmentName};
use crate::render::json::{ChangeDocument, FORMAT_VERSION, PatchDocument, RestoredDocument};
use crate::render::text;
use crate::state::{Revision, StateEntry};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(super) async fn run(
    project: &Project,
    arguments: &RestoreArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    project.require_valid_or_empty(output)?;
    let workspace = project.workspace(&arguments.workspace)?;
    let offline = OfflineState::load(workspace).await?;
    let selected = select_revision(&offline, &arguments.revision)?;
    print_shared_name_note(selected.name, &selected.others, output);
    let declared_names = &offline.references.identities.declared_by_id;
    let declared = declared_names.get(&selected.entry.id);
    let restore = RestoreRequest {
        workspace,
        name: declared.unwrap_or(&selected.entry.name),
        declaration: declared.and_then(|name| workspace.declaration(name)),
        names: offline.names(),
        selected: &selected,
    };
    let written = restore.write(arguments.output_file.as_deref(), output)?;
    restore.print_name_note(output);
    let has_errors = written.is_changed && project.report_new_file_errors([&written.path], output).has_errors;
    let document = RestoredDocument {
        format_version: FORMAT_VERSION.to_owned(),
        workspace: workspace.name.to_owned(),
        segment: restore.name.to_string(),
        id: selected.entry.id.to_string(),
        revision: selected.number,
        file: project.display_path(&written.path),
        written: written.is_changed,
        changes: written.changes.iter().map(ChangeDocument::of).collect(),
        patch: written.patch,
        valid: !has_errors,
    };
    if output.json {
        output.print_json(&document);
    } else {
        output.print_result(&text::restored(&document, output.color()));
    }
    Ok(if has_errors {
        FailureKind::InvalidFiles.into()
    } else {
        ExitCode::SUCCESS
    })
}

struct SelectedRevision<'a> {
    /// The name in the argument.
    name: &'a str,
    entry: &'a StateEntry,
    others: Vec<&'a StateEntry>,
    number: usize,
    revision: &'a Revision,
}

/// Splits `NAME@N` at the last `@`, because a name can contain one. `None` if no number follows it.
fn parse_revision(text: &str) -> Option<(&str, usize)> {
    let (name, number) = text.rsplit_once('@')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // A number that overflows matches no revision.
    is_number.then(|| (name, number.parse().unwrap_or(usize::MAX)))
}

fn select_revision<'a>(
    offline: &'a OfflineState,
    argument: &'a str,
) -> Result<SelectedRevision<'a>, Failure> {
    let Some((name, number)) = parse_revision(argument) else {
        return Err(revision_required(argument, offline.find(argument)?.entry));
    };
    let StateMatch { entry, others } = match offline.find(name) {
        Ok(found) => found,
        // The whole argument can be a name.
        Err(failure) => {
            let whole = offline.find(argument).map_err(|_| failure)?;
            return Err(revision_required(argument, whole.entry));
        }
    };
    let Some(revision) = entry.revision(number) else {
        let message = format!("the state contains no version `{argument}`");
        let failure = Failure::new(FailureKind::Error, message);
        return Err(with_available_revisions(failure, name, entry));
    };
    Ok(SelectedRevision {
        name,
        entry,
        others,
        number,
        revision,
    })
}

fn revision_required(name: &str, entry: &StateEntry) -> Failure {
    let message = format!("missing version number: use `{name}@N`");
    with_available_revisions(Failure::new(FailureKind::Usage, message), name, entry)
}

fn with_available_revisions(failure: Failure, name: &str, entry: &StateEntry) -> Failure {
    let numbers: Vec<String> = entry
        .numbered_revisions()
        .map(|(number, revision)| format!("{number} (replaced {:.0})", revision.replaced_at))
        .collect();
    if numbers.is_empty() {
        return failure.with_help("no earlier version is stored");
    }
    let dropped = if entry.dropped_revisions > 0 {
        "; older versions were dropped"
    } else {
        ""
    };
    let history = shell_commands::state_history(name);
    failure
        .with_help(format!("stored versions: {}{dropped}", numbers.join(", ")))
        .with_help(format!("run `{history}` to see what each version changed"))
}

struct RestoreRequest<'a> {
    workspace: SelectedWorkspace<'a>,
    /// The name in the file.
    name: &'a SegmentName,
    declaration: Option<&'a Declaration>,
    names: BTreeMap<SegmentId, SegmentName>,
    selected: &'a SelectedRevision<'a>,
}

struct RestoredFile {
    path: PathBuf,
    is_changed: bool,
    /// Of the definition in a file that existed.
    changes: Vec<FieldChange>,
    patch: Option<PatchDocument>,
}

impl RestoreRequest<'_> {
    fn write(&self, output_file: Option<&Path>, output: Output) -> Result<RestoredFile, Failure> {
        match (self.declaration, output_file) {
            (Some(declaration), None) => self.edit(declaration, output),
            (Some(declaration), Some(file)) if is_declared_in(declaration, file) => {
                self.edit(declaration, output)
            }
            (_, Some(file)) => self.create(file, output),
            (None, None) => {
                self.require_unused_name()?;
                let mut files = NewFiles::in_directory(default_directory(self.workspace.project)?)?;
                let path = files.write(self.name, &self.text()?)?;
                Ok(self.created_file(path, output))
            }
        }
    }

    /// Writes the definition to the file of the segment. Everything else in it stays.
    fn edit(&self, declaration: &Declaration, output: Output) -> Result<RestoredFile, Failure> {
        let names = |id: &SegmentId| self.names.get(id).cloned();
        let update = DeclarationUpdate {
            definition: Some((self.selected.revision.definition.payload(), &names)),
            ..DeclarationUpdate::default()
        };
        let patch = patch(declaration, &update).map_err(|error| self.write_failure(&error))?;
        let path = PathBuf::from(declaration.file_name_and_text().0);
        if declaration.segment.lifecycle == Lifecycle::Archived {
            output.print_note(format!(
                "{} sets `lifecycle: archived`; the restored definition takes effect when you remove that line",
                self.workspace.project.display_path(&path)
            ));
        }
        let is_changed = !patch.is_empty();
        let patches: [DeclarationPatch<'_>; 1] = [(declaration, patch)];
        let edits = FileEdits::of(&patches);
        let mut documents = edits.diffs()?;
        if is_changed {
            edits.write(output)?;
        }
        Ok(RestoredFile {
            path,
            is_changed,
            changes: self.changes(declaration),
            patch: documents.pop().filter(|_| is_changed),
        })
    }

    /// A name and a definition are restored apart: the old name may belong to another segment by now.
    fn print_name_note(&self, output: Output) {
        let SelectedRevision { number, revision, .. } = self.selected;
        if revision.name != *self.name {
            let (old, name) = (&revision.name, self.name);
            output.print_note(format!(
                "version {number} was named \"{old}\"; the segment keeps the name \"{name}\". To restore the name, too, set \
                 `name:` in the file"
            ));
        }
    }

    fn changes(&self, declaration: &Declaration) -> Vec<FieldChange> {
        let Some(declared) = declaration.segment.contents.definition() else {
            return Vec::new();
        };
        let identities = Identities {
            declared_by_id: self.names.clone(),
            ..Identities::default()
        };
        let restored = &self.selected.revision.definition;
        let [declared, restored] =
            [declared, restored].map(|definition| canonical::exact(definition, &identities));
        let changes = diff(&declared, &restored).into_iter();
        changes
            .map(|change| change.with_readable_references(&identities))
            .collect()
    }

    /// Writes a new file. An existing file is never changed.
    fn create(&self, file: &Path, output: Output) -> Result<RestoredFile, Failure> {
        let text = self.text()?;
        match new_files::create_new(file, &text) {
            Ok(()) => Ok(self.created_file(file.to_owned(), output)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read_to_string(file).ok().as_deref() == Some(&text) {
                    return Ok(RestoredFile {
                        path: file.to_owned(),
                        is_changed: false,
                        changes: Vec::new(),
                        patch: None,
                    });
                }
                let problem = if file.is_dir() {
                    "is a directory"
                } else {
                    "exists and has different content"
                };
                let message = format!("`{}` {problem}", file.display());
                let failure = Failure::new(FailureKind::Error, message);
                Err(failure.with_help("use a file that does not exist, or move this one away"))
            }
            Err(error) => Err(Failure::cannot_write(file, &error)),
        }
    }

    fn created_file(&self, path: PathBuf, output: Output) -> RestoredFile {
        output.print_status_line(&format!("wrote {}", self.workspace.project.display_path(&path)));
        if self.selected.entry.lifecycle == Lifecycle::Archived && self.declaration.is_none() {
            output.print_note(
                "the segment is archived, and the new file would unarchive it; set `lifecycle: archived` in it to keep it archived",
            );
        }
        RestoredFile {
            path,
            is_changed: true,
            changes: Vec::new(),
            patch: None,
        }
    }

    /// Every command rejects a second file with the same name.
    fn require_unused_name(&self) -> Result<(), Failure> {
        let mut declarations = self.workspace.project.loaded.declarations.iter();
        let Some(other) = declarations.find(|declaration| declaration.segment.name == *self.name) else {
            return Ok(());
        };
        let (name, file) = (self.name, other.file_name_and_text().0);
        let failure = if other.applies_to(self.workspace.name) {
            let message = format!("`{name}` is declared in {file}, for another segment");
            Failure::new(FailureKind::Error, message)
        } else {
            let workspace = self.workspace.name;
            let message = format!("`{name}` is declared in {file}, but not for the workspace `{workspace}`");
            Failure::new(FailureKind::Error, message)
                .with_help("add the workspace to `workspaces` in that file")
        };
        Err(failure.with_help("use --output-file FILE to write a separate file for review"))
    }

    /// The text of a new file. A restored segment is active.
    fn text(&self) -> Result<String, Failure> {
        let names = |id: &SegmentId| self.names.get(id).cloned();
        let new = NewFile {
            comment: &self.comment(),
            name: self.name,
            lifecycle: Lifecycle::Active,
            protect: self.selected.entry.protect,
            definition: &self.selected.revision.definition,
            names: &names,
        };
        segment_file_text(&new).map_err(|error| self.write_failure(&error))
    }

    fn comment(&self) -> String {
        let SelectedRevision {
            entry,
            number,
            revision,
            ..
        } = self.selected;
        let old_name = if revision.name == *self.name {
            String::new()
        } else {
            format!(", then named \"{}\"", revision.name)
        };
        format!(
            "restored from the state of {}: version {number} of id {}{old_name}, replaced {:.0} by {}",
            self.workspace.name, entry.id, revision.replaced_at, revision.run
        )
    }

    fn write_failure(&self, error: &dyn std::error::Error) -> Failure {
        let mut failure = Failure::from_error(FailureKind::Error, error);
        let (number, name) = (self.selected.number, self.name);
        let message = format!("cannot write version {number} of `{name}` to a file");
        let cause = std::mem::replace(&mut failure.message, message);
        failure.causes.insert(0, cause);
        failure
    }
}

/// Compares canonical paths.
fn is_declared_in(declaration: &Declaration, file: &Path) -> bool {
    let canonical = |path: &Path| fs::canonicalize(path).ok();
    let path = canonical(file);
    path.is_some() && path == canonical(Path::new(declaration.file_name_and_text().0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_number_follows_the_last_at_sign() {
        let table = [
            ("Buyers@1", Some(("Buyers", 1))),
            ("Lapsed buyers@020", Some(("Lapsed buyers", 20))),
            ("at@home@3", Some(("at@home", 3))),
            ("at@2@3", Some(("at@2", 3))),
            ("@@1", Some(("@", 1))),
            ("@1", Some(("", 1))),
            ("a@99999999999999999999999", Some(("a", usize::MAX))),
            ("a@0", Some(("a", 0))),
            ("at@home", None),
            ("a@", None),
            ("a@-1", None),
            ("a@+1", None),
            ("a@ 1", None),
            ("a@\u{661}", None),
            ("a", None),
            ("", None),
        ];
        for (text, parsed) in table {
            assert_eq!(parse_revision(text), parsed, "{text:?}");
        }
    }
}
