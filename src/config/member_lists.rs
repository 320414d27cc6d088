//! The lists of users that segments name: files of one value a line, beside the file that names them.
//!
//! They are read apart from the rest: a list may have two million values, and only some commands need it.

use super::declaration::{Declaration, PathElement};
use super::lint::{LIST_HEADER, LIST_SIZE, LIST_UNREADABLE, LIST_VALUE_DUPLICATE, LIST_VALUE_INVALID};
use super::load::LoadedConfig;
use crate::diagnostic::{Diagnostic, Location};
use crate::member_list::EmptyList;
use crate::member_list::check::{ListFileError, ListFileErrors, check};
use crate::member_list::normalise::{NormaliseSummary, normalise};
use crate::member_list::source::open;
use crate::model::{Cohort, Contents, Identifier, IdentifierType, MemberSource, UserListSource};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Faults of one list that are told one by one: a list with more has one mistake many times.
const REPORTED_ERROR_LIMIT: usize = 10;

/// A list that is a file.
#[derive(Debug)]
pub struct MemberListFile<'a> {
    /// Where it is.
    path: PathBuf,
    /// How the user would name it.
    display_name: Arc<str>,
    /// What its values are.
    identifier: Identifier,
    /// The first that names it.
    declared_by: &'a Declaration,
    /// Whether another segment takes its values for something else.
    has_conflicting_identifier: bool,
}

/// The lists that declarations name, each once for each sort of values that it is to have; `base` is the folder of
/// `segctl.yaml`.
#[must_use]
pub fn member_list_files<'a>(
    loaded: &'a LoadedConfig,
    base: &Path,
    display_path: &dyn Fn(&Path) -> String,
) -> Vec<MemberListFile<'a>> {
    let mut lists = BTreeMap::new();
    let mut identifier_types: BTreeMap<PathBuf, BTreeSet<IdentifierType>> = BTreeMap::new();
    for declaration in &loaded.declarations {
        let Some((path, identifier)) = local_list(declaration) else {
            continue;
        };
        let path = base.join(path);
        let plain = without_parent_components(&path);
        identifier_types
            .entry(plain.clone())
            .or_default()
            .insert(identifier.kind);
        let key = (plain.clone(), identifier.attribute.clone(), identifier.kind);
        lists.entry(key).or_insert_with(|| MemberListFile {
            display_name: Arc::from(display_path(&plain)),
            path,
            identifier,
            declared_by: declaration,
            has_conflicting_identifier: false,
        });
    }
    let lists = lists.into_iter().map(|((plain, ..), list)| MemberListFile {
        has_conflicting_identifier: identifier_types.get(&plain).is_some_and(|kinds| kinds.len() > 1),
        ..list
    });
    lists.collect()
}

