//! Checks the member lists that segments refer to: files with one value per line.
//!
//! They are checked apart from the segment files: a list can have millions of values, and only some commands
//! need it.

use super::declaration::{Declaration, PathElement};
use super::lint::{
    COHORT_SIZE_LIMIT, LIST_FORMAT, LIST_HEADER, LIST_SIZE, LIST_UNREADABLE, LIST_VALUE_DUPLICATE,
    LIST_VALUE_INVALID, LIST_VALUE_SUSPICIOUS, large_cohort_warning,
};
use super::load::LoadedConfig;
use crate::diagnostic::{Diagnostic, Location};
use crate::member_list::EmptyList;
use crate::member_list::check::{ListFileError, ListFileErrors, check};
use crate::member_list::foreign_format::ForeignFormat;
use crate::member_list::normalize::{NormalizeSummary, normalize};
use crate::member_list::sort::TemporaryFileError;
use crate::member_list::source::open;
use crate::member_list::suspicion::{Suspicion, Suspicions, SuspiciousLines};
use crate::member_list::value::LineError;
use crate::model::{
    Cohort, Contents, Identifier, IdentifierType, MemberSource, SegmentKind, UserListSource,
    escape_unprintable,
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

impl MemberListFile<'_> {
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
        let field = match self.declared_by.segment.contents {
            Contents::Cohort(_) => "members",
            Contents::File(_) | Contents::Filter(_) => "users",
        };
        let path = [PathElement::Field(field), PathElement::Field("path")];
        let location = self.declared_by.location_of(&path);
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

    /// Member lists have no excerpts, so the message must be complete.
    fn value_diagnostic(&self, line: u32, error: ListFileError) -> Diagnostic {
        let (code, message) = match error {
            ListFileError::Header | ListFileError::SeparatorSetting => (LIST_HEADER, error.to_string()),
            ListFileError::NotAList(_) => (LIST_FORMAT, error.to_string()),
            ListFileError::Line(LineError::ConflictMarker) => (LIST_FORMAT, error.to_string()),
            ListFileError::Line(_) => (
                LIST_VALUE_INVALID,
                format!("this line cannot match a user: {error}"),
            ),
            ListFileError::Columns { .. } => (
                LIST_VALUE_INVALID,
                format!("this line cannot match a user: {error}"),
            ),
            ListFileError::Duplicate { first } => (
                LIST_VALUE_DUPLICATE,
                format!("this line repeats the value of line {first}"),
            ),
            ListFileError::NoValues | ListFileError::TooManyUsers | ListFileError::TooManyBytes => {
                (LIST_SIZE, error.to_string())
            }
        };
        let help = match error {
            ListFileError::NotAList(format) => format_help(format),
            ListFileError::Header => "remove the line: MoEngage would look for a user with that value",
            ListFileError::SeparatorSetting => "remove the line",
            ListFileError::Columns { .. } => "export only the column of the attribute",
            ListFileError::NoValues => "to empty a segment, archive it: `lifecycle: archived`",
            ListFileError::TooManyUsers | ListFileError::TooManyBytes => {
                "split the list into several segments, and refer to them from one filter segment"
            }
            ListFileError::Line(error) => line_help(error),
            ListFileError::Duplicate { .. } => FIX_HELP,
        };
        Diagnostic::error(code, message, self.line_location(line), "").with_help(help)
    }

    fn line_location(&self, line: u32) -> Location {
        Location {
            line,
            column: line.min(1),
            ..Location::whole_file(Arc::clone(&self.display_name))
        }
    }

    fn suspicion_warning(&self, suspicion: Suspicion, lines: &SuspiciousLines) -> Diagnostic {
        let example = escape_unprintable(&lines.example);
        let message = match lines.count {
            1 => format!("this line is probably not a value: `{example}` is {suspicion}"),
            count => format!("{count} lines are probably not values: the first, `{example}`, is {suspicion}"),
        };
        let help = if suspicion.is_fixable() {
            FIX_HELP
        } else {
            suspicion_help(suspicion)
        };
        let location = self.line_location(lines.first);
        Diagnostic::warning(LIST_VALUE_SUSPICIOUS, message, location, "").with_help(help)
    }
}

const FIX_HELP: &str = "`segctl validate --fix` fixes it";

fn format_help(format: ForeignFormat) -> &'static str {
    match format {
        ForeignFormat::LfsPointer => {
            "run `git lfs pull`; in CI, check out the repository with its LFS files (`lfs: true`)"
        }
        ForeignFormat::AnnexPointer => "run `git annex get` for the file",
        ForeignFormat::DvcPointer => "run `dvc pull`, and refer to the file that it downloads",
        ForeignFormat::Html | ForeignFormat::Xml | ForeignFormat::HttpResponse | ForeignFormat::HttpError => {
            "download the list again; `curl --fail` does not save the page of an error or of a login"
        }
        ForeignFormat::Json => "check the source of the file; write one value a line",
        ForeignFormat::Encrypted => "decrypt the file before segctl reads it",
        ForeignFormat::Gzip | ForeignFormat::Archive(_) => "decompress the file: a list is plain text",
        ForeignFormat::Zip => "save the sheet as CSV (UTF-8), or unpack the archive: a list is plain text",
        ForeignFormat::Utf16 | ForeignFormat::Utf32 => "save the file as UTF-8",
        ForeignFormat::Document(_) | ForeignFormat::Binary => {
            "export the list as plain text in UTF-8 with one value a line"
        }
    }
}

fn line_help(error: LineError) -> &'static str {
    match error {
        LineError::ConflictMarker => "resolve the merge conflict in the file",
        LineError::LostDigits => "export the column as text: the lost digits cannot be restored",
        LineError::NotUtf8 => "save the file as UTF-8",
        LineError::CarriageReturn => "save the file with the line ends of Unix (LF)",
        LineError::Tab => "export only the column of the attribute",
        _ if error.is_fixable() => FIX_HELP,
        _ => "correct the line or remove it",
    }
}

fn suspicion_help(suspicion: Suspicion) -> &'static str {
    match suspicion {
        Suspicion::MissingValue | Suspicion::SpreadsheetError => {
            "export only the rows that have a value, or remove the lines"
        }
        Suspicion::Float => "export the ids as text, or as whole numbers without `.0`",
        Suspicion::DamagedText => "export the list again as UTF-8",
        Suspicion::BlankCharacter => "type the value again: such characters come from copied text",
        Suspicion::ListMarker => "remove the markers: a list has one value a line",
        Suspicion::Header | Suspicion::Footer | Suspicion::Comment | Suspicion::Rule => {
            "remove the line: MoEngage would look for a user with that value"
        }
        Suspicion::TextGuard => FIX_HELP,
    }
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
