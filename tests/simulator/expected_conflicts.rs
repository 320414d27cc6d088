//! The reasons why the workspace may differ from the configuration after the recovery: manual changes, and facts that
//! the API does not show.

use super::ground_truth::{ActualSegment, Author, SegmentChange};
use super::run_checker;
use super::simulation::Simulation;
use segctl::model::{Origin, SegmentId};
use segctl::plan::step::{Code, Finding};
use std::collections::BTreeSet;

impl Simulation {
    /// Whether every failure message names an expected cause.
    pub(crate) fn are_failures_expected(&self, failures: &[String]) -> bool {
        let has_manual_edits = *self.has_manual_edits.lock().unwrap();
        let workspace = self.machine.workspace.lock().unwrap();
        let ground_truth = &workspace.ground_truth;
        // A segment of an unrecorded create may be archived and hidden before any run reads it.
        let has_expired = ground_truth
            .changes
            .iter()
            .any(|change| change.author == Author::Expiry);
        // An archived segment that is not listed has a declared name.
        let has_hidden_name_holder = self.files.items().iter().any(|item| {
            let holder = ground_truth.by_name(&item.name);
            let is_hidden = |(id, holder): (&str, &ActualSegment)| {
                // The run got only the conflict of its second delivery, and no list shows what the first one created.
                let is_unrecorded =
                    workspace.was_delivered_twice(id) && workspace.hidden_kinds.contains(&holder.kind);
                holder.is_archived || is_unrecorded
            };
            item.is_declared && !item.is_archived && holder.is_some_and(is_hidden)
        });
        // The form in which a definition is returned does not show that an unanswered create made the segment.
        let has_unproven_create = workspace.returns_undocumented_forms
            && ground_truth
                .segments
                .keys()
                .any(|id| ground_truth.is_unconfirmed_create(id));
        // A declared name is reserved for a segment that was renamed.
        let is_reserved = !self.profile.settings.rename_frees_old_name
            && self.files.items().iter().any(|item| {
                let had_name = |change: &SegmentChange| change.after.name == item.name;
                item.is_declared
                    && !item.is_archived
                    && ground_truth.by_name(&item.name).is_none()
                    && ground_truth.changes.iter().any(had_name)
            });
        // A user renamed a cohort. It still accepts members that are sent under its declared name.
        let is_renamed = self.files.items().iter().any(|item| {
            let keyed = item
                .list
                .as_ref()
                .and_then(|list| ground_truth.by_cohort_key(&list.key()));
            item.is_declared && keyed.is_some_and(|(_, segment)| segment.name != item.name)
        });
        // segctl cannot see whether a segment is active: referenced segments may be archived, and the limit may be reached.
        let mut segments = ground_truth.segments.values();
        let is_lifecycle_hidden = segments.any(|segment| workspace.hides_lifecycle_of(segment.kind));
        let is_expected = |message: &String| {
            let is_name_conflict = message.contains("another segment has the name")
                || message.contains(run_checker::COHORT_DROPPED_MESSAGE);
            let is_taken = message.contains("is reserved for a segment")
                || message.contains("already has this definition");
            // segctl addresses a cohort that no list shows by its name.
            let is_name_unknown = message.contains("rename it back");
            let is_lifecycle_error = message.contains("limit of active segments is reached")
                || message.contains("the referenced segment");
            (has_hidden_name_holder || has_manual_edits && is_reserved) && is_name_conflict
                || has_manual_edits
                    && is_renamed
                    && (message.contains(run_checker::COHORT_DROPPED_MESSAGE) || is_name_unknown)
                || (has_manual_edits || has_expired || has_unproven_create) && is_taken
                || is_lifecycle_hidden && is_lifecycle_error
        };
        !failures.is_empty() && failures.iter().all(is_expected)
    }

    /// Whether every conflict has an expected cause, or follows from another conflict.
    pub(crate) fn are_conflicts_expected(&self, conflicts: &[Finding]) -> bool {
        let is_explained = |conflict: &Finding| {
            self.profile.explains(conflict)
                || self.is_held_by_archived(conflict)
                || self.is_held_by_removed(conflict)
                || self.is_held_by_unrecorded_create(conflict)
                || self.is_created_externally(conflict)
        };
        let (explained, others): (Vec<_>, Vec<_>) =
            conflicts.iter().partition(|conflict| is_explained(conflict));
        // A segment in conflict does not free its definition.
        others.iter().all(|conflict| {
            let holder = conflict_holder_id(conflict);
            let is_about_holder = |other: &&Finding| {
                let mut ids = other.remote_ids.iter();
                let mut declared = conflict.segments.iter().skip(1);
                ids.any(|id| Some(id.as_str()) == holder)
                    || declared.any(|name| other.segments.contains(name))
            };
            conflict.code == Code::DefinitionTaken && explained.iter().any(is_about_holder)
        })
    }

