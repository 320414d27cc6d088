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
    /// MoEngage could not read the list, and the segment has no users.
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
    /// Users in the segment afterwards.
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

impl fmt::Display for UploadCounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.values_found, "values found"),
            (self.values_processed, "processed"),
            (self.user_count, "users in the segment"),
        ];
        let known: Vec<String> = counts
            .iter()
            .filter_map(|(count, words)| Some(format!("{} {words}", (*count)?)))
            .collect();
        if known.is_empty() {
            return formatter.write_str("processed");
        }
        formatter.write_str(&known.join(", "))
    }
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
        assert_eq!(
            all.to_string(),
            "3 values found, 2 processed, 1 users in the segment"
        );
        assert_eq!(UploadCounts::default().to_string(), "processed");
    }
}
