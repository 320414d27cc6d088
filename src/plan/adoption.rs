//! Warnings about what is probably not intended: archives of unmanaged segments, undeclared renames, and imported files that
//! were removed before an apply.

use super::sorted_segments;
use super::step::{Action, DeclaredRef, MatchReason, RemoteRef, SegmentRef, Step, Target, Warning};
use crate::model::{ObservedSegment, ObservedWorkspace};
use std::collections::BTreeMap;

pub(super) fn archive_unmanaged_warnings(steps: &[Step]) -> Vec<Warning> {
    let mut by_pattern: BTreeMap<&str, Vec<SegmentRef>> = BTreeMap::new();
    for target in steps.iter().filter_map(undeclared_archive_target) {
        if let Some(pattern) = target.matched_by.pattern() {
            by_pattern.entry(pattern).or_default().push(SegmentRef {
                name: target.remote_name.clone(),
                id: target.id.clone(),
            });
        }
    }
    let warning = |(pattern, segments): (&str, Vec<SegmentRef>)| Warning::ArchiveUnmanaged {
        pattern: pattern.to_owned(),
        segments,
    };
    by_pattern.into_iter().map(warning).collect()
}

/// A create may be a rename of the archived segment. With several of either kind, the pairs would be guesses.
pub(super) fn likely_rename(steps: &[Step]) -> Option<Warning> {
    let mut created = steps
        .iter()
        .filter(|step| matches!(step.action, Action::Create(_)));
    let mut archived = steps.iter().filter_map(undeclared_archive_target);
    let (created, None) = (created.next()?, created.next()) else {
        return None;
    };
    let (target, None) = (archived.next()?, archived.next()) else {
        return None;
    };
    // An unmanaged segment never had a file.
    let MatchReason::RemovedFromConfiguration(_) = target.matched_by else {
        return None;
    };
    Some(Warning::LikelyRename {
        segment: DeclaredRef {
            name: created.segment.clone(),
            origin: created.origin.clone()?,
        },
        target: RemoteRef {
            id: target.id.clone(),
            name: target.remote_name.clone(),
            lifecycle: target.lifecycle,
            declared: None,
        },
    })
}

/// Without its file, a segment that was never applied is unmanaged, so removing the file archives nothing.
pub(super) fn imported_not_applied(
    observed: &ObservedWorkspace,
    unmanaged: &[&ObservedSegment],
) -> Option<Warning> {
    let imported = unmanaged
        .iter()
        .filter(|remote| observed.imported.contains(&remote.id));
    sorted_segments(imported.map(|remote| (&remote.name, &remote.id)))
        .map(|segments| Warning::ImportedNotApplied { segments })
}

fn undeclared_archive_target(step: &Step) -> Option<&Target> {
    match &step.action {
        Action::Archive(target) if step.origin.is_none() => Some(target),
        _ => None,
    }
}
