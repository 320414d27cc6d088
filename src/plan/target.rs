//! The remote segment that a step changes.

use super::PlanInput;
use super::matching::{Matching, declared_ref};
use super::remote_digests::RemoteDigests;
use super::step::{Conflict, MatchReason, Target};
use crate::model::{DeclaredSegment, Keyword, Lifecycle, ObservedSegment, RemoteKind, SegmentId, SegmentKind};
use crate::state::StateEntry;

pub(super) fn target(live: &ObservedSegment, matched_by: &MatchReason, forms: &RemoteDigests<'_>) -> Target {
    Target {
        id: live.id.clone(),
        remote_name: live.name.clone(),
        matched_by: matched_by.clone(),
        lifecycle: live.lifecycle,
        digest: forms.digests(live).map(|digests| digests.exact),
    }
}

/// Whether a segment is in use, or is archived, as far as is known.
pub(super) fn possibly_in(live: &ObservedSegment, lifecycle: Lifecycle, situation: &PlanInput<'_>) -> bool {
    live.lifecycle == lifecycle || is_lifecycle_unknown(&live.id, situation)
}

pub(super) fn is_lifecycle_unknown(id: &SegmentId, situation: &PlanInput<'_>) -> bool {
    // Whosever it is: what is met for the first time may have been put away by a run that never knew.
    let known = situation.state.any_entry(id);
    let is_unknown = known.is_some_and(|entry| entry.lifecycle_unknown);
    situation.policy.api_behavior.list_shows_archived && is_unknown
}

/// What is no segment of filters is of the declared kind, as far as the ledger knows, and keeps the name that it has.
pub(super) fn require_kind(
    matches: &Matching<'_>,
    (segment, live): (&DeclaredSegment, &ObservedSegment),
    (wanted, entry): (SegmentKind, Option<&StateEntry>),
) -> Result<(), Box<Conflict>> {
    let kind = match (&live.kind, entry.map(|entry| entry.kind)) {
        (RemoteKind::Filter, _) => SegmentKind::Filter,
        (RemoteKind::Other(_), Some(known @ (SegmentKind::File | SegmentKind::Cohort))) => known,
        (RemoteKind::Other(_), _) => wanted,
    };
    let target = matches.remote_ref(live);
    if kind != wanted {
        return Err(Box::new(Conflict::KindMismatch {
            segment: declared_ref(segment),
            declared_kind: wanted,
            holder: target,
            kind: kind.as_str().to_owned(),
        }));
    }
    if live.name != segment.name {
        return Err(Box::new(Conflict::CannotRename {
            segment: declared_ref(segment),
            target,
        }));
    }
    Ok(())
}
