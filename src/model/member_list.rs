//! Lists of members, and what becomes of those who are in a segment.

use super::hexadecimal::{hexadecimal, is_hexadecimal};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a list by its values: SHA-256 over all of them in order of their bytes, each with a line end behind it, in
/// lowercase hexadecimal. It is the same for the same values in any order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListDigest(String);

/// A list by its name and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSummary {
    /// Names it.
    pub digest: ListDigest,
    /// How many values it has.
    pub count: u64,
}

/// The list of a file segment, by what names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserListFingerprint {
    /// A list whose values are known here.
    Values(ListSummary),
    /// A file that somebody else publishes.
    Published {
        /// The SHA-256 of its bytes in lower-case hex.
        sha256: String,
    },
}

/// What becomes of the users of a file segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserChange {
    /// Those of the list come in.
    Add,
    /// Those of the list go.
    Remove,
    /// Those of the list are all there are.
    Replace,
}

/// What becomes of the members of a cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberChange {
    /// Those that are named come in.
    Add,
    /// Those that are named go.
    Remove,
}

/// What the service knows a cohort by. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortKey {
    /// Who synchronises it.
    pub partner: String,
    /// The partner's own id of it.
    pub cohort_id: String,
}

impl ListSummary {
    /// The list without values.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            digest: ListDigest::from_bytes(EMPTY_SHA256),
            count: 0,
        }
    }
}

/// SHA-256 over nothing.
const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

impl UserListFingerprint {
    /// The list, where its values are known here.
    #[must_use]
    pub fn summary(&self) -> Option<&ListSummary> {
        match self {
            Self::Values(listing) => Some(listing),
            Self::Published { .. } => None,
        }
    }
}

impl UserChange {
    /// The words for it, as the API has them.
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
    /// The digest of which these are the bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(hexadecimal(&bytes))
    }

    /// The digest as text.
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

/// It is part of the names of files, so that nothing else may pass for one.
impl TryFrom<String> for ListDigest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_hexadecimal(&text, 32) {
            Ok(Self(text))
        } else {
            Err("the digest of a list has 64 digits of 0-9 and a-f")
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
        for other in ["", "../ledger", &"A5".repeat(32), &"a5".repeat(33)] {
            serde_json::from_value::<ListDigest>(other.into()).unwrap_err();
        }
    }
}
