//! The changes of segment files that accept the drift of a workspace.

use super::super::edits::DeclarationPatch;
use super::super::project::SelectedWorkspace;
use crate::config::declaration::Declaration;
use crate::config::edit::{DeclarationUpdate, NameLookup, Patch, patch};
use crate::model::{Lifecycle, ObservedSegment, Reference, SegmentId, SegmentName};
use crate::plan::step::{Action, Cause, ChangeWithCause, Drift, LifecycleDrift, Plan};
use crate::reconcile::LoadedWorkspace;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct FileUpdates<'a> {
    pub(super) patches: Vec<DeclarationPatch<'a>>,
    /// Segments whose files contain the drift already.
    pub(super) already_in_files: BTreeSet<SegmentId>,
    /// Segments whose drift, or a part of it, cannot be written, and why.
    pub(super) unwritable: BTreeMap<SegmentId, String>,
}

impl<'a> FileUpdates<'a> {
    /// Finds the patches for all drift of a plan.
    ///
    /// A rename is written to every file that refers to the segment, including files of other workspaces, or to none. If
    /// it cannot be written, the rest of the drift still is.
    pub(super) fn of(plan: &Plan, read: &LoadedWorkspace, workspace: SelectedWorkspace<'a>) -> Self {
        let drifted = plan.drift.iter().filter_map(|drift| {
            let name = plan.references.identities.declared_by_id.get(&drift.id)?;
            Some(DriftedSegment {
                drift,
                remote: read.remote_segment(&drift.id)?,
                declaration: workspace.declaration(name)?,
            })
        });
        let mut search = FileUpdateSearch {
            plan,
            declarations: &workspace.project.loaded.declarations,
            drifted: drifted.collect(),
            withheld_renames: BTreeMap::new(),
        };
        // Each failed attempt withholds one more rename, so this ends.
        loop {
            if let Some(updates) = search.try_build() {
                return updates;
            }
        }
    }
}

/// New names by the names in the files.
type Renames = BTreeMap<SegmentName, SegmentName>;

struct DriftedSegment<'a, 'p> {
    drift: &'p Drift,
    remote: &'p ObservedSegment,
    declaration: &'a Declaration,
}

impl DriftedSegment<'_, '_> {
    /// The remote name, if the file has another one.
    fn new_name(&self) -> Option<&SegmentName> {
        let name = self.drift.renamed_to.as_ref();
        name.filter(|name| **name != self.declaration.segment.name)
    }
}

struct FileUpdateSearch<'a, 'p> {
    plan: &'p Plan,
    declarations: &'a [Declaration],
    drifted: Vec<DriftedSegment<'a, 'p>>,
    /// Segments that keep their name in the files, and why.
    withheld_renames: BTreeMap<SegmentId, String>,
}

