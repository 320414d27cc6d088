//! The sandbox of a scenario and its control endpoints.

use super::alternative::Alternative;
use super::format::{Edit, Kind};
use reqwest::Method;
use segctl::sandbox::{SandboxCredentials, SandboxError, SandboxOptions, Server};
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::runtime::Runtime;

/// The workspace id, API key and database name.
pub(super) const CREDENTIAL: &str = "sandbox";

/// The environment variable with the API key.
pub(super) const API_KEY: &str = "SHOP_API_KEY";

pub(super) struct Sandbox<'a> {
    runtime: &'a Runtime,
    server: Option<Server>,
    client: reqwest::Client,
    /// The number of log entries that `new_requests` has returned.
    returned: usize,
    /// The Content-Type of requests that create a file segment.
    file_content_type: &'static str,
}

/// A request from the log.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) class: String,
}

impl<'a> Sandbox<'a> {
    /// Starts an empty sandbox that compares its responses with those under each of `alternatives`.
    pub(super) fn start(
        runtime: &'a Runtime,
        settings: &Map<String, Value>,
        alternatives: &[Alternative],
    ) -> Result<Self, String> {
        let mut options = SandboxOptions::standalone(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        options.credentials = Some(SandboxCredentials {
            workspace_id: CREDENTIAL.to_owned(),
            api_key: CREDENTIAL.to_owned(),
            db_name: CREDENTIAL.to_owned(),
        });
        options
            .set_switch("rate_limits", "off")
            .map_err(|error| error.to_string())?;
        let message = |error: SandboxError| format!("{error}: {:?}", std::error::Error::source(&error));
        for (name, value) in settings {
            options.set_switch(name, &value.to_string()).map_err(message)?;
        }
        for Alternative { name, value } in alternatives {
            options
                .add_compared_switch(name, &value.to_string())
                .map_err(message)?;
        }
        let server = runtime
            .block_on(Server::start(options))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            runtime,
            server: Some(server),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            returned: 0,
            file_content_type: match settings.get("file_request_content_type") {
                Some(demanded) if demanded == "list" => "text/csv",
                _ => "application/json",
            },
        })
    }

    /// The workspace in `segctl.yaml` without the additions of the scenario.
    pub(super) fn workspace(&self) -> Map<String, Value> {
        let key = format!("${{{API_KEY}}}");
        let endpoint = format!("http://{}", self.address());
        // Runs share a request log, and a scenario would exceed the default rate limits.
        let unlimited: Map<String, Value> = ["list", "create", "get", "update", "lifecycle"]
            .map(|class| (class.to_owned(), json!(["100000/s"])))
            .into_iter()
            .collect();
        let entry = json!({
            "endpoint": endpoint, "workspace_id": CREDENTIAL, "api_key": key, "db_name": CREDENTIAL, "rate_limits": unlimited,
        });
        entry.as_object().cloned().unwrap_or_default()
    }

    pub(super) fn address(&self) -> String {
        self.server.as_ref().unwrap().address().to_string()
    }

    /// Creates or changes a segment outside segctl.
    pub(super) fn edit(&self, edit: &Edit) -> Result<(), String> {
        match edit.kind {
            Kind::Filter => self.edit_filters(edit),
            Kind::File => self.create_file_segment(edit),
            Kind::Cohort => self.create_cohort(edit),
        }
    }

    pub(super) fn advance(&self, seconds: u32) -> Result<(), String> {
        self.request("POST", "/_sandbox/clock", &json!({"advance_seconds": seconds}))
            .map(drop)
    }

    pub(super) fn set_faults(&self, script: &Value) -> Result<(), String> {
        self.request("POST", "/_sandbox/faults", script).map(drop)
    }

    /// The whole data of the sandbox.
    pub(super) fn state(&self) -> Result<Value, String> {
        self.request("GET", "/_sandbox/state", &Value::Null)
    }

    /// The alternatives under which a response would have been different so far.
    pub(super) fn observable_alternatives(&self) -> Result<Vec<Alternative>, String> {
        let alternatives = self.request("GET", "/_sandbox/distinguished-switches", &Value::Null)?;
        serde_json::from_value(alternatives).map_err(|error| error.to_string())
    }

    pub(super) fn now(&self) -> Result<jiff::Timestamp, String> {
        let clock = self.request("GET", "/_sandbox/clock", &Value::Null)?;
        serde_json::from_value(clock["now"].clone()).map_err(|error| error.to_string())
    }

    /// The requests since the previous call of this function.
    pub(super) fn new_requests(&mut self) -> Result<Vec<Request>, String> {
        let log = self.request("GET", "/_sandbox/log", &Value::Null)?;
        let log = log.as_array().cloned().unwrap_or_default();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or("none").to_owned();
        let new = log.iter().skip(self.returned).map(|entry| Request {
            method: text(entry, "method"),
            path: text(entry, "path"),
            class: text(entry, "class"),
        });
        let new = new.collect();
        self.returned = log.len();
        Ok(new)
    }

    fn edit_filters(&self, edit: &Edit) -> Result<(), String> {
        let ids = self.ids()?;
        let mut body = Map::new();
        if let Some(name) = &edit.segment {
            let id = ids.get(name).ok_or_else(|| format!("no segment `{name}`"))?;
            body.insert("id".to_owned(), id.clone());
        }
        let included = edit
            .event
            .as_deref()
            .map(executed_filters)
            .or_else(|| edit.included_filters.clone());
        let fields = [
            ("name", edit.name.clone().map(Value::from)),
            ("source", edit.source.clone().map(Value::from)),
            ("archived", edit.archived.map(Value::from)),
            (
                "included_filters",
                included.map(|filters| with_ids(filters, &ids)),
            ),
            (
                "excluded_filters",
                edit.excluded_filters
                    .clone()
                    .map(|filters| with_ids(filters, &ids)),
            ),
        ];
        for (key, value) in fields {
            body.extend(value.map(|value| (key.to_owned(), value)));
        }
        self.request("POST", "/_sandbox/segments", &Value::Object(body))
            .map(drop)
    }

    fn create_file_segment(&self, edit: &Edit) -> Result<(), String> {
        let body = json!({"name": edit.name, "attribute_name": "uid", "attribute_type": "string", "expiry_time": 365,
                          "file_url": "file:///nothing.csv"});
        self.request("POST", "/v2/custom-segments/file-segment", &body)?;
        self.request("POST", "/_sandbox/process-files", &Value::Null)?;
        self.set_lifecycle(edit)
    }

    fn create_cohort(&self, edit: &Edit) -> Result<(), String> {
        let parameters = json!({"cohort_name": edit.name, "cohort_id": edit.name, "members": [{"uid": "1"}]});
        let body = json!({"action": "add_members", "partner": "partner", "parameters": parameters});
        self.request("POST", "/v1/integrations/cohortsync", &body)?;
        self.set_lifecycle(edit)
    }

    fn set_lifecycle(&self, created: &Edit) -> Result<(), String> {
        let edit = Edit {
            segment: created.name.clone(),
            archived: created.archived,
            ..Edit::default()
        };
        self.edit_filters(&edit)
    }

    /// The ids of all segments by name.
    fn ids(&self) -> Result<Map<String, Value>, String> {
        let state = self.state()?;
        let segments = state["segments"].as_object().cloned().unwrap_or_default();
        Ok(segments
            .iter()
            .map(|(id, segment)| {
                (
                    segment["name"].as_str().unwrap_or_default().to_owned(),
                    id.as_str().into(),
                )
            })
            .collect())
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let method: Method = method.parse().unwrap();
        let client_header = if path.starts_with("/v2/") {
            "MOE-DBNAME"
        } else {
            "MOE-APPKEY"
        };
        let content_type = if path.contains("/file-segment") {
            self.file_content_type
        } else {
            "application/json"
        };
        let request = self
            .client
            .request(method, format!("http://{}{path}", self.address()))
            .basic_auth(CREDENTIAL, Some(CREDENTIAL))
            .header(client_header, CREDENTIAL)
            .header("Content-Type", content_type)
            .body(body.to_string());
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| error.to_string())?;
            let status = response.status();
            let text = response.text().await.map_err(|error| error.to_string())?;
            if !status.is_success() {
                return Err(format!("{path} returned {status}: {text}\n{body}"));
            }
            serde_json::from_str(&text).map_err(|error| error.to_string())
        })
    }
}

