//! A run on one workspace, stage after stage: read what is live, plan, apply, and keep what was seen. The one place that
//! says in which order the stages follow each other.
//!
//! The command line puts words and questions around it. Clock, transport and store are whatever they are handed, so that
//! all of it can be run on a machine and against a service that fail.

mod exclusive;
mod heard;
mod history;
mod lists;

pub use exclusive::{Claim, HeldLock, LockError};
pub use history::SharedCalls;
pub use lists::ListError;

use crate::api::pacing::Pacing;
use crate::api::{CallError, Client, Clock, Seen, Stored, Transport};
use crate::apply::{Applier, Ended, Event, Settings};
use crate::ledger::{Ledger, LedgerStore, Record, Snapshot, StoreError};
use crate::model::{
    Behaviour, DeclaredSegment, Lifecycle, LiveKind, LiveSegment, Observed, Policy, SegmentId, SegmentName,
};
use crate::observe::{
    Refresh, Scope, complete, left_out, look_again, observe, offline, recall, remember, settle, under_way,
};
use crate::plan::guard::Allowances;
use crate::plan::members::Lists;
use crate::plan::saved::SavedPlan;
use crate::plan::selection::Selection;
use crate::plan::step::Plan;
use crate::plan::{Situation, plan};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{error, fmt};

/// What a run is about and what it may do.
#[derive(Clone, Debug)]
pub struct Aim {
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// What the files say, free of errors.
    pub declared: Vec<DeclaredSegment>,
    /// Where the paths of lists begin: the folder of `segctl.yaml`.
    pub directory: PathBuf,
    /// What the workspace allows.
    pub policy: Policy,
    /// What the person who asks allows.
    pub allowances: Allowances,
    /// Which segments it is about.
    pub selection: Selection,
    /// How much of what was seen before is read again.
    pub refresh: Refresh,
}

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
pub struct Read {
    aim: Aim,
    /// What was applied last.
    pub ledger: Ledger,
    /// What is live.
    pub observed: Observed,
    /// What was seen last.
    pub snapshot: Snapshot,
    /// The declared lists.
    lists: Lists,
    /// When it was read, by the service's clock.
    pub now: Timestamp,
    /// Whether an earlier run left writes of which nobody knew what became of them.
    pub has_settled: bool,
}

/// What a second look at what a saved plan saw showed.
#[derive(Debug)]
pub struct SecondLook {
    /// What is not so any more, in words.
    pub differences: Vec<String>,
    /// What was read to find out.
    pub read: BTreeMap<SegmentId, Seen>,
    /// Whether an earlier run left writes of which nobody knew what became of them.
    pub has_settled: bool,
}

/// Why a run ended before there was a plan.
#[derive(Debug)]
pub enum SessionError {
    /// A call failed.
    Call(CallError),
    /// The ledger cannot be read.
    Store(StoreError),
    /// The list of a segment cannot be used.
    List(SegmentName, ListError),
}

impl fmt::Display for SessionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(formatter),
            Self::Store(error) => error.fmt(formatter),
            Self::List(name, error) => write!(formatter, "`{name}`: {error}"),
        }
    }
}

impl error::Error for SessionError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::List(..) => None,
        }
    }
}

impl From<CallError> for SessionError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Read {
    /// What is on this machine: the ledger and what was seen last.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub async fn local<S: LedgerStore>(
        aim: Aim,
        (store, now): (&S, Timestamp),
        on_note: &Notes,
    ) -> Result<Self, StoreError> {
        let (ledger, has_heard) = heard::load(store, on_note).await?;
        Ok(Self {
            ledger,
            observed: Observed::default(),
            snapshot: load_snapshot(store, on_note).await,
            lists: Lists::default(),
            now,
            has_settled: has_heard,
            aim,
        })
    }

    /// Takes what was seen last for what is live; no call is made.
    pub fn look_offline(&mut self) {
        self.observed = offline(&self.scope());
    }

    /// Takes what was seen last and what the ledger knows beside it for what is live; no call is made.
    pub fn look_back(&mut self) {
        self.observed = recall(&self.scope());
    }

    /// What the planner takes.
    #[must_use]
    pub fn situation(&self) -> Situation<'_> {
        Situation {
            workspace: &self.aim.workspace,
            declared: &self.aim.declared,
            observed: &self.observed,
            ledger: &self.ledger,
            lists: &self.lists,
            policy: &self.aim.policy,
            allowances: self.aim.allowances,
            selection: &self.aim.selection,
            now: self.now,
        }
    }

    /// A live segment that was seen.
    #[must_use]
    pub fn live(&self, id: &SegmentId) -> Option<&LiveSegment> {
        self.observed.segments.get(id)
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            declared: &self.aim.declared,
            ledger: &self.ledger,
            policy: &self.aim.policy,
            snapshot: &self.snapshot,
            refresh: self.aim.refresh,
            now: self.now,
        }
    }
}

