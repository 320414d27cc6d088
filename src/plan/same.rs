//! Live segments as keys, by where they stand.
//!
//! A plan is made of one observed workspace, in which every live segment is one value that stays where it is. So its
//! place says which it is, and a table that is asked for it reads neither its id nor its name: in a large workspace
//! those are what is waited for.

use crate::model::LiveSegment;
use std::ptr;

/// A live segment, the same as another where both are one value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Same(usize);

impl Same {
    /// The key of a segment of the observed workspace.
    pub(super) fn of(live: &LiveSegment) -> Self {
        Self(ptr::from_ref(live).addr())
    }
}
