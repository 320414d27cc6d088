//! Networks and services that fail: answers that are lost, writes that come late, buckets that are not as they should be.

use super::s3_double::{S3Double, S3Fault};
use super::{
    BUCKET, connect_store, journal_entry, lock_of_run, object_name, request_record, state_location,
    state_with_entries, state_with_one_segment,
};
use segctl::model::ObjectStoreUrl;
use segctl::state::{LockChange, ObjectStateStore, State, StateStore, StoreError};

/// Faults after which the write has taken effect, or can be made again at once.
const TRANSIENT_FAULTS: [S3Fault; 6] = [
    S3Fault::Rejected(503),
    S3Fault::Rejected(500),
    S3Fault::Rejected(409),
    S3Fault::ResponseLost,
    S3Fault::AppliedWithStatus(503),
    S3Fault::AppliedWithStatus(500),
];

#[tokio::test]
async fn a_retried_write_recognizes_its_own_first_attempt() {
    for fault in TRANSIENT_FAULTS {
        let server = S3Double::start();
        let store = connect_store(&server);
        let mine = lock_of_run("a");
        for (number, ending) in ["lock.json", "ledger.json", "1.jsonl", "requests.jsonl"]
            .into_iter()
            .enumerate()
        {
            server.inject_fault(("PUT", ending), 1, fault);
            match number {
                0 => {
                    store.change_lock(|_| LockChange::Keep).await.unwrap();
                    let before = store.change_lock(|held| mine.acquire(held, |_| false)).await;
                    assert_eq!(before.unwrap(), None, "{fault:?}");
                    // Once more with the object there.
                    server.inject_fault(("PUT", ending), 1, fault);
                    let before = store
                        .change_lock(|held| mine.renew(held, super::at_second(9)))
                        .await;
                    assert_eq!(before.unwrap(), Some(mine.clone()), "{fault:?}");
                }
                1 => {
                    store
                        .append(&state_with_entries(1), &[journal_entry(0)])
                        .await
                        .unwrap();
                    server.inject_fault(("PUT", ending), 1, fault);
                    store.save(&state_with_entries(1)).await.unwrap();
                    store.append(&state_with_entries(1), &[]).await.unwrap();
                }
                2 => store
                    .append(&state_with_entries(2), &[journal_entry(1)])
                    .await
                    .unwrap(),
                _ => {
                    for next in [1, 2] {
                        server.inject_fault(("PUT", ending), 1, fault);
                        let (mut asked, mut read) = (0, 0);
                        let exchanged = store.exchange_requests(&mut read, |others| {
                            asked += 1;
                            assert_eq!(others.len(), next - 1);
                            vec![request_record(0)]
                        });
                        exchanged.await.unwrap();
                        // Nobody came first: the answer stands.
                        assert_eq!(asked, 1, "{fault:?}");
                    }
                    assert_eq!(
                        store.load_requests().await.unwrap(),
                        [request_record(0), request_record(0)]
                    );
                }
            }
        }
        assert_eq!(
            connect_store(&server).load().await.unwrap(),
            state_with_entries(2),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn the_lock_is_created_despite_lost_responses() {
    for fault in TRANSIENT_FAULTS {
        for after in 0..4 {
            let server = S3Double::start();
            let store = connect_store(&server);
            server.inject_fault_after(("PUT", "lock.json"), (after, 1), fault);
            let taken = store.change_lock(|_| LockChange::Put(lock_of_run("a"))).await;
            assert_eq!(taken.unwrap(), None, "{fault:?} at {after}");
            let held = connect_store(&server)
                .change_lock(|_| LockChange::Keep)
                .await
                .unwrap();
            assert_eq!(held, Some(lock_of_run("a")), "{fault:?} at {after}");
        }
    }
}

#[tokio::test]
async fn an_abandoned_write_that_arrives_late_has_no_effect() {
    let server = S3Double::start();
    let store = connect_store(&server);
    store
        .change_lock(|_| LockChange::Put(lock_of_run("a")))
        .await
        .unwrap();
    store.save(&state_with_one_segment()).await.unwrap();
    // Nobody knows of this one whether it was written.
    server.inject_fault(("PUT", "ledger.json"), usize::MAX, S3Fault::Delayed);
    assert!(
        store
            .append(&state_with_entries(1), &[journal_entry(0)])
            .await
            .is_err()
    );
    server.clear_faults();
    // It arrives before the next: what it wrote is this run's own, and is written over.
    assert_eq!(server.apply_delayed_requests()[0], 200);
    store
        .append(&state_with_entries(2), &[journal_entry(1)])
        .await
        .unwrap();
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(2)
    );
    // It arrives after the next: its condition fails.
    server.inject_fault(("PUT", "1.jsonl"), usize::MAX, S3Fault::Delayed);
    assert!(
        store
            .append(&state_with_entries(3), &[journal_entry(2)])
            .await
            .is_err()
    );
    server.inject_fault(("PUT", "ledger.json"), usize::MAX, S3Fault::Delayed);
    assert!(
        store
            .append(&state_with_entries(3), &[journal_entry(2)])
            .await
            .is_err()
    );
    server.clear_faults();
    store
        .append(&state_with_entries(4), &[journal_entry(3)])
        .await
        .unwrap();
    server.apply_delayed_requests();
    store
        .append(&state_with_entries(5), &[journal_entry(4)])
        .await
        .unwrap();
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(5)
    );
    store.save(&state_with_entries(5)).await.unwrap();
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(5)
    );
}