    /// Whether a declared segment was created outside segctl, with another kind or with unknown people.
    fn is_created_externally(&self, conflict: &Finding) -> bool {
        let Some(id) = conflict_holder_id(conflict) else {
            return false;
        };
        let workspace = self.machine.workspace.lock().unwrap();
        let has_other_kind = workspace.ground_truth.segments.get(id).is_some_and(|segment| {
            let mut items = self.files.items().iter();
            items.any(|item| item.is_declared && item.name == segment.name && item.kind() != segment.kind)
        });
        let is_unknown = !self.forces_upload
            && (workspace.external_people.contains_key(id) || workspace.was_delivered_twice(id));
        conflict.code == Code::KindMismatch && has_other_kind
            || conflict.code == Code::MembersUnknown && is_unknown
    }

    /// Whether an undeclared segment of an unrecorded create has the definition.
    fn is_held_by_unrecorded_create(&self, conflict: &Finding) -> bool {
        let Some(id) = conflict_holder_id(conflict).filter(|_| conflict.code == Code::DefinitionTaken) else {
            return false;
        };
        let workspace = self.machine.workspace.lock().unwrap();
        let Some(segment) = workspace.ground_truth.segments.get(id) else {
            return false;
        };
        let mut items = self.files.items().iter();
        let is_declared = items.any(|item| item.is_declared && item.name == segment.name);
        workspace.ground_truth.is_unconfirmed_create(id) && !is_declared && !self.is_managed(id)
    }

    /// Whether archived segments cause the conflict: segctl neither renames nor changes them.
    ///
    /// They may have a declared name, or be part of a reference cycle in the configuration, or hold a definition that a
    /// segment of the cycle should get.
    fn is_held_by_archived(&self, conflict: &Finding) -> bool {
        let mut archived = self.files.items().iter().filter(|item| item.is_archived);
        let is_cycle = conflict.code == Code::Cycle;
        let is_unbreakable = || {
            self.files.has_reference_cycle()
                || self.is_held_by_undeclared(conflict)
                || self.refers_to_archived(conflict)
        };
        if is_cycle && is_unbreakable() {
            return true;
        }
        // The second declaration is that of the holder.
        let origins = conflict.origins.get(usize::from(!is_cycle)..).unwrap_or_default();
        (is_cycle || conflict.code == Code::NameTaken) && archived.any(|item| is_in(origins, &item.name))
    }

    /// Whether a segment that was to get another name, but was removed first, holds the declared name: a segment that
    /// segctl archives keeps its name.
    fn is_held_by_removed(&self, conflict: &Finding) -> bool {
        let Some(id) = conflict_holder_id(conflict).filter(|_| conflict.code == Code::NameTaken) else {
            return false;
        };
        let workspace = self.machine.workspace.lock().unwrap();
        let holder = workspace.ground_truth.segments.get(id);
        let mut removed = self.files.items().iter().filter(|item| !item.is_declared);
        holder.is_some_and(|holder| removed.any(|item| item.previous_names.contains(&holder.name)))
    }

    /// Whether a segment of the cycle refers to an archived segment now: the API may reject its definition in a temporary
    /// step.
    fn refers_to_archived(&self, cycle: &Finding) -> bool {
        let workspace = self.machine.workspace.lock().unwrap();
        let segments = &workspace.ground_truth.segments;
        let is_archived = |id: &String| segments.get(id).is_some_and(|segment| segment.is_archived);
        let mut items = self.files.items().iter().filter(|item| item.is_declared);
        items.any(|item| {
            let has_name = |name: &String| *name == item.name || item.previous_names.contains(name);
            let mut remotes = segments.values().filter(|segment| has_name(&segment.name));
            is_in(&cycle.origins, &item.name)
                && remotes.any(|segment| segment.meaning.refers_to.iter().any(is_archived))
        })
    }

    /// Whether an undeclared segment has the definition that a segment of the cycle should get.
    fn is_held_by_undeclared(&self, cycle: &Finding) -> bool {
        let workspace = self.machine.workspace.lock().unwrap();
        let items = self.files.items();
        let is_declared = |name: &str| items.iter().any(|item| item.is_declared && item.name == name);
        let removed = workspace.ground_truth.segments.values();
        let removed = removed.filter(|segment| !segment.is_archived && !is_declared(&segment.name));
        let held: BTreeSet<_> = removed.map(|segment| segment.meaning.amounts.clone()).collect();
        items.iter().any(|item| {
            item.is_declared && is_in(&cycle.origins, &item.name) && held.contains(&self.files.amounts(item))
        })
    }
}

/// The id of the segment that a conflict names first.
fn conflict_holder_id(conflict: &Finding) -> Option<&str> {
    conflict.remote_ids.first().map(SegmentId::as_str)
}

fn is_in(origins: &[Origin], name: &str) -> bool {
    let mut origins = origins.iter();
    origins.any(|origin| origin.file == format!("{name}.yaml"))
}
