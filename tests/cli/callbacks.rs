//! What the service says of lists after it took them: heard by a run that waits, or by a receiver while none does.

use super::api_faults::FaultySandbox;
use super::{CommandResult, Repository};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

const TOKEN: &str = "a-token-of-the-tests";

const APPLY_AND_WAIT: [&str; 3] = ["apply", "--auto-approve", "--wait"];

/// A file segment with a list, and a filter segment that refers to it.
fn declare_file_segment(repository: &Repository, users: &str) {
    repository.write(
        "segments/a.yaml",
        format!(
            "kind: file\nname: A\nidentifier: {{attribute: email, type: string}}\nusers: {users}\nexpires_in_days: 30\n"
        ),
    );
    repository.write("segments/b.yaml", super::referencing_segment("B", "A"));
    repository.write("segments/a.csv", "a@x\nb@x\nc@x\n");
}

/// The sandbox of a repository, which is the embedded one, and publishes.
fn sandbox_repository(more: &str) -> Repository {
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        "segments: segments/\ndefault_workspace: dev\nworkspaces: {dev: {sandbox: .segctl/box.json, publish: {directory: \
         web}}}\n",
    );
    repository.write(
        ".segctl/box.json",
        format!(r#"{{"format_version": 1, "settings": {{"rate_limits": "off"{more}}}}}"#),
    );
    repository
}

/// A service that is reached over the network, with callbacks to an address.
fn configure_callbacks(faulty: &FaultySandbox, callbacks: &str) {
    let repository = &faulty.repository;
    let settings = repository.read("segctl.yaml");
    let settings = settings.replace(
        "db_name: db",
        &format!(
            "db_name: db, publish: {{directory: web}}, callbacks: {{{callbacks}, token: \"${{CALLBACK_TOKEN}}\"}}"
        ),
    );
    repository.write("segctl.yaml", settings);
}

fn run_with_token(repository: &Repository, arguments: &[&str]) -> CommandResult {
    repository.run_with_env(arguments, &[("CALLBACK_TOKEN", TOKEN)])
}

/// What the receipt says of the first step.
fn first_reported_step(repository: &Repository) -> Value {
    let receipt: Value = serde_json::from_str(&repository.read("receipt.json")).unwrap();
    receipt["steps"][0].clone()
}

#[test]
fn apply_with_wait_reports_the_upload_result() {
    let repository = sandbox_repository("");
    declare_file_segment(&repository, "{path: a.csv}");
    let run = repository.run(&[&APPLY_AND_WAIT[..], &["--receipt-into", "receipt.json"]].concat());
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let said = "applied\n    3 values found, 3 processed, 3 users in the segment\n";
    assert!(run.stdout.contains(said), "{}", run.stdout);
    let list = &first_reported_step(&repository)["list"];
    assert_eq!(list["outcome"], "processed");
    assert_eq!(list["user_count"], 3);
    assert_eq!(repository.run(&["plan"]).stdout, "No changes.\n");
    // A change of one line is one call, of which as much is heard.
    repository.write("segments/a.csv", "a@x\nb@x\nc@x\nd@x\n");
    let run = repository.run(&APPLY_AND_WAIT);
    for said in [
        "users: +1 -0, 4 in all, by add-users",
        "1 values found, 1 processed, 4 users in the segment",
    ] {
        assert!(run.stdout.contains(said), "{said}: {}", run.stdout);
    }
}

