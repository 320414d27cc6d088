//! What segctl last applied to a workspace.
//!
//! The service answers no question about the past: its list hides archived segments, its ids say nothing of names
//! that changed, and its definitions do not say who wrote them. The ledger remembers, for each segment that was
//! ever applied or adopted, its id, its definition as it was last applied, whether it was put away, and the
//! definitions that were replaced; of a cohort, whose members nobody can read back, the list that was sent last. Losing it costs requests and the knowledge of hidden segments, never
//! correctness: every decision is checked against the service again before a write.

mod cache;
mod checksum;
mod checksummed_json;
mod cohort_state;
mod configured;
mod directory;
mod entry;
mod file_format;
mod filesystem;
mod held_lock;
mod journal;
mod journal_entry;
mod lock;
pub mod member_lists;
#[cfg(feature = "object-store")]
mod object;
pub mod recovery;
mod request_log;
mod store;
mod upload_state;

pub use cache::{Cache, CachedSegment};
pub use cohort_state::{CohortState, PartialSync};
pub use configured::ConfiguredStore;
pub use directory::DirectoryStore;
pub use entry::{REVISION_LIMIT, Revision, StateEntry};
pub use filesystem::{FileSystem, LocalFileSystem};
pub use held_lock::{HeldLock, LockError, LockOptions};
pub use journal_entry::{IntendedWrite, Intent, JournalEntry, StepKey};
pub use lock::{Lock, LockChange, LockHolder, ProcessIdentity};
#[cfg(feature = "object-store")]
pub use object::ObjectStateStore;
pub use store::{StateStore, StoreError};
pub use upload_state::{Addition, PublishedFile, UploadState};

use crate::model::{ListDigest, SegmentId, SegmentName, UploadId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Receives notes: facts worth knowing that stop nothing.
pub type NoteSink = dyn Fn(String) + Send + Sync;

/// Saved plans that were applied, remembered so that none is applied twice. A plan is stale long before as many
/// others were applied after it.
const APPLIED_PLANS_LIMIT: usize = 100;

/// The segments that were applied, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    entries: BTreeMap<SegmentId, StateEntry>,
    /// Names are unique at the service, so of several entries of one name the one that was applied last has it.
    by_name: BTreeMap<SegmentName, BTreeSet<(Timestamp, SegmentId)>>,
    applied_plans: Vec<AppliedPlan>,
    /// Writes that were about to be made and of which nobody knows whether they were.
    intents: BTreeMap<StepKey, Intent>,
    /// Files that were published for segments that came to nothing, by name.
    orphaned_files: BTreeMap<ListDigest, PublishedFile>,
}

/// A saved plan that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliedPlan {
    /// The plan's own digest.
    pub digest: String,
    /// When its application began.
    pub applied_at: Timestamp,
}

impl State {
    /// What was applied to `id`: a segment that has an entry is ours.
    #[must_use]
    pub fn managed_entry(&self, id: &SegmentId) -> Option<&StateEntry> {
        self.any_entry(id).filter(|entry| !entry.history_only)
    }

    /// What is remembered of `id`, be it ours or not.
    #[must_use]
    pub fn any_entry(&self, id: &SegmentId) -> Option<&StateEntry> {
        self.entries.get(id)
    }

    /// What is known of the segment that was last applied under `name`.
    #[must_use]
    pub fn latest_by_name(&self, name: &SegmentName) -> Option<&StateEntry> {
        let (_, latest) = self.by_name.get(name)?.last()?;
        self.entries.get(latest)
    }

    /// Every segment that has or had `name`: first the one that [`named`](Self::named) finds, then others that have it,
    /// then those that had it before, and last those of others; of equals the latest first.
    #[must_use]
    pub fn entries_ever_named(&self, name: &SegmentName) -> Vec<&StateEntry> {
        let mut found: Vec<&StateEntry> = self
            .all_entries()
            .filter(|entry| entry.has_or_had_name(name))
            .collect();
        found.sort_by_key(|entry| {
            Reverse((
                !entry.history_only,
                entry.name == *name,
                entry.applied_at,
                &entry.id,
            ))
        });
        found
    }

    /// Whether a later segment was applied under the entry's name. One of the two is gone then, since names are unique:
    /// the workspace was made anew.
    #[must_use]
    pub fn is_superseded(&self, entry: &StateEntry) -> bool {
        self.latest_by_name(&entry.name)
            .is_some_and(|latest| latest.id != entry.id)
    }

