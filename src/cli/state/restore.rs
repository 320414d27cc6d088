//! `segctl ledger restore`: a definition that was replaced, written back into a file. The workspace stays as it is.

use super::super::arguments::RestoreArguments;
use super::super::edits::{DeclarationPatch, FileEdits};
use super::super::failure::{Failure, FailureKind};
use super::super::new_files::{self, NewFiles, default_directory};
use super::super::output::Output;
use super::super::project::Project;
use super::lookup::{OfflineState, StateMatch};
use crate::config::declaration::Declaration;
use crate::config::edit::{DeclarationUpdate, NewFile, patch, segment_file_text};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use crate::render::json::{FORMAT_VERSION, PatchDocument, RestoredDocument, SegmentRefDocument};
use crate::render::{shell_commands, text};
use crate::state::{Revision, StateEntry};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes a definition that was replaced back into a file.
///
/// # Errors
///
/// The ledger cannot be read or keeps no such definition, no file can say it, or the file holds something else.
pub(super) async fn run(
    project: &Project,
    arguments: &RestoreArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    project.require_valid_or_empty(output)?;
    let workspace = project.workspace(&arguments.workspace)?;
    let recalled = OfflineState::load(project, workspace).await?;
    let chosen = select_revision(&recalled, &arguments.revision)?;
    if !chosen.others.is_empty() {
        let others: Vec<_> = chosen
            .others
            .iter()
            .copied()
            .map(SegmentRefDocument::of_entry)
            .collect();
        output.print_status_line(&format!("note: {}", text::shared_name_note(chosen.name, &others)));
    }
    let declared = recalled
        .references
        .identities
        .declared_by_id
        .get(&chosen.entry.id);
    let restore = RestoreRequest {
        project,
        workspace: workspace.0,
        name: declared.unwrap_or(&chosen.entry.name),
        declaration: declared.and_then(|name| find_declaration(project, workspace.0, name)),
        names: recalled.names(),
        selected: &chosen,
    };
    let written = restore.write(arguments.output_file.as_deref(), output)?;
    let has_errors =
        written.is_changed && project.report_new_file_errors(std::slice::from_ref(&written.path), output);
    let document = RestoredDocument {
        format_version: FORMAT_VERSION.to_owned(),
        workspace: workspace.0.to_owned(),
        segment: restore.name.to_string(),
        id: chosen.entry.id.to_string(),
        revision: chosen.number,
        file: project.display_path(&written.path),
        written: written.is_changed,
        patch: written.patch,
        valid: !has_errors,
    };
    if output.json {
        output.print_json(&document);
    } else {
        output.print_result(&text::restored(&document, output.colour()));
    }
    Ok(if has_errors {
        FailureKind::InvalidFiles.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// The definition that is meant.
struct SelectedRevision<'a> {
    /// The name as it was asked for.
    name: &'a str,
    entry: &'a StateEntry,
    /// Other segments that have or had the name.
    others: Vec<&'a StateEntry>,
    number: usize,
    revision: &'a Revision,
}

/// The name and the number of `NAME@N`; a name may hold an `@`, too. `None` where no number follows the last one.
fn parse_revision(text: &str) -> Option<(&str, usize)> {
    let (name, number) = text.rsplit_once('@')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // A number that no computer counts to is that of no definition either.
    is_number.then(|| (name, number.parse().unwrap_or(usize::MAX)))
}

fn select_revision<'a>(recalled: &'a OfflineState, asked: &'a str) -> Result<SelectedRevision<'a>, Failure> {
    let Some((name, number)) = parse_revision(asked) else {
        return Err(revision_required(asked, recalled.find(asked)?.entry));
    };
    let StateMatch { entry, others } = match recalled.find(name) {
        Ok(known) => known,
        // All of it may be a name.
        Err(failure) => {
            let whole = recalled.find(asked).map_err(|_| failure)?;
            return Err(revision_required(asked, whole.entry));
        }
    };
    match entry.revision(number) {
        Some(replaced) => Ok(SelectedRevision {
            name,
            entry,
            others,
            number,
            revision: replaced,
        }),
        None => {
            let message = format!("the ledger keeps no definition `{asked}`");
            Err(with_available_revisions(
                Failure::new(FailureKind::Error, message),
                name,
                entry,
            ))
        }
    }
}

/// A name without a number.
fn revision_required(name: &str, entry: &StateEntry) -> Failure {
    let message = format!("say which definition of `{name}` to restore, as `{name}@N`");
    with_available_revisions(Failure::new(FailureKind::Usage, message), name, entry)
}

/// With the numbers there are.
fn with_available_revisions(failure: Failure, name: &str, entry: &StateEntry) -> Failure {
    let numbers: Vec<String> = entry
        .numbered_revisions()
        .map(|(number, replaced)| format!("{number} (replaced {:.0})", replaced.replaced_at))
        .collect();
    if numbers.is_empty() {
        return failure.with_help("none was replaced since segctl knows the segment");
    }
    let dropped = if entry.dropped_revisions > 0 {
        "; older ones were dropped"
    } else {
        ""
    };
    failure
        .with_help(format!("it keeps {}{dropped}", numbers.join(", ")))
        .with_help(format!(
            "`{}` shows what each of them was",
            shell_commands::state_history(name)
        ))
}

/// Where a segment of the workspace is declared.
fn find_declaration<'a>(
    project: &'a Project,
    workspace: &str,
    name: &SegmentName,
) -> Option<&'a Declaration> {
    let mut declarations = project.loaded.declarations.iter();
    declarations.find(|declaration| declaration.applies_to(workspace) && declaration.segment.name == *name)
}

