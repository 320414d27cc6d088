//! The program itself, with its ledger in a bucket.

use super::named;
use super::server::{Event, Fault, SECRET, Server};
use segctl::sandbox::{self, Credentials, Options};
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use tokio::runtime::Runtime;

const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// A repository whose service and bucket are on this machine.
struct Shop {
    directory: tempfile::TempDir,
    bucket: Server,
    runtime: Runtime,
    service: Option<sandbox::Server>,
}

/// What a run came to.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    said: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains("panicked") && !said.contains(SECRET), "{said}");
        let code = output.status.code();
        Self { code, said }
    }
}

/// A run that goes on.
struct Started {
    child: Child,
    readers: [JoinHandle<Vec<u8>>; 2],
}

impl Started {
    fn end(mut self) -> Run {
        let status = self.child.wait().unwrap();
        let [stdout, stderr] = self.readers.map(|reader| reader.join().unwrap());
        Run::of(&Output {
            status,
            stdout,
            stderr,
        })
    }
}

impl Shop {
    /// Declares these segments.
    fn new(names: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut options = Options::standalone("127.0.0.1:0".parse().unwrap());
        options.credentials = Some(Credentials {
            workspace_id: "shop".to_owned(),
            api_key: "key-1".to_owned(),
            db_name: "db".to_owned(),
        });
        options.set("rate_limits", "off").unwrap();
        let service = runtime.block_on(sandbox::Server::start(options)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let any = "[100000/s]";
        let settings = format!(
            "segments: segments/\nworkspaces:\n  shop:\n    endpoint: \"http://{}\"\n    workspace_id: shop\n    api_key: \
             {{command: [/bin/echo, key-1]}}\n    db_name: db\n    ledger: s3://ledgers/team/production\n    rate_limits: \
             {{list: {any}, create: {any}, get: {any}, update: {any}, lifecycle: {any}}}\n",
            service.address()
        );
        fs::write(directory.path().join("segctl.yaml"), settings).unwrap();
        fs::create_dir(directory.path().join("segments")).unwrap();
        let shop = Self {
            directory,
            bucket: Server::start(),
            runtime,
            service: Some(service),
        };
        for name in names {
            shop.declare(name, name);
        }
        shop
    }

    fn declare(&self, name: &str, attribute: &str) {
        let text = format!(
            "name: {name}\nincluded_filters:\n  filter_operator: and\n  filters:\n    - {{filter_type: user_attributes, \
             name: {attribute}, data_type: bool, operator: exists}}\n"
        );
        fs::write(self.directory.path().join(format!("segments/{name}.yaml")), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_segctl"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(self.bucket.variables())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&self.command(arguments).output().unwrap())
    }

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

    /// How many segments the service has.
    fn segments(&self) -> usize {
        let url = format!(
            "http://{}/_sandbox/state",
            self.service.as_ref().unwrap().address()
        );
        // Refused when another test was first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(url).basic_auth("shop", Some("key-1"));
        let text = self
            .runtime
            .block_on(async { request.send().await.unwrap().text().await.unwrap() });
        let state: serde_json::Value = serde_json::from_str(&text).unwrap();
        state["segments"].as_object().unwrap().len()
    }

    fn assert_converges(&self, what: &str) {
        let run = self.run(&APPLY);
        assert_eq!(run.code, Some(0), "{what}: {}", run.said);
        let run = self.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(run.code, Some(0), "{what}: {}", run.said);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(service) = self.service.take() {
            self.runtime.block_on(service.stop());
        }
    }
}

#[test]
fn a_ledger_in_a_bucket_is_all_that_a_run_leaves() {
    let shop = Shop::new(&["A", "B"]);
    let run = shop.run(&["plan"]);
    assert!(
        run.code == Some(0) && run.said.contains("2 to create"),
        "{}",
        run.said
    );
    let run = shop.run(&APPLY);
    assert_eq!(run.code, Some(0), "{}", run.said);
    let run = shop.run(&APPLY);
    assert_eq!((run.code, run.said.as_str()), (Some(0), "No changes.\nReceipt: nothing to do.\n"));
    let kept = ["ledger.json", "lock.json", "requests.jsonl", "snapshot.json"].map(named);
    assert_eq!(shop.bucket.names(), kept);
    assert!(!shop.directory.path().join(".segctl").exists());
    shop.declare("A", "other");
    let run = shop.run(&["plan", "--offline"]);
    assert!(
        run.said.contains("applied before under this name"),
        "{}",
        run.said
    );
    let run = shop.run(&["plan", "--out", "plan.json"]);
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert_eq!(shop.run(&["apply", "plan.json"]).code, Some(0));
    assert_eq!(shop.run(&["apply", "plan.json"]).code, Some(5));
    let run = shop.run(&["ledger", "history", "A"]);
    assert!(run.code == Some(0) && run.said.contains("other"), "{}", run.said);
    assert_eq!(shop.run(&["ledger", "forget", "B"]).code, Some(0));
    let run = shop.run(&["ledger", "rebuild"]);
    assert!(
        run.code == Some(0) && run.said.contains("knows 2 segments"),
        "{}",
        run.said
    );
}

#[test]
fn a_second_run_is_refused_and_one_without_its_lock_writes_nothing_more() {
    let shop = Shop::new(&["A", "B"]);
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
            let shop = Shop::new(&["A", "B"]);
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
    let shop = Shop::new(&["A", "B", "C"]);
    // After the lock's object was made.
    shop.bucket.fail_after(("PUT", ""), (3, 15), Fault::Lost);
    let run = shop.run(&APPLY);
    assert_eq!(run.code, Some(0), "{}", run.said);
    shop.bucket.heal();
    let run = shop.run(&APPLY);
    assert_eq!((run.code, run.said.as_str()), (Some(0), "No changes.\nReceipt: nothing to do.\n"));
}

#[test]
fn a_bucket_that_refuses_ends_the_run_before_the_first_write() {
    let shop = Shop::new(&["A"]);
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
