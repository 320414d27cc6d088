//! The last fetched definitions, so that a plan does not re-read everything.
//!
//! The list does not report changes that were made in the dashboard, so cached definitions may be outdated. The cache
//! decides which requests a plan makes, never what is written: segctl re-reads every target first.

use crate::definition::Identities;
use crate::model::{
    DefinitionFacts, ObservedSegment, ObservedWorkspace, RemoteKind, ResolvedDigests, SegmentId, SegmentName,
    ShownKinds, StoredDefinition,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// `None` before the first read.
    pub listed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub shown_kinds: ShownKinds,
    pub segments: BTreeMap<SegmentId, CachedSegment>,
    /// Not in the state: an imported file that is never merged must not make its segment managed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub imported: BTreeSet<SegmentId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachedSegment {
    pub name: SegmentName,
    pub kind: RemoteKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<String>,
    pub listed: bool,
    /// When its definition was read; `None` for a segment that was only listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<Timestamp>,
    /// When the state recorded the last apply, as of `fetched_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_before_fetch_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<StoredDefinition>,
    /// Of the definition, so that it is seldom parsed; `None` in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<DefinitionFacts>,
    /// With the names that the segments had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_digests: Option<ResolvedDigests>,
}

impl Cache {
    #[must_use]
    pub fn of(observed: &ObservedWorkspace) -> Self {
        let segments = observed.segments.iter();
        // A declared segment nearly always has its declared name.
        let names = Identities {
            declared_by_id: segments
                .clone()
                .map(|(id, segment)| (id.clone(), segment.name.clone()))
                .collect(),
            ..Identities::default()
        };
        Self {
            listed_at: observed.listed_at,
            shown_kinds: observed.shown_kinds.clone(),
            imported: observed.imported.clone(),
            segments: segments
                .map(|(id, segment)| (id.clone(), CachedSegment::of(segment, &names)))
                .collect(),
        }
    }
}

impl CachedSegment {
    #[must_use]
    pub fn definition(&self) -> Option<StoredDefinition> {
        let mut definition = self.definition.clone()?;
        if let Some(facts) = &self.facts {
            definition = definition.with_facts(facts.clone());
        }
        if let Some(resolved) = &self.resolved_digests {
            definition = definition.with_resolved_digests(resolved.clone());
        }
        Some(definition)
    }

    fn of(segment: &ObservedSegment, names: &Identities) -> Self {
        let definition = segment.definition.as_ref();
        Self {
            name: segment.name.clone(),
            kind: segment.kind.clone(),
            source: segment.source.clone(),
            created_time: segment.created_time.clone(),
            listed: segment.listed,
            fetched_at: segment.fetched_at,
            applied_before_fetch_at: segment.applied_before_fetch_at,
            facts: definition.map(|definition| definition.facts().clone()),
            resolved_digests: definition
                .and_then(|definition| Some(definition.resolved_digests(names)?.into_owned())),
            definition: definition.cloned(),
        }
    }
}

fn is_default(shown: &ShownKinds) -> bool {
    *shown == ShownKinds::default()
}
