//! Authentication: each missing or wrong credential is a 401 or 400 with the body of the endpoint family.

use super::{ARCHIVE, COHORT, FILE, SEGMENTS, Sandbox, cohort_body, field_names, send_request};
use serde_json::Value;

const APP_KEY: (&str, &str) = ("MOE-APPKEY", "workspace");
const DATABASE: (&str, &str) = ("MOE-DBNAME", "db");
const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn status_with_headers(
    sandbox: &Sandbox,
    target: (&str, &str),
    user: &str,
    headers: &[(&str, &str)],
) -> u16 {
    let mut request = sandbox
        .unauthenticated_request(target.0, target.1)
        .basic_auth(user, Some("key"))
        .header(JSON.0, JSON.1);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send_request(request.body("[]")).await.status
}

#[tokio::test]
async fn every_endpoint_family_requires_basic_authentication() {
    let sandbox = Sandbox::with_switches(&[]).await;
    for (method, path, fields) in [
        ("GET", SEGMENTS, ["error", "response_id", "type"].as_slice()),
        ("POST", SEGMENTS, &["error", "response_id", "type"]),
        ("POST", FILE, &["description", "title"]),
        ("PATCH", ARCHIVE, &["description", "title"]),
        ("POST", COHORT, &["error", "status"]),
    ] {
        let request = || {
            sandbox
                .unauthenticated_request(method, path)
                .header(APP_KEY.0, APP_KEY.1)
                .header(DATABASE.0, DATABASE.1)
                .header(JSON.0, JSON.1)
        };
        for (request, problem) in [
            (request(), "none"),
            (request().basic_auth("workspace", Some("other")), "wrong password"),
            (request().basic_auth("other", Some("key")), "wrong user"),
            (request().basic_auth("workspace", None::<&str>), "no password"),
            (request().bearer_auth("key"), "another scheme"),
            (request().header("Authorization", "Basic"), "no value"),
        ] {
            let response = send_request(request).await;
            assert_eq!(response.status, 401, "{method} {path}: {problem}");
            assert_eq!(field_names(&response.body), fields, "{method} {path}: {problem}");
            assert!(!response.body.to_string().contains("key"), "{}", response.body);
        }
    }
}

#[tokio::test]
async fn each_endpoint_family_requires_its_own_header() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let wrong_key = (APP_KEY.0, "other");
    let wrong_database = (DATABASE.0, "other");
    // An authenticated request with a method other than GET fails with a 400, because of its body.
    for (target, headers, expected) in [
        (("GET", SEGMENTS), [APP_KEY].as_slice(), 200),
        (("GET", SEGMENTS), &[DATABASE], 200),
        (("GET", SEGMENTS), &[], 400),
        (("GET", SEGMENTS), &[wrong_key], 400),
        (("GET", SEGMENTS), &[wrong_key, DATABASE], 400),
        (("GET", SEGMENTS), &[APP_KEY, wrong_database], 200),
        (("GET", SEGMENTS), &[wrong_database], 400),
        (("POST", FILE), &[DATABASE], 400),
        (("POST", FILE), &[APP_KEY], 401),
        (("POST", FILE), &[wrong_database], 401),
        (("PATCH", ARCHIVE), &[DATABASE], 400),
        (("PATCH", ARCHIVE), &[APP_KEY], 401),
        (("PATCH", ARCHIVE), &[APP_KEY, wrong_database], 401),
        (("POST", COHORT), &[APP_KEY], 400),
        (("POST", COHORT), &[DATABASE], 400),
        (("POST", COHORT), &[wrong_key], 401),
    ] {
        let status = status_with_headers(&sandbox, target, "workspace", headers).await;
        assert_eq!(status, expected, "{target:?} with {headers:?}");
    }
}

#[tokio::test]
async fn unauthorized_requests_have_no_effect_and_no_control_access() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let body = cohort_body("add_members", "C", &["a"]).to_string();
    let request = sandbox
        .unauthenticated_request("POST", COHORT)
        .basic_auth("other", Some("key"))
        .header(APP_KEY.0, APP_KEY.1)
        .header(JSON.0, JSON.1);
    assert_eq!(send_request(request.body(body)).await.status, 401);
    assert_eq!(sandbox.contents_of("C").await, Value::Null);
    for (method, control) in [
        ("GET", "log"),
        ("GET", "state"),
        ("POST", "clock"),
        ("POST", "process-files"),
    ] {
        let path = format!("/_sandbox/{control}");
        let response = send_request(sandbox.unauthenticated_request(method, &path)).await;
        assert_eq!(response.status, 401, "{control}");
    }
    assert_eq!(sandbox.get("/_sandbox/nothing").await.status, 404);
}
