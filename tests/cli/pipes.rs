//! Readers that go away: that is their business, and the exit code is that of the run.

use super::service::Faulty;
use super::{Repository, segment};
use std::process::Stdio;

/// The exit code of a command of which nobody reads a word.
fn unread(repository: &Repository, arguments: &[&str], variables: &[(&str, &str)]) -> Option<i32> {
    let mut child = repository
        .command(arguments)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap().code()
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    for (arguments, code) in [
        (["plan"].as_slice(), 0),
        (&["plan", "--json"], 0),
        (&["plan", "--detailed-exitcode"], 2),
        (&["schema", "segment"], 0),
        (&["completions", "bash"], 0),
        (&["apply", "--json"], 64),
    ] {
        for variables in [[].as_slice(), &[("SEGCTL_LOG", "trace")]] {
            assert_eq!(
                unread(&repository, arguments, variables),
                Some(code),
                "{arguments:?}"
            );
        }
    }
}

#[test]
fn a_run_goes_on_without_a_reader() {
    let apply: [&[&str]; 2] = [
        &["apply", "--auto-approve", "--parallelism", "1"],
        &["apply", "--auto-approve", "--parallelism", "1", "--json"],
    ];
    for arguments in apply {
        let faulty = Faulty::new(
            r#"[{"on": {"method": "POST"}, "times": 1, "fault": {"status": {"code": 400, "when": "before"}}}]"#,
        );
        let repository = &faulty.repository;
        for name in ["A", "B", "C"] {
            repository.write(&format!("segments/{name}.yaml"), segment(name, name));
        }
        assert_eq!(unread(repository, arguments, &[]), Some(8));
        let plan = repository.run(&["plan"]);
        assert!(plan.out.contains("Plan: 1 to create"), "{}", plan.out);
        assert_eq!(unread(repository, arguments, &[]), Some(0));
        assert_eq!(repository.run(&["plan"]).out, "No changes.\n");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn events_that_could_not_be_written_are_told_after_the_run_went_on() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = repository
        .command(&["apply", "--auto-approve", "--json"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot write to standard output"), "{said}");
    assert_eq!(repository.run(&["plan"]).out, "No changes.\n");
}
