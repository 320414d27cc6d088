//! A run on one workspace, stage after stage: read what is live, plan, apply, and keep what was seen. The one place that
//! says in which order the stages follow each other.
//!
//! The command line puts words and questions around it. Clock, transport and store are whatever they are handed, so that
//! all of it can be run on a machine and against a service that fail.

mod member_diff;
mod shared_request_log;
mod upload_results;

pub use member_diff::MemberListError;
pub use shared_request_log::SharedCallLog;

use crate::api::{Client, Clock, FetchedSegment, RemoteSegment, RequestError, Transport};
use crate::apply::{Applier, ApplyOptions, RunResult, StepEvent};
use crate::model::{
    ApiBehavior, DeclaredSegment, Lifecycle, ObservedSegment, ObservedWorkspace, Policy, RemoteKind,
    SegmentId, SegmentName,
};
use crate::observe::{
    Refresh, Scope, cache_entry, fetch_missing_definitions, from_cache, from_cache_and_state,
    ids_with_pending_writes, observe, recheck,
};
use crate::plan::cohorts::ComparedLists;
use crate::plan::guards::Overrides;
use crate::plan::saved::SavedPlan;
use crate::plan::step::Plan;
use crate::plan::targeting::Selection;
use crate::plan::{PlanInput, plan};
use crate::rate_limit::RateLimiter;
use crate::state::recovery::{recovery_records, unrestored_segments};
use crate::state::{Cache, JournalEntry, NoteSink, State, StateStore, StoreError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{error, fmt};

/// What a run is about and what it may do.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// What the files say, free of errors.
    pub declared: Vec<DeclaredSegment>,
    /// Where the paths of lists begin: the folder of `segctl.yaml`.
    pub directory: PathBuf,
    /// What the workspace allows.
    pub policy: Policy,
    /// What the person who asks allows.
    pub allowances: Overrides,
    /// Which segments it is about.
    pub selection: Selection,
    /// How much of what was seen before is read again.
    pub refresh: Refresh,
}

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
pub struct LoadedWorkspace {
    request: PlanRequest,
    /// What was applied last.
    pub state: State,
    /// What is live.
    pub observed: ObservedWorkspace,
    /// What was seen last.
    pub cache: Cache,
    /// The declared lists.
    member_lists: ComparedLists,
    /// When it was read, by the service's clock.
    pub now: Timestamp,
    /// Whether an earlier run left writes of which nobody knew what became of them.
    pub recovered_writes: bool,
}

/// What a second look at what a saved plan saw showed.
#[derive(Debug)]
pub struct RecheckResult {
    /// What is not so any more, in words.
    pub differences: Vec<String>,
    /// What was read to find out.
    pub fetched: BTreeMap<SegmentId, FetchedSegment>,
    /// Whether an earlier run left writes of which nobody knew what became of them.
    pub recovered_writes: bool,
}

/// Why a run ended before there was a plan.
#[derive(Debug)]
pub enum ReconcileError {
    /// A call failed.
    Api(RequestError),
    /// The ledger cannot be read.
    Store(StoreError),
    /// The list of a segment cannot be used.
    MemberList(SegmentName, MemberListError),
}

impl fmt::Display for ReconcileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(formatter),
            Self::Store(error) => error.fmt(formatter),
            Self::MemberList(name, error) => write!(formatter, "`{name}`: {error}"),
        }
    }
}

impl error::Error for ReconcileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Api(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::MemberList(..) => None,
        }
    }
}

impl From<RequestError> for ReconcileError {
    fn from(error: RequestError) -> Self {
        Self::Api(error)
    }
}

impl From<StoreError> for ReconcileError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl LoadedWorkspace {
    /// What is on this machine: the ledger and what was seen last.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub async fn load_local<S: StateStore>(
        request: PlanRequest,
        (store, now): (&S, Timestamp),
        on_note: &NoteSink,
    ) -> Result<Self, StoreError> {
        let (state, has_upload_results) =
            upload_results::load_state_with_upload_results(store, on_note).await?;
        Ok(Self {
            state,
            observed: ObservedWorkspace::default(),
            cache: load_cache(store, on_note).await,
            member_lists: ComparedLists::default(),
            now,
            recovered_writes: has_upload_results,
            request,
        })
    }

    /// Takes what was seen last for what is live; no call is made.
    pub fn load_cached(&mut self) {
        self.observed = from_cache(&self.scope());
    }

    /// Takes what was seen last and what the ledger knows beside it for what is live; no call is made.
    pub fn load_cached_and_recorded(&mut self) {
        self.observed = from_cache_and_state(&self.scope());
    }

    /// What the planner takes.
    #[must_use]
    pub fn plan_input(&self) -> PlanInput<'_> {
        PlanInput {
            workspace: &self.request.workspace,
            declared: &self.request.declared,
            observed: &self.observed,
            state: &self.state,
            compared_lists: &self.member_lists,
            policy: &self.request.policy,
            overrides: self.request.allowances,
            selection: &self.request.selection,
            now: self.now,
        }
    }

    /// A live segment that was seen.
    #[must_use]
    pub fn remote_segment(&self, id: &SegmentId) -> Option<&ObservedSegment> {
        self.observed.segments.get(id)
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            declared: &self.request.declared,
            state: &self.state,
            policy: &self.request.policy,
            cache: &self.cache,
            refresh: self.request.refresh,
            now: self.now,
        }
    }
}

