//! The service by its answers, without sockets.

mod cohorts;
mod controls;
mod definitions;
mod faults;
mod files;
mod limits;
mod switches;

use super::{Call, Credentials, Options, RateLimits, Reply, Service, Settings};
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
struct Bench {
    service: Service,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        Self::with(&[])
    }

    /// Without limits on calls, but with these switches.
    fn with(switches: &[(&str, Value)]) -> Self {
        let mut settings = Settings {
            rate_limits: RateLimits::Off,
            ..Settings::default()
        };
        for (name, value) in switches {
            settings = settings.with(name, &value.to_string()).unwrap();
        }
        let credentials = Credentials {
            workspace_id: "w".to_owned(),
            api_key: "key".to_owned(),
            db_name: "db".to_owned(),
        };
        Self {
            service: Service::new(settings, credentials),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn pass_seconds(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    fn pass_days(&mut self, days: i64) {
        self.pass_seconds(days * 86_400);
    }

    fn call(&mut self, method: &str, path: &str, body: &Value) -> Reply {
        self.service.handle(self.now, &call(method, path, body))
    }

    fn get(&mut self, path: &str) -> Reply {
        self.call("GET", path, &Value::Null)
    }

    fn create(&mut self, name: &str, included: &Value) -> Reply {
        let body = json!({"name": name, "included_filters": included});
        self.call("POST", SEGMENTS, &body)
    }

    /// The id of a new segment.
    fn created(&mut self, name: &str, included: &Value) -> String {
        let reply = self.create(name, included);
        assert_eq!(reply.status, 201, "{}", reply.body);
        id(&reply)
    }

    fn update(&mut self, id: &str, body: &Value) -> Reply {
        self.call("PATCH", &format!("{SEGMENTS}/{id}"), body)
    }

    fn archive(&mut self, name: &str) -> Reply {
        self.call("PATCH", ARCHIVE, &json!({"name": name}))
    }

    fn unarchive(&mut self, name: &str) -> Reply {
        self.call("PATCH", UNARCHIVE, &json!({"name": name}))
    }

    fn listed(&mut self) -> Vec<String> {
        names(&self.get(SEGMENTS))
    }
}

/// A call with everything that the service asks of callers.
fn call(method: &str, path: &str, body: &Value) -> Call {
    let headers = [
        ("authorization", AUTHORIZATION),
        ("moe-appkey", "w"),
        ("moe-dbname", "db"),
        ("content-type", "application/json"),
    ];
    let (path, query) = path.split_once("?name=").unwrap_or((path, ""));
    let query = Some(query).filter(|name| !name.is_empty());
    Call {
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

fn id(reply: &Reply) -> String {
    reply.body["data"]["id"].as_str().unwrap().to_owned()
}

fn names(reply: &Reply) -> Vec<String> {
    let rows = reply.body["data"].as_array().unwrap();
    rows.iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

fn all_of(filters: &[Value]) -> Value {
    json!({"filter_operator": "and", "filters": filters})
}

/// Users of one city: a definition for each word.
fn city(city: &str) -> Value {
    all_of(&[lives_in(city)])
}

fn lives_in(city: &str) -> Value {
    json!({"filter_type": "user_attributes", "name": "city", "data_type": "string", "category": "Tracked",
           "operator": "in", "value": [city], "negate": false})
}

fn refers_to(ids: &[&str]) -> Value {
    let reference = |id: &&str| json!({"filter_type": "custom_segments", "id": id});
    all_of(&ids.iter().map(reference).collect::<Vec<_>>())
}

#[test]
fn a_filter_segment_is_created_read_listed_and_updated() {
    let mut bench = Bench::new();
    let created = bench.create("A", &city("Pune"));
    let id = id(&created);
    assert_eq!(created.status, 201);
    assert_eq!(id.len(), 24);
    let data = &created.body["data"];
    assert_eq!(data["created_time"], "2026-01-01T00:00:00");
    assert_eq!(
        (&data["type"], &data["source"]),
        (&json!("ELASTIC_SEARCH"), &json!("API"))
    );
    assert_eq!(data["included_filters"], city("Pune"));
    assert!(data.get("excluded_filters").is_none());

    let read = bench.get(&format!("{SEGMENTS}/{id}"));
    assert_eq!((read.status, &read.body["data"]), (200, data));
    let listed = bench.get(&format!("{SEGMENTS}/"));
    assert_eq!(
        listed.body["data"],
        json!([{"name": "A", "id": id, "created_time": "2026-01-01T00:00:00",
                "type": "ELASTIC_SEARCH", "source": "API"}])
    );
    assert_eq!(names(&bench.get(&format!("{SEGMENTS}?name=B"))).len(), 0);

    bench.pass_seconds(5);
    let body = json!({"name": "B", "included_filters": city("Goa"), "excluded_filters": city("Pune"),
                      "updated_by": "someone@example.com"});
    let updated = bench.update(&id, &body);
    assert_eq!(updated.status, 200, "{}", updated.body);
    let data = &updated.body["data"];
    assert_eq!(data["updated_time"], "2026-01-01T00:00:05");
    assert_eq!(
        (&data["name"], &data["excluded_filters"]),
        (&json!("B"), &city("Pune"))
    );
    assert_ne!(updated.body["response_id"], read.body["response_id"]);
}

#[test]
fn callers_are_known_by_their_headers() {
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
        let mut call = call(method, path, &Value::Null);
        match value {
            Some(value) => call.headers.insert(header.to_owned(), value.to_owned()),
            None => call.headers.remove(header),
        };
        let mut bench = Bench::new();
        let reply = bench.service.handle(bench.now, &call);
        assert_eq!(reply.status == 401, refused, "case {number}: {}", reply.body);
    }
    // Neither of the two that v3 asks for.
    let mut neither = call("GET", SEGMENTS, &Value::Null);
    neither.headers.retain(|name, _| !name.starts_with("moe-"));
    let mut bench = Bench::new();
    assert_eq!(bench.service.handle(bench.now, &neither).status, 401);
}

#[test]
fn each_family_has_its_shape_of_errors() {
    let mut bench = Bench::new();
    let v3 = bench.create("", &city("Pune")).body;
    assert_eq!(v3["type"], "custom_segment");
    assert!(v3["response_id"].is_string());
    assert!(v3["error"]["code"].is_string() && v3["error"]["message"].is_string());
    let v2 = bench.archive("nobody").body;
    assert!(v2["title"].is_string() && v2["description"].is_string());
    let v1 = bench.call("POST", COHORT, &json!({"action": "clear"})).body;
    assert_eq!(v1["status"], "fail");
    assert_eq!(v1["error"]["attribute"], "action");
    for key in ["message", "type", "request_id"] {
        assert!(v1["error"][key].is_string(), "{key}");
    }
}

#[test]
fn what_is_nowhere_is_not_found() {
    let mut bench = Bench::new();
    for (method, path) in [
        ("GET", "/"),
        ("DELETE", SEGMENTS),
        ("DELETE", "/v3/custom-segments/5e6c00000000000000000001"),
        ("GET", "/v3/custom-segments/5e6c00000000000000000001"),
        ("GET", "/v3/custom-segments/5e6c00000000000000000001/members"),
        ("POST", ARCHIVE),
        ("GET", "/_sandbox/nothing"),
    ] {
        let reply = bench.call(method, path, &Value::Null);
        assert_eq!(reply.status, 404, "{method} {path}");
        assert!(reply.body.is_object());
    }
}

#[test]
fn a_bad_switch_is_refused_with_its_name() {
    let mut options = Options::standalone(([127, 0, 0, 1], 0).into());
    assert!(options.set("list_includes_archived", "true").is_ok());
    assert!(options.set("echo", "defaults_filled").is_ok());
    for (name, value) in [("no_such_switch", "true"), ("echo", "backwards")] {
        let error = options.set(name, value).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    assert!(options.set_faults("[{\"fault\": \"garbage\"}]").is_ok());
    assert!(options.set_faults("[{\"fault\": \"flood\"}]").is_err());
}

#[test]
fn the_log_has_every_call_but_those_on_controls() {
    let mut bench = Bench::new();
    bench.created("A", &city("Pune"));
    bench.get(&format!("{SEGMENTS}?name=A"));
    bench.get("/nowhere");
    let log = bench.get("/_sandbox/log").body;
    let seen: Vec<_> = log.as_array().unwrap().iter().map(summary).collect();
    assert_eq!(
        seen,
        [
            json!([1, "POST", {}, "create", 201, true]),
            json!([2, "GET", {"name": "A"}, "list", 200, false]),
            json!([3, "GET", {}, null, 404, false]),
        ]
    );
}

fn summary(entry: &Value) -> Value {
    let keys = ["sequence", "method", "query", "class", "status", "committed"];
    keys.iter().map(|key| entry[*key].clone()).collect()
}

/// The users of a file segment by the value that stands for them.
fn users(bench: &Bench, id: &str) -> BTreeMap<String, usize> {
    match &bench.service.state.segments[id].contents {
        super::state::Contents::File { users, .. } => users.clone(),
        _ => BTreeMap::new(),
    }
}
