//! `segctl plan`: what would change, without changing anything.

use super::arguments::PlanArguments;
use super::connection::Connection;
use super::failure::{CHANGES, Failure};
use super::output::{Output, write_file};
use super::planning::make_plan;
use super::project::Project;
use crate::api::{Clock, SystemClock};
use crate::plan::saved::SavedPlan;
use crate::plan::step::Plan;
use crate::render::document::PlanDocument;
use crate::render::text;
use std::process::ExitCode;

/// Prints the plan.
///
/// # Errors
///
/// No plan could be made.
pub(super) async fn run(
    project: &Project,
    arguments: &PlanArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection = Connection::open(project, workspace.0, workspace.1, output).await?;
    let service = connection.service.clone();
    let planned = make_plan(project, workspace, &arguments.planning, &connection).await;
    connection.close().await;
    let planned = planned?;
    show(&planned.plan, arguments, output)?;
    if let Some(file) = &arguments.out {
        let saved = SavedPlan::new(
            planned.plan.clone(),
            &planned.observed,
            service,
            SystemClock.now(),
        );
        write_file(file, &saved.to_text())?;
    }
    Ok(match planned.forbidden() {
        Some(kind) => kind.into(),
        None if arguments.detailed_exitcode && !planned.plan.is_empty() => CHANGES.into(),
        None => ExitCode::SUCCESS,
    })
}

fn show(plan: &Plan, arguments: &PlanArguments, output: Output) -> Result<(), Failure> {
    let document = PlanDocument::new(plan);
    arguments.json_into.write(&document)?;
    if output.json {
        output.document(&document);
    } else {
        output.result(&text::plan(&document, output.colour()));
    }
    Ok(())
}
