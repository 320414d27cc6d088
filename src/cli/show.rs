//! `segctl show`: prints a plan from a file.

use super::arguments::ShowArguments;
use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::plan::saved::SavedPlan;
use crate::render::json::PlanDocument;
use crate::render::text;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

pub(super) fn run(arguments: &ShowArguments, output: Output) -> Result<(), Failure> {
    let text = read_text(&arguments.plan)?;
    let document = if SavedPlan::looks_like_saved_plan(&text) {
        let saved =
            SavedPlan::from_text(&text).map_err(|error| invalid_plan_file(&arguments.plan, &error))?;
        if !output.json {
            let (created_at, version) = (saved.created_at, &saved.segctl_version);
            output.print_status(&format!("Created at {created_at:.0} by segctl {version}.\n"));
        }
        PlanDocument::new(&saved.plan)
    } else {
        PlanDocument::from_json(&text).map_err(|error| invalid_plan_file(&arguments.plan, &error))?
    };
    if output.json {
        output.print_json(&document);
    } else {
        let options = output.text_options(&arguments.compact);
        output.print_result(&text::plan(&document, options, &output.zone()));
    }
    Ok(())
}

/// Reads a plan that `segctl plan --out` saved.
pub(super) fn read_saved_plan(file: &Path) -> Result<SavedPlan, Failure> {
    SavedPlan::from_text(&read_text(file)?).map_err(|error| {
        invalid_plan_file(file, &error)
            .with_help("create a plan for `segctl apply` with `segctl plan --out FILE`")
    })
}

fn invalid_plan_file(file: &Path, error: &dyn std::error::Error) -> Failure {
    let mut failure = Failure::from_error(FailureKind::InvalidFiles, error);
    failure.message = format!("cannot use `{}`: {}", file.display(), failure.message);
    failure
}

fn read_text(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map_err(|error| Failure::cannot_read(file, &error))
}
