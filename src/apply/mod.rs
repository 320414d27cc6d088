//! Runs a plan's steps and says what came of each.
//!
//! A step is: read the target again and compare it with what the plan saw, write, and where the answer was lost,
//! read until it is known what happened. No write is ever repeated blindly: before a second try the service is
//! asked whether the first one took effect. A step that fails skips only the steps that depend on it.
//!
//! The service has no idempotency keys, but names are unique for ever: a create that is repeated after a look-up
//! can be refused, never doubled.

mod create;
mod lifecycle;
pub mod receipt;
mod remember;
mod settle;
mod update;

use crate::api::{ApiError, CallError, Client, Clock, Stored, Transport};
use crate::ledger::{self, Ledger, LedgerStore, StoreError};
use crate::model::{Adoption, Lifecycle, SegmentId, SegmentName};
use crate::plan::step::{Action, Change, Known, Plan, Step, Wanted};
use jiff::{SignedDuration, Timestamp};
use receipt::{Entry, Outcome, Receipt, SkipReason};
use std::collections::{BTreeMap, BTreeSet};

/// How often a write is tried whose answer was lost and that a look-up showed not to have happened.
const ATTEMPTS: usize = 3;

/// How long a read before the first step stands for the one right before a write.
const READ_HOLDS: SignedDuration = SignedDuration::from_secs(60);

/// What steps are run with.
pub struct Applier<'a, T: Transport, C: Clock, S> {
    client: &'a Client<T, C>,
    clock: &'a C,
    store: &'a S,
    ledger: Ledger,
    known: Known,
    list_shows_archived: bool,
    adoption: Adoption,
    /// Names this run in the ledger.
    run: String,
    /// What segments were before their passing steps, and what the ledger knew of them, by the number of the step.
    undo: BTreeMap<usize, (Stored, Option<ledger::Entry>)>,
    /// What was read to see whether the plan still holds: good for one write that follows at once.
    read_before: BTreeMap<SegmentId, (Stored, Timestamp)>,
    /// What the service showed last of the segments that were written.
    seen: BTreeMap<SegmentId, (Stored, Lifecycle)>,
    /// The digest of the saved plan that is run.
    saved_plan: Option<String>,
}

