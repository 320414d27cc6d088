use super::*;
use crate::ledger::AppliedPlan;
use crate::ledger::Entry;
use crate::ledger::Intent;
use crate::ledger::{Holder, Replaced, StepKey, Write};
use crate::model::{EndpointClass, Lifecycle, Payload, SegmentId, SegmentName};
use jiff::Timestamp;
use serde_json::json;
use std::fs;

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    let payload = Payload {
        included_filters: json!({"filter_operator": "and", "filters": [{"value": 1.5}]}),
        excluded_filters: None,
    };
    for (id, name, lifecycle) in [
        ("a1", "One", Lifecycle::Active),
        ("b2", "Two", Lifecycle::Archived),
    ] {
        let mut entry = Entry {
            lifecycle,
            digest: (id == "a1").then(|| "00ff".to_owned()),
            definition: (id == "a1").then(|| payload.clone()),
            protect: id == "a1",
            run: "run 1".to_owned(),
            ..Entry::new(SegmentId::new(id), SegmentName::new("Old"), Timestamp::UNIX_EPOCH)
        };
        entry.rename(SegmentName::new(name));
        entry.keep(Replaced {
            name: SegmentName::new("Old"),
            definition: payload.clone(),
            replaced_at: Timestamp::UNIX_EPOCH,
            run: "run 0".to_owned(),
        });
        ledger.record(entry);
    }
    ledger.record_plan(AppliedPlan {
        digest: "abc".to_owned(),
        applied_at: Timestamp::UNIX_EPOCH,
    });
    ledger
}

fn record(number: usize) -> Record {
    Record::Intent(Intent {
        step: StepKey {
            run: "run 2".to_owned(),
            step: number,
        },
        segment: SegmentName::new("One"),
        protect: false,
        at: Timestamp::UNIX_EPOCH,
        takes_out: false,
        write: Write::Lifecycle {
            id: SegmentId::new("a1"),
            name: SegmentName::new("One"),
            lifecycle: Lifecycle::Archived,
        },
    })
}

#[tokio::test]
async fn everything_comes_back_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path().join("deep/down"));
    assert_eq!(store.load().await.unwrap(), Ledger::default());
    store.save(&ledger()).await.unwrap();
    assert_eq!(store.load().await.unwrap(), ledger());
}

#[tokio::test]
async fn calls_are_told_to_every_run_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path().join("deep/down"));
    let call = |second| CallRecord::Sent {
        class: EndpointClass::Get,
        at: Timestamp::from_second(second).unwrap(),
    };
    assert_eq!(store.requests().await.unwrap(), []);
    let mut next = 0;
    let exchanged = store.exchange_requests(&mut next, |others| {
        assert_eq!(others, []);
        vec![call(1), call(2)]
    });
    exchanged.await.unwrap();
    assert_eq!(next, 2);
    let other = DirectoryStore::new(directory.path().join("deep/down"));
    let mut next = 1;
    let exchanged = other.exchange_requests(&mut next, |others| {
        assert_eq!(others, [call(2)]);
        vec![call(3)]
    });
    exchanged.await.unwrap();
    assert_eq!(next, 3);
    let mut next = 2;
    store.exchange_requests(&mut next, |_| Vec::new()).await.unwrap();
    assert_eq!(next, 3);
    assert_eq!(store.requests().await.unwrap(), [call(1), call(2), call(3)]);
    // Few old ones are not worth it.
    store.forget_requests(Timestamp::MAX).await.unwrap();
    assert_eq!(store.requests().await.unwrap().len(), 3);
    let many: Vec<CallRecord> = (0..2000).map(call).collect();
    store.exchange_requests(&mut 3, |_| many.clone()).await.unwrap();
    store
        .forget_requests(Timestamp::from_second(1999).unwrap())
        .await
        .unwrap();
    assert_eq!(store.requests().await.unwrap(), [call(1999)]);
    let mut next = 3;
    other.exchange_requests(&mut next, |_| Vec::new()).await.unwrap();
    assert_eq!(next, 2003);
}

/// The ledger with the first records taken down.
fn ledger_with(records: usize) -> Ledger {
    let mut ledger = ledger();
    for number in 0..records {
        ledger.apply(record(number));
    }
    ledger
}

