//! What one declared segment needs: the steps for it alone, without their order.

use super::step::{Action, Conflict, Known, MatchReason, Target, Wanted, digest_of};
use crate::definition::{FieldChange, diff, normal, print};
use crate::model::{DeclaredSegment, Lifecycle, LiveKind, LiveSegment};

/// A step without number and dependencies.
pub(super) struct Draft<'a> {
    pub(super) segment: &'a DeclaredSegment,
    pub(super) action: Action,
}

/// What is needed to make `segment` what the files say; nothing when it is so already.
///
/// # Errors
///
/// The live segment is of a kind that filters cannot make.
pub(super) fn actions(
    segment: &DeclaredSegment,
    found: Option<(&LiveSegment, MatchReason)>,
    known: &Known,
) -> Result<Vec<Action>, Conflict> {
    match (segment.lifecycle, found) {
        // Nothing to put away; making it only to put it away would use up a name and a definition.
        (Lifecycle::Archived, None) => Ok(Vec::new()),
        (Lifecycle::Archived, Some((live, reason))) => match live.lifecycle {
            Lifecycle::Active => Ok(vec![Action::Archive(target(live, reason, known))]),
            Lifecycle::Archived => Ok(Vec::new()),
        },
        (Lifecycle::Active, None) => Ok(vec![Action::Create(wanted(segment, known))]),
        (Lifecycle::Active, Some((live, reason))) => active(segment, live, reason, known),
    }
}

fn active(
    segment: &DeclaredSegment,
    live: &LiveSegment,
    reason: MatchReason,
    known: &Known,
) -> Result<Vec<Action>, Conflict> {
    if let LiveKind::Other(kind) = &live.kind {
        return Err(Conflict::KindTaken {
            segment: segment.name.clone(),
            origin: segment.origin.clone(),
            holder: live.id.clone(),
            kind: kind.clone(),
        });
    }
    let target = target(live, reason, known);
    let wanted = wanted(segment, known);
    let changes = changes(segment, live, &wanted, known);
    let mut actions = Vec::new();
    if live.lifecycle == Lifecycle::Archived {
        // An archived segment cannot be updated, so this comes first.
        actions.push(Action::Unarchive(target.clone()));
    }
    if !changes.is_empty() {
        actions.push(Action::Update {
            target,
            wanted,
            changes,
        });
    }
    Ok(actions)
}

fn wanted(segment: &DeclaredSegment, known: &Known) -> Wanted {
    Wanted::new(print(&segment.definition), &known.identities)
}

fn target(live: &LiveSegment, matched_by: MatchReason, known: &Known) -> Target {
    Target {
        id: live.id.clone(),
        live_name: live.name.clone(),
        matched_by,
        lifecycle: live.lifecycle,
        seen: live.definition.as_ref().map(|payload| digest_of(payload, known)),
    }
}

fn changes(
    segment: &DeclaredSegment,
    live: &LiveSegment,
    wanted: &Wanted,
    known: &Known,
) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    if live.name != segment.name {
        changes.push(FieldChange {
            path: vec!["name".to_owned()],
            field: None,
            before: Some(live.name.as_str().into()),
            after: Some(segment.name.as_str().into()),
        });
    }
    let stored = live
        .definition
        .as_ref()
        .map(|payload| normal::exact(payload, &known.identities));
    changes.extend(diff(&stored.unwrap_or_default(), wanted.form()));
    changes
}
