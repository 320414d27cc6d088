//! The digests of what is live, each computed once: the planner asks for them in several places.

use super::same::Same;
use super::step::Known;
use crate::definition::{Digests, normal};
use crate::model::{LiveSegment, Observed};
use serde_json::Value;
use std::collections::HashMap;

/// Digests by segment. The normal forms themselves are as large as all that is live, and are asked for only of the few
/// segments that differ from their files.
pub(super) struct Forms<'a> {
    digests: HashMap<Same, Digests>,
    known: &'a Known,
}

impl<'a> Forms<'a> {
    /// The digests of all definitions that were read.
    pub(super) fn of(observed: &'a Observed, known: &'a Known) -> Self {
        let mut digests = HashMap::with_capacity(observed.segments.len());
        for live in observed.segments.values() {
            if let Some(payload) = &live.definition {
                digests.insert(Same::of(live), Digests::of(payload, &known.identities));
            }
        }
        Self { digests, known }
    }

    /// The digests of a segment's definition; `None` when it was not read or there is none.
    pub(super) fn digests(&self, live: &LiveSegment) -> Option<&Digests> {
        self.digests.get(&Same::of(live))
    }

    /// The exact normal form of a segment's definition.
    pub(super) fn exact(&self, live: &LiveSegment) -> Option<Value> {
        let payload = live.definition.as_ref()?;
        Some(normal::exact(payload, &self.known.identities))
    }
}