/// A workspace that answers, and where its ledger is.
pub struct Reconciler<T: Transport, C: Clock, S> {
    /// Makes the calls.
    pub client: Client<T, C>,
    /// What time it is here.
    pub clock: C,
    /// Where the ledger is.
    pub store: S,
    /// Told what stops nothing.
    pub on_note: Box<NoteSink>,
}

impl<T: Transport, C: Clock, S: StateStore> Reconciler<T, C, S> {
    /// Reads what is live of what is managed.
    ///
    /// # Errors
    ///
    /// A call or the ledger failed.
    pub async fn load_workspace(&self, request: PlanRequest) -> Result<LoadedWorkspace, ReconcileError> {
        let local = (&self.store, self.clock.now());
        let mut read = LoadedWorkspace::load_local(request, local, &self.on_note).await?;
        read.observed = observe(&self.client, &read.scope()).await?;
        let declared = &read.request.declared;
        let is_declared = |name: &SegmentName| declared.iter().any(|declared| declared.name == *name);
        read.recovered_writes |= self.recover_unfinished_writes(
            (&mut read.state, &read.observed, read.request.policy.api_behavior),
            is_declared,
        );
        read.now = self.client.server_time();
        self.save_cache(&Cache::of(&read.observed)).await;
        Ok(read)
    }

    /// Reads the definitions of those segments that were only listed so far and that `wanted` is true of.
    ///
    /// # Errors
    ///
    /// A call failed.
    pub async fn fetch_definitions(
        &self,
        read: &mut LoadedWorkspace,
        is_needed: impl Fn(&SegmentId) -> bool,
    ) -> Result<(), ReconcileError> {
        let mut observed = std::mem::take(&mut read.observed);
        // Ages are counted by the clock of this machine, as in every other run; `read.now` is the service's.
        let scope = Scope {
            now: self.clock.now(),
            ..read.scope()
        };
        let done = fetch_missing_definitions(&self.client, &scope, &mut observed, is_needed).await;
        read.observed = observed;
        done?;
        self.save_cache(&Cache::of(&read.observed)).await;
        Ok(())
    }

    /// Reads the declared lists and plans. Definitions of other segments are read when one is about to be stored that they may
    /// have: only then they matter.
    ///
    /// # Errors
    ///
    /// A call failed, or a list cannot be used.
    pub async fn plan(&self, read: &mut LoadedWorkspace) -> Result<Plan, ReconcileError> {
        read.load_member_lists((&self.store, &self.on_note)).await?;
        let first = plan(&read.plan_input());
        if first.definition_writes().next().is_none() {
            return Ok(first);
        }
        self.fetch_definitions(read, |_| true).await?;
        Ok(plan(&read.plan_input()))
    }

    /// Looks whether the workspace is still as a saved plan saw it, and what became of writes that an earlier run left:
    /// `ledger` knows it then.
    ///
    /// # Errors
    ///
    /// A call failed.
    pub async fn recheck(
        &self,
        saved: &SavedPlan,
        (state, policy): (&mut State, &Policy),
    ) -> Result<RecheckResult, ReconcileError> {
        let scope = Scope {
            declared: &[],
            state,
            policy,
            cache: &Cache::default(),
            refresh: Refresh::None,
            now: self.clock.now(),
        };
        let ids_to_read = |listed: &ObservedWorkspace| {
            let mut ids = saved.ids_to_recheck(listed);
            ids.extend(ids_with_pending_writes(scope.state, listed));
            ids
        };
        let (now, fetched) = recheck((&self.client, &self.clock), &scope, ids_to_read).await?;
        let is_declared = |name: &SegmentName| saved.plan.steps.iter().any(|step| step.segment == *name);
        let recovered_writes =
            self.recover_unfinished_writes((state, &now, policy.api_behavior), is_declared);
        let differences = saved.differences(&now, state);
        if !differences.is_empty() {
            // The next plan has to start from what is there.
            let seen = fetched.iter().filter_map(|(id, seen)| {
                let lifecycle = now.segments.get(id)?.lifecycle;
                Some((id.clone(), (seen.segment.clone(), lifecycle)))
            });
            self.update_cache(&seen.collect(), (state, policy)).await;
        }
        Ok(RecheckResult {
            differences: differences.iter().map(ToString::to_string).collect(),
            recovered_writes,
            fetched,
        })
    }