impl Drop for Sandbox<'_> {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

/// Users with `event` in the last 7 days.
fn executed_filters(event: &str) -> Value {
    let time_range =
        json!({"type": "inTheLast", "value": 7, "value_type": "relative_past", "period_unit": "days"});
    json!({"filter_operator": "and", "filters": [{
        "filter_type": "actions", "action_name": event, "executed": true,
        "execution": {"type": "atleast", "count": 1}, "primary_time_range": time_range,
        "attributes": {"filter_operator": "and", "filters": []}}]})
}

/// Adds the id to each reference by name.
fn with_ids(mut filters: Value, ids: &Map<String, Value>) -> Value {
    match &mut filters {
        Value::Object(fields) => {
            let name = fields.get("name").and_then(Value::as_str);
            let is_reference = fields
                .get("filter_type")
                .is_some_and(|kind| kind == "custom_segments");
            let id = name
                .filter(|_| is_reference)
                .and_then(|name| ids.get(name))
                .cloned();
            for value in fields.values_mut() {
                *value = with_ids(value.take(), ids);
            }
            fields.extend(id.map(|id| ("id".to_owned(), id)));
        }
        Value::Array(items) => {
            for item in items {
                *item = with_ids(item.take(), ids);
            }
        }
        _ => {}
    }
    filters
}
