//! Who is in a cohort or a file segment, as far as the ledger tells: the service shows nobody.

use crate::ledger::{LedgerStore, Sent, StoreError};
use crate::members::Nobody;
use crate::members::compare::compare;
use crate::members::kept::{KeptReader, KeptWriter};
use crate::members::known::Known;
use crate::model::{ListDigest, Listing};
use jiff::SignedDuration;
use std::{error, fmt, io};

/// For how long a call that was not answered may still be on its way: several times as long as an answer is waited for.
pub const ON_ITS_WAY: SignedDuration = SignedDuration::from_mins(5);

/// The lists that the ledger keeps of a cohort, and how far a run came that was sending one.
#[derive(Clone, Debug)]
pub struct KeptMembers {
    surely: Vec<u8>,
    possibly: Option<Vec<u8>>,
    under_way: Option<(Vec<u8>, (u64, u64))>,
}

/// Why nobody knows who is in a cohort.
#[derive(Debug)]
pub enum KeptError {
    /// The ledger cannot be read.
    Store(StoreError),
    /// A list is gone.
    Gone(ListDigest),
    /// A list is not as it was written.
    Damaged(ListDigest),
}

impl fmt::Display for KeptError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(formatter),
            Self::Gone(digest) => write!(formatter, "the ledger's list {digest} is gone"),
            Self::Damaged(digest) => write!(formatter, "the ledger's list {digest} is not as it was written"),
        }
    }
}

impl error::Error for KeptError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Gone(_) | Self::Damaged(_) => None,
        }
    }
}

impl KeptMembers {
    /// Reads the lists that `sent` names, or those of a cohort that is not there yet.
    ///
    /// # Errors
    ///
    /// One cannot be read, or is not what the ledger says.
    pub async fn load<S: LedgerStore>(store: &S, sent: Option<&Sent>) -> Result<Self, KeptError> {
        let Some(sent) = sent else {
            return Self::load_list(store, None).await;
        };
        let possibly = match &sent.possibly {
            Some(possibly) => Some(list(store, possibly).await?),
            None => None,
        };
        let under_way = match &sent.under_way {
            Some(under_way) => {
                let bytes = list(store, &under_way.list).await?;
                Some((bytes, (under_way.added, under_way.removed)))
            }
            None => None,
        };
        Ok(Self {
            surely: list(store, &sent.surely).await?,
            possibly,
            under_way,
        })
    }

    /// Reads a list that was sent whole; nobody where there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not what the ledger says.
    pub async fn load_list<S: LedgerStore>(store: &S, sent: Option<&Listing>) -> Result<Self, KeptError> {
        let surely = match sent {
            Some(sent) => list(store, sent).await?,
            None => nobody(),
        };
        Ok(Self {
            surely,
            possibly: None,
            under_way: None,
        })
    }

    /// Who is in it, from the first on.
    ///
    /// # Errors
    ///
    /// A list cannot be read.
    pub fn known(&self) -> io::Result<Known<&[u8]>> {
        let possibly = self.possibly.as_deref().unwrap_or(&self.surely);
        let known = Known::of(self.surely.as_slice(), possibly)?;
        match &self.under_way {
            Some((list, progress)) => known.and_under_way(list, *progress),
            None => Ok(known),
        }
    }
}

async fn list<S: LedgerStore>(store: &S, list: &Listing) -> Result<Vec<u8>, KeptError> {
    if list.count == 0 {
        return Ok(nobody());
    }
    let bytes = store.load_list(&list.digest).await.map_err(KeptError::Store)?;
    let bytes = bytes.ok_or_else(|| KeptError::Gone(list.digest.clone()))?;
    let found = compare(&mut KeptReader::of(bytes.as_slice()), &mut Nobody, |_, _| Ok(()));
    if found.is_ok_and(|found| found.new == *list) {
        Ok(bytes)
    } else {
        Err(KeptError::Damaged(list.digest.clone()))
    }
}

/// The list without members.
fn nobody() -> Vec<u8> {
    // Writing to memory does not fail.
    KeptWriter::to(Vec::new()).finish().unwrap_or_default()
}
