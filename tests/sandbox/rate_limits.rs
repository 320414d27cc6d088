//! Rate limit windows: when requests are rejected, when they are accepted again, and which requests count.

use super::{FILE, SEGMENTS, Sandbox, UNARCHIVE, field_names, file_body, new_file_body, options};
use serde_json::{Value, json};

async fn create_with_invalid_name(sandbox: &Sandbox) -> u16 {
    sandbox.create("bad|name", "Pune").await.status
}

#[tokio::test]
async fn the_51st_create_of_a_minute_is_rejected_until_the_next_minute() {
    let sandbox = Sandbox::start(options()).await;
    for number in 0..50 {
        let text = number.to_string();
        assert_eq!(sandbox.create(&text, &text).await.status, 201);
    }
    // Rejected requests do not count, or the window would never end.
    for _ in 0..60 {
        let rejected = sandbox.create("51", "51").await;
        assert_eq!(rejected.status, 429);
        assert_eq!(rejected.headers["x-ratelimit-limit"], "50");
        assert_eq!(rejected.headers["x-ratelimit-remaining"], "0");
        assert!(!rejected.headers.contains_key("retry-after"));
        let error = &rejected.body["error"];
        assert_eq!(field_names(error), ["code", "message"]);
        assert!(error["message"].as_str().unwrap().contains("50/1 mins"));
    }
    assert_eq!(sandbox.list_names().await.len(), 50);
    sandbox.advance(60).await;
    assert_eq!(sandbox.create("51", "51").await.status, 201);
    // Requests with an invalid body count.
    for _ in 0..49 {
        assert_eq!(create_with_invalid_name(&sandbox).await, 400);
    }
    assert_eq!(create_with_invalid_name(&sandbox).await, 429);
}

#[tokio::test]
async fn all_file_operations_share_ten_requests_an_hour_and_a_hundred_a_day() {
    let sandbox = Sandbox::start(options()).await;
    let first = sandbox
        .send("POST", FILE, new_file_body("F", "file:///x", 300))
        .await;
    assert_eq!(first.status, 202);
    let changes = ["add-users", "remove-users", "replace"].map(|change| format!("{FILE}/{change}"));
    for path in changes.iter().cycle().take(9) {
        assert_eq!(
            sandbox
                .send("PUT", path, file_body("F", "file:///x"))
                .await
                .status,
            202
        );
    }
    for path in &changes {
        let rejected = sandbox.send("PUT", path, file_body("F", "file:///x")).await;
        assert_eq!(rejected.status, 429);
        assert_eq!(field_names(&rejected.body), ["description", "title"]);
        assert!(
            rejected.body["description"]
                .as_str()
                .unwrap()
                .contains("10/60 mins")
        );
    }
    for _ in 0..9 {
        sandbox.advance(3600).await;
        for _ in 0..10 {
            let accepted = sandbox
                .send("PUT", &changes[0], file_body("F", "file:///x"))
                .await;
            assert_eq!(accepted.status, 202);
        }
    }
    sandbox.advance(3600).await;
    let rejected = sandbox
        .send("PUT", &changes[0], file_body("F", "file:///x"))
        .await;
    assert!(
        rejected.body.to_string().contains("100/1440 mins"),
        "{}",
        rejected.body
    );
    sandbox.wait_for_queue().await;
}

#[tokio::test]
async fn each_rate_limit_class_has_its_own_window() {
    let sandbox = Sandbox::start(options()).await;
    let segment = sandbox.create_and_get_id("A", "Pune").await;
    let path = format!("{SEGMENTS}/{segment}");
    for remaining in (0..100).rev() {
        let read = sandbox.get(&path).await;
        assert_eq!(read.headers["x-ratelimit-remaining"], remaining.to_string());
    }
    assert_eq!(sandbox.get(&path).await.status, 429);
    assert_eq!(sandbox.get(SEGMENTS).await.status, 200);
    // Updates and lifecycle requests have no documented limit, so they have no headers.
    for _ in 0..60 {
        let unarchived = sandbox.unarchive("A").await;
        assert_eq!(unarchived.status, 200);
        assert!(!unarchived.headers.contains_key("x-ratelimit-limit"));
    }
    let unknown = sandbox.send("PATCH", UNARCHIVE, Value::Null).await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn windows_can_be_shared_and_customized_and_headers_disabled() {
    for (shared, status) in [("true", 429), ("false", 201)] {
        let mut options = options();
        options.set_switch("list_create_share_window", shared).unwrap();
        let sandbox = Sandbox::start(options).await;
        for _ in 0..50 {
            sandbox.get(SEGMENTS).await;
        }
        assert_eq!(sandbox.create("A", "Pune").await.status, status, "{shared}");
    }
    for (headers, present) in [("true", true), ("false", false)] {
        let mut options = options();
        options.set_switch("rate_headers", headers).unwrap();
        let sandbox = Sandbox::start(options).await;
        let listed = sandbox.get(SEGMENTS).await;
        for name in ["limit", "remaining", "reset"] {
            let name = format!("x-ratelimit-{name}");
            assert_eq!(listed.headers.contains_key(&name), present, "{name}");
        }
    }
    let table = json!({"custom": {"list": [{"calls": 1, "seconds": 60}, {"calls": 3, "seconds": 7200}]}});
    for (described, limit) in [("shortest", "1"), ("fullest", "3")] {
        let mut options = options();
        options.set_switch("rate_limits", &table.to_string()).unwrap();
        options.set_switch("rate_headers_window", described).unwrap();
        let sandbox = Sandbox::start(options).await;
        for _ in 0..3 {
            assert_eq!(sandbox.get(SEGMENTS).await.status, 200);
            sandbox.advance(60).await;
        }
        let rejected = sandbox.get(SEGMENTS).await;
        assert_eq!(rejected.status, 429);
        assert_eq!(rejected.headers["x-ratelimit-limit"], limit, "{described}");
        assert!(rejected.body.to_string().contains("3/120 mins"));
    }
}
