//! Somewhere to keep a ledger, and what is kept there.

use jiff::Timestamp;
use segctl::model::{EndpointClass, Lifecycle, RequestRecord, SegmentId, SegmentName};
use segctl::state::{
    IntendedWrite, Intent, JournalEntry, Lock, LockHolder, State, StateEntry, StateStore, StepKey,
};

/// Somewhere to keep a ledger, reached by several runs.
pub(crate) trait StoreFixture {
    type Store: StateStore;
    /// The store as one more run has it.
    fn open_store(&self) -> Self::Store;
}

pub(crate) fn at_second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A ledger that knows one segment.
pub(crate) fn state_with_one_segment() -> State {
    let mut ledger = State::default();
    ledger.record(StateEntry::new(
        SegmentId::new("a1"),
        SegmentName::new("One"),
        at_second(0),
    ));
    ledger
}

pub(crate) fn journal_entry(number: usize) -> JournalEntry {
    JournalEntry::Intent(Intent {
        step: StepKey {
            run: "run".to_owned(),
            step: number,
        },
        segment: SegmentName::new("One"),
        protect: false,
        rearchive_if_unadopted: false,
        at: at_second(0),
        write: IntendedWrite::SetLifecycle {
            id: SegmentId::new("a1"),
            name: SegmentName::new("One"),
            lifecycle: Lifecycle::Archived,
        },
    })
}

/// The ledger with the first records taken down.
pub(crate) fn state_with_entries(records: usize) -> State {
    let mut ledger = state_with_one_segment();
    for number in 0..records {
        ledger.apply_journal_entry(journal_entry(number));
    }
    ledger
}

pub(crate) fn lock_of_run(run: &str) -> Lock {
    let holder = LockHolder {
        user: "ada".to_owned(),
        host: "runner".to_owned(),
        process: None,
    };
    Lock::acquired(run, "segctl apply", holder, at_second(0))
}

pub(crate) fn request_record(second: i64) -> RequestRecord {
    RequestRecord::Sent {
        class: EndpointClass::Get,
        at: at_second(second),
    }
}
