//! The responses of the service, without sockets.

mod cohorts;
mod control_endpoints;
mod definition_rules;
mod faults;
mod files;
mod rate_limits;
mod switches;

use super::{
    HttpRequest, HttpResponse, RateLimitMode, SandboxCredentials, SandboxOptions, SandboxSettings, Service,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SEGMENTS: &str = "/v3/custom-segments";
const ARCHIVE: &str = "/v2/custom-segments/archive";
const UNARCHIVE: &str = "/v2/custom-segments/unarchive";
const FILE: &str = "/v2/custom-segments/file-segment";
const COHORT: &str = "/v1/integrations/cohortsync";

/// `w:key` in base64.
const AUTHORIZATION: &str = "Basic dzprZXk=";

struct TestService {
    service: Service,
    now: Timestamp,
}

impl TestService {
    fn new() -> Self {
        Self::with_settings(&[])
    }

    /// Rate limits are off unless `switches` sets them.
    fn with_settings(switches: &[(&str, Value)]) -> Self {
        let mut settings = SandboxSettings {
            rate_limits: RateLimitMode::Off,
            ..SandboxSettings::default()
        };
        for (name, value) in switches {
            settings = settings.with_switch(name, &value.to_string()).unwrap();
        }
        let credentials = SandboxCredentials {
            workspace_id: "w".to_owned(),
            api_key: "key".to_owned(),
            db_name: "db".to_owned(),
        };
        Self {
            service: Service::new(settings, credentials),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn advance_seconds(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    fn advance_days(&mut self, days: i64) {
        self.advance_seconds(days * 86_400);
    }

    fn send(&mut self, method: &str, path: &str, body: &Value) -> HttpResponse {
        self.service
            .handle(self.now, &authorized_request(method, path, body))
    }

    fn get(&mut self, path: &str) -> HttpResponse {
        self.send("GET", path, &Value::Null)
    }

    fn create(&mut self, name: &str, included: &Value) -> HttpResponse {
        let body = json!({"name": name, "included_filters": included});
        self.send("POST", SEGMENTS, &body)
    }

    fn create_and_get_id(&mut self, name: &str, included: &Value) -> String {
        let response = self.create(name, included);
        assert_eq!(response.status, 201, "{}", response.body);
        segment_id(&response)
    }

    fn create_status(&mut self, name: &str, included: &Value) -> u16 {
        self.create(name, included).status
    }

    fn update(&mut self, id: &str, body: &Value) -> HttpResponse {
        self.send("PATCH", &format!("{SEGMENTS}/{id}"), body)
    }

    fn set_filters(&mut self, id: &str, included: &Value) -> HttpResponse {
        self.update(id, &json!({"included_filters": included}))
    }

    fn archive(&mut self, name: &str) -> HttpResponse {
        self.send("PATCH", ARCHIVE, &json!({"name": name}))
    }

    fn unarchive(&mut self, name: &str) -> HttpResponse {
        self.send("PATCH", UNARCHIVE, &json!({"name": name}))
    }

    fn list_names(&mut self) -> Vec<String> {
        segment_names(&self.get(SEGMENTS))
    }
}

fn authorized_request(method: &str, path: &str, body: &Value) -> HttpRequest {
    let headers = [
        ("authorization", AUTHORIZATION),
        ("moe-appkey", "w"),
        ("moe-dbname", "db"),
        ("content-type", "application/json"),
    ];
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let (path, name) = path.split_once("?name=").unwrap_or((path, ""));
    let query = Some(("name", name)).filter(|(_, name)| !name.is_empty());
    HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.into_iter().map(owned).collect(),
        headers: headers.map(owned).into(),
        body: body.to_string().into_bytes(),
    }
}

fn segment_id(response: &HttpResponse) -> String {
    response.body["data"]["id"].as_str().unwrap().to_owned()
}

fn segment_names(response: &HttpResponse) -> Vec<String> {
    let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
    response.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(name)
        .collect()
}

fn and_group(filters: &[Value]) -> Value {
    json!({"filter_operator": "and", "filters": filters})
}

fn city_definition(city: &str) -> Value {
    and_group(&[city_filter(city)])
}

fn city_filter(city: &str) -> Value {
    json!({"filter_type": "user_attributes", "name": "city", "data_type": "string", "category": "Tracked",
           "operator": "in", "value": [city], "negate": false})
}

fn reference_definition(ids: &[&str]) -> Value {
    let reference = |id: &&str| json!({"filter_type": "custom_segments", "id": id});
    and_group(&ids.iter().map(reference).collect::<Vec<_>>())
}

#[test]
fn a_filter_segment_can_be_created_read_listed_and_updated() {
    let mut api = TestService::new();
    let created = api.create("A", &city_definition("Pune"));
    let id = segment_id(&created);
    assert_eq!(created.status, 201);
    assert_eq!(id.len(), 24);
    let data = &created.body["data"];
    assert_eq!(data["created_time"], "2026-01-01T00:00:00");
    assert_eq!(data["type"], "ELASTIC_SEARCH");
    assert_eq!(data["source"], "API");
    assert_eq!(data["included_filters"], city_definition("Pune"));
    assert!(data.get("excluded_filters").is_none());

    let read = api.get(&format!("{SEGMENTS}/{id}"));
    assert_eq!((read.status, &read.body["data"]), (200, data));
    let listed = api.get(&format!("{SEGMENTS}/"));
    assert_eq!(
        listed.body["data"],
        json!([{"name": "A", "id": id, "created_time": "2026-01-01T00:00:00",
                "type": "ELASTIC_SEARCH", "source": "API"}])
    );
    assert_eq!(segment_names(&api.get(&format!("{SEGMENTS}?name=B"))).len(), 0);

    api.advance_seconds(5);
    let body = json!({"name": "B", "included_filters": city_definition("Goa"), "excluded_filters": city_definition("Pune"),
                      "updated_by": "someone@example.com"});
    let updated = api.update(&id, &body);
    assert_eq!(updated.status, 200, "{}", updated.body);
    let data = &updated.body["data"];
    assert_eq!(data["updated_time"], "2026-01-01T00:00:05");
    assert_eq!(data["name"], "B");
    assert_eq!(data["excluded_filters"], city_definition("Pune"));
    assert_ne!(updated.body["response_id"], read.body["response_id"]);
}

#[test]
fn requests_are_authorized_by_the_headers_of_their_family() {
    let wrong = "Basic dzpubw==";
    let (v3, v2, v1) = (("GET", SEGMENTS), ("PATCH", ARCHIVE), ("POST", COHORT));
    let state = ("GET", "/_sandbox/state");
    // The body of a v2 or v1 request is invalid, so an authorized one fails with a 400 that names the body.
    for (number, ((method, path), header, value, rejection)) in [
        (v3, "authorization", None, Some(401)),
        (v3, "authorization", Some(wrong), Some(401)),
        (v3, "moe-appkey", None, None),
        (v3, "moe-appkey", Some("other"), Some(400)),
        (v3, "moe-dbname", None, None),
        (v3, "moe-dbname", Some("other"), None),
        (v2, "moe-appkey", None, None),
        (v2, "moe-appkey", Some("other"), None),
        (v2, "moe-dbname", None, Some(401)),
        (v2, "moe-dbname", Some("other"), Some(401)),
        (v1, "moe-dbname", None, None),
        (v1, "moe-appkey", None, Some(400)),
        (v1, "moe-appkey", Some("other"), Some(401)),
        (state, "authorization", Some(wrong), Some(401)),
        (
            ("POST", "/_sandbox/process-files"),
            "authorization",
            None,
            Some(401),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut request = authorized_request(method, path, &Value::Null);
        match value {
            Some(value) => request.headers.insert(header.to_owned(), value.to_owned()),
            None => request.headers.remove(header),
        };
        let mut api = TestService::new();
        let response = api.service.handle(api.now, &request);
        let is_rejected = response.status >= 400
            && !response.body.to_string().contains("the body must be")
            && !response.body.to_string().contains("must be a JSON object");
        assert_eq!(
            is_rejected.then_some(response.status),
            rejection,
            "case {number}: {}",
            response.body
        );
    }
    // v3 requires one of the two client headers.
    let mut neither = authorized_request("GET", SEGMENTS, &Value::Null);
    neither.headers.retain(|name, _| !name.starts_with("moe-"));
    let mut api = TestService::new();
    let response = api.service.handle(api.now, &neither);
    assert_eq!(response.status, 400);
    assert!(response.body.to_string().contains("MoEngage Client not found"));
}

#[test]
fn a_strict_service_accepts_one_client_header_only() {
    for (method, path) in [("GET", SEGMENTS), ("PATCH", ARCHIVE), ("POST", COHORT)] {
        for (is_strict, is_accepted) in [(false, true), (true, false)] {
            let mut api = TestService::with_settings(&[("one_client_header", json!(is_strict))]);
            let request = authorized_request(method, path, &Value::Null);
            let response = api.service.handle(api.now, &request);
            let is_about_header = response.body.to_string().contains("only one of MOE-APPKEY");
            assert_eq!(!is_about_header, is_accepted, "{path}: {}", response.body);
        }
    }
}

#[test]
fn a_wrong_database_is_a_401_or_a_400() {
    for (answer, status) in [("unauthorized", 401), ("bad_request", 400)] {
        let mut api = TestService::with_settings(&[("wrong_database", json!(answer))]);
        let mut request = authorized_request("PATCH", ARCHIVE, &json!({"name": "A"}));
        request
            .headers
            .insert("moe-dbname".to_owned(), "other".to_owned());
        let response = api.service.handle(api.now, &request);
        assert_eq!(response.status, status, "{}", response.body);
        assert!(
            response.body["description"]
                .as_str()
                .unwrap()
                .contains("MOE-DBNAME")
        );
    }
}

#[test]
fn each_endpoint_family_has_its_own_error_format() {
    let mut api = TestService::new();
    let v3 = api.create("", &city_definition("Pune")).body;
    assert_eq!(v3["type"], "custom_segment");
    assert!(v3["response_id"].is_string());
    assert!(v3["error"]["code"].is_string() && v3["error"]["message"].is_string());
    let v2 = api.archive("missing").body;
    assert!(v2["title"].is_string() && v2["description"].is_string());
    let v1 = api.send("POST", COHORT, &json!({"action": "clear"})).body;
    assert_eq!(v1["status"], "fail");
    assert_eq!(v1["error"]["attribute"], "action");
    for key in ["message", "type", "request_id"] {
        assert!(v1["error"][key].is_string(), "{key}");
    }
}

#[test]
fn unknown_endpoints_and_ids_answer_404() {
    let mut api = TestService::new();
    for (method, path) in [
        ("GET", "/"),
        ("DELETE", SEGMENTS),
        ("DELETE", "/v3/custom-segments/5e6c00000000000000000001"),
        ("GET", "/v3/custom-segments/5e6c00000000000000000001"),
        ("GET", "/v3/custom-segments/5e6c00000000000000000001/members"),
        ("POST", ARCHIVE),
        ("GET", "/_sandbox/nothing"),
    ] {
        let response = api.send(method, path, &Value::Null);
        assert_eq!(response.status, 404, "{method} {path}");
        assert!(response.body.is_object());
    }
}

#[test]
fn an_invalid_switch_is_rejected_with_its_name() {
    let mut options = SandboxOptions::standalone(([127, 0, 0, 1], 0).into());
    assert!(options.set_switch("list_includes_archived", "true").is_ok());
    assert!(options.set_switch("echo", "defaults_filled").is_ok());
    for (name, value) in [("no_such_switch", "true"), ("echo", "backwards")] {
        let error = options.set_switch(name, value).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    assert!(options.set_faults("[{\"fault\": \"garbage\"}]").is_ok());
    assert!(options.set_faults("[{\"fault\": \"flood\"}]").is_err());
}

#[test]
fn the_log_has_every_api_request_and_no_control_request() {
    let mut api = TestService::new();
    api.create_and_get_id("A", &city_definition("Pune"));
    api.get(&format!("{SEGMENTS}?name=A"));
    api.get("/nowhere");
    let log = api.get("/_sandbox/log").body;
    let entries: Vec<_> = log.as_array().unwrap().iter().map(log_summary).collect();
    assert_eq!(
        entries,
        [
            json!([1, "POST", {}, "create", 201, true]),
            json!([2, "GET", {"name": "A"}, "list", 200, false]),
            json!([3, "GET", {}, null, 404, false]),
        ]
    );
}

fn log_summary(entry: &Value) -> Value {
    let keys = ["sequence", "method", "query", "class", "status", "committed"];
    keys.iter().map(|key| entry[*key].clone()).collect()
}

fn users_of_segment(api: &TestService, id: &str) -> BTreeMap<String, usize> {
    match &api.service.state.segments[id].contents {
        super::state::SandboxContents::File { users, .. } => users.clone(),
        _ => BTreeMap::new(),
    }
}
