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
