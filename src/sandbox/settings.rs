//! The switches: one for each behavior that MoEngage does not document.

use super::SandboxError;
use super::definition::EchoFormat;
use super::rate_limit_class::{RateLimitClass, RateLimitWindow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the service behaves where MoEngage's documentation leaves it open. Each default is the likelier behavior.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxSettings {
    pub rate_limits: RateLimitMode,
    pub list_create_share_window: bool,
    pub rate_headers: bool,
    pub rate_headers_window: HeaderWindow,
    pub active_limit: usize,
    pub unarchive_checks_active_limit: bool,
    pub list_includes_archived: bool,
    pub list_shows: ListedKinds,
    /// The definition of an archived segment blocks new segments with the same definition.
    pub archived_definitions_conflict: bool,
    /// Two definitions that differ only in the order of their filters are different.
    pub equality_order_sensitive: bool,
    pub rename_frees_old_name: bool,
    pub names_case_sensitive: bool,
    pub patch_without_excluded: MissingExcludedBehavior,
    pub patch_without_change: UnchangedUpdateBehavior,
    /// Archiving an archived segment or unarchiving an active one succeeds; otherwise it is a 400.
    pub archive_idempotent: bool,
    /// A definition may refer to an archived segment; otherwise it is a 400.
    pub reference_to_archived_allowed: bool,
    /// A definition that is only one nested group is stored without the outer group. Equality is checked first.
    pub unwraps_single_groups: bool,
    pub echo: EchoFormat,
    /// The answer to a v2 request with another database, or none.
    pub wrong_database: WrongDatabaseAnswer,
    /// A request with both client headers is rejected; otherwise the superfluous one is ignored.
    pub one_client_header: bool,
    /// The Content-Type that requests to create or change a file segment must have.
    pub file_request_content_type: FileRequestContentType,
    /// The users of the workspace: for each attribute the values, where a value listed twice belongs to two users.
    /// Every value of an attribute that is not listed belongs to one user.
    pub users: BTreeMap<String, Vec<String>>,
}

/// The kinds of segments that the list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListedKinds {
    #[default]
    All,
    Filter,
    FilterAndFile,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrongDatabaseAnswer {
    #[default]
    Unauthorized,
    BadRequest,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileRequestContentType {
    #[default]
    #[serde(rename = "application/json")]
    Json,
    /// One of the types that a list itself may have.
    #[serde(rename = "list")]
    List,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateLimitMode {
    #[default]
    Documented,
    Off,
    /// Replaces the documented windows of these classes.
    Custom(BTreeMap<RateLimitClass, Vec<RateLimitWindow>>),
}

/// The window of a class that the `x-ratelimit-` headers describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderWindow {
    #[default]
    Shortest,
    /// The window with the fewest requests left.
    Fullest,
}

/// What an update without `excluded_filters` does to the existing ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingExcludedBehavior {
    #[default]
    Keep,
    Clear,
}

/// The response to an update that changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnchangedUpdateBehavior {
    #[default]
    Accepted,
    Refused,
    /// 409 that reports the segment itself as the holder of its definition.
    Conflict,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            rate_limits: RateLimitMode::Documented,
            list_create_share_window: false,
            rate_headers: true,
            rate_headers_window: HeaderWindow::Shortest,
            active_limit: 1000,
            unarchive_checks_active_limit: true,
            list_includes_archived: false,
            list_shows: ListedKinds::All,
            archived_definitions_conflict: false,
            equality_order_sensitive: true,
            rename_frees_old_name: false,
            names_case_sensitive: true,
            patch_without_excluded: MissingExcludedBehavior::Keep,
            patch_without_change: UnchangedUpdateBehavior::Accepted,
            archive_idempotent: true,
            reference_to_archived_allowed: true,
            unwraps_single_groups: false,
            echo: EchoFormat::AsSent,
            wrong_database: WrongDatabaseAnswer::Unauthorized,
            one_client_header: false,
            file_request_content_type: FileRequestContentType::Json,
            users: BTreeMap::new(),
        }
    }
}

impl SandboxSettings {
    /// These settings with the switch `name` set to `value`, which is JSON or a bare word.
    pub(super) fn with_switch(&self, name: &str, value: &str) -> Result<Self, SandboxError> {
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        let invalid = |source| SandboxError::Switch {
            name: name.to_owned(),
            source,
        };
        let mut settings = serde_json::to_value(self).map_err(invalid)?;
        settings[name] = value;
        serde_json::from_value(settings).map_err(invalid)
    }
}
