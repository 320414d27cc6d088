//! Runs a plan's steps and says what came of each.
//!
//! A step is: wait for the turn of its write, look at the target and compare it with what the plan saw, take down what is
//! about to be done, write at once, and where the answer was lost, read until it is known what happened. No create and no
//! update is ever repeated blindly: before a second try the service is asked whether the first one took effect. Putting
//! away and taking out are repeated, since what is so already stays so. A step that fails skips only the steps that depend
//! on it.
//!
//! The service has no idempotency keys, but names are unique for ever: a create that is repeated after a look-up
//! can be refused, never doubled.
//!
//! # Side by side
//!
//! The plan's dependencies are all the order there is: `schedule` starts every step whose needs are met, the lowest
//! number first, up to a bound, and all of them share one budget of calls. Steps run inside one task, so that nothing
//! but the answers' order decides what happens next. What they share is the ledger, behind a lock that is held while it
//! is written, and a memory that is never held across a wait.
//!
//! # Stopping
//!
//! Once somebody wants to stop, no step is started any more; a step under way goes on as far as it can without waiting
//! for its turn. A write that was never sent leaves its step not attempted; one whose answer is still to be settled
//! leaves it unknown, and the next run starts from what is there.

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
mod update;
mod upload_results;
mod write;

use crate::api::{
    ApiError, CancelToken, Client, Clock, FetchedSegment, RemoteSegment, RequestError, Transport,
};
use crate::model::{Adoption, ApiBehavior, Lifecycle, SegmentId, SegmentName};
use crate::plan::step::{Action, DesiredDefinition, Plan, ResolvedReferences, Step, Target, exact_digest};
use crate::publish::Publisher;
use crate::state::{self, State, StateStore, StoreError};
use jiff::SignedDuration;
use run_report::{RunReport, StepOutcome, StepReport};
pub use run_result::RunStatus;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use upload_results::CallbackOptions;
use upload_results::PendingUpload;

/// How often a write is tried whose answer was lost and that a look showed not to have happened: with the waits before each
/// look that is up to a quarter of a minute, and five times as long as an answer is waited for where none comes.
const MAX_ATTEMPTS: u32 = 5;

/// How long what was read to see whether a saved plan still holds stands for the look right before a write: a plan of some
/// dozen steps is then not read twice.
const MAX_RECHECK_AGE: SignedDuration = SignedDuration::from_secs(30);

/// What steps are run with.
pub struct Applier<'a, T: Transport, C: Clock, S> {
    client: &'a Client<T, C>,
    clock: &'a C,
    store: &'a S,
    options: ApplyOptions,
    /// Held while it is written, so that what is on the disk is always the latest.
    state: tokio::sync::Mutex<State>,
    /// What references meant when the plan was made: what it saw is compared by that.
    planned_references: ResolvedReferences,
    /// What they mean by now.
    current_references: RwLock<ResolvedReferences>,
    run_state: Mutex<RunState>,
}

/// How a run goes about its steps.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Names this run in the ledger.
    pub run_id: String,
    /// What is known of the service where its documentation is silent.
    pub api_behavior: ApiBehavior,
    /// Whether what somebody else made may be taken over where only the service's answer tells of it.
    pub adoption: Adoption,
    /// The digest of the saved plan that is run: it is taken down before the first write, so that it is not run twice.
    pub saved_plan_digest: Option<String>,
    /// Whether the ledger was settled after it was read: that is taken down even where there is nothing to do.
    pub recovered_writes: bool,
    /// Where the paths of lists begin: the folder of `segctl.yaml`.
    pub config_directory: PathBuf,
    /// Puts lists where the service reads them.
    pub publisher: Option<Arc<dyn Publisher>>,
    /// Where the service calls back, where anybody listens.
    pub callbacks: Option<CallbackOptions>,
    /// The most steps that are under way at once.
    pub parallelism: usize,
    /// Raised when somebody wants to stop.
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

