//! What the service says of a list of users, some time after it took the call about it.

use super::hexadecimal::{hexadecimal, is_hexadecimal};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a call about a list of users: what the service says of the call later comes to an address that ends with it. 32
/// digits in lowercase hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadId(String);

/// What became of a list of users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadResult {
    /// The service read it.
    Processed(UploadCounts),
    /// It could not, and nobody is in the segment.
    Failed {
        /// Why, in its own words.
        message: String,
    },
}

/// What the service made of a list. What it did not say is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadCounts {
    /// How many values it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_found: Option<u64>,
    /// How many of them it looked for users with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_processed: Option<u64>,
    /// How many users are in the segment since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_count: Option<u64>,
}

impl UploadId {
    /// The id of which these are the bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(hexadecimal(&bytes))
    }

    /// The id as text.
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

/// It is part of the names of files, and comes from whoever calls back: nothing else may pass for one.
impl TryFrom<String> for UploadId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_hexadecimal(&text, 16) {
            Ok(Self(text))
        } else {
            Err("the id of an upload has 32 digits of 0-9 and a-f")
        }
    }
}

impl From<UploadId> for String {
    fn from(id: UploadId) -> Self {
        id.0
    }
}

/// What it said, in words.
impl fmt::Display for UploadCounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.values_found, "values found"),
            (self.values_processed, "processed"),
            (self.user_count, "users in the segment"),
        ];
        let known = counts
            .iter()
            .filter_map(|(count, words)| Some(format!("{} {words}", (*count)?)));
        let known: Vec<String> = known.collect();
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
        for other in ["", "../ledger", &"5A".repeat(16), &"5a".repeat(32)] {
            serde_json::from_value::<UploadId>(other.into()).unwrap_err();
        }
    }

    #[test]
    fn only_reported_counts_are_printed() {
        let whole = UploadCounts {
            values_found: Some(3),
            values_processed: Some(2),
            user_count: Some(1),
        };
        assert_eq!(
            whole.to_string(),
            "3 values found, 2 processed, 1 users in the segment"
        );
        assert_eq!(UploadCounts::default().to_string(), "processed");
    }
}
