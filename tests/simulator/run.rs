//! One run of segctl as a process: on a machine and over a network that fail, alone with its ledger when it changes
//! anything.

use super::commands;
use super::disk::{MachineDisk, SimulatedFileSystem};
use super::executor::{ClockOffset, Process, ProcessClock, ProcessLifetime, Timeline};
use super::injected_bugs::Bug;
use super::lock::LockFile;
use super::network::SimulatedTransport;
use super::publisher::{PublishedFiles, SimulatedPublisher};
use super::random::Random;
use super::recorder::Recorder;
use super::store::{CheckedStore, PossibleStates};
use super::workspace::SimulatedWorkspace;
use jiff::SignedDuration;
use segctl::api::{CancelHandle, CancelToken, Client, Clock, WaitNotice, WaitReason};
use segctl::apply::{CallbackOptions, RunStatus};
use segctl::model::{DeclaredSegment, Policy};
use segctl::observe::Refresh;
use segctl::plan::guards::Overrides;
use segctl::rate_limit::RateLimits;
use segctl::reconcile::{Reconciler, SharedCallLog};
use segctl::state::{DirectoryStore, Lock, LockHolder, StateStore};
use segctl::state::{HeldLock, LockOptions};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// A machine with a workspace at the other end.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) timeline: Timeline,
    pub(crate) recorder: Recorder,
    pub(crate) workspace: Arc<Mutex<SimulatedWorkspace>>,
    pub(crate) disk: Arc<Mutex<MachineDisk>>,
    pub(crate) possible_states: PossibleStates,
    pub(crate) lock: LockFile,
    pub(crate) published_files: PublishedFiles,
    pub(crate) limits: RateLimits,
    pub(crate) clock_offset: ClockOffset,
    /// The processes that did not end by themselves, and those that run.
    pub(crate) lifetimes: Arc<Mutex<BTreeMap<u32, Arc<ProcessLifetime>>>>,
}

/// What a run is for.
pub(crate) enum Task {
    /// It plans and applies.
    Apply,
    /// It plans, and the plan is saved.
    Plan,
    /// It applies a saved plan.
    ApplyFile(String),
}

