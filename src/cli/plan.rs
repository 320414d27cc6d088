//! `segctl plan`: what would change, without changing anything.

use super::arguments::PlanArguments;
use super::connection::Connection;
use super::failure::{EXIT_CODE_CHANGES, Failure};
use super::output::{Output, write_file_atomically};
use super::planning::{PreparedPlan, Purpose, make_plan, plan_offline};
use super::project::Project;
use crate::api::{CancelToken, Clock, SystemClock};
use crate::plan::saved::SavedPlan;
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
    let (planned, service) = if arguments.offline {
        let planned = plan_offline(project, workspace, &arguments.planning, output).await?;
        (planned, None)
    } else {
        let connection = Connection::open(project, workspace, (output, CancelToken::never())).await?;
        let service = connection.workspace_digest.clone();
        let refresh = arguments.refresh.policy();
        let planned = make_plan(
            project,
            workspace,
            (&arguments.planning, refresh, Purpose::Show),
            &connection,
        )
        .await;
        connection.close().await;
        (planned?, Some(service))
    };
    show(&planned, arguments, output)?;
    if let Some((file, service)) = arguments.out.as_ref().zip(service) {
        let saved = SavedPlan::new(
            planned.plan.clone(),
            (&planned.observed, &planned.ledger),
            service,
            SystemClock.now(),
        );
        write_file_atomically(file, &saved.to_text())?;
    }
    Ok(match planned.blocked_by() {
        Some(kind) => kind.into(),
        None if arguments.detailed_exitcode && !planned.plan.is_empty() => EXIT_CODE_CHANGES.into(),
        None => ExitCode::SUCCESS,
    })
}

fn show(planned: &PreparedPlan, arguments: &PlanArguments, output: Output) -> Result<(), Failure> {
    let document = planned.document();
    arguments.json_file.write(&document)?;
    if output.json {
        output.print_json(&document);
    } else {
        output.print_result(&text::plan(&document, output.colour(), &output.zone()));
    }
    Ok(())
}
