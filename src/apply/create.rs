//! Creating a segment.

use super::receipt::Outcome;
use super::settle::Verdict;
use super::{ATTEMPTS, Applier, Interruption, settle, unsettled};
use crate::api::{ApiError, CallError, Clock, Stored, Transport};
use crate::ledger::{LedgerStore, Write};
use crate::model::{Adoption, Payload};
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
            Ok(Some(stored)) => self.holder_found(step, wanted, stored).await.map(Some),
            Ok(None) if is_name_taken => self.take_out_holder(step, wanted, payload).await.map(Some),
            Ok(None) => Ok(None),
            Err(look_up) => Ok(Some(unsettled(error, &look_up))),
        }
    }

    /// A live segment has the name: ours when it has our definition.
    async fn holder_found(
        &self,
        step: &Step,
        wanted: &Wanted,
        stored: Stored,
    ) -> Result<Outcome, Interruption> {
        let is_wanted = stored
            .payload()
            .is_some_and(|found| wanted.is_stored_as(&found, &self.known()));
        match settle::definition(is_wanted, false) {
            Verdict::Done => {
                let note = "the answer was lost; the segment was found with the definition sent".to_owned();
                self.stored(step, wanted, stored, vec![note]).await
            }
            Verdict::NotDone | Verdict::Neither => Ok(Outcome::Failed {
                message: format!(
                    "a segment named `{}` (id {}) with another definition appeared since the plan; plan again",
                    step.segment, stored.id
                ),
            }),
        }
    }

    /// The name is taken and the list shows no holder: it is archived and hidden. Nobody else can have the name
    /// ever again, so the holder is taken out and made what is declared.
    async fn take_out_holder(
        &self,
        step: &Step,
        wanted: &Wanted,
        payload: &Payload,
    ) -> Result<Outcome, Interruption> {
        if self.settings.adoption == Adoption::Refuse {
            return Ok(adoption_refused(step));
        }
        match self.client.unarchive(&step.segment, None).await {
            Ok(()) => {}
            Err(error) if matches!(error.kind, ApiError::NotFound { .. }) => return Ok(reserved(step)),
            Err(error) if matches!(error.kind, ApiError::Refused { status: 400, .. }) => {
                return Ok(in_use(step));
            }
            Err(error) => return Err(error.into()),
        }
        let unclear = |why: String| Outcome::Unknown {
            message: format!(
                "the name `{}` was taken by an archived segment, which was taken out; {why}",
                step.segment
            ),
        };
        let stored = match self.look_up(&step.segment).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(unclear("the service does not list it yet; run again".to_owned())),
            Err(read) => return Ok(unclear(format!("it cannot be read: {read}"))),
        };
        let Some(found) = stored.payload() else {
            return self.put_back(step, &stored).await;
        };
        let note = "the name belonged to an archived segment, which was taken out".to_owned();
        if wanted.is_stored_as(&found, &self.known()) {
            return self.stored(step, wanted, stored, vec![note]).await;
        }
        let write = Write::Update {
            id: stored.id.clone(),
            name: step.segment.clone(),
            definition: payload.clone(),
            digest: wanted.digests.exact.to_string(),
        };
        self.keep(step, &stored, write).await?;
        match self.client.update(&stored.id, None, payload).await {
            Ok(updated) => {
                self.stored(step, wanted, updated, vec![format!("{note} and updated")])
                    .await
            }
            Err(error) => Ok(unclear(format!("but {error}"))),
        }
    }

    /// What was taken out is no filter segment, so it can never become what is declared.
    async fn put_back(&self, step: &Step, stored: &Stored) -> Result<Outcome, Interruption> {
        let holder = format!(
            "the name `{}` belongs to an archived segment of the kind {} (id {})",
            step.segment, stored.kind, stored.id
        );
        if let Err(error) = self.client.archive(&step.segment, Some(&stored.id)).await {
            return Ok(Outcome::Failed {
                message: format!(
                    "{holder}, which was taken out to see what it is and cannot be put back by a call ({error}); archive it \
                     in the dashboard, and declare the segment under another name"
                ),
            });
        }
        let message = format!(
            "{holder}, which stays so; names are never free again: declare the segment under another name"
        );
        Ok(Outcome::Failed { message })
    }
}

/// The name is taken, no segment that is listed has it, and what somebody else made must not be taken over.
fn adoption_refused(step: &Step) -> Outcome {
    Outcome::Failed {
        message: format!(
            "the name `{}` belongs to an archived segment that the service does not list, or had one before, and this \
             workspace refuses adoption: choose another name, or unarchive it in the dashboard and say its `id` in the file",
            step.segment
        ),
    }
}

/// The name is taken, and no segment has it: one that was renamed had it before.
fn reserved(step: &Step) -> Outcome {
    Outcome::Failed {
        message: format!(
            "the name `{}` is reserved for a segment that had it before it was renamed; names are never free again at \
             this service: choose another name",
            step.segment
        ),
    }
}

/// The name is taken by a segment that cannot be taken out, since it is in use, and that no list shows yet. It may be the
/// one that this step made.
fn in_use(step: &Step) -> Outcome {
    Outcome::Unknown {
        message: format!(
            "the name `{}` is taken by a segment in use that the service does not list yet; run again",
            step.segment
        ),
    }
}

/// What to say when a reference has no id: the step that makes its segment should have come before.
pub(super) fn no_id(name: &crate::model::SegmentName) -> String {
    format!("it refers to `{name}`, which has no id yet; plan again")
}
