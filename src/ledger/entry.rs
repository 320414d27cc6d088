//! What the ledger knows of one segment.

use crate::model::{Lifecycle, Payload, SegmentId, SegmentKind, SegmentName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Replaced definitions that are kept of one segment. MoEngage's own history holds the last 20 edits.
pub const REPLACED_LIMIT: usize = 20;

/// What was last applied to one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The segment's id.
    pub id: SegmentId,
    /// Its name when it was applied.
    pub name: SegmentName,
    /// What makes its members.
    pub kind: SegmentKind,
    /// Whether it was left in use.
    pub lifecycle: Lifecycle,
    /// Whether its file protected it: remembered, since the file may be gone when it matters.
    #[serde(default)]
    pub protect: bool,
    /// Its definition with the ids of all references; `None` when it was only put away or taken out again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Payload>,
    /// The exact digest of the definition at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Names it had before: reserved for ever where a rename does not free names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_names: Vec<SegmentName>,
    /// Definitions that were replaced, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<Replaced>,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Which run applied it.
    pub run: String,
}

/// A definition that is not in the workspace any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// The segment's name at that time.
    pub name: SegmentName,
    /// What the service showed before it was overwritten.
    pub definition: Payload,
    /// When it was overwritten.
    pub replaced_at: Timestamp,
    /// Which run overwrote it.
    pub run: String,
}

impl Entry {
    /// An active filter segment of which nothing else is known.
    #[must_use]
    pub fn new(id: SegmentId, name: SegmentName, applied_at: Timestamp) -> Self {
        Self {
            id,
            name,
            kind: SegmentKind::Filter,
            lifecycle: Lifecycle::Active,
            protect: false,
            definition: None,
            digest: None,
            former_names: Vec::new(),
            replaced: Vec::new(),
            applied_at,
            run: String::new(),
        }
    }

    /// Keeps a definition that is about to be overwritten.
    pub fn keep(&mut self, replaced: Replaced) {
        // A run that is repeated after a crash overwrites the same definition again.
        let is_kept = self
            .replaced
            .last()
            .is_some_and(|last| last.definition == replaced.definition && last.name == replaced.name);
        if !is_kept {
            self.replaced.push(replaced);
        }
        let beyond = self.replaced.len().saturating_sub(REPLACED_LIMIT);
        self.replaced.drain(..beyond);
    }

    /// Gives the segment another name and remembers the one it had.
    pub fn rename(&mut self, name: SegmentName) {
        if name == self.name {
            return;
        }
        let former = std::mem::replace(&mut self.name, name);
        self.former_names
            .retain(|known| *known != former && *known != self.name);
        self.former_names.push(former);
    }
}
