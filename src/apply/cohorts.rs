//! Sends members to a cohort. The first request creates the cohort.
//!
//! The API does not return members, so the result of a request cannot be verified. Adding a member twice and removing one
//! twice change nothing, so segctl repeats a request until it is answered. It journals the progress before each request:
//! after an interrupted run the state has the confirmed members and an upper bound, and the next run sends the rest. A
//! request that was never answered may arrive late, so segctl first waits until none can.

pub(super) mod assume_in_sync;
mod member_changes;

use super::classify::{self, Effect, NextAction};
use super::run_report::{SkipReason, StepOutcome};
use super::step_error::{StateError, StepResult};
use super::step_run::{MAX_ATTEMPTS, StepRun};
use super::write::{Write, Written};
use super::{Applier, LIST_CHANGED};
use crate::api::{ApiError, Clock, MemberBatcher, Operation, Permit, RemoteSegment, RequestError, Transport};
use crate::member_list::SortedValues as _;
use crate::member_list::compressed_list::ListReader;
use crate::model::{Lifecycle, MemberChange, SegmentId, SegmentKind, SegmentName};
use crate::plan::step::{CohortSync, Step};
use crate::state::member_lists::{RecordedMembers, RecordedMembersError};
use crate::state::{
    CohortState, IntendedWrite, Intent, JournalEntry, PartialSync, State, StateEntry, StoreError,
};
use jiff::Timestamp;
use member_changes::MemberChanges;
use std::io;

struct CohortProgress<'s> {
    step: &'s Step,
    cohort_sync: &'s CohortSync,
    /// The remote name.
    name: &'s SegmentName,
    id: Option<SegmentId>,
    state_before: CohortState,
    added: u64,
    removed: u64,
    /// Confirmed requests.
    requests_sent: usize,
    has_started: bool,
}

