//! What stands in a `scenario.yaml`. Unknown keys are refused: a misspelt one would check nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Stands for calls of every class.
pub(super) const ALL: &str = "all";

/// Classes of calls, by the words of the sandbox's log.
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

/// A scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// What it shows, in a line.
    pub(super) about: String,
    /// Switches of the sandbox, where they are not the default ones.
    #[serde(default)]
    pub(super) settings: Map<String, Value>,
    /// Keys of the workspace in `segctl.yaml`, beside those that say where the service is.
    #[serde(default)]
    pub(super) workspace: Map<String, Value>,
    /// What is in the workspace at first.
    #[serde(default)]
    pub(super) before: Vec<Edit>,
    /// What is done.
    pub(super) commands: Vec<Command>,
    /// Whether what the files say cannot be reached.
    #[serde(default)]
    pub(super) unreachable: bool,
    /// Other circumstances under which all of it is done again.
    #[serde(default)]
    pub(super) switches: Vec<Switch>,
}

/// Other circumstances, and what they change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    /// For the file names of what was reviewed; made from the settings where it is missing.
    name: Option<String>,
    /// Switches of the sandbox, over those of the scenario.
    #[serde(default)]
    pub(super) settings: Map<String, Value>,
    /// Keys of the workspace, over those of the scenario.
    #[serde(default)]
    pub(super) workspace: Map<String, Value>,
    /// What they change.
    pub(super) outcome: Outcome,
    /// Whether what the files say cannot be reached so; as in the scenario where it is missing.
    pub(super) unreachable: Option<bool>,
    /// Segments that are not as declared so, which no answer of the service shows: one more plan finds nothing to do.
    #[serde(default)]
    pub(super) unseen: Vec<String>,
}

/// What other circumstances change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// Nothing.
    Same,
    /// What is said; the workspace ends up the same.
    OutputDiffers,
    /// What is in the workspace at the end; the same is said.
    WorkspaceDiffers,
    /// What is said and what is in the workspace at the end.
    Differs,
}

impl Outcome {
    pub(super) fn says_the_same(self) -> bool {
        matches!(self, Self::Same | Self::WorkspaceDiffers)
    }
}

impl Switch {
    /// Settings of the sandbox and the workspace that change nothing.
    pub(super) fn without_effect(settings: Map<String, Value>, workspace: Map<String, Value>) -> Self {
        Self {
            name: None,
            settings,
            workspace,
            outcome: Outcome::Same,
            unreachable: None,
            unseen: Vec::new(),
        }
    }

    /// The settings as one word.
    pub(super) fn name(&self) -> String {
        let word = |value: &Value| match value {
            Value::String(word) => word.clone(),
            other => other.to_string(),
        };
        let mut parts: Vec<String> = Vec::new();
        for (key, value) in self.settings.iter().chain(&self.workspace) {
            match value {
                Value::Object(fields) => {
                    parts.extend(
                        fields
                            .iter()
                            .map(|(field, value)| format!("{key}.{field}={}", word(value))),
                    );
                }
                other => parts.push(format!("{key}={}", word(other))),
            }
        }
        self.name.clone().unwrap_or_else(|| parts.join(","))
    }
}

/// A segment as somebody makes or changes it who does not use segctl.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    /// The present name of the segment to change; a new segment is made where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) segment: Option<String>,
    /// Its name from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// What a new segment is made of.
    #[serde(default, skip_serializing_if = "Kind::is_filter")]
    pub(super) kind: Kind,
    /// `Segmentation` for new segments where nothing is said: made in the dashboard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// Everyone who did this in the last 7 days, in place of `included_filters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<String>,
    /// In the API's JSON, but references may go by name alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) included_filters: Option<Value>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) excluded_filters: Option<Value>,
    /// Whether it is put away, or taken out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) archived: Option<bool>,
}

/// What a segment is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    #[default]
    Filter,
    File,
    Cohort,
}

/// One thing that is done.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) enum Command {
    /// `segctl` with arguments.
    Run(Run),
    /// Something that goes on around it.
    Event(Event),
}

