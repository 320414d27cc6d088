//! Sends members to a cohort. The first request creates the cohort.
//!
//! The API does not return members, so the result of a request cannot be verified. Adding a member twice and removing one
//! twice change nothing, so segctl repeats a request until it is answered. It journals the progress before each request:
//! after an interrupted run the state has the confirmed members and an upper bound, and the next run sends the rest. A
//! request that was never answered may arrive late, so segctl first waits until none can.

pub(super) mod assume_in_sync;
mod member_changes;

use super::run_report::{SkipReason, StepOutcome};
use super::{Applier, LIST_CHANGED, MAX_ATTEMPTS, StepError, attempts_exhausted, unverifiable};
use crate::api::{ApiError, Clock, MemberBatcher, Operation, RemoteSegment, RequestError, Transport};
use crate::member_list::SortedValues as _;
use crate::member_list::compressed_list::ListReader;
use crate::model::{Lifecycle, MemberChange, SegmentId, SegmentKind, SegmentName};
use crate::plan::step::{CohortSync, Step};
use crate::state::member_lists::{RecordedMembers, RecordedMembersError};
use crate::state::{
    CohortState, IntendedWrite, Intent, JournalEntry, PartialSync, State, StateEntry, StateStore, StoreError,
};
use jiff::Timestamp;
use member_changes::MemberChanges;
use std::io;