/// The write of one request.
struct MemberBatch<'b, 's, T: Transport, C: Clock> {
    applier: &'b Applier<'b, T, C>,
    progress: &'b mut CohortProgress<'s>,
    change: MemberChange,
    members: &'b [String],
}

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    pub(super) async fn sync_cohort(
        &self,
        run: &mut StepRun<'_>,
        cohort_sync: &CohortSync,
    ) -> StepResult<StepOutcome> {
        if !self.members_match_plan(cohort_sync).await {
            return Ok(StepOutcome::Skipped(SkipReason::Drifted));
        }
        let loaded = self.load_member_changes(cohort_sync).await;
        let changes = match loaded.map_err(StateError::BeforeWrite)? {
            Ok(changes) => changes,
            Err(message) => return Ok(StepOutcome::failed(message)),
        };
        let recorded = cohort_sync.recorded.as_ref();
        let ambiguous_since = recorded.and_then(|recorded| recorded.ambiguous_since);
        let operation = Operation::SyncMembers(run.step.segment.clone(), MemberChange::Add);
        self.wait_out_in_flight(operation, ambiguous_since).await?;
        self.run_state().has_saved_lists = true;
        for (digest, bytes) in &changes.lists_to_save {
            let saved = self.store.save_member_list(digest, bytes).await;
            saved.map_err(StateError::BeforeWrite)?;
        }
        let mut progress = CohortProgress::new(run.step, cohort_sync, changes.state_before.clone());
        let result = self.send_batches(run, &changes, &mut progress).await;
        let outcome = self.resolve_error(run, result)?;
        if !outcome.is_done() {
            self.record_partial_sync(run, &progress).await?;
        }
        Ok(progress.describe(outcome))
    }

    async fn members_match_plan(&self, cohort_sync: &CohortSync) -> bool {
        let state = self.state.lock().await;
        let recorded = match &cohort_sync.target {
            Some(target) => state
                .any_entry(&target.id)
                .and_then(|entry| entry.cohort_state.as_deref().cloned()),
            None => state.pending_creation(&cohort_sync.cohort.key),
        };
        recorded == cohort_sync.recorded
    }

    /// The inner error is the message of a failed step.
    async fn load_member_changes(
        &self,
        cohort_sync: &CohortSync,
    ) -> Result<Result<MemberChanges, String>, StoreError> {
        let recorded = match RecordedMembers::load(self.store, cohort_sync.base.as_ref()).await {
            Ok(recorded) => recorded,
            Err(RecordedMembersError::Store(error)) => return Err(error),
            Err(error) => return Ok(Err(format!("{error}; plan again"))),
        };
        let changes = MemberChanges::compute(cohort_sync, &recorded, &self.options.config_directory);
        Ok(match changes {
            Ok(Some(changes)) => Ok(changes),
            Ok(None) => Err(LIST_CHANGED.to_owned()),
            Err(error) => Err(format!("the member list cannot be read: {error}")),
        })
    }

    async fn send_batches(
        &self,
        run: &mut StepRun<'_>,
        changes: &MemberChanges,
        progress: &mut CohortProgress<'_>,
    ) -> StepResult<StepOutcome> {
        for (change, list) in [
            (MemberChange::Add, &changes.added),
            (MemberChange::Remove, &changes.removed),
        ] {
            let mut batches = MemberBatcher::new(progress.name, &progress.cohort_sync.cohort.key);
            let mut list = ListReader::of(list.as_slice());
            loop {
                let members = match next_batch(&mut list, &mut batches) {
                    Ok(Some(members)) => members,
                    Ok(None) => break,
                    Err(error) => return Ok(StepOutcome::failed(error.to_string())),
                };
                if let Some(outcome) = self.send_batch(run, change, &members, progress).await? {
                    return Ok(outcome);
                }
                progress.count_batch(change, members.len());
                if progress.id.is_none()
                    && let Some(outcome) = self.find_created_cohort(run, progress).await?
                {
                    return Ok(outcome);
                }
            }
        }
        self.finish_sync(run, progress).await
    }

    /// The outcome of the step if the request was not confirmed.
    async fn send_batch(
        &self,
        run: &mut StepRun<'_>,
        change: MemberChange,
        members: &[String],
        progress: &mut CohortProgress<'_>,
    ) -> StepResult<Option<StepOutcome>> {
        let mut batch = MemberBatch {
            applier: self,
            progress,
            change,
            members,
        };
        Ok(Some(match self.execute(run, &mut batch).await? {
            Written::Confirmed(()) => {
                run.ambiguous_error = None;
                return Ok(None);
            }
            Written::Mismatch(current, _) => {
                self.record_fetched(current, Lifecycle::Active);
                StepOutcome::Skipped(SkipReason::Drifted)
            }
            Written::NotConfirmed(error) => self.failed_request_outcome(&error),
            Written::Ended(outcome) => outcome,
        }))
    }

    async fn record_request_start(
        &self,
        run: &StepRun<'_>,
        progress: &mut CohortProgress<'_>,
    ) -> StepResult<()> {
        progress.has_started = true;
        let now = Some(self.client.server_time());
        let Some(id) = &progress.id else {
            let cohort_state = Box::new(progress.partial_state(now));
            let write = IntendedWrite::CreateCohort { cohort_state };
            return self.record_intent(run.step, write, false).await;
        };
        let recorded = self.record_entry(|state| self.entry_with_partial_sync(state, id, progress, now));
        Ok(recorded.await.map_err(StateError::BeforeWrite)?)
    }

    /// Records the progress of an unfinished step, and whether one of its requests may still arrive.
    async fn record_partial_sync(&self, run: &StepRun<'_>, progress: &CohortProgress<'_>) -> StepResult<()> {
        let Some(id) = progress.id.as_ref().filter(|_| progress.has_started) else {
            return Ok(());
        };
        self.record_entry(|state| self.entry_with_partial_sync(state, id, progress, run.ambiguous_since))
            .await?;
        Ok(())
    }

    /// Finds the cohort that the first request created. Responses do not contain its id.
    async fn find_created_cohort(
        &self,
        run: &StepRun<'_>,
        progress: &mut CohortProgress<'_>,
    ) -> StepResult<Option<StepOutcome>> {
        let step = run.step;
        let behavior = self.options.api_behavior;
        let is_shown = behavior.lists_cohorts(&self.run_state().shown_kinds);
        if !is_shown && behavior.list_shows.is_some() {
            self.record_unlisted_cohort(run, progress).await?;
            return Ok(None);
        }
        let mut attempt = 0;
        let found = loop {
            attempt += 1;
            match self.find_by_name(&step.segment).await {
                Ok(Some(found)) if found.payload().is_some() => return Ok(Some(not_a_cohort(&found))),
                Ok(Some(found)) => break found,
                Ok(None) if !is_shown => {
                    self.record_unlisted_cohort(run, progress).await?;
                    return Ok(None);
                }
                Ok(None) => {}
                Err(error) => {
                    return Ok(Some(StepOutcome::unknown(format!(
                        "MoEngage accepted members, but the cohort could not be read: {error}; plan again"
                    ))));
                }
            }
            let missing = RequestError {
                operation: Operation::ListNamed(step.segment.clone()),
                kind: ApiError::NotFound {
                    message: "the segment is not listed yet".to_owned(),
                },
            };
            if attempt == MAX_ATTEMPTS || !self.client.wait_before_verify(attempt, &missing).await {
                return Ok(Some(StepOutcome::unknown(COHORT_NOT_CREATED)));
            }
        };
        self.resolve_reference(step, &found.id);
        let id = found.id.clone();
        self.run_state().shown_kinds.cohorts = true;
        self.record_fetched(found, Lifecycle::Active);
        self.record_created_cohort(run, id, progress).await?;
        Ok(None)
    }

    /// MoEngage confirmed the members, and no list shows cohorts: the answer is all there is. A later list that shows the
    /// cohort gives the entry its real id.
    async fn record_unlisted_cohort(
        &self,
        run: &StepRun<'_>,
        progress: &mut CohortProgress<'_>,
    ) -> StepResult<()> {
        let key = &progress.cohort_sync.cohort.key;
        let id = SegmentId::unlisted_cohort(&key.partner, &key.cohort_id);
        self.record_created_cohort(run, id, progress).await
    }

    async fn record_created_cohort(
        &self,
        run: &StepRun<'_>,
        id: SegmentId,
        progress: &mut CohortProgress<'_>,
    ) -> StepResult<()> {
        self.append_to_journal(|state| {
            let entry = self.entry_with_partial_sync(state, &id, progress, run.ambiguous_since);
            // An earlier run may have intended to create this cohort, too.
            let intents = state
                .intents()
                .filter(|intent| creates_same_cohort(intent, progress));
            let resolved = intents.map(|intent| JournalEntry::Resolved(intent.step.clone()));
            std::iter::once(JournalEntry::StateEntry(entry))
                .chain(resolved)
                .collect()
        })
        .await?;
        progress.id = Some(id);
        Ok(())
    }

    fn entry_with_partial_sync(
        &self,
        state: &State,
        id: &SegmentId,
        progress: &CohortProgress<'_>,
        ambiguous_since: Option<Timestamp>,
    ) -> StateEntry {
        self.entry_with_cohort_state(state, id, progress, progress.partial_state(ambiguous_since))
    }

    fn entry_with_cohort_state(
        &self,
        state: &State,
        id: &SegmentId,
        progress: &CohortProgress<'_>,
        cohort_state: CohortState,
    ) -> StateEntry {
        let is_active = cohort_state.exact_list().is_some() || progress.cohort_sync.target.is_none();
        let mut entry = self.managed_entry(state, id, progress.name);
        // segctl adopts an unmanaged cohort when the whole list was sent, not before.
        entry.history_only = !is_active && state.managed_entry(id).is_none();
        entry.kind = SegmentKind::Cohort;
        entry.rename(progress.step.segment.clone());
        entry.protect = progress.step.protect;
        if is_active {
            // The step before unarchived an archived cohort, or a dashboard user did.
            entry.set_lifecycle(Lifecycle::Active);
        }
        entry.cohort_state = Some(Box::new(cohort_state));
        entry
    }

    async fn finish_sync(&self, run: &StepRun<'_>, progress: &CohortProgress<'_>) -> StepResult<StepOutcome> {
        let Some(id) = progress.id.clone() else {
            // No declared list is empty, so a request was sent.
            return Ok(StepOutcome::NotAttempted);
        };
        let cohort_state = CohortState {
            key: progress.cohort_sync.cohort.key.clone(),
            confirmed: progress.cohort_sync.list.clone(),
            upper_bound: None,
            partial: None,
            ambiguous_since: run.ambiguous_since,
        };
        self.record_entry(|state| self.entry_with_cohort_state(state, &id, progress, cohort_state))
            .await?;
        let is_unverified = id.is_unlisted_cohort()
            && progress.cohort_sync.target.is_none()
            && self.options.api_behavior.list_shows.is_none();
        let notes = is_unverified.then(|| COHORT_NOT_LISTED.to_owned());
        Ok(StepOutcome::applied(id, notes.into_iter().collect()))
    }
}

