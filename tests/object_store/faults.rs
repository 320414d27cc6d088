//! Networks and services that fail: answers that are lost, writes that come late, buckets that are not as they should be.

use super::server::{Fault, Server};
use super::{BUCKET, call, connect, ledger, ledger_with, lock, named, place, record};
use segctl::ledger::{Change, Ledger, LedgerStore, ObjectLedger, StoreError};
use segctl::model::ObjectPlace;

/// Faults after which the write has taken effect, or can be made again at once.
const PASSING: [Fault; 6] = [
    Fault::Refused(503),
    Fault::Refused(500),
    Fault::Refused(409),
    Fault::Lost,
    Fault::DoneBut(503),
    Fault::DoneBut(500),
];

#[tokio::test]
async fn a_write_that_meets_itself_is_known_for_its_own() {
    for fault in PASSING {
        let server = Server::start();
        let store = connect(&server);
        let mine = lock("a");
        for (number, ending) in ["lock.json", "ledger.json", "1.jsonl", "requests.jsonl"]
            .into_iter()
            .enumerate()
        {
            server.fail(("PUT", ending), 1, fault);
            match number {
                0 => {
                    store.change_lock(|_| Change::Keep).await.unwrap();
                    let before = store.change_lock(|held| mine.take(held, |_| false)).await;
                    assert_eq!(before.unwrap(), None, "{fault:?}");
                    // Once more with the object there.
                    server.fail(("PUT", ending), 1, fault);
                    let before = store.change_lock(|held| mine.renew(held, super::at(9))).await;
                    assert_eq!(before.unwrap(), Some(mine.clone()), "{fault:?}");
                }
                1 => {
                    store.add(&ledger_with(1), &[record(0)]).await.unwrap();
                    server.fail(("PUT", ending), 1, fault);
                    store.save(&ledger_with(1)).await.unwrap();
                    store.add(&ledger_with(1), &[]).await.unwrap();
                }
                2 => store.add(&ledger_with(2), &[record(1)]).await.unwrap(),
                _ => {
                    for next in [1, 2] {
                        server.fail(("PUT", ending), 1, fault);
                        let (mut asked, mut read) = (0, 0);
                        let exchanged = store.exchange_requests(&mut read, |others| {
                            asked += 1;
                            assert_eq!(others.len(), next - 1);
                            vec![call(0)]
                        });
                        exchanged.await.unwrap();
                        // Nobody came first: the answer stands.
                        assert_eq!(asked, 1, "{fault:?}");
                    }
                    assert_eq!(store.requests().await.unwrap(), [call(0), call(0)]);
                }
            }
        }
        assert_eq!(
            connect(&server).load().await.unwrap(),
            ledger_with(2),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_lock_is_made_whatever_becomes_of_the_answers() {
    for fault in PASSING {
        for after in 0..4 {
            let server = Server::start();
            let store = connect(&server);
            server.fail_after(("PUT", "lock.json"), (after, 1), fault);
            let taken = store.change_lock(|_| Change::Put(lock("a"))).await;
            assert_eq!(taken.unwrap(), None, "{fault:?} at {after}");
            let held = connect(&server).change_lock(|_| Change::Keep).await.unwrap();
            assert_eq!(held, Some(lock("a")), "{fault:?} at {after}");
        }
    }
}

#[tokio::test]
async fn a_write_that_was_given_up_and_comes_late_changes_nothing_more() {
    let server = Server::start();
    let store = connect(&server);
    store.change_lock(|_| Change::Put(lock("a"))).await.unwrap();
    store.save(&ledger()).await.unwrap();
    // Nobody knows of this one whether it was written.
    server.fail(("PUT", "ledger.json"), usize::MAX, Fault::Late);
    assert!(store.add(&ledger_with(1), &[record(0)]).await.is_err());
    server.heal();
    // It arrives before the next: what it wrote is this run's own, and is written over.
    assert_eq!(server.arrive()[0], 200);
    store.add(&ledger_with(2), &[record(1)]).await.unwrap();
    assert_eq!(connect(&server).load().await.unwrap(), ledger_with(2));
    // It arrives after the next: its condition fails.
    server.fail(("PUT", "1.jsonl"), usize::MAX, Fault::Late);
    assert!(store.add(&ledger_with(3), &[record(2)]).await.is_err());
    server.fail(("PUT", "ledger.json"), usize::MAX, Fault::Late);
    assert!(store.add(&ledger_with(3), &[record(2)]).await.is_err());
    server.heal();
    store.add(&ledger_with(4), &[record(3)]).await.unwrap();
    server.arrive();
    store.add(&ledger_with(5), &[record(4)]).await.unwrap();
    assert_eq!(connect(&server).load().await.unwrap(), ledger_with(5));
    store.save(&ledger_with(5)).await.unwrap();
    assert_eq!(connect(&server).load().await.unwrap(), ledger_with(5));
}

#[tokio::test]
async fn what_a_run_sends_late_never_changes_what_the_next_one_wrote() {
    let server = Server::start();
    let (gone, next) = (connect(&server), connect(&server));
    gone.change_lock(|_| Change::Put(lock("a"))).await.unwrap();
    gone.load().await.unwrap();
    gone.add(&ledger_with(1), &[record(0)]).await.unwrap();
    for ending in ["1.jsonl", "ledger.json"] {
        server.fail(("PUT", ending), usize::MAX, Fault::Late);
        assert!(gone.add(&ledger_with(2), &[record(1)]).await.is_err());
    }
    server.heal();
    next.change_lock(|_| Change::Put(lock("b"))).await.unwrap();
    assert_eq!(next.load().await.unwrap(), ledger_with(1));
    next.add(&ledger_with(3), &[record(2)]).await.unwrap();
    server.arrive();
    next.add(&ledger_with(4), &[record(3)]).await.unwrap();
    assert_eq!(connect(&server).load().await.unwrap(), ledger_with(4));
    next.save(&ledger_with(4)).await.unwrap();
    assert_eq!(connect(&server).load().await.unwrap(), ledger_with(4));
}

#[tokio::test]
async fn who_comes_second_with_a_whole_ledger_is_refused_again_and_again() {
    let server = Server::start();
    let (one, other) = (connect(&server), connect(&server));
    one.save(&ledger()).await.unwrap();
    other.load().await.unwrap();
    one.add(&ledger_with(1), &[record(0)]).await.unwrap();
    for _ in 0..2 {
        let refused = other.save(&Ledger::default()).await;
        assert!(
            matches!(refused, Err(StoreError::LockLost { by: None })),
            "{refused:?}"
        );
    }
    assert_eq!(other.load().await.unwrap(), ledger_with(1));
    other.save(&ledger_with(2)).await.unwrap();
    assert_eq!(connect(&server).load().await.unwrap(), ledger_with(2));
}

#[tokio::test]
async fn the_journal_is_taken_in_before_it_grows_long_and_leaves_nothing_behind() {
    let server = Server::start();
    let store = connect(&server);
    for count in 1..=250 {
        store
            .add(&ledger_with(count), &[record(count - 1)])
            .await
            .unwrap();
    }
    assert_eq!(connect(&server).load().await.unwrap(), ledger_with(250));
    let pieces = |generation: &str| {
        let folder = named(&format!("journal/{generation}/"));
        server
            .names()
            .iter()
            .filter(|name| name.starts_with(&folder))
            .count()
    };
    assert_eq!((pieces("1"), pieces("2")), (200, 48));
    store.save(&ledger()).await.unwrap();
    assert_eq!(server.names(), [named("ledger.json")]);
    // What cannot be deleted is passed over, and goes with the next.
    store.add(&ledger_with(1), &[record(0)]).await.unwrap();
    store.add(&ledger_with(2), &[record(1)]).await.unwrap();
    server.fail(("DELETE", ".jsonl"), usize::MAX, Fault::Refused(403));
    store.save(&ledger()).await.unwrap();
    server.heal();
    assert_eq!(server.names().len(), 2);
    assert_eq!(connect(&server).load().await.unwrap(), ledger());
    store.save(&ledger_with(1)).await.unwrap();
    assert_eq!(server.names(), [named("ledger.json")]);
}

#[tokio::test]
async fn damage_is_told_with_the_address_of_what_is_damaged() {
    let server = Server::start();
    let store = connect(&server);
    store.save(&ledger()).await.unwrap();
    let backup = server.text(&named("ledger.json"));
    for count in 1..4 {
        store
            .add(&ledger_with(count), &[record(count - 1)])
            .await
            .unwrap();
    }
    let whole = server.text(&named("journal/2/2.jsonl"));
    let refused = |words: &'static str| {
        let store = connect(&server);
        async move {
            let refused = store.load().await.unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
    };
    server.set(&named("journal/2/2.jsonl"), &whole[..whole.len() - 5]);
    refused("`s3://ledgers/team/production/journal/2/2.jsonl` cannot be used: it is not what was written")
        .await;
    server.set(
        &named("journal/2/2.jsonl"),
        &whole.replace("\"step\":2", "\"step\":3"),
    );
    refused("journal/2/2.jsonl` cannot be used: line 2 is damaged").await;
    server.set(&named("journal/2/2.jsonl"), &whole);
    assert_eq!(connect(&server).load().await.unwrap(), ledger_with(3));
    server.set(&named("ledger.json"), &backup);
    refused(
        "ledger.json` cannot be used: it is of generation 1, and `journal/2/1.jsonl` follows a later one",
    )
    .await;
    server.set(&named("ledger.json"), &backup.replace("One", "Own"));
    refused("`s3://ledgers/team/production/ledger.json` cannot be used: its checksum").await;
    server.remove(&named("ledger.json"));
    // Lost, it is empty, and what it was never comes back.
    let next = connect(&server);
    assert_eq!(next.load().await.unwrap(), Ledger::default());
    next.add(&ledger_with(1), &[record(0)]).await.unwrap();
    next.add(&ledger_with(2), &[record(1)]).await.unwrap();
    assert_eq!(connect(&server).load().await.unwrap(), ledger_with(2));
    server.remove(&named("journal/3/1.jsonl"));
    next.add(&ledger_with(3), &[record(2)]).await.unwrap();
    refused("journal/3/1.jsonl` cannot be used: it is gone").await;
}

#[tokio::test]
async fn a_bucket_that_cannot_be_used_says_why_and_what_to_do() {
    let server = Server::start();
    let refused = |store: ObjectLedger| async move {
        let refused = store.change_lock(|_| Change::Put(lock("a"))).await;
        refused.unwrap_err().to_string()
    };
    let elsewhere = ObjectPlace {
        bucket: "elsewhere".to_owned(),
        ..place()
    };
    let store = ObjectLedger::connect(&elsewhere, server.variables()).unwrap();
    let said = store.load().await.unwrap_err().to_string();
    assert!(
        said.contains("cannot read `s3://elsewhere/team/production/ledger.json`: there is no such bucket"),
        "{said}"
    );
    let mut variables = server.variables();
    variables.retain(|(name, _)| name != "AWS_ACCESS_KEY_ID");
    variables.push(("AWS_ACCESS_KEY_ID".to_owned(), "somebody".to_owned()));
    let said = refused(ObjectLedger::connect(&place(), variables).unwrap()).await;
    assert!(
        said.contains("refuses the credentials (403 Of, InvalidAccessKeyId)")
            || said.contains("refuses the credentials (403 Forbidden, InvalidAccessKeyId)"),
        "{said}"
    );
    assert!(
        said.contains("AWS_ACCESS_KEY_ID") && !said.contains(super::server::SECRET),
        "{said}"
    );
    // Only reading is allowed.
    server.fail(("PUT", "lock.json"), usize::MAX, Fault::Refused(403));
    let said = refused(connect(&server)).await;
    assert!(
        said.contains("cannot write `s3://ledgers/team/production/lock.json`: the store refuses"),
        "{said}"
    );
    for fault in [Fault::Refused(501), Fault::DoneBut(501)] {
        server.fail(("PUT", "lock.json"), usize::MAX, fault);
        let said = refused(connect(&server)).await;
        assert!(said.contains("does not keep conditions of writes"), "{said}");
    }
    server.heal();
    let careless = Server::start();
    careless.ignore_conditions();
    let said = refused(connect(&careless)).await;
    assert!(said.contains("does not keep conditions of writes"), "{said}");
    assert!(!careless.text(&named("lock.json")).contains("\"run\""));
    assert_eq!(BUCKET, place().bucket);
}

#[tokio::test]
async fn a_store_that_stays_away_is_given_up_and_what_was_not_added_goes_with_the_next() {
    let server = Server::start();
    let store = connect(&server);
    store.add(&ledger_with(1), &[record(0)]).await.unwrap();
    server.fail(("PUT", ".jsonl"), usize::MAX, Fault::Refused(503));
    server.requests();
    let refused = store
        .add(&ledger_with(2), &[record(1)])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("journal/1/1.jsonl`: 503") && refused.contains("check the network"),
        "{refused}"
    );
    assert!(server.requests().len() <= 20);
    server.heal();
    store.add(&ledger_with(3), &[record(2)]).await.unwrap();
    assert_eq!(connect(&server).load().await.unwrap(), ledger_with(3));
}

#[test]
fn plain_http_to_another_machine_is_refused_unless_it_is_allowed() {
    let server = Server::start();
    let elsewhere = |allowed: &[&str]| {
        let mut variables = server.variables();
        variables.retain(|(name, _)| name != "AWS_ENDPOINT_URL");
        variables.push((
            "AWS_ENDPOINT_URL".to_owned(),
            "http://store.example:9000".to_owned(),
        ));
        let allowed = allowed
            .iter()
            .map(|value| ("AWS_ALLOW_HTTP".to_owned(), (*value).to_owned()));
        variables.extend(allowed);
        ObjectLedger::connect(&place(), variables)
    };
    let said = elsewhere(&[]).unwrap_err().to_string();
    assert!(
        said.contains("cannot open `s3://ledgers/team/production`: AWS_ENDPOINT_URL is plain http")
            && said.contains("AWS_ALLOW_HTTP=true"),
        "{said}"
    );
    elsewhere(&["true"]).unwrap();
}
