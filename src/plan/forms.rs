//! The digests of what is live, each computed once: the planner asks for them in several places.

use super::step::Known;
use crate::definition::{Digests, normal};
use crate::model::{LiveSegment, Observed, SegmentId};
use serde_json::Value;
use std::collections::HashMap;

/// Digests by id. The normal forms themselves are as large as all that is live, and are asked for only of the few
/// segments that differ from their files.
pub(super) struct Forms<'a> {
    digests: HashMap<&'a SegmentId, Digests>,
    known: &'a Known,
}

impl<'a> Forms<'a> {
    /// The digests of all definitions that were read.
    pub(super) fn of(observed: &'a Observed, known: &'a Known) -> Self {
        let segments = observed.segments.iter();
        let digests = segments.filter_map(|(id, live)| {
            let payload = live.definition.as_ref()?;
            Some((id, Digests::of(payload, &known.identities)))
        });
        Self {
            digests: digests.collect(),
            known,
        }
    }

    /// The digests of a segment's definition; `None` when it was not read or there is none.
    pub(super) fn digests(&self, id: &SegmentId) -> Option<&Digests> {
        self.digests.get(id)
    }

    /// The exact normal form of a segment's definition.
    pub(super) fn exact(&self, live: &LiveSegment) -> Option<Value> {
        let payload = live.definition.as_ref()?;
        Some(normal::exact(payload, &self.known.identities))
    }
}
