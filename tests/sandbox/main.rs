//! The sandbox over real HTTP: what a client meets, whoever wrote it.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod data_file;
mod faults;
mod files;
mod operations;

use reqwest::Method;
use reqwest::header::HeaderMap;
use segctl::sandbox::{Credentials, Options, Server};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

const SEGMENTS: &str = "/v3/custom-segments";
const ARCHIVE: &str = "/v2/custom-segments/archive";
const UNARCHIVE: &str = "/v2/custom-segments/unarchive";
const FILE: &str = "/v2/custom-segments/file-segment";
const COHORT: &str = "/v1/integrations/cohortsync";

/// A service and a client of it.
struct Sandbox {
    server: Server,
    client: reqwest::Client,
}

/// What came back.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

fn options() -> Options {
    let mut options = Options::standalone(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    options.credentials = Some(Credentials {
        workspace_id: "workspace".to_owned(),
        api_key: "key".to_owned(),
        db_name: "db".to_owned(),
    });
    options
}

fn kept_in(file: &Path) -> Options {
    let mut options = options();
    options.data = Some(file.to_path_buf());
    options
}

impl Sandbox {
    async fn start(options: Options) -> Self {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let server = Server::start(options).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { server, client }
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let method: Method = method.parse().unwrap();
        let url = format!("http://{}{path}", self.server.address());
        let mut request = self
            .client
            .request(method.clone(), url)
            .basic_auth("workspace", Some("key"))
            .header("MOE-APPKEY", "workspace")
            .header("MOE-DBNAME", "db");
        if method != Method::GET {
            request = request
                .header("Content-Type", "application/json")
                .body(body.to_string());
        }
        request
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        answer(self.request(method, path, &body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Value::Null).await
    }

    async fn create(&self, name: &str, city: &str) -> Answer {
        let body = json!({"name": name, "included_filters": lives_in(city)});
        self.call("POST", SEGMENTS, body).await
    }

    async fn listed(&self) -> Vec<String> {
        let rows = self.get(SEGMENTS).await.body["data"].clone();
        let name = |row: &Value| row["name"].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(name).collect()
    }

    /// How many calls have come in.
    async fn calls(&self) -> usize {
        let log = self.get("/_sandbox/log").await.body;
        log.as_array().unwrap().len()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.timeout(Duration::from_secs(20)).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    Answer {
        status,
        headers,
        body,
    }
}

fn lives_in(city: &str) -> Value {
    json!({"filter_operator": "and", "filters": [
        {"filter_type": "user_attributes", "name": "city", "data_type": "string", "category": "Tracked",
         "operator": "in", "value": [city], "negate": false}]})
}

fn id(answer: &Answer) -> String {
    answer.body["data"]["id"].as_str().unwrap().to_owned()
}
