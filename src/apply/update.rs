use super::classify::{Effect, NextAction, Resolution};
use super::create::unresolved_reference;
use super::lifecycle::{LifecycleChange, LifecycleTarget};
use super::run_report::{SkipReason, StepOutcome};
use super::step_error::{StateError, StepResult};
use super::step_run::StepRun;
use super::write::{Write, Written};
use super::{Applier, classify};
use crate::api::{
    ApiError, Clock, FetchedSegment, Operation, Permit, RemoteSegment, RequestError, Transport,
};
use crate::model::{Lifecycle, Payload, SegmentId, SegmentName};
use crate::plan::step::{TemporaryChange, UpdateAction, exact_digest};
use crate::state::IntendedWrite;

/// Overwrites a segment if `compare` finds it as it was before the update.
pub(super) struct Update<'a, T: Transport, C: Clock> {
    pub(super) applier: &'a Applier<'a, T, C>,
    pub(super) id: &'a SegmentId,
    /// The desired name.
    pub(super) name: &'a SegmentName,
    pub(super) definition: &'a Payload,
    /// The exact digest of the definition.
    pub(super) digest: String,
    /// The effect of the update that a read shows.
    pub(super) compare: &'a Comparison<'a>,
    /// The change of a step. `None`: the caller knows what an error means.
    pub(super) planned: Option<&'a UpdateAction>,
    pub(super) is_managed: bool,
    /// Whether the segment was unarchived for this update.
    pub(super) was_unarchived: bool,
    /// Whether the remote name differs.
    pub(super) renames: bool,
}

