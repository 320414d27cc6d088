//! A service that misbehaves: what is said, what is done about it, and what the exit code is.

use super::{Repository, member, segment};
use segctl::sandbox::{Credentials, Options, Server};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

/// A service with a script of faults, and a repository that uses it.
pub(super) struct Faulty {
    runtime: tokio::runtime::Runtime,
    server: Option<Server>,
    pub(super) repository: Repository,
}

impl Faulty {
    pub(super) fn new(faults: &str) -> Self {
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
        options.set_faults(faults).unwrap();
        let server = runtime.block_on(Server::start(options)).unwrap();
        let repository = Repository::new();
        repository.write("segctl.yaml", settings(&server.address().to_string()));
        Self {
            runtime,
            server: Some(server),
            repository,
        }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

pub(super) fn settings(address: &str) -> String {
    format!(
        "segments: segments/\nworkspaces:\n  live: {{endpoint: \"http://{address}\", workspace_id: shop, api_key: {{command: \
         [/bin/echo, key-1]}}, db_name: db}}\n"
    )
}

#[test]
fn a_lost_answer_is_settled_by_reading_and_makes_no_duplicate() {
    for fault in [
        r#"{"reset": {"when": "after"}}"#,
        r#"{"reset": {"when": "before"}}"#,
        r#"{"status": {"code": 500, "when": "after"}}"#,
        r#"{"status": {"code": 503, "when": "before"}}"#,
        r#""truncated""#,
        r#""garbage""#,
    ] {
        for method in ["POST", "PATCH"] {
            let script = format!(r#"[{{"on": {{"method": "{method}"}}, "fault": {fault}}}]"#);
            let faulty = Faulty::new(&script);
            let repository = &faulty.repository;
            repository.write("segments/a.yaml", segment("A", "buy"));
            for change in ["buy", "sell"] {
                repository.write("segments/a.yaml", segment("A", change));
                let run = repository.run(&["apply", "--auto-approve"]);
                assert_eq!(run.code, Some(0), "{script}: {}{}", run.out, run.err);
            }
            repository.write(
                "segments/a.yaml",
                format!("lifecycle: archived\n{}", segment("A", "sell")),
            );
            let run = repository.run(&["apply", "--auto-approve"]);
            assert_eq!(run.code, Some(0), "{script}: {}{}", run.out, run.err);
            assert_eq!(repository.run(&["plan"]).out, "No changes.\n", "{script}");
        }
    }
}

#[test]
fn a_step_that_fails_skips_only_what_depends_on_it() {
    // Refused without having been done, and for good.
    let faulty = Faulty::new(
        r#"[{"on": {"method": "POST"}, "times": 1, "fault": {"status": {"code": 400, "when": "before"}}}]"#,
    );
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", segment("A", "buy"));
    repository.write("segments/b.yaml", member("B", "A"));
    repository.write("segments/c.yaml", segment("C", "sell"));
    // One after the other, so that it is the first that is refused.
    let run = repository.run(&["apply", "--auto-approve", "--parallelism", "1"]);
    assert_eq!(run.code, Some(8), "{}{}", run.out, run.err);
    for said in [
        "create \"A\": failed",
        "create \"B\": skipped",
        "create \"C\": applied",
        "1 applied, 1 skipped, 1 failed",
    ] {
        assert!(run.out.contains(said), "{said}: {}", run.out);
    }
    let run = repository.run(&["apply", "--auto-approve"]);
    assert!(
        run.code == Some(0) && run.out.contains("2 applied"),
        "{}{}",
        run.out,
        run.err
    );
    assert_eq!(repository.run(&["plan"]).out, "No changes.\n");
}

#[test]
fn an_archived_segment_that_nobody_remembers_is_found_and_taken_out() {
    let faulty = Faulty::new("[]");
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", segment("A", "buy"));
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    repository.write(
        "segments/a.yaml",
        format!("lifecycle: archived\n{}", segment("A", "buy")),
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    std::fs::remove_dir_all(repository.path().join(".segctl/live")).unwrap();
    repository.write("segments/a.yaml", segment("A", "sell"));
    let run = repository.run(&["apply", "--auto-approve"]);
    assert!(
        run.code == Some(0) && run.out.contains("archived segment"),
        "{}{}",
        run.out,
        run.err
    );
    assert_eq!(repository.run(&["plan"]).out, "No changes.\n");
}

/// Answers every connection with the same bytes.
fn canned(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            drop(stream.read(&mut request));
            drop(stream.write_all(answer));
        }
    });
    address
}

#[test]
fn an_answer_of_another_shape_names_the_call_and_what_came() {
    let answers: [(&'static [u8], &str); 2] = [
        (
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\nconnection: close\r\n\r\n<html>no!",
            "list the segments",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 12\r\nconnection: close\r\n\r\n{\"error\": 12",
            "list the segments",
        ),
    ];
    for (answer, said) in answers {
        let repository = Repository::new();
        repository.write("segctl.yaml", settings(&canned(answer)));
        let run = repository.run(&["plan"]);
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(run.err.contains(said), "{}", run.err);
        assert!(run.out.is_empty());
    }
}

#[test]
fn a_service_that_is_not_there_is_named() {
    let repository = Repository::new();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    repository.write(
        "segctl.yaml",
        format!("segments: segments/\nworkspaces: {{dev: {{sandbox: \"{unused}/x\"}}}}\n"),
    );
    repository.write(&unused.to_string(), "a file where a directory is wanted");
    let run = repository.run(&["plan"]);
    assert_eq!(run.code, Some(1), "{}", run.err);
    assert!(run.err.starts_with("error: "), "{}", run.err);
}

#[test]
fn a_wait_is_told_once_for_each_moment_with_the_window_that_is_full() {
    let faulty = Faulty::new("[]");
    let repository = &faulty.repository;
    let settings = repository.read("segctl.yaml");
    let limited = settings.replace(
        "db_name: db",
        "db_name: db, rate_limits: {create: [2/1s, 1000/h]}",
    );
    repository.write("segctl.yaml", limited);
    for number in 0..8 {
        let name = format!("S{number}");
        repository.write(&format!("segments/{name}.yaml"), segment(&name, &name));
    }
    let run = repository.run(&["apply", "--auto-approve", "--parallelism", "8"]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let waits: Vec<&str> = run
        .err
        .lines()
        .filter(|line| line.starts_with("Waiting until"))
        .collect();
    let moments: std::collections::BTreeSet<&str> = waits.iter().copied().collect();
    assert!(!waits.is_empty() && moments.len() == waits.len(), "{}", run.err);
    for line in waits {
        assert!(
            line.ends_with(" UTC: the limit of 2/s list and create together is reached."),
            "{line}"
        );
    }
}
