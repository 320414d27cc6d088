//! What the state records of a file segment's users, which the API does not return.

use crate::model::{Identifier, ListDigest, UploadId, UploadResult, UserListFingerprint};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The users of a file segment, as far as the uploads show. The list is stored beside the state, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadState {
    /// Never changes after the creation.
    pub identifier: Identifier,
    /// Days after its creation at which MoEngage archives it. Never changes.
    pub expires_in_days: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// `None` after a request without a known result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<UserListFingerprint>,
    /// When segctl archived it, until it is unarchived. MoEngage deletes the users of an archived segment after a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// When the last request without a known result was sent. It may arrive late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous_since: Option<Timestamp>,
    /// Possibly accepted uploads whose result MoEngage has not reported; the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<UploadId>,
    /// The result of the latest upload, or of a failed one, until MoEngage accepts another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<UploadResult>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additions: Vec<Addition>,
    /// Files that were published for MoEngage and not deleted yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published_files: Vec<PublishedFile>,
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

const UNPROCESSED_FILE_RETENTION: SignedDuration = DAY;

/// How long a processed file stays published. MoEngage reads it twice if a request is delivered twice, and a missing list
/// would empty the segment.
const PROCESSED_FILE_RETENTION: SignedDuration = SignedDuration::from_hours(1);

/// Without a callback receiver no result ever arrives.
const PENDING_LIMIT: usize = 20;

/// How long MoEngage certainly stores the users of an archived segment: 30 days, less one for clock differences and waits.
const ARCHIVED_USERS_RETENTION: SignedDuration = SignedDuration::from_hours(29 * 24);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addition {
    pub at: Timestamp,
    /// An upper bound: users that were in the segment already do not count.
    pub users: u64,
    /// `None` if MoEngage does not report a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedFile {
    pub name: ListDigest,
    pub submitted_at: Timestamp,
    /// `None` if MoEngage does not report a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_processed: bool,
}

impl PublishedFile {
    #[must_use]
    pub fn can_be_deleted(&self, now: Timestamp) -> bool {
        let age = self.submitted_at.duration_until(now);
        age >= UNPROCESSED_FILE_RETENTION || self.is_processed && age >= PROCESSED_FILE_RETENTION
    }
}

impl UploadState {
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

    pub fn record_addition(&mut self, addition: Addition) {
        if addition.users == 0 {
            return;
        }
        self.additions
            .retain(|earlier| earlier.at.duration_until(addition.at) < DAY);
        self.additions.push(addition);
    }

    pub fn add_pending(&mut self, upload: UploadId) {
        self.pending.push(upload);
        let excess = self.pending.len().saturating_sub(PENDING_LIMIT);
        self.pending.drain(..excess);
    }

    /// The result without the count of added users unless the upload added some.
    #[must_use]
    pub fn known_result(&self, upload: &UploadId, result: UploadResult) -> UploadResult {
        let mut additions = self.additions.iter();
        let is_addition = additions.any(|addition| addition.upload.as_ref() == Some(upload));
        match result {
            UploadResult::Processed(counts) if !is_addition => {
                UploadResult::Processed(counts.without_user_count())
            }
            result => result,
        }
    }

    /// Records the result of an upload, and returns whether it was pending.
    ///
    /// MoEngage processes the uploads of one segment in order. A failed upload empties the segment for all later ones, so
    /// its users are unknown then. A processed upload does not show the result of any other.
    pub fn record_result(&mut self, upload: &UploadId, result: UploadResult) -> bool {
        let Some(position) = self.pending.iter().position(|pending| pending == upload) else {
            return false;
        };
        let is_latest = position + 1 == self.pending.len();
        for file in &mut self.published_files {
            file.is_processed |= file.upload.as_ref() == Some(upload);
        }
        match &result {
            UploadResult::Processed(_) => {
                self.pending.remove(position);
                // An earlier reported result is that of a later upload.
                if is_latest && self.last_result.is_none() {
                    self.last_result = Some(result);
                }
            }
            UploadResult::Failed { .. } => {
                self.pending.clear();
                self.additions
                    .retain(|addition| addition.upload.as_ref() != Some(upload));
                self.users = None;
                self.last_result = Some(result);
            }
        }
        true
    }

    /// Compares what is known of the users, whatever was uploaded, published or reported.
    #[must_use]
    pub fn eq_ignoring_uploads(&self, other: &Self) -> bool {
        let without_uploads = |state: &Self| Self {
            pending: Vec::new(),
            last_result: None,
            additions: Vec::new(),
            published_files: Vec::new(),
            ..state.clone()
        };
        without_uploads(self) == without_uploads(other)
    }

    /// Whether MoEngage may have deleted the users of the segment, which is archived or was until `now`.
    #[must_use]
    pub fn may_have_lost_users(&self, now: Timestamp) -> bool {
        let is_retained = self.archived_at.is_some_and(|at| {
            let age = now.duration_since(at);
            !age.is_negative() && age < ARCHIVED_USERS_RETENTION
        });
        !is_retained || self.expires_at().is_some_and(|at| at <= now)
    }

    pub fn mark_unarchived(&mut self, now: Timestamp) {
        if self.may_have_lost_users(now) {
            self.users = None;
        }
        self.archived_at = None;
    }

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
        let mut state = UploadState::new(identifier, 30);
        state.users = Some(UserListFingerprint::Values(ListSummary::empty()));
        numbers.iter().for_each(|number| state.add_pending(id(*number)));
        state
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
        /// The results by upload, then what is expected: the pending uploads, whether users are known, the last result.
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
            // The first upload emptied the segment before the second, whichever result arrives first.
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
        for (results, pending, is_known, last_result) in cases {
            let mut state = with_pending(&[1, 2]);
            for (number, result) in &results {
                state.record_result(&id(*number), result.clone());
                assert!(
                    !state.record_result(&id(*number), failed()),
                    "{results:?} is recorded once"
                );
            }
            let pending: Vec<UploadId> = pending.into_iter().map(id).collect();
            assert_eq!(
                (state.pending, state.users.is_some(), state.last_result),
                (pending, is_known, last_result),
                "{results:?}"
            );
        }
    }

    #[test]
    fn the_oldest_pending_uploads_are_dropped_beyond_the_limit() {
        let state = with_pending(&Vec::from_iter(0..30));
        assert_eq!(state.pending, Vec::from_iter((10..30).map(id)));
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
        let can_be_deleted = |state: &UploadState, at| -> Vec<bool> {
            let files = state.published_files.iter();
            files.map(|file| file.can_be_deleted(at)).collect()
        };
        let later = at + PROCESSED_FILE_RETENTION;
        for result in [processed(1), failed()] {
            let mut state = with_pending(&[1, 2]);
            state.published_files = vec![file(1), file(2)];
            state.record_result(&id(1), result);
            assert_eq!(can_be_deleted(&state, later), [true, false]);
            assert_eq!(can_be_deleted(&state, at), [false, false], "it may be read again");
        }
        // A full upload clears the pending ones, without any result of theirs.
        let mut state = with_pending(&[1]);
        state.published_files = vec![file(1)];
        state.pending.clear();
        assert_eq!(can_be_deleted(&state, later), [false]);
        let day = SignedDuration::from_hours(24);
        assert!(
            file(1).can_be_deleted(at + day)
                && !file(1).can_be_deleted(at + day - SignedDuration::from_secs(1))
        );
    }

    #[test]
    fn users_of_a_failed_upload_are_not_counted() {
        let mut state = with_pending(&[1, 2]);
        for number in [1, 2] {
            state.record_addition(Addition {
                at: Timestamp::UNIX_EPOCH,
                users: u64::from(number),
                upload: Some(id(number)),
            });
        }
        state.record_result(&id(2), failed());
        let counted: Vec<u64> = state.additions.iter().map(|addition| addition.users).collect();
        assert_eq!(counted, [1]);
    }
}
