//! `validate FILE…` and `--target-file FILE`: files that the command line names, as pre-commit passes them.

use super::{CommandResult, Repository, event_segment};
use std::path::Path;

/// Two sound files, one with an error, a list with an error and its segment, and other files.
fn repository() -> Repository {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write(
        "segments/team/two.yaml",
        [event_segment("B", "visit"), event_segment("C", "open")].join("---\n"),
    );
    repository.write("segments/wrong.yaml", "name: W\nincluded_filter: {}\n");
    repository.write("segments/list.yaml", file_segment("L", "list.csv"));
    repository.write("segments/list.csv", "u1\nu1\nu2\n");
    repository.write("README.md", "# Segments\n");
    repository
}

fn file_segment(name: &str, list: &str) -> String {
    format!(
        "kind: file\nname: {name}\nidentifier: {{attribute: uid, type: string}}\nusers: {{path: {list}}}\n\
         expires_in_days: 30\n"
    )
}

fn run_in(repository: &Repository, directory: &str, arguments: &[&str]) -> CommandResult {
    let mut command = repository.command(arguments);
    let output = command.current_dir(repository.path().join(directory)).output();
    CommandResult::from_output(&output.unwrap())
}

#[test]
fn only_the_given_files_are_judged() {
    let repository = repository();
    assert_eq!(repository.run(&["validate"]).code, Some(3));
    let table: [(&[&str], i32, &str); 10] = [
        (&["segments/a.yaml"], 0, "Valid: 1 segment in 1 of 4 files."),
        (
            &["segments/a.yaml", "segments/team/two.yaml"],
            0,
            "Valid: 3 segments in 2 of 4 files.",
        ),
        (&["segments/team"], 0, "Valid: 2 segments in 1 of 4 files."),
        (&["segctl.yaml"], 0, "Valid: segctl.yaml."),
        (
            &["segctl.yaml", "segments/a.yaml"],
            0,
            "Valid: segctl.yaml, 1 segment in 1 of 4 files.",
        ),
        (&["segments/wrong.yaml"], 3, "segments/wrong.yaml:2:1"),
        (
            &["segments/a.yaml", "segments/wrong.yaml"],
            3,
            "segments/wrong.yaml:2:1",
        ),
        // The list of a given segment is a part of it.
        (&["segments/list.yaml"], 3, "segments/list.csv:2"),
        (&["segments/list.csv"], 3, "segments/list.csv:2"),
        (&["."], 3, "segments/wrong.yaml:2:1"),
    ];
    for (files, code, expected) in table {
        let run = repository.run(&[&["validate"], files].concat());
        assert_eq!(run.code, Some(code), "{files:?} {}", run.stderr);
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(text.contains(expected), "{files:?} {text}");
    }
    let run = repository.run(&["validate", "segments/a.yaml", "--json"]);
    let document = run.stdout_json();
    assert_eq!(document["valid"], true);
    assert_eq!(
        (&document["segments"], &document["files"]),
        (&1.into(), &1.into())
    );
    assert_eq!(document["diagnostics"].as_array().unwrap().len(), 0);
}

#[test]
fn a_problem_between_two_files_is_reported_for_either() {
    let repository = repository();
    repository.write("segments/other.yaml", event_segment("A", "leave"));
    for file in ["segments/a.yaml", "segments/other.yaml"] {
        let run = repository.run(&["validate", file]);
        assert_eq!(run.code, Some(3), "{file} {}", run.stderr);
        assert!(run.stderr.contains("segments/a.yaml:1"), "{file} {}", run.stderr);
        assert!(run.stderr.contains("1 error in 1 file"), "{file} {}", run.stderr);
    }
    assert_eq!(
        repository.run(&["validate", "segments/team/two.yaml"]).code,
        Some(0)
    );
}

#[test]
fn every_path_to_a_file_names_it() {
    let repository = repository();
    let absolute = repository.path().join("segments/wrong.yaml");
    let absolute = absolute.to_str().unwrap();
    for (directory, file) in [
        (".", "./segments/wrong.yaml"),
        (".", "segments/team/../wrong.yaml"),
        ("segments", "wrong.yaml"),
        ("segments/team", "../wrong.yaml"),
        ("segments", absolute),
    ] {
        let run = run_in(&repository, directory, &["validate", file]);
        assert_eq!(run.code, Some(3), "{directory} {file} {}", run.stderr);
        assert!(run.stderr.contains("wrong.yaml:2:1"), "{file} {}", run.stderr);
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(absolute, repository.path().join("link")).unwrap();
        let run = repository.run(&["validate", "link"]);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        let run = repository.run(&["validate", "segments/a.yaml", "link"]);
        assert!(run.stderr.contains("segments/wrong.yaml:2:1"), "{}", run.stderr);
    }
}