/// What a run is to do.
pub(crate) struct RunSpec {
    pub(crate) number: usize,
    pub(crate) task: Task,
    pub(crate) declared: Vec<DeclaredSegment>,
    pub(crate) policy: Policy,
    pub(crate) refresh: Refresh,
    pub(crate) overrides: Overrides,
    pub(crate) parallelism: usize,
    /// The point at which it is ended.
    pub(crate) crashes_at: Option<u64>,
    /// From when to when it stands still.
    pub(crate) paused_during: Option<(i64, i64)>,
    /// What somebody else does between the plan and its application, and later.
    pub(crate) after_plan: Box<dyn FnOnce() + Send + Sync>,
    pub(crate) cancel: (CancelHandle, CancelToken),
    pub(crate) retry_seed: u64,
    /// For how long somebody else's lock is waited for.
    pub(crate) lock_timeout: SignedDuration,
    /// Whether its machine tells processes apart.
    pub(crate) identifies_process: bool,
    /// How it hears what becomes of lists.
    pub(crate) callbacks: Option<CallbackOptions>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum RunExit {
    /// There is no plan.
    Failed,
    /// The plan was saved; its text.
    Planned(String),
    /// The saved plan is not applied: it was already, or the workspace is not as it saw it.
    Stale,
    /// The plan must not be applied.
    Blocked(Vec<String>),
    /// It was applied, or what of it could be.
    Applied {
        steps: usize,
        /// What it came to.
        status: RunStatus,
        /// Why steps failed.
        failures: Vec<String>,
    },
}

pub(crate) type SimulatedReconciler = Reconciler<SimulatedTransport, ProcessClock, CheckedStore>;

/// A process that does what is ordered.
pub(crate) fn process(machine: &Machine, order: RunSpec) -> Process<RunExit> {
    let life = ProcessLifetime::crashing_at(order.crashes_at);
    let stands_still = order.paused_during;
    let machine = machine.clone();
    let of_process = Arc::clone(&life);
    Process {
        future: Box::pin(async move { run(machine, order, of_process).await }),
        lifetime: life,
        paused_during: stands_still,
    }
}

async fn run(machine: Machine, order: RunSpec, life: Arc<ProcessLifetime>) -> RunExit {
    let id = u32::try_from(order.number).unwrap();
    machine.lifetimes.lock().unwrap().insert(id, Arc::clone(&life));
    let began = machine.timeline.now();
    machine
        .workspace
        .lock()
        .unwrap()
        .run_started_at
        .insert(order.number, began);
    let session = reconciler(&machine, &order, &life);
    let oldest = session.clock.now().saturating_sub(machine.limits.longest_span());
    drop(session.store.prune_requests(oldest.unwrap_or_default()).await);
    let end = match order.task {
        Task::Plan => commands::plan(&machine, &session, order).await,
        Task::Apply | Task::ApplyFile(_) => run_with_lock(&machine, &session, (order, life)).await,
    };
    session.client.flush_request_log().await;
    machine.lifetimes.lock().unwrap().remove(&id);
    end
}

/// Plans and applies while nobody else changes the ledger.
async fn run_with_lock(
    machine: &Machine,
    session: &SimulatedReconciler,
    (order, life): (RunSpec, Arc<ProcessLifetime>),
) -> RunExit {
    let clock = ProcessClock {
        announced_waits: None,
        ..session.clock.clone()
    };
    let lives = Arc::clone(&machine.lifetimes);
    let is_gone = move |process: &segctl::state::ProcessIdentity| {
        let lives = lives.lock().unwrap();
        lives.get(&process.id).is_none_or(|life| life.has_ended())
    };
    let claim = LockOptions {
        lock: Lock::acquired(
            &format!("run {}", order.number),
            "segctl apply",
            lock_holder(&order),
            clock.now(),
        ),
        timeout: order.lock_timeout,
        has_exited: &is_gone,
    };
    let held = match HeldLock::acquire((&session.store, &clock), claim, &session.on_note).await {
        Ok(held) => held,
        Err(error) => {
            machine
                .recorder
                .require_key_hidden("an error", &error.to_string());
            machine
                .recorder
                .log_event("plan", 23, || format!("there is no lock: {error}"));
            return RunExit::Failed;
        }
    };
    let stopper = order.cancel.0.clone();
    let shelving = SimulatedPublisher {
        published_files: machine.published_files.clone(),
        lifetime: life,
        timeline: machine.timeline.clone(),
        random: Arc::new(Mutex::new(Random::new(order.retry_seed))),
        possible_states: machine.possible_states.clone(),
        recorder: machine.recorder.clone(),
        actor: format!("segctl-{}", order.number),
    };
    let work = commands::apply(machine, session, (order, shelving));
    let end = held
        .run_while_held((&session.store, &clock), work, (&session.on_note, &stopper))
        .await;
    if let Err(error) = held.release(&session.store).await {
        (session.on_note)(format!("the ledger stays locked for a while: {error}"));
    }
    end
}

fn lock_holder(order: &RunSpec) -> LockHolder {
    let process = segctl::state::ProcessIdentity {
        machine: "machine".to_owned(),
        id: u32::try_from(order.number).unwrap(),
        started: order.number.to_string(),
    };
    LockHolder {
        user: "ada".to_owned(),
        host: "runner".to_owned(),
        process: order.identifies_process.then_some(process),
    }
}

fn reconciler(machine: &Machine, order: &RunSpec, life: &Arc<ProcessLifetime>) -> SimulatedReconciler {
    let who = format!("segctl-{}", order.number);
    let announced = Arc::new(Mutex::new(Vec::new()));
    let clock = ProcessClock {
        timeline: machine.timeline.clone(),
        clock_offset: machine.clock_offset.clone(),
        lifetime: Arc::clone(life),
        announced_waits: Some(Arc::clone(&announced)),
        recorder: machine.recorder.clone(),
    };
    let line = SimulatedTransport {
        workspace: Arc::clone(&machine.workspace),
        timeline: machine.timeline.clone(),
        lifetime: Arc::clone(life),
        recorder: machine.recorder.clone(),
        actor: who.clone(),
        run: order.number,
        possible_states: machine.possible_states.clone(),
        lock: machine.lock.clone(),
        cached_responses: Arc::default(),
    };
    let disk = SimulatedFileSystem {
        disk: Arc::clone(&machine.disk),
        lifetime: Arc::clone(life),
        recorder: machine.recorder.clone(),
        actor: who.clone(),
    };
    let (record, teller) = (machine.recorder.clone(), who.clone());
    let limits = client_limits(machine);
    let client = Client::new(line, clock.clone(), limits, order.retry_seed)
        .with_cancellation(order.cancel.1.clone())
        .with_wait_observer(move |waiting: &WaitNotice| {
            if !record.has_bug(Bug::WaitsNotAnnounced) {
                // What is waited for in parts may be there before.
                let is_in_parts = matches!(waiting.reason, WaitReason::Callback(_));
                announced.lock().unwrap().push((waiting.until, is_in_parts));
            }
            record.log_event(&teller, 11, || {
                format!("waits until {}: {:?}", waiting.until, waiting.reason)
            });
            if let WaitReason::Retry(error) | WaitReason::AmbiguousWrite(error) = &waiting.reason {
                record.require_key_hidden("a wait", &error.to_string());
            }
        });
    let store = || {
        let (workspace, run) = (Arc::clone(&machine.workspace), order.number);
        CheckedStore {
            inner: DirectoryStore::with_filesystem(disk.clone(), "ledger"),
            possible_states: machine.possible_states.clone(),
            recorder: machine.recorder.clone(),
            on_request_log_failure: Box::new(move || {
                workspace.lock().unwrap().counted_requests.mark_disconnected(run)
            }),
            has_saved_state: AtomicBool::new(false),
        }
    };
    let on_note = || {
        let (record, who) = (machine.recorder.clone(), who.clone());
        Box::new(move |note: String| {
            record.log_event(&who, 13, || format!("notes: {note}"));
            record.require_key_hidden("a note", &note);
        })
    };
    Reconciler {
        client: if machine.recorder.has_bug(Bug::RequestLogNotShared) {
            client
        } else {
            client.with_request_log(SharedCallLog::new(store(), on_note()))
        },
        clock,
        store: store(),
        on_note: on_note(),
    }
}

/// The limits that a run keeps.
fn client_limits(machine: &Machine) -> RateLimits {
    if machine.recorder.has_bug(Bug::RateLimitsIgnored) {
        return RateLimits::default();
    }
    let mut limits = machine.limits.clone();
    if machine.recorder.has_bug(Bug::LongWindowsIgnored) {
        for class in machine.limits.classes() {
            let windows = machine.limits.windows(class).iter();
            let short = windows.filter(|window| window.span() < SignedDuration::from_hours(1));
            limits.set(class, short.copied().collect());
        }
    }
    limits
}
