//! Runs that are killed: at every call, before it is sent on and after it was answered, and at every change of what is on
//! the disk, the process ends without a word. The next run has to converge, and to know what the killed one did for its own.

use super::wire::{Moment, Wired};
use super::{member, segment};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

/// A plan with every kind of step: three that exchange their definitions, one that is put away, one that is taken out and
/// changed, one that is renamed, and two that are new.
fn change(wired: &Wired) {
    let repository = &wired.repository;
    for (name, event) in [
        ("A", "a"),
        ("B", "b"),
        ("C", "c"),
        ("Gone", "gone"),
        ("Back", "back"),
        ("Old", "old"),
    ] {
        repository.write(&format!("segments/{name}.yaml"), segment(name, event));
    }
    assert_eq!(wired.apply().code, Some(0));
    repository.write(
        "segments/Back.yaml",
        format!("lifecycle: archived\n{}", segment("Back", "back")),
    );
    assert_eq!(wired.apply().code, Some(0));
    repository.write("segments/A.yaml", segment("A", "b"));
    repository.write("segments/B.yaml", segment("B", "c"));
    repository.write("segments/C.yaml", segment("C", "a"));
    std::fs::remove_file(repository.path().join("segments/Gone.yaml")).unwrap();
    repository.write("segments/Back.yaml", segment("Back", "back again"));
    repository.write(
        "segments/Old.yaml",
        format!("previous_names: [Old]\n{}", segment("New", "old")),
    );
    repository.write("segments/Fresh.yaml", segment("Fresh", "fresh"));
    repository.write("segments/Member.yaml", member("Member", "Fresh"));
}

/// The next run converges, and everything is known for what it is.
fn assert_converges(wired: &Wired, what: &str) {
    let run = wired.apply();
    assert_eq!(run.code, Some(0), "{what}: {}{}", run.out, run.err);
    for command in [["plan", "--detailed-exitcode"], ["drift", "--detailed-exitcode"]] {
        let run = wired.repository.run(&command);
        assert_eq!(run.code, Some(0), "{what}: {}{}", run.out, run.err);
    }
    let state = wired.control("state");
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
fn whenever_a_run_is_killed_the_next_one_converges() {
    for moment in [Moment::Before, Moment::After] {
        for call in 1.. {
            let wired = Wired::new();
            change(&wired);
            let what = format!("killed at call {call}, {moment:?}");
            let is_killed = wired.killed_at(call, moment);
            assert_converges(&wired, &what);
            if !is_killed {
                assert!(call > 18, "only {} calls", call - 1);
                break;
            }
        }
    }
}

/// What a run leaves on the disk, as far as it shows in sizes and times.
fn on_the_disk(directory: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            Some((entry.path(), about.len(), about.modified().ok()))
        })
        .collect();
    files.sort();
    files
}

/// Applies, and kills the run once the ledger's directory has changed so many times; whether it came to that.
fn killed_at_change(wired: &Wired, change: usize) -> bool {
    let directory = wired.repository.path().join(".segctl/shop");
    let mut child = wired
        .repository
        .command(&["apply", "--auto-approve"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut last = on_the_disk(&directory);
    let mut changes = 0;
    while child.try_wait().unwrap().is_none() {
        let now = on_the_disk(&directory);
        if now != last {
            changes += 1;
            last = now;
        }
        if changes == change {
            // It may have ended by itself just now.
            child.kill().unwrap();
            return !child.wait().unwrap().success();
        }
    }
    false
}

#[test]
fn whenever_the_disk_changes_and_the_run_is_killed_the_next_one_converges() {
    let (mut kills, mut ended) = (0, 0);
    for number in 1.. {
        let wired = Wired::new();
        change(&wired);
        if killed_at_change(&wired, number) {
            kills += 1;
        } else {
            ended += 1;
        }
        assert_converges(&wired, &format!("killed at change {number} of the disk"));
        // A run may end before its last changes are seen, on a machine with much else to do.
        if ended == 3 {
            break;
        }
    }
    // An intent and an outcome for each of the nine writes at least.
    assert!(kills > 18, "only {kills} changes were seen");
}
