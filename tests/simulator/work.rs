//! What a run does, as the command line does it: it reads, plans, shows the plan, and applies or saves it; or it applies
//! what was saved.

use super::members;
use super::planted::Bug;
use super::publisher::Shelving;
use super::record::Record;
use super::run::{End, Machine, Order, Running, Task};
use super::witness::{DROPPED, Witness, listener};
use segctl::apply::receipt::{StepOutcome, RunReport};
use segctl::apply::{RunResult, AbortReason, RunStatus};
use segctl::ledger::State;
use segctl::model::SegmentId;
use segctl::plan::saved::SavedPlan;
use segctl::plan::selection::Selection;
use segctl::plan::step::Plan;
use segctl::render::document::PlanDocument;
use segctl::render::text;
use segctl::session::{PlanRequest, LoadedWorkspace};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

/// What the plan is for, so that it is not applied elsewhere.
const SERVICE: &str = "service";

/// Plans, and saves the plan.
pub(crate) async fn plan(machine: &Machine, session: &Running, order: Order) -> End {
    match read_and_plan(machine, session, &order).await {
        Ok((read, plan)) => {
            let saved = SavedPlan::new(plan, (&read.observed, &read.state), SERVICE.to_owned(), read.now);
            let text = saved.to_text();
            machine.record.shown("a saved plan", &text);
            End::Planned(text)
        }
        Err(end) => end,
    }
}

/// Applies: what it plans, or what was saved.
pub(crate) async fn apply(machine: &Machine, session: &Running, (order, shelving): (Order, Shelving)) -> End {
    if let Some(longest) = order.callbacks.as_ref().and_then(|callbacks| callbacks.timeout)
        && let Err(error) = session.wait_for_earlier_upload_results(longest).await
    {
        return failed(&machine.record, error);
    }
    let prepared = match &order.task {
        Task::ApplyFile(text) => check(machine, session, (&order, text)).await,
        Task::Plan | Task::Apply => {
            read_and_plan(machine, session, &order)
                .await
                .map(|(read, plan)| Prepared {
                    plan,
                    ledger: read.state,
                    has_settled: read.recovered_writes,
                    saved: None,
                    read_before: BTreeMap::new(),
                })
        }
    };
    match prepared {
        Ok(prepared) => execute(machine, session, (order, prepared, shelving)).await,
        Err(end) => end,
    }
}

/// A plan, and all that applying it takes.
struct Prepared {
    plan: Plan,
    ledger: State,
    has_settled: bool,
    saved: Option<String>,
    read_before: BTreeMap<SegmentId, segctl::api::FetchedSegment>,
}

fn failed(record: &Record, error: impl Display) -> End {
    let message = error.to_string();
    record.shown("an error", &message);
    record.note("plan", 19, || format!("ends: {message}"));
    End::Failed
}

fn stale(record: &Record, why: &str) -> End {
    record.note("plan", 29, || format!("is stale: {why}"));
    End::Stale
}

async fn read_and_plan(machine: &Machine, session: &Running, order: &Order) -> Result<(LoadedWorkspace, Plan), End> {
    let record = &machine.record;
    let aim = PlanRequest {
        workspace: "w".to_owned(),
        declared: order.declared.clone(),
        directory: members::folder().to_owned(),
        policy: order.policy.clone(),
        allowances: order.allowances,
        selection: Selection::default(),
        refresh: order.refresh,
    };
    let read = session.load_workspace(aim).await;
    let mut read = read.map_err(|error| failed(record, error))?;
    let plan = session.plan(&mut read).await;
    let plan = plan.map_err(|error| failed(record, error))?;
    show(record, &plan);
    if !plan.is_blocked() {
        return Ok((read, plan));
    }
    let conflicts = plan.conflicts.iter().map(|conflict| format!("{conflict:?}"));
    let refusals = plan.guard_violations.iter().map(|refusal| format!("{refusal:?}"));
    Err(End::Forbidden(conflicts.chain(refusals).collect()))
}

