//! `segctl drift`: what changed in the workspace since it was last applied.

use super::arguments::DriftArguments;
use super::connection::Connection;
use super::failure::{CHANGES, Failure};
use super::output::Output;
use super::planning::read_all;
use super::project::Project;
use crate::plan::plan;
use crate::render::document::DriftReport;
use crate::render::text;
use jiff::SignedDuration;
use std::process::ExitCode;

/// Prints what changed.
///
/// # Errors
///
/// A call or the ledger failed.
pub(super) async fn run(
    project: &Project,
    arguments: &DriftArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection = Connection::open(project, workspace.0, workspace.1, output).await?;
    let refresh = arguments.refresh.policy(SignedDuration::ZERO);
    let read = read_all(project, workspace, (&arguments.planning, refresh), &connection).await;
    connection.close().await;
    let drift = plan(&read?.situation()).drift;
    let report = DriftReport::new(workspace.0, &drift);
    if output.json {
        output.document(&report);
    } else {
        output.result(&text::drift(&report, output.colour()));
    }
    Ok(if arguments.detailed_exitcode && !drift.is_empty() {
        CHANGES.into()
    } else {
        ExitCode::SUCCESS
    })
}
