//! The stages of a run on one workspace, in their order: read the workspace, plan, apply, save the cache.
//!
//! The command line adds messages and prompts. Clock, transport and store are parameters, so that tests can let all of them
//! fail.

mod member_diff;
mod planning;
mod reading;
mod shared_request_log;
mod upload_results;

pub use member_diff::MemberListError;
pub use reading::ReadingTooLong;
pub use shared_request_log::SharedRequestLog;

use crate::api::{Client, Clock, FetchedSegment, RemoteSegment, RequestError, Transport};
use crate::apply::{Applier, ApplyOptions, RunResult, StepEvent};
use crate::model::{
    ApiBehavior, DeclaredSegment, Lifecycle, ObservedSegment, ObservedWorkspace, Policy, RemoteKind,
    SegmentId, SegmentName, ShownKinds,
};
use crate::observe::{
    Refresh, Scope, cache_entry, from_cache, from_cache_and_state, ids_with_pending_writes, list, recheck,
};
use crate::plan::PlanInput;
use crate::plan::compared_lists::ComparedLists;
use crate::plan::guards::Overrides;
use crate::plan::saved::SavedPlan;
use crate::plan::step::{Code, Plan};
use crate::plan::targeting::Selection;
use crate::rate_limit::RateLimiter;
use crate::state::recovery::{Evidence, listed_cohort_records, recovery_records, unrestored_segments};
use crate::state::{Cache, JournalEntry, NoteSink, State, StateStore, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{error, fmt};

#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// `MoEngage DC 01`, a URL, or the sandbox's file.
    pub endpoint: String,
    /// Without errors.
    pub declared: Vec<DeclaredSegment>,
    /// Of `segctl.yaml`; the paths of member lists are relative to it.
    pub directory: PathBuf,
    pub policy: Policy,
    pub overrides: Overrides,
    pub selection: Selection,
    pub refresh: Refresh,
}

#[derive(Clone, Debug)]
pub struct LoadedWorkspace {
    request: PlanRequest,
    pub state: State,
    pub observed: ObservedWorkspace,
    pub cache: Cache,
    member_lists: ComparedLists,
    /// The segments that this run read, for an apply that follows at once.
    pub fetched: BTreeMap<SegmentId, FetchedSegment>,
    /// The segments whose definitions decide what the command reports.
    pub examined: BTreeSet<SegmentId>,
    /// By MoEngage's clock, if MoEngage was read.
    pub now: Timestamp,
    /// Whether the state has new results of an earlier run.
    pub recovered_writes: bool,
    /// How many reads changed what the planner sees.
    changing_reads: usize,
}

/// How the workspace differs from a saved plan.
#[derive(Debug)]
pub struct RecheckResult {
    pub differences: Vec<String>,
    pub fetched: BTreeMap<SegmentId, FetchedSegment>,
    pub recovered_writes: bool,
}

#[derive(Debug)]
pub enum ReconcileError {
    Api(RequestError),
    Store(StoreError),
    MemberList(MemberListError),
    ReadingTooLong(Box<ReadingTooLong>),
}

impl fmt::Display for ReconcileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(formatter),
            Self::Store(error) => error.fmt(formatter),
            Self::MemberList(error) => error.fmt(formatter),
            Self::ReadingTooLong(error) => error.fmt(formatter),
        }
    }
}

