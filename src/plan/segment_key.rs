//! Live segments as keys, by where they stand.
//!
//! A plan is made of one observed workspace, in which every live segment is one value that stays where it is. So its
//! place says which it is, and a table that is asked for it reads neither its id nor its name: in a large workspace
//! those are what is waited for.

use crate::model::ObservedSegment;
use std::ptr;

/// A live segment, the same as another where both are one value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SegmentKey(usize);

impl SegmentKey {
    /// The key of a segment of the observed workspace.
    pub(super) fn of(live: &ObservedSegment) -> Self {
        Self(ptr::from_ref(live).addr())
    }
}
