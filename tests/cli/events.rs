//! The events of `apply --json`: which, in which order, and when they can be read.

use super::service::Faulty;
use super::{Repository, Run, member, segment};
use serde_json::{Value, json};
use std::fs;

const APPLY: [&str; 3] = ["apply", "--json", "--auto-approve"];

/// The places of the events of one type that are about the step with a number.
fn places(events: &[Value], kind: &str, number: usize) -> Vec<usize> {
    let all = events.iter().enumerate();
    let meant = all.filter(|(_, event)| event["type"] == kind && event["number"] == number);
    meant.map(|(place, _)| place).collect()
}

fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

/// What every run keeps to, however it ends; its events.
pub(super) fn checked(run: &Run) -> Vec<Value> {
    let events = run.events();
    assert_eq!(events[0]["type"], "version", "{}", run.out);
    for of in ["format_version", "segctl_version", "stability", "run"] {
        assert!(events[0][of].is_string(), "{}", events[0]);
    }
    let mut before = jiff::Timestamp::UNIX_EPOCH;
    for event in &events {
        let at = event["at"].as_str().unwrap().parse().unwrap();
        assert!(before <= at, "{event}");
        before = at;
    }
    let last = events.last().unwrap();
    assert_eq!(of_type(&events, "change_summary"), [last]);
    assert_eq!(last["exit_code"].as_i64(), run.code.map(i64::from), "{last}");
    assert_eq!(last["run"], events[0]["run"]);
    let planned = of_type(&events, "planned_change").len() as u64;
    let tally = last["tally"].as_object().unwrap();
    assert_eq!(
        tally.values().filter_map(Value::as_u64).sum::<u64>(),
        planned,
        "{last}"
    );
    events
}

#[test]
fn each_step_is_planned_begins_and_ends_in_this_order() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    repository.write("segments/b.yaml", member("B", "A"));
    repository.write("segments/c.yaml", segment("C", "sell"));
    let run = repository.run(&APPLY);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{}", run.out);
    let events = checked(&run);
    assert_eq!(events.len(), 1 + 3 * 3 + 1, "{}", run.out);
    let begun = of_type(&events, "apply_start").len();
    assert_eq!(begun, 3);
    for number in 1..=3 {
        let [planned, started, ended] = ["planned_change", "apply_start", "apply_complete"]
            .map(|kind| places(&events, kind, number))
            .map(|places| (places.len() == 1).then(|| places[0]).unwrap());
        assert!(
            planned <= 3 && planned < started && started < ended,
            "{}",
            run.out
        );
        assert_eq!(events[ended]["segment"], events[planned]["segment"]);
        assert_eq!(events[ended]["outcome"], "applied");
        assert!(events[ended]["id"].is_string());
        for need in events[planned]["depends_on"].as_array().unwrap() {
            let need = usize::try_from(need.as_u64().unwrap()).unwrap();
            assert!(
                places(&events, "apply_complete", need)[0] < started,
                "{}",
                run.out
            );
        }
    }
    let last = events.last().unwrap();
    assert_eq!(
        (&last["tally"]["applied"], &last["workspace"]),
        (&json!(3), &json!("dev"))
    );
    let ledger = repository.read(".segctl/dev/ledger.json");
    assert!(ledger.contains(last["run"].as_str().unwrap()), "{ledger}");

    repository.write("segments/a.yaml", segment("A", "buy more"));
    let events = checked(&repository.run(&APPLY));
    let (planned, started) = (
        of_type(&events, "planned_change")[0],
        of_type(&events, "apply_start")[0],
    );
    assert!(
        planned["id"].is_string() && planned["id"] == started["id"],
        "{planned}"
    );
    // Nothing is left to be done, and that is said all the same.
    assert_eq!(checked(&repository.run(&APPLY)).len(), 2);
}

