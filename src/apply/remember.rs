//! What the ledger learns from a run: before a write what is about to be replaced, after it what is there now.

use super::members::assumed::assume;
use super::sending::Overwrite;
use super::{Applier, Interruption, Stored};
use crate::api::{Clock, Transport};
use crate::ledger::{
    AppliedPlan, Entry, Intent, Ledger, LedgerStore, Record, Replaced, StepKey, StoreError, Write,
};
use crate::model::{Lifecycle, Payload, SegmentId, SegmentName};
use crate::plan::step::{Plan, Step, Wanted, digest_of};
use std::collections::BTreeSet;

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Takes down the segments that need no write: those that are met for the first time, and those that were changed
    /// the same way in the files and in the workspace. A saved plan is taken down with them, so that it is not applied
    /// twice, whatever comes of it.
    pub(super) async fn record(&self, plan: &Plan) -> Result<(), StoreError> {
        if plan.records.is_empty() && self.settings.saved_plan.is_none() && !self.settings.has_settled {
            return Ok(());
        }
        let mut kept = BTreeSet::new();
        for record in &plan.records {
            let assumed = record.assumed.as_ref();
            if let Some(assumed) = assumed
                && self.keep_assumed(assumed).await?
            {
                kept.insert(&record.id);
            }
        }
        self.take_down(|ledger| {
            let entries = plan.records.iter().map(|record| {
                let mut entry = self.entry(ledger, &record.id, &record.segment);
                entry.rename(record.segment.clone());
                // No write tells what is unknown.
                if !entry.lifecycle_unknown {
                    entry.lifecycle = record.lifecycle;
                }
                entry.protect = record.protect;
                if let Some(definition) = &record.definition {
                    entry.digest = Some(digest_of(definition, &self.known()).to_string());
                    entry.definition = Some(definition.clone());
                }
                if let Some(assumed) = record.assumed.as_ref().filter(|_| kept.contains(&record.id)) {
                    assume(&mut entry, assumed);
                }
                Record::Entry(entry)
            });
            let plan = self.settings.saved_plan.as_ref().map(|digest| {
                Record::Plan(AppliedPlan {
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
    pub(super) async fn intend(
        &self,
        step: &Step,
        write: Write,
        takes_out: bool,
    ) -> Result<(), Interruption> {
        let intent = self.intent(step, write, takes_out);
        let taken_down = self.take_down(|_| vec![intent]).await;
        taken_down.map_err(Interruption::LedgerFirst)
    }

    /// Takes down what is about to be overwritten together with the write that does it. Whose it is does not change by
    /// that: it is ours when the write took effect.
    pub(super) async fn keep(
        &self,
        step: &Step,
        current: &Stored,
        update: &Overwrite<'_>,
    ) -> Result<(), Interruption> {
        let intent = self.intent(step, update.write(), update.takes_out);
        let kept = self.take_down(|ledger| {
            let known = ledger.kept(&current.id).cloned();
            let before = (current.clone(), known.clone());
            self.memory().before.entry(step.number).or_insert(before);
            let entry = current.payload().map(|definition| {
                // What was applied is still what was applied, and when.
                let mut entry = known.unwrap_or_else(|| Entry {
                    only_kept: true,
                    ..self.entry(ledger, &current.id, &current.name)
                });
                entry.keep(Replaced {
                    name: current.name.clone(),
                    definition: definition.clone(),
                    replaced_at: self.clock.now(),
                    run: self.settings.run.clone(),
                });
                if entry.definition.is_none() && !entry.only_kept {
                    entry.digest = Some(digest_of(&definition, &self.known()).to_string());
                    entry.definition = Some(definition);
                }
                Record::Entry(entry)
            });
            entry.into_iter().chain([intent]).collect()
        });
        kept.await.map_err(Interruption::LedgerFirst)
    }

    /// Takes down that nothing became of a write: what somebody else made is still theirs, and what was taken back is what
    /// it was.
    pub(super) async fn restore(
        &self,
        step: &Step,
        (id, before): (&SegmentId, Option<Entry>),
    ) -> Result<(), StoreError> {
        // A call that was not answered may still be on its way, and overwrite what is there again.
        let may_come = self.memory().unanswered.contains(&step.number);
        self.take_down(|ledger| {
            let kept = ledger.kept(id).filter(|_| may_come);
            let before = match (before, kept) {
                (Some(before), Some(kept)) => Record::Entry(before.with_history_of(kept)),
                (Some(before), None) => Record::Entry(before),
                (None, Some(kept)) => {
                    let entry = Entry {
                        only_kept: true,
                        run: kept.run.clone(),
                        ..Entry::new(id.clone(), kept.name.clone(), kept.applied_at)
                    };
                    Record::Entry(entry.with_history_of(kept))
                }
                (None, None) => Record::Unknown(id.clone()),
            };
            vec![before, Record::Settled(self.key(step))]
        })
        .await
    }

    /// Takes down that a segment in passing has the definition of its file, under the name that it had `before`; what was
    /// replaced on the way is kept.
    pub(super) async fn remember_own(
        &self,
        step: &Step,
        (before, known): (&Stored, Option<Entry>),
        (wanted, definition): (&Wanted, Payload),
    ) -> Result<(), StoreError> {
        self.take_down(|ledger| {
            let now = self.entry(ledger, &before.id, &before.name);
            let known = known.map_or_else(|| now.clone(), |known| known.with_history_of(&now));
            let entry = Entry {
                only_kept: false,
                digest: Some(wanted.digests.exact.to_string()),
                definition: Some(definition),
                ..known
            };
            vec![Record::Entry(entry), Record::Settled(self.key(step))]
        })
        .await
    }

    /// Takes down that it is known what became of a step's write, where it is not yet.
    pub(super) async fn settle(&self, step: &Step) -> Result<(), StoreError> {
        let key = self.key(step);
        if self.ledger.lock().await.intent(&key).is_none() {
            return Ok(());
        }
        self.take_down(|_| vec![Record::Settled(key)]).await
    }

    /// Takes down a definition that the service stored.
    pub(super) async fn remember_stored(&self, step: &Step, stored: &Stored) -> Result<(), StoreError> {
        self.learn(step, &stored.id);
        self.note_seen(stored.clone(), Lifecycle::Active);
        self.take_down(|ledger| {
            let mut entry = self.entry(ledger, &stored.id, &step.segment);
            // The name that is there: a passing step leaves a temporary one, which is known by the declared name.
            entry.rename(step.segment.clone());
            entry.set_lifecycle(Lifecycle::Active);
            entry.protect = step.protect;
            if let Some(wanted) = step.action.wanted() {
                entry.digest = Some(wanted.digests.exact.to_string());
                // What was sent, not what came back: a service that stores something else made a difference to tell of.
                entry.definition = wanted.resolved(&self.known()).ok();
            }
            vec![Record::Entry(entry), Record::Settled(self.key(step))]
        })
        .await
    }

    /// Takes down that a segment was put away or taken out, by a call that was made now or by somebody some time before.
    pub(super) async fn remember_lifecycle(
        &self,
        step: &Step,
        current: &Stored,
        (lifecycle, is_done_now): (Lifecycle, bool),
    ) -> Result<(), StoreError> {
        self.learn(step, &current.id);
        self.note_seen(current.clone(), lifecycle);
        self.take_down(|ledger| {
            let mut entry = self.entry(ledger, &current.id, &current.name);
            // Without a file this is the live name: the entry must not lay claim to a name that a file may declare. What
            // is taken out under another name gets the declared one by its update, which may fail.
            if lifecycle == Lifecycle::Archived || current.name == step.segment {
                entry.rename(step.segment.clone());
            }
            entry.set_lifecycle(lifecycle);
            entry.protect = step.protect;
            if let Some(uploaded) = &mut entry.uploaded {
                let now = self.clock.now();
                match lifecycle {
                    Lifecycle::Archived => uploaded.put_away_at = is_done_now.then_some(now),
                    Lifecycle::Active => uploaded.take_out(now),
                }
            }
            if let Some(definition) = current.payload().filter(|_| entry.definition.is_none()) {
                entry.digest = Some(digest_of(&definition, &self.known()).to_string());
                entry.definition = Some(definition);
            }
            vec![Record::Entry(entry), Record::Settled(self.key(step))]
        })
        .await
    }

    /// Takes down records, and is back when they are on the disk.
    pub(super) async fn take_down(
        &self,
        records: impl FnOnce(&Ledger) -> Vec<Record>,
    ) -> Result<(), StoreError> {
        let mut ledger = self.ledger.lock().await;
        let records = records(&ledger);
        for record in &records {
            ledger.apply(record.clone());
        }
        self.memory().has_recorded = true;
        self.store.add(&ledger, &records).await
    }

    /// Brings what was taken down step by step into one, at the end of a run.
    pub(super) async fn take_in_journal(&self) {
        if self.memory().has_recorded {
            let ledger = self.ledger.lock().await;
            // Where this fails, all of it is still there as it was taken down.
            let is_saved = self.store.save(&ledger).await.is_ok();
            if is_saved && self.memory().has_sent {
                // What is left takes room, and does no other harm.
                drop(self.store.drop_lists(&ledger.lists()).await);
            }
            if is_saved && (self.settings.has_settled || self.settings.callbacks.is_some()) {
                drop(self.store.drop_callbacks(&ledger.awaited()).await);
            }
        }
    }

    pub(super) fn key(&self, step: &Step) -> StepKey {
        StepKey {
            run: self.settings.run.clone(),
            step: step.number,
        }
    }

    fn intent(&self, step: &Step, write: Write, takes_out: bool) -> Record {
        Record::Intent(Intent {
            step: self.key(step),
            segment: step.segment.clone(),
            protect: step.protect,
            at: self.clock.now(),
            takes_out,
            write,
        })
    }

    pub(super) fn learn(&self, step: &Step, id: &SegmentId) {
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

    /// What is known of `id`, stamped with this run, which makes it ours; an entry of its own where nothing is.
    pub(super) fn entry(&self, ledger: &Ledger, id: &SegmentId, name: &SegmentName) -> Entry {
        let now = self.clock.now();
        let known = ledger.kept(id).cloned();
        Entry {
            only_kept: false,
            applied_at: now,
            run: self.settings.run.clone(),
            ..known.unwrap_or_else(|| Entry::new(id.clone(), name.clone(), now))
        }
    }
}
