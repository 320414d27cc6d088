//! What the ledger knows of members that were sent: the service shows nobody who is in a cohort.

use crate::model::{CohortKey, ListDigest, ListSummary};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whom a cohort has, as far as what was sent tells. The lists themselves are kept beside the ledger, by their digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortState {
    /// What the service knows it by.
    pub key: CohortKey,
    /// Those who surely are in it, unless a list is under way.
    pub confirmed: ListSummary,
    /// Nobody else than these may be in it, where that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_bound: Option<ListSummary>,
    /// The list that was sent in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<PartialSync>,
    /// When the last call was made that was not answered, or of which nobody knows whether it was: it may arrive long after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous_since: Option<Timestamp>,
}

/// A list of which some calls were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartialSync {
    /// The list.
    pub list: ListSummary,
    /// How many of those whom it adds were added, in order.
    pub added: u64,
    /// How many of those whom it removes were removed, in order.
    pub removed: u64,
}

impl CohortState {
    /// The list that the cohort has for sure, unless a call arrives late.
    #[must_use]
    pub fn exact_list(&self) -> Option<&ListSummary> {
        let is_whole = self.upper_bound.is_none() && self.partial.is_none();
        is_whole.then_some(&self.confirmed)
    }

    /// The lists that have to be kept.
    pub fn referenced_lists(&self) -> impl Iterator<Item = &ListDigest> {
        let under_way = self.partial.as_ref().map(|under_way| &under_way.list);
        let lists = [Some(&self.confirmed), self.upper_bound.as_ref(), under_way];
        lists.into_iter().flatten().map(|list| &list.digest)
    }
}
