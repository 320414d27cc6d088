//! Updating a segment: its definition, its name, or both in one call.

use super::create::no_id;
use super::receipt::{Outcome, SkipReason};
use super::settle::Verdict;
use super::{ATTEMPTS, Applier, Interruption, settle, unsettled};
use crate::api::{ApiError, CallError, Clock, Stored, Transport};
use crate::ledger::{LedgerStore, Write};
use crate::model::{Lifecycle, Payload};
use crate::plan::step::{Change, Passing, Step};

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Updates, unless the segment is not as the plan saw it.
    pub(super) async fn update(&self, step: &Step, change: &Change) -> Result<Outcome, Interruption> {
        let payload = match change.wanted.resolved(&self.known()) {
            Ok(payload) => payload,
            Err(name) => {
                return Ok(Outcome::Failed {
                    message: no_id(&name),
                });
            }
        };
        let target = &change.target;
        let current = self.read(&target.id).await?;
        match self.compare(change, &current) {
            Verdict::Done => {
                let (id, notes) = (current.id.clone(), Vec::new());
                self.remember_stored(step, &current).await?;
                return Ok(Outcome::Unchanged { id, notes });
            }
            Verdict::NotDone => {}
            Verdict::Neither => {
                // The next plan has to start from what is there.
                self.note_seen(current, Lifecycle::Active);
                return Ok(Outcome::Skipped(SkipReason::Drifted));
            }
        }
        let write = Write::Update {
            id: target.id.clone(),
            name: change.name.clone(),
            definition: payload.clone(),
            digest: change.wanted.digests.exact.to_string(),
        };
        let known = self.keep(step, &current, write).await?;
        if change.passing.is_some() {
            let before = (current.clone(), known.clone());
            self.memory().undo.insert(step.number, before);
        }
        let outcome = self.write(step, change, (&current, &payload)).await;
        let is_refused = match &outcome {
            Ok(outcome) => matches!(outcome, Outcome::Failed { .. } | Outcome::NotAttempted),
            Err(Interruption::Call(error)) => !error.is_ambiguous_write(),
            Err(Interruption::Ledger(_) | Interruption::LedgerFirst(_)) => false,
        };
        if is_refused {
            let restored = self.restore(step, &target.id, known).await;
            restored.map_err(Interruption::LedgerFirst)?;
        }
        outcome
    }

    /// Sends the change, and where the answer is lost, finds out what became of it.
    async fn write(
        &self,
        step: &Step,
        change: &Change,
        (current, payload): (&Stored, &Payload),
    ) -> Result<Outcome, Interruption> {
        let target = &change.target;
        let rename = (current.name != change.name).then_some(&change.name);
        let mut notes = Vec::new();
        for _ in 0..ATTEMPTS {
            let error = match self.client.update(&target.id, rename, payload).await {
                Ok(stored) if self.is_unwrapped(change, &stored) => return self.unwrapped(step).await,
                Ok(stored) => return self.stored(step, &change.wanted, stored, notes).await,
                Err(error) => error,
            };
            if matches!(error.kind, ApiError::Forbidden { .. }) && notes.is_empty() {
                // Archived since the plan, or archived and listed all the same; or it is forbidden for another reason.
                match self.client.unarchive(&target.live_name, Some(&target.id)).await {
                    Ok(()) => {}
                    Err(other) if matches!(other.kind, ApiError::Refused { .. }) => {
                        return Ok(self.refused(change, &error));
                    }
                    Err(other) => return Err(other.into()),
                }
                notes.push(TAKEN_OUT.to_owned());
                continue;
            }
            if !error.is_ambiguous_write() {
                return Ok(after(notes.first(), self.refused(change, &error)));
            }
            let found = match self.client.get(&target.id).await {
                Ok(found) => found,
                Err(read) => return Ok(unsettled(&error, &read)),
            };
            match self.compare(change, &found) {
                _ if self.is_unwrapped(change, &found) => return self.unwrapped(step).await,
                Verdict::Done => {
                    notes.push("the answer was lost; the definition was found as sent".to_owned());
                    return self.stored(step, &change.wanted, found, notes).await;
                }
                Verdict::NotDone => {}
                Verdict::Neither => {
                    return Ok(Outcome::Unknown {
                        message: format!("{error}; plan again"),
                    });
                }
            }
        }
        Ok(Outcome::Unknown {
            message: format!("no answer came after {ATTEMPTS} tries; plan again"),
        })
    }

    /// Whether the service took a definition in passing and did not keep the group around it: it is not given up then, and
    /// two segments have the same one.
    fn is_unwrapped(&self, change: &Change, stored: &Stored) -> bool {
        let known = self.known();
        let is_other = |found: &Payload| {
            change.wanted.is_alike(found, &known) && !change.wanted.is_stored_as(found, &known)
        };
        wraps(change) && stored.name == change.name && stored.payload().as_ref().is_some_and(is_other)
    }

    /// Gives a segment back what it had before a passing step that the service did not keep as it was sent.
    async fn unwrapped(&self, step: &Step) -> Result<Outcome, Interruption> {
        let before = self.memory().undo.remove(&step.number);
        let Some(before) = before else {
            return Ok(Outcome::Failed {
                message: format!("{UNWRAPS}, {WAY_ROUND}"),
            });
        };
        Ok(match self.take_back((step, None), before).await? {
            Outcome::TakenBack => Outcome::Failed {
                message: format!("{UNWRAPS}, {WAY_ROUND}; it is as it was before"),
            },
            outcome => outcome,
        })
    }

    /// What a refusal means for a change; of a definition in passing the way round is known.
    fn refused(&self, change: &Change, error: &CallError) -> Outcome {
        if !(wraps(change) && matches!(error.kind, ApiError::DefinitionTaken { .. })) {
            return self.failure(error);
        }
        Outcome::Failed {
            message: format!(
                "{error}; the service takes a definition in one more group for the same definition, {WAY_ROUND}"
            ),
        }
    }

    /// What is there, between what the plan saw and what it wants.
    pub(super) fn compare(&self, change: &Change, current: &Stored) -> Verdict {
        let is_wanted = current
            .payload()
            .is_some_and(|found| change.wanted.is_stored_as(&found, &self.known()));
        settle::definition(
            is_wanted && current.name == change.name,
            self.is_as_planned(&change.target, current),
        )
    }
}

/// Whether a change stands for the definition that the segment gets in the end.
fn wraps(change: &Change) -> bool {
    matches!(change.passing, Some(Passing::Definition | Passing::Both))
}

/// What is said where the form that a definition passes through does not last.
const UNWRAPS: &str = "the service keeps a definition in one more group without that group";

/// What to do where definitions cannot pass each other.
const WAY_ROUND: &str = "so that definitions cannot be swapped in passing: change one of the segments to a third definition, \
                         apply, and then to its own";

/// What is said where a segment was archived without the plan knowing.
const TAKEN_OUT: &str = "it was archived and had to be taken out first";

/// A failure, after what was done before it.
fn after(note: Option<&String>, outcome: Outcome) -> Outcome {
    match (note, outcome) {
        (Some(note), Outcome::Failed { message }) => Outcome::Failed {
            message: format!("{note}; then {message}"),
        },
        (_, outcome) => outcome,
    }
}
