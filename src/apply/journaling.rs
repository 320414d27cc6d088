//! Records a run in the state: before a write what is about to be replaced, after it the result.

use super::cohorts::assume_in_sync::set_assumed_members;
use super::step_error::{StateError, StepResult};
use super::step_run::{SegmentBefore, StepRun};
use super::{Applier, RemoteSegment};
use crate::api::{Clock, Transport};
use crate::model::{Lifecycle, Payload, SegmentId, SegmentName};
use crate::plan::step::{DesiredDefinition, Plan, Step, exact_digest};
use crate::state::{
    AppliedPlan, IntendedWrite, Intent, JournalEntry, Revision, State, StateEntry, StepKey, StoreError,
    returned_digest,
};
use std::collections::BTreeSet;

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    /// Records the segments that need no write: adopted ones, and those whose configuration and remote definition changed
    /// to the same. A saved plan is recorded with them, whatever its result, so that it is not applied twice.
    pub(super) async fn record_state_updates(&self, plan: &Plan) -> Result<(), StoreError> {
        let saved_plan = self.options.saved_plan_digest.as_ref();
        if plan.state_updates.is_empty() && saved_plan.is_none() && !self.options.recovered_writes {
            return Ok(());
        }
        let mut saved_lists = BTreeSet::new();
        for update in &plan.state_updates {
            if let Some(assumed) = &update.assumed_members
                && self.save_assumed_list(assumed).await?
            {
                saved_lists.insert(&update.id);
            }
        }
        self.append_to_journal(|state| {
            let entries = plan.state_updates.iter().map(|update| {
                let mut entry = self.managed_entry(state, &update.id, &update.segment);
                entry.rename(update.segment.clone());
                // Only a write resolves an unknown lifecycle.
                if !entry.lifecycle_unknown {
                    entry.lifecycle = update.lifecycle;
                }
                entry.protect = update.protect;
                entry.used_previous_names.clone_from(&update.previous_names);
                if let Some(definition) = &update.definition {
                    self.set_definition(&mut entry, definition.clone());
                }
                if let Some(assumed) = &update.assumed_members
                    && saved_lists.contains(&update.id)
                {
                    set_assumed_members(&mut entry, assumed);
                }
                JournalEntry::StateEntry(entry)
            });
            let applied_plan = saved_plan.map(|digest| {
                JournalEntry::AppliedPlan(AppliedPlan {
                    digest: digest.clone(),
                    applied_at: self.clock.now(),
                })
            });
            entries.chain(applied_plan).collect()
        })
        .await
    }

    /// Journals a write before it is sent, so that after a crash the next run verifies its result.
    ///
    /// `rearchive_if_unadopted`: the segment is unmanaged and was archived. It is archived again unless it is adopted.
    pub(super) async fn record_intent(
        &self,
        step: &Step,
        write: IntendedWrite,
        rearchive_if_unadopted: bool,
    ) -> StepResult<()> {
        let intent = self.intent_record(step, write, rearchive_if_unadopted);
        let recorded = self.append_to_journal(|_| vec![intent]).await;
        Ok(recorded.map_err(StateError::BeforeWrite)?)
    }

    /// Journals the definition that an update replaces together with its intent. An unmanaged segment stays unmanaged
    /// until the write took effect.
    pub(super) async fn record_overwrite(
        &self,
        run: &mut StepRun<'_>,
        current: &RemoteSegment,
        write: IntendedWrite,
        rearchive_if_unadopted: bool,
    ) -> StepResult<()> {
        let intent = self.intent_record(run.step, write, rearchive_if_unadopted);
        let recorded = self.append_to_journal(|state| {
            let recorded = state.any_entry(&current.id).cloned();
            run.before.get_or_insert_with(|| SegmentBefore {
                segment: current.clone(),
                entry: recorded.clone(),
            });
            let entry = self.written_definition(current).map(|definition| {
                // This does not change when the segment was applied.
                let mut entry = recorded.unwrap_or_else(|| StateEntry {
                    history_only: true,
                    ..self.managed_entry(state, &current.id, &current.name)
                });
                entry.add_revision(Revision {
                    name: current.name.clone(),
                    definition: definition.clone().into(),
                    returned_digest: current
                        .payload()
                        .and_then(|returned| returned_digest(&definition, &returned)),
                    replaced_at: self.clock.now(),
                    run: self.options.run_id.clone(),
                });
                if entry.definition.is_none() && !entry.history_only {
                    self.set_definition(&mut entry, definition);
                }
                JournalEntry::StateEntry(entry)
            });
            entry.into_iter().chain([intent]).collect()
        });
        Ok(recorded.await.map_err(StateError::BeforeWrite)?)
    }

    /// Records that a write had no effect or was rolled back: the entry is again what it was `before`.
    pub(super) async fn record_restored(
        &self,
        run: &StepRun<'_>,
        id: &SegmentId,
        before: Option<StateEntry>,
    ) -> Result<(), StoreError> {
        // An unanswered request may still arrive and overwrite the restored definition: keep its revision.
        let may_still_arrive = run.may_have_written;
        self.append_to_journal(|state| {
            let current = state.any_entry(id).filter(|_| may_still_arrive);
            let restored = match (before, current) {
                (Some(before), Some(current)) => JournalEntry::StateEntry(before.with_revisions_of(current)),
                (Some(before), None) => JournalEntry::StateEntry(before),
                (None, Some(current)) => {
                    let entry = StateEntry {
                        history_only: true,
                        run: current.run.clone(),
                        ..StateEntry::new(id.clone(), current.name.clone(), current.applied_at)
                    };
                    JournalEntry::StateEntry(entry.with_revisions_of(current))
                }
                (None, None) => JournalEntry::Forgotten(id.clone()),
            };
            vec![restored, JournalEntry::Resolved(self.step_key(run.step))]
        })
        .await
    }

    /// Records that a segment with a temporary change now has its declared definition under its name from `before`.
    /// Revisions that the run recorded are kept.
    pub(super) async fn record_declared_definition(
        &self,
        step: &Step,
        before: SegmentBefore,
        desired: &DesiredDefinition,
        definition: Payload,
        stored: &RemoteSegment,
    ) -> Result<(), StoreError> {
        self.append_to_journal(|state| {
            let current = self.managed_entry(state, &before.segment.id, &before.segment.name);
            let recorded = match before.entry {
                Some(recorded) => recorded.with_revisions_of(&current),
                None => current,
            };
            let mut entry = StateEntry {
                history_only: false,
                ..recorded
            };
            entry.set_definition(definition, desired.digests.exact.to_string());
            if let Some(returned) = stored.payload() {
                self.set_returned_form(&mut entry, desired, &returned);
            }
            self.entry_and_resolution(step, entry)
        })
        .await
    }

    pub(super) async fn record_resolved(&self, step: &Step) -> Result<(), StoreError> {
        let key = self.step_key(step);
        if self.state.lock().await.intent(&key).is_none() {
            return Ok(());
        }
        self.append_to_journal(|_| vec![JournalEntry::Resolved(key)])
            .await
    }

    pub(super) async fn record_written(&self, step: &Step, stored: &RemoteSegment) -> Result<(), StoreError> {
        self.resolve_reference(step, &stored.id);
        self.record_fetched(stored.clone(), Lifecycle::Active);
        self.append_to_journal(|state| {
            let mut entry = self.managed_entry(state, &stored.id, &step.segment);
            // After a temporary change the remote name differs: the state has the declared one.
            entry.rename(step.segment.clone());
            entry.set_lifecycle(Lifecycle::Active);
            entry.protect = step.protect;
            entry.used_previous_names.clone_from(&step.previous_names);
            if let Some(desired) = step.action.desired() {
                self.set_written_definition(&mut entry, desired);
                if let Some(returned) = stored.payload() {
                    self.set_returned_form(&mut entry, desired, &returned);
                }
            }
            self.entry_and_resolution(step, entry)
        })
        .await
    }

    /// Records the form in which a read after the write returns the definition.
    pub(super) async fn record_returned_form(
        &self,
        desired: &DesiredDefinition,
        id: &SegmentId,
        returned: &Payload,
    ) -> Result<(), StoreError> {
        let recorded = self.state.lock().await.managed_entry(id).cloned();
        let Some(recorded) = recorded else {
            return Ok(());
        };
        let mut entry = recorded.clone();
        self.set_returned_form(&mut entry, desired, returned);
        if entry == recorded {
            return Ok(());
        }
        self.append_to_journal(|_| vec![JournalEntry::StateEntry(entry)])
            .await
    }

    /// `is_done_now`: segctl changed the lifecycle in this run, and no other process earlier.
    pub(super) async fn record_lifecycle(
        &self,
        step: &Step,
        current: &RemoteSegment,
        lifecycle: Lifecycle,
        is_done_now: bool,
    ) -> Result<(), StoreError> {
        self.resolve_reference(step, &current.id);
        self.record_fetched(current.clone(), lifecycle);
        self.append_to_journal(|state| {
            let mut entry = self.managed_entry(state, &current.id, &current.name);
            // The entry must not claim a name that a file may declare. A segment that is unarchived under another name gets
            // the declared name by its update, which may fail.
            if lifecycle == Lifecycle::Archived || current.name == step.segment {
                entry.rename(step.segment.clone());
                if step.origin.is_some() {
                    entry.used_previous_names.clone_from(&step.previous_names);
                }
            }
            entry.change_lifecycle(lifecycle);
            entry.protect = step.protect;
            if let Some(upload_state) = &mut entry.upload_state {
                let now = self.client.server_time();
                match lifecycle {
                    Lifecycle::Archived => upload_state.archived_at = is_done_now.then_some(now),
                    Lifecycle::Active => upload_state.mark_unarchived(now),
                }
            }
            if let Some(definition) = current.payload().filter(|_| entry.definition.is_none()) {
                self.set_definition(&mut entry, definition);
            }
            self.entry_and_resolution(step, entry)
        })
        .await
    }

    pub(super) async fn record_entry(
        &self,
        entry: impl FnOnce(&State) -> StateEntry,
    ) -> Result<(), StoreError> {
        self.append_to_journal(|state| vec![JournalEntry::StateEntry(entry(state))])
            .await
    }

    /// Returns when the entries are durable.
    pub(super) async fn append_to_journal(
        &self,
        entries: impl FnOnce(&State) -> Vec<JournalEntry>,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        let entries = entries(&state);
        for entry in &entries {
            if let JournalEntry::StateEntry(entry) = entry {
                self.note_returned_form(entry);
            }
            state.apply_journal_entry(entry.clone());
        }
        self.run_state().has_journaled = true;
        self.store.append(&state, &entries).await
    }

    pub(super) async fn compact_journal(&self) {
        if !self.run_state().has_journaled {
            return;
        }
        let state = self.state.lock().await;
        // If this fails, the journal still has everything.
        if self.store.save(&state).await.is_err() {
            return;
        }
        if self.run_state().has_saved_lists {
            // Unreferenced lists only use space.
            drop(self.store.retain_member_lists(&state.referenced_lists()).await);
        }
        if self.options.recovered_writes || self.options.callbacks.is_some() {
            drop(self.store.retain_callbacks(&state.pending_uploads()).await);
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
            previous_names: step.previous_names.clone(),
            at: self.clock.now(),
            sent_at: self.client.server_time(),
            rearchive_if_unadopted,
            write,
        })
    }

    fn entry_and_resolution(&self, step: &Step, entry: StateEntry) -> Vec<JournalEntry> {
        let resolved = JournalEntry::Resolved(self.step_key(step));
        vec![JournalEntry::StateEntry(entry), resolved]
    }

    fn set_definition(&self, entry: &mut StateEntry, definition: Payload) {
        let digest = exact_digest(&definition, &self.resolved_references());
        entry.set_definition(definition, digest.to_string());
    }

    /// What was sent, not what MoEngage returned.
    fn set_written_definition(&self, entry: &mut StateEntry, desired: &DesiredDefinition) {
        let digest = desired.digests.exact.to_string();
        match desired.resolved(&self.resolved_references()) {
            Ok(sent) => entry.set_definition(sent, digest),
            Err(_) => (entry.definition, entry.digest) = (None, Some(digest)),
        }
    }

    /// Plans report it as drift if MoEngage stored something else.
    fn set_returned_form(&self, entry: &mut StateEntry, desired: &DesiredDefinition, returned: &Payload) {
        if self.is_stored_as(desired, returned) {
            entry.set_returned_form(returned);
        }
    }

    pub(super) fn note_returned_form(&self, entry: &StateEntry) {
        let respelled = &mut self.run_state().respelled;
        if entry.has_returned_forms() {
            respelled.insert(entry.id.clone(), entry.clone());
        } else {
            respelled.remove(&entry.id);
        }
    }

    pub(super) fn resolve_reference(&self, step: &Step, id: &SegmentId) {
        if step.origin.is_none() {
            return;
        }
        let mut references = self.resolved_references_mut();
        references.ids_by_name.insert(step.segment.clone(), id.clone());
        references
            .identities
            .declared_by_id
            .insert(id.clone(), step.segment.clone());
    }

    /// The entry of `id`, or a new one, as applied by this run.
    pub(super) fn managed_entry(&self, state: &State, id: &SegmentId, name: &SegmentName) -> StateEntry {
        state.entry_after_write(id, name, self.clock.now(), &self.options.run_id)
    }
}
