//! Passing steps: how a circle of segments that wait for each other's names or definitions is broken.
//!
//! One segment of the circle gives up early what the others wait for. Its name becomes a temporary one; its definition
//! becomes the wanted one wrapped in one more group, which has the same members. Where the wanted one would have to
//! wait for the circle itself, since it refers to a segment that the circle holds up, the present one is wrapped
//! instead. A later step gives it what it should have.

use super::actions::ProposedStep;
use super::limits::ReferenceLimits;
use super::step::{
    Action, ChangeWithCause, DesiredDefinition, ResolvedReferences, TemporaryChange, UpdateAction,
};
use super::uniqueness::UniquenessIndex;
use crate::definition::references::referenced_ids;
use crate::definition::{Digest, FieldChange};
use crate::model::{Lifecycle, ObservedWorkspace, SegmentId};
use std::collections::BTreeSet;

/// How often a definition is wrapped until nobody has it.
const MAX_WRAPS: usize = 4;

/// What a passing step has to give up, and what it may store for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequiredRelease {
    pub(super) name: bool,
    pub(super) definition: bool,
    /// Whether the wanted definition waits for the circle, so that the present one has to do.
    pub(super) desired_waits_for_cycle: bool,
}

/// What circles are broken with.
pub(super) struct CycleBreaker<'s, 'a> {
    pub(super) uniqueness: &'s UniquenessIndex<'a>,
    pub(super) limits: &'s ReferenceLimits<'a>,
    pub(super) references: &'s ResolvedReferences,
    pub(super) observed: &'s ObservedWorkspace,
    /// Definitions that drafts are about to take, passing ones among them.
    pub(super) desired_digests: BTreeSet<Digest>,
}

impl CycleBreaker<'_, '_> {
    /// The passing draft and the final one, in place of a draft that does all at once, with what the passing one gives
    /// up; `None` when this segment cannot pass.
    pub(super) fn split<'d>(
        &mut self,
        draft: &ProposedStep<'d>,
        mut need: RequiredRelease,
    ) -> Option<(ProposedStep<'d>, ProposedStep<'d>, RequiredRelease)> {
        let Action::Update(change) = &draft.action else {
            return None;
        };
        let present = self.current_definition(draft, change);
        if need.name && !need.definition && present.is_none() && !need.desired_waits_for_cycle {
            // The definition goes along, since the present one would not be taken again.
            need.definition = true;
        }
        let passing = match (need.name, need.definition) {
            (true, true) => TemporaryChange::Both,
            (true, false) => TemporaryChange::Name,
            (false, true) => TemporaryChange::Definition,
            (false, false) => return None,
        };
        let name = if need.name {
            Some(draft.name.temporary()).filter(|name| !self.uniqueness.is_name_held(name))?
        } else {
            change.target.remote_name.clone()
        };
        let wanted = match (need.definition, need.desired_waits_for_cycle) {
            (true, false) => self.wrapped_uniquely(&change.desired)?,
            (true, true) => self.wrapped_uniquely(&present?)?,
            (false, _) => present?,
        };
        self.desired_digests.insert(wanted.digests.exact);
        let mut target = change.target.clone();
        target.remote_name = name.clone();
        target.digest = Some(wanted.digests.exact);
        let renamed = (name != change.target.remote_name).then(|| ChangeWithCause {
            change: FieldChange::rename(&change.target.remote_name, &name),
            cause: None,
        });
        let with = |action| ProposedStep {
            action,
            ..draft.clone()
        };
        let first = with(Action::Update(UpdateAction {
            target: change.target.clone(),
            name,
            desired: wanted,
            changes: renamed.into_iter().collect(),
            temporary_change: Some(passing),
        }));
        let last = ProposedStep {
            adopts: false,
            ..with(Action::Update(UpdateAction {
                target,
                ..change.clone()
            }))
        };
        Some((first, last, need))
    }

    /// The definition that the segment has, if the service would take it again: it may refer to what was put away since.
    fn current_definition(
        &self,
        draft: &ProposedStep<'_>,
        change: &UpdateAction,
    ) -> Option<DesiredDefinition> {
        let payload = draft.remote?.definition.clone()?;
        let in_use = |id: &SegmentId| {
            let live = self.observed.segments.get(id);
            live.is_some_and(|live| live.lifecycle == Lifecycle::Active)
        };
        if !referenced_ids(&payload).iter().all(in_use) || !self.limits.allows(&payload) {
            return None;
        }
        let present = DesiredDefinition::new(payload, &self.references.identities);
        // What was read may be in a form that only the dashboard writes; what the file says is not.
        if present.digests.exact == change.desired.digests.exact {
            return Some(change.desired.clone());
        }
        Some(present)
    }

    /// The same members in a form that nobody has and nobody wants.
    fn wrapped_uniquely(&self, definition: &DesiredDefinition) -> Option<DesiredDefinition> {
        let mut wrapped = definition.wrapped(&self.references.identities);
        for _ in 0..MAX_WRAPS {
            let digests = &wrapped.digests;
            if !self.uniqueness.is_definition_held(digests) && !self.desired_digests.contains(&digests.exact)
            {
                return Some(wrapped).filter(|wrapped| self.limits.allows(wrapped.payload()));
            }
            wrapped = wrapped.wrapped(&self.references.identities);
        }
        None
    }
}
