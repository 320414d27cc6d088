//! segctl.yaml: how segctl finds it, and what it refuses in it.

use super::{CommandResult, Repository, event_segment};
use std::fs;

const SANDBOX: &str =
    "segments: segments/\nworkspaces: {dev: {sandbox: .segctl/box.json}, production: {sandbox: p.json}}\n";

fn repository() -> Repository {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository
}

fn assert_failure(run: &CommandResult, code: i32, parts: &[&str]) {
    assert_eq!(run.code, Some(code), "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

#[test]
fn the_path_of_config_is_explained() {
    let repository = repository();
    let run = repository.run(&["validate", "--config", "."]);
    assert_eq!(
        run.code,
        Some(0),
        "a directory stands for segctl.yaml in it: {}",
        run.stderr
    );
    let run = repository.run(&["validate", "--config", "nope.yaml"]);
    assert_failure(
        &run,
        3,
        &[
            "`nope.yaml` of --config does not exist",
            "relative to the current directory",
        ],
    );
    let run = repository.run(&["validate", "--config", "segctl.yml"]);
    assert_failure(
        &run,
        3,
        &[
            "`segctl.yml` of --config does not exist",
            "did you mean --config",
            "segctl.yaml?",
        ],
    );
    let run = repository.run(&["validate", "--config", "segments"]);
    assert_failure(&run, 3, &["no segctl.yaml in the directory `segments`"]);
    for name in ["segctl.yml", "segctl.json", ".segctl.yaml"] {
        let other = Repository {
            directory: tempfile::tempdir().unwrap(),
        };
        other.write(name, SANDBOX);
        other.write("below/x", "");
        let help = format!("{name} to segctl.yaml");
        assert_failure(
            &other.run(&["validate"]),
            3,
            &["no segctl.yaml found", "rename", &help],
        );
        assert_failure(
            &other.run(&["validate", "--config", "."]),
            3,
            &["no segctl.yaml in", "rename", &help],
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_removed_current_directory_is_named() {
    let repository = repository();
    let config = repository.path().join("segctl.yaml");
    let run = |arguments: &[&str]| {
        let gone = repository.path().join("gone");
        fs::create_dir(&gone).unwrap();
        let script = "cd \"$1\" && rmdir \"$1\" && shift && exec \"$@\"";
        let output = std::process::Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&gone)
            .arg(env!("CARGO_BIN_EXE_segctl"))
            .args(arguments)
            .env_clear()
            .output()
            .unwrap();
        CommandResult::from_output(&output)
    };
    assert_failure(
        &run(&["validate"]),
        1,
        &[
            "the current directory does not exist any more",
            "--config with an absolute path",
        ],
    );
    assert_failure(
        &run(&["validate", "--config", "segctl.yaml"]),
        1,
        &["the current directory does not exist"],
    );
    let valid = run(&["validate", "--config", config.to_str().unwrap()]);
    assert_eq!(valid.code, Some(0), "{}", valid.stderr);
}

#[test]
fn a_misspelled_workspace_gets_a_suggestion() {
    let repository = repository();
    repository.write("segctl.yaml", SANDBOX);
    let run = repository.run(&["plan", "-w", "prodution"]);
    assert_failure(
        &run,
        64,
        &["unknown workspace `prodution`", "did you mean `production`?"],
    );
    let run = repository.run(&["plan", "-w", "x"]);
    assert_failure(&run, 64, &["workspaces in segctl.yaml: `dev`, `production`"]);
    let text = event_segment("A", "buy") + "workspaces: [Production]\n";
    repository.write("segments/a.yaml", text);
    assert_failure(
        &repository.run(&["validate"]),
        3,
        &["SEG062", "did you mean `production`?"],
    );
}

#[test]
fn validate_refuses_what_plan_refuses_with_its_place() {
    for (fields, line, part) in [
        (
            "endpoint: https://me:hunter2@api.example",
            6,
            "a user name or a password",
        ),
        (
            "endpoint: http://me:hunter2@127.0.0.1:1",
            6,
            "a user name or a password",
        ),
        (
            "endpoint: \"https://api.example/?a=b\"",
            6,
            "a query or a fragment",
        ),
        ("endpoint: https://api.example:99999", 6, "not a valid URL"),
        ("endpoint: ${ENDPOINT}", 6, "contains a variable"),
        ("data_center: 1", 6, "write `data_center: \"01\"`"),
        (
            "data_center: \"01\"\n    rate_limits: {get: [300 an hour]}",
            7,
            "write `300/1h`",
        ),
    ] {
        let repository = repository();
        let start = "segments: segments/\nworkspaces:\n  p:\n    workspace_id: w\n    api_key: ${K}\n";
        repository.write("segctl.yaml", format!("{start}    {fields}\n"));
        let validated = repository.run(&["validate"]);
        let planned = repository.run_with_env(&["plan"], &[("K", "x")]);
        assert_eq!(validated.stderr, planned.stderr);
        assert_failure(&validated, 3, &[part, &format!("segctl.yaml:{line}:")]);
        assert!(!validated.stderr.contains("hunter2"), "{}", validated.stderr);
    }
}

#[test]
fn the_settings_file_declares_no_segment() {
    for patterns in [".", "\"*.yaml\"", "\"**/*.yaml\""] {
        let repository = Repository::new();
        repository.write(
            "segctl.yaml",
            format!("segments: {patterns}\nworkspaces: {{dev: {{sandbox: .segctl/box.json}}}}\n"),
        );
        repository.write("a.yaml", event_segment("A", "buy"));
        let run = repository.run(&["validate"]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{patterns}");
        assert_eq!(run.stdout, "Valid: 1 segment in 1 file.\n");
    }
}

#[test]
fn a_file_with_two_paths_declares_one_segment() {
    let repository = repository();
    repository.write(
        "segctl.yaml",
        "segments: [segments/, segments/../segments, ./segments/a.yaml]\nworkspaces: {dev: {sandbox: .segctl/box.json}}\n",
    );
    let run = repository.run(&["validate"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("a.yaml", repository.path().join("segments/current.yaml")).unwrap();
        let run = repository.run(&["validate"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(
            run.stderr.contains("segments/a.yaml") && run.stderr.contains("current.yaml` are one file"),
            "{}",
            run.stderr
        );
    }
}

/// What `plan` cannot use is an error of `validate`, with its place.
#[test]
fn validate_refuses_every_setting_that_plan_refuses() {
    let table = [
        ("rate_limits: {get: 300 an hour}", "7:24", "write `[300/1h]`"),
        ("rate_limits: {get: [300 an hour]}", "7:25", "write `300/1h`"),
        ("rate_limits: {get: [1/40d]}", "7:25", "31 days"),
        ("rate_limits: {get: []}", "7:24", "the list is empty"),
        ("state: s3://", "7:12", "invalid `state` location"),
        ("state: https://bucket/prefix", "7:12", "invalid `state` location"),
        ("state: ~other/state", "7:12", "home"),
        ("publish: {bucket: lists}", "7:23", "invalid `bucket` URL"),
        (
            "publish: {url: \"https://lists.example\"}",
            "7:15",
            "missing field `directory`",
        ),
        (
            "publish: {directory: web, url: \"https://lists.example/?a=b\"}",
            "7:36",
            "a query or a fragment",
        ),
        (
            "publish: {directory: web, url: lists.example}",
            "7:36",
            "is not a valid URL",
        ),
        (
            "callbacks: {url: \"https://hooks example\", token: \"${T}\"}",
            "7:22",
            "invalid callback URL",
        ),
        (
            "callbacks: {url: \"https://\", token: \"${T}\"}",
            "7:22",
            "invalid callback URL",
        ),
        (
            "callbacks: {url: \"https://hooks.example\", token: \"${T}\", listen: \"8080\"}",
            "7:70",
            "listen",
        ),
        ("guards: {archive: 200%}", "7:23", "from 0% to 100%"),
        ("guards: {members: 3}", "7:23", "a percentage"),
        ("time_zone: Mars/Olympus", "7:16", "unknown time zone"),
        ("manages: [\"\"]", "7:15", "empty"),
        ("api_behavior: {list_shows: some}", "7:32", "list_shows"),
        (
            "db_name: \"shop \"",
            "7:14",
            "`db_name` begins or ends with a space",
        ),
        ("db_name: \"shop\\n\"", "7:14", "`db_name` contains a line break"),
        #[cfg(not(feature = "object-store"))]
        ("state: s3://bucket/prefix", "7:12", "built without object stores"),
        #[cfg(not(feature = "object-store"))]
        (
            "publish: {bucket: \"s3://bucket\"}",
            "7:23",
            "built without object stores",
        ),
    ];
    let repository = repository();
    let check = |settings: &str, place: &str, expected: &str| {
        repository.write("segctl.yaml", settings);
        for command in ["validate", "plan"] {
            let run = repository.run_with_env(&[command], &[("KEY", "k"), ("T", "t")]);
            assert_eq!(run.code, Some(3), "{command} {settings} {}", run.stderr);
            for part in [&format!("segctl.yaml:{place}"), expected] {
                assert!(
                    run.stderr.contains(part),
                    "{command} {settings} {part} {}",
                    run.stderr
                );
            }
        }
    };
    let workspace = "segments: segments/\nworkspaces:\n  shop:\n    endpoint: http://127.0.0.1:9\n";
    for (setting, place, expected) in table {
        let settings = format!("{workspace}    workspace_id: w\n    api_key: ${{KEY}}\n    {setting}\n");
        check(&settings, place, expected);
    }
    for (id, expected) in [
        ("\"a:b\"", "`workspace_id` contains a colon"),
        ("\" a\"", "`workspace_id` begins or ends with a space"),
        (
            "\"a\\tb\"",
            "`workspace_id` contains a line break or another control character",
        ),
    ] {
        let settings = format!("{workspace}    workspace_id: {id}\n    api_key: ${{KEY}}\n");
        check(&settings, "5:19", expected);
    }
}
