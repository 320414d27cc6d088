//! A name that a create was refused for and that no listed segment has.

use super::classify::Effect;
use super::run_report::StepOutcome;
use super::write::{LifecycleRequest, LifecycleTarget, UpdateRequest, WriteResult};
use super::{Applier, StepError, classify};
use crate::api::{ApiError, Clock, FetchedSegment, RemoteSegment, RemoteSummary, RequestError, Transport};
use crate::model::{Adoption, Lifecycle, Payload, SegmentId, SegmentName};
use crate::plan::step::{DesiredDefinition, Step, exact_digest};
use crate::state::StateStore;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// The name is taken and the list shows no holder: it is archived and hidden. Nobody else can have the name
    /// ever again, so the holder is taken out and made what is declared.
    pub(super) async fn unarchive_name_holder(
        &self,
        step: &Step,
        desired: &DesiredDefinition,
        payload: &Payload,
    ) -> Result<StepOutcome, StepError> {
        if self.options.adoption == Adoption::Refuse {
            return Ok(adoption_refused(step));
        }
        let before = self.client.list().await?;
        if let Some(other) = find_name_differing_in_case(&before, &step.segment) {
            return Ok(name_differs_in_case_only(step, other));
        }
        let digest = desired.digests.exact.to_string();
        let request = LifecycleRequest {
            name: &step.segment,
            target: LifecycleTarget::ByName(payload, &digest),
            lifecycle: Lifecycle::Active,
        };
        // A service that lists archived segments does not say whether this one was.
        let was_archived = !self.options.api_behavior.list_shows_archived;
        match self.send_lifecycle(step, &request, was_archived).await? {
            Ok(()) => {}
            Err(error) if matches!(error.kind, ApiError::NotFound { .. }) => return Ok(name_reserved(step)),
            Err(error) if matches!(error.kind, ApiError::Refused { status: 400, .. }) => {
                return Ok(name_holder_in_use(step));
            }
            Err(error) if matches!(error.kind, ApiError::ActiveLimit { .. }) => {
                return Ok(name_holder_unknown(step, &error));
            }
            Err(error) => return Err(error.into()),
        }
        let stored = match self.find_by_name(&step.segment).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return self.rearchive_homonym(step, &before).await,
            Err(read) => {
                return Ok(unarchived_holder_unverified(
                    step,
                    &format!("what came of it cannot be read: {read}"),
                ));
            }
        };
        match stored.payload() {
            Some(_) => self.adopt_name_holder(step, (desired, payload), stored).await,
            None => self.rearchive_other_kind(step, &stored).await,
        }
    }

    /// Makes of what was taken out what is declared.
    async fn adopt_name_holder(
        &self,
        step: &Step,
        (desired, payload): (&DesiredDefinition, &Payload),
        stored: RemoteSegment,
    ) -> Result<StepOutcome, StepError> {
        let note = "the name belonged to an archived segment, which was taken out".to_owned();
        let digest = |stored: &RemoteSegment| {
            let found = stored.payload();
            found.map(|found| exact_digest(&found, &self.resolved_references()))
        };
        let is_wanted = |stored: &RemoteSegment| {
            let found = stored.payload();
            found.is_some_and(|found| desired.is_identical_to(&found, &self.resolved_references()))
        };
        if is_wanted(&stored) {
            return self.finish_write(step, desired, stored, vec![note]).await;
        }
        let before = digest(&stored);
        let compare = |current: &RemoteSegment| {
            let has_name = current.name == step.segment;
            classify::definition_effect(
                has_name && is_wanted(current),
                has_name && digest(current) == before,
            )
        };
        let id = stored.id.clone();
        let is_managed = self.state.lock().await.managed_entry(&id).is_some();
        let update = UpdateRequest {
            id: &id,
            name: &step.segment,
            definition: payload,
            digest: desired.digests.exact.to_string(),
            rearchive_if_unadopted: !is_managed,
            compare: &compare,
        };
        let at = self.clock.now();
        let seen = FetchedSegment {
            segment: stored,
            fetched_at: at,
        };
        let note = format!("{note} and updated");
        match self.send_update(step, &update, Some(seen)).await {
            Ok(WriteResult::Confirmed(stored) | WriteResult::Mismatch(stored, Effect::Applied)) => {
                self.finish_write(step, desired, stored, vec![note]).await
            }
            Ok(WriteResult::Mismatch(..)) => Ok(unarchived_holder_unverified(
                step,
                "it came back, but was changed since; plan again",
            )),
            Ok(WriteResult::NotConfirmed(error)) | Err(StepError::Request(error)) => Ok(
                unarchived_holder_unverified(step, &format!("it came back, but {error}")),
            ),
            Err(other) => Err(other),
        }
    }

    /// No segment of the name is listed even now. One that has it in another case and that was not listed before is
    /// what came out: it is none of ours, so it is put back.
    async fn rearchive_homonym(
        &self,
        step: &Step,
        before: &[RemoteSummary],
    ) -> Result<StepOutcome, StepError> {
        let mut unarchived = match self.client.list().await {
            Ok(listed) => listed,
            Err(read) => {
                return Ok(unarchived_holder_unverified(
                    step,
                    &format!("what came of it cannot be read: {read}"),
                ));
            }
        };
        unarchived.retain(|listed| before.iter().all(|other| other.id != listed.id));
        let Some(other) = find_name_differing_in_case(&unarchived, &step.segment) else {
            return Ok(unarchived_holder_unverified(
                step,
                "the service does not list it yet; run again",
            ));
        };
        let holder = format!("the archived segment `{}` (id {})", other.name, other.id);
        let cure = format!(
            "choose another name, or write `{}` if it is the one that is meant",
            other.name
        );
        self.rearchive(step, (&other.name, &other.id), (&holder, &cure))
            .await
    }

    /// What was taken out is no filter segment, so it can never become what is declared.
    async fn rearchive_other_kind(
        &self,
        step: &Step,
        stored: &RemoteSegment,
    ) -> Result<StepOutcome, StepError> {
        let holder = format!(
            "an archived segment of the kind {} (id {})",
            stored.kind, stored.id
        );
        let cure = "names are never free again: declare the segment under another name";
        self.rearchive(step, (&step.segment, &stored.id), (&holder, cure))
            .await
    }

    /// Archives again what was taken out.
    async fn rearchive(
        &self,
        step: &Step,
        (name, id): (&SegmentName, &SegmentId),
        (holder, cure): (&str, &str),
    ) -> Result<StepOutcome, StepError> {
        let taken = format!("the name `{}` belongs to {holder}", step.segment);
        let to = LifecycleRequest {
            name,
            target: LifecycleTarget::ById(id),
            lifecycle: Lifecycle::Archived,
        };
        let error = match self.send_lifecycle(step, &to, true).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) | Err(StepError::Request(error)) => Some(error),
            Err(other) => return Err(other),
        };
        let message = match error {
            None => format!("{taken}, which was taken out to see what it is and is archived again; {cure}"),
            Some(error) => {
                // The next run looks whether it is still out, and says so again.
                self.run_state().left_unarchived.insert(step.number);
                format!(
                    "{taken}, which was taken out to see what it is and cannot be put back by a call ({error}); archive \
                     it in the dashboard; {cure}"
                )
            }
        };
        Ok(StepOutcome::Failed { message })
    }
}

