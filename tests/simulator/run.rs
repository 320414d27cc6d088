//! One run of segctl as a process, on a machine and over a network that fail. It holds the state lock while it applies.

use super::commands;
use super::disk::{MachineDisk, SimulatedFileSystem};
use super::executor::{ClockOffset, Process, ProcessClock, ProcessLifetime, Timeline};
use super::injected_bugs::Bug;
use super::lock::LockFile;
use super::network::SimulatedTransport;
use super::publisher::{PublishedFiles, SimulatedPublisher};
use super::random::Random;
use super::recorder::Recorder;
use super::store::{CheckedStorage, PossibleStates, RunAccess};
use super::workspace::SimulatedWorkspace;
use jiff::SignedDuration;
use segctl::api::{CancelHandle, CancelToken, Client, Clock, WaitNotice, WaitReason};
use segctl::apply::{CallbackOptions, RunStatus};
use segctl::model::{DeclaredSegment, Policy};
use segctl::observe::Refresh;
use segctl::plan::guards::Overrides;
use segctl::plan::step::Finding;
use segctl::rate_limit::RateLimits;
use segctl::reconcile::{Reconciler, SharedRequestLog};
use segctl::state::{HeldLock, Lock, LockHolder, LockOptions, StateStore};
use segctl::storage::DirectoryStorage;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

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
    /// The processes that run, and those that crashed.
    pub(crate) lifetimes: Arc<Mutex<BTreeMap<u32, Arc<ProcessLifetime>>>>,
}

pub(crate) enum Task {
    /// Plans and applies.
    Apply,
    /// Plans and saves the plan.
    Plan,
    /// Applies the saved plan with this text.
    ApplyFile(String),
}

pub(crate) struct RunSpec {
    pub(crate) number: usize,
    pub(crate) task: Task,
    pub(crate) declared: Vec<DeclaredSegment>,
    pub(crate) policy: Policy,
    pub(crate) refresh: Refresh,
    pub(crate) overrides: Overrides,
    pub(crate) parallelism: usize,
    /// The number of the crash point at which the process crashes.
    pub(crate) crashes_at: Option<u64>,
    /// The start and the end of a pause of the process.
    pub(crate) paused_during: Option<(i64, i64)>,
    /// Dashboard edits between plan and apply, and later.
    pub(crate) after_plan: Box<dyn FnOnce() + Send + Sync>,
    pub(crate) cancel: (CancelHandle, CancelToken),
    pub(crate) retry_seed: u64,
    pub(crate) lock_timeout: SignedDuration,
    /// Whether the lock names the process.
    pub(crate) identifies_process: bool,
    pub(crate) callbacks: Option<CallbackOptions>,
}

#[derive(Debug)]
pub(crate) enum RunExit {
    /// The run ended without a plan.
    Failed,
    /// The text of the saved plan.
    Planned(String),
    /// The saved plan was applied before, or the workspace changed since.
    Stale,
    /// The conflicts and guard violations of the plan.
    Blocked(Vec<Finding>),
    /// The plan was applied, completely or in part.
    Applied {
        steps: usize,
        status: RunStatus,
        failures: Vec<String>,
    },
}

pub(crate) type SimulatedReconciler = Reconciler<SimulatedTransport, ProcessClock>;

pub(crate) fn process(machine: &Machine, spec: RunSpec) -> Process<RunExit> {
    let lifetime = ProcessLifetime::crashing_at(spec.crashes_at);
    let paused_during = spec.paused_during;
    let machine = machine.clone();
    let lifetime_of_run = Arc::clone(&lifetime);
    Process {
        future: Box::pin(async move { run(machine, spec, lifetime_of_run).await }),
        lifetime,
        paused_during,
    }
}

async fn run(machine: Machine, spec: RunSpec, lifetime: Arc<ProcessLifetime>) -> RunExit {
    let id = u32::try_from(spec.number).unwrap();
    machine
        .lifetimes
        .lock()
        .unwrap()
        .insert(id, Arc::clone(&lifetime));
    let started_at = machine.timeline.now();
    machine
        .workspace
        .lock()
        .unwrap()
        .run_started_at
        .insert(spec.number, started_at);
    let reconciler = reconciler(&machine, &spec, &lifetime);
    let oldest = reconciler
        .clock
        .now()
        .saturating_sub(machine.limits.longest_span());
    drop(reconciler.store.prune_requests(oldest.unwrap_or_default()).await);
    let end = match spec.task {
        Task::Plan => {
            require_possible_state(&machine, (spec.number, &lifetime)).await;
            commands::plan(&machine, &reconciler, spec).await
        }
        Task::Apply | Task::ApplyFile(_) => run_with_lock(&machine, &reconciler, spec, lifetime).await,
    };
    reconciler.client.flush_request_log().await;
    machine.lifetimes.lock().unwrap().remove(&id);
    end
}

