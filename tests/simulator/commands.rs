//! What a run does, as the command line does it: it reads, plans, shows the plan, and applies or saves it; or it applies
//! what was saved.

use super::injected_bugs::Bug;
use super::people;
use super::publisher::SimulatedPublisher;
use super::recorder::Recorder;
use super::run::{Machine, RunExit, RunSpec, SimulatedReconciler, Task};
use super::run_checker::{COHORT_DROPPED_MESSAGE, RunChecker, step_event_listener};
use segctl::apply::run_report::{RunReport, StepOutcome};
use segctl::apply::{AbortReason, RunResult, RunStatus};
use segctl::model::SegmentId;
use segctl::plan::saved::SavedPlan;
use segctl::plan::step::Plan;
use segctl::plan::targeting::Selection;
use segctl::reconcile::{LoadedWorkspace, PlanRequest};
use segctl::render::json::PlanDocument;
use segctl::render::text;
use segctl::state::State;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

/// What the plan is for, so that it is not applied elsewhere.
const SERVICE_IDENTITY: &str = "service";

/// Plans, and saves the plan.
pub(crate) async fn plan(machine: &Machine, session: &SimulatedReconciler, order: RunSpec) -> RunExit {
    match read_and_plan(machine, session, &order).await {
        Ok((read, plan)) => {
            let saved = SavedPlan::new(
                plan,
                (&read.observed, &read.state),
                SERVICE_IDENTITY.to_owned(),
                read.now,
            );
            let text = saved.to_text();
            machine.recorder.require_key_hidden("a saved plan", &text);
            RunExit::Planned(text)
        }
        Err(end) => end,
    }
}

/// Applies: what it plans, or what was saved.
pub(crate) async fn apply(
    machine: &Machine,
    session: &SimulatedReconciler,
    (order, shelving): (RunSpec, SimulatedPublisher),
) -> RunExit {
    if let Some(longest) = order.callbacks.as_ref().and_then(|callbacks| callbacks.timeout)
        && let Err(error) = session.wait_for_earlier_upload_results(longest).await
    {
        return log_failure(&machine.recorder, error);
    }
    let prepared = match &order.task {
        Task::ApplyFile(text) => recheck_saved_plan(machine, session, (&order, text)).await,
        Task::Plan | Task::Apply => {
            read_and_plan(machine, session, &order)
                .await
                .map(|(read, plan)| PreparedRun {
                    plan,
                    ledger: read.state,
                    recovered_writes: read.recovered_writes,
                    saved_digest: None,
                    fetched_before: BTreeMap::new(),
                })
        }
    };
    match prepared {
        Ok(prepared) => execute(machine, session, (order, prepared, shelving)).await,
        Err(end) => end,
    }
}

/// A plan, and all that applying it takes.
struct PreparedRun {
    plan: Plan,
    ledger: State,
    recovered_writes: bool,
    saved_digest: Option<String>,
    fetched_before: BTreeMap<SegmentId, segctl::api::FetchedSegment>,
}

fn log_failure(record: &Recorder, error: impl Display) -> RunExit {
    let message = error.to_string();
    record.require_key_hidden("an error", &message);
    record.log_event("plan", 19, || format!("ends: {message}"));
    RunExit::Failed
}

fn log_stale(record: &Recorder, why: &str) -> RunExit {
    record.log_event("plan", 29, || format!("is stale: {why}"));
    RunExit::Stale
}

async fn read_and_plan(
    machine: &Machine,
    session: &SimulatedReconciler,
    order: &RunSpec,
) -> Result<(LoadedWorkspace, Plan), RunExit> {
    let record = &machine.recorder;
    let aim = PlanRequest {
        workspace: "w".to_owned(),
        declared: order.declared.clone(),
        directory: people::lists_directory().to_owned(),
        policy: order.policy.clone(),
        allowances: order.overrides,
        selection: Selection::default(),
        refresh: order.refresh,
    };
    let read = session.load_workspace(aim).await;
    let mut read = read.map_err(|error| log_failure(record, error))?;
    let plan = session.plan(&mut read).await;
    let plan = plan.map_err(|error| log_failure(record, error))?;
    log_plan(record, &plan);
    if !plan.is_blocked() {
        return Ok((read, plan));
    }
    let conflicts = plan.conflicts.iter().map(|conflict| format!("{conflict:?}"));
    let refusals = plan.guard_violations.iter().map(|refusal| format!("{refusal:?}"));
    Err(RunExit::Blocked(conflicts.chain(refusals).collect()))
}

