//! What every store promises, held against each.

use super::kept::{Kept, at, call, ledger, ledger_with, lock, record};
use segctl::ledger::{Change, Ledger, LedgerStore, Lock, Snapshot, StoreError};
use segctl::model::{CallRecord, Callback, ListDigest, Processed, UploadId};
use std::collections::BTreeSet;

/// Gives `$then!` the name of every law.
macro_rules! every_law {
    ($then:ident) => {
        $then! {
            what_is_saved_is_read_by_every_run
            what_is_added_is_read_by_every_run_and_taken_in_at_the_end
            a_run_goes_on_from_what_the_last_one_left
            a_lock_is_put_by_one_and_stands_until_it_is_given_back
            of_many_who_want_a_lock_one_has_it
            without_its_lock_a_run_changes_nothing
            calls_are_told_to_every_run_once
            calls_of_runs_side_by_side_are_all_kept
            old_calls_are_forgotten_and_the_others_keep_their_numbers
            lists_are_kept_until_nothing_needs_them
            what_the_service_said_is_kept_until_nobody_waits_for_it
            what_was_seen_is_kept
        }
    };
}
pub(crate) use every_law;

pub(crate) async fn what_is_saved_is_read_by_every_run(kept: &impl Kept) {
    let store = kept.reached();
    assert_eq!(store.load().await.unwrap(), Ledger::default());
    store.save(&ledger()).await.unwrap();
    store.save(&ledger_with(2)).await.unwrap();
    for store in [store, kept.reached()] {
        assert_eq!(store.load().await.unwrap(), ledger_with(2));
    }
}

pub(crate) async fn what_is_added_is_read_by_every_run_and_taken_in_at_the_end(kept: &impl Kept) {
    let store = kept.reached();
    // Enough for names that do not sort as their numbers do, and for lists of several pages.
    for count in 1..=12 {
        store
            .add(&ledger_with(count), &[record(count - 1)])
            .await
            .unwrap();
        assert_eq!(kept.reached().load().await.unwrap(), ledger_with(count));
    }
    store.save(&ledger()).await.unwrap();
    assert_eq!(kept.reached().load().await.unwrap(), ledger());
}

pub(crate) async fn a_run_goes_on_from_what_the_last_one_left(kept: &impl Kept) {
    for count in [1, 3, 5] {
        let run = kept.reached();
        assert_eq!(
            run.load().await.unwrap(),
            if count == 1 {
                Ledger::default()
            } else {
                ledger_with(count - 1)
            }
        );
        for added in [count, count + 1] {
            run.add(&ledger_with(added), &[record(added - 1)]).await.unwrap();
        }
    }
    let last = kept.reached();
    assert_eq!(last.load().await.unwrap(), ledger_with(6));
    last.save(&ledger()).await.unwrap();
    assert_eq!(kept.reached().load().await.unwrap(), ledger());
}

async fn held(store: &impl LedgerStore) -> Option<Lock> {
    store.change_lock(|_| Change::Keep).await.unwrap()
}

pub(crate) async fn a_lock_is_put_by_one_and_stands_until_it_is_given_back(kept: &impl Kept) {
    let (one, other) = (kept.reached(), kept.reached());
    assert_eq!(held(&one).await, None);
    let (mine, theirs) = (lock("a"), lock("b"));
    assert_eq!(
        one.change_lock(|held| mine.take(held, |_| false)).await.unwrap(),
        None
    );
    let before = other
        .change_lock(|held| theirs.take(held, |_| false))
        .await
        .unwrap();
    assert_eq!(before, Some(mine.clone()));
    assert_eq!(held(&other).await, Some(mine.clone()));
    other.change_lock(|held| theirs.give_back(held)).await.unwrap();
    one.change_lock(|held| mine.renew(held, at(60))).await.unwrap();
    assert!(held(&other).await.unwrap().lease_until > mine.lease_until);
    one.change_lock(|held| mine.give_back(held)).await.unwrap();
    assert_eq!((held(&one).await, held(&other).await), (None, None));
    assert_eq!(
        other
            .change_lock(|held| theirs.take(held, |_| false))
            .await
            .unwrap(),
        None
    );
    assert_eq!(held(&one).await, Some(theirs));
}

