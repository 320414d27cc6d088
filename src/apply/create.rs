//! Creating a segment.

use super::receipt::Outcome;
use super::settle::{Came, Next};
use super::{Applier, Interruption, settle, still_lost, unsettled};
use crate::api::{CallError, Clock, Stored, Transport};
use crate::ledger::LedgerStore;
use crate::model::Payload;
use crate::plan::step::{Step, Wanted};

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Creates, and where the answer is lost or the name is taken, finds out by whom.
    pub(super) async fn create(&self, step: &Step, wanted: &Wanted) -> Result<Outcome, Interruption> {
        let payload = match wanted.resolved(&self.known()) {
            Ok(payload) => payload,
            Err(name) => {
                return Ok(Outcome::Failed {
                    message: no_id(&name),
                });
            }
        };
        let digest = wanted.digests.exact.to_string();
        let mut lost = None::<CallError>;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.send_create(step, (&payload, &digest)).await {
                Ok(Ok(stored)) => return self.stored(step, wanted, stored, Vec::new()).await,
                Ok(Err(error)) | Err(Interruption::Call(error)) => error,
                Err(other) => return Err(other),
            };
            match (settle::after_create(&error, &step.segment, lost.is_some()), &lost) {
                (Next::Look, _) => {}
                (Next::Unknown, Some(lost)) => return Ok(unsettled(lost, &error)),
                _ => return Ok(self.failure(&error)),
            }
            // A name that is taken may have been taken by this very call, delivered twice.
            self.memory().unanswered.insert(step.number);
            lost = Some(error.clone());
            let may_go_on = self.may_go_on(attempt, &error).await;
            match (self.look_for(step, wanted, (&payload, &error)).await, &lost) {
                // Lists may lag: that they show no segment is no proof that none was made.
                (Err(Interruption::Call(other)), Some(lost)) => return Ok(unsettled(lost, &other)),
                (Ok(None), _) if may_go_on => {}
                (Ok(None), _) => return Ok(still_lost(attempt, &error)),
                (Ok(Some(outcome)), _) => return Ok(outcome),
                (Err(interruption), _) => return Err(interruption),
            }
        }
    }

    /// The outcome after a create that was not answered with success; `None` when it may be tried again.
    async fn look_for(
        &self,
        step: &Step,
        wanted: &Wanted,
        (payload, error): (&Payload, &CallError),
    ) -> Result<Option<Outcome>, Interruption> {
        let found = match self.look_up(&step.segment).await {
            Ok(found) => found,
            Err(look_up) => return Ok(Some(unsettled(error, &look_up))),
        };
        let is_wanted = |stored: &Stored| {
            let found = stored.payload();
            found.is_some_and(|found| wanted.is_stored_as(&found, &self.known()))
        };
        let note = match (settle::create(error, found.as_ref().map(is_wanted)), &found) {
            (Came::Hidden, _) => return self.take_out_holder(step, wanted, payload).await.map(Some),
            (Came::Other, Some(stored)) => return Ok(Some(other_appeared(step, stored))),
            (Came::Done, _) => "the answer was lost; the segment was found with the definition sent",
            (Came::DoneAlready, _) => {
                "it was there already with the definition sent: another run made it, or one whose answer was lost"
            }
            _ => return Ok(None),
        };
        match found {
            Some(stored) => {
                let notes = vec![note.to_owned()];
                self.stored(step, wanted, stored, notes).await.map(Some)
            }
            None => Ok(None),
        }
    }
}

/// A live segment has the name, and is not ours.
fn other_appeared(step: &Step, stored: &Stored) -> Outcome {
    Outcome::Failed {
        message: format!(
            "a segment named `{}` (id {}) with another definition appeared since the plan; plan again",
            step.segment, stored.id
        ),
    }
}

/// What to say when a reference has no id: the step that makes its segment should have come before.
pub(super) fn no_id(name: &crate::model::SegmentName) -> String {
    format!("it refers to `{name}`, which has no id yet; plan again")
}
