//! `segctl validate`: checks the segment files and their member lists, without a workspace or credentials.

use super::arguments::{FailSeverity, ValidateArguments};
use super::failure::FailureKind;
use super::output::Output;
use super::project::Project;
use crate::config::lint::is_shown_by_default;
use crate::config::member_lists::{ListFindings, MemberListFile, member_list_files};
use crate::diagnostic::{Diagnostic, Severity};
use crate::member_list::normalize::NormalizeSummary;
use crate::render::diagnostic::{diagnostics_json, sort};
use crate::render::json::FORMAT_VERSION;
use serde_json::json;
use std::process::ExitCode;

pub(super) fn run(project: &Project, arguments: &ValidateArguments, output: Output) -> ExitCode {
    let mut found = project.loaded.diagnostics.clone();
    let mut fixed = Vec::new();
    for list in member_list_files(&project.loaded, &project.directory, &|path| {
        project.display_path(path)
    }) {
        let mut findings = list.check();
        if arguments.fix
            && findings.as_ref().is_ok_and(ListFindings::is_fixable)
            && let Some(summary) = fix_list(&list, project, output)
        {
            findings = list.check();
            fixed.push((list.display_name().to_owned(), summary));
        }
        found.extend(list.diagnostics(&findings));
    }
    sort(&mut found);
    // Two segments can use the same list.
    found.dedup();
    let fails = found
        .iter()
        .any(|found| is_failure(found, arguments.fail_severity));
    if !arguments.notes && arguments.fail_severity != FailSeverity::Note {
        found.retain(is_shown_by_default);
    }
    let segments = project.loaded.declarations.len();
    if output.json {
        output.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "valid": !fails,
            "segments": segments,
            "fixed": fixed.iter().map(|(list, summary)| json!({
                "list": list,
                "lines_fixed": summary.fixed,
                "lines_removed": summary.removed,
            })).collect::<Vec<_>>(),
            "diagnostics": diagnostics_json(&found),
        }));
    } else {
        for (list, summary) in &fixed {
            let changed = count_noun(summary.fixed, "line");
            let removed = count_noun(summary.removed, "line");
            output.print_status_line(&format!("fixed {list}: {changed} changed, {removed} removed"));
        }
        output.print_status(&project.render_diagnostics(&found, output));
        if !fails {
            let files = project.loaded.sources.len() as u64;
            let (segments, files) = (count_noun(segments as u64, "segment"), count_noun(files, "file"));
            output.print_result(&format!("Valid: {segments} in {files}.\n"));
        }
    }
    if fails {
        FailureKind::InvalidFiles.into()
    } else {
        ExitCode::SUCCESS
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
