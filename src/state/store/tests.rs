use super::*;
use crate::model::{Lifecycle, Payload, SegmentId, SegmentName};
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
            returned_digest: None,
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
        sent_at: Timestamp::UNIX_EPOCH,
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
    let store = StateStore::in_directory(directory.path().join("deep/down"));
    assert_eq!(store.load().await.unwrap(), State::default());
    store.save(&state()).await.unwrap();
    assert_eq!(store.load().await.unwrap(), state());
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
        let store = StateStore::in_directory(directory.path());
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
async fn the_next_run_reads_the_journal_and_ignores_a_compacted_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateStore::in_directory(directory.path());
    for count in 1..4 {
        store
            .append(&state_with(count), &[journal_entry(count - 1)])
            .await
            .unwrap();
    }
    let next = StateStore::in_directory(directory.path());
    assert_eq!(next.load().await.unwrap(), state_with(3));
    let last = directory.path().join("journal/1-3.json");
    let old = fs::read(&last).unwrap();
    fs::write(&last, &old[..old.len() - 5]).unwrap();
    let error = next.load().await.unwrap_err().to_string();
    assert!(error.contains("journal/1-3.json` cannot be used"), "{error}");
    fs::remove_file(&last).unwrap();
    assert_eq!(next.load().await.unwrap(), state_with(2));
    next.append(&state_with(3), &[journal_entry(2)]).await.unwrap();
    next.append(&state_with(4), &[journal_entry(3)]).await.unwrap();
    // The first change of the next run replaces the state, and an earlier run cannot do so any more.
    let result = store.append(&state_with(4), &[journal_entry(3)]).await;
    assert!(result.is_ok(), "{result:?}");
    let result = store.save(&state_with(1)).await;
    assert!(
        matches!(result, Err(StoreError::LockLost { by: None })),
        "{result:?}"
    );
    assert_eq!(next.load().await.unwrap(), state_with(4));
    next.save(&state_with(1)).await.unwrap();
    assert_eq!(fs::read_dir(directory.path().join("journal")).unwrap().count(), 0);
    // A deleted file returns after a power loss.
    fs::write(&last, &old).unwrap();
    assert_eq!(store.load().await.unwrap(), state_with(1));
    store.save(&state_with(2)).await.unwrap();
    assert!(!last.exists());
}

#[tokio::test]
async fn a_mismatched_journal_is_rejected_and_a_missing_state_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let state_file = directory.path().join(STATE_FILE);
    let store = StateStore::in_directory(directory.path());
    store.save(&state()).await.unwrap();
    let backup = fs::read(&state_file).unwrap();
    store.save(&state()).await.unwrap();
    store.append(&state_with(1), &[journal_entry(0)]).await.unwrap();
    let current = fs::read(&state_file).unwrap();
    fs::write(&state_file, &backup).unwrap();
    // The journal of the later generation has no entries.
    assert_eq!(store.load().await.unwrap(), state());
    fs::write(&state_file, current).unwrap();
    store.load().await.unwrap();
    let next = StateStore::in_directory(directory.path());
    for count in 2..5 {
        next.append(&state_with(count), &[journal_entry(count - 1)])
            .await
            .unwrap();
    }
    let current = fs::read(&state_file).unwrap();
    fs::write(&state_file, backup).unwrap();
    let error = next.load().await.unwrap_err().to_string();
    assert!(
        error.contains("its generation is 1, and `journal/4-2.json` follows a later one"),
        "{error}"
    );
    fs::write(&state_file, current).unwrap();
    let first = directory.path().join("journal/4-2.json");
    let moved = directory.path().join("journal/4-3.json");
    let bytes = fs::read(&moved).unwrap();
    fs::write(&moved, fs::read(&first).unwrap()).unwrap();
    let error = next.load().await.unwrap_err().to_string();
    assert!(
        error.contains("journal/4-3.json` cannot be used: it is not what segctl wrote"),
        "{error}"
    );
    fs::write(&moved, bytes).unwrap();
    fs::remove_file(&first).unwrap();
    let error = next.load().await.unwrap_err().to_string();
    assert!(
        error.contains("journal/4-2.json` cannot be used: it is missing"),
        "{error}"
    );
    fs::remove_dir_all(directory.path().join("journal")).unwrap();
    let error = next.load().await.unwrap_err().to_string();
    assert!(
        error.contains("journal/4-1.json` cannot be used: it is missing"),
        "{error}"
    );
    fs::remove_file(&state_file).unwrap();
    assert_eq!(store.load().await.unwrap(), State::default());
    let next = StateStore::in_directory(directory.path());
    next.append(&state_with(2), &[journal_entry(1)]).await.unwrap();
    assert_eq!(store.load().await.unwrap(), state_with(2));
}

#[tokio::test]
async fn a_longer_journal_of_a_larger_state_is_compacted_later() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateStore::in_directory(directory.path());
    let mut state = state();
    for number in 0..1000 {
        let id = SegmentId::new(format!("s{number}"));
        state.record(StateEntry::new(
            id,
            SegmentName::new(format!("S{number}")),
            Timestamp::UNIX_EPOCH,
        ));
    }
    for _ in 0..503 {
        store.append(&state, &[]).await.unwrap();
    }
    let objects = fs::read_dir(directory.path().join("journal")).unwrap();
    assert_eq!(objects.count(), 2, "501 objects were compacted");
}

#[tokio::test]
async fn a_damaged_file_is_rejected_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = StateStore::in_directory(directory.path());
    let good = checksummed_json::encode(STATE_VERSION, &StateFile::of(&state(), 1, false));
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
    let store = StateStore::in_directory(directory.path());
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
    let next = StateStore::in_directory(directory.path());
    assert_eq!(next.load().await.unwrap(), state_with(3));
}
