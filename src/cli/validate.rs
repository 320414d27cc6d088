//! `segctl validate`: the files alone and the lists that they name, without a workspace or credentials.

use super::arguments::{FailSeverity, ValidateArguments};
use super::failure::Kind;
use super::output::Output;
use super::project::Project;
use crate::config::check::is_told_unasked;
use crate::config::lists::{List, lists};
use crate::diagnostic::{Diagnostic, Severity};
use crate::members::check::Faults;
use crate::members::clean::Cleaned;
use crate::render::diagnostic::{diagnostics_json, sort};
use crate::render::document::FORMAT_VERSION;
use serde_json::json;
use std::process::ExitCode;

/// Prints everything that is wrong with the files.
#[must_use]
pub(super) fn run(project: &Project, arguments: &ValidateArguments, output: Output) -> ExitCode {
    let mut found = project.loaded.diagnostics.clone();
    let mut mended = Vec::new();
    for list in lists(&project.loaded, &project.directory, &|path| project.shown(path)) {
        let mut checked = list.check();
        if arguments.fix && checked.as_ref().is_ok_and(Faults::can_be_cleaned) {
            let done = mend(&list, project, output);
            if done.is_some() {
                checked = list.check();
            }
            mended.extend(done);
        }
        found.extend(list.told(&checked));
    }
    sort(&mut found);
    // Two segments may name one list.
    found.dedup();
    let fails = found.iter().any(|found| fails(found, arguments.fail_severity));
    if !arguments.notes && arguments.fail_severity != FailSeverity::Note {
        found.retain(is_told_unasked);
    }
    let segments = project.loaded.declarations.len();
    if output.json {
        output.document(&json!({
            "format_version": FORMAT_VERSION,
            "valid": !fails,
            "segments": segments,
            "mended": mended.iter().map(|(list, cleaned)| json!({
                "list": list,
                "lines_mended": cleaned.mended,
                "lines_dropped": cleaned.dropped,
            })).collect::<Vec<_>>(),
            "diagnostics": diagnostics_json(&found),
        }));
    } else {
        for (list, Cleaned { mended, dropped }) in &mended {
            let (mended, dropped) = (counted(*mended, "line"), counted(*dropped, "line"));
            output.line(&format!("mended {list}: {mended} changed, {dropped} dropped"));
        }
        output.note(&project.text(&found, output.colour_of_errors()));
        if !fails {
            let files = project.loaded.sources.len() as u64;
            let (segments, files) = (counted(segments as u64, "segment"), counted(files, "file"));
            output.result(&format!("Valid: {segments} in {files}.\n"));
        }
    }
    if fails {
        Kind::InvalidFiles.into()
    } else {
        ExitCode::SUCCESS
    }
}

/// Mends a list; what was changed. One that cannot be mended is told of.
fn mend(list: &List<'_>, project: &Project, output: Output) -> Option<(String, Cleaned)> {
    let shown = list.shown().to_owned();
    match list.clean(&project.directory) {
        Ok(cleaned) => Some((shown, cleaned)),
        Err(error) => {
            output.line(&format!("{shown} stays as it is: {error}"));
            None
        }
    }
}

fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

fn fails(found: &Diagnostic, at: FailSeverity) -> bool {
    match at {
        FailSeverity::Error => found.severity == Severity::Error,
        FailSeverity::Warning => found.severity != Severity::Note,
        FailSeverity::Note => true,
    }
}
