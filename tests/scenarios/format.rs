//! The format of `scenario.yaml`. Unknown keys are errors, because a misspelled key would check nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Requests of every class.
pub(super) const ALL: &str = "all";

/// The request classes, as the sandbox logs them.
const CLASSES: [&str; 8] = [
    "list",
    "create",
    "get",
    "update",
    "lifecycle",
    "file",
    "cohort",
    ALL,
];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// One sentence on what it checks.
    pub(super) about: String,
    /// Sandbox switches that differ from the defaults.
    #[serde(default)]
    pub(super) settings: Map<String, Value>,
    /// Additional keys of the workspace in `segctl.yaml`.
    #[serde(default)]
    pub(super) workspace: Map<String, Value>,
    /// The segments in the workspace at the start.
    #[serde(default)]
    pub(super) before: Vec<Edit>,
    pub(super) commands: Vec<Command>,
    /// Whether segctl cannot reach the configuration.
    #[serde(default)]
    pub(super) unreachable: bool,
    /// Variants under which the scenario runs again.
    #[serde(default)]
    pub(super) switches: Vec<Switch>,
}

/// A variant and its effect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    /// Part of the snapshot file names; the default consists of the settings.
    name: Option<String>,
    /// Sandbox switches that override those of the scenario.
    #[serde(default)]
    pub(super) settings: Map<String, Value>,
    /// Workspace keys that override those of the scenario.
    #[serde(default)]
    pub(super) workspace: Map<String, Value>,
    pub(super) outcome: Outcome,
    /// Whether segctl cannot reach the configuration; the default is the value of the scenario.
    pub(super) unreachable: Option<bool>,
    /// Segments that differ from their declarations although no API response shows it: another plan has no changes.
    #[serde(default)]
    pub(super) undetectable: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Same,
    /// The final workspace is the same.
    OutputDiffers,
    /// The output is the same.
    WorkspaceDiffers,
    /// Both differ.
    Differs,
}

impl Outcome {
    pub(super) fn has_same_output(self) -> bool {
        matches!(self, Self::Same | Self::WorkspaceDiffers)
    }
}

impl Switch {
    pub(super) fn without_effect(settings: Map<String, Value>, workspace: Map<String, Value>) -> Self {
        Self {
            name: None,
            settings,
            workspace,
            outcome: Outcome::Same,
            unreachable: None,
            undetectable: Vec::new(),
        }
    }

    /// The part of the snapshot file names.
    pub(super) fn name(&self) -> String {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut parts: Vec<String> = Vec::new();
        for (key, value) in self.settings.iter().chain(&self.workspace) {
            match value {
                Value::Object(fields) => {
                    parts.extend(
                        fields
                            .iter()
                            .map(|(field, value)| format!("{key}.{field}={}", text(value))),
                    );
                }
                other => parts.push(format!("{key}={}", text(other))),
            }
        }
        self.name.clone().unwrap_or_else(|| parts.join(","))
    }
}

/// A segment that a dashboard user creates or changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    /// The current name of the segment to change; without it, a segment is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) segment: Option<String>,
    /// The new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Kind::is_filter")]
    pub(super) kind: Kind,
    /// The default for new segments is `Segmentation`: created in the dashboard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// Replaces `included_filters`: users with this event in the last 7 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<String>,
    /// API JSON; references can contain only the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) included_filters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) excluded_filters: Option<Value>,
    /// True archives the segment, false unarchives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) archived: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    #[default]
    Filter,
    File,
    Cohort,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) enum Command {
    Run(Run),
    Event(Event),
}

/// One `segctl` command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// Arguments with spaces are in double quotes.
    pub(super) run: String,
    /// The exit code, if the scenario is about it; the snapshot contains it anyway.
    pub(super) exit: Option<i32>,
    /// The number of requests by class; other classes are not limited.
    #[serde(default)]
    pub(super) requests: BTreeMap<String, Bound>,
    /// Whether the environment contains the API key of the workspace.
    #[serde(default = "default_true")]
    pub(super) credentials: bool,
}

fn default_true() -> bool {
    true
}

/// A number of requests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(super) enum Bound {
    Exactly(usize),
    AtMost(usize),
}

/// An event outside segctl.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// Copies `files.N` over the segment files.
    Files(u32),
    /// A dashboard user creates or changes a segment.
    Dashboard(Edit),
    /// Time passes: `61d` or `5h`.
    Advance(String),
    Lose(Lost),
    /// Requests fail from now on, by a fault script of the sandbox.
    Faults(Value),
    /// Changes or creates a file of the repository.
    Rewrite(Rewrite),
    /// Shows a file or all files in a directory of the repository.
    Cat(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rewrite {
    /// The path in the repository.
    pub(super) file: String,
    /// The text to replace, once; the default is the whole file.
    pub(super) from: Option<String>,
    pub(super) to: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lost {
    State,
}

impl Kind {
    fn is_filter(&self) -> bool {
        *self == Self::Filter
    }
}

impl TryFrom<Value> for Command {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let message = |error: serde_json::Error| error.to_string();
        match value {
            Value::String(run) => Ok(Self::Run(Run::of(&run))),
            Value::Object(ref fields) if fields.contains_key("run") => {
                serde_json::from_value(value).map(Self::Run).map_err(message)
            }
            other => serde_json::from_value(other).map(Self::Event).map_err(message),
        }
    }
}

impl TryFrom<Value> for Bound {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number"));
        match &value {
            Value::Number(exactly) => number(&exactly.to_string()).map(Self::Exactly),
            Value::String(text) => match text.strip_prefix("at most ") {
                Some(most) => number(most).map(Self::AtMost),
                None => Err(format!("expected a number or `at most NUMBER`, found `{text}`")),
            },
            other => Err(format!("expected a number or `at most NUMBER`, found `{other}`")),
        }
    }
}

impl Bound {
    pub(super) fn holds(&self, count: usize) -> bool {
        match self {
            Self::Exactly(exact) => count == *exact,
            Self::AtMost(most) => count <= *most,
        }
    }
}

impl Run {
    /// A command without expectations.
    pub(super) fn of(arguments: &str) -> Self {
        Self {
            run: arguments.to_owned(),
            exit: None,
            requests: BTreeMap::new(),
            credentials: true,
        }
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        // The pieces at odd positions were in quotes.
        let pieces = self.run.split('"').enumerate();
        pieces
            .flat_map(|(number, piece)| {
                if number % 2 == 1 {
                    vec![piece.to_owned()]
                } else {
                    piece.split_whitespace().map(str::to_owned).collect()
                }
            })
            .collect()
    }
}

pub(super) fn parse(text: &str) -> Result<Scenario, String> {
    let value: Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let scenario: Scenario = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if scenario.about.trim().is_empty() {
        return Err("`about` is empty".to_owned());
    }
    if !matches!(scenario.commands.last(), Some(Command::Run(_))) {
        return Err("the last entry of `commands` must be a segctl command".to_owned());
    }
    let runs = scenario.commands.iter().filter_map(|command| match command {
        Command::Run(run) => Some(run),
        Command::Event(_) => None,
    });
    if let Some(class) = runs
        .flat_map(|run| run.requests.keys())
        .find(|class| !CLASSES.contains(&class.as_str()))
    {
        return Err(format!("unknown request class `{class}`"));
    }
    if scenario.before.iter().any(|edit| edit.segment.is_some()) {
        return Err("`before` creates segments; remove `segment`".to_owned());
    }
    Ok(scenario)
}
