//! A name that a create was refused for and that no listed segment has.

use super::receipt::Outcome;
use super::sending::{Move, Overwrite, Sent, Whom};
use super::settle::Verdict;
use super::{Applier, Interruption, settle};
use crate::api::{ApiError, CallError, Clock, Listed, Seen, Stored, Transport};
use crate::ledger::LedgerStore;
use crate::model::{Adoption, Lifecycle, Payload, SegmentId, SegmentName};
use crate::plan::step::{Step, Wanted, digest_of};

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// The name is taken and the list shows no holder: it is archived and hidden. Nobody else can have the name
    /// ever again, so the holder is taken out and made what is declared.
    pub(super) async fn take_out_holder(
        &self,
        step: &Step,
        wanted: &Wanted,
        payload: &Payload,
    ) -> Result<Outcome, Interruption> {
        if self.settings.adoption == Adoption::Refuse {
            return Ok(adoption_refused(step));
        }
        let before = self.client.list().await?;
        if let Some(other) = in_other_case(&before, &step.segment) {
            return Ok(other_case_taken(step, other));
        }
        let digest = wanted.digests.exact.to_string();
        let whoever = Move {
            name: &step.segment,
            whom: Whom::Holder(payload, &digest),
            lifecycle: Lifecycle::Active,
        };
        // A service that lists archived segments does not say whether this one was.
        let was_archived = !self.settings.behaviour.list_shows_archived;
        match self.send_move(step, &whoever, was_archived).await? {
            Ok(()) => {}
            Err(error) if matches!(error.kind, ApiError::NotFound { .. }) => return Ok(reserved(step)),
            Err(error) if matches!(error.kind, ApiError::Refused { status: 400, .. }) => {
                return Ok(in_use(step));
            }
            Err(error) if matches!(error.kind, ApiError::ActiveLimit { .. }) => {
                return Ok(not_to_be_seen(step, &error));
            }
            Err(error) => return Err(error.into()),
        }
        let stored = match self.look_up(&step.segment).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return self.put_back_other(step, &before).await,
            Err(read) => return Ok(unclear(step, &format!("what came of it cannot be read: {read}"))),
        };
        match stored.payload() {
            Some(_) => self.make_wanted(step, (wanted, payload), stored).await,
            None => self.put_back_kind(step, &stored).await,
        }
    }

    /// Makes of what was taken out what is declared.
    async fn make_wanted(
        &self,
        step: &Step,
        (wanted, payload): (&Wanted, &Payload),
        stored: Stored,
    ) -> Result<Outcome, Interruption> {
        let note = "the name belonged to an archived segment, which was taken out".to_owned();
        let digest = |stored: &Stored| {
            let found = stored.payload();
            found.map(|found| digest_of(&found, &self.known()))
        };
        let is_wanted = |stored: &Stored| {
            let found = stored.payload();
            found.is_some_and(|found| wanted.is_stored_as(&found, &self.known()))
        };
        if is_wanted(&stored) {
            return self.stored(step, wanted, stored, vec![note]).await;
        }
        let before = digest(&stored);
        let compare = |current: &Stored| {
            let has_name = current.name == step.segment;
            settle::definition(
                has_name && is_wanted(current),
                has_name && digest(current) == before,
            )
        };
        let id = stored.id.clone();
        let is_ours = self.ledger.lock().await.entry(&id).is_some();
        let update = Overwrite {
            id: &id,
            name: &step.segment,
            definition: payload,
            digest: wanted.digests.exact.to_string(),
            takes_out: !is_ours,
            compare: &compare,
        };
        let at = self.clock.now();
        let seen = Seen { stored, at };
        let note = format!("{note} and updated");
        match self.send_update(step, &update, Some(seen)).await {
            Ok(Sent::Stored(stored) | Sent::Found(stored, Verdict::Done)) => {
                self.stored(step, wanted, stored, vec![note]).await
            }
            Ok(Sent::Found(..)) => Ok(unclear(step, "it came back, but was changed since; plan again")),
            Ok(Sent::Unanswered(error)) | Err(Interruption::Call(error)) => {
                Ok(unclear(step, &format!("it came back, but {error}")))
            }
            Err(other) => Err(other),
        }
    }

    /// No segment of the name is listed even now. One that has it in another case and that was not listed before is
    /// what came out: it is none of ours, so it is put back.
    async fn put_back_other(&self, step: &Step, before: &[Listed]) -> Result<Outcome, Interruption> {
        let mut came_out = match self.client.list().await {
            Ok(listed) => listed,
            Err(read) => return Ok(unclear(step, &format!("what came of it cannot be read: {read}"))),
        };
        came_out.retain(|listed| before.iter().all(|other| other.id != listed.id));
        let Some(other) = in_other_case(&came_out, &step.segment) else {
            return Ok(unclear(step, "the service does not list it yet; run again"));
        };
        let holder = format!("the archived segment `{}` (id {})", other.name, other.id);
        let cure = format!(
            "choose another name, or write `{}` if it is the one that is meant",
            other.name
        );
        self.put_back(step, (&other.name, &other.id), (&holder, &cure))
            .await
    }

    /// What was taken out is no filter segment, so it can never become what is declared.
    async fn put_back_kind(&self, step: &Step, stored: &Stored) -> Result<Outcome, Interruption> {
        let holder = format!(
            "an archived segment of the kind {} (id {})",
            stored.kind, stored.id
        );
        let cure = "names are never free again: declare the segment under another name";
        self.put_back(step, (&step.segment, &stored.id), (&holder, cure))
            .await
    }

    /// Archives again what was taken out.
    async fn put_back(
        &self,
        step: &Step,
        (name, id): (&SegmentName, &SegmentId),
        (holder, cure): (&str, &str),
    ) -> Result<Outcome, Interruption> {
        let taken = format!("the name `{}` belongs to {holder}", step.segment);
        let to = Move {
            name,
            whom: Whom::Known(id),
            lifecycle: Lifecycle::Archived,
        };
        let error = match self.send_move(step, &to, true).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) | Err(Interruption::Call(error)) => Some(error),
            Err(other) => return Err(other),
        };
        let message = match error {
            None => format!("{taken}, which was taken out to see what it is and is archived again; {cure}"),
            Some(error) => {
                // The next run looks whether it is still out, and says so again.
                self.memory().still_out.insert(step.number);
                format!(
                    "{taken}, which was taken out to see what it is and cannot be put back by a call ({error}); archive \
                     it in the dashboard; {cure}"
                )
            }
        };
        Ok(Outcome::Failed { message })
    }
}

