//! The age of the data behind a plan.

use crate::model::{ObservedWorkspace, RemoteKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshnessDocument {
    pub planned_at: Timestamp,
    pub listed_at: Option<Timestamp>,
    /// Filter segments whose definition is known.
    pub definitions: usize,
    /// How many of these definitions an earlier run read.
    pub cached: usize,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oldest_cached_at: Option<Timestamp>,
    /// Filter segments whose definition was never read: no write of the plan can conflict with it, or the plan was made
    /// offline.
    pub not_read: usize,
}

impl FreshnessDocument {
    /// `planned_at` is when planning began.
    pub fn new(observed: &ObservedWorkspace, planned_at: Timestamp) -> Self {
        let segments = observed.segments.values();
        let filters = segments.filter(|segment| segment.kind == RemoteKind::Filter);
        let (known, not_read): (Vec<_>, Vec<_>) = filters.partition(|segment| segment.definition.is_some());
        let fetched = known.iter().filter_map(|segment| segment.fetched_at);
        let cached: Vec<Timestamp> = fetched.filter(|at| *at < planned_at).collect();
        Self {
            planned_at,
            listed_at: observed.listed_at,
            definitions: known.len(),
            cached: cached.len(),
            oldest_cached_at: cached.iter().min().copied(),
            not_read: not_read.len(),
        }
    }
}
