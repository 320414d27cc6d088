//! `segctl apply`: plans, asks, and makes it so; or makes so what a saved plan says.

use super::arguments::ApplyArguments;
use super::connection::Connection;
use super::failure::{Failure, Kind};
use super::output::Output;
use super::planning::{Purpose, cost, make_plan, policy};
use super::project::Project;
use super::signals::Signals;
use crate::api::{Clock, Stored, SystemClock};
use crate::apply::{Event, Settings, Stop};
use crate::config::workspace::Workspace;
use crate::ledger::{Ledger, LedgerStore};
use crate::model::SegmentId;
use crate::plan::saved::SavedPlan;
use crate::plan::step::Plan;
use crate::render::document::{FORMAT_VERSION, OutcomeDocument, PlanDocument, ReceiptDocument};
use crate::render::text;
use jiff::SignedDuration;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

/// An apply that follows its plan does not read again what the plan has just read: what it writes to is read right
/// before each write in any case.
const FRESH_FOR: SignedDuration = SignedDuration::from_mins(10);

/// What is to be run.
struct Work {
    plan: Plan,
    ledger: Ledger,
    /// What was read a moment ago to see whether a saved plan still holds.
    read_before: BTreeMap<SegmentId, Stored>,
    /// The digest of the saved plan that it is.
    saved: Option<String>,
}

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
    let signals = Signals::listen(output)?;
    let told = (output, signals.stop.clone());
    let connection = Connection::open(project, workspace.0, workspace.1, told).await?;
    let work = plan_and_apply(project, workspace, (&connection, &signals), (arguments, output));
    let done = signals.or_leave(work).await.flatten();
    connection.close().await;
    done
}

/// Applies a saved plan, of which nothing is asked: whoever saved it has seen it.
///
/// # Errors
///
/// The plan is stale, was applied already, or is of another workspace.
pub(super) async fn run_saved(
    project: &Project,
    (saved, arguments): (SavedPlan, &ApplyArguments),
    output: Output,
) -> Result<ExitCode, Failure> {
    let name = &saved.plan.workspace;
    if arguments
        .workspace
        .workspace
        .as_ref()
        .is_some_and(|asked| asked != name)
    {
        let message = format!("the plan is for the workspace `{name}`");
        return Err(Failure::new(Kind::Usage, message).with_help("leave --workspace out: the plan knows"));
    }
    let workspace = project.named_workspace(name)?;
    let signals = Signals::listen(output)?;
    let told = (output, signals.stop.clone());
    let connection = Connection::open(project, workspace.0, workspace.1, told).await?;
    let work = check_and_apply(workspace, (&connection, &signals), saved, (arguments, output));
    let done = signals.or_leave(work).await.flatten();
    connection.close().await;
    done
}

async fn plan_and_apply(
    project: &Project,
    workspace: (&str, &Workspace),
    (connection, signals): (&Connection, &Signals),
    (arguments, output): (&ApplyArguments, Output),
) -> Result<ExitCode, Failure> {
    let planned = make_plan(
        project,
        workspace,
        (
            &arguments.planning,
            arguments.refresh.policy(FRESH_FOR),
            Purpose::Apply,
        ),
        connection,
    );
    let planned = signals.or_stop(planned).await??;
    let document = planned.document();
    if !output.json {
        output.result(&text::plan(&document, output.colour(), &output.zone()));
    }
    if let Some(kind) = planned.forbidden() {
        arguments.json_into.write(&document)?;
        if output.json {
            output.document(&document);
        }
        return Ok(kind.into());
    }
    if !planned.plan.is_empty() {
        signals.or_stop(approve(arguments, output)).await??;
    }
    let work = Work {
        plan: planned.plan,
        ledger: planned.ledger,
        read_before: BTreeMap::new(),
        saved: None,
    };
    execute(workspace, (connection, signals), work, (arguments, output)).await
}

