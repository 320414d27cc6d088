//! What the ledger learns from a run: before a write what is about to be replaced, after it what is there now.

use super::{Applier, Interruption, Stored};
use crate::api::{Clock, Transport};
use crate::ledger::{AppliedPlan, Entry, LedgerStore, Replaced, StoreError};
use crate::model::{Lifecycle, SegmentId, SegmentName};
use crate::plan::step::{Plan, Step, digest_of};

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Takes down the segments that need no write: those that are met for the first time, and those that were changed
    /// the same way in the files and in the workspace. A saved plan is taken down with them, so that it is not applied
    /// twice, whatever comes of it.
    pub(super) async fn record(&mut self, plan: &Plan) -> Result<(), StoreError> {
        for record in &plan.records {
            let mut entry = self.entry(&record.id, &record.segment);
            entry.rename(record.segment.clone());
            entry.lifecycle = record.lifecycle;
            entry.protect = record.protect;
            if let Some(definition) = &record.definition {
                entry.digest = Some(digest_of(definition, &self.known).to_string());
                entry.definition = Some(definition.clone());
            }
            self.ledger.record(entry);
        }
        let saved = self.saved_plan.take().map(|digest| AppliedPlan {
            digest,
            applied_at: self.clock.now(),
        });
        if plan.records.is_empty() && saved.is_none() {
            return Ok(());
        }
        if let Some(saved) = saved {
            self.ledger.record_plan(saved);
        }
        self.store.save(&self.ledger).await
    }

    /// Takes down what is about to be overwritten, and hands out what was known before. It is on the disk before the write
    /// is sent: whatever happens then, nothing is lost.
    pub(super) async fn keep(&mut self, current: &Stored) -> Result<Option<Entry>, Interruption> {
        // What was applied is still what was applied, and when.
        let known = self.ledger.entry(&current.id).cloned();
        let Some(definition) = current.payload() else {
            return Ok(known);
        };
        let mut entry = known
            .clone()
            .unwrap_or_else(|| self.entry(&current.id, &current.name));
        entry.keep(Replaced {
            name: current.name.clone(),
            definition: definition.clone(),
            replaced_at: self.clock.now(),
            run: self.run.clone(),
        });
        if entry.definition.is_none() {
            entry.digest = Some(digest_of(&definition, &self.known).to_string());
            entry.definition = Some(definition);
        }
        self.ledger.record(entry);
        let saved = self.store.save(&self.ledger).await;
        saved.map(|()| known).map_err(Interruption::LedgerFirst)
    }

    /// Takes down that nothing became of a write: what somebody else made is still theirs, and what was taken back is what
    /// it was.
    pub(super) async fn restore(&mut self, id: &SegmentId, before: Option<Entry>) -> Result<(), StoreError> {
        self.ledger.restore(id, before);
        self.store.save(&self.ledger).await
    }

    /// Takes down a definition that the service stored.
    pub(super) async fn remember_stored(&mut self, step: &Step, stored: &Stored) -> Result<(), StoreError> {
        self.learn(step, &stored.id);
        self.seen
            .insert(stored.id.clone(), (stored.clone(), Lifecycle::Active));
        let mut entry = self.entry(&stored.id, &step.segment);
        // The name that is there: a passing step leaves a temporary one, which is known by the declared name.
        entry.rename(step.segment.clone());
        entry.lifecycle = Lifecycle::Active;
        entry.protect = step.protect;
        if let Some(wanted) = step.action.wanted() {
            entry.digest = Some(wanted.digests.exact.to_string());
            // What was sent, not what came back: a service that stores something else made a difference to tell of.
            entry.definition = wanted.resolved(&self.known).ok();
        }
        self.ledger.record(entry);
        self.store.save(&self.ledger).await
    }

    /// Takes down that a segment was put away or taken out.
    pub(super) async fn remember_lifecycle(
        &mut self,
        step: &Step,
        current: &Stored,
        lifecycle: Lifecycle,
    ) -> Result<(), StoreError> {
        self.learn(step, &current.id);
        self.seen.insert(current.id.clone(), (current.clone(), lifecycle));
        let mut entry = self.entry(&current.id, &current.name);
        // Without a file this is the live name: the entry must not lay claim to a name that a file may declare. What is
        // taken out under another name gets the declared one by its update, which may fail.
        if lifecycle == Lifecycle::Archived || current.name == step.segment {
            entry.rename(step.segment.clone());
        }
        entry.lifecycle = lifecycle;
        entry.protect = step.protect;
        if let Some(definition) = current.payload().filter(|_| entry.definition.is_none()) {
            entry.digest = Some(digest_of(&definition, &self.known).to_string());
            entry.definition = Some(definition);
        }
        self.ledger.record(entry);
        self.store.save(&self.ledger).await
    }

    fn learn(&mut self, step: &Step, id: &SegmentId) {
        if step.origin.is_none() {
            return;
        }
        self.known.ids.insert(step.segment.clone(), id.clone());
        self.known
            .identities
            .declared_by_id
            .insert(id.clone(), step.segment.clone());
    }

    /// What is known of `id`, stamped with this run; an entry of its own where nothing is.
    fn entry(&self, id: &SegmentId, name: &SegmentName) -> Entry {
        let now = self.clock.now();
        let known = self.ledger.entry(id).cloned();
        Entry {
            applied_at: now,
            run: self.run.clone(),
            ..known.unwrap_or_else(|| Entry::new(id.clone(), name.clone(), now))
        }
    }
}
