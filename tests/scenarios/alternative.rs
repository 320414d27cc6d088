//! The other value of each switch of the sandbox: a scenario comes out the same under each that it does not name.

use super::format::{Scenario, Switch};
use segctl::sandbox::SandboxSettings;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A switch at another value than in the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alternative {
    pub(super) name: String,
    pub(super) value: Value,
}

/// What is no question of yes or no.
const NOT_COMPARED: [&str; 3] = ["rate_limits", "active_limit", "users"];

/// The switch that the workspace is told of, and how: one whose list shows archived segments and that is not told so
/// cannot be what its files say.
const TOLD: (&str, &str) = ("list_includes_archived", "list_shows_archived");

/// The values of switches that are more than true and false.
fn values(name: &str) -> Vec<Value> {
    let words: &[&str] = match name {
        "rate_headers_window" => &["shortest", "fullest"],
        "patch_without_excluded" => &["keep", "clear"],
        "patch_without_change" => &["accepted", "refused", "conflict"],
        "echo" => &["as_sent", "defaults_filled", "defaults_dropped", "dashboard_days"],
        _ => return vec![json!(false), json!(true)],
    };
    words.iter().map(|word| json!(word)).collect()
}

/// All values that the switches of the sandbox do not have in a scenario.
pub(super) fn all(settings: &Map<String, Value>) -> Vec<Alternative> {
    let mut switches = match serde_json::to_value(SandboxSettings::default()).unwrap() {
        Value::Object(switches) => switches,
        other => panic!("{other} are no settings"),
    };
    switches.retain(|name, _| !NOT_COMPARED.contains(&name.as_str()));
    let mut alternatives = Vec::new();
    for (name, default) in switches {
        let values = values(&name);
        let value = settings.get(&name).unwrap_or(&default);
        assert!(
            values.contains(value),
            "`{name}` is a switch whose values are not known here"
        );
        let others = values.iter().filter(|other| *other != value);
        alternatives.extend(others.map(|other| Alternative {
            name: name.clone(),
            value: other.clone(),
        }));
    }
    alternatives
}

impl Alternative {
    /// Whether the scenario names it.
    pub(super) fn is_named(&self, scenario: &Scenario) -> bool {
        scenario.switches.iter().any(|switch| self.is(switch))
    }

    /// Whether `switch` is this and nothing more.
    pub(super) fn is(&self, switch: &Switch) -> bool {
        switch.settings == self.settings() && switch.workspace == self.workspace()
    }

    /// The switch as a scenario would name it where it changes nothing.
    pub(super) fn without_effect(&self) -> Switch {
        Switch::without_effect(self.settings(), self.workspace())
    }

    fn settings(&self) -> Map<String, Value> {
        Map::from_iter([(self.name.clone(), self.value.clone())])
    }

    /// Whether the workspace is told of it, and so may do something else where the service does the same.
    pub(super) fn is_told(&self) -> bool {
        self.name == TOLD.0
    }

    /// What the workspace is told of it.
    fn workspace(&self) -> Map<String, Value> {
        if !self.is_told() {
            return Map::new();
        }
        let (_, key) = TOLD;
        let behaviour = Map::from_iter([(key.to_owned(), self.value.clone())]);
        Map::from_iter([("service".to_owned(), Value::Object(behaviour))])
    }
}
