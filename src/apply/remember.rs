//! What the ledger learns from a run: before a write what is about to be replaced, after it what is there now.

use super::{Applier, Interruption, Stored};
use crate::api::{Clock, Transport};
use crate::ledger::{AppliedPlan, Entry, Ledger, LedgerStore, Replaced, StoreError};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use crate::plan::step::{Plan, Step, digest_of};

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Takes down the segments that need no write: those that are met for the first time, and those that were changed
    /// the same way in the files and in the workspace. A saved plan is taken down with them, so that it is not applied
    /// twice, whatever comes of it.
    pub(super) async fn record(&self, plan: &Plan) -> Result<(), StoreError> {
        if plan.records.is_empty() && self.settings.saved_plan.is_none() {
            return Ok(());
        }
        self.change_ledger(|ledger| {
            for record in &plan.records {
                let mut entry = self.entry(ledger, &record.id, &record.segment);
                entry.rename(record.segment.clone());
                entry.lifecycle = record.lifecycle;
                entry.protect = record.protect;
                if let Some(definition) = &record.definition {
                    entry.digest = Some(digest_of(definition, &self.known()).to_string());
                    entry.definition = Some(definition.clone());
                }
                ledger.record(entry);
            }
            if let Some(digest) = &self.settings.saved_plan {
                ledger.record_plan(AppliedPlan {
                    digest: digest.clone(),
                    applied_at: self.clock.now(),
                });
            }
        })
        .await
    }

    /// Takes down what is about to be overwritten, and hands out what was known before. It is on the disk before the write
    /// is sent: whatever happens then, nothing is lost.
    pub(super) async fn keep(&self, current: &Stored) -> Result<Option<Entry>, Interruption> {
        let Some(definition) = current.payload() else {
            return Ok(self.ledger.lock().await.entry(&current.id).cloned());
        };
        let kept = self.change_ledger(|ledger| {
            // What was applied is still what was applied, and when.
            let known = ledger.entry(&current.id).cloned();
            let mut entry = known
                .clone()
                .unwrap_or_else(|| self.entry(ledger, &current.id, &current.name));
            entry.keep(Replaced {
                name: current.name.clone(),
                definition: definition.clone(),
                replaced_at: self.clock.now(),
                run: self.settings.run.clone(),
            });
            if entry.definition.is_none() {
                entry.digest = Some(digest_of(&definition, &self.known()).to_string());
                entry.definition = Some(definition);
            }
            ledger.record(entry);
            known
        });
        kept.await.map_err(Interruption::LedgerFirst)
    }

    /// Takes down that nothing became of a write: what somebody else made is still theirs, and what was taken back is what
    /// it was.
    pub(super) async fn restore(&self, id: &SegmentId, before: Option<Entry>) -> Result<(), StoreError> {
        self.change_ledger(|ledger| match before {
            Some(entry) => ledger.record(entry),
            None => ledger.remove(id),
        })
        .await
    }

    /// Takes down a definition that the service stored.
    pub(super) async fn remember_stored(&self, step: &Step, stored: &Stored) -> Result<(), StoreError> {
        self.learn(step, &stored.id);
        self.note_seen(stored.clone(), Lifecycle::Active);
        self.change_ledger(|ledger| {
            let mut entry = self.entry(ledger, &stored.id, &step.segment);
            // The name that is there: a passing step leaves a temporary one, which is known by the declared name.
            entry.rename(step.segment.clone());
            entry.lifecycle = Lifecycle::Active;
            entry.protect = step.protect;
            if let Some(wanted) = step.action.wanted() {
                entry.digest = Some(wanted.digests.exact.to_string());
                // What was sent, not what came back: a service that stores something else made a difference to tell of.
                entry.definition = wanted.resolved(&self.known()).ok();
            }
            ledger.record(entry);
        })
        .await
    }

    /// Takes down that a segment was put away or taken out.
    pub(super) async fn remember_lifecycle(
        &self,
        step: &Step,
        current: &Stored,
        lifecycle: Lifecycle,
    ) -> Result<(), StoreError> {
        self.learn(step, &current.id);
        self.note_seen(current.clone(), lifecycle);
        self.change_ledger(|ledger| {
            let mut entry = self.entry(ledger, &current.id, &current.name);
            // Without a file this is the live name: the entry must not lay claim to a name that a file may declare. What
            // is taken out under another name gets the declared one by its update, which may fail.
            if lifecycle == Lifecycle::Archived || current.name == step.segment {
                entry.rename(step.segment.clone());
            }
            entry.lifecycle = lifecycle;
            entry.protect = step.protect;
            if let Some(definition) = current.payload().filter(|_| entry.definition.is_none()) {
                entry.digest = Some(digest_of(&definition, &self.known()).to_string());
                entry.definition = Some(definition);
            }
            ledger.record(entry);
        })
        .await
    }

    /// Changes the ledger, and is back when the change is on the disk.
    async fn change_ledger<A>(&self, change: impl FnOnce(&mut Ledger) -> A) -> Result<A, StoreError> {
        let mut ledger = self.ledger.lock().await;
        let answer = change(&mut ledger);
        self.store.save(&ledger).await?;
        Ok(answer)
    }

    fn learn(&self, step: &Step, id: &SegmentId) {
        if step.origin.is_none() {
            return;
        }
        let mut known = self.known_mut();
        known.ids.insert(step.segment.clone(), id.clone());
        known
            .identities
            .declared_by_id
            .insert(id.clone(), step.segment.clone());
    }

    /// What is known of `id`, stamped with this run; an entry of its own where nothing is.
    fn entry(&self, ledger: &Ledger, id: &SegmentId, name: &SegmentName) -> Entry {
        let now = self.clock.now();
        let known = ledger.entry(id).cloned();
        Entry {
            applied_at: now,
            run: self.settings.run.clone(),
            ..known.unwrap_or_else(|| Entry::new(id.clone(), name.clone(), now))
        }
    }
}
