//! The switches: one for each behaviour that MoEngage does not document.

use super::definition::Echo;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the service behaves where the documentation is silent. Defaults are the likelier behaviours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether calls are limited.
    pub rate_limits: RateLimits,
    /// Whether creates and lists count toward one window.
    pub list_create_share_window: bool,
    /// Whether answers carry `x-ratelimit-` headers.
    pub rate_headers: bool,
    /// Active segments that fit into the workspace.
    pub active_limit: usize,
    /// Whether unarchiving is refused at the active limit.
    pub unarchive_checks_active_limit: bool,
    /// Whether the list shows archived segments.
    pub list_includes_archived: bool,
    /// Whether the definition of an archived segment blocks others.
    pub archived_definitions_conflict: bool,
    /// Whether the order of filters makes another definition.
    pub equality_order_sensitive: bool,
    /// Whether a rename frees the old name.
    pub rename_frees_old_name: bool,
    /// Whether names differ by case.
    pub names_case_sensitive: bool,
    /// Whether an update without `excluded_filters` clears them; otherwise they stay.
    pub patch_clears_excluded: bool,
    /// Whether archiving an archived segment, or unarchiving an active one, succeeds; otherwise it is a 400.
    pub archive_idempotent: bool,
    /// Whether a definition may refer to an archived segment.
    pub reference_to_archived_allowed: bool,
    /// The form in which definitions come back.
    pub echo: Echo,
    /// The values by which users exist, per attribute; every value where the attribute is not named.
    pub users: BTreeMap<String, Vec<String>>,
}

/// Whether calls are limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateLimits {
    /// As documented.
    #[default]
    Documented,
    /// Not at all.
    Off,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate_limits: RateLimits::Documented,
            list_create_share_window: false,
            rate_headers: true,
            active_limit: 1000,
            unarchive_checks_active_limit: true,
            list_includes_archived: false,
            archived_definitions_conflict: false,
            equality_order_sensitive: true,
            rename_frees_old_name: false,
            names_case_sensitive: true,
            patch_clears_excluded: false,
            archive_idempotent: true,
            reference_to_archived_allowed: true,
            echo: Echo::AsSent,
            users: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// These settings with the switch `name` at `value`, which is JSON or a bare word.
    pub(super) fn with(&self, name: &str, value: &str) -> Result<Self, serde_json::Error> {
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        let mut settings = serde_json::to_value(self)?;
        settings[name] = value;
        serde_json::from_value(settings)
    }
}
