//! One run of segctl as a process: on a machine and over a network that fail, alone with its ledger when it changes
//! anything.

use super::disk::{Platter, SimulatedDisk};
use super::executor::{Ahead, Life, Process, ProcessClock, Timeline};
use super::lock::LockFile;
use super::network::Line;
use super::planted::Bug;
use super::publisher::{Shelf, Shelving};
use super::random::Random;
use super::record::Record;
use super::store::{Promised, Watched};
use super::work;
use super::workspace::Workspace;
use jiff::SignedDuration;
use segctl::api::{Client, Clock, RateLimits, CancelToken, CancelHandle, WaitReason, WaitNotice};
use segctl::apply::{CallbackOptions, RunStatus};
use segctl::ledger::{DirectoryStore, LockHolder, StateStore, Lock};
use segctl::model::{DeclaredSegment, Policy};
use segctl::observe::Refresh;
use segctl::plan::guard::Overrides;
use segctl::session::{LockOptions, HeldLock, Reconciler, SharedCallLog};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// A machine with a workspace at the other end.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) timeline: Timeline,
    pub(crate) record: Record,
    pub(crate) workspace: Arc<Mutex<Workspace>>,
    pub(crate) platter: Arc<Mutex<Platter>>,
    pub(crate) promised: Promised,
    pub(crate) lock: LockFile,
    pub(crate) shelf: Shelf,
    pub(crate) limits: RateLimits,
    pub(crate) ahead: Ahead,
    /// The processes that did not end by themselves, and those that run.
    pub(crate) lives: Arc<Mutex<BTreeMap<u32, Arc<Life>>>>,
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
pub(crate) struct Order {
    pub(crate) number: usize,
    pub(crate) task: Task,
    pub(crate) declared: Vec<DeclaredSegment>,
    pub(crate) policy: Policy,
    pub(crate) refresh: Refresh,
    pub(crate) allowances: Overrides,
    pub(crate) parallelism: usize,
    /// The point at which it is ended.
    pub(crate) ends_at: Option<u64>,
    /// From when to when it stands still.
    pub(crate) stands_still: Option<(i64, i64)>,
    /// What somebody else does between the plan and its application, and later.
    pub(crate) interlude: Box<dyn FnOnce() + Send + Sync>,
    pub(crate) stop: (CancelHandle, CancelToken),
    pub(crate) retry_seed: u64,
    /// For how long somebody else's lock is waited for.
    pub(crate) lock_timeout: SignedDuration,
    /// Whether its machine tells processes apart.
    pub(crate) has_process: bool,
    /// How it hears what becomes of lists.
    pub(crate) callbacks: Option<CallbackOptions>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// There is no plan.
    Failed,
    /// The plan was saved; its text.
    Planned(String),
    /// The saved plan is not applied: it was already, or the workspace is not as it saw it.
    Stale,
    /// The plan must not be applied.
    Forbidden(Vec<String>),
    /// It was applied, or what of it could be.
    Applied {
        steps: usize,
        /// What it came to.
        verdict: RunStatus,
        /// Why steps failed.
        failures: Vec<String>,
    },
}

pub(crate) type Running = Reconciler<Line, ProcessClock, Watched>;

/// A process that does what is ordered.
pub(crate) fn process(machine: &Machine, order: Order) -> Process<End> {
    let life = Life::until(order.ends_at);
    let stands_still = order.stands_still;
    let machine = machine.clone();
    let of_process = Arc::clone(&life);
    Process {
        future: Box::pin(async move { run(machine, order, of_process).await }),
        life,
        stands_still,
    }
}

async fn run(machine: Machine, order: Order, life: Arc<Life>) -> End {
    let id = u32::try_from(order.number).unwrap();
    machine.lives.lock().unwrap().insert(id, Arc::clone(&life));
    let began = machine.timeline.now();
    machine
        .workspace
        .lock()
        .unwrap()
        .began
        .insert(order.number, began);
    let session = session(&machine, &order, &life);
    let oldest = session.clock.now().saturating_sub(machine.limits.longest_span());
    drop(session.store.prune_requests(oldest.unwrap_or_default()).await);
    let end = match order.task {
        Task::Plan => work::plan(&machine, &session, order).await,
        Task::Apply | Task::ApplyFile(_) => alone(&machine, &session, (order, life)).await,
    };
    session.client.flush_request_log().await;
    machine.lives.lock().unwrap().remove(&id);
    end
}