    /// Takes in what became of writes that an earlier run left; whether there were any.
    fn recover_unfinished_writes(
        &self,
        (ledger, observed, behaviour): (&mut State, &ObservedWorkspace, ApiBehavior),
        is_declared: impl Fn(&SegmentName) -> bool,
    ) -> bool {
        for live in unrestored_segments(ledger, (observed, behaviour)) {
            // A plan goes on with what is declared.
            if live.kind != RemoteKind::Filter || !is_declared(&live.name) {
                (self.on_note)(unrestored_message(live));
            }
        }
        let settled = recovery_records(ledger, (observed, behaviour), self.clock.now());
        let recovered_writes = !settled.is_empty();
        if recovered_writes {
            (self.on_note)(recovery_summary(&settled));
        }
        settled
            .into_iter()
            .for_each(|record| ledger.apply_journal_entry(record));
        recovered_writes
    }

    /// Runs a plan. What was `read` a moment ago stands for the reads before writes that follow at once.
    ///
    /// There is a receipt in any case.
    pub async fn apply(
        &self,
        (plan, ledger, policy): (&Plan, State, &Policy),
        fetched: BTreeMap<SegmentId, FetchedSegment>,
        settings: ApplyOptions,
        on_event: &(dyn Fn(StepEvent<'_>) + Sync),
    ) -> RunResult {
        let ledger = (&self.store, ledger);
        let applier = Applier::new(&self.client, &self.clock, ledger, settings).with_rechecked(fetched);
        let ended = applier.apply(plan, on_event).await;
        self.update_cache(&ended.fetched, (&ended.state, policy)).await;
        ended
    }

    /// The windows and the calls that count toward them now.
    #[must_use]
    pub fn rate_limiter(&self) -> RateLimiter {
        self.client.rate_limiter()
    }

    /// Brings the snapshot up to what the service showed of some segments.
    async fn update_cache(
        &self,
        seen: &BTreeMap<SegmentId, (RemoteSegment, Lifecycle)>,
        (ledger, policy): (&State, &Policy),
    ) {
        if seen.is_empty() {
            return;
        }
        let mut snapshot = load_cache(&self.store, &self.on_note).await;
        for (id, (stored, lifecycle)) in seen {
            let listed = *lifecycle == Lifecycle::Active || policy.api_behavior.list_shows_archived;
            let seen = cache_entry(stored, listed, (ledger, self.clock.now()));
            snapshot.segments.insert(id.clone(), seen);
        }
        self.save_cache(&snapshot).await;
    }

    /// Keeps what was seen; a machine that cannot goes on all the same.
    async fn save_cache(&self, snapshot: &Cache) {
        if let Err(error) = self.store.save_cache(snapshot).await {
            (self.on_note)(format!("the next plan has to read everything again: {error}"));
        }
    }
}

/// What became of the writes that an earlier run left.
fn recovery_summary(settled: &[JournalEntry]) -> String {
    let count =
        |is_counted: fn(&JournalEntry) -> bool| settled.iter().filter(|record| is_counted(record)).count();
    let open = count(|record| matches!(record, JournalEntry::Resolved(_)));
    let learned = count(|record| matches!(record, JournalEntry::StateEntry(_)));
    let unknown =
        count(|record| matches!(record, JournalEntry::StateEntry(entry) if entry.lifecycle_unknown));
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
fn unrestored_message(live: &ObservedSegment) -> String {
    format!(
        "an earlier run took the archived segment `{}` (id {}) out to see what it is and did not put it back: archive it in \
         the dashboard unless it is to stay in use",
        live.name, live.id
    )
}

/// What was seen last; without it everything is read.
async fn load_cache<S: StateStore>(store: &S, on_note: &NoteSink) -> Cache {
    store.load_cache().await.unwrap_or_else(|error| {
        on_note(format!("everything is read again: {error}"));
        Cache::default()
    })
}
