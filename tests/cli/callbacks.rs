//! Upload results that arrive as callbacks, either at `apply --wait` or at `segctl callbacks serve`.

use super::api_faults::FaultySandbox;
use super::{CommandResult, Repository};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

const TOKEN: &str = "a-token-of-the-tests";

const APPLY_AND_WAIT: [&str; 3] = ["apply", "--auto-approve", "--wait"];

/// Declares the file segment `A` with a list, and the filter segment `B` that refers to it.
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

/// A repository with the embedded sandbox, and a directory that lists are published to.
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

/// Adds publish and callback settings to the workspace.
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

fn first_reported_step(repository: &Repository) -> Value {
    let report: Value = serde_json::from_str(&repository.read("report.json")).unwrap();
    report["steps"][0].clone()
}

#[test]
fn apply_with_wait_reports_the_upload_result() {
    let repository = sandbox_repository("");
    declare_file_segment(&repository, "{path: a.csv}");
    let run = repository.run(&[&APPLY_AND_WAIT[..], &["--report-file", "report.json"]].concat());
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let expected = "applied\n    3 values found, 3 processed, 3 users added\n";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
    let result = &first_reported_step(&repository)["upload_result"];
    assert_eq!(result["outcome"], "processed");
    assert_eq!(result["user_count"], 3);
    assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n");
    // A change of one line is one request, which has an upload result, too.
    repository.write("segments/a.csv", "a@x\nb@x\nc@x\nd@x\n");
    let run = repository.run(&APPLY_AND_WAIT);
    for expected in [
        "users: 1 added, 0 removed (4 total), by add-users",
        "applied\n    1 value found, 1 processed, 1 user added\nApply complete",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    // The count of a removal has no documented meaning.
    repository.write("segments/a.csv", "a@x\nb@x\nc@x\n");
    let run = repository.run(&APPLY_AND_WAIT);
    let expected = "applied\n    1 value found, 1 processed\nApply complete";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
}

#[test]
fn apply_without_wait_reports_the_upload_as_pending() {
    let repository = sandbox_repository("");
    declare_file_segment(&repository, "{path: a.csv}");
    let run = repository.run(&["apply", "--auto-approve", "--report-file", "report.json"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout.contains("upload accepted; result pending"),
        "{}",
        run.stdout
    );
    assert_eq!(
        first_reported_step(&repository)["upload_result"]["outcome"],
        "pending"
    );
}

#[test]
fn values_that_matched_no_user_are_reported() {
    let repository = sandbox_repository(r#", "users": {"email": ["a@x", "b@x"]}"#);
    declare_file_segment(&repository, "{path: a.csv}");
    let run = repository.run(&APPLY_AND_WAIT);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    for expected in [
        "3 values found, 3 processed, 2 users added",
        "3 processed values added 2 users: values that match no user add none",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
}

#[test]
fn a_failed_upload_fails_its_step_and_is_sent_again_by_the_next_run() {
    let repository = sandbox_repository("");
    let sha256 = "0a".repeat(32);
    // No server listens on port 9.
    declare_file_segment(
        &repository,
        &format!("{{url: \"http://127.0.0.1:9/a.csv\", sha256: {sha256}}}"),
    );
    let run = repository.run(&APPLY_AND_WAIT);
    assert_eq!(run.code, Some(8), "{}{}", run.stdout, run.stderr);
    for expected in [
        "create \"A\": failed",
        "MoEngage accepted the list but could not read it: the download failed",
        "create \"B\": skipped",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    let plan = repository.run(&["plan"]);
    for expected in [
        "by replace",
        "the users of the segment are unknown: MoEngage could not read the previous list: the download failed",
    ] {
        assert!(plan.stdout.contains(expected), "{expected}: {}", plan.stdout);
    }
    declare_file_segment(&repository, "{path: a.csv}");
    let run = repository.run(&APPLY_AND_WAIT);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("3 users added"), "{}", run.stdout);
}

#[test]
fn a_result_that_cannot_be_read_may_be_a_failure_so_the_full_list_is_sent_again() {
    let faulty = FaultySandbox::new("[]");
    let repository = &faulty.repository;
    // No server listens on port 9.
    configure_callbacks(&faulty, "url: \"http://127.0.0.1:9\"");
    declare_file_segment(repository, "{path: a.csv}");
    let apply = ["apply", "--auto-approve"];
    assert_eq!(run_with_token(repository, &apply).code, Some(0));
    let state: Value = serde_json::from_str(&repository.read(".segctl/live/state.json")).unwrap();
    let entries = state["contents"]["segments"].as_array().unwrap().iter();
    let mut pending = entries.filter_map(|entry| entry["upload_state"]["pending"][0].as_str());
    let result = format!(".segctl/live/callbacks/{}.json", pending.next().unwrap());
    repository.write(&result, "{");
    // The difference alone would not restore the users that a failed upload removes.
    repository.write("segments/a.csv", "a@x\nb@x\nc@x\nd@x\n");
    let plan = run_with_token(repository, &["plan"]);
    assert!(
        plan.code == Some(0)
            && plan.stdout.contains("all of the list (4 total), by replace")
            && plan.stderr.contains("the next apply sends the full list again"),
        "{}{}",
        plan.stdout,
        plan.stderr
    );
    assert_eq!(run_with_token(repository, &apply).code, Some(0));
    let plan = run_with_token(repository, &["plan"]);
    assert!(!plan.stderr.contains("cannot read"), "{}", plan.stderr);
}

#[test]
fn waiting_for_a_missing_callback_ends_at_the_wait_timeout() {
    let faulty = FaultySandbox::new("[]");
    // No server listens on port 9.
    configure_callbacks(&faulty, "url: \"http://127.0.0.1:9\"");
    let repository = &faulty.repository;
    declare_file_segment(repository, "{path: a.csv}");
    let run = run_with_token(
        repository,
        &[
            &APPLY_AND_WAIT[..],
            &["--wait-timeout", "1s", "--report-file", "report.json"],
        ]
        .concat(),
    );
    assert_eq!(run.code, Some(8), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr.contains("at most for the upload result of `A`"),
        "{}",
        run.stderr
    );
    for expected in [
        "create \"A\": unknown",
        "upload accepted; result pending: no callback arrived in time",
        "create \"B\": skipped",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    // MoEngage accepted the list, so the next run does not send it again. The plan reports the pending result.
    let plan = run_with_token(repository, &["plan"]);
    for expected in [
        "warning: MoEngage has not reported an upload result for `A`",
        "Plan: 1 to create.\n",
    ] {
        assert!(plan.stdout.contains(expected), "{expected}: {}", plan.stdout);
    }
    // The next run with `--wait` waits for the pending result before its own steps.
    let run = run_with_token(
        repository,
        &[&APPLY_AND_WAIT[..], &["--wait-timeout", "1s"]].concat(),
    );
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr.contains("at most for the upload result of `A`"),
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
    let wait_line = lines.find(|line| line.as_ref().unwrap().contains("at most for the upload result"));
    assert!(wait_line.is_some());
    send_signal(&child, "-INT");
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{out}");
    for expected in [
        "upload accepted; result pending: the run ended before",
        "Stopped: interrupted by SIGINT",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
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
    // With an upload, segctl requires the token before the first write.
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

/// A running `segctl callbacks serve`.
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
        let (_, rest) = first.split_once("http://").unwrap();
        let (address, _) = rest.split_once(' ').unwrap();
        Self {
            address: address.to_owned(),
            lines: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    fn request_status(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response.split(' ').nth(1).unwrap().to_owned()
    }

    /// Stops it with SIGTERM, as a service manager does.
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
    let mut server = CallbackServerProcess::start(repository);
    // The server has chosen its port.
    repository.write("segctl.yaml", settings);
    configure_callbacks(&faulty, &format!("url: \"http://{}\"", server.address));
    declare_file_segment(repository, "{path: a.csv}");
    let run = run_with_token(repository, &["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert_eq!(
        server.next_line(),
        "upload result for \"A\": 3 values found, 3 processed, user_count 3\n"
    );
    let expected = "MoEngage processed the list of `A`: 3 values found, 3 processed, 3 users added";
    let plan = run_with_token(repository, &["plan"]);
    assert!(
        plan.stderr.contains(expected) && plan.plan_text() == "No changes.\n",
        "{}{}",
        plan.stdout,
        plan.stderr
    );
    // A run applies the result to the state. Later plans do not report it.
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
    assert!(!plan.stderr.contains(expected), "{}", plan.stderr);
    // A run that cannot listen waits for the results that the server stores.
    repository.write("segments/a.csv", "a@x\n");
    let run = run_with_token(repository, &APPLY_AND_WAIT);
    let expected = "applied\n    2 values found, 2 processed\n";
    assert!(
        run.code == Some(0) && run.stdout.contains(expected),
        "{}{}",
        run.stdout,
        run.stderr
    );
    server.stop();
}

#[test]
fn the_callback_server_rejects_requests_that_are_not_callbacks() {
    let faulty = FaultySandbox::new("[]");
    configure_callbacks(&faulty, "url: \"http://127.0.0.1:9\"");
    let server = CallbackServerProcess::start(&faulty.repository);
    let upload = "5a".repeat(16);
    let path = format!("/{TOKEN}/{upload}");
    let wrong = format!("/another-token-of-the-tests/{upload}");
    let (processed, failed) = (r#"{"status": 201}"#, r#"{"status": 400}"#);
    let large = format!(r#"{{"status": 201, "x": "{}"}}"#, "x".repeat(70_000));
    for (method, path, body, status) in [
        ("POST", wrong.as_str(), processed, "404"),
        ("POST", "/", processed, "404"),
        ("POST", "/healthz", processed, "404"),
        ("GET", "/", "", "200"),
        ("HEAD", "/", "", "200"),
        ("GET", "/healthz", "", "200"),
        ("HEAD", "/hooks/healthz", "", "200"),
        ("OPTIONS", "/healthz", "", "404"),
        ("GET", wrong.as_str(), "", "404"),
        ("GET", path.as_str(), "", "405"),
        ("POST", path.as_str(), "{}", "400"),
        ("POST", path.as_str(), large.as_str(), "413"),
        // A repeated callback changes nothing, and a failed upload stays failed.
        ("POST", path.as_str(), processed, "200"),
        ("POST", path.as_str(), processed, "200"),
        ("POST", path.as_str(), failed, "200"),
        ("POST", path.as_str(), processed, "200"),
    ] {
        assert_eq!(
            server.request_status(method, path, body),
            status,
            "{method} {path}"
        );
    }
    let stored = format!(".segctl/live/callbacks/{upload}.json");
    assert!(faulty.repository.read(&stored).contains("\"failed\""));
    server.stop();
}

#[test]
fn the_callback_server_is_unhealthy_while_it_cannot_store_results() {
    let faulty = FaultySandbox::new("[]");
    configure_callbacks(&faulty, "url: \"http://127.0.0.1:9\"");
    // A file has the place of the folder.
    faulty.repository.write(".segctl/live/callbacks", "");
    let server = CallbackServerProcess::start(&faulty.repository);
    for (method, path) in [("GET", "/healthz"), ("HEAD", "/")] {
        assert_eq!(server.request_status(method, path, ""), "503", "{method} {path}");
    }
    server.stop();
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
            "--report-file",
            "report.json",
        ],
    );
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let mut texts = vec![run.stdout, run.stderr, repository.read("report.json")];
    let state = repository.path().join(".segctl/live");
    for file in fs::read_dir(state).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            texts.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
        }
    }
    assert!(texts.len() > 4);
    assert!(texts.iter().all(|text| !text.contains(TOKEN)), "{texts:?}");
}
