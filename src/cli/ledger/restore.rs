//! `segctl ledger restore`: a definition that was replaced, written back into a file. The workspace stays as it is.

use super::super::arguments::RestoreArguments;
use super::super::edits::{Edits, Patched};
use super::super::failure::{Failure, Kind};
use super::super::new_files::{self, NewFiles, first_directory};
use super::super::output::Output;
use super::super::project::Project;
use super::find::{Found, Recalled};
use crate::config::declaration::Declaration;
use crate::config::write::{NewFile, Wanted, patch, segment_file};
use crate::ledger::{Entry, Replaced};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use crate::render::document::{FORMAT_VERSION, LiveDocument, PatchDocument, RestoredDocument};
use crate::render::{command, text};
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
    project.require_valid_but_empty(output)?;
    let workspace = project.workspace(&arguments.workspace)?;
    let recalled = Recalled::read(project, workspace).await?;
    let chosen = chosen(&recalled, &arguments.definition)?;
    if !chosen.others.is_empty() {
        let others: Vec<_> = chosen
            .others
            .iter()
            .copied()
            .map(LiveDocument::of_entry)
            .collect();
        output.line(&format!("note: {}", text::others(chosen.name, &others)));
    }
    let declared = recalled.known.identities.declared_by_id.get(&chosen.entry.id);
    let restore = Restore {
        project,
        workspace: workspace.0,
        name: declared.unwrap_or(&chosen.entry.name),
        declaration: declared.and_then(|name| declaration(project, workspace.0, name)),
        names: recalled.names(),
        chosen: &chosen,
    };
    let written = restore.write(arguments.into.as_deref(), output)?;
    let has_errors = written.is_new && project.tell_of_new(std::slice::from_ref(&written.path), output);
    let document = RestoredDocument {
        format_version: FORMAT_VERSION.to_owned(),
        workspace: workspace.0.to_owned(),
        segment: restore.name.to_string(),
        id: chosen.entry.id.to_string(),
        number: chosen.number,
        file: project.shown(&written.path),
        written: written.is_new,
        patch: written.patch,
        valid: !has_errors,
    };
    if output.json {
        output.document(&document);
    } else {
        output.result(&text::restored(&document, output.colour()));
    }
    Ok(if has_errors {
        Kind::InvalidFiles.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// The definition that is meant.
struct Chosen<'a> {
    /// The name as it was asked for.
    name: &'a str,
    entry: &'a Entry,
    /// Other segments that have or had the name.
    others: Vec<&'a Entry>,
    number: usize,
    replaced: &'a Replaced,
}

/// The name and the number of `NAME@N`; a name may hold an `@`, too. `None` where no number follows the last one.
fn parse(text: &str) -> Option<(&str, usize)> {
    let (name, number) = text.rsplit_once('@')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    // A number that no computer counts to is that of no definition either.
    is_number.then(|| (name, number.parse().unwrap_or(usize::MAX)))
}

fn chosen<'a>(recalled: &'a Recalled, asked: &'a str) -> Result<Chosen<'a>, Failure> {
    let Some((name, number)) = parse(asked) else {
        return Err(which(asked, recalled.find(asked)?.entry));
    };
    let Found { entry, others } = match recalled.find(name) {
        Ok(known) => known,
        // All of it may be a name.
        Err(failure) => {
            let whole = recalled.find(asked).map_err(|_| failure)?;
            return Err(which(asked, whole.entry));
        }
    };
    match entry.replaced_as(number) {
        Some(replaced) => Ok(Chosen {
            name,
            entry,
            others,
            number,
            replaced,
        }),
        None => {
            let message = format!("the ledger keeps no definition `{asked}`");
            Err(numbers(Failure::new(Kind::Error, message), name, entry))
        }
    }
}

/// A name without a number.
fn which(name: &str, entry: &Entry) -> Failure {
    let message = format!("say which definition of `{name}` to restore, as `{name}@N`");
    numbers(Failure::new(Kind::Usage, message), name, entry)
}

/// With the numbers there are.
fn numbers(failure: Failure, name: &str, entry: &Entry) -> Failure {
    let numbers: Vec<String> = entry
        .numbered()
        .map(|(number, replaced)| format!("{number} (replaced {:.0})", replaced.replaced_at))
        .collect();
    if numbers.is_empty() {
        return failure.with_help("none was replaced since segctl knows the segment");
    }
    let dropped = if entry.dropped > 0 {
        "; older ones were dropped"
    } else {
        ""
    };
    failure
        .with_help(format!("it keeps {}{dropped}", numbers.join(", ")))
        .with_help(format!(
            "`{}` shows what each of them was",
            command::history(name)
        ))
}

/// Where a segment of the workspace is declared.
fn declaration<'a>(project: &'a Project, workspace: &str, name: &SegmentName) -> Option<&'a Declaration> {
    let mut declarations = project.loaded.declarations.iter();
    declarations.find(|declaration| declaration.is_for(workspace) && declaration.segment.name == *name)
}

/// A definition on its way into a file.
struct Restore<'a> {
    project: &'a Project,
    workspace: &'a str,
    /// The name that the file says.
    name: &'a SegmentName,
    /// Where the segment is declared, if it is.
    declaration: Option<&'a Declaration>,
    names: BTreeMap<SegmentId, SegmentName>,
    chosen: &'a Chosen<'a>,
}

