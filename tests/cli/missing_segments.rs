//! A segment of the state that is not in the workspace, as after the workspace was reset: reported and re-created.

use super::{Repository, event_segment};
use serde_json::Value;

/// Deletes a segment from the sandbox's file, since the API cannot delete segments.
fn delete_from_sandbox(repository: &Repository, name: &str) {
    let mut data: Value = serde_json::from_str(&repository.read(".segctl/box.json")).unwrap();
    let segments = data["segments"].as_object_mut().unwrap();
    let before = segments.len();
    segments.retain(|_, segment| segment["name"] != name);
    assert_eq!(segments.len() + 1, before);
    repository.write(".segctl/box.json", data.to_string());
}

fn active_id_of(repository: &Repository, name: &str) -> String {
    let run = repository.run(&["state", "list", "--json"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let segments = document["segments"].as_array().unwrap();
    let mut found = segments
        .iter()
        .filter(|entry| entry["name"] == name && entry["lifecycle"] == "active");
    let id = found.next().unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(found.next(), None, "{}", run.stdout);
    id
}

#[test]
fn a_missing_segment_is_reported_with_its_file_and_recreated() {
    let repository = Repository::new();
    for (file, name) in [("a", "A"), ("b", "B")] {
        repository.write(&format!("segments/{file}.yaml"), event_segment(name, file));
    }
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let missing = active_id_of(&repository, "A");
    delete_from_sandbox(&repository, "A");

    let drift = repository.run(&["drift"]);
    let expected = format!("! \"A\" (segments/a.yaml:1), id {missing}\n    missing: ");
    assert!(drift.stdout.contains(&expected), "{}", drift.stdout);

    let plan = repository.run(&["plan"]);
    let expected = format!(
        "+ create \"A\" (segments/a.yaml:1)\n    replaces a missing segment: id {missing}, applied 20"
    );
    assert!(plan.stdout.contains(&expected), "{}", plan.stdout);
    let plan: Value = serde_json::from_str(&repository.run(&["plan", "--json"]).stdout).unwrap();
    assert_eq!(plan["steps"][0]["replaces_missing"]["id"], missing);

    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    assert!(repository.run(&["plan"]).stdout.contains("No changes."));
    let recreated = active_id_of(&repository, "A");
    assert_ne!(recreated, missing);
    let listed = repository.run(&["state", "list"]);
    assert!(
        listed
            .stdout
            .contains(&format!("\"A\" missing, filter, id {missing}")),
        "{}",
        listed.stdout
    );
    assert!(
        listed.stdout.ends_with("State of dev: 2 segments, 1 missing.\n"),
        "{}",
        listed.stdout
    );

    let removed = repository.run(&["state", "rm", "A"]);
    for id in [recreated, missing] {
        assert!(removed.stderr.contains(&format!("id {id}")), "{}", removed.stderr);
    }
    let listed = repository.run(&["state", "list"]);
    assert!(
        listed.stdout.ends_with("State of dev: 1 segment.\n"),
        "{}",
        listed.stdout
    );
}
