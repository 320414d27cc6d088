//! The definitions that a ledger keeps of one segment as a document, and what came of one that was written back.

use super::{ChangeDocument, FORMAT_VERSION, PatchDocument, SegmentRefDocument, StateEntryDocument};
use crate::definition::FieldChange;
use crate::state::{Revision, StateEntry};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// What is remembered of one segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HistoryDocument {
    /// See the module's documentation.
    pub format_version: String,
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// The name that was asked for.
    pub name: String,
    /// The segment that has it, or had it last.
    pub segment: StateEntryDocument,
    /// Other segments that have it or had it.
    pub other_segments: Vec<SegmentRefDocument>,
    /// How many definitions were kept once and dropped since; their numbers are not used again.
    pub dropped_revisions: usize,
    /// Definitions that were replaced, oldest first.
    pub revisions: Vec<RevisionDocument>,
}

/// A definition that was replaced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RevisionDocument {
    /// Its number, which never changes: 1 is the first that was kept of the segment.
    pub number: usize,
    /// The segment's name at that time.
    pub name: String,
    /// When it was overwritten.
    pub replaced_at: Timestamp,
    /// Which run overwrote it.
    pub run: String,
    /// The definition in normal form.
    pub definition: Value,
    /// What differs in what came after it: the next that is kept, or else what was applied last.
    pub changes: Vec<ChangeDocument>,
}

/// A definition that was written back into a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RestoredDocument {
    /// See the module's documentation.
    pub format_version: String,
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// The name in the file.
    pub segment: String,
    /// The segment's id.
    pub id: String,
    /// The number of the definition.
    pub revision: usize,
    /// The file as the user would name it.
    pub file: String,
    /// Whether it was written: not when it says all that already.
    pub written: bool,
    /// What changed in it; missing for a new file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<PatchDocument>,
    /// Whether the file is free of errors.
    pub valid: bool,
}

impl HistoryDocument {
    /// The document of `entry`, which was asked for by `name`.
    #[must_use]
    pub fn new(
        workspace: &str,
        name: &str,
        (entry, others): (&StateEntry, &[&StateEntry]),
        definitions: Vec<RevisionDocument>,
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            workspace: workspace.to_owned(),
            name: name.to_owned(),
            segment: StateEntryDocument::of(entry),
            other_segments: others.iter().copied().map(SegmentRefDocument::of_entry).collect(),
            dropped_revisions: entry.dropped_revisions,
            revisions: definitions,
        }
    }
}

impl RevisionDocument {
    /// The document of a definition with its normal form and what differs in what came after it.
    #[must_use]
    pub fn new((number, replaced): (usize, &Revision), definition: Value, changes: &[FieldChange]) -> Self {
        Self {
            number,
            name: replaced.name.to_string(),
            replaced_at: replaced.replaced_at,
            run: replaced.run.clone(),
            definition,
            changes: changes.iter().map(ChangeDocument::of).collect(),
        }
    }
}
