//! Cohort sync.

use super::{COHORT, TestService, authorized_request, city_definition};
use crate::sandbox::state::SandboxContents;
use serde_json::{Value, json};

fn sync_body(action: &str, id: &str, name: &str, uids: &[&str]) -> Value {
    let members: Vec<Value> = uids.iter().map(|uid| json!({"uid": uid})).collect();
    json!({"action": action, "partner": "p",
           "parameters": {"cohort_name": name, "cohort_id": id, "members": members}})
}

fn members_of(api: &TestService, name: &str) -> Option<Vec<String>> {
    let segments = &api.service.state.segments;
    let segment = segments.values().find(|segment| segment.name == name)?;
    match &segment.contents {
        SandboxContents::Cohort { members, .. } => Some(members.iter().cloned().collect()),
        _ => None,
    }
}

#[test]
fn members_are_added_and_removed() {
    let mut api = TestService::new();
    let mut sync = |action, uids: &[&str]| api.send("POST", COHORT, &sync_body(action, "1", "C", uids));
    assert_eq!(sync("add_members", &["a", "b"]).body["status"], "success");
    assert_eq!(sync("remove_members", &["a", "z"]).status, 200);
    assert_eq!(members_of(&api, "C").unwrap(), ["b"]);
    // The partner and the id identify a cohort; its first name stays.
    api.send("POST", COHORT, &sync_body("add_members", "1", "D", &["c"]));
    assert_eq!(members_of(&api, "C").unwrap(), ["b", "c"]);
    assert_eq!(api.list_names(), ["C"]);
    let archive = api.archive("C");
    assert_eq!(archive.status, 400);
}

#[test]
fn invalid_and_taken_names_are_accepted_and_ignored() {
    let mut api = TestService::new();
    api.create_and_get_id("Taken", &city_definition("Pune"));
    for name in [".hidden", "a|b", "All Users", "Taken", &"x".repeat(201)] {
        let response = api.send("POST", COHORT, &sync_body("add_members", "1", name, &["a"]));
        assert_eq!(response.status, 200, "{name}");
    }
    assert_eq!(api.list_names(), ["Taken"]);
}

#[test]
fn invalid_requests_report_the_attribute() {
    let good = sync_body("add_members", "1", "C", &["a"]);
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for (body, attribute) in [
        (json!([]), "body"),
        (with("/action", json!("replace")), "action"),
        (with("/partner", json!("")), "partner"),
        (with("/parameters", json!([])), "parameters"),
        (with("/parameters/cohort_id", json!(1)), "cohort_id"),
        (with("/parameters/cohort_name", Value::Null), "cohort_name"),
        (with("/parameters/members", json!(["a"])), "members"),
        (with("/parameters/members", json!([{"uid": 1}])), "members"),
    ] {
        let response = TestService::new().send("POST", COHORT, &body);
        assert_eq!(response.status, 400, "{body}");
        assert_eq!(response.body["error"]["attribute"], attribute);
    }
}

#[test]
fn requests_need_a_content_type_and_have_a_size_limit() {
    let mut api = TestService::new();
    let mut untyped = authorized_request("POST", COHORT, &sync_body("add_members", "1", "C", &["a"]));
    untyped.headers.remove("content-type");
    assert_eq!(api.service.handle(api.now, &untyped).status, 415);
    let uid = "u".repeat(128 * 1024);
    let response = api.send("POST", COHORT, &sync_body("add_members", "1", "C", &[&uid]));
    assert_eq!(response.status, 413);
}

#[test]
fn cohorts_count_as_active_segments() {
    let mut api = TestService::with_settings(&[("active_limit", json!(1))]);
    api.create_and_get_id("A", &city_definition("Pune"));
    let response = api.send("POST", COHORT, &sync_body("add_members", "1", "C", &["a"]));
    assert_eq!(response.status, 429);
    assert_eq!(response.body["error"]["actual_count"], 1);
}

#[test]
fn a_sync_does_not_count_as_a_run() {
    let mut api = TestService::new();
    for _ in 0..3 {
        api.send("POST", COHORT, &sync_body("add_members", "1", "C", &["a"]));
        api.advance_days(20);
    }
    assert!(api.list_names().is_empty());
}
