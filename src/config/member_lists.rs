//! Checks the member lists that segments refer to: files with one value per line.
//!
//! They are checked apart from the segment files: a list can have millions of values, and only some commands
//! need it.

use super::declaration::{Declaration, PathElement};
use super::lint::{COHORT_SIZE_LIMIT, LIST_UNREADABLE, LIST_VALUE_SUSPICIOUS, large_cohort_warning};
use super::load::LoadedConfig;
use super::member_list_problems::{code_and_message, error_help, suspicion_help, suspicion_message};
use crate::diagnostic::{Diagnostic, Location};
use crate::member_list::EmptyList;
use crate::member_list::check::{ListFileError, ListFileErrors, check};
use crate::member_list::normalize::{NormalizeSummary, normalize};
use crate::member_list::sort::TemporaryFileError;
use crate::member_list::source::open;
use crate::member_list::suspicion::{Suspicion, Suspicions, SuspiciousLines};
use crate::model::{
    Cohort, Contents, Identifier, IdentifierType, MemberSource, SegmentKind, UserListSource, below_home,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Errors of one list that are reported one by one. A list with more errors usually repeats one mistake.
const REPORTED_ERROR_LIMIT: usize = 10;

#[derive(Debug)]
pub struct MemberListFile<'a> {
    path: PathBuf,
    display_name: Arc<str>,
    identifier: Identifier,
    declared_by: &'a Declaration,
    cohorts: Vec<&'a Declaration>,
    /// Another segment reads the list with another identifier type.
    has_conflicting_identifier: bool,
}

/// The member lists of all declarations, once per identifier; `base` is the folder of `segctl.yaml`.
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
        let types = identifier_types.entry(plain.clone()).or_default();
        types.insert(identifier.kind);
        let key = (plain.clone(), identifier.attribute.clone(), identifier.kind);
        let list = lists.entry(key).or_insert_with(|| MemberListFile {
            display_name: Arc::from(display_path(&plain)),
            path,
            identifier,
            declared_by: declaration,
            cohorts: Vec::new(),
            has_conflicting_identifier: false,
        });
        if declaration.segment.contents.kind() == SegmentKind::Cohort {
            list.cohorts.push(declaration);
        }
    }
    let lists = lists.into_iter().map(|((plain, ..), list)| MemberListFile {
        has_conflicting_identifier: identifier_types.get(&plain).is_some_and(|types| types.len() > 1),
        ..list
    });
    lists.collect()
}

/// Removes `..` from a path for display. Not for opening files: a link may lead to another folder.
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

fn local_list(declaration: &Declaration) -> Option<(&str, Identifier)> {
    match &declaration.segment.contents {
        Contents::File(file) => match &file.users {
            UserListSource::Local(path) => Some((path, file.identifier.clone())),
            UserListSource::Published { .. } => None,
        },
        Contents::Cohort(cohort) => match &cohort.members {
            MemberSource::Local(path) => Some((path, Cohort::identifier())),
            MemberSource::Inline(_) => None,
        },
        Contents::Filter(_) => None,
    }
}

/// What a check of a list found.
#[derive(Debug, Default)]
pub struct ListFindings {
    errors: ListFileErrors,
    suspicions: Suspicions,
}

impl ListFindings {
    /// Whether `segctl validate --fix` can change something.
    #[must_use]
    pub fn is_fixable(&self) -> bool {
        self.errors.is_fixable() || (self.suspicions.is_fixable() && !self.errors.is_foreign())
    }
}

/// Why a list cannot be checked.
#[derive(Debug)]
pub enum UnreadableList {
    /// The list itself cannot be opened.
    NotOpened(io::Error),
    NotRead(io::Error),
}