impl error::Error for ReconcileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Api(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::MemberList(..) | Self::ReadingTooLong(_) => None,
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
    /// Reads the state and the cache; sends no API requests.
    pub async fn load_local(
        request: PlanRequest,
        store: &StateStore,
        now: Timestamp,
        on_note: &NoteSink,
    ) -> Result<Self, StoreError> {
        let (mut state, cache) = store.load_with_cache().await?;
        let is_changed = upload_results::apply_upload_results(&mut state, store, on_note).await;
        Ok(Self {
            state,
            observed: ObservedWorkspace::default(),
            cache: usable_cache(cache, on_note),
            member_lists: ComparedLists::default(),
            fetched: BTreeMap::new(),
            examined: BTreeSet::new(),
            now,
            recovered_writes: is_changed,
            changing_reads: 0,
            request,
        })
    }

    /// Observes the cache instead of the workspace.
    pub fn load_cached(&mut self) {
        self.observed = from_cache(&self.scope());
        self.examined = self.scope().managed(&self.observed);
    }

    /// Observes the cache and, for segments without a cache entry, the state.
    pub fn load_cached_and_recorded(&mut self) {
        self.observed = from_cache_and_state(&self.scope());
    }

    #[must_use]
    pub fn plan_input(&self) -> PlanInput<'_> {
        PlanInput {
            workspace: &self.request.workspace,
            endpoint: &self.request.endpoint,
            declared: &self.request.declared,
            observed: &self.observed,
            state: &self.state,
            compared_lists: &self.member_lists,
            policy: &self.request.policy,
            overrides: self.request.overrides,
            selection: &self.request.selection,
            now: self.now,
        }
    }

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
            shown_kinds: &self.cache.shown_kinds,
            refresh: self.request.refresh,
            now: self.now,
        }
    }
}

pub struct Reconciler<T: Transport, C: Clock> {
    pub client: Client<T, C>,
    pub clock: C,
    pub store: StateStore,
    pub on_note: Box<NoteSink>,
}

impl<T: Transport, C: Clock> Reconciler<T, C> {
    /// Lists the workspace, reads the managed definitions that the cache does not have, and recovers the unfinished writes
    /// of an interrupted run.
    pub async fn load_workspace(&self, request: PlanRequest) -> Result<LoadedWorkspace, ReconcileError> {
        let mut workspace = self.list_workspace(request).await?;
        let scope = workspace.scope();
        let managed = scope.managed(&workspace.observed);
        let ids = scope.ids_to_fetch(&managed, &workspace.observed);
        workspace.examined = managed;
        self.read(&mut workspace, ids, None).await?;
        let unlisted = workspace.scope().unlisted_references(&workspace.observed);
        self.read(&mut workspace, unlisted, None).await?;
        self.finish_loading(&mut workspace).await;
        Ok(workspace)
    }

    /// Reads what a drift depends on: the segments that the state contains and the selection includes. Fails before the
    /// first read if that takes longer than `max_duration`.
    pub async fn load_for_drift(
        &self,
        mut request: PlanRequest,
        max_duration: Option<SignedDuration>,
    ) -> Result<LoadedWorkspace, ReconcileError> {
        if request.refresh == Refresh::Auto {
            request.refresh = Refresh::Full;
        }
        let mut workspace = self.list_workspace(request).await?;
        let targets = workspace.drift_targets();
        let mut ids = workspace.scope().ids_to_fetch(&targets, &workspace.observed);
        ids.extend(ids_with_pending_writes(&workspace.state, &workspace.observed));
        workspace.examined = targets;
        self.read(&mut workspace, ids, max_duration).await?;
        self.finish_loading(&mut workspace).await;
        Ok(workspace)
    }

    async fn list_workspace(&self, request: PlanRequest) -> Result<LoadedWorkspace, ReconcileError> {
        let now = self.clock.now();
        let mut workspace = LoadedWorkspace::load_local(request, &self.store, now, &self.on_note).await?;
        workspace.observed = list(&self.client, &workspace.scope()).await?;
        Ok(workspace)
    }

    async fn finish_loading(&self, workspace: &mut LoadedWorkspace) {
        let declared = &workspace.request.declared;
        let is_declared = |name: &SegmentName| declared.iter().any(|declared| declared.name == *name);
        let api_behavior = workspace.request.policy.api_behavior;
        let (state, observed) = (&mut workspace.state, &workspace.observed);
        workspace.recovered_writes |=
            self.recover_unfinished_writes(state, observed, api_behavior, is_declared);
        workspace.now = self.client.server_time();
        self.save_cache(&Cache::of(&workspace.observed)).await;
    }

