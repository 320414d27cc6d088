//! What the ledger knows of users that were uploaded: the service shows nobody who is in a file segment.

use crate::model::{Callback, Identifier, ListDigest, UploadId, UserList};
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
    /// Calls that the service took, or may have, and of whose lists it has not said what became of them; the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaited: Vec<UploadId>,
    /// What it said of the latest, or of one that failed, until it takes another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Callback>,
    /// How many users calls of the last day added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Addition>,
    /// Files that were put where the service reads them, and are there still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<Published>,
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// For how long a published list stays where it is when nobody tells that the service has read it.
const READ_WITHIN: SignedDuration = DAY;

/// For how long it stays where it is although the service has read it: a call that was delivered twice on the way has it read
/// twice, and a list that is gone by then leaves nobody in the segment.
const READ_AGAIN_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// So many calls are waited for at most: where nobody listens, none is ever heard of.
const MOST_AWAITED: usize = 20;

/// How long the users of an archived segment are surely kept: 30 days less one, for clocks that differ and for waits.
const KEPT: SignedDuration = SignedDuration::from_hours(29 * 24);

/// Users that a call added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addition {
    /// When.
    pub at: Timestamp,
    /// How many, at most: those who were in the segment before count no more.
    pub users: u64,
    /// The call, where the service says what becomes of its list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
}

/// A file for the service to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Names it where files are published.
    pub name: ListDigest,
    /// When the service was told of it.
    pub at: Timestamp,
    /// The call that told it, where it says what becomes of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    /// Whether the service said what became of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_read: bool,
}

