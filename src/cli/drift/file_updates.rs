//! What the files would have to say to keep what changed in the workspace.

use super::super::edits::DeclarationPatch;
use crate::config::declaration::Declaration;
use crate::config::edit::{DeclarationUpdate, NameLookup, Patch, patch};
use crate::model::{Lifecycle, ObservedSegment, Reference, SegmentId, SegmentName};
use crate::plan::step::{Action, Cause, ChangeWithCause, Drift, LifecycleDrift, Plan};
use crate::reconcile::LoadedWorkspace;
use std::collections::{BTreeMap, BTreeSet};

/// What was found for the files.
#[derive(Default)]
pub(super) struct FileUpdates<'a> {
    /// What they would have to say.
    pub(super) patches: Vec<DeclarationPatch<'a>>,
    /// Segments of which they say it already.
    pub(super) already_in_files: BTreeSet<SegmentId>,
    /// Segments of which no file can say it, or not all of it, and why.
    pub(super) unwritable: BTreeMap<SegmentId, String>,
}

impl<'a> FileUpdates<'a> {
    /// Looks for the segments of a workspace in the files.
    ///
    /// A segment that was renamed is renamed wherever files refer to it, those of other workspaces that use its file
    /// included, or nowhere: then the rest of what changed about it is taken over all the same.
    pub(super) fn of(
        plan: &Plan,
        read: &LoadedWorkspace,
        (workspace, declarations): (&str, &'a [Declaration]),
    ) -> Self {
        let mut changed = Vec::new();
        for drift in &plan.drift {
            let name = plan.references.identities.declared_by_id.get(&drift.id);
            let declaration = declarations.iter().find(|declaration| {
                declaration.applies_to(workspace) && Some(&declaration.segment.name) == name
            });
            if let (Some(declaration), Some(live)) = (declaration, read.remote_segment(&drift.id)) {
                changed.push(DriftedSegment {
                    drift,
                    remote: live,
                    declaration,
                });
            }
        }
        let mut search = FileUpdateSearch {
            plan,
            declarations,
            drifted: changed,
            withheld_renames: BTreeMap::new(),
        };
        // Each round that fails withholds a name more.
        loop {
            if let Some(found) = search.try_build() {
                return found;
            }
        }
    }
}

/// New names by those that the files have.
type Renames = BTreeMap<SegmentName, SegmentName>;

/// A segment that changed in the workspace, and where it is declared.
struct DriftedSegment<'a, 'p> {
    drift: &'p Drift,
    remote: &'p ObservedSegment,
    declaration: &'a Declaration,
}

impl DriftedSegment<'_, '_> {
    /// The name that it was given, where its file has another one.
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
    /// Everything, unless a new name turns out to be one that some file cannot say.
    fn try_build(&mut self) -> Option<FileUpdates<'a>> {
        let mut found = FileUpdates::default();
        for declaration in self.declarations {
            let mut changed = self.drifted.iter();
            let changed = changed.position(|changed| std::ptr::eq(changed.declaration, declaration));
            let taken = match changed {
                Some(index) => self.own_patch(index, &mut found)?,
                None => None,
            };
            let patch = self.patch_with_renames(declaration, taken)?;
            if !patch.is_empty() {
                found.patches.push((declaration, patch));
            }
        }
        for (id, why) in &self.withheld_renames {
            found.unwritable.entry(id.clone()).or_insert_with(|| why.clone());
        }
        Some(found)
    }

    /// What changed about a segment itself, if its file can say it; nothing where its name is withheld from now on.
    fn own_patch(&mut self, index: usize, found: &mut FileUpdates<'_>) -> Option<Option<(usize, Patch)>> {
        let changed = self.drifted.get(index)?;
        let id = &changed.drift.id;
        let is_withheld = self.withheld_renames.contains_key(id);
        match self.build_patch(changed.declaration, Some(changed), &Renames::new()) {
            Ok(patch) => {
                if patch.is_empty() && !is_withheld {
                    found.already_in_files.insert(id.clone());
                }
                Some(Some((index, patch)))
            }
            Err(why) if is_withheld || changed.new_name().is_none() => {
                found.unwritable.insert(id.clone(), why);
                Some(None)
            }
            Err(why) => {
                self.withheld_renames
                    .insert(id.clone(), format!("the new name: {why}"));
                None
            }
        }
    }

