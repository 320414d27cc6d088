//! The contract of a state store, as tests that run against every storage.

use super::fixtures::{
    StoreFixture, at_second, journal_entry, lock_of_run, request_record, state_with_entries,
    state_with_one_segment,
};
use segctl::model::{ListDigest, RequestRecord, UploadCounts, UploadId, UploadResult};
use segctl::state::{Cache, Lock, LockChange, State, StateStore, StoreError};
use std::collections::BTreeSet;

/// Passes the names of all contract tests to `$then!`.
macro_rules! for_every_contract_test {
    ($then:ident) => {
        $then! {
            saved_state_is_loaded_by_every_run
            journal_entries_are_loaded_by_every_run_and_compacted_on_save
            a_run_continues_from_the_state_of_the_previous_run
            a_lock_is_held_by_one_run_until_it_is_released
            only_one_of_many_concurrent_runs_gets_the_lock
            a_run_that_lost_its_lock_cannot_write
            request_records_are_exchanged_with_every_run_once
            request_records_of_parallel_runs_are_all_stored
            old_request_records_are_dropped_without_renumbering_the_others
            member_lists_are_stored_until_they_are_dropped
            upload_results_are_stored_until_they_are_dropped
            the_cache_is_stored
        }
    };
}
pub(crate) use for_every_contract_test;

pub(crate) async fn saved_state_is_loaded_by_every_run(fixture: &impl StoreFixture) {
    let store = fixture.open_store();
    assert_eq!(store.load().await.unwrap(), State::default());
    store.save(&state_with_one_segment()).await.unwrap();
    store.save(&state_with_entries(2)).await.unwrap();
    for store in [store, fixture.open_store()] {
        assert_eq!(store.load().await.unwrap(), state_with_entries(2));
    }
}

pub(crate) async fn journal_entries_are_loaded_by_every_run_and_compacted_on_save(
    fixture: &impl StoreFixture,
) {
    let store = fixture.open_store();
    // Twelve objects: their names do not sort by number, and listing them needs several pages.
    for count in 1..=12 {
        store
            .append(&state_with_entries(count), &[journal_entry(count - 1)])
            .await
            .unwrap();
        assert_eq!(
            fixture.open_store().load().await.unwrap(),
            state_with_entries(count)
        );
    }
    store.save(&state_with_one_segment()).await.unwrap();
    assert_eq!(
        fixture.open_store().load().await.unwrap(),
        state_with_one_segment()
    );
}

pub(crate) async fn a_run_continues_from_the_state_of_the_previous_run(fixture: &impl StoreFixture) {
    for count in [1, 3, 5] {
        let run = fixture.open_store();
        assert_eq!(
            run.load().await.unwrap(),
            if count == 1 {
                State::default()
            } else {
                state_with_entries(count - 1)
            }
        );
        for added in [count, count + 1] {
            run.append(&state_with_entries(added), &[journal_entry(added - 1)])
                .await
                .unwrap();
        }
    }
    let last = fixture.open_store();
    assert_eq!(last.load().await.unwrap(), state_with_entries(6));
    last.save(&state_with_one_segment()).await.unwrap();
    assert_eq!(
        fixture.open_store().load().await.unwrap(),
        state_with_one_segment()
    );
}

async fn current_lock(store: &StateStore) -> Option<Lock> {
    store.change_lock(|_| LockChange::Keep).await.unwrap()
}

pub(crate) async fn a_lock_is_held_by_one_run_until_it_is_released(fixture: &impl StoreFixture) {
    let (one, other) = (fixture.open_store(), fixture.open_store());
    assert_eq!(current_lock(&one).await, None);
    let (lock_a, lock_b) = (lock_of_run("a"), lock_of_run("b"));
    assert_eq!(
        one.change_lock(|held| lock_a.acquire(held, |_| false))
            .await
            .unwrap(),
        None
    );
    let before = other
        .change_lock(|held| lock_b.acquire(held, |_| false))
        .await
        .unwrap();
    assert_eq!(before, Some(lock_a.clone()));
    assert_eq!(current_lock(&other).await, Some(lock_a.clone()));
    other.change_lock(|held| lock_b.release(held)).await.unwrap();
    one.change_lock(|held| lock_a.renew(held, at_second(60)))
        .await
        .unwrap();
    assert!(current_lock(&other).await.unwrap().lease_until > lock_a.lease_until);
    one.change_lock(|held| lock_a.release(held)).await.unwrap();
    assert_eq!(
        (current_lock(&one).await, current_lock(&other).await),
        (None, None)
    );
    assert_eq!(
        other
            .change_lock(|held| lock_b.acquire(held, |_| false))
            .await
            .unwrap(),
        None
    );
    assert_eq!(current_lock(&one).await, Some(lock_b));
}

