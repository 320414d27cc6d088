//! The events of `apply --json`: their types, their order, and when they are flushed.

use super::api_faults::FaultySandbox;
use super::{CommandResult, Repository, event_segment, referencing_segment};
use serde_json::{Value, json};
use std::fs;

const APPLY: [&str; 3] = ["apply", "--json", "--auto-approve"];

/// The positions of the events of type `kind` for the step `number`.
fn event_positions(events: &[Value], kind: &str, number: usize) -> Vec<usize> {
    let all = events.iter().enumerate();
    let matching = all.filter(|(_, event)| event["type"] == kind && event["number"] == number);
    matching.map(|(position, _)| position).collect()
}

fn events_of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

/// The events of a run, after checks that every run has to pass, however it ends.
pub(super) fn checked_events(run: &CommandResult) -> Vec<Value> {
    let events = run.stdout_events();
    assert_eq!(events[0]["type"], "version", "{}", run.stdout);
    for key in ["format_version", "segctl_version", "stability", "run"] {
        assert!(events[0][key].is_string(), "{}", events[0]);
    }
    let mut previous = jiff::Timestamp::UNIX_EPOCH;
    for event in &events {
        let at = event["at"].as_str().unwrap().parse().unwrap();
        assert!(previous <= at, "{event}");
        previous = at;
    }
    let last = events.last().unwrap();
    assert_eq!(events_of_type(&events, "change_summary"), [last]);
    assert_eq!(last["exit_code"].as_i64(), run.code.map(i64::from), "{last}");
    assert_eq!(last["run"], events[0]["run"]);
    let planned = events_of_type(&events, "planned_change").len() as u64;
    let counts = last["counts"].as_object().unwrap();
    assert_eq!(
        counts.values().filter_map(Value::as_u64).sum::<u64>(),
        planned,
        "{last}"
    );
    events
}

#[test]
fn each_step_emits_planned_start_and_complete_events_in_order() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write("segments/b.yaml", referencing_segment("B", "A"));
    repository.write("segments/c.yaml", event_segment("C", "sell"));
    let run = repository.run(&APPLY);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}", run.stdout);
    let events = checked_events(&run);
    assert_eq!(events.len(), 1 + 3 * 3 + 1, "{}", run.stdout);
    assert_eq!(events_of_type(&events, "apply_start").len(), 3);
    for number in 1..=3 {
        let [planned, started, ended] = ["planned_change", "apply_start", "apply_complete"]
            .map(|kind| event_positions(&events, kind, number))
            .map(|positions| (positions.len() == 1).then(|| positions[0]).unwrap());
        assert!(
            planned <= 3 && planned < started && started < ended,
            "{}",
            run.stdout
        );
        assert_eq!(events[ended]["segment"], events[planned]["segment"]);
        assert_eq!(events[ended]["outcome"], "applied");
        assert!(events[ended]["id"].is_string());
        for dependency in events[planned]["depends_on"].as_array().unwrap() {
            let dependency = usize::try_from(dependency.as_u64().unwrap()).unwrap();
            assert!(
                event_positions(&events, "apply_complete", dependency)[0] < started,
                "{}",
                run.stdout
            );
        }
    }
    let last = events.last().unwrap();
    assert_eq!(
        (&last["counts"]["applied"], &last["workspace"]),
        (&json!(3), &json!("dev"))
    );
    let state = repository.read(".segctl/dev/state.json");
    assert!(state.contains(last["run"].as_str().unwrap()), "{state}");

    repository.write("segments/a.yaml", event_segment("A", "buy more"));
    let events = checked_events(&repository.run(&APPLY));
    let (planned, started) = (
        events_of_type(&events, "planned_change")[0],
        events_of_type(&events, "apply_start")[0],
    );
    assert!(
        planned["id"].is_string() && planned["id"] == started["id"],
        "{planned}"
    );
    // A run without changes still emits the version and the summary.
    assert_eq!(checked_events(&repository.run(&APPLY)).len(), 2);
}

