//! Exit codes and output streams.

use super::{Repository, event_segment, referencing_segment};
use clap::CommandFactory;
use segctl::cli::arguments::Arguments;
use serde_json::json;
use std::fs;

#[test]
fn usage_errors_exit_with_64() {
    let repository = Repository::new();
    for arguments in [
        ["plan", "--detailed-exitcode", "--typo"].as_slice(),
        &["aply"],
        &["schema", "nothing"],
        &[],
    ] {
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(64), "{arguments:?}: {}", run.stderr);
    }
    for arguments in [["--help"].as_slice(), &["--version"], &["plan", "--help"]] {
        assert_eq!(repository.run(arguments).code, Some(0));
    }
}

#[test]
fn plan_flags_are_rejected_by_commands_that_do_not_plan() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    for command in [["import"].as_slice(), &["drift"], &["state", "rebuild"]] {
        assert_eq!(repository.run(command).code, Some(0), "{command:?}");
        for flag in [
            "--max-archives=50%",
            "--max-duration=1h",
            "--allow-empty",
            "--allow-missing-segments",
        ] {
            if command == ["drift"] && flag.starts_with("--max-duration") {
                // A drift can wait for rate limits.
                continue;
            }
            let run = repository.run(&[command, &[flag]].concat());
            assert_eq!(run.code, Some(64), "{command:?} {flag}: {}", run.stderr);
        }
    }
}

#[test]
fn exit_code_2_for_changes_needs_detailed_exitcode() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    assert_eq!(repository.run(&["plan"]).code, Some(0));
    let run = repository.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stdout.ends_with("Plan: 1 to create.\n"), "{}", run.stdout);
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let run = repository.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (
            Some(0),
            "Workspace: dev (sandbox .segctl/box.json)\n\nNo changes.\n",
            ""
        )
    );
}

#[test]
fn nothing_is_applied_without_approval() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    for arguments in [["apply"].as_slice(), &["apply", "--json"]] {
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(64), "{}", run.stderr);
    }
    assert!(repository.run(&["plan"]).stdout.contains("1 to create"));
}

#[test]
fn invalid_files_stop_everything() {
    let repository = Repository::new();
    repository.write(
        "segments/a.yaml",
        event_segment("A", "buy").replace("executed: true", "executed: maybe"),
    );
    for arguments in [["validate"].as_slice(), &["plan"], &["apply", "--auto-approve"]] {
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert!(run.stderr.contains("segments/a.yaml:7:17"), "{}", run.stderr);
    }
    let run = repository.run(&["plan", "--json"]);
    let json = run.stdout_json();
    assert_eq!(json["error"]["kind"], "invalid_files");
    assert_eq!(json["error"]["diagnostics"][0]["labels"][0]["line"], 7);
}

#[test]
fn a_conflict_names_both_segments_and_writes_nothing() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let before = repository.read(".segctl/box.json");
    // Without the state, segctl treats `A` as unmanaged.
    fs::remove_file(repository.path().join(".segctl/dev/state.json")).unwrap();
    repository.write("segments/a.yaml", event_segment("B", "buy"));
    for arguments in [["plan"].as_slice(), &["apply", "--auto-approve"]] {
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(4), "{}", run.stderr);
        for expected in [
            "`B`",
            "`A`",
            "segments/a.yaml:1:7",
            "to adopt it: add `id: ",
            "Cannot apply: 1 conflict.",
        ] {
            assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
        }
    }
    assert_eq!(
        segments_of_state(&repository.read(".segctl/box.json")),
        segments_of_state(&before)
    );
    repository.write("segments/a.yaml", referencing_segment("C", "Unknown"));
    let run = repository.run(&["plan", "--json"]);
    assert_eq!(
        (run.code, run.stdout_json()["conflicts"][0]["code"].clone()),
        (Some(4), "unknown_reference".into())
    );
}

fn segments_of_state(state: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(state).unwrap()["segments"].clone()
}

