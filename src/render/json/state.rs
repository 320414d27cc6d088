//! A ledger as a document.

use super::FORMAT_VERSION;
use crate::model::Keyword;
use crate::state::{State, StateEntry};
use jiff::Timestamp;
use serde::Serialize;

/// What is remembered of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateDocument {
    /// See the module's documentation.
    pub format_version: String,
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// The segments by name.
    pub segments: Vec<StateEntryDocument>,
}

/// What is remembered of one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateEntryDocument {
    /// Its name when it was applied.
    pub name: String,
    /// Its id.
    pub id: String,
    /// `filter`, `file` or `cohort`.
    pub kind: String,
    /// `active`, `archived`, or `unknown` where no answer told what became of the call that was to archive it or to take
    /// it out; `gone` where a later segment has its name, which is unique; `kept` where it is not ours and something is
    /// remembered of it all the same: a definition, or such a call.
    pub lifecycle: String,
    /// Whether its file protected it.
    pub protect: bool,
    /// The digest of its definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Names it had before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub previous_names: Vec<String>,
    /// How many definitions that were replaced are kept.
    pub revisions: usize,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Which run applied it.
    pub run: String,
}

impl StateDocument {
    /// The document of `ledger`.
    #[must_use]
    pub fn new(workspace: &str, ledger: &State) -> Self {
        let mut segments: Vec<StateEntryDocument> = ledger
            .managed_entries()
            .map(|entry| {
                let mut document = StateEntryDocument::of(entry);
                if ledger.is_superseded(entry) {
                    "gone".clone_into(&mut document.lifecycle);
                }
                document
            })
            .collect();
        segments.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            workspace: workspace.to_owned(),
            segments,
        }
    }
}

impl StateEntryDocument {
    /// The document of what is known of one segment.
    #[must_use]
    pub fn of(entry: &StateEntry) -> Self {
        Self {
            name: entry.name.to_string(),
            id: entry.id.to_string(),
            kind: entry.kind.as_str().to_owned(),
            lifecycle: if entry.history_only {
                "kept".to_owned()
            } else if entry.lifecycle_unknown {
                "unknown".to_owned()
            } else {
                entry.lifecycle.as_str().to_owned()
            },
            protect: entry.protect,
            digest: entry.digest.clone(),
            previous_names: entry.previous_names.iter().map(ToString::to_string).collect(),
            revisions: entry.revisions.len(),
            applied_at: entry.applied_at,
            run: entry.run.clone(),
        }
    }
}
