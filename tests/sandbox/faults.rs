//! Injected faults, as a client sees them.

use super::{SEGMENTS, Sandbox, city_definition, options, options_with_data_file};
use serde_json::{Value, json};
use std::time::Duration;

async fn sandbox_with_fault(fault: Value) -> Sandbox {
    let mut options = options();
    let script = json!([{"on": {"method": "POST"}, "fault": fault}]);
    options.set_faults(&script.to_string()).unwrap();
    Sandbox::start(options).await
}

fn create_request(sandbox: &Sandbox) -> reqwest::RequestBuilder {
    let body = json!({"name": "A", "included_filters": city_definition("Pune")});
    sandbox.request("POST", SEGMENTS, &body)
}

#[tokio::test]
async fn a_reset_closes_the_connection_without_a_response() {
    for (when, committed) in [("before", 0), ("after", 1)] {
        let sandbox = sandbox_with_fault(json!({"reset": {"when": when}})).await;
        let error = create_request(&sandbox).send().await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout(), "{error:?}");
        // The client must not retry by itself, or it would hide the fault.
        assert_eq!(sandbox.request_count().await, 1);
        assert_eq!(sandbox.list_names().await.len(), committed, "{when}");
    }
}

#[tokio::test]
async fn a_truncated_response_ends_in_the_middle_of_the_body() {
    let sandbox = sandbox_with_fault(json!("truncated")).await;
    let response = create_request(&sandbox).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 201);
    assert!(response.content_length().unwrap() > 0);
    assert!(response.bytes().await.is_err());
    assert_eq!(sandbox.list_names().await, ["A"]);
}

#[tokio::test]
async fn a_garbage_response_is_not_json() {
    let sandbox = sandbox_with_fault(json!("garbage")).await;
    let response = create_request(&sandbox).send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
    assert_eq!(sandbox.list_names().await, ["A"]);
}

#[tokio::test]
async fn injected_statuses_and_limits_have_an_error_body() {
    for (fault, status, committed) in [
        (json!({"status": {"code": 504, "when": "before"}}), 504, 0),
        (json!({"status": {"code": 504, "when": "after"}}), 504, 1),
        (json!({"rate_limited": {"reset_in": 30}}), 429, 0),
        (json!("active_limit"), 429, 0),
        (json!("replayed_post"), 409, 1),
    ] {
        let sandbox = sandbox_with_fault(fault.clone()).await;
        let response = super::send_request(create_request(&sandbox)).await;
        assert_eq!(response.status, status, "{fault}");
        assert!(response.body["error"].is_object());
        assert_eq!(sandbox.list_names().await.len(), committed, "{fault}");
    }
}

#[tokio::test]
async fn a_request_takes_effect_after_its_client_disconnected() {
    let directory = tempfile::tempdir().unwrap();
    for when in ["before", "after"] {
        let file = directory.path().join(when);
        let sandbox = Sandbox::start(options_with_data_file(&file)).await;
        let fault = json!([{"fault": {"slow": {"milliseconds": 400, "when": when}}}]);
        sandbox.send("POST", "/_sandbox/faults", fault).await;
        let request = create_request(&sandbox).timeout(Duration::from_millis(40));
        assert!(request.send().await.unwrap_err().is_timeout());
        let count = sandbox.list_names().await.len();
        assert_eq!(count, usize::from(when == "after"));
        sandbox.server.stop().await;
        let sandbox = Sandbox::start(options_with_data_file(&file)).await;
        assert_eq!(sandbox.list_names().await, ["A"], "{when}");
    }
}

#[tokio::test]
async fn a_stale_list_is_returned_once() {
    let sandbox = Sandbox::start(options()).await;
    sandbox.create("A", "Pune").await;
    let fault = json!([{"fault": {"stale_list": {"missing_last": 1}}}]);
    let set = sandbox.send("POST", "/_sandbox/faults", fault).await;
    assert_eq!(set.status, 200);
    assert!(sandbox.list_names().await.is_empty());
    assert_eq!(sandbox.list_names().await, ["A"]);
}

