//! The run report of `--report-file`: segctl writes it however the run ends.

use super::api_faults::FaultySandbox;
use super::events::checked_events;
use super::{Repository, event_segment, referencing_segment};
use serde_json::{Value, json};
use std::fs;

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--report-file", "report.json"];

fn read_report(repository: &Repository) -> Value {
    serde_json::from_str(&repository.read("report.json")).unwrap()
}

fn outcomes(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().unwrap();
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
    for (code, expected, applied) in [
        (8, ["failed", "skipped"].as_slice(), 0),
        (0, &["applied", "applied"], 2),
        // The second run has no changes left.
        (0, &[], 0),
    ] {
        let run = repository.run(&APPLY);
        assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
        let report = read_report(repository);
        assert_eq!(outcomes(&report), expected);
        assert_eq!(report["exit_code"], code);
        assert_eq!(report["workspace"], "live");
        assert_eq!(report["counts"]["applied"], applied);
        assert!(report["stop_reasons"].is_null());
        let time = |key: &str| {
            let text = report[key].as_str().unwrap();
            text.parse::<jiff::Timestamp>().unwrap()
        };
        assert!(time("started_at") <= time("ended_at"));
    }
}

#[test]
fn the_report_is_written_when_no_step_was_started() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let run = repository.run(&["apply", "--report-file", "report.json"]);
    assert_eq!(run.code, Some(64), "{}", run.stderr);
    assert_eq!(
        run.stdout.lines().last(),
        Some("Apply failed. No changes were made.")
    );
    let unapproved = read_report(&repository);
    assert_eq!(outcomes(&unapproved), ["not_attempted"]);
    assert_eq!(unapproved["exit_code"], 64);
    assert!(
        unapproved["stop_reasons"][0]
            .as_str()
            .unwrap()
            .contains("approval required")
    );

    repository.write("segments/a.yaml", "name: A\nnmae: B\n");
    let run = repository.run(&APPLY);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert_eq!(run.stdout, "Apply failed. No changes were made.\n");
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
    for path in ["missing/report.json", "segments"] {
        let run = repository.run(&["apply", "--auto-approve", "--report-file", path]);
        assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
        assert!(
            run.stderr.contains(&format!("cannot write `{path}`")),
            "{}",
            run.stderr
        );
        let run = repository.run(&["apply", "--json", "--auto-approve", "--report-file", path]);
        assert_eq!(checked_events(&run).len(), 3, "{}", run.stdout);
    }
    assert!(repository.run(&["plan"]).stdout.contains("1 to create"));
}

#[test]
fn a_report_write_failure_does_not_hide_the_run_result() {
    // The secret command removes the directory of the report.
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
        "--report-file",
        "out/report.json",
    ]);
    assert_eq!(run.code, Some(9), "{}{}", run.stdout, run.stderr);
    let events = checked_events(&run);
    let codes: Vec<_> = events.iter().filter_map(|event| event["code"].as_str()).collect();
    assert_eq!(codes, ["credentials", "error"]);
}

#[test]
fn the_report_shows_that_state_could_not_be_written_and_nothing_was_changed() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    // segctl cannot write the temporary file, because a directory has its path.
    fs::create_dir_all(repository.path().join(".segctl/dev/state.json.new")).unwrap();
    let run = repository.run(&APPLY);
    assert_eq!(run.code, Some(1), "{}{}", run.stdout, run.stderr);
    let report = read_report(&repository);
    assert_eq!(outcomes(&report), ["failed"]);
    assert_eq!(report["exit_code"], 1);
    let reasons: Vec<_> = report["stop_reasons"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|reason| reason.as_str())
        .collect();
    let text = reasons.join("\n    ");
    for part in ["cannot write", "state.json", "os error"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(reasons.last(), Some(&"no changes were made"));
    assert!(
        run.stdout.contains(&format!("Stopped: {text}\n")),
        "{}",
        run.stdout
    );
    assert!(repository.run(&["plan"]).stdout.contains("1 to create"));

    fs::remove_dir(repository.path().join(".segctl/dev/state.json.new")).unwrap();
    assert_eq!(repository.run(&APPLY).code, Some(0));
}

#[test]
fn a_note_is_printed_once() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    fs::create_dir_all(repository.path().join(".segctl/dev/cache.json.new")).unwrap();
    let run = repository.run(&["plan"]);
    let count = run.stderr.matches("the next plan reads everything again").count();
    assert_eq!((run.code, count), (Some(0), 1), "{}", run.stderr);
}
