//! `segctl state restore` with several workspaces, renames and many versions.

use super::{CommandResult, Repository, event_segment, referencing_segment};
use std::fs;

/// Applies a segment with each of the events in turn.
fn repository_after_applying(events: &[&str]) -> Repository {
    let repository = Repository::new();
    for event in events {
        repository.write("segments/a.yaml", event_segment("A", event));
        let run = repository.run(&["apply", "--auto-approve"]);
        assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    }
    repository
}

fn revision_numbers(repository: &Repository) -> Vec<u64> {
    let history = repository.run(&["state", "history", "A", "--json"]).stdout_json();
    let definitions = history["revisions"].as_array().unwrap();
    definitions
        .iter()
        .map(|definition| definition["revision"].as_u64().unwrap())
        .collect()
}

fn detailed_plan(repository: &Repository) -> CommandResult {
    repository.run(&["plan", "--detailed-exitcode"])
}

#[test]
fn revision_numbers_are_stable_when_older_revisions_are_dropped() {
    let events: Vec<String> = (1..=24).map(|number| format!("event {number}")).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let repository = repository_after_applying(&events);
    assert_eq!(revision_numbers(&repository), (4..=23).collect::<Vec<_>>());
    let dropped = repository.run(&["state", "restore", "A@3"]);
    assert_eq!(dropped.code, Some(1));
    assert!(
        dropped.stderr.contains("older versions were dropped"),
        "{}",
        dropped.stderr
    );
    let restored = repository.run(&["state", "restore", "A@4"]);
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    assert!(
        repository
            .read("segments/a.yaml")
            .contains("action_name: event 4\n")
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    assert_eq!(detailed_plan(&repository).code, Some(0));
    assert_eq!(revision_numbers(&repository), (5..=24).collect::<Vec<_>>());
}

#[test]
fn restore_refuses_a_name_declared_for_another_workspace() {
    let repository = repository_after_applying(&["one", "two"]);
    let settings = repository.read("segctl.yaml");
    repository.write(
        "segctl.yaml",
        settings.replace(
            "workspaces: {",
            "workspaces: {other: {sandbox: .segctl/other.json}, ",
        ),
    );
    repository.write(
        "segments/a.yaml",
        event_segment("A", "two") + "workspaces: [other]\n",
    );
    let run = repository.run(&["state", "restore", "A@1"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("not for the workspace `dev`"),
        "{}",
        run.stderr
    );
    assert_eq!(
        fs::read_dir(repository.path().join("segments")).unwrap().count(),
        1
    );
    let other = repository.run(&["state", "restore", "A@1", "--workspace", "other"]);
    assert_eq!(other.code, Some(1));
    assert!(
        other.stderr.contains("the state contains no segment `A`"),
        "{}",
        other.stderr
    );
}

#[test]
fn restore_paths_are_relative_to_the_current_directory() {
    let repository = repository_after_applying(&["one", "two"]);
    let below = repository.path().join("segments");
    let run = |arguments: &[&str]| {
        let mut command = repository.command(arguments);
        CommandResult::from_output(&command.current_dir(&below).output().unwrap())
    };
    let edited = run(&["state", "restore", "A@1", "--output-file", "a.yaml"]);
    assert_eq!(edited.code, Some(0), "{}", edited.stderr);
    assert!(repository.read("segments/a.yaml").contains("action_name: one\n"));
    fs::remove_file(below.join("a.yaml")).unwrap();
    let new = run(&["state", "restore", "A@1", "--json"]);
    assert_eq!(new.code, Some(0), "{}", new.stderr);
    let document = new.stdout_json();
    assert_eq!(
        (document["file"].as_str(), document["written"].as_bool()),
        (Some("a.yaml"), Some(true))
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    assert_eq!(detailed_plan(&repository).code, Some(0));
}

#[test]
fn restore_follows_renames_that_are_not_applied_yet() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "one"));
    repository.write("segments/b.yaml", referencing_segment("B", "A"));
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    repository.write("segments/b.yaml", event_segment("B", "two"));
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let renamed = |name: &str, previous: &str, event| {
        event_segment(name, event) + &format!("previous_names: [{previous}]\n")
    };
    repository.write("segments/a.yaml", renamed("New A", "A", "one"));
    repository.write("segments/b.yaml", renamed("New B", "B", "two"));
    // Without the cache, only the state identifies the segments.
    fs::remove_file(repository.path().join(".segctl/dev/cache.json")).unwrap();
    for name in ["B", "New B"] {
        let history = repository.run(&["state", "history", name]);
        assert!(
            history.stdout.contains("1 previous version"),
            "{}{}",
            history.stdout,
            history.stderr
        );
    }
    let restored = repository.run(&["state", "restore", "New B@1"]);
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    let note = "version 1 was named \"B\"; the segment keeps the name \"New B\"";
    assert!(restored.stderr.contains(note), "{}", restored.stderr);
    let file = repository.read("segments/b.yaml");
    assert!(
        file.starts_with("name: New B\n") && file.contains("name: New A}"),
        "{file}"
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    assert_eq!(detailed_plan(&repository).code, Some(0));
}
