//! Every error status, by endpoint family, and the fields that distinguish the errors.

use super::{
    ARCHIVE, COHORT, FILE, SEGMENTS, Sandbox, TestResponse, UNARCHIVE, city_definition, cohort_body,
    field_names, file_body, new_file_body, reference_definition, send_request,
};
use serde_json::{Value, json};

const UNKNOWN_ID: &str = "5e6cffffffffffffffffffff";

fn named_body(name: &str, included: Value) -> Value {
    json!({"name": name, "included_filters": included})
}

/// Adds or replaces a field.
fn with_field(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

fn without_field(mut object: Value, key: &str) -> Value {
    object.as_object_mut().unwrap().remove(key);
    object
}

/// `more` are the fields of the error besides `code` and `message`.
fn assert_v3_error(response: &TestResponse, status: u16, more: &[&str]) {
    assert_eq!(response.status, status, "{}", response.body);
    assert_eq!(field_names(&response.body), ["error", "response_id", "type"]);
    assert_eq!(response.body["type"], "custom_segment");
    let mut expected: Vec<&str> = ["code", "message"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    expected.sort_unstable();
    assert_eq!(field_names(&response.body["error"]), expected);
}

fn assert_v2_error(response: &TestResponse, status: u16) {
    assert_eq!(response.status, status, "{}", response.body);
    assert_eq!(field_names(&response.body), ["description", "title"]);
}

fn assert_v1_error(response: &TestResponse, status: u16) {
    assert_eq!(response.status, status, "{}", response.body);
    assert_eq!(field_names(&response.body), ["error", "status"]);
    assert_eq!(response.body["status"], "fail");
    for key in ["message", "type", "request_id"] {
        assert!(response.body["error"][key].is_string(), "{}", response.body);
    }
}

#[tokio::test]
async fn invalid_names_are_a_400_on_create_and_update() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let segment = sandbox.create_and_get_id("A", "Pune").await;
    let path = format!("{SEGMENTS}/{segment}");
    let long = "ä".repeat(201);
    for name in [
        "",
        "   ",
        "a:b",
        "a|b",
        "a*b",
        "a?b",
        "a\\b",
        "a<b",
        "a>b",
        "a=b",
        "a$b",
        "a\"b",
        ".a",
        "All Users",
        &long,
    ] {
        let body = named_body(name, city_definition("Goa"));
        assert_v3_error(&sandbox.send("POST", SEGMENTS, body.clone()).await, 400, &[]);
        assert_v3_error(&sandbox.send("PATCH", &path, body).await, 400, &[]);
    }
    let longest = "ä".repeat(200);
    for name in ["a.b", "a & b", "all users", &longest] {
        let body = named_body(name, city_definition(name));
        assert_eq!(sandbox.send("POST", SEGMENTS, body).await.status, 201, "{name}");
    }
}

#[tokio::test]
async fn invalid_v3_bodies_and_ids_are_rejected() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let path = format!("{SEGMENTS}/{}", sandbox.create_and_get_id("A", "Pune").await);
    let valid = named_body("B", city_definition("Goa"));
    let mut unknown_in_filter = valid.clone();
    unknown_in_filter["included_filters"]["filters"][0]["colour"] = json!("red");
    let mut unknown_kind = valid.clone();
    unknown_kind["included_filters"]["filters"][0]["filter_type"] = json!("horoscope");
    for body in [
        json!([]),
        json!("text"),
        with_field(valid.clone(), "description", json!("mine")),
        with_field(valid.clone(), "name", json!(1)),
        with_field(valid.clone(), "included_filters", json!([])),
        with_field(valid.clone(), "excluded_filters", json!("no object")),
        with_field(
            valid.clone(),
            "included_filters",
            reference_definition(&[UNKNOWN_ID]),
        ),
        without_field(valid.clone(), "included_filters"),
        unknown_in_filter,
        unknown_kind,
    ] {
        for (method, path) in [("POST", SEGMENTS), ("PATCH", &path)] {
            let response = sandbox.send(method, path, body.clone()).await;
            assert_v3_error(&response, 400, &[]);
        }
    }
    assert_v3_error(
        &sandbox
            .send("POST", SEGMENTS, without_field(valid.clone(), "name"))
            .await,
        400,
        &[],
    );
    let updated_by = with_field(valid.clone(), "updated_by", json!("no object"));
    assert_v3_error(&sandbox.send("PATCH", &path, updated_by.clone()).await, 400, &[]);
    assert_v3_error(&sandbox.send("POST", SEGMENTS, updated_by).await, 400, &[]);
    for text in ["", "{", "{\"name\": \"B\"", "\u{feff}{}"] {
        let request = sandbox.request("POST", SEGMENTS, &Value::Null);
        assert_v3_error(&send_request(request.body(text)).await, 400, &[]);
    }
    let (long, not_hexadecimal) = (format!("{UNKNOWN_ID}0"), UNKNOWN_ID.replace('f', "g"));
    for id in ["short", &long, &not_hexadecimal, "%20", "5e6c%2Fffff"] {
        let path = format!("{SEGMENTS}/{id}");
        assert_v3_error(&sandbox.get(&path).await, 400, &[]);
        assert_v3_error(&sandbox.send("PATCH", &path, valid.clone()).await, 400, &[]);
    }
    let path = format!("{SEGMENTS}/{UNKNOWN_ID}");
    assert_v3_error(&sandbox.get(&path).await, 404, &[]);
    assert_v3_error(&sandbox.send("PATCH", &path, valid).await, 404, &[]);
    assert_eq!(sandbox.list_names().await, ["A"]);
}