/// Plans and applies while nobody else changes the ledger.
async fn alone(machine: &Machine, session: &Running, (order, life): (Order, Arc<Life>)) -> End {
    let clock = ProcessClock {
        announced: None,
        ..session.clock.clone()
    };
    let lives = Arc::clone(&machine.lives);
    let is_gone = move |process: &segctl::ledger::ProcessIdentity| {
        let lives = lives.lock().unwrap();
        lives.get(&process.id).is_none_or(|life| life.is_over())
    };
    let claim = LockOptions {
        lock: Lock::acquired(
            &format!("run {}", order.number),
            "segctl apply",
            holder(&order),
            clock.now(),
        ),
        timeout: order.lock_timeout,
        has_exited: &is_gone,
    };
    let held = match HeldLock::acquire((&session.store, &clock), claim, &session.on_note).await {
        Ok(held) => held,
        Err(error) => {
            machine.record.shown("an error", &error.to_string());
            machine
                .record
                .note("plan", 23, || format!("there is no lock: {error}"));
            return End::Failed;
        }
    };
    let stopper = order.stop.0.clone();
    let shelving = Shelving {
        shelf: machine.shelf.clone(),
        life,
        timeline: machine.timeline.clone(),
        random: Arc::new(Mutex::new(Random::new(order.retry_seed))),
        promised: machine.promised.clone(),
        record: machine.record.clone(),
        who: format!("segctl-{}", order.number),
    };
    let work = work::apply(machine, session, (order, shelving));
    let end = held
        .run_while_held((&session.store, &clock), work, (&session.on_note, &stopper))
        .await;
    if let Err(error) = held.release(&session.store).await {
        (session.on_note)(format!("the ledger stays locked for a while: {error}"));
    }
    end
}

fn holder(order: &Order) -> LockHolder {
    let process = segctl::ledger::ProcessIdentity {
        machine: "machine".to_owned(),
        id: u32::try_from(order.number).unwrap(),
        started: order.number.to_string(),
    };
    LockHolder {
        user: "ada".to_owned(),
        host: "runner".to_owned(),
        process: order.has_process.then_some(process),
    }
}

fn session(machine: &Machine, order: &Order, life: &Arc<Life>) -> Running {
    let who = format!("segctl-{}", order.number);
    let announced = Arc::new(Mutex::new(Vec::new()));
    let clock = ProcessClock {
        timeline: machine.timeline.clone(),
        ahead: machine.ahead.clone(),
        life: Arc::clone(life),
        announced: Some(Arc::clone(&announced)),
        record: machine.record.clone(),
    };
    let line = Line {
        workspace: Arc::clone(&machine.workspace),
        timeline: machine.timeline.clone(),
        life: Arc::clone(life),
        record: machine.record.clone(),
        who: who.clone(),
        run: order.number,
        promised: machine.promised.clone(),
        lock: machine.lock.clone(),
        heard: Arc::default(),
    };
    let disk = SimulatedDisk {
        platter: Arc::clone(&machine.platter),
        life: Arc::clone(life),
        record: machine.record.clone(),
        who: who.clone(),
    };
    let (record, teller) = (machine.record.clone(), who.clone());
    let limits = limits(machine);
    let client = Client::new(line, clock.clone(), limits, order.retry_seed)
        .with_cancellation(order.stop.1.clone())
        .with_wait_observer(move |waiting: &WaitNotice| {
            if !record.has(Bug::WaitsUntold) {
                // What is waited for in parts may be there before.
                let is_in_parts = matches!(waiting.reason, WaitReason::Callback(_));
                announced.lock().unwrap().push((waiting.until, is_in_parts));
            }
            record.note(&teller, 11, || {
                format!("waits until {}: {:?}", waiting.until, waiting.reason)
            });
            if let WaitReason::Retry(error) | WaitReason::AmbiguousWrite(error) = &waiting.reason {
                record.shown("a wait", &error.to_string());
            }
        });
    let store = || {
        let (workspace, run) = (Arc::clone(&machine.workspace), order.number);
        Watched {
            inner: DirectoryStore::with_filesystem(disk.clone(), "ledger"),
            promised: machine.promised.clone(),
            record: machine.record.clone(),
            loses_touch: Box::new(move || workspace.lock().unwrap().calls.lose_touch(run)),
            is_begun: AtomicBool::new(false),
        }
    };
    let on_note = || {
        let (record, who) = (machine.record.clone(), who.clone());
        Box::new(move |note: String| {
            record.note(&who, 13, || format!("notes: {note}"));
            record.shown("a note", &note);
        })
    };
    Reconciler {
        client: if machine.record.has(Bug::CallsNotShared) {
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
fn limits(machine: &Machine) -> RateLimits {
    if machine.record.has(Bug::LimitsIgnored) {
        return RateLimits::default();
    }
    let mut limits = machine.limits.clone();
    if machine.record.has(Bug::HourIgnored) {
        for class in machine.limits.classes() {
            let windows = machine.limits.windows(class).iter();
            let short = windows.filter(|window| window.span() < SignedDuration::from_hours(1));
            limits.set(class, short.copied().collect());
        }
    }
    limits
}
