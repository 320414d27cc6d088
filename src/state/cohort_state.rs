//! What the state records of a cohort's members, which the API does not return.

use crate::model::{CohortKey, ListDigest, ListSummary};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The members of a cohort, as far as the sent requests show. The lists are stored beside the state, by their digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortState {
    pub key: CohortKey,
    /// Its certain members, unless a list was sent partially.
    pub confirmed: ListSummary,
    /// All possible members, where these are more than the confirmed ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_bound: Option<ListSummary>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<PartialSync>,
    /// When the last request without a known result was sent. It may arrive late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous_since: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartialSync {
    pub list: ListSummary,
    /// How many of the members to add were added, in list order.
    pub added: u64,
    /// How many of the members to remove were removed, in list order.
    pub removed: u64,
}

impl CohortState {
    /// The members, if they are certain. A late request may still change them.
    #[must_use]
    pub fn exact_list(&self) -> Option<&ListSummary> {
        let is_exact = self.upper_bound.is_none() && self.partial.is_none();
        is_exact.then_some(&self.confirmed)
    }

    pub fn referenced_lists(&self) -> impl Iterator<Item = &ListDigest> {
        let partial = self.partial.as_ref().map(|partial| &partial.list);
        let lists = [Some(&self.confirmed), self.upper_bound.as_ref(), partial];
        lists.into_iter().flatten().map(|list| &list.digest)
    }
}
