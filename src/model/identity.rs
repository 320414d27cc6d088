//! Segments are identified by the name that people write and by the id that MoEngage assigns.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The pseudo id that references use for all users. No segment has it.
pub const ALL_USERS_ID: &str = "moe_all_users";

/// Begins the id that the state uses for a cohort while no list has shown its real one. MoEngage's ids have no colon.
const UNLISTED_COHORT_PREFIX: &str = "unlisted:";

/// MoEngage's limit, in characters.
const MAX_NAME_LENGTH: usize = 200;

/// A user who sees a temporary name in the dashboard should know that segctl will rename the segment.
const TEMPORARY_SUFFIX: &str = " (segctl temporary name)";

/// Not checked on construction: existing segments may have names that today's rules reject.
/// The naming rules of `config` check declared names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentName(Arc<str>);

impl SegmentName {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into().into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// MoEngage's own segment of all users, which has an id of its own: `moe_all_users`.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.trim().eq_ignore_ascii_case("All Users")
    }

    /// The segment's name while another segment still has the final one. It depends on the final name alone, so that
    /// the next run can continue an interrupted one.
    #[must_use]
    pub fn temporary(&self) -> Self {
        let shortened = self.0.chars().take(MAX_NAME_LENGTH - TEMPORARY_SUFFIX.len());
        Self::new(shortened.collect::<String>() + TEMPORARY_SUFFIX)
    }

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

/// Opaque text from MoEngage (24 hexadecimal characters today). A rename does not change it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SegmentId(Arc<str>);

impl SegmentId {
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into().into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id in the state of a cohort that MoEngage does not list: no answer contains its real id. Never sent.
    #[must_use]
    pub fn unlisted_cohort(partner: &str, cohort_id: &str) -> Self {
        Self::new(format!("{UNLISTED_COHORT_PREFIX}{partner}/{cohort_id}"))
    }

    #[must_use]
    pub fn is_unlisted_cohort(&self) -> bool {
        self.0.starts_with(UNLISTED_COHORT_PREFIX)
    }

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
