//! The receipt in a file: there however the run ended, and whole.

use super::api_faults::FaultySandbox;
use super::events::checked_events;
use super::{Repository, event_segment, referencing_segment};
use serde_json::{Value, json};
use std::fs;

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--receipt-into", "receipt.json"];

fn read_report(repository: &Repository) -> Value {
    serde_json::from_str(&repository.read("receipt.json")).unwrap()
}

fn outcomes(receipt: &Value) -> Vec<&str> {
    let steps = receipt["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["outcome"].as_str().unwrap())
        .collect()
}

#[test]
fn the_report_has_each_steps_outcome_and_the_exit_code() {
    let faulty = FaultySandbox::new(
        r#"[{"on": {"method": "POST"}, "times": 1, "fault": {"status": {"code": 400, "when": "before"}}}]"#,
    );
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write("segments/b.yaml", referencing_segment("B", "A"));
    for (code, wanted, applied) in [
        (8, ["failed", "skipped"].as_slice(), 0),
        (0, &["applied", "applied"], 2),
        // Nothing is left to be done.
        (0, &[], 0),
    ] {
        let run = repository.run(&APPLY);
        assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
        let receipt = read_report(repository);
        assert_eq!(outcomes(&receipt), wanted);
        assert_eq!(receipt["exit_code"], code);
        assert_eq!(receipt["workspace"], "live");
        assert_eq!(receipt["tally"]["applied"], applied);
        assert!(receipt["stopped"].is_null());
        let moment = |of: &str| {
            let text = receipt[of].as_str().unwrap();
            text.parse::<jiff::Timestamp>().unwrap()
        };
        assert!(moment("started_at") <= moment("ended_at"));
    }
}

#[test]
fn the_report_is_written_when_no_step_was_started() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let run = repository.run(&["apply", "--receipt-into", "receipt.json"]);
    assert_eq!(run.code, Some(64), "{}", run.stderr);
    assert_eq!(
        run.stdout.lines().last(),
        Some("Receipt: 0 applied, 1 not attempted.")
    );
    let unapproved = read_report(&repository);
    assert_eq!(outcomes(&unapproved), ["not attempted"]);
    assert_eq!(unapproved["exit_code"], 64);
    assert!(
        unapproved["stopped"][0]
            .as_str()
            .unwrap()
            .contains("nobody is here")
    );

    repository.write("segments/a.yaml", "name: A\nnmae: B\n");
    let run = repository.run(&APPLY);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(
        run.stdout.starts_with("Receipt: nothing was attempted: "),
        "{}",
        run.stdout
    );
    let invalid = read_report(&repository);
    assert_eq!(
        (&invalid["exit_code"], &invalid["workspace"]),
        (&json!(3), &json!(null))
    );
    assert!(outcomes(&invalid).is_empty());
}

#[test]
fn an_unwritable_report_path_fails_before_the_first_step() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    for place in ["nowhere/receipt.json", "segments"] {
        let run = repository.run(&["apply", "--auto-approve", "--receipt-into", place]);
        assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
        assert!(
            run.stderr.contains(&format!("cannot write `{place}`")),
            "{}",
            run.stderr
        );
        let run = repository.run(&["apply", "--json", "--auto-approve", "--receipt-into", place]);
        assert_eq!(checked_events(&run).len(), 3, "{}", run.stdout);
    }
    assert!(repository.run(&["plan"]).stdout.contains("1 to create"));
}

#[test]
fn a_report_write_failure_does_not_hide_the_run_result() {
    // The directory goes while the run looks up the key.
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let text = repository.read("segctl.yaml").replace(
        "sandbox: .segctl/box.json",
        "endpoint: \"http://127.0.0.1:9\", workspace_id: shop, db_name: db, api_key: {command: [rm, -r, out]}",
    );
    repository.write("segctl.yaml", text);
    fs::create_dir(repository.path().join("out")).unwrap();
    let run = repository.run(&[
        "apply",
        "--auto-approve",
        "--json",
        "--receipt-into",
        "out/receipt.json",
    ]);
    assert_eq!(run.code, Some(9), "{}{}", run.stdout, run.stderr);
    let events = checked_events(&run);
    let codes: Vec<_> = events.iter().filter_map(|event| event["code"].as_str()).collect();
    assert_eq!(codes, ["credentials", "error"]);
}

#[test]
fn the_report_says_that_state_could_not_be_written_and_nothing_was_changed() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    // What is written first stands where a directory is.
    fs::create_dir_all(repository.path().join(".segctl/dev/ledger.json.new")).unwrap();
    let run = repository.run(&APPLY);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    let receipt = read_report(&repository);
    assert_eq!(outcomes(&receipt), ["failed"]);
    assert_eq!(receipt["exit_code"], 1);
    let stopped: Vec<_> = receipt["stopped"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|why| why.as_str())
        .collect();
    let told = stopped.join("\n    ");
    for part in ["cannot write", "ledger.json", "os error"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(stopped.last(), Some(&"nothing was changed"));
    assert!(
        run.stdout.contains(&format!("Stopped: {told}\n")),
        "{}",
        run.stdout
    );
    assert!(repository.run(&["plan"]).stdout.contains("1 to create"));

    fs::remove_dir(repository.path().join(".segctl/dev/ledger.json.new")).unwrap();
    assert_eq!(repository.run(&APPLY).code, Some(0));
}

#[test]
fn a_note_is_printed_once() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    fs::create_dir_all(repository.path().join(".segctl/dev/snapshot.json.new")).unwrap();
    let run = repository.run(&["plan"]);
    let said = run
        .stderr
        .matches("the next plan has to read everything again")
        .count();
    assert_eq!((run.code, said), (Some(0), 1), "{}", run.stderr);
}