/// A path without `..` where that is plain: for people, since a link may lead elsewhere.
fn without_parent_components(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        let is_inside = matches!(plain.components().next_back(), Some(Component::Normal(_)));
        if part == Component::ParentDir && is_inside {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

/// The path of the list that a declaration names, and what its values are.
fn local_list(declaration: &Declaration) -> Option<(&str, Identifier)> {
    match &declaration.segment.contents {
        Contents::File(upload) => match &upload.users {
            UserListSource::Local(path) => Some((path, upload.identifier.clone())),
            UserListSource::Published { .. } => None,
        },
        Contents::Cohort(cohort) => match &cohort.members {
            MemberSource::Local(path) => Some((path, Cohort::identifier())),
            MemberSource::Inline(_) => None,
        },
        Contents::Filter(_) => None,
    }
}

impl MemberListFile<'_> {
    /// How the user would name it.
    #[must_use]
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// What is wrong with its values.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn check(&self) -> io::Result<ListFileErrors> {
        let file = BufReader::new(open(&self.path)?);
        let checked = check(file, &self.identifier, &mut EmptyList, |_, _| Ok(()))?;
        Ok(checked.err().unwrap_or_default())
    }

    /// What [`check`](Self::check) found, in words.
    #[must_use]
    pub fn diagnostics(&self, result: &io::Result<ListFileErrors>) -> Vec<Diagnostic> {
        match result {
            Ok(faults) => self.value_diagnostics(faults),
            Err(error) => vec![self.unreadable_diagnostic(error)],
        }
    }

    /// Puts a list without what can be mended in its place. One that is outside of `repository` is somebody else's.
    ///
    /// # Errors
    ///
    /// It cannot be read, it must not be mended, or the new one cannot be written: then the old one is still there.
    pub fn normalise(&self, repository: &Path) -> io::Result<NormaliseSummary> {
        let refused = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if self.has_conflicting_identifier {
            return refused("segments read it with identifiers of different types");
        }
        // Where a link leads, so that it stays one.
        let path = fs::canonicalize(&self.path)?;
        if !path.starts_with(fs::canonicalize(repository)?) {
            return refused("it is outside of the folder of segctl.yaml");
        }
        let file = open(&self.path)?;
        let before = file.metadata()?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut new = tempfile::Builder::new().prefix(".segctl-").tempfile_in(folder)?;
        let mut output = BufWriter::new(new.as_file_mut());
        let cleaned = normalise(&mut BufReader::new(file), &self.identifier, &mut output)?;
        output.flush()?;
        drop(output);
        new.as_file().set_permissions(before.permissions())?;
        new.as_file().sync_all()?;
        let now = fs::metadata(&path)?;
        if now.len() != before.len() || now.modified()? != before.modified()? {
            return refused("it was changed meanwhile");
        }
        new.persist(path)?;
        Ok(cleaned)
    }

    fn unreadable_diagnostic(&self, error: &io::Error) -> Diagnostic {
        let fault = |message| Diagnostic::error(LIST_UNREADABLE, message, self.declared_at(), "named here");
        if error.kind() == io::ErrorKind::NotFound {
            return fault(format!("the list `{}` does not exist", self.display_name))
                .with_help("check the name; it is relative to the file that names it");
        }
        fault(format!(
            "the list `{}` cannot be checked: {error}",
            self.display_name
        ))
    }

    /// The faults with their lines; of many the first ones and how many there are.
    fn value_diagnostics(&self, faults: &ListFileErrors) -> Vec<Diagnostic> {
        let first = faults.reported().take(REPORTED_ERROR_LIMIT);
        let mut diagnostics: Vec<_> = first
            .map(|(line, fault)| self.value_diagnostic(line, fault))
            .collect();
        let more = faults.count().saturating_sub(diagnostics.len() as u64);
        let noun = if more == 1 { "fault" } else { "faults" };
        if let Some(last) = diagnostics.pop() {
            diagnostics.push(match more {
                0 => last,
                more => last.with_note(format!("`{}` has {more} more {noun}", self.display_name)),
            });
        }
        diagnostics
    }

    /// A fault in words. There is no excerpt of a list, so the message says it all.
    fn value_diagnostic(&self, line: u32, fault: ListFileError) -> Diagnostic {
        let (code, message) = match fault {
            ListFileError::Header => (LIST_HEADER, fault.to_string()),
            ListFileError::Line(_) => (LIST_VALUE_INVALID, format!("this line matches nobody: {fault}")),
            ListFileError::Duplicate { first } => (
                LIST_VALUE_DUPLICATE,
                format!("this line has the value of line {first} again"),
            ),
            ListFileError::NoValues | ListFileError::TooManyUsers | ListFileError::TooManyBytes => {
                (LIST_SIZE, fault.to_string())
            }
        };
        let place = Location {
            line,
            column: line.min(1),
            ..Location::whole_file(Arc::clone(&self.display_name))
        };
        let diagnostic = Diagnostic::error(code, message, place, "");
        match fault {
            ListFileError::Header => {
                diagnostic.with_help("take it out: the service would look for a user of that value")
            }
            ListFileError::NoValues => {
                diagnostic.with_help("a segment that nobody should be in is archived: `lifecycle: archived`")
            }
            _ if fault.is_fixable() => diagnostic.with_help("`segctl validate --fix` mends it"),
            _ => diagnostic,
        }
    }

    /// Where the first segment names it.
    fn declared_at(&self) -> Location {
        let field = match self.declared_by.segment.contents {
            Contents::Cohort(_) => "members",
            Contents::File(_) | Contents::Filter(_) => "users",
        };
        self.declared_by
            .location_of(&[PathElement::Field(field), PathElement::Field("path")])
    }
}