    /// The entries of all segments that are ours, by id.
    pub fn managed_entries(&self) -> impl Iterator<Item = &StateEntry> {
        self.all_entries().filter(|entry| !entry.history_only)
    }

    /// All that is remembered, by id, be it of ours or of others.
    pub fn all_entries(&self) -> impl Iterator<Item = &StateEntry> {
        self.entries.values()
    }

    /// Takes down what was applied, in place of what was known of the segment.
    pub fn record(&mut self, entry: StateEntry) {
        self.remove(&entry.id);
        if !entry.history_only {
            let named = self.by_name.entry(entry.name.clone()).or_default();
            named.insert((entry.applied_at, entry.id.clone()));
        }
        self.entries.insert(entry.id.clone(), entry);
    }

    /// Drops what is known of `id`.
    pub fn remove(&mut self, id: &SegmentId) {
        let Some(entry) = self.entries.remove(id) else {
            return;
        };
        if let Some(named) = self.by_name.get_mut(&entry.name) {
            named.remove(&(entry.applied_at, entry.id));
            if named.is_empty() {
                self.by_name.remove(&entry.name);
            }
        }
    }

    /// Drops what is known of every segment that was last applied under `name`: they are nobody's from then on. They come
    /// back, the latest first.
    pub fn remove_by_name(&mut self, name: &SegmentName) -> Vec<StateEntry> {
        let named = self.by_name.remove(name).unwrap_or_default();
        let forgotten = named.iter().rev();
        forgotten.filter_map(|(_, id)| self.entries.remove(id)).collect()
    }

    /// The lists of members that have to be kept.
    #[must_use]
    pub fn referenced_lists(&self) -> BTreeSet<&ListDigest> {
        let sent = self
            .all_entries()
            .filter_map(|entry| entry.cohort_state.as_deref());
        let begun = self.intents().filter_map(|intent| match &intent.write {
            IntendedWrite::CreateCohort { cohort_state: sent } => Some(sent.referenced_lists()),
            _ => None,
        });
        let uploaded = self
            .all_entries()
            .filter_map(|entry| entry.upload_state.as_deref());
        let users = uploaded.filter_map(|uploaded| Some(&uploaded.users.as_ref()?.summary()?.digest));
        sent.flat_map(CohortState::referenced_lists)
            .chain(begun.flatten())
            .chain(users)
            .collect()
    }

    /// The uploads of which the service has not said what became of them.
    #[must_use]
    pub fn pending_uploads(&self) -> BTreeSet<&UploadId> {
        let uploaded = self
            .all_entries()
            .filter_map(|entry| entry.upload_state.as_deref());
        uploaded.flat_map(|uploaded| &uploaded.pending).collect()
    }

    /// Files that were published for segments that came to nothing: no entry knows of them.
    pub fn orphaned_files(&self) -> impl Iterator<Item = &PublishedFile> {
        self.orphaned_files.values()
    }

    /// Whether a published file is that of a segment, or of one that a run was about to make.
    #[must_use]
    pub fn is_file_in_use(&self, name: &ListDigest) -> bool {
        let uploaded = self
            .all_entries()
            .filter_map(|entry| entry.upload_state.as_deref());
        let mut published = uploaded.flat_map(|uploaded| &uploaded.published_files);
        let is_begun = |intent: &Intent| matches!(&intent.write, IntendedWrite::CreateFileSegment { published_file: Some(begun), .. } if begun == name);
        published.any(|published| published.name == *name) || self.intents().any(is_begun)
    }

    /// Saved plans that were applied, oldest first.
    #[must_use]
    pub fn applied_plans(&self) -> &[AppliedPlan] {
        &self.applied_plans
    }

