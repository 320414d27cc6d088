//! Files for what was made by hand.

use super::examples::examples_repository_with;
use std::fs;

/// Every example, made by "hand" and shown in every form that the service may show it in: files are written for all,
/// and a plan has nothing to do.
#[test]
fn an_imported_workspace_plans_no_changes() {
    for echo in ["as_sent", "defaults_filled", "defaults_dropped", "dashboard_days"] {
        let repository = examples_repository_with(&format!(r#"{{"rate_limits": "off", "echo": "{echo}"}}"#));
        let run = repository.run(&["apply", "--auto-approve"]);
        assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
        fs::remove_dir_all(repository.path().join("segments")).unwrap();
        fs::create_dir(repository.path().join("segments")).unwrap();
        fs::remove_dir_all(repository.path().join(".segctl/sandbox")).unwrap();
        let before = repository.read(".segctl/sandbox.json");
        let listed = repository.run(&["pull"]);
        assert!(
            listed.stdout.contains("50 live segments without a file"),
            "{}",
            listed.stdout
        );
        let run = repository.run(&["pull", "--all"]);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            // Of a cohort and an upload nothing can be read back.
            (
                Some(0),
                "Pulled: 48 files written, 2 to be filled in, 0 skipped.\n"
            ),
            "{}",
            run.stderr
        );
        assert!(!repository.path().join(".segctl/sandbox/ledger.json").exists());
        let plan = repository.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, Some(0), "{echo}: {}{}", plan.stdout, plan.stderr);
        assert_eq!(plan.stdout.lines().last(), Some("No changes."));
        let validated = repository.run(&["validate"]);
        assert_eq!(validated.code, Some(0), "{}", validated.stderr);
        let segments =
            |state: &str| serde_json::from_str::<serde_json::Value>(state).unwrap()["segments"].clone();
        assert_eq!(
            segments(&repository.read(".segctl/sandbox.json")),
            segments(&before)
        );
    }
}

#[test]
fn import_never_overwrites_files_and_imports_only_requested_segments() {
    let repository = examples_repository_with(r#"{"rate_limits": "off"}"#);
    repository.run(&["apply", "--auto-approve"]);
    let run = repository.run(&["pull", "--all"]);
    assert_eq!(run.code, Some(1), "everything is declared: {}", run.stdout);
    fs::remove_dir_all(repository.path().join("segments")).unwrap();
    fs::remove_dir_all(repository.path().join(".segctl/sandbox")).unwrap();
    repository.write(
        "segments/lapsed-purchasers-7d.yaml",
        super::event_segment("Other", "x"),
    );
    let run = repository.run(&["pull", "Lapsed purchasers 7d"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
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
fn control_characters_in_names_are_escaped() {
    let repository = super::Repository::new();
    let name = "Buyers\u{1b}[2J\u{202e}7d\nfake";
    repository.write("segments/a.yaml", super::event_segment("A", "buy"));
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
        listed.stdout.contains("\"Buyers\\u{1b}[2J\\u{202e}7d\\nfake\""),
        "{}",
        listed.stdout
    );
    assert_eq!(
        repository.run(&["pull", "--json"]).stdout_json()["undeclared"][0]["name"],
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
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(
            !said.contains('\u{1b}') && !said.contains('\u{202e}') && !said.contains("\nfake"),
            "{arguments:?}: {said:?}"
        );
    }
}

/// Whoever knows what the service does not tell fills it in, and goes on from there.
#[test]
fn a_completed_template_is_applied() {
    let repository = examples_repository_with(r#"{"rate_limits": "off"}"#);
    repository.run(&["apply", "--auto-approve"]);
    let list = repository.read("segments/partners/trade-fair-2026.csv");
    fs::remove_dir_all(repository.path().join("segments")).unwrap();
    fs::remove_dir_all(repository.path().join(".segctl/sandbox")).unwrap();
    let run = repository.run(&["pull", "--all"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let stub = repository.read("segments/trade-fair-visitors-2026.yaml.stub");
    assert!(
        stub.contains("\nkind: file\n") && !stub.contains("cohort"),
        "{stub}"
    );
    // Once more writes no other.
    let run = repository.run(&["pull", "Trade fair*"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let second = "segments/trade-fair-visitors-2026-2.yaml.stub";
    assert!(!repository.path().join(second).exists());
    let filled = stub
        .replace("ATTRIBUTE", "email")
        .replace("LIST.csv", "fair.csv")
        .replace("DAYS", "60");
    repository.write("segments/trade-fair-visitors-2026.yaml", filled);
    repository.write("segments/fair.csv", list);
    let plan = repository.run(&["plan"]);
    assert_eq!(plan.code, Some(4), "{}", plan.stdout);
    assert!(plan.stdout.contains("--assume-in-sync"), "{}", plan.stdout);
    let run = repository.run(&["apply", "--auto-approve", "--assume-in-sync"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert_eq!(
        repository.run(&["plan"]).stdout.lines().last(),
        Some("No changes.")
    );
}