pub(crate) async fn of_many_who_want_a_lock_one_has_it(kept: &impl Kept) {
    let runs = ["a", "b", "c", "d", "e", "f"].map(|run| (lock(run), kept.reached()));
    let taken = runs
        .iter()
        .map(|(lock, store)| store.change_lock(|held| lock.take(held, |_| false)));
    let before = futures_util::future::join_all(taken).await;
    let first = before.iter().position(|before| matches!(before, Ok(None)));
    let winner = held(&runs[0].1).await.unwrap();
    assert_eq!(winner.run, runs[first.unwrap()].0.run);
    assert_eq!(
        before.iter().filter(|before| matches!(before, Ok(None))).count(),
        1
    );
}

pub(crate) async fn without_its_lock_a_run_changes_nothing(kept: &impl Kept) {
    let (gone, next) = (kept.reached(), kept.reached());
    gone.change_lock(|_| Change::Put(lock("a"))).await.unwrap();
    gone.add(&ledger_with(1), &[record(0)]).await.unwrap();
    gone.add(&ledger_with(2), &[record(1)]).await.unwrap();
    next.change_lock(|_| Change::Put(lock("b"))).await.unwrap();
    let seen = next.load().await.unwrap();
    assert_eq!(seen, ledger_with(2));
    next.add(&ledger_with(3), &[record(2)]).await.unwrap();
    for refused in [
        gone.add(&ledger(), &[record(7)]).await,
        gone.save(&ledger()).await,
    ] {
        assert!(matches!(refused, Err(StoreError::LockLost { by: Some(lock) }) if lock.run == "b"));
    }
    assert_eq!(kept.reached().load().await.unwrap(), ledger_with(3));
    let theirs = lock("b");
    next.change_lock(|held| theirs.give_back(held)).await.unwrap();
    assert!(matches!(
        gone.save(&ledger()).await,
        Err(StoreError::LockLost { by: None })
    ));
}

pub(crate) async fn calls_are_told_to_every_run_once(kept: &impl Kept) {
    let (store, other) = (kept.reached(), kept.reached());
    assert_eq!(store.requests().await.unwrap(), []);
    let (mut read, mut read_by_other) = (0, 1);
    let exchanged = store.exchange_requests(&mut read, |others| {
        assert_eq!(others, []);
        vec![call(1), call(2)]
    });
    exchanged.await.unwrap();
    let exchanged = other.exchange_requests(&mut read_by_other, |others| {
        assert_eq!(others, [call(2)]);
        vec![call(3)]
    });
    exchanged.await.unwrap();
    assert_eq!((read, read_by_other), (2, 3));
    let exchanged = store.exchange_requests(&mut read, |others| {
        assert_eq!(others, [call(3)]);
        Vec::new()
    });
    exchanged.await.unwrap();
    assert_eq!(read, 3);
    assert_eq!(other.requests().await.unwrap(), [call(1), call(2), call(3)]);
}

pub(crate) async fn calls_of_runs_side_by_side_are_all_kept(kept: &impl Kept) {
    let runs = (0..8).map(|run| {
        let store = kept.reached();
        async move {
            let (mut next, mut others_seen) = (0, 0);
            for number in 0..3 {
                let exchanged = store.exchange_requests(&mut next, |others| {
                    others_seen += others.len();
                    vec![call(run * 10 + number)]
                });
                exchanged.await.unwrap();
            }
            let exchanged = store.exchange_requests(&mut next, |others| {
                others_seen += others.len();
                Vec::new()
            });
            exchanged.await.unwrap();
            // Every call that stands before its last one is its own, or was told to it, once.
            assert_eq!(next, others_seen as u64 + 3);
        }
    });
    futures_util::future::join_all(runs).await;
    let mut calls = kept.reached().requests().await.unwrap();
    calls.sort_by_key(|call| match call {
        CallRecord::Sent { at, .. } => *at,
        other => panic!("nobody wrote {other:?}"),
    });
    let expected: Vec<CallRecord> = (0..8)
        .flat_map(|run| (0..3).map(move |number| call(run * 10 + number)))
        .collect();
    assert_eq!(calls, expected);
}