    /// Takes down that a saved plan is being applied.
    pub fn record_applied_plan(&mut self, plan: AppliedPlan) {
        self.applied_plans.push(plan);
        let beyond = self.applied_plans.len().saturating_sub(APPLIED_PLANS_LIMIT);
        self.applied_plans.drain(..beyond);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry_named(id: &str, name: &str, second: i64) -> StateEntry {
        let at = Timestamp::from_second(second).unwrap();
        StateEntry::new(SegmentId::new(id), SegmentName::new(name), at)
    }

    fn id_of<'a>(ledger: &'a State, name: &str) -> Option<&'a str> {
        ledger
            .latest_by_name(&SegmentName::new(name))
            .map(|entry| entry.id.as_str())
    }

    #[test]
    fn a_name_finds_its_latest_entry_across_renames() {
        let mut ledger = State::default();
        ledger.record(entry_named("a", "One", 1));
        ledger.record(entry_named("c", "One", 5));
        ledger.record(entry_named("b", "One", 3));
        assert_eq!(id_of(&ledger, "One"), Some("c"));
        ledger.record(entry_named("c", "Two", 6));
        assert_eq!(
            (id_of(&ledger, "One"), id_of(&ledger, "Two")),
            (Some("b"), Some("c"))
        );
        ledger.record(entry_named("d", "Two", 7));
        assert_eq!(id_of(&ledger, "Two"), Some("d"));
        ledger.record(entry_named("d", "Four", 8));
        assert_eq!(id_of(&ledger, "Two"), Some("c"));
        ledger.record(entry_named("d", "Two", 9));
        ledger.record(entry_named("c", "Three", 9));
        assert_eq!(
            (id_of(&ledger, "Two"), id_of(&ledger, "Three")),
            (Some("d"), Some("c"))
        );
        let forgotten = ledger.remove_by_name(&SegmentName::new("Two"));
        assert_eq!(
            forgotten
                .iter()
                .map(|entry| entry.id.as_str())
                .collect::<Vec<_>>(),
            ["d"]
        );
        assert_eq!(
            (id_of(&ledger, "Two"), ledger.managed_entries().count()),
            (None, 3)
        );
    }

    #[test]
    fn the_current_holder_of_a_name_comes_first() {
        let mut ledger = State::default();
        ledger.record(entry_named("a", "One", 1));
        ledger.record(entry_named("b", "One", 2));
        for (id, second) in [("c", 4), ("d", 5)] {
            let mut renamed = entry_named(id, "One", second);
            renamed.rename(SegmentName::new(format!("Two {id}")));
            ledger.record(renamed);
        }
        let ids = |name| {
            let found = ledger.entries_ever_named(&SegmentName::new(name));
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
        let mut ledger = State::default();
        for (id, second) in [("a", 1), ("c", 5), ("b", 3)] {
            ledger.record(entry_named(id, "One", second));
        }
        let older = ledger
            .managed_entries()
            .filter(|entry| ledger.is_superseded(entry));
        assert_eq!(older.count(), 2);
        let forgotten = ledger.remove_by_name(&SegmentName::new("One"));
        assert_eq!(
            forgotten
                .iter()
                .map(|entry| entry.id.as_str())
                .collect::<Vec<_>>(),
            ["c", "b", "a"]
        );
        assert_eq!(
            (
                ledger.managed_entries().count(),
                ledger.remove_by_name(&SegmentName::new("One"))
            ),
            (0, vec![])
        );
    }

    #[test]
    fn history_only_entries_are_found_but_not_managed() {
        let mut ledger = State::default();
        ledger.record(entry_named("a", "One", 1));
        ledger.record(StateEntry {
            history_only: true,
            ..entry_named("b", "One", 2)
        });
        assert_eq!(id_of(&ledger, "One"), Some("a"));
        assert_eq!(ledger.managed_entry(&SegmentId::new("b")), None);
        assert_eq!(
            (ledger.managed_entries().count(), ledger.all_entries().count()),
            (1, 2)
        );
        let found = ledger.entries_ever_named(&SegmentName::new("One"));
        let ids: Vec<&str> = found.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        // A write took effect.
        ledger.record(entry_named("b", "One", 3));
        assert_eq!(id_of(&ledger, "One"), Some("b"));
    }

    #[test]
    fn restoring_an_entry_restores_the_name_index() {
        let mut ledger = State::default();
        ledger.record(entry_named("a", "One", 1));
        let before = ledger.clone();
        ledger.record(entry_named("b", "Two", 2));
        ledger.remove(&SegmentId::new("b"));
        ledger.record(entry_named("a", "Three", 3));
        ledger.record(before.managed_entry(&SegmentId::new("a")).cloned().unwrap());
        assert_eq!(ledger, before);
    }
}
