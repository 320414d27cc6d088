//! Bugs on purpose, at the seams: what a run would do whose promises were not kept. Each has to be found, or the
//! simulator would not find its like in the product either.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Bytes are not synced.
    BytesNotSynced,
    /// Names are not synced.
    NamesNotSynced,
    /// What is added to a file is cut short.
    AppendsCutShort,
    /// What is to be taken down is not.
    NothingTakenDown,
    /// What is overwritten is not kept.
    HistoryDropped,
    /// What is about to be written is not taken down, and all else is.
    IntentsDropped,
    /// What is kept of a segment makes it ours, whether it was written or not.
    KeptTakenForOurs,
    /// The loss of the lock goes unnoticed.
    LockIgnored,
    /// The ledger is forgotten before it is changed.
    LedgerForgotten,
    /// The key is in the name of a run.
    KeyInTheLedger,
    /// The key stays in what the service says.
    KeyNotRedacted,
    /// A lost answer is taken for a success.
    LostTakenForDone,
    /// Other limits are kept than the service's.
    LimitsIgnored,
    /// Runs do not know of each other's calls.
    CallsNotShared,
    /// Nobody is told of waits.
    WaitsUntold,
    /// Long waits have no end.
    WaitsForever,
    /// Steps wait for nothing.
    OrderIgnored,
    /// Another definition is sent than was planned.
    OtherDefinition,
    /// Another name is sent than was planned.
    OtherName,
    /// Another segment is written than was planned.
    OtherSegment,
    /// A step of which nothing is known is said to have failed.
    UnknownToldAsFailed,
    /// A step that was applied is said to have failed.
    DoneToldAsFailed,
    /// A step that failed is said to be applied.
    FailedToldAsDone,
    /// A create whose answer was lost is made again without a look.
    CreatesRepeatedBlindly,
    /// The first list is taken for the list ever after, however stale.
    StaleListTrusted,
    /// What was read for the plan is taken for what is there right before a write.
    ReadsReused,
    /// The ledger says that an update was made before it is answered.
    LedgerBeforeAnswer,
    /// Windows of an hour and more are not kept.
    HourIgnored,
    /// A segment that has the name already is taken for the one that was to be made.
    ConflictTakenForOurs,
    /// A run that left steps undone ends as if it had not.
    PartialToldAsComplete,
    /// A run that wrote something ends as if it had not.
    WritesDenied,
    /// A sync of members whose answer was lost is taken for a success.
    LostSyncTakenForDone,
    /// A change of users whose answer was lost is taken for a success.
    LostUploadTakenForDone,
    /// The last members of a long list are not sent.
    BatchSkipped,
    /// Other members are sent than are declared.
    OtherMembers,
    /// Users are added where all are to be replaced.
    DifferenceForAll,
    /// A list is kept under the digest of another.
    ListUnderOtherDigest,
    /// Members are taken for sent before they are.
    BatchesCountedBefore,
    /// The ledger does not say which calls may still arrive.
    StraysForgotten,
    /// A list is taken away before the service has read it.
    WithdrawnAtOnce,
    /// That a list could not be read is not heard.
    FailuresUnheard,
    /// Two calls have one address at which the service says what became of them.
    AddressShared,
}

/// All of them.
pub(crate) const BUGS: [Bug; 42] = [
    Bug::BytesNotSynced,
    Bug::NamesNotSynced,
    Bug::AppendsCutShort,
    Bug::NothingTakenDown,
    Bug::HistoryDropped,
    Bug::IntentsDropped,
    Bug::KeptTakenForOurs,
    Bug::LockIgnored,
    Bug::LedgerForgotten,
    Bug::KeyInTheLedger,
    Bug::KeyNotRedacted,
    Bug::LostTakenForDone,
    Bug::LimitsIgnored,
    Bug::CallsNotShared,
    Bug::WaitsUntold,
    Bug::WaitsForever,
    Bug::OrderIgnored,
    Bug::OtherDefinition,
    Bug::OtherName,
    Bug::OtherSegment,
    Bug::UnknownToldAsFailed,
    Bug::DoneToldAsFailed,
    Bug::FailedToldAsDone,
    Bug::CreatesRepeatedBlindly,
    Bug::StaleListTrusted,
    Bug::ReadsReused,
    Bug::LedgerBeforeAnswer,
    Bug::HourIgnored,
    Bug::ConflictTakenForOurs,
    Bug::PartialToldAsComplete,
    Bug::WritesDenied,
    Bug::LostSyncTakenForDone,
    Bug::LostUploadTakenForDone,
    Bug::BatchSkipped,
    Bug::OtherMembers,
    Bug::DifferenceForAll,
    Bug::ListUnderOtherDigest,
    Bug::BatchesCountedBefore,
    Bug::StraysForgotten,
    Bug::WithdrawnAtOnce,
    Bug::FailuresUnheard,
    Bug::AddressShared,
];