#[test]
fn files_without_a_tree_are_judged() {
    let repository = repository();
    repository.write("segments/latin.yaml", b"name: caf\xe9\n");
    let run = repository.run(&["validate", "segments/latin.yaml"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("not UTF-8"), "{}", run.stderr);
    assert_eq!(repository.run(&["validate", "segments/a.yaml"]).code, Some(0));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("gone", repository.path().join("segments/dangling.yaml")).unwrap();
        let run = repository.run(&["validate", "segments/dangling.yaml"]);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
    }
}

#[test]
fn a_file_outside_the_configuration_is_a_usage_error_that_names_it() {
    let repository = repository();
    repository.write("segments/unused.csv", "u1\n");
    for (files, problem) in [
        (&["README.md"][..], "`README.md` is not part of the configuration"),
        (&["segments/a.yaml", "gone.yaml"], "`gone.yaml` does not exist"),
        (
            &["segments/unused.csv", "README.md"],
            "`segments/unused.csv` is not part of the configuration; `README.md` is not part",
        ),
        (&[".git"], "`.git` does not exist"),
    ] {
        let run = repository.run(&[&["validate"], files].concat());
        assert_eq!(run.code, Some(64), "{files:?} {}", run.stderr);
        assert!(run.stderr.contains(problem), "{files:?} {}", run.stderr);
        assert!(
            run.stderr.contains("limit the hook to these files"),
            "{}",
            run.stderr
        );
    }
    let run = repository.run(&["validate", "README.md", "--json"]);
    assert_eq!(
        (run.code, &run.stdout_json()["error"]["kind"]),
        (Some(64), &"usage".into())
    );
}

