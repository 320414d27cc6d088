//! Why a state cannot be read or written.

use super::Lock;
use super::file_format::{CACHE_FILE, LOCK_FILE, parse_callback_name};
use crate::storage::StorageError;
use std::{error, fmt};

pub type StoreResult<T = ()> = Result<T, StoreError>;

#[derive(Debug)]
pub enum StoreError {
    Storage(StorageError),
    /// The object is not what segctl wrote.
    Corrupt {
        /// Its path or URL.
        location: String,
        reason: String,
    },
    /// The directory holds a state in the format of an unreleased segctl.
    OldFormat {
        directory: String,
        file: &'static str,
    },
    LockLost {
        by: Option<Box<Lock>>,
    },
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => error.fmt(formatter),
            Self::LockLost { by: None } => formatter
                .write_str("this run lost the state lock: another process removed it; run the command again"),
            Self::LockLost { by: Some(lock) } => write!(
                formatter,
                "this run lost the state lock, which is now held by {lock}; wait for that run, then run the command again"
            ),
            Self::OldFormat { directory, file } => write!(
                formatter,
                "the directory `{directory}` holds the state of a segctl before 0.1 (`{file}`), which this version does \
                 not read; to start over, move it away and run `segctl state rebuild`"
            ),
            Self::Corrupt { location, reason } => {
                let fix = if location.ends_with(LOCK_FILE) {
                    "delete it when no other segctl run uses this state"
                } else if location.ends_with(CACHE_FILE) {
                    "move it away: losing it costs requests and time, not correctness"
                } else if parse_callback_name(location).is_some() {
                    "the next apply sends the full list again"
                } else {
                    "restore the state from a backup, or move all its files away and run `segctl state rebuild`, which \
                     records the existing segments again, without their replaced definitions"
                };
                write!(formatter, "`{location}` cannot be used: {reason}; {fix}")
            }
        }
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Storage(error) => error.source(),
            _ => None,
        }
    }
}
