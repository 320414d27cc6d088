//! The findings of a plan: those about selected segments, and those about the selected steps as a whole.

use super::active_slots::ActiveSlots;
use super::context::PlanContext;
use super::proposed_finding::ProposedFindings;
use super::step::Finding;
use super::targeting::SelectedSteps;
use super::{file_segments, warnings as whole_plan};
use crate::model::{Adoption, SegmentId};
use std::collections::BTreeSet;

pub(super) struct Findings {
    pub(super) conflicts: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
    /// The remote segments whose definitions decide the conflicts.
    pub(super) ids_in_conflicts: BTreeSet<SegmentId>,
}

pub(super) fn select(
    context: PlanContext<'_, '_>,
    proposed: ProposedFindings,
    selected: &SelectedSteps,
    slots: ActiveSlots,
) -> Findings {
    let steps = &selected.steps;
    let ProposedFindings {
        mut conflicts,
        mut warnings,
    } = proposed;
    conflicts.retain(|conflict| selected.is_in_scope(conflict));
    let ids_in_conflicts = conflicts.iter().flat_map(|conflict| conflict.remote_ids.clone());
    let ids_in_conflicts = ids_in_conflicts.collect();
    let mut conflicts: Vec<Finding> = conflicts.into_iter().map(Finding::from).collect();
    conflicts.extend(slots.conflict(steps));
    let over_limit = file_segments::daily_user_limit_conflicts(context, steps);
    conflicts.extend(over_limit.into_iter().map(Finding::from));
    warnings.extend(whole_plan::about_segments(context, steps));
    warnings.retain(|warning| selected.is_in_scope(warning));
    if context.input.policy.adoption == Adoption::Allow {
        warnings.extend(whole_plan::archives_of_unmanaged(steps));
    }
    warnings.extend(whole_plan::likely_rename(steps));
    warnings.extend(whole_plan::about_unreadable(context));
    // With `--target`, only declared segments are in scope.
    if selected.includes_all() {
        warnings.extend(whole_plan::imported_not_applied(context));
    }
    Findings {
        conflicts,
        warnings: warnings.into_iter().map(Finding::from).collect(),
        ids_in_conflicts,
    }
}