/// A definition on its way into a file.
struct RestoreRequest<'a> {
    project: &'a Project,
    workspace: &'a str,
    /// The name that the file says.
    name: &'a SegmentName,
    /// Where the segment is declared, if it is.
    declaration: Option<&'a Declaration>,
    names: BTreeMap<SegmentId, SegmentName>,
    selected: &'a SelectedRevision<'a>,
}

/// Where it is now.
struct RestoredFile {
    path: PathBuf,
    /// Whether the file says something new.
    is_changed: bool,
    patch: Option<PatchDocument>,
}

impl RestoreRequest<'_> {
    fn write(&self, into: Option<&Path>, output: Output) -> Result<RestoredFile, Failure> {
        match (self.declaration, into) {
            (Some(declaration), None) => self.edit(declaration, output),
            (Some(declaration), Some(file)) if is_declared_in(declaration, file) => {
                self.edit(declaration, output)
            }
            (_, Some(file)) => self.create(file, output),
            (None, None) => {
                self.require_unused_name()?;
                let mut files = NewFiles::in_directory(default_directory(self.project)?)?;
                let path = files.write(self.name, &self.text()?)?;
                Ok(self.created_file(path, output))
            }
        }
    }

    /// Brings the file that declares the segment to the definition; all else that it says stays.
    fn edit(&self, declaration: &Declaration, output: Output) -> Result<RestoredFile, Failure> {
        let names = |id: &SegmentId| self.names.get(id).cloned();
        let wanted = DeclarationUpdate {
            definition: Some((&self.selected.revision.definition, &names)),
            ..DeclarationUpdate::default()
        };
        let patch = patch(declaration, &wanted).map_err(|error| self.write_failure(&error))?;
        let path = PathBuf::from(declaration.file_name_and_text().0);
        if declaration.segment.lifecycle == Lifecycle::Archived {
            output.print_status_line(&format!(
                "note: {} says `lifecycle: archived`; what is restored matters when that line is taken out",
                self.project.display_path(&path)
            ));
        }
        let is_new = !patch.is_empty();
        let patches: [DeclarationPatch<'_>; 1] = [(declaration, patch)];
        let edits = FileEdits::of(&patches);
        let mut documents = edits.diffs()?;
        if is_new {
            edits.write(output)?;
        }
        Ok(RestoredFile {
            path,
            is_changed: is_new,
            patch: documents.pop().filter(|_| is_new),
        })
    }

    /// Writes a new file; what is there already is left alone, unless it says the same.
    fn create(&self, file: &Path, output: Output) -> Result<RestoredFile, Failure> {
        let text = self.text()?;
        match new_files::create_new(file, &text) {
            Ok(()) => Ok(self.created_file(file.to_owned(), output)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read_to_string(file).ok().as_deref() == Some(&text) {
                    return Ok(RestoredFile {
                        path: file.to_owned(),
                        is_changed: false,
                        patch: None,
                    });
                }
                let what = if file.is_dir() {
                    "is a directory"
                } else {
                    "is there already and holds something else"
                };
                let message = format!("`{}` {what}", file.display());
                let failure = Failure::new(FailureKind::Error, message);
                Err(failure.with_help("name a file that is not there yet, or move this one away"))
            }
            Err(error) => Err(new_files::write_failure(file, &error)),
        }
    }

    fn created_file(&self, path: PathBuf, output: Output) -> RestoredFile {
        output.print_status_line(&format!("wrote {}", self.project.display_path(&path)));
        if self.selected.entry.lifecycle == Lifecycle::Archived && self.declaration.is_none() {
            output.print_status("note: the segment is archived, and the new file wants it in use; `lifecycle: archived` in it keeps it away\n");
        }
        RestoredFile {
            path,
            is_changed: true,
            patch: None,
        }
    }

    /// A second file that says the name would be refused by every later command.
    fn require_unused_name(&self) -> Result<(), Failure> {
        let mut declarations = self.project.loaded.declarations.iter();
        let Some(other) = declarations.find(|declaration| declaration.segment.name == *self.name) else {
            return Ok(());
        };
        let (name, file) = (self.name, other.file_name_and_text().0);
        let failure = if other.applies_to(self.workspace) {
            let message =
                format!("`{name}` is declared in {file}, which means another segment than this one");
            Failure::new(FailureKind::Error, message)
        } else {
            let workspace = self.workspace;
            let message =
                format!("`{name}` is declared in {file}, which is not for the workspace `{workspace}`");
            Failure::new(FailureKind::Error, message)
                .with_help("add the workspace to `workspaces` in that file")
        };
        Err(failure.with_help("with `--into FILE` it is written beside it, to be looked at"))
    }

    /// The text of a new file. Whoever restores a segment wants it in use.
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
            revision: replaced,
            ..
        } = self.selected;
        let then = if replaced.name == *self.name {
            String::new()
        } else {
            format!(" under the name \"{}\"", replaced.name)
        };
        format!(
            "restored from the ledger of {}: definition {number} of id {}{then}, replaced {:.0} by {}",
            self.workspace, entry.id, replaced.replaced_at, replaced.run
        )
    }

    fn write_failure(&self, error: &dyn std::error::Error) -> Failure {
        let mut failure = Failure::from_error(FailureKind::Error, error);
        let (number, name) = (self.selected.number, self.name);
        let what = format!("definition {number} of `{name}` cannot be written into a file");
        failure
            .causes
            .insert(0, std::mem::replace(&mut failure.message, what));
        failure
    }
}

/// Whether a declaration stands in `file`, however the two are named.
fn is_declared_in(declaration: &Declaration, file: &Path) -> bool {
    let place = |path: &Path| fs::canonicalize(path).ok();
    let found = place(file);
    found.is_some() && found == place(Path::new(declaration.file_name_and_text().0))
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