async fn check_and_apply(
    workspace: (&str, &Workspace),
    (connection, signals): (&Connection, &Signals),
    saved: SavedPlan,
    (arguments, output): (&ApplyArguments, Output),
) -> Result<ExitCode, Failure> {
    let digest = saved.digest();
    let ledger = connection.session.store.load().await?;
    let before = ledger.applied_plans().iter().find(|plan| plan.digest == digest);
    if let Some(before) = before {
        let message = format!("this plan was applied already, at {}", before.applied_at);
        return Err(stale(message));
    }
    if saved.service != connection.service {
        return Err(stale(
            "this plan was made for another service or workspace".to_owned(),
        ));
    }
    if saved.plan.is_forbidden() {
        let (kind, what) = if saved.plan.conflicts.is_empty() {
            (Kind::Guard, "a guard refused this plan")
        } else {
            (
                Kind::Conflict,
                "this plan has conflicts, which forbid applying it",
            )
        };
        return Err(
            Failure::new(kind, what).with_help("`segctl show` tells what it is; mend it and plan again")
        );
    }
    let policy = policy(workspace.1, &arguments.planning);
    let (causes, read_before) = connection.session.look_again(&saved, (&ledger, &policy)).await?;
    if !causes.is_empty() {
        let message = "the workspace is not as the plan saw it; nothing was changed".to_owned();
        return Err(Failure {
            causes,
            ..stale(message)
        });
    }
    if let (_, Some(over)) = cost(
        &saved.plan,
        connection.session.pacing(),
        (&arguments.planning, Purpose::Apply),
    ) {
        return Err(Failure {
            help: over.help(),
            ..Failure::new(Kind::Guard, over.to_string())
        });
    }
    let work = Work {
        plan: saved.plan,
        ledger,
        read_before,
        saved: Some(digest),
    };
    execute(workspace, (connection, signals), work, (arguments, output)).await
}

fn stale(message: String) -> Failure {
    Failure::new(Kind::Stale, message).with_help("plan again")
}

async fn execute(
    workspace: (&str, &Workspace),
    (connection, signals): (&Connection, &Signals),
    work: Work,
    (arguments, output): (&ApplyArguments, Output),
) -> Result<ExitCode, Failure> {
    let document = PlanDocument::new(&work.plan);
    let how = Settings {
        run: run_name(),
        list_shows_archived: workspace.1.policy.behaviour.list_shows_archived,
        adoption: workspace.1.policy.adoption,
        saved_plan: work.saved.clone(),
        parallelism: arguments.parallelism,
        stop: signals.stop.clone(),
    };
    let colour = output.colour();
    let show = |event: Event<'_>| match event {
        Event::Finished(entry) if !output.json => {
            output.result(&text::outcome(&OutcomeDocument::new(entry), colour));
        }
        Event::Started(_) | Event::Finished(_) => {}
    };
    let policy = &workspace.1.policy;
    let plan = (&work.plan, work.ledger, policy);
    let (receipt, stop) = connection.session.apply(plan, work.read_before, how, &show).await;
    let kind = match &stop {
        Some(Stop::Credentials(_)) => Some(Kind::Credentials),
        Some(Stop::Ledger(_)) => Some(Kind::Partial),
        Some(Stop::Asked) => Some(signals.kind()),
        None if !receipt.is_complete() => Some(Kind::Partial),
        None => None,
    };
    let stopped = stop.map(|stop| match stop {
        Stop::Credentials(error) => error.to_string(),
        Stop::Ledger(error) => Failure::caused(Kind::Partial, &error).to_string(),
        Stop::Asked => "a signal asked for it".to_owned(),
    });
    let receipt = ReceiptDocument::new(workspace.0, &receipt, stopped);
    let both = json!({"format_version": FORMAT_VERSION, "plan": document, "receipt": receipt});
    arguments.json_into.write(&both)?;
    if output.json {
        output.document(&both);
    } else if !document.steps.is_empty() {
        output.result(&text::receipt(&receipt));
    }
    Ok(kind.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// What the ledger calls this run: when it was, and which process.
fn run_name() -> String {
    let now = SystemClock.now().strftime("%Y%m%dT%H%M%SZ").to_string();
    format!("{now}-{}", std::process::id())
}

/// Asks for approval where there is somebody to ask.
async fn approve(arguments: &ApplyArguments, output: Output) -> Result<(), Failure> {
    if arguments.auto_approve {
        return Ok(());
    }
    if !io::stdin().is_terminal() || output.json {
        let message = "nobody is here to approve the plan; nothing was changed";
        return Err(Failure::new(Kind::Usage, message)
            .with_help("look at `segctl plan` first, then apply with --auto-approve"));
    }
    output.note("Apply these changes? Only `yes` is taken for one: ");
    // Elsewhere, so that a signal is heard while somebody thinks it over.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await.map_err(io::Error::other).flatten();
    let answer = answer.map_err(|error| Failure::caused(Kind::Error, &error))?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Error,
        "the plan was not approved; nothing was changed",
    ))
}
