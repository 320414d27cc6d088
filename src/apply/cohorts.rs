//! Sending members to a cohort, which the first call makes.
//!
//! Nobody can look what came of a call, and nobody needs to: adding who is in and removing who is not change nothing, so
//! that a call is made again until it is answered. How far a step has come is taken down before every call. A run that ends
//! between two of them leaves behind who surely is a member and who may be, and the next one sends what makes that sure. A
//! call that nobody heard of again may arrive late and undo what a later run did, so that this one waits until none can.

pub(super) mod assume_in_sync;
mod member_changes;

use super::run_report::{SkipReason, StepOutcome};
use super::{Applier, MAX_ATTEMPTS, StepError, attempts_exhausted, unverifiable};
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

/// How far a step has come.
struct CohortSyncRun<'s> {
    step: &'s Step,
    cohort_sync: &'s CohortSync,
    /// The name that the cohort has at the service.
    name: &'s SegmentName,
    /// The segment, once it is known, and whether it was looked at.
    id: Option<SegmentId>,
    is_rechecked: bool,
    /// Who was in it before the first call.
    state_before: CohortState,
    added: u64,
    removed: u64,
    /// Calls that were answered.
    requests_sent: usize,
    /// Whether a call was about to be made.
    has_started: bool,
    /// The last call that was not answered, as long as it was not made again.
    ambiguous_error: Option<RequestError>,
    /// When the last call was made that was not answered.
    ambiguous_since: Option<Timestamp>,
}

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Sends what a cohort lacks, and takes back what it has too much.
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
            Ok(parcel) => parcel,
            Err(message) => return Ok(StepOutcome::Failed { message }),
        };
        let before = cohort_sync
            .recorded
            .as_ref()
            .and_then(|known| known.ambiguous_since);
        let operation = Operation::SyncMembers(step.segment.clone(), MemberChange::Add);
        self.wait_out_in_flight(operation, before).await?;
        self.run_state().has_saved_lists = true;
        for (digest, bytes) in &changes.lists_to_save {
            let kept = self.store.save_member_list(digest, bytes).await;
            kept.map_err(StepError::StateBeforeWrite)?;
        }
        let mut step_run = CohortSyncRun::new(step, cohort_sync, changes.state_before.clone());
        let sent = self.send_batches(&changes, &mut step_run).await;
        let outcome = self.with_ambiguity_of(sent, step_run.ambiguous_error.as_ref())?;
        if !outcome.is_done() {
            self.record_partial_sync(&step_run).await?;
        }
        Ok(step_run.with_progress(outcome))
    }

    /// Whether the ledger knows of the members what it knew when the plan was made.
    async fn members_match_plan(&self, cohort_sync: &CohortSync) -> bool {
        let state = self.state.lock().await;
        let known = match &cohort_sync.target {
            Some(target) => state
                .any_entry(&target.id)
                .and_then(|entry| entry.cohort_state.as_deref().cloned()),
            None => state.pending_creation(&cohort_sync.cohort.key),
        };
        known == cohort_sync.recorded
    }

    /// Reads the declared list and the ones that were kept; or says why that is of no use.
    async fn load_member_changes(
        &self,
        cohort_sync: &CohortSync,
    ) -> Result<Result<MemberChanges, String>, StoreError> {
        let kept = match RecordedMembers::load(self.store, cohort_sync.base.as_ref()).await {
            Ok(kept) => kept,
            Err(RecordedMembersError::Store(error)) => return Err(error),
            Err(error) => return Ok(Err(format!("{error}; plan again"))),
        };
        let packed = MemberChanges::compute(cohort_sync, &kept, &self.options.config_directory);
        Ok(match packed {
            Ok(Some(parcel)) => Ok(parcel),
            Ok(None) => Err("its list was changed since the plan was made; plan again".to_owned()),
            Err(error) => Err(format!("its list cannot be read: {error}")),
        })
    }

    async fn send_batches(
        &self,
        changes: &MemberChanges,
        step_run: &mut CohortSyncRun<'_>,
    ) -> Result<StepOutcome, StepError> {
        let unreadable = |error: io::Error| StepOutcome::Failed {
            message: error.to_string(),
        };
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
                    Err(error) => return Ok(unreadable(error)),
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

    /// Makes one call until it is answered; how the step ends where it is not.
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
            let seen = (step_run.cohort_sync.target.as_ref(), &mut step_run.is_rechecked);
            let Some(permit) = self.permit_after_recheck(&operation, seen).await? else {
                return Ok(Some(StepOutcome::Skipped(SkipReason::Drifted)));
            };
            self.record_request_start(step_run).await?;
            let sent = self
                .client
                .sync_members(permit, (step_run.name, key), (change, members))
                .await;
            self.mark_sent(step_run.step, sent.as_ref().err());
            let error = match sent {
                Ok(()) => {
                    step_run.ambiguous_error = None;
                    return Ok(None);
                }
                Err(error) => error,
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

    /// Takes down how far the step has come and that one more call is about to be made.
    async fn record_request_start(&self, step_run: &mut CohortSyncRun<'_>) -> Result<(), StepError> {
        step_run.has_started = true;
        let Some(id) = &step_run.id else {
            let sent = Box::new(partial_cohort_state(step_run, Some(self.clock.now())));
            let write = IntendedWrite::CreateCohort { cohort_state: sent };
            return self.record_intent(step_run.step, write, false).await;
        };
        let ambiguous_since = Some(self.clock.now());
        let entry = |state: &State| self.entry_with_partial_sync(state, id, (step_run, ambiguous_since));
        let recorded = self
            .append_to_journal(|state| vec![JournalEntry::StateEntry(entry(state))])
            .await;
        recorded.map_err(StepError::StateBeforeWrite)
    }

    /// Takes down how far the step has come that ends here, and whether a call of it may still arrive.
    async fn record_partial_sync(&self, step_run: &CohortSyncRun<'_>) -> Result<(), StepError> {
        let Some(id) = step_run.id.as_ref().filter(|_| step_run.has_started) else {
            return Ok(());
        };
        let entry =
            |state: &State| self.entry_with_partial_sync(state, id, (step_run, step_run.ambiguous_since));
        self.append_to_journal(|state| vec![JournalEntry::StateEntry(entry(state))])
            .await?;
        Ok(())
    }

    /// Finds the segment that the first call made, of which no answer tells the id.
    async fn find_created_cohort(
        &self,
        step_run: &mut CohortSyncRun<'_>,
    ) -> Result<Option<StepOutcome>, StepError> {
        let step = step_run.step;
        let mut attempt = 0;
        let stored = loop {
            attempt += 1;
            match self.find_by_name(&step.segment).await {
                Ok(Some(stored)) if stored.payload().is_some() => return Ok(Some(not_a_cohort(&stored))),
                Ok(Some(stored)) => break stored,
                Ok(None) => {}
                Err(error) => {
                    let message = format!("the service took members, and then {error}");
                    return Ok(Some(StepOutcome::Unknown { message }));
                }
            }
            let missing = RequestError {
                operation: Operation::ListNamed(step.segment.clone()),
                kind: ApiError::NotFound {
                    message: "it is not listed yet".to_owned(),
                },
            };
            if attempt == MAX_ATTEMPTS || !self.client.wait_before_verify(attempt, &missing).await {
                return Ok(Some(StepOutcome::Unknown {
                    message: COHORT_NOT_CREATED.to_owned(),
                }));
            }
        };
        self.resolve_reference(step, &stored.id);
        let id = stored.id.clone();
        self.record_fetched(stored, Lifecycle::Active);
        let recorded = self.append_to_journal(|state| {
            let entry = self.entry_with_partial_sync(state, &id, (step_run, step_run.ambiguous_since));
            // What an earlier run was about to make is this one.
            let begun = state
                .intents()
                .filter(|intent| creates_same_cohort(intent, step_run));
            let settled = begun.map(|intent| JournalEntry::Resolved(intent.step.clone()));
            std::iter::once(JournalEntry::StateEntry(entry))
                .chain(settled)
                .collect()
        });
        recorded.await?;
        step_run.id = Some(id);
        Ok(None)
    }

    fn entry_with_partial_sync(
        &self,
        state: &State,
        id: &SegmentId,
        (step_run, ambiguous_since): (&CohortSyncRun<'_>, Option<Timestamp>),
    ) -> StateEntry {
        let sent = partial_cohort_state(step_run, ambiguous_since);
        self.entry_with_cohort_state(state, id, (step_run, sent))
    }

    fn entry_with_cohort_state(
        &self,
        state: &State,
        id: &SegmentId,
        (step_run, sent): (&CohortSyncRun<'_>, CohortState),
    ) -> StateEntry {
        let is_managed = sent.exact_list().is_some()
            || step_run.cohort_sync.target.is_none()
            || state.managed_entry(id).is_some();
        let mut entry = self.managed_entry(state, id, step_run.name);
        // What somebody else made is ours when all of it took effect, not before.
        entry.history_only = !is_managed;
        entry.kind = SegmentKind::Cohort;
        entry.rename(step_run.step.segment.clone());
        entry.protect = step_run.step.protect;
        if sent.exact_list().is_some() || step_run.cohort_sync.target.is_none() {
            // What was put away was taken out by the step before, or by somebody.
            entry.set_lifecycle(Lifecycle::Active);
        }
        entry.cohort_state = Some(Box::new(sent));
        entry
    }

    /// Takes down that everything was sent.
    async fn finish_sync(&self, step_run: &CohortSyncRun<'_>) -> Result<StepOutcome, StepError> {
        let Some(id) = step_run.id.clone() else {
            // Nobody is declared empty, so that there was a call.
            return Ok(StepOutcome::NotAttempted);
        };
        let sent = CohortState {
            key: step_run.cohort_sync.cohort.key.clone(),
            confirmed: step_run.cohort_sync.list.clone(),
            upper_bound: None,
            partial: None,
            ambiguous_since: step_run.ambiguous_since,
        };
        let entry = |state: &State| self.entry_with_cohort_state(state, &id, (step_run, sent));
        self.append_to_journal(|state| vec![JournalEntry::StateEntry(entry(state))])
            .await?;
        Ok(StepOutcome::applied(id, Vec::new()))
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

    /// An outcome, with how far it had come by then.
    fn with_progress(&self, outcome: StepOutcome) -> StepOutcome {
        let sent = || {
            format!(
                "{} of {} calls were made",
                self.requests_sent, self.cohort_sync.requests
            )
        };
        match outcome {
            _ if self.requests_sent == 0 => outcome,
            StepOutcome::NotAttempted => StepOutcome::Failed {
                message: format!(
                    "the run was stopped when {}; the next one goes on from there",
                    sent()
                ),
            },
            StepOutcome::Failed { message } => StepOutcome::Failed {
                message: format!("{}, and then {message}", sent()),
            },
            outcome => outcome,
        }
    }
}

/// What is known of the members while a list is sent.
fn partial_cohort_state(step_run: &CohortSyncRun<'_>, ambiguous_since: Option<Timestamp>) -> CohortState {
    let under_way = PartialSync {
        list: step_run.cohort_sync.list.clone(),
        added: step_run.added,
        removed: step_run.removed,
    };
    CohortState {
        partial: Some(under_way),
        ambiguous_since,
        ..step_run.state_before.clone()
    }
}

/// What is said where a cohort should have been made and is not there.
const COHORT_NOT_CREATED: &str = "the service took members and lists no segment of that name: it drops without a word a name that \
                       another segment has, archived ones too; choose another name, or run again if the list lags";

/// A segment that has the name and that no members can be sent to.
fn not_a_cohort(stored: &RemoteSegment) -> StepOutcome {
    let (name, id) = (&stored.name, &stored.id);
    StepOutcome::Failed {
        message: format!(
            "a filter segment named `{name}` (id {id}) appeared since the plan, and the service drops what is sent to it; \
             plan again"
        ),
    }
}

/// Whether a run was about to make the cohort of a step.
fn creates_same_cohort(intent: &Intent, step_run: &CohortSyncRun<'_>) -> bool {
    matches!(&intent.write, IntendedWrite::CreateCohort { cohort_state: sent } if sent.key == step_run.cohort_sync.cohort.key)
}

/// The members of the next call.
fn next_batch(list: &mut ListReader<&[u8]>, batches: &mut MemberBatcher) -> io::Result<Option<Vec<String>>> {
    while let Some(value) = list.next()? {
        let full = batches.push(String::from_utf8_lossy(value).into_owned());
        if full.is_some() {
            return Ok(full);
        }
    }
    Ok(batches.finish())
}
