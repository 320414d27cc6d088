//! The state of a workspace as a document.

use super::FORMAT_VERSION;
use crate::model::Keyword;
use crate::state::{State, StateEntry};
use jiff::Timestamp;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateDocument {
    pub format_version: String,
    pub workspace: String,
    pub segments: Vec<StateEntryDocument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateEntryDocument {
    /// The name at the last apply.
    pub name: String,
    pub id: String,
    /// `filter`, `file` or `cohort`.
    pub kind: String,
    /// `active`, `archived`, `unknown`, `missing` or `history_only`.
    ///
    /// - `unknown`: the result of an archive or unarchive request is unknown.
    /// - `missing`: a later segment has the same name, so this one no longer exists.
    /// - `history_only`: the segment is unmanaged; the state stores a definition or an unfinished request.
    pub lifecycle: String,
    pub protect: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub previous_names: Vec<String>,
    pub revisions: usize,
    pub applied_at: Timestamp,
    pub run: String,
}

impl StateDocument {
    pub fn new(workspace: &str, state: &State) -> Self {
        let mut segments: Vec<StateEntryDocument> = state
            .managed_entries()
            .map(|entry| {
                let mut document = StateEntryDocument::of(entry);
                if state.is_superseded(entry) {
                    "missing".clone_into(&mut document.lifecycle);
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
    pub fn of(entry: &StateEntry) -> Self {
        let lifecycle = match (entry.history_only, entry.lifecycle_unknown) {
            (true, _) => "history_only",
            (false, true) => "unknown",
            (false, false) => entry.lifecycle.as_str(),
        };
        Self {
            name: entry.name.to_string(),
            id: entry.id.to_string(),
            kind: entry.kind.as_str().to_owned(),
            lifecycle: lifecycle.to_owned(),
            protect: entry.protect,
            digest: entry.digest.clone(),
            previous_names: entry.previous_names.iter().map(ToString::to_string).collect(),
            revisions: entry.revisions.len(),
            applied_at: entry.applied_at,
            run: entry.run.clone(),
        }
    }
}
