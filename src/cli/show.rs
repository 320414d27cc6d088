//! `segctl show`: a plan from its JSON, as text.

use super::arguments::ShowArguments;
use super::failure::{Failure, Kind};
use super::output::Output;
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
    let read = if arguments.plan == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(&arguments.plan)
    };
    let shown = arguments.plan.display();
    let text = read.map_err(|error| Failure::new(Kind::Error, format!("cannot read `{shown}`: {error}")))?;
    let document =
        PlanDocument::from_json(&text).map_err(|error| Failure::caused(Kind::InvalidFiles, &error))?;
    if output.json {
        output.document(&document);
    } else {
        output.result(&text::plan(&document, output.colour()));
    }
    Ok(())
}
