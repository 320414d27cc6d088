//! Ledgers in object stores: the same laws as in a directory, what is particular to them, and whole runs of the program.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod faults;
mod laws;
mod runs;
mod server;

use jiff::Timestamp;
use segctl::ledger::{Entry, Holder, Intent, Ledger, Lock, ObjectLedger, Record, StepKey, Write};
use segctl::model::{CallRecord, EndpointClass, LedgerPlace, Lifecycle, ObjectPlace, SegmentId, SegmentName};
use server::{BUCKET, Server};

/// Where the ledger of the tests is.
fn place() -> ObjectPlace {
    match LedgerPlace::parse(&format!("s3://{BUCKET}/team/production")) {
        Ok(LedgerPlace::Objects(place)) => place,
        other => panic!("{other:?} is no address"),
    }
}

/// The name of an object of it.
fn named(name: &str) -> String {
    format!("team/production/{name}")
}

fn connect(server: &Server) -> ObjectLedger {
    ObjectLedger::connect(&place(), server.variables()).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A ledger that knows one segment.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.record(Entry::new(SegmentId::new("a1"), SegmentName::new("One"), at(0)));
    ledger
}

fn record(number: usize) -> Record {
    Record::Intent(Intent {
        step: StepKey {
            run: "run".to_owned(),
            step: number,
        },
        segment: SegmentName::new("One"),
        protect: false,
        at: at(0),
        write: Write::Lifecycle {
            id: SegmentId::new("a1"),
            name: SegmentName::new("One"),
            lifecycle: Lifecycle::Archived,
        },
    })
}

/// The ledger with the first records taken down.
fn ledger_with(records: usize) -> Ledger {
    let mut ledger = ledger();
    for number in 0..records {
        ledger.apply(record(number));
    }
    ledger
}

fn lock(run: &str) -> Lock {
    let holder = Holder {
        user: "ada".to_owned(),
        host: "runner".to_owned(),
        process: None,
    };
    Lock::taken(run, "segctl apply", holder, at(0))
}

fn call(second: i64) -> CallRecord {
    CallRecord::Sent {
        class: EndpointClass::Get,
        at: at(second),
    }
}
