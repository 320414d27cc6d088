//! What the stages after the matching know: the input, the matching, and the digests of the remote definitions.

use super::PlanInput;
use super::matching::Matching;
use super::remote_digests::RemoteDigests;
use super::step::{MatchReason, Target};
use crate::model::{Lifecycle, ObservedSegment, SegmentId};
use crate::state::StateEntry;

#[derive(Clone, Copy)]
pub(super) struct PlanContext<'s, 'a> {
    pub(super) input: &'s PlanInput<'a>,
    pub(super) matching: &'s Matching<'a>,
    pub(super) remote_digests: &'s RemoteDigests<'a>,
}

impl<'a> PlanContext<'_, 'a> {
    pub(super) fn managed_entry(&self, remote: &ObservedSegment) -> Option<&'a StateEntry> {
        self.input.state.managed_entry(&remote.id)
    }

    pub(super) fn target(&self, remote: &ObservedSegment, matched_by: &MatchReason) -> Target {
        Target {
            id: remote.id.clone(),
            remote_name: remote.name.clone(),
            matched_by: matched_by.clone(),
            lifecycle: remote.lifecycle,
            digest: self.remote_digests.get(remote).map(|digests| digests.exact),
        }
    }

    /// Whether the segment is in that lifecycle, or may be.
    pub(super) fn is_possibly(&self, lifecycle: Lifecycle, remote: &ObservedSegment) -> bool {
        remote.lifecycle == lifecycle || self.is_lifecycle_unknown(&remote.id)
    }

    pub(super) fn is_lifecycle_unknown(&self, id: &SegmentId) -> bool {
        // Also of an unmanaged segment: an interrupted run may have archived it.
        let entry = self.input.state.any_entry(id);
        self.input.policy.api_behavior.list_shows_archived
            && entry.is_some_and(|entry| entry.lifecycle_unknown)
    }
}