impl LoadedConfig {
    /// Writes out the home directory in the paths of member lists.
    pub fn expand_home(&mut self, home: Option<&str>) {
        for declaration in &mut self.declarations {
            let Some(path) = declaration.segment.contents.member_file_path_mut() else {
                continue;
            };
            match (below_home(path), home) {
                (None, _) => {}
                (Some(below), Some(home)) => {
                    *path = Path::new(home).join(below).to_string_lossy().into_owned()
                }
                (Some(_), None) => self.diagnostics.push(home_unknown_error(declaration)),
            }
        }
    }
}

fn home_unknown_error(declaration: &Declaration) -> Diagnostic {
    let message = "the path begins with `~/`, and the environment variable HOME is not set";
    let location = member_path_location(declaration);
    Diagnostic::error(LIST_UNREADABLE, message, location, "used here")
        .with_help("set HOME, or write the path out")
}

impl MemberListFile<'_> {
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// The problems of its values.
    pub fn check(&self) -> Result<ListFindings, UnreadableList> {
        let file = BufReader::new(open(&self.path).map_err(UnreadableList::NotOpened)?);
        let checked = check(file, &self.identifier, &mut EmptyList, |_, _| Ok(()));
        let checked = checked.map_err(UnreadableList::NotRead)?;
        Ok(ListFindings {
            errors: checked.comparison.err().unwrap_or_default(),
            suspicions: checked.suspicions,
        })
    }

    #[must_use]
    pub fn diagnostics(&self, result: &Result<ListFindings, UnreadableList>) -> Vec<Diagnostic> {
        let findings = match result {
            Ok(findings) => findings,
            Err(error) => return vec![self.unreadable_diagnostic(error)],
        };
        let mut diagnostics = match findings.errors.count() {
            0 => self.size_warnings(),
            _ => self.value_diagnostics(&findings.errors),
        };
        let suspicions = findings.suspicions.iter();
        diagnostics.extend(suspicions.map(|(suspicion, lines)| self.suspicion_warning(suspicion, lines)));
        diagnostics
    }

    /// Fixes the list in place. Never changes a list outside of `repository`: it may belong to another project.
    ///
    /// On an error, the old list is unchanged.
    pub fn normalize(&self, repository: &Path) -> io::Result<NormalizeSummary> {
        let refused = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if self.has_conflicting_identifier {
            return refused("segments use it with identifiers of different types");
        }
        // Replaces the target of a link, not the link.
        let path = fs::canonicalize(&self.path)?;
        if !path.starts_with(fs::canonicalize(repository)?) {
            return refused("it is outside of the folder of segctl.yaml");
        }
        let file = open(&self.path)?;
        let before = file.metadata()?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut new = tempfile::Builder::new().prefix(".segctl-").tempfile_in(folder)?;
        let mut output = BufWriter::new(new.as_file_mut());
        let summary = normalize(&mut BufReader::new(file), &self.identifier, &mut output)?;
        output.flush()?;
        drop(output);
        new.as_file().set_permissions(before.permissions())?;
        new.as_file().sync_all()?;
        let now = fs::metadata(&path)?;
        if now.len() != before.len() || now.modified()? != before.modified()? {
            return refused("another process changed it at the same time");
        }
        new.persist(path)?;
        Ok(summary)
    }

    /// Counts the lines of a list without errors: each is one member.
    fn size_warnings(&self) -> Vec<Diagnostic> {
        if self.cohorts.is_empty() {
            return Vec::new();
        }
        let is_large = open(&self.path)
            .is_ok_and(|file| BufReader::new(file).split(b'\n').nth(COHORT_SIZE_LIMIT).is_some());
        let large = self.cohorts.iter().filter(|_| is_large);
        large.map(|cohort| large_cohort_warning(cohort)).collect()
    }

    fn unreadable_diagnostic(&self, error: &UnreadableList) -> Diagnostic {
        let name = &self.display_name;
        let (message, help) = match error {
            UnreadableList::NotOpened(error) if error.kind() == io::ErrorKind::NotFound => (
                format!("the member list `{name}` does not exist"),
                "check the path; it is relative to the file that contains it",
            ),
            UnreadableList::NotRead(error) if TemporaryFileError::is_cause_of(error) => (
                format!("cannot check the member list `{name}`: {error}"),
                TemporaryFileError::HELP,
            ),
            UnreadableList::NotOpened(error) | UnreadableList::NotRead(error) => (
                format!("cannot read the member list `{name}`: {error}"),
                "check that it is a readable, regular file",
            ),
        };
        let location = member_path_location(self.declared_by);
        Diagnostic::error(LIST_UNREADABLE, message, location, "used here").with_help(help)
    }

    fn value_diagnostics(&self, errors: &ListFileErrors) -> Vec<Diagnostic> {
        let first = errors.reported().take(REPORTED_ERROR_LIMIT);
        let mut diagnostics: Vec<_> = first
            .map(|(line, error)| self.value_diagnostic(line, error))
            .collect();
        let more = errors.count().saturating_sub(diagnostics.len() as u64);
        let noun = if more == 1 { "error" } else { "errors" };
        if let Some(last) = diagnostics.pop() {
            diagnostics.push(match more {
                0 => last,
                more => last.with_note(format!("`{}` has {more} more {noun}", self.display_name)),
            });
        }
        diagnostics
    }

    fn value_diagnostic(&self, line: u32, error: ListFileError) -> Diagnostic {
        let (code, message) = code_and_message(error);
        let location = self.line_location(line);
        Diagnostic::error(code, message, location, "").with_help(error_help(error))
    }

    fn line_location(&self, line: u32) -> Location {
        Location {
            line,
            column: line.min(1),
            ..Location::whole_file(Arc::clone(&self.display_name))
        }
    }

    fn suspicion_warning(&self, suspicion: Suspicion, lines: &SuspiciousLines) -> Diagnostic {
        let message = suspicion_message(suspicion, lines);
        let location = self.line_location(lines.first);
        Diagnostic::warning(LIST_VALUE_SUSPICIOUS, message, location, "").with_help(suspicion_help(suspicion))
    }
}

