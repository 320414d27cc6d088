//! The sandbox over HTTP, as any client sees it.

// The tables of requests are long `json!` values.
#![recursion_limit = "512"]
#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod client_members;
mod cohorts;
mod credentials;
mod data_file;
mod documented;
mod elapsed_time;
mod error_responses;
mod faults;
mod file_segments;
mod operations;
mod rate_limits;
mod response_bodies;
mod switches;

use reqwest::Method;
use reqwest::header::HeaderMap;
use segctl::sandbox::{SandboxCredentials, SandboxOptions, Server};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

const SEGMENTS: &str = "/v3/custom-segments";
const ARCHIVE: &str = "/v2/custom-segments/archive";
const UNARCHIVE: &str = "/v2/custom-segments/unarchive";
const FILE: &str = "/v2/custom-segments/file-segment";
const COHORT: &str = "/v1/integrations/cohortsync";

/// A running sandbox and an HTTP client.
struct Sandbox {
    server: Server,
    client: reqwest::Client,
}

struct TestResponse {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

fn options() -> SandboxOptions {
    let mut options = SandboxOptions::standalone(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    options.credentials = Some(SandboxCredentials {
        workspace_id: "workspace".to_owned(),
        api_key: "key".to_owned(),
        db_name: "db".to_owned(),
    });
    options
}

fn options_with_data_file(file: &Path) -> SandboxOptions {
    let mut options = options();
    options.data_file = Some(file.to_path_buf());
    options
}

impl Sandbox {
    async fn start(options: SandboxOptions) -> Self {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let server = Server::start(options).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { server, client }
    }

    /// Starts it without rate limits, with these switches.
    async fn with_switches(switches: &[(&str, &str)]) -> Self {
        let mut options = options();
        options.set_switch("rate_limits", "off").unwrap();
        for (name, value) in switches {
            options.set_switch(name, value).unwrap();
        }
        Self::start(options).await
    }

    /// A request without credentials and headers.
    fn unauthenticated_request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method: Method = method.parse().unwrap();
        let url = format!("http://{}{path}", self.server.address());
        self.client.request(method, url)
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let mut request = self
            .unauthenticated_request(method, path)
            .basic_auth("workspace", Some("key"))
            .header("MOE-APPKEY", "workspace")
            .header("MOE-DBNAME", "db");
        if method != "GET" {
            request = request
                .header("Content-Type", "application/json")
                .body(body.to_string());
        }
        request
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> TestResponse {
        send_request(self.request(method, path, &body)).await
    }

    async fn get(&self, path: &str) -> TestResponse {
        self.send("GET", path, Value::Null).await
    }

    async fn create(&self, name: &str, city: &str) -> TestResponse {
        let body = json!({"name": name, "included_filters": city_definition(city)});
        self.send("POST", SEGMENTS, body).await
    }

    async fn create_and_get_id(&self, name: &str, city: &str) -> String {
        let response = self.create(name, city).await;
        assert_eq!(response.status, 201, "{}", response.body);
        segment_id(&response)
    }

    async fn archive(&self, name: &str) -> TestResponse {
        self.send("PATCH", ARCHIVE, json!({"name": name})).await
    }

    async fn unarchive(&self, name: &str) -> TestResponse {
        self.send("PATCH", UNARCHIVE, json!({"name": name})).await
    }

    async fn advance(&self, seconds: u32) {
        let body = json!({"advance_seconds": seconds});
        let response = self.send("POST", "/_sandbox/clock", body).await;
        assert_eq!(response.status, 200);
    }

    async fn advance_days(&self, days: u32) {
        self.advance(days * 86_400).await;
    }

    async fn wait_for_queue(&self) {
        let processed = self.send("POST", "/_sandbox/process-files", Value::Null).await;
        assert_eq!(processed.body, json!({"queued": 0}));
    }

    /// The contents of the segment `name`: its filters, members or users. Null if there is no such segment.
    async fn contents_of(&self, name: &str) -> Value {
        let state = self.get("/_sandbox/state").await.body;
        let segments = state["segments"].as_object().unwrap();
        let found = segments.values().find(|segment| segment["name"] == name);
        found.map_or(Value::Null, |segment| segment["contents"].clone())
    }

    async fn list_names(&self) -> Vec<String> {
        let rows = self.get(SEGMENTS).await.body["data"].clone();
        let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(name).collect()
    }

    /// The number of requests so far, without those to control endpoints.
    async fn request_count(&self) -> usize {
        let log = self.get("/_sandbox/log").await.body;
        log.as_array().unwrap().len()
    }
}

async fn send_request(request: reqwest::RequestBuilder) -> TestResponse {
    let response = request.timeout(Duration::from_secs(20)).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    TestResponse {
        status,
        headers,
        body,
    }
}

fn city_definition(city: &str) -> Value {
    json!({"filter_operator": "and", "filters": [
        {"filter_type": "user_attributes", "name": "city", "data_type": "string", "category": "Tracked",
         "operator": "in", "value": [city], "negate": false}]})
}

fn reference_definition(ids: &[&str]) -> Value {
    let filter = |id: &&str| json!({"filter_type": "custom_segments", "id": id});
    let filters: Vec<Value> = ids.iter().map(filter).collect();
    json!({"filter_operator": "and", "filters": filters})
}

fn file_body(name: &str, file_url: &str) -> Value {
    json!({"name": name, "attribute_name": "uid", "attribute_type": "string", "file_url": file_url})
}

fn new_file_body(name: &str, file_url: &str, days: u32) -> Value {
    let mut body = file_body(name, file_url);
    body["expiry_time"] = json!(days);
    body
}

fn cohort_body(action: &str, name: &str, uids: &[&str]) -> Value {
    let members: Vec<Value> = uids.iter().map(|uid| json!({"uid": uid})).collect();
    json!({"action": action, "partner": "p",
           "parameters": {"cohort_name": name, "cohort_id": "1", "members": members}})
}

fn field_names(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn segment_id(response: &TestResponse) -> String {
    response.body["data"]["id"].as_str().unwrap().to_owned()
}
