//! Deletes published lists that MoEngage has read. If one cannot be deleted, a later run deletes it and the rest: storage
//! that does not respond must not delay the end of a run.

use super::Applier;
use crate::api::{Clock, Transport};
use crate::model::{ListDigest, SegmentId};
use crate::state::{JournalEntry, PublishedFile, StoreError};
use std::collections::BTreeMap;

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    pub(super) async fn unpublish_consumed(&self) -> Result<(), StoreError> {
        let Some(publisher) = &self.options.publisher else {
            return Ok(());
        };
        let mut unpublished = Vec::new();
        for (id, file) in self.consumed_lists().await {
            if publisher.unpublish(&file.name).await.is_err() {
                break;
            }
            unpublished.push((id, file));
        }
        if unpublished.is_empty() {
            return Ok(());
        }
        self.append_to_journal(|state| {
            let mut entries = BTreeMap::new();
            for (id, file) in &unpublished {
                let Some(recorded) = state.any_entry(id) else {
                    continue;
                };
                let entry = entries.entry(id).or_insert_with(|| recorded.clone());
                if let Some(upload_state) = &mut entry.upload_state {
                    upload_state.published_files.retain(|other| other != file);
                }
            }
            entries.into_values().map(JournalEntry::StateEntry).collect()
        })
        .await
    }

    /// Deletes lists that were published for segments that were never created, once MoEngage can no longer read them.
    pub(super) async fn unpublish_orphaned(&self) -> Result<(), StoreError> {
        let Some(publisher) = &self.options.publisher else {
            return Ok(());
        };
        let now = self.client.server_time();
        let orphaned: Vec<(ListDigest, bool)> = {
            let state = self.state.lock().await;
            let files = state.orphaned_files().filter(|file| file.can_be_deleted(now));
            files
                .map(|file| (file.name.clone(), state.is_file_in_use(&file.name)))
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

    async fn consumed_lists(&self) -> Vec<(SegmentId, PublishedFile)> {
        let now = self.client.server_time();
        let state = self.state.lock().await;
        let mut consumed = Vec::new();
        for entry in state.all_entries() {
            let upload_state = entry.upload_state.iter();
            let files = upload_state.flat_map(|upload| &upload.published_files);
            let deletable = files.filter(|file| file.can_be_deleted(now));
            consumed.extend(deletable.map(|file| (entry.id.clone(), file.clone())));
        }
        consumed
    }
}