#[test]
fn a_failed_step_reports_its_error_and_dependent_steps_are_skipped() {
    let faulty = FaultySandbox::new(
        r#"[{"on": {"method": "POST"}, "times": 1, "fault": {"status": {"code": 400, "when": "before"}}}]"#,
    );
    let repository = &faulty.repository;
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    repository.write("segments/b.yaml", referencing_segment("B", "A"));
    repository.write("segments/c.yaml", event_segment("C", "sell"));
    let run = repository.run(&["apply", "--json", "--auto-approve", "--parallelism", "1"]);
    assert_eq!(run.code, Some(8), "{}{}", run.stdout, run.stderr);
    let events = checked_events(&run);
    let errored: Vec<_> = events_of_type(&events, "apply_errored")
        .into_iter()
        .map(|event| (event["segment"].clone(), event["outcome"].clone()))
        .collect();
    assert_eq!(
        errored,
        [(json!("A"), json!("failed")), (json!("B"), json!("skipped"))]
    );
    let failed = events_of_type(&events, "apply_errored")[0];
    assert!(failed["message"].as_str().unwrap().contains("400"), "{failed}");
    let started: Vec<_> = events_of_type(&events, "apply_start")
        .into_iter()
        .map(|event| event["segment"].clone())
        .collect();
    assert_eq!(started, ["A", "C"]);
    assert_eq!(
        events.last().unwrap()["counts"],
        json!({"applied": 1, "temporary_changes": 0, "unchanged": 0, "skipped": 1, "failed": 1, "unknown": 0,
               "not_attempted": 0, "adopted": 0})
    );
}

/// How to prepare the repository, the arguments, the exit code, and the expected diagnostics as `source code`.
type FailureCase = (
    fn(&Repository),
    &'static [&'static str],
    i32,
    &'static [&'static str],
);