#[test]
fn a_step_that_fails_says_why_and_what_depends_on_it_does_not_begin() {
    let faulty = Faulty::new(
        r#"[{"on": {"method": "POST"}, "times": 1, "fault": {"status": {"code": 400, "when": "before"}}}]"#,
    );
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", segment("A", "buy"));
    repository.write("segments/b.yaml", member("B", "A"));
    repository.write("segments/c.yaml", segment("C", "sell"));
    let run = repository.run(&["apply", "--json", "--auto-approve", "--parallelism", "1"]);
    assert_eq!(run.code, Some(8), "{}{}", run.out, run.err);
    let events = checked(&run);
    let errored: Vec<_> = of_type(&events, "apply_errored")
        .into_iter()
        .map(|event| (event["segment"].clone(), event["outcome"].clone()))
        .collect();
    assert_eq!(
        errored,
        [(json!("A"), json!("failed")), (json!("B"), json!("skipped"))]
    );
    let failed = of_type(&events, "apply_errored")[0];
    assert!(failed["message"].as_str().unwrap().contains("400"), "{failed}");
    let begun: Vec<_> = of_type(&events, "apply_start")
        .into_iter()
        .map(|event| event["segment"].clone())
        .collect();
    assert_eq!(begun, ["A", "C"]);
    assert_eq!(
        events.last().unwrap()["tally"],
        json!({"applied": 1, "unchanged": 0, "skipped": 1, "failed": 1, "unknown": 0, "not_attempted": 0})
    );
}

/// What is wrong, the arguments, the exit code, and the diagnostics that it has to come to, as `about code`.
type Wrong = (
    fn(&Repository),
    &'static [&'static str],
    i32,
    &'static [&'static str],
);

const WRONG: [Wrong; 9] = [
    (
        |repository| {
            repository.write("segments/a.yaml", segment("Buyers", "buy"));
            repository.write("segments/b.yaml", segment("buyers", "sell"));
        },
        &APPLY,
        0,
        &["files SEG071"],
    ),
    (
        |repository| repository.write("segments/a.yaml", "name: A\nnmae: B\n"),
        &APPLY,
        3,
        &["files SEG011", "files SEG010", "run invalid_files"],
    ),
    (
        |repository| repository.write("segctl.yaml", "segmnts: x\n"),
        &APPLY,
        3,
        &[
            "files SEG010",
            "files SEG011",
            "files SEG011",
            "run invalid_files",
        ],
    ),
    (
        |repository| fs::remove_file(repository.path().join("segctl.yaml")).unwrap(),
        &APPLY,
        3,
        &["run invalid_files"],
    ),
    (
        |repository| repository.write("segments/a.yaml", member("A", "Nobody")),
        &APPLY,
        4,
        &["files SEG075", "conflict unknown_reference"],
    ),
    (
        |repository| {
            repository.write("segments/a.yaml", segment("A", "buy"));
            assert_eq!(repository.run(&APPLY).code, Some(0));
            fs::remove_file(repository.path().join("segments/a.yaml")).unwrap();
        },
        &APPLY,
        6,
        &["guard nothing_declared"],
    ),
    (
        |repository| repository.write("segments/a.yaml", segment("A", "buy")),
        &["apply", "--json"],
        64,
        &["run usage"],
    ),
    (
        |repository| repository.write("segments/a.yaml", segment("A", "buy")),
        &["apply", "--json", "--auto-approve", "--workspace", "prod"],
        64,
        &["run usage"],
    ),
    (
        |repository| {
            repository.write("segments/a.yaml", segment("A", "buy"));
            for arguments in [["plan", "--out", "plan.json"].as_slice(), &["apply", "plan.json"]] {
                assert_eq!(repository.run(arguments).code, Some(0));
            }
        },
        &["apply", "plan.json", "--json"],
        5,
        &["run stale"],
    ),
];

