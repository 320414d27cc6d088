//! Stopping a run by a signal: what is under way is finished, what waits is given up, and a second signal leaves at once.

#![cfg(unix)]

use super::api_faults::settings_for_endpoint;
use super::{CommandResult, Repository, event_segment};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;

/// A run that goes on while the test looks on.
pub(super) struct RunningCommand {
    pub(super) child: Child,
    stderr: BufReader<ChildStderr>,
    /// What was read of standard error.
    stderr_text: String,
}

impl RunningCommand {
    pub(super) fn start(repository: &Repository, arguments: &[&str]) -> Self {
        let mut command = repository.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        Self {
            child,
            stderr: errors,
            stderr_text: String::new(),
        }
    }

    /// Reads on until a line of standard error holds `words`.
    pub(super) fn wait_for_stderr(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.stderr.read_line(&mut line).unwrap(),
                0,
                "{}",
                self.stderr_text
            );
            self.stderr_text.push_str(&line);
            if line.contains(words) {
                return;
            }
        }
    }

    pub(super) fn send_signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success());
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

/// Three segments, of which one can be made in an hour: lists count as creates.
pub(super) fn rate_limited_repository() -> Repository {
    let repository = Repository::new();
    let settings = repository
        .read("segctl.yaml")
        .replace("create: [100000/s]", "create: [2/h]");
    repository.write("segctl.yaml", settings);
    for name in ["A", "B", "C"] {
        repository.write(&format!("segments/{name}.yaml"), event_segment(name, name));
    }
    repository
}

#[test]
fn the_first_signal_cancels_waiting_steps_and_reports_the_result() {
    for (signal, code, at_once) in [("INT", 130, "1"), ("TERM", 143, "8")] {
        let repository = rate_limited_repository();
        let mut run = RunningCommand::start(
            &repository,
            &["apply", "--auto-approve", "--parallelism", at_once],
        );
        run.wait_for_stderr("Waiting until");
        run.send_signal(signal);
        let run = run.wait();
        assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
        assert!(
            run.stdout
                .ends_with("Stopped: a signal asked for it\nReceipt: 1 applied, 2 not attempted.\n"),
            "{}",
            run.stdout
        );
        let ledger = repository.run(&["ledger", "show"]);
        assert!(
            ledger.stdout.contains("Ledger of dev: 1 segment."),
            "{}",
            ledger.stdout
        );
    }
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
    assert!(run.stderr.contains("nothing was written"), "{}", run.stderr);
}

/// A service that lists nothing and never answers a create; it tells of the create on the channel.
pub(super) fn serve_without_answering_creates(told: Sender<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut held = Vec::new();
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
                told.send(()).unwrap();
                held.push(stream);
            }
        }
    });
    address
}

#[test]
fn the_second_signal_exits_immediately() {
    let (told, created) = mpsc::channel();
    let address = serve_without_answering_creates(told);
    let repository = Repository::new();
    repository.write("segctl.yaml", settings_for_endpoint(&address));
    repository.write("segments/a.yaml", event_segment("A", "a"));
    repository.write("segments/b.yaml", event_segment("B", "b"));
    let arguments = [
        "apply",
        "--auto-approve",
        "--parallelism",
        "1",
        "--json-into",
        "events",
    ];
    let mut run = RunningCommand::start(&repository, &arguments);
    created.recv().unwrap();
    run.send_signal("INT");
    run.wait_for_stderr("Stopping");
    run.send_signal("INT");
    let run = run.wait();
    assert_eq!(run.code, Some(130), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr.contains("left at once, with calls under way"),
        "{}",
        run.stderr
    );
    // Nothing is left out: neither what was under way nor what did not begin.
    let events = repository.read("events");
    for (step, outcome) in [(1, "unknown"), (2, "not attempted")] {
        let told = events.lines().filter(|line| line.contains("\"apply_errored\""));
        let told =
            told.filter(|line| line.contains(&format!("\"number\":{step},")) && line.contains(outcome));
        assert_eq!(told.count(), 1, "{events}");
    }
    assert!(
        run.stdout.contains("unknown") && run.stdout.contains("not attempted"),
        "{}",
        run.stdout
    );
}
