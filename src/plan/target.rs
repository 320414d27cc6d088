//! The remote segment that a step changes.

use super::PlanInput;
use super::matching::{Matching, declared_ref};
use super::remote_digests::RemoteDigests;
use super::step::{Conflict, MatchReason, Target};
use crate::model::{
    DeclaredSegment, Keyword, Lifecycle, ObservedSegment, RemoteKind, SegmentId, SegmentKind,
};
use crate::state::StateEntry;

pub(super) fn target(
    remote: &ObservedSegment,
    matched_by: &MatchReason,
    remote_digests: &RemoteDigests<'_>,
) -> Target {
    Target {
        id: remote.id.clone(),
        remote_name: remote.name.clone(),
        matched_by: matched_by.clone(),
        lifecycle: remote.lifecycle,
        digest: remote_digests.get(remote).map(|digests| digests.exact),
    }
}

/// Whether the segment is in that lifecycle, or may be.
pub(super) fn possibly_in(remote: &ObservedSegment, lifecycle: Lifecycle, input: &PlanInput<'_>) -> bool {
    remote.lifecycle == lifecycle || is_lifecycle_unknown(&remote.id, input)
}

pub(super) fn is_lifecycle_unknown(id: &SegmentId, input: &PlanInput<'_>) -> bool {
    // Also of an unmanaged segment: an interrupted run may have archived it.
    let entry = input.state.any_entry(id);
    input.policy.api_behavior.list_shows_archived && entry.is_some_and(|entry| entry.lifecycle_unknown)
}

/// The kind as far as the state has it, and the name, which the API cannot change for cohorts and file segments.
pub(super) fn require_kind(
    matching: &Matching<'_>,
    (segment, remote): (&DeclaredSegment, &ObservedSegment),
    (desired, entry): (SegmentKind, Option<&StateEntry>),
) -> Result<(), Box<Conflict>> {
    let kind = match (&remote.kind, entry.map(|entry| entry.kind)) {
        (RemoteKind::Filter, _) => SegmentKind::Filter,
        (RemoteKind::Other(_), Some(recorded @ (SegmentKind::File | SegmentKind::Cohort))) => recorded,
        (RemoteKind::Other(_), _) => desired,
    };
    let target = matching.remote_ref(remote);
    if kind != desired {
        return Err(Box::new(Conflict::KindMismatch {
            segment: declared_ref(segment),
            declared_kind: desired,
            holder: target,
            kind: kind.as_str().to_owned(),
        }));
    }
    if remote.name != segment.name {
        return Err(Box::new(Conflict::CannotRename {
            segment: declared_ref(segment),
            target,
        }));
    }
    Ok(())
}
