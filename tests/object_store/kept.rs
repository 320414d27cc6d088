//! Somewhere to keep a ledger, and what is kept there.

use jiff::Timestamp;
use segctl::ledger::{Entry, Holder, Intent, Ledger, LedgerStore, Lock, Record, StepKey, Write};
use segctl::model::{CallRecord, EndpointClass, Lifecycle, SegmentId, SegmentName};

/// Somewhere to keep a ledger, reached by several runs.
pub(crate) trait Kept {
    type Store: LedgerStore;
    /// The store as one more run has it.
    fn reached(&self) -> Self::Store;
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A ledger that knows one segment.
pub(crate) fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.record(Entry::new(SegmentId::new("a1"), SegmentName::new("One"), at(0)));
    ledger
}

pub(crate) fn record(number: usize) -> Record {
    Record::Intent(Intent {
        step: StepKey {
            run: "run".to_owned(),
            step: number,
        },
        segment: SegmentName::new("One"),
        protect: false,
        takes_out: false,
        at: at(0),
        write: Write::Lifecycle {
            id: SegmentId::new("a1"),
            name: SegmentName::new("One"),
            lifecycle: Lifecycle::Archived,
        },
    })
}

/// The ledger with the first records taken down.
pub(crate) fn ledger_with(records: usize) -> Ledger {
    let mut ledger = ledger();
    for number in 0..records {
        ledger.apply(record(number));
    }
    ledger
}

pub(crate) fn lock(run: &str) -> Lock {
    let holder = Holder {
        user: "ada".to_owned(),
        host: "runner".to_owned(),
        process: None,
    };
    Lock::taken(run, "segctl apply", holder, at(0))
}

pub(crate) fn call(second: i64) -> CallRecord {
    CallRecord::Sent {
        class: EndpointClass::Get,
        at: at(second),
    }
}