#[tokio::test]
async fn archived_segments_files_cohorts_and_imports_cannot_be_updated() {
    let sandbox = Sandbox::with_switches(&[]).await;
    sandbox.create_and_get_id("Archived", "Pune").await;
    sandbox
        .send("POST", FILE, new_file_body("File", "file:///x", 3))
        .await;
    sandbox
        .send("POST", COHORT, cohort_body("add_members", "Cohort", &["a"]))
        .await;
    let imported =
        json!({"name": "Imported", "source": "ANALYTICS", "included_filters": city_definition("Goa")});
    sandbox.send("POST", "/_sandbox/segments", imported).await;
    let from_dashboard =
        json!({"name": "Created in the dashboard", "included_filters": city_definition("Agra")});
    sandbox.send("POST", "/_sandbox/segments", from_dashboard).await;
    let rows = sandbox.get(SEGMENTS).await.body["data"].clone();
    sandbox.archive("Archived").await;
    for row in rows.as_array().unwrap() {
        let path = format!("{SEGMENTS}/{}", row["id"].as_str().unwrap());
        let body = json!({"included_filters": city_definition("Leh")});
        let updated = sandbox.send("PATCH", &path, body).await;
        if row["name"] == "Created in the dashboard" {
            assert_eq!(updated.status, 200);
        } else {
            assert_v3_error(&updated, 403, &[]);
        }
    }
}

#[tokio::test]
async fn only_definition_conflicts_report_the_holder() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let active = sandbox.create_and_get_id("Active", "Pune").await;
    let archived = sandbox.create_and_get_id("Archived", "Goa").await;
    let mine = format!("{SEGMENTS}/{}", sandbox.create_and_get_id("Mine", "Leh").await);
    sandbox.archive("Archived").await;
    for (name, holder) in [("Active", &active), ("Archived", &archived)] {
        for (method, path) in [("POST", SEGMENTS), ("PATCH", &mine)] {
            let response = sandbox
                .send(method, path, named_body(name, city_definition("Agra")))
                .await;
            assert_v3_error(&response, 409, &[]);
            assert!(!response.body.to_string().contains(holder.as_str()));
        }
        let response = sandbox
            .send("POST", FILE, new_file_body(name, "file:///x", 3))
            .await;
        assert_v2_error(&response, 409);
    }
    for (method, path) in [("POST", SEGMENTS), ("PATCH", &mine)] {
        let response = sandbox
            .send(method, path, named_body("New", city_definition("Pune")))
            .await;
        assert_v3_error(&response, 409, &["existing_cs_id", "existing_cs_name"]);
        let error = &response.body["error"];
        assert_eq!(
            (&error["existing_cs_id"], &error["existing_cs_name"]),
            (&json!(active), &json!("Active"))
        );
    }
}