/// Plans and applies while it holds the state lock.
async fn run_with_lock(
    machine: &Machine,
    reconciler: &SimulatedReconciler,
    spec: RunSpec,
    lifetime: Arc<ProcessLifetime>,
) -> RunExit {
    let clock = ProcessClock {
        announced_waits: None,
        ..reconciler.clock.clone()
    };
    let lifetimes = Arc::clone(&machine.lifetimes);
    let has_exited = move |process: &segctl::state::ProcessIdentity| {
        let lifetimes = lifetimes.lock().unwrap();
        lifetimes
            .get(&process.id)
            .is_none_or(|lifetime| lifetime.has_ended())
    };
    let options = LockOptions {
        lock: Lock::acquired(
            &format!("run {}", spec.number),
            "segctl apply",
            lock_holder(&spec),
            clock.now(),
        ),
        timeout: spec.lock_timeout,
        has_exited: &has_exited,
    };
    let held = match HeldLock::acquire(&reconciler.store, &clock, options, &reconciler.on_note).await {
        Ok(held) => held,
        Err(error) => {
            machine
                .recorder
                .require_key_hidden("an error", &error.to_string());
            machine
                .recorder
                .log_event("plan", 23, || format!("cannot acquire the lock: {error}"));
            return RunExit::Failed;
        }
    };
    require_possible_state(machine, (spec.number, &lifetime)).await;
    let cancel_handle = spec.cancel.0.clone();
    let publisher = SimulatedPublisher {
        published_files: machine.published_files.clone(),
        lifetime,
        timeline: machine.timeline.clone(),
        random: Arc::new(Mutex::new(Random::new(spec.retry_seed))),
        possible_states: machine.possible_states.clone(),
        recorder: machine.recorder.clone(),
        actor: format!("segctl-{}", spec.number),
    };
    let run = commands::apply(machine, reconciler, (spec, publisher));
    let end = held
        .run_while_held(run, &reconciler.on_note, &cancel_handle)
        .await;
    if let Err(error) = held.release().await {
        (reconciler.on_note)(format!(
            "the lock was not released and stays until it expires: {error}"
        ));
    }
    end
}

fn lock_holder(spec: &RunSpec) -> LockHolder {
    let process = segctl::state::ProcessIdentity {
        machine: "machine".to_owned(),
        id: u32::try_from(spec.number).unwrap(),
        started: spec.number.to_string(),
    };
    LockHolder {
        user: "ada".to_owned(),
        host: "runner".to_owned(),
        process: spec.identifies_process.then_some(process),
    }
}

fn reconciler(machine: &Machine, spec: &RunSpec, lifetime: &Arc<ProcessLifetime>) -> SimulatedReconciler {
    let actor = format!("segctl-{}", spec.number);
    let announced_waits = Arc::new(Mutex::new(Vec::new()));
    let clock = ProcessClock {
        timeline: machine.timeline.clone(),
        clock_offset: machine.clock_offset.clone(),
        lifetime: Arc::clone(lifetime),
        announced_waits: Some(Arc::clone(&announced_waits)),
        recorder: machine.recorder.clone(),
    };
    let transport = SimulatedTransport {
        workspace: Arc::clone(&machine.workspace),
        timeline: machine.timeline.clone(),
        lifetime: Arc::clone(lifetime),
        recorder: machine.recorder.clone(),
        actor: actor.clone(),
        run: spec.number,
        possible_states: machine.possible_states.clone(),
        lock: machine.lock.clone(),
        cached_responses: Arc::default(),
    };
    let (recorder, observer) = (machine.recorder.clone(), actor.clone());
    let limits = client_limits(machine);
    let client = Client::new(transport, clock.clone(), limits, spec.retry_seed)
        .with_cancellation(spec.cancel.1.clone())
        .with_file_content_type(spec.policy.api_behavior.file_request_content_type)
        .with_wait_observer(move |notice: &WaitNotice| {
            if !recorder.has_bug(Bug::WaitsNotAnnounced) {
                // A wait for a callback may end before its announced time.
                let may_end_early = matches!(notice.reason, WaitReason::Callback(_));
                announced_waits
                    .lock()
                    .unwrap()
                    .push((notice.until, may_end_early));
            }
            recorder.log_event(&observer, 11, || {
                format!("waits until {}: {:?}", notice.until, notice.reason)
            });
            if let WaitReason::Retry(error) | WaitReason::AmbiguousWrite(error) = &notice.reason {
                recorder.require_key_hidden("a wait", &error.to_string());
            }
        });
    let store = || {
        let (workspace, run) = (Arc::clone(&machine.workspace), spec.number);
        StateStore::new(CheckedStorage {
            inner: DirectoryStorage::with_filesystem(file_system(machine, spec.number, lifetime), "state"),
            possible_states: machine.possible_states.clone(),
            recorder: machine.recorder.clone(),
            run: Some(RunAccess {
                on_request_log_failure: Box::new(move || {
                    workspace.lock().unwrap().counted_requests.mark_disconnected(run)
                }),
                own_lock: Mutex::new(None),
            }),
        })
    };
    let on_note = || {
        let (recorder, actor) = (machine.recorder.clone(), actor.clone());
        Box::new(move |note: String| {
            recorder.log_event(&actor, 13, || format!("notes: {note}"));
            recorder.require_key_hidden("a note", &note);
        })
    };
    Reconciler {
        client: if machine.recorder.has_bug(Bug::RequestLogNotShared) {
            client
        } else {
            client.with_request_log(SharedRequestLog::new(store(), on_note()))
        },
        clock,
        store: store(),
        on_note: on_note(),
    }
}

async fn require_possible_state(machine: &Machine, (run, lifetime): (usize, &Arc<ProcessLifetime>)) {
    let disk = file_system(machine, run, lifetime);
    machine
        .possible_states
        .require_loaded(&disk, &machine.recorder)
        .await;
}

fn file_system(machine: &Machine, run: usize, lifetime: &Arc<ProcessLifetime>) -> SimulatedFileSystem {
    SimulatedFileSystem {
        disk: Arc::clone(&machine.disk),
        lifetime: Arc::clone(lifetime),
        recorder: machine.recorder.clone(),
        actor: format!("segctl-{run}"),
    }
}

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