/// The segment that uses a list may be the one with the error.
#[test]
fn an_error_in_a_given_file_comes_before_an_unknown_file() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write(
        "segments/f.yaml",
        file_segment("F", "f.csv").replace("name: F", "name: [F"),
    );
    repository.write("segments/f.csv", "u1\n");
    let run = repository.run(&["validate", "segments/f.yaml", "segments/f.csv"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    for part in [
        "error[SEG003]",
        "note: `segments/f.csv` is not part of the configuration",
    ] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
    let run = repository.run(&["validate", "segments/f.csv"]);
    assert_eq!(run.code, Some(64), "{}", run.stderr);
    assert!(
        run.stderr.contains("a segment file with errors may use the file"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_list_is_fixed_only_if_it_is_given() {
    let repository = repository();
    repository.write("segments/other.yaml", file_segment("O", "other.csv"));
    repository.write("segments/other.csv", "u1\n u2\n");
    let run = repository.run(&["validate", "--fix", "segments/list.yaml", "segments/other.csv"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert_eq!(repository.read("segments/list.csv"), "u1\nu1\nu2\n");
    assert_eq!(repository.read("segments/other.csv"), "u1\nu2\n");
    let run = repository.run(&["validate", "--fix", "segments/list.csv"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(repository.read("segments/list.csv"), "u1\nu2\n");
    assert!(
        run.stdout.contains("Valid: 1 member list of 1 segment."),
        "{}",
        run.stdout
    );
}

#[test]
fn a_wrong_pattern_is_a_problem_of_segctl_yaml() {
    let repository = repository();
    let settings = repository.read("segctl.yaml");
    repository.write(
        "segctl.yaml",
        settings.replace("segments: segments/", "segments: [segments/, nowhere/]"),
    );
    let run = repository.run(&["validate", "segctl.yaml"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("`nowhere/` does not exist"), "{}", run.stderr);
    assert_eq!(repository.run(&["validate", "segments/a.yaml"]).code, Some(0));
}

/// The names of the planned segments.
fn planned(repository: &Repository, directory: &str, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["plan", "--json"], arguments].concat();
    let run = run_in(repository, directory, &arguments);
    assert_eq!(run.code, Some(0), "{arguments:?} {}{}", run.stdout, run.stderr);
    let document = run.stdout_json();
    let steps = document["steps"].as_array().unwrap().iter();
    let mut names: Vec<String> = steps
        .map(|step| step["segment"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn valid_repository() -> Repository {
    let repository = Repository::new();
    let settings = repository.read("segctl.yaml");
    repository.write(
        "segctl.yaml",
        settings
            .replace("workspaces: {", "workspaces: {other: {sandbox: other.json}, ")
            .replace(
                "rate_limits: {list",
                "publish: {directory: web}, rate_limits: {list",
            ),
    );
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write(
        "segments/two.yaml",
        [
            event_segment("B", "visit"),
            event_segment("C", "open"),
            "workspaces: [other]\n".to_owned() + &event_segment("D", "leave"),
        ]
        .join("---\n"),
    );
    repository.write(
        "segments/other.yaml",
        "workspaces: [other]\n".to_owned() + &event_segment("E", "e"),
    );
    repository.write("lists/list.csv", "u1\nu2\n");
    repository.write("segments/f.yaml", file_segment("F", "../lists/list.csv"));
    repository.write("segments/g.yaml", file_segment("G", "../lists/list.csv"));
    repository
}

#[test]
fn target_file_selects_the_segments_of_the_file() {
    let repository = valid_repository();
    let absolute = repository.path().join("segments/a.yaml");
    let absolute = absolute.to_str().unwrap();
    let table: [(&str, &[&str], &[&str]); 8] = [
        (".", &["--target-file", "segments/a.yaml"], &["A"]),
        (".", &["--target-file", "segments/two.yaml"], &["B", "C"]),
        (
            ".",
            &["--target-file=segments/a.yaml", "--target-file=segments/two.yaml"],
            &["A", "B", "C"],
        ),
        (
            ".",
            &[
                "--target-file=segments/a.yaml",
                "--target-file=segments/other.yaml",
            ],
            &["A"],
        ),
        (
            "segments",
            &["--target-file", "two.yaml", "--exclude", "C", "--target", "A"],
            &["A", "B"],
        ),
        ("lists", &["--target-file", "list.csv"], &["F", "G"]),
        ("lists", &["--target-file", absolute], &["A"]),
        (
            ".",
            &["--workspace=other", "--target-file", "segments/two.yaml"],
            &["B", "C", "D"],
        ),
    ];
    for (directory, arguments, names) in table {
        assert_eq!(planned(&repository, directory, arguments), names, "{arguments:?}");
    }
    let variable = [("SEGCTL_TARGET_FILE", "segments/a.yaml\nsegments/f.yaml")];
    let run = repository.run_with_env(&["plan"], &variable);
    assert!(run.stdout.contains("Plan: 2 to create"), "{}", run.stdout);
}

#[test]
fn target_file_is_as_the_names_of_the_file() {
    let repository = valid_repository();
    let plan = |arguments: &[&str]| {
        let run = repository.run(&[&["plan", "--json"], arguments].concat());
        let mut document = run.stdout_json();
        for key in ["estimate", "freshness"] {
            document.as_object_mut().unwrap().remove(key);
        }
        document
    };
    assert_eq!(
        plan(&["--target-file", "segments/two.yaml"]),
        plan(&["--target", "B", "--target", "C"])
    );
    let saved = repository.run(&["plan", "--target-file", "segments/a.yaml", "--out", "plan.json"]);
    assert_eq!(saved.code, Some(0), "{}", saved.stderr);
    let run = repository.run(&["apply", "plan.json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("Apply complete: 1 applied"), "{}", run.stdout);
    let run = repository.run(&["apply", "--auto-approve", "--target-file", "segments/f.yaml"]);
    assert!(
        run.stdout.contains("Apply complete: 1 applied"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    let run = repository.run(&["drift", "--target-file", "segments/a.yaml"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(Path::new(&repository.path().join("web")).exists());
}

#[test]
fn a_target_file_without_segments_is_refused() {
    let repository = valid_repository();
    for (arguments, problem) in [
        (
            &["--target-file", "segctl.yaml"][..],
            "`segctl.yaml` declares no segment",
        ),
        (&["--target-file", "gone.yaml"], "`gone.yaml` does not exist"),
        (
            &["--target-file", "segments/other.yaml"],
            "no segment of `segments/other.yaml` is for workspace `dev`",
        ),
    ] {
        for command in [
            &["plan"][..],
            &["apply", "--auto-approve"],
            &["plan", "--offline"],
        ] {
            // An offline plan needs a cache.
            repository.run(&["plan"]);
            let run = repository.run(&[command, arguments].concat());
            assert_eq!(run.code, Some(64), "{command:?} {arguments:?} {}", run.stderr);
            assert!(run.stderr.contains(problem), "{command:?} {}", run.stderr);
        }
    }
    repository.run(&["plan", "--out", "plan.json"]);
    let run = repository.run(&["apply", "plan.json", "--target-file", "segments/a.yaml"]);
    assert_eq!(run.code, Some(64), "{}", run.stderr);
}
