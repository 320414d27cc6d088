//! Credentials that MoEngage rejects, and endpoints that are not the API: exit codes, and the keys that messages name.

use super::api_faults::{FaultySandbox, settings_for_endpoint};
use super::{CommandResult, Repository, event_segment, referencing_segment};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

const COMMANDS: [&[&str]; 5] = [
    &["plan"],
    &["apply", "--auto-approve"],
    &["drift"],
    &["import"],
    &["state", "rebuild"],
];

fn replace_setting(repository: &Repository, from: &str, to: &str) {
    let settings = repository.read("segctl.yaml");
    assert!(settings.contains(from), "{settings}");
    repository.write("segctl.yaml", settings.replace(from, to));
}

fn require(run: &CommandResult, code: i32, expected: &[&str]) {
    let output = format!("{}{}", run.stdout, run.stderr);
    assert_eq!(run.code, Some(code), "{output}");
    for expected in expected {
        assert!(output.contains(expected), "{expected}: {output}");
    }
}

#[test]
fn every_command_ends_with_exit_code_9_and_names_the_key() {
    for (from, to) in [("workspace_id: shop", "workspace_id: stop"), ("key-1", "key-2")] {
        let faulty = FaultySandbox::new("[]");
        let repository = &faulty.repository;
        repository.write("segments/a.yaml", event_segment("A", "buy"));
        // Some of the commands read MoEngage only if there is a state.
        require(&repository.run(&["apply", "--auto-approve"]), 0, &[]);
        replace_setting(repository, from, to);
        for command in COMMANDS {
            require(
                &repository.run(command),
                9,
                &["`workspace_id`", "`api_key`", "401"],
            );
        }
    }
}

#[test]
fn a_wrong_database_name_ends_an_apply_before_its_first_write() {
    for answer in ["unauthorized", "bad_request"] {
        let faulty = FaultySandbox::with_switches("[]", &[("wrong_database", answer)]);
        let repository = &faulty.repository;
        let archived = |segment: String| format!("lifecycle: archived\n{segment}");
        let (referring, referred) = (referencing_segment("A", "B"), event_segment("B", "buy"));
        repository.write("segments/a.yaml", &referring);
        repository.write("segments/b.yaml", &referred);
        replace_setting(repository, "db_name: db", "db_name: other");
        // Requests on filter segments contain no database name.
        require(&repository.run(&["apply", "--auto-approve"]), 0, &["2 applied"]);
        repository.write("segments/a.yaml", archived(referring));
        repository.write("segments/b.yaml", archived(referred));
        let serial = ["apply", "--auto-approve", "--parallelism", "1"];
        let stopped = [
            "`db_name`",
            "archive \"B\": not attempted",
            "no changes were made",
        ];
        require(&repository.run(&serial), 9, &stopped);
        // A write before the rejection makes the run partial: `B` is archived after its last reference is gone.
        repository.write("segments/a.yaml", event_segment("A", "sell"));
        require(
            &repository.run(&serial),
            8,
            &["`db_name`", "update \"A\": applied"],
        );
        replace_setting(repository, "db_name: other", "db_name: db");
        require(&repository.run(&serial), 0, &["1 applied"]);
    }
}

#[test]
fn a_rejection_during_a_run_stops_every_other_step() {
    for code in [401, 403] {
        let script = format!(
            r#"[{{"on": {{"method": "POST"}}, "fault": {{"status": {{"code": {code}, "when": "before"}}}}}}]"#
        );
        let faulty = FaultySandbox::new(&script);
        let repository = &faulty.repository;
        for name in ["A", "B", "C"] {
            repository.write(&format!("segments/{name}.yaml"), event_segment(name, name));
        }
        let run = repository.run(&["apply", "--auto-approve", "--parallelism", "1"]);
        let expected = [
            "create \"A\": failed",
            "create \"B\": not attempted",
            "create \"C\": not attempted",
            "`api_key`",
        ];
        require(&run, 9, &expected);
    }
}

/// Answers every request with the same response.
fn serve_response(head: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let length = body.len();
    let response = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                line.clear();
            }
            drop(stream.write_all(response.as_bytes()));
        }
    });
    address
}

#[test]
fn an_endpoint_that_is_not_the_api_is_named() {
    let unknown_client =
        r#"{"error": {"code": "Invalid request", "message": "MoEngage Client not found for shop"}}"#;
    let table = [
        (
            "400 Bad Request",
            unknown_client,
            9,
            vec!["`workspace_id`", "`endpoint`", "400"],
        ),
        (
            "404 Not Found",
            "<html>nothing here</html>",
            1,
            vec!["/v3/custom-segments` is not there", "check `endpoint`"],
        ),
        (
            "302 Found\r\nlocation: https://login.example/start",
            "",
            1,
            vec![
                "redirects to `https://login.example/start`",
                "(302)",
                "check `endpoint`",
            ],
        ),
        (
            "301 Moved Permanently",
            "",
            1,
            vec!["redirects (301)", "check `endpoint`"],
        ),
    ];
    for (head, body, code, expected) in table {
        let repository = Repository::new();
        repository.write("segments/a.yaml", event_segment("A", "buy"));
        let address = serve_response(head, body);
        repository.write("segctl.yaml", settings_for_endpoint(&address));
        for command in [["plan"].as_slice(), &["import"], &["apply", "--auto-approve"]] {
            require(&repository.run(command), code, &expected);
        }
    }
}