const FAILURE_CASES: [FailureCase; 9] = [
    (
        |repository| {
            repository.write("segments/a.yaml", event_segment("Buyers", "buy"));
            repository.write("segments/b.yaml", event_segment("buyers", "sell"));
        },
        &APPLY,
        0,
        &["configuration SEG071"],
    ),
    (
        |repository| repository.write("segments/a.yaml", "name: A\nnmae: B\n"),
        &APPLY,
        3,
        &[
            "configuration SEG011",
            "configuration SEG010",
            "run invalid_files",
        ],
    ),
    (
        |repository| repository.write("segctl.yaml", "segmnts: x\n"),
        &APPLY,
        3,
        &[
            "configuration SEG010",
            "configuration SEG011",
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
        |repository| repository.write("segments/a.yaml", referencing_segment("A", "Unknown")),
        &APPLY,
        4,
        &["conflict unknown_reference"],
    ),
    (
        |repository| {
            repository.write("segments/a.yaml", event_segment("A", "buy"));
            assert_eq!(repository.run(&APPLY).code, Some(0));
            fs::remove_file(repository.path().join("segments/a.yaml")).unwrap();
        },
        &APPLY,
        6,
        &["guard empty_configuration"],
    ),
    (
        |repository| repository.write("segments/a.yaml", event_segment("A", "buy")),
        &["apply", "--json"],
        64,
        &["run usage"],
    ),
    (
        |repository| repository.write("segments/a.yaml", event_segment("A", "buy")),
        &["apply", "--json", "--auto-approve", "--workspace", "prod"],
        64,
        &["run usage"],
    ),
    (
        |repository| {
            repository.write("segments/a.yaml", event_segment("A", "buy"));
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
fn every_error_is_a_diagnostic_event_before_the_summary() {
    for (prepare, arguments, code, expected) in FAILURE_CASES {
        let repository = Repository::new();
        prepare(&repository);
        let run = repository.run(arguments);
        assert_eq!(run.code, Some(code), "{expected:?}: {}{}", run.stdout, run.stderr);
        let events = checked_events(&run);
        let diagnostics = events_of_type(&events, "diagnostic");
        let found: Vec<_> = diagnostics
            .iter()
            .map(|event| format!("{} {}", event["source"], event["code"]).replace('"', ""))
            .collect();
        assert_eq!(found, expected, "{}", run.stdout);
        if code != 0 {
            assert!(events_of_type(&events, "apply_start").is_empty());
            assert!(
                events.last().unwrap()["stop_reasons"].is_array(),
                "{}",
                run.stdout
            );
        }
    }
}

#[test]
fn events_can_be_written_to_a_file_in_addition_to_text() {
    let repository = Repository::new();
    repository.write("segments/a.yaml", event_segment("A", "buy"));
    let run = repository.run(&["apply", "--auto-approve", "--json-file", "events.ndjson"]);
    assert!(
        run.code == Some(0) && run.stdout.ends_with("Apply complete: 1 applied.\n"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    let written = CommandResult {
        stdout: repository.read("events.ndjson"),
        ..run
    };
    assert_eq!(checked_events(&written).len(), 5);
    let run = repository.run(&[
        "apply",
        "--json",
        "--auto-approve",
        "--json-file",
        "missing/events",
    ]);
    assert_eq!(run.code, Some(1));
    assert_eq!(
        events_of_type(&checked_events(&run), "diagnostic").len(),
        1,
        "{}",
        run.stdout
    );
}

#[cfg(unix)]
mod interrupted {
    use super::super::signals::{RunningCommand, rate_limited_repository, serve_without_answering_creates};
    use super::*;
    use crate::api_faults::settings_for_endpoint;
    use std::io::{BufRead, BufReader, Read};
    use std::sync::mpsc;

    #[test]
    fn events_are_flushed_while_a_run_waits_and_an_interrupt_ends_with_the_summary() {
        let repository = rate_limited_repository();
        let mut run = RunningCommand::start(
            &repository,
            &["apply", "--json", "--auto-approve", "--parallelism", "1"],
        );
        let mut out = BufReader::new(run.child.stdout.take().unwrap());
        let mut text = String::new();
        while !text.contains("apply_complete") {
            assert_ne!(out.read_line(&mut text).unwrap(), 0, "{text}");
        }
        run.wait_for_stderr("Waiting until");
        run.send_signal("INT");
        out.read_to_string(&mut text).unwrap();
        let run = CommandResult {
            stdout: text,
            ..run.wait()
        };
        assert_eq!(run.code, Some(130), "{}{}", run.stdout, run.stderr);
        let events = checked_events(&run);
        let last = events.last().unwrap();
        assert_eq!(last["stop_reasons"], json!(["interrupted by SIGINT"]));
        assert_eq!(
            (&last["counts"]["applied"], &last["counts"]["not_attempted"]),
            (&json!(1), &json!(2))
        );
        assert_eq!(events_of_type(&events, "diagnostic")[0]["code"], "interrupted");
        let outcomes = events_of_type(&events, "apply_errored");
        assert!(
            outcomes.len() == 2 && outcomes.iter().all(|event| event["outcome"] == "not_attempted"),
            "{}",
            run.stdout
        );
    }

    #[test]
    fn a_killed_run_reports_steps_in_flight_as_unknown() {
        let (create_sender, created) = mpsc::channel();
        let address = serve_without_answering_creates(create_sender);
        let repository = Repository::new();
        repository.write("segctl.yaml", settings_for_endpoint(&address));
        repository.write("segments/a.yaml", event_segment("A", "a"));
        repository.write("segments/b.yaml", referencing_segment("B", "A"));
        let mut run = RunningCommand::start(
            &repository,
            &[
                "apply",
                "--json",
                "--auto-approve",
                "--report-file",
                "report.json",
            ],
        );
        created.recv().unwrap();
        run.send_signal("TERM");
        run.wait_for_stderr("Interrupt received");
        run.send_signal("TERM");
        let run = run.wait();
        assert_eq!(run.code, Some(143), "{}{}", run.stdout, run.stderr);
        let counts = &checked_events(&run).pop().unwrap()["counts"];
        assert_eq!(
            (&counts["unknown"], &counts["not_attempted"]),
            (&json!(1), &json!(1))
        );
        let report: Value = serde_json::from_str(&repository.read("report.json")).unwrap();
        assert_eq!(
            (&report["exit_code"], &report["steps"][0]["outcome"]),
            (&json!(143), &json!("unknown"))
        );
    }
}
