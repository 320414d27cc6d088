//! `segctl apply`: plans, asks, and makes it so; or makes so what a saved plan says.

use super::approval::{PromptAnswer, ask};
use super::arguments::ApplyArguments;
use super::callback_listener::{CallbackListener, require_callback_url};
use super::connection::Connection;
use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::planning::{Purpose, estimate_cost, make_plan, policy_with_overrides};
use super::project::Project;
use super::publisher::publisher;
use super::reporter::RunReporter;
use super::signals::Signals;
use super::state_lock::{LockRequest, LockedState};
use super::{block_on, show};
use crate::api::FetchedSegment;
use crate::apply::{AbortReason, ApplyOptions, RunStatus, StepEvent};
use crate::config::settings::WorkspaceSettings;
use crate::model::SegmentId;
use crate::plan::saved::SavedPlan;
use crate::plan::step::{Action, Plan};
use crate::render::json::PlanDocument;
use crate::render::text;
use crate::state::State;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

/// What is to be run.
struct PreparedApply {
    plan: Plan,
    ledger: State,
    /// Whether the ledger was settled after it was read.
    recovered_writes: bool,
    /// What was read a moment ago to see whether a saved plan still holds.
    rechecked: BTreeMap<SegmentId, FetchedSegment>,
    /// The digest of the saved plan that it is.
    saved_plan_digest: Option<String>,
    /// What it hears of lists with, where it waits for that.
    callback_listener: CallbackListener,
}

/// Plans and applies, or applies a saved plan; prints the plan, what comes of each step, and the receipt.
pub(super) fn run(config: Option<&Path>, arguments: &ApplyArguments, output: Output) -> ExitCode {
    let (report, opened) = RunReporter::begin(arguments, output);
    let done = opened.and_then(|()| apply(config, arguments, &report));
    report.finish(done)
}

/// # Errors
///
/// No plan could be made or read, or nobody approved it. What fails later is in the report.
fn apply(
    config: Option<&Path>,
    arguments: &ApplyArguments,
    report: &RunReporter,
) -> Result<Option<FailureKind>, Failure> {
    let output = report.output;
    if output.json && arguments.plan.is_none() && !arguments.auto_approve {
        // Whoever reads events is no one who types an answer, and is told so before anything is read.
        return Err(no_terminal_failure());
    }
    let project = Project::open(config, output)?;
    let work = (arguments, report);
    if let Some(file) = &arguments.plan {
        // The plan holds all that is needed: the files may have changed since, or have faults by now.
        let saved = show::read_saved_plan(file)?;
        return block_on(run_saved_plan(&project, saved, work));
    }
    project.require_valid(output)?;
    report.report_file_diagnostics(&project.default_diagnostics());
    block_on(run_new_plan(&project, work))
}

async fn run_new_plan(
    project: &Project,
    (arguments, report): (&ApplyArguments, &RunReporter),
) -> Result<Option<FailureKind>, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    report.set_workspace(workspace.0);
    require_callback_url(workspace.1, &arguments.upload_wait)?;
    let signals = Signals::listen(report.output)?;
    let told = (report.output, signals.cancel_token.clone());
    let connection = Connection::open(project, workspace, told).await?;
    let work = plan_and_apply(project, workspace, (&connection, &signals), (arguments, report));
    let done = with_state_lock((&connection, &signals), (arguments, report), work).await;
    connection.close().await;
    done
}

/// Does `work` while nobody else changes the ledger, and leaves it where it stands when it has to be.
async fn with_state_lock(
    (connection, signals): (&Connection, &Signals),
    (arguments, report): (&ApplyArguments, &RunReporter),
    work: impl Future<Output = Result<Option<FailureKind>, Failure>>,
) -> Result<Option<FailureKind>, Failure> {
    let turn = LockRequest {
        run_id: &report.run_id,
        command: "segctl apply",
        timeout: arguments.lock.lock_timeout,
    };
    let taken = LockedState::acquire(&connection.session.store, turn, report.output);
    let ledger = signals.until_cancelled(taken).await??;
    let work = signals.until_killed(work);
    ledger.run(work, &signals.cancel_handle).await.flatten()
}

/// Applies a saved plan, of which nothing is asked: whoever saved it has seen it.
///
/// # Errors
///
/// The plan is stale, was applied already, or is of another workspace.
async fn run_saved_plan(
    project: &Project,
    saved: SavedPlan,
    (arguments, report): (&ApplyArguments, &RunReporter),
) -> Result<Option<FailureKind>, Failure> {
    let name = &saved.plan.workspace;
    if arguments
        .workspace
        .workspace
        .as_ref()
        .is_some_and(|asked| asked != name)
    {
        let message = format!("the plan is for the workspace `{name}`");
        return Err(
            Failure::new(FailureKind::Usage, message).with_help("leave --workspace out: the plan knows")
        );
    }
    let workspace = project.named_workspace(name)?;
    report.set_workspace(workspace.0);
    require_callback_url(workspace.1, &arguments.upload_wait)?;
    let signals = Signals::listen(report.output)?;
    let told = (report.output, signals.cancel_token.clone());
    let connection = Connection::open(project, workspace, told).await?;
    let scene = (project, workspace);
    let work = recheck_and_apply(scene, (&connection, &signals), saved, (arguments, report));
    let done = with_state_lock((&connection, &signals), (arguments, report), work).await;
    connection.close().await;
    done
}

