//! Taking back passing steps whose final ones did not follow: every segment keeps a valid name and its own definition.

use super::receipt::{Entry, Outcome};
use super::sending::{Overwrite, Sent};
use super::settle::Verdict;
use super::{Applier, Event, Interruption, Stop, with_causes};
use crate::api::{ApiError, Clock, Stored, Transport};
use crate::ledger::{self, LedgerStore};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use crate::plan::step::{Action, Change, Plan, Step, digest_of};
use std::collections::BTreeSet;

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Takes back the passing steps whose final ones did not follow.
    pub(super) async fn take_back_passing(
        &self,
        plan: &Plan,
        (entries, stop): (&mut [Entry], &mut Option<Stop>),
        on_event: &(dyn Fn(Event<'_>) + Sync),
    ) {
        let left = unfinished(plan, entries);
        for step in plan.steps.iter().filter(|step| left.contains(&step.number)) {
            let before = self.memory().before.remove(&step.number);
            let Some(before) = before.filter(|_| stop.is_none()) else {
                continue;
            };
            on_event(Event::Started(step));
            let id = before.0.id.clone();
            let outcome = match self.take_back((step, last(plan, step)), before).await {
                Ok(outcome) => outcome,
                Err(Interruption::LedgerFirst(error)) => {
                    let outcome = waits(id, &format!("could not be taken back: {}", with_causes(&error)));
                    *stop = Some(Stop::Ledger(error));
                    outcome
                }
                Err(interruption) => {
                    let (outcome, reason) = self.interrupted(interruption);
                    *stop = reason;
                    outcome
                }
            };
            if let Some(entry) = entries.get_mut(step.number - 1) {
                entry.outcome = outcome;
                on_event(Event::Finished(entry));
            }
        }
    }

    /// Takes back a passing step whose final one cannot follow, so that the segment has its own name and definition
    /// again. Others may have taken them by now, or somebody changed it; then it stays as it is, and the next run goes
    /// on from there.
    pub(super) async fn take_back(
        &self,
        (step, last): (&Step, Option<&Change>),
        (before, known): (Stored, Option<ledger::Entry>),
    ) -> Result<Outcome, Interruption> {
        let waits = |why: &str| waits(before.id.clone(), why);
        let (Action::Update(change), Some(definition)) = (&step.action, before.payload()) else {
            return Ok(waits("had no definition to go back to"));
        };
        // Groups that the service did not keep make no difference.
        let compare = |current: &Stored| {
            if self.is_as_left(change, current) {
                Verdict::NotDone
            } else {
                Verdict::Neither
            }
        };
        let update = Overwrite {
            id: &before.id,
            name: &before.name,
            digest: digest_of(&definition, &self.known()).to_string(),
            definition: &definition,
            takes_out: false,
            compare: &compare,
        };
        match self.send_update(step, &update, None).await {
            Ok(Sent::Stored(stored)) => {
                self.note_seen(stored, Lifecycle::Active);
                self.restore(step, (&before.id, known)).await?;
                Ok(Outcome::TakenBack)
            }
            Ok(Sent::Found(..)) => Ok(waits("was changed since")),
            Ok(Sent::Unanswered(error)) if matches!(error.kind, ApiError::DefinitionTaken { .. }) => {
                let found = (&before, &compare as &(dyn Fn(&Stored) -> Verdict + Sync));
                match self.own_definition((step, last), found, known).await? {
                    Some(outcome) => Ok(outcome),
                    None => Ok(waits(&format!("could not be taken back: {error}"))),
                }
            }
            Ok(Sent::Unanswered(error)) if error.is_ambiguous_write() => Ok(Outcome::Unknown {
                message: error.to_string(),
            }),
            Ok(Sent::Unanswered(error)) | Err(Interruption::Call(error)) => {
                Ok(waits(&format!("could not be taken back: {error}")))
            }
            Err(other) => Err(other),
        }
    }

    /// Whether a segment is as a passing step left it; groups that the service did not keep make no difference.
    fn is_as_left(&self, change: &Change, current: &Stored) -> bool {
        let known = self.known();
        let definition = current.payload();
        let is_alike = definition.is_some_and(|found| change.wanted.is_alike(&found, &known));
        current.name == change.name && is_alike
    }

    /// Gives a segment the definition of its file under the name that it had: the one way on where another segment got
    /// its former definition and nobody gets the name.
    async fn own_definition(
        &self,
        (step, last): (&Step, Option<&Change>),
        (before, compare): (&Stored, &(dyn Fn(&Stored) -> Verdict + Sync)),
        known: Option<ledger::Entry>,
    ) -> Result<Option<Outcome>, Interruption> {
        let resolve = |last: &Change| last.wanted.resolved(&self.known()).ok();
        let Some((last, definition)) = last.and_then(|last| Some((last, resolve(last)?))) else {
            return Ok(None);
        };
        let update = Overwrite {
            id: &before.id,
            name: &before.name,
            digest: last.wanted.digests.exact.to_string(),
            definition: &definition,
            takes_out: false,
            compare,
        };
        let stored = match self.send_update(step, &update, None).await {
            Ok(Sent::Stored(stored)) => stored,
            Ok(Sent::Unanswered(error)) if error.is_ambiguous_write() => {
                let message = error.to_string();
                return Ok(Some(Outcome::Unknown { message }));
            }
            Ok(Sent::Found(..) | Sent::Unanswered(_)) | Err(Interruption::Call(_)) => return Ok(None),
            Err(other) => return Err(other),
        };
        self.note_seen(stored, Lifecycle::Active);
        self.remember_own(step, (before, known), (&last.wanted, definition))
            .await?;
        let note = format!(
            "another segment has its former definition, so that it could not be taken back: it is `{}` as before, with the \
             definition of its file",
            before.name
        );
        Ok(Some(Outcome::applied(before.id.clone(), vec![note])))
    }
}

/// What came of a passing step that nothing follows and that stays as it is.
fn waits(id: SegmentId, why: &str) -> Outcome {
    let note = format!("it waits in passing and {why}; run again to go on from here");
    Outcome::applied(id, vec![note])
}

/// Passing steps that were applied and whose segments have a final step that was not.
fn unfinished(plan: &Plan, entries: &[Entry]) -> BTreeSet<usize> {
    let came_to = |step: &Step| {
        let entry = entries.get(step.number.checked_sub(1)?);
        entry.map(|entry| &entry.outcome)
    };
    let is_applied = |step: &Step| came_to(step).is_some_and(Outcome::is_done);
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