pub(super) type Comparison<'a> = dyn Fn(&StepRun<'_>, &RemoteSegment) -> Effect + Sync + 'a;

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    pub(super) async fn update(
        &self,
        run: &mut StepRun<'_>,
        change: &UpdateAction,
    ) -> StepResult<StepOutcome> {
        let payload = match change.desired.resolved(&self.resolved_references()) {
            Ok(payload) => payload,
            Err(name) => return Ok(unresolved_reference(&name)),
        };
        let compare = |run: &StepRun<'_>, current: &RemoteSegment| self.update_effect(run, change, current);
        let mut update = Update {
            planned: Some(change),
            is_managed: self.is_managed(&change.target.id).await,
            digest: change.desired.digests.exact.to_string(),
            ..Update::new(self, &change.target.id, &change.name, &payload, &compare)
        };
        let outcome = match self.execute(run, &mut update).await {
            Ok(written) => self.update_outcome(run, change, written).await,
            Err(error) => Err(error),
        };
        let outcome = self.resolve_error(run, outcome)?;
        let is_untouched = matches!(
            outcome,
            StepOutcome::Failed { .. } | StepOutcome::NotAttempted | StepOutcome::Skipped(_)
        );
        if let Some(before) = run.before.as_ref().filter(|_| is_untouched) {
            let restored = self.record_restored(run, &change.target.id, before.entry.clone());
            restored.await.map_err(StateError::BeforeWrite)?;
        }
        Ok(outcome)
    }

    async fn update_outcome(
        &self,
        run: &mut StepRun<'_>,
        change: &UpdateAction,
        written: Written<RemoteSegment>,
    ) -> StepResult<StepOutcome> {
        match written {
            Written::Confirmed(stored) if self.is_group_dropped(change, &stored) => {
                self.roll_back_dropped_group(run).await
            }
            Written::Confirmed(stored) => {
                let notes = run.unarchive_note().into_iter().collect();
                self.finish_write(run, &change.desired, stored, notes).await
            }
            Written::Mismatch(current, effect) => self.mismatch_outcome(run, change, current, effect).await,
            Written::NotConfirmed(error) => {
                Ok(run.with_unarchive_note(self.rejected_outcome(change, &error)))
            }
            Written::Ended(outcome) => Ok(outcome),
        }
    }

    /// The segment is not as it was before the update.
    async fn mismatch_outcome(
        &self,
        run: &mut StepRun<'_>,
        change: &UpdateAction,
        current: RemoteSegment,
        effect: Effect,
    ) -> StepResult<StepOutcome> {
        match (effect, &run.ambiguous_error) {
            _ if self.is_group_dropped(change, &current) => self.roll_back_dropped_group(run).await,
            (Effect::Applied, Some(_)) => {
                let notes = vec![RESPONSE_LOST_NOTE.to_owned()];
                self.finish_write(run, &change.desired, current, notes).await
            }
            (Effect::Applied, None) => {
                self.record_written(run.step, &current).await?;
                Ok(StepOutcome::Unchanged {
                    id: current.id,
                    notes: run.unarchive_note().into_iter().collect(),
                })
            }
            (_, Some(lost)) => Ok(StepOutcome::unknown(format!("{lost}; plan again"))),
            (_, None) if run.was_unarchived => Ok(run.with_unarchive_note(StepOutcome::failed(
                "the segment changed during the run; plan again",
            ))),
            (_, None) => {
                // The next plan starts from this read.
                self.record_fetched(current, Lifecycle::Active);
                Ok(StepOutcome::Skipped(SkipReason::Drifted))
            }
        }
    }

    /// Whether MoEngage stored a temporary definition without the extra group. Then its definition is still taken, and two
    /// segments have the same one.
    fn is_group_dropped(&self, change: &UpdateAction, stored: &RemoteSegment) -> bool {
        let references = self.resolved_references();
        let is_unwrapped = |found: &Payload| {
            change.desired.is_equivalent_to(found, &references)
                && !change.desired.is_identical_to(found, &references)
        };
        wraps_definition(change)
            && stored.name == change.name
            && stored.payload().as_ref().is_some_and(is_unwrapped)
    }

    async fn roll_back_dropped_group(&self, run: &mut StepRun<'_>) -> StepResult<StepOutcome> {
        let message =
            format!("MoEngage dropped the extra group of the temporary definition; {SWAP_WORKAROUND}");
        let Some(before) = run.before.take() else {
            return Ok(StepOutcome::failed(message));
        };
        // Boxed, because the rollback is an update, too, and this is the outcome of one.
        Ok(match Box::pin(self.roll_back(run, None, before)).await? {
            StepOutcome::RolledBack => {
                StepOutcome::failed(format!("{message}; the former definition was restored"))
            }
            outcome => outcome,
        })
    }

    fn rejected_outcome(&self, change: &UpdateAction, error: &RequestError) -> StepOutcome {
        if !(wraps_definition(change) && matches!(error.kind, ApiError::DefinitionTaken { .. })) {
            return self.failed_request_outcome(error);
        }
        StepOutcome::failed(format!(
            "{error}; MoEngage treats a definition in an extra group as the same definition; {SWAP_WORKAROUND}"
        ))
    }

    fn update_effect(&self, run: &StepRun<'_>, change: &UpdateAction, current: &RemoteSegment) -> Effect {
        let is_unchanged = self.matches_plan(&change.target, current);
        // The former definition may be a respelling of the desired one, too.
        let is_desired = if is_unchanged {
            self.has_definition(&change.desired, current)
        } else {
            self.has_sent_definition(run, &change.desired, current)
        };
        classify::definition_effect(current.name == change.name && is_desired, is_unchanged)
    }

    fn is_respelled(&self, change: &UpdateAction, current: &RemoteSegment) -> bool {
        let is_respelled = |found| {
            change
                .desired
                .is_respelled_as(&found, &self.resolved_references())
        };
        current.name == change.name && current.payload().is_some_and(is_respelled)
    }
}

