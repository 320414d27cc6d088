//! Rolling windows and their headers.

use super::{Bench, COHORT, FILE, Reply, SEGMENTS, UNARCHIVE, city};
use serde_json::{Value, json};

fn documented() -> Bench {
    Bench::with(&[("rate_limits", json!("documented"))])
}

/// Calls until one is refused, and what it says.
fn until_refused(bench: &mut Bench, method: &str, path: &str) -> (usize, String) {
    for taken in 0..5000 {
        let reply = bench.call(method, path, &Value::Null);
        if reply.status == 429 {
            return (taken, reply.body.to_string());
        }
    }
    (5000, String::new())
}

/// Whether an answer says how many calls are left.
fn tells_limits(reply: &Reply) -> bool {
    reply.headers.keys().any(|name| name.starts_with("x-ratelimit"))
}

#[test]
fn each_class_has_its_windows() {
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
        let (taken, said) = until_refused(&mut documented(), method, path);
        assert_eq!(taken, calls, "{method} {path}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn windows_roll_and_the_longer_ones_fill_up() {
    let mut bench = documented();
    let mut taken = 0;
    for _ in 0..4 {
        taken += until_refused(&mut bench, "GET", SEGMENTS).0;
        bench.pass_seconds(60);
    }
    assert_eq!(taken, 200);
    let (none, said) = until_refused(&mut bench, "GET", SEGMENTS);
    assert_eq!((none, said.contains("200/60 mins")), (0, true));
    // One hour after the first calls these are free again, and no refused call has counted.
    bench.pass_seconds(3600 - 4 * 60);
    assert_eq!(until_refused(&mut bench, "GET", SEGMENTS).0, 50);
}

#[test]
fn headers_tell_when_the_minute_ends() {
    let mut bench = documented();
    bench.get(SEGMENTS);
    bench.pass_seconds(20);
    let reply = bench.get(SEGMENTS);
    let header = |name: &str| reply.headers[name].parse::<i64>().unwrap();
    assert_eq!(
        (header("x-ratelimit-limit"), header("x-ratelimit-remaining")),
        (50, 48)
    );
    assert_eq!(header("x-ratelimit-reset"), bench.now.as_second() + 40);
    // Errors carry them too, updates have none to carry.
    let failed = bench.create("", &city("Pune"));
    assert_eq!(failed.headers["x-ratelimit-remaining"], "49");
    let update = bench.update("5e6c00000000000000000001", &json!({}));
    assert!(!tells_limits(&update));
    until_refused(&mut bench, "GET", SEGMENTS);
    assert_eq!(bench.get(SEGMENTS).headers["x-ratelimit-remaining"], "0");
    bench.pass_seconds(40);
    assert_eq!(bench.get(SEGMENTS).status, 200);
}

#[test]
fn headers_may_be_absent_or_of_another_window() {
    let off = [
        ("rate_limits", json!("documented")),
        ("rate_headers", json!(false)),
    ];
    assert!(!tells_limits(&Bench::with(&off).get(SEGMENTS)));
    let fullest = [
        ("rate_limits", json!("documented")),
        ("rate_headers_window", json!("fullest")),
    ];
    let mut bench = Bench::with(&fullest);
    assert_eq!(bench.get(SEGMENTS).headers["x-ratelimit-limit"], "50");
    for _ in 0..4 {
        until_refused(&mut bench, "GET", SEGMENTS);
        bench.pass_seconds(60);
    }
    assert_eq!(bench.get(SEGMENTS).headers["x-ratelimit-limit"], "200");
}

#[test]
fn windows_can_be_shared_raised_and_set_where_there_are_none() {
    for (shared, left) in [(true, 20), (false, 50)] {
        let mut bench = Bench::with(&[
            ("rate_limits", json!("documented")),
            ("list_create_share_window", json!(shared)),
        ]);
        for _ in 0..30 {
            bench.get(SEGMENTS);
        }
        assert_eq!(until_refused(&mut bench, "POST", SEGMENTS).0, left);
    }
    let table =
        json!({"custom": {"create": [{"calls": 2, "seconds": 3}], "update": [{"calls": 1, "seconds": 60}]}});
    let mut bench = Bench::with(&[("rate_limits", table)]);
    let (taken, said) = until_refused(&mut bench, "POST", SEGMENTS);
    assert_eq!((taken, said.contains("2/0.05 mins")), (2, true), "{said}");
    bench.pass_seconds(3);
    assert_eq!(until_refused(&mut bench, "POST", SEGMENTS).0, 2);
    let update = format!("{SEGMENTS}/5e6c00000000000000000001");
    assert_eq!(until_refused(&mut bench, "PATCH", &update).0, 1);
    assert_eq!(until_refused(&mut bench, "GET", SEGMENTS).0, 50);
}
