//! File segments, from call to callback.

use super::{FILE, TestService, segment_id, users_of_segment};
use serde_json::{Value, json};

fn file_body(name: &str) -> Value {
    json!({"name": name, "attribute_name": "uid", "attribute_type": "string", "file_url": "file:///users.csv"})
}

fn create_and_get_id(bench: &mut TestService, name: &str) -> String {
    let mut body = file_body(name);
    body["expiry_time"] = json!(10);
    let reply = bench.send("POST", FILE, &body);
    assert_eq!(reply.status, 202, "{}", reply.body);
    reply.body["cs_id"].as_str().unwrap().to_owned()
}

/// Processes the next file, which holds `text`.
fn process_next_file(bench: &mut TestService, text: &str) -> Value {
    let job = bench.service.next_job().unwrap();
    let file = Ok(text.as_bytes().to_vec());
    bench.service.finish_job(bench.now, &job, file).unwrap()
}

#[test]
fn files_are_processed_in_order_with_callbacks() {
    let mut bench = TestService::new();
    let id = create_and_get_id(&mut bench, "F");
    let metadata = bench.get(&format!("/v3/custom-segments/{id}")).body["data"].clone();
    assert_eq!(metadata["type"], "FILE_V2");
    assert!(metadata.get("included_filters").is_none());
    for operation in ["add-users", "remove-users", "replace"] {
        let reply = bench.send("PUT", &format!("{FILE}/{operation}"), &file_body("F"));
        assert_eq!((reply.status, &reply.body["cs_id"]), (202, &json!(id)));
    }
    let said = process_next_file(&mut bench, "a\nb\n c\n");
    assert_eq!(
        (&said["status"], &said["user_count"], &said["db_name"]),
        (&json!(201), &json!(2), &json!("db"))
    );
    assert_eq!(
        (&said["values_found"], &said["values_processed"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(process_next_file(&mut bench, "c\nb\n")["user_count"], 3);
    assert_eq!(process_next_file(&mut bench, "a\nz\n")["user_count"], 2);
    assert_eq!(process_next_file(&mut bench, "d\n")["user_count"], 1);
    assert!(bench.service.next_job().is_none());
    assert_eq!(
        users_of_segment(&bench, &id).into_keys().collect::<Vec<_>>(),
        ["d"]
    );
}

#[test]
fn a_file_job_is_processed_once() {
    let mut bench = TestService::new();
    create_and_get_id(&mut bench, "F");
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
fn a_failed_download_removes_all_users() {
    let mut bench = TestService::new();
    let id = create_and_get_id(&mut bench, "F");
    process_next_file(&mut bench, "a\n");
    bench.send("PUT", &format!("{FILE}/replace"), &file_body("F"));
    let job = bench.service.next_job().unwrap();
    let said = bench.service.finish_job(bench.now, &job, Err("gone".to_owned()));
    let said = said.unwrap();
    assert_eq!(
        (&said["status"], &said["error_message"]),
        (&json!(400), &json!("gone"))
    );
    assert!(users_of_segment(&bench, &id).is_empty());
}

#[test]
fn only_existing_users_match_and_each_batch_has_a_user_limit() {
    let shared = vec!["twin"; 1500];
    let known = [vec!["a", "b"], shared].concat();
    let mut bench = TestService::with_settings(&[("users", json!({"uid": known}))]);
    let id = create_and_get_id(&mut bench, "F");
    assert_eq!(
        process_next_file(&mut bench, "a\nnobody\ntwin\n")["user_count"],
        1501
    );
    assert_eq!(users_of_segment(&bench, &id)["twin"], 1500);
    // Two values with 1500 users each do not fit into one batch.
    let known = [vec!["one"; 1500], vec!["two"; 1500]].concat();
    let mut bench = TestService::with_settings(&[("users", json!({"uid": known}))]);
    create_and_get_id(&mut bench, "F");
    assert_eq!(process_next_file(&mut bench, "one\ntwo\n")["user_count"], 2000);
}

#[test]
fn numeric_values_are_compared_as_numbers() {
    let mut bench = TestService::with_settings(&[("users", json!({"uid": ["1", "2.50"]}))]);
    let mut body = file_body("F");
    body["expiry_time"] = json!(10);
    body["attribute_type"] = json!("double");
    bench.send("POST", FILE, &body);
    assert_eq!(process_next_file(&mut bench, "1.0\n2.5\nx\n3\n")["user_count"], 2);
}

#[test]
fn invalid_file_requests_are_rejected() {
    let mut bench = TestService::new();
    let with = |key: &str, value: Value| {
        let mut body = file_body("F");
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
        assert_eq!(bench.send("POST", FILE, &body).status, 400, "{body}");
    }
    assert!(bench.service.next_job().is_none());
    create_and_get_id(&mut bench, "F");
    assert_eq!(bench.send("POST", FILE, &with("emails", json!([]))).status, 409);
    let change = format!("{FILE}/add-users");
    assert_eq!(bench.send("PUT", &change, &file_body("G")).status, 404);
    assert_eq!(bench.send("PUT", &change, &with("emails", json!([]))).status, 400);
    let mut by_id = file_body("F");
    by_id["cs_id"] = json!("5e6cffffffffffffffffffff");
    assert_eq!(bench.send("PUT", &change, &by_id).status, 404);
}

#[test]
fn an_invalid_name_is_accepted_and_ignored() {
    let mut bench = TestService::new();
    create_and_get_id(&mut bench, ".hidden");
    assert!(bench.list_names().is_empty());
    assert!(bench.service.next_job().is_none());
}

#[test]
fn file_segments_expire_and_archived_ones_lose_their_users() {
    let mut bench = TestService::new();
    let expiring = create_and_get_id(&mut bench, "F");
    process_next_file(&mut bench, "a\n");
    bench.advance_days(9);
    assert_eq!(bench.list_names(), ["F"]);
    bench.advance_days(1);
    assert!(bench.list_names().is_empty());
    assert!(users_of_segment(&bench, &expiring).is_empty());

    let mut bench = TestService::new();
    let mut body = file_body("G");
    body["expiry_time"] = json!(1000);
    let reply = bench.send("POST", FILE, &body);
    let kept = reply.body["cs_id"].as_str().unwrap().to_owned();
    process_next_file(&mut bench, "a\n");
    bench.archive("G");
    for (days, left) in [(29, 1), (1, 0)] {
        bench.advance_days(days);
        bench.list_names();
        assert_eq!(users_of_segment(&bench, &kept).len(), left);
    }
    assert_eq!(bench.unarchive("G").status, 200);
    assert!(users_of_segment(&bench, &kept).is_empty());
}

#[test]
fn users_added_per_day_are_limited() {
    let mut bench = TestService::new();
    let id = create_and_get_id(&mut bench, "F");
    process_next_file(&mut bench, "a\n");
    bench.service.state.users_added.push_back((bench.now, 1_999_999));
    bench.send("PUT", &format!("{FILE}/add-users"), &file_body("F"));
    let said = process_next_file(&mut bench, "a\nb\n");
    assert_eq!(said["status"], 400);
    assert_eq!(users_of_segment(&bench, &id).len(), 1);
    bench.advance_days(1);
    bench.send("PUT", &format!("{FILE}/replace"), &file_body("F"));
    assert_eq!(process_next_file(&mut bench, "a\nb\n")["user_count"], 2);
}

#[test]
fn a_segment_id_takes_precedence_over_its_name() {
    let mut bench = TestService::new();
    let first = create_and_get_id(&mut bench, "F");
    create_and_get_id(&mut bench, "G");
    let mut by_id = file_body("G");
    by_id["cs_id"] = json!(first);
    let reply = bench.send("PUT", &format!("{FILE}/add-users"), &by_id);
    assert_eq!(reply.body["cs_name"], "F");
    let seeded = segment_id(&bench.send(
        "POST",
        "/_sandbox/segments",
        &json!({"name": "S", "included_filters": {"filter_operator": "and", "filters": []}}),
    ));
    by_id["cs_id"] = json!(seeded);
    assert_eq!(
        bench.send("PUT", &format!("{FILE}/add-users"), &by_id).status,
        404
    );
}
