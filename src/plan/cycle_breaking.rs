//! Temporary steps: how segments in a cycle free their names and definitions for each other.
//!
//! One segment of the cycle frees early what the others wait for. Its name becomes a temporary one. Its definition becomes
//! the desired one in one more group, which has the same members. If the desired definition references a segment that the
//! cycle delays, the current definition is wrapped instead. A later step sets the final values.

use super::actions::ProposedStep;
use super::context::PlanContext;
use super::limits::ReferenceLimits;
use super::step::{Action, ChangeWithCause, DesiredDefinition, TemporaryChange, UpdateAction};
use super::uniqueness::UniquenessIndex;
use crate::definition::{Digest, FieldChange, request_form, without_undocumented_fields};
use crate::model::{Lifecycle, SegmentId};
use std::collections::BTreeSet;

/// How many groups may be added until the definition is unique.
const MAX_WRAPS: usize = 4;

/// What a temporary step has to free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequiredRelease {
    pub(super) name: bool,
    pub(super) definition: bool,
    /// Whether the temporary step has to keep the current definition.
    pub(super) desired_waits_for_cycle: bool,
}

impl RequiredRelease {
    /// `None` if nothing has to be freed.
    fn temporary_change(self) -> Option<TemporaryChange> {
        match (self.name, self.definition) {
            (true, true) => Some(TemporaryChange::Both),
            (true, false) => Some(TemporaryChange::Name),
            (false, true) => Some(TemporaryChange::Definition),
            (false, false) => None,
        }
    }
}

/// The steps that replace one step of a cycle.
pub(super) struct SplitStep<'a> {
    pub(super) temporary: ProposedStep<'a>,
    pub(super) last: ProposedStep<'a>,
    /// What the temporary step frees.
    pub(super) release: RequiredRelease,
}

pub(super) struct CycleBreaker<'s, 'a> {
    pub(super) context: PlanContext<'s, 'a>,
    uniqueness: &'s UniquenessIndex<'s>,
    limits: &'s ReferenceLimits<'s>,
    /// Of final and temporary steps.
    desired_digests: BTreeSet<Digest>,
}

impl<'s, 'a> CycleBreaker<'s, 'a> {
    pub(super) fn new(
        context: PlanContext<'s, 'a>,
        steps: &[ProposedStep<'_>],
        uniqueness: &'s UniquenessIndex<'s>,
        limits: &'s ReferenceLimits<'s>,
    ) -> Self {
        let desired = steps.iter().filter_map(|step| step.action.desired());
        Self {
            context,
            uniqueness,
            limits,
            desired_digests: desired.map(|desired| desired.digests.exact).collect(),
        }
    }

    /// `is_unarchived`: whether a step unarchives the segment before.
    pub(super) fn split(
        &mut self,
        step: &ProposedStep<'a>,
        mut release: RequiredRelease,
        is_unarchived: &dyn Fn(&SegmentId) -> bool,
    ) -> Option<SplitStep<'a>> {
        let Action::Update(update) = &step.action else {
            return None;
        };
        let current = self.current_definition(step, update, is_unarchived);
        if release.name && !release.definition && current.is_none() && !release.desired_waits_for_cycle {
            // The API would reject the current definition.
            release.definition = true;
        }
        let temporary_change = release.temporary_change()?;
        let name = if release.name {
            Some(step.name.temporary()).filter(|name| !self.uniqueness.is_name_held(name))?
        } else {
            update.target.remote_name.clone()
        };
        let desired = match (release.definition, release.desired_waits_for_cycle) {
            (true, false) => self.wrapped_uniquely(&update.desired)?,
            (true, true) => self.wrapped_uniquely(&current?)?,
            (false, _) => current?,
        };
        self.desired_digests.insert(desired.digests.exact);
        let mut target = update.target.clone();
        target.remote_name = name.clone();
        target.digest = Some(desired.digests.exact);
        let renamed = (name != update.target.remote_name).then(|| ChangeWithCause {
            change: FieldChange::rename(&update.target.remote_name, &name),
            cause: None,
        });
        let with_action = |action| ProposedStep {
            action,
            ..step.clone()
        };
        let temporary = with_action(Action::Update(UpdateAction {
            target: update.target.clone(),
            name,
            desired,
            changes: renamed.into_iter().collect(),
            temporary_change: Some(temporary_change),
        }));
        let last = ProposedStep {
            adopts: false,
            ..with_action(Action::Update(UpdateAction {
                target,
                ..update.clone()
            }))
        };
        Some(SplitStep {
            temporary,
            last,
            release,
        })
    }

    /// `None` if the API would reject it now, for example because it references an archived segment.
    fn current_definition(
        &self,
        step: &ProposedStep<'_>,
        update: &UpdateAction,
        is_unarchived: &dyn Fn(&SegmentId) -> bool,
    ) -> Option<DesiredDefinition> {
        let definition = self.context.remote_digests.definition(step.remote?)?;
        let is_active = |id: &SegmentId| {
            let remote = self.context.input.observed.segments.get(id);
            remote.is_some_and(|remote| remote.lifecycle == Lifecycle::Active) || is_unarchived(id)
        };
        if !definition.referenced_ids().all(is_active) || !self.limits.allows_before_and_after(definition) {
            return None;
        }
        // The remote one may have a form that only the dashboard writes, with fields that no request may have. A rollback
        // keeps them, because it restores what was there; this definition lasts until the final step.
        let payload = request_form(&without_undocumented_fields(definition));
        let current = DesiredDefinition::new(payload, &self.context.matching.references.identities);
        if current.digests.exact == update.desired.digests.exact {
            return Some(update.desired.clone());
        }
        Some(current)
    }

    /// The same members in a form that no segment has or gets.
    fn wrapped_uniquely(&self, definition: &DesiredDefinition) -> Option<DesiredDefinition> {
        let mut wrapped = definition.wrapped(&self.context.matching.references.identities);
        for _ in 0..MAX_WRAPS {
            let digests = &wrapped.digests;
            if !self.uniqueness.is_definition_held(digests) && !self.desired_digests.contains(&digests.exact)
            {
                return Some(wrapped).filter(|wrapped| self.limits.allows(wrapped.payload()));
            }
            wrapped = wrapped.wrapped(&self.context.matching.references.identities);
        }
        None
    }
}
