//! Putting a segment away and taking it out again.

use super::receipt::{Outcome, SkipReason};
use super::{ATTEMPTS, Applier, Interruption, unsettled};
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
        let mut lost: Option<CallError> = None;
        for _ in 0..ATTEMPTS {
            let error = match self.send(target, wanted).await {
                Ok(()) => return self.changed(step, &current, wanted, lost.map(|_| AGAIN)).await,
                Err(error) => error,
            };
            if error.is_ambiguous_write() {
                // What is so already is asked for once more without harm, and the answer says more than a list could,
                // which may lag.
                lost = Some(error);
                continue;
            }
            let is_refused = matches!(error.kind, ApiError::Refused { status: 400, .. });
            // The segment was there a moment ago and the call is well formed, so a service that refuses it means
            // that the segment is so already. Where the list can tell, it has to agree.
            if is_refused && self.is_so(target, wanted).await {
                let note = lost.map_or(SO_ALREADY, |_| AGAIN);
                return self.changed(step, &current, wanted, Some(note)).await;
            }
            return Ok(match lost {
                Some(lost) => unsettled(&lost, &error),
                None => self.failure(&error),
            });
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
        current: &Stored,
        wanted: Lifecycle,
        note: Option<&str>,
    ) -> Result<Outcome, Interruption> {
        self.remember_lifecycle(step, current, wanted).await?;
        Ok(Outcome::Applied {
            id: current.id.clone(),
            notes: note.into_iter().map(str::to_owned).collect(),
        })
    }
}

const AGAIN: &str = "the answer was lost, so the call was made again";
const SO_ALREADY: &str = "the service refused it, since it was so already";
