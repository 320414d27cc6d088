//! What the definitions of live segments come to, each read once: the planner asks for it in several places.

use super::same::Same;
use super::step::Known;
use crate::definition::references::referenced_ids;
use crate::definition::{Digests, normal};
use crate::model::{LiveSegment, Observed, SegmentId};
use serde_json::Value;
use std::collections::HashMap;

/// Digests and references by segment. The normal forms themselves are as large as all that is live, and are asked for only of the few
/// segments that differ from their files.
pub(super) struct Forms<'a> {
    read: HashMap<Same, Read>,
    known: &'a Known,
}

/// What a definition says that is asked for more than once.
struct Read {
    digests: Digests,
    refers_to: Box<[SegmentId]>,
}

impl<'a> Forms<'a> {
    /// What all definitions that were read come to.
    pub(super) fn of(observed: &'a Observed, known: &'a Known) -> Self {
        let mut read = HashMap::with_capacity(observed.segments.len());
        for live in observed.segments.values() {
            if let Some(payload) = &live.definition {
                let digests = Digests::of(payload, &known.identities);
                let refers_to = referenced_ids(payload).into_iter().collect();
                read.insert(Same::of(live), Read { digests, refers_to });
            }
        }
        Self { read, known }
    }

    /// The digests of a segment's definition; `None` when it was not read or there is none.
    pub(super) fn digests(&self, live: &LiveSegment) -> Option<&Digests> {
        self.read.get(&Same::of(live)).map(|read| &read.digests)
    }

    /// The segments that a segment's definition refers to, without the pseudo id for everyone.
    pub(super) fn refers_to(&self, live: &LiveSegment) -> &[SegmentId] {
        let read = self.read.get(&Same::of(live));
        read.map(|read| &*read.refers_to).unwrap_or_default()
    }

    /// The exact normal form of a segment's definition.
    pub(super) fn exact(&self, live: &LiveSegment) -> Option<Value> {
        let payload = live.definition.as_ref()?;
        Some(normal::exact(payload, &self.known.identities))
    }
}
