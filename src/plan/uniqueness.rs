//! Who has which name and which definition before the first step, and who gives them up.
//!
//! Names belong to every segment, archived or not. Definitions belong to active ones, and to archived ones that the
//! plan takes out again or where a workspace says that archived definitions block others.

use super::PlanInput;
use super::actions::ProposedStep;
use super::matching::Matching;
use super::remote_digests::RemoteDigests;
use super::segment_key::SegmentKey;
use super::step::Action;
use crate::definition::{Digest, Digests};
use crate::model::{Lifecycle, ObservedSegment, SegmentId, SegmentName};
use std::collections::HashMap;

/// Names and definitions by holder.
pub(super) struct UniquenessIndex<'a> {
    remote_digests: &'a RemoteDigests<'a>,
    holders_by_name: &'a HashMap<&'a SegmentName, &'a ObservedSegment>,
    /// Former names that the ledger knows, where a rename does not free them.
    reserved_names: HashMap<&'a SegmentName, &'a SegmentId>,
    /// By the unordered digest: what has the same exact one is among them.
    holders_by_definition: HashMap<&'a Digest, Vec<&'a ObservedSegment>>,
    /// Drafts by the segment that they change.
    steps_by_segment: HashMap<SegmentKey, Vec<usize>>,
    renames_free_names: bool,
    archives_free_definitions: bool,
}

impl<'a> UniquenessIndex<'a> {
    pub(super) fn of(
        situation: &PlanInput<'a>,
        drafts: &[ProposedStep<'a>],
        (matches, forms): (&'a Matching<'a>, &'a RemoteDigests<'a>),
    ) -> Self {
        let behaviour = situation.policy.api_behavior;
        let count = situation.observed.segments.len();
        let mut holdings = Self {
            holders_by_name: &matches.remote_by_name,
            reserved_names: HashMap::new(),
            holders_by_definition: HashMap::with_capacity(count),
            steps_by_segment: HashMap::with_capacity(drafts.len()),
            remote_digests: forms,
            renames_free_names: behaviour.rename_frees_names,
            archives_free_definitions: !behaviour.archived_definitions_conflict,
        };
        for (index, draft) in drafts.iter().enumerate() {
            if let Some(live) = draft.remote {
                holdings
                    .steps_by_segment
                    .entry(SegmentKey::of(live))
                    .or_default()
                    .push(index);
            }
        }
        if !behaviour.rename_frees_names {
            let entries = situation.state.managed_entries();
            // Nothing is ever deleted, so what is gone was of another workspace, and so were its names.
            let entries = entries.filter(|entry| situation.observed.segments.contains_key(&entry.id));
            let former =
                entries.flat_map(|entry| entry.previous_names.iter().map(move |name| (name, &entry.id)));
            holdings.reserved_names.extend(former);
        }
        for live in situation.observed.segments.values() {
            holdings.add_definition(live, drafts);
        }
        holdings
    }

    fn add_definition(&mut self, live: &'a ObservedSegment, drafts: &[ProposedStep<'a>]) {
        let Some(digests) = self.remote_digests.digests(live) else {
            return;
        };
        // What is put away although it seems to be away already may be in use.
        let is_moved = || {
            self.steps_on(live)
                .filter_map(|index| drafts.get(index))
                .any(|draft| matches!(draft.action, Action::Unarchive(_) | Action::Archive(_)))
        };
        if live.lifecycle == Lifecycle::Active || !self.archives_free_definitions || is_moved() {
            let holders = self.holders_by_definition.entry(&digests.unordered);
            holders.or_default().push(live);
        }
    }

    /// The segments that a live one refers to.
    pub(super) fn referenced_segments(&self, live: &ObservedSegment) -> &[SegmentId] {
        self.remote_digests.referenced_segments(live)
    }

    /// The drafts that change a live segment.
    pub(super) fn steps_on(&self, live: &ObservedSegment) -> impl Iterator<Item = usize> {
        self.steps_by_segment
            .get(&SegmentKey::of(live))
            .into_iter()
            .flatten()
            .copied()
    }