impl<T: Transport, C: Clock> Write for Update<'_, T, C> {
    type Answer = RemoteSegment;

    fn operation(&self) -> Operation {
        Operation::Update(self.id.clone())
    }

    fn segment_to_recheck(&self, _run: &StepRun<'_>) -> Option<&SegmentId> {
        Some(self.id)
    }

    fn effect(&self, run: &StepRun<'_>, current: &RemoteSegment) -> Effect {
        (self.compare)(run, current)
    }

    async fn journal(&mut self, run: &mut StepRun<'_>, current: Option<&RemoteSegment>) -> StepResult<()> {
        let current = current.expect("an update re-reads its segment");
        self.renames = current.name != *self.name;
        let write = IntendedWrite::Update {
            id: self.id.clone(),
            name: self.name.clone(),
            definition: self.definition.clone(),
            digest: self.digest.clone(),
        };
        let rearchive_if_unadopted = self.was_unarchived && !self.is_managed;
        self.applier
            .record_overwrite(run, current, write, rearchive_if_unadopted)
            .await
    }

    async fn send(&mut self, permit: Permit) -> Result<RemoteSegment, RequestError> {
        let rename = self.renames.then_some(self.name);
        let client = self.applier.client;
        client.update(permit, self.id, rename, self.definition).await
    }

    fn next_action(&self, run: &StepRun<'_>, error: &RequestError) -> NextAction {
        if self.planned.is_none() {
            return NextAction::Fail;
        }
        classify::next_after_update(
            error,
            self.id,
            !self.was_unarchived,
            run.ambiguous_error.is_some(),
        )
    }

    /// An archived segment cannot be updated. False if MoEngage refuses, because the segment is not archived.
    async fn unarchive(&mut self, run: &mut StepRun<'_>) -> StepResult<bool> {
        let change = self.planned.expect("other updates fail");
        let name = &change.target.remote_name;
        let mut unarchive = LifecycleChange {
            rearchive_if_unadopted: !self.is_managed,
            ..LifecycleChange::new(
                self.applier,
                name,
                LifecycleTarget::ById(self.id),
                Lifecycle::Active,
            )
        };
        match self.applier.execute(run, &mut unarchive).await? {
            Written::Confirmed(()) => {
                (self.was_unarchived, run.was_unarchived) = (true, true);
                Ok(true)
            }
            Written::NotConfirmed(error) if !matches!(error.kind, ApiError::Refused { .. }) => {
                Err(error.into())
            }
            _ => Ok(false),
        }
    }

    async fn verify(
        &mut self,
        run: &mut StepRun<'_>,
        error: &RequestError,
    ) -> StepResult<Option<StepOutcome>> {
        let applier = self.applier;
        let change = self.planned.expect("other updates are not verified");
        let fetched_at = applier.clock.now();
        let found = applier.client.get(self.id).await?;
        let effect = match self.effect(run, &found) {
            // The refusal means that nothing would change; the definition may be returned in another form.
            Effect::NotApplied if !error.is_ambiguous_write() && applier.is_respelled(change, &found) => {
                Effect::Applied
            }
            effect => effect,
        };
        // An unchanged segment proves nothing about a lost request.
        let is_untouched = error.is_ambiguous_write() && effect == Effect::NotApplied;
        if !is_untouched && applier.is_group_dropped(change, &found) {
            return applier.roll_back_dropped_group(run).await.map(Some);
        }
        let note = match classify::resolve_update(error, effect) {
            Resolution::Applied => RESPONSE_LOST_NOTE,
            Resolution::AlreadyApplied => {
                "MoEngage had nothing to change: the segment already has the definition sent"
            }
            Resolution::Retry => {
                run.fetched = Some(FetchedSegment {
                    segment: found,
                    fetched_at,
                });
                return Ok(None);
            }
            Resolution::Rejected => {
                let rejected = applier.rejected_outcome(change, error);
                return Ok(Some(run.with_unarchive_note(rejected)));
            }
            Resolution::HiddenNameHolder | Resolution::OtherNameHolder | Resolution::Unknown => {
                return Ok(Some(StepOutcome::unknown(format!("{error}; plan again"))));
            }
        };
        let notes = run.unarchive_note().into_iter().chain([note.to_owned()]);
        let outcome = applier.finish_write(run, &change.desired, found, notes.collect());
        outcome.await.map(Some)
    }
}

impl<'a, T: Transport, C: Clock> Update<'a, T, C> {
    pub(super) fn new(
        applier: &'a Applier<'a, T, C>,
        id: &'a SegmentId,
        name: &'a SegmentName,
        definition: &'a Payload,
        compare: &'a Comparison<'a>,
    ) -> Self {
        Self {
            applier,
            id,
            name,
            definition,
            digest: exact_digest(definition, &applier.resolved_references()).to_string(),
            compare,
            planned: None,
            is_managed: true,
            was_unarchived: false,
            renames: false,
        }
    }
}

/// Whether an update stores the temporary form of a definition, with an extra group around it.
fn wraps_definition(change: &UpdateAction) -> bool {
    matches!(
        change.temporary_change,
        Some(TemporaryChange::Definition | TemporaryChange::Both)
    )
}

const RESPONSE_LOST_NOTE: &str = "the response was lost; the segment has the definition sent";

const SWAP_WORKAROUND: &str = "to swap these definitions, change one of the segments to a third definition, apply, and then \
     change it to its own";