async fn plan_and_apply(
    project: &Project,
    workspace: (&str, &WorkspaceSettings),
    (connection, signals): (&Connection, &Signals),
    (arguments, report): (&ApplyArguments, &RunReporter),
) -> Result<Option<FailureKind>, Failure> {
    let run = (connection, signals);
    let hearing = collect_earlier_upload_results((project, workspace), run, (arguments, report)).await?;
    let planned = make_plan(
        project,
        workspace,
        (&arguments.planning, arguments.refresh.policy(), Purpose::Apply),
        connection,
    );
    let planned = signals.until_cancelled(planned).await??;
    let document = planned.document();
    let output = report.output;
    if !output.json {
        output.print_result(&text::plan(&document, output.colour(), &output.zone()));
    }
    report.report_plan(&planned.plan, &document);
    if let Some(kind) = planned.blocked_by() {
        report.record_blocked(blocked_message(kind));
        return Ok(Some(kind));
    }
    if !planned.plan.is_empty() {
        signals.until_cancelled(approve(arguments, output)).await??;
    }
    let work = PreparedApply {
        plan: planned.plan,
        ledger: planned.ledger,
        recovered_writes: planned.recovered_writes,
        rechecked: BTreeMap::new(),
        saved_plan_digest: None,
        callback_listener: hearing,
    };
    let scene = (project, workspace);
    execute(scene, (connection, signals), work, (arguments, report)).await
}

async fn recheck_and_apply(
    (project, workspace): (&Project, (&str, &WorkspaceSettings)),
    (connection, signals): (&Connection, &Signals),
    saved: SavedPlan,
    (arguments, report): (&ApplyArguments, &RunReporter),
) -> Result<Option<FailureKind>, Failure> {
    report.report_plan(&saved.plan, &PlanDocument::new(&saved.plan));
    let run = (connection, signals);
    let hearing = collect_earlier_upload_results((project, workspace), run, (arguments, report)).await?;
    let (mut ledger, has_heard) = connection.session.load_state().await?;
    require_applicable(&saved, (&ledger, &connection.workspace_digest))?;
    let policy = policy_with_overrides(workspace.1, &arguments.planning);
    let looked = connection.session.recheck(&saved, (&mut ledger, &policy));
    let looked = signals.until_cancelled(looked).await??;
    if !looked.differences.is_empty() {
        let message = "the workspace is not as the plan saw it; nothing was changed".to_owned();
        return Err(Failure {
            differences: looked.differences.into(),
            ..stale_plan(message)
        });
    }
    if let (_, Some(over)) = estimate_cost(
        &saved.plan,
        connection.session.rate_limiter(),
        (&arguments.planning, Purpose::Apply),
    ) {
        return Err(Failure {
            help: over.help(),
            ..Failure::new(FailureKind::Guard, over.to_string())
        });
    }
    if saved.plan.is_empty() && !report.output.json {
        let document = PlanDocument::new(&saved.plan);
        let output = report.output;
        output.print_result(&text::plan(&document, output.colour(), &output.zone()));
    }
    let work = PreparedApply {
        saved_plan_digest: Some(saved.digest()),
        plan: saved.plan,
        ledger,
        recovered_writes: looked.recovered_writes || has_heard,
        rechecked: looked.fetched,
        callback_listener: hearing,
    };
    let scene = (project, workspace);
    execute(scene, (connection, signals), work, (arguments, report)).await
}

/// Listens, and waits for what becomes of lists that runs before sent, where the run waits at all.
async fn collect_earlier_upload_results(
    (project, workspace): (&Project, (&str, &WorkspaceSettings)),
    (connection, signals): (&Connection, &Signals),
    (arguments, report): (&ApplyArguments, &RunReporter),
) -> Result<CallbackListener, Failure> {
    if !arguments.upload_wait.wait {
        return Ok(CallbackListener::default());
    }
    let asked = (&arguments.upload_wait, report.output);
    let hearing = CallbackListener::start(project, workspace, asked, &connection.callback_secret).await?;
    let waiting = connection
        .session
        .wait_for_earlier_upload_results(arguments.upload_wait.wait_timeout);
    signals.until_cancelled(waiting).await??;
    Ok(hearing)
}

