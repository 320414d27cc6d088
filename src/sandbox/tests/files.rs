//! File segments, from the request to the callback.

use super::super::file_jobs::SEGMENT_USER_LIMIT;
use super::super::state::SandboxContents;
use super::{FILE, TestService, segment_id, users_of_segment};
use serde_json::{Value, json};

fn file_body(name: &str) -> Value {
    json!({"name": name, "attribute_name": "uid", "attribute_type": "string", "file_url": "file:///users.csv"})
}

fn create_and_get_id(api: &mut TestService, name: &str) -> String {
    let mut body = file_body(name);
    body["expiry_time"] = json!(10);
    let response = api.send("POST", FILE, &body);
    assert_eq!(response.status, 202, "{}", response.body);
    response.body["cs_id"].as_str().unwrap().to_owned()
}

/// Processes the next file with the contents `text`.
fn process_next_file(api: &mut TestService, text: &str) -> Value {
    let job = api.service.next_job().unwrap();
    let file = Ok(text.as_bytes().to_vec());
    api.service.finish_job(api.now, &job, file).unwrap()
}

#[test]
fn files_are_processed_in_order_with_callbacks() {
    let mut api = TestService::new();
    let id = create_and_get_id(&mut api, "F");
    let metadata = api.get(&format!("/v3/custom-segments/{id}")).body["data"].clone();
    assert_eq!(metadata["type"], "FILE_V2");
    assert!(metadata.get("included_filters").is_none());
    for operation in ["add-users", "remove-users", "replace"] {
        let response = api.send("PUT", &format!("{FILE}/{operation}"), &file_body("F"));
        assert_eq!((response.status, &response.body["cs_id"]), (202, &json!(id)));
    }
    let callback = process_next_file(&mut api, "a\nb\n c\n");
    let counts = ["status", "values_found", "values_processed", "user_count"].map(|key| &callback[key]);
    assert_eq!(counts, [201, 3, 2, 2]);
    assert_eq!(callback["db_name"], "db");
    assert_eq!(process_next_file(&mut api, "c\nb\n")["user_count"], 1);
    assert_eq!(process_next_file(&mut api, "a\nz\n")["user_count"], 0);
    assert_eq!(process_next_file(&mut api, "d\n")["user_count"], 1);
    assert!(api.service.next_job().is_none());
    assert_eq!(users_of_segment(&api, &id).into_keys().collect::<Vec<_>>(), ["d"]);
}

#[test]
fn a_file_job_is_processed_once() {
    let mut api = TestService::new();
    create_and_get_id(&mut api, "F");
    let job = api.service.next_job().unwrap();
    assert!(api.service.finish_job(api.now, &job, Ok(Vec::new())).is_some());
    assert!(api.service.finish_job(api.now, &job, Ok(Vec::new())).is_none());
}

#[test]
fn a_failed_download_removes_all_users() {
    let mut api = TestService::new();
    let id = create_and_get_id(&mut api, "F");
    process_next_file(&mut api, "a\n");
    api.send("PUT", &format!("{FILE}/replace"), &file_body("F"));
    let job = api.service.next_job().unwrap();
    let callback = api.service.finish_job(api.now, &job, Err("not found".to_owned()));
    let callback = callback.unwrap();
    assert_eq!(callback["status"], 400);
    assert_eq!(callback["error_message"], "not found");
    assert!(users_of_segment(&api, &id).is_empty());
}

#[test]
fn only_existing_users_match_and_each_batch_has_a_user_limit() {
    let shared = vec!["twin"; 1500];
    let known = [vec!["a", "b"], shared].concat();
    let mut api = TestService::with_settings(&[("users", json!({"uid": known}))]);
    let id = create_and_get_id(&mut api, "F");
    assert_eq!(
        process_next_file(&mut api, "a\nunknown\ntwin\n")["user_count"],
        1501
    );
    assert_eq!(users_of_segment(&api, &id)["twin"], 1500);
    // Two values with 1500 users each exceed the limit of one batch.
    let known = [vec!["one"; 1500], vec!["two"; 1500]].concat();
    let mut api = TestService::with_settings(&[("users", json!({"uid": known}))]);
    create_and_get_id(&mut api, "F");
    assert_eq!(process_next_file(&mut api, "one\ntwo\n")["user_count"], 2000);
}

#[test]
fn numeric_values_are_compared_as_numbers() {
    let mut api = TestService::with_settings(&[("users", json!({"uid": ["1", "2.50"]}))]);
    let mut body = file_body("F");
    body["expiry_time"] = json!(10);
    body["attribute_type"] = json!("double");
    api.send("POST", FILE, &body);
    assert_eq!(process_next_file(&mut api, "1.0\n2.5\nx\n3\n")["user_count"], 2);
}

