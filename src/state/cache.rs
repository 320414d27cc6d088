//! The last fetched definitions, so that a plan does not re-read everything.
//!
//! The list does not report changes that were made in the dashboard, so cached definitions may be outdated. The cache
//! decides which requests a plan makes, never what is written: segctl re-reads every target first.

use crate::model::{
    DefinitionFacts, ObservedSegment, ObservedWorkspace, RemoteKind, SegmentId, SegmentName, ShownKinds,
    StoredDefinition,
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
}

impl Cache {
    #[must_use]
    pub fn of(observed: &ObservedWorkspace) -> Self {
        let segments = observed.segments.iter();
        Self {
            listed_at: observed.listed_at,
            shown_kinds: observed.shown_kinds.clone(),
            imported: observed.imported.clone(),
            segments: segments
                .map(|(id, segment)| (id.clone(), CachedSegment::of(segment)))
                .collect(),
        }
    }
}

impl CachedSegment {
    #[must_use]
    pub fn definition(&self) -> Option<StoredDefinition> {
        let definition = self.definition.clone()?;
        Some(match &self.facts {
            Some(facts) => definition.with_facts(facts.clone()),
            None => definition,
        })
    }

    fn of(segment: &ObservedSegment) -> Self {
        Self {
            name: segment.name.clone(),
            kind: segment.kind.clone(),
            source: segment.source.clone(),
            created_time: segment.created_time.clone(),
            listed: segment.listed,
            fetched_at: segment.fetched_at,
            applied_before_fetch_at: segment.applied_before_fetch_at,
            facts: segment
                .definition
                .as_ref()
                .map(|definition| definition.facts().clone()),
            definition: segment.definition.clone(),
        }
    }
}

fn is_default(shown: &ShownKinds) -> bool {
    *shown == ShownKinds::default()
}
