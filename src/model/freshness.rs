//! Where the data behind a plan comes from, and how old it is.

use super::identity::SegmentId;
use super::segment::{ObservedSegment, ObservedWorkspace, RemoteKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    pub planned_at: Timestamp,
    pub listed_at: Option<Timestamp>,
    /// Whether the plan was made from the cache alone.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub offline: bool,
    /// Filter segments whose definition is known.
    pub definitions: usize,
    /// How many of these definitions this run read.
    #[serde(default)]
    pub read: usize,
    /// How many of these definitions come from the cache.
    pub cached: usize,
    /// Missing without cached definitions, and when a clock was set back, so that the age of one is unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oldest_cached_at: Option<Timestamp>,
    /// Filter segments whose definition was never read: no write of the plan can conflict with it, or the plan was made
    /// offline.
    pub not_read: usize,
    /// The managed filter segments alone, as far as the run covers them: `--target` and `--exclude` limit it.
    #[serde(default)]
    pub managed: ManagedFreshness,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedFreshness {
    pub read: usize,
    pub cached: usize,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oldest_cached_at: Option<Timestamp>,
}

impl Freshness {
    /// `planned_at` is when planning began, `managed` the segments that the run covers.
    #[must_use]
    pub fn new(observed: &ObservedWorkspace, managed: &BTreeSet<SegmentId>, planned_at: Timestamp) -> Self {
        let segments = observed.segments.values();
        let filters = segments.filter(|segment| segment.kind == RemoteKind::Filter);
        let (known, not_read): (Vec<_>, Vec<_>) = filters.partition(|segment| segment.definition.is_some());
        let all = count_reads(known.iter().copied(), observed, planned_at);
        let covered = known.iter().filter(|segment| managed.contains(&segment.id));
        Self {
            planned_at,
            listed_at: observed.listed_at,
            offline: false,
            definitions: known.len(),
            read: all.read,
            cached: all.cached,
            oldest_cached_at: all.oldest_cached_at,
            not_read: not_read.len(),
            managed: count_reads(covered.copied(), observed, planned_at),
        }
    }

    /// The freshness of a plan that was made from the cache alone.
    #[must_use]
    pub fn offline(self) -> Self {
        Self {
            offline: true,
            ..self
        }
    }
}

fn count_reads<'s>(
    segments: impl Iterator<Item = &'s ObservedSegment>,
    observed: &ObservedWorkspace,
    planned_at: Timestamp,
) -> ManagedFreshness {
    let (read, cached): (Vec<_>, Vec<_>) =
        segments.partition(|segment| observed.fetched.contains(&segment.id));
    // `None`, which is the minimum, for a definition whose age is unknown.
    let read_at = |segment: &&ObservedSegment| segment.fetched_at.filter(|at| *at <= planned_at);
    ManagedFreshness {
        read: read.len(),
        cached: cached.len(),
        oldest_cached_at: cached.iter().map(read_at).min().flatten(),
    }
}
