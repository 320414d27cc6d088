//! File segments, from call to callback.

use super::{Bench, FILE, id, users};
use serde_json::{Value, json};

fn body(name: &str) -> Value {
    json!({"name": name, "attribute_name": "uid", "attribute_type": "string", "file_url": "file:///users.csv"})
}

fn created(bench: &mut Bench, name: &str) -> String {
    let mut body = body(name);
    body["expiry_time"] = json!(10);
    let reply = bench.call("POST", FILE, &body);
    assert_eq!(reply.status, 202, "{}", reply.body);
    reply.body["cs_id"].as_str().unwrap().to_owned()
}

/// Processes the next file, which holds `text`.
fn process(bench: &mut Bench, text: &str) -> Value {
    let job = bench.service.next_job().unwrap();
    let file = Ok(text.as_bytes().to_vec());
    bench.service.finish_job(bench.now, &job, file).unwrap()
}

#[test]
fn files_are_processed_in_order_and_called_back() {
    let mut bench = Bench::new();
    let id = created(&mut bench, "F");
    let metadata = bench.get(&format!("/v3/custom-segments/{id}")).body["data"].clone();
    assert_eq!(metadata["type"], "FILE_V2");
    assert!(metadata.get("included_filters").is_none());
    for operation in ["add-users", "remove-users", "replace"] {
        let reply = bench.call("PUT", &format!("{FILE}/{operation}"), &body("F"));
        assert_eq!((reply.status, &reply.body["cs_id"]), (202, &json!(id)));
    }
    let said = process(&mut bench, "a\nb\n c\n");
    assert_eq!(
        (&said["status"], &said["user_count"], &said["db_name"]),
        (&json!(201), &json!(2), &json!("db"))
    );
    assert_eq!(
        (&said["values_found"], &said["values_processed"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(process(&mut bench, "c\nb\n")["user_count"], 3);
    assert_eq!(process(&mut bench, "a\nz\n")["user_count"], 2);
    assert_eq!(process(&mut bench, "d\n")["user_count"], 1);
    assert!(bench.service.next_job().is_none());
    assert_eq!(users(&bench, &id).into_keys().collect::<Vec<_>>(), ["d"]);
}

#[test]
fn a_job_is_done_once() {
    let mut bench = Bench::new();
    created(&mut bench, "F");
    let job = bench.service.next_job().unwrap();
    assert!(
        bench
            .service
            .finish_job(bench.now, &job, Ok(Vec::new()))
            .is_some()
    );
    assert!(
        bench
            .service
            .finish_job(bench.now, &job, Ok(Vec::new()))
            .is_none()
    );
}

#[test]
fn a_file_that_cannot_be_had_leaves_nobody() {
    let mut bench = Bench::new();
    let id = created(&mut bench, "F");
    process(&mut bench, "a\n");
    bench.call("PUT", &format!("{FILE}/replace"), &body("F"));
    let job = bench.service.next_job().unwrap();
    let said = bench.service.finish_job(bench.now, &job, Err("gone".to_owned()));
    let said = said.unwrap();
    assert_eq!(
        (&said["status"], &said["error_message"]),
        (&json!(400), &json!("gone"))
    );
    assert!(users(&bench, &id).is_empty());
}

#[test]
fn only_users_of_the_workspace_match_and_batches_have_an_end() {
    let shared = vec!["twin"; 1500];
    let known = [vec!["a", "b"], shared].concat();
    let mut bench = Bench::with(&[("users", json!({"uid": known}))]);
    let id = created(&mut bench, "F");
    assert_eq!(process(&mut bench, "a\nnobody\ntwin\n")["user_count"], 1501);
    assert_eq!(users(&bench, &id)["twin"], 1500);
    // Two values with 1500 users each do not fit into one batch.
    let known = [vec!["one"; 1500], vec!["two"; 1500]].concat();
    let mut bench = Bench::with(&[("users", json!({"uid": known}))]);
    created(&mut bench, "F");
    assert_eq!(process(&mut bench, "one\ntwo\n")["user_count"], 2000);
}

#[test]
fn numbers_match_as_numbers() {
    let mut bench = Bench::with(&[("users", json!({"uid": ["1", "2.50"]}))]);
    let mut body = body("F");
    body["expiry_time"] = json!(10);
    body["attribute_type"] = json!("double");
    bench.call("POST", FILE, &body);
    assert_eq!(process(&mut bench, "1.0\n2.5\nx\n3\n")["user_count"], 2);
}

#[test]
fn bad_calls_are_refused() {
    let mut bench = Bench::new();
    let with = |key: &str, value: Value| {
        let mut body = body("F");
        body["expiry_time"] = json!(10);
        body[key] = value;
        body
    };
    for (key, value) in [
        ("name", json!("")),
        ("attribute_name", Value::Null),
        ("attribute_type", json!("bool")),
        ("file_url", json!(1)),
        ("expiry_time", json!(0)),
        ("expiry_time", json!("10")),
        ("callback_url", json!(1)),
        ("emails", json!("a@example.com")),
        ("cs_id", json!("x")),
        ("owner", json!("x")),
    ] {
        let body = with(key, value);
        assert_eq!(bench.call("POST", FILE, &body).status, 400, "{body}");
    }
    assert!(bench.service.next_job().is_none());
    created(&mut bench, "F");
    assert_eq!(bench.call("POST", FILE, &with("emails", json!([]))).status, 409);
    let change = format!("{FILE}/add-users");
    assert_eq!(bench.call("PUT", &change, &body("G")).status, 404);
    assert_eq!(bench.call("PUT", &change, &with("emails", json!([]))).status, 400);
    let mut by_id = body("F");
    by_id["cs_id"] = json!("5e6cffffffffffffffffffff");
    assert_eq!(bench.call("PUT", &change, &by_id).status, 404);
}

#[test]
fn a_bad_name_is_taken_and_dropped() {
    let mut bench = Bench::new();
    created(&mut bench, ".hidden");
    assert!(bench.listed().is_empty());
    assert!(bench.service.next_job().is_none());
}

#[test]
fn files_expire_and_archived_ones_lose_their_users() {
    let mut bench = Bench::new();
    let expiring = created(&mut bench, "F");
    process(&mut bench, "a\n");
    bench.pass_days(9);
    assert_eq!(bench.listed(), ["F"]);
    bench.pass_days(1);
    assert!(bench.listed().is_empty());
    assert!(users(&bench, &expiring).is_empty());

    let mut bench = Bench::new();
    let mut body = body("G");
    body["expiry_time"] = json!(1000);
    let reply = bench.call("POST", FILE, &body);
    let kept = reply.body["cs_id"].as_str().unwrap().to_owned();
    process(&mut bench, "a\n");
    bench.archive("G");
    for (days, left) in [(29, 1), (1, 0)] {
        bench.pass_days(days);
        bench.listed();
        assert_eq!(users(&bench, &kept).len(), left);
    }
    assert_eq!(bench.unarchive("G").status, 200);
    assert!(users(&bench, &kept).is_empty());
}

#[test]
fn users_of_a_day_are_limited() {
    let mut bench = Bench::new();
    let id = created(&mut bench, "F");
    process(&mut bench, "a\n");
    bench.service.state.users_added.push_back((bench.now, 1_999_999));
    bench.call("PUT", &format!("{FILE}/add-users"), &body("F"));
    let said = process(&mut bench, "a\nb\n");
    assert_eq!(said["status"], 400);
    assert_eq!(users(&bench, &id).len(), 1);
    bench.pass_days(1);
    bench.call("PUT", &format!("{FILE}/replace"), &body("F"));
    assert_eq!(process(&mut bench, "a\nb\n")["user_count"], 2);
}

#[test]
fn ids_of_a_segment_decide_over_its_name() {
    let mut bench = Bench::new();
    let first = created(&mut bench, "F");
    created(&mut bench, "G");
    let mut by_id = body("G");
    by_id["cs_id"] = json!(first);
    let reply = bench.call("PUT", &format!("{FILE}/add-users"), &by_id);
    assert_eq!(reply.body["cs_name"], "F");
    let seeded = id(&bench.call(
        "POST",
        "/_sandbox/segments",
        &json!({"name": "S", "included_filters": {"filter_operator": "and", "filters": []}}),
    ));
    by_id["cs_id"] = json!(seeded);
    assert_eq!(
        bench.call("PUT", &format!("{FILE}/add-users"), &by_id).status,
        404
    );
}
