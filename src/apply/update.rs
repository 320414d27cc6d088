//! Updating a segment.

use super::create::no_id;
use super::receipt::{Outcome, SkipReason};
use super::settle::Verdict;
use super::{ATTEMPTS, Applier, Interruption, failure, settle, unsettled};
use crate::api::{ApiError, Clock, Stored, Transport};
use crate::ledger::LedgerStore;
use crate::plan::step::{Step, Target, Wanted, digest_of};

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Updates, unless the segment is not as the plan saw it.
    pub(super) async fn update(
        &mut self,
        step: &Step,
        target: &Target,
        wanted: &Wanted,
    ) -> Result<Outcome, Interruption> {
        let payload = match wanted.resolved(&self.known) {
            Ok(payload) => payload,
            Err(name) => {
                return Ok(Outcome::Failed {
                    message: no_id(&name),
                });
            }
        };
        let current = self.client.get(&target.id).await?;
        match self.compare(step, target, wanted, &current) {
            Verdict::Done => {
                return self
                    .stored(step, wanted, current, vec!["it was so already".to_owned()])
                    .await;
            }
            Verdict::NotDone => {}
            Verdict::Neither => return Ok(Outcome::Skipped(SkipReason::Drifted)),
        }
        let rename = (current.name != step.segment).then_some(&step.segment);
        let mut notes = Vec::new();
        for _ in 0..ATTEMPTS {
            let error = match self.client.update(&target.id, rename, &payload).await {
                Ok(stored) => return self.stored(step, wanted, stored, notes).await,
                Err(error) => error,
            };
            if matches!(error.kind, ApiError::Forbidden { .. }) && notes.is_empty() {
                // Archived since the plan, or archived and listed all the same.
                self.client.unarchive(&target.live_name, Some(&target.id)).await?;
                notes.push("it was archived and had to be taken out first".to_owned());
                continue;
            }
            if !error.is_ambiguous_write() {
                return Ok(failure(&error));
            }
            let found = match self.client.get(&target.id).await {
                Ok(found) => found,
                Err(read) => return Ok(unsettled(&error, &read)),
            };
            match self.compare(step, target, wanted, &found) {
                Verdict::Done => {
                    notes.push("the answer was lost; the definition was found as sent".to_owned());
                    return self.stored(step, wanted, found, notes).await;
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

    /// What is there, between what the plan saw and what it wants.
    fn compare(&self, step: &Step, target: &Target, wanted: &Wanted, current: &Stored) -> Verdict {
        let found = current.payload();
        let is_wanted = found
            .as_ref()
            .is_some_and(|found| wanted.is_stored_as(found, &self.known));
        let found = found.map(|found| digest_of(&found, &self.known));
        settle::definition(
            is_wanted && current.name == step.segment,
            found == target.seen && current.name == target.live_name,
        )
    }
}
