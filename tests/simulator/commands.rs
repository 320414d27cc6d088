//! The steps of a run, in the order of the command line: read, plan, print the plan, and apply it or save it.
//! A run can also apply a saved plan.

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
use segctl::render::text::{self, TextOptions};
use segctl::state::State;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

/// The workspace that the saved plan is for.
const SERVICE_IDENTITY: &str = "service";

pub(crate) async fn plan(machine: &Machine, reconciler: &SimulatedReconciler, spec: RunSpec) -> RunExit {
    match read_and_plan(machine, reconciler, &spec).await {
        Ok((read, plan)) => {
            let saved = SavedPlan::new(
                plan,
                &read.observed,
                &read.state,
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

/// Applies a new plan or the saved one.
pub(crate) async fn apply(
    machine: &Machine,
    reconciler: &SimulatedReconciler,
    (spec, publisher): (RunSpec, SimulatedPublisher),
) -> RunExit {
    if let Some(longest) = spec.callbacks.as_ref().and_then(|callbacks| callbacks.timeout)
        && let Err(error) = reconciler.wait_for_earlier_upload_results(longest).await
    {
        return log_failure(&machine.recorder, error);
    }
    let prepared = match &spec.task {
        Task::ApplyFile(text) => recheck_saved_plan(machine, reconciler, (&spec, text)).await,
        Task::Plan | Task::Apply => read_and_plan(machine, reconciler, &spec)
            .await
            .map(|(read, plan)| PreparedRun {
                plan,
                state: read.state,
                recovered_writes: read.recovered_writes,
                saved_digest: None,
                fetched_before: read.fetched,
            }),
    };
    match prepared {
        Ok(prepared) => execute(machine, reconciler, (spec, prepared, publisher)).await,
        Err(end) => end,
    }
}

struct PreparedRun {
    plan: Plan,
    state: State,
    recovered_writes: bool,
    saved_digest: Option<String>,
    fetched_before: BTreeMap<SegmentId, segctl::api::FetchedSegment>,
}

fn log_failure(recorder: &Recorder, error: impl Display) -> RunExit {
    let message = error.to_string();
    recorder.require_key_hidden("an error", &message);
    recorder.log_event("plan", 19, || format!("ends: {message}"));
    RunExit::Failed
}

fn log_stale(recorder: &Recorder, reason: &str) -> RunExit {
    recorder.log_event("plan", 29, || format!("is stale: {reason}"));
    RunExit::Stale
}

async fn read_and_plan(
    machine: &Machine,
    reconciler: &SimulatedReconciler,
    spec: &RunSpec,
) -> Result<(LoadedWorkspace, Plan), RunExit> {
    let recorder = &machine.recorder;
    let request = PlanRequest {
        workspace: "w".to_owned(),
        endpoint: String::new(),
        declared: spec.declared.clone(),
        directory: people::lists_directory().to_owned(),
        policy: spec.policy.clone(),
        overrides: spec.overrides,
        selection: Selection::default(),
        refresh: spec.refresh,
    };
    let read = reconciler.load_workspace(request).await;
    let mut read = read.map_err(|error| log_failure(recorder, error))?;
    let plan = reconciler.plan(&mut read).await;
    let plan = plan.map_err(|error| log_failure(recorder, error))?;
    log_plan(recorder, &plan);
    if !plan.is_blocked() {
        return Ok((read, plan));
    }
    let blocking = [plan.conflicts, plan.guard_violations].concat();
    Err(RunExit::Blocked(blocking))
}

/// Checks whether a saved plan can still be applied.
async fn recheck_saved_plan(
    machine: &Machine,
    reconciler: &SimulatedReconciler,
    (spec, text): (&RunSpec, &str),
) -> Result<PreparedRun, RunExit> {
    let recorder = &machine.recorder;
    let saved = SavedPlan::from_text(text).map_err(|error| log_failure(recorder, error))?;
    let state = reconciler.load_state().await;
    let (mut state, has_upload_results) = state.map_err(|error| log_failure(recorder, error))?;
    let digest = saved.digest();
    if state.applied_plans().iter().any(|plan| plan.digest == digest) {
        return Err(log_stale(recorder, "it was applied before"));
    }
    let recheck = reconciler.recheck(&saved, &mut state, &spec.policy).await;
    let recheck = recheck.map_err(|error| log_failure(recorder, error))?;
    if !recheck.differences.is_empty() {
        return Err(log_stale(recorder, &recheck.differences.join("; ")));
    }
    Ok(PreparedRun {
        plan: saved.plan,
        state,
        recovered_writes: recheck.recovered_writes || has_upload_results,
        saved_digest: Some(digest),
        fetched_before: recheck.fetched,
    })
}

async fn execute(
    machine: &Machine,
    reconciler: &SimulatedReconciler,
    (spec, prepared, publisher): (RunSpec, PreparedRun, SimulatedPublisher),
) -> RunExit {
    let PreparedRun {
        mut plan, mut state, ..
    } = prepared;
    let rechecked = prepared.fetched_before.keys().cloned().collect();
    let changes = machine.workspace.lock().unwrap().ground_truth.changes.len();
    let has_disk_faults = machine.disk.lock().unwrap().has_faults();
    let checker = RunChecker::new(&plan, (rechecked, changes), has_disk_faults);
    machine
        .workspace
        .lock()
        .unwrap()
        .run_checkers
        .insert(spec.number, checker);
    (spec.after_plan)();
    if machine.recorder.has_bug(Bug::DependenciesIgnored) {
        plan.steps.iter_mut().for_each(|step| step.depends_on.clear());
    }
    if machine.recorder.has_bug(Bug::StateLost) {
        state = State::default();
    }
    let options = segctl::apply::ApplyOptions {
        run_id: machine.recorder.run_name(spec.number),
        api_behavior: spec.policy.api_behavior,
        adoption: spec.policy.adoption,
        saved_plan_digest: prepared.saved_digest,
        recovered_writes: prepared.recovered_writes,
        config_directory: people::lists_directory().to_owned(),
        publisher: Some(Arc::new(publisher)),
        callbacks: spec.callbacks.clone(),
        parallelism: spec.parallelism,
        cancel_token: spec.cancel.1.clone(),
    };
    let on_event = step_event_listener(machine, spec.number);
    let fetched = prepared.fetched_before;
    let result = reconciler
        .apply(&plan, state, &spec.policy, fetched, options, &on_event)
        .await;
    log_result(&machine.recorder, &result.report, result.abort_reason.as_ref());
    RunExit::Applied {
        steps: plan.steps.len(),
        status: run_status(&machine.recorder, &result),
        failures: failure_messages(&result.report),
    }
}

fn log_plan(recorder: &Recorder, plan: &Plan) {
    let document = PlanDocument::new(plan);
    recorder.require_key_hidden(
        "a plan",
        &text::plan(&document, TextOptions::default(), &jiff::tz::TimeZone::UTC),
    );
    recorder.log_event("plan", plan.steps.len() as u64, || {
        let steps = plan.steps.iter().map(|step| {
            let (action, name) = (step.action.as_str(), &step.segment);
            format!(
                "\n    {} {action} `{name}` after {:?}",
                step.number, step.depends_on
            )
        });
        let steps: String = steps.collect();
        format!(
            "{} steps{steps}\n    conflicts {:?}\n    violations {:?}",
            plan.steps.len(),
            plan.conflicts,
            plan.guard_violations
        )
    });
}

fn log_result(recorder: &Recorder, report: &RunReport, abort_reason: Option<&AbortReason>) {
    for entry in &report.steps {
        recorder.require_key_hidden("a run report", &format!("{entry:?}"));
    }
    recorder.require_key_hidden("the abort reason", &format!("{abort_reason:?}"));
    recorder.log_event("plan", report.steps.len() as u64, || {
        format!("ends: {:?}, {abort_reason:?}", report.counts())
    });
}

fn run_status(recorder: &Recorder, result: &RunResult) -> RunStatus {
    match result.status() {
        RunStatus::Partial if recorder.has_bug(Bug::PartialReportedAsComplete) => RunStatus::Complete,
        RunStatus::Partial if recorder.has_bug(Bug::WritesNotReported) => RunStatus::StateWriteFailed,
        status => status,
    }
}

fn failure_messages(report: &RunReport) -> Vec<String> {
    let outcomes = report.steps.iter().map(|entry| &entry.outcome);
    let messages = outcomes.filter_map(|outcome| match outcome {
        StepOutcome::Failed { message } => Some(message.clone()),
        // MoEngage dropped the cohort because its name is in use. No run can change that.
        StepOutcome::Unknown { message } => {
            Some(message.clone()).filter(|message| message.contains(COHORT_DROPPED_MESSAGE))
        }
        _ => None,
    });
    messages.collect()
}
