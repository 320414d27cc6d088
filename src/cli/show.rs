//! `segctl show`: a plan from its JSON, as text.

use super::arguments::ShowArguments;
use super::failure::{Failure, Kind};
use super::output::Output;
use crate::plan::saved::SavedPlan;
use crate::render::document::PlanDocument;
use crate::render::text;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Prints the plan in a file.
///
/// # Errors
///
/// The file cannot be read, or holds no plan that this segctl knows.
pub(super) fn run(arguments: &ShowArguments, output: Output) -> Result<(), Failure> {
    let text = read(&arguments.plan)?;
    let document = if SavedPlan::is_claimed_by(&text) {
        let saved = SavedPlan::from_text(&text).map_err(|error| unusable(&arguments.plan, &error))?;
        if !output.json {
            output.note(&format!(
                "Made at {} by segctl {}.\n",
                saved.created_at, saved.segctl_version
            ));
        }
        PlanDocument::new(&saved.plan)
    } else {
        PlanDocument::from_json(&text).map_err(|error| unusable(&arguments.plan, &error))?
    };
    if output.json {
        output.document(&document);
    } else {
        output.result(&text::plan(&document, output.colour(), &output.zone()));
    }
    Ok(())
}

/// The plan that `segctl plan --out` saved in a file.
///
/// # Errors
///
/// The file cannot be read, or holds no plan that can be applied.
pub(super) fn saved(file: &Path) -> Result<SavedPlan, Failure> {
    SavedPlan::from_text(&read(file)?).map_err(|error| {
        unusable(file, &error).with_help("`segctl apply` takes what `segctl plan --out FILE` wrote")
    })
}

/// That a file holds nothing of use, and why.
fn unusable(file: &Path, error: &dyn std::error::Error) -> Failure {
    let mut failure = Failure::caused(Kind::InvalidFiles, error);
    failure.message = format!("cannot use `{}`: {}", file.display(), failure.message);
    failure
}

fn read(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map_err(|error| Failure::new(Kind::Error, format!("cannot read `{}`: {error}", file.display())))
}