#[tokio::test]
async fn a_slow_response_arrives_complete() {
    for when in ["before", "after"] {
        let sandbox = sandbox_with_fault(json!({"slow": {"milliseconds": 5, "when": when}})).await;
        let response = super::send_request(create_request(&sandbox)).await;
        assert_eq!(
            (response.status, &response.body["data"]["name"]),
            (201, &json!("A"))
        );
        assert_eq!(sandbox.list_names().await, ["A"], "{when}");
    }
}

#[tokio::test]
async fn rate_limit_and_active_limit_errors_are_distinguishable() {
    let sandbox = sandbox_with_fault(json!({"rate_limited": {"reset_in": 30}})).await;
    let limited = super::send_request(create_request(&sandbox)).await;
    assert_eq!(limited.headers["x-ratelimit-remaining"], "0");
    let reset: i64 = limited.headers["x-ratelimit-reset"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let now = sandbox.get("/_sandbox/clock").await.body["now"].clone();
    let now: jiff::Timestamp = now.as_str().unwrap().parse().unwrap();
    // `reset` is a time, not a delay. The second may change between the requests.
    assert!(reset <= now.as_second() + 30 && reset > now.as_second());
    assert!(limited.body["error"].get("actual_count").is_none());
    let sandbox = sandbox_with_fault(json!("active_limit")).await;
    let full = super::send_request(create_request(&sandbox)).await;
    let error = &full.body["error"];
    assert!(
        error["actual_count"].is_u64() && error["limit"].is_u64(),
        "{error}"
    );
}

#[tokio::test]
async fn a_fault_script_affects_only_matching_requests() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let status = |code: u16| json!({"status": {"code": code, "when": "before"}});
    let script = json!([
        {"on": {"method": "GET", "path_prefix": "/v3/custom-segments/"}, "fault": status(502)},
        {"on": {"method": "POST", "nth": 2}, "times": 2, "fault": status(503)},
    ]);
    let set = sandbox.send("POST", "/_sandbox/faults", script).await;
    assert_eq!(set.status, 200);
    let mut statuses = Vec::new();
    for city in ["a", "b", "c", "d"] {
        statuses.push(sandbox.create(city, city).await.status);
    }
    assert_eq!(statuses, [201, 503, 503, 201]);
    assert_eq!(sandbox.list_names().await, ["a", "d"]);
    let path = format!("{SEGMENTS}/5e6c00000000000000000001");
    assert_eq!(sandbox.get(&path).await.status, 502);
    assert_eq!(sandbox.get(&path).await.status, 200);
    for script in [
        json!({}),
        json!([{"fault": "earthquake"}]),
        json!([{"on": {"verb": "GET"}, "fault": "garbage"}]),
        json!([{"times": -1, "fault": "garbage"}]),
        json!([{"fault": {"reset": {}}}]),
        json!([{"fault": status(99)}]),
        json!([{"fault": status(101)}]),
        json!([{"fault": status(1000)}]),
    ] {
        let rejected = sandbox.send("POST", "/_sandbox/faults", script.clone()).await;
        assert_eq!(rejected.status, 400, "{script}");
        assert!(options().set_faults(&script.to_string()).is_err());
    }
}

#[tokio::test]
async fn a_reset_also_affects_updates() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let path = format!("{SEGMENTS}/{}", sandbox.create_and_get_id("A", "Pune").await);
    for (when, city) in [("before", "Pune"), ("after", "Goa")] {
        let fault = json!([{"on": {"method": "PATCH"}, "fault": {"reset": {"when": when}}}]);
        sandbox.send("POST", "/_sandbox/faults", fault).await;
        let body = json!({"included_filters": city_definition("Goa")});
        assert!(sandbox.request("PATCH", &path, &body).send().await.is_err());
        let stored = sandbox.get(&path).await.body["data"]["included_filters"].clone();
        assert_eq!(stored, city_definition(city), "{when}");
    }
}