/// Told what is worth knowing and stops nothing.
pub type Notes = dyn Fn(String) + Send + Sync;

/// A workspace that answers, and where its ledger is.
pub struct Session<T: Transport, C: Clock, S> {
    /// Makes the calls.
    pub client: Client<T, C>,
    /// What time it is here.
    pub clock: C,
    /// Where the ledger is.
    pub store: S,
    /// Told what stops nothing.
    pub on_note: Box<Notes>,
}

impl<T: Transport, C: Clock, S: LedgerStore> Session<T, C, S> {
    /// Reads what is live of what is managed.
    ///
    /// # Errors
    ///
    /// A call or the ledger failed.
    pub async fn read(&self, aim: Aim) -> Result<Read, SessionError> {
        let local = (&self.store, self.clock.now());
        let mut read = Read::local(aim, local, &self.on_note).await?;
        read.observed = observe(&self.client, &read.scope()).await?;
        let declared = &read.aim.declared;
        let is_declared = |name: &SegmentName| declared.iter().any(|declared| declared.name == *name);
        read.has_settled |= self.settle(
            (&mut read.ledger, &read.observed, read.aim.policy.behaviour),
            is_declared,
        );
        read.now = self.client.service_time();
        self.keep_snapshot(&Snapshot::of(&read.observed)).await;
        Ok(read)
    }

    /// Reads the definitions of those segments that were only listed so far and that `wanted` is true of.
    ///
    /// # Errors
    ///
    /// A call failed.
    pub async fn read_definitions(
        &self,
        read: &mut Read,
        wanted: impl Fn(&SegmentId) -> bool,
    ) -> Result<(), SessionError> {
        let mut observed = std::mem::take(&mut read.observed);
        // Ages are counted by the clock of this machine, as in every other run; `read.now` is the service's.
        let scope = Scope {
            now: self.clock.now(),
            ..read.scope()
        };
        let done = complete(&self.client, &scope, &mut observed, wanted).await;
        read.observed = observed;
        done?;
        self.keep_snapshot(&Snapshot::of(&read.observed)).await;
        Ok(())
    }

    /// Reads the declared lists and plans. Definitions of other segments are read when one is about to be stored that they may
    /// have: only then they matter.
    ///
    /// # Errors
    ///
    /// A call failed, or a list cannot be used.
    pub async fn plan(&self, read: &mut Read) -> Result<Plan, SessionError> {
        read.read_lists((&self.store, &self.on_note)).await?;
        let first = plan(&read.situation());
        if first.stored().next().is_none() {
            return Ok(first);
        }
        self.read_definitions(read, |_| true).await?;
        Ok(plan(&read.situation()))
    }

    /// Looks whether the workspace is still as a saved plan saw it, and what became of writes that an earlier run left:
    /// `ledger` knows it then.
    ///
    /// # Errors
    ///
    /// A call failed.
    pub async fn look_again(
        &self,
        saved: &SavedPlan,
        (ledger, policy): (&mut Ledger, &Policy),
    ) -> Result<SecondLook, SessionError> {
        let scope = Scope {
            declared: &[],
            ledger,
            policy,
            snapshot: &Snapshot::default(),
            refresh: Refresh::None,
            now: self.clock.now(),
        };
        let wanted = |listed: &Observed| {
            let mut ids = saved.to_read(listed);
            ids.extend(under_way(scope.ledger, listed));
            ids
        };
        let (now, read) = look_again((&self.client, &self.clock), &scope, wanted).await?;
        let is_declared = |name: &SegmentName| saved.plan.steps.iter().any(|step| step.segment == *name);
        let has_settled = self.settle((ledger, &now, policy.behaviour), is_declared);
        let differences = saved.differences(&now, ledger);
        if !differences.is_empty() {
            // The next plan has to start from what is there.
            let seen = read.iter().filter_map(|(id, seen)| {
                let lifecycle = now.segments.get(id)?.lifecycle;
                Some((id.clone(), (seen.stored.clone(), lifecycle)))
            });
            self.keep_seen(&seen.collect(), (ledger, policy)).await;
        }
        Ok(SecondLook {
            differences: differences.iter().map(ToString::to_string).collect(),
            has_settled,
            read,
        })
    }

