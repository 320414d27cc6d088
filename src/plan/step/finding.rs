//! What forbids a plan, or deserves a look: conflicts, guard violations and warnings. The words stand beside each check.

use crate::definition::FieldChange;
use crate::model::{Origin, SegmentId, SegmentName};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub code: Code,
    /// Declared segments under their declared names.
    pub segments: Vec<SegmentName>,
    pub origins: Vec<Origin>,
    /// The remote segment that is in the way comes first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub remote_ids: Vec<SegmentId>,
    pub message: String,
    pub help: Vec<String>,
    /// What an apply overwrites in the workspace.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<FieldChange>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    // Conflicts.
    ActiveLimit,
    AdoptionRefused,
    AmbiguousTarget,
    ArchiveRefused,
    CannotArchive,
    CannotRename,
    CohortKeyChanged,
    Cycle,
    DailyUserLimit,
    DefinitionShared,
    DefinitionTaken,
    FixedAtUpload,
    KindMismatch,
    MembersUnknown,
    NameReserved,
    NameTaken,
    OrphanReferenced,
    PreviousNameInUse,
    PublishNotConfigured,
    ReferenceLimit,
    ReferenceUnlisted,
    SharedTarget,
    UndecidedRename,
    UnknownId,
    UnknownReference,
    UnreadableSegment,
    // Guard violations.
    EmptyConfiguration,
    GuardArchive,
    GuardMembers,
    GuardUpdate,
    MaxDuration,
    MissingSegments,
    Protected,
    // Warnings; `CannotArchive` is one, too.
    ArchiveUnmanaged,
    ArchivedButListed,
    Expires,
    ImportedNotApplied,
    LifecycleUnknown,
    LikelyDuplicate,
    LikelyRename,
    NameDiffersInCase,
    NameLooksAlike,
    OverwritesManualChanges,
    ReferencesUnknown,
    StaleMembersPossible,
    StillReferenced,
    UnreadableRows,
    UnreadableSegments,
    UploadsPending,
    UsersLost,
    /// Of another version of segctl.
    #[serde(untagged)]
    Other(String),
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

impl Finding {
    #[must_use]
    pub fn new(code: Code, message: String) -> Self {
        Self {
            code,
            segments: Vec::new(),
            origins: Vec::new(),
            remote_ids: Vec::new(),
            message,
            help: Vec::new(),
            changes: Vec::new(),
        }
    }
}
