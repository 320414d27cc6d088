//! Runs a plan's steps and reports the outcome of each.
//!
//! A step acquires a permit, re-reads its target, compares it with the plan, journals the intent and sends the write.
//! segctl never repeats a create or an update blindly: if the response was lost, it first verifies the result. Archive
//! and unarchive are idempotent and are repeated. A failed step skips only the steps that depend on it.
//!
//! The API has no idempotency keys, but a name can never be reused: a repeated create can be refused, never doubled.
//!
//! # Parallel steps
//!
//! The executor starts every step whose dependencies are done, the lowest number first, up to a limit. All steps run
//! inside one task, so only the order of responses decides what happens next. They share the state, which is locked
//! while it is written, and `RunState`, which is never locked across an await.
//!
//! # Cancellation
//!
//! After a cancel request no step is started. A running step continues as far as it needs no wait for a permit. A write
//! that was never sent leaves its step not attempted. A write with an unverified result leaves its step unknown.

mod classify;
mod cleanup;
mod cohorts;
mod create;
mod executor;
mod file_segments;
mod hidden_name_holder;
mod hints;
mod journaling;
mod lifecycle;
mod rollback;
pub mod run_report;
mod run_result;
mod step_error;
mod step_run;
mod update;
mod upload_results;
mod write;

use crate::api::{CancelToken, Client, Clock, FetchedSegment, RemoteSegment, RequestError, Transport};
use crate::model::{
    Adoption, ApiBehavior, Lifecycle, Payload, RemoteKind, SegmentId, SegmentKind, SegmentName, ShownKinds,
};
use crate::plan::step::{Action, DesiredDefinition, Plan, ResolvedReferences, Step, Target, exact_digest};
use crate::publish::Publisher;
use crate::state::{self, State, StateStore, StoreError};
use classify::Effect;
use rollback::AppliedTemporaryChange;
use run_report::{RunReport, StepOutcome, StepReport};
pub use run_result::RunStatus;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use step_error::{StateError, StepResult};
use step_run::{SegmentBefore, StepRun};
pub use upload_results::CallbackOptions;

const LIST_CHANGED: &str = "the member list changed since the plan was made; plan again";

pub struct Applier<'a, T: Transport, C: Clock> {
    client: &'a Client<T, C>,
    clock: &'a C,
    store: &'a StateStore,
    options: ApplyOptions,
    /// Locked while it is written, so that the stored state is always the latest.
    state: tokio::sync::Mutex<State>,
    /// The references as the plan resolved them. What the plan read is compared by them.
    planned_references: ResolvedReferences,
    /// The references including those that steps of this run resolved.
    current_references: RwLock<ResolvedReferences>,
    run_state: Mutex<RunState>,
}

#[derive(Clone, Debug)]
pub struct ApplyOptions {
    pub run_id: String,
    pub api_behavior: ApiBehavior,
    /// Whether segctl may adopt an unmanaged segment that only a refusal by MoEngage reveals.
    pub adoption: Adoption,
    /// The digest of the saved plan. It is journaled before the first write, so that no plan is applied twice.
    pub saved_plan_digest: Option<String>,
    /// Whether recovery changed the state. That is journaled even if the plan is empty.
    pub recovered_writes: bool,
    /// The directory of `segctl.yaml`: paths of member lists are relative to it.
    pub config_directory: PathBuf,
    pub publisher: Option<Arc<dyn Publisher>>,
    pub callbacks: Option<CallbackOptions>,
    /// The maximum number of concurrent steps.
    pub parallelism: usize,
    pub cancel_token: CancelToken,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            run_id: String::new(),
            api_behavior: ApiBehavior::default(),
            adoption: Adoption::Allow,
            saved_plan_digest: None,
            recovered_writes: false,
            config_directory: PathBuf::new(),
            publisher: None,
            callbacks: None,
            parallelism: 1,
            cancel_token: CancelToken::never(),
        }
    }
}

