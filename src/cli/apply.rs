//! `segctl apply`: makes a plan, asks for approval and applies it, or applies a saved plan.

use super::approval::{PromptAnswer, ask};
use super::arguments::ApplyArguments;
use super::callback_listener::{CallbackListener, require_callback_url};
use super::connection::Connection;
use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::planning::{Purpose, estimate_cost, make_plan, policy_with_overrides};
use super::project::{Project, ProjectOptions, SelectedWorkspace, describe_endpoint};
use super::publisher::{note_closed_folders, publisher};
use super::reporter::{NO_CHANGES, RunReporter};
use super::signals::Signals;
use super::state_lock::{LockRequest, LockedState};
use super::{block_on, show};
use crate::api::FetchedSegment;
use crate::apply::{AbortReason, ApplyOptions, RunStatus, StepEvent};
use crate::model::SegmentId;
use crate::plan::saved::SavedPlan;
use crate::plan::step::{Action, Plan};
use crate::render::json::PlanDocument;
use crate::render::text;
use crate::state::State;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// What every stage of an apply uses.
struct ApplyRun<'a> {
    workspace: SelectedWorkspace<'a>,
    arguments: &'a ApplyArguments,
    report: &'a RunReporter,
    connection: &'a Connection,
    signals: &'a Signals,
}

/// A plan that is ready to be applied.
struct PreparedApply {
    plan: Plan,
    state: State,
    /// Whether the state was changed by a recovery after it was read.
    recovered_writes: bool,
    /// The segments that were just read, for the plan or to verify a saved one.
    rechecked: BTreeMap<SegmentId, FetchedSegment>,
    /// `None` for a plan of this run.
    saved_plan_digest: Option<String>,
    callback_listener: CallbackListener,
}

pub(super) fn run(options: ProjectOptions<'_>, arguments: &ApplyArguments, output: Output) -> ExitCode {
    let (report, opened) = RunReporter::begin(arguments, output);
    let result = opened.and_then(|()| apply(options, arguments, &report));
    report.finish(result)
}

/// Fails if there is no approved plan. Failures after that are in the report.
fn apply(
    options: ProjectOptions<'_>,
    arguments: &ApplyArguments,
    report: &RunReporter,
) -> Result<Option<FailureKind>, Failure> {
    let output = report.output;
    if output.json && arguments.plan.is_none() && !arguments.auto_approve {
        // A program that reads events cannot answer a prompt, so this fails before anything is read.
        return Err(no_terminal_failure());
    }
    let project = Project::open(options, output)?;
    if let Some(file) = &arguments.plan {
        // A saved plan is complete: the segment files may have changed since then, or contain errors.
        let saved = show::read_saved_plan(file)?;
        let name = saved.plan.workspace.clone();
        let requested = arguments.workspace.workspace.as_ref();
        if requested.is_some_and(|requested| *requested != name) {
            let message = format!("the plan is for the workspace `{name}`");
            return Err(Failure::new(FailureKind::Usage, message)
                .with_help("omit --workspace: the plan contains the workspace"));
        }
        let workspace = project.named_workspace(&name)?;
        return block_on(run_in_workspace(workspace, Some(saved), arguments, report));
    }
    project.require_valid(output)?;
    report.report_file_diagnostics(&project.default_diagnostics());
    let workspace = project.workspace(&arguments.workspace)?;
    block_on(run_in_workspace(workspace, None, arguments, report))
}

async fn run_in_workspace(
    workspace: SelectedWorkspace<'_>,
    saved: Option<SavedPlan>,
    arguments: &ApplyArguments,
    report: &RunReporter,
) -> Result<Option<FailureKind>, Failure> {
    report.set_workspace(workspace.name);
    require_callback_url(workspace.settings, &arguments.upload_wait)?;
    let signals = Signals::listen(report.output)?;
    let cancel_token = signals.cancel_token.clone();
    let connection = Connection::open(workspace, report.output, cancel_token).await?;
    let run = ApplyRun {
        workspace,
        arguments,
        report,
        connection: &connection,
        signals: &signals,
    };
    let result = run.run_locked(saved).await;
    connection.close().await;
    result
}