    /// Who has the name that a draft takes; nobody when the draft takes none.
    pub(super) fn name_holder(&self, draft: &ProposedStep<'_>) -> Option<&'a ObservedSegment> {
        let holder = self
            .holders_by_name
            .get(draft.name)
            .copied()
            .filter(|_| draft.acquires_name());
        holder.filter(|holder| !is_target(draft, &holder.id))
    }

    /// Who had the name that a draft takes, where it stays reserved.
    pub(super) fn reserved_name_holder(&self, draft: &ProposedStep<'_>) -> Option<&'a SegmentId> {
        let id = self
            .reserved_names
            .get(draft.name)
            .copied()
            .filter(|_| draft.acquires_name());
        id.filter(|id| !is_target(draft, id))
    }

    /// Who has the very definition that a draft stores.
    pub(super) fn exact_definition_holders(&self, draft: &ProposedStep<'_>) -> Vec<&'a ObservedSegment> {
        let Some(wanted) = draft.action.desired() else {
            return Vec::new();
        };
        let mut holders = self.equivalent_definition_holders(draft);
        holders.retain(|live| self.has_definition(live, &wanted.digests));
        holders
    }

    /// Who has the definition that a draft stores, or the same filters in another form.
    pub(super) fn equivalent_definition_holders(&self, draft: &ProposedStep<'_>) -> Vec<&'a ObservedSegment> {
        let wanted = draft.action.desired();
        let holders = wanted.and_then(|wanted| self.holders_by_definition.get(&wanted.digests.unordered));
        let holders = holders.into_iter().flatten().copied();
        let target = draft.remote.map(SegmentKey::of);
        holders
            .filter(|live| target != Some(SegmentKey::of(live)))
            .collect()
    }

    /// Whether anybody has this very definition.
    pub(super) fn is_definition_held(&self, definition: &Digests) -> bool {
        let mut alike = self
            .holders_by_definition
            .get(&definition.unordered)
            .into_iter()
            .flatten();
        alike.any(|live| self.has_definition(live, definition))
    }

    fn has_definition(&self, live: &ObservedSegment, definition: &Digests) -> bool {
        let digests = self.remote_digests.digests(live);
        digests.is_some_and(|digests| digests.exact == definition.exact)
    }

    /// Whether anybody has this name, or keeps it reserved.
    pub(super) fn is_name_held(&self, name: &SegmentName) -> bool {
        self.holders_by_name.contains_key(name) || self.reserved_names.contains_key(name)
    }

    /// The draft after which the name of `live` is not its own any more; whether others can have it then is another
    /// matter.
    pub(super) fn step_releasing_name(
        &self,
        live: &ObservedSegment,
        drafts: &[ProposedStep<'_>],
    ) -> Option<usize> {
        self.steps_on(live).find(|index| {
            let action = drafts.get(*index).map(|draft| &draft.action);
            matches!(action, Some(Action::Update(change)) if change.renames())
        })
    }

    /// Whether others can have a name that was given up.
    pub(super) fn renames_free_names(&self) -> bool {
        self.renames_free_names
    }

    /// The draft after which the definition of `live` is free.
    pub(super) fn step_releasing_definition(
        &self,
        live: &ObservedSegment,
        drafts: &[ProposedStep<'_>],
    ) -> Option<usize> {
        self.step_releasing(live, drafts, |digests| &digests.exact)
    }

    /// The draft after which the definition of `live` is free in every form.
    pub(super) fn step_releasing_equivalents(
        &self,
        live: &ObservedSegment,
        drafts: &[ProposedStep<'_>],
    ) -> Option<usize> {
        self.step_releasing(live, drafts, |digests| &digests.unordered)
    }

    fn step_releasing(
        &self,
        live: &ObservedSegment,
        drafts: &[ProposedStep<'_>],
        form: fn(&Digests) -> &Digest,
    ) -> Option<usize> {
        let before = self.remote_digests.digests(live).map(form);
        self.steps_on(live)
            .find(|index| match drafts.get(*index).map(|draft| &draft.action) {
                Some(Action::Update(change)) => before != Some(form(&change.desired.digests)),
                Some(Action::Archive(_)) => self.archives_free_definitions,
                Some(
                    Action::Create(_)
                    | Action::Unarchive(_)
                    | Action::SyncCohort(_)
                    | Action::UploadUserList(_),
                )
                | None => false,
            })
    }
}

fn is_target(draft: &ProposedStep<'_>, id: &SegmentId) -> bool {
    draft.remote.is_some_and(|live| live.id == *id)
}