/// What steps share. Steps are keyed by their numbers.
#[derive(Default)]
struct RunState {
    /// What the recheck of a saved plan read: each replaces one re-read.
    rechecked: BTreeMap<SegmentId, FetchedSegment>,
    /// Applied temporary changes, which may have to be rolled back.
    temporary_changes: BTreeMap<usize, AppliedTemporaryChange>,
    /// MoEngage accepted a write, or may have.
    has_written: bool,
    /// What lists showed, in this run and earlier.
    shown_kinds: ShownKinds,
    /// Whether no step is started any more, so that no step waits for a callback either.
    is_stopping: bool,
    has_journaled: bool,
    /// Whether member lists were saved, so that older ones may be unreferenced.
    has_saved_lists: bool,
    /// The state's entries of segments of which MoEngage returns a definition in another form than segctl sent.
    respelled: BTreeMap<SegmentId, state::StateEntry>,
    /// The last read of each written segment.
    fetched: BTreeMap<SegmentId, (RemoteSegment, Lifecycle)>,
}

#[derive(Clone, Copy, Debug)]
pub enum StepEvent<'a> {
    Started(&'a Step),
    Finished(&'a StepReport),
}

#[derive(Debug)]
pub struct RunResult {
    pub report: RunReport,
    /// Why the run ended before its last step.
    pub abort_reason: Option<AbortReason>,
    /// Whether MoEngage accepted a write, or may have.
    pub has_written: bool,
    /// The last read of each written segment and its lifecycle: the next plan starts from it.
    pub fetched: BTreeMap<SegmentId, (RemoteSegment, Lifecycle)>,
    pub shown_kinds: ShownKinds,
    pub state: State,
}

#[derive(Debug)]
pub enum AbortReason {
    /// MoEngage rejected the credentials and would reject every other request.
    CredentialsRejected(RequestError),
    /// segctl cannot record any further write.
    StateWriteFailed(StoreError),
    Cancelled,
}

impl<'a, T: Transport, C: Clock> Applier<'a, T, C> {
    /// `state` was loaded from `store`.
    pub fn new(
        client: &'a Client<T, C>,
        clock: &'a C,
        store: &'a StateStore,
        state: State,
        options: ApplyOptions,
    ) -> Self {
        let applier = Self {
            client,
            clock,
            store,
            options,
            state: tokio::sync::Mutex::default(),
            planned_references: ResolvedReferences::default(),
            current_references: RwLock::default(),
            run_state: Mutex::default(),
        };
        state
            .all_entries()
            .for_each(|entry| applier.note_returned_form(entry));
        Self {
            state: tokio::sync::Mutex::new(state),
            ..applier
        }
    }

    /// Uses what the recheck of a saved plan read in place of the re-reads before the first writes.
    #[must_use]
    pub fn with_rechecked(self, rechecked: BTreeMap<SegmentId, FetchedSegment>) -> Self {
        self.run_state().rechecked = rechecked;
        self
    }

    #[must_use]
    pub fn with_shown_kinds(self, shown_kinds: ShownKinds) -> Self {
        self.run_state().shown_kinds = shown_kinds;
        self
    }

    /// Runs the steps of `plan`, which must have no conflicts. There is a report in any case.
    pub async fn apply(mut self, plan: &Plan, on_event: &(dyn Fn(StepEvent<'_>) + Sync)) -> RunResult {
        self.planned_references = plan.references.clone();
        *self.resolved_references_mut() = plan.references.clone();
        let recorded = self.record_state_updates(plan).await;
        let abort_reason = recorded.err().map(AbortReason::StateWriteFailed);
        let (mut reports, mut abort_reason) = self.run_all(&plan.steps, abort_reason, on_event).await;
        self.roll_back_temporary(plan, &mut reports, &mut abort_reason, on_event)
            .await;
        // A later run deletes what stays published. Without the lock another run may be publishing the same lists.
        if !matches!(abort_reason, Some(AbortReason::StateWriteFailed(_))) {
            drop(self.unpublish_consumed().await);
            drop(self.unpublish_orphaned().await);
        }
        self.compact_journal().await;
        let state = self.state.lock().await.clone();
        let report = RunReport { steps: reports };
        let mut run_state = self.run_state();
        RunResult {
            // A refusal may answer the second delivery of a write: then only the outcome shows that it took effect.
            has_written: run_state.has_written || report.may_have_written(),
            report,
            abort_reason,
            fetched: std::mem::take(&mut run_state.fetched),
            shown_kinds: std::mem::take(&mut run_state.shown_kinds),
            state,
        }
    }

    async fn run_step(&self, run: &mut StepRun<'_>) -> Result<StepOutcome, StateError> {
        let step = run.step;
        let result = match &step.action {
            Action::Create(desired) => self.create(run, desired).await,
            Action::Update(change) => self.update(run, change).await,
            Action::Archive(target) => self.change_lifecycle(run, target, Lifecycle::Archived).await,
            Action::Unarchive(target) => self.change_lifecycle(run, target, Lifecycle::Active).await,
            Action::SyncCohort(cohort_sync) => self.sync_cohort(run, cohort_sync).await,
            Action::UploadUserList(list_upload) => self.upload(run, list_upload).await,
        };
        let result = self.resolve_error(run, result);
        self.run_state().has_written |= run.has_written || run.may_have_written;
        if step.action.temporary_change().is_some()
            && let Some(before) = run.before.take()
        {
            let may_still_arrive = run.may_have_written;
            let change = AppliedTemporaryChange {
                before,
                may_still_arrive,
            };
            self.run_state().temporary_changes.insert(step.number, change);
        }
        let is_resolved = result
            .as_ref()
            .is_ok_and(|outcome| !matches!(outcome, StepOutcome::Unknown { .. }));
        if is_resolved && !run.is_left_unarchived {
            // If this cannot be journaled, the next write cannot either and ends the run. The next run recovers.
            drop(self.record_resolved(step).await);
        }
        result
    }

    /// Records a confirmed write and compares what MoEngage stored with what was sent.
    async fn finish_write(
        &self,
        run: &StepRun<'_>,
        desired: &DesiredDefinition,
        stored: RemoteSegment,
        mut notes: Vec<String>,
    ) -> StepResult<StepOutcome> {
        self.record_written(run.step, &stored).await?;
        let name = match &run.step.action {
            Action::Update(change) => &change.name,
            _ => &run.step.segment,
        };
        if stored.name != *name {
            notes.push(format!(
                "the segment was renamed during the run to `{}` instead of `{name}`; the next plan corrects it",
                stored.name
            ));
        }
        let mut definition = stored.payload();
        if definition.is_none() || self.may_return_another_form(run, desired, &stored) {
            // MoEngage confirmed the write: a failed read does not undo it.
            let found = self.client.get(&stored.id).await.ok();
            if let Some(found) = found.and_then(|found| found.payload()) {
                self.record_returned_form(desired, &stored.id, &found).await?;
                definition = Some(found);
            }
        }
        match definition {
            Some(definition) if self.is_stored_as(desired, &definition) => {}
            Some(_) => notes.push(
                "MoEngage stored a definition that differs from the one sent; the next plan shows the difference"
                    .to_owned(),
            ),
            None => notes.push(
                "MoEngage does not return the definition that it stored; run `segctl plan` to check it".to_owned(),
            ),
        }
        Ok(StepOutcome::applied(stored.id, notes))
    }

    async fn find_by_name(&self, name: &SegmentName) -> Result<Option<RemoteSegment>, RequestError> {
        let listed = self.client.list_named(name).await?;
        let Some(listed) = listed.into_iter().find(|listed| listed.name == *name) else {
            return Ok(None);
        };
        let found = self.client.get(&listed.id).await?;
        if remote_kind(&found) != RemoteKind::Filter {
            let mut run_state = self.run_state();
            run_state.shown_kinds.add(&listed.kind, listed.source.as_deref());
        }
        // The listing may lag: the segment may have another name by now.
        Ok(Some(found).filter(|found| found.name == *name))
    }

    fn has_definition(&self, desired: &DesiredDefinition, segment: &RemoteSegment) -> bool {
        let definition = self.written_definition(segment);
        definition.is_some_and(|found| desired.is_identical_to(&found, &self.resolved_references()))
    }

    /// Whether a segment has the definition that a write of the step may have sent: MoEngage may return it in another form.
    fn has_sent_definition(
        &self,
        run: &StepRun<'_>,
        desired: &DesiredDefinition,
        segment: &RemoteSegment,
    ) -> bool {
        let is_respelled = |found| desired.is_respelled_as(&found, &self.resolved_references());
        self.has_definition(desired, segment)
            || run.may_have_written && segment.payload().is_some_and(is_respelled)
    }

    /// Whether MoEngage stored what was sent, in whatever form it returns it.
    fn is_stored_as(&self, desired: &DesiredDefinition, returned: &Payload) -> bool {
        let references = self.resolved_references();
        desired.is_identical_to(returned, &references) || desired.is_respelled_as(returned, &references)
    }

    /// The definition that segctl wrote, if MoEngage returns it in this form.
    fn written_definition(&self, segment: &RemoteSegment) -> Option<Payload> {
        let returned = segment.payload()?;
        let run_state = self.run_state();
        let entry = run_state.respelled.get(&segment.id);
        Some(
            entry
                .map_or(&returned, |entry| entry.as_written(&returned))
                .clone(),
        )
    }

    /// Whether MoEngage may answer reads in another form than writes: an earlier run wrote the same definition, and the read
    /// before this write returned a respelling of it.
    fn may_return_another_form(
        &self,
        run: &StepRun<'_>,
        desired: &DesiredDefinition,
        stored: &RemoteSegment,
    ) -> bool {
        let Some(SegmentBefore {
            segment: before,
            entry: Some(entry),
        }) = &run.before
        else {
            return false;
        };
        let is_rewritten = entry.digest.as_deref() == Some(desired.digests.exact.to_string().as_str());
        let differs = |found: &Payload| {
            before.payload() != stored.payload()
                && !desired.is_identical_to(found, &self.resolved_references())
                && desired.is_respelled_as(found, &self.resolved_references())
        };
        is_rewritten && before.payload().is_some_and(|found| differs(&found))
    }

    /// Whether a segment is as the plan read it, or as an earlier step left it. A temporary definition may refer to a
    /// segment that an earlier step created: the plan could not resolve that reference.
    fn matches_plan(&self, target: &Target, current: &RemoteSegment) -> bool {
        let definition = self.written_definition(current);
        let is_planned = |references: &ResolvedReferences| {
            definition.as_ref().map(|found| exact_digest(found, references)) == target.digest
        };
        current.name == target.remote_name
            && (is_planned(&self.planned_references) || is_planned(&self.resolved_references()))
    }

    /// For a write that has no effect that a read could show.
    fn compare_with_plan(&self, target: Option<&Target>, current: &RemoteSegment) -> Effect {
        if target.is_none_or(|target| self.matches_plan(target, current)) {
            Effect::NotApplied
        } else {
            Effect::Conflicting
        }
    }

    /// Whether the list shows such a segment while it is active, as far as is known.
    async fn is_kind_listed(&self, segment: &RemoteSegment) -> bool {
        let state = self.state.lock().await;
        let is_cohort = match state.any_entry(&segment.id).map(|entry| entry.kind) {
            Some(SegmentKind::Cohort) => true,
            Some(SegmentKind::File) => false,
            Some(SegmentKind::Filter) | None => ShownKinds::is_cohort_word(&segment.kind),
        };
        let kind = remote_kind(segment);
        let shown = &self.run_state().shown_kinds;
        self.options.api_behavior.lists_kind(&kind, is_cohort, shown)
    }

    /// Records the re-read of a step that sends a list. The step before unarchived an archived segment.
    fn record_recheck(&self, run: &mut StepRun<'_>, current: Option<&RemoteSegment>) {
        if let Some(current) = current {
            run.is_rechecked = true;
            self.record_fetched(current.clone(), Lifecycle::Active);
        }
    }

    fn record_fetched(&self, segment: RemoteSegment, lifecycle: Lifecycle) {
        let id = segment.id.clone();
        self.run_state().fetched.insert(id, (segment, lifecycle));
    }

    async fn is_managed(&self, id: &SegmentId) -> bool {
        self.state.lock().await.managed_entry(id).is_some()
    }

    // Every change of shared data is a single step, so a panicking task leaves it consistent.

    fn run_state(&self) -> MutexGuard<'_, RunState> {
        self.run_state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolved_references(&self) -> RwLockReadGuard<'_, ResolvedReferences> {
        self.current_references
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn resolved_references_mut(&self) -> RwLockWriteGuard<'_, ResolvedReferences> {
        self.current_references
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn remote_kind(segment: &RemoteSegment) -> RemoteKind {
    match segment.payload() {
        Some(_) => RemoteKind::Filter,
        None => RemoteKind::Other(segment.kind.clone()),
    }
}