    /// Reads the missing definitions of the segments that `is_needed` selects.
    pub async fn fetch_definitions(
        &self,
        workspace: &mut LoadedWorkspace,
        is_needed: impl Fn(&SegmentId) -> bool,
    ) -> Result<(), ReconcileError> {
        let mut ids = workspace.scope().ids_without_definition(&workspace.observed);
        ids.retain(is_needed);
        self.read(workspace, ids, None).await
    }

    /// Records that `segctl import` wrote files for these segments.
    pub async fn record_imported(
        &self,
        workspace: &mut LoadedWorkspace,
        ids: impl IntoIterator<Item = SegmentId>,
    ) {
        workspace.observed.imported.extend(ids);
        self.save_cache(&Cache::of(&workspace.observed)).await;
    }

    /// Compares the workspace with a saved plan, and recovers the unfinished writes of an interrupted run.
    pub async fn recheck(
        &self,
        saved: &SavedPlan,
        state: &mut State,
        policy: &Policy,
    ) -> Result<RecheckResult, ReconcileError> {
        let shown_kinds = load_cache(&self.store, &self.on_note).await.shown_kinds;
        let scope = Scope {
            declared: &[],
            state,
            policy,
            cache: &Cache::default(),
            shown_kinds: &shown_kinds,
            refresh: Refresh::None,
            now: self.clock.now(),
        };
        let ids_to_read = |listed: &ObservedWorkspace| {
            let mut ids = saved.ids_to_recheck(listed);
            ids.extend(ids_with_pending_writes(scope.state, listed));
            ids
        };
        let (now, fetched) = recheck(&self.client, &self.clock, &scope, ids_to_read).await?;
        let is_declared = |name: &SegmentName| saved.plan.steps.iter().any(|step| step.segment == *name);
        let recovered_writes = self.recover_unfinished_writes(state, &now, policy.api_behavior, is_declared);
        let differences = saved.differences(&now, state);
        if !differences.is_empty() {
            // The next plan starts from the re-read segments.
            let fetched = fetched.iter().filter_map(|(id, fetched)| {
                let lifecycle = now.segments.get(id)?.lifecycle;
                Some((id.clone(), (fetched.segment.clone(), lifecycle)))
            });
            self.update_cache(&fetched.collect(), &now.shown_kinds, state, policy)
                .await;
        }
        Ok(RecheckResult {
            differences: differences.iter().map(ToString::to_string).collect(),
            recovered_writes,
            fetched,
        })
    }

    /// Returns whether there were any.
    fn recover_unfinished_writes(
        &self,
        state: &mut State,
        observed: &ObservedWorkspace,
        api_behavior: ApiBehavior,
        is_declared: impl Fn(&SegmentName) -> bool,
    ) -> bool {
        let evidence = Evidence::new(observed, api_behavior);
        for remote in unrestored_segments(state, evidence) {
            // The plan changes a declared segment anyway.
            if remote.kind != RemoteKind::Filter || !is_declared(&remote.name) {
                (self.on_note)(unrestored_message(remote));
            }
        }
        let listed = listed_cohort_records(state, observed);
        let mut recovered_writes = !listed.is_empty();
        for entry in listed {
            state.apply_journal_entry(entry);
        }
        let recovered = recovery_records(state, evidence, self.client.server_time());
        if !recovered.is_empty() {
            recovered_writes = true;
        }
        if recovered
            .iter()
            .any(|entry| matches!(entry, JournalEntry::Resolved(_)))
        {
            (self.on_note)(recovery_summary(&recovered));
        }
        for entry in recovered {
            state.apply_journal_entry(entry);
        }
        recovered_writes
    }