impl ApplyRun<'_> {
    /// Plans and applies while this process holds the state lock. The second signal ends it immediately.
    async fn run_locked(&self, saved: Option<SavedPlan>) -> Result<Option<FailureKind>, Failure> {
        let request = LockRequest {
            run_id: &self.report.run_id,
            command: "segctl apply",
            timeout: self.arguments.lock.lock_timeout,
        };
        let store = &self.connection.reconciler.store;
        let locked = LockedState::acquire(store, request, self.report.output);
        let locked = self.signals.until_cancelled(locked).await??;
        let work = self.signals.until_killed(async {
            match saved {
                Some(saved) => self.apply_saved_plan(saved).await,
                None => self.plan_and_apply().await,
            }
        });
        locked.run(work, &self.signals.cancel_handle).await.flatten()
    }

    async fn plan_and_apply(&self) -> Result<Option<FailureKind>, Failure> {
        let callback_listener = self.collect_earlier_upload_results().await?;
        let arguments = self.arguments;
        let planned = make_plan(
            self.workspace,
            &arguments.planning,
            arguments.refresh.policy(),
            Purpose::Apply,
            self.connection,
        );
        let planned = self.signals.until_cancelled(planned).await??;
        let document = planned.document();
        self.print_plan(&document);
        self.report.report_plan(&planned.plan, &document);
        if let Some(kind) = planned.blocked_by() {
            self.report.record_blocked(&blocked_message(&document));
            return Ok(Some(kind));
        }
        if !planned.plan.is_empty() && !self.signals.until_cancelled(self.approve()).await?? {
            self.report.report_cancelled();
            return Ok(Some(FailureKind::Error));
        }
        self.execute(PreparedApply {
            plan: planned.plan,
            state: planned.state,
            recovered_writes: planned.recovered_writes,
            rechecked: planned.fetched,
            saved_plan_digest: None,
            callback_listener,
        })
        .await
    }

    /// Applies a saved plan without approval: the user has reviewed it.
    async fn apply_saved_plan(&self, saved: SavedPlan) -> Result<Option<FailureKind>, Failure> {
        let document = PlanDocument::of_saved_plan(&saved.plan, saved.freshness.clone());
        self.report.report_plan(&saved.plan, &document);
        let output = self.report.output;
        if !output.json && !saved.plan.is_empty() {
            output.print_result(&text::workspace_line(&document.workspace, &document.endpoint));
        }
        let callback_listener = self.collect_earlier_upload_results().await?;
        let reconciler = &self.connection.reconciler;
        let (mut state, has_new_results) = reconciler.load_state().await?;
        require_applicable(&saved, &document, &state, &self.connection.workspace_digest)?;
        let planning = &self.arguments.planning;
        let policy = policy_with_overrides(self.workspace.settings, planning);
        let recheck = reconciler.recheck(&saved, &mut state, &policy);
        let recheck = self.signals.until_cancelled(recheck).await??;
        if !recheck.differences.is_empty() {
            let message = "the saved plan is stale: the workspace changed";
            return Err(Failure {
                differences: recheck.differences.into(),
                ..stale_plan(message)
            });
        }
        let rate_limiter = reconciler.rate_limiter();
        if let (_, Some(exceeded)) = estimate_cost(&saved.plan, rate_limiter, planning, Purpose::Apply) {
            return Err(Failure {
                help: exceeded.help(),
                ..Failure::new(FailureKind::Guard, exceeded.to_string())
            });
        }
        if saved.plan.is_empty() {
            self.print_plan(&document);
        }
        self.execute(PreparedApply {
            saved_plan_digest: Some(saved.digest()),
            plan: saved.plan,
            state,
            recovered_writes: recheck.recovered_writes || has_new_results,
            rechecked: recheck.fetched,
            callback_listener,
        })
        .await
    }

    fn print_plan(&self, document: &PlanDocument) {
        let output = self.report.output;
        if !output.json {
            let options = output.text_options(&self.arguments.compact);
            output.print_result(&text::plan(document, options, &output.zone()));
        }
    }

    /// With --wait, starts the listener and waits for the results of lists that earlier runs uploaded.
    async fn collect_earlier_upload_results(&self) -> Result<CallbackListener, Failure> {
        let upload_wait = &self.arguments.upload_wait;
        if !upload_wait.wait {
            return Ok(CallbackListener::default());
        }
        let listener = self.start_callback_listener().await?;
        let reconciler = &self.connection.reconciler;
        let results = reconciler.wait_for_earlier_upload_results(upload_wait.wait_timeout);
        self.signals.until_cancelled(results).await??;
        Ok(listener)
    }

    async fn start_callback_listener(&self) -> Result<CallbackListener, Failure> {
        let (arguments, output) = (&self.arguments.upload_wait, self.report.output);
        let secret = &self.connection.callback_secret;
        CallbackListener::start(self.workspace, arguments, output, secret).await
    }

    async fn execute(&self, mut work: PreparedApply) -> Result<Option<FailureKind>, Failure> {
        let mut steps = work.plan.steps.iter();
        let has_uploads = steps.any(|step| matches!(step.action, Action::UploadUserList(_)));
        // A plan without uploads needs no callback secret.
        if has_uploads && !self.arguments.upload_wait.wait {
            work.callback_listener = self.start_callback_listener().await?;
        }
        if has_uploads {
            note_closed_folders(self.workspace, self.report.output)?;
        }
        let listener = work.callback_listener;
        let policy = &self.workspace.settings.policy;
        let options = ApplyOptions {
            run_id: self.report.run_id.clone(),
            api_behavior: policy.api_behavior,
            adoption: policy.adoption,
            saved_plan_digest: work.saved_plan_digest,
            recovered_writes: work.recovered_writes,
            config_directory: self.workspace.project.directory.clone(),
            publisher: publisher(self.workspace)?,
            callbacks: listener.callbacks.clone(),
            parallelism: self.arguments.parallelism,
            cancel_token: self.signals.cancel_token.clone(),
        };
        let on_step = |event: StepEvent<'_>| self.report.report_step(event);
        let reconciler = &self.connection.reconciler;
        let result = reconciler
            .apply(&work.plan, work.state, policy, work.rechecked, options, &on_step)
            .await;
        listener.stop().await;
        self.report.record_adoptions(&work.plan, &result.state);
        let kind = match result.status() {
            RunStatus::Complete => None,
            RunStatus::Partial => Some(FailureKind::Partial),
            RunStatus::CredentialsRejected => Some(FailureKind::Credentials),
            RunStatus::StateWriteFailed => Some(FailureKind::Error),
            RunStatus::Cancelled { has_written } => Some(self.signals.failure_kind(has_written)),
        };
        if let (Some(kind), Some(reason)) = (kind, result.abort_reason) {
            let mut reasons = match reason {
                AbortReason::CredentialsRejected(error) => vec![error.to_string()],
                AbortReason::StateWriteFailed(error) => {
                    Failure::from_error(FailureKind::Error, &error).to_lines()
                }
                AbortReason::Cancelled => vec![self.signals.stop_reason().to_owned()],
            };
            if !result.has_written {
                reasons.push(NO_CHANGES.to_owned());
            }
            self.report.report_stop(kind, reasons);
        }
        Ok(kind)
    }

    async fn approve(&self) -> Result<bool, Failure> {
        if self.arguments.auto_approve {
            return Ok(true);
        }
        let output = self.report.output;
        if output.stdout_failed() {
            let message = "cannot ask for approval: the plan could not be printed; no changes were made";
            return Err(Failure::new(FailureKind::Error, message));
        }
        let SelectedWorkspace { name, settings, .. } = self.workspace;
        let endpoint = describe_endpoint(settings);
        let question = format!("Apply these changes to workspace \"{name}\" ({endpoint})?");
        match ask(&question, output).await? {
            PromptAnswer::Yes => Ok(true),
            PromptAnswer::No => Ok(false),
            PromptAnswer::NoTerminal => Err(no_terminal_failure()),
        }
    }
}