/// Where it is now.
struct Written {
    path: PathBuf,
    /// Whether the file says something new.
    is_new: bool,
    patch: Option<PatchDocument>,
}

impl Restore<'_> {
    fn write(&self, into: Option<&Path>, output: Output) -> Result<Written, Failure> {
        match (self.declaration, into) {
            (Some(declaration), None) => self.edit(declaration, output),
            (Some(declaration), Some(file)) if is_file_of(declaration, file) => {
                self.edit(declaration, output)
            }
            (_, Some(file)) => self.create(file, output),
            (None, None) => {
                self.require_free_name()?;
                let mut files = NewFiles::into_directory(first_directory(self.project)?)?;
                let path = files.write(self.name, &self.text()?)?;
                Ok(self.created(path, output))
            }
        }
    }

    /// Brings the file that declares the segment to the definition; all else that it says stays.
    fn edit(&self, declaration: &Declaration, output: Output) -> Result<Written, Failure> {
        let names = |id: &SegmentId| self.names.get(id).cloned();
        let wanted = Wanted {
            definition: Some((&self.chosen.replaced.definition, &names)),
            ..Wanted::default()
        };
        let patch = patch(declaration, &wanted).map_err(|error| self.unwritable(&error))?;
        let path = PathBuf::from(declaration.file().0);
        if declaration.segment.lifecycle == Lifecycle::Archived {
            output.line(&format!(
                "note: {} says `lifecycle: archived`; what is restored matters when that line is taken out",
                self.project.shown(&path)
            ));
        }
        let is_new = !patch.is_empty();
        let patches: [Patched<'_>; 1] = [(declaration, patch)];
        let edits = Edits::of(&patches);
        let mut documents = edits.documents()?;
        if is_new {
            edits.write(output)?;
        }
        Ok(Written {
            path,
            is_new,
            patch: documents.pop().filter(|_| is_new),
        })
    }

    /// Writes a new file; what is there already is left alone, unless it says the same.
    fn create(&self, file: &Path, output: Output) -> Result<Written, Failure> {
        let text = self.text()?;
        match new_files::create(file, &text) {
            Ok(()) => Ok(self.created(file.to_owned(), output)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read_to_string(file).ok().as_deref() == Some(&text) {
                    return Ok(Written {
                        path: file.to_owned(),
                        is_new: false,
                        patch: None,
                    });
                }
                let what = if file.is_dir() {
                    "is a directory"
                } else {
                    "is there already and holds something else"
                };
                let message = format!("`{}` {what}", file.display());
                let failure = Failure::new(Kind::Error, message);
                Err(failure.with_help("name a file that is not there yet, or move this one away"))
            }
            Err(error) => Err(new_files::refused(file, &error)),
        }
    }

    fn created(&self, path: PathBuf, output: Output) -> Written {
        output.line(&format!("wrote {}", self.project.shown(&path)));
        if self.chosen.entry.lifecycle == Lifecycle::Archived && self.declaration.is_none() {
            output.note("note: the segment is archived, and the new file wants it in use; `lifecycle: archived` in it keeps it away\n");
        }
        Written {
            path,
            is_new: true,
            patch: None,
        }
    }

    /// A second file that says the name would be refused by every later command.
    fn require_free_name(&self) -> Result<(), Failure> {
        let mut declarations = self.project.loaded.declarations.iter();
        let Some(other) = declarations.find(|declaration| declaration.segment.name == *self.name) else {
            return Ok(());
        };
        let (name, file) = (self.name, other.file().0);
        let failure = if other.is_for(self.workspace) {
            let message =
                format!("`{name}` is declared in {file}, which means another segment than this one");
            Failure::new(Kind::Error, message)
        } else {
            let workspace = self.workspace;
            let message =
                format!("`{name}` is declared in {file}, which is not for the workspace `{workspace}`");
            Failure::new(Kind::Error, message).with_help("add the workspace to `workspaces` in that file")
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
            protect: self.chosen.entry.protect,
            definition: &self.chosen.replaced.definition,
            names: &names,
        };
        segment_file(&new).map_err(|error| self.unwritable(&error))
    }

    fn comment(&self) -> String {
        let Chosen {
            entry,
            number,
            replaced,
            ..
        } = self.chosen;
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

    fn unwritable(&self, error: &dyn std::error::Error) -> Failure {
        let mut failure = Failure::caused(Kind::Error, error);
        let (number, name) = (self.chosen.number, self.name);
        let what = format!("definition {number} of `{name}` cannot be written into a file");
        failure
            .causes
            .insert(0, std::mem::replace(&mut failure.message, what));
        failure
    }
}

/// Whether a declaration stands in `file`, however the two are named.
fn is_file_of(declaration: &Declaration, file: &Path) -> bool {
    let place = |path: &Path| fs::canonicalize(path).ok();
    let found = place(file);
    found.is_some() && found == place(Path::new(declaration.file().0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_follows_the_last_at_sign() {
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
            assert_eq!(parse(text), parsed, "{text:?}");
        }
    }
}