#[test]
fn apply_without_wait_reports_the_upload_as_pending() {
    let repository = sandbox_repository("");
    declare_file_segment(&repository, "{path: a.csv}");
    let run = repository.run(&["apply", "--auto-approve", "--receipt-into", "receipt.json"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("accepted, outcome not known"),
        "{}",
        run.stdout
    );
    assert_eq!(first_reported_step(&repository)["list"]["outcome"], "not known");
}

#[test]
fn values_that_matched_no_user_are_reported() {
    let repository = sandbox_repository(r#", "users": {"email": ["a@x", "b@x"]}"#);
    declare_file_segment(&repository, "{path: a.csv}");
    let run = repository.run(&APPLY_AND_WAIT);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    for said in [
        "3 values found, 3 processed, 2 users in the segment",
        "users were lost of the 3 of its list",
    ] {
        assert!(run.stdout.contains(said), "{said}: {}", run.stdout);
    }
}

#[test]
fn a_failed_upload_fails_its_step_and_is_sent_again_by_the_next_run() {
    let repository = sandbox_repository("");
    let sha256 = "0a".repeat(32);
    // Nobody is there.
    declare_file_segment(
        &repository,
        &format!("{{url: \"http://127.0.0.1:9/a.csv\", sha256: {sha256}}}"),
    );
    let run = repository.run(&APPLY_AND_WAIT);
    assert_eq!(run.code, Some(8), "{}{}", run.stdout, run.stderr);
    for said in [
        "create \"A\": failed",
        "the service took the list and could not read it: the download failed",
        "create \"B\": skipped",
    ] {
        assert!(run.stdout.contains(said), "{said}: {}", run.stdout);
    }
    let plan = repository.run(&["plan"]);
    for said in [
        "by replace",
        "the service could not read the list before, and nobody is in it: the download failed",
    ] {
        assert!(plan.stdout.contains(said), "{said}: {}", plan.stdout);
    }
    declare_file_segment(&repository, "{path: a.csv}");
    let run = repository.run(&APPLY_AND_WAIT);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("3 users in the segment"), "{}", run.stdout);
}

#[test]
fn waiting_for_a_missing_callback_ends_at_the_wait_timeout() {
    let faulty = FaultySandbox::new("[]");
    // Nobody listens there.
    configure_callbacks(&faulty, "url: \"http://127.0.0.1:9\"");
    let repository = &faulty.repository;
    declare_file_segment(repository, "{path: a.csv}");
    let run = run_with_token(
        repository,
        &[
            &APPLY_AND_WAIT[..],
            &["--wait-timeout", "1s", "--receipt-into", "receipt.json"],
        ]
        .concat(),
    );
    assert_eq!(run.code, Some(8), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr
            .contains("at most for what the service says of the list of `A`"),
        "{}",
        run.stderr
    );
    for said in [
        "create \"A\": unknown",
        "accepted, outcome not known: nobody called back in time",
        "create \"B\": skipped",
    ] {
        assert!(run.stdout.contains(said), "{said}: {}", run.stdout);
    }
    // It was taken all the same, and is not sent again; that nothing is known of it is not forgotten.
    let plan = run_with_token(repository, &["plan"]);
    for said in [
        "warning: the service has not said yet what became of the lists of `A`",
        "Plan: 1 to create, 0 to update",
    ] {
        assert!(plan.stdout.contains(said), "{said}: {}", plan.stdout);
    }
    // The next run that waits does so before it goes on.
    let run = run_with_token(
        repository,
        &[&APPLY_AND_WAIT[..], &["--wait-timeout", "1s"]].concat(),
    );
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr
            .contains("at most for what the service says of the list of `A`"),
        "{}",
        run.stderr
    );
}

#[test]
fn an_interrupted_wait_is_reported() {
    let faulty = FaultySandbox::new("[]");
    configure_callbacks(&faulty, "url: \"http://127.0.0.1:9\"");
    declare_file_segment(&faulty.repository, "{path: a.csv}");
    let mut child = faulty
        .repository
        .command(&APPLY_AND_WAIT)
        .env("CALLBACK_TOKEN", TOKEN)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = lines.find(|line| {
        line.as_ref()
            .unwrap()
            .contains("at most for what the service says")
    });
    assert!(waits.is_some());
    send_signal(&child, "-INT");
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{out}");
    for said in [
        "accepted, outcome not known: the run ended before",
        "Stopped: a signal asked for it",
    ] {
        assert!(out.contains(said), "{said}: {out}");
    }
}