/// What steps leave for others.
#[derive(Default)]
struct RunState {
    /// What segments were before their updates, and what the ledger knew of them, by the number of the step.
    before_update: BTreeMap<usize, (RemoteSegment, Option<state::StateEntry>)>,
    /// What was read to see whether the plan still holds: good for one write that follows at once.
    rechecked: BTreeMap<SegmentId, FetchedSegment>,
    /// Steps of which a call was not answered, so that it may have done what it was to do.
    ambiguous_steps: BTreeSet<usize>,
    /// Steps that took out what is not ours and could not put it back: they stay taken down.
    left_unarchived: BTreeSet<usize>,
    /// Steps of which the service took a call.
    written_steps: BTreeSet<usize>,
    /// What steps that were applied have to wait for.
    pending_uploads: BTreeMap<usize, PendingUpload>,
    /// Whether nothing is started any more, so that nobody waits either.
    is_stopping: bool,
    /// Whether anything was taken down.
    has_journaled: bool,
    /// Whether lists of members were kept, so that others may be of no use any more.
    has_saved_lists: bool,
    /// What the service showed last of the segments that were written.
    fetched: BTreeMap<SegmentId, (RemoteSegment, Lifecycle)>,
}

/// Something worth showing while steps are run.
#[derive(Clone, Copy, Debug)]
pub enum StepEvent<'a> {
    /// A step begins.
    Started(&'a Step),
    /// A step came to its end.
    Finished(&'a StepReport),
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct RunResult {
    /// What came of each step.
    pub report: RunReport,
    /// What ended it before its last step, if anything did.
    pub abort_reason: Option<AbortReason>,
    /// Whether the service took a write, or may have taken one.
    pub has_written: bool,
    /// What the service showed last of segments, and whether they were left in use: the next plan starts from it.
    pub fetched: BTreeMap<SegmentId, (RemoteSegment, Lifecycle)>,
    /// What was applied by now.
    pub state: State,
}

/// Why a run ended before its last step.
#[derive(Debug)]
pub enum AbortReason {
    /// The service refused the credentials: every other call would be refused as well.
    CredentialsRejected(RequestError),
    /// The ledger cannot be written, so what comes next could not be remembered.
    StateWriteFailed(StoreError),
    /// Somebody wanted it to.
    Cancelled,
}

/// How a step ends when it does not end with an outcome of its own.
enum StepError {
    Request(RequestError),
    /// The ledger cannot be written, after a write to the service.
    StateAfterWrite(StoreError),
    /// The ledger cannot be written, before one.
    StateBeforeWrite(StoreError),
    /// The ledger cannot be written, before a call of a step of which an earlier one did something, or may have.
    StateBetweenWrites(StoreError),
}

impl From<RequestError> for StepError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::StateAfterWrite(error)
    }
}

