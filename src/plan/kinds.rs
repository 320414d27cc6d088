//! The kinds of segments: a segment keeps its kind, and only filter segments can be renamed.

use super::context::PlanContext;
use super::proposed_finding::{DeclaredRef, ProposedFinding, RemoteRef};
use super::step::Code;
use super::words::{reference_help, yaml_name};
use crate::model::{DeclaredSegment, Keyword, ObservedSegment, RemoteKind, SegmentKind};
use crate::state::StateEntry;

/// The kind as far as the state has it, and the name, which the API cannot change for cohorts and file segments.
pub(super) fn require_kind(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
    desired: SegmentKind,
    entry: Option<&StateEntry>,
) -> Result<(), Box<ProposedFinding>> {
    let kind = match (&remote.kind, entry.map(|entry| entry.kind)) {
        (RemoteKind::Filter, _) => SegmentKind::Filter,
        (RemoteKind::Other(_), Some(recorded @ (SegmentKind::File | SegmentKind::Cohort))) => recorded,
        (RemoteKind::Other(_), _) => desired,
    };
    let holder = context.matching.remote_ref(remote);
    if kind != desired {
        return Err(Box::new(kind_mismatch(
            segment.into(),
            desired,
            &holder,
            kind.as_str(),
        )));
    }
    if remote.name != segment.name {
        return Err(Box::new(cannot_rename(segment.into(), &holder)));
    }
    Ok(())
}

pub(super) fn kind_mismatch(
    segment: DeclaredRef<'_>,
    declared_kind: SegmentKind,
    holder: &RemoteRef<'_>,
    kind: &str,
) -> ProposedFinding {
    let (name, at) = (segment.name, segment.file_and_line());
    let message = format!(
        "the name `{}` belongs to a segment of kind {kind} (id {})",
        holder.name, holder.id
    );
    ProposedFinding::new(Code::KindMismatch, message)
        .about(segment)
        .held_by(holder)
        .help(if holder.name == name {
            format!("choose another `name` for `{name}` at {at}; a name can never be reused")
        } else {
            format!(
                "if a {} segment is meant: remove `id` and `previous_names` from `{name}` at {at}",
                declared_kind.as_str()
            )
        })
        .helps(reference_help(segment, holder))
        .help(format!("if the segment is not needed: remove it from {at}"))
}

fn cannot_rename(segment: DeclaredRef<'_>, target: &RemoteRef<'_>) -> ProposedFinding {
    let (name, at) = (segment.name, segment.file_and_line());
    let message = format!("`{name}` matches {target}; the API can rename only filter segments");
    ProposedFinding::new(Code::CannotRename, message)
        .about(segment)
        .held_by(target)
        .help(format!(
            "if it is the same segment: set `name: {}` at {at}",
            yaml_name(target.name)
        ))
        .help(format!("if another segment is meant: remove `id` from {at}"))
}
