//! Segments as declared in the configuration and as observed in MoEngage.

use super::contents::Contents;
use super::filter::Reference;
use super::identity::{SegmentId, SegmentName};
use super::keyword::keywords;
use super::stored_definition::StoredDefinition;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

keywords! {
    /// Segments are never deleted, only archived.
    pub enum Lifecycle("lifecycle") {
        /// Counts toward the limit of active segments.
        Active = "active",
        /// Has a reserved name and cannot be updated. The list may omit it.
        Archived = "archived",
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredSegment {
    /// Unique in the workspace. MoEngage never frees a name.
    pub name: SegmentName,
    /// Set if a file pins the segment's id.
    pub id: Option<SegmentId>,
    /// segctl renames a remote segment that has one of these names.
    pub previous_names: Vec<SegmentName>,
    pub lifecycle: Lifecycle,
    /// Never archive the segment, even if its file is removed.
    pub protect: bool,
    pub contents: Contents,
    pub origin: Origin,
    /// The location of each reference, for messages.
    pub reference_origins: BTreeMap<Reference, Origin>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// As the user would write the path.
    pub file: String,
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The kinds of segments without filters that a list of the workspace has ever shown. A missing segment of such a kind is
/// archived; of another kind, it may only be hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownKinds {
    /// The API's own words.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub types: BTreeSet<String>,
    /// Whether one of them was a cohort.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cohorts: bool,
}

/// What segctl has read of a workspace so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedWorkspace {
    pub listed_at: Option<Timestamp>,
    pub shown_kinds: ShownKinds,
    pub segments: BTreeMap<SegmentId, ObservedSegment>,
    /// The segments that this run read by id. Definitions of others come from the cache.
    pub fetched: BTreeSet<SegmentId>,
    /// Rows of the list that identify no segment of `segments`.
    pub unreadable_rows: Vec<UnreadableRow>,
    /// The segments whose rows or definitions cannot be read, with the reason.
    pub unreadable: BTreeMap<SegmentId, String>,
    /// The unmanaged segments that `segctl import` wrote files for. The cache keeps them until an apply.
    pub imported: BTreeSet<SegmentId>,
}

/// A row of the list without a usable id or name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadableRow {
    /// In the list, from 1.
    pub position: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<SegmentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SegmentName>,
    /// A phrase such as "`name` is null".
    pub reason: String,
}

impl ShownKinds {
    /// Adds what a list shows of a segment without filters.
    pub fn add(&mut self, word: &str, source: Option<&str>) {
        self.cohorts |= Self::is_cohort_word(word) || source.is_some_and(Self::is_cohort_word);
        self.types.insert(word.to_owned());
    }

    pub fn merge(&mut self, other: &Self) {
        self.cohorts |= other.cohorts;
        self.types.extend(other.types.iter().cloned());
    }

    /// The API's words for cohorts are not documented. The dashboard shows their source as `Cohort Sync`.
    #[must_use]
    pub fn is_cohort_word(word: &str) -> bool {
        word.to_lowercase().contains("cohort")
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ObservedSegment {
    pub id: SegmentId,
    pub name: SegmentName,
    pub kind: RemoteKind,
    /// As far as known: the API's answers contain no such flag.
    pub lifecycle: Lifecycle,
    /// What created it, such as `API`.
    pub source: Option<String>,
    /// UTC without an offset, as MoEngage prints it.
    pub created_time: Option<String>,
    /// Whether the list contained it.
    pub listed: bool,
    /// `None` if segctl read only the list.
    pub fetched_at: Option<Timestamp>,
    /// When segctl last applied the segment, according to the state at the time of the read. segctl compares it only for
    /// equality, because clocks of two machines, or a clock that was set, do not order events.
    pub applied_before_fetch_at: Option<Timestamp>,
    /// `None` if not read, or if the kind has no filters.
    pub definition: Option<StoredDefinition>,
}

/// The API's types of the other kinds are not all documented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteKind {
    /// The only kind that the API can update.
    Filter,
    /// The API's own word.
    Other(String),
}
