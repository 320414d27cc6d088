//! Making a write. Waiting for its turn may take hours, so that the order is always the same: the turn, then a look at
//! what is there, then the intent, which also makes sure of the ledger's lock, and then the call, at once. Where the
//! service certainly did not process it, all of that is done again.

use super::receipt::Outcome;
use super::settle::Verdict;
use super::{Applier, Interruption, unsettled};
use crate::api::{CallError, Clock, Operation, Seen, Stored, Transport, Turn};
use crate::ledger::{LedgerStore, Write};
use crate::model::{Lifecycle, Payload, SegmentId, SegmentName};
use crate::observe::members::ON_ITS_WAY;
use crate::plan::step::{Step, Target};
use jiff::{SignedDuration, Timestamp};

/// For how long something that was read stands for a look right before a write.
const FRESH: SignedDuration = SignedDuration::from_secs(2);

/// A segment that is to be overwritten.
pub(super) struct Overwrite<'a> {
    pub(super) id: &'a SegmentId,
    /// The name it is to have.
    pub(super) name: &'a SegmentName,
    pub(super) definition: &'a Payload,
    /// The exact digest of the definition.
    pub(super) digest: String,
    /// Whether it was archived, is not ours, and was taken out for this.
    pub(super) takes_out: bool,
    /// What it means that this is there.
    pub(super) compare: &'a (dyn Fn(&Stored) -> Verdict + Sync),
}

/// A segment that is to be put away or taken out.
pub(super) struct Move<'a> {
    pub(super) name: &'a SegmentName,
    pub(super) whom: Whom<'a>,
    pub(super) lifecycle: Lifecycle,
}

/// Which segment is put away or taken out.
#[derive(Clone, Copy)]
pub(super) enum Whom<'a> {
    Known(&'a SegmentId),
    /// Whoever has the name; it is ours if it has this definition, of which the digest is given.
    Holder(&'a Payload, &'a str),
}

/// What came of a write.
pub(super) enum Sent {
    /// The service stored it.
    Stored(Stored),
    /// It did not say so.
    Unanswered(CallError),
    /// Nothing was sent: what is there is not what was to be overwritten.
    Found(Stored, Verdict),
}

impl Overwrite<'_> {
    pub(super) fn write(&self) -> Write {
        Write::Update {
            id: self.id.clone(),
            name: self.name.clone(),
            definition: self.definition.clone(),
            digest: self.digest.clone(),
        }
    }
}