#[tokio::test]
async fn cycles_are_412_and_too_large_definitions_are_413() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let first = sandbox.create_and_get_id("1", "Pune").await;
    let mut chain = vec![first.clone()];
    for level in 2..=6 {
        let body = named_body(&level.to_string(), reference_definition(&[chain.last().unwrap()]));
        chain.push(super::segment_id(&sandbox.send("POST", SEGMENTS, body).await));
    }
    for member in &chain {
        let body = json!({"included_filters": city_definition("Goa"), "excluded_filters": reference_definition(&[member])});
        let path = format!("{SEGMENTS}/{first}");
        assert_v3_error(&sandbox.send("PATCH", &path, body).await, 412, &[]);
    }
    let other = sandbox.create_and_get_id("Other", "Agra").await;
    let path = format!("{SEGMENTS}/{other}");
    let mut eleven = Vec::new();
    for number in 0..11 {
        eleven.push(
            sandbox
                .create_and_get_id(&format!("n{number}"), &number.to_string())
                .await,
        );
    }
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    let too_large = [
        reference_definition(&[&chain[5]]),
        reference_definition(&eleven),
        city_definition(&"x".repeat(262_144)),
    ];
    let mut messages = std::collections::BTreeSet::new();
    for included in too_large {
        for (method, path) in [("POST", SEGMENTS), ("PATCH", &path)] {
            let response = sandbox
                .send(method, path, named_body("Large", included.clone()))
                .await;
            assert_v3_error(&response, 413, &[]);
            messages.insert(response.body["error"]["message"].to_string());
        }
    }
    assert_eq!(messages.len(), 3, "{messages:?}");
    let allowed = named_body("Ten", reference_definition(&eleven[..10]));
    assert_eq!(sandbox.send("POST", SEGMENTS, allowed).await.status, 201);
}

#[tokio::test]
async fn a_full_workspace_rejects_every_kind_and_reports_the_limit() {
    let sandbox = Sandbox::with_switches(&[("active_limit", "2")]).await;
    sandbox.create_and_get_id("A", "Pune").await;
    sandbox.create_and_get_id("B", "Goa").await;
    let response = sandbox.create("C", "Leh").await;
    assert_v3_error(&response, 429, &["actual_count", "limit"]);
    let error = &response.body["error"];
    assert_eq!((&error["actual_count"], &error["limit"]), (&json!(2), &json!(2)));
    let file = sandbox
        .send("POST", FILE, new_file_body("F", "file:///x", 3))
        .await;
    assert_eq!(
        (file.status, &file.body["actual_count"], &file.body["limit"]),
        (429, &json!(2), &json!(2))
    );
    let cohort = sandbox
        .send("POST", COHORT, cohort_body("add_members", "C", &["a"]))
        .await;
    assert_v1_error(&cohort, 429);
    assert_eq!(cohort.body["error"]["limit"], 2);
    // Existing segments can be changed, and archiving one frees a slot.
    let path = format!(
        "{SEGMENTS}/{}",
        super::segment_id(&find_by_name(&sandbox, "A").await)
    );
    let update = json!({"included_filters": city_definition("Agra")});
    assert_eq!(sandbox.send("PATCH", &path, update).await.status, 200);
    sandbox.archive("B").await;
    assert_eq!(sandbox.create("C", "Leh").await.status, 201);
}

async fn find_by_name(sandbox: &Sandbox, name: &str) -> TestResponse {
    let mut listed = sandbox.get(&format!("{SEGMENTS}?name={name}")).await;
    listed.body["data"] = listed.body["data"][0].clone();
    listed
}

