//! Exit codes and streams, which scripts depend on.

use super::{Repository, member, segment};
use clap::CommandFactory;
use segctl::cli::arguments::Arguments;
use serde_json::json;
use std::fs;

#[test]
fn wrong_usage_is_never_taken_for_changes() {
    let repository = Repository::new();
    for arguments in [
        ["plan", "--detailed-exitcode", "--typo"].as_slice(),
        &["aply"],
        &["schema", "nothing"],
        &[],
    ] {
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(64), "{arguments:?}: {}", run.err);
    }
    for arguments in [["--help"].as_slice(), &["--version"], &["plan", "--help"]] {
        assert_eq!(repository.run(arguments).code, Some(0));
    }
}

#[test]
fn flags_of_plans_are_no_flags_of_what_plans_nothing() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    for command in [["pull"].as_slice(), &["drift"], &["ledger", "rebuild"]] {
        assert_eq!(repository.run(command).code, Some(0), "{command:?}");
        for flag in [
            "--max-archives=50%",
            "--max-duration=1h",
            "--allow-empty",
            "--allow-short-list",
        ] {
            let run = repository.run(&[command, &[flag]].concat());
            assert_eq!(run.code, Some(64), "{command:?} {flag}: {}", run.err);
        }
    }
}

#[test]
fn changes_are_told_only_when_asked() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    assert_eq!(repository.run(&["plan"]).code, Some(0));
    let run = repository.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(run.code, Some(2));
    assert!(
        run.out
            .ends_with("Plan: 1 to create, 0 to update, 0 to archive, 0 to unarchive.\n"),
        "{}",
        run.out
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let run = repository.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(
        (run.code, run.out.as_str(), run.err.as_str()),
        (Some(0), "No changes.\n", "")
    );
}

#[test]
fn nothing_is_applied_without_approval() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    for arguments in [["apply"].as_slice(), &["apply", "--json"]] {
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(64), "{}", run.err);
    }
    assert!(repository.run(&["plan"]).out.contains("1 to create"));
}

#[test]
fn invalid_files_stop_everything() {
    let repository = Repository::new();
    repository.write(
        "segments/a.yaml",
        segment("A", "buy").replace("executed: true", "executed: maybe"),
    );
    for arguments in [["validate"].as_slice(), &["plan"], &["apply", "--auto-approve"]] {
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(3), "{}", run.err);
        assert!(run.err.contains("segments/a.yaml:7:17"), "{}", run.err);
    }
    let run = repository.run(&["plan", "--json"]);
    let json = run.json();
    assert_eq!(json["error"]["kind"], "invalid_files");
    assert_eq!(json["error"]["diagnostics"][0]["labels"][0]["line"], 7);
}

#[test]
fn a_conflict_names_both_sides_and_writes_nothing() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let before = repository.read(".segctl/box.json");
    // Nobody knows any more that it was applied, so it is somebody else's.
    fs::remove_file(repository.path().join(".segctl/dev/ledger.json")).unwrap();
    repository.write("segments/a.yaml", segment("B", "buy"));
    for arguments in [["plan"].as_slice(), &["apply", "--auto-approve"]] {
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(4), "{}", run.err);
        for said in [
            "`B`",
            "`A`",
            "segments/a.yaml:1:7",
            "adopt it: add `id: ",
            "Cannot apply: 1 conflict.",
        ] {
            assert!(run.out.contains(said), "{said}: {}", run.out);
        }
    }
    assert_eq!(segments(&repository.read(".segctl/box.json")), segments(&before));
    repository.write("segments/a.yaml", member("C", "Nobody"));
    let run = repository.run(&["plan", "--json"]);
    assert_eq!(
        (run.code, run.json()["conflicts"][0]["kind"].clone()),
        (Some(4), "unknown_reference".into())
    );
}

fn segments(state: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(state).unwrap()["segments"].clone()
}

#[test]
fn a_shown_plan_is_the_plan() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    repository.write("segments/b.yaml", member("B", "A"));
    let json = repository.run(&["plan", "--json"]).out;
    repository.write("plan.json", &json);
    assert_eq!(
        repository.run(&["show", "plan.json"]).out,
        repository.run(&["plan"]).out
    );
    assert_eq!(repository.run(&["show", "plan.json", "--json"]).out, json);
    repository.write(
        "plan.json",
        json.replace("\"format_version\": \"2.0\"", "\"format_version\": \"3.0\""),
    );
    let run = repository.run(&["show", "plan.json"]);
    assert!(run.code == Some(3) && run.err.contains("3.0"), "{}", run.err);
    for text in ["", "{}", "[1]", "not json"] {
        repository.write("plan.json", text);
        assert_eq!(repository.run(&["show", "plan.json"]).code, Some(3));
    }
}

#[test]
fn json_is_one_document() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    assert_eq!(repository.run(&["validate", "--json"]).json()["valid"], true);
    assert_eq!(repository.run(&["plan", "--json"]).json()["summary"]["create"], 1);
    assert_eq!(
        repository.run(&["ledger", "rebuild", "--json"]).json()["segments"],
        json!([])
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let run = repository.run(&["ledger", "forget", "A", "--json"]);
    assert_eq!((run.code, &run.json()["segments"]), (Some(0), &json!([])));
    let run = repository.run(&["ledger", "rebuild", "--json"]);
    assert_eq!(run.json()["segments"][0]["name"], "A");
}

