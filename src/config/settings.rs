//! `segctl.yaml`: which files declare segments, and the workspaces they are for.
//!
//! The file never contains secrets. It names them, and a command resolves only those that it needs.

mod callbacks;
mod policy;

pub use callbacks::CallbackSettings;

use super::decode::codes;
use super::decode::decoder::{Decoder, Fields};
use super::source::SourceFile;
use super::yaml::{self, Node, Yaml};
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{EndpointClass, Policy, StateLocation, is_loopback_http, keywords};
use std::collections::BTreeMap;

const LITERAL_SECRET: &str = "SEG060";
const INCONSISTENT_WORKSPACE: &str = "SEG061";
const INVALID_STORAGE_URL: &str = "SEG063";

keywords! {
    pub enum DataCenter("data center") {
        /// United States.
        Dc01 = "01",
        /// European Union.
        Dc02 = "02",
        /// India.
        Dc03 = "03",
        /// United States.
        Dc04 = "04",
        /// Singapore.
        Dc05 = "05",
        /// Indonesia.
        Dc06 = "06",
        Dc101 = "101",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSettings {
    /// Directories or globs, relative to `segctl.yaml`.
    pub segments: Vec<String>,
    pub default_workspace: Option<String>,
    pub workspaces: BTreeMap<String, WorkspaceSettings>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceSettings {
    pub connection: ConnectionSettings,
    /// `None` means the directory `.segctl/<workspace>`.
    pub state: Option<StateLocation>,
    /// The time zone of dates in filters, as the workspace has it in MoEngage.
    pub time_zone: Option<String>,
    /// Override the documented limits.
    pub rate_limits: Vec<RateLimitSettings>,
    pub policy: Policy,
    /// `None` when segctl receives no upload results.
    pub callbacks: Option<CallbackSettings>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitSettings {
    pub class: EndpointClass,
    /// Texts such as `50/min`, with their locations in the file.
    pub windows: Vec<(String, Location)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionSettings {
    /// The embedded sandbox, stored in `file`, which is relative to `segctl.yaml`.
    Sandbox { file: String },
    MoEngage {
        endpoint: EndpointSetting,
        /// The user name of every API request.
        workspace_id: ValueSource,
        /// The password of every API request.
        api_key: ValueSource,
        /// Archive and unarchive need it.
        db_name: Option<ValueSource>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointSetting {
    DataCenter(DataCenter),
    Url(String, Location),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// Never for a secret.
    Literal(String),
    Environment(String),
    /// A program and its arguments; the first line of its output is the value.
    Command(Vec<String>),
}

/// Reads `segctl.yaml`. The settings are `None` when a diagnostic is an error.
#[must_use]
pub fn parse_settings(source: &SourceFile) -> (Option<ProjectSettings>, Vec<Diagnostic>) {
    let (documents, mut diagnostics) = yaml::parse(source);
    let mut decoder = Decoder::new(source);
    let settings = match documents.as_slice() {
        [document] => decode_settings(&mut decoder, document),
        [] if !diagnostics.is_empty() => None,
        [] => decoder.error(
            codes::MISSING_FIELD,
            &(0..0),
            "the file is empty",
            "expected `segments` and `workspaces`",
        ),
        [_, second, ..] => decoder.error(
            codes::MISPLACED_FIELD,
            &second.span,
            "the file contains more than one YAML document",
            "remove this document",
        ),
    };
    diagnostics.extend(decoder.into_diagnostics());
    (settings.filter(|_| diagnostics.is_empty()), diagnostics)
}

fn decode_settings(decoder: &mut Decoder<'_>, document: &Node) -> Option<ProjectSettings> {
    let mut fields = decoder.fields(document, "segctl.yaml")?;
    let segments = required(decoder, &mut fields, "segments", |decoder, node| {
        match &node.value {
            Yaml::List(_) => decoder.non_empty_list(node, Decoder::non_empty_text),
            _ => decoder.non_empty_text(node).map(|text| vec![text]),
        }
    });
    let default = fields.take("default_workspace");
    let default_name = default.map(|node| decoder.non_empty_text(node));
    let workspaces = required(decoder, &mut fields, "workspaces", decode_workspaces);
    decoder.finish(&fields);
    let default_workspace = match default_name {
        Some(name) => Some(name?),
        None => None,
    };
    let workspaces = workspaces?;
    if let (Some(node), Some(name)) = (default, &default_workspace)
        && !workspaces.contains_key(name)
    {
        let message = format!("`default_workspace` names the unknown workspace `{name}`");
        let label = "not declared under `workspaces`";
        return decoder.error(INCONSISTENT_WORKSPACE, &node.span, message, label);
    }
    Some(ProjectSettings {
        segments: segments?,
        default_workspace,
        workspaces,
    })
}

fn decode_workspaces(decoder: &mut Decoder<'_>, node: &Node) -> Option<BTreeMap<String, WorkspaceSettings>> {
    let Yaml::Map(entries) = &node.value else {
        return decoder.wrong_type(node, "workspaces by name");
    };
    if entries.is_empty() {
        let message = "`workspaces` is empty";
        return decoder.error(
            codes::OUT_OF_RANGE,
            &node.span,
            message,
            "add at least one workspace",
        );
    }
    let decoded: Vec<_> = entries
        .iter()
        .map(|(key, node)| {
            if !is_workspace_name(&key.text) {
                let message = format!("`{}` is not a valid workspace name", key.text);
                let label = "use 1 to 64 letters, digits, `-` and `_`";
                return decoder.error(INCONSISTENT_WORKSPACE, &key.span, message, label);
            }
            Some((key.text.clone(), decode_workspace(decoder, node)?))
        })
        .collect();
    decoded.into_iter().collect()
}

/// The name becomes a directory of the state, so it must be valid on every file system.
fn is_workspace_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn decode_workspace(decoder: &mut Decoder<'_>, node: &Node) -> Option<WorkspaceSettings> {
    let mut fields = decoder.fields(node, "a workspace")?;
    let connection = match fields.take("sandbox") {
        Some(node) => {
            fields.describe("a sandbox workspace");
            let file = decoder.path(node);
            file.map(|file| ConnectionSettings::Sandbox { file })
        }
        None => moengage_connection(decoder, &mut fields),
    };
    let state = optional(decoder, &mut fields, "state", state_location);
    let time_zone = optional(decoder, &mut fields, "time_zone", time_zone);
    let rate_limits = optional(decoder, &mut fields, "rate_limits", rate_limits);
    let uses_data_center = matches!(
        &connection,
        Some(ConnectionSettings::MoEngage {
            endpoint: EndpointSetting::DataCenter(_),
            ..
        })
    );
    let policy = policy::policy(decoder, &mut fields, uses_data_center);
    let callbacks = optional(decoder, &mut fields, "callbacks", callbacks::callback_settings);
    decoder.finish(&fields);
    Some(WorkspaceSettings {
        connection: connection?,
        state: state?,
        time_zone: time_zone?,
        rate_limits: rate_limits?.unwrap_or_default(),
        policy: policy?,
        callbacks: callbacks?,
    })
}

fn required<'d, T>(
    decoder: &mut Decoder<'d>,
    fields: &mut Fields<'_>,
    key: &'static str,
    read: impl FnOnce(&mut Decoder<'d>, &Node) -> Option<T>,
) -> Option<T> {
    let node = decoder.require(fields, key)?;
    read(decoder, node)
}

/// `Some(None)` when the field is absent, `None` when it is present and invalid.
fn optional<'d, T>(
    decoder: &mut Decoder<'d>,
    fields: &mut Fields<'_>,
    key: &'static str,
    read: impl FnOnce(&mut Decoder<'d>, &Node) -> Option<T>,
) -> Option<Option<T>> {
    match fields.take(key) {
        Some(node) => read(decoder, node).map(Some),
        None => Some(None),
    }
}

/// The message does not repeat the value: URLs of other programs may contain a key.
fn state_location(decoder: &mut Decoder<'_>, node: &Node) -> Option<StateLocation> {
    let text = decoder.path(node)?;
    match StateLocation::parse(&text) {
        Ok(location) => Some(location),
        Err(error) => {
            decoder.error::<()>(INVALID_STORAGE_URL, &node.span, "invalid `state` location", error);
            decoder
                .add_help("use a directory or `s3://BUCKET/PREFIX`; credentials come from the environment");
            None
        }
    }
}

fn moengage_connection(decoder: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<ConnectionSettings> {
    let endpoint = match (fields.take("data_center"), fields.take("endpoint")) {
        (Some(_), Some(node)) => {
            let message = "`data_center` and `endpoint` exclude each other";
            decoder.error(INCONSISTENT_WORKSPACE, &node.span, message, "remove one of them")
        }
        (Some(node), None) => data_center(decoder, node).map(EndpointSetting::DataCenter),
        (None, Some(node)) => endpoint_url(decoder, node),
        (None, None) => {
            decoder.require(fields, "data_center");
            decoder.add_help(
                "set `data_center: \"01\"`, or `endpoint: URL`, or `sandbox: FILE` for the embedded sandbox",
            );
            None
        }
    };
    let workspace_id = required(decoder, fields, "workspace_id", value_source);
    let api_key = required(decoder, fields, "api_key", secret_source);
    let db_name = optional(decoder, fields, "db_name", value_source);
    Some(ConnectionSettings::MoEngage {
        endpoint: endpoint?,
        workspace_id: workspace_id?,
        api_key: api_key?,
        db_name: db_name?,
    })
}

fn data_center(decoder: &mut Decoder<'_>, node: &Node) -> Option<DataCenter> {
    // Text first: most YAML readers take an unquoted 01 for a number, and `text` asks for quotes.
    decoder.text(node)?;
    decoder.keyword(node)
}

fn endpoint_url(decoder: &mut Decoder<'_>, node: &Node) -> Option<EndpointSetting> {
    let text = decoder.non_empty_text(node)?;
    if is_loopback_http(&text) || text.starts_with("https://") {
        return Some(EndpointSetting::Url(text, decoder.location(&node.span)));
    }
    let label = "http is allowed only for loopback addresses";
    decoder.error(
        codes::OUT_OF_RANGE,
        &node.span,
        "`endpoint` must be an https URL",
        label,
    )
}

fn value_source(decoder: &mut Decoder<'_>, node: &Node) -> Option<ValueSource> {
    if matches!(node.value, Yaml::Map(_)) {
        return command_source(decoder, node);
    }
    let text = decoder.non_empty_text(node)?;
    match environment_variable(&text) {
        Some(name) => Some(ValueSource::Environment(name.to_owned())),
        None if text.contains("${") => {
            let message = "an environment variable must be the whole value, as in `${NAME}`";
            decoder.error(codes::OUT_OF_RANGE, &node.span, message, "contains other text")
        }
        None => Some(ValueSource::Literal(text)),
    }
}

/// The messages never repeat the value: it may be the secret.
fn secret_source(decoder: &mut Decoder<'_>, node: &Node) -> Option<ValueSource> {
    match &node.value {
        Yaml::Map(_) => command_source(decoder, node),
        Yaml::Scalar(scalar) if environment_variable(&scalar.text).is_some() => {
            environment_variable(&scalar.text).map(|name| ValueSource::Environment(name.to_owned()))
        }
        Yaml::Invalid => None,
        Yaml::Scalar(_) | Yaml::List(_) => {
            let message = "segctl.yaml must not contain a secret";
            decoder.error::<()>(LITERAL_SECRET, &node.span, message, "looks like a literal secret");
            decoder.add_help("use an environment variable, `${MOENGAGE_API_KEY}`, or a command, `{command: [pass, moengage]}`");
            decoder.add_help("if the file was ever committed, replace the key in MoEngage");
            None
        }
    }
}

fn environment_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let is_name_character = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let starts_with_digit = name.starts_with(|first: char| first.is_ascii_digit());
    (!name.is_empty() && !starts_with_digit && name.chars().all(is_name_character)).then_some(name)
}

fn command_source(decoder: &mut Decoder<'_>, node: &Node) -> Option<ValueSource> {
    let mut fields = decoder.fields(node, "a command")?;
    let command = required(decoder, &mut fields, "command", |decoder, node| {
        if let Yaml::List(words) = &node.value
            && let Some(program) = words.first()
        {
            decoder.path(program)?;
        }
        decoder.non_empty_list(node, Decoder::non_empty_text)
    });
    decoder.finish(&fields);
    command.map(ValueSource::Command)
}

fn time_zone(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let name = decoder.non_empty_text(node)?;
    if jiff::tz::TimeZone::get(&name).is_ok() {
        return Some(name);
    }
    let message = format!("unknown time zone `{name}`");
    let label = "expected a name such as `Asia/Kolkata`";
    decoder.error(codes::UNKNOWN_KEYWORD, &node.span, message, label)
}

fn rate_limits(decoder: &mut Decoder<'_>, node: &Node) -> Option<Vec<RateLimitSettings>> {
    let mut fields = decoder.fields(node, "`rate_limits`")?;
    let mut limits = Vec::new();
    for (class, key) in RATE_LIMIT_KEYS {
        if let Some(node) = fields.take(key) {
            let windows = decoder.non_empty_list(node, |decoder, node| {
                Some((decoder.non_empty_text(node)?, decoder.location(&node.span)))
            });
            limits.push(windows.map(|windows| RateLimitSettings { class, windows }));
        }
    }
    decoder.finish(&fields);
    limits.into_iter().collect()
}

const RATE_LIMIT_KEYS: [(EndpointClass, &str); 7] = [
    (EndpointClass::List, "list"),
    (EndpointClass::Create, "create"),
    (EndpointClass::Get, "get"),
    (EndpointClass::Update, "update"),
    (EndpointClass::Lifecycle, "lifecycle"),
    (EndpointClass::File, "file"),
    (EndpointClass::Cohort, "cohort"),
];

#[cfg(test)]
mod tests;
