//! What a plan found that keeps it from being applied, or is likely not meant.

use super::{MatchReason, SegmentRef};
use crate::definition::FieldChange;
use crate::model::{CohortKey, Identifier, Lifecycle, Origin, SegmentId, SegmentKind, SegmentName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A declared segment and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredRef {
    /// Its name.
    pub name: SegmentName,
    /// Where it is declared.
    pub origin: Origin,
}

/// A live segment that has what a declared one wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteRef {
    /// Its id.
    pub id: SegmentId,
    /// Its name at the service.
    pub name: SegmentName,
    /// Whether it is in use.
    pub lifecycle: Lifecycle,
    /// The declared segment that it is, if it is one.
    pub declared: Option<DeclaredRef>,
}

/// Why a plan cannot be applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// The name belongs to a segment of another kind, which can never become what is declared.
    KindMismatch {
        /// The declared segment.
        segment: DeclaredRef,
        /// Its kind.
        declared_kind: SegmentKind,
        /// The holder.
        holder: RemoteRef,
        /// The service's word for its kind.
        kind: String,
    },
    /// A file segment says otherwise than before what was said when it was made, which never changes.
    FixedAtUpload {
        /// The declared segment.
        segment: DeclaredRef,
        /// The live one.
        target: RemoteRef,
        /// What.
        field: FixedField,
    },
    /// A list is a file of this machine, and nothing says where the service could read it.
    PublishNotConfigured {
        /// The declared segment.
        segment: DeclaredRef,
    },
    /// More users would be added than may be in a day.
    DailyUserLimit {
        /// The declared segment.
        segment: DeclaredRef,
        /// How many it adds.
        count: u64,
        /// How many were added in the last day, or are by other steps.
        used: u64,
        /// How many may be.
        limit: u64,
        /// From when on they fit, where the other steps are done now.
        available_at: Timestamp,
    },
    /// A cohort has another identity in its file than it was made with, which the service never changes.
    CohortKeyChanged {
        /// The declared segment.
        segment: DeclaredRef,
        /// The live one.
        target: RemoteRef,
        /// What it was made with.
        created_with: CohortKey,
        /// What the file says.
        declared: CohortKey,
    },
    /// A segment that is not made of filters has another name in its file than it was made with, which never changes.
    CannotRename {
        /// The declared segment.
        segment: DeclaredRef,
        /// The live one.
        target: RemoteRef,
    },
    /// A cohort is to be put away, which the API cannot do.
    CannotArchive {
        /// The declared segment.
        segment: DeclaredRef,
        /// The live one.
        target: RemoteRef,
    },
    /// Nobody knows who is in a live segment without filters, and nobody can read it.
    MembersUnknown {
        /// The declared segment.
        segment: DeclaredRef,
        /// Its kind.
        kind: SegmentKind,
        /// The live one.
        target: RemoteRef,
    },
    /// Another live segment has the very definition.
    DefinitionTaken {
        /// The declared segment.
        segment: DeclaredRef,
        /// Who has it.
        holder: RemoteRef,
        /// The live segment that the declared one is; it cannot become another one then.
        target: Option<SegmentId>,
    },
    /// Several declared segments want one definition, which only the workspace tells: one refers to a segment by name
    /// and another by id, say.
    DefinitionShared {
        /// The declared segments.
        segments: Vec<DeclaredRef>,
    },
    /// A reference means no segment, declared or live.
    UnknownReference {
        /// The declared segment.
        segment: DeclaredRef,
        /// The name that nothing has.
        reference: SegmentName,
    },
    /// A declared segment refers to a live one that is ours, that no file declares, and that would be put away.
    OrphanReferenced {
        /// The declared segment.
        segment: DeclaredRef,
        /// The live one.
        target: RemoteRef,
        /// Everything that makes it ours.
        managed_by: Vec<MatchReason>,
    },
    /// A name that another live segment has and keeps.
    NameTaken {
        /// The declared segment.
        segment: DeclaredRef,
        /// Who has it.
        holder: RemoteRef,
    },
    /// A name that another segment gives up, at a service that keeps given-up names reserved.
    NameReserved {
        /// The declared segment.
        segment: DeclaredRef,
        /// Who has it, or had it last.
        holder: RemoteRef,
    },
    /// Two declared segments mean one live segment.
    SharedTarget {
        /// The declared segments.
        segments: Vec<DeclaredRef>,
        /// The live one.
        target: SegmentId,
        /// How each of them leads to it.
        matched_by: MatchReason,
    },
    /// One declared segment means several live ones.
    AmbiguousTarget {
        /// The declared segment.
        segment: DeclaredRef,
        /// The live ones.
        targets: Vec<RemoteRef>,
    },
    /// A declared segment is one live segment, and a name that it had before belongs to another one that is ours, that
    /// no file declares, and that would be put away.
    PreviousNameInUse {
        /// The declared segment.
        segment: DeclaredRef,
        /// The live one that it is.
        target: RemoteRef,
        /// The one that has the previous name.
        other: RemoteRef,
        /// Everything that makes that one ours.
        managed_by: Vec<MatchReason>,
    },
    /// The file says an id that no live segment has.
    UnknownId {
        /// The declared segment.
        segment: DeclaredRef,
        /// The id.
        id: SegmentId,
    },
    /// A live segment that somebody else made would be taken over, and the workspace does not allow it.
    AdoptionRefused {
        /// The declared segment.
        segment: DeclaredRef,
        /// The live one.
        target: RemoteRef,
    },
    /// A live segment that somebody else made would be put away for its name alone, and the workspace does not allow it.
    ArchiveRefused {
        /// The live one.
        target: RemoteRef,
        /// The pattern in `owns` that names it.
        pattern: String,
    },
    /// What a definition refers to, live segments among them, is more than the service takes.
    ReferenceLimit {
        /// The declared segment.
        segment: DeclaredRef,
        /// Which limit.
        limit: ExceededLimit,
    },
    /// Steps wait for each other, and no passing step can break the circle.
    Cycle {
        /// The declared segments, in the order of the plan.
        segments: Vec<DeclaredRef>,
    },
    /// The workspace would have more active segments than fit.
    ActiveLimit {
        /// Active segments at the fullest moment.
        count: usize,
        /// How many fit.
        limit: usize,
    },
}