/// What is heard of the lists of a plan: without them nothing has to be, and no secret has to be known.
async fn start_callback_listener(
    (project, workspace): (&Project, (&str, &WorkspaceSettings)),
    connection: &Connection,
    work: &mut PreparedApply,
    (arguments, report): (&ApplyArguments, &RunReporter),
) -> Result<CallbackListener, Failure> {
    let has_lists = work
        .plan
        .steps
        .iter()
        .any(|step| matches!(step.action, Action::UploadUserList(_)));
    if arguments.upload_wait.wait || !has_lists {
        return Ok(std::mem::take(&mut work.callback_listener));
    }
    let asked = (&arguments.upload_wait, report.output);
    CallbackListener::start(project, workspace, asked, &connection.callback_secret).await
}

/// Refuses a saved plan of which it is known without a call that it cannot be applied.
fn require_applicable(saved: &SavedPlan, (ledger, service): (&State, &str)) -> Result<(), Failure> {
    let digest = saved.digest();
    let before = ledger.applied_plans().iter().find(|plan| plan.digest == digest);
    if let Some(before) = before {
        let message = format!("this plan was applied already, at {}", before.applied_at);
        return Err(stale_plan(message));
    }
    if saved.workspace_fingerprint != service {
        return Err(stale_plan(
            "this plan was made for another service or workspace".to_owned(),
        ));
    }
    if saved.plan.is_blocked() {
        let kind = if saved.plan.conflicts.is_empty() {
            FailureKind::Guard
        } else {
            FailureKind::Conflict
        };
        let help = "`segctl show` tells what it is; mend it and plan again";
        return Err(Failure::new(kind, blocked_message(kind)).with_help(help));
    }
    Ok(())
}

fn stale_plan(message: String) -> Failure {
    Failure::new(FailureKind::Stale, message).with_help("plan again")
}

/// What keeps a plan from being applied, in a few words.
fn blocked_message(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Conflict => "this plan has conflicts, which forbid applying it",
        _ => "a guard refused this plan",
    }
}

async fn execute(
    (project, workspace): (&Project, (&str, &WorkspaceSettings)),
    (connection, signals): (&Connection, &Signals),
    mut work: PreparedApply,
    (arguments, report): (&ApplyArguments, &RunReporter),
) -> Result<Option<FailureKind>, Failure> {
    let hearing =
        start_callback_listener((project, workspace), connection, &mut work, (arguments, report)).await?;
    let how = ApplyOptions {
        run_id: report.run_id.clone(),
        api_behavior: workspace.1.policy.api_behavior,
        adoption: workspace.1.policy.adoption,
        saved_plan_digest: work.saved_plan_digest.clone(),
        recovered_writes: work.recovered_writes,
        config_directory: project.directory.clone(),
        publisher: publisher(project, workspace.1)?,
        callbacks: hearing.callbacks.clone(),
        parallelism: arguments.parallelism,
        cancel_token: signals.cancel_token.clone(),
    };
    let show = |event: StepEvent<'_>| report.report_step(event);
    let plan = (&work.plan, work.ledger, &workspace.1.policy);
    let ended = connection.session.apply(plan, work.rechecked, how, &show).await;
    hearing.stop().await;
    let kind = match ended.status() {
        RunStatus::Complete => None,
        RunStatus::Partial => Some(FailureKind::Partial),
        RunStatus::CredentialsRejected => Some(FailureKind::Credentials),
        RunStatus::StateWriteFailed => Some(FailureKind::Error),
        RunStatus::Cancelled { has_written } => Some(signals.failure_kind(has_written)),
    };
    if let (Some(kind), Some(stop)) = (kind, ended.abort_reason) {
        let mut why = match stop {
            AbortReason::CredentialsRejected(error) => vec![error.to_string()],
            AbortReason::StateWriteFailed(error) => {
                Failure::from_error(FailureKind::Error, &error).to_lines()
            }
            AbortReason::Cancelled => vec![signals.stop_reason().to_owned()],
        };
        if !ended.has_written {
            why.push("nothing was changed".to_owned());
        }
        report.report_stop(kind, why);
    }
    Ok(kind)
}

/// Asks for approval where there is somebody to ask.
async fn approve(arguments: &ApplyArguments, output: Output) -> Result<(), Failure> {
    if arguments.auto_approve {
        return Ok(());
    }
    if output.stdout_failed() {
        let message = "the plan could not be shown, so that nobody can approve it; nothing was changed";
        return Err(Failure::new(FailureKind::Error, message));
    }
    match ask("Apply these changes?", output).await? {
        PromptAnswer::Yes => Ok(()),
        PromptAnswer::No => Err(Failure::new(
            FailureKind::Error,
            "the plan was not approved; nothing was changed",
        )),
        PromptAnswer::NoTerminal => Err(no_terminal_failure()),
    }
}

fn no_terminal_failure() -> Failure {
    let message = "nobody is here to approve the plan; nothing was changed";
    Failure::new(FailureKind::Usage, message)
        .with_help("look at `segctl plan` first, then apply with --auto-approve")
}