/// The listed segment whose name differs by case only.
fn in_other_case<'l>(listed: &'l [Listed], name: &SegmentName) -> Option<&'l Listed> {
    listed
        .iter()
        .find(|listed| listed.name.differs_by_case_only(name))
}

/// The service takes names for one that differ by case only, and somebody has the other.
fn other_case_taken(step: &Step, other: &Listed) -> Outcome {
    Outcome::Failed {
        message: format!(
            "the service does not tell the name `{}` from that of the segment `{}` (id {}); choose another name, or write \
             `{}` if it is the one that is meant",
            step.segment, other.name, other.id, other.name
        ),
    }
}

/// What has the name was taken out, and then nothing was certain any more.
fn unclear(step: &Step, why: &str) -> Outcome {
    Outcome::Unknown {
        message: format!(
            "the name `{}` is taken by a segment that the service did not list, which was unarchived; {why}",
            step.segment
        ),
    }
}

/// What has the name cannot be taken out. It may be what this very step made, in a call that arrived twice and that no list
/// shows yet: nobody can say that the step failed.
fn not_to_be_seen(step: &Step, error: &CallError) -> Outcome {
    Outcome::Unknown {
        message: format!(
            "the name `{}` is taken by a segment that the service does not list, and it cannot be seen which: {error}",
            step.segment
        ),
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
