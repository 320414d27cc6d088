//! The definitions that a ledger keeps of one segment as a document, and what came of one that was written back.

use super::{ChangeDocument, EntryDocument, FORMAT_VERSION, LiveDocument, PatchDocument};
use crate::definition::FieldChange;
use crate::ledger::{Entry, Replaced};
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
    pub segment: EntryDocument,
    /// Other segments that have it or had it.
    pub others: Vec<LiveDocument>,
    /// How many definitions were kept once and dropped since; their numbers are not used again.
    pub dropped: usize,
    /// Definitions that were replaced, oldest first.
    pub definitions: Vec<ReplacedDocument>,
}

/// A definition that was replaced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplacedDocument {
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
    pub number: usize,
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
        (entry, others): (&Entry, &[&Entry]),
        definitions: Vec<ReplacedDocument>,
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            workspace: workspace.to_owned(),
            name: name.to_owned(),
            segment: EntryDocument::of(entry),
            others: others.iter().copied().map(LiveDocument::of_entry).collect(),
            dropped: entry.dropped,
            definitions,
        }
    }
}

impl ReplacedDocument {
    /// The document of a definition with its normal form and what differs in what came after it.
    #[must_use]
    pub fn new((number, replaced): (usize, &Replaced), definition: Value, changes: &[FieldChange]) -> Self {
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
