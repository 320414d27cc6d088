//! Runs that are killed at every request and at every change of the state and journal files: before, during and after it.
//! The next run has to converge, and to treat the segments of the killed run as managed.

use super::proxy::{PausePoint, ProxiedSandbox};
use super::{event_segment, referencing_segment};
use std::collections::BTreeSet;

#[cfg(target_os = "linux")]
use {
    std::path::{Path, PathBuf},
    std::process::{Command, ExitStatus, Stdio},
    std::thread,
};

/// Declares changes that need every kind of step: three updates that exchange definitions, an archive, an unarchive with
/// an update, a rename, and two creates.
fn prepare_changes(sandbox: &ProxiedSandbox) {
    let repository = &sandbox.repository;
    for (name, event) in [
        ("A", "a"),
        ("B", "b"),
        ("C", "c"),
        ("Removed", "removed"),
        ("Archived", "archived"),
        ("Old", "old"),
    ] {
        repository.write(&format!("segments/{name}.yaml"), event_segment(name, event));
    }
    assert_eq!(sandbox.apply().code, Some(0));
    repository.write(
        "segments/Archived.yaml",
        format!("lifecycle: archived\n{}", event_segment("Archived", "archived")),
    );
    assert_eq!(sandbox.apply().code, Some(0));
    repository.write("segments/A.yaml", event_segment("A", "b"));
    repository.write("segments/B.yaml", event_segment("B", "c"));
    repository.write("segments/C.yaml", event_segment("C", "a"));
    std::fs::remove_file(repository.path().join("segments/Removed.yaml")).unwrap();
    repository.write("segments/Archived.yaml", event_segment("Archived", "unarchived"));
    repository.write(
        "segments/Old.yaml",
        format!("previous_names: [Old]\n{}", event_segment("New", "old")),
    );
    repository.write("segments/Fresh.yaml", event_segment("Fresh", "fresh"));
    repository.write("segments/Member.yaml", referencing_segment("Member", "Fresh"));
}

/// Checks that the next run converges, and that no segment is missing or duplicated.
fn assert_converges(sandbox: &ProxiedSandbox, context: &str) {
    let run = sandbox.apply();
    assert_eq!(run.code, Some(0), "{context}: {}{}", run.stdout, run.stderr);
    for command in [["plan", "--detailed-exitcode"], ["drift", "--detailed-exitcode"]] {
        let run = sandbox.repository.run(&command);
        assert_eq!(run.code, Some(0), "{context}: {}{}", run.stdout, run.stderr);
    }
    let state = sandbox.get_control_endpoint("state");
    let segments = state["segments"].as_object().unwrap();
    let names: BTreeSet<&str> = segments
        .values()
        .filter_map(|segment| segment["name"].as_str())
        .collect();
    assert_eq!(segments.len(), 8, "{context}: {state:#}");
    assert_eq!(
        names,
        BTreeSet::from(["A", "B", "C", "Archived", "Fresh", "Removed", "Member", "New"]),
        "{context}"
    );
}

#[test]
fn the_next_run_converges_after_a_kill_at_any_request() {
    for pause_point in [PausePoint::Before, PausePoint::After] {
        for number in 1.. {
            let sandbox = ProxiedSandbox::new();
            prepare_changes(&sandbox);
            let context = format!("killed at request {number}, {pause_point:?}");
            let is_killed = sandbox.apply_and_kill_at(number, pause_point);
            assert_converges(&sandbox, &context);
            if !is_killed {
                assert!(number > 18, "only {} requests", number - 1);
                break;
            }
        }
    }
}

/// Builds the library that kills the process at a change of the state files, with the C compiler of the build.
#[cfg(target_os = "linux")]
fn build_kill_library() -> PathBuf {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("killer.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/killer.c"))
        .status();
    assert!(
        status.as_ref().is_ok_and(ExitStatus::success),
        "{} cannot compile tests/cli/killer.c: {status:?}",
        compiler.display()
    );
    library
}

/// Applies, and kills the run at change `number` of the state files. False if the run ended before that change.
#[cfg(target_os = "linux")]
fn apply_and_kill_at_change(sandbox: &ProxiedSandbox, killer: &Path, number: usize) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    // killer.c compares with resolved paths.
    let repository = sandbox.repository.path().canonicalize().unwrap();
    let status = sandbox
        .repository
        .command(&["apply", "--auto-approve"])
        .env("LD_PRELOAD", killer)
        .env("KILL_BELOW", repository.join(".segctl/shop"))
        .env("KILL_AT", number.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(
        status.success() || status.signal() == Some(9),
        "{number}: {status}"
    );
    !status.success()
}

#[cfg(target_os = "linux")]
#[test]
fn the_next_run_converges_after_a_kill_at_any_state_change() {
    let killer = build_kill_library();
    // Two threads, one for the odd and one for the even changes, until a run ends before its change.
    let kills = &|first: usize| {
        let is_killed = |number: &usize| {
            let sandbox = ProxiedSandbox::new();
            prepare_changes(&sandbox);
            let is_killed = apply_and_kill_at_change(&sandbox, &killer, *number);
            assert_converges(&sandbox, &format!("killed at change {number} of the state files"));
            is_killed
        };
        (first..).step_by(2).take_while(is_killed).count()
    };
    let kills: usize = thread::scope(|scope| {
        let threads = [1, 2].map(|first| scope.spawn(move || kills(first)));
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    // Each of the nine writes records an intent and an outcome, with at least four changes each.
    assert!(kills >= 72, "only {kills} changes");
}
