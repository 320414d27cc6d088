//! `segctl validate`: checks the segment files and their member lists, without a workspace or credentials.

use super::arguments::{FailSeverity, ValidateArguments};
use super::failure::{Failure, FailureKind};
use super::given_files::GivenFiles;
use super::output::Output;
use super::project::Project;
use crate::config::lint::is_shown_by_default;
use crate::config::member_lists::{ListFindings, MemberListFile, member_list_files};
use crate::diagnostic::{Diagnostic, Severity};
use crate::member_list::normalize::NormalizeSummary;
use crate::render::diagnostic::{diagnostics_json, sort};
use crate::render::json::FORMAT_VERSION;
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) fn run(
    project: &Project,
    arguments: &ValidateArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let given = match arguments.files.as_slice() {
        [] => None,
        files => Some(GivenFiles::find(project, files)),
    };
    let given = given.as_ref();
    let mut found = project.loaded.diagnostics.clone();
    found.extend(project.unsupported_settings().cloned());
    found.retain(|found| given.is_none_or(|given| given.has_label_of(found)));
    if let Some(given) = given
        && let Err(failure) = given.require_known()
    {
        // An error in a given file may be the reason.
        if !found.iter().any(|found| found.severity == Severity::Error) {
            return Err(failure.with_help("in pre-commit, limit the hook to these files with `files`"));
        }
        output.print_note(failure.message);
    }
    let fixed = check_lists(project, arguments, given, output, &mut found);
    sort(&mut found);
    // Two segments can use the same list.
    found.dedup();
    let fails = found
        .iter()
        .any(|found| is_failure(found, arguments.fail_severity));
    if !arguments.notes && arguments.fail_severity != FailSeverity::Note {
        found.retain(is_shown_by_default);
    }
    let checked = CheckedParts::of(project, given);
    if output.json {
        output.print_json(&report_json(&checked, &fixed, &found, !fails));
    } else {
        for list in &fixed {
            output.print_status_line(&list.describe());
        }
        output.print_status(&project.render_diagnostics(&found, output));
        if !fails {
            output.print_result(&format!("Valid: {}.\n", checked.describe()));
        }
    }
    Ok(if fails {
        FailureKind::InvalidFiles.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// A member list that `--fix` rewrote.
struct FixedList {
    name: String,
    summary: NormalizeSummary,
}

impl FixedList {
    fn describe(&self) -> String {
        let changed = count_noun(self.summary.fixed, "line");
        let removed = count_noun(self.summary.removed, "line");
        format!("fixed {}: {changed} changed, {removed} removed", self.name)
    }
}

/// Adds what is wrong with the member lists, after `--fix` rewrote what it can.
fn check_lists(
    project: &Project,
    arguments: &ValidateArguments,
    given: Option<&GivenFiles<'_>>,
    output: Output,
    found: &mut Vec<Diagnostic>,
) -> Vec<FixedList> {
    let mut lists = member_list_files(&project.loaded, &project.directory, &|path| {
        project.display_path(path)
    });
    lists.retain(|list| given.is_none_or(|given| given.uses_list(list.path())));
    let mut fixed = Vec::new();
    for list in lists {
        let mut findings = list.check();
        let is_given = given.is_none_or(|given| given.contains_list(list.path()));
        if arguments.fix
            && is_given
            && findings.as_ref().is_ok_and(ListFindings::is_fixable)
            && let Some(summary) = fix_list(&list, project, output)
        {
            findings = list.check();
            let name = list.display_name().to_owned();
            fixed.push(FixedList { name, summary });
        }
        found.extend(list.diagnostics(&findings));
    }
    fixed
}

fn report_json(checked: &CheckedParts, fixed: &[FixedList], found: &[Diagnostic], is_valid: bool) -> Value {
    let fixed = fixed.iter().map(|list| {
        json!({
            "list": list.name,
            "lines_fixed": list.summary.fixed,
            "lines_removed": list.summary.removed,
        })
    });
    json!({
        "format_version": FORMAT_VERSION,
        "valid": is_valid,
        "segments": checked.segments,
        "files": checked.files,
        "fixed": fixed.collect::<Vec<_>>(),
        "diagnostics": diagnostics_json(found),
    })
}

/// What a run checked: all of the configuration, or the given files.
struct CheckedParts {
    segments: usize,
    /// Segment files.
    files: usize,
    all_files: usize,
    /// Given lists.
    lists: usize,
    /// Whether segctl.yaml is given.
    settings: bool,
}

impl CheckedParts {
    fn of(project: &Project, given: Option<&GivenFiles<'_>>) -> Self {
        let all_files = project.loaded.files.len();
        match given {
            None => Self {
                segments: project.loaded.declarations.len(),
                files: all_files,
                all_files,
                lists: 0,
                settings: false,
            },
            Some(given) => Self {
                segments: given.segment_count(),
                files: given.segment_file_count(),
                all_files,
                lists: given.list_count(),
                settings: given.contains_settings(),
            },
        }
    }

    /// As in `3 segments in 2 of 14 files, 1 member list`.
    fn describe(&self) -> String {
        let segments = count_noun(self.segments as u64, "segment");
        let mut parts = Vec::new();
        if self.settings {
            parts.push("segctl.yaml".to_owned());
        }
        if self.files == self.all_files {
            let files = count_noun(self.files as u64, "file");
            parts.push(format!("{segments} in {files}"));
        } else if self.files > 0 {
            let files = count_noun(self.all_files as u64, "file");
            parts.push(format!("{segments} in {} of {files}", self.files));
        }
        if self.lists > 0 {
            let lists = count_noun(self.lists as u64, "member list");
            parts.push(match self.files {
                0 => format!("{lists} of {segments}"),
                _ => lists,
            });
        }
        parts.join(", ")
    }
}

/// Fixes a list, or prints why it cannot be fixed.
fn fix_list(list: &MemberListFile<'_>, project: &Project, output: Output) -> Option<NormalizeSummary> {
    list.normalize(&project.directory)
        .inspect_err(|error| {
            output.print_status_line(&format!("cannot fix {}: {error}", list.display_name()));
        })
        .ok()
}

fn count_noun(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

fn is_failure(found: &Diagnostic, lowest: FailSeverity) -> bool {
    match lowest {
        FailSeverity::Error => found.severity == Severity::Error,
        FailSeverity::Warning => found.severity != Severity::Note,
        FailSeverity::Note => true,
    }
}