impl Move<'_> {
    pub(super) fn operation(&self) -> Operation {
        match self.lifecycle {
            Lifecycle::Archived => Operation::Archive(self.name.clone()),
            Lifecycle::Active => Operation::Unarchive(self.name.clone()),
        }
    }

    pub(super) fn write(&self) -> Write {
        let name = self.name.clone();
        match self.whom {
            Whom::Known(id) => Write::Lifecycle {
                id: id.clone(),
                name,
                lifecycle: self.lifecycle,
            },
            Whom::Holder(definition, digest) => Write::TakeOut {
                name,
                definition: definition.clone(),
                digest: digest.to_owned(),
            },
        }
    }

    fn id(&self) -> Option<&SegmentId> {
        match self.whom {
            Whom::Known(id) => Some(id),
            Whom::Holder(..) => None,
        }
    }
}

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Makes a segment under the declared name.
    pub(super) async fn send_create(
        &self,
        step: &Step,
        (definition, digest): (&Payload, &str),
    ) -> Result<Result<Stored, CallError>, Interruption> {
        let operation = Operation::Create(step.segment.clone());
        let mut attempt = 1;
        loop {
            let turn = self.client.turn(&operation).await?;
            let write = Write::Create {
                definition: definition.clone(),
                digest: digest.to_owned(),
            };
            self.intend(step, write, false).await?;
            let sent = self.client.create(turn, &step.segment, definition).await;
            self.note_sent(step, sent.as_ref().err());
            let error = match sent {
                Ok(stored) => return Ok(Ok(stored)),
                Err(error) => error,
            };
            if !self.client.pause(attempt, &error).await {
                return Ok(Err(error));
            }
            attempt += 1;
        }
    }

    /// Overwrites a segment, as long as what is to be overwritten is there.
    pub(super) async fn send_update(
        &self,
        step: &Step,
        update: &Overwrite<'_>,
        mut seen: Option<Seen>,
    ) -> Result<Sent, Interruption> {
        let operation = Operation::Update(update.id.clone());
        let mut attempt = 1;
        loop {
            let (turn, current) = self.look(&operation, update.id, seen.take()).await?;
            match (update.compare)(&current) {
                Verdict::NotDone => {}
                verdict => {
                    self.client.give_back(turn);
                    return Ok(Sent::Found(current, verdict));
                }
            }
            self.keep(step, &current, update).await?;
            let rename = (current.name != *update.name).then_some(update.name);
            let sent = self
                .client
                .update(turn, (update.id, rename), update.definition)
                .await;
            self.note_sent(step, sent.as_ref().err());
            let error = match sent {
                Ok(stored) => return Ok(Sent::Stored(stored)),
                Err(error) => error,
            };
            if !self.client.pause(attempt, &error).await {
                return Ok(Sent::Unanswered(error));
            }
            attempt += 1;
        }
    }

    /// Puts a segment away or takes one out, whatever it is.
    pub(super) async fn send_move(
        &self,
        step: &Step,
        to: &Move<'_>,
        takes_out: bool,
    ) -> Result<Result<(), CallError>, Interruption> {
        let mut attempt = 1;
        loop {
            let turn = self.client.turn(&to.operation()).await?;
            self.intend(step, to.write(), takes_out).await?;
            let error = match self.change(step, turn, to).await {
                Ok(()) => return Ok(Ok(())),
                Err(error) => error,
            };
            if !self.client.pause(attempt, &error).await {
                return Ok(Err(error));
            }
            attempt += 1;
        }
    }

    /// The turn of a call about a segment of which the service shows no members. It is looked at once, before the first such
    /// call of a step; none where it is not as the plan saw it.
    pub(super) async fn turn_to_tell(
        &self,
        operation: &Operation,
        (target, is_seen): (Option<&Target>, &mut bool),
    ) -> Result<Option<Turn>, Interruption> {
        let Some(target) = target.filter(|_| !*is_seen) else {
            return Ok(Some(self.client.turn(operation).await?));
        };
        let (turn, current) = self.look(operation, &target.id, None).await?;
        *is_seen = self.is_as_planned(target, &current);
        // What was put away was taken out by the step before.
        self.note_seen(current, Lifecycle::Active);
        if *is_seen {
            return Ok(Some(turn));
        }
        self.client.give_back(turn);
        Ok(None)
    }

    /// Waits until no call of an earlier run can arrive any more, of which the last was sent at a moment.
    pub(super) async fn wait_for_strays(
        &self,
        operation: Operation,
        sent_at: Option<Timestamp>,
    ) -> Result<(), CallError> {
        let Some(sent_at) = sent_at else {
            return Ok(());
        };
        let now = self.clock.now();
        match sent_at.checked_add(ON_ITS_WAY) {
            // A clock that was set back says nothing.
            Ok(until) if sent_at <= now && now < until => self.client.wait_for_strays(operation, until).await,
            _ => Ok(()),
        }
    }

    /// How a step ends: where a call of it was lost, a later one that failed leaves open what became of that.
    pub(super) fn told_of_lost(
        &self,
        sent: Result<Outcome, Interruption>,
        lost: Option<&CallError>,
    ) -> Result<Outcome, Interruption> {
        match (sent, lost) {
            (Err(Interruption::Call(error)), Some(lost)) => Ok(unsettled(lost, &error)),
            (Err(Interruption::Call(error)), None) => Ok(self.failure(&error)),
            (sent, _) => sent,
        }
    }

    /// Takes down that a call of a step did what it was to do, or may have.
    pub(super) fn note_sent(&self, step: &Step, error: Option<&CallError>) {
        let mut memory = self.memory();
        match error {
            None => memory.written.insert(step.number),
            Some(error) if error.is_ambiguous_write() => memory.unanswered.insert(step.number),
            Some(_) => false,
        };
    }

    /// Makes the call that puts a segment away or takes one out.
    pub(super) async fn change(&self, step: &Step, turn: Turn, to: &Move<'_>) -> Result<(), CallError> {
        let sent = match to.lifecycle {
            Lifecycle::Archived => self.client.archive(turn, to.name, to.id()).await,
            Lifecycle::Active => self.client.unarchive(turn, to.name, to.id()).await,
        };
        self.note_sent(step, sent.as_ref().err());
        sent
    }

    /// A segment right before it is written, with the turn of the write. What was read a moment ago will do where
    /// the write need not wait.
    pub(super) async fn look(
        &self,
        write: &Operation,
        id: &SegmentId,
        seen: Option<Seen>,
    ) -> Result<(Turn, Stored), CallError> {
        let now = self.clock.now();
        let is_fresh = |seen: &Seen, holds| seen.at.duration_until(now).abs() <= holds;
        let before = self.memory().read_before.remove(id);
        let before = before.filter(|before| is_fresh(before, super::READ_HOLDS));
        let seen = seen.filter(|seen| is_fresh(seen, FRESH)).or(before);
        if let Some(seen) = seen
            && let Some(turn) = self.client.turn_at_once(write).await
        {
            return Ok((turn, seen.stored));
        }
        self.client.look(write, id).await
    }
}
