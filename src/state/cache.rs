//! The last fetched definitions, so that a plan does not re-read everything.
//!
//! The list does not report changes that were made in the dashboard, so cached definitions may be outdated. The cache
//! decides which requests a plan makes, never what is written: segctl re-reads every target first.

use super::State;
use crate::definition::Identities;
use crate::model::{
    ObservedSegment, ObservedWorkspace, RemoteKind, SegmentId, SegmentName, ShownKinds, StoredDefinition,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "digested_definition"
    )]
    pub definition: Option<StoredDefinition>,
}

impl Cache {
    /// Most definitions are what segctl wrote. Each of these is kept once, not twice.
    pub fn share_definitions(&mut self, state: &State) {
        for (id, segment) in &mut self.segments {
            let written = state.any_entry(id).and_then(|entry| entry.definition.as_ref());
            if let Some((cached, written)) = segment.definition.as_mut().zip(written) {
                cached.share(written);
            }
        }
    }

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
    fn of(segment: &ObservedSegment, names: &Identities) -> Self {
        Self {
            name: segment.name.clone(),
            kind: segment.kind.clone(),
            source: segment.source.clone(),
            created_time: segment.created_time.clone(),
            listed: segment.listed,
            fetched_at: segment.fetched_at,
            applied_before_fetch_at: segment.applied_before_fetch_at,
            definition: segment
                .definition
                .as_ref()
                .map(|definition| digested(definition, names)),
        }
    }
}

/// The definition with its digests while the segments have these names.
fn digested(definition: &StoredDefinition, names: &Identities) -> StoredDefinition {
    match definition.resolved_digests(names) {
        Some(Cow::Owned(resolved)) => {
            let facts = definition.facts().clone();
            definition
                .as_text()
                .with_facts(facts)
                .with_resolved_digests(resolved)
        }
        _ => definition.clone(),
    }
}

/// A definition with what was computed of it, so that it is seldom parsed.
mod digested_definition {
    use crate::model::{DefinitionFacts, ResolvedDigests, StoredDefinition};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::borrow::Cow;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct DigestedDefinition<'a> {
        filters: Cow<'a, StoredDefinition>,
        facts: Cow<'a, DefinitionFacts>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resolved_digests: Option<Cow<'a, ResolvedDigests>>,
    }

    pub(super) fn serialize<S: Serializer>(
        definition: &Option<StoredDefinition>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let digested = definition.as_ref().map(|definition| DigestedDefinition {
            filters: Cow::Borrowed(definition),
            facts: Cow::Borrowed(definition.facts()),
            resolved_digests: definition.known_resolved_digests().map(Cow::Borrowed),
        });
        digested.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<StoredDefinition>, D::Error> {
        let digested: Option<DigestedDefinition<'_>> = Option::deserialize(deserializer)?;
        Ok(digested.map(|digested| {
            let definition = digested
                .filters
                .into_owned()
                .with_facts(digested.facts.into_owned());
            match digested.resolved_digests {
                Some(resolved) => definition.with_resolved_digests(resolved.into_owned()),
                None => definition,
            }
        }))
    }
}

fn is_default(shown: &ShownKinds) -> bool {
    *shown == ShownKinds::default()
}
