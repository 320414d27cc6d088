//! Declared member lists compared with the lists that the state records. The caller compares them, so that the planner
//! reads no files.

use crate::model::{ListSummary, SegmentId, SegmentName};
use crate::state::CohortState;
use std::collections::BTreeMap;

/// The declared lists, held against what the ledger knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComparedLists {
    /// Those of cohorts.
    pub cohorts: BTreeMap<SegmentName, ComparedCohortList>,
    /// Those of file segments that are files of this machine.
    pub file_segments: BTreeMap<SegmentName, ComparedUserList>,
}

/// A declared list, held against what was sent last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedCohortList {
    /// The list.
    pub list: ListSummary,
    /// How many calls send all of it.
    pub requests: usize,
    /// What it changes; `None` where nothing is known of the members.
    pub diff: Option<CohortListDiff>,
}

/// What a list changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortListDiff {
    /// The segment that the ledger knows; `None` where a run was about to make it.
    pub id: Option<SegmentId>,
    /// What it knows.
    pub recorded: CohortState,
    /// How many members have to be added.
    pub added: u64,
    /// How many have to be removed.
    pub removed: u64,
    /// How many calls do so.
    pub requests: usize,
}

/// A declared list, held against what was uploaded last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedUserList {
    /// The list.
    pub list: ListSummary,
    /// What it changes; `None` where nothing is known of the users.
    pub diff: Option<UserListDiff>,
}

/// What a list changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserListDiff {
    /// The segment that the ledger knows.
    pub id: SegmentId,
    /// How many users have to be added.
    pub added: u64,
    /// How many have to be removed.
    pub removed: u64,
}