struct CohortSyncRun<'s> {
    step: &'s Step,
    cohort_sync: &'s CohortSync,
    /// The remote name.
    name: &'s SegmentName,
    id: Option<SegmentId>,
    is_rechecked: bool,
    state_before: CohortState,
    added: u64,
    removed: u64,
    /// Confirmed requests.
    requests_sent: usize,
    has_started: bool,
    /// The error of the last unanswered request, until a retry is answered.
    ambiguous_error: Option<RequestError>,
    ambiguous_since: Option<Timestamp>,
}

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    pub(super) async fn sync_cohort(
        &self,
        step: &Step,
        cohort_sync: &CohortSync,
    ) -> Result<StepOutcome, StepError> {
        if !self.members_match_plan(cohort_sync).await {
            return Ok(StepOutcome::Skipped(SkipReason::Drifted));
        }
        let changes = match self
            .load_member_changes(cohort_sync)
            .await
            .map_err(StepError::StateBeforeWrite)?
        {
            Ok(changes) => changes,
            Err(message) => return Ok(StepOutcome::failed(message)),
        };
        let recorded = cohort_sync.recorded.as_ref();
        let ambiguous_since = recorded.and_then(|recorded| recorded.ambiguous_since);
        let operation = Operation::SyncMembers(step.segment.clone(), MemberChange::Add);
        self.wait_out_in_flight(operation, ambiguous_since).await?;
        self.run_state().has_saved_lists = true;
        for (digest, bytes) in &changes.lists_to_save {
            let saved = self.store.save_member_list(digest, bytes).await;
            saved.map_err(StepError::StateBeforeWrite)?;
        }
        let mut step_run = CohortSyncRun::new(step, cohort_sync, changes.state_before.clone());
        let result = self.send_batches(&changes, &mut step_run).await;
        let outcome = self.with_ambiguity_of(result, step_run.ambiguous_error.as_ref())?;
        if !outcome.is_done() {
            self.record_partial_sync(&step_run).await?;
        }
        Ok(step_run.with_progress(outcome))
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
        changes: &MemberChanges,
        step_run: &mut CohortSyncRun<'_>,
    ) -> Result<StepOutcome, StepError> {
        for (change, list) in [
            (MemberChange::Add, &changes.added),
            (MemberChange::Remove, &changes.removed),
        ] {
            let mut batches = MemberBatcher::new(step_run.name, &step_run.cohort_sync.cohort.key);
            let mut list = ListReader::of(list.as_slice());
            loop {
                let members = match next_batch(&mut list, &mut batches) {
                    Ok(Some(members)) => members,
                    Ok(None) => break,
                    Err(error) => return Ok(StepOutcome::failed(error.to_string())),
                };
                if let Some(outcome) = self.send_batch((change, &members), step_run).await? {
                    return Ok(outcome);
                }
                step_run.count_batch(change, members.len());
                if step_run.id.is_none()
                    && let Some(outcome) = self.find_created_cohort(step_run).await?
                {
                    return Ok(outcome);
                }
            }
        }
        self.finish_sync(step_run).await
    }

    /// Repeats one request until it is answered; otherwise returns the outcome of the step.
    async fn send_batch(
        &self,
        (change, members): (MemberChange, &[String]),
        step_run: &mut CohortSyncRun<'_>,
    ) -> Result<Option<StepOutcome>, StepError> {
        let operation = Operation::SyncMembers(step_run.name.clone(), change);
        let key = &step_run.cohort_sync.cohort.key;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let target = (step_run.cohort_sync.target.as_ref(), &mut step_run.is_rechecked);
            let Some(permit) = self.permit_after_recheck(&operation, target).await? else {
                return Ok(Some(StepOutcome::Skipped(SkipReason::Drifted)));
            };
            self.record_request_start(step_run).await?;
            let result = self
                .client
                .sync_members(permit, (step_run.name, key), (change, members))
                .await;
            self.mark_sent(step_run.step, &result);
            let Err(error) = result else {
                step_run.ambiguous_error = None;
                return Ok(None);
            };
            if error.is_ambiguous_write() {
                if error.may_still_be_processed() {
                    step_run.ambiguous_since = Some(self.clock.now());
                }
                if !self.should_retry(attempt, &error).await {
                    return Ok(Some(attempts_exhausted(attempt, &error)));
                }
                step_run.ambiguous_error = Some(error);
            } else if !self.client.backoff(attempt, &error).await {
                return Ok(Some(match &step_run.ambiguous_error {
                    Some(lost) => unverifiable(lost, &error),
                    None => self.failed_request_outcome(&error),
                }));
            }
        }
    }

    async fn record_request_start(&self, step_run: &mut CohortSyncRun<'_>) -> Result<(), StepError> {
        step_run.has_started = true;
        let Some(id) = &step_run.id else {
            let cohort_state = Box::new(partial_cohort_state(step_run, Some(self.clock.now())));
            let write = IntendedWrite::CreateCohort { cohort_state };
            return self.record_intent(step_run.step, write, false).await;
        };
        let ambiguous_since = Some(self.clock.now());
        self.record_entry(|state| self.entry_with_partial_sync(state, id, (step_run, ambiguous_since)))
            .await
            .map_err(StepError::StateBeforeWrite)
    }

    /// Records the progress of an unfinished step, and whether one of its requests may still arrive.
    async fn record_partial_sync(&self, step_run: &CohortSyncRun<'_>) -> Result<(), StepError> {
        let Some(id) = step_run.id.as_ref().filter(|_| step_run.has_started) else {
            return Ok(());
        };
        let progress = (step_run, step_run.ambiguous_since);
        self.record_entry(|state| self.entry_with_partial_sync(state, id, progress))
            .await?;
        Ok(())
    }

    /// Finds the cohort that the first request created. Responses do not contain its id.
    async fn find_created_cohort(
        &self,
        step_run: &mut CohortSyncRun<'_>,
    ) -> Result<Option<StepOutcome>, StepError> {
        let step = step_run.step;
        let behavior = self.options.api_behavior;
        let is_shown = behavior.lists_cohorts(&self.run_state().shown_kinds);
        if !is_shown && behavior.list_shows.is_some() {
            self.record_unlisted_cohort(step_run).await?;
            return Ok(None);
        }
        let mut attempt = 0;
        let found = loop {
            attempt += 1;
            match self.find_by_name(&step.segment).await {
                Ok(Some(found)) if found.payload().is_some() => return Ok(Some(not_a_cohort(&found))),
                Ok(Some(found)) => break found,
                Ok(None) if !is_shown => {
                    self.record_unlisted_cohort(step_run).await?;
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
        self.record_created_cohort(id, step_run).await?;
        Ok(None)
    }

    /// MoEngage confirmed the members, and no list shows cohorts: the answer is all there is. A later list that shows the
    /// cohort gives the entry its real id.
    async fn record_unlisted_cohort(&self, step_run: &mut CohortSyncRun<'_>) -> Result<(), StepError> {
        let key = &step_run.cohort_sync.cohort.key;
        let id = SegmentId::unlisted_cohort(&key.partner, &key.cohort_id);
        self.record_created_cohort(id, step_run).await
    }

    async fn record_created_cohort(
        &self,
        id: SegmentId,
        step_run: &mut CohortSyncRun<'_>,
    ) -> Result<(), StepError> {
        self.append_to_journal(|state| {
            let entry = self.entry_with_partial_sync(state, &id, (step_run, step_run.ambiguous_since));
            // An earlier run may have intended to create this cohort, too.
            let intents = state
                .intents()
                .filter(|intent| creates_same_cohort(intent, step_run));
            let resolved = intents.map(|intent| JournalEntry::Resolved(intent.step.clone()));
            std::iter::once(JournalEntry::StateEntry(entry))
                .chain(resolved)
                .collect()
        })
        .await?;
        step_run.id = Some(id);
        Ok(())
    }

    fn entry_with_partial_sync(
        &self,
        state: &State,
        id: &SegmentId,
        (step_run, ambiguous_since): (&CohortSyncRun<'_>, Option<Timestamp>),
    ) -> StateEntry {
        let cohort_state = partial_cohort_state(step_run, ambiguous_since);
        self.entry_with_cohort_state(state, id, (step_run, cohort_state))
    }

    fn entry_with_cohort_state(
        &self,
        state: &State,
        id: &SegmentId,
        (step_run, cohort_state): (&CohortSyncRun<'_>, CohortState),
    ) -> StateEntry {
        let is_active = cohort_state.exact_list().is_some() || step_run.cohort_sync.target.is_none();
        let mut entry = self.managed_entry(state, id, step_run.name);
        // segctl adopts an unmanaged cohort when the whole list was sent, not before.
        entry.history_only = !is_active && state.managed_entry(id).is_none();
        entry.kind = SegmentKind::Cohort;
        entry.rename(step_run.step.segment.clone());
        entry.protect = step_run.step.protect;
        if is_active {
            // The step before unarchived an archived cohort, or a dashboard user did.
            entry.set_lifecycle(Lifecycle::Active);
        }
        entry.cohort_state = Some(Box::new(cohort_state));
        entry
    }

    async fn finish_sync(&self, step_run: &CohortSyncRun<'_>) -> Result<StepOutcome, StepError> {
        let Some(id) = step_run.id.clone() else {
            // No declared list is empty, so a request was sent.
            return Ok(StepOutcome::NotAttempted);
        };
        let cohort_state = CohortState {
            key: step_run.cohort_sync.cohort.key.clone(),
            confirmed: step_run.cohort_sync.list.clone(),
            upper_bound: None,
            partial: None,
            ambiguous_since: step_run.ambiguous_since,
        };
        self.record_entry(|state| self.entry_with_cohort_state(state, &id, (step_run, cohort_state)))
            .await?;
        let is_unverified = id.is_unlisted_cohort()
            && step_run.cohort_sync.target.is_none()
            && self.options.api_behavior.list_shows.is_none();
        let notes = is_unverified.then(|| COHORT_NOT_LISTED.to_owned());
        Ok(StepOutcome::applied(id, notes.into_iter().collect()))
    }
}

impl<'s> CohortSyncRun<'s> {
    fn new(step: &'s Step, cohort_sync: &'s CohortSync, state_before: CohortState) -> Self {
        let target = cohort_sync.target.as_ref();
        Self {
            step,
            cohort_sync,
            name: target.map_or(&step.segment, |target| &target.remote_name),
            id: target.map(|target| target.id.clone()),
            is_rechecked: false,
            state_before,
            added: 0,
            removed: 0,
            requests_sent: 0,
            has_started: false,
            ambiguous_error: None,
            ambiguous_since: None,
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

    fn with_progress(&self, outcome: StepOutcome) -> StepOutcome {
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

fn partial_cohort_state(step_run: &CohortSyncRun<'_>, ambiguous_since: Option<Timestamp>) -> CohortState {
    CohortState {
        partial: Some(PartialSync {
            list: step_run.cohort_sync.list.clone(),
            added: step_run.added,
            removed: step_run.removed,
        }),
        ambiguous_since,
        ..step_run.state_before.clone()
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

fn creates_same_cohort(intent: &Intent, step_run: &CohortSyncRun<'_>) -> bool {
    matches!(&intent.write, IntendedWrite::CreateCohort { cohort_state } if cohort_state.key == step_run.cohort_sync.cohort.key)
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
