//! Rate limits and their headers.

use super::{COHORT, FILE, HttpResponse, SEGMENTS, TestService, UNARCHIVE, city_definition};
use serde_json::{Value, json};

fn service_with_documented_limits() -> TestService {
    TestService::with_settings(&[("rate_limits", json!("documented"))])
}

fn service_with_limits_and(switch: &str, value: Value) -> TestService {
    TestService::with_settings(&[("rate_limits", json!("documented")), (switch, value)])
}

/// The number of accepted requests until one is rejected, and its body.
fn send_until_rate_limited(api: &mut TestService, method: &str, path: &str) -> (usize, String) {
    for accepted in 0..5000 {
        let response = api.send(method, path, &Value::Null);
        if response.status == 429 {
            return (accepted, response.body.to_string());
        }
    }
    (5000, String::new())
}

fn has_rate_limit_headers(response: &HttpResponse) -> bool {
    response
        .headers
        .keys()
        .any(|name| name.starts_with("x-ratelimit"))
}

#[test]
fn each_rate_limit_class_has_its_windows() {
    let get = "/v3/custom-segments/5e6c00000000000000000001";
    for (method, path, limit, message) in [
        ("GET", SEGMENTS, 50, "50/1 mins"),
        ("POST", SEGMENTS, 50, "50/1 mins"),
        ("GET", get, 100, "100/1 mins"),
        ("POST", FILE, 10, "10/60 mins"),
        ("POST", COHORT, 300, "300/1 mins"),
        ("PATCH", get, 5000, ""),
        ("PATCH", UNARCHIVE, 5000, ""),
    ] {
        let (accepted, body) = send_until_rate_limited(&mut service_with_documented_limits(), method, path);
        assert_eq!(accepted, limit, "{method} {path}");
        assert!(body.contains(message), "{body}");
    }
}

#[test]
fn windows_roll_and_longer_windows_also_limit() {
    let mut api = service_with_documented_limits();
    let mut accepted = 0;
    for _ in 0..4 {
        accepted += send_until_rate_limited(&mut api, "GET", SEGMENTS).0;
        api.advance_seconds(60);
    }
    assert_eq!(accepted, 200);
    let (none, body) = send_until_rate_limited(&mut api, "GET", SEGMENTS);
    assert_eq!((none, body.contains("200/60 mins")), (0, true));
    // One hour after the first requests these no longer count, and rejected requests never did.
    api.advance_seconds(3600 - 4 * 60);
    assert_eq!(send_until_rate_limited(&mut api, "GET", SEGMENTS).0, 50);
}

#[test]
fn headers_report_remaining_requests_and_reset_time() {
    let mut api = service_with_documented_limits();
    api.get(SEGMENTS);
    api.advance_seconds(20);
    let response = api.get(SEGMENTS);
    let header = |name: &str| response.headers[name].parse::<i64>().unwrap();
    assert_eq!(header("x-ratelimit-limit"), 50);
    assert_eq!(header("x-ratelimit-remaining"), 48);
    assert_eq!(header("x-ratelimit-reset"), api.now.as_second() + 40);
    // Errors have the headers, too; updates have no window.
    let failed = api.create("", &city_definition("Pune"));
    assert_eq!(failed.headers["x-ratelimit-remaining"], "49");
    let update = api.update("5e6c00000000000000000001", &json!({}));
    assert!(!has_rate_limit_headers(&update));
    send_until_rate_limited(&mut api, "GET", SEGMENTS);
    assert_eq!(api.get(SEGMENTS).headers["x-ratelimit-remaining"], "0");
    api.advance_seconds(40);
    assert_eq!(api.get(SEGMENTS).status, 200);
}

#[test]
fn headers_can_be_disabled_or_describe_the_fullest_window() {
    let mut api = service_with_limits_and("rate_headers", json!(false));
    assert!(!has_rate_limit_headers(&api.get(SEGMENTS)));
    let mut api = service_with_limits_and("rate_headers_window", json!("fullest"));
    assert_eq!(api.get(SEGMENTS).headers["x-ratelimit-limit"], "50");
    for _ in 0..4 {
        send_until_rate_limited(&mut api, "GET", SEGMENTS);
        api.advance_seconds(60);
    }
    assert_eq!(api.get(SEGMENTS).headers["x-ratelimit-limit"], "200");
}

#[test]
fn windows_can_be_shared_and_customized() {
    for (shared, remaining) in [(true, 20), (false, 50)] {
        let mut api = service_with_limits_and("list_create_share_window", json!(shared));
        for _ in 0..30 {
            api.get(SEGMENTS);
        }
        assert_eq!(send_until_rate_limited(&mut api, "POST", SEGMENTS).0, remaining);
    }
    let table =
        json!({"custom": {"create": [{"calls": 2, "seconds": 3}], "update": [{"calls": 1, "seconds": 60}]}});
    let mut api = TestService::with_settings(&[("rate_limits", table)]);
    let (accepted, body) = send_until_rate_limited(&mut api, "POST", SEGMENTS);
    assert_eq!((accepted, body.contains("2/0.05 mins")), (2, true), "{body}");
    api.advance_seconds(3);
    assert_eq!(send_until_rate_limited(&mut api, "POST", SEGMENTS).0, 2);
    let update = format!("{SEGMENTS}/5e6c00000000000000000001");
    assert_eq!(send_until_rate_limited(&mut api, "PATCH", &update).0, 1);
    assert_eq!(send_until_rate_limited(&mut api, "GET", SEGMENTS).0, 50);
}
