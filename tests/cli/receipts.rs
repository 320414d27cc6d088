//! The receipt in a file: there however the run ended, and whole.

use super::events::checked;
use super::service::Faulty;
use super::{Repository, member, segment};
use serde_json::{Value, json};
use std::fs;

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--receipt-into", "receipt.json"];

fn receipt(repository: &Repository) -> Value {
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
fn it_says_what_came_of_each_step_and_what_the_process_exits_with() {
    let faulty = Faulty::new(
        r#"[{"on": {"method": "POST"}, "times": 1, "fault": {"status": {"code": 400, "when": "before"}}}]"#,
    );
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", segment("A", "buy"));
    repository.write("segments/b.yaml", member("B", "A"));
    for (code, wanted, applied) in [
        (8, ["failed", "skipped"].as_slice(), 0),
        (0, &["applied", "applied"], 2),
        // Nothing is left to be done.
        (0, &[], 0),
    ] {
        let run = repository.run(&APPLY);
        assert_eq!(run.code, Some(code), "{}{}", run.out, run.err);
        let receipt = receipt(repository);
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
fn it_is_there_when_nothing_could_be_begun() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    let run = repository.run(&["apply", "--receipt-into", "receipt.json"]);
    assert_eq!(run.code, Some(64), "{}", run.err);
    assert_eq!(
        run.out.lines().last(),
        Some("Receipt: 0 applied, 1 not attempted.")
    );
    let unapproved = receipt(&repository);
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
    assert_eq!(run.code, Some(3), "{}", run.err);
    assert!(
        run.out.starts_with("Receipt: nothing was attempted: "),
        "{}",
        run.out
    );
    let invalid = receipt(&repository);
    assert_eq!(
        (&invalid["exit_code"], &invalid["workspace"]),
        (&json!(3), &json!(null))
    );
    assert!(outcomes(&invalid).is_empty());
}

#[test]
fn one_that_cannot_be_written_is_told_before_the_first_step() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    for place in ["nowhere/receipt.json", "segments"] {
        let run = repository.run(&["apply", "--auto-approve", "--receipt-into", place]);
        assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
        assert!(
            run.err.contains(&format!("cannot write `{place}`")),
            "{}",
            run.err
        );
        let run = repository.run(&["apply", "--json", "--auto-approve", "--receipt-into", place]);
        assert_eq!(checked(&run).len(), 3, "{}", run.out);
    }
    assert!(repository.run(&["plan"]).out.contains("1 to create"));
}

#[test]
fn one_that_cannot_be_written_at_the_end_does_not_hide_what_came_of_the_run() {
    // The directory goes while the run looks up the key.
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
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
    assert_eq!(run.code, Some(9), "{}{}", run.out, run.err);
    let events = checked(&run);
    let codes: Vec<_> = events.iter().filter_map(|event| event["code"].as_str()).collect();
    assert_eq!(codes, ["credentials", "error"]);
}

#[test]
fn it_says_whole_that_the_ledger_could_not_be_written_and_that_nothing_was_changed() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    // What is written first stands where a directory is.
    fs::create_dir_all(repository.path().join(".segctl/dev/ledger.json.new")).unwrap();
    let run = repository.run(&APPLY);
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    let receipt = receipt(&repository);
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
    assert!(run.out.contains(&format!("Stopped: {told}\n")), "{}", run.out);
    assert!(repository.run(&["plan"]).out.contains("1 to create"));

    fs::remove_dir(repository.path().join(".segctl/dev/ledger.json.new")).unwrap();
    assert_eq!(repository.run(&APPLY).code, Some(0));
}

#[test]
fn a_note_is_said_once() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    fs::create_dir_all(repository.path().join(".segctl/dev/snapshot.json.new")).unwrap();
    let run = repository.run(&["plan"]);
    let said = run
        .err
        .matches("the next plan has to read everything again")
        .count();
    assert_eq!((run.code, said), (Some(0), 1), "{}", run.err);
}
