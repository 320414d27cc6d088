//! `segctl import`: files for remote segments that are not in the configuration.

use super::examples::examples_repository_with;
use std::fs;

/// The API may return a definition in several forms. Import writes a file for every example in each of them.
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
        let listed = repository.run(&["import"]);
        assert!(
            listed.stdout.contains("50 unmanaged segments"),
            "{}",
            listed.stdout
        );
        let run = repository.run(&["import", "--all"]);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            // The API returns no members, so the cohort and the file segment become templates.
            (
                Some(0),
                "Import complete: 48 files written, 2 templates. Run `segctl plan`, then `segctl apply` to start managing them.\n"
            ),
            "{}",
            run.stderr
        );
        assert!(!repository.path().join(".segctl/sandbox/state.json").exists());
        let plan = repository.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, Some(2), "{echo}: {}{}", plan.stdout, plan.stderr);
        assert_eq!(
            plan.stdout.lines().last(),
            Some("Plan: 48 to adopt, no changes in MoEngage.")
        );
        assert_eq!(
            plan.stdout.matches("\n= adopt ").count(),
            20,
            "{echo}: {}",
            plan.stdout
        );
        assert!(
            plan.stdout
                .contains("\n= and 28 more to adopt (--json lists all)\n"),
            "{echo}: {}",
            plan.stdout
        );
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
    let run = repository.run(&["import", "--all"]);
    assert_eq!(
        run.code,
        Some(0),
        "every segment is in the configuration: {}",
        run.stdout
    );
    assert_eq!(run.stdout, "No unmanaged segments found.\n");
    fs::remove_dir_all(repository.path().join("segments")).unwrap();
    fs::remove_dir_all(repository.path().join(".segctl/sandbox")).unwrap();
    repository.write(
        "segments/lapsed-purchasers-7d.yaml",
        super::event_segment("Other", "x"),
    );
    let run = repository.run(&["import", "Lapsed purchasers 7d"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        repository
            .read("segments/lapsed-purchasers-7d.yaml")
            .contains("name: Other")
    );
    let imported = repository.read("segments/lapsed-purchasers-7d-2.yaml");
    assert!(
        imported.starts_with("# imported from id ") && imported.contains("source API"),
        "{imported}"
    );
}

/// Dashboard users choose names, and terminals execute some control sequences.
#[test]
fn control_characters_in_names_are_escaped() {
    let repository = super::Repository::new();
    let name = "Buyers\u{1b}[2J\u{202e}7d\nfake";
    repository.write("segments/a.yaml", super::event_segment("A", "buy"));
    repository.run(&["apply", "--auto-approve"]);
    let mut state: serde_json::Value = serde_json::from_str(&repository.read(".segctl/box.json")).unwrap();
    let segments = state["segments"].as_object_mut().unwrap();
    let mut unmanaged = segments.values().next().unwrap().clone();
    unmanaged["name"] = name.into();
    unmanaged["id"] = "0123456789abcdef01234567".into();
    segments.insert("0123456789abcdef01234567".to_owned(), unmanaged);
    repository.write(".segctl/box.json", state.to_string());
    let listed = repository.run(&["import"]);
    assert!(
        listed.stdout.contains("\"Buyers\\u{1b}[2J\\u{202e}7d\\nfake\""),
        "{}",
        listed.stdout
    );
    assert_eq!(
        repository.run(&["import", "--json"]).stdout_json()["unmanaged"][0]["name"],
        name
    );
    for arguments in [
        ["import"].as_slice(),
        &["plan"],
        &["state", "rm", name],
        &["import", "--all"],
        &["import", name],
    ] {
        let run = repository.run(arguments);
        let output = format!("{}{}", run.stdout, run.stderr);
        assert!(
            !output.contains('\u{1b}') && !output.contains('\u{202e}') && !output.contains("\nfake"),
            "{arguments:?}: {output:?}"
        );
    }
}

/// The API does not return the list and the identifier of a file segment. A user adds both to the template.
#[test]
fn a_completed_template_is_applied() {
    let repository = examples_repository_with(r#"{"rate_limits": "off"}"#);
    repository.run(&["apply", "--auto-approve"]);
    let list = repository.read("segments/partners/trade-fair-2026.csv");
    fs::remove_dir_all(repository.path().join("segments")).unwrap();
    fs::remove_dir_all(repository.path().join(".segctl/sandbox")).unwrap();
    let run = repository.run(&["import", "--all"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let template = repository.read("segments/trade-fair-visitors-2026.yaml.template");
    assert!(
        template.contains("\nkind: file\n") && !template.contains("cohort"),
        "{template}"
    );
    // A second import does not write a second template.
    let run = repository.run(&["import", "Trade fair*"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let second = "segments/trade-fair-visitors-2026-2.yaml.template";
    assert!(!repository.path().join(second).exists());
    let filled = template
        .replace("ATTRIBUTE", "email")
        .replace("LIST.csv", "fair.csv")
        .replace("DAYS", "60");
    repository.write("segments/trade-fair-visitors-2026.yaml", filled);
    repository.write("segments/fair.csv", list);
    let plan = repository.run(&["plan"]);
    assert_eq!(plan.code, Some(4), "{}", plan.stdout);
    assert!(
        plan.stdout.contains("--assume-members-in-sync"),
        "{}",
        plan.stdout
    );
    let run = repository.run(&["apply", "--auto-approve", "--assume-members-in-sync"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert_eq!(
        repository.run(&["plan"]).stdout.lines().last(),
        Some("No changes.")
    );
}
