//! What the ledger knows of users that were uploaded: the service shows nobody who is in a file segment.

use crate::model::{Identifier, ListDigest, UserList};
use jiff::{SignedDuration, Timestamp};
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
    /// When a call put it away, as long as it is: its users are dropped some time later. `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_away_at: Option<Timestamp>,
    /// When the last call was made that was not answered, or of which nobody knows whether it was: it may arrive long after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered_at: Option<Timestamp>,
    /// Files that were put where the service reads them, and are there still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<Published>,
}

/// How long the users of an archived segment are surely kept: 30 days less one, for clocks that differ and for waits.
const KEPT: SignedDuration = SignedDuration::from_hours(29 * 24);

/// A file for the service to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Names it where files are published.
    pub name: ListDigest,
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
            put_away_at: None,
            unanswered_at: None,
            published: Vec::new(),
        }
    }

    /// Whether the service may have dropped the users of the segment by `now`, which is put away or was until then.
    #[must_use]
    pub fn may_be_dropped(&self, now: Timestamp) -> bool {
        let is_kept = self.put_away_at.is_some_and(|at| {
            let age = now.duration_since(at);
            !age.is_negative() && age < KEPT
        });
        !is_kept || self.expires_at().is_some_and(|at| at <= now)
    }

    /// Learns that the segment is in use again.
    pub fn take_out(&mut self, now: Timestamp) {
        if self.may_be_dropped(now) {
            self.users = None;
        }
        self.put_away_at = None;
    }

    /// When the service archives it, where that is known.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let days = SignedDuration::from_hours(24 * i64::from(self.expires_in_days));
        self.made_at?.checked_add(days).ok()
    }
}
