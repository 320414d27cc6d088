//! The switches: one for each behaviour that MoEngage does not document.

use super::definition::EchoFormat;
use super::rate_limits::{RateLimitClass, RateLimitWindow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the service behaves where the documentation is silent. Defaults are the likelier behaviours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxSettings {
    /// Whether calls are limited; default `documented`.
    pub rate_limits: RateLimitMode,
    /// Whether creates and lists count toward one window; default false.
    pub list_create_share_window: bool,
    /// Whether answers carry `x-ratelimit-` headers; default true.
    pub rate_headers: bool,
    /// Which window of a class the headers describe; default `shortest`.
    pub rate_headers_window: HeaderWindow,
    /// Active segments that fit into the workspace; default 1000, as documented.
    pub active_limit: usize,
    /// Whether unarchiving is refused at the active limit; default true.
    pub unarchive_checks_active_limit: bool,
    /// Whether the list shows archived segments; default false.
    pub list_includes_archived: bool,
    /// Whether the definition of an archived segment blocks others; default false.
    pub archived_definitions_conflict: bool,
    /// Whether the order of filters makes another definition; default true.
    pub equality_order_sensitive: bool,
    /// Whether a rename frees the old name; default false.
    pub rename_frees_old_name: bool,
    /// Whether names differ by case; default true.
    pub names_case_sensitive: bool,
    /// What an update without `excluded_filters` does to the stored ones; default `keep`.
    pub patch_without_excluded: MissingExcludedBehavior,
    /// What an update that changes nothing answers; default `accepted`.
    pub patch_without_change: UnchangedUpdateBehavior,
    /// Whether archiving an archived segment, or unarchiving an active one, succeeds; otherwise it is a 400. Default
    /// true.
    pub archive_idempotent: bool,
    /// Whether a definition may refer to an archived segment; otherwise it is a 400. Default true.
    pub reference_to_archived_allowed: bool,
    /// Whether a definition that is nothing but one nested group is kept without the outer group, once it was taken as it
    /// was sent; default false.
    pub unwraps_single_groups: bool,
    /// The form in which definitions come back; default `as_sent`.
    pub echo: EchoFormat,
    /// The users of the workspace, as the values they have of an attribute: a value that stands there twice belongs
    /// to two users. Of an attribute that is not named, every value belongs to one user. Default none.
    pub users: BTreeMap<String, Vec<String>>,
}

/// Whether calls are limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateLimitMode {
    /// As documented.
    #[default]
    Documented,
    /// Not at all.
    Off,
    /// As documented, but for the classes that are named.
    Custom(BTreeMap<RateLimitClass, Vec<RateLimitWindow>>),
}

/// Which window of a class the headers describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderWindow {
    /// The shortest: for most classes the minute.
    #[default]
    Shortest,
    /// The one with the fewest calls left.
    Fullest,
}

/// What an update without `excluded_filters` does to the stored ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingExcludedBehavior {
    /// They stay.
    #[default]
    Keep,
    /// They go.
    Clear,
}

/// What an update that changes nothing answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnchangedUpdateBehavior {
    /// 200, like any other.
    #[default]
    Accepted,
    /// 400.
    Refused,
    /// 409 with the segment itself as the holder of its definition.
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
            users: BTreeMap::new(),
        }
    }
}

impl SandboxSettings {
    /// These settings with the switch `name` at `value`, which is JSON or a bare word.
    pub(super) fn with_switch(&self, name: &str, value: &str) -> Result<Self, serde_json::Error> {
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        let mut settings = serde_json::to_value(self)?;
        settings[name] = value;
        serde_json::from_value(settings)
    }
}
