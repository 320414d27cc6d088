//! Each sentence of the API's documentation as requests, with the status and the error format of the answer.

use super::{
    ARCHIVE, COHORT, FILE, SEGMENTS, Sandbox, TestResponse, UNARCHIVE, city_definition, cohort_body,
    field_names, file_body, new_file_body, reference_definition, send_request,
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

fn group_of(filter: &Value) -> Value {
    json!({"filter_operator": "and", "filters": [filter]})
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

    /// Creates a segment of `filter` with a name of its own.
    async fn create_filter(&self, number: usize, filter: &Value) -> TestResponse {
        let body = json!({"name": format!("F {number}"), "included_filters": group_of(filter)});
        self.send("POST", SEGMENTS, body).await
    }

    /// Each row is fields that are set in `base`, and the status of a create.
    async fn require_filters(&self, base: &Value, rows: &Value) {
        for (number, row) in rows.as_array().unwrap().iter().enumerate() {
            let filter = with_fields(base, &row[0]);
            let status = u16::try_from(row[1].as_u64().unwrap()).unwrap();
            let response = self.create_filter(number, &filter).await;
            require(&response, status, SEGMENTS, &filter.to_string());
        }
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
async fn groups_and_references_have_their_fields() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let city = city_definition("Pune")["filters"][0].clone();
    let other = sandbox.create_and_get_id("Other", "Leh").await;
    let rows = json!([
        [{}, 400],
        [{"filter_type": null}, 400],
        [{"filter_type": "sql"}, 400],
        [{"filter_operator": "and", "filters": [city]}, 400],
        [{"filter_type": "nested_filters", "filter_operator": "or", "filters": [city]}, 201],
        [{"filter_type": "nested_filters", "filter_operator": "not", "filters": [city]}, 400],
        [{"filter_type": "nested_filters", "filters": [city]}, 400],
        [{"filter_type": "nested_filters", "filter_operator": "or"}, 400],
        [{"filter_type": "nested_filters", "filter_operator": "or", "filters": [city], "negate": true}, 400],
        [{"filter_type": "custom_segments"}, 400],
        [{"filter_type": "custom_segments", "id": null}, 400],
        [{"filter_type": "custom_segments", "id": "Other"}, 400],
        [{"filter_type": "custom_segments", "id": UNKNOWN_ID}, 400],
        [{"filter_type": "custom_segments", "name": "Other"}, 400],
        [{"filter_type": "custom_segments", "id": other, "name": 7}, 400],
        [{"filter_type": "custom_segments", "id": other, "negate": true}, 400],
        [{"filter_type": "custom_segments", "id": other, "name": "Any label"}, 201],
        [{"filter_type": "custom_segments", "id": "moe_all_users"}, 201],
    ]);
    sandbox.require_filters(&json!({}), &rows).await;
}

#[tokio::test]
async fn user_attributes_have_the_operators_of_their_type() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let base = json!({"filter_type": "user_attributes", "name": "a", "category": "Tracked Custom Attribute"});
    let template = "{{MoeUserAttribute['b']}}";
    let rows = json!([
        [{"data_type": "string", "operator": "in", "value": ["a"], "negate": true, "case_sensitive": true}, 201],
        [{"data_type": "string", "operator": "startsWithInTheFollowing", "value": ["a"]}, 201],
        [{"data_type": "string", "operator": "contains", "value": " "}, 201],
        [{"data_type": "string", "operator": "is", "value": ""}, 201],
        [{"data_type": "string", "operator": "exists"}, 201],
        [{"data_type": "string", "operator": "in", "value": "a"}, 400],
        [{"data_type": "string", "operator": "in", "value": ["a", 1]}, 400],
        [{"data_type": "string", "operator": "is", "value": ["a"]}, 400],
        [{"data_type": "string", "operator": "exists", "value": "a"}, 400],
        [{"data_type": "string", "operator": "greaterThan", "value": "a"}, 400],
        [{"data_type": "string", "operator": "is", "value": "a", "value1": "b"}, 400],
        [{"data_type": "string", "operator": "is", "value": "a", "negate": "false"}, 400],
        [{"data_type": "string", "operator": "is", "value": "a", "case_sensitive": 0}, 400],
        [{"data_type": "double", "operator": "in", "value": [1]}, 201],
        [{"data_type": "double", "operator": "between", "value": 1, "value1": 2}, 201],
        [{"data_type": "double", "operator": "between", "value": 1}, 400],
        [{"data_type": "double", "operator": "is", "value": 1}, 400],
        [{"data_type": "double", "operator": "in", "value": ["1"]}, 400],
        [{"data_type": "bool", "operator": "is", "value": true}, 201],
        [{"data_type": "bool", "operator": "is", "value": 1}, 400],
        [{"data_type": "geopoint", "value": 18.5, "value1": 73.8, "radius": 10, "negate": true}, 201],
        [{"data_type": "geopoint", "value": 18.5, "value1": 73.8}, 400],
        [{"data_type": "geopoint", "operator": "in", "value": 18.5, "value1": 73.8, "radius": 10}, 400],
        [{"data_type": "array_string", "operator": "in", "value": ["b"]}, 201],
        [{"data_type": "array_string", "operator": "in", "value": ["c"], "array_filter_type": "all_of"}, 201],
        [{"data_type": "array_string", "operator": "contains", "value": "d"}, 201],
        [{"data_type": "array_string", "operator": "endsWith", "value": ["e", "f"]}, 201],
        [{"data_type": "array_string", "operator": "in", "value": ["b"], "negate": true, "array_filter_type": "any_of"}, 400],
        [{"data_type": "array_string", "operator": "in", "value": ["b"], "array_filter_type": "most_of"}, 400],
        [{"data_type": "array_double", "operator": "lessThan", "value": 1}, 201],
        [{"data_type": "array_double", "operator": "contains", "value": [1]}, 400],
        [{"data_type": "datetime", "operator": "today", "value_type": "absolute"}, 201],
        [{"data_type": "datetime", "operator": "exists"}, 201],
        [{"data_type": "datetime", "operator": "on", "value": "2026-01-05T10:30:00.000Z", "value_type": "absolute"}, 201],
        [{"data_type": "datetime", "operator": "after", "value": 3, "value_type": "relative_future"}, 201],
        [{"data_type": "datetime", "operator": "between", "value": 3, "value1": 9, "value_type": "relative_past"}, 201],
        [{"data_type": "datetime", "operator": "between", "value": 9, "value1": 3, "value_type": "relative_past"}, 400],
        [{"data_type": "datetime", "operator": "in", "extract_type": "month_of_the_year", "value": [1, 12]}, 201],
        [{"data_type": "datetime", "operator": "in", "extract_type": "month_of_the_year", "value": [0]}, 400],
        [{"data_type": "datetime", "operator": "on", "value": "2026-01-05"}, 400],
        [{"data_type": "object", "filter_operator": "and", "filters": [
            {"name": "b", "data_type": "double", "operator": "exists"}]}, 201],
        [{"data_type": "array_object", "filter_operator": "or", "filters": [
            {"name": "o", "data_type": "object", "filter_operator": "and", "filters": [
                {"name": "b", "data_type": "double", "operator": "exists"}]}]}, 201],
        [{"data_type": "object", "filter_operator": "and", "filters": [], "negate": false}, 400],
        [{"data_type": "object", "filter_operator": "and", "filters": [
            {"filter_type": "user_attributes", "name": "b", "data_type": "double", "operator": "exists"}]}, 400],
        [{"data_type": "text", "operator": "is", "value": "a"}, 400],
        [{"data_type": "string", "operator": "in", "value": template, "is_dynamic_value": true,
          "dynamic_attribute_type": "string"}, 201],
        [{"data_type": "double", "operator": "between", "value": template, "value1": template,
          "is_dynamic_value": true, "dynamic_attribute_type": "double"}, 400],
        [{"data_type": "double", "operator": "lessThan", "value": template, "is_dynamic_value": true,
          "dynamic_attribute_type": "string"}, 400],
        [{"data_type": "datetime", "operator": "on", "value": template, "is_dynamic_value": true,
          "dynamic_attribute_type": "datetime", "value_type": "relative_past"}, 400],
        [{"data_type": "array_double", "operator": "in", "value": [template], "is_dynamic_value": true,
          "dynamic_attribute_type": "double"}, 201],
        [{"data_type": "double", "operator": "lessThan", "value": template}, 400],
        [{"name": "", "data_type": "string", "operator": "exists"}, 400],
        [{"name": 7, "data_type": "string", "operator": "exists"}, 400],
        [{"data_type": "string", "operator": "exists", "category": 7}, 400],
        [{"data_type": "string", "operator": "exists", "colour": "red"}, 400],
    ]);
    sandbox.require_filters(&base, &rows).await;
}

#[tokio::test]
async fn events_need_their_execution_attributes_and_time_range() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let base = json!({
        "filter_type": "actions", "action_name": "buy", "executed": true, "execution": {"type": "atleast", "count": 1},
        "attributes": {"filter_operator": "and", "filters": []},
        "primary_time_range": {"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "relative_past"}});
    for field in ["action_name", "executed", "execution", "attributes"] {
        let response = sandbox.create_filter(0, &without_field(&base, field)).await;
        require(&response, 400, SEGMENTS, field);
    }
    let attribute = |fields: Value| {
        let condition =
            json!({"name": "price", "data_type": "double", "operator": "greaterThan", "value": 5});
        json!({"attributes": {"filter_operator": "or", "filters": [with_fields(&condition, &fields)]}})
    };
    let rows = json!([
        [{}, 201],
        [{"execution": {"type": "firstTime"}}, 201],
        [{"execution": {"type": "firstTime", "count": 1}}, 400],
        [{"execution": {"type": "atmost", "count": 0}}, 400],
        [{"execution": {"type": "atmost", "count": -1}}, 400],
        [{"execution": {"type": "atmost", "count": "1"}}, 400],
        [{"execution": {"type": "atmost"}}, 400],
        [{"execution": {"count": 1}}, 400],
        [{"executed": false, "execution": {"type": "exactly", "count": 0}}, 201],
        [{"executed": false}, 400],
        [{"executed": "true"}, 400],
        [{"action_name": ""}, 400],
        [{"project_name": "moe_portfolio"}, 201],
        [{"project_name": 1}, 400],
        [attribute(json!({"category": "default"})), 201],
        [attribute(json!({"category": "Tracked Custom Attribute"})), 400],
        [attribute(json!({"is_dynamic_value": true, "dynamic_attribute_type": "double",
                          "value": "{{MoeUserAttribute['b']}}"})), 400],
        [{"attributes": null}, 400],
        [{"attributes": {"filters": []}}, 400],
        [{"filters": []}, 400],
    ]);
    sandbox.require_filters(&base, &rows).await;
    let day = "2026-01-05T00:00:00.000Z";
    let end = "2026-01-05T23:59:59.999Z";
    let ranges = json!([
        [{"type": "inTheLast", "value": 8, "period_unit": "hours", "value_type": "relative_past"}, 201],
        [{"type": "inTheLast", "value": 7, "period_unit": "days"}, 400],
        [{"value": 7, "period_unit": "days", "value_type": "relative_past"}, 400],
        [{"type": "inTheLast", "value": 7, "value_type": "relative_past"}, 400],
        [{"type": "inTheLast", "value": 0, "period_unit": "days", "value_type": "relative_past"}, 400],
        [{"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "absolute"}, 400],
        [{"type": "inTheLast", "value": 7, "period_unit": "years", "value_type": "relative_past"}, 400],
        [{"type": "inTheNext", "value": 7, "period_unit": "days", "value_type": "relative_future"}, 400],
        [{"type": "between", "value": 3, "value1": 9, "value_type": "relative_past"}, 201],
        [{"type": "between", "value": 9, "value1": 3, "value_type": "relative_past"}, 400],
        [{"type": "between", "value": 3, "value_type": "relative_past"}, 400],
        [{"type": "between", "value": day, "value1": end, "value_type": "absolute"}, 201],
        [{"type": "between", "value": day, "value1": day, "value_type": "absolute"}, 400],
        [{"type": "between", "value": end, "value1": day, "value_type": "absolute"}, 400],
        [{"type": "on", "value": 1, "period_unit": "weeks", "value_type": "relative_past"}, 201],
        [{"type": "on", "value": day, "value_type": "absolute", "period_unit": "days"}, 201],
        [{"type": "on", "value": "2026-01-05T10:00:00.000Z", "value_type": "absolute"}, 400],
        [{"type": "on", "value": "2026-01-05", "value_type": "absolute"}, 400],
        [{"type": "before", "value": 3, "value_type": "relative_past"}, 201],
        [{"type": "before", "value": day, "value_type": "absolute"}, 201],
        [{"type": "after", "value": day, "value_type": "absolute"}, 201],
        [{"type": "after", "value": 3, "value_type": "relative_past"}, 400],
        [{"type": "on", "from": day, "value_type": "absolute"}, 400],
    ]);
    for (number, row) in ranges.as_array().unwrap().iter().enumerate() {
        let filter = with_fields(&base, &json!({"primary_time_range": row[0]}));
        let response = sandbox.create_filter(100 + number, &filter).await;
        let status = u16::try_from(row[1].as_u64().unwrap()).unwrap();
        require(&response, status, SEGMENTS, &filter.to_string());
    }
}

#[tokio::test]
async fn aggregations_and_affinities_have_their_fields() {
    let sandbox = Sandbox::with_switches(&[]).await;
    let event = json!({
        "filter_type": "actions", "action_name": "buy", "executed": true, "execution": {"type": "atleast", "count": 1},
        "attributes": {"filter_operator": "and", "filters": []},
        "primary_time_range": {"type": "inTheLast", "value": 7, "period_unit": "days", "value_type": "relative_past"}});
    let sum = json!({"attribute_name": "price", "data_type": "double", "aggregation_type": "sum", "operator": "is",
                     "value": 5, "negate": false, "is_dynamic_value": false});
    let aggregation = |operator: &str, fields: Value| json!({"aggregation_attributes": {"filter_operator": operator, "filters": [with_fields(&sum, &fields)]}});
    let base_range =
        |range: Value| aggregation("and", json!({"comparator": "change", "base_time_range": range}));
    let rows = json!([
        [aggregation("and", json!({})), 201],
        [aggregation("or", json!({"value": 6})), 201],
        [aggregation("xor", json!({})), 400],
        [aggregation("and", json!({"data_type": "string"})), 400],
        [aggregation("and", json!({"aggregation_type": "count"})), 400],
        [aggregation("and", json!({"operator": "between", "value1": 9})), 201],
        [aggregation("and", json!({"operator": "between"})), 400],
        [aggregation("and", json!({"value1": 9})), 400],
        [aggregation("and", json!({"is_dynamic_value": true})), 400],
        [aggregation("and", json!({"comparator": "change"})), 400],
        [base_range(json!({"type": "previousPeriod"})), 201],
        [base_range(json!({"type": "inTheLast", "value": 3})), 400],
        [base_range(json!({"type": "between", "value": 3, "value1": 9})), 400],
        [base_range(json!({"type": "between", "value": "2026-01-05T00:00:00.000Z", "value1": "2026-01-06T10:30:00Z"})), 201],
        [base_range(json!({"type": "between", "value": "2026-01-06T10:30:00Z", "value1": "2026-01-05T00:00:00.000Z"})), 400],
        [{"aggregation_attributes": {"filter_operator": "and", "filters": [sum, sum]}}, 400],
        [{"aggregation_attributes": {"filter_operator": "and", "filters": []}}, 400],
    ]);
    sandbox.require_filters(&event, &rows).await;

    let brand = json!({"name": "brand", "data_type": "string", "operator": "is", "value": "A"});
    let preferred = |fields: Value| json!({"psychographic_attributes": {"filter_operator": "and", "filters": [with_fields(&brand, &fields)]}});
    let exists = |fields: Value| {
        let attribute = with_fields(&without_field(&brand, "value"), &json!({"operator": "exists"}));
        json!({"psychographic_attributes": {"filter_operator": "and", "filters": [with_fields(&attribute, &fields)]}})
    };
    let affinity = json!({
        "filter_type": "psychographic_event", "action_name": "view", "execution": {"type": "atleast", "count": 1},
        "operator_type": "predominant",
        "psychographic_attributes": {"filter_operator": "and", "filters": [brand]},
        "primary_time_range": {"type": "inTheLast", "days": 30, "value_type": "relative_past"}});
    let range = |range: Value| json!({"primary_time_range": range});
    let rows = json!([
        [{}, 201],
        [{"executed": true, "operator_type": "minimum", "percent_of_times": 50}, 201],
        [{"executed": false, "execution": {"type": "exactly", "count": 0}}, 201],
        [{"executed": false}, 400],
        [{"executed": 1}, 400],
        [{"project_name": "moe_portfolio"}, 400],
        [{"operator_type": "minimum"}, 400],
        [{"operator_type": "minimum", "percent_of_times": 0}, 400],
        [{"operator_type": "minimum", "percent_of_times": 101}, 400],
        [{"operator_type": "top", "percent_of_users": 10}, 201],
        [{"operator_type": "top", "percent_of_times": 10}, 400],
        [{"psychographic_attributes": {"filter_operator": "and", "filters": []}}, 400],
        [{"psychographic_attributes": null}, 400],
        [preferred(json!({"operator": "startsWith", "value": ["A"]})), 400],
        [preferred(json!({"operator": "in", "value": ["A", "B"]})), 201],
        [preferred(json!({"data_type": "bool", "value": true})), 400],
        [exists(json!({"case_sensitive": false})), 201],
        [exists(json!({"value": "A"})), 400],
        [range(json!({"type": "between", "days": 3, "days1": 9, "value_type": "relative_past"})), 201],
        [range(json!({"type": "between", "days": 9, "days1": 3, "value_type": "relative_past"})), 400],
        [range(json!({"type": "between", "from": "2026-01-05T10:30:00Z", "to": "2026-01-05T11:30:00Z",
                      "value_type": "absolute"})), 201],
        [range(json!({"type": "between", "from": "2026-01-05T11:30:00Z", "to": "2026-01-05T10:30:00Z",
                      "value_type": "absolute"})), 400],
        [range(json!({"type": "after", "from": "2026-01-05", "value_type": "absolute"})), 400],
        [range(json!({"type": "inTheLast", "value": 3, "period_unit": "days", "value_type": "relative_past"})), 400],
        [range(json!({"type": "inTheLast", "days": 3})), 400],
    ]);
    for (number, row) in rows.as_array().unwrap().iter().enumerate() {
        let filter = with_fields(&affinity, &row[0]);
        let response = sandbox.create_filter(200 + number, &filter).await;
        let status = u16::try_from(row[1].as_u64().unwrap()).unwrap();
        require(&response, status, SEGMENTS, &filter.to_string());
    }
}

#[tokio::test]
async fn deeply_nested_groups_are_stored_returned_and_referenced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sandbox.json");
    let mut group = city_definition("Pune");
    for _ in 0..64 {
        group["filter_type"] = json!("nested_filters");
        group = group_of(&group);
    }
    let sandbox = Sandbox::start(super::options_with_data_file(&file)).await;
    // serde_json, as other clients use it, does not read these responses.
    let body = json!({"name": "Deep", "included_filters": group});
    let created = sandbox.request("POST", SEGMENTS, &body).send().await.unwrap();
    assert_eq!(created.status(), 201);
    let listed = sandbox.get(SEGMENTS).await;
    let id = listed.body["data"][0]["id"].as_str().unwrap().to_owned();
    let mut both = reference_definition(&[&id]);
    both["filters"]
        .as_array_mut()
        .unwrap()
        .push(group["filters"][0].clone());
    let body = json!({"name": "Top", "included_filters": both});
    let referring = sandbox.request("POST", SEGMENTS, &body).send().await.unwrap();
    assert_eq!(referring.status(), 201);
    sandbox.server.stop().await;
    let sandbox = Sandbox::start(super::options_with_data_file(&file)).await;
    let path = format!("{SEGMENTS}/{id}");
    let request = sandbox.request("GET", &path, &Value::Null);
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(text.contains(&group.to_string()));
    sandbox.server.stop().await;
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
