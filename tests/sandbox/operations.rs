//! Every operation, every documented status, rate limit resets and automatic archiving.

use super::{
    ARCHIVE, COHORT, FILE, SEGMENTS, Sandbox, UNARCHIVE, city_definition, cohort_body, file_body, options,
    segment_id, send_request,
};
use serde_json::{Value, json};

const MISSING_FILE_URL: &str = "file:///missing";

#[tokio::test]
async fn every_operation_succeeds() {
    let sandbox = Sandbox::start(options()).await;
    let created = sandbox.create("A", "Pune").await;
    assert_eq!(created.status, 201);
    let path = format!("{SEGMENTS}/{}", segment_id(&created));
    assert_eq!(sandbox.get(&path).await.body["data"], created.body["data"]);
    let update = json!({"name": "A 2", "included_filters": city_definition("Goa"), "excluded_filters": city_definition("Pune")});
    assert_eq!(
        sandbox.send("PATCH", &path, update).await.body["data"]["name"],
        "A 2"
    );
    for query in ["?name=A%202", "/?name=A+2"] {
        let listed = sandbox.get(&format!("{SEGMENTS}{query}")).await;
        assert_eq!(
            listed.body["data"][0]["id"],
            json!(segment_id(&created)),
            "{query}"
        );
    }
    let mut file = file_body("F", MISSING_FILE_URL);
    file["expiry_time"] = json!(3);
    assert_eq!(sandbox.send("POST", FILE, file).await.status, 202);
    for change in ["add-users", "remove-users", "replace"] {
        let changed = sandbox
            .send(
                "PUT",
                &format!("{FILE}/{change}"),
                file_body("F", MISSING_FILE_URL),
            )
            .await;
        assert_eq!(changed.body["cs_name"], "F", "{change}");
    }
    for path in [ARCHIVE, UNARCHIVE] {
        let changed = sandbox.send("PATCH", path, json!({"name": "A 2"})).await;
        assert_eq!((changed.status, &changed.body["success"]), (200, &json!(true)));
    }
    let synced = sandbox
        .send("POST", COHORT, cohort_body("add_members", "C", &["a"]))
        .await;
    assert_eq!(synced.body["status"], "success");
    assert_eq!(sandbox.list_names().await, ["A 2", "F", "C"]);
    sandbox.server.stop().await;
}

#[tokio::test]
async fn every_documented_status_is_returned() {
    let mut options = options();
    options.set_switch("active_limit", "3").unwrap();
    let sandbox = Sandbox::start(options).await;
    let first = segment_id(&sandbox.create("A", "Pune").await);
    let path = format!("{SEGMENTS}/{first}");
    let reference =
        json!({"filter_operator": "and", "filters": [{"filter_type": "custom_segments", "id": first}]});
    let hidden = segment_id(&sandbox.create("Hidden", "Agra").await);
    sandbox.send("PATCH", ARCHIVE, json!({"name": "Hidden"})).await;
    let long = city_definition(&"x".repeat(262_144));
    let filters = |filters: Value| json!({"included_filters": filters});
    let named = |name: &str, filters: Value| json!({"name": name, "included_filters": filters});
    let unknown = format!("{SEGMENTS}/5e6cffffffffffffffffffff");
    for (method, path, body, status) in [
        ("POST", SEGMENTS, json!("no object"), 400),
        ("POST", SEGMENTS, named("a|b", city_definition("Goa")), 400),
        ("POST", SEGMENTS, named("A", city_definition("Goa")), 409),
        ("POST", SEGMENTS, named("Hidden", city_definition("Goa")), 409),
        ("POST", SEGMENTS, named("B", city_definition("Pune")), 409),
        ("POST", SEGMENTS, named("B", long), 413),
        ("GET", "/v3/custom-segments/short", Value::Null, 400),
        ("GET", &unknown, Value::Null, 404),
        ("PATCH", &unknown, filters(city_definition("Goa")), 404),
        (
            "PATCH",
            &format!("{SEGMENTS}/{hidden}"),
            filters(city_definition("Goa")),
            403,
        ),
        ("PATCH", &path, filters(reference), 412),
        ("PATCH", ARCHIVE, json!({"name": "unknown"}), 404),
        ("PATCH", UNARCHIVE, json!({"cs_id": "x"}), 400),
        (
            "PUT",
            "/v2/custom-segments/file-segment/replace",
            file_body("A", MISSING_FILE_URL),
            404,
        ),
        ("POST", FILE, file_body("F", MISSING_FILE_URL), 400),
        ("POST", COHORT, json!({"action": "clear"}), 400),
        ("POST", COHORT, json!("x".repeat(128 * 1024)), 413),
        ("DELETE", &path, Value::Null, 404),
    ] {
        let response = sandbox.send(method, path, body).await;
        assert_eq!(response.status, status, "{method} {path}: {}", response.body);
    }
    for city in ["Goa", "Leh"] {
        assert_eq!(sandbox.create(city, city).await.status, 201);
    }
    let full = sandbox.create("Full", "Delhi").await;
    assert_eq!(
        (full.status, &full.body["error"]["actual_count"]),
        (429, &json!(3))
    );
}

#[tokio::test]
async fn credentials_and_content_types_are_required() {
    let sandbox = Sandbox::start(options()).await;
    let wrong = sandbox
        .client
        .get(format!("http://{}{SEGMENTS}", sandbox.server.address()));
    let wrong = send_request(wrong.basic_auth("workspace", Some("nothing"))).await;
    assert_eq!(wrong.status, 401);
    let without_content_type = sandbox
        .client
        .post(format!("http://{}{COHORT}", sandbox.server.address()));
    let without_content_type = without_content_type
        .basic_auth("workspace", Some("key"))
        .header("MOE-APPKEY", "workspace");
    assert_eq!(
        send_request(without_content_type.body(cohort_body("add_members", "C", &["a"]).to_string()))
            .await
            .status,
        415
    );
}

#[tokio::test]
async fn requests_succeed_again_at_the_reset_time_of_the_headers() {
    let sandbox = Sandbox::start(options()).await;
    let header = |response: &super::TestResponse, name: &str| -> i64 {
        response.headers[name].to_str().unwrap().parse().unwrap()
    };
    for remaining in (0..50).rev() {
        let response = sandbox.get(SEGMENTS).await;
        assert_eq!(header(&response, "x-ratelimit-remaining"), remaining);
    }
    let rejected = sandbox.get(SEGMENTS).await;
    assert_eq!(rejected.status, 429);
    assert!(
        rejected.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("50/1 mins")
    );
    let now: jiff::Timestamp = sandbox.get("/_sandbox/clock").await.body["now"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let wait = header(&rejected, "x-ratelimit-reset") - now.as_second();
    // The header rounds up to whole seconds, and `now` is rounded down.
    assert!((1..=61).contains(&wait), "{wait}");
    let body = json!({"advance_seconds": wait});
    assert_eq!(sandbox.send("POST", "/_sandbox/clock", body).await.status, 200);
    assert_eq!(sandbox.get(SEGMENTS).await.status, 200);
}

#[tokio::test]
async fn unused_segments_are_archived_after_sixty_days() {
    let sandbox = Sandbox::start(options()).await;
    sandbox.create("A", "Pune").await;
    let used = segment_id(&sandbox.create("B", "Goa").await);
    for _ in 0..2 {
        sandbox.send("POST", "/_sandbox/run", json!({"id": used})).await;
        let body = json!({"advance_seconds": 31 * 86_400});
        sandbox.send("POST", "/_sandbox/clock", body).await;
    }
    assert_eq!(sandbox.list_names().await, ["B"]);
}
