//! Stopping a run by a signal: what is under way is finished, what waits is given up, and a second signal leaves at once.

#![cfg(unix)]

use super::service::settings;
use super::{Repository, Run, segment};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;

/// A run that goes on while the test looks on.
pub(super) struct Running {
    pub(super) child: Child,
    errors: BufReader<ChildStderr>,
    /// What was read of standard error.
    said: String,
}

impl Running {
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
            errors,
            said: String::new(),
        }
    }

    /// Reads on until a line of standard error holds `words`.
    pub(super) fn wait_for(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            assert_ne!(self.errors.read_line(&mut line).unwrap(), 0, "{}", self.said);
            self.said.push_str(&line);
            if line.contains(words) {
                return;
            }
        }
    }

    pub(super) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success());
    }

    pub(super) fn end(mut self) -> Run {
        self.errors.read_to_string(&mut self.said).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Run {
            err: self.said,
            ..Run::of(&output)
        }
    }
}

/// Three segments, of which one can be made in an hour: lists count as creates.
pub(super) fn limited() -> Repository {
    let repository = Repository::new();
    let settings = repository
        .read("segctl.yaml")
        .replace("create: [100000/s]", "create: [2/h]");
    repository.write("segctl.yaml", settings);
    for name in ["A", "B", "C"] {
        repository.write(&format!("segments/{name}.yaml"), segment(name, name));
    }
    repository
}

#[test]
fn the_first_signal_gives_up_what_waits_and_says_what_was_done() {
    for (signal, code, at_once) in [("INT", 130, "1"), ("TERM", 143, "8")] {
        let repository = limited();
        let mut run = Running::start(
            &repository,
            &["apply", "--auto-approve", "--parallelism", at_once],
        );
        run.wait_for("Waiting until");
        run.signal(signal);
        let run = run.end();
        assert_eq!(run.code, Some(code), "{}{}", run.out, run.err);
        assert!(
            run.out
                .ends_with("Stopped: a signal asked for it\nReceipt: 1 applied, 2 not attempted.\n"),
            "{}",
            run.out
        );
        let ledger = repository.run(&["ledger", "show"]);
        assert!(ledger.out.contains("Ledger of dev: 1 segment."), "{}", ledger.out);
    }
}

#[test]
fn a_signal_before_the_first_write_ends_the_run_with_nothing_written() {
    let repository = limited();
    let settings = repository
        .read("segctl.yaml")
        .replace("list: [100000/s]", "list: [1/h]");
    repository.write("segctl.yaml", settings);
    assert_eq!(repository.run(&["plan"]).code, Some(0));
    let mut run = Running::start(&repository, &["apply", "--auto-approve"]);
    run.wait_for("Waiting until");
    run.signal("INT");
    let run = run.end();
    assert_eq!(run.code, Some(130), "{}{}", run.out, run.err);
    assert!(run.err.contains("nothing was written"), "{}", run.err);
}

/// A service that lists nothing and never answers a create; it tells of the create on the channel.
pub(super) fn silent(told: Sender<()>) -> String {
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
fn the_second_signal_leaves_at_once() {
    let (told, created) = mpsc::channel();
    let address = silent(told);
    let repository = Repository::new();
    repository.write("segctl.yaml", settings(&address));
    repository.write("segments/a.yaml", segment("A", "a"));
    repository.write("segments/b.yaml", segment("B", "b"));
    let arguments = [
        "apply",
        "--auto-approve",
        "--parallelism",
        "1",
        "--json-into",
        "events",
    ];
    let mut run = Running::start(&repository, &arguments);
    created.recv().unwrap();
    run.signal("INT");
    run.wait_for("Stopping");
    run.signal("INT");
    let run = run.end();
    assert_eq!(run.code, Some(130), "{}{}", run.out, run.err);
    assert!(
        run.err.contains("left at once, with calls under way"),
        "{}",
        run.err
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
        run.out.contains("unknown") && run.out.contains("not attempted"),
        "{}",
        run.out
    );
}
