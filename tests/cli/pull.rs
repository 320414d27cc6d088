//! Files for what was made by hand.

use super::lifecycle::examples_with;
use std::fs;

/// Every example, made by "hand" and shown in every form that the service may show it in: files are written for all,
/// and a plan has nothing to do.
#[test]
fn a_pulled_workspace_needs_no_changes() {
    for echo in ["as_sent", "defaults_filled", "defaults_dropped", "dashboard_days"] {
        let repository = examples_with(&format!(r#"{{"rate_limits": "off", "echo": "{echo}"}}"#));
        let run = repository.run(&["apply", "--auto-approve"]);
        assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
        fs::remove_dir_all(repository.path().join("segments")).unwrap();
        fs::create_dir(repository.path().join("segments")).unwrap();
        fs::remove_dir_all(repository.path().join(".segctl/sandbox")).unwrap();
        let before = repository.read(".segctl/sandbox.json");
        let listed = repository.run(&["pull"]);
        assert!(
            listed.out.contains("50 live segments without a file"),
            "{}",
            listed.out
        );
        let run = repository.run(&["pull", "--all"]);
        assert_eq!(
            (run.code, run.out.as_str()),
            // Of a cohort and an upload nothing can be read back.
            (Some(8), "Pulled: 48 files written, 2 skipped.\n"),
            "{}",
            run.err
        );
        assert!(!repository.path().join(".segctl/sandbox/ledger.json").exists());
        let plan = repository.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, Some(0), "{echo}: {}{}", plan.out, plan.err);
        assert_eq!(plan.out.lines().last(), Some("No changes."));
        let validated = repository.run(&["validate"]);
        assert_eq!(validated.code, Some(0), "{}", validated.err);
        let segments =
            |state: &str| serde_json::from_str::<serde_json::Value>(state).unwrap()["segments"].clone();
        assert_eq!(
            segments(&repository.read(".segctl/sandbox.json")),
            segments(&before)
        );
    }
}

#[test]
fn a_pull_writes_over_nothing_and_takes_what_is_asked_for() {
    let repository = examples_with(r#"{"rate_limits": "off"}"#);
    repository.run(&["apply", "--auto-approve"]);
    let run = repository.run(&["pull", "--all"]);
    assert_eq!(run.code, Some(1), "everything is declared: {}", run.out);
    fs::remove_dir_all(repository.path().join("segments")).unwrap();
    fs::remove_dir_all(repository.path().join(".segctl/sandbox")).unwrap();
    repository.write("segments/lapsed-purchasers-7d.yaml", super::segment("Other", "x"));
    let run = repository.run(&["pull", "Lapsed purchasers 7d"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(
        repository
            .read("segments/lapsed-purchasers-7d.yaml")
            .contains("name: Other")
    );
    let pulled = repository.read("segments/lapsed-purchasers-7d-2.yaml");
    assert!(
        pulled.starts_with("# pulled from id ") && pulled.contains("source API"),
        "{pulled}"
    );
}

/// Whoever can use the dashboard chooses names, and terminals obey some of what they may hold.
#[test]
fn names_are_not_obeyed_by_terminals() {
    let repository = super::Repository::new();
    let name = "Buyers\u{1b}[2J\u{202e}7d\nfake";
    repository.write("segments/a.yaml", super::segment("A", "buy"));
    repository.run(&["apply", "--auto-approve"]);
    let mut state: serde_json::Value = serde_json::from_str(&repository.read(".segctl/box.json")).unwrap();
    let segments = state["segments"].as_object_mut().unwrap();
    let mut stranger = segments.values().next().unwrap().clone();
    stranger["name"] = name.into();
    stranger["id"] = "0123456789abcdef01234567".into();
    segments.insert("0123456789abcdef01234567".to_owned(), stranger);
    repository.write(".segctl/box.json", state.to_string());
    let listed = repository.run(&["pull"]);
    assert!(
        listed.out.contains("\"Buyers\\u{1b}[2J\\u{202e}7d\\nfake\""),
        "{}",
        listed.out
    );
    assert_eq!(
        repository.run(&["pull", "--json"]).json()["undeclared"][0]["name"],
        name
    );
    for arguments in [
        ["pull"].as_slice(),
        &["plan"],
        &["ledger", "forget", name],
        &["pull", "--all"],
        &["pull", name],
    ] {
        let run = repository.run(arguments);
        let said = format!("{}{}", run.out, run.err);
        assert!(
            !said.contains('\u{1b}') && !said.contains('\u{202e}') && !said.contains("\nfake"),
            "{arguments:?}: {said:?}"
        );
    }
}
