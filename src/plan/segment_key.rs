//! Observed segments as keys of maps, by their address in memory.
//!
//! A plan has one observed workspace, in which no segment moves, so the address identifies it. Hashing ids or names
//! would dominate the planning time of a large workspace.

use crate::model::ObservedSegment;
use std::ptr;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SegmentKey(usize);

impl SegmentKey {
    pub(super) fn of(remote: &ObservedSegment) -> Self {
        Self(ptr::from_ref(remote).addr())
    }
}
