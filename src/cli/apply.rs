//! `segctl apply`: plans, asks, and makes it so; or makes so what a saved plan says.

use super::approval::{Answer, ask};
use super::arguments::ApplyArguments;
use super::connection::Connection;
use super::exclusive::{LockedLedger, Turn};
use super::failure::{Failure, Kind};
use super::hearing::{Hearing, require_address};
use super::output::Output;
use super::planning::{Purpose, cost, make_plan, policy};
use super::project::Project;
use super::publisher::publisher;
use super::report::Report;
use super::signals::Signals;
use super::{block_on, show};
use crate::api::Seen;
use crate::apply::{Event, Settings, Stop, Verdict};
use crate::config::workspace::Workspace;
use crate::ledger::Ledger;
use crate::model::SegmentId;
use crate::plan::saved::SavedPlan;
use crate::plan::step::{Action, Plan};
use crate::render::document::PlanDocument;
use crate::render::text;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// What is to be run.
struct Work {
    plan: Plan,
    ledger: Ledger,
    /// Whether the ledger was settled after it was read.
    has_settled: bool,
    /// What was read a moment ago to see whether a saved plan still holds.
    read_before: BTreeMap<SegmentId, Seen>,
    /// The digest of the saved plan that it is.
    saved: Option<String>,
    /// What it hears of lists with, where it waits for that.
    hearing: Hearing,
}

/// Plans and applies, or applies a saved plan; prints the plan, what comes of each step, and the receipt.
pub(super) fn run(config: Option<&Path>, arguments: &ApplyArguments, output: Output) -> ExitCode {
    let (report, opened) = Report::begin(arguments, output);
    let done = opened.and_then(|()| apply(config, arguments, &report));
    report.end(done)
}

/// # Errors
///
/// No plan could be made or read, or nobody approved it. What fails later is in the report.
fn apply(
    config: Option<&Path>,
    arguments: &ApplyArguments,
    report: &Report,
) -> Result<Option<Kind>, Failure> {
    let output = report.output;
    if output.json && arguments.plan.is_none() && !arguments.auto_approve {
        // Whoever reads events is no one who types an answer, and is told so before anything is read.
        return Err(nobody_to_ask());
    }
    let project = Project::open(config, output)?;
    let work = (arguments, report);
    if let Some(file) = &arguments.plan {
        // The plan holds all that is needed: the files may have changed since, or have faults by now.
        let saved = show::saved(file)?;
        return block_on(run_saved(&project, saved, work));
    }
    project.require_valid(output)?;
    report.files(&project.faults());
    block_on(run_planned(&project, work))
}

async fn run_planned(
    project: &Project,
    (arguments, report): (&ApplyArguments, &Report),
) -> Result<Option<Kind>, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    report.workspace(workspace.0);
    require_address(workspace.1, &arguments.hearing)?;
    let signals = Signals::listen(report.output)?;
    let told = (report.output, signals.stop.clone());
    let connection = Connection::open(project, workspace, told).await?;
    let work = plan_and_apply(project, workspace, (&connection, &signals), (arguments, report));
    let done = alone((&connection, &signals), (arguments, report), work).await;
    connection.close().await;
    done
}

/// Does `work` while nobody else changes the ledger, and leaves it where it stands when it has to be.
async fn alone(
    (connection, signals): (&Connection, &Signals),
    (arguments, report): (&ApplyArguments, &Report),
    work: impl Future<Output = Result<Option<Kind>, Failure>>,
) -> Result<Option<Kind>, Failure> {
    let turn = Turn {
        run: &report.run,
        command: "segctl apply",
        timeout: arguments.lock.lock_timeout,
    };
    let taken = LockedLedger::take(&connection.session.store, turn, report.output);
    let ledger = signals.or_stop(taken).await??;
    let work = signals.or_leave(work);
    ledger.run(work, &signals.stopper).await.flatten()
}

/// Applies a saved plan, of which nothing is asked: whoever saved it has seen it.
///
/// # Errors
///
/// The plan is stale, was applied already, or is of another workspace.
async fn run_saved(
    project: &Project,
    saved: SavedPlan,
    (arguments, report): (&ApplyArguments, &Report),
) -> Result<Option<Kind>, Failure> {
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
    report.workspace(workspace.0);
    require_address(workspace.1, &arguments.hearing)?;
    let signals = Signals::listen(report.output)?;
    let told = (report.output, signals.stop.clone());
    let connection = Connection::open(project, workspace, told).await?;
    let scene = (project, workspace);
    let work = check_and_apply(scene, (&connection, &signals), saved, (arguments, report));
    let done = alone((&connection, &signals), (arguments, report), work).await;
    connection.close().await;
    done
}

