//! What the definitions of live segments come to, each read once: the planner asks for it in several places.

use super::segment_key::SegmentKey;
use super::step::ResolvedReferences;
use crate::definition::references::referenced_ids;
use crate::definition::{Digests, canonical};
use crate::model::{ObservedSegment, ObservedWorkspace, SegmentId};
use serde_json::Value;
use std::collections::HashMap;

/// Digests and references by segment. The normal forms themselves are as large as all that is live, and are asked for only of the few
/// segments that differ from their files.
pub(super) struct RemoteDigests<'a> {
    by_segment: HashMap<SegmentKey, DigestedDefinition>,
    references: &'a ResolvedReferences,
}

/// What a definition says that is asked for more than once.
struct DigestedDefinition {
    digests: Digests,
    referenced: Box<[SegmentId]>,
}

impl<'a> RemoteDigests<'a> {
    /// What all definitions that were read come to.
    pub(super) fn of(observed: &'a ObservedWorkspace, known: &'a ResolvedReferences) -> Self {
        let mut read = HashMap::with_capacity(observed.segments.len());
        for live in observed.segments.values() {
            if let Some(payload) = &live.definition {
                let digests = Digests::of(payload, &known.identities);
                let refers_to = referenced_ids(payload).into_iter().collect();
                read.insert(
                    SegmentKey::of(live),
                    DigestedDefinition {
                        digests,
                        referenced: refers_to,
                    },
                );
            }
        }
        Self {
            by_segment: read,
            references: known,
        }
    }

    /// The digests of a segment's definition; `None` when it was not read or there is none.
    pub(super) fn digests(&self, live: &ObservedSegment) -> Option<&Digests> {
        self.by_segment
            .get(&SegmentKey::of(live))
            .map(|read| &read.digests)
    }

    /// The segments that a segment's definition refers to, without the pseudo id for everyone.
    pub(super) fn referenced_segments(&self, live: &ObservedSegment) -> &[SegmentId] {
        let read = self.by_segment.get(&SegmentKey::of(live));
        read.map(|read| &*read.referenced).unwrap_or_default()
    }

    /// The exact normal form of a segment's definition.
    pub(super) fn canonical(&self, live: &ObservedSegment) -> Option<Value> {
        let payload = live.definition.as_ref()?;
        Some(canonical::exact(payload, &self.references.identities))
    }
}
