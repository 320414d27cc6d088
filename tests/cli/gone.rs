//! A segment that is in the workspace no more, as after a workspace was set back: told, and made anew.

use super::{Repository, segment};
use serde_json::Value;

/// Takes a segment out of the service, which has no call for it.
fn lose(repository: &Repository, name: &str) {
    let mut data: Value = serde_json::from_str(&repository.read(".segctl/box.json")).unwrap();
    let segments = data["segments"].as_object_mut().unwrap();
    let before = segments.len();
    segments.retain(|_, segment| segment["name"] != name);
    assert_eq!(segments.len() + 1, before);
    repository.write(".segctl/box.json", data.to_string());
}

fn id_of(repository: &Repository, name: &str) -> String {
    let run = repository.run(&["ledger", "show", "--json"]);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let segments = document["segments"].as_array().unwrap();
    let mut found = segments
        .iter()
        .filter(|entry| entry["name"] == name && entry["lifecycle"] == "active");
    let id = found.next().unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(found.next(), None, "{}", run.out);
    id
}

#[test]
fn one_that_is_gone_is_told_with_its_file_and_made_anew() {
    let repository = Repository::new();
    for (file, name) in [("a", "A"), ("b", "B")] {
        repository.write(&format!("segments/{file}.yaml"), segment(name, file));
    }
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let gone = id_of(&repository, "A");
    lose(&repository, "A");

    let drift = repository.run(&["drift"]);
    let told = format!("! \"A\" (segments/a.yaml:1), id {gone}\n    gone: ");
    assert!(drift.out.contains(&told), "{}", drift.out);

    let plan = repository.run(&["plan"]);
    let told = format!("+ create \"A\" (segments/a.yaml:1)\n    was there before: id {gone}, applied 20");
    assert!(plan.out.contains(&told), "{}", plan.out);
    let plan: Value = serde_json::from_str(&repository.run(&["plan", "--json"]).out).unwrap();
    assert_eq!(plan["steps"][0]["made_before"]["id"], gone);

    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    assert!(repository.run(&["plan"]).out.contains("No changes."));
    let anew = id_of(&repository, "A");
    assert_ne!(anew, gone);
    let show = repository.run(&["ledger", "show"]);
    assert!(
        show.out.contains(&format!("\"A\" gone, filter, id {gone}")),
        "{}",
        show.out
    );
    assert!(
        show.out
            .ends_with("Ledger of dev: 2 segments, and 1 that is gone.\n"),
        "{}",
        show.out
    );

    let forget = repository.run(&["ledger", "forget", "A"]);
    for id in [anew, gone] {
        assert!(forget.err.contains(&format!("id {id}")), "{}", forget.err);
    }
    let show = repository.run(&["ledger", "show"]);
    assert!(show.out.ends_with("Ledger of dev: 1 segment.\n"), "{}", show.out);
}