async fn plan_and_apply(
    project: &Project,
    workspace: (&str, &Workspace),
    (connection, signals): (&Connection, &Signals),
    (arguments, report): (&ApplyArguments, &Report),
) -> Result<Option<Kind>, Failure> {
    let run = (connection, signals);
    let hearing = hear_of_earlier((project, workspace), run, (arguments, report)).await?;
    let planned = make_plan(
        project,
        workspace,
        (&arguments.planning, arguments.refresh.policy(), Purpose::Apply),
        connection,
    );
    let planned = signals.or_stop(planned).await??;
    let document = planned.document();
    let output = report.output;
    if !output.json {
        output.result(&text::plan(&document, output.colour(), &output.zone()));
    }
    report.plan(&planned.plan, &document);
    if let Some(kind) = planned.forbidden() {
        report.forbidden(forbidden(kind));
        return Ok(Some(kind));
    }
    if !planned.plan.is_empty() {
        signals.or_stop(approve(arguments, output)).await??;
    }
    let work = Work {
        plan: planned.plan,
        ledger: planned.ledger,
        has_settled: planned.has_settled,
        read_before: BTreeMap::new(),
        saved: None,
        hearing,
    };
    let scene = (project, workspace);
    execute(scene, (connection, signals), work, (arguments, report)).await
}

