//! What the steps as a whole are likely not meant to do: put away what somebody else made, or make anew what was renamed.

use super::step::{Action, DeclaredRef, MatchReason, RemoteRef, SegmentRef, Step, Target, Warning};
use std::collections::BTreeMap;

/// What is put away although segctl never met it, by the pattern that names it.
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

/// That what is made may be what is put away under another name. Told where there is one of each alone: of several, nobody
/// can say which belongs to which.
pub(super) fn likely_rename(steps: &[Step]) -> Option<Warning> {
    let mut made = steps
        .iter()
        .filter(|step| matches!(step.action, Action::Create(_)));
    let mut put_away = steps.iter().filter_map(undeclared_archive_target);
    let (made, None) = (made.next()?, made.next()) else {
        return None;
    };
    let (target, None) = (put_away.next()?, put_away.next()) else {
        return None;
    };
    // What segctl never met has no file that could have been renamed.
    let MatchReason::RemovedFromConfiguration(_) = target.matched_by else {
        return None;
    };
    Some(Warning::LikelyRename {
        segment: DeclaredRef {
            name: made.segment.clone(),
            origin: made.origin.clone()?,
        },
        target: RemoteRef {
            id: target.id.clone(),
            name: target.remote_name.clone(),
            lifecycle: target.lifecycle,
            declared: None,
        },
    })
}

fn undeclared_archive_target(step: &Step) -> Option<&Target> {
    match &step.action {
        Action::Archive(target) if step.origin.is_none() => Some(target),
        _ => None,
    }
}