impl<'a> FileUpdateSearch<'a, '_> {
    /// `None` if one more rename has to be withheld.
    fn try_build(&mut self) -> Option<FileUpdates<'a>> {
        let mut updates = FileUpdates::default();
        for declaration in self.declarations {
            let mut drifted = self.drifted.iter();
            let index = drifted.position(|drifted| std::ptr::eq(drifted.declaration, declaration));
            let own_patch = match index {
                Some(index) => self.own_patch(index, &mut updates)?,
                None => None,
            };
            let patch = self.patch_with_renames(declaration, own_patch)?;
            if !patch.is_empty() {
                updates.patches.push((declaration, patch));
            }
        }
        for (id, reason) in &self.withheld_renames {
            let unwritable = updates.unwritable.entry(id.clone());
            unwritable.or_insert_with(|| reason.clone());
        }
        Some(updates)
    }

    /// The patch for the drift of one segment, if it can be written. `None` if its rename is withheld from now on.
    fn own_patch(&mut self, index: usize, updates: &mut FileUpdates<'_>) -> Option<Option<(usize, Patch)>> {
        let drifted = self.drifted.get(index)?;
        let id = &drifted.drift.id;
        let is_withheld = self.withheld_renames.contains_key(id);
        match self.build_patch(drifted.declaration, Some(drifted), &Renames::new()) {
            Ok(patch) => {
                if patch.is_empty() && !is_withheld {
                    updates.already_in_files.insert(id.clone());
                }
                Some(Some((index, patch)))
            }
            Err(reason) if is_withheld || drifted.new_name().is_none() => {
                updates.unwritable.insert(id.clone(), reason);
                Some(None)
            }
            Err(reason) => {
                let reason = format!("the new name: {reason}");
                self.withheld_renames.insert(id.clone(), reason);
                None
            }
        }
    }

    /// The patch of a file, with the new names of referenced segments. `None` if one of them is withheld from now on.
    fn patch_with_renames(
        &mut self,
        declaration: &Declaration,
        own_patch: Option<(usize, Patch)>,
    ) -> Option<Patch> {
        let renames = self.renames_in(declaration);
        let has_reference = renames.keys().any(|name| refers_to(declaration, name));
        let (drifted, own_patch) = match own_patch {
            Some((index, patch)) => (self.drifted.get(index), patch),
            None => (None, Patch::default()),
        };
        if renames.is_empty() || (drifted.is_none() && !has_reference) {
            return Some(own_patch);
        }
        let mut names = renames.keys();
        let patch = if names.any(|name| self.is_ambiguous_reference(declaration, name)) {
            Err("in other workspaces this name means another segment; merge manually".to_owned())
        } else {
            self.build_patch(declaration, drifted, &renames)
        };
        if let Err(reason) = &patch {
            self.withhold_renames(declaration, reason);
        }
        patch.ok()
    }

    /// Whether a reference to `name` means different segments in different workspaces.
    fn is_ambiguous_reference(&self, declaration: &Declaration, name: &SegmentName) -> bool {
        let namesakes = self
            .declarations
            .iter()
            .filter(|other| other.segment.name == *name && share_workspace(other, declaration));
        refers_to(declaration, name) && namesakes.count() > 1
    }

    /// The renames of segments that share a workspace with a file.
    fn renames_in(&self, declaration: &Declaration) -> Renames {
        let renamed = self.drifted.iter().filter(|drifted| {
            !self.withheld_renames.contains_key(&drifted.drift.id)
                && share_workspace(drifted.declaration, declaration)
        });
        let renames = renamed.filter_map(|drifted| {
            let old_name = drifted.declaration.segment.name.clone();
            Some((old_name, drifted.new_name()?.clone()))
        });
        renames.collect()
    }

    /// Withholds the renames that a file refers to and cannot contain. If it refers to none, withholds all.
    fn withhold_renames(&mut self, declaration: &Declaration, reason: &str) {
        let renames = self.renames_in(declaration);
        let is_referenced = |name: &SegmentName| refers_to(declaration, name);
        let has_reference = renames.keys().any(is_referenced);
        for drifted in &self.drifted {
            let name = &drifted.declaration.segment.name;
            if renames.contains_key(name) && (!has_reference || is_referenced(name)) {
                let file = declaration.file_name_and_text().0;
                let reason = format!("the new name: `{file}` refers to the old name: {reason}");
                self.withheld_renames.insert(drifted.drift.id.clone(), reason);
            }
        }
    }

    /// The edits of one file: the drift of its segment, and the new names of referenced segments.
    fn build_patch(
        &self,
        declaration: &Declaration,
        drifted: Option<&DriftedSegment<'_, '_>>,
        renames: &Renames,
    ) -> Result<Patch, String> {
        let ids = self.plan.references.ids_by_name.iter();
        let names: BTreeMap<&SegmentId, &SegmentName> = ids.map(|(name, id)| (id, name)).collect();
        let names = |id: &SegmentId| {
            let name = *names.get(id)?;
            Some(renames.get(name).unwrap_or(name).clone())
        };
        let mut update = DeclarationUpdate {
            renames: Some(renames),
            ..DeclarationUpdate::default()
        };
        if let Some(DriftedSegment { drift, remote, .. }) = drifted {
            let (has_drift, has_file_changes) = drift_and_file_changes(self.plan, drift);
            if has_drift && has_file_changes {
                return Err("conflict: the file has changes, too; merge manually".to_owned());
            }
            let definition = remote.definition.as_deref().filter(|_| has_drift);
            let is_withheld = self.withheld_renames.contains_key(&drift.id);
            update.name = drift.renamed_to.as_ref().filter(|_| !is_withheld);
            update.lifecycle = match drift.lifecycle {
                Some(LifecycleDrift::Archived | LifecycleDrift::AutoArchived) => Some(Lifecycle::Archived),
                Some(LifecycleDrift::Unarchived) => Some(Lifecycle::Active),
                Some(LifecycleDrift::Missing) | None => None,
            };
            update.definition = definition.map(|payload| (payload, &names as NameLookup<'_>));
        }
        patch(declaration, &update).map_err(|error| error.to_string())
    }
}

fn share_workspace(one: &Declaration, other: &Declaration) -> bool {
    match &one.workspaces {
        None => true,
        Some(names) => names.iter().any(|name| other.applies_to(name)),
    }
}

fn refers_to(declaration: &Declaration, name: &SegmentName) -> bool {
    let mut references = declaration.segment.contents.references().iter();
    references.any(|reference| matches!(reference, Reference::Name(other) if other == name))
}

/// For a definition that changed in the workspace: whether its file lacks a part of that, and whether the file has other
/// changes.
fn drift_and_file_changes(plan: &Plan, drift: &Drift) -> (bool, bool) {
    if drift.changes.is_empty() {
        return (false, false);
    }
    let updates = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Update(update) if update.target.id == drift.id => Some(&update.changes),
        _ => None,
    });
    let updates: Vec<_> = updates.collect();
    if updates.is_empty() {
        // The segment matches its file, or is archived. Then the patch shows whether the file lacks the drift.
        return (true, false);
    }
    let changes = updates.into_iter().flatten();
    let (of_file, of_workspace): (Vec<_>, Vec<&ChangeWithCause>) =
        changes.partition(|change| change.cause == Some(Cause::Configuration));
    (!of_workspace.is_empty(), !of_file.is_empty())
}
