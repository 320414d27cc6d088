//! The fields of each successful response.

use super::{
    ARCHIVE, COHORT, FILE, SEGMENTS, Sandbox, UNARCHIVE, city_definition, cohort_body, field_names,
    file_body, new_file_body, segment_id,
};
use serde_json::{Value, json};

const MISSING_FILE_URL: &str = "file:///missing/users.csv";

/// The API returns UTC times without an offset.
fn is_utc_time(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    text.parse::<jiff::civil::DateTime>().is_ok() && !text.ends_with('Z')
}

fn is_object_id(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[tokio::test]
async fn create_get_and_update_return_the_same_envelope() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let body = json!({"name": "A", "included_filters": city_definition("Pune"), "excluded_filters": city_definition("Goa")});
    let created = sandbox.send("POST", SEGMENTS, body).await;
    assert_eq!(created.status, 201);
    let path = format!("{SEGMENTS}/{}", segment_id(&created));
    let read = sandbox.get(&path).await;
    let update = json!({"name": "A", "included_filters": city_definition("Pune"), "excluded_filters": city_definition("Goa"),
                        "updated_by": "someone@example.com"});
    let updated = sandbox.send("PATCH", &path, update).await;
    assert_eq!((read.status, updated.status), (200, 200));
    for response in [created, read, updated] {
        let data = &response.body["data"];
        assert_eq!(field_names(&response.body), ["data", "response_id", "type"]);
        assert_eq!(response.body["type"], "custom_segment");
        assert!(response.body["response_id"].is_string());
        assert_eq!(response.headers["content-type"], "application/json");
        assert_eq!(
            field_names(data),
            [
                "created_time",
                "description",
                "excluded_filters",
                "id",
                "included_filters",
                "name",
                "source",
                "type",
                "updated_time"
            ]
        );
        assert!(
            is_object_id(&data["id"])
                && is_utc_time(&data["created_time"])
                && is_utc_time(&data["updated_time"])
        );
        assert_eq!(
            (&data["type"], &data["source"]),
            (&json!("ELASTIC_SEARCH"), &json!("API"))
        );
        assert_eq!(data["included_filters"], city_definition("Pune"));
        assert_eq!(data["excluded_filters"], city_definition("Goa"));
        assert!(data["description"].as_str().is_some_and(|text| !text.is_empty()));
    }
    let plain = sandbox.create("B", "Leh").await;
    assert!(plain.body["data"].get("excluded_filters").is_none());
}

#[tokio::test]
async fn a_list_omits_definitions_and_filters_by_exact_name() {
    let sandbox = Sandbox::with_switches(&[]).await;
    assert_eq!(sandbox.get(SEGMENTS).await.body["data"], json!([]));
    sandbox.create_and_get_id("Düsseldorf & more", "Pune").await;
    sandbox.create_and_get_id("Düsseldorf", "Goa").await;
    let listed = sandbox.get(SEGMENTS).await;
    assert_eq!(field_names(&listed.body), ["data", "response_id", "type"]);
    for row in listed.body["data"].as_array().unwrap() {
        assert_eq!(field_names(row), ["created_time", "id", "name", "source", "type"]);
    }
    for (query, count) in [
        ("name=D%C3%BCsseldorf", 1),
        ("name=D%C3%BCsseldorf%20%26%20more", 1),
        ("name=D%C3%BCsseldorf+%26+more", 1),
        ("name=d%C3%BCsseldorf", 0),
        ("name=D", 0),
        ("name=", 0),
    ] {
        let found = sandbox.get(&format!("{SEGMENTS}?{query}")).await;
        assert_eq!(found.status, 200);
        assert_eq!(found.body["data"].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn file_and_lifecycle_responses_name_the_segment() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let mut body = new_file_body("F", MISSING_FILE_URL, 3);
    body["emails"] = json!(["someone@example.com"]);
    let created = sandbox.send("POST", FILE, body).await;
    assert_eq!(created.status, 202);
    assert_eq!(
        field_names(&created.body),
        ["cs_id", "cs_name", "message", "success"]
    );
    assert!(is_object_id(&created.body["cs_id"]));
    for change in ["add-users", "remove-users", "replace"] {
        // The id takes precedence over the name.
        let mut body = file_body("another", MISSING_FILE_URL);
        body["cs_id"] = created.body["cs_id"].clone();
        let changed = sandbox.send("PUT", &format!("{FILE}/{change}"), body).await;
        assert_eq!(changed.status, 202, "{change}: {}", changed.body);
        assert_eq!(changed.body, created.body, "{change}");
    }
    for path in [ARCHIVE, UNARCHIVE] {
        let body = json!({"name": "another", "cs_id": created.body["cs_id"]});
        let changed = sandbox.send("PATCH", path, body).await;
        assert_eq!(changed.status, 200);
        assert_eq!(field_names(&changed.body), ["cs_name", "message", "success"]);
        assert_eq!(
            (&changed.body["cs_name"], &changed.body["success"]),
            (&json!("F"), &json!(true))
        );
    }
}

#[tokio::test]
async fn get_returns_no_filters_for_files_and_cohorts() {
    let sandbox = Sandbox::with_switches(&[]).await;
    sandbox
        .send("POST", FILE, new_file_body("F", MISSING_FILE_URL, 3))
        .await;
    let synced = sandbox
        .send("POST", COHORT, cohort_body("add_members", "C", &["a"]))
        .await;
    assert_eq!(synced.status, 200);
    assert_eq!(field_names(&synced.body), ["message", "status"]);
    assert_eq!(synced.body["status"], "success");
    let rows = sandbox.get(SEGMENTS).await.body["data"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    for row in rows.as_array().unwrap() {
        let read = sandbox
            .get(&format!("{SEGMENTS}/{}", row["id"].as_str().unwrap()))
            .await;
        assert_eq!(read.status, 200);
        let data = &read.body["data"];
        assert!(data.get("included_filters").is_none() && data.get("excluded_filters").is_none());
        assert_eq!((&data["name"], &data["type"]), (&row["name"], &row["type"]));
        assert_ne!(data["type"], "ELASTIC_SEARCH");
    }
}

#[tokio::test]
async fn every_path_accepts_a_trailing_slash() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let body = json!({"name": "A", "included_filters": city_definition("Pune")});
    let created = sandbox.send("POST", "/v3/custom-segments/", body).await;
    let segment = format!("{SEGMENTS}/{}", segment_id(&created));
    let update = json!({"included_filters": city_definition("Goa")});
    for (method, path, body, status) in [
        ("GET", SEGMENTS, Value::Null, 200),
        ("GET", &segment, Value::Null, 200),
        ("PATCH", &segment, update, 200),
        ("POST", FILE, new_file_body("F", MISSING_FILE_URL, 3), 202),
        (
            "PUT",
            &format!("{FILE}/add-users"),
            file_body("F", MISSING_FILE_URL),
            202,
        ),
        (
            "PUT",
            &format!("{FILE}/remove-users"),
            file_body("F", MISSING_FILE_URL),
            202,
        ),
        (
            "PUT",
            &format!("{FILE}/replace"),
            file_body("F", MISSING_FILE_URL),
            202,
        ),
        ("PATCH", ARCHIVE, json!({"name": "A"}), 200),
        ("PATCH", UNARCHIVE, json!({"name": "A"}), 200),
        ("POST", COHORT, cohort_body("add_members", "C", &["a"]), 200),
    ] {
        let response = sandbox.send(method, &format!("{path}/"), body).await;
        assert_eq!(response.status, status, "{method} {path}/: {}", response.body);
    }
}