impl<T: Transport, C: Clock> Write for MemberBatch<'_, '_, T, C> {
    type Answer = ();

    fn operation(&self) -> Operation {
        Operation::SyncMembers(self.progress.name.clone(), self.change)
    }

    fn segment_to_recheck(&self, run: &StepRun<'_>) -> Option<&SegmentId> {
        run.segment_to_recheck(self.progress.cohort_sync.target.as_ref())
    }

    fn effect(&self, _run: &StepRun<'_>, current: &RemoteSegment) -> Effect {
        self.applier
            .compare_with_plan(self.progress.cohort_sync.target.as_ref(), current)
    }

    async fn journal(&mut self, run: &mut StepRun<'_>, current: Option<&RemoteSegment>) -> StepResult<()> {
        self.applier.record_recheck(run, current);
        self.applier.record_request_start(run, self.progress).await
    }

    async fn send(&mut self, permit: Permit) -> Result<(), RequestError> {
        let CohortProgress {
            name, cohort_sync, ..
        } = self.progress;
        let client = self.applier.client;
        client
            .sync_members(permit, name, &cohort_sync.cohort.key, self.change, self.members)
            .await
    }

    fn next_action(&self, run: &StepRun<'_>, error: &RequestError) -> NextAction {
        classify::next_after_list_request(error, false, run.ambiguous_error.is_some())
    }
}

