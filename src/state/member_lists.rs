//! Who is in a cohort or a file segment, as far as the ledger tells: the service shows nobody.

use crate::member_list::EmptyList;
use crate::member_list::compressed_list::{ListReader, ListWriter};
use crate::member_list::diff::compare_lists;
use crate::member_list::membership_bounds::MembershipBounds;
use crate::model::{ListDigest, ListSummary};
use crate::state::{CohortState, StateStore, StoreError};
use jiff::SignedDuration;
use std::{error, fmt, io};

/// For how long a call that was not answered may still be on its way: several times as long as an answer is waited for.
pub const IN_FLIGHT_LIMIT: SignedDuration = SignedDuration::from_mins(5);

/// The lists that the ledger keeps of a cohort, and how far a run came that was sending one.
#[derive(Clone, Debug)]
pub struct RecordedMembers {
    confirmed: Vec<u8>,
    upper_bound: Option<Vec<u8>>,
    partial: Option<(Vec<u8>, (u64, u64))>,
}

/// Why nobody knows who is in a cohort.
#[derive(Debug)]
pub enum RecordedMembersError {
    /// The ledger cannot be read.
    Store(StoreError),
    /// A list is gone.
    Missing(ListDigest),
    /// A list is not as it was written.
    Corrupt(ListDigest),
}

impl fmt::Display for RecordedMembersError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(formatter),
            Self::Missing(digest) => write!(formatter, "the ledger's list {digest} is gone"),
            Self::Corrupt(digest) => write!(formatter, "the ledger's list {digest} is not as it was written"),
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
    /// Reads the lists that `sent` names, or those of a cohort that is not there yet.
    ///
    /// # Errors
    ///
    /// One cannot be read, or is not what the ledger says.
    pub async fn load<S: StateStore>(
        store: &S,
        sent: Option<&CohortState>,
    ) -> Result<Self, RecordedMembersError> {
        let Some(sent) = sent else {
            return Self::load_list(store, None).await;
        };
        let upper_bound = match &sent.upper_bound {
            Some(possibly) => Some(load_verified(store, possibly).await?),
            None => None,
        };
        let partial = match &sent.partial {
            Some(under_way) => {
                let bytes = load_verified(store, &under_way.list).await?;
                Some((bytes, (under_way.added, under_way.removed)))
            }
            None => None,
        };
        Ok(Self {
            confirmed: load_verified(store, &sent.confirmed).await?,
            upper_bound,
            partial,
        })
    }

    /// Reads a list that was sent whole; nobody where there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not what the ledger says.
    pub async fn load_list<S: StateStore>(
        store: &S,
        sent: Option<&ListSummary>,
    ) -> Result<Self, RecordedMembersError> {
        let confirmed = match sent {
            Some(sent) => load_verified(store, sent).await?,
            None => empty_list(),
        };
        Ok(Self {
            confirmed,
            upper_bound: None,
            partial: None,
        })
    }

    /// Who is in it, from the first on.
    ///
    /// # Errors
    ///
    /// A list cannot be read.
    pub fn bounds(&self) -> io::Result<MembershipBounds<&[u8]>> {
        let possibly = self.upper_bound.as_deref().unwrap_or(&self.confirmed);
        let known = MembershipBounds::of(self.confirmed.as_slice(), possibly)?;
        match &self.partial {
            Some((list, progress)) => known.with_partial(list, *progress),
            None => Ok(known),
        }
    }
}

async fn load_verified<S: StateStore>(
    store: &S,
    list: &ListSummary,
) -> Result<Vec<u8>, RecordedMembersError> {
    if list.count == 0 {
        return Ok(empty_list());
    }
    let bytes = store
        .load_member_list(&list.digest)
        .await
        .map_err(RecordedMembersError::Store)?;
    let bytes = bytes.ok_or_else(|| RecordedMembersError::Missing(list.digest.clone()))?;
    let found = compare_lists(&mut ListReader::of(bytes.as_slice()), &mut EmptyList, |_, _| {
        Ok(())
    });
    if found.is_ok_and(|found| found.new == *list) {
        Ok(bytes)
    } else {
        Err(RecordedMembersError::Corrupt(list.digest.clone()))
    }
}

/// The list without members.
fn empty_list() -> Vec<u8> {
    // Writing to memory does not fail.
    ListWriter::to(Vec::new()).finish().unwrap_or_default()
}
