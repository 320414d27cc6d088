//! Taking away published lists that the service has read. Where one cannot be taken away, that and the others are by a later
//! run: a place that does not answer must not keep the end of a run.

use super::Applier;
use crate::api::{Clock, Transport};
use crate::model::{ListDigest, SegmentId};
use crate::state::{JournalEntry, PublishedFile, StateStore, StoreError};
use std::collections::BTreeMap;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Takes away published lists that the service has read.
    pub(super) async fn unpublish_consumed(&self) -> Result<(), StoreError> {
        let Some(publisher) = &self.options.publisher else {
            return Ok(());
        };
        let mut unpublished = Vec::new();
        for (id, published) in self.consumed_lists().await {
            if publisher.unpublish(&published.name).await.is_err() {
                break;
            }
            unpublished.push((id, published));
        }
        if unpublished.is_empty() {
            return Ok(());
        }
        self.append_to_journal(|state| {
            let mut entries = BTreeMap::new();
            for (id, published) in &unpublished {
                let Some(known) = state.any_entry(id) else {
                    continue;
                };
                let entry = entries.entry(id).or_insert_with(|| known.clone());
                if let Some(uploaded) = &mut entry.upload_state {
                    uploaded.published_files.retain(|other| other != published);
                }
            }
            entries.into_values().map(JournalEntry::StateEntry).collect()
        })
        .await
    }

    /// Takes away lists that were published for segments that came to nothing, once nobody can be about to read them.
    pub(super) async fn unpublish_orphaned(&self) -> Result<(), StoreError> {
        let Some(publisher) = &self.options.publisher else {
            return Ok(());
        };
        let now = self.clock.now();
        let orphaned: Vec<(ListDigest, bool)> = {
            let state = self.state.lock().await;
            let over = state
                .orphaned_files()
                .filter(|published| published.can_be_deleted(now));
            over.map(|published| (published.name.clone(), state.is_file_in_use(&published.name)))
                .collect()
        };
        let mut unpublished = Vec::new();
        for (name, is_in_use) in orphaned {
            if !is_in_use && publisher.unpublish(&name).await.is_err() {
                break;
            }
            unpublished.push(JournalEntry::Unpublished(name));
        }
        if unpublished.is_empty() {
            return Ok(());
        }
        self.append_to_journal(|_| unpublished).await
    }

    /// Published lists that the service has read, with their segments.
    async fn consumed_lists(&self) -> Vec<(SegmentId, PublishedFile)> {
        let now = self.clock.now();
        let state = self.state.lock().await;
        let entries = state.all_entries();
        let read = entries.flat_map(|entry| {
            let uploaded = entry.upload_state.as_deref();
            let published = uploaded.into_iter().flat_map(move |uploaded| {
                let published = uploaded.published_files.iter();
                published.filter(move |published| published.can_be_deleted(now))
            });
            published.map(|published| (entry.id.clone(), published.clone()))
        });
        read.collect()
    }
}
