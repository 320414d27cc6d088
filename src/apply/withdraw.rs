//! Taking away published lists that the service has read. Where one cannot be taken away, that and the others are by a later
//! run: a place that does not answer must not keep the end of a run.

use super::Applier;
use crate::api::{Clock, Transport};
use crate::ledger::{LedgerStore, Published, Record, StoreError};
use crate::model::{ListDigest, SegmentId};
use std::collections::BTreeMap;

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Takes away published lists that the service has read.
    pub(super) async fn withdraw_read(&self) -> Result<(), StoreError> {
        let Some(publisher) = &self.settings.publisher else {
            return Ok(());
        };
        let mut withdrawn = Vec::new();
        for (id, published) in self.read_lists().await {
            if publisher.withdraw(&published.name).await.is_err() {
                break;
            }
            withdrawn.push((id, published));
        }
        if withdrawn.is_empty() {
            return Ok(());
        }
        self.take_down(|ledger| {
            let mut entries = BTreeMap::new();
            for (id, published) in &withdrawn {
                let Some(known) = ledger.kept(id) else { continue };
                let entry = entries.entry(id).or_insert_with(|| known.clone());
                if let Some(uploaded) = &mut entry.uploaded {
                    uploaded.published.retain(|other| other != published);
                }
            }
            entries.into_values().map(Record::Entry).collect()
        })
        .await
    }

    /// Takes away lists that were published for segments that came to nothing, once nobody can be about to read them.
    pub(super) async fn withdraw_left(&self) -> Result<(), StoreError> {
        let Some(publisher) = &self.settings.publisher else {
            return Ok(());
        };
        let now = self.clock.now();
        let left: Vec<(ListDigest, bool)> = {
            let ledger = self.ledger.lock().await;
            let over = ledger.left_published().filter(|published| published.is_over(now));
            over.map(|published| (published.name.clone(), ledger.is_in_use(&published.name)))
                .collect()
        };
        let mut gone = Vec::new();
        for (name, is_in_use) in left {
            if !is_in_use && publisher.withdraw(&name).await.is_err() {
                break;
            }
            gone.push(Record::Withdrawn(name));
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.take_down(|_| gone).await
    }

    /// Published lists that the service has read, with their segments.
    async fn read_lists(&self) -> Vec<(SegmentId, Published)> {
        let now = self.clock.now();
        let ledger = self.ledger.lock().await;
        let entries = ledger.all_kept();
        let read = entries.flat_map(|entry| {
            let uploaded = entry.uploaded.as_deref();
            let published = uploaded.into_iter().flat_map(move |uploaded| {
                let published = uploaded.published.iter();
                published.filter(move |published| published.is_over(now))
            });
            published.map(|published| (entry.id.clone(), published.clone()))
        });
        read.collect()
    }
}
