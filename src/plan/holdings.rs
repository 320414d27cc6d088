//! Who has which name and which definition before the first step, and who gives them up.
//!
//! Names belong to every segment, archived or not. Definitions belong to active ones, and to archived ones that the
//! plan takes out again or where a workspace says that archived definitions block others.

use super::Situation;
use super::change::Draft;
use super::forms::Forms;
use super::identity::Matches;
use super::same::Same;
use super::step::Action;
use crate::definition::{Digest, Digests};
use crate::model::{Lifecycle, LiveSegment, SegmentId, SegmentName};
use std::collections::HashMap;

/// Names and definitions by holder.
pub(super) struct Holdings<'a> {
    forms: &'a Forms<'a>,
    names: &'a HashMap<&'a SegmentName, &'a LiveSegment>,
    /// Former names that the ledger knows, where a rename does not free them.
    reserved: HashMap<&'a SegmentName, &'a SegmentId>,
    /// By the unordered digest: what has the same exact one is among them.
    definitions: HashMap<&'a Digest, Vec<&'a LiveSegment>>,
    /// Drafts by the segment that they change.
    drafts: HashMap<Same, Vec<usize>>,
    renames_free: bool,
    archives_free: bool,
}

impl<'a> Holdings<'a> {
    pub(super) fn of(
        situation: &Situation<'a>,
        drafts: &[Draft<'a>],
        (matches, forms): (&'a Matches<'a>, &'a Forms<'a>),
    ) -> Self {
        let behaviour = situation.policy.behaviour;
        let count = situation.observed.segments.len();
        let mut holdings = Self {
            names: &matches.live_by_name,
            reserved: HashMap::new(),
            definitions: HashMap::with_capacity(count),
            drafts: HashMap::with_capacity(drafts.len()),
            forms,
            renames_free: behaviour.rename_frees_names,
            archives_free: !behaviour.archived_definitions_conflict,
        };
        for (index, draft) in drafts.iter().enumerate() {
            if let Some(live) = draft.live {
                holdings.drafts.entry(Same::of(live)).or_default().push(index);
            }
        }
        if !behaviour.rename_frees_names {
            let entries = situation.ledger.entries();
            // Nothing is ever deleted, so what is gone was of another workspace, and so were its names.
            let entries = entries.filter(|entry| situation.observed.segments.contains_key(&entry.id));
            let former =
                entries.flat_map(|entry| entry.former_names.iter().map(move |name| (name, &entry.id)));
            holdings.reserved.extend(former);
        }
        for live in situation.observed.segments.values() {
            holdings.add_definition(live, drafts);
        }
        holdings
    }

    fn add_definition(&mut self, live: &'a LiveSegment, drafts: &[Draft<'a>]) {
        let Some(digests) = self.forms.digests(live) else {
            return;
        };
        // What is put away although it seems to be away already may be in use.
        let is_moved = || {
            self.drafts_on(live)
                .filter_map(|index| drafts.get(index))
                .any(|draft| matches!(draft.action, Action::Unarchive(_) | Action::Archive(_)))
        };
        if live.lifecycle == Lifecycle::Active || !self.archives_free || is_moved() {
            let holders = self.definitions.entry(&digests.unordered);
            holders.or_default().push(live);
        }
    }

    /// The segments that a live one refers to.
    pub(super) fn refers_to(&self, live: &LiveSegment) -> &[SegmentId] {
        self.forms.refers_to(live)
    }

    /// The drafts that change a live segment.
    pub(super) fn drafts_on(&self, live: &LiveSegment) -> impl Iterator<Item = usize> {
        self.drafts.get(&Same::of(live)).into_iter().flatten().copied()
    }

    /// Who has the name that a draft takes; nobody when the draft takes none.
    pub(super) fn name_holder(&self, draft: &Draft<'_>) -> Option<&'a LiveSegment> {
        let holder = self.names.get(draft.name).copied().filter(|_| draft.takes_name());
        holder.filter(|holder| !is_target(draft, &holder.id))
    }

    /// Who had the name that a draft takes, where it stays reserved.
    pub(super) fn name_reserver(&self, draft: &Draft<'_>) -> Option<&'a SegmentId> {
        let id = self
            .reserved
            .get(draft.name)
            .copied()
            .filter(|_| draft.takes_name());
        id.filter(|id| !is_target(draft, id))
    }

    /// Who has the very definition that a draft stores.
    pub(super) fn definition_holders(&self, draft: &Draft<'_>) -> Vec<&'a LiveSegment> {
        let Some(wanted) = draft.action.wanted() else {
            return Vec::new();
        };
        let mut holders = self.likely_holders(draft);
        holders.retain(|live| self.has(live, &wanted.digests));
        holders
    }

    /// Who has the definition that a draft stores, or the same filters in another form.
    pub(super) fn likely_holders(&self, draft: &Draft<'_>) -> Vec<&'a LiveSegment> {
        let wanted = draft.action.wanted();
        let holders = wanted.and_then(|wanted| self.definitions.get(&wanted.digests.unordered));
        let holders = holders.into_iter().flatten().copied();
        let target = draft.live.map(Same::of);
        holders.filter(|live| target != Some(Same::of(live))).collect()
    }

    /// Whether anybody has this very definition.
    pub(super) fn is_held(&self, definition: &Digests) -> bool {
        let mut alike = self.definitions.get(&definition.unordered).into_iter().flatten();
        alike.any(|live| self.has(live, definition))
    }

    fn has(&self, live: &LiveSegment, definition: &Digests) -> bool {
        let digests = self.forms.digests(live);
        digests.is_some_and(|digests| digests.exact == definition.exact)
    }

    /// Whether anybody has this name, or keeps it reserved.
    pub(super) fn is_named(&self, name: &SegmentName) -> bool {
        self.names.contains_key(name) || self.reserved.contains_key(name)
    }

    /// The draft after which the name of `live` is not its own any more; whether others can have it then is another
    /// matter.
    pub(super) fn gives_up_name(&self, live: &LiveSegment, drafts: &[Draft<'_>]) -> Option<usize> {
        self.drafts_on(live).find(|index| {
            let action = drafts.get(*index).map(|draft| &draft.action);
            matches!(action, Some(Action::Update(change)) if change.renames())
        })
    }

    /// Whether others can have a name that was given up.
    pub(super) fn renames_free(&self) -> bool {
        self.renames_free
    }

    /// The draft after which the definition of `live` is free.
    pub(super) fn frees_definition(&self, live: &LiveSegment, drafts: &[Draft<'_>]) -> Option<usize> {
        self.frees(live, drafts, |digests| &digests.exact)
    }

    /// The draft after which the definition of `live` is free in every form.
    pub(super) fn frees_any_form(&self, live: &LiveSegment, drafts: &[Draft<'_>]) -> Option<usize> {
        self.frees(live, drafts, |digests| &digests.unordered)
    }

    fn frees(
        &self,
        live: &LiveSegment,
        drafts: &[Draft<'_>],
        form: fn(&Digests) -> &Digest,
    ) -> Option<usize> {
        let before = self.forms.digests(live).map(form);
        self.drafts_on(live)
            .find(|index| match drafts.get(*index).map(|draft| &draft.action) {
                Some(Action::Update(change)) => before != Some(form(&change.wanted.digests)),
                Some(Action::Archive(_)) => self.archives_free,
                Some(Action::Create(_) | Action::Unarchive(_) | Action::Send(_) | Action::Upload(_))
                | None => false,
            })
    }
}

fn is_target(draft: &Draft<'_>, id: &SegmentId) -> bool {
    draft.live.is_some_and(|live| live.id == *id)
}