    /// Takes in what became of writes that an earlier run left; whether there were any.
    fn settle(
        &self,
        (ledger, observed, behaviour): (&mut Ledger, &Observed, Behaviour),
        is_declared: impl Fn(&SegmentName) -> bool,
    ) -> bool {
        for live in left_out(ledger, (observed, behaviour)) {
            // A plan goes on with what is declared.
            if live.kind != LiveKind::Filter || !is_declared(&live.name) {
                (self.on_note)(still_out(live));
            }
        }
        let settled = settle(ledger, (observed, behaviour), self.clock.now());
        let has_settled = !settled.is_empty();
        if has_settled {
            (self.on_note)(what_became(&settled));
        }
        settled.into_iter().for_each(|record| ledger.apply(record));
        has_settled
    }

    /// Runs a plan. What was `read` a moment ago stands for the reads before writes that follow at once.
    ///
    /// There is a receipt in any case.
    pub async fn apply(
        &self,
        (plan, ledger, policy): (&Plan, Ledger, &Policy),
        read: BTreeMap<SegmentId, Seen>,
        settings: Settings,
        on_event: &(dyn Fn(Event<'_>) + Sync),
    ) -> Ended {
        let ledger = (&self.store, ledger);
        let applier = Applier::new(&self.client, &self.clock, ledger, settings).read_before(read);
        let ended = applier.apply(plan, on_event).await;
        self.keep_seen(&ended.seen, (&ended.ledger, policy)).await;
        ended
    }

    /// The windows and the calls that count toward them now.
    #[must_use]
    pub fn pacing(&self) -> Pacing {
        self.client.pacing()
    }

    /// Brings the snapshot up to what the service showed of some segments.
    async fn keep_seen(
        &self,
        seen: &BTreeMap<SegmentId, (Stored, Lifecycle)>,
        (ledger, policy): (&Ledger, &Policy),
    ) {
        if seen.is_empty() {
            return;
        }
        let mut snapshot = load_snapshot(&self.store, &self.on_note).await;
        for (id, (stored, lifecycle)) in seen {
            let listed = *lifecycle == Lifecycle::Active || policy.behaviour.list_shows_archived;
            let seen = remember(stored, listed, (ledger, self.clock.now()));
            snapshot.segments.insert(id.clone(), seen);
        }
        self.keep_snapshot(&snapshot).await;
    }

    /// Keeps what was seen; a machine that cannot goes on all the same.
    async fn keep_snapshot(&self, snapshot: &Snapshot) {
        if let Err(error) = self.store.save_snapshot(snapshot).await {
            (self.on_note)(format!("the next plan has to read everything again: {error}"));
        }
    }
}

/// What became of the writes that an earlier run left.
fn what_became(settled: &[Record]) -> String {
    let count = |is_counted: fn(&Record) -> bool| settled.iter().filter(|record| is_counted(record)).count();
    let open = count(|record| matches!(record, Record::Settled(_)));
    let learned = count(|record| matches!(record, Record::Entry(_)));
    let unknown = count(|record| matches!(record, Record::Entry(entry) if entry.lifecycle_unknown));
    let noun = if open == 1 { "write" } else { "writes" };
    let not_shown = match unknown {
        0 => String::new(),
        unknown => format!(", and of {unknown} nothing tells"),
    };
    format!(
        "an earlier run ended before it knew what became of {open} {noun}: {} took effect, {} did not{not_shown}",
        learned - unknown,
        open - learned
    )
}

/// That a run ended before it put back what it took out.
fn still_out(live: &LiveSegment) -> String {
    format!(
        "an earlier run took the archived segment `{}` (id {}) out to see what it is and did not put it back: archive it in \
         the dashboard unless it is to stay in use",
        live.name, live.id
    )
}

/// What was seen last; without it everything is read.
async fn load_snapshot<S: LedgerStore>(store: &S, on_note: &Notes) -> Snapshot {
    store.load_snapshot().await.unwrap_or_else(|error| {
        on_note(format!("everything is read again: {error}"));
        Snapshot::default()
    })
}