    /// The edits of a file, with the new names of segments that it refers to; nothing where one of these is withheld
    /// from now on.
    fn patch_with_renames(
        &mut self,
        declaration: &Declaration,
        taken: Option<(usize, Patch)>,
    ) -> Option<Patch> {
        let renames = self.renames_in(declaration);
        let refers = renames.keys().any(|name| refers_to(declaration, name));
        let (changed, own) = match taken {
            Some((index, patch)) => (self.drifted.get(index), patch),
            None => (None, Patch::default()),
        };
        if renames.is_empty() || (changed.is_none() && !refers) {
            return Some(own);
        }
        let patch = if renames
            .keys()
            .any(|name| self.is_ambiguous_reference(declaration, name))
        {
            Err("in other workspaces it means another segment; bring the two together by hand".to_owned())
        } else {
            self.build_patch(declaration, changed, &renames)
        };
        if let Err(why) = &patch {
            self.withhold_renames(declaration, why);
        }
        patch.ok()
    }

    /// Whether a file's reference to `name` is one to several segments, each in workspaces of its own.
    fn is_ambiguous_reference(&self, declaration: &Declaration, name: &SegmentName) -> bool {
        let namesakes = self
            .declarations
            .iter()
            .filter(|other| other.segment.name == *name && share_workspace(other, declaration));
        refers_to(declaration, name) && namesakes.count() > 1
    }

    /// The renames that are to be taken over in a file: those of segments in a workspace that it is for, too.
    fn renames_in(&self, declaration: &Declaration) -> Renames {
        let renamed = self.drifted.iter().filter(|changed| {
            !self.withheld_renames.contains_key(&changed.drift.id)
                && share_workspace(changed.declaration, declaration)
        });
        let renames = renamed.filter_map(|changed| {
            Some((
                changed.declaration.segment.name.clone(),
                changed.new_name()?.clone(),
            ))
        });
        renames.collect()
    }

    /// Leaves the names alone that a file refers to and could not say, all where it refers to none of them.
    fn withhold_renames(&mut self, declaration: &Declaration, why: &str) {
        let renames = self.renames_in(declaration);
        let referred = |name: &SegmentName| refers_to(declaration, name);
        let any = renames.keys().any(referred);
        for changed in &self.drifted {
            let name = &changed.declaration.segment.name;
            if renames.contains_key(name) && (!any || referred(name)) {
                let file = declaration.file_name_and_text().0;
                let why = format!("the new name: `{file}` refers to the old one, and there {why}");
                self.withheld_renames.insert(changed.drift.id.clone(), why);
            }
        }
    }

    /// The edits that take the workspace's version of a segment into its file, and new names of those it refers to.
    fn build_patch(
        &self,
        declaration: &Declaration,
        changed: Option<&DriftedSegment<'_, '_>>,
        renames: &Renames,
    ) -> Result<Patch, String> {
        let ids = self.plan.references.ids_by_name.iter();
        let names: BTreeMap<&SegmentId, &SegmentName> = ids.map(|(name, id)| (id, name)).collect();
        let names = |id: &SegmentId| {
            let name = *names.get(id)?;
            Some(renames.get(name).unwrap_or(name).clone())
        };
        let mut wanted = DeclarationUpdate {
            renames: Some(renames),
            ..DeclarationUpdate::default()
        };
        if let Some(DriftedSegment {
            drift, remote: live, ..
        }) = changed
        {
            let (is_open, is_new) = drift_and_file_changes(self.plan, drift);
            if is_open && is_new {
                let why =
                    "its file says something new, too, which would be lost: bring the two together by hand";
                return Err(why.to_owned());
            }
            let definition = live.definition.as_ref().filter(|_| is_open);
            wanted.name = drift
                .renamed_to
                .as_ref()
                .filter(|_| !self.withheld_renames.contains_key(&drift.id));
            wanted.lifecycle = match drift.lifecycle {
                Some(LifecycleDrift::Archived | LifecycleDrift::AutoArchived) => Some(Lifecycle::Archived),
                Some(LifecycleDrift::Unarchived) => Some(Lifecycle::Active),
                Some(LifecycleDrift::Missing) | None => None,
            };
            wanted.definition = definition.map(|payload| (payload, &names as NameLookup<'_>));
        }
        patch(declaration, &wanted).map_err(|error| error.to_string())
    }
}

fn share_workspace(one: &Declaration, other: &Declaration) -> bool {
    match &one.workspaces {
        None => true,
        Some(names) => names.iter().any(|name| other.applies_to(name)),
    }
}

fn refers_to(declaration: &Declaration, name: &SegmentName) -> bool {
    let references = declaration.segment.contents.references().into_iter();
    references
        .filter_map(|reference| match reference {
            Reference::Name(other) => Some(other),
            Reference::Id { .. } => None,
        })
        .any(|other| other == name)
}

/// Of a definition that the workspace changed: whether its file lacks any of that, and whether it says something else
/// that is new.
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
        // What is not updated is as its file says, or put away: the file itself tells.
        return (true, false);
    }
    let changes = updates.into_iter().flatten();
    let (of_files, others): (Vec<_>, Vec<&ChangeWithCause>) =
        changes.partition(|changed| changed.cause == Some(Cause::Configuration));
    (!others.is_empty(), !of_files.is_empty())
}
