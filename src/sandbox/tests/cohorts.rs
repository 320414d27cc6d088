//! Cohort sync.

use super::{Bench, COHORT, call, city};
use crate::sandbox::state::Contents;
use serde_json::{Value, json};

fn body(action: &str, id: &str, name: &str, uids: &[&str]) -> Value {
    let members: Vec<Value> = uids.iter().map(|uid| json!({"uid": uid})).collect();
    json!({"action": action, "partner": "p",
           "parameters": {"cohort_name": name, "cohort_id": id, "members": members}})
}

fn members(bench: &Bench, wanted: &str) -> Option<Vec<String>> {
    let segments = &bench.service.state.segments;
    let segment = segments.values().find(|segment| segment.name == wanted)?;
    match &segment.contents {
        Contents::Cohort { members, .. } => Some(members.iter().cloned().collect()),
        _ => None,
    }
}

#[test]
fn members_come_and_go() {
    let mut bench = Bench::new();
    let mut sync = |action, uids: &[&str]| bench.call("POST", COHORT, &body(action, "1", "C", uids));
    assert_eq!(sync("add_members", &["a", "b"]).body["status"], "success");
    assert_eq!(sync("remove_members", &["a", "z"]).status, 200);
    assert_eq!(members(&bench, "C").unwrap(), ["b"]);
    // The partner and the id decide; the first name stays.
    bench.call("POST", COHORT, &body("add_members", "1", "D", &["c"]));
    assert_eq!(members(&bench, "C").unwrap(), ["b", "c"]);
    assert_eq!(bench.listed(), ["C"]);
    let archive = bench.archive("C");
    assert_eq!(archive.status, 400);
}

#[test]
fn bad_and_taken_names_are_accepted_and_dropped() {
    let mut bench = Bench::new();
    bench.created("Taken", &city("Pune"));
    for name in [".hidden", "a|b", "All Users", "Taken", &"x".repeat(201)] {
        let reply = bench.call("POST", COHORT, &body("add_members", "1", name, &["a"]));
        assert_eq!(reply.status, 200, "{name}");
    }
    assert_eq!(bench.listed(), ["Taken"]);
}

#[test]
fn bad_requests_name_the_attribute() {
    let good = body("add_members", "1", "C", &["a"]);
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
        let reply = Bench::new().call("POST", COHORT, &body);
        assert_eq!(reply.status, 400, "{body}");
        assert_eq!(reply.body["error"]["attribute"], attribute);
    }
}

#[test]
fn requests_need_a_type_and_have_a_size() {
    let mut bench = Bench::new();
    let mut untyped = call("POST", COHORT, &body("add_members", "1", "C", &["a"]));
    untyped.headers.remove("content-type");
    assert_eq!(bench.service.handle(bench.now, &untyped).status, 415);
    let uid = "u".repeat(128 * 1024);
    let reply = bench.call("POST", COHORT, &body("add_members", "1", "C", &[&uid]));
    assert_eq!(reply.status, 413);
}

#[test]
fn cohorts_count_as_active_segments() {
    let mut bench = Bench::with(&[("active_limit", json!(1))]);
    bench.created("A", &city("Pune"));
    let reply = bench.call("POST", COHORT, &body("add_members", "1", "C", &["a"]));
    assert_eq!(reply.status, 429);
    assert_eq!(reply.body["error"]["actual_count"], 1);
}

#[test]
fn a_sync_is_no_run() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.call("POST", COHORT, &body("add_members", "1", "C", &["a"]));
        bench.pass_days(20);
    }
    assert!(bench.listed().is_empty());
}
