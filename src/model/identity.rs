//! The two ways to say which segment is meant: the name that people write and the id that the service hands out.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The pseudo id that references use for everyone; no segment has it.
pub const ALL_USERS_ID: &str = "moe_all_users";

/// The longest name that the service takes, in characters.
const MAX_NAME_LENGTH: usize = 200;

/// What temporary names end with. A person who sees one in the dashboard should know that it does not stay.
const TEMPORARY_SUFFIX: &str = " (segctl moves it)";

/// A segment's name, as written or as the service answered it.
///
/// Not checked on construction: live segments may hold names that the rules of today refuse. What people
/// declare is checked by the naming rules of `config`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentName(Arc<str>);

impl SegmentName {
    /// Takes `name` as it stands.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into().into())
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that the segment has while another still has this one: told from this name alone, so that a run that
    /// ended in between is continued by the next.
    #[must_use]
    pub fn temporary(&self) -> Self {
        let kept = self.0.chars().take(MAX_NAME_LENGTH - TEMPORARY_SUFFIX.len());
        Self::new(kept.collect::<String>() + TEMPORARY_SUFFIX)
    }

    /// Whether a service that does not regard case would take the two for one, and they are not the same.
    #[must_use]
    pub fn differs_by_case_only(&self, other: &Self) -> bool {
        self != other && self.0.to_lowercase() == other.0.to_lowercase()
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A segment's id: opaque text from the service (24 hexadecimal characters today), stable through renames.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentId(Arc<str>);

impl SegmentId {
    /// Takes `id` as it stands.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into().into())
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the pseudo id that means everyone.
    #[must_use]
    pub fn is_all_users(&self) -> bool {
        *self.0 == *ALL_USERS_ID
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_by_case_only_are_detected() {
        let table = [
            ("Buyers", "BUYERS", true),
            ("Käufer", "KÄUFER", true),
            ("Buyers", "Buyers", false),
            ("Buyers", "Buyer", false),
        ];
        for (one, other, expected) in table {
            let differs = SegmentName::new(one).differs_by_case_only(&SegmentName::new(other));
            assert_eq!(differs, expected, "{one} {other}");
        }
    }

    #[test]
    fn temporary_names_are_valid_names() {
        for name in ["A", "é".repeat(200).as_str()] {
            let temporary = SegmentName::new(name).temporary();
            assert!(temporary.as_str().chars().count() <= MAX_NAME_LENGTH);
            assert!(temporary.as_str().ends_with(TEMPORARY_SUFFIX));
            assert!(temporary.as_str().is_ascii() == name.is_ascii());
        }
    }
}
