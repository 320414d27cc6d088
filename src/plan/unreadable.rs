//! Segments that segctl cannot read. A managed or declared one is a conflict of that segment; others are only reported.

use super::matching::{Match, Matching};
use super::step::{Conflict, UnreadableRef, Warning};
use super::target::possibly_in;
use super::{PlanInput, segment_ref};
use crate::model::{Lifecycle, ObservedSegment, SegmentName};

/// The conflict of a declared segment whose remote segment cannot be read, or may be a row without an id.
pub(super) fn declared_conflict(input: &PlanInput<'_>, pair: &Match<'_>) -> Option<Conflict> {
    let segment = pair.declared;
    let conflict = |id, reason: &str| Conflict::UnreadableSegment {
        segment: segment.name.clone(),
        origin: Some(segment.origin.clone()),
        id,
        reason: reason.to_owned(),
    };
    let Some((remote, _)) = &pair.remote else {
        let temporary = segment.name.temporary();
        let mut rows = input.observed.unreadable_rows.iter();
        let row = rows.find(|row| {
            let is_name = |name: &SegmentName| {
                *name == segment.name || *name == temporary || segment.previous_names.contains(name)
            };
            row.id.is_none() && row.name.as_ref().is_some_and(is_name)
        })?;
        let reason = format!("in row {} of the segment list, {}", row.position, row.reason);
        return (segment.lifecycle == Lifecycle::Active).then(|| conflict(None, &reason));
    };
    let reason = input.observed.unreadable.get(&remote.id)?;
    // An archived segment needs no step, whatever its definition is.
    let needs_step = segment.lifecycle == Lifecycle::Active || possibly_in(remote, Lifecycle::Active, input);
    needs_step.then(|| conflict(Some(remote.id.clone()), reason))
}

/// The conflict of a managed segment that is not declared: its definition must be in the state before it is archived.
pub(super) fn orphan_conflict(input: &PlanInput<'_>, remote: &ObservedSegment) -> Option<Conflict> {
    let reason = input.observed.unreadable.get(&remote.id)?;
    Some(Conflict::UnreadableSegment {
        segment: remote.name.clone(),
        origin: None,
        id: Some(remote.id.clone()),
        reason: reason.clone(),
    })
}

/// What the plan does not know about segments that it does not manage.
pub(super) fn warnings(input: &PlanInput<'_>, matching: &Matching<'_>) -> Vec<Warning> {
    let rows = &input.observed.unreadable_rows;
    let rows = (!rows.is_empty()).then(|| Warning::UnreadableRows { rows: rows.clone() });
    let unmanaged = matching.unmanaged.iter();
    let segments: Vec<UnreadableRef> = unmanaged
        .filter_map(|remote| {
            let reason = input.observed.unreadable.get(&remote.id)?;
            Some(UnreadableRef {
                segment: segment_ref(remote),
                reason: reason.clone(),
            })
        })
        .collect();
    let segments = (!segments.is_empty()).then_some(Warning::UnreadableSegments { segments });
    rows.into_iter().chain(segments).collect()
}
