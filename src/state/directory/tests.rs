use super::*;
use crate::model::{EndpointClass, Lifecycle, Payload, SegmentId, SegmentName};
use crate::state::{AppliedPlan, IntendedWrite, Intent, LockHolder, Revision, StateEntry, StepKey};
use jiff::Timestamp;
use serde_json::json;
use std::fs;

fn state() -> State {
    let mut state = State::default();
    let payload = Payload {
        included_filters: json!({"filter_operator": "and", "filters": [{"value": 1.5}]}),
        excluded_filters: None,
    };
    for (id, name, lifecycle) in [
        ("a1", "One", Lifecycle::Active),
        ("b2", "Two", Lifecycle::Archived),
    ] {
        let mut entry = StateEntry {
            lifecycle,
            digest: (id == "a1").then(|| "00ff".to_owned()),
            definition: (id == "a1").then(|| payload.clone().into()),
            protect: id == "a1",
            run: "run 1".to_owned(),
            ..StateEntry::new(SegmentId::new(id), SegmentName::new("Old"), Timestamp::UNIX_EPOCH)
        };
        entry.rename(SegmentName::new(name));
        entry.add_revision(Revision {
            name: SegmentName::new("Old"),
            definition: payload.clone().into(),
            replaced_at: Timestamp::UNIX_EPOCH,
            run: "run 0".to_owned(),
        });
        state.record(entry);
    }
    state.record_applied_plan(AppliedPlan {
        digest: "abc".to_owned(),
        applied_at: Timestamp::UNIX_EPOCH,
    });
    state
}

fn journal_entry(number: usize) -> JournalEntry {
    JournalEntry::Intent(Intent {
        step: StepKey {
            run: "run 2".to_owned(),
            step: number,
        },
        segment: SegmentName::new("One"),
        protect: false,
        previous_names: Vec::new(),
        at: Timestamp::UNIX_EPOCH,
        rearchive_if_unadopted: false,
        write: IntendedWrite::SetLifecycle {
            id: SegmentId::new("a1"),
            name: SegmentName::new("One"),
            lifecycle: Lifecycle::Archived,
        },
    })
}

#[tokio::test]
async fn a_saved_state_is_loaded_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path().join("deep/down"));
    assert_eq!(store.load().await.unwrap(), State::default());
    store.save(&state()).await.unwrap();
    assert_eq!(store.load().await.unwrap(), state());
}

#[tokio::test]
async fn every_run_reads_each_request_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path().join("deep/down"));
    let sent = |second| RequestRecord::Sent {
        class: EndpointClass::Get,
        at: Timestamp::from_second(second).unwrap(),
    };
    assert_eq!(store.load_requests().await.unwrap(), []);
    let mut next = 0;
    let exchanged = store.exchange_requests(&mut next, |others| {
        assert_eq!(others, []);
        vec![sent(1), sent(2)]
    });
    exchanged.await.unwrap();
    assert_eq!(next, 2);
    let other = DirectoryStore::new(directory.path().join("deep/down"));
    let mut next = 1;
    let exchanged = other.exchange_requests(&mut next, |others| {
        assert_eq!(others, [sent(2)]);
        vec![sent(3)]
    });
    exchanged.await.unwrap();
    assert_eq!(next, 3);
    let mut next = 2;
    store.exchange_requests(&mut next, |_| Vec::new()).await.unwrap();
    assert_eq!(next, 3);
    assert_eq!(store.load_requests().await.unwrap(), [sent(1), sent(2), sent(3)]);
    // Few old records are not pruned.
    store.prune_requests(Timestamp::MAX).await.unwrap();
    assert_eq!(store.load_requests().await.unwrap().len(), 3);
    let many: Vec<RequestRecord> = (0..2000).map(sent).collect();
    store.exchange_requests(&mut 3, |_| many.clone()).await.unwrap();
    store
        .prune_requests(Timestamp::from_second(1999).unwrap())
        .await
        .unwrap();
    assert_eq!(store.load_requests().await.unwrap(), [sent(1999)]);
    let mut next = 3;
    other.exchange_requests(&mut next, |_| Vec::new()).await.unwrap();
    assert_eq!(next, 2003);
}

fn state_with(entries: usize) -> State {
    let mut state = state();
    for number in 0..entries {
        state.apply_journal_entry(journal_entry(number));
    }
    state
}

#[tokio::test]
async fn a_state_from_before_the_first_release_is_refused() {
    for file in ["ledger.json", "snapshot.json"] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(file), "{}").unwrap();
        let store = DirectoryStore::new(directory.path());
        let expected = format!(
            "the directory `{}` holds the state of a segctl before 0.1 (`{file}`), which this version does not read; to \
             start over, move it away and run `segctl state rebuild`",
            directory.path().display()
        );
        assert_eq!(store.load().await.unwrap_err().to_string(), expected);
        // A directory with a readable state may hold such a file.
        store.save(&state()).await.unwrap();
        assert_eq!(store.load().await.unwrap(), state());
    }
}

