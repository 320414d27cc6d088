//! Declared member lists compared with the lists that the state records. The caller compares them, so that the planner
//! reads no files.

use crate::model::{ListSummary, SegmentId, SegmentName};
use crate::state::CohortState;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComparedLists {
    pub cohorts: BTreeMap<SegmentName, ComparedCohortList>,
    /// Only those with a local list.
    pub file_segments: BTreeMap<SegmentName, ComparedUserList>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedCohortList {
    pub list: ListSummary,
    /// How many requests send the whole list.
    pub requests: usize,
    /// `None` when the members are unknown.
    pub diff: Option<CohortListDiff>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortListDiff {
    /// `None` when a run was interrupted while it created the cohort.
    pub id: Option<SegmentId>,
    pub recorded: CohortState,
    /// How many members the cohort may have.
    pub previous: u64,
    pub added: u64,
    pub removed: u64,
    /// How many requests send the difference.
    pub requests: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedUserList {
    pub list: ListSummary,
    /// `None` when the users are unknown.
    pub diff: Option<UserListDiff>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserListDiff {
    pub id: SegmentId,
    /// How many users the segment may have.
    pub previous: u64,
    pub added: u64,
    pub removed: u64,
}
