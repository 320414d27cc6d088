//! Creating a segment.

use super::receipt::Outcome;
use super::settle::Verdict;
use super::{ATTEMPTS, Applier, Interruption, settle, unsettled};
use crate::api::{ApiError, CallError, Clock, Stored, Transport};
use crate::ledger::{LedgerStore, Write};
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
        let write = Write::Create {
            definition: payload.clone(),
            digest: wanted.digests.exact.to_string(),
        };
        self.intend(step, write).await?;
        let (mut last, mut lost) = (None, None);
        for _ in 0..ATTEMPTS {
            let error = match self.client.create(&step.segment, &payload).await {
                Ok(stored) => return self.stored(step, wanted, stored, Vec::new()).await,
                Err(error) => error,
            };
            if error.is_ambiguous_write() {
                lost = Some(error.clone());
            }
            if let Some(lost) = lost.as_ref().filter(|_| !error.tells_of_segment()) {
                return Ok(unsettled(lost, &error));
            }
            match (self.after_refusal(step, wanted, &payload, &error).await, &lost) {
                // Lists may lag: that they show no segment is no proof that none was made.
                (Err(Interruption::Call(other)), Some(lost)) => return Ok(unsettled(lost, &other)),
                (ended, _) => {
                    if let Some(outcome) = ended? {
                        return Ok(outcome);
                    }
                }
            }
            last = Some(error);
        }
        let message = last.map_or_else(String::new, |error| error.to_string());
        Ok(Outcome::Unknown {
            message: format!("{message}; still not there after {ATTEMPTS} tries: run again"),
        })
    }

    /// The outcome after a create that was not answered with success; `None` when it may be tried again.
    async fn after_refusal(
        &self,
        step: &Step,
        wanted: &Wanted,
        payload: &Payload,
        error: &CallError,
    ) -> Result<Option<Outcome>, Interruption> {
        let is_name_taken = matches!(error.kind, ApiError::NameTaken { .. });
        let is_our_own = matches!(&error.kind,
            ApiError::DefinitionTaken { existing_name: Some(name), .. } if *name == step.segment);
        if !(is_name_taken || is_our_own || error.is_ambiguous_write()) {
            return Ok(Some(self.failure(error)));
        }
        match self.look_up(&step.segment).await {
            Ok(Some(stored)) => self.holder_found((step, error), wanted, stored).await.map(Some),
            Ok(None) if is_name_taken => self.take_out_holder(step, wanted, payload).await.map(Some),
            Ok(None) => Ok(None),
            Err(look_up) => Ok(Some(unsettled(error, &look_up))),
        }
    }

    /// A live segment has the name: ours when it has our definition.
    async fn holder_found(
        &self,
        (step, error): (&Step, &CallError),
        wanted: &Wanted,
        stored: Stored,
    ) -> Result<Outcome, Interruption> {
        let is_wanted = stored
            .payload()
            .is_some_and(|found| wanted.is_stored_as(&found, &self.known()));
        match settle::definition(is_wanted, false) {
            Verdict::Done => {
                let note = if error.is_ambiguous_write() {
                    "the answer was lost; the segment was found with the definition sent"
                } else {
                    "it was there already with the definition sent: another run made it, or one whose answer was lost"
                };
                self.stored(step, wanted, stored, vec![note.to_owned()]).await
            }
            Verdict::NotDone | Verdict::Neither => Ok(Outcome::Failed {
                message: format!(
                    "a segment named `{}` (id {}) with another definition appeared since the plan; plan again",
                    step.segment, stored.id
                ),
            }),
        }
    }
}

/// What to say when a reference has no id: the step that makes its segment should have come before.
pub(super) fn no_id(name: &crate::model::SegmentName) -> String {
    format!("it refers to `{name}`, which has no id yet; plan again")
}
