//! What a step does, to which live segment, and why.

use super::desired::DesiredDefinition;
use crate::definition::{Digest, FieldChange};
use crate::model::{
    Cohort, FileSegment, Lifecycle, ListSummary, SegmentId, SegmentName, UserChange, UserListFingerprint,
};
use crate::state::{CohortState, UploadState};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make the segment.
    Create(DesiredDefinition),
    /// Change its definition, its name, or both.
    Update(UpdateAction),
    /// Put it away.
    Archive(Target),
    /// Take it out again.
    Unarchive(Target),
    /// Send members to a cohort.
    SyncCohort(CohortSync),
    /// Have the service read a list of users.
    UploadUserList(UserListUpload),
}

/// A list of users that the service is told of, in one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserListUpload {
    /// The live segment; `None` where the step makes it.
    pub target: Option<Target>,
    /// What is declared.
    pub upload: FileSegment,
    /// Whom it is to have.
    pub list: UserListFingerprint,
    /// What the ledger knew of its users.
    pub recorded: Option<UploadState>,
    /// Which call; `None` where the step makes the segment.
    pub change: Option<UserChange>,
    /// How many are added, where that is known.
    pub added: Option<u64>,
    /// How many are removed, where that is known.
    pub removed: Option<u64>,
}

/// Changes of a cohort's members, in as many calls as it takes; the first makes it where there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortSync {
    /// The live segment; `None` where the step makes it.
    pub target: Option<Target>,
    /// What is declared.
    pub cohort: Cohort,
    /// Whom it is to have.
    pub list: ListSummary,
    /// What the ledger said of its members.
    pub recorded: Option<CohortState>,
    /// What of that could be read.
    pub base: Option<CohortState>,
    /// How many are added.
    pub added: u64,
    /// How many are removed.
    pub removed: u64,
    /// How many calls it takes.
    pub requests: usize,
}

/// A change of a live segment; one call, whether it renames, redefines or both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateAction {
    /// What the plan saw of it, or what an earlier step leaves.
    pub target: Target,
    /// The name it should have then.
    pub name: SegmentName,
    /// The definition it should have then.
    pub desired: DesiredDefinition,
    /// What changes, field by field.
    pub changes: Vec<ChangeWithCause>,
    /// Why it is not yet what the files say; `None` for a change that is final.
    pub temporary_change: Option<TemporaryChange>,
}

/// What a passing step gives up, so that another segment can take it. It never changes who is in the segment beyond
/// what the files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemporaryChange {
    /// The name: the segment has a temporary one until its final step.
    Name,
    /// The definition: it stands wrapped in one more group until the final step.
    Definition,
    /// Both.
    Both,
}

/// A field that changes, and where the difference comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeWithCause {
    /// The field.
    pub change: FieldChange,
    /// Who changed it; `None` where the ledger does not know what was last applied.
    pub cause: Option<Cause>,
}

/// Who made the difference between a file and the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The file says something else than what was last applied.
    Configuration,
    /// The workspace does.
    Workspace,
    /// Both do.
    Both,
}

/// A live segment as the plan saw it, to be compared again right before the write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its id.
    pub id: SegmentId,
    /// Its name at the service.
    pub remote_name: SegmentName,
    /// Why it is taken for the declared segment.
    pub matched_by: MatchReason,
    /// Whether it was in use.
    pub lifecycle: Lifecycle,
    /// The exact digest of its definition; `None` where the service shows none.
    pub digest: Option<Digest>,
}

/// Why a live segment is taken for a declared one, or for one of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchReason {
    /// The file says its id.
    Id,
    /// The ledger says that the declared name was applied to its id.
    State,
    /// It has the declared name.
    Name,
    /// It has the temporary name that a passing step of the declared segment gave it.
    TemporaryName,
    /// It has one of the names that the segment had before.
    PreviousName,
    /// It is owned, no file declares it, and it has the very definition: its file was renamed.
    Definition,
    /// No file declares it, and it was applied or adopted before: the name that the ledger has for it.
    RemovedFromConfiguration(SegmentName),
    /// No file declares it, the ledger does not know it, and this pattern in `owns` names it.
    Pattern(String),
}

impl Action {
    /// The word for the action in text and JSON.
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

    /// The definition that the action stores, if it stores one.
    #[must_use]
    pub fn desired(&self) -> Option<&DesiredDefinition> {
        match self {
            Self::Create(wanted) | Self::Update(UpdateAction { desired: wanted, .. }) => Some(wanted),
            Self::Archive(_) | Self::Unarchive(_) | Self::SyncCohort(_) | Self::UploadUserList(_) => None,
        }
    }

    /// The live segment that the action changes, if there is one already.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Create(_) => None,
            Self::Update(UpdateAction { target, .. }) | Self::Archive(target) | Self::Unarchive(target) => {
                Some(target)
            }
            Self::SyncCohort(sending) => sending.target.as_ref(),
            Self::UploadUserList(uploading) => uploading.target.as_ref(),
        }
    }

    /// Whether one more segment is in use afterwards, as far as is known.
    #[must_use]
    pub fn adds_active_segment(&self) -> bool {
        match self {
            Self::Create(_) => true,
            Self::SyncCohort(_) | Self::UploadUserList(_) => self.target().is_none(),
            Self::Unarchive(target) => target.lifecycle == Lifecycle::Archived,
            Self::Update(_) | Self::Archive(_) => false,
        }
    }

    /// Whether one segment less is in use afterwards, as far as is known.
    #[must_use]
    pub fn removes_active_segment(&self) -> bool {
        matches!(self, Self::Archive(target) if target.lifecycle == Lifecycle::Active)
    }

    /// Whether a final step has to follow.
    #[must_use]
    pub fn temporary_change(&self) -> Option<TemporaryChange> {
        match self {
            Self::Update(change) => change.temporary_change,
            Self::Create(_)
            | Self::Archive(_)
            | Self::Unarchive(_)
            | Self::SyncCohort(_)
            | Self::UploadUserList(_) => None,
        }
    }
}

impl UpdateAction {
    /// Whether the segment gets another name.
    #[must_use]
    pub fn renames(&self) -> bool {
        self.name != self.target.remote_name
    }

    /// Whether the segment gets another definition.
    #[must_use]
    pub fn changes_definition(&self) -> bool {
        self.target.digest.as_ref() != Some(&self.desired.digests.exact)
    }
}

impl TemporaryChange {
    /// The words for what is given up.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Definition => "definition",
            Self::Both => "name and definition",
        }
    }
}

impl Cause {
    /// The word for the cause in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "files",
            Self::Workspace => "workspace",
            Self::Both => "both",
        }
    }
}

impl MatchReason {
    /// The pattern in `owns` that names the segment, where that alone makes it ours.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        match self {
            Self::Pattern(pattern) => Some(pattern),
            _ => None,
        }
    }
}

/// The words for the reason in text and JSON.
impl fmt::Display for MatchReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Id => "id in the file",
            Self::State => "applied before under this name",
            Self::Name => "same name",
            Self::TemporaryName => "temporary name of an unfinished rename",
            Self::PreviousName => "previous name",
            Self::Definition => "same definition as an owned segment without a file",
            Self::RemovedFromConfiguration(_) => "applied before, and no file declares it",
            Self::Pattern(pattern) => {
                return write!(
                    formatter,
                    "`{pattern}` in `owns` names it, and no file declares it"
                );
            }
        })
    }
}
