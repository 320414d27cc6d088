//! Each sentence of the API's documentation as requests, with the status and the error format of the answer.

mod filters;

use super::{
    ARCHIVE, COHORT, FILE, SEGMENTS, Sandbox, TestResponse, UNARCHIVE, city_definition, cohort_body,
    field_names, file_body, new_file_body, send_request,
};
use serde_json::{Value, json};

const UNKNOWN_ID: &str = "5e6cffffffffffffffffffff";
const URL: &str = "https://files.example.com/users.csv";

/// A whole-number status, and for errors the format of the family in `path`.
fn require(response: &TestResponse, status: u16, path: &str, what: &str) {
    let body = &response.body;
    assert_eq!(response.status, status, "{what}: {body}");
    if status < 400 {
        return;
    }
    if path.starts_with("/v2/") {
        assert_eq!(field_names(body), ["description", "title"], "{what}: {body}");
    } else if path.starts_with("/v1/") {
        assert_eq!(body["status"], "fail", "{what}: {body}");
        for key in ["message", "type", "request_id"] {
            assert!(body["error"][key].is_string(), "{what}: {body}");
        }
    } else {
        assert_eq!(
            field_names(body),
            ["error", "response_id", "type"],
            "{what}: {body}"
        );
        assert_eq!(body["type"], "custom_segment", "{what}: {body}");
        for key in ["code", "message"] {
            assert!(body["error"][key].is_string(), "{what}: {body}");
        }
    }
}

fn with_fields(base: &Value, fields: &Value) -> Value {
    let mut object = base.clone();
    for (key, value) in fields.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

fn without_field(base: &Value, key: &str) -> Value {
    let mut object = base.clone();
    object.as_object_mut().unwrap().remove(key);
    object
}

impl Sandbox {
    async fn send_raw(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> TestResponse {
        let (client_header, client) = if path.starts_with("/v2/") {
            ("MOE-DBNAME", "db")
        } else {
            ("MOE-APPKEY", "workspace")
        };
        let mut request = self
            .unauthenticated_request(method, path)
            .basic_auth("workspace", Some("key"))
            .header(client_header, client)
            .body(body.to_vec());
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        send_request(request).await
    }
}

#[tokio::test]
async fn bodies_must_be_json_objects_with_their_content_type() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let id = sandbox.create_and_get_id("A", "Pune").await;
    let update = format!("{SEGMENTS}/{id}");
    let create = json!({"name": "B", "included_filters": city_definition("Goa")}).to_string();
    let change = json!({"included_filters": city_definition("Agra")}).to_string();
    let archive = json!({"name": "A"}).to_string();
    let sync = cohort_body("add_members", "C", &["u"]).to_string();
    let valid = [
        ("POST", SEGMENTS, create.as_str(), 400),
        ("PATCH", &update, &change, 400),
        ("PATCH", ARCHIVE, &archive, 400),
        ("PATCH", UNARCHIVE, &archive, 400),
        ("POST", COHORT, &sync, 415),
    ];
    for (method, path, body, status) in valid {
        for content_type in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonp"),
            Some(""),
        ] {
            let response = sandbox
                .send_raw(method, path, content_type, body.as_bytes())
                .await;
            require(
                &response,
                status,
                path,
                &format!("{method} {path} as {content_type:?}"),
            );
        }
    }
    assert_eq!(sandbox.list_names().await, ["A"]);
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let deep_object = "{\"a\":".repeat(10_000) + "1" + &"}".repeat(10_000);
    let in_field = format!("{{\"name\": \"B\", \"included_filters\": {deep}}}");
    let malformed: [&[u8]; 17] = [
        b"",
        b" ",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"1",
        b"1e999",
        b"\"text\"",
        b"{\"name\": \"B\",}",
        b"{'name': 'B'}",
        b"{} {}",
        b"\xff\xfe",
        b"{\"name\": \"\\ud800\"}",
        deep.as_bytes(),
        deep_object.as_bytes(),
        in_field.as_bytes(),
    ];
    let file_change = format!("{FILE}/replace");
    for body in malformed {
        for (method, path) in [
            ("POST", SEGMENTS),
            ("PATCH", &update),
            ("POST", FILE),
            ("PUT", &file_change),
            ("PATCH", ARCHIVE),
            ("PATCH", UNARCHIVE),
            ("POST", COHORT),
        ] {
            let response = sandbox
                .send_raw(method, path, Some("application/json"), body)
                .await;
            let text = String::from_utf8_lossy(body);
            require(&response, 400, path, &format!("{method} {path} {text:.60}"));
        }
    }
    for (method, path, body, _) in valid {
        let content_type = Some("Application/JSON; charset=utf-8");
        let response = sandbox
            .send_raw(method, path, content_type, body.as_bytes())
            .await;
        assert!(response.status < 300, "{method} {path}: {}", response.body);
    }
}

