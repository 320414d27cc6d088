//! The state lock: one run at a time changes a state.

use super::event_segment;
use super::proxy::{PausePoint, ProxiedSandbox};

const APPLY: [&str; 2] = ["apply", "--auto-approve"];

/// A sandbox whose repository declares two segments. Request 1 of an apply is the list, request 2 the first create.
fn sandbox_with_two_segments() -> ProxiedSandbox {
    let sandbox = ProxiedSandbox::new();
    for name in ["A", "B"] {
        let text = event_segment(name, &name.to_lowercase());
        sandbox.repository.write(&format!("segments/{name}.yaml"), text);
    }
    sandbox
}

#[test]
fn a_second_run_fails_or_waits_for_the_state_lock() {
    let sandbox = sandbox_with_two_segments();
    let first = sandbox.run_until_paused(&APPLY, 2, PausePoint::Before);
    assert!(first.is_paused);
    for arguments in [
        &APPLY[..],
        &["apply", "--auto-approve", "--lock-timeout", "1s"],
        &["state", "rm", "A"],
        &["state", "rebuild"],
    ] {
        let run = sandbox.repository.run(arguments);
        assert_eq!(run.code, Some(7), "{arguments:?}: {}", run.stderr);
        assert!(
            run.stderr.contains("the state is locked by `segctl apply` of"),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr.contains("--lock-timeout") && run.stderr.contains("state unlock"),
            "{}",
            run.stderr
        );
        if arguments[0] == "apply" {
            assert_eq!(run.stdout, "Apply failed. No changes were made.\n");
        }
        let waits = run.stderr.contains("waiting until");
        assert_eq!(waits, arguments.contains(&"--lock-timeout"), "{}", run.stderr);
    }
    // A plan does not need the lock.
    assert_eq!(sandbox.repository.run(&["plan"]).code, Some(0));
    let second = sandbox.run_until_stderr_contains(
        &["apply", "--auto-approve", "--lock-timeout", "10m"],
        "waiting until",
    );
    sandbox.resume();
    assert_eq!(first.wait().code, Some(0));
    let second = second.wait();
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(second.stdout.contains("No changes."), "{}", second.stdout);
}

#[test]
fn a_run_that_lost_its_lock_stops_writing() {
    let sandbox = sandbox_with_two_segments();
    let first = sandbox.run_until_paused(
        &["apply", "--auto-approve", "--parallelism", "1"],
        2,
        PausePoint::After,
    );
    let unapproved = sandbox.repository.run(&["state", "unlock"]);
    assert_eq!(unapproved.code, Some(64), "{}", unapproved.stderr);
    assert!(
        unapproved.stderr.contains("is locked by `segctl apply` of")
            && unapproved.stderr.contains("--auto-approve"),
        "{}",
        unapproved.stderr
    );
    let unlocked = sandbox.repository.run(&["state", "unlock", "--auto-approve"]);
    assert_eq!(unlocked.code, Some(0), "{}", unlocked.stderr);
    sandbox.resume();
    let first = first.wait();
    assert_eq!(first.code, Some(8), "{}{}", first.stdout, first.stderr);
    assert!(
        first
            .stdout
            .contains("this run lost the state lock: another process removed it"),
        "{}{}",
        first.stdout,
        first.stderr
    );
    let state = sandbox.get_control_endpoint("state");
    assert_eq!(state["segments"].as_object().unwrap().len(), 1);
    assert_eq!(sandbox.apply().code, Some(0));
    let again = sandbox.repository.run(&["state", "unlock"]);
    assert!(
        again.code == Some(0) && again.stderr.contains("not locked"),
        "{}",
        again.stderr
    );
}

#[test]
fn the_lock_of_a_killed_run_is_replaced_immediately() {
    let sandbox = sandbox_with_two_segments();
    assert!(sandbox.apply_and_kill_at(2, PausePoint::After));
    let unlock = sandbox.repository.run(&["state", "unlock"]);
    assert!(
        unlock.stderr.contains("Its process has exited"),
        "{}",
        unlock.stderr
    );
    let next = sandbox.apply();
    assert_eq!(next.code, Some(0), "{}", next.stderr);
    assert!(
        next.stderr
            .contains("removed the stale state lock of `segctl apply` of"),
        "{}",
        next.stderr
    );
    assert!(!sandbox.apply().stderr.contains("lock"));
}

#[test]
fn requests_of_a_killed_run_count_toward_the_next_runs_rate_limits() {
    let sandbox = sandbox_with_two_segments();
    assert!(sandbox.apply_and_kill_at(3, PausePoint::Before));
    let plan = sandbox.repository.run(&["plan", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    let windows = document["estimate"]["limiting_windows"].as_array().unwrap();
    // The killed run sent a list and two creates, and the plan has sent a list.
    let used = windows.iter().filter_map(|window| window["used"].as_u64()).max();
    assert_eq!(used, Some(2), "{windows:#?}");
}

#[cfg(not(feature = "object-store"))]
#[test]
fn state_in_a_bucket_needs_the_object_store_feature() {
    let sandbox = sandbox_with_two_segments();
    let settings = sandbox.repository.read("segctl.yaml");
    sandbox.repository.write(
        "segctl.yaml",
        settings.replace(
            "    db_name: db\n",
            "    db_name: db\n    state: s3://bucket/prefix\n",
        ),
    );
    for arguments in [&["validate"][..], &["plan"], &APPLY, &["state", "list"]] {
        let run = sandbox.repository.run(arguments);
        assert_eq!(run.code, Some(3), "{arguments:?}: {}", run.stderr);
        for part in [
            "`state` is an object store, and this segctl was built without object stores",
            "segctl.yaml:8:12",
            "--features object-store",
        ] {
            assert!(run.stderr.contains(part), "{arguments:?} {part}: {}", run.stderr);
        }
    }
    assert!(
        sandbox.get_control_endpoint("state")["segments"]
            .as_object()
            .unwrap()
            .is_empty()
    );
}