#[test]
fn colour_is_asked_for_or_absent() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    assert!(!repository.run(&["plan"]).out.contains('\u{1b}'));
    assert!(
        repository
            .run_with(&["plan"], &[("CLICOLOR_FORCE", "1")])
            .out
            .contains('\u{1b}')
    );
    let run = repository.run_with(&["plan"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    assert!(!run.out.contains('\u{1b}'));
}

#[test]
fn completions_are_scripts() {
    let repository = Repository::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(repository.run(&["completions", shell]).out.contains("segctl"));
    }
}

#[test]
fn every_flag_has_a_variable() {
    let command = Arguments::command();
    let commands = std::iter::once(&command).chain(command.get_subcommands());
    for command in commands {
        for flag in command
            .get_arguments()
            .filter(|argument| !argument.is_positional())
        {
            let name = flag.get_long().unwrap_or_default();
            if matches!(name, "help" | "version" | "set") {
                continue;
            }
            let variable = flag
                .get_env()
                .map(|variable| variable.to_string_lossy().into_owned());
            assert!(
                variable.is_some_and(|variable| variable.starts_with("SEGCTL_")),
                "--{name} of {}",
                command.get_name()
            );
        }
    }
}

#[test]
fn a_switch_is_on_and_off_by_its_variable() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    for (value, code, is_json) in [
        ("1", 2, true),
        ("true", 2, true),
        ("0", 0, false),
        ("false", 0, false),
        ("maybe", 64, false),
    ] {
        let run = repository.run_with(
            &["plan"],
            &[("SEGCTL_DETAILED_EXITCODE", value), ("SEGCTL_JSON", value)],
        );
        assert_eq!(run.code, Some(code), "{value}: {}", run.err);
        assert_eq!(run.out.starts_with('{'), is_json, "{value}: {}", run.out);
    }
    // Every other one, too.
    let command = Arguments::command();
    let commands = std::iter::once(&command).chain(command.get_subcommands());
    let nested = command.get_subcommands().flat_map(clap::Command::get_subcommands);
    for command in commands.chain(nested) {
        for flag in command.get_arguments() {
            let Some(variable) = flag.get_env().filter(|_| !flag.get_action().takes_values()) else {
                continue;
            };
            let parser = format!("{:?}", flag.get_value_parser());
            assert!(!parser.contains("ValueParser::bool"), "{variable:?}: {parser}");
        }
    }
}

#[test]
fn wrong_usage_is_told_as_json_where_that_is_asked_for() {
    let repository = Repository::new();
    for (arguments, variables) in [
        (["plan", "--nonsense", "--json"].as_slice(), [].as_slice()),
        (&["--json", "drift", "--nonsense"], &[]),
        (&["plan", "--nonsense"], &[("SEGCTL_JSON", "yes")]),
        (&["--json"], &[]),
        (&["ledger", "forget", "--json"], &[]),
    ] {
        let run = repository.run_with(arguments, variables);
        assert_eq!((run.code, run.err.as_str()), (Some(64), ""), "{arguments:?}");
        let error = &run.json()["error"];
        assert_eq!(
            (&error["kind"], &error["exit_code"]),
            (&json!("usage"), &json!(64))
        );
        assert!(!error["message"].as_str().unwrap().contains('\n'), "{error}");
    }
    let run = repository.run(&["plan", "--nonsense", "--json"]);
    assert_eq!(
        run.json()["error"]["message"],
        "unexpected argument '--nonsense' found"
    );
    let run = repository.run(&["apply", "--nonsense", "--json"]);
    let types: Vec<_> = run.events().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types, ["version", "diagnostic", "change_summary"], "{}", run.out);
    for (arguments, variables) in [
        (["plan", "--nonsense"].as_slice(), [].as_slice()),
        (&["plan", "--nonsense"], &[("SEGCTL_JSON", "no")]),
        (&["plan", "--nonsense", "--", "--json"], &[]),
    ] {
        let run = repository.run_with(arguments, variables);
        assert_eq!((run.code, run.out.as_str()), (Some(64), ""), "{arguments:?}");
        assert!(run.err.contains("--nonsense"), "{}", run.err);
    }
}

#[test]
fn a_file_that_is_no_saved_plan_is_named_with_what_apply_takes() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    repository.run(&["plan", "--json-into", "shown.json", "--out", "plan.json"]);
    repository.write("broken.json", "{");
    let plan = repository.read("plan.json");
    repository.write("changed.json", plan.replace("\"A\"", "\"B\""));
    for file in ["shown.json", "broken.json", "changed.json"] {
        let run = repository.run(&["apply", file]);
        assert_eq!(run.code, Some(3), "{}", run.err);
        assert!(
            run.err.starts_with(&format!("error: cannot use `{file}`: ")),
            "{}",
            run.err
        );
        assert!(
            run.err
                .contains("`segctl apply` takes what `segctl plan --out FILE` wrote"),
            "{}",
            run.err
        );
        assert!(!run.err.contains("unknown field"), "{}", run.err);
    }
}