/// What is said when a file segment is made, and never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixedField {
    /// What its values are.
    Identifier {
        /// What was said.
        created_with: Identifier,
        /// What the file says.
        declared: Identifier,
    },
    /// When the service archives it.
    Expiry {
        /// The days that were said.
        created_with: u32,
        /// The days that the file says.
        declared: u32,
    },
}

/// The service's limits on references.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceededLimit {
    /// Different filter segments referred to.
    References {
        /// How many there are.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// Levels of segments inside segments.
    Depth {
        /// How many there are.
        depth: u32,
        /// How many may be.
        limit: u32,
        /// The names of the segments on the way down to the deepest, without the one that it is about.
        path: Vec<SegmentName>,
    },
    /// Characters with every reference expanded.
    Length {
        /// How many there are.
        length: u64,
        /// How many may be.
        limit: u64,
    },
    /// The segment refers to itself through a live one.
    Cycle {
        /// The names of the segments on the way, itself first and last.
        path: Vec<SegmentName>,
    },
}

/// What is too much to be applied without being told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardViolation {
    /// Too large a share of the managed segments would be archived.
    Archives {
        /// How many would be.
        count: usize,
        /// How many are managed and active.
        total: usize,
        /// The most that may be, in percent.
        max_percent: u32,
    },
    /// Too large a share would be updated.
    Updates {
        /// How many would be.
        count: usize,
        /// How many are managed and active.
        total: usize,
        /// The most that may be, in percent.
        max_percent: u32,
    },
    /// A protected segment would be archived.
    Protected {
        /// Its name.
        segment: SegmentName,
        /// Its id.
        id: SegmentId,
        /// Where it is declared; `None` when its file is gone.
        origin: Option<Origin>,
    },
    /// Nothing is declared, and segments are ours.
    EmptyConfiguration {
        /// How many are.
        managed: usize,
    },
    /// The list lacks many of the segments that the ledger knows to be in use.
    MissingSegments {
        /// How many it lacks on whose account something would be written.
        missing: usize,
        /// How many the ledger knows.
        total: usize,
        /// The most that may be missing, in percent; `None` where it shows none at all, which no share allows.
        max_percent: Option<u32>,
    },
}