pub(crate) async fn only_one_of_many_concurrent_runs_gets_the_lock(fixture: &impl StoreFixture) {
    let runs = ["a", "b", "c", "d", "e", "f"].map(|run| (lock_of_run(run), fixture.open_store()));
    let acquisitions = runs
        .iter()
        .map(|(lock, store)| store.change_lock(|held| lock.acquire(held, |_| false)));
    let before = futures_util::future::join_all(acquisitions).await;
    let first = before.iter().position(|before| matches!(before, Ok(None)));
    let winner = current_lock(&runs[0].1).await.unwrap();
    assert_eq!(winner.run, runs[first.unwrap()].0.run);
    assert_eq!(
        before.iter().filter(|before| matches!(before, Ok(None))).count(),
        1
    );
}

pub(crate) async fn a_run_that_lost_its_lock_cannot_write(fixture: &impl StoreFixture) {
    let (old, next) = (fixture.open_store(), fixture.open_store());
    old.change_lock(|_| LockChange::Put(lock_of_run("a")))
        .await
        .unwrap();
    old.append(&state_with_entries(1), &[journal_entry(0)])
        .await
        .unwrap();
    old.append(&state_with_entries(2), &[journal_entry(1)])
        .await
        .unwrap();
    next.change_lock(|_| LockChange::Put(lock_of_run("b")))
        .await
        .unwrap();
    assert_eq!(next.load().await.unwrap(), state_with_entries(2));
    next.append(&state_with_entries(3), &[journal_entry(2)])
        .await
        .unwrap();
    for result in [
        old.append(&state_with_one_segment(), &[journal_entry(7)]).await,
        old.save(&state_with_one_segment()).await,
    ] {
        assert!(matches!(result, Err(StoreError::LockLost { by: Some(lock) }) if lock.run == "b"));
    }
    assert_eq!(fixture.open_store().load().await.unwrap(), state_with_entries(3));
    let lock_b = lock_of_run("b");
    next.change_lock(|held| lock_b.release(held)).await.unwrap();
    assert!(matches!(
        old.save(&state_with_one_segment()).await,
        Err(StoreError::LockLost { by: None })
    ));
}

pub(crate) async fn request_records_are_exchanged_with_every_run_once(fixture: &impl StoreFixture) {
    let (store, other) = (fixture.open_store(), fixture.open_store());
    assert_eq!(store.load_requests().await.unwrap(), []);
    let (mut read, mut read_by_other) = (0, 1);
    let exchanged = store.exchange_requests(&mut read, |others| {
        assert_eq!(others, []);
        vec![request_record(1), request_record(2)]
    });
    exchanged.await.unwrap();
    let exchanged = other.exchange_requests(&mut read_by_other, |others| {
        assert_eq!(others, [request_record(2)]);
        vec![request_record(3)]
    });
    exchanged.await.unwrap();
    assert_eq!((read, read_by_other), (2, 3));
    let exchanged = store.exchange_requests(&mut read, |others| {
        assert_eq!(others, [request_record(3)]);
        Vec::new()
    });
    exchanged.await.unwrap();
    assert_eq!(read, 3);
    assert_eq!(
        other.load_requests().await.unwrap(),
        [request_record(1), request_record(2), request_record(3)]
    );
}

pub(crate) async fn request_records_of_parallel_runs_are_all_stored(fixture: &impl StoreFixture) {
    let runs = (0..8).map(|run| {
        let store = fixture.open_store();
        async move {
            let (mut next, mut others_seen) = (0, 0);
            for number in 0..3 {
                let exchanged = store.exchange_requests(&mut next, |others| {
                    others_seen += others.len();
                    vec![request_record(run * 10 + number)]
                });
                exchanged.await.unwrap();
            }
            let exchanged = store.exchange_requests(&mut next, |others| {
                others_seen += others.len();
                Vec::new()
            });
            exchanged.await.unwrap();
            // The run has read each earlier record once, unless it wrote that record itself.
            assert_eq!(next, others_seen as u64 + 3);
        }
    });
    futures_util::future::join_all(runs).await;
    let mut requests = fixture.open_store().load_requests().await.unwrap();
    requests.sort_by_key(|request| match request {
        RequestRecord::Sent { at, .. } => *at,
        other => panic!("unexpected record: {other:?}"),
    });
    let expected: Vec<RequestRecord> = (0..8)
        .flat_map(|run| (0..3).map(move |number| request_record(run * 10 + number)))
        .collect();
    assert_eq!(requests, expected);
}

