//! The other values of each sandbox switch. A scenario has the same result under each value that it does not name.

use super::format::{Scenario, Switch};
use segctl::sandbox::SandboxSettings;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A switch value that differs from the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alternative {
    pub(super) name: String,
    pub(super) value: Value,
}

/// Settings that are not switches.
const NOT_COMPARED: [&str; 3] = ["rate_limits", "active_limit", "users"];

/// The `api_behavior` that goes with a switch value: without it, segctl cannot reach the configuration.
fn api_behavior(name: &str, value: &Value) -> Option<Value> {
    match name {
        "list_includes_archived" => Some(json!({"list_shows_archived": value})),
        "file_request_content_type" if value == "list" => {
            Some(json!({"file_request_content_type": "text/csv"}))
        }
        _ => None,
    }
}

/// With it, definitions that segctl did not write look edited. A scenario that sets it has no other form.
const UNDOCUMENTED_ECHO: &str = "undocumented";

/// The values of a switch; most switches are boolean.
fn values(name: &str) -> Vec<Value> {
    let values: &[&str] = match name {
        "list_shows" => &["all", "filter", "filter_and_file"],
        "wrong_database" => &["unauthorized", "bad_request"],
        "file_request_content_type" => &["application/json", "list"],
        "rate_headers_window" => &["shortest", "fullest"],
        "patch_without_excluded" => &["keep", "clear"],
        "patch_without_change" => &["accepted", "refused", "conflict"],
        "echo" => &["as_sent", "defaults_filled", "defaults_dropped", "dashboard_days"],
        _ => return vec![json!(false), json!(true)],
    };
    values.iter().map(|value| json!(value)).collect()
}

/// A list of filter segments only hides what every other list hides.
fn is_compared(name: &str, value: &Value) -> bool {
    name != "list_shows" || value != "filter_and_file"
}

/// All switch values that a scenario does not use.
pub(super) fn all(settings: &Map<String, Value>) -> Vec<Alternative> {
    let mut switches = match serde_json::to_value(SandboxSettings::default()).unwrap() {
        Value::Object(switches) => switches,
        other => panic!("settings are not a mapping: {other}"),
    };
    switches.retain(|name, _| !NOT_COMPARED.contains(&name.as_str()));
    let mut alternatives = Vec::new();
    for (name, default) in switches {
        let values = values(&name);
        let value = settings.get(&name).unwrap_or(&default);
        if *value == json!(UNDOCUMENTED_ECHO) {
            continue;
        }
        assert!(
            values.contains(value),
            "unknown value {value} of the switch `{name}`; add its values to `values` in this file"
        );
        let others = values
            .iter()
            .filter(|other| *other != value && is_compared(&name, other));
        alternatives.extend(others.map(|other| Alternative {
            name: name.clone(),
            value: other.clone(),
        }));
    }
    alternatives
}

impl Alternative {
    pub(super) fn is_named(&self, scenario: &Scenario) -> bool {
        scenario.switches.iter().any(|switch| self.is(switch))
    }

    /// Whether `switch` sets only this value.
    pub(super) fn is(&self, switch: &Switch) -> bool {
        switch.settings == self.settings() && switch.workspace == self.workspace()
    }

    /// The switch as a scenario names it if it changes nothing.
    pub(super) fn without_effect(&self) -> Switch {
        Switch::without_effect(self.settings(), self.workspace())
    }

    fn settings(&self) -> Map<String, Value> {
        Map::from_iter([(self.name.clone(), self.value.clone())])
    }

    /// Whether a workspace setting goes with it. The setting can change what segctl does even if the sandbox responds
    /// the same.
    pub(super) fn has_workspace_setting(&self) -> bool {
        self.name == "list_includes_archived"
    }

    fn workspace(&self) -> Map<String, Value> {
        let api_behavior = api_behavior(&self.name, &self.value);
        let entry = api_behavior.map(|behavior| ("api_behavior".to_owned(), behavior));
        entry.into_iter().collect()
    }
}
