//! Faults, as far as they show without a socket.

use super::{SEGMENTS, TestService, city_definition};
use crate::sandbox::{Delivery, Fault};
use serde_json::{Value, json};

fn service_with_faults(faults: Value) -> TestService {
    let mut bench = TestService::new();
    let faults: Vec<Fault> = serde_json::from_value(faults).unwrap();
    bench.service.set_faults(faults);
    bench
}

/// What creating a segment answers, how, and whether it is there.
#[test]
fn each_fault_changes_the_response_and_effect_of_a_create() {
    let whole = Delivery::Complete;
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
            Delivery::Deferred(7),
            false,
        ),
        (
            json!({"slow": {"milliseconds": 7, "when": "after"}}),
            201,
            Delivery::Delayed(7),
            true,
        ),
        (json!("truncated"), 201, Delivery::Truncated, true),
        (json!("garbage"), 201, Delivery::NotJson, true),
        (json!("replayed_post"), 409, whole, true),
    ] {
        let mut bench = service_with_faults(json!([{"fault": fault}]));
        let reply = bench.create("A", &city_definition("Pune"));
        assert_eq!((reply.status, reply.delivery), (status, delivery), "{fault}");
        assert_eq!(!bench.list_names().is_empty(), is_there, "{fault}");
    }
}

#[test]
fn rate_limit_and_active_limit_errors_are_distinguishable() {
    let faults = json!([{"fault": {"rate_limited": {"reset_in": 9}}}, {"fault": "active_limit"}]);
    let mut bench = service_with_faults(faults);
    let rate = bench.create("A", &city_definition("Pune"));
    let reset = bench.now.as_second() + 9;
    assert_eq!(rate.headers["x-ratelimit-reset"], reset.to_string());
    assert!(rate.body["error"].get("actual_count").is_none());
    let active = bench.create("A", &city_definition("Pune"));
    assert!(active.body["error"]["actual_count"].is_u64());
}

#[test]
fn a_deferred_request_takes_effect_after_its_delay() {
    let mut bench =
        service_with_faults(json!([{"times": 2, "fault": {"slow": {"milliseconds": 7, "when": "before"}}}]));
    bench.create("A", &city_definition("Pune"));
    let body = json!({"name": "A", "included_filters": city_definition("Pune")});
    let call = super::authorized_request("POST", SEGMENTS, &body);
    assert_eq!(bench.service.handle_postponed(bench.now, &call).status, 201);
}

#[test]
fn faults_affect_only_matching_requests() {
    let on = json!({"method": "POST", "path_prefix": "/v3", "nth": 2});
    let mut bench = service_with_faults(
        json!([{"on": on, "times": 2, "fault": {"status": {"code": 500, "when": "before"}}}]),
    );
    let statuses: Vec<u16> = (0..4)
        .map(|number| {
            bench.get(SEGMENTS);
            bench
                .create(&number.to_string(), &city_definition(&number.to_string()))
                .status
        })
        .collect();
    assert_eq!(statuses, [201, 500, 500, 201]);
}

#[test]
fn a_stale_list_misses_the_last_writes() {
    for (missing, listed) in [(0, 2), (1, 1), (2, 0), (9, 0)] {
        let mut bench = service_with_faults(json!([{"fault": {"stale_list": {"missing_last": missing}}}]));
        bench.create_and_get_id("A", &city_definition("Pune"));
        bench.create_and_get_id("B", &city_definition("Goa"));
        assert_eq!(bench.list_names().len(), listed, "{missing}");
        assert_eq!(bench.list_names().len(), 2);
    }
    // An archived segment is listed again, an old name comes back.
    let mut bench = service_with_faults(json!([{"times": 2, "fault": {"stale_list": {"missing_last": 1}}}]));
    let id = bench.create_and_get_id("A", &city_definition("Pune"));
    bench.update(
        &id,
        &json!({"name": "B", "included_filters": city_definition("Pune")}),
    );
    assert_eq!(bench.list_names(), ["A"]);
    bench.archive("B");
    assert_eq!(bench.list_names(), ["B"]);
}