pub(crate) async fn old_request_records_are_dropped_without_renumbering_the_others(
    fixture: &impl StoreFixture,
) {
    let (store, other) = (fixture.open_store(), fixture.open_store());
    store.prune_requests(at_second(5)).await.unwrap();
    // A hundred records fill an object, and objects are dropped as a whole.
    for first in (0..2000).step_by(100) {
        let records: Vec<RequestRecord> = (first..first + 100).map(request_record).collect();
        let mut next = u64::try_from(first).unwrap();
        store
            .exchange_requests(&mut next, |_| records.clone())
            .await
            .unwrap();
    }
    let mut next = 1999;
    let exchanged = store.exchange_requests(&mut next, |_| vec![request_record(2000)]);
    exchanged.await.unwrap();
    other.prune_requests(at_second(1900)).await.unwrap();
    let expected: Vec<RequestRecord> = (1900..=2000).map(request_record).collect();
    assert_eq!(store.load_requests().await.unwrap(), expected);
    other.prune_requests(at_second(2000)).await.unwrap();
    assert_eq!(store.load_requests().await.unwrap(), [request_record(2000)]);
    let mut next = 2000;
    let exchanged = store.exchange_requests(&mut next, |others| {
        assert_eq!(others, [request_record(2000)]);
        vec![request_record(2001)]
    });
    exchanged.await.unwrap();
    assert_eq!(next, 2002);
}

pub(crate) async fn member_lists_are_stored_until_they_are_dropped(fixture: &impl StoreFixture) {
    let (store, other) = (fixture.open_store(), fixture.open_store());
    let [one, two, three] = [1, 2, 3].map(|number| ListDigest::from_bytes([number; 32]));
    assert_eq!(store.load_member_list(&one).await.unwrap(), None);
    store.retain_member_lists(&BTreeSet::new()).await.unwrap();
    for (digest, bytes) in [(&one, &b"one"[..]), (&two, b"two"), (&two, b"two"), (&three, b"")] {
        store.save_member_list(digest, bytes).await.unwrap();
    }
    assert_eq!(
        other.load_member_list(&two).await.unwrap().as_deref(),
        Some(&b"two"[..])
    );
    assert_eq!(
        other.load_member_list(&three).await.unwrap().as_deref(),
        Some(&b""[..])
    );
    other.retain_member_lists(&[&one, &three].into()).await.unwrap();
    assert_eq!(
        store.load_member_list(&one).await.unwrap().as_deref(),
        Some(&b"one"[..])
    );
    assert_eq!(store.load_member_list(&two).await.unwrap(), None);
    // A run that lost its lock must not drop lists, since another run may need them.
    store
        .change_lock(|_| LockChange::Put(lock_of_run("a")))
        .await
        .unwrap();
    other
        .change_lock(|_| LockChange::Put(lock_of_run("b")))
        .await
        .unwrap();
    store.retain_member_lists(&BTreeSet::new()).await.unwrap_err();
    assert!(store.load_member_list(&one).await.unwrap().is_some());
}

pub(crate) async fn upload_results_are_stored_until_they_are_dropped(fixture: &impl StoreFixture) {
    let (store, other) = (fixture.open_store(), fixture.open_store());
    let [one, two, three] = [1, 2, 3].map(|number| UploadId::from_bytes([number; 16]));
    let processed = UploadResult::Processed(UploadCounts::default());
    let failed = UploadResult::Failed {
        message: "no file".to_owned(),
    };
    assert_eq!(store.load_callback(&one).await.unwrap(), None);
    store.retain_callbacks(&BTreeSet::new()).await.unwrap();
    // A repeated result changes nothing, and a failed upload stays failed.
    for (upload, result, expected) in [
        (&one, &processed, &processed),
        (&one, &processed, &processed),
        (&one, &failed, &failed),
        (&one, &processed, &failed),
        (&two, &processed, &processed),
        (&three, &failed, &failed),
    ] {
        store.save_callback(upload, result).await.unwrap();
        assert_eq!(
            other.load_callback(upload).await.unwrap().as_ref(),
            Some(expected)
        );
    }
    other.retain_callbacks(&[&one, &three].into()).await.unwrap();
    assert_eq!(store.load_callback(&one).await.unwrap(), Some(failed));
    assert_eq!(store.load_callback(&two).await.unwrap(), None);
    // Saving a result does not need the lock, and dropping results does.
    store
        .change_lock(|_| LockChange::Put(lock_of_run("a")))
        .await
        .unwrap();
    other.save_callback(&two, &processed).await.unwrap();
    other
        .change_lock(|_| LockChange::Put(lock_of_run("b")))
        .await
        .unwrap();
    store.retain_callbacks(&BTreeSet::new()).await.unwrap_err();
    assert_eq!(store.load_callback(&two).await.unwrap(), Some(processed));
}

pub(crate) async fn the_cache_is_stored(fixture: &impl StoreFixture) {
    let store = fixture.open_store();
    assert_eq!(store.load_cache().await.unwrap(), Cache::default());
    let cache = Cache {
        listed_at: Some(at_second(7)),
        ..Cache::default()
    };
    store.save_cache(&Cache::default()).await.unwrap();
    store.save_cache(&cache).await.unwrap();
    assert_eq!(fixture.open_store().load_cache().await.unwrap(), cache);
}
