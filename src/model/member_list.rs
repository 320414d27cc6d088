//! Member lists, their digests, and changes of members.

use super::hexadecimal::{hexadecimal, is_hexadecimal};
use serde::{Deserialize, Serialize};
use std::fmt;

/// SHA-256 of all values in byte order, each followed by a line end, in lowercase hexadecimal. It does not depend on the
/// order of the values in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListDigest(String);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSummary {
    pub digest: ListDigest,
    pub count: u64,
}

/// Identifies the contents of a file segment's user list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserListFingerprint {
    /// segctl knows the values.
    Values(ListSummary),
    /// A file that another process publishes.
    Published {
        /// The SHA-256 of the file in lowercase hexadecimal.
        sha256: String,
    },
}

/// The effect of a user list on the users of a file segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserChange {
    Add,
    Remove,
    Replace,
}

/// The effect of a request on the members of a cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberChange {
    Add,
    Remove,
}

/// Identifies a cohort in the API. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortKey {
    /// The partner that syncs the cohort.
    pub partner: String,
    /// Assigned by the partner.
    pub cohort_id: String,
}

impl ListSummary {
    #[must_use]
    pub fn empty() -> Self {
        Self {
            digest: ListDigest::from_bytes(EMPTY_SHA256),
            count: 0,
        }
    }
}

/// SHA-256 of no bytes.
const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

impl UserListFingerprint {
    #[must_use]
    pub fn summary(&self) -> Option<&ListSummary> {
        match self {
            Self::Values(summary) => Some(summary),
            Self::Published { .. } => None,
        }
    }
}

impl UserChange {
    /// The name in the API's paths.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add-users",
            Self::Remove => "remove-users",
            Self::Replace => "replace",
        }
    }
}

impl ListDigest {
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(hexadecimal(&bytes))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Strict, because a digest is part of file names.
impl TryFrom<String> for ListDigest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_hexadecimal(&text, 32) {
            Ok(Self(text))
        } else {
            Err("a list digest has 64 digits of 0-9 and a-f")
        }
    }
}

impl From<ListDigest> for String {
    fn from(digest: ListDigest) -> Self {
        digest.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_digest_decodes_as_a_digest() {
        let digest = ListDigest::from_bytes([0xa5; 32]);
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(text, format!("\"{}\"", "a5".repeat(32)));
        assert_eq!(serde_json::from_str::<ListDigest>(&text).unwrap(), digest);
        for other in ["", "../state", &"A5".repeat(32), &"a5".repeat(33)] {
            serde_json::from_value::<ListDigest>(other.into()).unwrap_err();
        }
    }
}
