//! How old what a plan saw is.

use crate::model::ObservedWorkspace;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a plan was made from: what was read for it, and what is remembered from earlier runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshnessDocument {
    /// When the plan was begun.
    pub planned_at: Timestamp,
    /// When the list was read.
    pub listed_at: Option<Timestamp>,
    /// Definitions that are known.
    pub definitions: usize,
    /// Those of them that were read in earlier runs.
    pub cached: usize,
    /// When the oldest of these was read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oldest_cached_at: Option<Timestamp>,
    /// Filter segments of which the definition was never read: nothing was to be stored that could clash with it, or
    /// nobody could be asked.
    pub not_read: usize,
}

impl FreshnessDocument {
    /// How old what was observed is, for a plan that was begun at `planned_at`.
    #[must_use]
    pub fn new(observed: &ObservedWorkspace, planned_at: Timestamp) -> Self {
        let filters = observed.segments.values();
        let filters = filters.filter(|live| live.kind == crate::model::RemoteKind::Filter);
        let (read, unread): (Vec<_>, Vec<_>) = filters.partition(|live| live.definition.is_some());
        let remembered = read.iter().filter_map(|live| live.fetched_at);
        let remembered: Vec<Timestamp> = remembered.filter(|read_at| *read_at < planned_at).collect();
        Self {
            planned_at,
            listed_at: observed.listed_at,
            definitions: read.len(),
            cached: remembered.len(),
            oldest_cached_at: remembered.iter().min().copied(),
            not_read: unread.len(),
        }
    }
}
