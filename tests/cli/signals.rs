//! Signals during a run: the first finishes running steps and cancels waiting ones, the second exits immediately.

#![cfg(unix)]

use super::api_faults::settings_for_endpoint;
use super::{CommandResult, Repository, event_segment};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;

pub(super) struct RunningCommand {
    pub(super) child: Child,
    stderr: BufReader<ChildStderr>,
    /// The part of standard error that was read.
    stderr_text: String,
}

impl RunningCommand {
    pub(super) fn start(repository: &Repository, arguments: &[&str]) -> Self {
        Self::spawn(repository.command(arguments))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            stderr,
            stderr_text: String::new(),
        }
    }

    /// Reads standard error until a line contains `text`.
    pub(super) fn wait_for_stderr(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.stderr.read_line(&mut line).unwrap(),
                0,
                "{}",
                self.stderr_text
            );
            self.stderr_text.push_str(&line);
            if line.contains(text) {
                return;
            }
        }
    }

    pub(super) fn send_signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(status.success());
    }

    pub(super) fn wait(mut self) -> CommandResult {
        self.stderr.read_to_string(&mut self.stderr_text).unwrap();
        let output = self.child.wait_with_output().unwrap();
        CommandResult {
            stderr: self.stderr_text,
            ..CommandResult::from_output(&output)
        }
    }
}

/// Declares three segments. The rate limit allows one create.
pub(super) fn rate_limited_repository() -> Repository {
    let repository = Repository::new();
    let settings = repository
        .read("segctl.yaml")
        .replace("create: [100000/s]", "create: [1/h]");
    repository.write("segctl.yaml", settings);
    for name in ["A", "B", "C"] {
        repository.write(&format!("segments/{name}.yaml"), event_segment(name, name));
    }
    repository
}

#[test]
fn the_first_signal_cancels_waiting_steps_and_reports_the_result() {
    for (signal, code, parallelism) in [("INT", 130, "1"), ("TERM", 143, "8"), ("HUP", 129, "1")] {
        let repository = rate_limited_repository();
        let mut run = RunningCommand::start(
            &repository,
            &[
                "apply",
                "--auto-approve",
                "--parallelism",
                parallelism,
                "--report-file",
                "report.json",
            ],
        );
        run.wait_for_stderr("Waiting until");
        run.send_signal(signal);
        let run = run.wait();
        assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
        let summary =
            format!("Stopped: interrupted by SIG{signal}\nApply incomplete: 1 applied, 2 not attempted.\n");
        assert!(run.stdout.ends_with(&summary), "{}", run.stdout);
        assert!(
            repository
                .read("report.json")
                .contains(&format!("interrupted by SIG{signal}"))
        );
        let state = repository.run(&["state", "list"]);
        assert!(
            state.stdout.contains("State of dev: 1 segment."),
            "{}",
            state.stdout
        );
    }
}

/// Linux alone shows that a parent made the process ignore the signal.
#[cfg(target_os = "linux")]
#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let repository = rate_limited_repository();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" apply --auto-approve"])
        .arg(env!("CARGO_BIN_EXE_segctl"))
        .current_dir(repository.path())
        .env_clear();
    let mut run = RunningCommand::spawn(command);
    run.wait_for_stderr("Waiting until");
    run.send_signal("HUP");
    run.send_signal("TERM");
    let run = run.wait();
    assert_eq!(run.code, Some(143), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("interrupted by SIGTERM"), "{}", run.stdout);
}

#[test]
fn a_signal_before_the_first_write_leaves_everything_unchanged() {
    let repository = rate_limited_repository();
    let settings = repository
        .read("segctl.yaml")
        .replace("list: [100000/s]", "list: [1/h]");
    repository.write("segctl.yaml", settings);
    assert_eq!(repository.run(&["plan"]).code, Some(0));
    let mut run = RunningCommand::start(&repository, &["apply", "--auto-approve"]);
    run.wait_for_stderr("Waiting until");
    run.send_signal("INT");
    let run = run.wait();
    assert_eq!(run.code, Some(130), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr.contains("error: interrupted by SIGINT"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stdout, "Apply failed. No changes were made.\n");
}

/// A server that returns an empty list and never responds to a create. It sends a message when it receives a create.
pub(super) fn serve_without_answering_creates(create_sender: Sender<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut open_connections = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            if head.starts_with("GET") {
                let body = r#"{"data": [], "response_id": "1", "type": "custom_segment"}"#;
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                )
                .unwrap();
            } else {
                create_sender.send(()).unwrap();
                open_connections.push(stream);
            }
        }
    });
    address
}

#[test]
fn the_second_signal_exits_immediately() {
    let (create_sender, created) = mpsc::channel();
    let address = serve_without_answering_creates(create_sender);
    let repository = Repository::new();
    repository.write("segctl.yaml", settings_for_endpoint(&address));
    repository.write("segments/a.yaml", event_segment("A", "a"));
    repository.write("segments/b.yaml", event_segment("B", "b"));
    let arguments = [
        "apply",
        "--auto-approve",
        "--parallelism",
        "1",
        "--json-file",
        "events",
    ];
    let mut run = RunningCommand::start(&repository, &arguments);
    created.recv().unwrap();
    run.send_signal("INT");
    run.wait_for_stderr("Interrupt received");
    run.send_signal("INT");
    let run = run.wait();
    assert_eq!(run.code, Some(130), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr.contains("exited with requests in flight"),
        "{}",
        run.stderr
    );
    // The events contain the step in flight and the step that did not start.
    let events = repository.read("events");
    for (step, outcome) in [(1, "unknown"), (2, "not_attempted")] {
        let errored = events.lines().filter(|line| line.contains("\"apply_errored\""));
        let matching =
            errored.filter(|line| line.contains(&format!("\"number\":{step},")) && line.contains(outcome));
        assert_eq!(matching.count(), 1, "{events}");
    }
    assert!(
        run.stdout.contains("unknown") && run.stdout.contains("not attempted"),
        "{}",
        run.stdout
    );
}