/// Something worth showing while steps are run.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A step begins.
    Started(&'a Step),
    /// A step came to its end.
    Finished(&'a Entry),
}

/// Why a run ended before its last step.
#[derive(Debug)]
pub enum Stop {
    /// The service refused the credentials: every other call would be refused as well.
    Credentials(CallError),
    /// The ledger cannot be written, so what comes next could not be remembered.
    Ledger(StoreError),
}

/// How a step ends when it does not end with an outcome of its own.
enum Interruption {
    Call(CallError),
    /// The ledger cannot be written, after a write to the service.
    Ledger(StoreError),
    /// The ledger cannot be written, before one.
    LedgerFirst(StoreError),
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
    pub fn new(client: &'a Client<T, C>, clock: &'a C, store: &'a S, ledger: Ledger) -> Self {
        Self {
            client,
            clock,
            store,
            ledger,
            known: Known::default(),
            list_shows_archived: false,
            adoption: Adoption::Allow,
            run: String::new(),
            undo: BTreeMap::new(),
            read_before: BTreeMap::new(),
            saved_plan: None,
            seen: BTreeMap::new(),
        }
    }

    /// Says in the ledger which run applied what.
    #[must_use]
    pub fn run_named(mut self, run: &str) -> Self {
        run.clone_into(&mut self.run);
        self
    }

    /// Runs a plan that was saved: its digest is taken down before the first write, and what was read a moment ago to see
    /// whether it still holds stands for the read before a write.
    #[must_use]
    pub fn of_saved_plan(mut self, digest: Option<String>, read_before: BTreeMap<SegmentId, Stored>) -> Self {
        let now = self.clock.now();
        self.saved_plan = digest;
        self.read_before = read_before
            .into_iter()
            .map(|(id, stored)| (id, (stored, now)))
            .collect();
        self
    }

    /// Takes into account that the service's list shows archived segments.
    #[must_use]
    pub fn list_shows_archived(mut self, shows: bool) -> Self {
        self.list_shows_archived = shows;
        self
    }

    /// Says whether what somebody else made may be taken over where only the service's answer tells of it.
    #[must_use]
    pub fn adoption(mut self, adoption: Adoption) -> Self {
        self.adoption = adoption;
        self
    }

    /// Runs the steps of `plan`, which must be free of conflicts, and tells `on_event` of each.
    ///
    /// There is a receipt in any case; with it comes what ended the run before its last step, if anything did.
    pub async fn apply(
        mut self,
        plan: &Plan,
        on_event: &(dyn Fn(Event<'_>) + Sync),
    ) -> (Receipt, Option<Stop>) {
        self.known = plan.known.clone();
        let mut receipt = Receipt {
            entries: Vec::with_capacity(plan.steps.len()),
            seen: BTreeMap::new(),
        };
        let mut stop = self.record(plan).await.err().map(Stop::Ledger);
        for step in &plan.steps {
            let outcome = match (&stop, unmet(step, &receipt)) {
                (Some(_), _) => Outcome::NotAttempted,
                (None, Some(segment)) => Outcome::Skipped(SkipReason::DependsOn(segment)),
                (None, None) => {
                    on_event(Event::Started(step));
                    self.run(step, &mut stop).await
                }
            };
            let entry = Entry {
                number: step.number,
                segment: step.segment.clone(),
                action: step.action.as_str(),
                outcome,
            };
            on_event(Event::Finished(&entry));
            receipt.entries.push(entry);
        }
        self.take_back_passing(plan, &mut receipt, &mut stop, on_event)
            .await;
        receipt.seen = self.seen;
        (receipt, stop)
    }

    /// Takes back the passing steps whose final ones did not follow.
    async fn take_back_passing(
        &mut self,
        plan: &Plan,
        receipt: &mut Receipt,
        stop: &mut Option<Stop>,
        on_event: &(dyn Fn(Event<'_>) + Sync),
    ) {
        let left = unfinished(plan, receipt);
        for step in plan.steps.iter().filter(|step| left.contains(&step.number)) {
            let Some(before) = self.undo.remove(&step.number).filter(|_| stop.is_none()) else {
                continue;
            };
            let done = self.take_back((step, last(plan, step)), before).await;
            let outcome = self.outcome(done, stop);
            if let Some(entry) = receipt.entries.get_mut(step.number - 1) {
                entry.outcome = outcome;
                on_event(Event::Finished(entry));
            }
        }
    }

    async fn run(&mut self, step: &Step, stop: &mut Option<Stop>) -> Outcome {
        let done = match &step.action {
            Action::Create(wanted) => self.create(step, wanted).await,
            Action::Update(change) => self.update(step, change).await,
            Action::Archive(target) => self.archive(step, target).await,
            Action::Unarchive(target) => self.unarchive(step, target).await,
        };
        self.outcome(done, stop)
    }

    fn outcome(&self, done: Result<Outcome, Interruption>, stop: &mut Option<Stop>) -> Outcome {
        match done {
            Ok(outcome) => outcome,
            Err(Interruption::Call(error)) => {
                let outcome = failure(&error);
                if matches!(error.kind, ApiError::Credentials { .. }) {
                    *stop = Some(Stop::Credentials(error));
                }
                outcome
            }
            Err(Interruption::Ledger(error)) => {
                let message = format!("the service did it, but {error}");
                *stop = Some(Stop::Ledger(error));
                Outcome::Unknown { message }
            }
            Err(Interruption::LedgerFirst(error)) => {
                let message = format!("nothing was written: {error}");
                *stop = Some(Stop::Ledger(error));
                Outcome::Failed { message }
            }
        }
    }

    /// What a write stored, compared with what it should have stored.
    async fn stored(
        &mut self,
        step: &Step,
        wanted: &Wanted,
        stored: Stored,
        mut notes: Vec<String>,
    ) -> Result<Outcome, Interruption> {
        self.remember_stored(step, &stored).await?;
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
            Some(definition) if wanted.is_stored_as(&definition, &self.known) => {}
            Some(_) => notes.push(
                "the service stored a definition that differs from the one sent; the next plan shows how"
                    .to_owned(),
            ),
            None => notes.push("the service does not show the definition that it stored".to_owned()),
        }
        Ok(Outcome::Applied { id: stored.id, notes })
    }

    /// A segment right before it is written.
    async fn read(&mut self, id: &SegmentId) -> Result<Stored, CallError> {
        let now = self.clock.now();
        match self.read_before.remove(id) {
            Some((stored, at)) if at.duration_until(now) <= READ_HOLDS => Ok(stored),
            _ => self.client.get(id).await,
        }
    }

    /// The live segment of this name, with its definition, if the list shows one.
    async fn look_up(&self, name: &SegmentName) -> Result<Option<Stored>, CallError> {
        let listed = self.client.list_named(name).await?;
        match listed.into_iter().find(|listed| listed.name == *name) {
            Some(listed) => self.client.get(&listed.id).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Passing steps that were applied and whose segments have a final step that was not.
fn unfinished(plan: &Plan, receipt: &Receipt) -> BTreeSet<usize> {
    let came_to = |step: &Step| {
        receipt
            .entries
            .get(step.number.checked_sub(1)?)
            .map(|entry| &entry.outcome)
    };
    let is_applied = |step: &Step| matches!(came_to(step), Some(Outcome::Applied { .. }));
    // What became of a final step may be unknown: then taking back could undo it.
    let is_without =
        |step: &Step| matches!(came_to(step), Some(Outcome::Failed { .. } | Outcome::Skipped(_)));
    let finals = plan
        .steps
        .iter()
        .filter(|step| step.action.passing().is_none() && is_without(step));
    let without: BTreeSet<&SegmentName> = finals.map(|step| &step.segment).collect();
    let passing = plan
        .steps
        .iter()
        .filter(|step| step.action.passing().is_some() && is_applied(step));
    passing
        .filter(|step| without.contains(&step.segment))
        .map(|step| step.number)
        .collect()
}

/// What the file says of a segment that a passing step is for.
fn last<'p>(plan: &'p Plan, passing: &Step) -> Option<&'p Change> {
    let own = plan.steps.iter().filter(|step| step.segment == passing.segment);
    own.filter_map(|step| match &step.action {
        Action::Update(change) if change.passing.is_none() => Some(change),
        _ => None,
    })
    .next()
}

/// The segment of a step that this one depends on and that was not applied.
fn unmet(step: &Step, receipt: &Receipt) -> Option<SegmentName> {
    // Steps are numbered from 1 in the order of the plan, and each has left its entry.
    let needed = step
        .depends_on
        .iter()
        .filter_map(|number| receipt.entries.get(number.checked_sub(1)?));
    needed
        .filter(|entry| !matches!(entry.outcome, Outcome::Applied { .. }))
        .map(|entry| entry.segment.clone())
        .next()
}

/// A write whose answer was lost, and a read that should have told what became of it and failed as well.
fn unsettled(write: &CallError, read: &CallError) -> Outcome {
    Outcome::Unknown {
        message: format!("{write}; and it could not be found out whether it was done: {read}"),
    }
}

/// What a call that failed for good means for its step.
fn failure(error: &CallError) -> Outcome {
    let message = error.to_string();
    if error.is_ambiguous_write() {
        Outcome::Unknown { message }
    } else {
        Outcome::Failed { message }
    }
}