pub(crate) async fn old_calls_are_forgotten_and_the_others_keep_their_numbers(kept: &impl Kept) {
    let (store, other) = (kept.reached(), kept.reached());
    store.forget_requests(at(5)).await.unwrap();
    let many: Vec<CallRecord> = (0..2000).map(call).collect();
    store.exchange_requests(&mut 0, |_| many.clone()).await.unwrap();
    other.forget_requests(at(1999)).await.unwrap();
    assert_eq!(store.requests().await.unwrap(), [call(1999)]);
    let mut next = 1999;
    let exchanged = store.exchange_requests(&mut next, |others| {
        assert_eq!(others, [call(1999)]);
        vec![call(2000)]
    });
    exchanged.await.unwrap();
    assert_eq!(next, 2001);
}

pub(crate) async fn lists_are_kept_until_nothing_needs_them(kept: &impl Kept) {
    let (store, other) = (kept.reached(), kept.reached());
    let [one, two, three] = [1, 2, 3].map(|number| ListDigest::of([number; 32]));
    assert_eq!(store.load_list(&one).await.unwrap(), None);
    store.drop_lists(&BTreeSet::new()).await.unwrap();
    for (digest, bytes) in [(&one, &b"one"[..]), (&two, b"two"), (&two, b"two"), (&three, b"")] {
        store.save_list(digest, bytes).await.unwrap();
    }
    assert_eq!(other.load_list(&two).await.unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(other.load_list(&three).await.unwrap().as_deref(), Some(&b""[..]));
    other.drop_lists(&[&one, &three].into()).await.unwrap();
    assert_eq!(store.load_list(&one).await.unwrap().as_deref(), Some(&b"one"[..]));
    assert_eq!(store.load_list(&two).await.unwrap(), None);
    // One whose lock was taken away may drop what somebody else needs by now.
    store.change_lock(|_| Change::Put(lock("a"))).await.unwrap();
    other.change_lock(|_| Change::Put(lock("b"))).await.unwrap();
    store.drop_lists(&BTreeSet::new()).await.unwrap_err();
    assert!(store.load_list(&one).await.unwrap().is_some());
}

pub(crate) async fn what_the_service_said_is_kept_until_nobody_waits_for_it(kept: &impl Kept) {
    let (store, other) = (kept.reached(), kept.reached());
    let [one, two, three] = [1, 2, 3].map(|number| UploadId::of([number; 16]));
    let processed = Callback::Processed(Processed::default());
    let failed = Callback::Failed {
        message: "no file".to_owned(),
    };
    assert_eq!(store.load_callback(&one).await.unwrap(), None);
    store.drop_callbacks(&BTreeSet::new()).await.unwrap();
    // Twice is once, and what failed stays failed, whoever hears it.
    for (upload, said, is_kept) in [
        (&one, &processed, &processed),
        (&one, &processed, &processed),
        (&one, &failed, &failed),
        (&one, &processed, &failed),
        (&two, &processed, &processed),
        (&three, &failed, &failed),
    ] {
        store.save_callback(upload, said).await.unwrap();
        assert_eq!(other.load_callback(upload).await.unwrap().as_ref(), Some(is_kept));
    }
    other.drop_callbacks(&[&one, &three].into()).await.unwrap();
    assert_eq!(store.load_callback(&one).await.unwrap(), Some(failed));
    assert_eq!(store.load_callback(&two).await.unwrap(), None);
    // Who hears something is not alone with the ledger, and need not be.
    store.change_lock(|_| Change::Put(lock("a"))).await.unwrap();
    other.save_callback(&two, &processed).await.unwrap();
    other.change_lock(|_| Change::Put(lock("b"))).await.unwrap();
    store.drop_callbacks(&BTreeSet::new()).await.unwrap_err();
    assert_eq!(store.load_callback(&two).await.unwrap(), Some(processed));
}

pub(crate) async fn what_was_seen_is_kept(kept: &impl Kept) {
    let store = kept.reached();
    assert_eq!(store.load_snapshot().await.unwrap(), Snapshot::default());
    let seen = Snapshot {
        listed_at: Some(at(7)),
        ..Snapshot::default()
    };
    store.save_snapshot(&Snapshot::default()).await.unwrap();
    store.save_snapshot(&seen).await.unwrap();
    assert_eq!(kept.reached().load_snapshot().await.unwrap(), seen);
}