impl<'a, T: Transport, C: Clock, S: StateStore> Applier<'a, T, C, S> {
    /// Runs steps through `client`, and remembers them in `store`, where `ledger` was read from.
    pub fn new(
        client: &'a Client<T, C>,
        clock: &'a C,
        (store, state): (&'a S, State),
        options: ApplyOptions,
    ) -> Self {
        Self {
            client,
            clock,
            store,
            options,
            state: tokio::sync::Mutex::new(state),
            planned_references: ResolvedReferences::default(),
            current_references: RwLock::default(),
            run_state: Mutex::default(),
        }
    }

    /// Lets what was read a moment ago, to see whether a saved plan still holds, stand for the read before a write.
    #[must_use]
    pub fn with_rechecked(self, rechecked: BTreeMap<SegmentId, FetchedSegment>) -> Self {
        self.run_state().rechecked = rechecked;
        self
    }

    /// Runs the steps of `plan`, which must be free of conflicts, and tells `on_event` of each.
    ///
    /// There is a receipt in any case.
    pub async fn apply(mut self, plan: &Plan, on_event: &(dyn Fn(StepEvent<'_>) + Sync)) -> RunResult {
        self.planned_references = plan.references.clone();
        *self.resolved_references_mut() = plan.references.clone();
        let abort_reason = self
            .record_state_updates(plan)
            .await
            .err()
            .map(AbortReason::StateWriteFailed);
        let (mut reports, mut abort_reason) = self.run_all(&plan.steps, abort_reason, on_event).await;
        self.roll_back_temporary(plan, (&mut reports, &mut abort_reason), on_event)
            .await;
        // What stays published is taken away by a later run. Without the lock another one may publish the same lists by now.
        if !matches!(abort_reason, Some(AbortReason::StateWriteFailed(_))) {
            drop(self.unpublish_consumed().await);
            drop(self.unpublish_orphaned().await);
        }
        self.compact_journal().await;
        let state = self.state.lock().await.clone();
        let report = RunReport { steps: reports };
        let mut run_state = self.run_state();
        RunResult {
            // A refusal may be the echo of a write that was delivered twice: then only the outcome tells of it.
            has_written: !run_state.written_steps.is_empty()
                || !run_state.ambiguous_steps.is_empty()
                || report.may_have_written(),
            report,
            abort_reason,
            fetched: std::mem::take(&mut run_state.fetched),
            state,
        }
    }

    async fn run_step(&self, step: &Step) -> Result<StepOutcome, StepError> {
        let done = match &step.action {
            Action::Create(wanted) => self.create(step, wanted).await,
            Action::Update(change) => self.update(step, change).await,
            Action::Archive(target) => self.archive(step, target).await,
            Action::Unarchive(target) => self.unarchive(step, target).await,
            Action::SyncCohort(sending) => self.sync_cohort(step, sending).await,
            Action::UploadUserList(uploading) => self.upload(step, uploading).await,
        };
        let done = done.map_err(|interruption| match interruption {
            StepError::StateBeforeWrite(error) if self.may_be_partially_applied(step) => {
                StepError::StateBetweenWrites(error)
            }
            other => other,
        });
        let is_known = match &done {
            Ok(outcome) => !matches!(outcome, StepOutcome::Unknown { .. }),
            Err(StepError::Request(error)) => !error.is_ambiguous_write(),
            Err(_) => false,
        };
        if is_known && !self.run_state().left_unarchived.contains(&step.number) {
            // Where this cannot be taken down, the next write cannot either, and ends the run; the next one finds out.
            drop(self.record_resolved(step).await);
        }
        done
    }

    /// Whether a call of a step did something, or may have.
    fn may_be_partially_applied(&self, step: &Step) -> bool {
        let run_state = self.run_state();
        run_state.written_steps.contains(&step.number) || run_state.ambiguous_steps.contains(&step.number)
    }

    /// What a write stored, compared with what it should have stored.
    async fn finish_write(
        &self,
        step: &Step,
        desired: &DesiredDefinition,
        stored: RemoteSegment,
        mut notes: Vec<String>,
    ) -> Result<StepOutcome, StepError> {
        self.record_written(step, &stored).await?;
        let name = match &step.action {
            Action::Update(change) => &change.name,
            Action::Create(_)
            | Action::Archive(_)
            | Action::Unarchive(_)
            | Action::SyncCohort(_)
            | Action::UploadUserList(_) => &step.segment,
        };
        if stored.name != *name {
            notes.push(format!(
                "it was renamed meanwhile: it is `{}`, not `{name}`; the next plan puts it right",
                stored.name
            ));
        }
        let answered = match stored.payload() {
            Some(definition) => Some(definition),
            // The write was answered with success; that it cannot be looked at now does not undo it.
            None => self
                .client
                .get(&stored.id)
                .await
                .ok()
                .and_then(|found| found.payload()),
        };
        match answered {
            Some(definition) if desired.is_identical_to(&definition, &self.resolved_references()) => {}
            Some(_) => notes.push(
                "the service stored a definition that differs from the one sent; the next plan shows how"
                    .to_owned(),
            ),
            None => notes.push("the service does not show the definition that it stored".to_owned()),
        }
        Ok(StepOutcome::applied(stored.id, notes))
    }

    /// The live segment of this name, with its definition, if the list shows one.
    async fn find_by_name(&self, name: &SegmentName) -> Result<Option<RemoteSegment>, RequestError> {
        let listed = self.client.list_named(name).await?;
        let Some(listed) = listed.into_iter().find(|listed| listed.name == *name) else {
            return Ok(None);
        };
        let stored = self.client.get(&listed.id).await?;
        // Lists may lag: it may have another name by now.
        Ok(Some(stored).filter(|stored| stored.name == *name))
    }

    /// Whether a segment is as the plan saw it, or as an earlier step left it. What the plan saw is read as references
    /// were known then; a passing definition may refer to what an earlier step made, which is known only now.
    fn matches_plan(&self, target: &Target, current: &RemoteSegment) -> bool {
        let found = current.payload();
        let is_seen = |known: &ResolvedReferences| {
            found.as_ref().map(|found| exact_digest(found, known)) == target.digest
        };
        current.name == target.remote_name
            && (is_seen(&self.planned_references) || is_seen(&self.resolved_references()))
    }

    /// What the next plan starts from.
    fn record_fetched(&self, stored: RemoteSegment, lifecycle: Lifecycle) {
        self.run_state()
            .fetched
            .insert(stored.id.clone(), (stored, lifecycle));
    }

    /// What ended a step, as its outcome, and why no other step may be started.
    fn failed_step_outcome(&self, interruption: StepError) -> (StepOutcome, Option<AbortReason>) {
        match interruption {
            StepError::Request(error) => {
                let outcome = self.failed_request_outcome(&error);
                let is_final = matches!(error.kind, ApiError::InvalidCredentials { .. });
                (
                    outcome,
                    is_final.then_some(AbortReason::CredentialsRejected(error)),
                )
            }
            StepError::StateAfterWrite(error) => {
                let message = format!("the service did it, but {}", error_chain(&error));
                (
                    StepOutcome::Unknown { message },
                    Some(AbortReason::StateWriteFailed(error)),
                )
            }
            StepError::StateBeforeWrite(error) => {
                let message = format!("nothing was written: {}", error_chain(&error));
                (
                    StepOutcome::Failed { message },
                    Some(AbortReason::StateWriteFailed(error)),
                )
            }
            StepError::StateBetweenWrites(error) => {
                let message = format!("it may be half done, and then {}", error_chain(&error));
                (
                    StepOutcome::Unknown { message },
                    Some(AbortReason::StateWriteFailed(error)),
                )
            }
        }
    }

    /// What a call that failed for good means for its step.
    fn failed_request_outcome(&self, error: &RequestError) -> StepOutcome {
        let message = error.to_string();
        if error.is_ambiguous_write() {
            StepOutcome::Unknown { message }
        } else if matches!(error.kind, ApiError::Cancelled) || self.was_cancelled_before_retry(&error.kind) {
            StepOutcome::NotAttempted
        } else {
            let advice = hints::hint(&error.kind, &self.options.api_behavior);
            let message = std::iter::once(message).chain(advice).collect::<Vec<_>>();
            StepOutcome::Failed {
                message: message.join("; "),
            }
        }
    }

    /// Waits before it is looked what came of a write whose answer was lost; whether it may be made again if nothing did.
    /// An answer that leaves something open, but was one, is looked into at once.
    async fn should_retry(&self, attempt: u32, error: &RequestError) -> bool {
        let is_lost = error.is_ambiguous_write();
        attempt < MAX_ATTEMPTS && (!is_lost || self.client.wait_before_verify(attempt, error).await)
    }

    /// Whether a call was turned away unread, and somebody wanted to stop before it could be made again.
    fn was_cancelled_before_retry(&self, error: &ApiError) -> bool {
        matches!(error, ApiError::RateLimited { .. }) && self.options.cancel_token.is_cancelled()
    }

    // Every change of what is shared is a single step, so that what a panicking task left is whole.

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

/// An error and what caused it, in one line.
fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A write of which no try was answered, and of which nothing came as far as could be seen.
fn attempts_exhausted(attempts: u32, last: &RequestError) -> StepOutcome {
    StepOutcome::Unknown {
        message: format!("no try of {attempts} was answered with success; the last: {last}; plan again"),
    }
}

/// A write whose answer was lost, and a read that should have told what became of it and failed as well.
fn unverifiable(write: &RequestError, read: &RequestError) -> StepOutcome {
    StepOutcome::Unknown {
        message: format!("{write}; and it could not be found out whether it was done: {read}"),
    }
}
