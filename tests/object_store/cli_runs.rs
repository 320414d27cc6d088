//! Runs of the `segctl` program with its state in a bucket.

use super::bucket_repository::{APPLY, BucketFixture, BucketRepository, CommandResult};
use super::s3_double::{S3Double, S3Event, S3Fault, SECRET};
use super::{object_name, state_location};
use std::io::Read;
use std::process::{Child, Output, Stdio};
use std::thread::{self, JoinHandle};

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
    /// Starts a run, and returns when one of its requests is paused or the run has ended. True if a request is paused.
    fn start_until_paused(&self, arguments: &[&str]) -> (StartedCommand, bool) {
        let mut command = self.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let event_sender = self.bucket.event_sender();
        let out = thread::spawn(move || {
            let mut text = Vec::new();
            out.read_to_end(&mut text).unwrap();
            // The test does not receive this event if a request was paused.
            drop(event_sender.send(S3Event::Exited));
            text
        });
        let err = thread::spawn(move || {
            let mut text = Vec::new();
            err.read_to_end(&mut text).unwrap();
            text
        });
        let readers = [out, err];
        let is_paused = self.bucket.wait_for_event() == S3Event::Paused;
        (StartedCommand { child, readers }, is_paused)
    }
}

#[test]
fn state_in_a_bucket_leaves_no_local_files() {
    let shop = BucketRepository::new(S3Double::start(), &["A", "B"]);
    shop.assert_every_command_works();
    let expected = ["cache.json", "lock.json", "requests/0.json", "state.json"].map(object_name);
    assert_eq!(shop.bucket.object_names(), expected);
}

#[test]
fn a_second_run_fails_and_a_run_that_lost_its_lock_stops_writing() {
    let shop = BucketRepository::new(S3Double::start(), &["A", "B"]);
    // The first intent is in `state.json`. The run is paused before it writes the next one to the journal.
    shop.bucket
        .inject_fault(("PUT", "-2.json"), 1, S3Fault::PausedBefore);
    let (first, is_paused) = shop.start_until_paused(&["apply", "--auto-approve", "--parallelism", "1"]);
    assert!(is_paused);
    for arguments in [&APPLY[..], &["state", "rm", "A"], &["state", "rebuild"]] {
        let run = shop.run(arguments);
        assert_eq!(run.code, Some(7), "{arguments:?}: {}", run.output);
        assert!(
            run.output.contains("the state is locked by `segctl apply` of"),
            "{}",
            run.output
        );
    }
    // A plan does not need the lock.
    assert_eq!(shop.run(&["plan"]).code, Some(0));
    let run = shop.run(&["state", "unlock", "--auto-approve"]);
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
            .contains("this run lost the state lock: another process removed it"),
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
            let context = format!("killed at write {after}, {fault:?}");
            shop.bucket.inject_fault_after(("PUT", ""), (after, 1), fault);
            let (mut run, is_paused) = shop.start_until_paused(&APPLY);
            shop.bucket.clear_faults();
            if !is_paused {
                let run = run.wait();
                assert_eq!(run.code, Some(0), "{context}: {}", run.output);
                assert!(after > 8, "only {after} writes");
                break;
            }
            run.child.kill().unwrap();
            run.wait();
            shop.assert_converges(&context);
            assert_eq!(shop.segment_count(), 2, "{context}");
        }
    }
}

#[test]
fn lost_responses_only_cost_time() {
    let shop = BucketRepository::new(S3Double::start(), &["A", "B", "C"]);
    // The first writes create the lock object, without lost responses.
    shop.bucket
        .inject_fault_after(("PUT", ""), (3, 15), S3Fault::ResponseLost);
    let run = shop.run(&APPLY);
    assert_eq!(run.code, Some(0), "{}", run.output);
    shop.bucket.clear_faults();
    let run = shop.run(&APPLY);
    assert_eq!(
        (run.code, run.output.as_str()),
        (Some(0), shop.no_changes_text().as_str())
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
        run.output.contains(
            "error: cannot write `s3://segctl-tests/team/production/lock.json`: the object store rejects"
        ),
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
    // segctl publishes the list, and only the sandbox reads it. A later run deletes it.
    assert_eq!(
        (lists("PUT"), lists("GET"), lists("DELETE")),
        (1, 1, 0),
        "{requests:?}"
    );
    let names = shop.bucket.object_names();
    let stored: String = names
        .iter()
        .filter(|name| name.contains(".json"))
        .map(|name| shop.bucket.object_text(name))
        .collect();
    assert!(stored.contains("Users") && !stored.contains("X-Amz"), "{stored}");
}

#[test]
fn a_list_that_cannot_be_published_fails_its_step() {
    let shop = BucketRepository::new(S3Double::start(), &[]);
    shop.declare_file_segment("Users", 3);
    shop.bucket
        .inject_fault(("PUT", ".csv"), 1, S3Fault::Rejected(403));
    let run = shop.run(&APPLY);
    assert_eq!(run.code, Some(8), "{}", run.output);
    for expected in [
        "the member list cannot be published: `s3://",
        "the object store rejects the credentials",
    ] {
        assert!(run.output.contains(expected), "{expected}: {}", run.output);
    }
    shop.assert_converges("after a rejected publish");
}
