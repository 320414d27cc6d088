//! What the ledger knows of users that were uploaded: the service shows nobody who is in a file segment.

use crate::model::{Identifier, ListDigest, UploadId, UploadResult, UserListFingerprint};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Whom a file segment has, as far as what was uploaded tells. The list itself is kept beside the ledger, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadState {
    /// What the values are. It never changes.
    pub identifier: Identifier,
    /// Days after its creation at which the service archives it. They never change.
    pub expires_in_days: u32,
    /// When it was made; `None` where somebody else made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Whom it has; `None` where a call was not answered, or a run ended before it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<UserListFingerprint>,
    /// When a call put it away, as long as it is: its users are dropped some time later. `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// When the last call was made that was not answered, or of which nobody knows whether it was: it may arrive long after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous_since: Option<Timestamp>,
    /// Calls that the service took, or may have, and of whose lists it has not said what became of them; the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<UploadId>,
    /// What it said of the latest, or of one that failed, until it takes another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<UploadResult>,
    /// How many users calls of the last day added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additions: Vec<Addition>,
    /// Files that were put where the service reads them, and are there still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published_files: Vec<PublishedFile>,
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// For how long a published list stays where it is when nobody tells that the service has read it.
const UNPROCESSED_FILE_RETENTION: SignedDuration = DAY;

/// For how long it stays where it is although the service has read it: a call that was delivered twice on the way has it read
/// twice, and a list that is gone by then leaves nobody in the segment.
const PROCESSED_FILE_RETENTION: SignedDuration = SignedDuration::from_hours(1);

/// So many calls are waited for at most: where nobody listens, none is ever heard of.
const PENDING_LIMIT: usize = 20;

/// How long the users of an archived segment are surely kept: 30 days less one, for clocks that differ and for waits.
const ARCHIVED_USERS_RETENTION: SignedDuration = SignedDuration::from_hours(29 * 24);

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
pub struct PublishedFile {
    /// Names it where files are published.
    pub name: ListDigest,
    /// When the service was told of it.
    pub submitted_at: Timestamp,
    /// The call that told it, where it says what becomes of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    /// Whether the service said what became of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_processed: bool,
}

impl PublishedFile {
    /// Whether the service has read it and does not read it again, or has had the time to.
    #[must_use]
    pub fn can_be_deleted(&self, now: Timestamp) -> bool {
        let age = self.submitted_at.duration_until(now);
        age >= UNPROCESSED_FILE_RETENTION || self.is_processed && age >= PROCESSED_FILE_RETENTION
    }
}

impl UploadState {
    /// What is known of a segment from before the first call about it.
    #[must_use]
    pub fn new(identifier: Identifier, expires_in_days: u32) -> Self {
        Self {
            identifier,
            expires_in_days,
            created_at: None,
            users: None,
            archived_at: None,
            ambiguous_since: None,
            pending: Vec::new(),
            last_result: None,
            additions: Vec::new(),
            published_files: Vec::new(),
        }
    }

    /// Takes down that a call added users.
    pub fn record_addition(&mut self, addition: Addition) {
        if addition.users == 0 {
            return;
        }
        let counts = |added: &Addition| added.at.duration_until(addition.at) < DAY;
        self.additions.retain(counts);
        self.additions.push(addition);
    }

    /// Waits for what becomes of a call, besides of those before.
    pub fn add_pending(&mut self, upload: UploadId) {
        self.pending.push(upload);
        let beyond = self.pending.len().saturating_sub(PENDING_LIMIT);
        self.pending.drain(..beyond);
    }

    /// Learns what became of a call; whether that is news.
    ///
    /// Calls about one segment are done one after the other. Whatever failed emptied the segment under all that followed, so
    /// that nobody knows who is in it; a list that was read says nothing of the others.
    pub fn record_result(&mut self, upload: &UploadId, callback: UploadResult) -> bool {
        let Some(place) = self.pending.iter().position(|awaited| awaited == upload) else {
            return false;
        };
        let is_latest = place + 1 == self.pending.len();
        let own = self
            .published_files
            .iter_mut()
            .filter(|published| published.upload.as_ref() == Some(upload));
        own.for_each(|published| published.is_processed = true);
        match &callback {
            UploadResult::Processed(_) => {
                self.pending.remove(place);
                // What was heard before is of a later one.
                if is_latest && self.last_result.is_none() {
                    self.last_result = Some(callback);
                }
            }
            UploadResult::Failed { .. } => {
                self.pending.clear();
                self.additions
                    .retain(|added| added.upload.as_ref() != Some(upload));
                self.users = None;
                self.last_result = Some(callback);
            }
        }
        true
    }

    /// Whether as much is known of the users as by `other`, whatever was heard or published.
    #[must_use]
    pub fn eq_ignoring_uploads(&self, other: &Self) -> bool {
        let known = |one: &Self| Self {
            pending: Vec::new(),
            last_result: None,
            additions: Vec::new(),
            published_files: Vec::new(),
            ..one.clone()
        };
        known(self) == known(other)
    }

    /// Whether the service may have dropped the users of the segment by `now`, which is put away or was until then.
    #[must_use]
    pub fn may_have_lost_users(&self, now: Timestamp) -> bool {
        let is_kept = self.archived_at.is_some_and(|at| {
            let age = now.duration_since(at);
            !age.is_negative() && age < ARCHIVED_USERS_RETENTION
        });
        !is_kept || self.expires_at().is_some_and(|at| at <= now)
    }

    /// Learns that the segment is in use again.
    pub fn mark_unarchived(&mut self, now: Timestamp) {
        if self.may_have_lost_users(now) {
            self.users = None;
        }
        self.archived_at = None;
    }

    /// When the service archives it, where that is known.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        let days = SignedDuration::from_hours(24 * i64::from(self.expires_in_days));
        self.created_at?.checked_add(days).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IdentifierType, ListSummary, UploadCounts};

    fn id(number: u8) -> UploadId {
        UploadId::from_bytes([number; 16])
    }

    fn with_pending(numbers: &[u8]) -> UploadState {
        let identifier = Identifier {
            attribute: "email".to_owned(),
            kind: IdentifierType::Text,
        };
        let mut uploaded = UploadState::new(identifier, 30);
        uploaded.users = Some(UserListFingerprint::Values(ListSummary::empty()));
        numbers
            .iter()
            .for_each(|number| uploaded.add_pending(id(*number)));
        uploaded
    }

    fn processed(found: u64) -> UploadResult {
        UploadResult::Processed(UploadCounts {
            values_found: Some(found),
            ..UploadCounts::default()
        })
    }

    fn failed() -> UploadResult {
        UploadResult::Failed {
            message: "no file".to_owned(),
        }
    }

    #[test]
    fn upload_results_are_recorded_correctly_in_any_order() {
        /// What is said of which call, which calls are waited for then, whether the users are known, what is told.
        type Case = (Vec<(u8, UploadResult)>, Vec<u8>, bool, Option<UploadResult>);
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
            let mut uploaded = with_pending(&[1, 2]);
            for (number, callback) in &said {
                uploaded.record_result(&id(*number), callback.clone());
                assert!(
                    !uploaded.record_result(&id(*number), failed()),
                    "{said:?} is heard once"
                );
            }
            let waits: Vec<UploadId> = waits.into_iter().map(id).collect();
            assert_eq!(
                (uploaded.pending, uploaded.users.is_some(), uploaded.last_result),
                (waits, is_known, told),
                "{said:?}"
            );
        }
    }

    #[test]
    fn the_oldest_pending_uploads_are_dropped_beyond_the_limit() {
        let uploaded = with_pending(&Vec::from_iter(0..30));
        assert_eq!(uploaded.pending, Vec::from_iter((10..30).map(id)));
    }

    #[test]
    fn a_published_file_can_be_deleted_after_its_own_result_or_a_day() {
        let at = Timestamp::UNIX_EPOCH;
        let file = |number: u8| PublishedFile {
            name: ListDigest::from_bytes([number; 32]),
            submitted_at: at,
            upload: Some(id(number)),
            is_processed: false,
        };
        let later = at + PROCESSED_FILE_RETENTION;
        let read = |uploaded: &UploadState| -> Vec<bool> {
            let published = uploaded.published_files.iter();
            published
                .map(|published| published.can_be_deleted(later))
                .collect()
        };
        for (said, are_read) in [(processed(1), [true, false]), (failed(), [true, false])] {
            let mut uploaded = with_pending(&[1, 2]);
            uploaded.published_files = vec![file(1), file(2)];
            uploaded.record_result(&id(1), said);
            assert_eq!(read(&uploaded), are_read);
            let mut published = uploaded.published_files.iter();
            assert!(
                !published.any(|published| published.can_be_deleted(at)),
                "it may be read again"
            );
        }
        // What takes the place of all that came before says nothing of their files.
        let mut uploaded = with_pending(&[1]);
        uploaded.published_files = vec![file(1)];
        uploaded.pending.clear();
        assert_eq!(read(&uploaded), [false]);
        let day = SignedDuration::from_hours(24);
        assert!(
            file(1).can_be_deleted(at + day)
                && !file(1).can_be_deleted(at + day - SignedDuration::from_secs(1))
        );
    }

    #[test]
    fn users_of_a_failed_upload_are_not_counted() {
        let mut uploaded = with_pending(&[1, 2]);
        for number in [1, 2] {
            uploaded.record_addition(Addition {
                at: Timestamp::UNIX_EPOCH,
                users: u64::from(number),
                upload: Some(id(number)),
            });
        }
        uploaded.record_result(&id(2), failed());
        let left: Vec<u64> = uploaded.additions.iter().map(|added| added.users).collect();
        assert_eq!(left, [1]);
    }
}
