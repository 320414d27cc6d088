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
use crate::definition::Digest;
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
    /// Definitions that drafts are about to take.
    pub(super) wanted: BTreeSet<Digest>,
}

impl Breaker<'_, '_> {
    /// The passing draft and the final one, in place of a draft that does all at once; `None` when this segment
    /// cannot pass.
    pub(super) fn split<'d>(&self, draft: &Draft<'d>, need: Need) -> Option<(Draft<'d>, Draft<'d>)> {
        let Action::Update(change) = &draft.action else {
            return None;
        };
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
        let present = draft.live.and_then(|live| live.definition.clone());
        let present = present.map(|payload| Wanted::new(payload, &self.known.identities));
        // What was read may be in a form that only the dashboard writes; what the file says is not.
        let present = match present {
            Some(present) if present.digests.exact == change.wanted.digests.exact => {
                Some(change.wanted.clone())
            }
            present => present,
        };
        let wanted = match (need.definition, need.wanted_waits) {
            (true, false) => self.wrapped(&change.wanted)?,
            (true, true) => self.wrapped(&present?)?,
            (false, _) => present?,
        };
        let mut target = change.target.clone();
        target.live_name = name.clone();
        target.seen = Some(wanted.digests.exact.clone());
        let renamed = (name != change.target.live_name).then(|| Changed {
            change: super::change::name_change(&change.target.live_name, &name),
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
        Some((first, last))
    }

    /// The same members in a form that nobody has and nobody wants.
    fn wrapped(&self, definition: &Wanted) -> Option<Wanted> {
        let mut wrapped = definition.wrapped(&self.known.identities);
        for _ in 0..WRAPS {
            let digest = &wrapped.digests.exact;
            if !self.holdings.is_held(digest) && !self.wanted.contains(digest) {
                return Some(wrapped).filter(|wrapped| self.limits.fit(wrapped.payload()));
            }
            wrapped = wrapped.wrapped(&self.known.identities);
        }
        None
    }
}