/// Where a declaration names its member list.
fn member_path_location(declaration: &Declaration) -> Location {
    let field = match declaration.segment.contents {
        Contents::Cohort(_) => "members",
        Contents::File(_) | Contents::Filter(_) => "users",
    };
    declaration.location_of(&[PathElement::Field(field), PathElement::Field("path")])
}

#[cfg(test)]
mod tests {
    use super::super::{decode_segment, source::SourceFile, yaml};
    use super::*;

    fn load(text: &str) -> LoadedConfig {
        let source = Arc::new(SourceFile::new("a.yaml", text));
        let (documents, _) = yaml::parse(&source);
        let declarations = documents
            .into_iter()
            .map(|document| decode_segment(&source, document).0.unwrap());
        LoadedConfig {
            declarations: declarations.collect(),
            ..LoadedConfig::default()
        }
    }

    #[test]
    fn a_large_member_list_gets_a_warning_for_its_cohorts_only() {
        let file = "---\nkind: file\nname: F\nidentifier: {attribute: uid, type: string}\nusers: {path: list}\nexpires_in_days: 9\n";
        let cohort = "---\nname: C\nkind: cohort\npartner: p\ncohort_id: '1'\nmembers: {path: list}\n";
        let loaded = load(&[file, cohort].concat());
        let folder = tempfile::tempdir().unwrap();
        let warnings = |size: usize| -> Vec<_> {
            let text: String = (0..size).map(|number| format!("u{number}\n")).collect();
            fs::write(folder.path().join("list"), text).unwrap();
            member_list_files(&loaded, folder.path(), &|_| "list".to_owned())
                .iter()
                .flat_map(|list| list.diagnostics(&list.check()))
                .map(|found| (found.code, found.labels[0].location.line))
                .collect()
        };
        assert_eq!(warnings(10_000), []);
        assert_eq!(warnings(10_001), [("SEG048", 9)]);
    }
}
