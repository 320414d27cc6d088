//! What was seen of a workspace, and when: a cache, so that a plan need not read everything again.
//!
//! Definitions can be changed in the dashboard and nothing the service lists tells of it, so what is remembered here
//! may be old. It decides which calls a plan makes and never what is written: every target is read again first.

use crate::model::{ObservedSegment, ObservedWorkspace, Payload, RemoteKind, SegmentId, SegmentName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// When the list was read last; `None` when nothing was seen yet.
    pub listed_at: Option<Timestamp>,
    /// The segments by id.
    pub segments: BTreeMap<SegmentId, CachedSegment>,
}

/// A segment as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachedSegment {
    /// Its name.
    pub name: SegmentName,
    /// What it is.
    pub kind: RemoteKind,
    /// What made it, such as `API`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When it was made, as the service prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<String>,
    /// Whether the list showed it.
    pub listed: bool,
    /// When its definition was read; `None` when it was only listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<Timestamp>,
    /// When it was applied last before that, by what the ledger said then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_before_fetch_at: Option<Timestamp>,
    /// Who is in it, when that was read and it is made of filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Payload>,
}

impl Cache {
    /// What was observed, as it is remembered.
    #[must_use]
    pub fn of(observed: &ObservedWorkspace) -> Self {
        let segments = observed.segments.values();
        Self {
            listed_at: observed.listed_at,
            segments: segments
                .map(|live| (live.id.clone(), CachedSegment::of(live)))
                .collect(),
        }
    }
}

impl CachedSegment {
    fn of(live: &ObservedSegment) -> Self {
        Self {
            name: live.name.clone(),
            kind: live.kind.clone(),
            source: live.source.clone(),
            created_time: live.created_time.clone(),
            listed: live.listed,
            fetched_at: live.fetched_at,
            applied_before_fetch_at: live.applied_before_fetch_at,
            definition: live.definition.clone(),
        }
    }
}