    /// The re-read segments in `fetched` need no other read before their first write.
    pub async fn apply(
        &self,
        plan: &Plan,
        state: State,
        policy: &Policy,
        fetched: BTreeMap<SegmentId, FetchedSegment>,
        options: ApplyOptions,
        on_event: &(dyn Fn(StepEvent<'_>) + Sync),
    ) -> RunResult {
        let shown_kinds = load_cache(&self.store, &self.on_note).await.shown_kinds;
        let applier = Applier::new(&self.client, &self.clock, &self.store, state, options)
            .with_rechecked(fetched)
            .with_shown_kinds(shown_kinds);
        let result = applier.apply(plan, on_event).await;
        self.update_cache(&result.fetched, &result.shown_kinds, &result.state, policy)
            .await;
        self.forget_reported_imports(plan).await;
        result
    }

    /// A removed file is reported until an apply: it may be intended.
    async fn forget_reported_imports(&self, plan: &Plan) {
        let warnings = plan.warnings.iter();
        let reported = warnings.filter(|warning| warning.code == Code::ImportedNotApplied);
        let ids: BTreeSet<&SegmentId> = reported.flat_map(|warning| &warning.remote_ids).collect();
        if ids.is_empty() {
            return;
        }
        let mut cache = load_cache(&self.store, &self.on_note).await;
        cache.imported.retain(|id| !ids.contains(id));
        self.save_cache(&cache).await;
    }

    #[must_use]
    pub fn rate_limiter(&self) -> RateLimiter {
        self.client.rate_limiter()
    }

    async fn update_cache(
        &self,
        fetched: &BTreeMap<SegmentId, (RemoteSegment, Lifecycle)>,
        shown_kinds: &ShownKinds,
        state: &State,
        policy: &Policy,
    ) {
        if fetched.is_empty() {
            return;
        }
        let mut cache = load_cache(&self.store, &self.on_note).await;
        cache.shown_kinds.merge(shown_kinds);
        for (id, (remote, lifecycle)) in fetched {
            let listed = *lifecycle == Lifecycle::Active || policy.api_behavior.list_shows_archived;
            let entry = cache_entry(remote, listed, state, self.clock.now());
            cache.segments.insert(id.clone(), entry);
        }
        self.save_cache(&cache).await;
    }

    /// A run continues without the cache.
    async fn save_cache(&self, cache: &Cache) {
        if let Err(error) = self.store.save_cache(cache).await {
            (self.on_note)(format!(
                "cannot save the cache, so the next plan reads everything again: {error}"
            ));
        }
    }
}

fn recovery_summary(recovered: &[JournalEntry]) -> String {
    let count =
        |is_counted: fn(&JournalEntry) -> bool| recovered.iter().filter(|entry| is_counted(entry)).count();
    let resolved = count(|entry| matches!(entry, JournalEntry::Resolved(_)));
    let recorded = count(|entry| matches!(entry, JournalEntry::StateEntry(_)));
    let unknown = count(|entry| matches!(entry, JournalEntry::StateEntry(entry) if entry.lifecycle_unknown));
    let noun = if resolved == 1 { "write" } else { "writes" };
    let unknown_count = match unknown {
        0 => String::new(),
        unknown => format!(", {unknown} unknown"),
    };
    format!(
        "recovered {resolved} unfinished {noun} of an interrupted run: {} applied, {} not applied{unknown_count}",
        recorded - unknown,
        resolved - recorded
    )
}

fn unrestored_message(remote: &ObservedSegment) -> String {
    format!(
        "an interrupted run left the archived segment `{}` (id {}) unarchived; archive it in the dashboard if it should \
         stay archived",
        remote.name, remote.id
    )
}

async fn load_cache(store: &StateStore, on_note: &NoteSink) -> Cache {
    usable_cache(store.load_cache().await, on_note)
}

fn usable_cache(cache: Result<Cache, StoreError>, on_note: &NoteSink) -> Cache {
    cache.unwrap_or_else(|error| {
        on_note(format!(
            "cannot read the cache, so this plan reads everything again: {error}"
        ));
        Cache::default()
    })
}
