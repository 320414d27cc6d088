//! Handles a create whose name is taken by a segment that no listing shows.

use super::classify::Effect;
use super::run_report::StepOutcome;
use super::write::{LifecycleRequest, LifecycleTarget, UpdateRequest, WriteResult};
use super::{Applier, StepError, classify};
use crate::api::{ApiError, Clock, FetchedSegment, RemoteSegment, RemoteSummary, RequestError, Transport};
use crate::model::{Adoption, Lifecycle, Payload, SegmentId, SegmentName};
use crate::plan::step::{DesiredDefinition, Step, exact_digest};
use crate::state::StateStore;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// The holder of the name is archived and hidden. No other segment can ever have the name, so segctl unarchives the
    /// holder and updates it to the declared definition.
    pub(super) async fn unarchive_name_holder(
        &self,
        step: &Step,
        desired: &DesiredDefinition,
        payload: &Payload,
    ) -> Result<StepOutcome, StepError> {
        if self.options.adoption == Adoption::Refuse {
            return Ok(adoption_refused(step));
        }
        let before = self.client.list().await?.segments;
        if let Some(other) = find_name_differing_in_case(&before, &step.segment) {
            return Ok(name_differs_in_case_only(step, other));
        }
        let digest = desired.digests.exact.to_string();
        let request = LifecycleRequest {
            name: &step.segment,
            target: LifecycleTarget::ByName(payload, &digest),
            lifecycle: Lifecycle::Active,
        };
        // If listings show archived segments, they do not show whether this one was archived.
        let was_archived = !self.options.api_behavior.list_shows_archived;
        if let Err(error) = self.send_lifecycle(step, &request, was_archived).await? {
            return match error.kind {
                ApiError::NotFound { .. } => Ok(name_reserved(step)),
                ApiError::Refused { status: 400, .. } => Ok(name_holder_in_use(step)),
                ApiError::ActiveLimit { .. } => Ok(name_holder_unknown(step, &error)),
                _ => Err(error.into()),
            };
        }
        let holder = match self.find_by_name(&step.segment).await {
            Ok(Some(holder)) => holder,
            Ok(None) => return self.rearchive_homonym(step, &before).await,
            Err(error) => return Ok(unarchived_holder_unreadable(step, &error)),
        };
        match holder.payload() {
            Some(_) => self.adopt_name_holder(step, (desired, payload), holder).await,
            None => self.rearchive_other_kind(step, &holder).await,
        }
    }

    async fn adopt_name_holder(
        &self,
        step: &Step,
        (desired, payload): (&DesiredDefinition, &Payload),
        holder: RemoteSegment,
    ) -> Result<StepOutcome, StepError> {
        let note = "the name belonged to an archived segment, which was unarchived".to_owned();
        if self.has_definition(desired, &holder) {
            return self.finish_write(step, desired, holder, vec![note]).await;
        }
        let digest = |segment: &RemoteSegment| {
            let definition = segment.payload();
            definition.map(|definition| exact_digest(&definition, &self.resolved_references()))
        };
        let before = digest(&holder);
        let compare = |current: &RemoteSegment| {
            let has_name = current.name == step.segment;
            classify::definition_effect(
                has_name && self.has_definition(desired, current),
                has_name && digest(current) == before,
            )
        };
        let id = holder.id.clone();
        let is_managed = self.state.lock().await.managed_entry(&id).is_some();
        let update = UpdateRequest {
            id: &id,
            name: &step.segment,
            definition: payload,
            digest: desired.digests.exact.to_string(),
            rearchive_if_unadopted: !is_managed,
            compare: &compare,
        };
        let fetched = FetchedSegment {
            segment: holder,
            fetched_at: self.clock.now(),
        };
        match self.send_update(step, &update, Some(fetched)).await {
            Ok(WriteResult::Confirmed(stored) | WriteResult::Mismatch(stored, Effect::Applied)) => {
                let notes = vec![format!("{note} and updated")];
                self.finish_write(step, desired, stored, notes).await
            }
            Ok(WriteResult::Mismatch(..)) => Ok(unarchived_holder_unverified(
                step,
                "it changed after that; plan again",
            )),
            Ok(WriteResult::NotConfirmed(error)) | Err(StepError::Request(error)) => Ok(
                unarchived_holder_unverified(step, &format!("its update was not confirmed: {error}")),
            ),
            Err(other) => Err(other),
        }
    }

    /// No segment of the name is listed even now. If a segment is newly listed whose name differs only in case, it is the
    /// one that was unarchived: it is unmanaged, so segctl archives it again.
    async fn rearchive_homonym(
        &self,
        step: &Step,
        before: &[RemoteSummary],
    ) -> Result<StepOutcome, StepError> {
        let mut unarchived = match self.client.list().await {
            Ok(listed) => listed.segments,
            Err(error) => return Ok(unarchived_holder_unreadable(step, &error)),
        };
        unarchived.retain(|listed| before.iter().all(|other| other.id != listed.id));
        let Some(other) = find_name_differing_in_case(&unarchived, &step.segment) else {
            let shown_kinds = self.run_state().shown_kinds.clone();
            let behavior = self.options.api_behavior;
            let lists_all =
                behavior.lists_file_segments(&shown_kinds) && behavior.lists_cohorts(&shown_kinds);
            let reason = if lists_all {
                "MoEngage does not list it yet; run again"
            } else {
                "MoEngage does not list it: if it is a cohort or a file segment, declare this segment under another name; \
                 otherwise run again"
            };
            return Ok(unarchived_holder_unverified(step, reason));
        };
        let (name, id) = (&other.name, &other.id);
        let holder = format!("the archived segment `{name}` (id {id})");
        let help = format!("choose another name, or use the name `{name}` for that segment");
        self.rearchive(step, (name, id), (&holder, &help)).await
    }

    /// A cohort or a file segment can never become a filter segment.
    async fn rearchive_other_kind(
        &self,
        step: &Step,
        holder: &RemoteSegment,
    ) -> Result<StepOutcome, StepError> {
        let (kind, id) = (&holder.kind, &holder.id);
        let holder = format!("an archived segment of the kind {kind} (id {id})");
        let help = "a name can never be reused: declare the segment under another name";
        self.rearchive(step, (&step.segment, id), (&holder, help)).await
    }

    async fn rearchive(
        &self,
        step: &Step,
        (name, id): (&SegmentName, &SegmentId),
        (holder, help): (&str, &str),
    ) -> Result<StepOutcome, StepError> {
        let cause = format!(
            "the name `{}` belongs to {holder}, which was unarchived to identify it",
            step.segment
        );
        let request = LifecycleRequest {
            name,
            target: LifecycleTarget::ById(id),
            lifecycle: Lifecycle::Archived,
        };
        let error = match self.send_lifecycle(step, &request, true).await {
            Ok(Ok(())) => {
                return Ok(StepOutcome::failed(format!(
                    "{cause} and is archived again; {help}"
                )));
            }
            Ok(Err(error)) | Err(StepError::Request(error)) => error,
            Err(other) => return Err(other),
        };
        // The next run checks whether the segment is still unarchived and reports it again.
        self.run_state().left_unarchived.insert(step.number);
        Ok(StepOutcome::failed(format!(
            "{cause} and could not be archived again ({error}); archive it in the dashboard; {help}"
        )))
    }
}

