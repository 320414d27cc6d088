//! Why a workspace cannot be as the files say although nothing goes wrong any more: what somebody did by hand, and what
//! nobody can know.

use super::ground_truth::{Author, SegmentChange};
use super::run_checker;
use super::simulation::Simulation;
use std::collections::BTreeSet;

impl Simulation {
    /// Whether what is left cannot be done for what somebody did by hand, or for what no list tells, and a message says
    /// so.
    pub(crate) fn are_failures_expected(&self, failures: &[String]) -> bool {
        let is_meddled = *self.has_manual_edits.lock().unwrap();
        let workspace = self.machine.workspace.lock().unwrap();
        let truth = &workspace.ground_truth;
        // A create of which nobody knew may be archived, and hidden, before anybody looks.
        let has_aged = truth.changes.iter().any(|change| change.author == Author::Expiry);
        // A segment that no list shows has a declared name, and the one that should have it has another.
        let has_namesake = self.files.items().iter().any(|item| {
            let live = truth.by_name(&item.name);
            item.is_declared && !item.is_archived && live.is_some_and(|(_, live)| live.is_archived)
        });
        // A declared name that nobody has any more and that stays reserved for a segment that was renamed.
        let is_reserved = !self.profile.settings.rename_frees_old_name
            && self.files.items().iter().any(|item| {
                let had_it = |change: &SegmentChange| change.after.name == item.name;
                item.is_declared
                    && !item.is_archived
                    && truth.by_name(&item.name).is_none()
                    && truth.changes.iter().any(had_it)
            });
        // A cohort that somebody gave another name takes what is sent under the one that it should have.
        let is_renamed = self.files.items().iter().any(|item| {
            let keyed = item
                .list
                .as_ref()
                .and_then(|list| truth.by_cohort_key(&list.key()));
            item.is_declared && keyed.is_some_and(|(_, live)| live.name != item.name)
        });
        let is_archiving_unseen = self.profile.settings.list_includes_archived;
        let is_told = |message: &String| {
            let is_named = message.contains("another segment has the name")
                || message.contains(run_checker::COHORT_DROPPED_MESSAGE);
            let is_taken = message.contains("is reserved for a segment")
                || message.contains("already has this definition");
            let is_away = message.contains("limit of active segments is reached")
                || message.contains("the referenced segment");
            (has_namesake || is_meddled && is_reserved) && is_named
                || is_meddled && is_renamed && message.contains(run_checker::COHORT_DROPPED_MESSAGE)
                || (is_meddled || has_aged) && is_taken
                || is_archiving_unseen && is_away
        };
        !failures.is_empty() && failures.iter().all(is_told)
    }

    /// Whether every conflict comes of the workspace's rules, of what is put away, or of another conflict.
    pub(crate) fn are_conflicts_expected(&self, conflicts: &[String]) -> bool {
        let is_explained = |why: &String| {
            self.profile.explains(why)
                || self.is_held_by_archived(why)
                || self.is_held_by_unrecorded_create(why)
                || self.is_created_externally(why)
        };
        let (explained, others): (Vec<_>, Vec<_>) = conflicts.iter().partition(|why| is_explained(why));
        // Of a segment that is in conflict nothing is known to be given up.
        others.iter().all(|why| {
            let mut explained = explained.iter();
            why.starts_with("DefinitionTaken")
                && conflict_holder_id(why).is_some_and(|id| explained.any(|other| other.contains(id)))
        })
    }

    /// Whether somebody else made what files declare: of another kind, or with people of whom nobody knows.
    fn is_created_externally(&self, why: &str) -> bool {
        let Some(id) = conflict_holder_id(why) else {
            return false;
        };
        let workspace = self.machine.workspace.lock().unwrap();
        let is_other = workspace.ground_truth.segments.get(id).is_some_and(|live| {
            let mut items = self.files.items().iter();
            items.any(|item| item.is_declared && item.name == live.name && item.kind() != live.kind)
        });
        let is_unknown = !self.forces_upload
            && (workspace.external_people.contains_key(id) || workspace.was_delivered_twice(id));
        why.starts_with("KindTaken") && is_other || why.starts_with("MembersUnknown") && is_unknown
    }

    /// Whether a definition is held by a segment that a run made without ever hearing of it, and that no file declares any
    /// more.
    fn is_held_by_unrecorded_create(&self, why: &str) -> bool {
        let Some(id) = conflict_holder_id(why).filter(|_| why.starts_with("DefinitionTaken")) else {
            return false;
        };
        let workspace = self.machine.workspace.lock().unwrap();
        let Some(live) = workspace.ground_truth.segments.get(id) else {
            return false;
        };
        let mut items = self.files.items().iter();
        let is_declared = items.any(|item| item.is_declared && item.name == live.name);
        let mut changes = workspace.ground_truth.changes.iter();
        let made = changes.find(|change| change.id == id);
        let is_by_run = made
            .is_some_and(|made| matches!(made.author, Author::Run(_) | Author::LateRequest(_)))
            && !workspace.ground_truth.confirmed_creates.contains(id);
        is_by_run && !is_declared && !self.is_managed(id)
    }

    /// Whether a name is held by a segment that should be archived under another name, or references go through such
    /// segments in circles, as they do in the files, or end at one that has the definition of another: what is put away is
    /// neither renamed nor changed.
    fn is_held_by_archived(&self, why: &str) -> bool {
        let mut archived = self.files.items().iter().filter(|item| item.is_archived);
        let holder = why.split("holder:").nth(1).unwrap_or_default();
        let is_cycle = why.starts_with("Cycle");
        if is_cycle && (self.files.has_reference_cycle() || self.is_held_by_undeclared(why)) {
            return true;
        }
        let holder = if is_cycle { why } else { holder };
        (is_cycle || why.starts_with("NameTaken"))
            && archived.any(|item| holder.contains(&format!("file: \"{}.yaml\"", item.name)))
    }

    /// Whether a segment in a circle is to have the definition of one that no file declares any more.
    fn is_held_by_undeclared(&self, cycle: &str) -> bool {
        let workspace = self.machine.workspace.lock().unwrap();
        let items = self.files.items();
        let is_declared = |name: &str| items.iter().any(|item| item.is_declared && item.name == name);
        let removed = workspace.ground_truth.segments.values();
        let removed = removed.filter(|live| !live.is_archived && !is_declared(&live.name));
        let held: BTreeSet<_> = removed.map(|live| live.meaning.amounts.clone()).collect();
        items.iter().any(|item| {
            let file = format!("file: \"{}.yaml\"", item.name);
            item.is_declared && cycle.contains(&file) && held.contains(&self.files.amounts(item))
        })
    }
}

/// The id of the segment that holds what a conflict is about.
fn conflict_holder_id(conflict: &str) -> Option<&str> {
    let id = conflict.split("id: SegmentId(\"").nth(1)?;
    id.split('"').next()
}
