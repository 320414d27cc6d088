//! Handles a create whose name is taken by a segment that no listing shows.

use super::classify::Effect;
use super::lifecycle::{LifecycleChange, LifecycleTarget};
use super::run_report::StepOutcome;
use super::step_error::{StepError, StepResult};
use super::step_run::StepRun;
use super::update::Update;
use super::write::Written;
use super::{Applier, classify};
use crate::api::{ApiError, Clock, FetchedSegment, RemoteSegment, RemoteSummary, RequestError, Transport};
use crate::model::{Adoption, Lifecycle, Payload, SegmentId, SegmentName};
use crate::plan::step::{DesiredDefinition, Step, exact_digest};

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    /// The holder of the name is archived and hidden. No other segment can ever have the name, so segctl unarchives the
    /// holder and updates it to the declared definition.
    pub(super) async fn unarchive_name_holder(
        &self,
        run: &mut StepRun<'_>,
        desired: &DesiredDefinition,
        payload: &Payload,
    ) -> StepResult<StepOutcome> {
        let step = run.step;
        if self.options.adoption == Adoption::Refuse {
            return Ok(adoption_refused(step));
        }
        let before = self.client.list().await?.segments;
        if let Some(other) = find_name_differing_in_case(&before, &step.segment) {
            return Ok(name_differs_in_case_only(step, other));
        }
        let digest = desired.digests.exact.to_string();
        let target = LifecycleTarget::ByName(payload, &digest);
        let mut unarchive = LifecycleChange {
            // If listings show archived segments, they do not show whether this one was archived.
            rearchive_if_unadopted: !self.options.api_behavior.list_shows_archived,
            ..LifecycleChange::new(self, &step.segment, target, Lifecycle::Active)
        };
        if let Written::NotConfirmed(error) = self.execute(run, &mut unarchive).await? {
            return match error.kind {
                ApiError::NotFound { .. } => Ok(name_reserved(step)),
                ApiError::Refused { status: 400, .. } => Ok(name_holder_in_use(step)),
                ApiError::ActiveLimit { .. } => Ok(name_holder_unknown(step, &error)),
                _ => Err(error.into()),
            };
        }
        let holder = match self.find_by_name(&step.segment).await {
            Ok(Some(holder)) => holder,
            Ok(None) => return self.rearchive_homonym(run, &before).await,
            Err(error) => return Ok(unarchived_holder_unreadable(step, &error)),
        };
        match holder.payload() {
            Some(_) => self.adopt_name_holder(run, desired, payload, holder).await,
            None => self.rearchive_other_kind(run, &holder).await,
        }
    }

    async fn adopt_name_holder(
        &self,
        run: &mut StepRun<'_>,
        desired: &DesiredDefinition,
        payload: &Payload,
        holder: RemoteSegment,
    ) -> StepResult<StepOutcome> {
        let step = run.step;
        let note = "the name belonged to an archived segment, which was unarchived".to_owned();
        if self.has_definition(desired, &holder) {
            return self.finish_write(run, desired, holder, vec![note]).await;
        }
        let digest = |segment: &RemoteSegment| {
            let definition = segment.payload();
            definition.map(|definition| exact_digest(&definition, &self.resolved_references()))
        };
        let before = digest(&holder);
        let compare = |_: &StepRun<'_>, current: &RemoteSegment| {
            let has_name = current.name == step.segment;
            classify::definition_effect(
                has_name && self.has_definition(desired, current),
                has_name && digest(current) == before,
            )
        };
        let id = holder.id.clone();
        let mut update = Update {
            digest: desired.digests.exact.to_string(),
            is_managed: self.is_managed(&id).await,
            was_unarchived: true,
            ..Update::new(self, &id, &step.segment, payload, &compare)
        };
        run.fetched = Some(FetchedSegment {
            segment: holder,
            fetched_at: self.clock.now(),
        });
        let reason = match self.execute(run, &mut update).await {
            Ok(Written::Confirmed(stored) | Written::Mismatch(stored, Effect::Applied)) => {
                let notes = vec![format!("{note} and updated")];
                return self.finish_write(run, desired, stored, notes).await;
            }
            Ok(Written::Ended(outcome)) => return Ok(outcome),
            Ok(Written::Mismatch(..)) => "it changed after that; plan again".to_owned(),
            Ok(Written::NotConfirmed(error)) | Err(StepError::Request(error)) => {
                format!("its update was not confirmed: {error}")
            }
            Err(other) => return Err(other),
        };
        Ok(unarchived_holder_unverified(step, &reason))
    }

    /// No segment of the name is listed even now. If a segment is newly listed whose name differs only in case, it is the
    /// one that was unarchived: it is unmanaged, so segctl archives it again.
    async fn rearchive_homonym(
        &self,
        run: &mut StepRun<'_>,
        before: &[RemoteSummary],
    ) -> StepResult<StepOutcome> {
        let step = run.step;
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
        self.rearchive(run, name, id, &holder, &help).await
    }

    /// A cohort or a file segment can never become a filter segment.
    async fn rearchive_other_kind(
        &self,
        run: &mut StepRun<'_>,
        holder: &RemoteSegment,
    ) -> StepResult<StepOutcome> {
        let (kind, id) = (&holder.kind, &holder.id);
        let holder = format!("an archived segment of the kind {kind} (id {id})");
        let help = "a name can never be reused: declare the segment under another name";
        self.rearchive(run, &run.step.segment, id, &holder, help).await
    }

    async fn rearchive(
        &self,
        run: &mut StepRun<'_>,
        name: &SegmentName,
        id: &SegmentId,
        holder: &str,
        help: &str,
    ) -> StepResult<StepOutcome> {
        let cause = format!(
            "the name `{}` belongs to {holder}, which was unarchived to identify it",
            run.step.segment
        );
        let mut archive = LifecycleChange {
            rearchive_if_unadopted: true,
            ..LifecycleChange::new(self, name, LifecycleTarget::ById(id), Lifecycle::Archived)
        };
        let error = match self.execute(run, &mut archive).await {
            Ok(Written::NotConfirmed(error)) | Err(StepError::Request(error)) => error,
            Ok(_) => {
                return Ok(StepOutcome::failed(format!(
                    "{cause} and is archived again; {help}"
                )));
            }
            Err(other) => return Err(other),
        };
        // The next run checks whether the segment is still unarchived and reports it again.
        run.is_left_unarchived = true;
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
