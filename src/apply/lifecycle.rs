//! Putting a segment away and taking it out again.

use super::receipt::{Outcome, SkipReason};
use super::sending::{Move, Whom};
use super::settle::{Came, Next};
use super::{Applier, Interruption, settle, still_lost, unsettled};
use crate::api::{CallError, Clock, Stored, Transport};
use crate::ledger::LedgerStore;
use crate::model::Lifecycle;
use crate::plan::step::{Step, Target};

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Archives, unless the segment is not as the plan saw it.
    pub(super) async fn archive(&self, step: &Step, target: &Target) -> Result<Outcome, Interruption> {
        self.change_lifecycle(step, target, Lifecycle::Archived).await
    }

    /// Unarchives, unless the segment is not as the plan saw it.
    pub(super) async fn unarchive(&self, step: &Step, target: &Target) -> Result<Outcome, Interruption> {
        self.change_lifecycle(step, target, Lifecycle::Active).await
    }

    async fn change_lifecycle(
        &self,
        step: &Step,
        target: &Target,
        wanted: Lifecycle,
    ) -> Result<Outcome, Interruption> {
        let to = Move {
            name: &target.live_name,
            whom: Whom::Known(&target.id),
            lifecycle: wanted,
        };
        let Some((mut answer, current)) = self.look_and_move(step, target, &to).await? else {
            return Ok(Outcome::Skipped(SkipReason::Drifted));
        };
        let mut lost: Option<CallError> = None;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match answer {
                Ok(()) => return self.changed(step, (&current, wanted), lost.map(|_| AGAIN)).await,
                Err(error) => error,
            };
            let came = match settle::after_lifecycle(&error, lost.is_some()) {
                Next::Again => Came::Again,
                Next::Look => settle::lifecycle(self.is_so(target, wanted).await, lost.is_some()),
                Next::Unknown => Came::Unknown,
                Next::Failed | Next::TakeOut => Came::Failed,
            };
            match (came, lost) {
                (Came::Again, _) => lost = Some(error.clone()),
                (Came::Done, _) => return self.changed(step, (&current, wanted), Some(AGAIN)).await,
                (Came::DoneAlready, _) => {
                    return self.changed(step, (&current, wanted), Some(SO_ALREADY)).await;
                }
                (Came::Unknown, Some(lost)) => return Ok(unsettled(&lost, &error)),
                _ => return Ok(self.failure(&error)),
            }
            if !self.may_go_on(attempt, &error).await {
                return Ok(still_lost(attempt, &error));
            }
            // Whatever it is by now, it may be so because of the call that was lost.
            answer = match self.send_move(step, &to, false).await {
                Ok(answer) => answer,
                Err(Interruption::Call(error)) => Err(error),
                Err(other) => return Err(other),
            };
        }
    }

    /// Makes the call as long as the segment is as the plan saw it; what came of it, and the segment.
    async fn look_and_move(
        &self,
        step: &Step,
        target: &Target,
        to: &Move<'_>,
    ) -> Result<Option<(Result<(), CallError>, Stored)>, Interruption> {
        let mut attempt = 1;
        loop {
            let (turn, current) = self.look(&to.operation(), &target.id, None).await?;
            if !self.is_as_planned(target, &current) {
                self.client.give_back(turn);
                // The next plan has to start from what is there.
                self.note_seen(current, target.lifecycle);
                return Ok(None);
            }
            self.intend(step, to.write(), false).await?;
            let error = match self.change(step, turn, to).await {
                Ok(()) => return Ok(Some((Ok(()), current))),
                Err(error) => error,
            };
            if !self.client.pause(attempt, &error).await {
                return Ok(Some((Err(error), current)));
            }
            attempt += 1;
        }
    }

    /// Whether a segment is as it should be, as far as the list shows.
    async fn is_so(&self, target: &Target, wanted: Lifecycle) -> bool {
        if self.settings.behaviour.list_shows_archived {
            return true;
        }
        // By its id: it may have been renamed meanwhile.
        let listed = self.client.list().await;
        listed.is_ok_and(|listed| {
            let is_listed = listed.iter().any(|listed| listed.id == target.id);
            is_listed == (wanted == Lifecycle::Active)
        })
    }

    async fn changed(
        &self,
        step: &Step,
        (current, wanted): (&Stored, Lifecycle),
        note: Option<&str>,
    ) -> Result<Outcome, Interruption> {
        let is_done_now = note != Some(SO_ALREADY);
        self.remember_lifecycle(step, current, (wanted, is_done_now))
            .await?;
        let notes = note.into_iter().map(str::to_owned).collect();
        Ok(Outcome::applied(current.id.clone(), notes))
    }
}

const AGAIN: &str = "the answer was lost, so the call was made again";
const SO_ALREADY: &str = "the service refused it, since it was so already";