/// Rejects a saved plan that cannot be applied, without API requests.
fn require_applicable(
    saved: &SavedPlan,
    document: &PlanDocument,
    state: &State,
    workspace_digest: &str,
) -> Result<(), Failure> {
    let digest = saved.digest();
    if let Some(earlier) = state.applied_plans().iter().find(|plan| plan.digest == digest) {
        let message = format!("this plan was already applied at {}", earlier.applied_at);
        return Err(stale_plan(message));
    }
    if saved.workspace_fingerprint != workspace_digest {
        return Err(stale_plan("this plan was made for another endpoint or workspace"));
    }
    if saved.plan.is_blocked() {
        let kind = if saved.plan.conflicts.is_empty() {
            FailureKind::Guard
        } else {
            FailureKind::Conflict
        };
        let help = "run `segctl show FILE` for details, fix the problem, and plan again";
        return Err(Failure::new(kind, blocked_message(document)).with_help(help));
    }
    Ok(())
}

fn stale_plan(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Stale, message).with_help("create a new plan with `segctl plan --out FILE`")
}

/// `the plan has 1 conflict and 1 guard violation`
fn blocked_message(document: &PlanDocument) -> String {
    format!("the plan has {}", text::blocked(document).unwrap_or_default())
}

fn no_terminal_failure() -> Failure {
    let message = "approval required, but standard input is not a terminal; no changes were made";
    Failure::new(FailureKind::Usage, message)
        .with_help("run `segctl plan` first, then apply with --auto-approve")
}
