//! Rolling windows and their headers.

use super::{COHORT, FILE, HttpResponse, SEGMENTS, TestService, UNARCHIVE, city_definition};
use serde_json::{Value, json};

fn service_with_documented_limits() -> TestService {
    TestService::with_settings(&[("rate_limits", json!("documented"))])
}

/// Calls until one is refused, and what it says.
fn send_until_rate_limited(bench: &mut TestService, method: &str, path: &str) -> (usize, String) {
    for taken in 0..5000 {
        let reply = bench.send(method, path, &Value::Null);
        if reply.status == 429 {
            return (taken, reply.body.to_string());
        }
    }
    (5000, String::new())
}

/// Whether an answer says how many calls are left.
fn has_rate_limit_headers(reply: &HttpResponse) -> bool {
    reply.headers.keys().any(|name| name.starts_with("x-ratelimit"))
}

#[test]
fn each_rate_limit_class_has_its_windows() {
    let get = "/v3/custom-segments/5e6c00000000000000000001";
    for (method, path, calls, words) in [
        ("GET", SEGMENTS, 50, "50/1 mins"),
        ("POST", SEGMENTS, 50, "50/1 mins"),
        ("GET", get, 100, "100/1 mins"),
        ("POST", FILE, 10, "10/60 mins"),
        ("POST", COHORT, 300, "300/1 mins"),
        ("PATCH", get, 5000, ""),
        ("PATCH", UNARCHIVE, 5000, ""),
    ] {
        let (taken, said) = send_until_rate_limited(&mut service_with_documented_limits(), method, path);
        assert_eq!(taken, calls, "{method} {path}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn windows_roll_and_longer_windows_also_limit() {
    let mut bench = service_with_documented_limits();
    let mut taken = 0;
    for _ in 0..4 {
        taken += send_until_rate_limited(&mut bench, "GET", SEGMENTS).0;
        bench.advance_seconds(60);
    }
    assert_eq!(taken, 200);
    let (none, said) = send_until_rate_limited(&mut bench, "GET", SEGMENTS);
    assert_eq!((none, said.contains("200/60 mins")), (0, true));
    // One hour after the first calls these are free again, and no refused call has counted.
    bench.advance_seconds(3600 - 4 * 60);
    assert_eq!(send_until_rate_limited(&mut bench, "GET", SEGMENTS).0, 50);
}

#[test]
fn headers_report_remaining_requests_and_reset_time() {
    let mut bench = service_with_documented_limits();
    bench.get(SEGMENTS);
    bench.advance_seconds(20);
    let reply = bench.get(SEGMENTS);
    let header = |name: &str| reply.headers[name].parse::<i64>().unwrap();
    assert_eq!(
        (header("x-ratelimit-limit"), header("x-ratelimit-remaining")),
        (50, 48)
    );
    assert_eq!(header("x-ratelimit-reset"), bench.now.as_second() + 40);
    // Errors carry them too, updates have none to carry.
    let failed = bench.create("", &city_definition("Pune"));
    assert_eq!(failed.headers["x-ratelimit-remaining"], "49");
    let update = bench.update("5e6c00000000000000000001", &json!({}));
    assert!(!has_rate_limit_headers(&update));
    send_until_rate_limited(&mut bench, "GET", SEGMENTS);
    assert_eq!(bench.get(SEGMENTS).headers["x-ratelimit-remaining"], "0");
    bench.advance_seconds(40);
    assert_eq!(bench.get(SEGMENTS).status, 200);
}

#[test]
fn headers_can_be_disabled_or_describe_the_fullest_window() {
    let off = [
        ("rate_limits", json!("documented")),
        ("rate_headers", json!(false)),
    ];
    assert!(!has_rate_limit_headers(
        &TestService::with_settings(&off).get(SEGMENTS)
    ));
    let fullest = [
        ("rate_limits", json!("documented")),
        ("rate_headers_window", json!("fullest")),
    ];
    let mut bench = TestService::with_settings(&fullest);
    assert_eq!(bench.get(SEGMENTS).headers["x-ratelimit-limit"], "50");
    for _ in 0..4 {
        send_until_rate_limited(&mut bench, "GET", SEGMENTS);
        bench.advance_seconds(60);
    }
    assert_eq!(bench.get(SEGMENTS).headers["x-ratelimit-limit"], "200");
}

#[test]
fn windows_can_be_shared_and_customized() {
    for (shared, left) in [(true, 20), (false, 50)] {
        let mut bench = TestService::with_settings(&[
            ("rate_limits", json!("documented")),
            ("list_create_share_window", json!(shared)),
        ]);
        for _ in 0..30 {
            bench.get(SEGMENTS);
        }
        assert_eq!(send_until_rate_limited(&mut bench, "POST", SEGMENTS).0, left);
    }
    let table =
        json!({"custom": {"create": [{"calls": 2, "seconds": 3}], "update": [{"calls": 1, "seconds": 60}]}});
    let mut bench = TestService::with_settings(&[("rate_limits", table)]);
    let (taken, said) = send_until_rate_limited(&mut bench, "POST", SEGMENTS);
    assert_eq!((taken, said.contains("2/0.05 mins")), (2, true), "{said}");
    bench.advance_seconds(3);
    assert_eq!(send_until_rate_limited(&mut bench, "POST", SEGMENTS).0, 2);
    let update = format!("{SEGMENTS}/5e6c00000000000000000001");
    assert_eq!(send_until_rate_limited(&mut bench, "PATCH", &update).0, 1);
    assert_eq!(send_until_rate_limited(&mut bench, "GET", SEGMENTS).0, 50);
}
