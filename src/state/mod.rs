//! The state: what segctl last applied to a workspace, kept between runs.
//!
//! It records the id, the last applied definition, the lifecycle and the replaced definitions of each managed segment, and
//! the members that were last sent to a cohort. The API returns neither archived segments in its list nor members.
//!
//! A lost state costs requests and the knowledge of archived segments, never correctness: segctl re-reads every target
//! before a write.

mod cache;
mod cache_file;
mod checksum;
mod checksummed_json;
mod cohort_state;
mod entry;
mod file_format;
mod journal;
mod journal_entry;
mod lock;
pub mod member_lists;
pub mod recovery;
mod request_log;
mod store;
mod store_error;
mod upload_state;

pub use cache::{Cache, CachedSegment};
pub use cohort_state::{CohortState, PartialSync};
pub use entry::{REVISION_LIMIT, Revision, StateEntry, returned_digest};
pub use journal_entry::{IntendedWrite, Intent, JournalEntry, StepKey};
pub use lock::{HeldLock, Lock, LockChange, LockError, LockHolder, LockOptions, ProcessIdentity};
pub use store::StateStore;
pub use store_error::{StoreError, StoreResult};
pub use upload_state::{Addition, PublishedFile, UploadState};

use crate::model::{ListDigest, SegmentId, SegmentName, StoredDefinition, UploadId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Receives notes: facts worth knowing that do not stop a run.
pub type NoteSink = dyn Fn(String) + Send + Sync;

/// How many applied plans the state lists, so that none is applied twice. A plan is stale long before 100 others were
/// applied after it.
const APPLIED_PLANS_LIMIT: usize = 100;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    entries: BTreeMap<SegmentId, StateEntry>,
    /// Names are unique in MoEngage, so of several entries with one name the last applied one has it.
    /// A list is in the order of the applies.
    by_name: BTreeMap<SegmentName, Vec<(Timestamp, SegmentId)>>,
    applied_plans: Vec<AppliedPlan>,
    intents: BTreeMap<StepKey, Intent>,
    /// Published files whose segment was never created.
    orphaned_files: BTreeMap<ListDigest, PublishedFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliedPlan {
    pub digest: String,
    pub applied_at: Timestamp,
}

impl State {
    #[must_use]
    pub fn managed_entry(&self, id: &SegmentId) -> Option<&StateEntry> {
        self.any_entry(id).filter(|entry| !entry.history_only)
    }

    #[must_use]
    pub fn any_entry(&self, id: &SegmentId) -> Option<&StateEntry> {
        self.entries.get(id)
    }

    /// The managed entry of a segment after a write; `name` is that of a new entry.
    #[must_use]
    pub fn entry_after_write(
        &self,
        id: &SegmentId,
        name: &SegmentName,
        applied_at: Timestamp,
        run: &str,
    ) -> StateEntry {
        let run = run.to_owned();
        match self.any_entry(id) {
            Some(recorded) => recorded.clone().written(applied_at, run),
            None => StateEntry {
                run,
                ..StateEntry::new(id.clone(), name.clone(), applied_at)
            },
        }
    }

    /// The last definition that segctl wrote to a segment, or an earlier one, if `remote` is the form in which MoEngage
    /// returns it; otherwise `remote`.
    #[must_use]
    pub fn as_written<'p>(&'p self, id: &SegmentId, remote: &'p StoredDefinition) -> &'p StoredDefinition {
        let entry = self.managed_entry(id);
        let written = entry.and_then(|entry| entry.written_if_returned(|| remote.facts().digests.exact));
        written.unwrap_or(remote)
    }

    #[must_use]
    pub fn latest_by_name(&self, name: &SegmentName) -> Option<&StateEntry> {
        let (_, latest) = self.by_name.get(name)?.last()?;
        self.entries.get(latest)
    }

    /// Managed entries come before history-only ones, holders of `name` before former holders, and later before earlier.
    #[must_use]
    pub fn entries_ever_named(&self, name: &SegmentName) -> Vec<&StateEntry> {
        let mut entries: Vec<&StateEntry> = self
            .all_entries()
            .filter(|entry| entry.has_or_had_name(name))
            .collect();
        entries.sort_by_key(|entry| {
            Reverse((
                !entry.history_only,
                entry.name == *name,
                entry.applied_at,
                &entry.id,
            ))
        });
        entries
    }

    /// Whether a later segment was applied under the entry's name. Names are unique, so one of the two no longer exists:
    /// the workspace was re-created.
    #[must_use]
    pub fn is_superseded(&self, entry: &StateEntry) -> bool {
        self.latest_by_name(&entry.name)
            .is_some_and(|latest| latest.id != entry.id)
    }

    pub fn managed_entries(&self) -> impl Iterator<Item = &StateEntry> {
        self.all_entries().filter(|entry| !entry.history_only)
    }

    pub fn all_entries(&self) -> impl Iterator<Item = &StateEntry> {
        self.entries.values()
    }

    fn upload_states(&self) -> impl Iterator<Item = &UploadState> {
        self.all_entries()
            .filter_map(|entry| entry.upload_state.as_deref())
    }

    pub fn record(&mut self, entry: StateEntry) {
        self.remove(&entry.id);
        if !entry.history_only {
            let named = self.by_name.entry(entry.name.clone()).or_default();
            let holder = (entry.applied_at, entry.id.clone());
            named.insert(named.partition_point(|other| *other < holder), holder);
        }
        self.entries.insert(entry.id.clone(), entry);
    }

    pub fn remove(&mut self, id: &SegmentId) {
        let Some(entry) = self.entries.remove(id) else {
            return;
        };
        if let Some(named) = self.by_name.get_mut(&entry.name) {
            named.retain(|(_, id)| *id != entry.id);
            if named.is_empty() {
                self.by_name.remove(&entry.name);
            }
        }
    }

    /// Removes every segment that was last applied under `name`: they are unmanaged from then on. Returns the entries, the
    /// latest first.
    pub fn remove_by_name(&mut self, name: &SegmentName) -> Vec<StateEntry> {
        let named = self.by_name.remove(name).unwrap_or_default();
        let ids = named.iter().rev().map(|(_, id)| id);
        ids.filter_map(|id| self.entries.remove(id)).collect()
    }

    #[must_use]
    pub fn referenced_lists(&self) -> BTreeSet<&ListDigest> {
        let recorded = self
            .all_entries()
            .filter_map(|entry| entry.cohort_state.as_deref());
        let pending = self.intents().filter_map(|intent| match &intent.write {
            IntendedWrite::CreateCohort { cohort_state } => Some(&**cohort_state),
            _ => None,
        });
        let user_lists = self
            .upload_states()
            .filter_map(|upload_state| Some(&upload_state.users.as_ref()?.summary()?.digest));
        recorded
            .chain(pending)
            .flat_map(CohortState::referenced_lists)
            .chain(user_lists)
            .collect()
    }

    #[must_use]
    pub fn pending_uploads(&self) -> BTreeSet<&UploadId> {
        self.upload_states()
            .flat_map(|upload_state| &upload_state.pending)
            .collect()
    }

    pub fn orphaned_files(&self) -> impl Iterator<Item = &PublishedFile> {
        self.orphaned_files.values()
    }

    /// Whether a published file belongs to a segment, or to one that a run is creating.
    #[must_use]
    pub fn is_file_in_use(&self, name: &ListDigest) -> bool {
        let mut files = self
            .upload_states()
            .flat_map(|upload_state| &upload_state.published_files);
        files.any(|file| file.name == *name)
            || self.intents().any(|intent| match &intent.write {
                IntendedWrite::CreateFileSegment { published_file, .. } => {
                    published_file.as_ref() == Some(name)
                }
                _ => false,
            })
    }

    #[must_use]
    pub fn applied_plans(&self) -> &[AppliedPlan] {
        &self.applied_plans
    }

    pub fn record_applied_plan(&mut self, plan: AppliedPlan) {
        self.applied_plans.push(plan);
        let excess = self.applied_plans.len().saturating_sub(APPLIED_PLANS_LIMIT);
        self.applied_plans.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry_named(id: &str, name: &str, second: i64) -> StateEntry {
        let at = Timestamp::from_second(second).unwrap();
        StateEntry::new(SegmentId::new(id), SegmentName::new(name), at)
    }

    fn id_of<'a>(state: &'a State, name: &str) -> Option<&'a str> {
        state
            .latest_by_name(&SegmentName::new(name))
            .map(|entry| entry.id.as_str())
    }

    fn ids(entries: &[StateEntry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.id.as_str()).collect()
    }

    #[test]
    fn a_name_finds_its_latest_entry_across_renames() {
        let mut state = State::default();
        state.record(entry_named("a", "One", 1));
        state.record(entry_named("c", "One", 5));
        state.record(entry_named("b", "One", 3));
        assert_eq!(id_of(&state, "One"), Some("c"));
        state.record(entry_named("c", "Two", 6));
        assert_eq!(
            (id_of(&state, "One"), id_of(&state, "Two")),
            (Some("b"), Some("c"))
        );
        state.record(entry_named("d", "Two", 7));
        assert_eq!(id_of(&state, "Two"), Some("d"));
        state.record(entry_named("d", "Four", 8));
        assert_eq!(id_of(&state, "Two"), Some("c"));
        state.record(entry_named("d", "Two", 9));
        state.record(entry_named("c", "Three", 9));
        assert_eq!(
            (id_of(&state, "Two"), id_of(&state, "Three")),
            (Some("d"), Some("c"))
        );
        let removed = state.remove_by_name(&SegmentName::new("Two"));
        assert_eq!(ids(&removed), ["d"]);
        assert_eq!((id_of(&state, "Two"), state.managed_entries().count()), (None, 3));
    }

    #[test]
    fn the_current_holder_of_a_name_comes_first() {
        let mut state = State::default();
        state.record(entry_named("a", "One", 1));
        state.record(entry_named("b", "One", 2));
        for (id, second) in [("c", 4), ("d", 5)] {
            let mut renamed = entry_named(id, "One", second);
            renamed.rename(SegmentName::new(format!("Two {id}")));
            state.record(renamed);
        }
        let ids = |name| {
            let found = state.entries_ever_named(&SegmentName::new(name));
            let ids: Vec<_> = found.into_iter().map(|entry| entry.id.to_string()).collect();
            ids.concat()
        };
        assert_eq!(
            (ids("One"), ids("Two c"), ids("Three")),
            ("badc".to_owned(), "c".to_owned(), String::new())
        );
    }

    #[test]
    fn removing_by_name_removes_superseded_entries_too() {
        let mut state = State::default();
        for (id, second) in [("a", 1), ("c", 5), ("b", 3)] {
            state.record(entry_named(id, "One", second));
        }
        let superseded = state.managed_entries().filter(|entry| state.is_superseded(entry));
        assert_eq!(superseded.count(), 2);
        let removed = state.remove_by_name(&SegmentName::new("One"));
        assert_eq!(ids(&removed), ["c", "b", "a"]);
        assert_eq!(state.managed_entries().count(), 0);
        assert_eq!(state.remove_by_name(&SegmentName::new("One")), []);
    }

    #[test]
    fn history_only_entries_are_found_but_not_managed() {
        let mut state = State::default();
        state.record(entry_named("a", "One", 1));
        state.record(StateEntry {
            history_only: true,
            ..entry_named("b", "One", 2)
        });
        assert_eq!(id_of(&state, "One"), Some("a"));
        assert_eq!(state.managed_entry(&SegmentId::new("b")), None);
        assert_eq!(
            (state.managed_entries().count(), state.all_entries().count()),
            (1, 2)
        );
        let found = state.entries_ever_named(&SegmentName::new("One"));
        let ids: Vec<&str> = found.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        // A write took effect.
        state.record(entry_named("b", "One", 3));
        assert_eq!(id_of(&state, "One"), Some("b"));
    }

    #[test]
    fn restoring_an_entry_restores_the_name_index() {
        let mut state = State::default();
        state.record(entry_named("a", "One", 1));
        let before = state.clone();
        state.record(entry_named("b", "Two", 2));
        state.remove(&SegmentId::new("b"));
        state.record(entry_named("a", "Three", 3));
        state.record(before.managed_entry(&SegmentId::new("a")).cloned().unwrap());
        assert_eq!(state, before);
    }
}
