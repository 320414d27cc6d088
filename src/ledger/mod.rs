//! What segctl last applied to a workspace.
//!
//! The service answers no question about the past: its list hides archived segments and its ids say nothing of
//! names that changed. The ledger remembers, for each segment that was ever applied, its id, the digest of the
//! definition and whether it was put away. Losing it costs requests and the knowledge of hidden segments, never
//! correctness: every decision is checked against the service again before a write.

mod directory;

pub use directory::{DirectoryStore, StoreError};

use crate::model::{Lifecycle, SegmentId, SegmentName};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::future::Future;

/// The segments that were applied, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: BTreeMap<SegmentId, Entry>,
}

/// What was last applied to one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The segment's id.
    pub id: SegmentId,
    /// Its name when it was applied.
    pub name: SegmentName,
    /// Whether it was left in use.
    pub lifecycle: Lifecycle,
    /// The exact digest of its definition; `None` when it was only put away or taken out again.
    pub digest: Option<String>,
    /// When it was applied.
    pub applied_at: Timestamp,
}

impl Ledger {
    /// What is known of `id`.
    #[must_use]
    pub fn entry(&self, id: &SegmentId) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// What is known of `name`; names are unique at the service, so the latest entry wins.
    #[must_use]
    pub fn named(&self, name: &SegmentName) -> Option<&Entry> {
        self.entries
            .values()
            .filter(|entry| entry.name == *name)
            .max_by_key(|entry| entry.applied_at)
    }

    /// All entries, by id.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Takes down what was applied, in place of what was known of the segment.
    pub fn record(&mut self, entry: Entry) {
        self.entries.insert(entry.id.clone(), entry);
    }
}

/// Where a ledger is kept. The seam for other stores and for simulated ones.
pub trait LedgerStore: Send + Sync {
    /// Reads the ledger; an empty one where none was written yet.
    fn load(&self) -> impl Future<Output = Result<Ledger, StoreError>> + Send;

    /// Replaces the ledger, whole or not at all.
    fn save(&self, ledger: &Ledger) -> impl Future<Output = Result<(), StoreError>> + Send;
}
