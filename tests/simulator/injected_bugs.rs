//! Bugs on purpose, at the seams: what a run would do whose promises were not kept. Each has to be found, or the
//! simulator would not find its like in the product either.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Bytes are not synced.
    BytesNotSynced,
    /// Names are not synced.
    DirectoryNotSynced,
    /// What is added to a file is cut short.
    AppendTruncated,
    /// What is to be taken down is not.
    JournalNotWritten,
    /// What is overwritten is not kept.
    RevisionsDropped,
    /// What is about to be written is not taken down, and all else is.
    IntentsDropped,
    /// What is kept of a segment makes it ours, whether it was written or not.
    UnmanagedTreatedAsManaged,
    /// The loss of the lock goes unnoticed.
    LockLossIgnored,
    /// The ledger is forgotten before it is changed.
    StateLost,
    /// The key is in the name of a run.
    KeyInState,
    /// The key stays in what the service says.
    KeyNotRedacted,
    /// A lost answer is taken for a success.
    LostLifecycleTreatedAsDone,
    /// Other limits are kept than the service's.
    RateLimitsIgnored,
    /// Runs do not know of each other's calls.
    RequestLogNotShared,
    /// Nobody is told of waits.
    WaitsNotAnnounced,
    /// Long waits have no end.
    WaitNeverEnds,
    /// Steps wait for nothing.
    DependenciesIgnored,
    /// Another definition is sent than was planned.
    WrongDefinitionSent,
    /// Another name is sent than was planned.
    WrongNameSent,
    /// Another segment is written than was planned.
    WrongSegmentWritten,
    /// A step of which nothing is known is said to have failed.
    UnknownReportedAsFailed,
    /// A step that was applied is said to have failed.
    AppliedReportedAsFailed,
    /// A step that failed is said to be applied.
    FailedReportedAsApplied,
    /// A create whose answer was lost is made again without a look.
    CreateRetriedUnverified,
    /// The first list is taken for the list ever after, however stale.
    StaleListingReused,
    /// What was read for the plan is taken for what is there right before a write.
    StaleReadReused,
    /// The ledger says that an update was made before it is answered.
    StateBeforeResponse,
    /// Windows of an hour and more are not kept.
    LongWindowsIgnored,
    /// A segment that has the name already is taken for the one that was to be made.
    ConflictTreatedAsCreated,
    /// A run that left steps undone ends as if it had not.
    PartialReportedAsComplete,
    /// A run that wrote something ends as if it had not.
    WritesNotReported,
    /// A sync of members whose answer was lost is taken for a success.
    LostSyncTreatedAsDone,
    /// A change of users whose answer was lost is taken for a success.
    LostUploadTreatedAsDone,
    /// The last members of a long list are not sent.
    LastBatchSkipped,
    /// Other members are sent than are declared.
    WrongMembersSent,
    /// Users are added where all are to be replaced.
    AddSentForReplace,
    /// A list is kept under the digest of another.
    WrongListStored,
    /// Members are taken for sent before they are.
    BatchesCountedBeforeSend,
    /// The ledger does not say which calls may still arrive.
    PendingRequestsForgotten,
    /// A list is taken away before the service has read it.
    UnpublishedTooEarly,
    /// That a list could not be read is not heard.
    UploadFailuresIgnored,
    /// Two calls have one address at which the service says what became of them.
    CallbackUrlShared,
}

/// All of them.
pub(crate) const ALL_BUGS: [Bug; 42] = [
    Bug::BytesNotSynced,
    Bug::DirectoryNotSynced,
    Bug::AppendTruncated,
    Bug::JournalNotWritten,
    Bug::RevisionsDropped,
    Bug::IntentsDropped,
    Bug::UnmanagedTreatedAsManaged,
    Bug::LockLossIgnored,
    Bug::StateLost,
    Bug::KeyInState,
    Bug::KeyNotRedacted,
    Bug::LostLifecycleTreatedAsDone,
    Bug::RateLimitsIgnored,
    Bug::RequestLogNotShared,
    Bug::WaitsNotAnnounced,
    Bug::WaitNeverEnds,
    Bug::DependenciesIgnored,
    Bug::WrongDefinitionSent,
    Bug::WrongNameSent,
    Bug::WrongSegmentWritten,
    Bug::UnknownReportedAsFailed,
    Bug::AppliedReportedAsFailed,
    Bug::FailedReportedAsApplied,
    Bug::CreateRetriedUnverified,
    Bug::StaleListingReused,
    Bug::StaleReadReused,
    Bug::StateBeforeResponse,
    Bug::LongWindowsIgnored,
    Bug::ConflictTreatedAsCreated,
    Bug::PartialReportedAsComplete,
    Bug::WritesNotReported,
    Bug::LostSyncTreatedAsDone,
    Bug::LostUploadTreatedAsDone,
    Bug::LastBatchSkipped,
    Bug::WrongMembersSent,
    Bug::AddSentForReplace,
    Bug::WrongListStored,
    Bug::BatchesCountedBeforeSend,
    Bug::PendingRequestsForgotten,
    Bug::UnpublishedTooEarly,
    Bug::UploadFailuresIgnored,
    Bug::CallbackUrlShared,
];
