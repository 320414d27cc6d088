//! Runs that are killed: at every call, before it is sent on and after it was answered, and at every change of the ledger
//! and its journal, before, after and in the middle of it, the process ends without a word. The next run has to converge,
//! and to know what the killed one did for its own.

use super::proxy::{PausePoint, ProxiedSandbox};
use super::{event_segment, referencing_segment};
use std::collections::BTreeSet;

#[cfg(target_os = "linux")]
use {
    std::path::{Path, PathBuf},
    std::process::{Command, ExitStatus, Stdio},
    std::thread,
};

/// A plan with every kind of step: three that exchange their definitions, one that is put away, one that is taken out and
/// changed, one that is renamed, and two that are new.
fn prepare_changes(wired: &ProxiedSandbox) {
    let repository = &wired.repository;
    for (name, event) in [
        ("A", "a"),
        ("B", "b"),
        ("C", "c"),
        ("Gone", "gone"),
        ("Back", "back"),
        ("Old", "old"),
    ] {
        repository.write(&format!("segments/{name}.yaml"), event_segment(name, event));
    }
    assert_eq!(wired.apply().code, Some(0));
    repository.write(
        "segments/Back.yaml",
        format!("lifecycle: archived\n{}", event_segment("Back", "back")),
    );
    assert_eq!(wired.apply().code, Some(0));
    repository.write("segments/A.yaml", event_segment("A", "b"));
    repository.write("segments/B.yaml", event_segment("B", "c"));
    repository.write("segments/C.yaml", event_segment("C", "a"));
    std::fs::remove_file(repository.path().join("segments/Gone.yaml")).unwrap();
    repository.write("segments/Back.yaml", event_segment("Back", "back again"));
    repository.write(
        "segments/Old.yaml",
        format!("previous_names: [Old]\n{}", event_segment("New", "old")),
    );
    repository.write("segments/Fresh.yaml", event_segment("Fresh", "fresh"));
    repository.write("segments/Member.yaml", referencing_segment("Member", "Fresh"));
}

/// The next run converges, and everything is known for what it is.
fn assert_converges(wired: &ProxiedSandbox, what: &str) {
    let run = wired.apply();
    assert_eq!(run.code, Some(0), "{what}: {}{}", run.stdout, run.stderr);
    for command in [["plan", "--detailed-exitcode"], ["drift", "--detailed-exitcode"]] {
        let run = wired.repository.run(&command);
        assert_eq!(run.code, Some(0), "{what}: {}{}", run.stdout, run.stderr);
    }
    let state = wired.get_control_endpoint("state");
    let segments = state["segments"].as_object().unwrap();
    let names: BTreeSet<&str> = segments
        .values()
        .filter_map(|made| made["name"].as_str())
        .collect();
    assert_eq!(segments.len(), 8, "{what}: {state:#}");
    assert_eq!(
        names,
        BTreeSet::from(["A", "B", "C", "Back", "Fresh", "Gone", "Member", "New"]),
        "{what}"
    );
}

#[test]
fn the_next_run_converges_after_a_kill_at_any_request() {
    for moment in [PausePoint::Before, PausePoint::After] {
        for call in 1.. {
            let wired = ProxiedSandbox::new();
            prepare_changes(&wired);
            let what = format!("killed at call {call}, {moment:?}");
            let is_killed = wired.apply_and_kill_at(call, moment);
            assert_converges(&wired, &what);
            if !is_killed {
                assert!(call > 18, "only {} calls", call - 1);
                break;
            }
        }
    }
}

/// The library that ends the process at a change of the ledger's files, made by the C compiler that the build takes, too.
#[cfg(target_os = "linux")]
fn build_kill_library() -> PathBuf {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("killer.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let made = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/killer.c"))
        .status();
    assert!(
        made.as_ref().is_ok_and(ExitStatus::success),
        "{} cannot compile tests/cli/killer.c: {made:?}",
        compiler.display()
    );
    library
}

/// Applies, and kills the run at change number `number` of the ledger's files; whether it came to that.
#[cfg(target_os = "linux")]
fn apply_and_kill_at_change(wired: &ProxiedSandbox, killer: &Path, number: usize) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    // As the system names it, whatever links lead there.
    let repository = wired.repository.path().canonicalize().unwrap();
    let ended = wired
        .repository
        .command(&["apply", "--auto-approve"])
        .env("LD_PRELOAD", killer)
        .env("KILL_BELOW", repository.join(".segctl/shop"))
        .env("KILL_AT", number.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(ended.success() || ended.signal() == Some(9), "{number}: {ended}");
    !ended.success()
}

#[cfg(target_os = "linux")]
#[test]
fn the_next_run_converges_after_a_kill_at_any_state_change() {
    let killer = build_kill_library();
    // Two at a time, each every other change, until a run ends before it comes to its change.
    let kills = &|first: usize| {
        let is_killed = |number: &usize| {
            let wired = ProxiedSandbox::new();
            prepare_changes(&wired);
            let is_killed = apply_and_kill_at_change(&wired, &killer, *number);
            assert_converges(&wired, &format!("killed at change {number} of the ledger"));
            is_killed
        };
        (first..).step_by(2).take_while(is_killed).count()
    };
    let kills: usize = thread::scope(|scope| {
        let both = [1, 2].map(|first| scope.spawn(move || kills(first)));
        both.map(|half| half.join().unwrap()).iter().sum()
    });
    // Four of them for an intent and for an outcome of each of the nine writes at least.
    assert!(kills >= 72, "only {kills} changes");
}