#[tokio::test]
async fn unknown_endpoints_are_a_404_in_the_format_of_their_family() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let id = sandbox.create_and_get_id("A", "Pune").await;
    let segment = format!("{SEGMENTS}/{id}");
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v3"),
        ("GET", "/v3/custom-segment"),
        ("PUT", SEGMENTS),
        ("DELETE", SEGMENTS),
        ("POST", &segment),
        ("PUT", &segment),
        ("DELETE", &segment),
        ("GET", &format!("{segment}/members")),
        ("GET", "/v2/custom-segments"),
        ("GET", FILE),
        ("PUT", FILE),
        ("POST", &format!("{FILE}/add-users")),
        ("PUT", &format!("{FILE}/add")),
        ("PUT", ARCHIVE),
        ("POST", UNARCHIVE),
        ("DELETE", ARCHIVE),
        ("GET", COHORT),
        ("PUT", COHORT),
        ("POST", "/v1/integrations"),
        ("POST", "/v4/custom-segments"),
    ] {
        let response = sandbox.send(method, path, json!({})).await;
        require(&response, 404, path, &format!("{method} {path}"));
    }
    for path in [
        SEGMENTS.to_owned(),
        format!("{SEGMENTS}/"),
        segment.clone(),
        format!("{segment}/"),
    ] {
        assert_eq!(sandbox.get(&path).await.status, 200, "{path}");
    }
    for (query, names) in [
        ("?name=A", 1),
        ("?name=a", 0),
        ("?name=", 0),
        ("?name=A%20", 0),
        ("?other=1", 1),
    ] {
        let listed = sandbox.get(&format!("{SEGMENTS}{query}")).await;
        assert_eq!(listed.body["data"].as_array().unwrap().len(), names, "{query}");
    }
}

#[tokio::test]
async fn segments_are_found_by_object_id() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let body = json!({"included_filters": city_definition("Goa")});
    for (id, status) in [
        ("1", 400),
        ("5e6cfffffffffffffffffff", 400),
        ("5e6cfffffffffffffffffffff", 400),
        ("5e6cffffffffffffffffffgf", 400),
        ("All%20Users", 400),
        ("moe_all_users", 400),
        (UNKNOWN_ID, 404),
    ] {
        let path = format!("{SEGMENTS}/{id}");
        require(&sandbox.get(&path).await, status, &path, id);
        require(
            &sandbox.send("PATCH", &path, body.clone()).await,
            status,
            &path,
            id,
        );
    }
}