/// The listed segment whose name differs by case only.
fn find_name_differing_in_case<'l>(
    listed: &'l [RemoteSummary],
    name: &SegmentName,
) -> Option<&'l RemoteSummary> {
    listed
        .iter()
        .find(|listed| listed.name.differs_by_case_only(name))
}

/// The service takes names for one that differ by case only, and somebody has the other.
fn name_differs_in_case_only(step: &Step, other: &RemoteSummary) -> StepOutcome {
    StepOutcome::Failed {
        message: format!(
            "the service does not tell the name `{}` from that of the segment `{}` (id {}); choose another name, or write \
             `{}` if it is the one that is meant",
            step.segment, other.name, other.id, other.name
        ),
    }
}

/// What has the name was taken out, and then nothing was certain any more.
fn unarchived_holder_unverified(step: &Step, why: &str) -> StepOutcome {
    StepOutcome::Unknown {
        message: format!(
            "the name `{}` is taken by a segment that the service did not list, which was unarchived; {why}",
            step.segment
        ),
    }
}

/// What has the name cannot be taken out. It may be what this very step made, in a call that arrived twice and that no list
/// shows yet: nobody can say that the step failed.
fn name_holder_unknown(step: &Step, error: &RequestError) -> StepOutcome {
    StepOutcome::Unknown {
        message: format!(
            "the name `{}` is taken by a segment that the service does not list, and it cannot be seen which: {error}",
            step.segment
        ),
    }
}

/// The name is taken, no segment that is listed has it, and what somebody else made must not be taken over.
fn adoption_refused(step: &Step) -> StepOutcome {
    StepOutcome::Failed {
        message: format!(
            "the name `{}` belongs to an archived segment that the service does not list, or had one before, and this \
             workspace refuses adoption: choose another name, or unarchive it in the dashboard and say its `id` in the file",
            step.segment
        ),
    }
}

/// The name is taken, and no segment has it: one that was renamed had it before.
fn name_reserved(step: &Step) -> StepOutcome {
    StepOutcome::Failed {
        message: format!(
            "the name `{}` is reserved for a segment that had it before it was renamed; names are never free again at \
             this service: choose another name",
            step.segment
        ),
    }
}

/// The name is taken by a segment that cannot be taken out, since it is in use, and that no list shows yet. It may be the
/// one that this step made.
fn name_holder_in_use(step: &Step) -> StepOutcome {
    StepOutcome::Unknown {
        message: format!(
            "the name `{}` is taken by a segment in use that the service does not list yet; run again",
            step.segment
        ),
    }
}
