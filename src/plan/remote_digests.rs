//! The digests and references of the remote definitions, computed once per plan.
//!
//! A definition in the form in which MoEngage returned a write of segctl counts as what segctl wrote.

use super::segment_key::SegmentKey;
use super::written_definition;
use crate::definition::{Digests, Identities, canonical};
use crate::model::{ObservedSegment, ObservedWorkspace, SegmentId, StoredDefinition};
use crate::state::State;
use serde_json::Value;
use std::collections::HashMap;

/// Canonical definitions are as large as the workspace, and only changed segments need them. They are not kept.
pub(super) struct RemoteDigests<'a> {
    by_segment: HashMap<SegmentKey, DigestedDefinition>,
    state: &'a State,
    identities: &'a Identities,
}

struct DigestedDefinition {
    digests: Digests,
    referenced: Box<[SegmentId]>,
}

impl<'a> RemoteDigests<'a> {
    pub(super) fn of(observed: &ObservedWorkspace, state: &'a State, identities: &'a Identities) -> Self {
        let mut by_segment = HashMap::with_capacity(observed.segments.len());
        for remote in observed.segments.values() {
            if let Some(definition) = written_definition(state, remote) {
                let definition = DigestedDefinition {
                    digests: definition.digests(identities),
                    referenced: definition.referenced_ids().cloned().collect(),
                };
                by_segment.insert(SegmentKey::of(remote), definition);
            }
        }
        Self {
            by_segment,
            state,
            identities,
        }
    }

    /// `None` if the definition was not read, or if the segment has none.
    pub(super) fn get(&self, remote: &ObservedSegment) -> Option<&Digests> {
        let definition = self.by_segment.get(&SegmentKey::of(remote));
        definition.map(|definition| &definition.digests)
    }

    /// Without the pseudo segment of all users.
    pub(super) fn referenced_segments(&self, remote: &ObservedSegment) -> &[SegmentId] {
        let definition = self.by_segment.get(&SegmentKey::of(remote));
        definition
            .map(|definition| &*definition.referenced)
            .unwrap_or_default()
    }

    pub(super) fn canonical(&self, remote: &ObservedSegment) -> Option<Value> {
        let payload = self.definition(remote)?;
        Some(canonical::exact(payload, self.identities))
    }

    pub(super) fn definition<'r>(&'r self, remote: &'r ObservedSegment) -> Option<&'r StoredDefinition> {
        written_definition(self.state, remote)
    }
}