/// Looks whether a saved plan can still be applied.
async fn check(machine: &Machine, session: &Running, (order, text): (&Order, &str)) -> Result<Prepared, End> {
    let record = &machine.record;
    let saved = SavedPlan::from_text(text).map_err(|error| failed(record, error))?;
    let ledger = session.load_state().await;
    let (mut ledger, has_heard) = ledger.map_err(|error| failed(record, error))?;
    let digest = saved.digest();
    if ledger.applied_plans().iter().any(|plan| plan.digest == digest) {
        return Err(stale(record, "it was applied already"));
    }
    let looked = session.recheck(&saved, (&mut ledger, &order.policy)).await;
    let looked = looked.map_err(|error| failed(record, error))?;
    if !looked.differences.is_empty() {
        return Err(stale(record, &looked.differences.join("; ")));
    }
    Ok(Prepared {
        plan: saved.plan,
        ledger,
        has_settled: looked.recovered_writes || has_heard,
        saved: Some(digest),
        read_before: looked.fetched,
    })
}

async fn execute(
    machine: &Machine,
    session: &Running,
    (order, prepared, shelving): (Order, Prepared, Shelving),
) -> End {
    let Prepared {
        mut plan, mut ledger, ..
    } = prepared;
    let is_saved = prepared.saved.is_some();
    let changes = machine.workspace.lock().unwrap().truth.changes.len();
    let is_troubled = machine.platter.lock().unwrap().has_faults();
    let witness = Witness::new(&plan, (is_saved, changes), is_troubled);
    machine
        .workspace
        .lock()
        .unwrap()
        .witnesses
        .insert(order.number, witness);
    (order.interlude)();
    if machine.record.has(Bug::OrderIgnored) {
        plan.steps.iter_mut().for_each(|step| step.depends_on.clear());
    }
    if machine.record.has(Bug::LedgerForgotten) {
        ledger = State::default();
    }
    let settings = segctl::apply::ApplyOptions {
        run_id: machine.record.name_of_run(order.number),
        api_behavior: order.policy.api_behavior,
        adoption: order.policy.adoption,
        saved_plan_digest: prepared.saved,
        recovered_writes: prepared.has_settled,
        config_directory: members::folder().to_owned(),
        publisher: Some(Arc::new(shelving)),
        callbacks: order.callbacks.clone(),
        parallelism: order.parallelism,
        cancel_token: order.stop.1.clone(),
    };
    let told = listener(&machine.workspace, order.number);
    let what = (&plan, ledger, &order.policy);
    let done = session.apply(what, prepared.read_before, settings, &told).await;
    ended(&machine.record, &done.report, done.abort_reason.as_ref());
    End::Applied {
        steps: plan.steps.len(),
        verdict: verdict(&machine.record, &done),
        failures: failures(&done.report),
    }
}

fn show(record: &Record, plan: &Plan) {
    let document = PlanDocument::new(plan);
    record.shown("a plan", &text::plan(&document, false, &jiff::tz::TimeZone::UTC));
    record.note("plan", plan.steps.len() as u64, || {
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

fn ended(record: &Record, receipt: &RunReport, stop: Option<&AbortReason>) {
    for entry in &receipt.steps {
        record.shown("a receipt", &format!("{entry:?}"));
    }
    record.shown("the end", &format!("{stop:?}"));
    record.note("plan", receipt.steps.len() as u64, || {
        format!("ends: {:?}, {stop:?}", receipt.counts())
    });
}

/// What a run says that it comes to.
fn verdict(record: &Record, ended: &RunResult) -> RunStatus {
    match ended.status() {
        RunStatus::Partial if record.has(Bug::PartialToldAsComplete) => RunStatus::Complete,
        RunStatus::Partial if record.has(Bug::WritesDenied) => RunStatus::StateWriteFailed,
        verdict => verdict,
    }
}

fn failures(receipt: &RunReport) -> Vec<String> {
    let outcomes = receipt.steps.iter().map(|entry| &entry.outcome);
    let messages = outcomes.filter_map(|outcome| match outcome {
        StepOutcome::Failed { message } => Some(message.clone()),
        // That nobody is shown to have a name is no failure, and no run changes it.
        StepOutcome::Unknown { message } => Some(message.clone()).filter(|message| message.contains(DROPPED)),
        _ => None,
    });
    messages.collect()
}
