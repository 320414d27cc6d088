//! The program itself, with its ledger in a bucket.

use super::bucket_repository::{APPLY, BucketFixture, BucketRepository, CommandResult};
use super::s3_double::{S3Double, S3Event, S3Fault, SECRET};
use super::{object_name, state_location};
use std::io::Read;
use std::process::{Child, Output, Stdio};
use std::thread::{self, JoinHandle};

/// A run that goes on.
struct StartedCommand {
    child: Child,
    readers: [JoinHandle<Vec<u8>>; 2],
}

impl StartedCommand {
    fn wait(mut self) -> CommandResult {
        let status = self.child.wait().unwrap();
        let [stdout, stderr] = self.readers.map(|reader| reader.join().unwrap());
        CommandResult::from_output::<S3Double>(&Output {
            status,
            stdout,
            stderr,
        })
    }
}

impl BucketFixture for S3Double {
    const SECRET: &'static str = SECRET;

    fn state_url(&self) -> String {
        state_location().to_string()
    }

    fn environment(&self) -> Vec<(String, String)> {
        self.environment()
    }
}

impl BucketRepository<S3Double> {
    /// Starts a run, and is back when a request of it is held up or it has ended; whether it is held up.
    fn start_until_paused(&self, arguments: &[&str]) -> (StartedCommand, bool) {
        let mut command = self.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let tell = self.bucket.event_sender();
        let out = thread::spawn(move || {
            let mut text = Vec::new();
            out.read_to_end(&mut text).unwrap();
            // Nobody waits for it where a request was held up.
            drop(tell.send(S3Event::Exited));
            text
        });
        let err = thread::spawn(move || {
            let mut text = Vec::new();
            err.read_to_end(&mut text).unwrap();
            text
        });
        let readers = [out, err];
        let is_held = self.bucket.wait_for_event() == S3Event::Paused;
        (StartedCommand { child, readers }, is_held)
    }
}

#[test]
fn state_in_a_bucket_leaves_no_local_files() {
    let shop = BucketRepository::new(S3Double::start(), &["A", "B"]);
    shop.assert_every_command_works();
    let kept = ["ledger.json", "lock.json", "requests.jsonl", "snapshot.json"].map(object_name);
    assert_eq!(shop.bucket.object_names(), kept);
}

#[test]
fn a_second_run_fails_and_a_run_that_lost_its_lock_stops_writing() {
    let shop = BucketRepository::new(S3Double::start(), &["A", "B"]);
    // The first intent is in the ledger, and the next one is about to be.
    shop.bucket
        .inject_fault(("PUT", "1.jsonl"), 1, S3Fault::PausedBefore);
    let (first, is_held) = shop.start_until_paused(&["apply", "--auto-approve", "--parallelism", "1"]);
    assert!(is_held);
    for arguments in [&APPLY[..], &["ledger", "forget", "A"], &["ledger", "rebuild"]] {
        let run = shop.run(arguments);
        assert_eq!(run.code, Some(7), "{arguments:?}: {}", run.output);
        assert!(
            run.output.contains("the ledger is locked by `segctl apply` of"),
            "{}",
            run.output
        );
    }
    // A plan changes nothing, and waits for nobody.
    assert_eq!(shop.run(&["plan"]).code, Some(0));
    let run = shop.run(&["ledger", "unlock", "--auto-approve"]);
    assert!(
        run.code == Some(0) && run.output.contains("Unlocked"),
        "{}",
        run.output
    );
    shop.bucket.resume();
    let first = first.wait();
    assert_eq!(first.code, Some(8), "{}", first.output);
    assert!(
        first
            .output
            .contains("the ledger's lock was taken away from this run"),
        "{}",
        first.output
    );
    assert!(shop.segment_count() < 2);
    shop.assert_converges("unlocked");
    assert_eq!(shop.segment_count(), 2);
}

#[test]
fn the_next_run_converges_after_a_kill_at_any_write() {
    for fault in [S3Fault::PausedBefore, S3Fault::PausedAfter] {
        for after in 0.. {
            let shop = BucketRepository::new(S3Double::start(), &["A", "B"]);
            let what = format!("killed at write {after}, {fault:?}");
            shop.bucket.inject_fault_after(("PUT", ""), (after, 1), fault);
            let (mut run, is_held) = shop.start_until_paused(&APPLY);
            shop.bucket.clear_faults();
            if !is_held {
                let run = run.wait();
                assert_eq!(run.code, Some(0), "{what}: {}", run.output);
                assert!(after > 8, "only {after} writes");
                break;
            }
            run.child.kill().unwrap();
            run.wait();
            shop.assert_converges(&what);
            assert_eq!(shop.segment_count(), 2, "{what}");
        }
    }
}

#[test]
fn lost_responses_only_cost_time() {
    let shop = BucketRepository::new(S3Double::start(), &["A", "B", "C"]);
    // After the lock's object was made.
    shop.bucket
        .inject_fault_after(("PUT", ""), (3, 15), S3Fault::ResponseLost);
    let run = shop.run(&APPLY);
    assert_eq!(run.code, Some(0), "{}", run.output);
    shop.bucket.clear_faults();
    let run = shop.run(&APPLY);
    assert_eq!(
        (run.code, run.output.as_str()),
        (Some(0), "No changes.\nReceipt: nothing to do.\n")
    );
}

#[test]
fn an_unwritable_bucket_ends_the_run_before_the_first_write() {
    let shop = BucketRepository::new(S3Double::start(), &["A"]);
    shop.bucket
        .inject_fault(("PUT", "lock.json"), usize::MAX, S3Fault::Rejected(403));
    let run = shop.run(&APPLY);
    assert_eq!(run.code, Some(1), "{}", run.output);
    assert!(
        run.output
            .contains("error: cannot write `s3://ledgers/team/production/lock.json`: the store refuses"),
        "{}",
        run.output
    );
    assert_eq!(shop.segment_count(), 0);
}

#[test]
fn a_published_list_is_read_at_a_presigned_url_that_is_not_stored() {
    let shop = BucketRepository::new(S3Double::start(), &[]);
    shop.assert_list_is_uploaded(3);
    let requests = shop.bucket.take_request_log();
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
    let names = shop.bucket.object_names();
    let kept: String = names
        .iter()
        .filter(|name| name.contains(".json"))
        .map(|name| shop.bucket.object_text(name))
        .collect();
    assert!(kept.contains("Users") && !kept.contains("X-Amz"), "{kept}");
}

#[test]
fn a_list_that_cannot_be_published_fails_its_step() {
    let shop = BucketRepository::new(S3Double::start(), &[]);
    shop.declare_file_segment("Users", 3);
    shop.bucket
        .inject_fault(("PUT", ".csv"), 1, S3Fault::Rejected(403));
    let run = shop.run(&APPLY);
    assert_eq!(run.code, Some(8), "{}", run.output);
    for said in [
        "its list cannot be published: `s3://",
        "the store refuses the credentials",
    ] {
        assert!(run.output.contains(said), "{said}: {}", run.output);
    }
    shop.assert_converges("the bucket takes it again");
}
