//! Bugs that the simulator injects into its seams to a run. It has to find each of them.
//! Otherwise it would miss such bugs in segctl.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// File contents are not synced.
    BytesNotSynced,
    /// Directories are not synced.
    DirectoryNotSynced,
    /// Only half of the bytes are written.
    WriteTruncated,
    /// Appends to the journal are dropped.
    JournalNotWritten,
    /// Replaced definitions are not recorded.
    RevisionsDropped,
    /// Intents are dropped; all other journal entries are written.
    IntentsDropped,
    /// Entries that only hold history become managed.
    UnmanagedTreatedAsManaged,
    /// The run continues after it lost the lock.
    LockLossIgnored,
    /// Apply starts with an empty state.
    StateLost,
    /// The id of a run contains the API key.
    KeyInState,
    /// Messages from the API are not redacted.
    KeyNotRedacted,
    /// A lost response to archive or unarchive counts as a success.
    LostLifecycleTreatedAsDone,
    /// The client uses the default rate limits.
    RateLimitsIgnored,
    /// Runs do not share their request log.
    RequestLogNotShared,
    /// Waits are not announced.
    WaitsNotAnnounced,
    /// Announced waits never end.
    WaitNeverEnds,
    /// Steps do not wait for their dependencies.
    DependenciesIgnored,
    /// The request has another definition than the plan.
    WrongDefinitionSent,
    /// The request has another name than the plan.
    WrongNameSent,
    /// The request goes to an unmanaged segment.
    WrongSegmentWritten,
    /// An unknown outcome is reported as failed.
    UnknownReportedAsFailed,
    /// An applied step is reported as failed.
    AppliedReportedAsFailed,
    /// A failed step is reported as applied.
    FailedReportedAsApplied,
    /// A create without a response is retried without a check.
    CreateRetriedUnverified,
    /// Every listing is the first one.
    StaleListingReused,
    /// The read before a write returns what the plan read.
    StaleReadReused,
    /// The state records an update before its response arrives.
    StateBeforeResponse,
    /// The client ignores windows of an hour and more.
    LongWindowsIgnored,
    /// A segment that already has the name counts as the created one.
    ConflictTreatedAsCreated,
    /// A partial run exits as complete.
    PartialReportedAsComplete,
    /// A run that wrote something exits as if it had not.
    WritesNotReported,
    /// A member sync without a response counts as a success.
    LostSyncTreatedAsDone,
    /// A user list upload without a response counts as a success.
    LostUploadTreatedAsDone,
    /// The last batch of a long member list is not sent.
    LastBatchSkipped,
    /// The request has other members than the configuration.
    WrongMembersSent,
    /// Users are added where they should replace all others.
    AddSentForReplace,
    /// An empty list is stored under the digest of another list.
    WrongListStored,
    /// Members count as sent before their request.
    BatchesCountedBeforeSend,
    /// The state forgets which requests may still arrive.
    PendingRequestsForgotten,
    /// A list is unpublished before the service has read it.
    UnpublishedTooEarly,
    /// Failure callbacks are ignored.
    UploadFailuresIgnored,
    /// All uploads have the same callback address.
    CallbackUrlShared,
}

pub(crate) const ALL_BUGS: [Bug; 42] = [
    Bug::BytesNotSynced,
    Bug::DirectoryNotSynced,
    Bug::WriteTruncated,
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
