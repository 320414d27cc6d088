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

mod advice;
mod awaiting;
mod create;
mod hidden;
mod lifecycle;
mod members;
mod passing;
pub mod receipt;
mod remember;
mod schedule;
mod sending;
mod settle;
mod update;
mod upload;
mod verdict;
mod withdraw;

use crate::api::{ApiError, CallError, Client, Clock, Seen, StopSignal, Stored, Transport};
use crate::ledger::{self, Ledger, LedgerStore, StoreError};
use crate::model::{Adoption, Behaviour, Lifecycle, SegmentId, SegmentName};
use crate::plan::step::{Action, Known, Plan, Step, Target, Wanted, digest_of};
use crate::publish::Publisher;
use awaiting::Awaited;
pub use awaiting::Callbacks;
use jiff::SignedDuration;
use receipt::{Entry, Outcome, Receipt};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use verdict::Verdict;

/// How often a write is tried whose answer was lost and that a look showed not to have happened: with the waits before each
/// look that is up to a quarter of a minute, and five times as long as an answer is waited for where none comes.
const ATTEMPTS: u32 = 5;

/// How long what was read to see whether a saved plan still holds stands for the look right before a write: a plan of some
/// dozen steps is then not read twice.
const READ_HOLDS: SignedDuration = SignedDuration::from_secs(30);

/// What steps are run with.
pub struct Applier<'a, T: Transport, C: Clock, S> {
    client: &'a Client<T, C>,
    clock: &'a C,
    store: &'a S,
    settings: Settings,
    /// Held while it is written, so that what is on the disk is always the latest.
    ledger: tokio::sync::Mutex<Ledger>,
    /// What references meant when the plan was made: what it saw is compared by that.
    planned: Known,
    /// What they mean by now.
    known: RwLock<Known>,
    memory: Mutex<Memory>,
}

/// How a run goes about its steps.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names this run in the ledger.
    pub run: String,
    /// What is known of the service where its documentation is silent.
    pub behaviour: Behaviour,
    /// Whether what somebody else made may be taken over where only the service's answer tells of it.
    pub adoption: Adoption,
    /// The digest of the saved plan that is run: it is taken down before the first write, so that it is not run twice.
    pub saved_plan: Option<String>,
    /// Whether the ledger was settled after it was read: that is taken down even where there is nothing to do.
    pub has_settled: bool,
    /// Where the paths of lists begin: the folder of `segctl.yaml`.
    pub directory: PathBuf,
    /// Puts lists where the service reads them.
    pub publisher: Option<Arc<dyn Publisher>>,
    /// Where the service calls back, where anybody listens.
    pub callbacks: Option<Callbacks>,
    /// The most steps that are under way at once.
    pub parallelism: usize,
    /// Raised when somebody wants to stop.
    pub stop: StopSignal,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            run: String::new(),
            behaviour: Behaviour::default(),
            adoption: Adoption::Allow,
            saved_plan: None,
            has_settled: false,
            directory: PathBuf::new(),
            publisher: None,
            callbacks: None,
            parallelism: 1,
            stop: StopSignal::never(),
        }
    }
}

/// What steps leave for others.
#[derive(Default)]
struct Memory {
    /// What segments were before their updates, and what the ledger knew of them, by the number of the step.
    before: BTreeMap<usize, (Stored, Option<ledger::Entry>)>,
    /// What was read to see whether the plan still holds: good for one write that follows at once.
    read_before: BTreeMap<SegmentId, Seen>,
    /// Steps of which a call was not answered, so that it may have done what it was to do.
    unanswered: BTreeSet<usize>,
    /// Steps that took out what is not ours and could not put it back: they stay taken down.
    still_out: BTreeSet<usize>,
    /// Steps of which the service took a call.
    written: BTreeSet<usize>,
    /// What steps that were applied have to wait for.
    awaited: BTreeMap<usize, Awaited>,
    /// Whether nothing is started any more, so that nobody waits either.
    is_over: bool,
    /// Whether anything was taken down.
    has_recorded: bool,
    /// Whether lists of members were kept, so that others may be of no use any more.
    has_sent: bool,
    /// What the service showed last of the segments that were written.
    seen: BTreeMap<SegmentId, (Stored, Lifecycle)>,
}

