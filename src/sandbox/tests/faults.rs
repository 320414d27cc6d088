//! The effects of faults that are visible without a socket.

use super::{SEGMENTS, TestService, city_definition};
use crate::sandbox::{Delivery, Fault};
use serde_json::{Value, json};

fn service_with_faults(faults: Value) -> TestService {
    let mut api = TestService::new();
    let faults: Vec<Fault> = serde_json::from_value(faults).unwrap();
    api.service.set_faults(faults);
    api
}

#[test]
fn each_fault_changes_the_response_and_effect_of_a_create() {
    let complete = Delivery::Complete;
    let status_502 = |when: &str| json!({"status": {"code": 502, "when": when}});
    let slow = |when: &str| json!({"slow": {"milliseconds": 7, "when": when}});
    for (fault, status, delivery, takes_effect) in [
        (json!({"rate_limited": {"reset_in": 9}}), 429, complete, false),
        (json!("active_limit"), 429, complete, false),
        (status_502("before"), 502, complete, false),
        (status_502("after"), 502, complete, true),
        (json!({"reset": {"when": "before"}}), 503, Delivery::Reset, false),
        (json!({"reset": {"when": "after"}}), 201, Delivery::Reset, true),
        (slow("before"), 200, Delivery::Deferred(7), false),
        (slow("after"), 201, Delivery::Delayed(7), true),
        (json!("truncated"), 201, Delivery::Truncated, true),
        (json!("garbage"), 201, Delivery::NotJson, true),
        (json!("replayed_post"), 409, complete, true),
    ] {
        let mut api = service_with_faults(json!([{"fault": fault}]));
        let response = api.create("A", &city_definition("Pune"));
        let result = (response.status, response.delivery);
        assert_eq!(result, (status, delivery), "{fault}");
        assert_eq!(!api.list_names().is_empty(), takes_effect, "{fault}");
    }
}

#[test]
fn rate_limit_and_active_limit_errors_are_distinguishable() {
    let faults = json!([{"fault": {"rate_limited": {"reset_in": 9}}}, {"fault": "active_limit"}]);
    let mut api = service_with_faults(faults);
    let rate = api.create("A", &city_definition("Pune"));
    let reset = api.now.as_second() + 9;
    assert_eq!(rate.headers["x-ratelimit-reset"], reset.to_string());
    assert!(rate.body["error"].get("actual_count").is_none());
    let active = api.create("A", &city_definition("Pune"));
    assert!(active.body["error"]["actual_count"].is_u64());
}

#[test]
fn a_deferred_request_takes_effect_after_its_delay() {
    let mut api =
        service_with_faults(json!([{"times": 2, "fault": {"slow": {"milliseconds": 7, "when": "before"}}}]));
    api.create("A", &city_definition("Pune"));
    let body = json!({"name": "A", "included_filters": city_definition("Pune")});
    let request = super::authorized_request("POST", SEGMENTS, &body);
    assert_eq!(api.service.handle_deferred(api.now, &request).status, 201);
}

#[test]
fn faults_affect_only_matching_requests() {
    let on = json!({"method": "POST", "path_prefix": "/v3", "nth": 2});
    let fault = json!({"status": {"code": 500, "when": "before"}});
    let mut api = service_with_faults(json!([{"on": on, "times": 2, "fault": fault}]));
    let statuses = ["0", "1", "2", "3"].map(|number| {
        api.get(SEGMENTS);
        api.create_status(number, &city_definition(number))
    });
    assert_eq!(statuses, [201, 500, 500, 201]);
}

#[test]
fn a_stale_list_misses_the_last_writes() {
    for (missing, listed) in [(0, 2), (1, 1), (2, 0), (9, 0)] {
        let mut api = service_with_faults(json!([{"fault": {"stale_list": {"missing_last": missing}}}]));
        api.create_and_get_id("A", &city_definition("Pune"));
        api.create_and_get_id("B", &city_definition("Goa"));
        assert_eq!(api.list_names().len(), listed, "{missing}");
        assert_eq!(api.list_names().len(), 2);
    }
    // A stale list shows an old name, and an archived segment.
    let mut api = service_with_faults(json!([{"times": 2, "fault": {"stale_list": {"missing_last": 1}}}]));
    let id = api.create_and_get_id("A", &city_definition("Pune"));
    let renamed = json!({"name": "B", "included_filters": city_definition("Pune")});
    api.update(&id, &renamed);
    assert_eq!(api.list_names(), ["A"]);
    api.archive("B");
    assert_eq!(api.list_names(), ["B"]);
}
