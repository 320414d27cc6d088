//! A segment that is in the workspace no more, as after a workspace was set back: told, and made anew.

use super::{Repository, event_segment};
use serde_json::Value;

/// Takes a segment out of the service, which has no call for it.
fn delete_from_sandbox(repository: &Repository, name: &str) {
    let mut data: Value = serde_json::from_str(&repository.read(".segctl/box.json")).unwrap();
    let segments = data["segments"].as_object_mut().unwrap();
    let before = segments.len();
    segments.retain(|_, segment| segment["name"] != name);
    assert_eq!(segments.len() + 1, before);
    repository.write(".segctl/box.json", data.to_string());
}

fn active_id_of(repository: &Repository, name: &str) -> String {
    let run = repository.run(&["ledger", "show", "--json"]);
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
    let gone = active_id_of(&repository, "A");
    delete_from_sandbox(&repository, "A");

    let drift = repository.run(&["drift"]);
    let told = format!("! \"A\" (segments/a.yaml:1), id {gone}\n    gone: ");
    assert!(drift.stdout.contains(&told), "{}", drift.stdout);

    let plan = repository.run(&["plan"]);
    let told = format!("+ create \"A\" (segments/a.yaml:1)\n    was there before: id {gone}, applied 20");
    assert!(plan.stdout.contains(&told), "{}", plan.stdout);
    let plan: Value = serde_json::from_str(&repository.run(&["plan", "--json"]).stdout).unwrap();
    assert_eq!(plan["steps"][0]["made_before"]["id"], gone);

    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    assert!(repository.run(&["plan"]).stdout.contains("No changes."));
    let anew = active_id_of(&repository, "A");
    assert_ne!(anew, gone);
    let show = repository.run(&["ledger", "show"]);
    assert!(
        show.stdout.contains(&format!("\"A\" gone, filter, id {gone}")),
        "{}",
        show.stdout
    );
    assert!(
        show.stdout
            .ends_with("Ledger of dev: 2 segments, and 1 that is gone.\n"),
        "{}",
        show.stdout
    );

    let forget = repository.run(&["ledger", "forget", "A"]);
    for id in [anew, gone] {
        assert!(forget.stderr.contains(&format!("id {id}")), "{}", forget.stderr);
    }
    let show = repository.run(&["ledger", "show"]);
    assert!(
        show.stdout.ends_with("Ledger of dev: 1 segment.\n"),
        "{}",
        show.stdout
    );
}
