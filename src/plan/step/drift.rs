//! What changed in the workspace since it was last applied.

use crate::definition::FieldChange;
use crate::model::{Origin, SegmentId, SegmentName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What somebody, or the service, did to a segment that segctl applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// The name it was last applied under.
    pub segment: SegmentName,
    /// Its id.
    pub id: SegmentId,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Where it is declared, if it is.
    pub origin: Option<Origin>,
    /// Fields of its definition, from what was applied to what is there.
    pub changes: Vec<FieldChange>,
    /// The name it was given.
    pub renamed_to: Option<SegmentName>,
    /// What became of its lifecycle.
    pub lifecycle: Option<LifecycleDrift>,
}

/// What became of a lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleDrift {
    /// Put away by hand: it was applied too recently for the service to have done it.
    Archived,
    /// Put away, most likely by the service, which archives what nothing ran for 60 days.
    AutoArchived,
    /// Taken out by hand.
    Unarchived,
    /// The service does not know its id any more.
    Missing,
}

impl LifecycleDrift {
    /// The words for it in text and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Archived => "archived in the workspace",
            Self::AutoArchived => "auto-archived: the service archives what nothing ran for 60 days",
            Self::Unarchived => "unarchived in the workspace",
            Self::Missing => "gone: the service does not know its id any more",
        }
    }
}

impl Drift {
    /// Whether there is any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.renamed_to.is_none() && self.lifecycle.is_none()
    }
}