/// What is likely not meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// A live segment has the same filters in another order: the service may see a duplicate.
    LikelyDuplicate {
        /// The declared segment.
        segment: DeclaredRef,
        /// The other.
        holder: RemoteRef,
    },
    /// A live segment has the wanted name in another case: the service may take the two for one.
    NameDiffersInCase {
        /// The declared segment.
        segment: DeclaredRef,
        /// The other.
        holder: RemoteRef,
    },
    /// Segments that the ledger knows as archived are listed, at a service whose list is taken to hide archived ones.
    ArchivedButListed {
        /// The live ones, by the names of their steps.
        segments: Vec<SegmentRef>,
    },
    /// It is not known whether segments are archived: an earlier run never learned whether its call was done, and the
    /// service's list does not tell.
    LifecycleUnknown {
        /// The live ones, by the names of their steps.
        segments: Vec<SegmentRef>,
    },
    /// A cohort of ours that no file declares stays in use: the API cannot put it away.
    CannotArchive {
        /// The live ones, by the names of their steps.
        segments: Vec<SegmentRef>,
    },
    /// File segments are put away, whose users are gone for good some time later.
    UsersLost {
        /// The live ones, by the names of their steps.
        segments: Vec<SegmentRef>,
        /// When.
        until: Timestamp,
    },
    /// The service took lists and has not said what became of them, where it is asked to.
    UploadsPending {
        /// The live ones, by the names of their steps.
        segments: Vec<SegmentRef>,
    },
    /// The service archives a file segment soon, or has by now.
    Expires {
        /// The live one.
        segment: SegmentRef,
        /// When.
        at: Timestamp,
        /// Whether that is over.
        is_expired: bool,
    },
    /// All members are sent to cohorts of whose members nothing is known: who else is in them stays.
    StaleMembersPossible {
        /// The live ones, by the names of their steps.
        segments: Vec<SegmentRef>,
    },
    /// What somebody made by hand would be overwritten.
    OverwritesManualChanges {
        /// The declared segment.
        segment: DeclaredRef,
        /// The live one.
        target: RemoteRef,
        /// What is lost from the workspace, kept in the ledger.
        changes: Vec<FieldChange>,
    },
    /// What somebody made by hand would be put away, for its name alone.
    ArchiveUnmanaged {
        /// The pattern in `owns` that names them.
        pattern: String,
        /// The live ones.
        segments: Vec<SegmentRef>,
    },
    /// One segment is made and another, that no file declares any more, is put away: this may be a rename that no file
    /// tells of.
    LikelyRename {
        /// The declared segment.
        segment: DeclaredRef,
        /// The live one.
        target: RemoteRef,
    },
    /// A segment is put away that live ones refer to, which are nobody's business. What becomes of their members is not
    /// documented.
    StillReferenced {
        /// The name of its step.
        segment: SegmentName,
        /// What is put away.
        target: RemoteRef,
        /// The segments that refer to it.
        referenced_by: Vec<SegmentRef>,
    },
}

impl Conflict {
    /// The segments that cannot be applied for it, by the names of their steps; none where it is about the workspace as a whole.
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
            | Self::OrphanReferenced { segment, .. }
            | Self::NameTaken { segment, .. }
            | Self::NameReserved { segment, .. }
            | Self::AmbiguousTarget { segment, .. }
            | Self::PreviousNameInUse { segment, .. }
            | Self::UnknownId { segment, .. }
            | Self::AdoptionRefused { segment, .. }
            | Self::ReferenceLimit { segment, .. } => vec![&segment.name],
            Self::DefinitionShared { segments }
            | Self::SharedTarget { segments, .. }
            | Self::Cycle { segments } => segments.iter().map(|segment| &segment.name).collect(),
            Self::ArchiveRefused { target, .. } => vec![&target.name],
            Self::ActiveLimit { .. } => Vec::new(),
        }
    }

    /// The live segments of which it is not clear whose they are.
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
    /// The segments that it is about, by the names of their steps.
    #[must_use]
    pub fn segments(&self) -> Vec<&SegmentName> {
        match self {
            Self::LikelyDuplicate { segment, .. }
            | Self::NameDiffersInCase { segment, .. }
            | Self::OverwritesManualChanges { segment, .. }
            | Self::LikelyRename { segment, .. } => vec![&segment.name],
            Self::ArchivedButListed { segments }
            | Self::LifecycleUnknown { segments }
            | Self::CannotArchive { segments }
            | Self::StaleMembersPossible { segments }
            | Self::UsersLost { segments, .. }
            | Self::UploadsPending { segments }
            | Self::ArchiveUnmanaged { segments, .. } => segments.iter().map(|live| &live.name).collect(),
            Self::Expires { segment, .. } => vec![&segment.name],
            Self::StillReferenced { segment, .. } => vec![segment],
        }
    }
}