#[test]
fn whatever_is_wrong_is_an_event_and_the_summary_comes_last() {
    for (prepare, arguments, code, wanted) in WRONG {
        let repository = Repository::new();
        prepare(&repository);
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(code), "{wanted:?}: {}{}", run.out, run.err);
        let events = checked(&run);
        let diagnostics = of_type(&events, "diagnostic");
        let found: Vec<_> = diagnostics
            .iter()
            .map(|event| format!("{} {}", event["about"], event["code"]).replace('"', ""))
            .collect();
        assert_eq!(found, wanted, "{}", run.out);
        if code != 0 {
            assert!(of_type(&events, "apply_start").is_empty());
            assert!(events.last().unwrap()["stopped"].is_array(), "{}", run.out);
        }
    }
}

#[test]
fn events_can_go_into_a_file_beside_the_text() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", segment("A", "buy"));
    let run = repository.run(&["apply", "--auto-approve", "--json-into", "events.ndjson"]);
    assert!(
        run.code == Some(0) && run.out.ends_with("Receipt: 1 applied.\n"),
        "{}{}",
        run.out,
        run.err
    );
    let written = Run {
        out: repository.read("events.ndjson"),
        ..run
    };
    assert_eq!(checked(&written).len(), 5);
    let run = repository.run(&[
        "apply",
        "--json",
        "--auto-approve",
        "--json-into",
        "nowhere/events",
    ]);
    assert_eq!(run.code, Some(1));
    assert_eq!(of_type(&checked(&run), "diagnostic").len(), 1, "{}", run.out);
}

#[cfg(unix)]
mod stopped {
    use super::super::signals::{Running, limited, silent};
    use super::*;
    use crate::service::settings;
    use std::io::{BufRead, BufReader, Read};
    use std::sync::mpsc;

    #[test]
    fn what_happened_can_be_read_while_the_run_waits_and_a_stop_ends_in_the_summary() {
        let repository = limited();
        let mut run = Running::start(
            &repository,
            &["apply", "--json", "--auto-approve", "--parallelism", "1"],
        );
        let mut out = BufReader::new(run.child.stdout.take().unwrap());
        let mut text = String::new();
        while !text.contains("apply_complete") {
            assert_ne!(out.read_line(&mut text).unwrap(), 0, "{text}");
        }
        run.wait_for("Waiting until");
        run.signal("INT");
        out.read_to_string(&mut text).unwrap();
        let run = Run {
            out: text,
            ..run.end()
        };
        assert_eq!(run.code, Some(130), "{}{}", run.out, run.err);
        let events = checked(&run);
        let last = events.last().unwrap();
        assert_eq!(last["stopped"], json!(["a signal asked for it"]));
        assert_eq!(
            (&last["tally"]["applied"], &last["tally"]["not_attempted"]),
            (&json!(1), &json!(2))
        );
        assert_eq!(of_type(&events, "diagnostic")[0]["code"], "interrupted");
        let outcomes = of_type(&events, "apply_errored");
        assert!(
            outcomes.len() == 2 && outcomes.iter().all(|event| event["outcome"] == "not attempted"),
            "{}",
            run.out
        );
    }

    #[test]
    fn a_run_that_is_left_at_once_says_that_it_does_not_know() {
        let (told, created) = mpsc::channel();
        let address = silent(told);
        let repository = Repository::new();
        repository.write("segctl.yaml", settings(&address));
        repository.write("segments/a.yaml", segment("A", "a"));
        repository.write("segments/b.yaml", member("B", "A"));
        let mut run = Running::start(
            &repository,
            &[
                "apply",
                "--json",
                "--auto-approve",
                "--receipt-into",
                "receipt.json",
            ],
        );
        created.recv().unwrap();
        run.signal("TERM");
        run.wait_for("Stopping");
        run.signal("TERM");
        let run = run.end();
        assert_eq!(run.code, Some(143), "{}{}", run.out, run.err);
        let tally = &checked(&run).pop().unwrap()["tally"];
        assert_eq!(
            (&tally["unknown"], &tally["not_attempted"]),
            (&json!(1), &json!(1))
        );
        let receipt: Value = serde_json::from_str(&repository.read("receipt.json")).unwrap();
        assert_eq!(
            (&receipt["exit_code"], &receipt["steps"][0]["outcome"]),
            (&json!(143), &json!("unknown"))
        );
    }
}
