//! One run at a time changes a ledger.

use super::segment;
use super::wire::{Moment, Wired};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// Two segments to make, in a workspace where a run is held up in its first create.
fn two() -> Wired {
    let wired = Wired::new();
    for name in ["A", "B"] {
        let text = segment(name, &name.to_lowercase());
        wired.repository.write(&format!("segments/{name}.yaml"), text);
    }
    wired
}

#[test]
fn a_second_run_is_refused_or_waits_for_the_first() {
    let wired = two();
    let first = wired.held_at(&APPLY, 2, Moment::Before);
    assert!(first.is_held);
    for arguments in [
        &APPLY[..],
        &["apply", "--auto-approve", "--lock-timeout", "1s"],
        &["ledger", "forget", "A"],
        &["ledger", "rebuild"],
    ] {
        let run = wired.repository.run(arguments);
        assert_eq!(run.code, Some(7), "{arguments:?}: {}", run.err);
        assert!(
            run.err.contains("the ledger is locked by `segctl apply` of"),
            "{}",
            run.err
        );
        assert!(
            run.err.contains("--lock-timeout") && run.err.contains("ledger unlock"),
            "{}",
            run.err
        );
        if arguments[0] == "apply" {
            assert!(
                run.out
                    .starts_with("Receipt: nothing was attempted: the ledger is locked by"),
                "{}",
                run.out
            );
            assert_eq!(run.out.lines().count(), 1);
        }
        let waits = run.err.contains("waiting until");
        assert_eq!(waits, arguments.contains(&"--lock-timeout"), "{}", run.err);
    }
    // A plan changes nothing, and waits for nobody.
    assert_eq!(wired.repository.run(&["plan"]).code, Some(0));
    let second = wired.waiting(
        &["apply", "--auto-approve", "--lock-timeout", "10m"],
        "waiting until",
    );
    wired.release();
    assert_eq!(first.end().code, Some(0));
    let second = second.end();
    assert_eq!(second.code, Some(0), "{}", second.err);
    assert!(second.out.contains("No changes."), "{}", second.out);
}

#[test]
fn a_run_whose_lock_was_taken_away_writes_nothing_more() {
    let wired = two();
    let first = wired.held_at(
        &["apply", "--auto-approve", "--parallelism", "1"],
        2,
        Moment::After,
    );
    let asked = wired.repository.run(&["ledger", "unlock"]);
    assert_eq!(asked.code, Some(64), "{}", asked.err);
    assert!(
        asked.err.contains("is locked by `segctl apply` of") && asked.err.contains("--auto-approve"),
        "{}",
        asked.err
    );
    let unlocked = wired.repository.run(&["ledger", "unlock", "--auto-approve"]);
    assert_eq!(unlocked.code, Some(0), "{}", unlocked.err);
    wired.release();
    let first = first.end();
    assert_eq!(first.code, Some(8), "{}{}", first.out, first.err);
    assert!(
        first
            .out
            .contains("the ledger's lock was taken away from this run"),
        "{}{}",
        first.out,
        first.err
    );
    let state = wired.control("state");
    assert_eq!(state["segments"].as_object().unwrap().len(), 1);
    assert_eq!(wired.apply().code, Some(0));
    let again = wired.repository.run(&["ledger", "unlock"]);
    assert!(
        again.code == Some(0) && again.err.contains("not locked"),
        "{}",
        again.err
    );
}

#[test]
fn the_lock_of_a_run_that_was_killed_is_taken_over_at_once() {
    let wired = two();
    assert!(wired.killed_at(2, Moment::After));
    let told = wired.repository.run(&["ledger", "unlock"]);
    assert!(told.err.contains("Its process has ended"), "{}", told.err);
    let next = wired.apply();
    assert_eq!(next.code, Some(0), "{}", next.err);
    assert!(
        next.err.contains("the lock was left behind by `segctl apply` of"),
        "{}",
        next.err
    );
    assert!(!wired.apply().err.contains("lock"));
}

#[test]
fn the_calls_of_a_run_that_was_killed_count_for_the_next_one() {
    let wired = two();
    assert!(wired.killed_at(3, Moment::Before));
    let plan = wired.repository.run(&["plan", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    let windows = document["quota"]["tightest"].as_array().unwrap();
    // A list and two creates were sent, and the plan has just made a list of its own.
    let used = windows.iter().filter_map(|window| window["used"].as_u64()).max();
    assert_eq!(used, Some(4), "{windows:#?}");
}

#[cfg(not(feature = "object-store"))]
#[test]
fn a_ledger_in_a_bucket_takes_a_build_that_knows_buckets() {
    let wired = two();
    let settings = wired.repository.read("segctl.yaml");
    wired.repository.write(
        "segctl.yaml",
        settings.replace(
            "    db_name: db\n",
            "    db_name: db\n    ledger: s3://bucket/prefix\n",
        ),
    );
    // The files are as they should be.
    assert_eq!(wired.repository.run(&["validate"]).code, Some(0));
    for arguments in [&["plan"][..], &APPLY, &["ledger", "show"]] {
        let run = wired.repository.run(arguments);
        assert_eq!(run.code, Some(1), "{arguments:?}: {}", run.err);
        assert!(
            run.err
                .contains("cannot open `s3://bucket/prefix`: this segctl was built without object stores")
                && run.err.contains("--features object-store"),
            "{}",
            run.err
        );
    }
    assert!(wired.control("state")["segments"].as_object().unwrap().is_empty());
}
