//! What the service says of lists after it took them: heard by a run that waits, or by a receiver while none does.

use super::service::Faulty;
use super::{Repository, Run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

const TOKEN: &str = "a-token-of-the-tests";

const WAIT: [&str; 3] = ["apply", "--auto-approve", "--wait"];

/// A file segment with a list, and a filter segment that refers to it.
fn declare(repository: &Repository, users: &str) {
    repository.write(
        "segments/a.yaml",
        format!(
            "kind: file\nname: A\nidentifier: {{attribute: email, type: string}}\nusers: {users}\nexpires_in_days: 30\n"
        ),
    );
    repository.write("segments/b.yaml", super::member("B", "A"));
    repository.write("segments/a.csv", "a@x\nb@x\nc@x\n");
}

/// The sandbox of a repository, which is the embedded one, and publishes.
fn embedded(more: &str) -> Repository {
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
fn remote(faulty: &Faulty, callbacks: &str) {
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

fn apply(repository: &Repository, arguments: &[&str]) -> Run {
    repository.run_with(arguments, &[("CALLBACK_TOKEN", TOKEN)])
}

/// What the receipt says of the first step.
fn first_step(repository: &Repository) -> Value {
    let receipt: Value = serde_json::from_str(&repository.read("receipt.json")).unwrap();
    receipt["steps"][0].clone()
}

#[test]
fn a_run_that_waits_says_what_became_of_a_list() {
    let repository = embedded("");
    declare(&repository, "{path: a.csv}");
    let run = repository.run(&[&WAIT[..], &["--receipt-into", "receipt.json"]].concat());
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let said = "applied\n    3 values found, 3 processed, 3 users in the segment\n";
    assert!(run.out.contains(said), "{}", run.out);
    let list = &first_step(&repository)["list"];
    assert_eq!(list["outcome"], "processed");
    assert_eq!(list["user_count"], 3);
    assert_eq!(repository.run(&["plan"]).out, "No changes.\n");
    // A change of one line is one call, of which as much is heard.
    repository.write("segments/a.csv", "a@x\nb@x\nc@x\nd@x\n");
    let run = repository.run(&WAIT);
    for said in [
        "users: +1 -0, 4 in all, by add-users",
        "1 values found, 1 processed, 4 users in the segment",
    ] {
        assert!(run.out.contains(said), "{said}: {}", run.out);
    }
}

#[test]
fn a_run_that_does_not_wait_says_that_nothing_is_known() {
    let repository = embedded("");
    declare(&repository, "{path: a.csv}");
    let run = repository.run(&["apply", "--auto-approve", "--receipt-into", "receipt.json"]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    assert!(run.out.contains("accepted, outcome not known"), "{}", run.out);
    assert_eq!(first_step(&repository)["list"]["outcome"], "not known");
}

#[test]
fn users_that_were_lost_are_told_of() {
    let repository = embedded(r#", "users": {"email": ["a@x", "b@x"]}"#);
    declare(&repository, "{path: a.csv}");
    let run = repository.run(&WAIT);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    for said in [
        "3 values found, 3 processed, 2 users in the segment",
        "users were lost of the 3 of its list",
    ] {
        assert!(run.out.contains(said), "{said}: {}", run.out);
    }
}

#[test]
fn a_list_that_could_not_be_read_fails_its_step_and_is_sent_again() {
    let repository = embedded("");
    let sha256 = "0a".repeat(32);
    // Nobody is there.
    declare(
        &repository,
        &format!("{{url: \"http://127.0.0.1:9/a.csv\", sha256: {sha256}}}"),
    );
    let run = repository.run(&WAIT);
    assert_eq!(run.code, Some(8), "{}{}", run.out, run.err);
    for said in [
        "create \"A\": failed",
        "the service took the list and could not read it: the download failed",
        "create \"B\": skipped",
    ] {
        assert!(run.out.contains(said), "{said}: {}", run.out);
    }
    let plan = repository.run(&["plan"]);
    for said in [
        "by replace",
        "the service could not read the list before, and nobody is in it: the download failed",
    ] {
        assert!(plan.out.contains(said), "{said}: {}", plan.out);
    }
    declare(&repository, "{path: a.csv}");
    let run = repository.run(&WAIT);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    assert!(run.out.contains("3 users in the segment"), "{}", run.out);
}

#[test]
fn a_service_that_does_not_call_back_is_waited_for_no_longer_than_was_said() {
    let faulty = Faulty::new("[]");
    // Nobody listens there.
    remote(&faulty, "url: \"http://127.0.0.1:9\"");
    let repository = &faulty.repository;
    declare(repository, "{path: a.csv}");
    let run = apply(
        repository,
        &[
            &WAIT[..],
            &["--wait-timeout", "1s", "--receipt-into", "receipt.json"],
        ]
        .concat(),
    );
    assert_eq!(run.code, Some(8), "{}{}", run.out, run.err);
    assert!(
        run.err
            .contains("at most for what the service says of the list of `A`"),
        "{}",
        run.err
    );
    for said in [
        "create \"A\": unknown",
        "accepted, outcome not known: nobody called back in time",
        "create \"B\": skipped",
    ] {
        assert!(run.out.contains(said), "{said}: {}", run.out);
    }
    // It was taken all the same, and is not sent again; that nothing is known of it is not forgotten.
    let plan = apply(repository, &["plan"]);
    for said in [
        "warning: the service has not said yet what became of the lists of `A`",
        "Plan: 1 to create, 0 to update",
    ] {
        assert!(plan.out.contains(said), "{said}: {}", plan.out);
    }
    // The next run that waits does so before it goes on.
    let run = apply(repository, &[&WAIT[..], &["--wait-timeout", "1s"]].concat());
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    assert!(
        run.err
            .contains("at most for what the service says of the list of `A`"),
        "{}",
        run.err
    );
}

#[test]
fn a_run_that_is_stopped_while_it_waits_says_so() {
    let faulty = Faulty::new("[]");
    remote(&faulty, "url: \"http://127.0.0.1:9\"");
    declare(&faulty.repository, "{path: a.csv}");
    let mut child = faulty
        .repository
        .command(&WAIT)
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
    interrupt(&child, "-INT");
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
fn what_tells_the_service_of_no_list_needs_no_secret() {
    let faulty = Faulty::new("[]");
    remote(&faulty, "url: \"http://127.0.0.1:9\"");
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", super::segment("A", "buy"));
    let run = repository.run(&["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    // With a list it is asked for before anything is written.
    repository.write("segments/c.csv", "a@x\n");
    repository.write(
        "segments/c.yaml",
        "kind: file\nname: C\nidentifier: {attribute: email, type: string}\nusers: {path: c.csv}\nexpires_in_days: 30\n",
    );
    let run = repository.run(&["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(9), "{}{}", run.out, run.err);
}

fn interrupt(child: &Child, signal: &str) {
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill")
        .args([signal, &id])
        .status()
        .unwrap();
    assert!(killed.success());
}

#[test]
fn waiting_needs_an_address_that_the_service_can_call() {
    let repository = Repository::new();
    repository.write(
        "segctl.yaml",
        "segments: segments/\nworkspaces: {live: {data_center: \"01\", workspace_id: shop, api_key: \"${KEY}\"}}\n",
    );
    declare(&repository, "{path: a.csv}");
    let run = repository.run_with(&WAIT, &[("KEY", "key-1")]);
    assert_eq!(run.code, Some(64), "{}{}", run.out, run.err);
    assert!(run.err.contains("callbacks: {url: https://"), "{}", run.err);
    let weak = Faulty::new("[]");
    remote(&weak, "url: \"http://127.0.0.1:9\"");
    let run = weak.repository.run_with(
        &["callbacks", "serve", "--listen", "127.0.0.1:0"],
        &[("CALLBACK_TOKEN", "hunter2")],
    );
    assert_eq!(run.code, Some(9), "{}{}", run.out, run.err);
    assert!(!run.err.contains("hunter2"), "{}", run.err);
}

/// A receiver that is stopped at the end.
struct Serving {
    child: Child,
    address: String,
    lines: BufReader<std::process::ChildStderr>,
}

impl Serving {
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
    fn heard(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    /// The status of the answer to a request.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
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
        interrupt(&self.child, "-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_receiver_keeps_what_is_said_for_the_runs_to_come() {
    let faulty = Faulty::new("[]");
    let repository = &faulty.repository;
    let settings = repository.read("segctl.yaml");
    remote(&faulty, "url: \"http://127.0.0.1:9\"");
    let mut serving = Serving::start(repository);
    // Only now it is known where it listens.
    repository.write("segctl.yaml", settings);
    remote(&faulty, &format!("url: \"http://{}\"", serving.address));
    declare(repository, "{path: a.csv}");
    let run = apply(repository, &["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    assert_eq!(
        serving.heard(),
        "list of \"A\": 3 values found, 3 processed, 3 users in the segment\n"
    );
    let said = "the service read the list of `A`: 3 values found, 3 processed, 3 users in the segment";
    let plan = apply(repository, &["plan"]);
    assert!(
        plan.err.contains(said) && plan.out == "No changes.\n",
        "{}{}",
        plan.out,
        plan.err
    );
    // A run takes it in; then it is no news any more.
    assert_eq!(apply(repository, &["apply", "--auto-approve"]).code, Some(0));
    assert_eq!(
        fs::read_dir(repository.path().join(".segctl/live/callbacks"))
            .unwrap()
            .count(),
        0
    );
    let plan = apply(repository, &["plan"]);
    assert!(!plan.err.contains(said), "{}", plan.err);
    // A run that waits and cannot listen hears through it.
    repository.write("segments/a.csv", "a@x\n");
    let run = apply(repository, &WAIT);
    let said = "applied\n    2 values found, 2 processed, 1 users in the segment\n";
    assert!(
        run.code == Some(0) && run.out.contains(said),
        "{}{}",
        run.out,
        run.err
    );
    serving.stop();
}

#[test]
fn a_receiver_tells_callbacks_from_everything_else() {
    let faulty = Faulty::new("[]");
    remote(&faulty, "url: \"http://127.0.0.1:9\"");
    let serving = Serving::start(&faulty.repository);
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
        assert_eq!(serving.ask(method, path, body), status, "{method} {path}");
    }
    let kept = format!(".segctl/live/callbacks/{upload}.json");
    assert!(faulty.repository.read(&kept).contains("\"failed\""));
    serving.stop();
}

#[test]
fn the_token_is_nowhere_but_in_what_the_service_is_told() {
    let faulty = Faulty::new("[]");
    remote(&faulty, "url: \"http://127.0.0.1:9\"");
    let repository = &faulty.repository;
    declare(repository, "{path: a.csv}");
    let run = apply(
        repository,
        &[
            "apply",
            "--auto-approve",
            "--json",
            "--receipt-into",
            "receipt.json",
        ],
    );
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let mut texts = vec![run.out, run.err, repository.read("receipt.json")];
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