#[test]
fn the_callback_token_is_required_only_for_uploads() {
    let faulty = FaultySandbox::new("[]");
    configure_callbacks(&faulty, "url: \"http://127.0.0.1:9\"");
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", super::event_segment("A", "buy"));
    let run = repository.run(&["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    // With a list it is asked for before anything is written.
    repository.write("segments/c.csv", "a@x\n");
    repository.write(
        "segments/c.yaml",
        "kind: file\nname: C\nidentifier: {attribute: email, type: string}\nusers: {path: c.csv}\nexpires_in_days: 30\n",
    );
    let run = repository.run(&["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(9), "{}{}", run.stdout, run.stderr);
}

fn send_signal(child: &Child, signal: &str) {
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill")
        .args([signal, &id])
        .status()
        .unwrap();
    assert!(killed.success());
}

#[test]
fn waiting_requires_a_callback_url_and_a_strong_token() {
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        "segments: segments/\nworkspaces: {live: {data_center: \"01\", workspace_id: shop, api_key: \"${KEY}\"}}\n",
    );
    declare_file_segment(&repository, "{path: a.csv}");
    let run = repository.run_with_env(&APPLY_AND_WAIT, &[("KEY", "key-1")]);
    assert_eq!(run.code, Some(64), "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("callbacks: {url: https://"), "{}", run.stderr);
    let weak = FaultySandbox::new("[]");
    configure_callbacks(&weak, "url: \"http://127.0.0.1:9\"");
    let run = weak.repository.run_with_env(
        &["callbacks", "serve", "--listen", "127.0.0.1:0"],
        &[("CALLBACK_TOKEN", "hunter2")],
    );
    assert_eq!(run.code, Some(9), "{}{}", run.stdout, run.stderr);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

/// A receiver that is stopped at the end.
struct CallbackServerProcess {
    child: Child,
    address: String,
    lines: BufReader<std::process::ChildStderr>,
}

impl CallbackServerProcess {
    fn start(repository: &Repository) -> Self {
        let mut child = repository
            .command(&["callbacks", "serve", "--listen", "127.0.0.1:0"])
            .env("CALLBACK_TOKEN", TOKEN)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut first).unwrap();
        let (_, address) = first.trim().split_once("http://").unwrap();
        Self {
            address: address.to_owned(),
            lines: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Waits for the next callback.
    fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    /// The status of the answer to a request.
    fn request_status(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    /// Ends it as a service manager does.
    fn stop(mut self) {
        send_signal(&self.child, "-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn the_callback_server_stores_results_for_later_runs() {
    let faulty = FaultySandbox::new("[]");
    let repository = &faulty.repository;
    let settings = repository.read("segctl.yaml");
    configure_callbacks(&faulty, "url: \"http://127.0.0.1:9\"");
    let mut serving = CallbackServerProcess::start(repository);
    // Only now it is known where it listens.
    repository.write("segctl.yaml", settings);
    configure_callbacks(&faulty, &format!("url: \"http://{}\"", serving.address));
    declare_file_segment(repository, "{path: a.csv}");
    let run = run_with_token(repository, &["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert_eq!(
        serving.next_line(),
        "list of \"A\": 3 values found, 3 processed, 3 users in the segment\n"
    );
    let said = "the service read the list of `A`: 3 values found, 3 processed, 3 users in the segment";
    let plan = run_with_token(repository, &["plan"]);
    assert!(
        plan.stderr.contains(said) && plan.stdout == "No changes.\n",
        "{}{}",
        plan.stdout,
        plan.stderr
    );
    // A run takes it in; then it is no news any more.
    assert_eq!(
        run_with_token(repository, &["apply", "--auto-approve"]).code,
        Some(0)
    );
    assert_eq!(
        fs::read_dir(repository.path().join(".segctl/live/callbacks"))
            .unwrap()
            .count(),
        0
    );
    let plan = run_with_token(repository, &["plan"]);
    assert!(!plan.stderr.contains(said), "{}", plan.stderr);
    // A run that waits and cannot listen hears through it.
    repository.write("segments/a.csv", "a@x\n");
    let run = run_with_token(repository, &APPLY_AND_WAIT);
    let said = "applied\n    2 values found, 2 processed, 1 users in the segment\n";
    assert!(
        run.code == Some(0) && run.stdout.contains(said),
        "{}{}",
        run.stdout,
        run.stderr
    );
    serving.stop();
}

#[test]
fn the_callback_server_rejects_requests_that_are_not_callbacks() {
    let faulty = FaultySandbox::new("[]");
    configure_callbacks(&faulty, "url: \"http://127.0.0.1:9\"");
    let serving = CallbackServerProcess::start(&faulty.repository);
    let upload = "5a".repeat(16);
    let path = format!("/{TOKEN}/{upload}");
    let wrong = format!("/another-token-of-the-tests/{upload}");
    let (done, failed) = (r#"{"status": 201}"#, r#"{"status": 400}"#);
    let large = format!(r#"{{"status": 201, "x": "{}"}}"#, "x".repeat(70_000));
    for (method, path, body, status) in [
        ("POST", wrong.as_str(), done, "404"),
        ("POST", "/", done, "404"),
        ("GET", wrong.as_str(), "", "404"),
        ("GET", path.as_str(), "", "405"),
        ("POST", path.as_str(), "{}", "400"),
        ("POST", path.as_str(), large.as_str(), "413"),
        // Twice is once, and what failed stays failed.
        ("POST", path.as_str(), done, "200"),
        ("POST", path.as_str(), done, "200"),
        ("POST", path.as_str(), failed, "200"),
        ("POST", path.as_str(), done, "200"),
    ] {
        assert_eq!(
            serving.request_status(method, path, body),
            status,
            "{method} {path}"
        );
    }
    let kept = format!(".segctl/live/callbacks/{upload}.json");
    assert!(faulty.repository.read(&kept).contains("\"failed\""));
    serving.stop();
}

#[test]
fn the_callback_token_is_in_no_output_and_no_file() {
    let faulty = FaultySandbox::new("[]");
    configure_callbacks(&faulty, "url: \"http://127.0.0.1:9\"");
    let repository = &faulty.repository;
    declare_file_segment(repository, "{path: a.csv}");
    let run = run_with_token(
        repository,
        &[
            "apply",
            "--auto-approve",
            "--json",
            "--receipt-into",
            "receipt.json",
        ],
    );
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let mut texts = vec![run.stdout, run.stderr, repository.read("receipt.json")];
    let ledger = repository.path().join(".segctl/live");
    for file in fs::read_dir(ledger).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            texts.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
        }
    }
    assert!(texts.len() > 4);
    assert!(texts.iter().all(|text| !text.contains(TOKEN)), "{texts:?}");
}
