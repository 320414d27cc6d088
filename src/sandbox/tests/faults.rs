//! Faults, as far as they show without a socket.

use super::{Bench, SEGMENTS, city};
use crate::sandbox::{Delivery, Fault};
use serde_json::{Value, json};

fn bench(faults: Value) -> Bench {
    let mut bench = Bench::new();
    let faults: Vec<Fault> = serde_json::from_value(faults).unwrap();
    bench.service.set_faults(faults);
    bench
}

/// What creating a segment answers, how, and whether it is there.
#[test]
fn each_fault_on_a_create() {
    let whole = Delivery::Whole;
    for (fault, status, delivery, is_there) in [
        (json!({"rate_limited": {"reset_in": 9}}), 429, whole, false),
        (json!("active_limit"), 429, whole, false),
        (
            json!({"status": {"code": 502, "when": "before"}}),
            502,
            whole,
            false,
        ),
        (
            json!({"status": {"code": 502, "when": "after"}}),
            502,
            whole,
            true,
        ),
        (json!({"reset": {"when": "before"}}), 503, Delivery::Reset, false),
        (json!({"reset": {"when": "after"}}), 201, Delivery::Reset, true),
        (
            json!({"slow": {"milliseconds": 7, "when": "before"}}),
            200,
            Delivery::Postponed(7),
            false,
        ),
        (
            json!({"slow": {"milliseconds": 7, "when": "after"}}),
            201,
            Delivery::Slow(7),
            true,
        ),
        (json!("truncated"), 201, Delivery::Truncated, true),
        (json!("garbage"), 201, Delivery::Garbage, true),
        (json!("replayed_post"), 409, whole, true),
    ] {
        let mut bench = bench(json!([{"fault": fault}]));
        let reply = bench.create("A", &city("Pune"));
        assert_eq!((reply.status, reply.delivery), (status, delivery), "{fault}");
        assert_eq!(!bench.listed().is_empty(), is_there, "{fault}");
    }
}

#[test]
fn the_two_limits_can_be_told_apart() {
    let faults = json!([{"fault": {"rate_limited": {"reset_in": 9}}}, {"fault": "active_limit"}]);
    let mut bench = bench(faults);
    let rate = bench.create("A", &city("Pune"));
    let reset = bench.now.as_second() + 9;
    assert_eq!(rate.headers["x-ratelimit-reset"], reset.to_string());
    assert!(rate.body["error"].get("actual_count").is_none());
    let active = bench.create("A", &city("Pune"));
    assert!(active.body["error"]["actual_count"].is_u64());
}

#[test]
fn a_postponed_call_takes_effect_when_its_time_has_come() {
    let mut bench = bench(json!([{"times": 2, "fault": {"slow": {"milliseconds": 7, "when": "before"}}}]));
    bench.create("A", &city("Pune"));
    let body = json!({"name": "A", "included_filters": city("Pune")});
    let call = super::call("POST", SEGMENTS, &body);
    assert_eq!(bench.service.handle_postponed(bench.now, &call).status, 201);
}

#[test]
fn faults_happen_to_the_calls_they_are_for() {
    let on = json!({"method": "POST", "path_prefix": "/v3", "nth": 2});
    let mut bench =
        bench(json!([{"on": on, "times": 2, "fault": {"status": {"code": 500, "when": "before"}}}]));
    let statuses: Vec<u16> = (0..4)
        .map(|number| {
            bench.get(SEGMENTS);
            bench
                .create(&number.to_string(), &city(&number.to_string()))
                .status
        })
        .collect();
    assert_eq!(statuses, [201, 500, 500, 201]);
}

#[test]
fn a_list_may_lag_behind() {
    for (missing, listed) in [(0, 2), (1, 1), (2, 0), (9, 0)] {
        let mut bench = bench(json!([{"fault": {"stale_list": {"missing_last": missing}}}]));
        bench.created("A", &city("Pune"));
        bench.created("B", &city("Goa"));
        assert_eq!(bench.listed().len(), listed, "{missing}");
        assert_eq!(bench.listed().len(), 2);
    }
    // An archived segment is listed again, an old name comes back.
    let mut bench = bench(json!([{"times": 2, "fault": {"stale_list": {"missing_last": 1}}}]));
    let id = bench.created("A", &city("Pune"));
    bench.update(&id, &json!({"name": "B", "included_filters": city("Pune")}));
    assert_eq!(bench.listed(), ["A"]);
    bench.archive("B");
    assert_eq!(bench.listed(), ["B"]);
}