#[test]
fn invalid_file_requests_are_rejected() {
    let mut api = TestService::new();
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
        assert_eq!(api.send("POST", FILE, &body).status, 400, "{body}");
    }
    assert!(api.service.next_job().is_none());
    create_and_get_id(&mut api, "F");
    assert_eq!(api.send("POST", FILE, &with("emails", json!([]))).status, 409);
    let change = format!("{FILE}/add-users");
    assert_eq!(api.send("PUT", &change, &file_body("G")).status, 404);
    assert_eq!(api.send("PUT", &change, &with("emails", json!([]))).status, 400);
    let mut by_id = file_body("F");
    by_id["cs_id"] = json!("5e6cffffffffffffffffffff");
    assert_eq!(api.send("PUT", &change, &by_id).status, 404);
}

#[test]
fn an_invalid_name_is_accepted_and_ignored() {
    let mut api = TestService::new();
    create_and_get_id(&mut api, ".hidden");
    assert!(api.list_names().is_empty());
    assert!(api.service.next_job().is_none());
}

#[test]
fn file_segments_expire_and_archived_ones_lose_their_users() {
    let mut api = TestService::new();
    let expiring = create_and_get_id(&mut api, "F");
    process_next_file(&mut api, "a\n");
    api.advance_days(9);
    assert_eq!(api.list_names(), ["F"]);
    api.advance_days(1);
    assert!(api.list_names().is_empty());
    assert!(users_of_segment(&api, &expiring).is_empty());

    let mut api = TestService::new();
    let mut body = file_body("G");
    body["expiry_time"] = json!(1000);
    let response = api.send("POST", FILE, &body);
    let archived = response.body["cs_id"].as_str().unwrap().to_owned();
    process_next_file(&mut api, "a\n");
    api.archive("G");
    for (days, users) in [(29, 1), (1, 0)] {
        api.advance_days(days);
        api.list_names();
        assert_eq!(users_of_segment(&api, &archived).len(), users);
    }
    assert_eq!(api.unarchive("G").status, 200);
    assert!(users_of_segment(&api, &archived).is_empty());
}

#[test]
fn users_added_per_day_are_limited() {
    let mut api = TestService::new();
    let id = create_and_get_id(&mut api, "F");
    process_next_file(&mut api, "a\n");
    api.service.state.users_added.push_back((api.now, 1_999_999));
    api.send("PUT", &format!("{FILE}/add-users"), &file_body("F"));
    let callback = process_next_file(&mut api, "a\nb\n");
    assert_eq!(callback["status"], 400);
    assert_eq!(users_of_segment(&api, &id).len(), 1);
    api.advance_days(1);
    api.send("PUT", &format!("{FILE}/replace"), &file_body("F"));
    assert_eq!(process_next_file(&mut api, "a\nb\n")["user_count"], 1);
}

#[test]
fn a_segment_id_takes_precedence_over_its_name() {
    let mut api = TestService::new();
    let first = create_and_get_id(&mut api, "F");
    create_and_get_id(&mut api, "G");
    let mut by_id = file_body("G");
    by_id["cs_id"] = json!(first);
    let response = api.send("PUT", &format!("{FILE}/add-users"), &by_id);
    assert_eq!(response.body["cs_name"], "F");
    let filter_segment = json!({"name": "S", "included_filters": super::and_group(&[])});
    let filter_segment = api.send("POST", "/_sandbox/segments", &filter_segment);
    by_id["cs_id"] = json!(segment_id(&filter_segment));
    assert_eq!(api.send("PUT", &format!("{FILE}/add-users"), &by_id).status, 404);
}

#[test]
fn users_of_a_segment_are_limited() {
    let known = ["twin", "a", "b"];
    let mut api = TestService::with_settings(&[("users", json!({"uid": known}))]);
    let id = create_and_get_id(&mut api, "F");
    process_next_file(&mut api, "twin\n");
    let segment = api.service.state.segments.get_mut(&id).unwrap();
    let SandboxContents::File { users, .. } = &mut segment.contents else {
        panic!("not a file segment");
    };
    // One value that many users share: a list of the same size would take long.
    users.insert("twin".to_owned(), SEGMENT_USER_LIMIT - 1);
    for (list, status, users) in [("a\nb\n", 400, 1), ("a\n", 201, 2), ("b\n", 400, 2)] {
        api.send("PUT", &format!("{FILE}/add-users"), &file_body("F"));
        assert_eq!(process_next_file(&mut api, list)["status"], status, "{list}");
        assert_eq!(users_of_segment(&api, &id).len(), users, "{list}");
    }
    api.send("PUT", &format!("{FILE}/replace"), &file_body("F"));
    assert_eq!(process_next_file(&mut api, "a\nb\n")["status"], 201);
}
