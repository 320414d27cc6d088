//! Which definitions `plan`, `apply` and `drift` re-read within the rate limits, and what they report about the others.

use super::request_counts::{CountingSandbox, count_of_class, total_requests};
use jiff::{SignedDuration, Timestamp};
use segctl::state::StateStore;

/// Segments `S0` to `S<count>`, applied; from then on `gets` is the rate limit for reads.
fn applied_segments(count: usize, gets: &str) -> CountingSandbox {
    let shop = CountingSandbox::with_switches(
        &[("rate_limits", "off")],
        &format!("rate_limits: {{get: [{gets}]}}"),
    );
    shop.declare_segments(count, |number| format!("event_{number}"));
    let (code, output, _) = shop.run_and_count(&["apply", "--auto-approve"]);
    assert_eq!(code, Some(0), "{output}");
    shop
}

fn last_line(output: &str) -> &str {
    output.lines().last().unwrap_or_default()
}

/// A dashboard user sets the event of the segment `S<number>`.
fn edit_in_dashboard(shop: &CountingSandbox, number: usize) {
    let state = shop.control_request("GET", "state", "");
    let segments = state["segments"].as_object().unwrap();
    let name = format!("S{number}");
    let (id, _) = segments
        .iter()
        .find(|(_, segment)| segment["name"] == name.as_str())
        .unwrap();
    let edit = format!(
        r#"{{"id": "{id}", "included_filters": {{"filter_operator": "and", "filters": [{{"filter_type": "user_attributes", "name": "x{number}", "data_type": "bool", "operator": "exists"}}]}}}}"#
    );
    shop.control_request("POST", "segments", &edit);
}

fn store(shop: &CountingSandbox) -> StateStore {
    StateStore::in_directory(shop.repository.path().join(".segctl/shop"))
}

/// When each definition in the cache was read, by segment name.
fn read_times(shop: &CountingSandbox) -> Vec<(String, Option<Timestamp>)> {
    let cache = shop.runtime.block_on(store(shop).load_cache()).unwrap();
    let segments = cache.segments.values();
    segments
        .map(|segment| (segment.name.to_string(), segment.fetched_at))
        .collect()
}

#[test]
fn apply_plan_and_drift_find_a_definition_that_was_edited_in_the_dashboard() {
    for command in [
        ["plan", "--detailed-exitcode"].as_slice(),
        &["apply", "--auto-approve"],
        &["drift", "--detailed-exitcode"],
    ] {
        let shop = applied_segments(3, "100/min");
        edit_in_dashboard(&shop, 1);
        let (code, output, requests) = shop.run_and_count(command);
        let expected = if command[0] == "apply" { 0 } else { 2 };
        assert_eq!(
            (code, count_of_class(&requests, "get")),
            (Some(expected), 3),
            "{output}"
        );
        assert!(output.contains("x1"), "{output}");
    }
}

#[test]
fn a_plan_re_reads_the_oldest_definitions_with_half_of_what_the_rate_limit_leaves() {
    let shop = applied_segments(8, "10/min");
    let before = read_times(&shop);
    for (read, cached) in [(5, 3), (2, 6), (1, 7), (1, 7), (0, 8)] {
        let (code, output, requests) = shop.run_and_count(&["plan", "--detailed-exitcode"]);
        assert_eq!(
            (code, count_of_class(&requests, "get")),
            (Some(0), read),
            "{output}"
        );
        let noun = if read == 1 { "segment" } else { "segments" };
        let expected = format!(
            "No changes in the {read} {noun} checked; {cached} not re-read (oldest under 1 min; --refresh=full reads all)."
        );
        assert_eq!(last_line(&output), expected);
    }
    // Each of the first eight reads took a definition that was not re-read before.
    let after = read_times(&shop);
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(before, after)| before.1 < after.1)
    );
}

