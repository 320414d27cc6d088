//! `segctl validate`: the files alone, without a workspace or credentials.

use super::arguments::{FailSeverity, ValidateArguments};
use super::failure::Kind;
use super::output::Output;
use super::project::Project;
use crate::config::check::is_told_unasked;
use crate::diagnostic::{Diagnostic, Severity};
use crate::render::diagnostic::{diagnostics_json, sort};
use crate::render::document::FORMAT_VERSION;
use serde_json::json;
use std::process::ExitCode;

/// Prints everything that is wrong with the files.
#[must_use]
pub(super) fn run(project: &Project, arguments: &ValidateArguments, output: Output) -> ExitCode {
    let mut found = project.loaded.diagnostics.clone();
    sort(&mut found);
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
            "diagnostics": diagnostics_json(&found),
        }));
    } else {
        output.note(&project.text(&found, output.colour_of_errors()));
        if !fails {
            let files = project.loaded.sources.len();
            let counted = |count: usize, noun: &str| match count {
                1 => format!("1 {noun}"),
                _ => format!("{count} {noun}s"),
            };
            let (segments, files) = (counted(segments, "segment"), counted(files, "file"));
            output.result(&format!("Valid: {segments} in {files}.\n"));
        }
    }
    if fails {
        Kind::InvalidFiles.into()
    } else {
        ExitCode::SUCCESS
    }
}

fn fails(found: &Diagnostic, at: FailSeverity) -> bool {
    match at {
        FailSeverity::Error => found.severity == Severity::Error,
        FailSeverity::Warning => found.severity != Severity::Note,
        FailSeverity::Note => true,
    }
}
