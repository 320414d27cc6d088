//! segctl against an API that loses responses, fails and sends malformed responses: reports, retries and exit codes.

use super::{Repository, event_segment, referencing_segment};
use segctl::sandbox::{SandboxCredentials, SandboxOptions, Server};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

/// A sandbox with a fault script, and a repository that uses it.
pub(super) struct FaultySandbox {
    runtime: tokio::runtime::Runtime,
    server: Option<Server>,
    pub(super) repository: Repository,
}

impl FaultySandbox {
    pub(super) fn new(faults: &str) -> Self {
        Self::with_switches(faults, &[])
    }

    pub(super) fn with_switches(faults: &str, switches: &[(&str, &str)]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut options = SandboxOptions::standalone("127.0.0.1:0".parse().unwrap());
        options.credentials = Some(SandboxCredentials {
            workspace_id: "shop".to_owned(),
            api_key: "key-1".to_owned(),
            db_name: "db".to_owned(),
        });
        options.set_switch("rate_limits", "off").unwrap();
        for (name, value) in switches {
            options.set_switch(name, value).unwrap();
        }
        options.set_faults(faults).unwrap();
        let server = runtime.block_on(Server::start(options)).unwrap();
        let repository = Repository::new();
        repository.write(
            "segctl.yaml",
            settings_for_endpoint(&server.address().to_string()),
        );
        Self {
            runtime,
            server: Some(server),
            repository,
        }
    }
}

impl Drop for FaultySandbox {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

pub(super) fn settings_for_endpoint(address: &str) -> String {
    format!(
        "segments: segments/\nworkspaces:\n  live: {{endpoint: \"http://{address}\", workspace_id: shop, api_key: {{command: \
         [/bin/echo, key-1]}}, db_name: db}}\n"
    )
}

#[test]
fn a_lost_response_is_verified_by_reading_and_creates_no_duplicate() {
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
            let faulty = FaultySandbox::new(&script);
            let repository = &faulty.repository;
            repository.write("segments/a.yaml", event_segment("A", "buy"));
            for change in ["buy", "sell"] {
                repository.write("segments/a.yaml", event_segment("A", change));
                let run = repository.run(&["apply", "--auto-approve"]);
                assert_eq!(run.code, Some(0), "{script}: {}{}", run.stdout, run.stderr);
            }
            repository.write(
                "segments/a.yaml",
                format!("lifecycle: archived\n{}", event_segment("A", "sell")),
            );
            let run = repository.run(&["apply", "--auto-approve"]);
            assert_eq!(run.code, Some(0), "{script}: {}{}", run.stdout, run.stderr);
            assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n", "{script}");
        }
    }
}

#[test]
fn a_failed_step_skips_only_its_dependents() {
    // The sandbox rejects the first create before it takes effect. segctl does not retry a 400.
    let faulty = FaultySandbox::new(
        r#"[{"on": {"method": "POST"}, "times": 1, "fault": {"status": {"code": 400, "when": "before"}}}]"#,
    );
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write("segments/b.yaml", referencing_segment("B", "A"));
    repository.write("segments/c.yaml", event_segment("C", "sell"));
    // Without parallelism the rejected create is that of `A`.
    let run = repository.run(&["apply", "--auto-approve", "--parallelism", "1"]);
    assert_eq!(run.code, Some(8), "{}{}", run.stdout, run.stderr);
    for expected in [
        "create \"A\": failed",
        "create \"B\": skipped",
        "create \"C\": applied",
        "1 applied, 1 skipped, 1 failed",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    let run = repository.run(&["apply", "--auto-approve"]);
    assert!(
        run.code == Some(0) && run.stdout.contains("2 applied"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n");
}

#[test]
fn an_archived_segment_missing_from_the_state_is_found_and_unarchived() {
    let faulty = FaultySandbox::new("[]");
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    repository.write(
        "segments/a.yaml",
        format!("lifecycle: archived\n{}", event_segment("A", "buy")),
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    std::fs::remove_dir_all(repository.path().join(".segctl/live")).unwrap();
    repository.write("segments/a.yaml", event_segment("A", "sell"));
    let run = repository.run(&["apply", "--auto-approve"]);
    assert!(
        run.code == Some(0) && run.stdout.contains("archived segment"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n");
}

fn serve_fixed_response(response: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            drop(stream.read(&mut request));
            drop(stream.write_all(response));
        }
    });
    address
}

#[test]
fn a_malformed_response_reports_the_request_and_the_response() {
    let responses: [(&'static [u8], &str); 2] = [
        (
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\nconnection: close\r\n\r\n<html>no!",
            "list the segments",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 12\r\nconnection: close\r\n\r\n{\"error\": 12",
            "list the segments",
        ),
    ];
    for (response, expected) in responses {
        let repository = Repository::new();
        repository.write(
            "segctl.yaml",
            settings_for_endpoint(&serve_fixed_response(response)),
        );
        let run = repository.run(&["plan"]);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
        assert!(run.stdout.is_empty());
    }
}

#[test]
fn an_unusable_sandbox_path_is_reported() {
    let repository = Repository::new();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    repository.write(
        "segctl.yaml",
        format!("segments: segments/\nworkspaces: {{dev: {{sandbox: \"{unused}/x\"}}}}\n"),
    );
    repository.write(&unused.to_string(), "not a directory");
    let run = repository.run(&["plan"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
}

#[test]
fn each_wait_is_reported_once_with_the_exhausted_rate_limit() {
    let faulty = FaultySandbox::new("[]");
    let repository = &faulty.repository;
    let settings = repository.read("segctl.yaml");
    let limited = settings.replace(
        "db_name: db",
        "db_name: db, rate_limits: {create: [2/1s, 1000/h]}",
    );
    repository.write("segctl.yaml", limited);
    for number in 0..8 {
        let name = format!("S{number}");
        repository.write(&format!("segments/{name}.yaml"), event_segment(&name, &name));
    }
    let run = repository.run(&["apply", "--auto-approve", "--parallelism", "8"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    let waits: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("Waiting until"))
        .collect();
    let distinct: std::collections::BTreeSet<&str> = waits.iter().copied().collect();
    assert!(
        !waits.is_empty() && distinct.len() == waits.len(),
        "{}",
        run.stderr
    );
    for line in waits {
        assert!(
            line.ends_with(" UTC: the rate limit of 2/s creates is reached."),
            "{line}"
        );
    }
}