impl<'s> CohortProgress<'s> {
    fn new(step: &'s Step, cohort_sync: &'s CohortSync, state_before: CohortState) -> Self {
        let target = cohort_sync.target.as_ref();
        Self {
            step,
            cohort_sync,
            name: target.map_or(&step.segment, |target| &target.remote_name),
            id: target.map(|target| target.id.clone()),
            state_before,
            added: 0,
            removed: 0,
            requests_sent: 0,
            has_started: false,
        }
    }

    fn count_batch(&mut self, change: MemberChange, members: usize) {
        let count = match change {
            MemberChange::Add => &mut self.added,
            MemberChange::Remove => &mut self.removed,
        };
        *count += members as u64;
        self.requests_sent += 1;
    }

    fn partial_state(&self, ambiguous_since: Option<Timestamp>) -> CohortState {
        CohortState {
            partial: Some(PartialSync {
                list: self.cohort_sync.list.clone(),
                added: self.added,
                removed: self.removed,
            }),
            ambiguous_since,
            ..self.state_before.clone()
        }
    }

    /// Adds to the outcome how many requests were sent.
    fn describe(&self, outcome: StepOutcome) -> StepOutcome {
        let (sent, planned) = (self.requests_sent, self.cohort_sync.requests);
        match outcome {
            _ if sent == 0 => outcome,
            StepOutcome::NotAttempted => StepOutcome::failed(format!(
                "the run was stopped after {sent} of {planned} requests were sent; the next run continues from there"
            )),
            StepOutcome::Failed { message } => StepOutcome::failed(format!(
                "{sent} of {planned} requests were sent, then an error occurred: {message}"
            )),
            outcome => outcome,
        }
    }
}

const COHORT_NOT_CREATED: &str = "MoEngage accepted members but lists no segment of that name: it silently drops members for a \
     name of another segment, even an archived one; choose another name, or run again if the listing lags";

const COHORT_NOT_LISTED: &str = "MoEngage lists no cohorts, so its answer is the only result; MoEngage drops members for a name of \
     another segment: check the cohort in the dashboard, then set `api_behavior: {list_shows: …}` in segctl.yaml";

/// MoEngage silently drops members that are sent to a filter segment.
fn not_a_cohort(found: &RemoteSegment) -> StepOutcome {
    let (name, id) = (&found.name, &found.id);
    StepOutcome::failed(format!(
        "a filter segment named `{name}` (id {id}) appeared since the plan, and MoEngage silently drops members sent to it; \
         plan again"
    ))
}

fn creates_same_cohort(intent: &Intent, progress: &CohortProgress<'_>) -> bool {
    matches!(&intent.write, IntendedWrite::CreateCohort { cohort_state } if cohort_state.key == progress.cohort_sync.cohort.key)
}

fn next_batch(list: &mut ListReader<&[u8]>, batches: &mut MemberBatcher) -> io::Result<Option<Vec<String>>> {
    while let Some(value) = list.next()? {
        let full = batches.push(String::from_utf8_lossy(value).into_owned());
        if full.is_some() {
            return Ok(full);
        }
    }
    Ok(batches.finish())
}