#[tokio::test]
async fn the_next_run_reads_the_journal_up_to_a_torn_last_line() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join(JOURNAL_FILE);
    let store = DirectoryStore::new(directory.path());
    for count in 1..4 {
        store
            .append(&state_with(count), &[journal_entry(count - 1)])
            .await
            .unwrap();
    }
    let next = DirectoryStore::new(directory.path());
    assert_eq!(next.load().await.unwrap(), state_with(3));
    let text = fs::read(&journal).unwrap();
    fs::write(&journal, &text[..text.len() - 5]).unwrap();
    assert_eq!(next.load().await.unwrap(), state_with(2));
    // The first change of the next run drops the torn line.
    next.append(&state_with(3), &[journal_entry(2)]).await.unwrap();
    next.append(&state_with(4), &[journal_entry(3)]).await.unwrap();
    assert_eq!(store.load().await.unwrap(), state_with(4));
    // A run that crashed after it compacted the journal leaves one that follows an older generation.
    let old_journal = fs::read(&journal).unwrap();
    store.save(&state_with(1)).await.unwrap();
    assert!(!journal.exists());
    assert_eq!(store.load().await.unwrap(), state_with(1));
    fs::write(&journal, &old_journal).unwrap();
    assert_eq!(store.load().await.unwrap(), state_with(1));
}

#[tokio::test]
async fn a_mismatched_journal_is_rejected_and_a_missing_state_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path());
    store.save(&state()).await.unwrap();
    let backup = fs::read(directory.path().join(STATE_FILE)).unwrap();
    store.save(&state()).await.unwrap();
    store.append(&state_with(1), &[journal_entry(0)]).await.unwrap();
    let current = fs::read(directory.path().join(STATE_FILE)).unwrap();
    fs::write(directory.path().join(STATE_FILE), &backup).unwrap();
    // The journal of the later generation has no entries.
    assert_eq!(store.load().await.unwrap(), state());
    fs::write(directory.path().join(STATE_FILE), current).unwrap();
    store.append(&state_with(2), &[journal_entry(1)]).await.unwrap();
    fs::write(directory.path().join(STATE_FILE), backup).unwrap();
    let error = store.load().await.unwrap_err().to_string();
    assert!(error.contains("follows the later generation 3"), "{error}");
    fs::remove_file(directory.path().join(STATE_FILE)).unwrap();
    assert_eq!(store.load().await.unwrap(), State::default());
    let next = DirectoryStore::new(directory.path());
    next.append(&state_with(2), &[journal_entry(1)]).await.unwrap();
    assert_eq!(store.load().await.unwrap(), state_with(2));
    for text in ["{}\n{}\n", "garbage", ""] {
        fs::write(directory.path().join(JOURNAL_FILE), text).unwrap();
        let error = store.load().await.unwrap_err().to_string();
        assert!(
            error.contains("journal.jsonl") && error.contains("first line"),
            "{error}"
        );
    }
    fs::remove_file(directory.path().join(JOURNAL_FILE)).unwrap();
    let error = store.load().await.unwrap_err().to_string();
    assert!(
        error.contains("journal.jsonl` cannot be used: it is missing"),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_rejected_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path());
    let good = checksummed_json::encode(STATE_VERSION, &StateFile::of(&state(), (1, false)));
    let damaged = [
        (good.replace("\"One\"", "\"Two\""), "checksum"),
        (
            good.replace("\"format_version\":1", "\"format_version\":5"),
            "format version is 5",
        ),
        (good[..good.len() / 2].to_owned(), "EOF"),
        (String::new(), "EOF"),
        (good.replace("\"archived\"", "\"gone\""), "checksum"),
    ];
    for (text, reason) in damaged {
        fs::write(directory.path().join(STATE_FILE), text).unwrap();
        let error = store.load().await.unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("state.json"), "{error}");
    }
}

#[tokio::test]
async fn a_failed_append_is_saved_with_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path());
    let holder = LockHolder {
        user: "ada".to_owned(),
        host: "runner".to_owned(),
        process: None,
    };
    let lock = Lock::acquired("run 2", "segctl apply", holder, Timestamp::UNIX_EPOCH);
    store
        .change_lock(|_| LockChange::Put(lock.clone()))
        .await
        .unwrap();
    store.save(&state()).await.unwrap();
    store.append(&state_with(1), &[journal_entry(0)]).await.unwrap();
    // The lock is unreadable for a moment.
    let (file, moved) = (directory.path().join(LOCK_FILE), directory.path().join("moved"));
    fs::rename(&file, &moved).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(store.append(&state_with(2), &[journal_entry(1)]).await.is_err());
    fs::remove_dir(&file).unwrap();
    fs::rename(&moved, &file).unwrap();
    store.append(&state_with(3), &[journal_entry(2)]).await.unwrap();
    let next = DirectoryStore::new(directory.path());
    assert_eq!(next.load().await.unwrap(), state_with(3));
}