/// Something worth showing while steps are run.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A step begins.
    Started(&'a Step),
    /// A step came to its end.
    Finished(&'a Entry),
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Ended {
    /// What came of each step.
    pub receipt: Receipt,
    /// What ended it before its last step, if anything did.
    pub stop: Option<Stop>,
    /// Whether the service took a write, or may have taken one.
    pub has_written: bool,
    /// What the service showed last of segments, and whether they were left in use: the next plan starts from it.
    pub seen: BTreeMap<SegmentId, (Stored, Lifecycle)>,
    /// What was applied by now.
    pub ledger: Ledger,
}

/// Why a run ended before its last step.
#[derive(Debug)]
pub enum Stop {
    /// The service refused the credentials: every other call would be refused as well.
    Credentials(CallError),
    /// The ledger cannot be written, so what comes next could not be remembered.
    Ledger(StoreError),
    /// Somebody wanted it to.
    Asked,
}

/// How a step ends when it does not end with an outcome of its own.
enum Interruption {
    Call(CallError),
    /// The ledger cannot be written, after a write to the service.
    Ledger(StoreError),
    /// The ledger cannot be written, before one.
    LedgerFirst(StoreError),
    /// The ledger cannot be written, before a call of a step of which an earlier one did something, or may have.
    LedgerBetween(StoreError),
}

impl From<CallError> for Interruption {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<StoreError> for Interruption {
    fn from(error: StoreError) -> Self {
        Self::Ledger(error)
    }
}

impl<'a, T: Transport, C: Clock, S: LedgerStore> Applier<'a, T, C, S> {
    /// Runs steps through `client`, and remembers them in `store`, where `ledger` was read from.
    pub fn new(
        client: &'a Client<T, C>,
        clock: &'a C,
        (store, ledger): (&'a S, Ledger),
        settings: Settings,
    ) -> Self {
        Self {
            client,
            clock,
            store,
            settings,
            ledger: tokio::sync::Mutex::new(ledger),
            planned: Known::default(),
            known: RwLock::default(),
            memory: Mutex::default(),
        }
    }

    /// Lets what was read a moment ago, to see whether a saved plan still holds, stand for the read before a write.
    #[must_use]
    pub fn read_before(self, read: BTreeMap<SegmentId, Seen>) -> Self {
        self.memory().read_before = read;
        self
    }

    /// Runs the steps of `plan`, which must be free of conflicts, and tells `on_event` of each.
    ///
    /// There is a receipt in any case.
    pub async fn apply(mut self, plan: &Plan, on_event: &(dyn Fn(Event<'_>) + Sync)) -> Ended {
        self.planned = plan.known.clone();
        *self.known_mut() = plan.known.clone();
        let stop = self.record(plan).await.err().map(Stop::Ledger);
        let (mut entries, mut stop) = self.run_all(&plan.steps, stop, on_event).await;
        self.take_back_passing(plan, (&mut entries, &mut stop), on_event)
            .await;
        // What stays published is taken away by a later run. Without the lock another one may publish the same lists by now.
        if !matches!(stop, Some(Stop::Ledger(_))) {
            drop(self.withdraw_read().await);
            drop(self.withdraw_left().await);
        }
        self.take_in_journal().await;
        let ledger = self.ledger.lock().await.clone();
        let receipt = Receipt { entries };
        let mut memory = self.memory();
        Ended {
            // A refusal may be the echo of a write that was delivered twice: then only the outcome tells of it.
            has_written: !memory.written.is_empty()
                || !memory.unanswered.is_empty()
                || receipt.may_have_written(),
            receipt,
            stop,
            seen: std::mem::take(&mut memory.seen),
            ledger,
        }
    }

    async fn run(&self, step: &Step) -> Result<Outcome, Interruption> {
        let done = match &step.action {
            Action::Create(wanted) => self.create(step, wanted).await,
            Action::Update(change) => self.update(step, change).await,
            Action::Archive(target) => self.archive(step, target).await,
            Action::Unarchive(target) => self.unarchive(step, target).await,
            Action::Send(sending) => self.send(step, sending).await,
            Action::Upload(uploading) => self.upload(step, uploading).await,
        };
        let done = done.map_err(|interruption| match interruption {
            Interruption::LedgerFirst(error) if self.may_be_half_done(step) => {
                Interruption::LedgerBetween(error)
            }
            other => other,
        });
        let is_known = match &done {
            Ok(outcome) => !matches!(outcome, Outcome::Unknown { .. }),
            Err(Interruption::Call(error)) => !error.is_ambiguous_write(),
            Err(_) => false,
        };
        if is_known && !self.memory().still_out.contains(&step.number) {
            // Where this cannot be taken down, the next write cannot either, and ends the run; the next one finds out.
            drop(self.settle(step).await);
        }
        done
    }

    /// Whether a call of a step did something, or may have.
    fn may_be_half_done(&self, step: &Step) -> bool {
        let memory = self.memory();
        memory.written.contains(&step.number) || memory.unanswered.contains(&step.number)
    }

    /// What a write stored, compared with what it should have stored.
    async fn stored(
        &self,
        step: &Step,
        wanted: &Wanted,
        stored: Stored,
        mut notes: Vec<String>,
    ) -> Result<Outcome, Interruption> {
        self.remember_stored(step, &stored).await?;
        let name = match &step.action {
            Action::Update(change) => &change.name,
            Action::Create(_)
            | Action::Archive(_)
            | Action::Unarchive(_)
            | Action::Send(_)
            | Action::Upload(_) => &step.segment,
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
            Some(definition) if wanted.is_stored_as(&definition, &self.known()) => {}
            Some(_) => notes.push(
                "the service stored a definition that differs from the one sent; the next plan shows how"
                    .to_owned(),
            ),
            None => notes.push("the service does not show the definition that it stored".to_owned()),
        }
        Ok(Outcome::applied(stored.id, notes))
    }

    /// The live segment of this name, with its definition, if the list shows one.
    async fn look_up(&self, name: &SegmentName) -> Result<Option<Stored>, CallError> {
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
    fn is_as_planned(&self, target: &Target, current: &Stored) -> bool {
        let found = current.payload();
        let is_seen = |known: &Known| found.as_ref().map(|found| digest_of(found, known)) == target.seen;
        current.name == target.live_name && (is_seen(&self.planned) || is_seen(&self.known()))
    }

    /// What the next plan starts from.
    fn note_seen(&self, stored: Stored, lifecycle: Lifecycle) {
        self.memory().seen.insert(stored.id.clone(), (stored, lifecycle));
    }

    /// What ended a step, as its outcome, and why no other step may be started.
    fn interrupted(&self, interruption: Interruption) -> (Outcome, Option<Stop>) {
        match interruption {
            Interruption::Call(error) => {
                let outcome = self.failure(&error);
                let is_final = matches!(error.kind, ApiError::Credentials { .. });
                (outcome, is_final.then_some(Stop::Credentials(error)))
            }
            Interruption::Ledger(error) => {
                let message = format!("the service did it, but {}", with_causes(&error));
                (Outcome::Unknown { message }, Some(Stop::Ledger(error)))
            }
            Interruption::LedgerFirst(error) => {
                let message = format!("nothing was written: {}", with_causes(&error));
                (Outcome::Failed { message }, Some(Stop::Ledger(error)))
            }
            Interruption::LedgerBetween(error) => {
                let message = format!("it may be half done, and then {}", with_causes(&error));
                (Outcome::Unknown { message }, Some(Stop::Ledger(error)))
            }
        }
    }

    /// What a call that failed for good means for its step.
    fn failure(&self, error: &CallError) -> Outcome {
        let message = error.to_string();
        if error.is_ambiguous_write() {
            Outcome::Unknown { message }
        } else if matches!(error.kind, ApiError::Stopped) || self.is_given_up(&error.kind) {
            Outcome::NotAttempted
        } else {
            let advice = advice::advice(&error.kind, &self.settings.behaviour);
            let message = std::iter::once(message).chain(advice).collect::<Vec<_>>();
            Outcome::Failed {
                message: message.join("; "),
            }
        }
    }

    /// Waits before it is looked what came of a write whose answer was lost; whether it may be made again if nothing did.
    /// An answer that leaves something open, but was one, is looked into at once.
    async fn may_go_on(&self, attempt: u32, error: &CallError) -> bool {
        let is_lost = error.is_ambiguous_write();
        attempt < ATTEMPTS && (!is_lost || self.client.pause_before_look(attempt, error).await)
    }

    /// Whether a call was turned away unread, and somebody wanted to stop before it could be made again.
    fn is_given_up(&self, error: &ApiError) -> bool {
        matches!(error, ApiError::RateLimited { .. }) && self.settings.stop.is_raised()
    }

    // Every change of what is shared is a single step, so that what a panicking task left is whole.

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A write of which no try was answered, and of which nothing came as far as could be seen.
fn still_lost(attempts: u32, last: &CallError) -> Outcome {
    Outcome::Unknown {
        message: format!("no try of {attempts} was answered with success; the last: {last}; plan again"),
    }
}

/// A write whose answer was lost, and a read that should have told what became of it and failed as well.
fn unsettled(write: &CallError, read: &CallError) -> Outcome {
    Outcome::Unknown {
        message: format!("{write}; and it could not be found out whether it was done: {read}"),
    }
}
