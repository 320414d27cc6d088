//! The result of a user list upload, which MoEngage reports some time after it accepted the request.

use super::hexadecimal::{hexadecimal, is_hexadecimal};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Identifies an upload. The callback URL of the upload ends with it. 32 digits in lowercase hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadId(String);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadResult {
    Processed(UploadCounts),
    /// MoEngage could not read the list. The segment has no users after a failed creation; after another failed call its
    /// users are unknown.
    Failed {
        /// MoEngage's own message.
        message: String,
    },
}

/// Counts that MoEngage did not report are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadCounts {
    /// Values in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_found: Option<u64>,
    /// Values that MoEngage searched users for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_processed: Option<u64>,
    /// Users that the call added: not the size of the segment. MoEngage does not document its meaning for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_count: Option<u64>,
}

impl UploadId {
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(hexadecimal(&bytes))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Strict, because an upload id is part of file names and comes from unauthenticated callbacks.
impl TryFrom<String> for UploadId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_hexadecimal(&text, 16) {
            Ok(Self(text))
        } else {
            Err("an upload id has 32 digits of 0-9 and a-f")
        }
    }
}

impl From<UploadId> for String {
    fn from(id: UploadId) -> Self {
        id.0
    }
}

impl UploadCounts {
    /// Without `user_count`, whose meaning is documented only for calls that add users.
    #[must_use]
    pub fn without_user_count(self) -> Self {
        Self {
            user_count: None,
            ..self
        }
    }

    /// What MoEngage lost of the `sent` values. Fewer added users than values are no loss: a value may match no user, or a
    /// user that was in the segment already.
    #[must_use]
    pub fn loss(self, sent: Option<u64>) -> Option<String> {
        if let Some((found, sent)) = self.values_found.zip(sent)
            && found != sent
        {
            return Some(format!(
                "MoEngage found {} in the list, but segctl sent {sent}: check that your web server serves the published \
                 list complete and unchanged",
                counted(found, "value")
            ));
        }
        let (processed, found) = self.values_processed.zip(self.values_found)?;
        (processed < found).then(|| {
            format!(
                "MoEngage processed only {processed} of {} in the list: check the list for values with spaces, quotes or \
                 duplicates",
                counted(found, "value")
            )
        })
    }

    /// Why fewer users were added than values were processed, if that is so.
    #[must_use]
    pub fn unmatched_note(self) -> Option<String> {
        let (added, processed) = self.user_count.zip(self.values_processed)?;
        (added < processed).then(|| {
            format!(
                "{processed} processed values added {}: values that match no user add none, nor do users that were in the \
                 segment already; if a value matches several users, MoEngage adds at most 2,000 users per 2,000 values",
                counted(added, "user")
            )
        })
    }
}

impl fmt::Display for UploadCounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            self.values_found
                .map(|found| format!("{} found", counted(found, "value"))),
            self.values_processed
                .map(|processed| format!("{processed} processed")),
            self.user_count
                .map(|added| format!("{} added", counted(added, "user"))),
        ];
        let known: Vec<String> = counts.into_iter().flatten().collect();
        if known.is_empty() {
            return formatter.write_str("processed");
        }
        formatter.write_str(&known.join(", "))
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_upload_id_decodes_as_an_upload_id() {
        let id = UploadId::from_bytes([0x5a; 16]);
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, format!("\"{}\"", "5a".repeat(16)));
        assert_eq!(serde_json::from_str::<UploadId>(&text).unwrap(), id);
        for other in ["", "../state", &"5A".repeat(16), &"5a".repeat(32)] {
            serde_json::from_value::<UploadId>(other.into()).unwrap_err();
        }
    }

    #[test]
    fn only_reported_counts_are_printed() {
        let all = UploadCounts {
            values_found: Some(3),
            values_processed: Some(2),
            user_count: Some(1),
        };
        assert_eq!(all.to_string(), "3 values found, 2 processed, 1 user added");
        assert_eq!(
            all.without_user_count().to_string(),
            "3 values found, 2 processed"
        );
        assert_eq!(UploadCounts::default().to_string(), "processed");
    }

    #[test]
    fn only_missing_values_are_a_loss() {
        let counts = |found, processed, added| UploadCounts {
            values_found: found,
            values_processed: processed,
            user_count: added,
        };
        // The counts, the values sent, whether a loss is reported, whether a note explains the count of users.
        let table = [
            // One user was added to a segment of three.
            (counts(Some(1), Some(1), Some(1)), Some(1), false, false),
            // The list has users that were in the segment already.
            (counts(Some(4), Some(4), Some(1)), Some(4), false, true),
            (counts(Some(4), Some(4), Some(0)), Some(4), false, true),
            // A value matches several users.
            (counts(Some(2), Some(2), Some(5)), Some(2), false, false),
            (counts(Some(3), Some(3), Some(3)), Some(4), true, false),
            (counts(Some(5), Some(5), Some(5)), Some(4), true, false),
            (counts(Some(4), Some(3), Some(3)), Some(4), true, false),
            (counts(Some(4), Some(3), Some(3)), None, true, false),
            (counts(Some(4), Some(4), Some(4)), None, false, false),
            (counts(None, Some(3), None), Some(4), false, false),
            (counts(None, None, Some(3)), Some(4), false, false),
            (UploadCounts::default(), Some(4), false, false),
        ];
        for (counts, sent, is_loss, is_explained) in table {
            assert_eq!(counts.loss(sent).is_some(), is_loss, "{counts:?} {sent:?}");
            assert_eq!(counts.unmatched_note().is_some(), is_explained, "{counts:?}");
        }
    }
}