fn find_name_differing_in_case<'l>(
    listed: &'l [RemoteSummary],
    name: &SegmentName,
) -> Option<&'l RemoteSummary> {
    let mut listed = listed.iter();
    listed.find(|other| other.name.differs_by_case_only(name))
}

fn name_differs_in_case_only(step: &Step, other: &RemoteSummary) -> StepOutcome {
    StepOutcome::failed(format!(
        "MoEngage treats the name `{}` as the name of the segment `{}` (id {}), which differs only in case; choose another \
         name, or use the name `{}` for that segment",
        step.segment, other.name, other.id, other.name
    ))
}

fn unarchived_holder_unverified(step: &Step, reason: &str) -> StepOutcome {
    StepOutcome::unknown(format!(
        "the name `{}` is used by a segment that MoEngage did not list, and segctl unarchived that segment; {reason}",
        step.segment
    ))
}

fn unarchived_holder_unreadable(step: &Step, error: &RequestError) -> StepOutcome {
    unarchived_holder_unverified(step, &format!("it cannot be read: {error}"))
}

/// The holder may be the segment that this step created with a request that arrived twice: the step may have succeeded.
fn name_holder_unknown(step: &Step, error: &RequestError) -> StepOutcome {
    StepOutcome::unknown(format!(
        "the name `{}` is used by a segment that MoEngage does not list and that cannot be identified: {error}",
        step.segment
    ))
}

fn adoption_refused(step: &Step) -> StepOutcome {
    StepOutcome::failed(format!(
        "the name `{}` belongs, or belonged before a rename, to a segment that MoEngage does not list; this workspace \
         refuses adoption: choose another name, or unarchive the segment in the dashboard and set its `id` in the file",
        step.segment
    ))
}

fn name_reserved(step: &Step) -> StepOutcome {
    StepOutcome::failed(format!(
        "the name `{}` is reserved for a segment that had it before a rename; a name can never be reused: choose another \
         name",
        step.segment
    ))
}

/// The holder may be the segment that this step created.
fn name_holder_in_use(step: &Step) -> StepOutcome {
    StepOutcome::unknown(format!(
        "the name `{}` is used by an active segment that MoEngage does not list: if it is a cohort or a file segment, declare \
         this segment under another name; otherwise run again",
        step.segment
    ))
}