#[tokio::test]
async fn create_and_update_have_their_fields() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let valid = json!({"name": "A", "included_filters": city_definition("Pune")});
    let id = sandbox.create_and_get_id("Mine", "Leh").await;
    let update = format!("{SEGMENTS}/{id}");
    for (fields, create_status, update_status) in [
        (json!({"name": null}), 400, 400),
        (json!({"name": 7}), 400, 400),
        (json!({"name": ["A"]}), 400, 400),
        (json!({"name": ""}), 400, 400),
        (json!({"name": "\t\n"}), 400, 400),
        (json!({"included_filters": null}), 400, 400),
        (json!({"included_filters": []}), 400, 400),
        (json!({"included_filters": {}}), 400, 400),
        (json!({"included_filters": "all"}), 400, 400),
        (
            json!({"included_filters": {"filter_operator": "AND", "filters": []}}),
            400,
            400,
        ),
        (
            json!({"included_filters": {"filter_operator": "and", "filters": null}}),
            400,
            400,
        ),
        (
            json!({"included_filters": {"filter_operator": "and", "filters": [null]}}),
            400,
            400,
        ),
        (json!({"excluded_filters": null}), 400, 400),
        (json!({"excluded_filters": []}), 400, 400),
        (json!({"excluded_filters": {"filter_operator": "and"}}), 400, 400),
        (json!({"description": "mine"}), 400, 400),
        (json!({"id": id}), 400, 400),
        (json!({"updated_by": null}), 400, 400),
        (json!({"updated_by": "someone"}), 400, 400),
        (json!({"updated_by": "a@"}), 400, 400),
        (json!({"updated_by": "a b@example.com"}), 400, 400),
        (json!({"updated_by": "someone@example.com"}), 400, 200),
        (json!({"excluded_filters": city_definition("Goa")}), 201, 200),
    ] {
        let body = with_fields(&valid, &fields);
        let response = sandbox.send("POST", SEGMENTS, body.clone()).await;
        require(&response, create_status, SEGMENTS, &fields.to_string());
        let body = with_fields(&without_field(&body, "name"), &fields);
        let response = sandbox.send("PATCH", &update, body).await;
        let expected = if create_status == 201 { 409 } else { update_status };
        require(&response, expected, &update, &fields.to_string());
    }
    for missing in ["name", "included_filters"] {
        let response = sandbox
            .send("POST", SEGMENTS, without_field(&valid, missing))
            .await;
        require(&response, 400, SEGMENTS, missing);
    }
    let renamed_only = sandbox.send("PATCH", &update, json!({"name": "New"})).await;
    require(&renamed_only, 400, &update, "included_filters is required");
}

#[tokio::test]
async fn file_requests_have_urls_addresses_and_days() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let file = sandbox.send("POST", FILE, new_file_body("F", URL, 3)).await;
    assert_eq!(file.status, 202);
    let id = file.body["cs_id"].as_str().unwrap().to_owned();
    let change = format!("{FILE}/add-users");
    let rows = [
        (
            json!({"file_url": "http://files.example.com/users.csv?token=a%2Fb"}),
            202,
        ),
        (json!({"file_url": "users.csv"}), 400),
        (json!({"file_url": "//files.example.com/users.csv"}), 400),
        (json!({"file_url": "https://"}), 400),
        (json!({"file_url": "https://files.example.com/a b.csv"}), 400),
        (json!({"file_url": "ftp://files.example.com/users.csv"}), 400),
        (json!({"file_url": ["https://files.example.com/users.csv"]}), 400),
        (json!({"callback_url": "https://hooks.example.com/segctl"}), 202),
        (json!({"callback_url": "hooks.example.com"}), 400),
        (json!({"callback_url": "file:///tmp/hook"}), 400),
        (json!({"callback_url": null}), 400),
        (json!({"callback_url": ""}), 400),
        (json!({"emails": []}), 202),
        (
            json!({"emails": ["a@example.com", "first.last@mail.example.com"]}),
            202,
        ),
        (json!({"emails": ["a@example.com", "b"]}), 400),
        (json!({"emails": "a@example.com"}), 400),
        (json!({"emails": [null]}), 400),
        (json!({"attribute_type": "double"}), 202),
        (json!({"attribute_type": "bool"}), 400),
        (json!({"attribute_type": "String"}), 400),
        (json!({"attribute_name": ""}), 400),
        (json!({"attribute_name": 7}), 400),
        (json!({"name": null}), 400),
        (json!({"colour": "red"}), 400),
    ];
    for (number, (fields, status)) in rows.into_iter().enumerate() {
        let response = sandbox
            .send("PUT", &change, with_fields(&file_body("F", URL), &fields))
            .await;
        require(&response, status, &change, &fields.to_string());
        let new = with_fields(&new_file_body(&format!("F {number}"), URL, 3), &fields);
        let response = sandbox.send("POST", FILE, new).await;
        require(&response, status, FILE, &fields.to_string());
    }
    let rows = [
        (json!(1), 202),
        (json!(36_500), 202),
        (json!(u64::MAX), 202),
        (json!(0), 400),
        (json!(-1), 400),
        (json!(1.5), 400),
        (json!("30"), 400),
        (json!(true), 400),
        (Value::Null, 400),
    ];
    for (number, (days, status)) in rows.into_iter().enumerate() {
        let body = with_fields(
            &file_body(&format!("Days {number}"), URL),
            &json!({"expiry_time": days}),
        );
        require(
            &sandbox.send("POST", FILE, body).await,
            status,
            FILE,
            &days.to_string(),
        );
    }
    for operation in ["add-users", "remove-users", "replace"] {
        let path = format!("{FILE}/{operation}");
        for (name, cs_id, status) in [
            ("F", None, 202),
            ("Another name", Some(id.as_str()), 202),
            ("F", Some(UNKNOWN_ID), 404),
            ("F", Some("not an id"), 400),
            ("F", Some(""), 400),
            ("Unknown", None, 404),
        ] {
            let mut body = file_body(name, URL);
            if let Some(cs_id) = cs_id {
                body["cs_id"] = json!(cs_id);
            }
            let response = sandbox.send("PUT", &path, body).await;
            require(&response, status, &path, &format!("{operation} {name} {cs_id:?}"));
        }
    }
}