/// Looks whether a saved plan can still be applied.
async fn recheck_saved_plan(
    machine: &Machine,
    session: &SimulatedReconciler,
    (order, text): (&RunSpec, &str),
) -> Result<PreparedRun, RunExit> {
    let record = &machine.recorder;
    let saved = SavedPlan::from_text(text).map_err(|error| log_failure(record, error))?;
    let ledger = session.load_state().await;
    let (mut ledger, has_heard) = ledger.map_err(|error| log_failure(record, error))?;
    let digest = saved.digest();
    if ledger.applied_plans().iter().any(|plan| plan.digest == digest) {
        return Err(log_stale(record, "it was applied already"));
    }
    let looked = session.recheck(&saved, (&mut ledger, &order.policy)).await;
    let looked = looked.map_err(|error| log_failure(record, error))?;
    if !looked.differences.is_empty() {
        return Err(log_stale(record, &looked.differences.join("; ")));
    }
    Ok(PreparedRun {
        plan: saved.plan,
        ledger,
        recovered_writes: looked.recovered_writes || has_heard,
        saved_digest: Some(digest),
        fetched_before: looked.fetched,
    })
}

async fn execute(
    machine: &Machine,
    session: &SimulatedReconciler,
    (order, prepared, shelving): (RunSpec, PreparedRun, SimulatedPublisher),
) -> RunExit {
    let PreparedRun {
        mut plan, mut ledger, ..
    } = prepared;
    let is_saved = prepared.saved_digest.is_some();
    let changes = machine.workspace.lock().unwrap().ground_truth.changes.len();
    let is_troubled = machine.disk.lock().unwrap().has_faults();
    let witness = RunChecker::new(&plan, (is_saved, changes), is_troubled);
    machine
        .workspace
        .lock()
        .unwrap()
        .run_checkers
        .insert(order.number, witness);
    (order.after_plan)();
    if machine.recorder.has_bug(Bug::DependenciesIgnored) {
        plan.steps.iter_mut().for_each(|step| step.depends_on.clear());
    }
    if machine.recorder.has_bug(Bug::StateLost) {
        ledger = State::default();
    }
    let settings = segctl::apply::ApplyOptions {
        run_id: machine.recorder.run_name(order.number),
        api_behavior: order.policy.api_behavior,
        adoption: order.policy.adoption,
        saved_plan_digest: prepared.saved_digest,
        recovered_writes: prepared.recovered_writes,
        config_directory: people::lists_directory().to_owned(),
        publisher: Some(Arc::new(shelving)),
        callbacks: order.callbacks.clone(),
        parallelism: order.parallelism,
        cancel_token: order.cancel.1.clone(),
    };
    let told = step_event_listener(&machine.workspace, order.number);
    let what = (&plan, ledger, &order.policy);
    let done = session
        .apply(what, prepared.fetched_before, settings, &told)
        .await;
    log_result(&machine.recorder, &done.report, done.abort_reason.as_ref());
    RunExit::Applied {
        steps: plan.steps.len(),
        status: run_status(&machine.recorder, &done),
        failures: failure_messages(&done.report),
    }
}

fn log_plan(record: &Recorder, plan: &Plan) {
    let document = PlanDocument::new(plan);
    record.require_key_hidden("a plan", &text::plan(&document, false, &jiff::tz::TimeZone::UTC));
    record.log_event("plan", plan.steps.len() as u64, || {
        let steps = plan.steps.iter().map(|step| {
            let (action, name) = (step.action.as_str(), &step.segment);
            format!(
                "\n    {} {action} `{name}` after {:?}",
                step.number, step.depends_on
            )
        });
        let steps: String = steps.collect();
        format!(
            "{} steps{steps}\n    conflicts {:?}\n    refusals {:?}",
            plan.steps.len(),
            plan.conflicts,
            plan.guard_violations
        )
    });
}

fn log_result(record: &Recorder, receipt: &RunReport, stop: Option<&AbortReason>) {
    for entry in &receipt.steps {
        record.require_key_hidden("a receipt", &format!("{entry:?}"));
    }
    record.require_key_hidden("the end", &format!("{stop:?}"));
    record.log_event("plan", receipt.steps.len() as u64, || {
        format!("ends: {:?}, {stop:?}", receipt.counts())
    });
}

/// What a run says that it comes to.
fn run_status(record: &Recorder, ended: &RunResult) -> RunStatus {
    match ended.status() {
        RunStatus::Partial if record.has_bug(Bug::PartialReportedAsComplete) => RunStatus::Complete,
        RunStatus::Partial if record.has_bug(Bug::WritesNotReported) => RunStatus::StateWriteFailed,
        verdict => verdict,
    }
}

fn failure_messages(receipt: &RunReport) -> Vec<String> {
    let outcomes = receipt.steps.iter().map(|entry| &entry.outcome);
    let messages = outcomes.filter_map(|outcome| match outcome {
        StepOutcome::Failed { message } => Some(message.clone()),
        // That nobody is shown to have a name is no failure, and no run changes it.
        StepOutcome::Unknown { message } => {
            Some(message.clone()).filter(|message| message.contains(COHORT_DROPPED_MESSAGE))
        }
        _ => None,
    });
    messages.collect()
}
