//! Plans, and reads the definitions that the plan depends on.

use super::{LoadedWorkspace, ReconcileError, Reconciler};
use crate::api::{Clock, Transport};
use crate::model::{ObservedWorkspace, SegmentId, SegmentName};
use crate::observe::Refresh;
use crate::plan::rereads::{definitions_behind, possible_references};
use crate::plan::step::Plan;
use crate::plan::{Planned, plan, planned};
use crate::state::State;
use std::collections::BTreeSet;

/// A plan of the definitions that were read when it was made.
struct CurrentPlan {
    planned: Planned,
    changing_reads: usize,
}

impl LoadedWorkspace {
    fn current_plan(&self) -> CurrentPlan {
        CurrentPlan {
            planned: planned(&self.plan_input()),
            changing_reads: self.changing_reads,
        }
    }

    /// Segments without a definition count if the plan writes one, which may conflict with theirs.
    fn ids_to_read_for(&self, planned: &Planned) -> BTreeSet<SegmentId> {
        let plan = &planned.plan;
        let mut ids = BTreeSet::new();
        let has_unknown_references = || !possible_references(plan, &self.observed).is_empty();
        let reads_all = self.request.refresh == Refresh::Full && has_unknown_references();
        if reads_all || plan.definition_writes().next().is_some() {
            ids = self.scope().ids_without_definition(&self.observed);
        }
        if self.request.refresh != Refresh::None {
            ids.extend(definitions_behind(planned, &self.observed));
        }
        ids.retain(|id| !self.observed.fetched.contains(id));
        ids
    }

    /// Removes the segments that the selection excludes, and returns them.
    fn retain_examined(&mut self, plan: &Plan) -> BTreeSet<SegmentId> {
        let selection = &self.request.selection;
        let Some(selected) = selection.names_with_references(&self.request.declared) else {
            return BTreeSet::new();
        };
        let (state, observed) = (&self.state, &self.observed);
        let declared = &plan.references.identities.declared_by_id;
        let is_selected = |id: &SegmentId| {
            let names: Vec<&SegmentName> = names_of(id, state, observed)
                .into_iter()
                .chain(declared.get(id))
                .collect();
            selection.includes(&names) || names.iter().any(|name| selected.contains(name))
        };
        let (examined, excluded) = std::mem::take(&mut self.examined)
            .into_iter()
            .partition(is_selected);
        self.examined = examined;
        excluded
    }

    /// The segments in the state that the selection includes, by any of their names.
    pub(super) fn drift_targets(&self) -> BTreeSet<SegmentId> {
        // Enough to match segments: the list, the state and the cached definitions.
        let plan = plan(&self.plan_input());
        let declared = &plan.references.identities.declared_by_id;
        let is_target = |id: &&SegmentId| {
            let names = names_of(id, &self.state, &self.observed).into_iter();
            let names: Vec<&SegmentName> = names.chain(declared.get(*id)).collect();
            self.request.selection.includes(&names)
        };
        let entries = self.state.managed_entries();
        entries
            .map(|entry| &entry.id)
            .filter(is_target)
            .cloned()
            .collect()
    }
}

/// The names that the state and MoEngage have for a segment.
fn names_of<'w>(id: &SegmentId, state: &'w State, observed: &'w ObservedWorkspace) -> Vec<&'w SegmentName> {
    let recorded = state.managed_entry(id).map(|entry| &entry.name);
    let remote = observed.segments.get(id).map(|remote| &remote.name);
    recorded.into_iter().chain(remote).collect()
}

impl<T: Transport, C: Clock> Reconciler<T, C> {
    /// Compares the member lists and plans. Reads the definitions that the plan depends on, then, without a wait, those that
    /// may reference an archived segment, and then, as far as the refresh mode allows, others. A definition that changed
    /// leads to another plan.
    pub async fn plan(&self, workspace: &mut LoadedWorkspace) -> Result<Plan, ReconcileError> {
        workspace.load_member_lists(&self.store, &self.on_note).await?;
        let mut current = workspace.current_plan();
        self.read_what_decides(workspace, &mut current).await?;
        if workspace.request.refresh != Refresh::None {
            let ids = possible_references(&current.planned.plan, &workspace.observed).into_iter();
            let unread = ids
                .filter(|id| !workspace.observed.fetched.contains(id))
                .collect();
            self.reread_without_waiting(workspace, unread).await?;
            self.read_what_decides(workspace, &mut current).await?;
        }
        let excluded = workspace.retain_examined(&current.planned.plan);
        if workspace.request.refresh == Refresh::Auto {
            // First what the plan is about, and then the segments that `--target` and `--exclude` exclude.
            let oldest_first = |ids| workspace.scope().cached_oldest_first(ids, &workspace.observed);
            let cached = [oldest_first(&workspace.examined), oldest_first(&excluded)].concat();
            self.reread_without_waiting(workspace, cached).await?;
            self.read_what_decides(workspace, &mut current).await?;
        }
        Ok(current.planned.plan)
    }

    /// Reads every definition that the plan depends on. Plans again only after a read that changed something.
    async fn read_what_decides(
        &self,
        workspace: &mut LoadedWorkspace,
        current: &mut CurrentPlan,
    ) -> Result<(), ReconcileError> {
        loop {
            if current.changing_reads != workspace.changing_reads {
                *current = workspace.current_plan();
            }
            let ids = workspace.ids_to_read_for(&current.planned);
            if ids.is_empty() {
                return Ok(());
            }
            self.read(workspace, ids, None).await?;
        }
    }
}