#[test]
fn the_json_and_the_run_report_count_what_was_read() {
    let shop = applied_segments(8, "10/min");
    let (_, output, _) = shop.run_and_count(&["plan", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&output).unwrap();
    let freshness = &plan["freshness"];
    assert_eq!((&freshness["read"], &freshness["cached"]), (&5.into(), &3.into()));
    assert_eq!(freshness["managed"]["read"], 5);
    assert!(freshness["managed"]["oldest_cached_at"].is_string(), "{output}");

    let (code, output, _) = shop.run_and_count(&["apply", "--auto-approve", "--report-file", "report.json"]);
    assert_eq!(code, Some(0), "{output}");
    let report: serde_json::Value = serde_json::from_str(&shop.repository.read("report.json")).unwrap();
    let freshness = &report["freshness"];
    assert_eq!((&freshness["read"], &freshness["cached"]), (&2.into(), &6.into()));
}

#[test]
fn a_saved_plan_keeps_what_it_did_not_re_read() {
    let shop = applied_segments(8, "10/min");
    let expected =
        "No changes in the 5 segments checked; 3 not re-read (oldest under 1 min; --refresh=full reads all).";
    let (_, output, _) = shop.run_and_count(&["plan", "--out", "plan.json"]);
    assert!(output.contains(expected), "{output}");
    for command in [["show", "plan.json"], ["apply", "plan.json"]] {
        let (code, output, _) = shop.run_and_count(&command);
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains(expected), "{output}");
    }
}

#[test]
fn the_target_of_a_plan_is_re_read_first() {
    let shop = applied_segments(8, "4/min");
    // S7 was created last, so it would be the last one without the flag.
    let (code, output, requests) = shop.run_and_count(&["plan", "--target", "S7"]);
    assert_eq!((code, count_of_class(&requests, "get")), (Some(0), 2), "{output}");
    assert_eq!(last_line(&output), "No changes.");
}

#[test]
fn a_changed_definition_is_re_read_even_if_others_fill_the_half() {
    let shop = applied_segments(8, "10/min");
    edit_in_dashboard(&shop, 7);
    let files = shop.repository.read("segments/all.yaml");
    shop.repository
        .write("segments/all.yaml", files.replace("event_7", "other"));
    let (code, output, requests) = shop.run_and_count(&["plan", "--detailed-exitcode"]);
    // The changed one, and then half of the nine that are left.
    assert_eq!(
        (code, count_of_class(&requests, "get")),
        (Some(2), 1 + 4),
        "{output}"
    );
    assert!(output.contains("(drift"), "{output}");
    assert!(
        output.contains("Refreshed: segment list, 5 definitions. Cached: 3 (oldest under 1 min)."),
        "{output}"
    );
}

#[test]
fn the_age_of_a_definition_is_unknown_after_a_clock_was_set_back() {
    let shop = applied_segments(3, "4/min");
    shop.runtime
        .block_on(async {
            let store = store(&shop);
            let mut cache = store.load_cache().await?;
            for segment in cache.segments.values_mut() {
                segment.fetched_at = segment.fetched_at.map(|at| at + SignedDuration::from_hours(5));
            }
            store.save_cache(&cache).await
        })
        .unwrap();
    for (read, cached) in [(2, 1), (1, 2)] {
        let (_, output, requests) = shop.run_and_count(&["plan"]);
        assert_eq!(count_of_class(&requests, "get"), read, "{output}");
        let oldest = if read == 2 {
            "of unknown age"
        } else {
            "under 1 min"
        };
        assert!(
            last_line(&output).contains(&format!("{cached} not re-read (oldest {oldest};")),
            "{output}"
        );
    }
}

