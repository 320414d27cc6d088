//! Conflicts, guard violations and warnings of a plan.

use super::{MatchReason, SegmentRef};
use crate::definition::FieldChange;
use crate::model::{
    CohortKey, Identifier, Lifecycle, Origin, SegmentId, SegmentKind, SegmentName, UnreadableRow,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredRef {
    pub name: SegmentName,
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteRef {
    pub id: SegmentId,
    pub name: SegmentName,
    pub lifecycle: Lifecycle,
    pub declared: Option<DeclaredRef>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadableRef {
    pub segment: SegmentRef,
    /// A phrase such as "`name` is null".
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    KindMismatch {
        segment: DeclaredRef,
        declared_kind: SegmentKind,
        holder: RemoteRef,
        kind: String,
    },
    /// A field of a file segment that is set when the segment is created.
    FixedAtUpload {
        segment: DeclaredRef,
        target: RemoteRef,
        field: FixedField,
    },
    /// The list is local, and `segctl.yaml` has no publish location.
    PublishNotConfigured {
        segment: DeclaredRef,
    },
    DailyUserLimit {
        segment: DeclaredRef,
        count: u64,
        /// In the last 24 hours, and by other steps.
        used: u64,
        limit: u64,
        /// When the limit permits the step, if the other steps run now.
        available_at: Timestamp,
    },
    CohortKeyChanged {
        segment: DeclaredRef,
        target: RemoteRef,
        created_with: CohortKey,
        declared: CohortKey,
    },
    /// Cohorts and file segments cannot be renamed.
    CannotRename {
        segment: DeclaredRef,
        target: RemoteRef,
    },
    CannotArchive {
        segment: DeclaredRef,
        target: RemoteRef,
    },
    MembersUnknown {
        segment: DeclaredRef,
        kind: SegmentKind,
        target: RemoteRef,
    },
    DefinitionTaken {
        segment: DeclaredRef,
        holder: RemoteRef,
        target: Option<SegmentId>,
    },
    /// Only resolved references show it: one segment references by name and another by id, for example.
    DefinitionShared {
        segments: Vec<DeclaredRef>,
    },
    UnknownReference {
        /// At the reference.
        segment: DeclaredRef,
        reference: SegmentName,
        /// The declared segments that had the name before.
        renamed: Vec<DeclaredRef>,
        /// Has the name and is declared archived, but no answer shows its id.
        archived: Option<DeclaredRef>,
        /// A similar name of a declared or remote segment, if the name is in no declaration.
        suggestion: Option<SegmentName>,
    },
    /// A cohort whose id segctl does not know, because MoEngage lists no cohorts.
    ReferenceUnlisted {
        /// At the reference.
        segment: DeclaredRef,
        reference: SegmentName,
    },
    /// The plan would archive the target.
    OrphanReferenced {
        /// At the reference.
        segment: DeclaredRef,
        target: RemoteRef,
        managed_by: Vec<MatchReason>,
    },
    NameTaken {
        segment: DeclaredRef,
        holder: RemoteRef,
    },
    /// Another segment frees the name, but the API may not allow its reuse.
    NameReserved {
        segment: DeclaredRef,
        holder: RemoteRef,
    },
    /// Several declared segments match one remote segment.
    SharedTarget {
        segments: Vec<DeclaredRef>,
        target: SegmentId,
        matched_by: MatchReason,
    },
    /// One declared segment matches several remote ones.
    AmbiguousTarget {
        segment: DeclaredRef,
        targets: Vec<RemoteRef>,
    },
    /// The segment matches `target`, and `other`, which the plan would archive, has a previous name of the segment.
    PreviousNameInUse {
        segment: DeclaredRef,
        target: RemoteRef,
        other: RemoteRef,
        managed_by: Vec<MatchReason>,
    },
    /// A cycle of renames by `previous_names`. The segment matches `target` by name, and its previous names match `others`.
    /// Nothing shows whether the renames were applied.
    UndecidedRename {
        segment: DeclaredRef,
        target: RemoteRef,
        others: Vec<RemoteRef>,
    },
    UnknownId {
        segment: DeclaredRef,
        id: SegmentId,
    },
    /// MoEngage has the segment, and segctl cannot read its row in the list or its definition.
    UnreadableSegment {
        segment: SegmentName,
        /// `None` if it is managed and not declared.
        origin: Option<Origin>,
        id: Option<SegmentId>,
        reason: String,
    },
    /// `adoption: refuse` forbids changes of an unmanaged segment.
    AdoptionRefused {
        segment: DeclaredRef,
        target: RemoteRef,
    },
    /// `adoption: refuse` forbids the archive of a segment that only a pattern in `manages` matches.
    ArchiveRefused {
        target: RemoteRef,
        pattern: String,
    },
    ReferenceLimit {
        segment: DeclaredRef,
        limit: ExceededLimit,
    },
    /// The steps wait for each other, and no temporary step breaks the cycle.
    Cycle {
        segments: Vec<DeclaredRef>,
        /// Other segments whose steps wait for the cycle: these steps are not in the plan either.
        waiting: Vec<SegmentName>,
    },
    /// `count` is the maximum during the run.
    ActiveLimit {
        count: usize,
        limit: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixedField {
    Identifier {
        created_with: Identifier,
        declared: Identifier,
    },
    Expiry {
        created_with: u32,
        declared: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceededLimit {
    References {
        count: usize,
        limit: usize,
    },
    Depth {
        depth: u32,
        limit: u32,
        /// The segments from the first reference to the deepest one.
        path: Vec<SegmentName>,
    },
    /// In characters, with all references expanded.
    Length {
        length: u64,
        limit: u64,
    },
    /// The segment references itself through a remote one; it is the first and the last in `path`.
    Cycle {
        path: Vec<SegmentName>,
        /// The segments of the path that keep their remote definition.
        unwritten: Vec<RemoteRef>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardViolation {
    Archives {
        count: usize,
        total: usize,
        max_percent: u32,
    },
    Updates {
        count: usize,
        total: usize,
        max_percent: u32,
    },
    Protected {
        segment: SegmentName,
        id: SegmentId,
        /// `None` when the file was removed.
        origin: Option<Origin>,
    },
    EmptyConfiguration {
        managed: usize,
    },
    /// The listing does not contain segments that are active in the state.
    MissingSegments {
        /// Only those that the plan would write because of it.
        missing: usize,
        total: usize,
        /// `None` when the listing is empty.
        max_percent: Option<u32>,
    },
    /// Of one cohort or file segment.
    MemberRemovals {
        segment: DeclaredRef,
        kind: SegmentKind,
        removed: u64,
        /// How many members it may have now.
        total: u64,
        max_percent: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// The same filters in another order, which the API may regard as a duplicate.
    LikelyDuplicate {
        segment: DeclaredRef,
        holder: RemoteRef,
    },
    NameLooksAlike {
        segment: DeclaredRef,
        holder: RemoteRef,
    },
    /// Archived in the state, and in a listing that should not contain archived segments.
    ArchivedButListed {
        segments: Vec<SegmentRef>,
    },
    /// An interrupted run did not record the result of its request, and the listing does not show it.
    LifecycleUnknown {
        segments: Vec<SegmentRef>,
    },
    CannotArchive {
        segments: Vec<SegmentRef>,
    },
    /// MoEngage deletes the users of archived file segments at `until`.
    UsersLost {
        segments: Vec<SegmentRef>,
        until: Timestamp,
    },
    /// Uploads without a result callback.
    UploadsPending {
        segments: Vec<SegmentRef>,
    },
    /// MoEngage archives the file segment at `at`.
    Expires {
        segment: SegmentRef,
        at: Timestamp,
        is_expired: bool,
    },
    /// Members that are not in the list stay in the cohort.
    StaleMembersPossible {
        segments: Vec<SegmentRef>,
    },
    /// `changes` are overwritten in the workspace; the state keeps the definition.
    OverwritesManualChanges {
        segment: DeclaredRef,
        target: RemoteRef,
        changes: Vec<FieldChange>,
    },
    /// Only this pattern in `manages` matches the segments.
    ArchiveUnmanaged {
        pattern: String,
        segments: Vec<SegmentRef>,
    },
    LikelyRename {
        segment: DeclaredRef,
        target: RemoteRef,
    },
    /// Segments that the plan archives. Unmanaged ones whose definitions were not read may reference them.
    ReferencesUnknown {
        segments: Vec<SegmentRef>,
        unread: Vec<SegmentId>,
    },
    /// Rows of the segment list without a usable id or name, which are not of managed segments as far as known.
    UnreadableRows {
        rows: Vec<UnreadableRow>,
    },
    /// Unmanaged segments whose definitions cannot be read.
    UnreadableSegments {
        segments: Vec<UnreadableRef>,
    },
    /// `segctl import` wrote their files, which were removed before an apply.
    ImportedNotApplied {
        segments: Vec<SegmentRef>,
    },
    /// MoEngage does not document the members of segments that reference an archived one.
    StillReferenced {
        segment: SegmentName,
        target: RemoteRef,
        referenced_by: Vec<SegmentRef>,
    },
}

impl Conflict {
    /// By the names of their steps; none for a conflict of the whole workspace.
    #[must_use]
    pub fn segments(&self) -> Vec<&SegmentName> {
        match self {
            Self::KindMismatch { segment, .. }
            | Self::FixedAtUpload { segment, .. }
            | Self::PublishNotConfigured { segment }
            | Self::DailyUserLimit { segment, .. }
            | Self::CohortKeyChanged { segment, .. }
            | Self::CannotRename { segment, .. }
            | Self::CannotArchive { segment, .. }
            | Self::MembersUnknown { segment, .. }
            | Self::DefinitionTaken { segment, .. }
            | Self::UnknownReference { segment, .. }
            | Self::ReferenceUnlisted { segment, .. }
            | Self::OrphanReferenced { segment, .. }
            | Self::NameTaken { segment, .. }
            | Self::NameReserved { segment, .. }
            | Self::AmbiguousTarget { segment, .. }
            | Self::PreviousNameInUse { segment, .. }
            | Self::UndecidedRename { segment, .. }
            | Self::UnknownId { segment, .. }
            | Self::AdoptionRefused { segment, .. }
            | Self::ReferenceLimit { segment, .. } => vec![&segment.name],
            Self::DefinitionShared { segments } | Self::SharedTarget { segments, .. } => {
                segments.iter().map(|segment| &segment.name).collect()
            }
            Self::Cycle { segments, waiting } => {
                let segments = segments.iter().map(|segment| &segment.name);
                segments.chain(waiting).collect()
            }
            Self::ArchiveRefused { target, .. } => vec![&target.name],
            Self::UnreadableSegment { segment, .. } => vec![segment],
            Self::ActiveLimit { .. } => Vec::new(),
        }
    }

    /// The remote segments that the conflict is about.
    #[must_use]
    pub fn remote_ids(&self) -> Vec<&SegmentId> {
        match self {
            Self::DefinitionTaken { holder, target, .. } => {
                std::iter::once(&holder.id).chain(target).collect()
            }
            Self::PreviousNameInUse { target, other, .. } => vec![&target.id, &other.id],
            Self::UndecidedRename { target, others, .. } => {
                let others = others.iter().map(|other| &other.id);
                std::iter::once(&target.id).chain(others).collect()
            }
            Self::AmbiguousTarget { targets, .. } => targets.iter().map(|target| &target.id).collect(),
            Self::SharedTarget { target: id, .. } | Self::UnknownId { id, .. } => vec![id],
            Self::KindMismatch { holder: remote, .. }
            | Self::NameTaken { holder: remote, .. }
            | Self::NameReserved { holder: remote, .. }
            | Self::FixedAtUpload { target: remote, .. }
            | Self::CohortKeyChanged { target: remote, .. }
            | Self::CannotRename { target: remote, .. }
            | Self::CannotArchive { target: remote, .. }
            | Self::MembersUnknown { target: remote, .. }
            | Self::OrphanReferenced { target: remote, .. }
            | Self::AdoptionRefused { target: remote, .. }
            | Self::ArchiveRefused { target: remote, .. } => vec![&remote.id],
            Self::UnreadableSegment { id, .. } => id.iter().collect(),
            Self::PublishNotConfigured { .. }
            | Self::DailyUserLimit { .. }
            | Self::DefinitionShared { .. }
            | Self::UnknownReference { .. }
            | Self::ReferenceUnlisted { .. }
            | Self::ReferenceLimit { .. }
            | Self::Cycle { .. }
            | Self::ActiveLimit { .. } => Vec::new(),
        }
    }

    /// Remote segments whose match is not decided.
    #[must_use]
    pub fn ambiguous_segments(&self) -> Vec<&SegmentId> {
        match self {
            Self::SharedTarget { target, .. } => vec![target],
            Self::PreviousNameInUse { other, .. } => vec![&other.id],
            Self::AmbiguousTarget { targets, .. } => targets.iter().map(|target| &target.id).collect(),
            _ => Vec::new(),
        }
    }
}

impl Warning {
    /// By the names of their steps.
    #[must_use]
    pub fn segments(&self) -> Vec<&SegmentName> {
        match self {
            Self::LikelyDuplicate { segment, .. }
            | Self::NameLooksAlike { segment, .. }
            | Self::OverwritesManualChanges { segment, .. }
            | Self::LikelyRename { segment, .. } => vec![&segment.name],
            Self::ArchivedButListed { segments }
            | Self::LifecycleUnknown { segments }
            | Self::CannotArchive { segments }
            | Self::StaleMembersPossible { segments }
            | Self::UsersLost { segments, .. }
            | Self::UploadsPending { segments }
            | Self::ReferencesUnknown { segments, .. }
            | Self::ImportedNotApplied { segments }
            | Self::ArchiveUnmanaged { segments, .. } => segments.iter().map(|remote| &remote.name).collect(),
            Self::Expires { segment, .. } => vec![&segment.name],
            Self::StillReferenced { segment, .. } => vec![segment],
            Self::UnreadableRows { .. } => Vec::new(),
            Self::UnreadableSegments { segments } => segments
                .iter()
                .map(|unreadable| &unreadable.segment.name)
                .collect(),
        }
    }
}