#[tokio::test]
async fn a_late_write_of_an_old_run_never_changes_the_next_runs_state() {
    let server = S3Double::start();
    let (gone, next) = (connect_store(&server), connect_store(&server));
    gone.change_lock(|_| LockChange::Put(lock_of_run("a")))
        .await
        .unwrap();
    gone.load().await.unwrap();
    gone.append(&state_with_entries(1), &[journal_entry(0)])
        .await
        .unwrap();
    for ending in ["1.jsonl", "ledger.json"] {
        server.inject_fault(("PUT", ending), usize::MAX, S3Fault::Delayed);
        assert!(
            gone.append(&state_with_entries(2), &[journal_entry(1)])
                .await
                .is_err()
        );
    }
    server.clear_faults();
    next.change_lock(|_| LockChange::Put(lock_of_run("b")))
        .await
        .unwrap();
    assert_eq!(next.load().await.unwrap(), state_with_entries(1));
    next.append(&state_with_entries(3), &[journal_entry(2)])
        .await
        .unwrap();
    server.apply_delayed_requests();
    next.append(&state_with_entries(4), &[journal_entry(3)])
        .await
        .unwrap();
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(4)
    );
    next.save(&state_with_entries(4)).await.unwrap();
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(4)
    );
}

#[tokio::test]
async fn saving_over_a_newer_state_is_rejected_until_it_is_reloaded() {
    let server = S3Double::start();
    let (one, other) = (connect_store(&server), connect_store(&server));
    one.save(&state_with_one_segment()).await.unwrap();
    other.load().await.unwrap();
    one.append(&state_with_entries(1), &[journal_entry(0)])
        .await
        .unwrap();
    for _ in 0..2 {
        let refused = other.save(&State::default()).await;
        assert!(
            matches!(refused, Err(StoreError::LockLost { by: None })),
            "{refused:?}"
        );
    }
    assert_eq!(other.load().await.unwrap(), state_with_entries(1));
    other.save(&state_with_entries(2)).await.unwrap();
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(2)
    );
}

#[tokio::test]
async fn the_journal_is_compacted_at_its_size_limit_and_old_objects_are_deleted() {
    let server = S3Double::start();
    let store = connect_store(&server);
    for count in 1..=250 {
        store
            .append(&state_with_entries(count), &[journal_entry(count - 1)])
            .await
            .unwrap();
    }
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(250)
    );
    let pieces = |generation: &str| {
        let folder = object_name(&format!("journal/{generation}/"));
        server
            .object_names()
            .iter()
            .filter(|name| name.starts_with(&folder))
            .count()
    };
    assert_eq!((pieces("1"), pieces("2")), (200, 48));
    store.save(&state_with_one_segment()).await.unwrap();
    assert_eq!(server.object_names(), [object_name("ledger.json")]);
    // What cannot be deleted is passed over, and goes with the next.
    store
        .append(&state_with_entries(1), &[journal_entry(0)])
        .await
        .unwrap();
    store
        .append(&state_with_entries(2), &[journal_entry(1)])
        .await
        .unwrap();
    server.inject_fault(("DELETE", ".jsonl"), usize::MAX, S3Fault::Rejected(403));
    store.save(&state_with_one_segment()).await.unwrap();
    server.clear_faults();
    assert_eq!(server.object_names().len(), 2);
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_one_segment()
    );
    store.save(&state_with_entries(1)).await.unwrap();
    assert_eq!(server.object_names(), [object_name("ledger.json")]);
}

#[tokio::test]
async fn damaged_objects_are_reported_with_their_url() {
    let server = S3Double::start();
    let store = connect_store(&server);
    store.save(&state_with_one_segment()).await.unwrap();
    let backup = server.object_text(&object_name("ledger.json"));
    for count in 1..4 {
        store
            .append(&state_with_entries(count), &[journal_entry(count - 1)])
            .await
            .unwrap();
    }
    let whole = server.object_text(&object_name("journal/2/2.jsonl"));
    let refused = |words: &'static str| {
        let store = connect_store(&server);
        async move {
            let refused = store.load().await.unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
    };
    server.set_object_text(&object_name("journal/2/2.jsonl"), &whole[..whole.len() - 5]);
    refused("`s3://ledgers/team/production/journal/2/2.jsonl` cannot be used: it is not what was written")
        .await;
    server.set_object_text(
        &object_name("journal/2/2.jsonl"),
        &whole.replace("\"step\":2", "\"step\":3"),
    );
    refused("journal/2/2.jsonl` cannot be used: line 2 is damaged").await;
    server.set_object_text(&object_name("journal/2/2.jsonl"), &whole);
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(3)
    );
    server.set_object_text(&object_name("ledger.json"), &backup);
    refused(
        "ledger.json` cannot be used: it is of generation 1, and `journal/2/1.jsonl` follows a later one",
    )
    .await;
    server.set_object_text(&object_name("ledger.json"), &backup.replace("One", "Own"));
    refused("`s3://ledgers/team/production/ledger.json` cannot be used: its checksum").await;
    server.remove_object(&object_name("ledger.json"));
    // Lost, it is empty, and what it was never comes back.
    let next = connect_store(&server);
    assert_eq!(next.load().await.unwrap(), State::default());
    next.append(&state_with_entries(1), &[journal_entry(0)])
        .await
        .unwrap();
    next.append(&state_with_entries(2), &[journal_entry(1)])
        .await
        .unwrap();
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(2)
    );
    server.remove_object(&object_name("journal/3/1.jsonl"));
    next.append(&state_with_entries(3), &[journal_entry(2)])
        .await
        .unwrap();
    refused("journal/3/1.jsonl` cannot be used: it is gone").await;
}

