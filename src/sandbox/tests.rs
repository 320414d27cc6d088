//! The service by its answers, without sockets.

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

/// A service and the moment of the next call.
struct TestService {
    service: Service,
    now: Timestamp,
}

impl TestService {
    fn new() -> Self {
        Self::with_settings(&[])
    }

    /// Without limits on calls, but with these switches.
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

    /// The id of a new segment.
    fn create_and_get_id(&mut self, name: &str, included: &Value) -> String {
        let reply = self.create(name, included);
        assert_eq!(reply.status, 201, "{}", reply.body);
        segment_id(&reply)
    }

    fn update(&mut self, id: &str, body: &Value) -> HttpResponse {
        self.send("PATCH", &format!("{SEGMENTS}/{id}"), body)
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

/// A call with everything that the service asks of callers.
fn authorized_request(method: &str, path: &str, body: &Value) -> HttpRequest {
    let headers = [
        ("authorization", AUTHORIZATION),
        ("moe-appkey", "w"),
        ("moe-dbname", "db"),
        ("content-type", "application/json"),
    ];
    let (path, query) = path.split_once("?name=").unwrap_or((path, ""));
    let query = Some(query).filter(|name| !name.is_empty());
    HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query
            .into_iter()
            .map(|name| ("name".to_owned(), name.to_owned()))
            .collect(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: body.to_string().into_bytes(),
    }
}

fn segment_id(reply: &HttpResponse) -> String {
    reply.body["data"]["id"].as_str().unwrap().to_owned()
}

fn segment_names(reply: &HttpResponse) -> Vec<String> {
    let rows = reply.body["data"].as_array().unwrap();
    rows.iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

fn and_group(filters: &[Value]) -> Value {
    json!({"filter_operator": "and", "filters": filters})
}

/// Users of one city: a definition for each word.
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
    let mut bench = TestService::new();
    let created = bench.create("A", &city_definition("Pune"));
    let id = segment_id(&created);
    assert_eq!(created.status, 201);
    assert_eq!(id.len(), 24);
    let data = &created.body["data"];
    assert_eq!(data["created_time"], "2026-01-01T00:00:00");
    assert_eq!(
        (&data["type"], &data["source"]),
        (&json!("ELASTIC_SEARCH"), &json!("API"))
    );
    assert_eq!(data["included_filters"], city_definition("Pune"));
    assert!(data.get("excluded_filters").is_none());

    let read = bench.get(&format!("{SEGMENTS}/{id}"));
    assert_eq!((read.status, &read.body["data"]), (200, data));
    let listed = bench.get(&format!("{SEGMENTS}/"));
    assert_eq!(
        listed.body["data"],
        json!([{"name": "A", "id": id, "created_time": "2026-01-01T00:00:00",
                "type": "ELASTIC_SEARCH", "source": "API"}])
    );
    assert_eq!(segment_names(&bench.get(&format!("{SEGMENTS}?name=B"))).len(), 0);

    bench.advance_seconds(5);
    let body = json!({"name": "B", "included_filters": city_definition("Goa"), "excluded_filters": city_definition("Pune"),
                      "updated_by": "someone@example.com"});
    let updated = bench.update(&id, &body);
    assert_eq!(updated.status, 200, "{}", updated.body);
    let data = &updated.body["data"];
    assert_eq!(data["updated_time"], "2026-01-01T00:00:05");
    assert_eq!(
        (&data["name"], &data["excluded_filters"]),
        (&json!("B"), &city_definition("Pune"))
    );
    assert_ne!(updated.body["response_id"], read.body["response_id"]);
}

#[test]
fn requests_are_authorized_by_the_headers_of_their_family() {
    let wrong = "Basic dzpubw==";
    let (v3, v2, v1) = (("GET", SEGMENTS), ("PATCH", ARCHIVE), ("POST", COHORT));
    for (number, ((method, path), header, value, refused)) in [
        (v3, "authorization", None, true),
        (v3, "authorization", Some(wrong), true),
        (v3, "moe-appkey", None, false),
        (v3, "moe-appkey", Some("other"), false),
        (v3, "moe-dbname", None, false),
        (v2, "moe-appkey", None, false),
        (v2, "moe-dbname", None, true),
        (v2, "moe-dbname", Some("other"), true),
        (v1, "moe-dbname", None, false),
        (v1, "moe-appkey", None, true),
        (("GET", "/_sandbox/state"), "authorization", Some(wrong), true),
        (("POST", "/_sandbox/settle"), "authorization", None, true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut call = authorized_request(method, path, &Value::Null);
        match value {
            Some(value) => call.headers.insert(header.to_owned(), value.to_owned()),
            None => call.headers.remove(header),
        };
        let mut bench = TestService::new();
        let reply = bench.service.handle(bench.now, &call);
        assert_eq!(reply.status == 401, refused, "case {number}: {}", reply.body);
    }
    // Neither of the two that v3 asks for.
    let mut neither = authorized_request("GET", SEGMENTS, &Value::Null);
    neither.headers.retain(|name, _| !name.starts_with("moe-"));
    let mut bench = TestService::new();
    assert_eq!(bench.service.handle(bench.now, &neither).status, 401);
}

#[test]
fn each_endpoint_family_has_its_own_error_format() {
    let mut bench = TestService::new();
    let v3 = bench.create("", &city_definition("Pune")).body;
    assert_eq!(v3["type"], "custom_segment");
    assert!(v3["response_id"].is_string());
    assert!(v3["error"]["code"].is_string() && v3["error"]["message"].is_string());
    let v2 = bench.archive("nobody").body;
    assert!(v2["title"].is_string() && v2["description"].is_string());
    let v1 = bench.send("POST", COHORT, &json!({"action": "clear"})).body;
    assert_eq!(v1["status"], "fail");
    assert_eq!(v1["error"]["attribute"], "action");
    for key in ["message", "type", "request_id"] {
        assert!(v1["error"][key].is_string(), "{key}");
    }
}

#[test]
fn unknown_endpoints_and_ids_answer_404() {
    let mut bench = TestService::new();
    for (method, path) in [
        ("GET", "/"),
        ("DELETE", SEGMENTS),
        ("DELETE", "/v3/custom-segments/5e6c00000000000000000001"),
        ("GET", "/v3/custom-segments/5e6c00000000000000000001"),
        ("GET", "/v3/custom-segments/5e6c00000000000000000001/members"),
        ("POST", ARCHIVE),
        ("GET", "/_sandbox/nothing"),
    ] {
        let reply = bench.send(method, path, &Value::Null);
        assert_eq!(reply.status, 404, "{method} {path}");
        assert!(reply.body.is_object());
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
    let mut bench = TestService::new();
    bench.create_and_get_id("A", &city_definition("Pune"));
    bench.get(&format!("{SEGMENTS}?name=A"));
    bench.get("/nowhere");
    let log = bench.get("/_sandbox/log").body;
    let seen: Vec<_> = log.as_array().unwrap().iter().map(log_summary).collect();
    assert_eq!(
        seen,
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

/// The users of a file segment by the value that stands for them.
fn users_of_segment(bench: &TestService, id: &str) -> BTreeMap<String, usize> {
    match &bench.service.state.segments[id].contents {
        super::state::SandboxContents::File { users, .. } => users.clone(),
        _ => BTreeMap::new(),
    }
}