#[tokio::test]
async fn what_a_run_adds_is_read_by_the_next_whatever_was_left_of_the_last_line() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join(JOURNAL);
    let store = DirectoryStore::new(directory.path());
    for count in 1..4 {
        store
            .add(&ledger_with(count), &[record(count - 1)])
            .await
            .unwrap();
    }
    let next = DirectoryStore::new(directory.path());
    assert_eq!(next.load().await.unwrap(), ledger_with(3));
    let text = fs::read(&journal).unwrap();
    fs::write(&journal, &text[..text.len() - 5]).unwrap();
    assert_eq!(next.load().await.unwrap(), ledger_with(2));
    // Its first change leaves the torn line behind.
    next.add(&ledger_with(3), &[record(2)]).await.unwrap();
    next.add(&ledger_with(4), &[record(3)]).await.unwrap();
    assert_eq!(store.load().await.unwrap(), ledger_with(4));
    // A run takes the journal in at its end. One that ended before it removed it: it follows an older generation.
    let journal_of_before = fs::read(&journal).unwrap();
    store.save(&ledger_with(1)).await.unwrap();
    assert!(!journal.exists());
    assert_eq!(store.load().await.unwrap(), ledger_with(1));
    fs::write(&journal, &journal_of_before).unwrap();
    assert_eq!(store.load().await.unwrap(), ledger_with(1));
}

#[tokio::test]
async fn a_journal_that_does_not_fit_is_told_and_a_lost_ledger_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path());
    store.save(&ledger()).await.unwrap();
    let backup = fs::read(directory.path().join(LEDGER)).unwrap();
    store.save(&ledger()).await.unwrap();
    store.add(&ledger_with(1), &[record(0)]).await.unwrap();
    let begun = fs::read(directory.path().join(LEDGER)).unwrap();
    fs::write(directory.path().join(LEDGER), &backup).unwrap();
    // Nothing was added to what the journal follows.
    assert_eq!(store.load().await.unwrap(), ledger());
    fs::write(directory.path().join(LEDGER), begun).unwrap();
    store.add(&ledger_with(2), &[record(1)]).await.unwrap();
    fs::write(directory.path().join(LEDGER), backup).unwrap();
    let refused = store.load().await.unwrap_err().to_string();
    assert!(refused.contains("follows generation 3"), "{refused}");
    fs::remove_file(directory.path().join(LEDGER)).unwrap();
    assert_eq!(store.load().await.unwrap(), Ledger::default());
    let next = DirectoryStore::new(directory.path());
    next.add(&ledger_with(2), &[record(1)]).await.unwrap();
    assert_eq!(store.load().await.unwrap(), ledger_with(2));
    for text in ["{}\n{}\n", "garbage", ""] {
        fs::write(directory.path().join(JOURNAL), text).unwrap();
        let refused = store.load().await.unwrap_err().to_string();
        assert!(
            refused.contains("journal.jsonl") && refused.contains("first line"),
            "{refused}"
        );
    }
    fs::remove_file(directory.path().join(JOURNAL)).unwrap();
    let refused = store.load().await.unwrap_err().to_string();
    assert!(
        refused.contains("journal.jsonl` cannot be used: it is gone"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path());
    let good = document::encode(LEDGER_VERSION, &Contents::of(&ledger(), (1, false)));
    let damaged = [
        (good.replace("\"One\"", "\"Own\""), "checksum"),
        (
            good.replace("\"format_version\": 4", "\"format_version\": 5"),
            "format version 5",
        ),
        (good[..good.len() / 2].to_owned(), "EOF"),
        (String::new(), "EOF"),
        (good.replace("\"archived\"", "\"gone\""), "checksum"),
    ];
    for (text, reason) in damaged {
        fs::write(directory.path().join(LEDGER), text).unwrap();
        let refused = store.load().await.unwrap_err().to_string();
        assert!(
            refused.contains(reason) && refused.contains("ledger.json"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn what_could_not_be_added_goes_with_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path());
    let holder = Holder {
        user: "ada".to_owned(),
        host: "runner".to_owned(),
        process: None,
    };
    let lock = Lock::taken("run 2", "segctl apply", holder, Timestamp::UNIX_EPOCH);
    store.change_lock(|_| Change::Put(lock.clone())).await.unwrap();
    store.save(&ledger()).await.unwrap();
    store.add(&ledger_with(1), &[record(0)]).await.unwrap();
    // The lock cannot be looked at, for once.
    let (file, away) = (directory.path().join(LOCK_FILE), directory.path().join("away"));
    fs::rename(&file, &away).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(store.add(&ledger_with(2), &[record(1)]).await.is_err());
    fs::remove_dir(&file).unwrap();
    fs::rename(&away, &file).unwrap();
    store.add(&ledger_with(3), &[record(2)]).await.unwrap();
    let next = DirectoryStore::new(directory.path());
    assert_eq!(next.load().await.unwrap(), ledger_with(3));
}
