//! Faults of the network and the object store: lost responses, late writes, damaged objects and unusable buckets.

use super::s3_double::{S3Double, S3Fault};
use super::{
    BUCKET, connect_store, journal_entry, lock_of_run, object_name, request_record, state_location,
    state_with_entries, state_with_one_segment,
};
use segctl::model::ObjectStoreUrl;
use segctl::state::{LockChange, State, StateStore, StoreError};
use segctl::storage::ObjectStorage;

/// Faults after which the write has taken effect or can be retried immediately.
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
        let lock = lock_of_run("a");
        for (number, suffix) in ["lock.json", "state.json", "-2.json", "requests/0.json"]
            .into_iter()
            .enumerate()
        {
            server.inject_fault(("PUT", suffix), 1, fault);
            match number {
                0 => {
                    store.change_lock(|_| LockChange::Keep).await.unwrap();
                    let before = store.change_lock(|held| lock.acquire(held, |_| false)).await;
                    assert_eq!(before.unwrap(), None, "{fault:?}");
                    // The lock object exists now.
                    server.inject_fault(("PUT", suffix), 1, fault);
                    let before = store
                        .change_lock(|held| lock.renew(held, super::at_second(9)))
                        .await;
                    assert_eq!(before.unwrap(), Some(lock.clone()), "{fault:?}");
                }
                1 => {
                    store
                        .append(&state_with_entries(1), &[journal_entry(0)])
                        .await
                        .unwrap();
                    server.inject_fault(("PUT", suffix), 1, fault);
                    store.save(&state_with_entries(1)).await.unwrap();
                    store.append(&state_with_entries(1), &[]).await.unwrap();
                }
                2 => store
                    .append(&state_with_entries(2), &[journal_entry(1)])
                    .await
                    .unwrap(),
                _ => {
                    for next in [1, 2] {
                        server.inject_fault(("PUT", suffix), 1, fault);
                        let (mut attempts, mut read) = (0, 0);
                        let exchanged = store.exchange_requests(&mut read, |others| {
                            attempts += 1;
                            assert_eq!(others.len(), next - 1);
                            vec![request_record(0)]
                        });
                        exchanged.await.unwrap();
                        // No other run wrote in between, so the first attempt counts.
                        assert_eq!(attempts, 1, "{fault:?}");
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
            let before = store.change_lock(|_| LockChange::Put(lock_of_run("a"))).await;
            assert_eq!(before.unwrap(), None, "{fault:?} at {after}");
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
    // The store does not know whether this write takes effect.
    server.inject_fault(("PUT", "state.json"), usize::MAX, S3Fault::Delayed);
    assert!(
        store
            .append(&state_with_entries(1), &[journal_entry(0)])
            .await
            .is_err()
    );
    server.clear_faults();
    // The late write arrives before the next one, which replaces it, because it belongs to the same run.
    assert_eq!(server.apply_delayed_requests()[0], 200);
    store
        .append(&state_with_entries(2), &[journal_entry(1)])
        .await
        .unwrap();
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(2)
    );
    // The late writes arrive after the next one, and their conditions fail.
    server.inject_fault(("PUT", "-2.json"), usize::MAX, S3Fault::Delayed);
    assert!(
        store
            .append(&state_with_entries(3), &[journal_entry(2)])
            .await
            .is_err()
    );
    server.inject_fault(("PUT", "state.json"), usize::MAX, S3Fault::Delayed);
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
    let (old, next) = (connect_store(&server), connect_store(&server));
    old.change_lock(|_| LockChange::Put(lock_of_run("a")))
        .await
        .unwrap();
    old.load().await.unwrap();
    old.append(&state_with_entries(1), &[journal_entry(0)])
        .await
        .unwrap();
    for suffix in ["-2.json", "state.json"] {
        server.inject_fault(("PUT", suffix), usize::MAX, S3Fault::Delayed);
        assert!(
            old.append(&state_with_entries(2), &[journal_entry(1)])
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
        let result = other.save(&State::default()).await;
        assert!(
            matches!(result, Err(StoreError::LockLost { by: None })),
            "{result:?}"
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
    let object_count = |generation: &str| {
        let folder = object_name(&format!("journal/{generation}-"));
        server
            .object_names()
            .iter()
            .filter(|name| name.starts_with(&folder))
            .count()
    };
    assert_eq!((object_count("1"), object_count("2")), (0, 50));
    store.save(&state_with_one_segment()).await.unwrap();
    assert_eq!(server.object_names(), [object_name("state.json")]);
    // An object that cannot be deleted is no error, and the next save deletes it.
    store
        .append(&state_with_entries(1), &[journal_entry(0)])
        .await
        .unwrap();
    store
        .append(&state_with_entries(2), &[journal_entry(1)])
        .await
        .unwrap();
    server.inject_fault(("DELETE", ""), usize::MAX, S3Fault::Rejected(403));
    store.save(&state_with_one_segment()).await.unwrap();
    server.clear_faults();
    assert_eq!(server.object_names().len(), 3);
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_one_segment()
    );
    store.save(&state_with_entries(1)).await.unwrap();
    assert_eq!(server.object_names(), [object_name("state.json")]);
}

#[tokio::test]
async fn damaged_objects_are_reported_with_their_url() {
    let server = S3Double::start();
    let store = connect_store(&server);
    store.save(&state_with_one_segment()).await.unwrap();
    let backup = server.object_text(&object_name("state.json"));
    for count in 1..4 {
        store
            .append(&state_with_entries(count), &[journal_entry(count - 1)])
            .await
            .unwrap();
    }
    let complete = server.object_text(&object_name("journal/2-3.json"));
    let assert_load_error = |expected: &'static str| {
        let store = connect_store(&server);
        async move {
            let error = store.load().await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    };
    server.set_object_text(&object_name("journal/2-3.json"), &complete[..complete.len() / 2]);
    assert_load_error("`s3://segctl-tests/team/production/journal/2-3.json` cannot be used: EOF").await;
    let other = server.object_text(&object_name("journal/2-2.json"));
    server.set_object_text(&object_name("journal/2-3.json"), &other);
    assert_load_error("journal/2-3.json` cannot be used: it is not what segctl wrote").await;
    server.set_object_text(
        &object_name("journal/2-3.json"),
        &complete.replace("\"step\":2", "\"step\":3"),
    );
    assert_load_error("journal/2-3.json` cannot be used: its checksum does not match").await;
    server.set_object_text(&object_name("journal/2-3.json"), &complete);
    assert_eq!(
        connect_store(&server).load().await.unwrap(),
        state_with_entries(3)
    );
    server.set_object_text(&object_name("state.json"), &backup);
    assert_load_error(
        "state.json` cannot be used: its generation is 1, and `journal/2-2.json` follows a later one",
    )
    .await;
    server.set_object_text(&object_name("state.json"), &backup.replace("One", "Own"));
    assert_load_error("`s3://segctl-tests/team/production/state.json` cannot be used: its checksum").await;
    server.remove_object(&object_name("state.json"));
    // Without `state.json` the state is empty, and its old journal has no effect.
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
    server.remove_object(&object_name("journal/3-2.json"));
    next.append(&state_with_entries(3), &[journal_entry(2)])
        .await
        .unwrap();
    assert_load_error("journal/3-2.json` cannot be used: it is missing").await;
}

#[tokio::test]
async fn an_unusable_bucket_is_reported_with_reason_and_help() {
    let server = S3Double::start();
    let lock_error = |store: StateStore| async move {
        let result = store.change_lock(|_| LockChange::Put(lock_of_run("a"))).await;
        result.unwrap_err().to_string()
    };
    let elsewhere = ObjectStoreUrl {
        bucket: "elsewhere".to_owned(),
        ..state_location()
    };
    let store = StateStore::new(ObjectStorage::connect(&elsewhere, server.environment()).unwrap());
    let message = store.load().await.unwrap_err().to_string();
    assert!(
        message
            .contains("cannot read `s3://elsewhere/team/production/state.json`: the bucket does not exist"),
        "{message}"
    );
    let mut variables = server.environment();
    variables.retain(|(name, _)| name != "AWS_ACCESS_KEY_ID");
    variables.push(("AWS_ACCESS_KEY_ID".to_owned(), "wrong-key".to_owned()));
    let message = lock_error(StateStore::new(
        ObjectStorage::connect(&state_location(), variables).unwrap(),
    ))
    .await;
    assert!(
        message.contains("rejects the credentials (403 Of, InvalidAccessKeyId)")
            || message.contains("rejects the credentials (403 Forbidden, InvalidAccessKeyId)"),
        "{message}"
    );
    assert!(
        message.contains("AWS_ACCESS_KEY_ID") && !message.contains(super::s3_double::SECRET),
        "{message}"
    );
    // The credentials allow reading only.
    server.inject_fault(("PUT", "lock.json"), usize::MAX, S3Fault::Rejected(403));
    let message = lock_error(connect_store(&server)).await;
    assert!(
        message
            .contains("cannot write `s3://segctl-tests/team/production/lock.json`: the object store rejects"),
        "{message}"
    );
    for fault in [S3Fault::Rejected(501), S3Fault::AppliedWithStatus(501)] {
        server.inject_fault(("PUT", "lock.json"), usize::MAX, fault);
        let message = lock_error(connect_store(&server)).await;
        assert!(
            message.contains("does not support conditional writes"),
            "{message}"
        );
    }
    server.clear_faults();
    let unconditional = S3Double::start();
    unconditional.ignore_conditions();
    let message = lock_error(connect_store(&unconditional)).await;
    assert!(
        message.contains("does not support conditional writes"),
        "{message}"
    );
    assert!(
        !unconditional
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
    server.inject_fault(("PUT", "-2.json"), usize::MAX, S3Fault::Rejected(503));
    server.take_request_log();
    let error = store
        .append(&state_with_entries(2), &[journal_entry(1)])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("journal/1-2.json`: 503") && error.contains("check the network"),
        "{error}"
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
    let connect = |allow_http: &[&str]| {
        let mut variables = server.environment();
        variables.retain(|(name, _)| name != "AWS_ENDPOINT_URL");
        variables.push((
            "AWS_ENDPOINT_URL".to_owned(),
            "http://store.example:9000".to_owned(),
        ));
        let allow_http = allow_http
            .iter()
            .map(|value| ("AWS_ALLOW_HTTP".to_owned(), (*value).to_owned()));
        variables.extend(allow_http);
        ObjectStorage::connect(&state_location(), variables)
    };
    let message = connect(&[]).unwrap_err().to_string();
    assert!(
        message.contains("cannot open `s3://segctl-tests/team/production`: AWS_ENDPOINT_URL uses plain http")
            && message.contains("AWS_ALLOW_HTTP=true"),
        "{message}"
    );
    connect(&["true"]).unwrap();
}