#[test]
fn drift_without_a_state_sends_no_request() {
    let shop = CountingSandbox::with_switches(&[], "rate_limits: {}");
    shop.declare_segments(3, |number| format!("event_{number}"));
    let (code, output, requests) = shop.run_and_count(&["drift"]);
    assert_eq!((code, total_requests(&requests)), (Some(0), 0), "{output}");
    assert!(output.contains("run `segctl apply` first"), "{output}");
    std::fs::remove_file(shop.repository.path().join("segments/all.yaml")).unwrap();
    let (code, output, requests) = shop.run_and_count(&["drift"]);
    assert_eq!((code, total_requests(&requests)), (Some(3), 0), "{output}");
    assert!(output.contains("no segment files"), "{output}");
}

#[test]
fn drift_reads_the_targets_alone() {
    let shop = applied_segments(6, "100/min");
    edit_in_dashboard(&shop, 2);
    for (arguments, gets, code) in [
        (["--target", "S2"].as_slice(), 1, 2),
        (&["--target", "S1"], 1, 0),
        (&["--exclude", "S2"], 5, 0),
        (&["--exclude", "S2", "--target", "S[0-9]"], 0, 64),
        (&["--target", "S*", "--exclude", "S5"], 5, 2),
        (&["--target", "S2", "--update-files"], 1, 2),
        (&[], 6, 0),
    ] {
        let command = [["drift", "--detailed-exitcode"].as_slice(), arguments].concat();
        let (exit, output, requests) = shop.run_and_count(&command);
        assert_eq!(
            (exit, count_of_class(&requests, "get")),
            (Some(code), gets),
            "{command:?} {output}"
        );
    }
    assert!(shop.repository.read("segments/all.yaml").contains("x2"));
}

#[test]
fn a_drift_that_has_to_wait_is_announced_and_max_duration_refuses_it() {
    let shop = applied_segments(5, "2/h");
    let (code, output, requests) = shop.run_and_count(&["drift", "--max-duration", "30m"]);
    assert_eq!((code, count_of_class(&requests, "get")), (Some(6), 0), "{output}");
    for text in [
        "reading 5 definitions (5 API requests) takes an estimated 2h1m, longer than --max-duration 30m: the rate limit of \
         gets is 2/h, 2 left",
        "--max-duration 2h1m",
        "--target",
    ] {
        assert!(output.contains(text), "{output}");
    }

    let shop = applied_segments(3, "2/1s");
    let (code, output, _) = shop.run_and_count(&["drift"]);
    assert_eq!(code, Some(0), "{output}");
    let position = |text: &str| output.find(text).unwrap_or_else(|| panic!("{text}: {output}"));
    let announced = position(
        "reading 3 definitions (3 API requests) has to wait: the rate limit of gets is 2/s, 2 left; estimated end: ",
    );
    assert!(announced < position("Waiting until"), "{output}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_drift_keeps_what_it_read() {
    use super::signals::RunningCommand;
    let repository = super::Repository::new();
    for number in 0..4 {
        let name = format!("S{number}");
        repository.write(
            &format!("segments/{name}.yaml"),
            super::event_segment(&name, &name),
        );
    }
    assert_eq!(repository.run(&["apply", "--auto-approve"]).code, Some(0));
    let settings = repository
        .read("segctl.yaml")
        .replace("get: [100000/s]", "get: [3/h]");
    repository.write("segctl.yaml", settings);
    let store = StateStore::in_directory(repository.path().join(".segctl/dev"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let read_times = || {
        let cache = runtime.block_on(store.load_cache()).unwrap();
        cache
            .segments
            .into_values()
            .map(|segment| segment.fetched_at)
            .collect::<Vec<_>>()
    };
    let before = read_times();
    let mut run = RunningCommand::start(&repository, &["drift"]);
    run.wait_for_stderr("Waiting until");
    run.send_signal("INT");
    let run = run.wait();
    assert_eq!(run.code, Some(130), "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("interrupted by SIGINT"), "{}", run.stderr);
    let newer = before
        .iter()
        .zip(read_times())
        .filter(|(before, after)| **before < *after);
    assert_eq!(newer.count(), 3);
}
