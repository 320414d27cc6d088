//! Passing steps: how a circle of segments that wait for each other's names or definitions is broken.
//!
//! One segment of the circle gives up early what the others wait for. Its name becomes a temporary one; its definition
//! becomes the wanted one wrapped in one more group, which has the same members. Where the wanted one would have to
//! wait for the circle itself, since it refers to a segment that the circle holds up, the present one is wrapped
//! instead. A later step gives it what it should have.

use super::change::Draft;
use super::holdings::Holdings;
use super::limits::Limits;
use super::step::{Action, Change, Changed, Known, Passing, Wanted};
use crate::definition::references::referenced_ids;
use crate::definition::{Digest, FieldChange};
use crate::model::{Lifecycle, Observed, SegmentId};
use std::collections::BTreeSet;

/// How often a definition is wrapped until nobody has it.
const WRAPS: usize = 4;

/// What a passing step has to give up, and what it may store for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) name: bool,
    pub(super) definition: bool,
    /// Whether the wanted definition waits for the circle, so that the present one has to do.
    pub(super) wanted_waits: bool,
}

/// What circles are broken with.
pub(super) struct Breaker<'s, 'a> {
    pub(super) holdings: &'s Holdings<'a>,
    pub(super) limits: &'s Limits<'a>,
    pub(super) known: &'s Known,
    pub(super) observed: &'s Observed,
    /// Definitions that drafts are about to take, passing ones among them.
    pub(super) wanted: BTreeSet<Digest>,
}

impl Breaker<'_, '_> {
    /// The passing draft and the final one, in place of a draft that does all at once, with what the passing one gives
    /// up; `None` when this segment cannot pass.
    pub(super) fn split<'d>(
        &mut self,
        draft: &Draft<'d>,
        mut need: Need,
    ) -> Option<(Draft<'d>, Draft<'d>, Need)> {
        let Action::Update(change) = &draft.action else {
            return None;
        };
        let present = self.present(draft, change);
        if need.name && !need.definition && present.is_none() && !need.wanted_waits {
            // The definition goes along, since the present one would not be taken again.
            need.definition = true;
        }
        let passing = match (need.name, need.definition) {
            (true, true) => Passing::Both,
            (true, false) => Passing::Name,
            (false, true) => Passing::Definition,
            (false, false) => return None,
        };
        let name = if need.name {
            Some(draft.name.temporary()).filter(|name| !self.holdings.is_named(name))?
        } else {
            change.target.live_name.clone()
        };
        let wanted = match (need.definition, need.wanted_waits) {
            (true, false) => self.wrapped(&change.wanted)?,
            (true, true) => self.wrapped(&present?)?,
            (false, _) => present?,
        };
        self.wanted.insert(wanted.digests.exact);
        let mut target = change.target.clone();
        target.live_name = name.clone();
        target.seen = Some(wanted.digests.exact);
        let renamed = (name != change.target.live_name).then(|| Changed {
            change: FieldChange::of_name(&change.target.live_name, &name),
            cause: None,
        });
        let with = |action| Draft {
            action,
            ..draft.clone()
        };
        let first = with(Action::Update(Change {
            target: change.target.clone(),
            name,
            wanted,
            changes: renamed.into_iter().collect(),
            passing: Some(passing),
        }));
        let last = Draft {
            adopts: false,
            ..with(Action::Update(Change {
                target,
                ..change.clone()
            }))
        };
        Some((first, last, need))
    }

    /// The definition that the segment has, if the service would take it again: it may refer to what was put away since.
    fn present(&self, draft: &Draft<'_>, change: &Change) -> Option<Wanted> {
        let payload = draft.live?.definition.clone()?;
        let in_use = |id: &SegmentId| {
            let live = self.observed.segments.get(id);
            live.is_some_and(|live| live.lifecycle == Lifecycle::Active)
        };
        if !referenced_ids(&payload).iter().all(in_use) || !self.limits.fit(&payload) {
            return None;
        }
        let present = Wanted::new(payload, &self.known.identities);
        // What was read may be in a form that only the dashboard writes; what the file says is not.
        if present.digests.exact == change.wanted.digests.exact {
            return Some(change.wanted.clone());
        }
        Some(present)
    }

    /// The same members in a form that nobody has and nobody wants.
    fn wrapped(&self, definition: &Wanted) -> Option<Wanted> {
        let mut wrapped = definition.wrapped(&self.known.identities);
        for _ in 0..WRAPS {
            let digests = &wrapped.digests;
            if !self.holdings.is_held(digests) && !self.wanted.contains(&digests.exact) {
                return Some(wrapped).filter(|wrapped| self.limits.fit(wrapped.payload()));
            }
            wrapped = wrapped.wrapped(&self.known.identities);
        }
        None
    }
}
