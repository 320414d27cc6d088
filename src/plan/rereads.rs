//! The remote definitions that make a plan wrong if they are outdated.

use super::Planned;
use super::step::{Action, Code, Plan};
use crate::model::{Lifecycle, ObservedSegment, ObservedWorkspace, RemoteKind, SegmentId, SegmentName};
use std::collections::BTreeSet;

/// The filter segments that the plan writes, those that its conflicts are about, and those through which an update may
/// close a cycle of references.
#[must_use]
pub fn definitions_behind(planned: &Planned, observed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
    let plan = &planned.plan;
    let targets = plan.steps.iter().filter_map(|step| step.action.target());
    let mut ids: BTreeSet<SegmentId> = targets.map(|target| target.id.clone()).collect();
    ids.extend(planned.ids_in_conflicts.iter().cloned());
    let conflicts = plan.conflicts.iter();
    let with_limits: BTreeSet<&SegmentName> = conflicts
        .filter(|conflict| conflict.code == Code::ReferenceLimit)
        .filter_map(|conflict| conflict.segments.first())
        .collect();
    for step in &plan.steps {
        let changes_references =
            matches!(&step.action, Action::Update(update) if update.changes_definition());
        if changes_references || with_limits.contains(&step.segment) {
            let desired = step.action.desired().into_iter();
            let referenced = desired.flat_map(|desired| desired.referenced_ids(&plan.references));
            ids.extend(with_referenced(referenced.collect(), observed));
        }
    }
    ids.retain(|id| {
        let remote = observed.segments.get(id);
        remote.is_some_and(|remote| remote.kind == RemoteKind::Filter)
    });
    ids
}

/// The segments that may reference one that the plan archives: the unmanaged ones whose definitions were not read. File
/// segments and cohorts have no references.
#[must_use]
pub fn possible_references(plan: &Plan, observed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
    let mut steps = plan.steps.iter();
    if !steps.any(|step| matches!(step.action, Action::Archive(_))) {
        return BTreeSet::new();
    }
    let unmanaged = plan.unmanaged.iter().map(|segment| &segment.id);
    let is_unread = |id: &&SegmentId| observed.segments.get(*id).is_some_and(may_have_references);
    unmanaged.filter(is_unread).cloned().collect()
}

/// An active filter segment whose definition was not read.
pub(super) fn may_have_references(remote: &ObservedSegment) -> bool {
    remote.kind == RemoteKind::Filter && remote.lifecycle == Lifecycle::Active && remote.definition.is_none()
}

/// The segments and those that they reference, directly or indirectly.
fn with_referenced(mut open: Vec<SegmentId>, observed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        let remote = observed.segments.get(&id);
        if let Some(definition) = remote.and_then(|remote| remote.definition.as_ref())
            && !found.contains(&id)
        {
            open.extend(definition.referenced_ids().cloned());
        }
        found.insert(id);
    }
    found
}
