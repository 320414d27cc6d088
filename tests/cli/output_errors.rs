//! Output that cannot be written. A closed pipe does not change the exit code, and other errors do.

use super::api_faults::FaultySandbox;
use super::{Repository, event_segment};
use std::process::Stdio;

fn exit_code_with_closed_pipes(
    repository: &Repository,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Option<i32> {
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
fn a_closed_pipe_does_not_change_the_exit_code() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
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
                exit_code_with_closed_pipes(&repository, arguments, variables),
                Some(code),
                "{arguments:?}"
            );
        }
    }
}

#[test]
fn apply_continues_after_its_output_is_closed() {
    let apply: [&[&str]; 2] = [
        &["apply", "--auto-approve", "--parallelism", "1"],
        &["apply", "--auto-approve", "--parallelism", "1", "--json"],
    ];
    for arguments in apply {
        let faulty = FaultySandbox::new(
            r#"[{"on": {"method": "POST"}, "times": 1, "fault": {"status": {"code": 400, "when": "before"}}}]"#,
        );
        let repository = &faulty.repository;
        for name in ["A", "B", "C"] {
            repository.write(&format!("segments/{name}.yaml"), event_segment(name, name));
        }
        assert_eq!(exit_code_with_closed_pipes(repository, arguments, &[]), Some(8));
        let plan = repository.run(&["plan"]);
        assert!(plan.stdout.contains("Plan: 1 to create"), "{}", plan.stdout);
        assert_eq!(exit_code_with_closed_pipes(repository, arguments, &[]), Some(0));
        assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn failed_event_output_is_reported_after_the_run() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = repository
        .command(&["apply", "--auto-approve", "--json"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot write to standard output"), "{stderr}");
    assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n");
}

/// The exit code and standard error of a command that writes to a full disk.
#[cfg(target_os = "linux")]
fn run_with_full_stdout(repository: &Repository, arguments: &[&str]) -> (Option<i32>, String) {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = repository.command(arguments).stdout(full).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn failed_output_exits_with_an_error() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let commands: [&[&str]; 8] = [
        &["--help"],
        &["completions", "bash"],
        &["schema", "segment"],
        &["plan"],
        &["plan", "--json"],
        &["plan", "--detailed-exitcode"],
        &["apply", "--auto-approve", "--report-file", "report.json"],
        &["state", "list"],
    ];
    for arguments in commands {
        let (code, stderr) = run_with_full_stdout(&repository, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        if arguments != ["--help"] {
            assert_eq!(
                stderr, "error: cannot write to standard output: No space left on device (os error 28)\n",
                "{arguments:?}"
            );
        }
    }
    // The run continued, and its report has the exit code of the process.
    assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n");
    let report: serde_json::Value = serde_json::from_str(&repository.read("report.json")).unwrap();
    assert_eq!(
        (&report["exit_code"], &report["counts"]["applied"]),
        (&1.into(), &1.into())
    );
}

#[cfg(target_os = "linux")]
#[test]
fn run_failures_take_precedence_over_output_errors() {
    let faulty = FaultySandbox::new(
        r#"[{"on": {"method": "POST"}, "times": 1, "fault": {"status": {"code": 400, "when": "before"}}}]"#,
    );
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let (code, stderr) = run_with_full_stdout(repository, &["apply", "--auto-approve"]);
    assert_eq!(code, Some(8), "{stderr}");
    assert!(stderr.contains("cannot write to standard output"), "{stderr}");
    let (code, _) = run_with_full_stdout(repository, &["apply", "--json"]);
    assert_eq!(code, Some(64));
}

#[cfg(unix)]
#[test]
fn a_file_size_limit_fails_the_run_without_killing_the_process() {
    let faulty = FaultySandbox::new("[]");
    let repository = &faulty.repository;
    for number in 0..20 {
        let name = format!("S{number:02}");
        // The journal entry of a long definition exceeds the limit.
        let event = name.repeat(if number < 10 { 1 } else { 10_000 });
        repository.write(&format!("segments/{name}.yaml"), event_segment(&name, &event));
    }
    // Some kilobytes: the block size depends on the shell.
    let script = "ulimit -f 16; exec \"$0\" apply --auto-approve --parallelism 1";
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_segctl")])
        .current_dir(repository.path())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(8), "{out}");
    let (_, end) = out.rsplit_once("\nStopped: ").unwrap();
    let (reason, summary) = end.trim_end().rsplit_once('\n').unwrap();
    assert!(reason.contains("File too large"), "{out}");
    let applied: usize = summary
        .strip_prefix("Apply incomplete: ")
        .and_then(|rest| rest.split_once(" applied, "))
        .map(|(applied, _)| applied.parse().unwrap())
        .unwrap();
    assert!((1..20).contains(&applied), "{out}");
    let run = repository.run(&["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert_eq!(repository.run(&["plan"]).plan_text(), "No changes.\n");
}