#[test]
fn show_prints_a_saved_plan_like_plan() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write("segments/b.yaml", referencing_segment("B", "A"));
    let json = repository.run(&["plan", "--json"]).stdout;
    repository.write("plan.json", &json);
    assert_eq!(
        repository.run(&["show", "plan.json"]).stdout,
        repository.run(&["plan"]).stdout
    );
    assert_eq!(repository.run(&["show", "plan.json", "--json"]).stdout, json);
    repository.write(
        "plan.json",
        json.replace("\"format_version\": \"1.0\"", "\"format_version\": \"3.0\""),
    );
    let run = repository.run(&["show", "plan.json"]);
    assert!(
        run.code == Some(3) && run.stderr.contains("3.0"),
        "{}",
        run.stderr
    );
    for text in ["", "{}", "[1]", "not json"] {
        repository.write("plan.json", text);
        assert_eq!(repository.run(&["show", "plan.json"]).code, Some(3));
    }
}

#[test]
fn json_output_is_one_document() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    assert_eq!(
        repository.run(&["validate", "--json"]).stdout_json()["valid"],
        true
    );
    assert_eq!(
        repository.run(&["plan", "--json"]).stdout_json()["summary"]["create"],
        1
    );
    assert_eq!(
        repository.run(&["state", "rebuild", "--json"]).stdout_json()["segments"],
        json!([])
    );
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let run = repository.run(&["state", "rm", "A", "--json"]);
    assert_eq!((run.code, &run.stdout_json()["segments"]), (Some(0), &json!([])));
    let run = repository.run(&["state", "rebuild", "--json"]);
    assert_eq!(run.stdout_json()["segments"][0]["name"], "A");
}

#[test]
fn color_follows_no_color_and_clicolor_force() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    assert!(!repository.run(&["plan"]).stdout.contains('\u{1b}'));
    assert!(
        repository
            .run_with_env(&["plan"], &[("CLICOLOR_FORCE", "1")])
            .stdout
            .contains('\u{1b}')
    );
    let run = repository.run_with_env(&["plan"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    assert!(!run.stdout.contains('\u{1b}'));
}

#[test]
fn completions_are_generated_for_each_shell() {
    let repository = Repository::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(repository.run(&["completions", shell]).stdout.contains("segctl"));
    }
}

#[test]
fn every_flag_has_an_environment_variable() {
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
fn boolean_flags_can_be_set_by_environment_variables() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    for (value, code, is_json) in [
        ("1", 2, true),
        ("true", 2, true),
        ("0", 0, false),
        ("false", 0, false),
        ("maybe", 64, false),
    ] {
        let run = repository.run_with_env(
            &["plan"],
            &[("SEGCTL_DETAILED_EXITCODE", value), ("SEGCTL_JSON", value)],
        );
        assert_eq!(run.code, Some(code), "{value}: {}", run.stderr);
        assert_eq!(run.stdout.starts_with('{'), is_json, "{value}: {}", run.stdout);
    }
    // No boolean flag of any command uses the strict bool parser.
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

fn all_variables(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|flag| flag.get_env());
    let own = own.map(|variable| variable.to_string_lossy().into_owned());
    own.chain(command.get_subcommands().flat_map(all_variables))
        .collect()
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let variables = all_variables(&Arguments::command());
    let empty: Vec<(&str, &str)> = variables.iter().map(|variable| (variable.as_str(), "")).collect();
    assert!(empty.len() > 40, "{empty:?}");
    for arguments in [
        ["validate"].as_slice(),
        &["plan", "--out", "plan.json"],
        &["apply", "plan.json"],
        &["apply", "--auto-approve"],
        &["drift"],
        &["state", "list"],
        &["import"],
    ] {
        let run = repository.run_with_env(arguments, &empty);
        assert_eq!(run.code, Some(0), "{arguments:?}: {}{}", run.stdout, run.stderr);
    }
}