#[tokio::test]
async fn invalid_v2_bodies_are_rejected() {
    let sandbox = Sandbox::with_switches(&[]).await;
    sandbox
        .send("POST", FILE, new_file_body("F", "file:///x", 3))
        .await;
    sandbox.create_and_get_id("Filters", "Pune").await;
    let valid = file_body("F", "file:///x");
    let add = format!("{FILE}/add-users");
    let mut invalid = vec![
        json!([]),
        with_field(valid.clone(), "attribute_type", json!("bool")),
        with_field(valid.clone(), "callback_url", json!(1)),
        with_field(valid.clone(), "emails", json!("a@example.com")),
        with_field(valid.clone(), "emails", json!([1])),
        with_field(valid.clone(), "colour", json!("red")),
    ];
    for key in ["name", "attribute_name", "attribute_type", "file_url"] {
        invalid.push(without_field(valid.clone(), key));
        invalid.push(with_field(valid.clone(), key, json!("")));
        invalid.push(with_field(valid.clone(), key, json!(7)));
    }
    for body in invalid {
        assert_v2_error(&sandbox.send("PUT", &add, body.clone()).await, 400);
        if body.is_object() {
            let body = with_field(body, "expiry_time", json!(3));
            assert_v2_error(&sandbox.send("POST", FILE, body).await, 400);
        }
    }
    let new = file_body("New", "file:///x");
    for days in [json!(0), json!(-1), json!("3"), json!(1.5), Value::Null] {
        let body = with_field(new.clone(), "expiry_time", days);
        assert_v2_error(&sandbox.send("POST", FILE, body).await, 400);
    }
    assert_v2_error(&sandbox.send("POST", FILE, new.clone()).await, 400);
    let with_id = with_field(new_file_body("New", "file:///x", 3), "cs_id", json!(UNKNOWN_ID));
    assert_v2_error(&sandbox.send("POST", FILE, with_id).await, 400);
    for change in ["add-users", "remove-users", "replace"] {
        let path = format!("{FILE}/{change}");
        let expiring = with_field(valid.clone(), "expiry_time", json!(3));
        assert_v2_error(&sandbox.send("PUT", &path, expiring).await, 400);
        for name in ["Unknown", "Filters"] {
            let body = file_body(name, "file:///x");
            assert_v2_error(&sandbox.send("PUT", &path, body).await, 404);
        }
        let unknown = with_field(valid.clone(), "cs_id", json!(UNKNOWN_ID));
        assert_v2_error(&sandbox.send("PUT", &path, unknown).await, 404);
    }
    for path in [ARCHIVE, UNARCHIVE] {
        for (body, status) in [
            (json!([]), 400),
            (json!({}), 400),
            (json!({"cs_id": UNKNOWN_ID}), 400),
            (json!({"name": 1}), 400),
            (json!({"name": "F", "why": "old"}), 400),
            (json!({"name": "F", "cs_id": 1}), 400),
            (json!({"name": "Unknown"}), 404),
            (json!({"name": "F", "cs_id": UNKNOWN_ID}), 404),
        ] {
            assert_v2_error(&sandbox.send("PATCH", path, body).await, status);
        }
    }
}

#[tokio::test]
async fn cohort_errors_report_the_attribute() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let valid = || cohort_body("add_members", "C", &["a"]);
    let inner = |key: &str, value: Value| {
        let mut body = valid();
        body["parameters"][key] = value;
        body
    };
    for (body, attribute) in [
        (json!([]), "body"),
        (with_field(valid(), "why", json!(1)), "body"),
        (with_field(valid(), "action", json!("clear")), "action"),
        (without_field(valid(), "partner"), "partner"),
        (with_field(valid(), "parameters", json!([])), "parameters"),
        (inner("colour", json!(1)), "parameters"),
        (inner("cohort_name", json!("")), "cohort_name"),
        (inner("cohort_id", json!(1)), "cohort_id"),
        (inner("cohort_description", json!(1)), "cohort_description"),
        (inner("members", json!({})), "members"),
        (inner("members", json!(["a"])), "members"),
        (inner("members", json!([{"uid": 1}])), "members"),
        (inner("members", json!([{"uid": "a", "email": "b"}])), "members"),
    ] {
        let response = sandbox.send("POST", COHORT, body).await;
        assert_v1_error(&response, 400);
        assert_eq!(
            response.body["error"]["attribute"], attribute,
            "{}",
            response.body
        );
    }
    let without_content_type = sandbox
        .unauthenticated_request("POST", COHORT)
        .basic_auth("workspace", Some("key"))
        .header("MOE-APPKEY", "workspace");
    assert_v1_error(
        &send_request(without_content_type.body(valid().to_string())).await,
        415,
    );
    assert_eq!(sandbox.contents_of("C").await, Value::Null);
}
