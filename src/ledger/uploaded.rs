//! What the ledger knows of users that were uploaded: the service shows nobody who is in a file segment.

use crate::model::{Identifier, UserList};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whom a file segment has, as far as what was uploaded tells. The list itself is kept beside the ledger, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uploaded {
    /// What the values are. It never changes.
    pub identifier: Identifier,
    /// Days after its creation at which the service archives it. They never change.
    pub expires_in_days: u32,
    /// When it was made; `None` where somebody else made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Timestamp>,
    /// Whom it has; `None` where a call was not answered, or a run ended before it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<UserList>,
    /// When the last call was made that was not answered, or of which nobody knows whether it was: it may arrive long after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered_at: Option<Timestamp>,
    /// Files that were put where the service reads them, and are there still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<Published>,
}

/// A file for the service to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its name where files are published.
    pub name: String,
    /// When the service was told of it.
    pub at: Timestamp,
}

impl Uploaded {
    /// What is known of a segment from before the first call about it.
    #[must_use]
    pub fn nothing(identifier: Identifier, expires_in_days: u32) -> Self {
        Self {
            identifier,
            expires_in_days,
            made_at: None,
            users: None,
            unanswered_at: None,
            published: Vec::new(),
        }
    }

    /// When the service archives it, where that is known.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let days = jiff::SignedDuration::from_hours(24 * i64::from(self.expires_in_days));
        self.made_at?.checked_add(days).ok()
    }
}
