//! What a step does, to which remote segment, and why.

use super::desired::DesiredDefinition;
use crate::definition::{Digest, FieldChange};
use crate::model::{
    Cohort, FileSegment, Lifecycle, ListSummary, SegmentId, SegmentName, UserChange, UserListFingerprint,
};
use crate::state::{CohortState, UploadState};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Create(DesiredDefinition),
    Update(UpdateAction),
    Archive(Target),
    Unarchive(Target),
    SyncCohort(CohortSync),
    UploadUserList(UserListUpload),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserListUpload {
    /// `None` for a create.
    pub target: Option<Target>,
    pub upload: FileSegment,
    pub list: UserListFingerprint,
    pub recorded: Option<UploadState>,
    /// `None` for a create.
    pub change: Option<UserChange>,
    pub added: Option<u64>,
    pub removed: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortSync {
    /// `None` for a create.
    pub target: Option<Target>,
    pub cohort: Cohort,
    pub list: ListSummary,
    pub recorded: Option<CohortState>,
    /// `recorded`, if its member list could be read.
    pub base: Option<CohortState>,
    pub added: u64,
    pub removed: u64,
    /// The first request creates the cohort if `target` is `None`.
    pub requests: usize,
}

/// One request, whether it changes the name, the definition or both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateAction {
    /// Of a final step: the result of its temporary step.
    pub target: Target,
    pub name: SegmentName,
    pub desired: DesiredDefinition,
    pub changes: Vec<ChangeWithCause>,
    /// `None` for a final step.
    pub temporary_change: Option<TemporaryChange>,
}

/// What a temporary step frees for another segment. The members are those of the current or the desired definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemporaryChange {
    Name,
    Definition,
    Both,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeWithCause {
    pub change: FieldChange,
    /// `None` if the state does not show it.
    pub cause: Option<Cause>,
}

/// Which side changed since the last apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Configuration,
    Workspace,
    Both,
}

/// The remote segment at the time of the plan; `apply` compares it again right before the write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub id: SegmentId,
    pub remote_name: SegmentName,
    pub matched_by: MatchReason,
    pub lifecycle: Lifecycle,
    /// `None` for cohorts and file segments.
    pub digest: Option<Digest>,
}

/// Why a remote segment matches a declared one, or why it is managed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchReason {
    Id,
    State,
    Name,
    /// The temporary name of an interrupted rename.
    TemporaryName,
    PreviousName,
    /// The definition of a managed segment that is not declared: its declaration was renamed.
    Definition,
    /// Managed and not declared, with its name in the state.
    RemovedFromConfiguration(SegmentName),
    /// Not declared; only this pattern in `manages` matches it.
    Pattern(String),
}

impl Action {
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Create(_)
            | Self::SyncCohort(CohortSync { target: None, .. })
            | Self::UploadUserList(UserListUpload { target: None, .. }) => "create",
            Self::Update(_) | Self::SyncCohort(_) | Self::UploadUserList(_) => "update",
            Self::Archive(_) => "archive",
            Self::Unarchive(_) => "unarchive",
        }
    }

    #[must_use]
    pub fn desired(&self) -> Option<&DesiredDefinition> {
        match self {
            Self::Create(desired) | Self::Update(UpdateAction { desired, .. }) => Some(desired),
            Self::Archive(_) | Self::Unarchive(_) | Self::SyncCohort(_) | Self::UploadUserList(_) => None,
        }
    }

    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Create(_) => None,
            Self::Update(UpdateAction { target, .. }) | Self::Archive(target) | Self::Unarchive(target) => {
                Some(target)
            }
            Self::SyncCohort(sync) => sync.target.as_ref(),
            Self::UploadUserList(upload) => upload.target.as_ref(),
        }
    }

    /// As far as the lifecycle is known.
    #[must_use]
    pub fn adds_active_segment(&self) -> bool {
        match self {
            Self::Create(_) => true,
            Self::SyncCohort(_) | Self::UploadUserList(_) => self.target().is_none(),
            Self::Unarchive(target) => target.lifecycle == Lifecycle::Archived,
            Self::Update(_) | Self::Archive(_) => false,
        }
    }

    /// As far as the lifecycle is known.
    #[must_use]
    pub fn removes_active_segment(&self) -> bool {
        matches!(self, Self::Archive(target) if target.lifecycle == Lifecycle::Active)
    }

    /// `Some` if a final step follows.
    #[must_use]
    pub fn temporary_change(&self) -> Option<TemporaryChange> {
        match self {
            Self::Update(update) => update.temporary_change,
            _ => None,
        }
    }
}

impl UpdateAction {
    #[must_use]
    pub fn renames(&self) -> bool {
        self.name != self.target.remote_name
    }

    #[must_use]
    pub fn changes_definition(&self) -> bool {
        self.target.digest.as_ref() != Some(&self.desired.digests.exact)
    }
}

impl TemporaryChange {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Definition => "definition",
            Self::Both => "name and definition",
        }
    }
}

impl MatchReason {
    /// The pattern that alone makes the segment managed.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        match self {
            Self::Pattern(pattern) => Some(pattern),
            _ => None,
        }
    }
}

impl fmt::Display for MatchReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Id => "matched by id",
            Self::State => "matched by state",
            Self::Name => "matched by name",
            Self::TemporaryName => "matched by temporary name",
            Self::PreviousName => "matched by previous name",
            Self::Definition => "matched by definition: renamed",
            Self::RemovedFromConfiguration(_) => "removed from configuration",
            Self::Pattern(pattern) => {
                return write!(
                    formatter,
                    "not in configuration, matches `{pattern}` in `manages`"
                );
            }
        })
    }
}
