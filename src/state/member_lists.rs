//! The members of a cohort or file segment as the state records them. The API does not return members.

use crate::member_list::EmptyList;
use crate::member_list::compressed_list::{ListReader, ListWriter};
use crate::member_list::diff::compare_lists;
use crate::member_list::membership_bounds::MembershipBounds;
use crate::model::{ListDigest, ListSummary};
use crate::state::{CohortState, StateStore, StoreError};
use jiff::SignedDuration;
use std::{error, fmt, io};

/// How long a request without an answer may still arrive: several times the request timeout.
pub const IN_FLIGHT_LIMIT: SignedDuration = SignedDuration::from_mins(5);

#[derive(Clone, Debug)]
pub struct RecordedMembers {
    confirmed: Vec<u8>,
    upper_bound: Option<Vec<u8>>,
    partial: Option<(Vec<u8>, (u64, u64))>,
}

#[derive(Debug)]
pub enum RecordedMembersError {
    Store(StoreError),
    Missing(ListDigest),
    Corrupt(ListDigest),
}

impl fmt::Display for RecordedMembersError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(formatter),
            Self::Missing(digest) => write!(formatter, "the member list {digest} is missing in the state"),
            Self::Corrupt(digest) => write!(formatter, "the member list {digest} of the state is damaged"),
        }
    }
}

impl error::Error for RecordedMembersError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Missing(_) | Self::Corrupt(_) => None,
        }
    }
}

impl RecordedMembers {
    /// Reads the lists of a cohort; without a state, those of one that does not exist yet.
    pub async fn load(
        store: &StateStore,
        cohort_state: Option<&CohortState>,
    ) -> Result<Self, RecordedMembersError> {
        let Some(state) = cohort_state else {
            return Self::load_list(store, None).await;
        };
        let upper_bound = match &state.upper_bound {
            Some(list) => Some(load_verified(store, list).await?),
            None => None,
        };
        let partial = match &state.partial {
            Some(partial) => {
                let bytes = load_verified(store, &partial.list).await?;
                Some((bytes, (partial.added, partial.removed)))
            }
            None => None,
        };
        Ok(Self {
            confirmed: load_verified(store, &state.confirmed).await?,
            upper_bound,
            partial,
        })
    }

    /// Reads a list that was sent completely; an empty one for `None`.
    pub async fn load_list(
        store: &StateStore,
        list: Option<&ListSummary>,
    ) -> Result<Self, RecordedMembersError> {
        let confirmed = match list {
            Some(list) => load_verified(store, list).await?,
            None => empty_list(),
        };
        Ok(Self {
            confirmed,
            upper_bound: None,
            partial: None,
        })
    }

    /// Reads the members from the first one on.
    pub fn bounds(&self) -> io::Result<MembershipBounds<&[u8]>> {
        let upper_bound = self.upper_bound.as_deref().unwrap_or(&self.confirmed);
        let bounds = MembershipBounds::of(self.confirmed.as_slice(), upper_bound)?;
        match &self.partial {
            Some((list, (added, removed))) => bounds.with_partial(list, *added, *removed),
            None => Ok(bounds),
        }
    }
}

async fn load_verified(store: &StateStore, list: &ListSummary) -> Result<Vec<u8>, RecordedMembersError> {
    if list.count == 0 {
        return Ok(empty_list());
    }
    let bytes = store
        .load_member_list(&list.digest)
        .await
        .map_err(RecordedMembersError::Store)?;
    let bytes = bytes.ok_or_else(|| RecordedMembersError::Missing(list.digest.clone()))?;
    let mut reader = ListReader::of(bytes.as_slice());
    match compare_lists(&mut reader, &mut EmptyList, |_, _| Ok(())) {
        Ok(comparison) if comparison.new == *list => Ok(bytes),
        _ => Err(RecordedMembersError::Corrupt(list.digest.clone())),
    }
}

fn empty_list() -> Vec<u8> {
    // Writing to memory does not fail.
    ListWriter::to(Vec::new()).finish().unwrap_or_default()
}
