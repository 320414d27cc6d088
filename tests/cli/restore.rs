//! Definitions that come back from the ledger, where more than one workspace or many changes are needed to show it.

use super::{Repository, Run, member, segment};
use std::fs;

/// The events that the repository's one segment counted so far, each applied.
fn applied(events: &[&str]) -> Repository {
    let repository = Repository::new();
    for event in events {
        repository.write("segments/a.yaml", segment("A", event));
        let run = repository.run(&["apply", "--auto-approve"]);
        assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    }
    repository
}

fn numbers(repository: &Repository) -> Vec<u64> {
    let history = repository.run(&["ledger", "history", "A", "--json"]).json();
    let definitions = history["definitions"].as_array().unwrap();
    definitions
        .iter()
        .map(|definition| definition["number"].as_u64().unwrap())
        .collect()
}

fn plan(repository: &Repository) -> Run {
    repository.run(&["plan", "--detailed-exitcode"])
}

#[test]
fn a_number_stays_when_older_ones_are_dropped() {
    let events: Vec<String> = (1..=24).map(|number| format!("event {number}")).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let repository = applied(&events);
    assert_eq!(numbers(&repository), (4..=23).collect::<Vec<_>>());
    let dropped = repository.run(&["ledger", "restore", "A@3"]);
    assert_eq!(dropped.code, Some(1));
    assert!(dropped.err.contains("older ones were dropped"), "{}", dropped.err);
    let restored = repository.run(&["ledger", "restore", "A@4"]);
    assert_eq!(restored.code, Some(0), "{}", restored.err);
    assert!(
        repository
            .read("segments/a.yaml")
            .contains("action_name: event 4\n")
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    assert_eq!(plan(&repository).code, Some(0));
    assert_eq!(numbers(&repository), (5..=24).collect::<Vec<_>>());
}

#[test]
fn a_name_that_a_file_has_for_another_workspace_is_not_written_twice() {
    let repository = applied(&["one", "two"]);
    let settings = repository.read("segctl.yaml");
    repository.write(
        "segctl.yaml",
        settings.replace(
            "workspaces: {",
            "workspaces: {other: {sandbox: .segctl/other.json}, ",
        ),
    );
    repository.write("segments/a.yaml", segment("A", "two") + "workspaces: [other]\n");
    let run = repository.run(&["ledger", "restore", "A@1"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("is not for the workspace `dev`"), "{}", run.err);
    assert_eq!(
        fs::read_dir(repository.path().join("segments")).unwrap().count(),
        1
    );
    let other = repository.run(&["ledger", "restore", "A@1", "--workspace", "other"]);
    assert_eq!(other.code, Some(1));
    assert!(other.err.contains("knows no segment `A`"), "{}", other.err);
}

#[test]
fn a_restored_file_is_found_wherever_the_command_is_run() {
    let repository = applied(&["one", "two"]);
    let below = repository.path().join("segments");
    let run = |arguments: &[&str]| {
        let mut command = repository.command(arguments);
        Run::of(&command.current_dir(&below).output().unwrap())
    };
    let edited = run(&["ledger", "restore", "A@1", "--into", "a.yaml"]);
    assert_eq!(edited.code, Some(0), "{}", edited.err);
    assert!(repository.read("segments/a.yaml").contains("action_name: one\n"));
    fs::remove_file(below.join("a.yaml")).unwrap();
    let new = run(&["ledger", "restore", "A@1", "--json"]);
    assert_eq!(new.code, Some(0), "{}", new.err);
    let document = new.json();
    assert_eq!(
        (document["file"].as_str(), document["written"].as_bool()),
        (Some("a.yaml"), Some(true))
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    assert_eq!(plan(&repository).code, Some(0));
}

#[test]
fn a_rename_that_is_not_applied_yet_is_followed() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "one"));
    repository.write("segments/b.yaml", member("B", "A"));
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    repository.write("segments/b.yaml", segment("B", "two"));
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let renamed =
        |name: &str, before: &str, event| segment(name, event) + &format!("previous_names: [{before}]\n");
    repository.write("segments/a.yaml", renamed("New A", "A", "one"));
    repository.write("segments/b.yaml", renamed("New B", "B", "two"));
    // Nothing but the ledger is left to tell which segment is which.
    fs::remove_file(repository.path().join(".segctl/dev/snapshot.json")).unwrap();
    for name in ["B", "New B"] {
        let history = repository.run(&["ledger", "history", name]);
        assert!(
            history.out.contains("1 replaced definition kept"),
            "{}{}",
            history.out,
            history.err
        );
    }
    let restored = repository.run(&["ledger", "restore", "New B@1"]);
    assert_eq!(restored.code, Some(0), "{}", restored.err);
    let file = repository.read("segments/b.yaml");
    assert!(
        file.starts_with("name: New B\n") && file.contains("name: New A}"),
        "{file}"
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    assert_eq!(plan(&repository).code, Some(0));
}
