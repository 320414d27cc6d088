//! The stored revisions of one segment, and a restored revision, as documents.

use super::{ChangeDocument, FORMAT_VERSION, PatchDocument, StateEntryDocument};
use crate::definition::FieldChange;
use crate::plan::step::SegmentRef;
use crate::state::{Revision, StateEntry};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HistoryDocument {
    pub format_version: String,
    pub workspace: String,
    pub name: String,
    pub segment: StateEntryDocument,
    pub other_segments: Vec<SegmentRef>,
    /// How many older revisions were dropped; their numbers are not reused.
    pub dropped_revisions: usize,
    pub revisions: Vec<RevisionDocument>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RevisionDocument {
    /// Never changes: 1 is the first revision stored for the segment.
    pub revision: usize,
    pub name: String,
    pub replaced_at: Timestamp,
    pub run: String,
    pub definition: Value,
    /// From this revision to the next stored one, or to the last applied definition.
    pub changes: Vec<ChangeDocument>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RestoredDocument {
    pub format_version: String,
    pub workspace: String,
    pub segment: String,
    pub id: String,
    pub revision: usize,
    pub file: String,
    /// False when the file already matches the revision.
    pub written: bool,
    /// From the definition in the file to the restored one; empty for a new file.
    pub changes: Vec<ChangeDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<PatchDocument>,
    pub valid: bool,
}

impl HistoryDocument {
    pub fn new(
        workspace: &str,
        name: &str,
        entry: &StateEntry,
        others: &[&StateEntry],
        revisions: Vec<RevisionDocument>,
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            workspace: workspace.to_owned(),
            name: name.to_owned(),
            segment: StateEntryDocument::of(entry),
            other_segments: others.iter().copied().map(SegmentRef::of_entry).collect(),
            dropped_revisions: entry.dropped_revisions,
            revisions,
        }
    }
}

impl RevisionDocument {
    /// `definition` is the canonical form of the revision.
    pub fn new(number: usize, revision: &Revision, definition: Value, changes: &[FieldChange]) -> Self {
        Self {
            revision: number,
            name: revision.name.to_string(),
            replaced_at: revision.replaced_at,
            run: revision.run.clone(),
            definition,
            changes: changes.iter().map(ChangeDocument::of).collect(),
        }
    }
}