/// `segctl` with arguments.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// The arguments; those with spaces in double quotes.
    pub(super) run: String,
    /// The exit code, for scenarios about it: the reviewed output has it anyway.
    pub(super) exit: Option<i32>,
    /// How many calls of a class it makes; a class that is not named may be called.
    #[serde(default)]
    pub(super) requests: BTreeMap<String, Bound>,
    /// Whether it finds the key of the workspace.
    #[serde(default = "is_so")]
    pub(super) credentials: bool,
}

fn is_so() -> bool {
    true
}

/// A number of calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub(super) enum Bound {
    Exactly(usize),
    AtMost(usize),
}

/// Something that goes on around segctl.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// The files of `files.N` are laid over those that are there.
    Files(u32),
    /// Somebody changes a segment, or makes one.
    ByHand(Edit),
    /// So many days or hours go by, as in `61d` and `5h`.
    Advance(String),
    /// Something is gone.
    Lose(Lost),
    /// Calls go wrong from now on: the sandbox's script of faults.
    Faults(Value),
    /// A file of the repository is changed, or made.
    Rewrite(Rewrite),
    /// A file of the repository, or all files of a directory of it, are shown.
    Cat(String),
}

/// A change of a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rewrite {
    /// Its path in the repository.
    pub(super) file: String,
    /// What is replaced, where it stands first; all of it where nothing is said.
    pub(super) from: Option<String>,
    /// What stands there afterwards.
    pub(super) to: String,
}

/// What can get lost.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lost {
    Ledger,
}

impl Kind {
    fn is_filter(&self) -> bool {
        *self == Self::Filter
    }
}

impl TryFrom<Value> for Command {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| error.to_string();
        match value {
            Value::String(run) => Ok(Self::Run(Run::of(&run))),
            Value::Object(ref fields) if fields.contains_key("run") => {
                serde_json::from_value(value).map(Self::Run).map_err(wrong)
            }
            other => serde_json::from_value(other).map(Self::Event).map_err(wrong),
        }
    }
}

impl TryFrom<Value> for Bound {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number"));
        match &value {
            Value::Number(exactly) => number(&exactly.to_string()).map(Self::Exactly),
            Value::String(text) => match text.strip_prefix("at most ") {
                Some(most) => number(most).map(Self::AtMost),
                None => Err(format!("`{text}` is neither a number nor `at most` one")),
            },
            other => Err(format!("`{other}` is neither a number nor `at most` one")),
        }
    }
}

impl Bound {
    pub(super) fn holds(&self, count: usize) -> bool {
        match self {
            Self::Exactly(wanted) => count == *wanted,
            Self::AtMost(most) => count <= *most,
        }
    }
}

impl Run {
    /// Arguments of which nothing is claimed.
    pub(super) fn of(arguments: &str) -> Self {
        Self {
            run: arguments.to_owned(),
            exit: None,
            requests: BTreeMap::new(),
            credentials: true,
        }
    }

    /// The arguments one by one.
    pub(super) fn arguments(&self) -> Vec<String> {
        // Every second piece between quotes was in quotes.
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

/// `scenario.yaml`, or what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Scenario, String> {
    let value: Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let scenario: Scenario = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if scenario.about.trim().is_empty() {
        return Err("`about` is empty".to_owned());
    }
    if !matches!(scenario.commands.last(), Some(Command::Run(_))) {
        return Err("the last of the `commands` must be one of segctl".to_owned());
    }
    let runs = scenario.commands.iter().filter_map(|command| match command {
        Command::Run(run) => Some(run),
        Command::Event(_) => None,
    });
    if let Some(class) = runs
        .flat_map(|run| run.requests.keys())
        .find(|class| !CLASSES.contains(&class.as_str()))
    {
        return Err(format!("`{class}` is no class of calls"));
    }
    if scenario.before.iter().any(|edit| edit.segment.is_some()) {
        return Err("`before` makes segments; there is none yet to be changed".to_owned());
    }
    Ok(scenario)
}