#[test]
fn a_usage_error_names_the_variable_that_causes_it() {
    let repository = Repository::new();
    let named = |variable: &str| format!("the environment sets {variable}: unset it, or correct its value");
    for (arguments, variable, value, is_named) in [
        (["apply", "plan.json"].as_slice(), "SEGCTL_TARGET", "Alpha", true),
        (&["apply"], "SEGCTL_LOCK_TIMEOUT", "soon", true),
        (&["plan"], "SEGCTL_REFRESH", "often", true),
        (&["plan"], "SEGCTL_JSON_FILE", "out.json", false),
        (&["plan", "--refresh", "often"], "SEGCTL_REFRESH", "full", false),
        (&["plan", "--refresh=often"], "SEGCTL_REFRESH", "full", false),
        (&["plan", "--lines"], "SEGCTL_TARGET", "Alpha", false),
        (&["state", "rm", "A"], "SEGCTL_LOCK_TIMEOUT", "soon", true),
    ] {
        let run = repository.run_with_env(arguments, &[(variable, value)]);
        assert_eq!(
            run.stderr.contains(&named(variable)),
            is_named,
            "{arguments:?}: {}",
            run.stderr
        );
        if is_named {
            assert_eq!(run.code, Some(64), "{arguments:?}");
        }
    }
    let run = repository.run_with_env(&["plan", "--json"], &[("SEGCTL_REFRESH", "often")]);
    let help = run.stdout_json()["error"]["help"].to_string();
    assert!(help.contains("SEGCTL_REFRESH"), "{help}");
}

#[test]
fn usage_errors_are_json_when_json_is_requested() {
    let repository = Repository::new();
    for (arguments, variables) in [
        (["plan", "--nonsense", "--json"].as_slice(), [].as_slice()),
        (&["--json", "drift", "--nonsense"], &[]),
        (&["plan", "--nonsense"], &[("SEGCTL_JSON", "yes")]),
        (&["--json"], &[]),
        (&["state", "rm", "--json"], &[]),
    ] {
        let run = repository.run_with_env(arguments, variables);
        assert_eq!((run.code, run.stderr.as_str()), (Some(64), ""), "{arguments:?}");
        let error = &run.stdout_json()["error"];
        assert_eq!(
            (&error["kind"], &error["exit_code"]),
            (&json!("usage"), &json!(64))
        );
        assert!(!error["message"].as_str().unwrap().contains('\n'), "{error}");
    }
    let run = repository.run(&["plan", "--nonsense", "--json"]);
    assert_eq!(
        run.stdout_json()["error"]["message"],
        "unexpected argument '--nonsense' found"
    );
    let run = repository.run(&["apply", "--nonsense", "--json"]);
    let types: Vec<_> = run
        .stdout_events()
        .iter()
        .map(|event| event["type"].clone())
        .collect();
    assert_eq!(
        types,
        ["version", "diagnostic", "change_summary"],
        "{}",
        run.stdout
    );
    for (arguments, variables) in [
        (["plan", "--nonsense"].as_slice(), [].as_slice()),
        (&["plan", "--nonsense"], &[("SEGCTL_JSON", "no")]),
        (&["plan", "--nonsense", "--", "--json"], &[]),
    ] {
        let run = repository.run_with_env(arguments, variables);
        assert_eq!((run.code, run.stdout.as_str()), (Some(64), ""), "{arguments:?}");
        assert!(run.stderr.contains("--nonsense"), "{}", run.stderr);
    }
}

#[test]
fn apply_rejects_a_file_that_is_not_a_saved_plan() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.run(&["plan", "--json-file", "shown.json", "--out", "plan.json"]);
    repository.write("broken.json", "{");
    let plan = repository.read("plan.json");
    repository.write("changed.json", plan.replace("\"A\"", "\"B\""));
    for file in ["shown.json", "broken.json", "changed.json"] {
        let run = repository.run(&["apply", file]);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert!(
            run.stderr.starts_with(&format!("error: cannot use `{file}`: ")),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr
                .contains("create a plan for `segctl apply` with `segctl plan --out FILE`"),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("unknown field"), "{}", run.stderr);
    }
}
