//! Changes in the workspace since the last apply.

use crate::definition::FieldChange;
use crate::model::{Origin, SegmentId, SegmentName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// The name at the last apply.
    pub segment: SegmentName,
    pub id: SegmentId,
    pub applied_at: Timestamp,
    pub origin: Option<Origin>,
    /// From the applied definition to the remote one.
    pub changes: Vec<FieldChange>,
    pub renamed_to: Option<SegmentName>,
    pub lifecycle: Option<LifecycleDrift>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleDrift {
    /// Too soon after the last apply for MoEngage to have archived it.
    Archived,
    /// Most likely by MoEngage, which archives segments that were not used for 60 days.
    AutoArchived,
    Unarchived,
    Missing,
}

impl LifecycleDrift {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Archived => "archived outside segctl",
            Self::AutoArchived => "archived by MoEngage: it archives segments that were not used for 60 days",
            Self::Unarchived => "unarchived outside segctl",
            Self::Missing => "missing: its id does not exist in MoEngage any more",
        }
    }
}

impl Drift {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.renamed_to.is_none() && self.lifecycle.is_none()
    }
}