impl Published {
    /// Whether the service has read it and does not read it again, or has had the time to.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        let age = self.at.duration_until(now);
        age >= READ_WITHIN || self.is_read && age >= READ_AGAIN_WITHIN
    }
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
            awaited: Vec::new(),
            heard: None,
            added: Vec::new(),
            published: Vec::new(),
        }
    }

    /// Takes down that a call added users.
    pub fn add(&mut self, addition: Addition) {
        if addition.users == 0 {
            return;
        }
        let counts = |added: &Addition| added.at.duration_until(addition.at) < DAY;
        self.added.retain(counts);
        self.added.push(addition);
    }

    /// Waits for what becomes of a call, besides of those before.
    pub fn wait_for(&mut self, upload: UploadId) {
        self.awaited.push(upload);
        let beyond = self.awaited.len().saturating_sub(MOST_AWAITED);
        self.awaited.drain(..beyond);
    }

    /// Learns what became of a call; whether that is news.
    ///
    /// Calls about one segment are done one after the other. Whatever failed emptied the segment under all that followed, so
    /// that nobody knows who is in it; a list that was read says nothing of the others.
    pub fn hear(&mut self, upload: &UploadId, callback: Callback) -> bool {
        let Some(place) = self.awaited.iter().position(|awaited| awaited == upload) else {
            return false;
        };
        let is_latest = place + 1 == self.awaited.len();
        let own = self
            .published
            .iter_mut()
            .filter(|published| published.upload.as_ref() == Some(upload));
        own.for_each(|published| published.is_read = true);
        match &callback {
            Callback::Processed(_) => {
                self.awaited.remove(place);
                // What was heard before is of a later one.
                if is_latest && self.heard.is_none() {
                    self.heard = Some(callback);
                }
            }
            Callback::Failed { .. } => {
                self.awaited.clear();
                self.added.retain(|added| added.upload.as_ref() != Some(upload));
                self.users = None;
                self.heard = Some(callback);
            }
        }
        true
    }

    /// Whether as much is known of the users as by `other`, whatever was heard or published.
    #[must_use]
    pub fn knows_the_same_as(&self, other: &Self) -> bool {
        let known = |one: &Self| Self {
            awaited: Vec::new(),
            heard: None,
            added: Vec::new(),
            published: Vec::new(),
            ..one.clone()
        };
        known(self) == known(other)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IdentifierType, Listing, Processed};

    fn id(number: u8) -> UploadId {
        UploadId::of([number; 16])
    }

    fn waiting_for(numbers: &[u8]) -> Uploaded {
        let identifier = Identifier {
            attribute: "email".to_owned(),
            kind: IdentifierType::Text,
        };
        let mut uploaded = Uploaded::nothing(identifier, 30);
        uploaded.users = Some(UserList::Values(Listing::nobody()));
        numbers.iter().for_each(|number| uploaded.wait_for(id(*number)));
        uploaded
    }

    fn processed(found: u64) -> Callback {
        Callback::Processed(Processed {
            values_found: Some(found),
            ..Processed::default()
        })
    }

    fn failed() -> Callback {
        Callback::Failed {
            message: "no file".to_owned(),
        }
    }

    #[test]
    fn whatever_order_callbacks_come_in_what_is_known_is_true() {
        /// What is said of which call, which calls are waited for then, whether the users are known, what is told.
        type Case = (Vec<(u8, Callback)>, Vec<u8>, bool, Option<Callback>);
        let cases: [Case; 7] = [
            (vec![(1, processed(1))], vec![2], true, None),
            (vec![(2, processed(2))], vec![1], true, Some(processed(2))),
            (
                vec![(1, processed(1)), (2, processed(2))],
                vec![],
                true,
                Some(processed(2)),
            ),
            (
                vec![(2, processed(2)), (1, processed(1))],
                vec![],
                true,
                Some(processed(2)),
            ),
            // The second was done on what the first left empty, whichever is heard of first.
            (
                vec![(1, failed()), (2, processed(2))],
                vec![],
                false,
                Some(failed()),
            ),
            (
                vec![(2, processed(2)), (1, failed())],
                vec![],
                false,
                Some(failed()),
            ),
            (vec![(9, failed())], vec![1, 2], true, None),
        ];
        for (said, waits, is_known, told) in cases {
            let mut uploaded = waiting_for(&[1, 2]);
            for (number, callback) in &said {
                uploaded.hear(&id(*number), callback.clone());
                assert!(!uploaded.hear(&id(*number), failed()), "{said:?} is heard once");
            }
            let waits: Vec<UploadId> = waits.into_iter().map(id).collect();
            assert_eq!(
                (uploaded.awaited, uploaded.users.is_some(), uploaded.heard),
                (waits, is_known, told),
                "{said:?}"
            );
        }
    }

    #[test]
    fn where_nobody_calls_back_the_oldest_are_waited_for_no_more() {
        let uploaded = waiting_for(&Vec::from_iter(0..30));
        assert_eq!(uploaded.awaited, Vec::from_iter((10..30).map(id)));
    }

    #[test]
    fn a_published_list_is_read_when_that_is_said_of_its_own_call_or_a_day_later() {
        let at = Timestamp::UNIX_EPOCH;
        let file = |number: u8| Published {
            name: ListDigest::of([number; 32]),
            at,
            upload: Some(id(number)),
            is_read: false,
        };
        let later = at + READ_AGAIN_WITHIN;
        let read = |uploaded: &Uploaded| -> Vec<bool> {
            let published = uploaded.published.iter();
            published.map(|published| published.is_over(later)).collect()
        };
        for (said, are_read) in [(processed(1), [true, false]), (failed(), [true, false])] {
            let mut uploaded = waiting_for(&[1, 2]);
            uploaded.published = vec![file(1), file(2)];
            uploaded.hear(&id(1), said);
            assert_eq!(read(&uploaded), are_read);
            let mut published = uploaded.published.iter();
            assert!(
                !published.any(|published| published.is_over(at)),
                "it may be read again"
            );
        }
        // What takes the place of all that came before says nothing of their files.
        let mut uploaded = waiting_for(&[1]);
        uploaded.published = vec![file(1)];
        uploaded.awaited.clear();
        assert_eq!(read(&uploaded), [false]);
        let day = SignedDuration::from_hours(24);
        assert!(file(1).is_over(at + day) && !file(1).is_over(at + day - SignedDuration::from_secs(1)));
    }

    #[test]
    fn users_of_a_list_that_could_not_be_read_count_no_more() {
        let mut uploaded = waiting_for(&[1, 2]);
        for number in [1, 2] {
            uploaded.add(Addition {
                at: Timestamp::UNIX_EPOCH,
                users: u64::from(number),
                upload: Some(id(number)),
            });
        }
        uploaded.hear(&id(2), failed());
        let left: Vec<u64> = uploaded.added.iter().map(|added| added.users).collect();
        assert_eq!(left, [1]);
    }
}
