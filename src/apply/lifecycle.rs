//! Putting a segment away and taking it out again.

use super::receipt::{Outcome, SkipReason};
use super::settle::Verdict;
use super::{ATTEMPTS, Applier, Interruption, settle, unsettled};
use crate::api::{ApiError, CallError, Clock, Stored, Transport};
use crate::ledger::{LedgerStore, Write};
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
        let current = self.read(&target.id).await?;
        if !self.is_as_planned(target, &current) {
            // The next plan has to start from what is there.
            self.note_seen(current, target.lifecycle);
            return Ok(Outcome::Skipped(SkipReason::Drifted));
        }
        let write = Write::Lifecycle {
            id: target.id.clone(),
            name: target.live_name.clone(),
            lifecycle: wanted,
        };
        self.intend(step, write).await?;
        let (mut notes, mut lost) = (Vec::new(), None);
        for _ in 0..ATTEMPTS {
            let error = match self.send(target, wanted).await {
                Ok(()) => return self.changed(step, &current, wanted, notes).await,
                Err(error) => error,
            };
            if let Some(lost) = lost.as_ref().filter(|_| !error.tells_of_segment()) {
                // Lists may lag: that they did not show it done is no proof that it was not.
                return Ok(unsettled(lost, &error));
            }
            let is_refused = matches!(error.kind, ApiError::Refused { status: 400, .. });
            if !is_refused && !error.is_ambiguous_write() {
                return Ok(self.failure(&error));
            }
            let verdict = match self.look(target, wanted).await {
                Ok(verdict) => verdict,
                Err(read) if error.is_ambiguous_write() => return Ok(unsettled(&error, &read)),
                Err(_) => return Ok(self.failure(&error)),
            };
            // The segment was there a moment ago and the call is well formed, so a service that refuses it means
            // that the segment is so already. Where the list can tell, it has to agree.
            if verdict == Verdict::Done || (is_refused && self.settings.behaviour.list_shows_archived) {
                notes.push(if is_refused {
                    "the service refused it, since it was so already".to_owned()
                } else {
                    "the answer was lost; it was found to be done".to_owned()
                });
                return self.changed(step, &current, wanted, notes).await;
            }
            if is_refused {
                return Ok(self.failure(&error));
            }
            notes.push("the answer was lost, so the list was asked and the call made again".to_owned());
            lost = Some(error);
        }
        Ok(Outcome::Unknown {
            message: format!("no answer came after {ATTEMPTS} tries; plan again"),
        })
    }

    async fn send(&self, target: &Target, wanted: Lifecycle) -> Result<(), CallError> {
        match wanted {
            Lifecycle::Archived => self.client.archive(&target.live_name, Some(&target.id)).await,
            Lifecycle::Active => self.client.unarchive(&target.live_name, Some(&target.id)).await,
        }
    }

    async fn look(&self, target: &Target, wanted: Lifecycle) -> Result<Verdict, CallError> {
        if self.settings.behaviour.list_shows_archived {
            return Ok(settle::lifecycle(wanted == Lifecycle::Active, None));
        }
        let listed = self.client.list_named(&target.live_name).await?;
        let is_listed = listed.iter().any(|listed| listed.id == target.id);
        Ok(settle::lifecycle(wanted == Lifecycle::Active, Some(is_listed)))
    }

    async fn changed(
        &self,
        step: &Step,
        current: &Stored,
        wanted: Lifecycle,
        mut notes: Vec<String>,
    ) -> Result<Outcome, Interruption> {
        self.remember_lifecycle(step, current, wanted).await?;
        notes.dedup();
        Ok(Outcome::Applied {
            id: current.id.clone(),
            notes,
        })
    }
}
