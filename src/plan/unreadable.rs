//! Segments that segctl cannot read. A managed or declared one is a conflict of that segment; others are only reported.

use super::context::PlanContext;
use super::matching::Match;
use super::proposed_finding::ProposedFinding;
use super::step::Code;
use crate::diagnostic::shell_commands;
use crate::model::{Lifecycle, ObservedSegment, Origin, SegmentId, SegmentName};

/// The conflict of a declared segment whose remote segment cannot be read, or may be a row without an id.
pub(super) fn declared_conflict(context: PlanContext<'_, '_>, pair: &Match<'_>) -> Option<ProposedFinding> {
    let observed = context.input.observed;
    let segment = pair.declared;
    let origin = Some(&segment.origin);
    let Some((remote, _)) = &pair.remote else {
        let temporary = segment.name.temporary();
        let mut rows = observed.unreadable_rows.iter();
        let row = rows.find(|row| {
            let is_name = |name: &SegmentName| {
                *name == segment.name || *name == temporary || segment.previous_names.contains(name)
            };
            row.id.is_none() && row.name.as_ref().is_some_and(is_name)
        })?;
        let reason = format!("in row {} of the segment list, {}", row.position, row.reason);
        let is_active = segment.lifecycle == Lifecycle::Active;
        return is_active.then(|| unreadable_segment(&segment.name, origin, None, &reason));
    };
    let reason = observed.unreadable.get(&remote.id)?;
    // An archived segment needs no step, whatever its definition is.
    let needs_step = segment.lifecycle == Lifecycle::Active || context.is_possibly(Lifecycle::Active, remote);
    needs_step.then(|| unreadable_segment(&segment.name, origin, Some(&remote.id), reason))
}

/// The conflict of a managed segment that is not declared: its definition must be in the state before it is archived.
pub(super) fn orphan_conflict(
    context: PlanContext<'_, '_>,
    remote: &ObservedSegment,
) -> Option<ProposedFinding> {
    let reason = context.input.observed.unreadable.get(&remote.id)?;
    Some(unreadable_segment(&remote.name, None, Some(&remote.id), reason))
}

/// MoEngage has the segment, and segctl cannot read its row in the list or its definition.
fn unreadable_segment(
    segment: &SegmentName,
    origin: Option<&Origin>,
    id: Option<&SegmentId>,
    reason: &str,
) -> ProposedFinding {
    let id_text = id.map_or_else(|| "id unknown".to_owned(), |id| format!("id {id}"));
    let message = format!(
        "cannot read `{segment}` ({id_text}) in MoEngage: {reason}; segctl neither changes it nor creates it again"
    );
    let mut conflict = ProposedFinding::new(Code::UnreadableSegment, message)
        .help("open the segment in the dashboard and save it again, with another name if the name is the reason")
        .help(format!(
            "to apply the changes of the other segments: `{}`",
            shell_commands::apply_excluding(segment)
        ));
    conflict.subjects.push(segment.clone());
    conflict.finding.segments.push(segment.clone());
    conflict.finding.origins.extend(origin.cloned());
    conflict.finding.remote_ids.extend(id.cloned());
    conflict.remote_ids.extend(id.cloned());
    conflict
}