async fn check_and_apply(
    (project, workspace): (&Project, (&str, &Workspace)),
    (connection, signals): (&Connection, &Signals),
    saved: SavedPlan,
    (arguments, report): (&ApplyArguments, &Report),
) -> Result<Option<Kind>, Failure> {
    report.plan(&saved.plan, &PlanDocument::new(&saved.plan));
    let run = (connection, signals);
    let hearing = hear_of_earlier((project, workspace), run, (arguments, report)).await?;
    let (mut ledger, has_heard) = connection.session.ledger().await?;
    require_applicable(&saved, (&ledger, &connection.service))?;
    let policy = policy(workspace.1, &arguments.planning);
    let looked = connection.session.look_again(&saved, (&mut ledger, &policy));
    let looked = signals.or_stop(looked).await??;
    if !looked.differences.is_empty() {
        let message = "the workspace is not as the plan saw it; nothing was changed".to_owned();
        return Err(Failure {
            differences: looked.differences.into(),
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
    if saved.plan.is_empty() && !report.output.json {
        let document = PlanDocument::new(&saved.plan);
        let output = report.output;
        output.result(&text::plan(&document, output.colour(), &output.zone()));
    }
    let work = Work {
        saved: Some(saved.digest()),
        plan: saved.plan,
        ledger,
        has_settled: looked.has_settled || has_heard,
        read_before: looked.read,
        hearing,
    };
    let scene = (project, workspace);
    execute(scene, (connection, signals), work, (arguments, report)).await
}

/// Listens, and waits for what becomes of lists that runs before sent, where the run waits at all.
async fn hear_of_earlier(
    (project, workspace): (&Project, (&str, &Workspace)),
    (connection, signals): (&Connection, &Signals),
    (arguments, report): (&ApplyArguments, &Report),
) -> Result<Hearing, Failure> {
    if !arguments.hearing.wait {
        return Ok(Hearing::default());
    }
    let asked = (&arguments.hearing, report.output);
    let hearing = Hearing::begin(project, workspace, asked, &connection.secret).await?;
    let waiting = connection.session.await_earlier(arguments.hearing.wait_timeout);
    signals.or_stop(waiting).await??;
    Ok(hearing)
}

/// What is heard of the lists of a plan: without them nothing has to be, and no secret has to be known.
async fn hear(
    (project, workspace): (&Project, (&str, &Workspace)),
    connection: &Connection,
    work: &mut Work,
    (arguments, report): (&ApplyArguments, &Report),
) -> Result<Hearing, Failure> {
    let has_lists = work
        .plan
        .steps
        .iter()
        .any(|step| matches!(step.action, Action::Upload(_)));
    if arguments.hearing.wait || !has_lists {
        return Ok(std::mem::take(&mut work.hearing));
    }
    let asked = (&arguments.hearing, report.output);
    Hearing::begin(project, workspace, asked, &connection.secret).await
}

/// Refuses a saved plan of which it is known without a call that it cannot be applied.
fn require_applicable(saved: &SavedPlan, (ledger, service): (&Ledger, &str)) -> Result<(), Failure> {
    let digest = saved.digest();
    let before = ledger.applied_plans().iter().find(|plan| plan.digest == digest);
    if let Some(before) = before {
        let message = format!("this plan was applied already, at {}", before.applied_at);
        return Err(stale(message));
    }
    if saved.service != service {
        return Err(stale(
            "this plan was made for another service or workspace".to_owned(),
        ));
    }
    if saved.plan.is_forbidden() {
        let kind = if saved.plan.conflicts.is_empty() {
            Kind::Guard
        } else {
            Kind::Conflict
        };
        let help = "`segctl show` tells what it is; mend it and plan again";
        return Err(Failure::new(kind, forbidden(kind)).with_help(help));
    }
    Ok(())
}

fn stale(message: String) -> Failure {
    Failure::new(Kind::Stale, message).with_help("plan again")
}

/// What keeps a plan from being applied, in a few words.
fn forbidden(kind: Kind) -> &'static str {
    match kind {
        Kind::Conflict => "this plan has conflicts, which forbid applying it",
        _ => "a guard refused this plan",
    }
}

async fn execute(
    (project, workspace): (&Project, (&str, &Workspace)),
    (connection, signals): (&Connection, &Signals),
    mut work: Work,
    (arguments, report): (&ApplyArguments, &Report),
) -> Result<Option<Kind>, Failure> {
    let hearing = hear((project, workspace), connection, &mut work, (arguments, report)).await?;
    let how = Settings {
        run: report.run.clone(),
        behaviour: workspace.1.policy.behaviour,
        adoption: workspace.1.policy.adoption,
        saved_plan: work.saved.clone(),
        has_settled: work.has_settled,
        directory: project.directory.clone(),
        publisher: publisher(project, workspace.1)?,
        callbacks: hearing.callbacks.clone(),
        parallelism: arguments.parallelism,
        stop: signals.stop.clone(),
    };
    let show = |event: Event<'_>| report.step(event);
    let plan = (&work.plan, work.ledger, &workspace.1.policy);
    let ended = connection.session.apply(plan, work.read_before, how, &show).await;
    hearing.end().await;
    let kind = match ended.verdict() {
        Verdict::Complete => None,
        Verdict::Partial => Some(Kind::Partial),
        Verdict::Credentials => Some(Kind::Credentials),
        Verdict::Ledger => Some(Kind::Error),
        Verdict::Stopped { has_written } => Some(signals.kind(has_written)),
    };
    if let (Some(kind), Some(stop)) = (kind, ended.stop) {
        let mut why = match stop {
            Stop::Credentials(error) => vec![error.to_string()],
            Stop::Ledger(error) => Failure::caused(Kind::Error, &error).in_lines(),
            Stop::Asked => vec![signals.cause().to_owned()],
        };
        if !ended.has_written {
            why.push("nothing was changed".to_owned());
        }
        report.stopped(kind, why);
    }
    Ok(kind)
}

/// Asks for approval where there is somebody to ask.
async fn approve(arguments: &ApplyArguments, output: Output) -> Result<(), Failure> {
    if arguments.auto_approve {
        return Ok(());
    }
    if output.is_lost() {
        let message = "the plan could not be shown, so that nobody can approve it; nothing was changed";
        return Err(Failure::new(Kind::Error, message));
    }
    match ask("Apply these changes?", output).await? {
        Answer::Yes => Ok(()),
        Answer::No => Err(Failure::new(
            Kind::Error,
            "the plan was not approved; nothing was changed",
        )),
        Answer::Nobody => Err(nobody_to_ask()),
    }
}

fn nobody_to_ask() -> Failure {
    let message = "nobody is here to approve the plan; nothing was changed";
    Failure::new(Kind::Usage, message)
        .with_help("look at `segctl plan` first, then apply with --auto-approve")
}
