//! The sandbox that a scenario runs against: made up as `before` says, changed by hand, and asked what it saw.

use super::alternative::Alternative;
use super::format::{Edit, Kind};
use reqwest::Method;
use segctl::sandbox::{SandboxCredentials, SandboxError, SandboxOptions, Server};
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::runtime::Runtime;

/// What every caller uses.
pub(super) const WORD: &str = "sandbox";

/// The variable that has the key.
pub(super) const API_KEY: &str = "SHOP_API_KEY";

/// A running service.
pub(super) struct Service<'a> {
    runtime: &'a Runtime,
    server: Option<Server>,
    client: reqwest::Client,
    /// Calls that were asked about already.
    seen: usize,
}

/// A call as the service saw it.
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) class: String,
}

impl<'a> Service<'a> {
    /// A service with these switches and nothing in it, compared with others that have one of `alternatives` in place
    /// of a switch.
    pub(super) fn start(
        runtime: &'a Runtime,
        settings: &Map<String, Value>,
        alternatives: &[Alternative],
    ) -> Result<Self, String> {
        let mut options = SandboxOptions::standalone(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        options.credentials = Some(SandboxCredentials {
            workspace_id: WORD.to_owned(),
            api_key: WORD.to_owned(),
            db_name: WORD.to_owned(),
        });
        options
            .set_switch("rate_limits", "off")
            .map_err(|error| error.to_string())?;
        let wrong = |error: SandboxError| format!("{error}: {:?}", std::error::Error::source(&error));
        for (name, value) in settings {
            options.set_switch(name, &value.to_string()).map_err(wrong)?;
        }
        for Alternative { name, value } in alternatives {
            options
                .add_compared_switch(name, &value.to_string())
                .map_err(wrong)?;
        }
        let server = runtime
            .block_on(Server::start(options))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            runtime,
            server: Some(server),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            seen: 0,
        })
    }

    /// The workspace's entry in `segctl.yaml`, without what the scenario adds.
    pub(super) fn workspace(&self) -> Map<String, Value> {
        let key = format!("${{{API_KEY}}}");
        let endpoint = format!("http://{}", self.address());
        // Runs share their history of calls, and a scenario makes more in a minute than a workspace allows.
        let any: Map<String, Value> = ["list", "create", "get", "update", "lifecycle"]
            .map(|class| (class.to_owned(), json!(["100000/s"])))
            .into_iter()
            .collect();
        let entry = json!({
            "endpoint": endpoint, "workspace_id": WORD, "api_key": key, "db_name": WORD, "rate_limits": any,
        });
        entry.as_object().cloned().unwrap_or_default()
    }

    /// Where it listens.
    pub(super) fn address(&self) -> String {
        self.server.as_ref().unwrap().address().to_string()
    }

    /// Makes or changes a segment without segctl.
    pub(super) fn edit(&self, edit: &Edit) -> Result<(), String> {
        match edit.kind {
            Kind::Filter => self.edit_filters(edit),
            Kind::File => self.make_file(edit),
            Kind::Cohort => self.make_cohort(edit),
        }
    }

    /// Lets time go by.
    pub(super) fn advance(&self, seconds: u32) -> Result<(), String> {
        self.call("POST", "/_sandbox/clock", &json!({"advance_seconds": seconds}))
            .map(drop)
    }

    /// Makes calls go wrong.
    pub(super) fn set_faults(&self, script: &Value) -> Result<(), String> {
        self.call("POST", "/_sandbox/faults", script).map(drop)
    }

    /// Everything that the service keeps.
    pub(super) fn state(&self) -> Result<Value, String> {
        self.call("GET", "/_sandbox/state", &Value::Null)
    }

    /// The alternatives under which something would have been different so far.
    pub(super) fn told_apart(&self) -> Result<Vec<Alternative>, String> {
        let told_apart = self.call("GET", "/_sandbox/told-apart", &Value::Null)?;
        serde_json::from_value(told_apart).map_err(|error| error.to_string())
    }

    /// The service's time.
    pub(super) fn now(&self) -> Result<jiff::Timestamp, String> {
        let clock = self.call("GET", "/_sandbox/clock", &Value::Null)?;
        serde_json::from_value(clock["now"].clone()).map_err(|error| error.to_string())
    }

    /// The calls since this was asked last.
    pub(super) fn calls(&mut self) -> Result<Vec<Call>, String> {
        let log = self.call("GET", "/_sandbox/log", &Value::Null)?;
        let log = log.as_array().cloned().unwrap_or_default();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or("none").to_owned();
        let new = log.iter().skip(self.seen).map(|entry| Call {
            method: text(entry, "method"),
            path: text(entry, "path"),
            class: text(entry, "class"),
        });
        let new = new.collect();
        self.seen = log.len();
        Ok(new)
    }

    fn edit_filters(&self, edit: &Edit) -> Result<(), String> {
        let ids = self.ids()?;
        let mut body = Map::new();
        if let Some(name) = &edit.segment {
            let id = ids
                .get(name)
                .ok_or_else(|| format!("there is no segment `{name}`"))?;
            body.insert("id".to_owned(), id.clone());
        }
        let included = edit
            .event
            .as_deref()
            .map(did)
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
        self.call("POST", "/_sandbox/segments", &Value::Object(body))
            .map(drop)
    }

    fn make_file(&self, edit: &Edit) -> Result<(), String> {
        let body = json!({"name": edit.name, "attribute_name": "uid", "attribute_type": "string", "expiry_time": 365,
                          "file_url": "file:///nothing.csv"});
        self.call("POST", "/v2/custom-segments/file-segment", &body)?;
        self.call("POST", "/_sandbox/settle", &Value::Null)?;
        self.put_away(edit)
    }

    fn make_cohort(&self, edit: &Edit) -> Result<(), String> {
        let parameters = json!({"cohort_name": edit.name, "cohort_id": edit.name, "members": [{"uid": "1"}]});
        let body = json!({"action": "add_members", "partner": "partner", "parameters": parameters});
        self.call("POST", "/v1/integrations/cohortsync", &body)?;
        self.put_away(edit)
    }

    fn put_away(&self, made: &Edit) -> Result<(), String> {
        let archived = Edit {
            segment: made.name.clone(),
            archived: made.archived,
            ..Edit::default()
        };
        self.edit_filters(&archived)
    }

    /// The ids of all segments by their names.
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

    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let method: Method = method.parse().unwrap();
        let request = self
            .client
            .request(method, format!("http://{}{path}", self.address()))
            .basic_auth(WORD, Some(WORD))
            .header("MOE-APPKEY", WORD)
            .header("MOE-DBNAME", WORD)
            .header("Content-Type", "application/json")
            .body(body.to_string());
        self.runtime.block_on(async {
            let answer = request.send().await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let text = answer.text().await.map_err(|error| error.to_string())?;
            if !status.is_success() {
                return Err(format!("{path} is answered with {status}: {text}\n{body}"));
            }
            serde_json::from_str(&text).map_err(|error| error.to_string())
        })
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

/// Everyone who did `event` in the last 7 days.
fn did(event: &str) -> Value {
    let window =
        json!({"type": "inTheLast", "value": 7, "value_type": "relative_past", "period_unit": "days"});
    json!({"filter_operator": "and", "filters": [{
        "filter_type": "actions", "action_name": event, "executed": true,
        "execution": {"type": "atleast", "count": 1}, "primary_time_range": window,
        "attributes": {"filter_operator": "and", "filters": []}}]})
}

/// Filters whose references by name have the id beside it.
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
