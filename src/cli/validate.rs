//! `segctl validate`: the files alone and the lists that they name, without a workspace or credentials.

use super::arguments::{FailSeverity, ValidateArguments};
use super::failure::FailureKind;
use super::output::Output;
use super::project::Project;
use crate::config::lint::is_shown_by_default;
use crate::config::member_lists::{MemberListFile, member_list_files};
use crate::diagnostic::{Diagnostic, Severity};
use crate::member_list::check::ListFileErrors;
use crate::member_list::normalise::NormaliseSummary;
use crate::render::diagnostic::{diagnostics_json, sort};
use crate::render::json::FORMAT_VERSION;
use serde_json::json;
use std::process::ExitCode;

/// Prints everything that is wrong with the files.
#[must_use]
pub(super) fn run(project: &Project, arguments: &ValidateArguments, output: Output) -> ExitCode {
    let mut found = project.loaded.diagnostics.clone();
    let mut mended = Vec::new();
    for list in member_list_files(&project.loaded, &project.directory, &|path| {
        project.display_path(path)
    }) {
        let mut checked = list.check();
        if arguments.fix && checked.as_ref().is_ok_and(ListFileErrors::is_fixable) {
            let done = fix_list(&list, project, output);
            if done.is_some() {
                checked = list.check();
            }
            mended.extend(done);
        }
        found.extend(list.diagnostics(&checked));
    }
    sort(&mut found);
    // Two segments may name one list.
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
            "mended": mended.iter().map(|(list, cleaned)| json!({
                "list": list,
                "lines_mended": cleaned.fixed,
                "lines_dropped": cleaned.removed,
            })).collect::<Vec<_>>(),
            "diagnostics": diagnostics_json(&found),
        }));
    } else {
        for (
            list,
            NormaliseSummary {
                fixed: mended,
                removed: dropped,
            },
        ) in &mended
        {
            let (mended, dropped) = (count_noun(*mended, "line"), count_noun(*dropped, "line"));
            output.print_status_line(&format!("mended {list}: {mended} changed, {dropped} dropped"));
        }
        output.print_status(&project.render_diagnostics(&found, output.stderr_colour()));
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

/// Mends a list; what was changed. One that cannot be mended is told of.
fn fix_list(
    list: &MemberListFile<'_>,
    project: &Project,
    output: Output,
) -> Option<(String, NormaliseSummary)> {
    let shown = list.display_name().to_owned();
    match list.normalise(&project.directory) {
        Ok(cleaned) => Some((shown, cleaned)),
        Err(error) => {
            output.print_status_line(&format!("{shown} stays as it is: {error}"));
            None
        }
    }
}

fn count_noun(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

fn is_failure(found: &Diagnostic, at: FailSeverity) -> bool {
    match at {
        FailSeverity::Error => found.severity == Severity::Error,
        FailSeverity::Warning => found.severity != Severity::Note,
        FailSeverity::Note => true,
    }
}