#[tokio::test]
async fn archiving_finds_segments_by_id_before_name() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let id = sandbox.create_and_get_id("A", "Pune").await;
    sandbox.create_and_get_id("B", "Goa").await;
    for path in [ARCHIVE, UNARCHIVE] {
        for (body, status) in [
            (json!({"name": "A"}), 200),
            (json!({"name": "Another name", "cs_id": id}), 200),
            (json!({"name": "B", "cs_id": UNKNOWN_ID}), 404),
            (json!({"name": "B", "cs_id": "B"}), 400),
            (json!({"name": "B", "cs_id": null}), 400),
            (json!({"name": "Unknown"}), 404),
            (json!({"name": ""}), 400),
            (json!({"name": ["A"]}), 400),
            (json!({"cs_id": id}), 400),
            (json!({"name": "A", "archived": true}), 400),
        ] {
            let response = sandbox.send("PATCH", path, body.clone()).await;
            require(&response, status, path, &body.to_string());
        }
    }
}

#[tokio::test]
async fn cohort_requests_have_uids_and_a_limit() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let valid = cohort_body("add_members", "C", &["u"]);
    let parameters = |fields: Value| json!({"parameters": with_fields(&valid["parameters"], &fields)});
    for (fields, status) in [
        (json!({}), 200),
        (json!({"action": "remove_members"}), 200),
        (json!({"action": "replace_members"}), 400),
        (json!({"action": null}), 400),
        (json!({"partner": ""}), 400),
        (json!({"partner": 7}), 400),
        (json!({"parameters": []}), 400),
        (json!({"colour": "red"}), 400),
        (parameters(json!({"cohort_id": ""})), 400),
        (parameters(json!({"cohort_id": 1})), 400),
        (parameters(json!({"cohort_name": null})), 400),
        (parameters(json!({"cohort_description": "Users"})), 200),
        (parameters(json!({"cohort_description": 7})), 400),
        (parameters(json!({"members": null})), 400),
        (parameters(json!({"members": "u"})), 400),
        (parameters(json!({"members": ["u"]})), 400),
        (parameters(json!({"members": [{}]})), 400),
        (parameters(json!({"members": [{"uid": ""}]})), 400),
        (parameters(json!({"members": [{"uid": 7}]})), 400),
        (parameters(json!({"members": [{"uid": null}]})), 400),
        (parameters(json!({"members": [{"id": "u"}]})), 400),
        (parameters(json!({"colour": "red"})), 400),
    ] {
        let response = sandbox.send("POST", COHORT, with_fields(&valid, &fields)).await;
        require(&response, status, COHORT, &fields.to_string());
    }
    let padded = |length: usize| {
        let body = valid.to_string();
        " ".repeat(length - body.len()) + &body
    };
    for (length, status) in [(128 * 1024, 200), (128 * 1024 + 1, 413)] {
        let body = padded(length);
        let response = sandbox
            .send_raw("POST", COHORT, Some("application/json"), body.as_bytes())
            .await;
        require(&response, status, COHORT, &length.to_string());
    }
}
