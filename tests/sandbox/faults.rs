//! Faults as a client meets them.

use super::{SEGMENTS, Sandbox, kept_in, lives_in, options};
use serde_json::{Value, json};
use std::time::Duration;

async fn with_fault(fault: Value) -> Sandbox {
    let mut options = options();
    let script = json!([{"on": {"method": "POST"}, "fault": fault}]);
    options.set_faults(&script.to_string()).unwrap();
    Sandbox::start(options).await
}

fn create(sandbox: &Sandbox) -> reqwest::RequestBuilder {
    let body = json!({"name": "A", "included_filters": lives_in("Pune")});
    sandbox.request("POST", SEGMENTS, &body)
}

#[tokio::test]
async fn a_reset_ends_the_connection_without_an_answer() {
    for (when, committed) in [("before", 0), ("after", 1)] {
        let sandbox = with_fault(json!({"reset": {"when": when}})).await;
        let error = create(&sandbox).send().await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout(), "{error:?}");
        // One call only: a client that sent it again on its own would hide the fault.
        assert_eq!(sandbox.calls().await, 1);
        assert_eq!(sandbox.listed().await.len(), committed, "{when}");
    }
}

#[tokio::test]
async fn a_truncated_answer_breaks_in_the_body() {
    let sandbox = with_fault(json!("truncated")).await;
    let response = create(&sandbox).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 201);
    assert!(response.content_length().unwrap() > 0);
    assert!(response.bytes().await.is_err());
    assert_eq!(sandbox.listed().await, ["A"]);
}

#[tokio::test]
async fn a_garbage_answer_is_no_json() {
    let sandbox = with_fault(json!("garbage")).await;
    let response = create(&sandbox).send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
    assert_eq!(sandbox.listed().await, ["A"]);
}

#[tokio::test]
async fn statuses_and_limits_come_with_a_body() {
    for (fault, status, committed) in [
        (json!({"status": {"code": 504, "when": "before"}}), 504, 0),
        (json!({"status": {"code": 504, "when": "after"}}), 504, 1),
        (json!({"rate_limited": {"reset_in": 30}}), 429, 0),
        (json!("active_limit"), 429, 0),
        (json!("replayed_post"), 409, 1),
    ] {
        let sandbox = with_fault(fault.clone()).await;
        let answer = super::answer(create(&sandbox)).await;
        assert_eq!(answer.status, status, "{fault}");
        assert!(answer.body["error"].is_object());
        assert_eq!(sandbox.listed().await.len(), committed, "{fault}");
    }
}

#[tokio::test]
async fn a_call_takes_effect_though_its_caller_has_gone() {
    let directory = tempfile::tempdir().unwrap();
    for when in ["before", "after"] {
        let file = directory.path().join(when);
        let sandbox = Sandbox::start(kept_in(&file)).await;
        let fault = json!([{"fault": {"slow": {"milliseconds": 400, "when": when}}}]);
        sandbox.call("POST", "/_sandbox/faults", fault).await;
        let impatient = create(&sandbox).timeout(Duration::from_millis(40));
        assert!(impatient.send().await.unwrap_err().is_timeout());
        let at_once = sandbox.listed().await.len();
        assert_eq!(at_once, usize::from(when == "after"));
        sandbox.server.stop().await;
        let sandbox = Sandbox::start(kept_in(&file)).await;
        assert_eq!(sandbox.listed().await, ["A"], "{when}");
    }
}

#[tokio::test]
async fn a_list_lags_behind_once() {
    let sandbox = Sandbox::start(options()).await;
    sandbox.create("A", "Pune").await;
    let fault = json!([{"fault": {"stale_list": {"missing_last": 1}}}]);
    let set = sandbox.call("POST", "/_sandbox/faults", fault).await;
    assert_eq!(set.status, 200);
    assert!(sandbox.listed().await.is_empty());
    assert_eq!(sandbox.listed().await, ["A"]);
}

#[tokio::test]
async fn a_slow_answer_arrives_whole() {
    for when in ["before", "after"] {
        let sandbox = with_fault(json!({"slow": {"milliseconds": 5, "when": when}})).await;
        let answer = super::answer(create(&sandbox)).await;
        assert_eq!((answer.status, &answer.body["data"]["name"]), (201, &json!("A")));
        assert_eq!(sandbox.listed().await, ["A"], "{when}");
    }
}

#[tokio::test]
async fn the_two_kinds_of_429_can_be_told_apart() {
    let sandbox = with_fault(json!({"rate_limited": {"reset_in": 30}})).await;
    let limited = super::answer(create(&sandbox)).await;
    assert_eq!(limited.headers["x-ratelimit-remaining"], "0");
    let reset: i64 = limited.headers["x-ratelimit-reset"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let now = sandbox.get("/_sandbox/clock").await.body["now"].clone();
    let now: jiff::Timestamp = now.as_str().unwrap().parse().unwrap();
    // A moment and not a delay; the calls may straddle seconds.
    assert!(reset <= now.as_second() + 30 && reset > now.as_second());
    assert!(limited.body["error"].get("actual_count").is_none());
    let sandbox = with_fault(json!("active_limit")).await;
    let full = super::answer(create(&sandbox)).await;
    let error = &full.body["error"];
    assert!(
        error["actual_count"].is_u64() && error["limit"].is_u64(),
        "{error}"
    );
}

#[tokio::test]
async fn a_script_hits_the_calls_it_is_for_and_no_others() {
    let sandbox = Sandbox::with(&[]).await;
    let status = |code: u16| json!({"status": {"code": code, "when": "before"}});
    let script = json!([
        {"on": {"method": "GET", "path_prefix": "/v3/custom-segments/"}, "fault": status(502)},
        {"on": {"method": "POST", "nth": 2}, "times": 2, "fault": status(503)},
    ]);
    let set = sandbox.call("POST", "/_sandbox/faults", script).await;
    assert_eq!(set.status, 200);
    let mut seen = Vec::new();
    for city in ["a", "b", "c", "d"] {
        seen.push(sandbox.create(city, city).await.status);
    }
    assert_eq!(seen, [201, 503, 503, 201]);
    assert_eq!(sandbox.listed().await, ["a", "d"]);
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
        let refused = sandbox.call("POST", "/_sandbox/faults", script.clone()).await;
        assert_eq!(refused.status, 400, "{script}");
        assert!(options().set_faults(&script.to_string()).is_err());
    }
}

#[tokio::test]
async fn updates_may_lose_their_answers_too() {
    let sandbox = Sandbox::with(&[]).await;
    let path = format!("{SEGMENTS}/{}", sandbox.created("A", "Pune").await);
    for (when, city) in [("before", "Pune"), ("after", "Goa")] {
        let fault = json!([{"on": {"method": "PATCH"}, "fault": {"reset": {"when": when}}}]);
        sandbox.call("POST", "/_sandbox/faults", fault).await;
        let body = json!({"included_filters": lives_in("Goa")});
        assert!(sandbox.request("PATCH", &path, &body).send().await.is_err());
        let stored = sandbox.get(&path).await.body["data"]["included_filters"].clone();
        assert_eq!(stored, lives_in(city), "{when}");
    }
}
