//! What the ledger learns from a run: before a write what is about to be replaced, after it what is there now.

use super::cohorts::assume_in_sync::set_assumed_members;
use super::write::UpdateRequest;
use super::{Applier, RemoteSegment, StepError};
use crate::api::{Clock, Transport};
use crate::model::{Lifecycle, Payload, SegmentId, SegmentName};
use crate::plan::step::{DesiredDefinition, Plan, Step, exact_digest};
use crate::state::{
    AppliedPlan, IntendedWrite, Intent, JournalEntry, Revision, State, StateEntry, StateStore, StepKey,
    StoreError,
};
use std::collections::BTreeSet;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Takes down the segments that need no write: those that are met for the first time, and those that were changed
    /// the same way in the files and in the workspace. A saved plan is taken down with them, so that it is not applied
    /// twice, whatever comes of it.
    pub(super) async fn record_state_updates(&self, plan: &Plan) -> Result<(), StoreError> {
        if plan.state_updates.is_empty()
            && self.options.saved_plan_digest.is_none()
            && !self.options.recovered_writes
        {
            return Ok(());
        }
        let mut saved_lists = BTreeSet::new();
        for record in &plan.state_updates {
            let assumed = record.assumed_members.as_ref();
            if let Some(assumed) = assumed
                && self.save_assumed_list(assumed).await?
            {
                saved_lists.insert(&record.id);
            }
        }
        self.append_to_journal(|state| {
            let entries = plan.state_updates.iter().map(|record| {
                let mut entry = self.managed_entry(state, &record.id, &record.segment);
                entry.rename(record.segment.clone());
                // No write tells what is unknown.
                if !entry.lifecycle_unknown {
                    entry.lifecycle = record.lifecycle;
                }
                entry.protect = record.protect;
                if let Some(definition) = &record.definition {
                    entry.digest = Some(exact_digest(definition, &self.resolved_references()).to_string());
                    entry.definition = Some(definition.clone());
                }
                if let Some(assumed) = record
                    .assumed_members
                    .as_ref()
                    .filter(|_| saved_lists.contains(&record.id))
                {
                    set_assumed_members(&mut entry, assumed);
                }
                JournalEntry::StateEntry(entry)
            });
            let plan = self.options.saved_plan_digest.as_ref().map(|digest| {
                JournalEntry::AppliedPlan(AppliedPlan {
                    digest: digest.clone(),
                    applied_at: self.clock.now(),
                })
            });
            entries.chain(plan).collect()
        })
        .await
    }

    /// Takes down a write that is about to be made. It is on the disk before the write is sent: whatever happens then,
    /// the next run finds out what became of it.
    ///
    /// `takes_out` where the segment is not ours, was archived, and is to be archived again unless it becomes ours.
    pub(super) async fn record_intent(
        &self,
        step: &Step,
        write: IntendedWrite,
        rearchive_if_unadopted: bool,
    ) -> Result<(), StepError> {
        let intent = self.intent_record(step, write, rearchive_if_unadopted);
        let recorded = self.append_to_journal(|_| vec![intent]).await;
        recorded.map_err(StepError::StateBeforeWrite)
    }

    /// Takes down what is about to be overwritten together with the write that does it. Whose it is does not change by
    /// that: it is ours when the write took effect.
    pub(super) async fn record_overwrite(
        &self,
        step: &Step,
        current: &RemoteSegment,
        update: &UpdateRequest<'_>,
    ) -> Result<(), StepError> {
        let intent = self.intent_record(step, update.intended_write(), update.rearchive_if_unadopted);
        let recorded = self.append_to_journal(|state| {
            let known = state.any_entry(&current.id).cloned();
            let before = (current.clone(), known.clone());
            self.run_state()
                .before_update
                .entry(step.number)
                .or_insert(before);
            let entry = current.payload().map(|definition| {
                // What was applied is still what was applied, and when.
                let mut entry = known.unwrap_or_else(|| StateEntry {
                    history_only: true,
                    ..self.managed_entry(state, &current.id, &current.name)
                });
                entry.add_revision(Revision {
                    name: current.name.clone(),
                    definition: definition.clone(),
                    replaced_at: self.clock.now(),
                    run: self.options.run_id.clone(),
                });
                if entry.definition.is_none() && !entry.history_only {
                    entry.digest = Some(exact_digest(&definition, &self.resolved_references()).to_string());
                    entry.definition = Some(definition);
                }
                JournalEntry::StateEntry(entry)
            });
            entry.into_iter().chain([intent]).collect()
        });
        recorded.await.map_err(StepError::StateBeforeWrite)
    }

    /// Takes down that nothing became of a write: what somebody else made is still theirs, and what was taken back is what
    /// it was.
    pub(super) async fn record_restored(
        &self,
        step: &Step,
        (id, before): (&SegmentId, Option<StateEntry>),
    ) -> Result<(), StoreError> {
        // A call that was not answered may still be on its way, and overwrite what is there again.
        let may_still_arrive = self.run_state().ambiguous_steps.contains(&step.number);
        self.append_to_journal(|state| {
            let kept = state.any_entry(id).filter(|_| may_still_arrive);
            let before = match (before, kept) {
                (Some(before), Some(kept)) => JournalEntry::StateEntry(before.with_revisions_of(kept)),
                (Some(before), None) => JournalEntry::StateEntry(before),
                (None, Some(kept)) => {
                    let entry = StateEntry {
                        history_only: true,
                        run: kept.run.clone(),
                        ..StateEntry::new(id.clone(), kept.name.clone(), kept.applied_at)
                    };
                    JournalEntry::StateEntry(entry.with_revisions_of(kept))
                }
                (None, None) => JournalEntry::Forgotten(id.clone()),
            };
            vec![before, JournalEntry::Resolved(self.step_key(step))]
        })
        .await
    }

    /// Takes down that a segment in passing has the definition of its file, under the name that it had `before`; what was
    /// replaced on the way is kept.
    pub(super) async fn record_declared_definition(
        &self,
        step: &Step,
        (before, known): (&RemoteSegment, Option<StateEntry>),
        (desired, definition): (&DesiredDefinition, Payload),
    ) -> Result<(), StoreError> {
        self.append_to_journal(|state| {
            let now = self.managed_entry(state, &before.id, &before.name);
            let known = known.map_or_else(|| now.clone(), |known| known.with_revisions_of(&now));
            let entry = StateEntry {
                history_only: false,
                digest: Some(desired.digests.exact.to_string()),
                definition: Some(definition),
                ..known
            };
            vec![
                JournalEntry::StateEntry(entry),
                JournalEntry::Resolved(self.step_key(step)),
            ]
        })
        .await
    }

    /// Takes down that it is known what became of a step's write, where it is not yet.
    pub(super) async fn record_resolved(&self, step: &Step) -> Result<(), StoreError> {
        let key = self.step_key(step);
        if self.state.lock().await.intent(&key).is_none() {
            return Ok(());
        }
        self.append_to_journal(|_| vec![JournalEntry::Resolved(key)])
            .await
    }

    /// Takes down a definition that the service stored.
    pub(super) async fn record_written(&self, step: &Step, stored: &RemoteSegment) -> Result<(), StoreError> {
        self.resolve_reference(step, &stored.id);
        self.record_fetched(stored.clone(), Lifecycle::Active);
        self.append_to_journal(|state| {
            let mut entry = self.managed_entry(state, &stored.id, &step.segment);
            // The name that is there: a passing step leaves a temporary one, which is known by the declared name.
            entry.rename(step.segment.clone());
            entry.set_lifecycle(Lifecycle::Active);
            entry.protect = step.protect;
            if let Some(wanted) = step.action.desired() {
                entry.digest = Some(wanted.digests.exact.to_string());
                // What was sent, not what came back: a service that stores something else made a difference to tell of.
                entry.definition = wanted.resolved(&self.resolved_references()).ok();
            }
            vec![
                JournalEntry::StateEntry(entry),
                JournalEntry::Resolved(self.step_key(step)),
            ]
        })
        .await
    }

    /// Takes down that a segment was put away or taken out, by a call that was made now or by somebody some time before.
    pub(super) async fn record_lifecycle(
        &self,
        step: &Step,
        current: &RemoteSegment,
        (lifecycle, is_done_now): (Lifecycle, bool),
    ) -> Result<(), StoreError> {
        self.resolve_reference(step, &current.id);
        self.record_fetched(current.clone(), lifecycle);
        self.append_to_journal(|state| {
            let mut entry = self.managed_entry(state, &current.id, &current.name);
            // Without a file this is the live name: the entry must not lay claim to a name that a file may declare. What
            // is taken out under another name gets the declared one by its update, which may fail.
            if lifecycle == Lifecycle::Archived || current.name == step.segment {
                entry.rename(step.segment.clone());
            }
            entry.set_lifecycle(lifecycle);
            entry.protect = step.protect;
            if let Some(uploaded) = &mut entry.upload_state {
                let now = self.clock.now();
                match lifecycle {
                    Lifecycle::Archived => uploaded.archived_at = is_done_now.then_some(now),
                    Lifecycle::Active => uploaded.mark_unarchived(now),
                }
            }
            if let Some(definition) = current.payload().filter(|_| entry.definition.is_none()) {
                entry.digest = Some(exact_digest(&definition, &self.resolved_references()).to_string());
                entry.definition = Some(definition);
            }
            vec![
                JournalEntry::StateEntry(entry),
                JournalEntry::Resolved(self.step_key(step)),
            ]
        })
        .await
    }

    /// Takes down records, and is back when they are on the disk.
    pub(super) async fn append_to_journal(
        &self,
        records: impl FnOnce(&State) -> Vec<JournalEntry>,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        let records = records(&state);
        for record in &records {
            state.apply_journal_entry(record.clone());
        }
        self.run_state().has_journaled = true;
        self.store.append(&state, &records).await
    }

    /// Brings what was taken down step by step into one, at the end of a run.
    pub(super) async fn compact_journal(&self) {
        if self.run_state().has_journaled {
            let state = self.state.lock().await;
            // Where this fails, all of it is still there as it was taken down.
            let is_saved = self.store.save(&state).await.is_ok();
            if is_saved && self.run_state().has_saved_lists {
                // What is left takes room, and does no other harm.
                drop(self.store.retain_member_lists(&state.referenced_lists()).await);
            }
            if is_saved && (self.options.recovered_writes || self.options.callbacks.is_some()) {
                drop(self.store.retain_callbacks(&state.pending_uploads()).await);
            }
        }
    }

    pub(super) fn step_key(&self, step: &Step) -> StepKey {
        StepKey {
            run: self.options.run_id.clone(),
            step: step.number,
        }
    }

    fn intent_record(&self, step: &Step, write: IntendedWrite, rearchive_if_unadopted: bool) -> JournalEntry {
        JournalEntry::Intent(Intent {
            step: self.step_key(step),
            segment: step.segment.clone(),
            protect: step.protect,
            at: self.clock.now(),
            rearchive_if_unadopted,
            write,
        })
    }

    pub(super) fn resolve_reference(&self, step: &Step, id: &SegmentId) {
        if step.origin.is_none() {
            return;
        }
        let mut known = self.resolved_references_mut();
        known.ids_by_name.insert(step.segment.clone(), id.clone());
        known
            .identities
            .declared_by_id
            .insert(id.clone(), step.segment.clone());
    }

    /// What is known of `id`, stamped with this run, which makes it ours; an entry of its own where nothing is.
    pub(super) fn managed_entry(&self, state: &State, id: &SegmentId, name: &SegmentName) -> StateEntry {
        let now = self.clock.now();
        let known = state.any_entry(id).cloned();
        StateEntry {
            history_only: false,
            applied_at: now,
            run: self.options.run_id.clone(),
            ..known.unwrap_or_else(|| StateEntry::new(id.clone(), name.clone(), now))
        }
    }
}
