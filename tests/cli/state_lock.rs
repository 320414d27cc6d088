//! One run at a time changes a ledger.

use super::event_segment;
use super::proxy::{PausePoint, ProxiedSandbox};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// Two segments to make, in a workspace where a run is held up in its first create.
fn sandbox_with_two_segments() -> ProxiedSandbox {
    let wired = ProxiedSandbox::new();
    for name in ["A", "B"] {
        let text = event_segment(name, &name.to_lowercase());
        wired.repository.write(&format!("segments/{name}.yaml"), text);
    }
    wired
}

#[test]
fn a_second_run_fails_or_waits_for_the_state_lock() {
    let wired = sandbox_with_two_segments();
    let first = wired.run_until_paused(&APPLY, 2, PausePoint::Before);
    assert!(first.is_paused);
    for arguments in [
        &APPLY[..],
        &["apply", "--auto-approve", "--lock-timeout", "1s"],
        &["ledger", "forget", "A"],
        &["ledger", "rebuild"],
    ] {
        let run = wired.repository.run(arguments);
        assert_eq!(run.code, Some(7), "{arguments:?}: {}", run.stderr);
        assert!(
            run.stderr.contains("the ledger is locked by `segctl apply` of"),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr.contains("--lock-timeout") && run.stderr.contains("ledger unlock"),
            "{}",
            run.stderr
        );
        if arguments[0] == "apply" {
            assert!(
                run.stdout
                    .starts_with("Receipt: nothing was attempted: the ledger is locked by"),
                "{}",
                run.stdout
            );
            assert_eq!(run.stdout.lines().count(), 1);
        }
        let waits = run.stderr.contains("waiting until");
        assert_eq!(waits, arguments.contains(&"--lock-timeout"), "{}", run.stderr);
    }
    // A plan changes nothing, and waits for nobody.
    assert_eq!(wired.repository.run(&["plan"]).code, Some(0));
    let second = wired.run_until_stderr_contains(
        &["apply", "--auto-approve", "--lock-timeout", "10m"],
        "waiting until",
    );
    wired.resume();
    assert_eq!(first.wait().code, Some(0));
    let second = second.wait();
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(second.stdout.contains("No changes."), "{}", second.stdout);
}

#[test]
fn a_run_that_lost_its_lock_stops_writing() {
    let wired = sandbox_with_two_segments();
    let first = wired.run_until_paused(
        &["apply", "--auto-approve", "--parallelism", "1"],
        2,
        PausePoint::After,
    );
    let asked = wired.repository.run(&["ledger", "unlock"]);
    assert_eq!(asked.code, Some(64), "{}", asked.stderr);
    assert!(
        asked.stderr.contains("is locked by `segctl apply` of") && asked.stderr.contains("--auto-approve"),
        "{}",
        asked.stderr
    );
    let unlocked = wired.repository.run(&["ledger", "unlock", "--auto-approve"]);
    assert_eq!(unlocked.code, Some(0), "{}", unlocked.stderr);
    wired.resume();
    let first = first.wait();
    assert_eq!(first.code, Some(8), "{}{}", first.stdout, first.stderr);
    assert!(
        first
            .stdout
            .contains("the ledger's lock was taken away from this run"),
        "{}{}",
        first.stdout,
        first.stderr
    );
    let state = wired.get_control_endpoint("state");
    assert_eq!(state["segments"].as_object().unwrap().len(), 1);
    assert_eq!(wired.apply().code, Some(0));
    let again = wired.repository.run(&["ledger", "unlock"]);
    assert!(
        again.code == Some(0) && again.stderr.contains("not locked"),
        "{}",
        again.stderr
    );
}

#[test]
fn the_lock_of_a_killed_run_is_replaced_immediately() {
    let wired = sandbox_with_two_segments();
    assert!(wired.apply_and_kill_at(2, PausePoint::After));
    let told = wired.repository.run(&["ledger", "unlock"]);
    assert!(told.stderr.contains("Its process has ended"), "{}", told.stderr);
    let next = wired.apply();
    assert_eq!(next.code, Some(0), "{}", next.stderr);
    assert!(
        next.stderr
            .contains("the lock was left behind by `segctl apply` of"),
        "{}",
        next.stderr
    );
    assert!(!wired.apply().stderr.contains("lock"));
}

#[test]
fn requests_of_a_killed_run_count_toward_the_next_runs_rate_limits() {
    let wired = sandbox_with_two_segments();
    assert!(wired.apply_and_kill_at(3, PausePoint::Before));
    let plan = wired.repository.run(&["plan", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    let windows = document["quota"]["tightest"].as_array().unwrap();
    // A list and two creates were sent, and the plan has just made a list of its own.
    let used = windows.iter().filter_map(|window| window["used"].as_u64()).max();
    assert_eq!(used, Some(4), "{windows:#?}");
}

#[cfg(not(feature = "object-store"))]
#[test]
fn state_in_a_bucket_needs_the_object_store_feature() {
    let wired = sandbox_with_two_segments();
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
        assert_eq!(run.code, Some(1), "{arguments:?}: {}", run.stderr);
        assert!(
            run.stderr
                .contains("cannot open `s3://bucket/prefix`: this segctl was built without object stores")
                && run.stderr.contains("--features object-store"),
            "{}",
            run.stderr
        );
    }
    assert!(wired.control("state")["segments"].as_object().unwrap().is_empty());
}