#[tokio::test]
async fn an_unusable_bucket_is_reported_with_reason_and_help() {
    let server = S3Double::start();
    let refused = |store: ObjectStateStore| async move {
        let refused = store.change_lock(|_| LockChange::Put(lock_of_run("a"))).await;
        refused.unwrap_err().to_string()
    };
    let elsewhere = ObjectStoreUrl {
        bucket: "elsewhere".to_owned(),
        ..state_location()
    };
    let store = ObjectStateStore::connect(&elsewhere, server.environment()).unwrap();
    let said = store.load().await.unwrap_err().to_string();
    assert!(
        said.contains("cannot read `s3://elsewhere/team/production/ledger.json`: there is no such bucket"),
        "{said}"
    );
    let mut variables = server.environment();
    variables.retain(|(name, _)| name != "AWS_ACCESS_KEY_ID");
    variables.push(("AWS_ACCESS_KEY_ID".to_owned(), "somebody".to_owned()));
    let said = refused(ObjectStateStore::connect(&state_location(), variables).unwrap()).await;
    assert!(
        said.contains("refuses the credentials (403 Of, InvalidAccessKeyId)")
            || said.contains("refuses the credentials (403 Forbidden, InvalidAccessKeyId)"),
        "{said}"
    );
    assert!(
        said.contains("AWS_ACCESS_KEY_ID") && !said.contains(super::s3_double::SECRET),
        "{said}"
    );
    // Only reading is allowed.
    server.inject_fault(("PUT", "lock.json"), usize::MAX, S3Fault::Rejected(403));
    let said = refused(connect_store(&server)).await;
    assert!(
        said.contains("cannot write `s3://ledgers/team/production/lock.json`: the store refuses"),
        "{said}"
    );
    for fault in [S3Fault::Rejected(501), S3Fault::AppliedWithStatus(501)] {
        server.inject_fault(("PUT", "lock.json"), usize::MAX, fault);
        let said = refused(connect_store(&server)).await;
        assert!(said.contains("does not keep conditions of writes"), "{said}");
    }
    server.clear_faults();
    let careless = S3Double::start();
    careless.ignore_conditions();
    let said = refused(connect_store(&careless)).await;
    assert!(said.contains("does not keep conditions of writes"), "{said}");
    assert!(
        !careless
            .object_text(&object_name("lock.json"))
            .contains("\"run\"")
    );
    assert_eq!(BUCKET, state_location().bucket);
}

#[tokio::test]
async fn entries_that_could_not_be_written_are_retried_with_the_next_write() {
    let server = S3Double::start();
    let store = connect_store(&server);
    store
        .append(&state_with_entries(1), &[journal_entry(0)])
        .await
        .unwrap();
    server.inject_fault(("PUT", ".jsonl"), usize::MAX, S3Fault::Rejected(503));
    server.take_request_log();
    let refused = store
        .append(&state_with_entries(2), &[journal_entry(1)])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("journal/1/1.jsonl`: 503") && refused.contains("check the network"),
        "{refused}"
    );
    assert!(server.take_request_log().len() <= 20);
    server.clear_faults();
    store
        .append(&state_with_entries(3), &[journal_entry(2)])
        .await
        .unwrap();
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(3)
    );
}

#[test]
fn plain_http_to_a_remote_host_needs_aws_allow_http() {
    let server = S3Double::start();
    let elsewhere = |allowed: &[&str]| {
        let mut variables = server.environment();
        variables.retain(|(name, _)| name != "AWS_ENDPOINT_URL");
        variables.push((
            "AWS_ENDPOINT_URL".to_owned(),
            "http://store.example:9000".to_owned(),
        ));
        let allowed = allowed
            .iter()
            .map(|value| ("AWS_ALLOW_HTTP".to_owned(), (*value).to_owned()));
        variables.extend(allowed);
        ObjectStateStore::connect(&state_location(), variables)
    };
    let said = elsewhere(&[]).unwrap_err().to_string();
    assert!(
        said.contains("cannot open `s3://ledgers/team/production`: AWS_ENDPOINT_URL is plain http")
            && said.contains("AWS_ALLOW_HTTP=true"),
        "{said}"
    );
    elsewhere(&["true"]).unwrap();
}
