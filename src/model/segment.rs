//! Segments as people declare them and as the service shows them.

use super::contents::Contents;
use super::identity::{SegmentId, SegmentName};
use super::keyword::keywords;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

keywords! {
    /// What makes a segment's members.
    pub enum SegmentKind("kind") {
        /// Filters, evaluated by the service.
        Filter = "filter",
        /// A list of users in a file.
        File = "file",
        /// Members synchronised by a partner.
        Cohort = "cohort",
    }
}

keywords! {
    /// Whether a segment is in use. Nothing is ever deleted.
    pub enum Lifecycle("lifecycle") {
        /// In use; counts toward the active limit.
        Active = "active",
        /// Put away: keeps its name, cannot be updated, may be hidden from lists.
        Archived = "archived",
    }
}

/// A segment that the files of one workspace say should be there.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredSegment {
    /// Unique in the workspace, for ever.
    pub name: SegmentName,
    /// The live segment that it is, where a file says so.
    pub id: Option<SegmentId>,
    /// Names the segment had before; a live holder of one is renamed.
    pub previous_names: Vec<SegmentName>,
    /// Whether it should be in use.
    pub lifecycle: Lifecycle,
    /// Whether it must not be put away, not even by removing the file.
    pub protect: bool,
    /// Who is in it.
    pub contents: Contents,
    /// Where it is declared.
    pub origin: Origin,
}

/// Where something is declared, for messages and JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The file as the user would name it.
    pub file: String,
    /// 1-based line.
    pub line: u32,
    /// 1-based column in characters.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What is live in a workspace, as far as it was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservedWorkspace {
    /// When the list was read.
    pub listed_at: Option<Timestamp>,
    /// The segments by id.
    pub segments: BTreeMap<SegmentId, ObservedSegment>,
}

/// A segment at the service.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedSegment {
    /// Stable through renames.
    pub id: SegmentId,
    /// As the service answered it.
    pub name: SegmentName,
    /// Filter, file, cohort, or something this version does not know.
    pub kind: RemoteKind,
    /// Archived as far as known: the service's answers carry no such flag.
    pub lifecycle: Lifecycle,
    /// What made it, such as `API`, where the service said so.
    pub source: Option<String>,
    /// When it was made, as the service prints it: UTC without an offset.
    pub created_time: Option<String>,
    /// Whether the list showed it.
    pub listed: bool,
    /// When its definition was read; `None` when it was only listed.
    pub fetched_at: Option<Timestamp>,
    /// What the ledger knew then: when it was applied last, if it was. Times of two machines, or of a clock that was set,
    /// do not tell which of two things came first; that the ledger says another time does.
    pub applied_before_fetch_at: Option<Timestamp>,
    /// The filters; `None` when they were not read or the kind has none.
    pub definition: Option<Payload>,
}

/// A live segment's kind: what the service calls it is not documented for all kinds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteKind {
    /// A filter segment: the one kind that can be updated.
    Filter,
    /// Anything else, by the service's own word.
    Other(String),
}

/// A definition in the API's own JSON: what is sent, and what the service answered.
///
/// Answers are kept as they are, unknown parts too: nothing in them was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// `included_filters`
    pub included_filters: Value,
    /// `excluded_filters`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded_filters: Option<Value>,
}
