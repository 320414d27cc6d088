//! A store for the contract tests, and values to store in it.

use jiff::Timestamp;
use segctl::model::{EndpointClass, Lifecycle, RequestRecord, SegmentId, SegmentName};
use segctl::state::{
    IntendedWrite, Intent, JournalEntry, Lock, LockHolder, State, StateEntry, StateStore, StepKey,
};

/// A place for a state that several runs can open.
pub(crate) trait StoreFixture {
    /// Opens the store as another run does.
    fn open_store(&self) -> StateStore;
}

pub(crate) fn at_second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn state_with_one_segment() -> State {
    let mut state = State::default();
    state.record(StateEntry::new(
        SegmentId::new("a1"),
        SegmentName::new("One"),
        at_second(0),
    ));
    state
}

pub(crate) fn journal_entry(number: usize) -> JournalEntry {
    JournalEntry::Intent(Intent {
        step: StepKey {
            run: "run".to_owned(),
            step: number,
        },
        segment: SegmentName::new("One"),
        protect: false,
        previous_names: Vec::new(),
        rearchive_if_unadopted: false,
        at: at_second(0),
        sent_at: at_second(0),
        write: IntendedWrite::SetLifecycle {
            id: SegmentId::new("a1"),
            name: SegmentName::new("One"),
            lifecycle: Lifecycle::Archived,
        },
    })
}

/// The state after the first `count` journal entries.
pub(crate) fn state_with_entries(count: usize) -> State {
    let mut state = state_with_one_segment();
    for number in 0..count {
        state.apply_journal_entry(journal_entry(number));
    }
    state
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
