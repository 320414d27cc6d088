//! The lists of users that segments name: files of one value a line, beside the file that names them.
//!
//! They are read apart from the rest: a list may have two million values, and only some commands need it.

use super::check::{LIST_HEADER, LIST_SIZE, LIST_UNREADABLE, LIST_VALUE_REPEATED, LIST_VALUE_UNUSABLE};
use super::declaration::{Declaration, Step};
use super::load::Loaded;
use crate::diagnostic::{Diagnostic, Place};
use crate::members::Nobody;
use crate::members::check::{Fault, Faults, check};
use crate::members::clean::{Cleaned, clean};
use crate::members::source::open;
use crate::model::{Cohort, Contents, Identifier, IdentifierType, Members, Users};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Faults of one list that are told one by one: a list with more has one mistake many times.
const TOLD: usize = 10;

/// A list that is a file.
#[derive(Debug)]
pub struct List<'a> {
    /// Where it is.
    path: PathBuf,
    /// How the user would name it.
    shown: Arc<str>,
    /// What its values are.
    identifier: Identifier,
    /// The first that names it.
    named_by: &'a Declaration,
    /// Whether another segment takes its values for something else.
    is_read_otherwise: bool,
}

/// The lists that declarations name, each once for each sort of values that it is to have; `base` is the folder of
/// `segctl.yaml`.
#[must_use]
pub fn lists<'a>(loaded: &'a Loaded, base: &Path, shown: &dyn Fn(&Path) -> String) -> Vec<List<'a>> {
    let mut lists = BTreeMap::new();
    let mut kinds: BTreeMap<PathBuf, BTreeSet<IdentifierType>> = BTreeMap::new();
    for declaration in &loaded.declarations {
        let Some((path, identifier)) = named_by(declaration) else {
            continue;
        };
        let path = base.join(path);
        let plain = without_detours(&path);
        kinds.entry(plain.clone()).or_default().insert(identifier.kind);
        let key = (plain.clone(), identifier.attribute.clone(), identifier.kind);
        lists.entry(key).or_insert_with(|| List {
            shown: Arc::from(shown(&plain)),
            path,
            identifier,
            named_by: declaration,
            is_read_otherwise: false,
        });
    }
    let lists = lists.into_iter().map(|((plain, ..), list)| List {
        is_read_otherwise: kinds.get(&plain).is_some_and(|kinds| kinds.len() > 1),
        ..list
    });
    lists.collect()
}

/// A path without `..` where that is plain: for people, since a link may lead elsewhere.
fn without_detours(path: &Path) -> PathBuf {
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
fn named_by(declaration: &Declaration) -> Option<(&str, Identifier)> {
    match &declaration.segment.contents {
        Contents::File(upload) => match &upload.users {
            Users::Local(path) => Some((path, upload.identifier.clone())),
            Users::Published { .. } => None,
        },
        Contents::Cohort(cohort) => match &cohort.members {
            Members::Local(path) => Some((path, Cohort::identifier())),
            Members::Listed(_) => None,
        },
        Contents::Filter(_) => None,
    }
}

impl List<'_> {
    /// How the user would name it.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What is wrong with its values.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn check(&self) -> io::Result<Faults> {
        let file = BufReader::new(open(&self.path)?);
        let checked = check(file, &self.identifier, &mut Nobody, |_, _| Ok(()))?;
        Ok(checked.err().unwrap_or_default())
    }

    /// What [`check`](Self::check) found, in words.
    #[must_use]
    pub fn told(&self, checked: &io::Result<Faults>) -> Vec<Diagnostic> {
        match checked {
            Ok(faults) => self.told_of_values(faults),
            Err(error) => vec![self.unreadable(error)],
        }
    }

    /// Puts a list without what can be mended in its place. One that is outside of `repository` is somebody else's.
    ///
    /// # Errors
    ///
    /// It cannot be read, it must not be mended, or the new one cannot be written: then the old one is still there.
    pub fn clean(&self, repository: &Path) -> io::Result<Cleaned> {
        let refused = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if self.is_read_otherwise {
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
        let cleaned = clean(&mut BufReader::new(file), &self.identifier, &mut output)?;
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

    fn unreadable(&self, error: &io::Error) -> Diagnostic {
        let fault = |message| Diagnostic::error(LIST_UNREADABLE, message, self.named_at(), "named here");
        if error.kind() == io::ErrorKind::NotFound {
            return fault(format!("the list `{}` does not exist", self.shown))
                .with_help("check the name; it is relative to the file that names it");
        }
        fault(format!("the list `{}` cannot be checked: {error}", self.shown))
    }

    /// The faults with their lines; of many the first ones and how many there are.
    fn told_of_values(&self, faults: &Faults) -> Vec<Diagnostic> {
        let first = faults.first().take(TOLD);
        let mut told: Vec<_> = first.map(|(line, fault)| self.fault(line, fault)).collect();
        let more = faults.count().saturating_sub(told.len() as u64);
        let noun = if more == 1 { "fault" } else { "faults" };
        if let Some(last) = told.pop() {
            told.push(match more {
                0 => last,
                more => last.with_note(format!("`{}` has {more} more {noun}", self.shown)),
            });
        }
        told
    }

    /// A fault in words. There is no excerpt of a list, so the message says it all.
    fn fault(&self, line: u32, fault: Fault) -> Diagnostic {
        let (code, message) = match fault {
            Fault::Header => (LIST_HEADER, fault.to_string()),
            Fault::Line(_) => (LIST_VALUE_UNUSABLE, format!("this line matches nobody: {fault}")),
            Fault::Repeated { first } => (
                LIST_VALUE_REPEATED,
                format!("this line has the value of line {first} again"),
            ),
            Fault::NoValues | Fault::TooManyUsers | Fault::TooManyBytes => (LIST_SIZE, fault.to_string()),
        };
        let place = Place {
            line,
            column: line.min(1),
            ..Place::whole_file(Arc::clone(&self.shown))
        };
        let diagnostic = Diagnostic::error(code, message, place, "");
        match fault {
            Fault::Header => {
                diagnostic.with_help("take it out: the service would look for a user of that value")
            }
            Fault::NoValues => {
                diagnostic.with_help("a segment that nobody should be in is archived: `lifecycle: archived`")
            }
            _ if fault.can_be_cleaned() => diagnostic.with_help("`segctl validate --fix` mends it"),
            _ => diagnostic,
        }
    }

    /// Where the first segment names it.
    fn named_at(&self) -> Place {
        let field = match self.named_by.segment.contents {
            Contents::Cohort(_) => "members",
            Contents::File(_) | Contents::Filter(_) => "users",
        };
        self.named_by.place_of(&[Step::Field(field), Step::Field("path")])
    }
}
