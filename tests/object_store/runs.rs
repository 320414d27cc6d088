//! The program itself, with its ledger in a bucket.

use super::server::{Event, Fault, SECRET, Server};
use super::shop::{APPLY, Bucket, Run, Shop};
use super::{named, place};
use std::io::Read;
use std::process::{Child, Output, Stdio};
use std::thread::{self, JoinHandle};

/// A run that goes on.
struct Started {
    child: Child,
    readers: [JoinHandle<Vec<u8>>; 2],
}

impl Started {
    fn end(mut self) -> Run {
        let status = self.child.wait().unwrap();
        let [stdout, stderr] = self.readers.map(|reader| reader.join().unwrap());
        Run::of::<Server>(&Output {
            status,
            stdout,
            stderr,
        })
    }
}

impl Bucket for Server {
    const SECRET: &'static str = SECRET;

    fn ledger(&self) -> String {
        place().to_string()
    }

    fn variables(&self) -> Vec<(String, String)> {
        self.variables()
    }
}

impl Shop<Server> {
    /// Starts a run, and is back when a request of it is held up or it has ended; whether it is held up.
    fn started(&self, arguments: &[&str]) -> (Started, bool) {
        let mut command = self.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let tell = self.bucket.tell();
        let out = thread::spawn(move || {
            let mut text = Vec::new();
            out.read_to_end(&mut text).unwrap();
            // Nobody waits for it where a request was held up.
            drop(tell.send(Event::Ended));
            text
        });
        let err = thread::spawn(move || {
            let mut text = Vec::new();
            err.read_to_end(&mut text).unwrap();
            text
        });
        let readers = [out, err];
        let is_held = self.bucket.event() == Event::Held;
        (Started { child, readers }, is_held)
    }
}

#[test]
fn a_ledger_in_a_bucket_is_all_that_a_run_leaves() {
    let shop = Shop::new(Server::start(), &["A", "B"]);
    shop.assert_ledger_serves_every_command();
    let kept = ["ledger.json", "lock.json", "requests.jsonl", "snapshot.json"].map(named);
    assert_eq!(shop.bucket.names(), kept);
}

#[test]
fn a_second_run_is_refused_and_one_without_its_lock_writes_nothing_more() {
    let shop = Shop::new(Server::start(), &["A", "B"]);
    // The first intent is in the ledger, and the next one is about to be.
    shop.bucket.fail(("PUT", "1.jsonl"), 1, Fault::HeldBefore);
    let (first, is_held) = shop.started(&["apply", "--auto-approve", "--parallelism", "1"]);
    assert!(is_held);
    for arguments in [&APPLY[..], &["ledger", "forget", "A"], &["ledger", "rebuild"]] {
        let run = shop.run(arguments);
        assert_eq!(run.code, Some(7), "{arguments:?}: {}", run.said);
        assert!(
            run.said.contains("the ledger is locked by `segctl apply` of"),
            "{}",
            run.said
        );
    }
    // A plan changes nothing, and waits for nobody.
    assert_eq!(shop.run(&["plan"]).code, Some(0));
    let run = shop.run(&["ledger", "unlock", "--auto-approve"]);
    assert!(
        run.code == Some(0) && run.said.contains("Unlocked"),
        "{}",
        run.said
    );
    shop.bucket.release();
    let first = first.end();
    assert_eq!(first.code, Some(8), "{}", first.said);
    assert!(
        first
            .said
            .contains("the ledger's lock was taken away from this run"),
        "{}",
        first.said
    );
    assert!(shop.segments() < 2);
    shop.assert_converges("unlocked");
    assert_eq!(shop.segments(), 2);
}

#[test]
fn whenever_a_run_is_killed_the_next_one_converges() {
    for fault in [Fault::HeldBefore, Fault::HeldAfter] {
        for after in 0.. {
            let shop = Shop::new(Server::start(), &["A", "B"]);
            let what = format!("killed at write {after}, {fault:?}");
            shop.bucket.fail_after(("PUT", ""), (after, 1), fault);
            let (mut run, is_held) = shop.started(&APPLY);
            shop.bucket.heal();
            if !is_held {
                let run = run.end();
                assert_eq!(run.code, Some(0), "{what}: {}", run.said);
                assert!(after > 8, "only {after} writes");
                break;
            }
            run.child.kill().unwrap();
            run.end();
            shop.assert_converges(&what);
            assert_eq!(shop.segments(), 2, "{what}");
        }
    }
}

#[test]
fn answers_that_are_lost_cost_nothing_but_time() {
    let shop = Shop::new(Server::start(), &["A", "B", "C"]);
    // After the lock's object was made.
    shop.bucket.fail_after(("PUT", ""), (3, 15), Fault::Lost);
    let run = shop.run(&APPLY);
    assert_eq!(run.code, Some(0), "{}", run.said);
    shop.bucket.heal();
    let run = shop.run(&APPLY);
    assert_eq!(
        (run.code, run.said.as_str()),
        (Some(0), "No changes.\nReceipt: nothing to do.\n")
    );
}

#[test]
fn a_bucket_that_refuses_ends_the_run_before_the_first_write() {
    let shop = Shop::new(Server::start(), &["A"]);
    shop.bucket
        .fail(("PUT", "lock.json"), usize::MAX, Fault::Refused(403));
    let run = shop.run(&APPLY);
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(
        run.said
            .contains("error: cannot write `s3://ledgers/team/production/lock.json`: the store refuses"),
        "{}",
        run.said
    );
    assert_eq!(shop.segments(), 0);
}

#[test]
fn a_list_is_read_from_the_bucket_at_an_address_that_nobody_is_told() {
    let shop = Shop::new(Server::start(), &[]);
    shop.assert_a_list_is_read(3);
    let requests = shop.bucket.requests();
    let lists = |method: &str| {
        let of_lists = |request: &&String| request.starts_with(method) && request.ends_with(".csv");
        requests.iter().filter(of_lists).count()
    };
    // Put there, and read by the service alone; it is taken away when it cannot be read again.
    assert_eq!(
        (lists("PUT"), lists("GET"), lists("DELETE")),
        (1, 1, 0),
        "{requests:?}"
    );
    let names = shop.bucket.names();
    let kept: String = names
        .iter()
        .filter(|name| name.contains(".json"))
        .map(|name| shop.bucket.text(name))
        .collect();
    assert!(kept.contains("Users") && !kept.contains("X-Amz"), "{kept}");
}

#[test]
fn a_list_that_the_bucket_does_not_take_fails_its_step() {
    let shop = Shop::new(Server::start(), &[]);
    shop.declare_users("Users", 3);
    shop.bucket.fail(("PUT", ".csv"), 1, Fault::Refused(403));
    let run = shop.run(&APPLY);
    assert_eq!(run.code, Some(8), "{}", run.said);
    for said in [
        "its list cannot be published: `s3://",
        "the store refuses the credentials",
    ] {
        assert!(run.said.contains(said), "{said}: {}", run.said);
    }
    shop.assert_converges("the bucket takes it again");
}
