//! `segctl plan`: shows what an apply would change.

use super::arguments::PlanArguments;
use super::connection::Connection;
use super::failure::{EXIT_CODE_CHANGES, Failure};
use super::output::{Output, write_file_atomically};
use super::planning::{Purpose, make_plan, plan_offline};
use super::project::Project;
use crate::api::{CancelToken, Clock, SystemClock};
use crate::diagnostic::shell_commands;
use crate::plan::saved::SavedPlan;
use crate::render::text;
use std::mem::ManuallyDrop;
use std::process::ExitCode;

pub(super) async fn run(
    project: &Project,
    arguments: &PlanArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let (planned, workspace_digest) = if arguments.offline {
        let planned = plan_offline(workspace, &arguments.planning, output).await?;
        (planned, None)
    } else {
        let connection = Connection::open(workspace, output, CancelToken::never()).await?;
        let digest = connection.workspace_digest.clone();
        let (planning, refresh) = (&arguments.planning, arguments.refresh.policy());
        let planned = make_plan(workspace, planning, refresh, Purpose::Show, &connection).await;
        connection.close().await;
        (planned?, Some(digest))
    };
    let planned = ManuallyDrop::new(planned);
    let document = planned.document();
    arguments.json_file.write(&document)?;
    if output.json {
        output.print_json(&document);
    } else {
        let options = output.text_options(&arguments.compact);
        output.print_result(&text::plan(&document, options, &output.zone()));
    }
    if let Some((file, digest)) = arguments.out.as_ref().zip(workspace_digest) {
        let (observed, state) = (&planned.observed, &planned.state);
        let plan = planned.plan.clone();
        let saved = SavedPlan::new(plan, observed, state, digest, SystemClock.now())
            .with_freshness(planned.freshness().clone());
        write_file_atomically(file, &saved.to_text())?;
        let file = file.to_string_lossy();
        let command = shell_commands::apply_plan(&file);
        output.print_status_line(&format!("Plan saved to {file}. Apply it with `{command}`."));
    }
    Ok(match planned.blocked_by() {
        Some(kind) => kind.into(),
        None if arguments.detailed_exitcode && !planned.plan.is_empty() => EXIT_CODE_CHANGES.into(),
        None => ExitCode::SUCCESS,
    })
}
