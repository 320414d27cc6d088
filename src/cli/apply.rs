//! `segctl apply`: plans, asks, and makes it so.

use super::arguments::ApplyArguments;
use super::connection::Connection;
use super::failure::{Failure, Kind};
use super::output::Output;
use super::planning::{Planned, make_plan};
use super::project::Project;
use crate::api::{Clock, SystemClock};
use crate::apply::{Applier, Event, Stop};
use crate::config::workspace::Workspace;
use crate::render::document::{FORMAT_VERSION, OutcomeDocument, PlanDocument, ReceiptDocument};
use crate::render::text;
use serde_json::json;
use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

/// Plans and applies; prints the plan, what comes of each step, and the receipt.
///
/// # Errors
///
/// No plan could be made, or nobody approved it. What fails later is in the receipt and the exit code.
pub(super) async fn run(
    project: &Project,
    arguments: &ApplyArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection = Connection::open(project, workspace.0, workspace.1, output).await?;
    let done = plan_and_apply(project, workspace, &connection, (arguments, output)).await;
    connection.close().await;
    done
}

async fn plan_and_apply(
    project: &Project,
    workspace: (&str, &Workspace),
    connection: &Connection,
    (arguments, output): (&ApplyArguments, Output),
) -> Result<ExitCode, Failure> {
    let planned = make_plan(project, workspace, &arguments.planning, connection).await?;
    let document = PlanDocument::new(&planned.plan);
    if !output.json {
        output.result(&text::plan(&document, output.colour()));
    }
    if let Some(kind) = planned.forbidden() {
        if output.json {
            output.document(&document);
        }
        return Ok(kind.into());
    }
    if !planned.plan.is_empty() {
        approve(arguments, output)?;
    }
    let (receipt, stop) = apply(planned, workspace.1, connection, output).await;
    let kind = match &stop {
        Some(Stop::Credentials(_)) => Some(Kind::Credentials),
        Some(Stop::Ledger(_)) => Some(Kind::Partial),
        None if !receipt.is_complete() => Some(Kind::Partial),
        None => None,
    };
    let stopped = stop.map(|stop| match stop {
        Stop::Credentials(error) => error.to_string(),
        Stop::Ledger(error) => Failure::caused(Kind::Partial, &error).to_string(),
    });
    let receipt = ReceiptDocument::new(workspace.0, &receipt, stopped);
    if output.json {
        output.document(&json!({"format_version": FORMAT_VERSION, "plan": document, "receipt": receipt}));
    } else if !document.steps.is_empty() {
        output.result(&text::receipt(&receipt));
    }
    Ok(kind.map_or(ExitCode::SUCCESS, ExitCode::from))
}

async fn apply(
    planned: Planned,
    workspace: &Workspace,
    connection: &Connection,
    output: Output,
) -> (crate::apply::receipt::Receipt, Option<Stop>) {
    let colour = output.colour();
    let show = |event: Event<'_>| match event {
        Event::Finished(entry) if !output.json => {
            output.result(&text::outcome(&OutcomeDocument::new(entry), colour));
        }
        Event::Started(_) | Event::Finished(_) => {}
    };
    let applier = Applier::new(
        &connection.client,
        &SystemClock,
        &connection.store,
        planned.ledger,
    )
    .list_shows_archived(workspace.policy.behaviour.list_shows_archived)
    .run_named(&run_name());
    applier.apply(&planned.plan, &show).await
}

/// What the ledger calls this run: when it was, and which process.
fn run_name() -> String {
    let now = SystemClock.now().strftime("%Y%m%dT%H%M%SZ").to_string();
    format!("{now}-{}", std::process::id())
}

/// Asks for approval where there is somebody to ask.
fn approve(arguments: &ApplyArguments, output: Output) -> Result<(), Failure> {
    if arguments.auto_approve {
        return Ok(());
    }
    if !io::stdin().is_terminal() || output.json {
        let message = "nobody is here to approve the plan; nothing was changed";
        return Err(Failure::new(Kind::Usage, message)
            .with_help("look at `segctl plan` first, then apply with --auto-approve"));
    }
    output.note("Apply these changes? Only `yes` is taken for one: ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::caused(Kind::Error, &error))?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Error,
        "the plan was not approved; nothing was changed",
    ))
}
